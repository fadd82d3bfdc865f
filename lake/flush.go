package lake

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"math"
	"sync"

	"github.com/parquet-go/parquet-go"

	"wazuh-security-lake/ocsf"
)

// Presses are what row groups are encoded with, for encoders to share: with one Presses for all encoders of a program
// there are as many presses as row groups are written at a time, instead of one for each open object. They are safe for
// concurrent use. The zero Presses is ready.
type Presses struct {
	mu   sync.Mutex
	idle map[pressKey][]*press // guarded by mu
}

type pressKey struct {
	class *ocsf.Class
	level Level
}

// pressUses is how many row groups a press serves. What one of them made its buffers grow to is given back then: each is
// bounded, but there are several for each column of a class.
const pressUses = 64

// get returns a press for the class of l.
func (s *Presses) get(l *layout, level Level) (*press, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := pressKey{l.class, level}
	if idle := s.idle[key]; len(idle) > 0 {
		s.idle[key] = idle[:len(idle)-1]
		return idle[len(idle)-1], nil
	}
	return newPress(l, level)
}

// put takes a press back, unless it is worn out.
func (s *Presses) put(p *press, l *layout, level Level) {
	if p.uses++; p.uses > pressUses {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle == nil {
		s.idle = make(map[pressKey][]*press)
	}
	key := pressKey{l.class, level}
	s.idle[key] = append(s.idle[key], p)
}

// press makes row groups of gathered columns: it encodes each that is unlike those before it, page by page, on the
// stage, and has the library write them to the object. It is used by one goroutine at a time, which need not be the
// encoder's caller.
type press struct {
	codec *codec
	stage *stage // nil before the first row group
	uses  int    // row groups it has served

	numbers numberTable
	bounds  int64     // bytes that the min and max values of the row group may take in the footer
	twinOf  []int     // by column, the one whose chunk it gets; itself where it has its own
	spineOf []int     // by column without a value, the spine whose levels it has
	source  []int     // by column, the slot of the chunk it gets
	unlike  [][]int32 // by spine, the columns that have no value and were encoded
	twins   map[shape][]int32
	places  []place
	sorted  column // the column at hand by time
	refs    []int32
	byUse   byUse
	used    []bool // words in the page at hand
}

func newPress(l *layout, level Level) (*press, error) {
	c, err := newCodec(level)
	if err != nil {
		return nil, err
	}
	p := &press{codec: c, unlike: make([][]int32, len(l.around)), twins: make(map[shape][]int32)}
	p.numbers.factor = maphash.Bytes(maphash.MakeSeed(), []byte(toolName)) | 1
	return p, nil
}

// shape is what columns must have in common to be alike.
type shape struct {
	physical       ocsf.Kind
	dict, plain    bool
	maxDef, maxRep uint8
	entries        int
	values         int
}

// write writes the first n rows of g, which is complete, in its order, to the object as one row group.
func (p *press) write(object *parquet.GenericWriter[any], g *group, n int) error {
	defer clear(p.twins)
	p.bounds = 0
	for i := range p.unlike {
		p.unlike[i] = p.unlike[i][:0]
	}
	p.twinOf, p.spineOf, p.source = p.twinOf[:0], p.spineOf[:0], p.source[:0]
	var need demand
	for i := range g.columns {
		twin, spine := p.alike(g, i)
		if twin < 0 {
			twin = i
			need[g.columns[i].variant().number()]++
		}
		p.twinOf, p.spineOf = append(p.twinOf, twin), append(p.spineOf, spine)
	}
	p.provide(&g.columns[0], need)
	for i, twin := range p.twinOf {
		c := &g.columns[i]
		if twin != i {
			p.source = append(p.source, p.source[twin])
			continue
		}
		slot := p.stage.take(c.leaf)
		p.source = append(p.source, slot)
		stream := &c.stream
		if c.values() == 0 {
			stream = &g.spines[p.spineOf[i]]
		}
		if err := p.column(c, stream, slot, g, n); err != nil {
			return fmt.Errorf("column %v: %w", c.path, err)
		}
	}
	return p.stage.move(object, p.source, int64(n))
}

// provide makes a stage for the need, unless the one there is has room for it; with more than was ever needed, for row
// groups differ.
func (p *press) provide(first *column, need demand) {
	if p.stage != nil && p.stage.holds(&need) {
		return
	}
	for i := range need {
		if need[i] > 0 {
			need[i] += need[i]/8 + 2
		}
		if p.stage != nil {
			need[i] = max(need[i], p.stage.room[i])
		}
	}
	p.stage = newStage(p.codec, first.variant(), need)
}

// alike returns an earlier column whose chunk is that of column i as well, or -1. Of a column without a value it also
// returns the spine whose levels it has.
func (p *press) alike(g *group, i int) (twin, spine int) {
	c := &g.columns[i]
	if c.values() > 0 {
		key := shape{c.physical(), c.dict, c.plain, c.maxDef, c.maxRep, len(c.levels), c.values()}
		for _, k := range p.twins[key] {
			if g.columns[k].same(c) {
				return int(k), 0
			}
		}
		p.twins[key] = append(p.twins[key], int32(i))
		return -1, 0
	}
	spine = c.spine
	for g.spines[spine].seen == 0 && spine > 0 {
		spine = g.layout.around[spine]
	}
	for _, k := range p.unlike[spine] {
		if g.columns[k].twin(c.leaf) {
			return int(k), spine
		}
	}
	p.unlike[spine] = append(p.unlike[spine], int32(i))
	return -1, spine
}

// column encodes one column; levels is where its levels are.
func (p *press) column(c *column, levels *stream, slot int, g *group, n int) error {
	t := p.stage.slots[slot]
	if g.unsorted {
		s := &p.sorted
		s.leaf, s.levels, s.nums, s.refs, s.arena = c.leaf, s.levels[:0], s.nums[:0], s.refs[:0], s.arena[:0]
		p.places = levels.places(p.places[:0], len(g.rows), c.values(), maxDefOf(c))
		if c.values() > 0 {
			s.take(c, g.order[:n], p.places, 0)
		} else {
			s.stream.take(levels, g.order[:n], p.places, 0)
		}
		defer func() {
			s.levels, s.nums, s.refs, s.arena = shrink(s.levels), shrink(s.nums), shrink(s.refs), shrink(s.arena)
		}()
		s.words = c.words
		c, levels = s, &s.stream
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
			p.byUse.order(&c.words, c.refs[:values], t.words.n)
		}
		t.words.texts = c.words.first(t.words.n)
		p.bounds += textBounds(c.words.longest)
	case t.coded:
		t.words.nums, p.refs = p.numbers.index(c.nums[:values], t.words.nums[:0], p.refs[:0])
		t.words.n = len(t.words.nums)
	case t.bounded:
		p.bounds += textBounds(c.longest)
	}
	if values > 0 && c.text() && !c.coded() {
		t.quick = p.codec.effort(c.leaf, c.arena[:c.refs[values-1]]) == effortQuick
	}
	cut := cutter{column: c, levels: levels.levels[:entries], values: values, rows: n}
	rows := 0
	for cut.next() {
		p.page(t, c, &cut)
		rows += t.page.rows
		if err := p.stage.write(slot); err != nil {
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
func (p *press) page(t *slot, c *column, cut *cutter) {
	from, to := cut.value, cut.valueEnd
	t.page = page{rows: cut.pageRows, levels: cut.levels[cut.entry:cut.entryEnd], nulls: cut.entryEnd - cut.entry - (to - from)}
	switch {
	case to == from:
	case !c.text():
		t.page.nums = c.nums[from:to]
		if t.coded {
			t.page.refs = p.refs[from:to]
		}
		t.page.min, t.page.max, t.page.bounds = numberBounds(c.kind, c.nums[from:to])
	case c.coded():
		t.page.refs = c.refs[from:to]
		least, most := p.wordBounds(&c.words, c.refs[from:to])
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
func (p *press) wordBounds(d *dictionary, refs []int32) (least, most []byte) {
	if cap(p.used) < len(d.ends) {
		p.used = make([]bool, len(d.ends)*5/4)
	}
	used := p.used[:len(d.ends)]
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

// floatBounds leaves out NaN, which has no order, and takes zero as of either sign, as the Parquet format demands.
func floatBounds(nums []int64) (least, most parquet.Value, ok bool) {
	a, b := math.Inf(1), math.Inf(-1)
	for _, n := range nums {
		if f := math.Float64frombits(uint64(n)); !math.IsNaN(f) {
			a, b, ok = min(a, f), max(b, f), true
		}
	}
	if a == 0 {
		a = math.Copysign(0, -1)
	}
	if b == 0 {
		b = 0 // not -0
	}
	return parquet.DoubleValue(a), parquet.DoubleValue(b), ok
}

const (
	// pageBytes is the most that a page has, of several rows: 1 MB less what its frame may take.
	pageBytes = 995_000
	// pageRows is the most rows of a page, the unit that a reader with a page index skips. parquet-mr has 20,000; but a row
	// group has hardly more, and each page has tables of its own to be decoded with.
	pageRows = 50_000
)

// cutter cuts a column into pages of whole rows, each as large as it may be.
type cutter struct {
	column *column
	levels []byte
	values int
	rows   int

	entry, entryEnd int // of the page at hand
	value, valueEnd int
	pageRows        int
}

// next goes to the next page, if there is one.
func (k *cutter) next() bool {
	k.entry, k.value, k.pageRows = k.entryEnd, k.valueEnd, 0
	if k.entry == len(k.levels) {
		return false
	}
	if k.entry == 0 && k.rows <= pageRows && k.width(len(k.levels), k.values) <= pageBytes {
		k.entryEnd, k.valueEnd, k.pageRows = len(k.levels), k.values, k.rows
		return true
	}
	maxDef := maxDefOf(k.column)
	if k.column.maxRep == 0 && k.fill(maxDef) {
		return true
	}
	for k.stride(maxDef) {
	}
	for k.pageRows < pageRows && k.entryEnd < len(k.levels) {
		end, value := k.entryEnd, k.valueEnd
		for {
			if k.levels[end]&defMask == maxDef {
				value++
			}
			if end++; end == len(k.levels) || k.levels[end]>>repShift == 0 {
				break
			}
		}
		if k.pageRows > 0 && k.width(end, value) > pageBytes {
			break
		}
		k.entryEnd, k.valueEnd = end, value
		k.pageRows++
	}
	return true
}

// fill makes the next page one of as many rows as a page may have, if they fit, without looking at each: a column outside
// of lists has one entry for each row.
func (k *cutter) fill(maxDef uint8) bool {
	rows := min(pageRows, len(k.levels)-k.entry)
	end := k.entry + rows
	values := k.value + bytes.Count(k.levels[k.entry:end], []byte{maxDef})
	if k.width(end, values) > pageBytes {
		return false
	}
	k.entryEnd, k.valueEnd, k.pageRows = end, values, rows
	return true
}

// stride takes some rows more into the page at hand, if they fit, without looking at each.
func (k *cutter) stride(maxDef uint8) bool {
	const entries = 256
	end, values, rows := k.entryEnd+entries, k.valueEnd, k.pageRows
	for end < len(k.levels) && k.levels[end]>>repShift != 0 {
		end++
	}
	if end >= len(k.levels) {
		return false
	}
	for _, l := range k.levels[k.entryEnd:end] { // no branches: they cannot be foretold
		values += int((uint32(l&defMask^maxDef) - 1) >> 31)
		rows += int((uint32(l>>repShift) - 1) >> 31)
	}
	if rows > pageRows || k.width(end, values) > pageBytes {
		return false
	}
	k.entryEnd, k.valueEnd, k.pageRows = end, values, rows
	return true
}

// width is what the entries and values from those at hand to the given ends take in a page, at most.
func (k *cutter) width(entryEnd, valueEnd int) int {
	const levelCost, numWidth = 2, 8
	w := levelCost * (entryEnd - k.entry)
	if c := k.column; c.text() && !c.coded() && valueEnd > k.value {
		return w + int(c.refs[valueEnd-1]) - c.textStart(k.value)
	}
	return w + numWidth*(valueEnd-k.value)
}
