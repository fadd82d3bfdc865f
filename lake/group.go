package lake

import (
	"cmp"
	"slices"
)

// group is a row group that is being gathered: levels and values by column, in the order in which the events came.
type group struct {
	layout   *layout
	spines   []stream // levels of the objects, by node.spine
	columns  []column
	rows     []row
	order    []int32 // of the rows to write, by time
	unsorted bool    // the times of rows are not ascending
	fits     bool    // see fit
	buffered int64   // uncompressed bytes of the rows
	likeness likeness
	sizes
}

// sizes are what is known of the dictionaries.
type sizes struct {
	widest int64 // some column had one of this size
	full   bool  // one has reached its limit
}

// measure takes note of the dictionary of a column, which may have grown.
func (s *sizes) measure(c *column) {
	words := int64(c.words.size())
	s.widest, s.full = max(s.widest, words), s.full || words > dictionaryMax
}

// merge takes note of what others know.
func (s *sizes) merge(other sizes) {
	s.widest, s.full = max(s.widest, other.widest), s.full || other.full
}

// row is what the encoder knows of a row beside its columns.
type row struct {
	time  int64
	bytes int64 // uncompressed
}

func newGroup(l *layout) *group {
	g := &group{layout: l, spines: make([]stream, len(l.around)), columns: make([]column, len(l.leaves))}
	for i, around := range l.around[1:] {
		g.spines[i+1].parent = &g.spines[around]
	}
	for i := range g.columns {
		c := &g.columns[i]
		c.leaf, c.parent = &l.leaves[i], &g.spines[l.leaves[i].spine]
	}
	return g
}

// reset drops all rows.
func (g *group) reset() {
	for i := range g.spines {
		g.spines[i].reset()
	}
	for i := range g.columns {
		if c := &g.columns[i]; c.seen > 0 {
			c.reset()
		}
	}
	g.rows, g.order = shrink(g.rows), g.order[:0]
	g.unsorted, g.buffered, g.sizes = false, 0, sizes{}
	g.likeness.reset()
}

// bounds is what the min and max values of the columns may take in the footer, at most: in the index and in the statistics.
func (g *group) bounds() int64 {
	n := int64(0)
	for i := range g.columns {
		if c := &g.columns[i]; c.seen > 0 {
			n += textBounds(max(c.longest, c.words.longest))
		}
	}
	return n
}

// textBounds is the part of a column whose longest text has this many bytes.
func textBounds(longest int) int64 { return 2 * (2*int64(longest) + 16) }

// dropRow takes back what the row that was just begun put into the columns.
func (g *group) dropRow() {
	n := len(g.rows)
	g.spines[0].levels = g.spines[0].levels[:n]
	for i := range g.spines[1:] {
		g.spines[i+1].drop(n, noValues)
	}
	for i := range g.columns {
		g.columns[i].drop(n)
	}
}

// arrived puts the rows in the order in which they came.
func (g *group) arrived() []int32 {
	g.order = g.order[:0]
	for i := range g.rows {
		g.order = append(g.order, int32(i))
	}
	return g.order
}

// sort puts the rows in the order of their times, those of the same time as they came.
func (g *group) sort() {
	g.arrived()
	if g.unsorted {
		slices.SortStableFunc(g.order, func(a, b int32) int { return cmp.Compare(g.rows[a].time, g.rows[b].time) })
	}
}

// complete adds to each stream that has entries those that its parent has and it lacks.
func (g *group) complete() {
	for i := range g.spines[1:] {
		if s := &g.spines[i+1]; s.seen > 0 {
			s.catchUp(len(s.parent.levels))
		}
	}
	for i := range g.columns {
		if c := &g.columns[i]; c.seen > 0 {
			c.catchUp(len(c.parent.levels))
		}
	}
}

// take appends the given rows of src, which is complete, in the order in which they came.
func (g *group) take(src *group, rows []int32, e *Encoder) {
	if len(rows) == 0 {
		return
	}
	for _, i := range rows {
		r := src.rows[i]
		g.unsorted = g.unsorted || len(g.rows) > 0 && r.time < g.rows[len(g.rows)-1].time
		g.buffered += r.bytes
		g.rows = append(g.rows, r)
		g.spines[0].levels = append(g.spines[0].levels, 0)
	}
	e.stretches = stretches(e.stretches[:0], rows)
	least := rows[0] // nearly all that are behind it are taken too: they are the latest
	behind := len(src.rows) - int(least)
	for i := range g.spines[1:] {
		to, from := &g.spines[i+1], &src.spines[i+1]
		if from.seen > 0 {
			e.places = from.places(e.places[:0], behind, 0, noValues)
			to.take(from, e.stretches, e.places, least)
			to.seen, to.row = len(to.parent.levels), 0
		}
	}
	for i := range g.columns {
		to, from := &g.columns[i], &src.columns[i]
		if from.seen == 0 {
			continue
		}
		e.places = from.places(e.places[:0], behind, from.values(), from.maxDef)
		before := len(to.refs)
		to.take(from, e.stretches, e.places, least)
		to.seen, to.row = len(to.parent.levels), 0
		if to.values() == 0 {
			to.reset() // it shares the entries of its parent
			continue
		}
		if to.coded() {
			for j, ref := range to.refs[before:] {
				to.refs[before+j] = to.words.number(&e.seeds, from.words.text(ref))
			}
			g.measure(to)
		}
		to.longest = max(to.longest, from.longest)
	}
}
