package lake

import (
	"bytes"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go/encoding/rle"
)

// The library's decoder must read back what was written, however values are mixed of runs and others.
func FuzzHybridRoundTrip(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, uint16(1+seed*1000), uint8(7*seed))
	}
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, runs uint8) {
		r := rand.New(rand.NewPCG(seed, uint64(n)))
		most := uint8(1 + r.IntN(15))
		entries := make([]byte, 0, n)
		for len(entries) < int(n) {
			v := byte(r.IntN(int(most)+1)) | byte(r.IntN(4))<<repShift
			for range 1 + r.IntN(1+int(runs)) {
				if len(entries) < int(n) {
					entries = append(entries, v)
				}
			}
		}
		checkLevels(t, entries, 0, most)
		checkLevels(t, entries, repShift, 3)
		refs := make([]int32, len(entries))
		for i, e := range entries {
			refs[i] = int32(e) << (seed % 24)
		}
		checkRefs(t, refs)
	})
}

func checkLevels(t *testing.T, entries []byte, shift int, most uint8) {
	t.Helper()
	width := bits.Len8(most)
	want := make([]byte, len(entries))
	for i, e := range entries {
		want[i] = e >> shift & defMask
	}
	encoded := appendLevels(nil, entries, shift, width)
	got, err := (&rle.Encoding{BitWidth: width}).DecodeLevels(nil, encoded)
	if err != nil {
		t.Fatalf("%d levels of %d bits: %v", len(want), width, err)
	}
	if len(got) < len(want) || !bytes.Equal(got[:len(want)], want) {
		t.Fatalf("%d levels of %d bits: %v instead of %v", len(want), width, got, want)
	}
}

func checkRefs(t *testing.T, refs []int32) {
	t.Helper()
	least := 0
	for _, r := range refs {
		least = max(least, bits.Len32(uint32(r)))
	}
	for width := least; width <= 32; width++ {
		encoded := appendRefs([]byte{byte(width)}, refs, width)
		got, err := (&rle.DictionaryEncoding{}).DecodeInt32(make([]int32, 0, len(refs)+8), encoded)
		if err != nil {
			t.Fatalf("%d refs of %d bits: %v", len(refs), width, err)
		}
		if len(got) < len(refs) || !slices.Equal(got[:len(refs)], refs) {
			t.Fatalf("%d refs of %d bits do not come back", len(refs), width)
		}
	}
}

// A page of parts is one frame that every zstd decoder reads.
func TestCodecParts(t *testing.T) {
	var c codec
	page := make([]byte, 300<<10)
	for i := range page {
		page[i] = byte(rand.IntN(1 + i>>13))
	}
	for _, n := range []int{0, 1, leastPart, 5000, len(page)} {
		for _, cuts := range [][]int{nil, {n / 3}, {n / 4, n / 2}, {n / 2, n}, {1, 2, n - 1}} {
			for _, end := range cuts {
				c.cut(end)
			}
			got, err := c.Encode(make([]byte, 10, 100), page[:n])
			if err != nil {
				t.Fatal(err)
			}
			if back, err := c.Decode(nil, got); err != nil || !bytes.Equal(back, page[:n]) {
				t.Fatalf("%d bytes cut at %v do not come back: %v", n, cuts, err)
			}
			if len(c.parts) > 0 {
				t.Fatal("cuts of one page are left for the next")
			}
		}
	}
}
