package lake

import (
	"slices"
	"testing"

	"wazuh-security-lake/ocsf"
)

// TestPagesAreAsLargeAsTheyMayBe: a page has as many whole rows as fit, at least one, whatever the rows are like.
func TestPagesAreAsLargeAsTheyMayBe(t *testing.T) {
	for seed := range uint64(60) {
		r := seeded(seed)
		c := &column{leaf: &leaf{kind: ocsf.KindString, maxDef: 3, maxRep: uint8(r.IntN(2))}}
		longest := []int{1, 60, 3000, 200_000, 1_200_000}[r.IntN(5)]
		total, rows := 0, 0
		var starts []int // of the rows
		for total < 4*pageBytes && rows < 2*pageRows+100 {
			starts = append(starts, len(c.levels))
			rows++
			for i := range 1 + r.IntN(1+8*int(c.maxRep)) {
				def, rep := uint8(r.IntN(4)), uint8(min(i, 1))
				c.levels = append(c.levels, rep<<repShift|def)
				if def == c.maxDef {
					total += r.IntN(longest)
					c.refs = append(c.refs, int32(total))
				}
			}
		}
		type page struct{ entry, value, rows int }
		var want []page
		starts = append(starts, len(c.levels))
		k := cutter{column: c, levels: c.levels, values: len(c.refs), rows: rows}
		for from, value := 0, 0; from < rows; {
			p, end := page{starts[from], value, 0}, value
			k.entry, k.value = starts[from], value
			for from < rows && p.rows < pageRows {
				for _, l := range c.levels[starts[from]:starts[from+1]] {
					if l&defMask == c.maxDef {
						end++
					}
				}
				if p.rows > 0 && k.width(starts[from+1], end) > pageBytes {
					break
				}
				value = end
				from++
				p.rows++
			}
			want = append(want, p)
		}
		var got []page
		k = cutter{column: c, levels: c.levels, values: len(c.refs), rows: rows}
		for k.next() {
			got = append(got, page{k.entry, k.value, k.pageRows})
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: got the pages %v, want %v", seed, got, want)
		}
	}
}
