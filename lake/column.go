package lake

import (
	"github.com/parquet-go/parquet-go"

	"wazuh-security-lake/ocsf"
)

// column gathers the values of one leaf until the row group is written.
//
// Levels are kept as one byte per entry, repetition in the upper and definition in the lower four bits. A row that
// leaves the column null at definition level 0 (its top-level attribute is missing: by far the most common case)
// costs nothing when it is written: the entry is made up for when the column is next touched, or at the flush. Values
// lie one after the other in nums or arena, without gaps for nulls.
type column struct {
	*leaf
	rows   int     // rows begun; rows not touched since are missing at the end
	levels []byte  // one entry per level pair
	nums   []int64 // numbers, booleans and instants; for text the end of each value in arena
	arena  []byte  // text, one value after the other
}

const (
	repShift = 4
	defMask  = 1<<repShift - 1
)

// begin makes the column's rows complete up to, not including, row and counts row as begun.
// It must be called before the first entry of each row, and not for later ones.
func (c *column) begin(row int) {
	if c.rows < row {
		c.padTo(row)
	}
	c.rows = row + 1
}

// padTo adds the nulls of the rows that did not touch the column.
func (c *column) padTo(rows int) {
	for n := rows - c.rows; n > 0; n -= len(zeroLevels) {
		c.levels = append(c.levels, zeroLevels[:min(n, len(zeroLevels))]...)
	}
	if c.rows < rows {
		c.rows = rows
	}
}

var zeroLevels [1024]byte // never written

func (c *column) null(row int, rep, def uint8) {
	if rep == 0 {
		c.begin(row)
	}
	c.levels = append(c.levels, rep<<repShift|def)
}

func (c *column) num(row int, rep uint8, v int64) {
	if rep == 0 {
		c.begin(row)
	}
	c.levels = append(c.levels, rep<<repShift|c.maxDef)
	c.nums = append(c.nums, v)
}

func (c *column) text(row int, rep uint8, v []byte) {
	if rep == 0 {
		c.begin(row)
	}
	c.levels = append(c.levels, rep<<repShift|c.maxDef)
	c.arena = append(c.arena, v...)
	c.nums = append(c.nums, int64(len(c.arena)))
}

// drop takes back what row put into the column; it is the way out of a Write that failed half way.
func (c *column) drop(row int) {
	if c.rows <= row {
		return
	}
	for i := len(c.levels) - 1; ; i-- {
		l := c.levels[i]
		if l&defMask == c.maxDef {
			c.nums = c.nums[:len(c.nums)-1]
		}
		c.levels = c.levels[:i]
		if l>>repShift == 0 {
			break
		}
	}
	c.rows = row
	if c.kind == ocsf.KindString {
		c.arena = c.arena[:c.textStart(len(c.nums))]
	}
}

// textStart is where text value i begins.
func (c *column) textStart(i int) int {
	if i == 0 {
		return 0
	}
	return int(c.nums[i-1])
}

// reset empties the column and keeps its memory, up to a bound: one extraordinary row group must not be paid for
// until the process ends.
func (c *column) reset() {
	c.rows = 0
	c.levels = keep(c.levels)
	c.nums = keep(c.nums)
	c.arena = keep(c.arena)
}

// keepElements is the capacity a column's slices may keep from one row group to the next.
const keepElements = 16 << 20

func keep[T any](s []T) []T {
	if cap(s) > keepElements {
		return nil
	}
	return s[:0]
}

// value returns value i as the library wants it. Text points into the arena; the library copies it.
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
