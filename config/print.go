package config

import (
	"bufio"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// Print writes the effective configuration as YAML, each value with its origin as a comment and secrets masked. Without
// masked values the output reads back as the same configuration; with them Validate refuses it.
func Print(w io.Writer, l *Loaded) error {
	p := &printer{out: bufio.NewWriter(w), origins: l.Origins}
	if l.File == "" {
		fmt.Fprintf(p.out, "# no file at %s\n", DefaultPath)
	}
	p.section(reflect.ValueOf(l.Config), "", "", "")
	if err := p.out.Flush(); err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	return nil
}

// printer leaves write errors to the Flush at the end: bufio.Writer keeps the first one.
type printer struct {
	out     *bufio.Writer
	origins map[string]Origin
}

// section writes the keys of v; first is what stands before the first of them instead of the indentation.
func (p *printer) section(v reflect.Value, path, indent, first string) {
	for i, f := range fieldsOf(v.Type()) {
		lead := indent
		if i == 0 {
			lead = first
		}
		value, at := v.FieldByIndex(f.index), joinPath(path, f.key)
		switch t := value.Type(); {
		case isSection(t):
			fmt.Fprintf(p.out, "%s%s:\n", lead, f.key)
			p.section(value, at, indent+"  ", indent+"  ")
		case isList(t) && value.Len() == 0:
			fmt.Fprintf(p.out, "%s%s: []\n", lead, f.key)
		case isList(t):
			fmt.Fprintf(p.out, "%s%s:\n", lead, f.key)
			for j := range value.Len() {
				p.section(value.Index(j), fmt.Sprintf("%s[%d]", at, j), indent+"    ", indent+"  - ")
			}
		default:
			line := fmt.Sprintf("%s%s: %s", lead, f.key, leafYAML(at, value))
			fmt.Fprintf(p.out, "%-44s # %s\n", line, comment(p.origins[at]))
		}
	}
}

// comment keeps a strange file name from ending the line.
func comment(o Origin) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, o.String())
}

func leafYAML(path string, leaf reflect.Value) string {
	switch value := leaf.Interface().(type) {
	case string:
		return quoteYAML(maskValue(path, value))
	case StringList:
		quoted := make([]string, len(value))
		for i, s := range value {
			quoted[i] = quoteYAML(s)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case IntList:
		texts := make([]string, len(value))
		for i, n := range value {
			texts[i] = strconv.Itoa(n)
		}
		return "[" + strings.Join(texts, ", ") + "]"
	default:
		return fmt.Sprint(value)
	}
}

// plainYAML are the strings that no reader takes for anything else; everything else is quoted.
var plainYAML = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./-]*(://[A-Za-z0-9_./-]+)?$`)

func quoteYAML(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf":
	default:
		if plainYAML.MatchString(s) {
			return s
		}
	}
	return strconv.QuoteToASCII(s) // Go's escapes are YAML's for every valid string
}
