package ocsf

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// fillContext writes the unclaimed leaves of the family's sections into evidences[].data: a JSON object that nests as
// the alert does, without its leading "data". An alert whose paths are ambiguous cannot be nested again without
// repeating a key; its leaves stay in unmapped.
func (d *draft) fillContext() {
	if len(d.context) == 0 || d.a.irregular || d.root.Type.Slot("evidences") < 0 {
		return
	}
	start := len(d.ev.text)
	text := append(d.ev.text, '{')
	var open []byte // path of the object being written
	srcs := d.sources[:0]
	var parts []part // for a plan
	written := start
	for i := range d.a.leaves {
		l := &d.a.leaves[i]
		if d.ev.claimed[i] || !d.inContext(l.Path) {
			continue
		}
		path := bytes.TrimPrefix(l.Path, dataPrefix)
		parent, key := splitPath(path)
		text = moveTo(text, open, parent)
		open = parent
		text = appendKey(text, key)
		if d.ev.trace != nil {
			parts = append(parts, part{text: bytes.Clone(text[written:]), leaf: l.Index, json: true})
		}
		text = appendJSON(text, l.Kind, l.Value)
		written = len(text)
		srcs = append(srcs, l.Index)
	}
	if d.sources = srcs; len(srcs) == 0 {
		return
	}
	text = append(moveTo(text, open, nil), '}')
	d.ev.text = text
	if d.ev.trace != nil {
		parts = append(parts, part{text: bytes.Clone(text[written:]), leaf: -1})
		d.ev.trace.made(source{kind: sourceJoin, parts: parts}, text[start:len(text):len(text)])
	}
	ev := d.evidence()
	if i := ev.free("data", false); i >= 0 && ev.Type.Attrs[i].Kind == KindString {
		v := ev.set(i)
		v.Str = text[start:len(text):len(text)]
		v.Srcs = append(v.Srcs, srcs...)
		for _, s := range srcs {
			d.ev.claimed[s] = true
		}
	}
}

var dataPrefix = []byte("data.")

func (d *draft) inContext(path []byte) bool {
	for _, under := range d.context {
		if len(path) >= len(under) && string(path[:len(under)]) == under && (len(path) == len(under) || path[len(under)] == '.') {
			return true
		}
	}
	return false
}

func splitPath(path []byte) (parent, key []byte) {
	if i := bytes.LastIndexByte(path, '.'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return nil, path
}

// moveTo closes and opens objects to get from one path to another. Leaves come in the order of the line, so no object
// is ever opened twice.
func moveTo(text, from, to []byte) []byte {
	if bytes.Equal(from, to) {
		return text // as for most leaves
	}
	common := 0 // length of the path both share, in whole parts
	for i := 0; ; i++ {
		fromEnd, toEnd := i == len(from) || from[i] == '.', i == len(to) || to[i] == '.'
		if fromEnd && toEnd {
			common = i
		}
		if i == len(from) || i == len(to) || from[i] != to[i] {
			break
		}
	}
	for rest := from[common:]; len(rest) > 0; {
		text = append(text, '}')
		i := bytes.IndexByte(rest[1:], '.')
		if i < 0 {
			break
		}
		rest = rest[i+1:]
	}
	rest := to[common:]
	if common > 0 && len(rest) > 0 {
		rest = rest[1:]
	}
	for len(rest) > 0 {
		key := rest
		if i := bytes.IndexByte(rest, '.'); i >= 0 {
			key, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		text = append(appendKey(text, key), '{')
	}
	return text
}

// appendKey appends `"key":`, after a comma unless it is the first of its object.
func appendKey(text, key []byte) []byte {
	if text[len(text)-1] != '{' {
		text = append(text, ',')
	}
	return append(appendString(text, key), ':')
}

// appendJSON appends the value of a leaf as the JSON value it was.
func appendJSON(text []byte, kind LeafKind, value []byte) []byte {
	if kind == LeafText {
		return appendString(text, value)
	}
	return append(text, value...)
}

// appendString appends a JSON string. The text is valid UTF-8; nothing that JSON lets stand is escaped.
func appendString(dst, s []byte) []byte {
	const hexdigits = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := plainEnd(s, 0); i < len(s); i = plainEnd(s, i+1) {
		c := s[i]
		if c >= utf8.RuneSelf {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexdigits[c>>4], hexdigits[c&15])
		}
	}
	return append(append(dst, s[start:]...), '"')
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }
