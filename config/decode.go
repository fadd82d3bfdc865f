package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile is far above any real configuration; it bounds what a wrong path (a log, a device) costs.
const maxFile = 256 << 10

// decoder lays a YAML file over a Config. The library's own strict decoder stops at the first fault, quotes the source
// (and with it secrets) and does not tell which key was set where; so only its parser is used and the tree walked here.
type decoder struct {
	file    string
	faults  *faults
	origins map[string]Origin
}

// decode sets what data holds. Faults are collected, the rest of the file is still read.
func (d *decoder) decode(data []byte, cfg *Config) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if len(data) > maxFile {
		d.fault("", fmt.Sprintf("must not be larger than %s", Size(maxFile)), "", "", nil)
		return
	}
	if i := firstInvalid(data); i >= 0 {
		d.faults.add(&Fault{Rule: "must be UTF-8", Where: Origin{Kind: FromFile, Name: d.file,
			Line: 1 + bytes.Count(data[:i], []byte("\n")), Column: i - bytes.LastIndexByte(data[:i], '\n')}})
		return
	}
	if nesting(data) > maxNesting {
		d.fault("", "must not be nested deeper than 64 levels", "", "", nil)
		return
	}
	tree, err := parse(data)
	if err != nil {
		d.syntax(err)
		return
	}
	docs := tree.Docs[:0:0]
	for _, doc := range tree.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.CommentType {
			docs = append(docs, doc)
		}
	}
	if len(docs) > 1 {
		d.fault("", "must hold one YAML document", "", "remove the --- between them", docs[1].Body)
		return
	}
	if len(docs) == 1 {
		d.value("", reflect.ValueOf(cfg).Elem(), docs[0].Body)
	}
}

// parse turns a panic of the parser into an error: a broken file must end in a message, whatever the library makes of it.
func parse(data []byte) (tree *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			tree, err = nil, errors.New("the parser gave up")
		}
	}()
	return parser.ParseBytes(data, 0)
}

func (d *decoder) syntax(err error) {
	fault := &Fault{Rule: "cannot be read as YAML", Where: Origin{Kind: FromFile, Name: d.file}}
	var at yaml.Error
	if errors.As(err, &at) {
		// GetMessage leaves out the source lines that Error quotes: they may hold a secret.
		fault.Rule += ": " + at.GetMessage()
		if t := at.GetToken(); t != nil && t.Position != nil {
			fault.Where.Line, fault.Where.Column = t.Position.Line, t.Position.Column
		}
	} else {
		fault.Remedy = "look for an unclosed quote or bracket"
	}
	d.faults.add(fault)
}

func (d *decoder) value(path string, v reflect.Value, n ast.Node) {
	switch n.Type() {
	case ast.AnchorType, ast.AliasType, ast.TagType, ast.MergeKeyType, ast.DirectiveType:
		d.fault(path, "anchors, aliases, tags and directives are not supported", "", "write the value out", n)
		return
	case ast.NullType:
		return // "filter:" with everything below it commented out leaves the defaults
	}
	switch t := v.Type(); {
	case isSection(t):
		d.section(path, v, n)
	case isList(t):
		d.list(path, v, n)
	default:
		d.leaf(path, v, n)
	}
}

func (d *decoder) section(path string, v reflect.Value, n ast.Node) {
	var entries []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		entries = m.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{m}
	default:
		d.fault(path, "must be a section of keys", "", "", n)
		return
	}
	known := fieldsOf(v.Type())
next:
	for _, entry := range entries {
		key := entry.Key.GetToken().Value
		for _, f := range known {
			if f.key == key {
				d.value(joinPath(path, key), v.FieldByIndex(f.index), entry.Value)
				continue next
			}
		}
		names := make([]string, len(known))
		for i, f := range known {
			names[i] = f.key
		}
		remedy := ""
		if name := nearest(key, names); name != "" {
			remedy = "did you mean " + name + "?"
		}
		d.fault(joinPath(path, shorten(key)), "unknown key", "", remedy, entry.Key)
	}
}

func (d *decoder) list(path string, v reflect.Value, n ast.Node) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fault(path, "must be a list", "", "begin each element with a dash", n)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, len(seq.Values)))
	for i, element := range seq.Values {
		v.Set(reflect.Append(v, reflect.ValueOf(defaultSource())))
		d.value(fmt.Sprintf("%s[%d]", path, i), v.Index(i), element)
	}
}

