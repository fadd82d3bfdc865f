package lake

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"math"

	"github.com/parquet-go/parquet-go"

	"wazuh-security-lake/ocsf"
)

// hand encodes columns of a row group, page by page, on its stage. Several work side by side on one row group; each is used by
// one goroutine at a time.
type hand struct {
	codec   *codec
	stage   *stage // nil before the first row group
	numbers numberTable
	sorter  sorter
	refs    []int32
	byUse   byUse
	used    []bool // words in the page at hand

	// Of the row group at hand.
	columns []int // what to encode
	load    int
	need    demand
	bounds  int64 // bytes that min and max values may take in the footer
	staged  *parquet.FileRowGroup
	chunks  []parquet.ColumnChunk // by slot
}

func newHand() *hand {
	h := &hand{codec: new(codec)}
	h.numbers.factor = maphash.Bytes(maphash.MakeSeed(), []byte(toolName)) | 1
	return h
}

// encode encodes its columns of the first n rows of g. Each column's slot is noted in p, where no other hand looks meanwhile.
func (h *hand) encode(p *press, g *group, n int) error {
	if len(h.columns) == 0 {
		return nil
	}
	h.provide(&g.columns[h.columns[0]])
	if g.unsorted {
		h.sorter.begin(g, n)
		defer h.sorter.end()
	}
	for _, i := range h.columns {
		c := &g.columns[i]
		slot := h.stage.take(c.leaf)
		p.source[i] = slot
		stream := &c.stream
		if c.values() == 0 {
			stream = &g.spines[p.spineOf[i]]
		}
		if err := h.column(c, stream, slot, g, n); err != nil {
			return fmt.Errorf("column %v: %w", c.path, err)
		}
	}
	var err error
	h.staged, h.chunks, err = h.stage.seal(int64(n))
	return err
}

// clear forgets the row group.
func (h *hand) clear() {
	if h.stage != nil {
		h.stage.clear()
	}
	h.columns, h.load, h.need, h.bounds, h.staged, h.chunks = h.columns[:0], 0, demand{}, 0, nil, nil
}

// provide makes a stage for the need, unless the one there is has room for it; with more than was ever needed, for row
// groups differ.
func (h *hand) provide(first *column) {
	if h.stage != nil && h.stage.holds(first.variant(), &h.need) {
		return
	}
	need := h.need
	for i := range need {
		if need[i] > 0 {
			need[i] += need[i]/8 + 2
		}
		if h.stage != nil {
			need[i] = max(need[i], h.stage.room[i])
		}
	}
	h.stage = newStage(h.codec, first.variant(), need)
}

// column encodes one column; levels is where its levels are.
func (h *hand) column(c *column, levels *stream, slot int, g *group, n int) error {
	t := h.stage.slots[slot]
	if g.unsorted {
		c = h.sorter.sort(c, levels)
		levels = &c.stream
	}
	entries, values := len(levels.levels), c.values()
	if !g.unsorted && n < len(g.rows) {
		var held int
		entries, held = levels.tail(len(g.rows)-n, maxDefOf(c))
		values -= held
	}
	switch {
	case c.coded():
		t.words.n = len(c.words.ends)
		if n < len(g.rows) { // the words of rows that stay back are the later ones
			t.words.n = 0
			for _, r := range c.refs[:values] {
				t.words.n = max(t.words.n, int(r)+1)
			}
		}
		if t.words.n > manyWords {
			h.byUse.order(&c.words, c.refs[:values], t.words.n)
		}
		t.words.texts = c.words.first(t.words.n)
		h.bounds += textBounds(c.words.longest)
	case t.coded:
		t.words.nums, h.refs = h.numbers.index(c.nums[:values], t.words.nums[:0], h.refs[:0])
		t.words.n = len(t.words.nums)
	case t.bounded:
		h.bounds += textBounds(c.longest)
	}
	if values > 0 && c.text() && !c.coded() {
		t.texts = h.codec.textKind(c.leaf, c.arena[:c.refs[values-1]])
	}
	cut := cutter{column: c, levels: levels.levels[:entries], values: values, rows: n}
	rows := 0
	for cut.next() {
		h.page(t, c, &cut)
		rows += t.page.rows
		if err := h.stage.write(slot); err != nil {
			return err
		}
	}
	// The library does not compare its columns: one that is short would make a file that no reader can read.
	if rows != n {
		return fmt.Errorf("%d rows instead of %d", rows, n)
	}
	return nil
}

