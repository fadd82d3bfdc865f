package lake

// A row group has about as much in each column as the one before it, times what its budget is larger. Slices that grew by
// append are up to a quarter larger than what is in them, and leave all they grew out of to the garbage collector. So when the
// first row group has shown how much each needs, they are made anew, of that size.

const (
	// fitMargin is the part by which the next row group may have more: row groups of one log differ by a few percent.
	fitMargin = 16
	// fitEntries is the shortest slice that is worth it.
	fitEntries = 4 << 10
	// mostGrowth bounds what is made ready on the strength of one row group: if the next one is larger yet, it grows.
	mostGrowth = 2
	// looseFit is how many times too large memory must be to be made anew later: it grew when a row group was unlike the others.
	looseFit = 2
)

// fit makes the memory of the columns fit for a row group of budget bytes, before those of this one are dropped.
func (g *group) fit(budget int64) {
	growth := min(float64(budget)/float64(max(g.buffered, 1)), mostGrowth)
	loose := float64(looseFit)
	if !g.fits {
		g.fits, loose = true, 1+2./fitMargin
	}
	for i := range g.spines {
		g.spines[i].levels = fitted(g.spines[i].levels, growth, loose)
	}
	for i := range g.columns {
		if c := &g.columns[i]; c.seen > 0 {
			c.levels, c.nums = fitted(c.levels, growth, loose), fitted(c.nums, growth, loose)
			c.refs, c.arena = fitted(c.refs, growth, loose), fitted(c.arena, growth, loose)
		}
	}
}

// fitted returns s, or an empty slice that is fit for growth times as much, if s is too small for that or more than loose times
// too large.
func fitted[T any](s []T, growth, loose float64) []T {
	want := growth * float64(len(s))
	if room := float64(cap(s)); want < fitEntries || want <= room && room <= loose*want {
		return s
	}
	return make([]T, 0, int(want+want/fitMargin))
}