func (d *decoder) leaf(path string, v reflect.Value, n ast.Node) {
	if seq, ok := n.(*ast.SequenceNode); ok {
		d.leafList(path, v, seq)
		return
	}
	text, ok := scalarText(v, n)
	if !ok {
		d.fault(path, "must be "+describe(v), shown(path, n), "", n)
		return
	}
	if err := setLeaf(v, text); err != nil {
		d.fault(path, err.Error(), maskValue(path, text), "", n)
		return
	}
	d.origins[path] = d.at(n)
}

func (d *decoder) leafList(path string, v reflect.Value, seq *ast.SequenceNode) {
	texts := make([]string, 0, len(seq.Values))
	for i, element := range seq.Values {
		text, ok := scalarText(reflect.ValueOf(""), element)
		if !ok {
			d.fault(fmt.Sprintf("%s[%d]", path, i), "must be "+describe(v.Slice(0, 0)), shown(path, element), "", element)
			return
		}
		texts = append(texts, text)
	}
	switch target := v.Addr().Interface().(type) {
	case *StringList:
		*target = texts
	case *IntList:
		if err := setInts(target, texts); err != nil {
			d.fault(path, err.Error(), fmt.Sprint(texts), "", seq)
			return
		}
	default:
		d.fault(path, "must be "+describe(v), "", "", seq)
		return
	}
	d.origins[path] = d.at(seq)
}

// scalarText is the text of a scalar that fits the leaf. Numbers are taken by their letters, so that an unquoted
// account_id keeps its leading zeros and ocsf_version 1.10 its last one; a quoted number is no number.
func scalarText(v reflect.Value, n ast.Node) (string, bool) {
	number := false
	var text string
	switch s := n.(type) {
	case *ast.StringNode:
		text = s.Value
	case *ast.LiteralNode:
		text = s.Value.Value
	case *ast.IntegerNode:
		text, number = s.Token.Value, true
	case *ast.FloatNode:
		text, number = s.Token.Value, true
	case *ast.BoolNode:
		return s.Token.Value, v.Kind() == reflect.Bool
	default:
		return "", false
	}
	switch v.Interface().(type) {
	case bool:
		return "", false
	case int:
		return text, number
	}
	return text, true
}

// shown is the scalar as a message may show it; nothing for sections and lists.
func shown(path string, n ast.Node) string {
	if scalar, ok := n.(ast.ScalarNode); ok {
		return maskValue(path, shorten(scalar.GetToken().Value))
	}
	return ""
}

func describe(v reflect.Value) string {
	switch v.Interface().(type) {
	case bool:
		return "true or false"
	case int:
		return "a whole number"
	case Duration:
		return "a duration with its unit, such as 30s, 5m or 1h"
	case Size:
		return "a size in bytes or with KiB, MiB or GiB, such as 64MiB"
	case StringList:
		return "a list of strings"
	case IntList:
		return "a list of whole numbers"
	}
	return "a string"
}

func (d *decoder) fault(path, rule, got, remedy string, n ast.Node) {
	d.faults.add(&Fault{Path: path, Rule: rule, Got: got, Remedy: remedy, Where: d.at(n)})
}

func (d *decoder) at(n ast.Node) Origin {
	o := Origin{Kind: FromFile, Name: d.file}
	if n == nil {
		return o
	}
	t := n.GetToken()
	if m, ok := n.(*ast.MappingValueNode); ok {
		t = m.Key.GetToken() // the token of a mapping is its colon
	}
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		t = m.Values[0].Key.GetToken()
	}
	if t != nil && t.Position != nil {
		o.Line, o.Column = t.Position.Line, t.Position.Column
	}
	return o
}

// maxNesting bounds the recursion of the parser: its stack cannot be recovered once it has run over.
const maxNesting = 64

// nesting is an upper bound of how deep data nests: the brackets that may be open at once, or the dashes of one line.
// Brackets in strings count too; no configuration holds that many.
func nesting(data []byte) int {
	deepest, open := 0, 0
	for line := range bytes.Lines(data) {
		if bytes.HasPrefix(bytes.TrimSpace(line), []byte("#")) {
			continue // rulers and art
		}
		for _, c := range line {
			switch c {
			case '[', '{':
				open++
			case ']', '}':
				open = max(open-1, 0)
			}
			deepest = max(deepest, open)
		}
		deepest = max(deepest, bytes.Count(line, []byte("- ")), bytes.Count(line, []byte("? ")), bytes.Count(line, []byte("!")))
	}
	return deepest
}

func firstInvalid(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return -1
}

// shorten keeps what somebody pasted by mistake from filling the log.
func shorten(text string) string {
	const limit = 100
	if len(text) <= limit {
		return text
	}
	for i := range text {
		if i >= limit {
			return text[:i] + "..."
		}
	}
	return text
}