// maxDefOf is the level of a value; none for a column that has none, whose levels are those of an object.
func maxDefOf(c *column) uint8 {
	if c.values() == 0 {
		return noValues
	}
	return c.maxDef
}

// page puts a page into its slot.
func (h *hand) page(t *slot, c *column, cut *cutter) {
	from, to := cut.value, cut.valueEnd
	t.page = page{rows: cut.pageRows, levels: cut.levels[cut.entry:cut.entryEnd], nulls: cut.entryEnd - cut.entry - (to - from)}
	switch {
	case to == from:
	case !c.text():
		t.page.nums = c.nums[from:to]
		if t.coded {
			t.page.refs = h.refs[from:to]
		}
		t.page.min, t.page.max, t.page.bounds = numberBounds(c.kind, c.nums[from:to])
	case c.coded():
		t.page.refs = c.refs[from:to]
		least, most := h.wordBounds(&c.words, c.refs[from:to])
		t.page.min, t.page.max, t.page.bounds = parquet.ByteArrayValue(least), parquet.ByteArrayValue(most), true
	default:
		t.page.text = c.arena[c.textStart(from):c.refs[to-1]]
		if t.bounded {
			least, most := c.plainText(from), c.plainText(from)
			for i := from + 1; i < to; i++ {
				least, most = widen(least, most, c.plainText(i))
			}
			t.page.min, t.page.max, t.page.bounds = parquet.ByteArrayValue(least), parquet.ByteArrayValue(most), true
		}
	}
}

func widen(least, most, v []byte) ([]byte, []byte) {
	if bytes.Compare(v, least) < 0 {
		return v, most
	}
	if bytes.Compare(v, most) > 0 {
		return least, v
	}
	return least, most
}

// wordBounds returns the least and the greatest of the words that refs name.
func (h *hand) wordBounds(d *dictionary, refs []int32) (least, most []byte) {
	if cap(h.used) < len(d.ends) {
		h.used = make([]bool, len(d.ends)*5/4)
	}
	used := h.used[:len(d.ends)]
	clear(used)
	for _, r := range refs {
		used[r] = true
	}
	least = d.text(refs[0])
	most = least
	for i, u := range used {
		if u {
			least, most = widen(least, most, d.text(int32(i)))
		}
	}
	return least, most
}

// numberBounds returns the least and the greatest of some numbers, none if they are of no order.
func numberBounds(kind ocsf.Kind, nums []int64) (least, most parquet.Value, ok bool) {
	if kind == ocsf.KindFloat {
		return floatBounds(nums)
	}
	a, b := nums[0], nums[0]
	for _, n := range nums[1:] {
		a, b = min(a, n), max(b, n)
	}
	switch kind {
	case ocsf.KindInt:
		return parquet.Int32Value(int32(a)), parquet.Int32Value(int32(b)), true
	case ocsf.KindBool:
		return parquet.BooleanValue(a != 0), parquet.BooleanValue(b != 0), true
	}
	return parquet.Int64Value(a), parquet.Int64Value(b), true
}

// floatBounds leaves out NaN, which has no order, and takes zero as of either sign, as the Parquet format demands. The column index has
// an entry for each page: where there is only NaN, one that excludes nothing.
func floatBounds(nums []int64) (least, most parquet.Value, ok bool) {
	a, b := math.Inf(1), math.Inf(-1)
	for _, n := range nums {
		if f := math.Float64frombits(uint64(n)); !math.IsNaN(f) {
			a, b, ok = min(a, f), max(b, f), true
		}
	}
	if !ok {
		a, b = b, a
	}
	if a == 0 {
		a = math.Copysign(0, -1)
	}
	if b == 0 {
		b = 0 // not -0
	}
	return parquet.DoubleValue(a), parquet.DoubleValue(b), ok
}
