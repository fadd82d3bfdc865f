package ocsf

// scanner walks the JSON text once. It is as strict as encoding/json and writes each leaf into the alert as it passes.
type scanner struct {
	a   *Alert
	src []byte
	pos int
}

// maxNesting is where encoding/json stops as well.
const maxNesting = 10000

func (a *Alert) scan(src []byte) error {
	s := scanner{a: a, src: src}
	s.space()
	if s.pos == len(src) || src[s.pos] != '{' {
		return errNotObject
	}
	if err := s.object(0, 0); err != nil {
		return err
	}
	s.space()
	if s.pos != len(src) {
		return errNotObject
	}
	return nil
}

func (s *scanner) space() {
	for s.pos < len(s.src) {
		switch s.src[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// next returns the byte after white space without passing it, 0 at the end (NUL is no JSON anyway).
func (s *scanner) next() byte {
	if s.pos < len(s.src) && s.src[s.pos] > ' ' {
		return s.src[s.pos] // analysisd writes no white space
	}
	return s.nextToken()
}

func (s *scanner) nextToken() byte {
	s.space()
	if s.pos == len(s.src) {
		return 0
	}
	return s.src[s.pos]
}

// object reads the members of the object at pos; node is its path.
func (s *scanner) object(depth int, node int32) error {
	s.pos++
	if s.next() == '}' {
		s.pos++
		if depth == 0 {
			return nil
		}
		return s.a.add(node, LeafEmpty, emptyObject)
	}
	last := int32(0) // member
	for {
		if s.next() != '"' {
			return errNotObject
		}
		member := s.expected(node, last)
		if member == 0 {
			key, ok := s.string()
			if !ok {
				return errNotObject
			}
			member = s.a.tree.node(node, depth == 0, key)
			s.a.tree.expect(node, last, member)
			if len(key) == 0 || containsDot(key) {
				s.a.irregular = true // "a." cannot be told from "a" with an empty member, nor "a.b" from "a" with a member "b"
			}
		}
		if s.next() != ':' {
			return errNotObject
		}
		s.pos++
		leaf := int32(len(s.a.leaves))
		if err := s.value(depth+1, member); err != nil {
			return err
		}
		if depth == 0 {
			s.a.sections = append(s.a.sections, section{s.a.tree.nodes[member].path, leaf, int32(len(s.a.leaves))})
		}
		last = member
		switch s.next() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			return nil
		default:
			return errNotObject
		}
	}
}

var emptyObject = []byte("{}")

// expected passes the name at pos if it is that of a member that came behind last in an earlier alert, and returns its
// node, else 0.
func (s *scanner) expected(parent, last int32) int32 {
	nodes := s.a.tree.nodes
	next := &nodes[parent].first
	if last != 0 {
		next = &nodes[last].after
	}
	text := s.src[s.pos+1:]
	for i, n := range next {
		node := &nodes[n]
		if k := len(node.key); node.plain && node.parent == parent && k < len(text) && text[k] == '"' && string(text[:k]) == string(node.key) {
			if i > 0 {
				next[0], next[1] = next[1], next[0]
			}
			s.pos += k + 2
			s.a.irregular = s.a.irregular || node.odd
			return n
		}
	}
	return 0
}

func (s *scanner) value(depth int, node int32) error {
	start := 0
	kind := LeafKind(0)
	switch c := s.next(); {
	case c == '"':
		text, ok := s.string()
		if !ok {
			return errNotObject
		}
		return s.a.add(node, LeafText, text)
	case c == '{' && depth < maxObjectDepth && len(s.a.tree.nodes[node].path) <= maxPrefix:
		at := s.a.place(node)
		if at.objectIn == s.a.epoch || at.leafIn == s.a.epoch {
			s.a.irregular = true
		}
		at.objectIn = s.a.epoch
		s.a.objects = append(s.a.objects, node)
		return s.object(depth, node)
	case c == '{' || c == '[':
		start = s.pos
		if !s.skip(maxNesting - depth) {
			return errNotObject
		}
		return s.a.add(node, LeafJSON, s.a.validText(s.src[start:s.pos]))
	case c == 't':
		kind = LeafBool
		start = s.literal("true")
	case c == 'f':
		kind = LeafBool
		start = s.literal("false")
	case c == 'n':
		kind = LeafNull
		start = s.literal("null")
	default:
		kind = LeafNumber
		start = s.number()
	}
	if start < 0 {
		return errNotObject
	}
	return s.a.add(node, kind, s.src[start:s.pos])
}

// place returns where the alert has the path of a node.
func (a *Alert) place(node int32) *pathPlace {
	if int(node) >= len(a.places) {
		a.places = append(a.places, make([]pathPlace, len(a.tree.nodes)-len(a.places))...)
	}
	return &a.places[node]
}

// add appends a leaf at a path. The value must outlive the scan.
func (a *Alert) add(node int32, kind LeafKind, value []byte) error {
	if len(a.leaves) == maxLeaves {
		return errTooMany
	}
	path := a.tree.nodes[node].path
	if len(path) == 0 {
		a.repeats = true // see unmapped
	}
	n := int32(len(a.leaves))
	a.leaves = append(a.leaves, Leaf{Path: path, Value: value, Index: n, Kind: kind, node: node})
	switch at := a.place(node); {
	case at.leafIn == a.epoch:
		a.irregular, a.repeats = true, true
	default:
		at.leafIn, at.leaf = a.epoch, n
		if kind != LeafEmpty && at.objectIn == a.epoch {
			a.irregular = true
		}
	}
	return nil
}

// literal passes the word at pos and returns where it began, or -1.
func (s *scanner) literal(word string) int {
	start := s.pos
	if len(s.src)-start < len(word) || string(s.src[start:start+len(word)]) != word {
		return -1
	}
	s.pos += len(word)
	return start
}

// number passes the number at pos and returns where it began, or -1.
func (s *scanner) number() int {
	start := s.pos
	if s.at('-') {
		s.pos++
	}
	switch {
	case s.at('0'):
		s.pos++
	case !s.digits():
		return -1
	}
	if s.at('.') {
		s.pos++
		if !s.digits() {
			return -1
		}
	}
	if s.at('e') || s.at('E') {
		s.pos++
		if s.at('+') || s.at('-') {
			s.pos++
		}
		if !s.digits() {
			return -1
		}
	}
	return start
}

func (s *scanner) at(c byte) bool { return s.pos < len(s.src) && s.src[s.pos] == c }

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.src) && s.src[s.pos] >= '0' && s.src[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
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
