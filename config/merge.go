package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Assignment is one value for a configuration file: Path is its YAML path, lake.region or sources[0].role_arn.
type Assignment struct{ Path, Value string }

// ErrLayout marks a file that holds a value in a form that Merge does not edit.
var ErrLayout = errors.New("is written in a form that is not edited")

// Merge returns the configuration file data with the values of assignments, and every other byte (comments, order, blank
// lines) as it was. A value that is there is replaced where it stands, others get a line of their own in their section;
// sections that are missing come at the end. Only texts are assigned. It refuses, with ErrLayout, what it could only guess
// at: values over several lines, anchors, a source that is not in the file while others are.
//
// What comes back has been read again: it holds exactly the values assigned, besides the old ones.
func Merge(data []byte, assignments []Assignment) ([]byte, error) {
	before, err := decoded(data)
	if err != nil {
		return nil, err
	}
	for _, a := range assignments {
		if data, err = assign(data, a); err != nil {
			return nil, fmt.Errorf("%s: %w", a.Path, err)
		}
	}
	after, err := decoded(data)
	if err != nil {
		return nil, err
	}
	want := &Loaded{Config: before, Origins: make(map[string]Origin)}
	want.Config.Sources = slices.Clone(before.Sources)
	for _, a := range assignments {
		keys := strings.Split(strings.NewReplacer("[", ".", "]", "").Replace(a.Path), ".")
		if fault := want.set(keys, a.Value, Origin{}); fault != nil {
			return nil, fault
		}
	}
	if !reflect.DeepEqual(after, want.Config) {
		return nil, fmt.Errorf("file %w: other values would change", ErrLayout)
	}
	return data, nil
}

func decoded(data []byte) (Config, error) {
	var found faults
	cfg := Default()
	d := &decoder{file: "file", faults: &found, origins: make(map[string]Origin)}
	d.decode(data, &cfg)
	return cfg, found.err()
}

// assign edits one value. The tree is parsed anew for each: the edit before has moved every position.
func assign(data []byte, a Assignment) ([]byte, error) {
	section, key := a.Path[:strings.LastIndexByte(a.Path, '.')], a.Path[strings.LastIndexByte(a.Path, '.')+1:]
	top, index := section, -1
	if name, rest, ok := strings.Cut(section, "["); ok {
		n, err := strconv.Atoi(strings.TrimSuffix(rest, "]"))
		if err != nil {
			return nil, fmt.Errorf("path %q names no value", a.Path)
		}
		top, index = name, n
	}
	line := func(indent int) string {
		return strings.Repeat(" ", indent) + key + ": " + strconv.QuoteToASCII(a.Value)
	}
	e := newEditor(data)
	entry := find(e.root, top)
	switch {
	case entry == nil && index > 0:
		return nil, fmt.Errorf("source %d %w: it is not in the file", index, ErrLayout)
	case entry == nil && index == 0:
		return e.append(top + ":\n  - " + strings.TrimLeft(line(0), " ")), nil
	case entry == nil:
		return e.append(top + ":\n" + line(2)), nil
	case entry.Value == nil || entry.Value.Type() == ast.NullType:
		if index > 0 {
			return nil, fmt.Errorf("source %d %w: it is not in the file", index, ErrLayout)
		}
		at := entry.Key.GetToken().Position
		if index == 0 {
			return e.insertAfter(at.Line, strings.Repeat(" ", at.Column+1)+"- "+strings.TrimLeft(line(0), " ")), nil
		}
		return e.insertAfter(at.Line, line(at.Column+1)), nil
	}
	body := entry.Value
	if index >= 0 {
		list, ok := body.(*ast.SequenceNode)
		if !ok || index >= len(list.Values) {
			return nil, fmt.Errorf("source %d %w: it is not in the file", index, ErrLayout)
		}
		body = list.Values[index]
	}
	return e.assign(body, key, a.Value)
}

// editor edits lines of a file by the positions of its tree.
type editor struct {
	lines []string // with their line ends
	root  ast.Node
}

func newEditor(data []byte) *editor {
	e := &editor{}
	for line := range bytes.Lines(data) {
		e.lines = append(e.lines, string(line))
	}
	// It was decoded a moment ago: there is a tree, and at most one document that says anything.
	if tree, err := parser.ParseBytes(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), 0); err == nil {
		for _, doc := range tree.Docs {
			if doc.Body != nil && doc.Body.Type() != ast.CommentType {
				e.root = doc.Body
			}
		}
	}
	return e
}

