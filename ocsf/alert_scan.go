package ocsf

import (
	"encoding/binary"
	"slices"
)

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
		return s.a.add(node, LeafEmpty, emptyObject, s.pos)
	}
	a, last := s.a, int32(0) // member
	for {
		member := s.foreseen(node, last)
		if member == 0 {
			if member = s.name(depth, node, last); member < 0 {
				return errNotObject
			}
		}
		leaf := int32(len(a.leaves))
		if err := s.value(depth+1, member); err != nil {
			return err
		}
		if depth == 0 {
			a.sections = append(a.sections, section{a.tree.nodes[member].path, leaf, int32(len(a.leaves))})
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

// foreseen passes the name at pos and its colon if it is that of the member that came behind last in the alert before, and
// returns its node, else 0.
func (s *scanner) foreseen(parent, last int32) int32 {
	nodes := s.a.tree.nodes
	n := nodes[parent].first[0]
	if last != 0 {
		n = nodes[last].after[0]
	}
	node := &nodes[n]
	if rest := s.src[s.pos:]; len(rest) >= 16 && node.parent == parent {
		w := (*[16]byte)(rest)
		if (binary.LittleEndian.Uint64(w[:8])^node.head[0])&node.mask[0]|(binary.LittleEndian.Uint64(w[8:])^node.head[1])&node.mask[1] == 0 {
			if k := len(node.token); k <= 16 || k <= len(rest) && string(rest[16:k]) == string(node.token[16:]) {
				s.pos += k
				s.a.irregular = s.a.irregular || node.odd
				return n
			}
		}
	}
	return 0
}

// name passes any name at pos and its colon, and returns its node, -1 if there is none.
func (s *scanner) name(depth int, parent, last int32) int32 {
	if s.next() != '"' {
		return -1
	}
	t := s.a.tree
	member := s.expected(parent, last)
	if member == 0 {
		key, ok := s.string()
		if !ok {
			return -1
		}
		member = t.node(parent, depth == 0, key)
		t.expect(parent, last, member)
		if len(key) == 0 || containsDot(key) {
			s.a.irregular = true // "a." cannot be told from "a" with an empty member, nor "a.b" from "a" with a member "b"
		}
	}
	if s.next() != ':' {
		return -1
	}
	s.pos++
	return member
}

// expected passes the name at pos if it is that of a member that came behind last in an earlier alert, and returns its
// node, else 0.
func (s *scanner) expected(parent, last int32) int32 {
	nodes := s.a.tree.nodes
	next := &nodes[parent].first
	if last != 0 {
		next = &nodes[last].after
	}
	for i, n := range next {
		node := &nodes[n]
		name := node.token[:len(node.token)-1] // without the colon: white space may stand before it
		if rest := s.src[s.pos:]; node.parent == parent && len(rest) >= len(name) && string(rest[:len(name)]) == string(name) {
			if i > 0 {
				next[0], next[1] = next[1], next[0]
			}
			s.pos += len(name)
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
		start = s.pos
		text, ok := s.string()
		if !ok {
			return errNotObject
		}
		return s.a.add(node, LeafText, text, start)
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
		if first := len(s.a.arrays); s.texts() {
			err := s.a.add(node, LeafJSON, s.src[start:s.pos], start)
			if err == nil {
				l := &s.a.leaves[len(s.a.leaves)-1]
				l.scalars, l.first, l.count = true, int32(first)+1, int32(len(s.a.arrays)-first)
			}
			return err
		}
		if !s.skip(maxNesting - depth) {
			return errNotObject
		}
		return s.a.add(node, LeafJSON, s.a.validText(s.src[start:s.pos]), start)
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
	return s.a.add(node, kind, s.src[start:s.pos], start)
}

// place returns where the alert has the path of a node.
func (a *Alert) place(node int32) *pathPlace {
	if int(node) >= len(a.places) {
		a.places = append(a.places, make([]pathPlace, len(a.tree.nodes)-len(a.places))...)
	}
	return &a.places[node]
}

// add appends a leaf at a path, whose value begins at at. The value must outlive the scan.
func (a *Alert) add(node int32, kind LeafKind, value []byte, at int) error {
	n := len(a.leaves)
	if n == maxLeaves {
		return errTooMany
	}
	if n == cap(a.leaves) {
		a.leaves = slices.Grow(a.leaves, 1)
	}
	// Field by field: a Leaf that is made first and then copied costs twice as much, a quarter of the whole scan.
	a.leaves = a.leaves[:n+1]
	l := &a.leaves[n]
	l.Path, l.Value, l.Index, l.Kind, l.node = a.tree.nodes[node].path, value, int32(n), kind, node
	l.scalars, l.looked, l.first, l.count, l.at = false, 0, 0, 0, int32(at)
	if len(l.Path) == 0 {
		a.repeats = true // see unmapped
	}
	switch place := a.place(node); {
	case place.leafIn == a.epoch:
		a.irregular, a.repeats = true, true
	default:
		place.leafIn, place.leaf = a.epoch, int32(n)
		if kind != LeafEmpty && place.objectIn == a.epoch {
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
