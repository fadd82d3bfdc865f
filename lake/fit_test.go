package lake

import (
	"io"
	"testing"
)

// memoryOf is what the columns of the row group at hand use and have, in bytes, of slices that are worth a fit.
func memoryOf(g *group) (used, had int) {
	count := func(n, room, bytes int) {
		if n >= fitEntries {
			used, had = used+n*bytes, had+room*bytes
		}
	}
	for i := range g.columns {
		c := &g.columns[i]
		count(len(c.levels), cap(c.levels), 1)
		count(len(c.nums), cap(c.nums), 8)
		count(len(c.refs), cap(c.refs), 4)
		count(len(c.arena), cap(c.arena), 1)
	}
	return used, had
}

// TestRowGroupsFit: what the first row group was gathered in grew with it; those after it have the memory they need, hardly
// more.
func TestRowGroupsFit(t *testing.T) {
	c := testClass()
	for name, opt := range map[string]Options{
		"of one size": {RowGroupBytes: 4 << 20, MaxRowGroupBytes: 4 << 20},
		"that grow":   {RowGroupBytes: 2 << 20, MaxRowGroupBytes: 4 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			r := seeded(31)
			e, err := NewEncoder(io.Discard, c, opt)
			if err != nil {
				t.Fatal(err)
			}
			for i, groups := int64(0), int64(0); groups < 8; i++ {
				used, had := memoryOf(e.group)
				if err := e.Write(typical(c, r, day+i)); err != nil {
					t.Fatal(err)
				}
				if e.groups == groups {
					continue
				}
				if groups = e.groups; groups > 1 && had > used+used/8 {
					t.Errorf("row group %d: %d bytes used of %d", groups, used, had)
				}
			}
		})
	}
}