func (e *editor) bytes() []byte { return []byte(strings.Join(e.lines, "")) }

func entries(n ast.Node) []*ast.MappingValueNode {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}
	}
	return nil
}

func find(n ast.Node, key string) *ast.MappingValueNode {
	for _, entry := range entries(n) {
		if entry.Key.GetToken().Value == key {
			return entry
		}
	}
	return nil
}

// append adds text at the end of the file.
func (e *editor) append(text string) []byte {
	if n := len(e.lines); n > 0 && !strings.HasSuffix(e.lines[n-1], "\n") {
		e.lines[n-1] += "\n"
	}
	e.lines = append(e.lines, "\n"+text+"\n")
	return e.bytes()
}

func (e *editor) insertAfter(line int, text string) []byte {
	if !strings.HasSuffix(e.lines[line-1], "\n") {
		e.lines[line-1] += "\n"
	}
	e.lines = slices.Insert(e.lines, line, text+"\n")
	return e.bytes()
}

func (e *editor) assign(body ast.Node, key, value string) ([]byte, error) {
	if entry := find(body, key); entry != nil {
		return e.replace(entry, value)
	}
	if m, ok := body.(*ast.MappingNode); ok && m.IsFlowStyle {
		if len(m.Values) == 0 {
			return nil, ErrLayout
		}
		at := m.Values[0].Key.GetToken().Position
		text := []rune(e.lines[at.Line-1])
		e.lines[at.Line-1] = string(text[:at.Column-1]) + key + ": " + strconv.QuoteToASCII(value) + ", " + string(text[at.Column-1:])
		return e.bytes(), nil
	}
	// Behind an entry that is whole on its line: there the next line begins a new one.
	for _, entry := range entries(body) {
		at := entry.Key.GetToken().Position
		if _, ok := entry.Value.(ast.ScalarNode); ok && entry.Value.Type() != ast.NullType && entry.Value.Type() != ast.LiteralType &&
			entry.Value.GetToken().Position.Line == at.Line && e.closed(entry) {
			return e.insertAfter(at.Line, strings.Repeat(" ", at.Column-1)+key+": "+strconv.QuoteToASCII(value)), nil
		}
	}
	return nil, ErrLayout
}

// closed reports that the value of entry ends on the line it begins on.
func (e *editor) closed(entry *ast.MappingValueNode) bool {
	_, _, ok := e.span(entry)
	return ok
}

// span finds a scalar on its line: from, to are indices of runes.
func (e *editor) span(entry *ast.MappingValueNode) (from, to int, ok bool) {
	at := entry.Value.GetToken().Position
	text := []rune(strings.TrimRight(e.lines[at.Line-1], "\r\n"))
	from = at.Column - 1
	if from < 0 || from >= len(text) {
		return 0, 0, false
	}
	switch quote := text[from]; quote {
	case '"', '\'':
		for to = from + 1; to < len(text); to++ {
			switch {
			case quote == '"' && text[to] == '\\', quote == '\'' && text[to] == '\'' && to+1 < len(text) && text[to+1] == '\'':
				to++
			case text[to] == quote:
				return from, to + 1, true
			}
		}
		return 0, 0, false // goes on in the next line
	case '|', '>', '&', '*', '!':
		return 0, 0, false
	}
	plain := entry.Value.GetToken().Value
	if !strings.HasPrefix(string(text[from:]), plain) || strings.Contains(plain, "\n") {
		return 0, 0, false
	}
	return from, from + len([]rune(plain)), true
}

func (e *editor) replace(entry *ast.MappingValueNode, value string) ([]byte, error) {
	at := entry.Key.GetToken().Position
	quoted := strconv.QuoteToASCII(value)
	if entry.Value == nil || entry.Value.Type() == ast.NullType && !strings.Contains(strings.SplitN(e.lines[at.Line-1], "#", 2)[0], entry.Value.GetToken().Value) {
		text := e.lines[at.Line-1]
		colon := strings.Index(text, entry.Key.GetToken().Value) + len(entry.Key.GetToken().Value)
		if colon >= len(text) || text[colon] != ':' {
			return nil, ErrLayout
		}
		e.lines[at.Line-1] = text[:colon+1] + " " + quoted + text[colon+1:]
		return e.bytes(), nil
	}
	from, to, ok := e.span(entry)
	if !ok {
		return nil, ErrLayout
	}
	line := entry.Value.GetToken().Position.Line
	text := []rune(e.lines[line-1])
	e.lines[line-1] = string(text[:from]) + quoted + string(text[to:])
	return e.bytes(), nil
}
