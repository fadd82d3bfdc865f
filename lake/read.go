package lake

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// What a reader lets a file ask for. A file that asks for more is refused before anything is allocated: the sizes
// stand in the file and may be anything.
const (
	maxPageBytes  = 64 << 20 // far above the largest alert, which is what one page at least must hold
	maxFooter     = 64 << 20
	maxFileLeaves = 20000
)

// openFile reads the footer and checks every page header, so that what follows reads pages of a sane size only.
func openFile(r io.ReaderAt, size int64) (f *parquet.File, err error) {
	defer recoverRead(&err)
	if err := checkFooter(r, size); err != nil {
		return nil, err
	}
	f, err = parquet.OpenFile(r, size, parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotParquet, err)
	}
	md := f.Metadata()
	leaves := len(f.Schema().Columns())
	if leaves == 0 || leaves > maxFileLeaves {
		return nil, fmt.Errorf("%w: %d columns", ErrNotParquet, leaves)
	}
	rows := int64(0)
	for i := range md.RowGroups {
		rg := &md.RowGroups[i]
		if len(rg.Columns) != leaves {
			return nil, fmt.Errorf("%w: row group %d has %d columns instead of %d", ErrNotParquet, i, len(rg.Columns), leaves)
		}
		if rg.NumRows < 0 {
			return nil, fmt.Errorf("%w: row group %d has %d rows", ErrNotParquet, i, rg.NumRows)
		}
		rows += rg.NumRows
		for j := range rg.Columns {
			md := &rg.Columns[j].MetaData
			values := int64(0)
			err := walkPages(r, size, md, func(h *format.PageHeader) error {
				values += pageValues(h)
				return nil
			})
			if err != nil {
				return nil, fmt.Errorf("%w: row group %d, column %s: %w", ErrNotParquet, i, strings.Join(md.PathInSchema, "."), err)
			}
			if values != md.NumValues || values < rg.NumRows {
				return nil, fmt.Errorf("%w: row group %d, column %s: pages hold %d values, the footer says %d in %d rows",
					ErrNotParquet, i, strings.Join(md.PathInSchema, "."), values, md.NumValues, rg.NumRows)
			}
		}
	}
	if rows != md.NumRows {
		return nil, fmt.Errorf("%w: row groups hold %d rows, the footer says %d", ErrNotParquet, rows, md.NumRows)
	}
	return f, nil
}

func checkFooter(r io.ReaderAt, size int64) error {
	const tail = 8 // length of the footer, magic
	var b [tail]byte
	if size < tail+4 {
		return fmt.Errorf("%w: %d bytes", ErrNotParquet, size)
	}
	if _, err := r.ReadAt(b[:4], 0); err != nil {
		return fmt.Errorf("read header: %w", err)
	}
	if string(b[:4]) != "PAR1" {
		return fmt.Errorf("%w: it does not begin with PAR1", ErrNotParquet)
	}
	if _, err := r.ReadAt(b[:], size-tail); err != nil && err != io.EOF {
		return fmt.Errorf("read footer: %w", err)
	}
	if string(b[4:]) != "PAR1" {
		return fmt.Errorf("%w: it does not end with PAR1; the file is cut short or still being written", ErrNotParquet)
	}
	n := int64(b[0]) | int64(b[1])<<8 | int64(b[2])<<16 | int64(b[3])<<24
	if n > maxFooter || n > size-tail-4 {
		return fmt.Errorf("%w: footer of %d bytes", ErrNotParquet, n)
	}
	return nil
}

// recoverRead turns a panic of the library into an error. It is meant for trusted files and indexes slices by
// numbers found in them; a damaged file must not end the daemon.
func recoverRead(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v", ErrNotParquet, p)
	}
}

// walkPages reads the page headers of one column chunk, without the pages.
func walkPages(r io.ReaderAt, size int64, md *format.ColumnMetaData, fn func(*format.PageHeader) error) error {
	start := md.DataPageOffset
	if md.DictionaryPageOffset > 0 && md.DictionaryPageOffset < start {
		start = md.DictionaryPageOffset
	}
	if start < 0 || md.TotalCompressedSize < 0 || start > size || md.TotalCompressedSize > size-start {
		return fmt.Errorf("column chunk of %d bytes at %d lies outside of the file", md.TotalCompressedSize, start)
	}
	counted := &countingReader{r: io.NewSectionReader(r, start, md.TotalCompressedSize)}
	b := bufio.NewReaderSize(counted, 4096)
	decoder := thrift.NewDecoder(new(thrift.CompactProtocol).NewReader(b))
	for counted.n-int64(b.Buffered()) < md.TotalCompressedSize {
		var h format.PageHeader
		if err := decoder.Decode(&h); err != nil {
			return fmt.Errorf("page header: %w", err)
		}
		if h.UncompressedPageSize < 0 || h.CompressedPageSize < 0 ||
			h.UncompressedPageSize > maxPageBytes || h.CompressedPageSize > maxPageBytes || pageValues(&h) < 0 {
			return fmt.Errorf("page of %d bytes, %d uncompressed", h.CompressedPageSize, h.UncompressedPageSize)
		}
		if err := fn(&h); err != nil {
			return err
		}
		if _, err := b.Discard(int(h.CompressedPageSize)); err != nil {
			return fmt.Errorf("page is cut short: %w", err)
		}
	}
	return nil
}

// pageValues is the number of values, nulls included, of a data page; 0 for others.
func pageValues(h *format.PageHeader) int64 {
	switch {
	case h.Type == format.DataPage && h.DataPageHeader.Valid:
		return int64(h.DataPageHeader.V.NumValues)
	case h.Type == format.DataPageV2 && h.DataPageHeaderV2.Valid:
		return int64(h.DataPageHeaderV2.V.NumValues)
	}
	return 0
}

// pageEncoding is the encoding of the values of a page.
func pageEncoding(h *format.PageHeader) (format.Encoding, bool) {
	switch {
	case h.Type == format.DataPage && h.DataPageHeader.Valid:
		return h.DataPageHeader.V.Encoding, true
	case h.Type == format.DataPageV2 && h.DataPageHeaderV2.Valid:
		return h.DataPageHeaderV2.V.Encoding, true
	case h.Type == format.DictionaryPage && h.DictionaryPageHeader.Valid:
		return h.DictionaryPageHeader.V.Encoding, true
	}
	return 0, false
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// typeAnnotation is the annotation of a column as the library sees it.
func typeAnnotation(t parquet.Type) string {
	var lt format.LogicalType
	var ct deprecated.ConvertedType
	if l := t.LogicalType(); l != nil {
		lt = *l
	}
	c := t.ConvertedType()
	if c != nil {
		ct = *c
	}
	return annotation(lt, ct, c != nil)
}
