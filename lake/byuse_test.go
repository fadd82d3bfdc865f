package lake

import (
	"bytes"
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
		texts, ranked := b.order(&d, refs, n)
		var at [][]byte
		for rest := texts; len(rest) > 0; {
			size := lengthBytes + int(rest[0])
			at, rest = append(at, rest[:size]), rest[size:]
		}
		if len(at) != n || len(ranked) != len(refs) {
			t.Fatalf("%d words and %d numbers instead of %d and %d", len(at), len(ranked), n, len(refs))
		}
		counts := make([]int, n)
		for i, ref := range ranked {
			if !bytes.Equal(at[ref], d.plain(refs[i])) {
				t.Fatalf("number %d names %q instead of %q", ref, at[ref], d.plain(refs[i]))
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
