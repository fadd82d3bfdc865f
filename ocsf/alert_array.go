package ocsf

// texts passes an array of plain texts without white space, which nearly all of analysisd's are, and keeps its elements.
// Of any other value it passes nothing.
func (s *scanner) texts() bool {
	a, src := s.a, s.src
	first := len(a.arrays)
	for i := s.pos; i+1 < len(src) && src[i+1] == '"' && (src[i] == ',' || i == s.pos && src[i] == '['); {
		start := i + 2
		end := plainEnd(src, start)
		if end+1 >= len(src) || src[end] != '"' {
			break
		}
		a.arrays = append(a.arrays, src[start:end])
		if i = end + 1; src[i] == ']' {
			s.pos = i + 1
			return true
		}
	}
	a.arrays = a.arrays[:first]
	return false
}

// skip passes an array or object of any shape, without recursion, unless it is nested deeper than limit.
func (s *scanner) skip(limit int) bool {
	var isArray [maxNesting/64 + 1]uint64 // one bit per level
	depth := 0
	for {
		switch c := s.next(); {
		case c == '{' || c == '[':
			if depth == limit {
				return false
			}
			depth++
			s.pos++
			if c == '[' {
				isArray[depth/64] |= 1 << (depth % 64)
				if s.next() != ']' {
					continue
				}
			} else {
				isArray[depth/64] &^= 1 << (depth % 64)
				if s.next() != '}' {
					if !s.key() {
						return false
					}
					continue
				}
			}
		case c == '"':
			if !s.pass() {
				return false
			}
		case c == 't':
			if s.literal("true") < 0 {
				return false
			}
		case c == 'f':
			if s.literal("false") < 0 {
				return false
			}
		case c == 'n':
			if s.literal("null") < 0 {
				return false
			}
		default:
			if s.number() < 0 {
				return false
			}
		}
		// A value is complete: close what it completes, until a comma asks for the next one.
		for {
			array := isArray[depth/64]>>(depth%64)&1 == 1
			switch c := s.next(); {
			case c == ']' && array || c == '}' && !array:
				s.pos++
				if depth--; depth == 0 {
					return true
				}
				continue
			case c == ',' && array:
				s.pos++
			case c == ',':
				s.pos++
				if !s.key() {
					return false
				}
			default:
				return false
			}
			break
		}
	}
}

// key passes a member's name and its colon.
func (s *scanner) key() bool {
	if s.next() != '"' || !s.pass() || s.next() != ':' {
		return false
	}
	s.pos++
	return true
}

// pass passes the string at pos without reading it.
func (s *scanner) pass() bool {
	for i := s.pos + 1; ; i++ {
		if i = plainEnd(s.src, i); i == len(s.src) {
			return false
		}
		switch c := s.src[i]; {
		case c == '"':
			s.pos = i + 1
			return true
		case c < 0x20:
			return false
		case c == '\\':
			if i++; i == len(s.src) {
				return false
			}
			switch s.src[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if _, ok := hex4(s.src[i+1:]); !ok {
					return false
				}
				i += 4
			default:
				return false
			}
		}
	}
}

// Elements calls yield for each element of an array of scalars until it returns false, and reports whether the leaf is
// such an array; a text that is no array counts as its only element. Elements are texts as a leaf would hold them.
// The bytes belong to the alert.
func (a *Alert) Elements(l *Leaf, yield func(text []byte) bool) bool {
	if l == nil {
		return false
	}
	if l.Kind != LeafJSON {
		if l.Text() == nil {
			return false
		}
		yield(l.Value)
		return true
	}
	l.looked |= lookedValue
	if l.first == 0 {
		a.readArray(l)
	}
	for _, text := range a.arrays[l.first-1:][:l.count] {
		if !yield(text) {
			break
		}
	}
	return l.scalars
}

// readArray keeps the elements of an array, up to the first that is no scalar: several attributes ask for them.
func (a *Alert) readArray(l *Leaf) {
	l.first = int32(len(a.arrays)) + 1
	s := scanner{a: a, src: l.Value}
	if s.next() != '[' {
		return
	}
	s.pos++
	if s.next() == ']' {
		return // nothing that an attribute could hold
	}
	for ; ; s.pos++ {
		var text []byte
		switch c := s.next(); c {
		case '"':
			text, _ = s.string()
		case '{', '[':
			return
		default: // a number or one of the words
			start := s.pos
			for s.pos < len(s.src) && s.src[s.pos] > ' ' && s.src[s.pos] != ',' && s.src[s.pos] != ']' {
				s.pos++
			}
			text = s.src[start:s.pos]
		}
		a.arrays = append(a.arrays, text)
		l.count++
		if s.next() != ',' {
			l.scalars = true
			return
		}
	}
}
