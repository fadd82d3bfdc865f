package lake

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// stage is where the columns of a row group are encoded before they go into the object: a Parquet file in memory, made
// by the library, of which the column chunks are copied as they are.
//
// It is there for the columns without a value, which are most columns of a class. Those of one shape below one object
// are the same bytes, so only the first of them is encoded, and its chunk is copied into the places of all.
type stage struct {
	schema  *parquet.Schema
	buf     bytes.Buffer
	pw      *parquet.GenericWriter[any]
	writers []*parquet.ColumnWriter
}

func newStage(schema *parquet.Schema, options []parquet.WriterOption) *stage {
	s := &stage{schema: schema}
	s.pw = parquet.NewGenericWriter[any](&s.buf, options...)
	s.writers = s.pw.ColumnWriters()
	return s
}

// move writes the row group on the stage, of n rows, to dst and clears the stage. Column i is the one staged as
// source[i].
func (s *stage) move(dst *parquet.GenericWriter[any], source []int32, n int64) error {
	if err := s.pw.Close(); err != nil {
		return err
	}
	defer func() {
		if s.buf.Cap() > keptCapacity {
			s.buf = bytes.Buffer{}
		}
		s.buf.Reset()
		s.pw.Reset(&s.buf)
	}()
	f, err := parquet.OpenFile(bytes.NewReader(s.buf.Bytes()), int64(s.buf.Len()), parquet.SkipBloomFilters(true), parquet.FileSchema(s.schema))
	if err != nil {
		return err
	}
	groups := f.RowGroups()
	if len(groups) != 1 || groups[0].NumRows() != n {
		return fmt.Errorf("staged %d row groups instead of one of %d rows", len(groups), n)
	}
	group, ok := groups[0].(*parquet.FileRowGroup)
	if !ok {
		return errNotCopied
	}
	slim(f)
	staged := group.ColumnChunks()
	chunks := make([]parquet.ColumnChunk, len(source))
	for i, from := range source {
		chunks[i] = staged[from]
	}
	_, err = dst.WriteRowGroup(&arrangement{group, chunks})
	return err
}

// slim takes out of the metadata of a staged file what an object can do without and what would be a third of its
// footer where it has few rows: how often each level occurs in each chunk and page. No reader that is known to be used
// on a lake asks for it.
func slim(f *parquet.File) {
	columns := f.Metadata().RowGroups[0].Columns
	for i := range columns {
		columns[i].MetaData.SizeStatistics = format.SizeStatistics{}
	}
	indexes := f.ColumnIndexes()
	for i := range indexes {
		indexes[i].RepetitionLevelHistogram, indexes[i].DefinitionLevelHistogram = nil, nil
	}
}

// arrangement is a row group in a file with some of its column chunks in several places. The library copies the chunks
// of a row group of a file, if they fit the writer, and this type is one by the embedding. Should it ever begin to read
// the rows instead, it gets an error, not the wrong rows.
type arrangement struct {
	*parquet.FileRowGroup
	chunks []parquet.ColumnChunk
}

func (a *arrangement) ColumnChunks() []parquet.ColumnChunk { return a.chunks }

func (a *arrangement) Rows() parquet.Rows { return noRows{a.Schema()} }

var errNotCopied = errors.New("the Parquet library did not copy the column chunks of a row group")

// noRows are the rows of an arrangement.
type noRows struct{ schema *parquet.Schema }

func (noRows) ReadRows([]parquet.Row) (int, error) { return 0, errNotCopied }
func (noRows) SeekToRow(int64) error               { return errNotCopied }
func (r noRows) Schema() *parquet.Schema           { return r.schema }
func (noRows) Close() error                        { return nil }

var _ parquet.RowGroup = (*arrangement)(nil)
