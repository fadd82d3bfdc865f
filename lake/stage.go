package lake

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"wazuh-security-lake/ocsf"
)

// stage is where the columns of a row group are encoded before they go into the object: a Parquet file in memory, made
// by the library, of which the column chunks are copied as they are.
//
// It is there for two reasons. Columns that hold the same - those without a value, which are most columns of a class,
// and twins like message and title - are the same bytes: only the first of them is encoded, and its chunk is copied into
// the places of all. And the columns of the stage, other than those of the object, need not take their values one
// parquet.Value after the other: see slot.
type stage struct {
	schema  *parquet.Schema
	buf     *chunkBuffer
	pw      *parquet.GenericWriter[any]
	slots   []*slot // by leaf, in the encoding of the class; behind them those that alternate names
	writers []*parquet.ColumnWriter
	// alternate is, by leaf, the slot of a text in PLAIN where the class has a dictionary; -1 for the others.
	alternate []int
}

func newStage(l *layout, c *codec) *stage {
	pool := new(chunkPool)
	s := &stage{alternate: make([]int, len(l.leaves)), buf: &chunkBuffer{pool: pool}}
	add := func(lf *leaf, coded bool) {
		t := &slot{Type: valueType(lf.kind, lf.dict), kind: lf.physical(), coded: coded, bounded: lf.bounded(), maxDef: lf.maxDef, maxRep: lf.maxRep, codec: c}
		s.slots = append(s.slots, t)
	}
	for i := range l.leaves {
		add(&l.leaves[i], l.leaves[i].dict)
	}
	for i := range l.leaves {
		s.alternate[i] = -1
		if lf := &l.leaves[i]; lf.dict && lf.kind == ocsf.KindString {
			s.alternate[i] = len(s.slots)
			add(lf, false)
		}
	}
	fields := make([]parquet.Field, len(s.slots))
	group := make(parquet.Group, len(s.slots))
	for i, t := range s.slots {
		n := parquet.Encoded(parquet.Leaf(t), &parquet.Plain)
		if t.coded {
			n = parquet.Encoded(parquet.Leaf(t), &parquet.RLEDictionary)
		}
		name := strconv.Itoa(i)
		fields[i], group[name] = field{n, name}, n
	}
	s.schema = parquet.NewSchema(rootName, ordered{group, fields})
	s.pw = parquet.NewGenericWriter[any](s.buf, append(writerOptions(c), s.schema, parquet.ColumnPageBuffers(pool))...)
	s.writers = s.pw.ColumnWriters()
	return s
}

// slot returns the place of a leaf's column on the stage.
func (s *stage) slot(leaf int, plain bool) int {
	if plain {
		return s.alternate[leaf]
	}
	return leaf
}

// write hands the page in a slot to the library.
func (s *stage) write(slot int) error {
	// The call is for its end: it looks whether there is enough for a page. The page is in the slot already.
	_, err := s.writers[slot].WriteRowValues(nil)
	return err
}

// move writes the row group on the stage, of n rows, to dst and clears the stage. Column i of dst is the one staged in
// slot source[i].
func (s *stage) move(dst *parquet.GenericWriter[any], source []int, n int64) error {
	if err := s.pw.Close(); err != nil {
		return err
	}
	defer func() {
		s.buf.reset()
		s.pw.Reset(s.buf)
		for _, t := range s.slots {
			t.clear()
		}
	}()
	f, err := parquet.OpenFile(s.buf, s.buf.size, parquet.SkipBloomFilters(true), parquet.FileSchema(s.schema))
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
	_, err = dst.WriteRowGroup(&arrangement{group, dst.Schema(), chunks})
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

// arrangement is a row group of the object's schema, made of column chunks in a file, some of them in several places.
// The library copies the chunks of a row group of a file, if they fit the writer, and this type is one by the embedding.
// Should it ever begin to read the rows instead, it gets an error, not the wrong rows.
type arrangement struct {
	*parquet.FileRowGroup
	schema *parquet.Schema
	chunks []parquet.ColumnChunk
}

func (a *arrangement) ColumnChunks() []parquet.ColumnChunk { return a.chunks }
func (a *arrangement) Schema() *parquet.Schema             { return a.schema }
func (a *arrangement) Rows() parquet.Rows                  { return noRows{a.schema} }

var errNotCopied = errors.New("the Parquet library did not copy the column chunks of a row group")

// noRows are the rows of an arrangement.
type noRows struct{ schema *parquet.Schema }

func (noRows) ReadRows([]parquet.Row) (int, error) { return 0, errNotCopied }
func (noRows) SeekToRow(int64) error               { return errNotCopied }
func (r noRows) Schema() *parquet.Schema           { return r.schema }
func (noRows) Close() error                        { return nil }

var _ parquet.RowGroup = (*arrangement)(nil)
