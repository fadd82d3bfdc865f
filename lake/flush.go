package lake

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go"

	"wazuh-security-lake/ocsf"
)

// scratch is memory of the flush, kept from one row group to the next.
type scratch struct {
	order  []int32                   // rows by time
	kept   []bool                    // rows that stay
	places []place                   // where each row begins in the stream at hand
	values []parquet.Value           // one chunk
	empty  [][]*parquet.ColumnWriter // by spine, the columns without a value that share its levels
	// null has the null of every level byte. It is written once: the library only reads it.
	null [256]parquet.Value
}

func (s *scratch) init() {
	for l := range s.null {
		s.null[l] = parquet.NullValue().Level(l>>repShift, l&defMask, 0)
	}
}

// place is the first entry of a row and the first value at or after it.
type place struct{ entry, value int32 }

// nth is element i of an order, where nil is the order in which the rows came.
func nth(order []int32, i int) int {
	if order == nil {
		return i
	}
	return int(order[i])
}

// sortRows returns the rows in the order of their times, those of the same time as they came; nil when they are.
func (e *Encoder) sortRows() []int32 {
	if !e.unsorted {
		return nil
	}
	order := e.scratch.order[:0]
	for i := range e.rows {
		order = append(order, int32(i))
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(e.rows[a].time, e.rows[b].time) })
	e.scratch.order = order
	return order
}

// flushRows writes the first n rows of the given order as one row group.
func (e *Encoder) flushRows(order []int32, n int) error {
	for i := range e.spines[1:] {
		if s := &e.spines[i+1]; s.seen > 0 {
			s.catchUp(len(s.parent.levels))
		}
	}
	empty := e.scratch.empty
	if empty == nil {
		empty = make([][]*parquet.ColumnWriter, len(e.spines))
		e.scratch.empty = empty
	}
	for i := range e.columns {
		c := &e.columns[i]
		if len(c.nums) == 0 {
			spine := c.spine
			for e.spines[spine].seen == 0 && spine > 0 {
				spine = e.layout.around[spine]
			}
			empty[spine] = append(empty[spine], e.writers[i])
			continue
		}
		c.catchUp(len(c.parent.levels))
		if err := e.flushColumn(c, e.writers[i:i+1], order, n); err != nil {
			return fmt.Errorf("column %v: %w", c.path, err)
		}
	}
	for i, writers := range empty {
		if len(writers) == 0 {
			continue
		}
		c := column{leaf: &leaf{maxDef: noValues}, stream: e.spines[i]}
		if err := e.flushColumn(&c, writers, order, n); err != nil {
			return fmt.Errorf("columns without a value: %w", err)
		}
		empty[i] = writers[:0]
	}
	return e.pw.Flush()
}

// flushColumn hands the first n rows of one column to the library, in chunks small enough that its pages stay below
// their limit. Columns without any value that have the same levels come as one, with all of their writers.
func (e *Encoder) flushColumn(c *column, writers []*parquet.ColumnWriter, order []int32, n int) error {
	f := flusher{column: c, writers: writers, nulls: &e.scratch.null, values: e.scratch.values[:0], lastIndex: -1}
	var err error
	switch {
	case order != nil:
		e.scratch.places = c.places(e.scratch.places[:0])
		err = f.byOrder(order[:n], e.scratch.places)
	case len(c.levels) == len(e.rows):
		err = f.flat(n)
	default:
		entries, _ := c.tail(len(e.rows)-n, noValues)
		err = f.inOrder(entries)
	}
	if err == nil {
		err = f.write()
	}
	e.scratch.values = f.values
	if c.dict && c.kind == ocsf.KindString {
		e.bounds += 2 * (2*int64(f.longest) + 16)
	}
	// The library does not compare its columns: one that is short would make a file that no reader can read.
	if err == nil && f.rows != n {
		err = fmt.Errorf("%d rows instead of %d", f.rows, n)
	}
	return err
}

// places lists where each row of the column begins, and where the last one ends.
func (c *column) places(dst []place) []place {
	value := int32(0)
	for i, l := range c.levels {
		if l>>repShift == 0 {
			dst = append(dst, place{int32(i), value})
		}
		if l&defMask == c.maxDef {
			value++
		}
	}
	return append(dst, place{int32(len(c.levels)), value})
}

// flusher cuts one column into chunks of whole rows.
type flusher struct {
	*column
	writers []*parquet.ColumnWriter
	nulls   *[256]parquet.Value
	values  []parquet.Value

	chunk    int // bytes in values, as the library will count them
	chunkRow int // rows in values
	text     int // bytes that values may add to the dictionary
	page     int // rows in the library's current page
	room     int // bytes that may have gone to the dictionary since the library last looked at its size
	longest  int // the longest text
	rows     int // rows the library took

	last      parquet.Value // the value made last, its index and its repetition level
	lastIndex int
	lastRep   byte
}

