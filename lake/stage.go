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
//
// Most columns are never staged, so the stage has slots not for each but for as many of each variant as a row group needs.
type stage struct {
	schema  *parquet.Schema
	buf     *chunkBuffer
	pw      *parquet.GenericWriter[any]
	slots   []*slot
	writers []*parquet.ColumnWriter
	rooms   []room // by number of variant
	room    demand // how many slots of each variant there are
	first   variant
}

// variant is what tells slots apart that cannot serve the same column.
type variant struct {
	kind           ocsf.Kind // physical
	coded, bounded bool
}

// number is a number for each variant.
func (v variant) number() int {
	n := 4 * int(v.kind)
	if v.coded {
		n += 2
	}
	if v.bounded {
		n++
	}
	return n
}

const variants = 4 * (int(ocsf.KindTime) + 1)

// demand is how many slots of each variant are needed.
type demand [variants]int

// room is the slots of a variant: all, and how many of them are taken.
type room struct {
	slots []int
	taken int
}

// newStage makes a stage with the slots of d, the first of which is of the variant first: the library takes the number of
// rows from it, so that one must always be in use.
func newStage(c *codec, first variant, d demand) *stage {
	pool := new(chunkPool)
	s := &stage{buf: &chunkBuffer{pool: pool}, rooms: make([]room, variants), room: d, first: first}
	add := func(v variant) {
		r := &s.rooms[v.number()]
		r.slots = append(r.slots, len(s.slots))
		s.slots = append(s.slots, &slot{Type: valueType(v.kind, v.bounded), kind: v.kind, coded: v.coded, bounded: v.bounded, codec: c})
	}
	add(first)
	d[first.number()]--
	for n, count := range d {
		for range count {
			add(variant{ocsf.Kind(n / 4), n&2 != 0, n&1 != 0})
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

// holds reports whether there are slots for d, of which a column of the variant first comes first.
func (s *stage) holds(first variant, d *demand) bool {
	if s.first != first {
		return false
	}
	for i, n := range d {
		if n > s.room[i] {
			return false
		}
	}
	return true
}

// take takes a free slot for a column.
func (s *stage) take(l *leaf) int {
	r := &s.rooms[l.variant().number()]
	i := r.slots[r.taken]
	r.taken++
	s.slots[i].maxDef, s.slots[i].maxRep = l.maxDef, l.maxRep
	return i
}

// write hands the page in a slot to the library.
func (s *stage) write(slot int) error {
	// The call is for its end: it looks whether there is enough for a page. The page is in the slot already.
	_, err := s.writers[slot].WriteRowValues(nil)
	return err
}

// seal completes the row group on the stage, of n rows, and returns it and its column chunks by slot. They can be read until
// clear.
func (s *stage) seal(n int64) (*parquet.FileRowGroup, []parquet.ColumnChunk, error) {
	if err := s.pw.Close(); err != nil {
		return nil, nil, err
	}
	f, err := parquet.OpenFile(s.buf, s.buf.size, parquet.SkipBloomFilters(true), parquet.FileSchema(s.schema))
	if err != nil {
		return nil, nil, err
	}
	groups := f.RowGroups()
	if len(groups) != 1 || groups[0].NumRows() != n {
		return nil, nil, fmt.Errorf("staged %d row groups instead of one of %d rows", len(groups), n)
	}
	group, ok := groups[0].(*parquet.FileRowGroup)
	if !ok {
		return nil, nil, errNotCopied
	}
	slim(f)
	return group, group.ColumnChunks(), nil
}

// clear makes the stage ready for another row group.
func (s *stage) clear() {
	s.buf.reset()
	s.pw.Reset(s.buf)
	for _, t := range s.slots {
		t.clear()
	}
	for i := range s.rooms {
		s.rooms[i].taken = 0
	}
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
