package lake

// sorter brings the columns of a row group whose rows did not come in the order of their times into that order.
type sorter struct {
	rows   int       // of the row group
	order  []stretch // the rows to write, by time
	places []place
	valued column // the column at hand
	bare   column // one without values, whose levels are
	of     *stream
}

// begin turns to the first n rows of g.
func (s *sorter) begin(g *group, n int) {
	s.rows, s.order, s.of = len(g.rows), stretches(s.order[:0], g.order[:n]), nil
}

// sort returns a column by time, until the next call; levels is where its levels are.
func (s *sorter) sort(c *column, levels *stream) *column {
	if c.values() > 0 {
		v := &s.valued
		v.leaf, v.levels, v.nums, v.refs, v.arena = c.leaf, v.levels[:0], v.nums[:0], v.refs[:0], v.arena[:0]
		s.places = levels.places(s.places[:0], s.rows, c.values(), c.maxDef)
		v.take(c, s.order, s.places, 0)
		v.words, v.longest = c.words, c.longest
		return v
	}
	b := &s.bare
	b.leaf = c.leaf
	if s.of != levels { // columns of the same object lie side by side, and most have no values
		s.of, b.levels = levels, b.levels[:0]
		s.places = levels.places(s.places[:0], s.rows, 0, noValues)
		b.stream.take(levels, s.order, s.places, 0)
	}
	return b
}

// end lets go of the row group, and of memory that only an extraordinary one takes.
func (s *sorter) end() {
	v := &s.valued
	v.leaf, v.levels, v.nums, v.refs, v.arena, v.words = nil, shrink(v.levels), shrink(v.nums), shrink(v.refs), shrink(v.arena), dictionary{}
	s.bare.leaf, s.bare.levels, s.of = nil, shrink(s.bare.levels), nil
}
