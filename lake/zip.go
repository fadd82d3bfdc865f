package lake

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// ErrNoColumn means that a file has none of the columns asked for.
var ErrNoColumn = errors.New("no such column")

// Zip calls fn with the values of columns that belong together, one after the other, reading no other column: name and number
// of a rule, key and value of a map. columns are dotted paths without the words that Parquet puts in for lists and maps:
// finding_info.attacks.technique.uid, unmapped.key. The columns must repeat alike. A value that is null is nil; the values
// are valid until fn returns. An error of fn ends the reading and is returned as it is. ErrNoColumn: one of them is not in
// the file; a damaged file gives an error that wraps ErrNotParquet.
func Zip(r io.ReaderAt, size int64, columns []string, fn func(values [][]byte) error) error {
	f, err := openFile(r, size)
	if err != nil {
		return err
	}
	leaves := make([]int, len(columns))
	for i, name := range columns {
		if leaves[i] = leafNamed(f, name); leaves[i] < 0 {
			return fmt.Errorf("%s: %w", name, ErrNoColumn)
		}
	}
	err = zip(f, leaves, fn)
	var ce *callbackError
	if errors.As(err, &ce) {
		return ce.err
	}
	if err != nil && !errors.Is(err, ErrNotParquet) {
		return fmt.Errorf("%w: %w", ErrNotParquet, err)
	}
	return err
}

// leafNamed is the index of a leaf column, -1 when there is none.
func leafNamed(f *parquet.File, name string) int {
	for i, path := range f.Schema().Columns() {
		var parts []string
		for j, p := range path {
			if p == "key_value" && j+2 == len(path) || p == "list" && j+1 < len(path) && path[j+1] == "element" || p == "element" && j > 0 && path[j-1] == "list" {
				continue
			}
			parts = append(parts, p)
		}
		if strings.Join(parts, ".") == name {
			return i
		}
	}
	return -1
}

func zip(f *parquet.File, leaves []int, fn func([][]byte) error) (err error) {
	defer recoverRead(&err)
	values := make([][]byte, len(leaves))
	for _, rg := range f.RowGroups() {
		chunks := rg.ColumnChunks()
		columns := make([]*columnReader, len(leaves))
		for i, leaf := range leaves {
			columns[i] = &columnReader{pages: chunks[leaf].Pages()}
		}
		err := zipGroup(columns, values, fn)
		for _, c := range columns {
			c.close()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func zipGroup(columns []*columnReader, values [][]byte, fn func([][]byte) error) error {
	for {
		for i, c := range columns {
			v, err := c.next()
			if err == io.EOF && i == 0 {
				return nil
			}
			if err != nil {
				return fmt.Errorf("columns that do not repeat alike: %w", err)
			}
			values[i] = c.bytes(v)
		}
		if err := fn(values); err != nil {
			return &callbackError{err}
		}
	}
}

// columnReader reads the values of one column chunk one by one.
type columnReader struct {
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader
	buf    [256]parquet.Value
	at, n  int
	text   []byte
}

// next returns the next value; io.EOF after the last.
func (c *columnReader) next() (parquet.Value, error) {
	for c.at == c.n {
		if c.values == nil {
			c.release()
			page, err := c.pages.ReadPage()
			if err != nil {
				return parquet.Value{}, err
			}
			c.page, c.values = page, page.Values()
		}
		n, err := c.values.ReadValues(c.buf[:])
		c.at, c.n = 0, n
		if err == io.EOF {
			c.values = nil
		} else if err != nil {
			return parquet.Value{}, err
		} else if n == 0 {
			return parquet.Value{}, io.ErrNoProgress
		}
	}
	c.at++
	return c.buf[c.at-1], nil
}

// bytes is the text of a value, nil for null.
func (c *columnReader) bytes(v parquet.Value) []byte {
	switch {
	case v.IsNull():
		return nil
	case v.Kind() == parquet.ByteArray || v.Kind() == parquet.FixedLenByteArray:
		return v.ByteArray()
	case v.Kind() == parquet.Int32 || v.Kind() == parquet.Int64:
		c.text = strconv.AppendInt(c.text[:0], v.Int64(), 10)
		return c.text
	}
	c.text = append(c.text[:0], v.String()...)
	return c.text
}

// release gives the page back once all of its values were handed out.
func (c *columnReader) release() {
	if c.page != nil {
		parquet.Release(c.page)
		c.page = nil
	}
}

func (c *columnReader) close() {
	c.release()
	_ = c.pages.Close() // only read
}
