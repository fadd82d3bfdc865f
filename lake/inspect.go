package lake

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// Info is what the footer and the page headers of a Parquet file say.
type Info struct {
	Bytes     int64      `json:"bytes"`
	Rows      int64      `json:"rows"`
	CreatedBy string     `json:"created_by"`
	Metadata  []KeyValue `json:"metadata"` // as it stands in the footer
	Schema    string     `json:"schema"`   // in the form of SchemaText
	RowGroups []RowGroup `json:"row_groups"`
}

// KeyValue is one pair of the footer.
type KeyValue struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// RowGroup is one row group.
type RowGroup struct {
	Rows         int64    `json:"rows"`
	Compressed   int64    `json:"compressed_bytes"`
	Uncompressed int64    `json:"uncompressed_bytes"`
	Sorting      []string `json:"sorting"` // "time ascending"
	Columns      []Column `json:"columns"`
}

// Column is one column chunk.
type Column struct {
	Path         string   `json:"path"` // dotted
	Type         string   `json:"type"` // "int64 (TIMESTAMP(MILLIS,true))"
	Codec        string   `json:"codec"`
	Encodings    []string `json:"encodings"` // those of the pages, dictionary included
	Values       int64    `json:"values"`    // nulls included
	Nulls        int64    `json:"nulls"`
	Compressed   int64    `json:"compressed_bytes"`
	Uncompressed int64    `json:"uncompressed_bytes"`
	Pages        int      `json:"pages"`            // data pages
	MaxPage      int64    `json:"max_page_bytes"`   // the largest data page, uncompressed
	Dictionary   int64    `json:"dictionary_bytes"` // the dictionary page, uncompressed
	HasBounds    bool     `json:"has_bounds"`
	Min          string   `json:"min,omitempty"`
	Max          string   `json:"max,omitempty"`
}

// Inspect reads the footer and every page header of a Parquet file, but no page. The error wraps ErrNotParquet when
// the file is none, is cut short or is damaged.
func Inspect(r io.ReaderAt, size int64) (*Info, error) {
	f, err := openFile(r, size)
	if err != nil {
		return nil, err
	}
	return inspect(f, r, size)
}

func inspect(f *parquet.File, r io.ReaderAt, size int64) (info *Info, err error) {
	defer recoverRead(&err)
	md := f.Metadata()
	schema, err := fileSchema(md.Schema)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotParquet, err)
	}
	kinds := schema.leafSchemas("", "", nil)
	info = &Info{Bytes: size, Rows: md.NumRows, CreatedBy: md.CreatedBy, Schema: schema.String()}
	for _, kv := range md.KeyValueMetadata {
		info.Metadata = append(info.Metadata, KeyValue{kv.Key, kv.Value})
	}
	for i := range md.RowGroups {
		rg := &md.RowGroups[i]
		g := RowGroup{Rows: rg.NumRows, Uncompressed: rg.TotalByteSize}
		for _, s := range rg.SortingColumns {
			direction := "ascending"
			if s.Descending {
				direction = "descending"
			}
			if int(s.ColumnIdx) >= len(kinds) || s.ColumnIdx < 0 {
				return nil, fmt.Errorf("%w: sorting by column %d", ErrNotParquet, s.ColumnIdx)
			}
			g.Sorting = append(g.Sorting, kinds[s.ColumnIdx].path+" "+direction)
		}
		for j := range rg.Columns {
			c, err := inspectColumn(r, size, &rg.Columns[j].MetaData, kinds[j].kind)
			if err != nil {
				return nil, fmt.Errorf("%w: row group %d, column %s: %w", ErrNotParquet, i, c.Path, err)
			}
			g.Compressed += c.Compressed
			g.Columns = append(g.Columns, c)
		}
		info.RowGroups = append(info.RowGroups, g)
	}
	return info, nil
}

func inspectColumn(r io.ReaderAt, size int64, md *format.ColumnMetaData, kind string) (Column, error) {
	c := Column{
		Path:         strings.Join(md.PathInSchema, "."),
		Type:         kind,
		Codec:        md.Codec.String(),
		Values:       md.NumValues,
		Nulls:        md.Statistics.NullCount,
		Compressed:   md.TotalCompressedSize,
		Uncompressed: md.TotalUncompressedSize,
	}
	err := walkPages(r, size, md, func(h *format.PageHeader) error {
		if enc, ok := pageEncoding(h); ok && !slices.Contains(c.Encodings, enc.String()) {
			c.Encodings = append(c.Encodings, enc.String())
		}
		switch h.Type {
		case format.DictionaryPage:
			c.Dictionary += int64(h.UncompressedPageSize)
		case format.DataPage, format.DataPageV2:
			c.Pages++
			c.MaxPage = max(c.MaxPage, int64(h.UncompressedPageSize))
		}
		return nil
	})
	if err != nil {
		return c, err
	}
	if min, max, ok := chunkBounds(md); ok {
		c.HasBounds, c.Min, c.Max = true, boundText(min), boundText(max)
	}
	return c, nil
}

// chunkBounds returns the bounds of the footer, if the column has any and they have the width of its type.
func chunkBounds(md *format.ColumnMetaData) (min, max parquet.Value, ok bool) {
	s := &md.Statistics
	if s.MinValue == nil || s.MaxValue == nil {
		return min, max, false
	}
	min, okMin := boundValue(parquet.Kind(md.Type), s.MinValue)
	max, okMax := boundValue(parquet.Kind(md.Type), s.MaxValue)
	return min, max, okMin && okMax
}

// boundValue reads a bound; the library's own Kind.Value panics on bytes of the wrong width.
func boundValue(k parquet.Kind, b []byte) (parquet.Value, bool) {
	switch k {
	case parquet.Boolean:
		if len(b) != 1 {
			return parquet.Value{}, false
		}
	case parquet.Int32, parquet.Float:
		if len(b) != 4 {
			return parquet.Value{}, false
		}
	case parquet.Int64, parquet.Double:
		if len(b) != 8 {
			return parquet.Value{}, false
		}
	case parquet.Int96:
		return parquet.Value{}, false // has no order
	}
	return k.Value(b), true
}

// boundText prints a bound; text is cut, for it may be as long as the longest value.
func boundText(v parquet.Value) string {
	const longest = 64
	if v.Kind() != parquet.ByteArray {
		return v.String()
	}
	s := string(v.ByteArray())
	if len(s) > longest {
		s = s[:longest] + "..."
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// leafColumns lists the leaves below c in column order.
func leafColumns(c *parquet.Column, dst []*parquet.Column) []*parquet.Column {
	if c.Leaf() {
		return append(dst, c)
	}
	for _, child := range c.Columns() {
		dst = leafColumns(child, dst)
	}
	return dst
}
