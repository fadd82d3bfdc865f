package backfill

import (
	"math/rand/v2"
	"slices"
	"testing"

	"wazuh-security-lake/spool"
)

const (
	day14 = "2026/Mar/ossec-alerts-14.json"
	day15 = "2026/Mar/ossec-alerts-15.json"
)

func rng(file, head string, from, to int64) spool.Range {
	return spool.Range{File: file, Head: head, From: from, To: to}
}

func TestMinus(t *testing.T) {
	tests := map[string]struct {
		have []spool.Range
		of   spool.Range
		want []spool.Range
	}{
		"nothing known":           {nil, rng(day14, "h", 0, 10), []spool.Range{rng(day14, "h", 0, 10)}},
		"all known":               {[]spool.Range{rng(day14, "h", 0, 10)}, rng(day14, "h", 0, 10), nil},
		"a hole":                  {[]spool.Range{rng(day14, "h", 0, 3), rng(day14, "h", 7, 10)}, rng(day14, "h", 0, 10), []spool.Range{rng(day14, "h", 3, 7)}},
		"adjacent and unordered":  {[]spool.Range{rng(day14, "h", 5, 10), rng(day14, "h", 0, 5)}, rng(day14, "h", 0, 10), nil},
		"overlapping":             {[]spool.Range{rng(day14, "h", 2, 6), rng(day14, "h", 4, 9)}, rng(day14, "h", 0, 10), []spool.Range{rng(day14, "h", 0, 2), rng(day14, "h", 9, 10)}},
		"another first line":      {[]spool.Range{rng(day14, "g", 0, 10)}, rng(day14, "h", 0, 10), []spool.Range{rng(day14, "h", 0, 10)}},
		"another dated name":      {[]spool.Range{rng(day15, "h", 0, 10)}, rng(day14, "h", 0, 10), []spool.Range{rng(day14, "h", 0, 10)}},
		"same day, another month": {[]spool.Range{rng("2026/Feb/ossec-alerts-14.json", "h", 0, 10)}, rng(day14, "h", 0, 10), []spool.Range{rng(day14, "h", 0, 10)}},
		"read as a copy before":   {[]spool.Range{rng("ossec-alerts-14.json", "h", 0, 10)}, rng(day14, "h", 0, 10), nil},
		"a copy now":              {[]spool.Range{rng(day14, "h", 0, 10)}, rng("ossec-alerts-14.json", "h", 0, 10), nil},
		"no end":                  {[]spool.Range{rng(day14, "h", 2, 4)}, rng(day14, "h", 0, -1), []spool.Range{rng(day14, "h", 0, 2), rng(day14, "h", 4, -1)}},
		"no end, from within":     {[]spool.Range{rng(day14, "h", 2, 4)}, rng(day14, "h", 3, -1), []spool.Range{rng(day14, "h", 4, -1)}},
		"empty range added":       {[]spool.Range{rng(day14, "h", 4, 4), rng(day14, "h", 0, -1)}, rng(day14, "h", 0, 10), []spool.Range{rng(day14, "h", 0, 10)}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var x Extents
			for _, r := range test.have {
				x.Add(r)
			}
			if got := x.Minus(test.of); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// Against a bitmap: what is covered is what was added, whatever the order.
func TestMinusAgainstABitmap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var x Extents
		var bits [64]bool
		for range r.IntN(12) {
			from := r.Int64N(60)
			to := min(64, from+r.Int64N(10))
			x.Add(rng(day14, "h", from, to))
			for i := from; i < to; i++ {
				bits[i] = true
			}
		}
		got := bits
		for _, p := range x.Minus(rng(day14, "h", 0, 64)) {
			if p.From >= p.To {
				t.Fatalf("empty part %v", p)
			}
			for i := p.From; i < p.To; i++ {
				if bits[i] {
					t.Fatalf("byte %d was added, and is missing", i)
				}
				got[i] = true
			}
		}
		if slices.Contains(got[:], false) {
			t.Fatalf("a byte is neither covered nor missing: %v", bits)
		}
	}
}
