package lake

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go"

	"wazuh-security-lake/ocsf"
)

// scratch is memory of the flush, kept from one row group to the next.
type scratch struct {
	ranks   []int32
	order   []int32         // rows by time
	kept    []bool          // rows that stay
	places  []place         // where each row begins in the stream at hand
	values  []parquet.Value // one chunk
	words   []parquet.Value // the dictionary of the column at hand
	spare   dictionary      // empty
	empty   [][]int32       // by spine, the columns to write that have no value and its levels
	source  []int32         // by column, the one whose chunk it has
	writers []*parquet.ColumnWriter
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
		empty = make([][]int32, len(e.spines))
		e.scratch.empty = empty
	}
	source := e.scratch.source[:0]
	for i := range e.columns {
		c := &e.columns[i]
		if len(c.nums) > 0 {
			c.catchUp(len(c.parent.levels))
			if err := e.flushColumn(c, e.stage.writers[i:i+1], order, n); err != nil {
				return fmt.Errorf("column %v: %w", c.path, err)
			}
			source = append(source, int32(i))
			continue
		}
		spine := c.spine
		for e.spines[spine].seen == 0 && spine > 0 {
			spine = e.layout.around[spine]
		}
		twin := slices.IndexFunc(empty[spine], func(k int32) bool { return e.columns[k].twin(c.leaf) })
		if twin < 0 {
			twin = len(empty[spine])
			empty[spine] = append(empty[spine], int32(i))
		}
		source = append(source, empty[spine][twin])
	}
	e.scratch.source = source
	nothing := &leaf{maxDef: noValues} // a leaf without a value: its levels are those of an object
	for spine, leaves := range empty {
		if len(leaves) == 0 {
			continue
		}
		writers := e.scratch.writers[:0]
		for _, k := range leaves {
			writers = append(writers, e.stage.writers[k])
		}
		e.scratch.writers, empty[spine] = writers, leaves[:0]
		c := column{leaf: nothing, stream: e.spines[spine]}
		if err := e.flushColumn(&c, writers, order, n); err != nil {
			return fmt.Errorf("columns without a value: %w", err)
		}
	}
	return e.stage.move(e.pw, source, int64(n))
}

// twin reports whether two leaves without a value that have the same levels are the same bytes.
func (l *leaf) twin(m *leaf) bool {
	return l.kind == m.kind && l.dict == m.dict && l.maxDef == m.maxDef && l.maxRep == m.maxRep
}

// flushColumn hands the first n rows of one column to the library, in chunks small enough that its pages stay below
// their limit. Columns without any value that have the same levels come as one, with all of their writers.
func (e *Encoder) flushColumn(c *column, writers []*parquet.ColumnWriter, order []int32, n int) error {
	f := flusher{column: c, writers: writers, nulls: &e.scratch.null, values: e.scratch.values[:0], lastIndex: -1}
	if c.coded() {
		words := e.scratch.words[:0]
		for i := range c.words.ends {
			words = append(words, parquet.ByteArrayValue(c.words.text(int32(i))).Level(0, int(c.maxDef), 0))
		}
		e.scratch.words, f.words = words, words
		e.bounds += 2 * (2*int64(c.words.longest) + 16)
	}
	var err error
	switch {
	case order != nil && len(c.levels) == len(e.rows) && !c.plainText():
		e.scratch.ranks = c.ranks(e.scratch.ranks[:0])
		err = f.flatByOrder(order[:n], e.scratch.ranks)
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
	words   []parquet.Value
	values  []parquet.Value

	chunk    int // bytes in values, as the library will count them
	chunkRow int // rows in values
	page     int // rows in the library's current page
	rows     int // rows the library took

	last      parquet.Value // the value made last, its index and its repetition level
	lastIndex int
	lastRep   byte
}

// flat adds the first n rows as they lie, where one entry is one row.
func (f *flusher) flat(n int) error {
	if f.plainText() {
		return f.flatText(n)
	}
	// Numbers of any kind are narrow: only their count ends a chunk.
	value := 0
	for from := 0; from < n; from += chunkRows {
		levels := f.levels[from:min(n, from+chunkRows)]
		values := f.values
		before := value
		if f.words != nil {
			for _, l := range levels {
				if l != f.maxDef {
					values = append(values, f.nulls[l])
					continue
				}
				values = append(values, f.words[f.nums[value]])
				value++
			}
		} else {
			for _, l := range levels {
				if l != f.maxDef {
					values = append(values, f.nulls[l])
					continue
				}
				values = append(values, f.cell(value, 0))
				value++
			}
		}
		f.values, f.chunk, f.chunkRow = values, 8*(value-before), len(levels)
		if err := f.write(); err != nil {
			return err
		}
	}
	return nil
}

// flatText does so for text without a dictionary.
func (f *flusher) flatText(n int) error {
	value := 0
	for _, l := range f.levels[:n] {
		width := 0
		if l == f.maxDef {
			width = f.width(value)
		}
		if f.chunkRow == chunkRows || f.chunkRow > 0 && f.chunk+width > chunkBytes {
			if err := f.write(); err != nil {
				return err
			}
		}
		if l == f.maxDef {
			f.values = append(f.values, f.value(value, 0))
			value++
		} else {
			f.values = append(f.values, f.nulls[l])
		}
		f.chunk += width
		f.chunkRow++
	}
	return nil
}

// ranks lists, where one entry is one row, the number of values before each row.
func (c *column) ranks(dst []int32) []int32 {
	value := int32(0)
	for _, l := range c.levels {
		dst = append(dst, value)
		if l == c.maxDef {
			value++
		}
	}
	return dst
}

// flatByOrder adds rows in the given order, where one entry is one row, of a column that has no plain text.
func (f *flusher) flatByOrder(order, ranks []int32) error {
	for rows := range slices.Chunk(order, chunkRows) {
		values := f.values
		for _, r := range rows {
			switch l := f.levels[r]; {
			case l != f.maxDef:
				values = append(values, f.nulls[l])
			case f.words != nil:
				values = append(values, f.words[f.nums[ranks[r]]])
			default:
				values = append(values, f.cell(int(ranks[r]), 0))
			}
		}
		f.values, f.chunk, f.chunkRow = values, 8*len(rows), len(rows)
		if err := f.write(); err != nil {
			return err
		}
	}
	return nil
}

// cell returns value i for repetition level rep. A run of the same number is made once.
func (f *flusher) cell(i int, rep byte) parquet.Value {
	n := f.nums[i]
	switch {
	case f.words != nil && rep == 0:
		return f.words[n]
	case f.words != nil:
		return f.words[n].Level(int(rep), int(f.maxDef), 0)
	case f.kind == ocsf.KindString:
		return f.value(i, int(rep))
	}
	if f.lastIndex < 0 || rep != f.lastRep || n != f.nums[f.lastIndex] {
		f.last, f.lastIndex, f.lastRep = f.value(i, int(rep)), i, rep
	}
	return f.last
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
	if !f.plainText() {
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
// before a chunk so wide that both would not fit one page, and every pageRows rows.
func (f *flusher) write() error {
	if len(f.values) == 0 {
		return nil
	}
	end := f.page > 0 && (f.chunk > chunkBytes || f.page+f.chunkRow > pageRows)
	if end {
		f.page = 0
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
	f.values = f.values[:0]
	f.chunk, f.chunkRow = 0, 0
	return nil
}

func doubleValue(bits int64) parquet.Value {
	return parquet.DoubleValue(math.Float64frombits(uint64(bits)))
}