// flat adds the first n rows as they lie, where one entry is one row.
func (f *flusher) flat(n int) error {
	value := 0
	for _, l := range f.levels[:n] {
		if l != f.maxDef {
			if f.chunkRow == chunkRows {
				if err := f.write(); err != nil {
					return err
				}
			}
			f.values = append(f.values, f.nulls[l])
			f.chunkRow++
			continue
		}
		width := f.width(value)
		if f.chunkRow == chunkRows || f.chunkRow > 0 && f.chunk+width > chunkBytes {
			if err := f.write(); err != nil {
				return err
			}
		}
		f.values = append(f.values, f.cell(value, 0))
		f.chunk += width
		f.chunkRow++
		value++
	}
	return nil
}

// cell returns value i for repetition level rep. A run of the same value is made, and counted for the dictionary,
// once: constant columns, the common case, never end a page early.
func (f *flusher) cell(i int, rep byte) parquet.Value {
	if j := f.lastIndex; j >= 0 && rep == f.lastRep && f.same(i, j) {
		return f.last
	}
	f.last, f.lastIndex, f.lastRep = f.value(i, int(rep)), i, rep
	if f.kind == ocsf.KindString {
		n := int(f.nums[i]) - f.textStart(i)
		f.longest = max(f.longest, n)
		f.text += n + 4
	}
	return f.last
}

// same reports whether the values i and j are the same bytes.
func (f *flusher) same(i, j int) bool {
	if f.kind != ocsf.KindString {
		return f.nums[i] == f.nums[j]
	}
	return bytes.Equal(f.arena[f.textStart(i):f.nums[i]], f.arena[f.textStart(j):f.nums[j]])
}

// inOrder adds the rows of the first entries as they lie.
func (f *flusher) inOrder(entries int) error {
	entry, value := 0, 0
	for entry < entries {
		end, bytes, values := entry, 0, value
		for {
			if f.levels[end]&defMask == f.maxDef {
				bytes += f.width(values)
				values++
			}
			end++
			if end == len(f.levels) || f.levels[end]>>repShift == 0 {
				break
			}
		}
		if err := f.row(entry, end, value, bytes); err != nil {
			return err
		}
		entry, value = end, values
	}
	return nil
}

// byOrder adds all rows in the given order.
func (f *flusher) byOrder(order []int32, places []place) error {
	for _, r := range order {
		from, to := places[r], places[r+1]
		bytes := 0
		for v := from.value; v < to.value; v++ {
			bytes += f.width(int(v))
		}
		if err := f.row(int(from.entry), int(to.entry), int(from.value), bytes); err != nil {
			return err
		}
	}
	return nil
}

// width is what value i adds to a page.
func (f *flusher) width(i int) int {
	if f.kind != ocsf.KindString {
		return 8
	}
	return int(f.nums[i]) - f.textStart(i) + 4
}

// row adds the entries [entry, end) with the values from value on, bytes wide.
func (f *flusher) row(entry, end, value, bytes int) error {
	full := f.chunkRow == chunkRows || len(f.values)+end-entry > chunkEntries
	if f.chunkRow > 0 && (full || f.chunk+bytes > chunkBytes) {
		if err := f.write(); err != nil {
			return err
		}
	}
	for ; entry < end; entry++ {
		l := f.levels[entry]
		if l&defMask == f.maxDef {
			f.values = append(f.values, f.cell(value, l>>repShift))
			value++
		} else {
			f.values = append(f.values, f.nulls[l])
		}
	}
	f.chunk += bytes
	f.chunkRow++
	return nil
}

// write hands the chunk to the library. It ends the library's page by itself where the library would do so too late:
// before a chunk so wide that both would not fit one page, every pageRows rows, and before the dictionary could
// outgrow its page, because the library looks at the dictionary's size only when a page ends.
func (f *flusher) write() error {
	if len(f.values) == 0 {
		return nil
	}
	end := f.page > 0 && (f.chunk > chunkBytes || f.page+f.chunkRow > pageRows || f.dict && f.room+f.text > dictionaryRoom)
	if end {
		f.page, f.room = 0, 0
	}
	for _, w := range f.writers {
		if end {
			if err := w.Flush(); err != nil {
				return err
			}
		}
		n, err := w.WriteRowValues(f.values)
		if err != nil {
			return err
		}
		if n != f.chunkRow {
			return fmt.Errorf("%d rows written instead of %d", n, f.chunkRow)
		}
	}
	f.rows += f.chunkRow
	f.page += f.chunkRow
	f.room += f.text
	f.values = f.values[:0]
	f.chunk, f.chunkRow, f.text = 0, 0, 0
	return nil
}

func doubleValue(bits int64) parquet.Value {
	return parquet.DoubleValue(math.Float64frombits(uint64(bits)))
}
