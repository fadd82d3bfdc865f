package lake

import (
	"hash/maphash"

	"github.com/parquet-go/parquet-go"

	"wazuh-security-lake/ocsf"
)

// stream is the sequence of level pairs of one place in the object tree: of an object type or of a leaf. An entry is
// one byte, repetition in the upper and definition in the lower four bits.
//
// Where the place is missing, its entry is, bit for bit, that of the object around it: such are the levels of Dremel.
// So what is missing costs nothing when an event is written: its entries are copied from the parent when the place is
// next filled, or at the flush. A place that no row filled has no entries at all, but shares those of its parent; most
// columns of a class are like that.
type stream struct {
	parent *stream // nil: the root, which has one entry of zero per row
	seen   int     // entries of the parent that have theirs here; 0: none filled yet
	row    int     // the last row that filled it, counted from 1
	levels []byte
}

const (
	repShift = 4
	defMask  = 1<<repShift - 1
	noValues = 1<<repShift + defMask // for maxDef, of a stream that has no values beside its levels
)

// add adds an entry of row: the first one below the parent's last entry, or a further element of the same list.
func (s *stream) add(row int, level byte) {
	if n := len(s.parent.levels); s.seen < n {
		s.catchUp(n - 1)
		s.seen, s.row = n, row+1
	}
	s.levels = append(s.levels, level)
}

// catchUp adds what is missing for the first n entries of the parent.
func (s *stream) catchUp(n int) {
	if s.seen < n {
		s.levels = append(s.levels, s.parent.levels[s.seen:n]...)
		s.seen = n
	}
}

// drop takes back what row put into the stream, after the same was done to its parent, and returns how many values
// that were. It is the way out of a Write that failed half way.
func (s *stream) drop(row int, maxDef uint8) int {
	if s.row != row+1 {
		return 0
	}
	entry, values := s.tail(1, maxDef)
	s.levels = s.levels[:entry]
	s.seen, s.row = len(s.parent.levels), 0
	return values
}

// tail returns the first entry of the last rows and the number of values in them.
func (s *stream) tail(rows int, maxDef uint8) (entry, values int) {
	entry = len(s.levels)
	for rows > 0 {
		entry--
		if s.levels[entry]&defMask == maxDef {
			values++
		}
		if s.levels[entry]>>repShift == 0 {
			rows--
		}
	}
	return entry, values
}

// keep leaves only the marked rows of the last len(kept) ones. The parent must have kept them already.
func (s *stream) keep(kept []bool) {
	entry, _ := s.tail(len(kept), noValues)
	to, row := 0, -1
	for _, l := range s.levels[entry:] {
		if l>>repShift == 0 {
			row++
		}
		if kept[row] {
			s.levels[to] = l
			to++
		}
	}
	s.levels = s.levels[:to]
	s.seen, s.row = len(s.parent.levels), 0
}

func (s *stream) reset() { s.seen, s.row, s.levels = 0, 0, shrink(s.levels) }

// column gathers the values of one leaf until the row group is written. Values lie one after the other, without gaps
// for nulls.
type column struct {
	*leaf
	stream
	nums  []int64    // numbers, booleans and instants; of text its number in words, or its end in arena
	words dictionary // text of a column with a dictionary
	arena []byte     // other text, one value after the other
	mark  int        // words before the row at hand
}

// coded reports whether nums are numbers of words.
func (c *column) coded() bool { return c.dict && c.kind == ocsf.KindString }

// plainText reports whether nums are ends in arena.
func (c *column) plainText() bool { return !c.dict && c.kind == ocsf.KindString }

func (c *column) num(row int, rep uint8, v int64) {
	c.add(row, rep<<repShift|c.maxDef)
	c.nums = append(c.nums, v)
}

// text adds a text and returns the size of the dictionary so far.
func (c *column) text(seed maphash.Seed, row int, rep uint8, v []byte) int {
	if c.dict {
		if c.row != row+1 {
			c.mark = len(c.words.ends)
		}
		c.num(row, rep, int64(c.words.number(seed, v)))
		return c.words.size()
	}
	c.arena = append(c.arena, v...)
	c.num(row, rep, int64(len(c.arena)))
	return 0
}

func (c *column) drop(row int) {
	if c.row != row+1 {
		return
	}
	c.nums = c.nums[:len(c.nums)-c.stream.drop(row, c.maxDef)]
	if c.plainText() {
		c.arena = c.arena[:c.textStart(len(c.nums))]
	}
	c.words.cut(c.mark)
}

// keep leaves only the marked rows of the last len(kept) ones, as stream.keep does. spare is an empty dictionary; it
// comes back empty, but another one.
func (c *column) keep(kept []bool, seed maphash.Seed, spare *dictionary) {
	if len(c.nums) == 0 {
		return // it shares the entries of its parent
	}
	old := c.words
	c.words, c.mark = *spare, 0
	entry, values := c.tail(len(kept), c.maxDef)
	value, to, row := len(c.nums)-values, 0, -1
	start, end := int64(0), int64(0)
	if c.plainText() {
		start = int64(c.textStart(value))
	}
	for _, l := range c.levels[entry:] {
		if l>>repShift == 0 {
			row++
		}
		if l&defMask != c.maxDef {
			continue
		}
		v := c.nums[value]
		value++
		if kept[row] {
			switch {
			case c.coded():
				v = int64(c.words.number(seed, old.text(int32(v))))
			case c.plainText():
				end += int64(copy(c.arena[end:], c.arena[start:v]))
				start, v = v, end
			}
			c.nums[to] = v
			to++
		} else {
			start = v
		}
	}
	old.reset()
	*spare = old
	c.nums, c.arena = c.nums[:to], c.arena[:end]
	if to == 0 {
		c.stream.reset()
		return
	}
	c.stream.keep(kept)
}

// textStart is where value i begins in arena.
func (c *column) textStart(i int) int {
	if i == 0 {
		return 0
	}
	return int(c.nums[i-1])
}

// reset empties the column and keeps its memory, up to a bound: one extraordinary row group must not be paid for
// until the process ends.
func (c *column) reset() {
	c.stream.reset()
	c.nums = shrink(c.nums)
	c.arena = shrink(c.arena)
	c.words.reset()
}

// keptCapacity is the most that a slice may keep from one row group to the next.
const keptCapacity = 16 << 20

func shrink[T any](s []T) []T {
	if cap(s) > keptCapacity {
		return nil
	}
	return s[:0]
}

// value returns value i of a column that is not coded, as the library wants it. Text points into the arena; the library
// copies it.
func (c *column) value(i int, rep int) parquet.Value {
	var v parquet.Value
	switch c.kind {
	case ocsf.KindString:
		start, end := c.textStart(i), int(c.nums[i])
		v = parquet.ByteArrayValue(c.arena[start:end:end])
	case ocsf.KindInt:
		v = parquet.Int32Value(int32(c.nums[i]))
	case ocsf.KindFloat:
		v = doubleValue(c.nums[i])
	case ocsf.KindBool:
		v = parquet.BooleanValue(c.nums[i] != 0)
	default:
		v = parquet.Int64Value(c.nums[i])
	}
	return v.Level(rep, int(c.maxDef), 0)
}
