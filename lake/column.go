package lake

import (
	"bytes"
	"encoding/binary"
	"slices"

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
	first  int     // the first one, if it is still known
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
		if s.seen == 0 {
			s.first = row + 1
		}
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
	if s.first == row+1 { // it shares the entries of its parent again
		s.reset()
		return values
	}
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

func (s *stream) reset() { s.seen, s.row, s.first, s.levels = 0, 0, 0, shrink(s.levels) }

// column gathers the values of one leaf until the row group is written. Values lie one after the other, without gaps
// for nulls: numbers in nums, text in refs.
type column struct {
	*leaf
	stream
	nums  []int64    // numbers, booleans, instants and the bits of floats
	refs  []int32    // of coded text the number of its word; of plain text its end in arena
	words dictionary // of coded text
	arena []byte     // plain text as a Parquet page has it: length in 4 bytes, text

	longest int // of the plain text that has bounds
	mark    int // of coded text the words before the row at hand, of plain text longest before it
}

// text reports whether the values are in refs.
func (c *column) text() bool { return c.kind == ocsf.KindString }

// coded reports whether refs are numbers of words.
func (c *column) coded() bool { return c.dict && !c.plain && c.kind == ocsf.KindString }

// values is the number of values, nulls left out.
func (c *column) values() int { return len(c.nums) + len(c.refs) }

func (c *column) addNum(row int, rep uint8, v int64) {
	c.add(row, rep<<repShift|c.maxDef)
	c.nums = append(c.nums, v)
}

// addText adds a text and returns what that takes in memory.
func (c *column) addText(s *seeds, row int, rep uint8, v []byte) int64 {
	if c.coded() {
		if c.row != row+1 {
			c.mark = len(c.words.ends)
		}
		before := len(c.words.ends)
		ref := c.words.number(s, v)
		c.add(row, rep<<repShift|c.maxDef)
		c.refs = append(c.refs, ref)
		if len(c.words.ends) > before {
			return refCost + wordCost + int64(len(v))
		}
		return refCost
	}
	if c.row != row+1 {
		c.mark = c.longest
	}
	c.longest = max(c.longest, len(v))
	c.arena = appendPlain(c.arena, v)
	c.add(row, rep<<repShift|c.maxDef)
	c.refs = append(c.refs, int32(len(c.arena)))
	return refCost + lengthBytes + int64(len(v))
}

// lengthBytes stand before each text in Parquet's PLAIN encoding.
const lengthBytes = 4

func appendPlain(dst, text []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(text)))
	return append(dst, text...)
}

func (c *column) drop(row int) {
	if c.row != row+1 {
		return
	}
	values := c.stream.drop(row, c.maxDef)
	if !c.text() {
		c.nums = c.nums[:len(c.nums)-values]
		return
	}
	c.refs = c.refs[:len(c.refs)-values]
	if c.coded() {
		c.words.cut(c.mark)
	} else {
		c.arena, c.longest = c.arena[:c.textStart(len(c.refs))], c.mark
	}
}

// spell turns a coded column into one of plain text, for the rest of the object.
func (c *column) spell() {
	for i, ref := range c.refs {
		c.arena = append(c.arena, c.words.plain(ref)...)
		c.refs[i] = int32(len(c.arena))
	}
	c.longest = c.words.longest
	c.words.reset()
	c.leaf.plain = true
}

// textStart is where plain text i begins in arena.
func (c *column) textStart(i int) int {
	if i == 0 {
		return 0
	}
	return int(c.refs[i-1])
}

// plainText is plain text i.
func (c *column) plainText(i int) []byte { return c.arena[c.textStart(i)+lengthBytes : c.refs[i]] }

// reset empties the column and keeps its memory, up to a bound: one extraordinary row group must not be paid for
// until the process ends.
func (c *column) reset() {
	c.stream.reset()
	c.nums, c.refs, c.arena = shrink(c.nums), shrink(c.refs), shrink(c.arena)
	c.longest, c.mark = 0, 0
	c.words.reset()
}

// keptCapacity is the most that a slice may keep from one row group to the next.
const keptCapacity = 24 << 20

func shrink[T any](s []T) []T {
	if cap(s) > keptCapacity {
		return nil
	}
	return s[:0]
}

// place is where a row begins in a column: its first entry, and the first value at or after it.
type place struct{ entry, value int32 }

// places lists where each of the last rows of a stream begins, and where the last one ends. The stream has values values.
func (s *stream) places(dst []place, rows, values int, maxDef uint8) []place {
	entry, last := s.tail(rows, maxDef)
	value := int32(values - last)
	for i, l := range s.levels[entry:] {
		if l>>repShift == 0 {
			dst = append(dst, place{int32(entry + i), value})
		}
		if l&defMask == maxDef {
			value++
		}
	}
	return append(dst, place{int32(len(s.levels)), value})
}

// stretch are rows one behind the other.
type stretch struct{ from, to int32 }

// stretches appends those of the given rows: a log is nearly in order, so there are few.
func stretches(dst []stretch, rows []int32) []stretch {
	for i := 0; i < len(rows); {
		j := i + 1
		for j < len(rows) && rows[j] == rows[j-1]+1 {
			j++
		}
		dst = append(dst, stretch{rows[i], rows[j-1] + 1})
		i = j
	}
	return dst
}

// take appends the entries of the given rows of src; places are those of its rows from least on.
func (s *stream) take(src *stream, rows []stretch, places []place, least int32) {
	for _, r := range rows {
		s.levels = append(s.levels, src.levels[places[r.from-least].entry:places[r.to-least].entry]...)
	}
}

// take appends the given rows of src: entries and values. Numbers of words stay those of src.
func (c *column) take(src *column, rows []stretch, places []place, least int32) {
	c.stream.take(&src.stream, rows, places, least)
	for _, r := range rows {
		first, end := int(places[r.from-least].value), int(places[r.to-least].value)
		switch {
		case !src.text():
			c.nums = append(c.nums, src.nums[first:end]...)
		case src.coded():
			c.refs = append(c.refs, src.refs[first:end]...)
		case first < end:
			start := src.textStart(first)
			shift := int32(len(c.arena) - start)
			c.arena = append(c.arena, src.arena[start:src.refs[end-1]]...)
			for _, at := range src.refs[first:end] {
				c.refs = append(c.refs, at+shift)
			}
		}
	}
}

// same reports whether two columns hold the same values at the same levels, so that their chunks are the same bytes.
// What differs at once is looked at first.
func (c *column) same(d *column) bool {
	return c.twin(d.leaf) && len(c.levels) == len(d.levels) && len(c.refs) == len(d.refs) && len(c.nums) == len(d.nums) &&
		bytes.Equal(c.words.arena, d.words.arena) && bytes.Equal(c.arena, d.arena) &&
		slices.Equal(c.refs, d.refs) && slices.Equal(c.nums, d.nums) && bytes.Equal(c.levels, d.levels)
}
