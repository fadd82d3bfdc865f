package lake

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// Rows calls fn with each row of the Parquet file r of size bytes as one line of JSON text, without newline, in
// column order: nulls left out, maps as objects, timestamps as RFC 3339 in UTC with milliseconds, bytes that are not
// UTF-8 replaced. It reads any Parquet file, not only ours. row is valid until fn returns; an error of fn ends the
// reading and is returned as it is. A damaged file gives an error that wraps ErrNotParquet, after the rows before
// the damage.
func Rows(r io.ReaderAt, size int64, fn func(row []byte) error) error {
	f, err := openFile(r, size)
	if err != nil {
		return err
	}
	var line []byte
	return eachRow(f, func(_ int64, d *rowDecoder) error {
		line = d.appendJSON(line[:0])
		return fn(line)
	})
}

// callbackError carries an error of the caller's function past the recover of eachRow.
type callbackError struct{ err error }

func (e *callbackError) Error() string { return e.err.Error() }

// eachRow calls fn with every row; the decoder is positioned on it until fn returns.
func eachRow(f *parquet.File, fn func(n int64, d *rowDecoder) error) error {
	err := eachRowOf(f, fn)
	var ce *callbackError
	if errors.As(err, &ce) {
		return ce.err
	}
	if err != nil && !errors.Is(err, ErrNotParquet) {
		return fmt.Errorf("%w: %w", ErrNotParquet, err)
	}
	return err
}

func eachRowOf(f *parquet.File, fn func(n int64, d *rowDecoder) error) (err error) {
	defer recoverRead(&err)
	d := newRowDecoder(f)
	n := int64(0)
	for i, rg := range f.RowGroups() {
		rows := rg.Rows()
		read := int64(0)
		buf := make([]parquet.Row, 64)
		for {
			k, err := rows.ReadRows(buf)
			for _, row := range buf[:k] {
				if err := d.load(row); err != nil {
					_ = rows.Close() // the damage is the news
					return fmt.Errorf("row %d: %w", n, err)
				}
				if err := fn(n, d); err != nil {
					_ = rows.Close() // the caller has had enough
					return &callbackError{err}
				}
				n++
				read++
			}
			if err != nil {
				if closeErr := rows.Close(); err == io.EOF {
					err = closeErr
				}
				if err != nil {
					return fmt.Errorf("row %d: %w", n, err)
				}
				break
			}
			if k == 0 {
				_ = rows.Close() // a reader that neither reads nor ends would hold us for ever
				return fmt.Errorf("row %d: no progress", n)
			}
		}
		if read != rg.NumRows() {
			return fmt.Errorf("row group %d holds %d rows instead of %d", i, read, rg.NumRows())
		}
	}
	return nil
}

// rowNode is a node of a file's schema with its levels. Exactly one of the shapes below holds.
type rowNode struct {
	name     string
	shape    rowShape
	def, rep int // of a present, non-empty instance
	first    int // first leaf below
	end      int // one past the last leaf below
	children []*rowNode
	unit     time.Duration // of a timestamp; 0: plain
	text     bool
}

type rowShape uint8

const (
	shapeLeaf rowShape = iota + 1
	shapeGroup
	shapeList // children[0] is the element; def is that of an element slot, def-1 an empty list
	shapeMap  // children are key and value; levels as shapeList
)

// rowDecoder puts the values of one row together again (record assembly of the Dremel paper).
type rowDecoder struct {
	root   *rowNode
	leaves []*rowNode
	cells  [][]parquet.Value // by leaf, of the row at hand
	at     []int             // next cell by leaf
}

func newRowDecoder(f *parquet.File) *rowDecoder {
	d := &rowDecoder{}
	d.root = &rowNode{shape: shapeGroup}
	for _, c := range f.Root().Columns() {
		d.root.children = append(d.root.children, d.node(c, c.Name(), 0, 0))
	}
	d.root.end = len(d.leaves)
	d.cells = make([][]parquet.Value, len(d.leaves))
	d.at = make([]int, len(d.leaves))
	return d
}

// node compiles c below levels def and rep.
func (d *rowDecoder) node(c *parquet.Column, name string, def, rep int) *rowNode {
	if c.Repeated() {
		// A repeated field outside of LIST and MAP is a list that cannot be null.
		n := &rowNode{name: name, shape: shapeList, def: def + 1, rep: rep + 1, first: len(d.leaves)}
		n.children = []*rowNode{d.body(c, name, def+1, rep+1)}
		n.end = len(d.leaves)
		return n
	}
	if c.Optional() {
		def++
	}
	return d.body(c, name, def, rep)
}

// body compiles c without its own repetition.
func (d *rowDecoder) body(c *parquet.Column, name string, def, rep int) *rowNode {
	n := &rowNode{name: name, def: def, rep: rep, first: len(d.leaves)}
	defer func() { n.end = len(d.leaves) }()
	if c.Leaf() {
		n.shape = shapeLeaf
		n.text = c.Type().Kind() == parquet.ByteArray || c.Type().Kind() == parquet.FixedLenByteArray
		if lt := c.Type().LogicalType(); lt != nil {
			if ts, ok := lt.Value.(*format.TimestampType); ok {
				n.unit = map[string]time.Duration{"MILLIS": time.Millisecond, "MICROS": time.Microsecond, "NANOS": time.Nanosecond}[timeUnit(ts)]
			}
		}
		d.leaves = append(d.leaves, n)
		return n
	}
	kind := typeAnnotation(c.Type())
	if inner := c.Columns(); len(inner) == 1 && inner[0].Repeated() {
		repeated := inner[0]
		switch {
		case kind == " (LIST)" && !repeated.Leaf() && len(repeated.Columns()) == 1:
			n.shape, n.def, n.rep = shapeList, def+1, rep+1
			n.children = []*rowNode{d.node(repeated.Columns()[0], "", def+1, rep+1)}
			return n
		case kind == " (LIST)":
			n.shape, n.def, n.rep = shapeList, def+1, rep+1
			n.children = []*rowNode{d.body(repeated, "", def+1, rep+1)}
			return n
		case kind == " (MAP)" && len(repeated.Columns()) == 2 && repeated.Columns()[0].Leaf():
			n.shape, n.def, n.rep = shapeMap, def+1, rep+1
			for _, kv := range repeated.Columns() {
				n.children = append(n.children, d.node(kv, "", def+1, rep+1))
			}
			return n
		}
	}
	n.shape = shapeGroup
	for _, child := range c.Columns() {
		n.children = append(n.children, d.node(child, child.Name(), def, rep))
	}
	return n
}

