package ocsf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// node is one JSON value as it stands in the file. encoding/json into maps would hide what the validator looks for:
// keys that stand twice, 1.0 in place of 1, half of a surrogate pair.
type node struct {
	kind    nodeKind
	text    string   // a string, or the digits of a number
	loose   bool     // a string that held half of a surrogate pair
	truth   bool     // a boolean
	list    []node   // an array
	members []member // an object, in file order, duplicates included
}

type member struct {
	key   string
	value node
}

type nodeKind uint8

const (
	nullNode nodeKind = iota
	stringNode
	numberNode
	boolNode
	listNode
	objectNode
)

func (k nodeKind) String() string {
	return [...]string{"null", "string", "number", "boolean", "array", "object"}[k]
}

// maxDepth bounds the nesting of a JSON event: OCSF itself stays below 20.
const maxDepth = 1000

var errDepth = fmt.Errorf("nested deeper than %d levels", maxDepth)

// parseNode parses one JSON document, which must fill the line. twice says that some object has a key twice.
func parseNode(line []byte) (n node, twice bool, err error) {
	var whole json.RawMessage
	if err := json.Unmarshal(line, &whole); err != nil { // the syntax of all of it
		return node{}, false, err
	}
	p := nodeParser{rest: line}
	n, err = p.value(0)
	return n, p.twice, err
}

// nodeParser takes syntactically valid JSON apart, so that it needs to look at little: ',' and ':' are skipped like
// blanks, and the first byte of a value says what it is.
type nodeParser struct {
	rest  []byte
	twice bool
}

// next skips to the next value or closing bracket and returns its first byte.
func (p *nodeParser) next() byte {
	p.rest = bytes.TrimLeft(p.rest, " \t\r\n,:")
	return p.rest[0]
}

func (p *nodeParser) value(depth int) (node, error) {
	if depth > maxDepth {
		return node{}, errDepth
	}
	switch c := p.next(); c {
	case '{', '[':
		p.rest = p.rest[1:]
		if c == '[' {
			return p.array(depth)
		}
		return p.object(depth)
	case '"':
		text, loose, err := p.string()
		return node{kind: stringNode, text: text, loose: loose}, err
	}
	end := bytes.IndexAny(p.rest, " \t\r\n,]}")
	if end < 0 {
		end = len(p.rest)
	}
	word := string(p.rest[:end])
	p.rest = p.rest[end:]
	switch word {
	case "null":
		return node{kind: nullNode}, nil
	case "true", "false":
		return node{kind: boolNode, truth: word == "true"}, nil
	}
	return node{kind: numberNode, text: word}, nil
}

// string takes a string; loose says that it escapes half of a surrogate pair.
func (p *nodeParser) string() (text string, loose bool, err error) {
	end, escaped := 1, false
	for p.rest[end] != '"' {
		if p.rest[end] == '\\' {
			escaped = true
			end++
		}
		end++
	}
	raw := p.rest[:end+1]
	p.rest = p.rest[end+1:]
	if !escaped {
		return string(raw[1:end]), false, nil
	}
	err = json.Unmarshal(raw, &text)
	return text, looseSurrogate(raw), err
}

func (p *nodeParser) array(depth int) (node, error) {
	n := node{kind: listNode}
	for p.next() != ']' {
		el, err := p.value(depth + 1)
		if err != nil {
			return node{}, err
		}
		n.list = append(n.list, el)
	}
	p.rest = p.rest[1:]
	return n, nil
}

func (p *nodeParser) object(depth int) (node, error) {
	n := node{kind: objectNode}
	for p.next() != '}' {
		key, _, err := p.string()
		if err != nil {
			return node{}, err
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return node{}, err
		}
		n.members = append(n.members, member{key, v})
	}
	p.rest = p.rest[1:]
	p.twice = p.twice || n.hasTwins()
	return n, nil
}

// hasTwins reports whether a key stands twice. Most objects are so small that comparing all pairs is the fastest way.
func (n *node) hasTwins() bool {
	const few = 16
	if len(n.members) > few {
		seen := make(map[string]struct{}, len(n.members))
		for i := range n.members {
			seen[n.members[i].key] = struct{}{}
		}
		return len(seen) < len(n.members)
	}
	for i := range n.members {
		for j := range i {
			if n.members[i].key == n.members[j].key {
				return true
			}
		}
	}
	return false
}

// looseSurrogate reports whether a JSON string, as written, escapes half of a surrogate pair. Such a text has no UTF-8
// form; the decoder would quietly make it U+FFFD.
func looseSurrogate(raw []byte) bool {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 || i+1 >= len(raw) {
			return false
		}
		raw = raw[i:]
		switch u, ok := escapedUnit(raw); {
		case !ok:
			raw = raw[2:]
		case u >= 0xd800 && u < 0xdc00:
			if low, ok := escapedUnit(raw[6:]); !ok || low < 0xdc00 || low > 0xdfff {
				return true
			}
			raw = raw[12:]
		case u >= 0xdc00 && u <= 0xdfff:
			return true
		default:
			raw = raw[6:]
		}
	}
}

// escapedUnit returns the code unit of the \uXXXX that raw begins with.
func escapedUnit(raw []byte) (uint64, bool) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	u, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	return u, err == nil
}

// get returns the value of a key, the last one if it stands twice; nil when it is not there or null.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for i := len(n.members) - 1; i >= 0; i-- {
		if n.members[i].key == key {
			if n.members[i].value.kind == nullNode {
				return nil
			}
			return &n.members[i].value
		}
	}
	return nil
}

// integer returns the value of a number that is written as an integer and fits 64 bits.
func (n *node) integer() (v int64, ok bool) {
	if n == nil || !n.isInteger() {
		return 0, false
	}
	v, err := strconv.ParseInt(n.text, 10, 64)
	return v, err == nil
}

func (n *node) isInteger() bool { return n.kind == numberNode && !strings.ContainsAny(n.text, ".eE") }

// blank reports whether the value is an empty string, array or object.
func (n *node) blank() bool {
	return n.kind == stringNode && n.text == "" || n.kind == listNode && len(n.list) == 0 ||
		n.kind == objectNode && len(n.members) == 0
}

// jsonText is how an observable writes the value.
func (n *node) jsonText() string {
	if n.kind == boolNode {
		return strconv.FormatBool(n.truth)
	}
	return n.text
}

// at calls visit with every value the path leads to. Keys of an open object may hold dots, so below one the whole rest
// is tried as a key first.
func (n *node) at(path []byte, visit func(*node)) {
	if v := n.get(string(path)); v != nil {
		v.each(-1, visit)
		return
	}
	step, rest, ok := nextStep(path)
	v := n.get(string(step.name))
	if !ok || v == nil {
		return
	}
	v.each(step.position, func(el *node) {
		if rest == nil {
			visit(el)
		} else {
			el.at(rest, visit)
		}
	})
}

// each calls visit with the value, or with the elements of an array that the position selects.
func (n *node) each(position int, visit func(*node)) {
	if n.kind != listNode {
		visit(n)
		return
	}
	for i := range n.list {
		if (position < 0 || position == i) && n.list[i].kind != nullNode {
			visit(&n.list[i])
		}
	}
}
