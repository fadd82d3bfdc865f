package lake

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
)

// TestDictionaryOfTexts holds the dictionary against a map, with texts of every length class, taken back at times.
func TestDictionaryOfTexts(t *testing.T) {
	r, s := seeded(41), newSeeds()
	var d dictionary
	for range 3 {
		d.reset()
		want := make(map[string]int32)
		var texts []string
		for i := range 20000 {
			v := random(r, r.IntN(3))
			if i%3 == 0 {
				v = fmt.Sprintf("%0*d", r.IntN(30), r.IntN(2000))
			}
			n, seen := want[v]
			if !seen {
				n = int32(len(want))
				want[v], texts = n, append(texts, v)
			}
			if got := d.number(&s, []byte(v)); got != n {
				t.Fatalf("text %d %q: got number %d, want %d", i, v, got, n)
			}
			if i%701 == 700 {
				keep := len(texts) - r.IntN(min(len(texts), 9))
				for _, v := range texts[keep:] {
					delete(want, v)
				}
				texts = texts[:keep]
				d.cut(keep)
			}
		}
		size, longest := 0, 0
		for n, v := range texts {
			if got := string(d.text(int32(n))); got != v {
				t.Fatalf("text %d is %q, want %q", n, got, v)
			}
			size, longest = size+lengthBytes+len(v), max(longest, len(v))
		}
		if d.size() != size || len(d.first(len(texts))) != size || d.longest < longest {
			t.Errorf("size %d, longest %d, want %d and %d", d.size(), d.longest, size, longest)
		}
	}
}

// TestDictionaryOfNumbers does so for numbers.
func TestDictionaryOfNumbers(t *testing.T) {
	r := seeded(42)
	table := numberTable{factor: r.Uint64() | 1}
	for _, distinct := range []int64{1, 2, 300, 5000, math.MaxInt64} {
		nums := make([]int64, 20000)
		var want []int64
		seen := make(map[int64]bool)
		for i := range nums {
			nums[i] = r.Int64N(distinct) - distinct/2
			if !seen[nums[i]] {
				seen[nums[i]], want = true, append(want, nums[i])
			}
		}
		words, refs := table.index(nums, nil, nil)
		if diff := cmp.Diff(words, want); diff != "" {
			t.Fatalf("%d distinct: words (-got +want):\n%.500s", distinct, diff)
		}
		for i, ref := range refs {
			if words[ref] != nums[i] {
				t.Fatalf("%d distinct: number %d is %d, want %d", distinct, i, words[ref], nums[i])
			}
		}
		for _, slot := range table.slots {
			if slot != 0 {
				t.Fatalf("%d distinct: the table is not empty afterwards", distinct)
			}
		}
	}
}

// TestFloatBounds: NaN has no order, and zero is of either sign.
func TestFloatBounds(t *testing.T) {
	for name, test := range map[string]struct {
		values      []float64
		least, most float64
		ok          bool
	}{
		"plain":    {[]float64{2, -1, 3}, -1, 3, true},
		"NaN":      {[]float64{math.NaN(), 2, math.NaN()}, 2, 2, true},
		"only NaN": {[]float64{math.NaN()}, math.Inf(-1), math.Inf(1), false},
		"zeros":    {[]float64{0, math.Copysign(0, -1)}, math.Copysign(0, -1), 0, true},
		"zero":     {[]float64{0}, math.Copysign(0, -1), 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			var nums []int64
			for _, v := range test.values {
				nums = append(nums, int64(math.Float64bits(v)))
			}
			least, most, ok := floatBounds(nums)
			if ok != test.ok {
				t.Fatalf("got bounds %t, want %t", ok, test.ok)
			}
			if !parquet.Equal(least, parquet.DoubleValue(test.least)) || math.Signbit(least.Double()) != math.Signbit(test.least) ||
				!parquet.Equal(most, parquet.DoubleValue(test.most)) || math.Signbit(most.Double()) != math.Signbit(test.most) {
				t.Errorf("got %v to %v, want %v to %v", least, most, test.least, test.most)
			}
		})
	}
}