// load takes a row in. The error is a row in which a column has no value at all.
func (d *rowDecoder) load(row parquet.Row) error {
	for i := range d.cells {
		d.cells[i], d.at[i] = nil, 0
	}
	row.Range(func(column int, values []parquet.Value) bool {
		d.cells[column] = values
		return true
	})
	for i := range d.cells {
		if len(d.cells[i]) == 0 {
			return fmt.Errorf("column %d has no value", i)
		}
	}
	return nil
}

// value returns the first value of a leaf in the row at hand.
func (d *rowDecoder) value(leaf int) parquet.Value { return d.cells[leaf][0] }

// appendJSON appends the row at hand.
func (d *rowDecoder) appendJSON(b []byte) []byte {
	clear(d.at)
	b, _ = d.append(b, d.root)
	return b
}

// peek returns the levels of the next cell of a leaf; -1 at the end of the row.
func (d *rowDecoder) peek(leaf int) (def, rep int) {
	if d.at[leaf] >= len(d.cells[leaf]) {
		return -1, -1
	}
	v := &d.cells[leaf][d.at[leaf]]
	return v.DefinitionLevel(), v.RepetitionLevel()
}

// skip passes over the one null that every leaf below n has for a missing n.
func (d *rowDecoder) skip(n *rowNode) {
	for i := n.first; i < n.end; i++ {
		d.at[i]++
	}
}

// append appends n and reports whether it was there; if not, b comes back as it was.
func (d *rowDecoder) append(b []byte, n *rowNode) ([]byte, bool) {
	switch n.shape {
	case shapeLeaf:
		if def, _ := d.peek(n.first); def < n.def {
			d.at[n.first]++
			return b, false
		}
		v := d.cells[n.first][d.at[n.first]]
		d.at[n.first]++
		return appendValue(b, n, v), true
	case shapeGroup:
		if def, _ := d.peek(n.first); n != d.root && def < n.def {
			d.skip(n)
			return b, false
		}
		return d.appendGroup(b, n), true
	}
	switch def, _ := d.peek(n.first); {
	case def < n.def-1:
		d.skip(n)
		return b, false
	case def < n.def:
		d.skip(n)
		if n.shape == shapeMap {
			return append(b, "{}"...), true
		}
		return append(b, "[]"...), true
	}
	brackets := "[]"
	if n.shape == shapeMap {
		brackets = "{}"
	}
	b = append(b, brackets[0])
	for i := 0; ; i++ {
		if i > 0 {
			b = append(b, ',')
		}
		for j, child := range n.children {
			if j > 0 {
				b = append(b, ':')
			}
			var ok bool
			if b, ok = d.append(b, child); !ok {
				b = append(b, "null"...)
			}
		}
		if _, rep := d.peek(n.first); rep != n.rep {
			return append(b, brackets[1]), true
		}
	}
}

func (d *rowDecoder) appendGroup(b []byte, n *rowNode) []byte {
	b = append(b, '{')
	first := true
	for _, child := range n.children {
		mark := len(b)
		if !first {
			b = append(b, ',')
		}
		b = appendText(b, []byte(child.name))
		b = append(b, ':')
		var ok bool
		if b, ok = d.append(b, child); !ok {
			b = b[:mark]
		} else {
			first = false
		}
	}
	return append(b, '}')
}

func appendValue(b []byte, n *rowNode, v parquet.Value) []byte {
	if n.unit > 0 {
		perSecond := int64(time.Second / n.unit)
		t := time.Unix(v.Int64()/perSecond, v.Int64()%perSecond*int64(n.unit)).UTC()
		b = append(b, '"')
		b = t.AppendFormat(b, "2006-01-02T15:04:05.000Z")
		return append(b, '"')
	}
	if n.text {
		return appendText(b, v.ByteArray())
	}
	switch v.Kind() {
	case parquet.Boolean:
		return strconv.AppendBool(b, v.Boolean())
	case parquet.Int32:
		return strconv.AppendInt(b, int64(v.Int32()), 10)
	case parquet.Int64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case parquet.Float:
		return appendFloat(b, float64(v.Float()), 32)
	case parquet.Double:
		return appendFloat(b, v.Double(), 64)
	}
	return appendText(b, []byte(v.String())) // INT96 of old writers
}

// appendFloat writes what JSON has no number for as null.
func appendFloat(b []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, bits)
}

// appendText appends s as a JSON string. It escapes only what JSON demands, so that a line can be searched for the
// text it holds.
func appendText(b, s []byte) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for len(s) > 0 {
		c := s[0]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == '\t':
			b = append(b, '\\', 't')
		case c < 0x20 || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, n := utf8.DecodeRune(s)
			b = utf8.AppendRune(b, r) // U+FFFD for an invalid byte
			s = s[n:]
			continue
		}
		s = s[1:]
	}
	return append(b, '"')
}
