package lake

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Every number names the same word as before, and words used more than twice as often come first.
func TestByUse(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s := newSeeds()
	var b byUse
	for _, words := range []int{1, 2, 300, 1000} {
		var d dictionary
		var refs []int32
		for range 20 * words {
			refs = append(refs, d.number(&s, fmt.Appendf(nil, "word %d", int(r.ExpFloat64()*float64(words)/6))))
		}
		extra := d.number(&s, []byte("not used"))
		n := int(extra) + 1
		var want []string
		for _, ref := range refs {
			want = append(want, string(d.text(ref)))
		}
		size := d.size()
		b.order(&d, refs, n)
		if d.size() != size || len(d.ends) != n || int(d.ends[n-1]) != size {
			t.Fatalf("%d words of %d bytes instead of %d of %d", len(d.ends), d.size(), n, size)
		}
		counts := make([]int, n)
		for i, ref := range refs {
			if string(d.text(ref)) != want[i] {
				t.Fatalf("number %d names %q instead of %q", ref, d.text(ref), want[i])
			}
			counts[ref]++
		}
		for i := 1; i < n; i++ {
			if counts[i] > 2*counts[i-1]+1 {
				t.Errorf("word %d is used %d times, the one before it %d", i, counts[i], counts[i-1])
			}
		}
	}
}
