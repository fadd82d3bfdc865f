package ocsf

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

const ones, tops = 0x0101010101010101, 0x8080808080808080

// notPlain takes eight bytes: in each of the four terms the top bit of a byte is set if the byte is one that a JSON string does
// not hold as it is, as ASCII: the quote, the backslash, a control character, a byte beyond ASCII; and of the wrong ones
// only such that stand behind a right one.
func notPlain(w uint64) uint64 {
	quote, escape := w^'"'*ones, w^'\\'*ones
	// The third term is set for bytes from 0xa0 on as well, which the last one finds anyway.
	return ((quote-ones)&^quote | (escape-ones)&^escape | (w - 0x20*ones) | w) & tops
}

// plainEnd returns the position of the first byte at or after pos that a JSON string does not hold as it is, as ASCII;
// len(src) if there is none.
//
// Most strings are short, and where one ends cannot be foreseen: two words are looked at before the first branch, which is
// how the processor guesses wrong less often.
func plainEnd(src []byte, pos int) int {
	rest := src[min(pos, len(src)):]
	for len(rest) >= 16 {
		w := (*[16]byte)(rest)
		first, second := notPlain(binary.LittleEndian.Uint64(w[:8])), notPlain(binary.LittleEndian.Uint64(w[8:]))
		if first|second != 0 {
			n := bits.TrailingZeros64(first) / 8 // 8 if there is none
			return len(src) - len(rest) + n + bits.TrailingZeros64(second)/8&-(n/8)
		}
		rest = rest[16:]
	}
	pos = len(src) - len(rest)
	for pos < len(src) {
		if c := src[pos]; c == '"' || c == '\\' || c < 0x20 || c >= utf8.RuneSelf {
			return pos
		}
		pos++
	}
	return pos
}

// string reads the string at pos: a part of the line when nothing had to be rewritten, else a copy in a.text.
func (s *scanner) string() ([]byte, bool) {
	start := s.pos + 1
	i := plainEnd(s.src, start)
	if i < len(s.src) && s.src[i] == '"' {
		s.pos = i + 1
		return s.src[start:i], true
	}
	return s.rewritten(start, i)
}

// rewritten reads on from i, the first byte of the string at start that is not plain.
// Invalid UTF-8 and lone surrogates become U+FFFD, one per byte or escape, as encoding/json does.
func (s *scanner) rewritten(start, i int) ([]byte, bool) {
	a, copied := s.a, start // text from copied to i is still to be copied
	mark := len(a.text)
	for i < len(s.src) {
		switch c := s.src[i]; {
		case c == '"':
			s.pos = i + 1
			if copied == start {
				return s.src[start:i], true // there was only valid UTF-8 beyond ASCII
			}
			a.text = append(a.text, s.src[copied:i]...)
			return a.text[mark:len(a.text):len(a.text)], true
		case c == '\\':
			a.text = append(a.text, s.src[copied:i]...)
			n := a.unescape(s.src[i:])
			if n == 0 {
				return nil, false
			}
			i += n
			i += a.plain(s.src[i:])
			copied = i
			continue
		case c < 0x20:
			return nil, false
		default:
			if _, n := utf8.DecodeRune(s.src[i:]); n > 1 {
				i += n
				break
			}
			a.text = append(a.text, s.src[copied:i]...)
			a.text = utf8.AppendRune(a.text, utf8.RuneError)
			i++
			copied = i
		}
		i = plainEnd(s.src, i)
	}
	return nil, false
}

// plain appends what is plain at the start of raw to a.text, and what short escapes in it stand for, and returns its length.
// Escapes stand close together, so it copies word by word as it looks.
func (a *Alert) plain(raw []byte) int {
	n, text := 0, a.text
	for len(raw)-n >= 8 {
		w := binary.LittleEndian.Uint64(raw[n:])
		text = binary.LittleEndian.AppendUint64(text, w)
		hit := notPlain(w)
		if hit == 0 {
			n += 8
			continue
		}
		k := bits.TrailingZeros64(hit) / 8
		text, n = text[:len(text)-8+k], n+k
		if raw[n] != '\\' || n+1 == len(raw) || shortEscape(raw[n+1]) == 0 {
			a.text = text
			return n
		}
		text, n = append(text, shortEscape(raw[n+1])), n+2
	}
	end := plainEnd(raw, n)
	a.text = append(text, raw[n:end]...)
	return end
}

// unescape appends what the escape at the start of raw stands for to a.text and returns its length; 0 if it is none.
// A pair of surrogates is one escape of twice the length.
func (a *Alert) unescape(raw []byte) int {
	if len(raw) < 2 {
		return 0
	}
	if c := shortEscape(raw[1]); c != 0 {
		a.text = append(a.text, c)
		return 2
	}
	if raw[1] != 'u' {
		return 0
	}
	r, ok := hex4(raw[2:])
	if !ok {
		return 0
	}
	n := 6
	if utf16.IsSurrogate(r) {
		pair := rune(utf8.RuneError)
		if len(raw) > 7 && raw[6] == '\\' && raw[7] == 'u' {
			if low, ok := hex4(raw[8:]); ok {
				pair = utf16.DecodeRune(r, low)
			}
		}
		if r = pair; r != utf8.RuneError {
			n = 12
		}
	}
	a.text = utf8.AppendRune(a.text, r)
	return n
}

// shortEscape returns what a backslash and c stand for, 0 if they are no escape, or a longer one.
func shortEscape(c byte) byte {
	switch c {
	case '"', '\\', '/':
		return c
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return 0
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
