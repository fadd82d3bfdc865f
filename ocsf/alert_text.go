package ocsf

import (
	"unicode/utf16"
	"unicode/utf8"
)

// string reads the string at pos: a part of the line when nothing had to be rewritten, else a copy in a.text.
func (s *scanner) string() ([]byte, bool) {
	start := s.pos + 1
	plain, ascii := true, true
	for i := start; i < len(s.src); i++ {
		c := s.src[i]
		if c == '"' {
			raw := s.src[start:i]
			if plain && (ascii || utf8.Valid(raw)) {
				s.pos = i + 1
				return raw, true
			}
			s.pos = start - 1
			if !s.pass() {
				return nil, false
			}
			return s.a.unescape(raw), true
		}
		switch {
		case c < 0x20:
			return nil, false
		case c == '\\':
			plain = false
			i++ // whatever follows is checked by pass
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, false
}

// unescape appends the meaning of a string's inner text to a.text. Escapes are known to be well formed.
// Invalid UTF-8 and lone surrogates become U+FFFD, one per byte or escape, as encoding/json does.
func (a *Alert) unescape(raw []byte) []byte {
	start := len(a.text)
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == '\\':
			i++
			switch raw[i] {
			case 'b':
				a.text = append(a.text, '\b')
			case 'f':
				a.text = append(a.text, '\f')
			case 'n':
				a.text = append(a.text, '\n')
			case 'r':
				a.text = append(a.text, '\r')
			case 't':
				a.text = append(a.text, '\t')
			case 'u':
				r, _ := hex4(raw[i+1:])
				i += 4
				if utf16.IsSurrogate(r) {
					pair := rune(utf8.RuneError)
					if i+2 < len(raw) && raw[i+1] == '\\' && raw[i+2] == 'u' {
						low, _ := hex4(raw[i+3:])
						pair = utf16.DecodeRune(r, low)
					}
					if r = pair; r != utf8.RuneError {
						i += 6
					}
				}
				a.text = utf8.AppendRune(a.text, r)
			default:
				a.text = append(a.text, raw[i]) // quote, backslash, slash
			}
			i++
		case c < utf8.RuneSelf:
			a.text = append(a.text, c)
			i++
		default:
			r, n := utf8.DecodeRune(raw[i:])
			a.text = utf8.AppendRune(a.text, r)
			i += n
		}
	}
	return a.text[start:len(a.text):len(a.text)]
}

// validText returns b, or a copy in a.text with U+FFFD for every byte that is no UTF-8.
func (a *Alert) validText(b []byte) []byte {
	if utf8.Valid(b) {
		return b
	}
	start := len(a.text)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		a.text = utf8.AppendRune(a.text, r)
		b = b[n:]
	}
	return a.text[start:len(a.text):len(a.text)]
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
