package lake

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math"
	"math/bits"
	"slices"
)

// dictionary gives each text of a column a number, from 0 in the order of their first use. It copies the text.
type dictionary struct {
	ends    []int32 // end of each text in arena
	arena   []byte  // the texts as a Parquet dictionary page has them
	slots   []entry // open addressing; a power of two
	longest int
}

// entry is a text in the slots of a dictionary: its hash above, its number + 1 below; 0 is none.
type entry uint64

func (x entry) hash() uint32  { return uint32(x >> 32) }
func (x entry) number() int32 { return int32(x&math.MaxUint32) - 1 }

// number returns the number of v.
func (d *dictionary) number(s *seeds, v []byte) int32 {
	return d.find(s.hash(v), v)
}

// find returns the number of v, whose hash is known.
func (d *dictionary) find(hash uint32, v []byte) int32 {
	if 2*len(d.ends) >= len(d.slots) {
		d.grow()
	}
	slots := d.slots
	mask := uint32(len(slots) - 1)
	i := hash & mask
	for ; slots[i] != 0; i = (i + 1) & mask {
		if x := slots[i]; x.hash() == hash && bytes.Equal(d.text(x.number()), v) {
			return x.number()
		}
	}
	n := int32(len(d.ends))
	slots[i] = entry(hash)<<32 | entry(n+1)
	d.arena = appendPlain(d.arena, v)
	d.ends = append(d.ends, int32(len(d.arena)))
	d.longest = max(d.longest, len(v))
	return n
}

func (d *dictionary) grow() {
	old := d.slots
	d.slots = make([]entry, max(16, 2*len(old)))
	d.enter(old)
}

// enter puts entries into the slots.
func (d *dictionary) enter(entries []entry) {
	mask := uint32(len(d.slots) - 1)
	for _, x := range entries {
		if x == 0 {
			continue
		}
		i := x.hash() & mask
		for d.slots[i] != 0 {
			i = (i + 1) & mask
		}
		d.slots[i] = x
	}
}

// seeds make it nobody's choice which texts collide.
type seeds struct {
	long maphash.Seed
	a, b uint64
}

func newSeeds() seeds {
	s := seeds{long: maphash.MakeSeed()}
	s.a, s.b = maphash.String(s.long, "a"), maphash.String(s.long, "b")
	return s
}

// hash hashes short texts, which most are, without a call.
func (s *seeds) hash(v []byte) uint32 {
	n := len(v)
	var a, b uint64
	switch {
	case n > 64:
		return uint32(maphash.Bytes(s.long, v))
	case n > 16:
		// Sixteen bytes at a time, the last sixteen in any case. Each step depends on the one before and on what nobody
		// knows.
		step := s.a
		for rest := v; len(rest) > 16; rest = rest[16:] {
			high, low := bits.Mul64(binary.LittleEndian.Uint64(rest)^step, binary.LittleEndian.Uint64(rest[8:])^s.b)
			step = high ^ low
		}
		a, b = binary.LittleEndian.Uint64(v[n-16:])^step, binary.LittleEndian.Uint64(v[n-8:])
	case n >= 8:
		a, b = binary.LittleEndian.Uint64(v), binary.LittleEndian.Uint64(v[n-8:])
	case n >= 4:
		a, b = uint64(binary.LittleEndian.Uint32(v)), uint64(binary.LittleEndian.Uint32(v[n-4:]))
	case n > 0:
		a = uint64(v[0])<<16 | uint64(v[n/2])<<8 | uint64(v[n-1])
	}
	high, low := bits.Mul64(a^s.a, b^s.b^uint64(n))
	high, low = bits.Mul64(high^s.b, low^s.a)
	return uint32(high ^ low)
}

func (d *dictionary) text(n int32) []byte { return d.plain(n)[lengthBytes:] }

// plain is text n with its length before it.
func (d *dictionary) plain(n int32) []byte {
	start := int32(0)
	if n > 0 {
		start = d.ends[n-1]
	}
	return d.arena[start:d.ends[n]:d.ends[n]]
}

// first is the first n texts, each with its length before it.
func (d *dictionary) first(n int) []byte {
	if n == 0 {
		return nil
	}
	return d.arena[:d.ends[n-1]]
}

// size is what the texts take as a Parquet page.
func (d *dictionary) size() int { return len(d.arena) }

// cut drops the texts from number n on.
func (d *dictionary) cut(n int) {
	if n >= len(d.ends) {
		return
	}
	d.ends, d.longest = d.ends[:n], 0
	d.arena = d.arena[:0]
	if n > 0 {
		d.arena = d.arena[:d.ends[n-1]]
	}
	for i := range n {
		d.longest = max(d.longest, len(d.text(int32(i))))
	}
	left := slices.DeleteFunc(slices.Clone(d.slots), func(x entry) bool { return int(x.number()) >= n })
	clear(d.slots)
	d.enter(left)
}

func (d *dictionary) reset() {
	const keptSlots = 1 << 16 // more would cost too much to clear
	if len(d.ends) == 0 {
		return
	}
	d.ends, d.arena, d.longest = shrink(d.ends), shrink(d.arena), 0
	if len(d.slots) > keptSlots {
		d.slots = nil
	}
	clear(d.slots)
}

// numberTable gives each number of a column its number in a dictionary, from 0 in the order of their first use.
type numberTable struct {
	factor uint64  // random: which numbers collide is nobody's to choose
	slots  []int32 // open addressing: number + 1; a power of two
}

// index appends the dictionary of nums to words and the number of each to refs.
func (t *numberTable) index(nums []int64, words []int64, refs []int32) ([]int64, []int32) {
	if len(t.slots) == 0 {
		t.slots = make([]int32, 1<<10)
	}
	ref := int32(-1)
	for _, v := range nums {
		if ref < 0 || words[ref] != v {
			if 2*len(words) >= len(t.slots) {
				t.slots = make([]int32, 2*len(t.slots))
				for n, w := range words {
					t.slots[t.find(words, w)] = int32(n) + 1
				}
			}
			i := t.find(words, v)
			if t.slots[i] == 0 {
				words = append(words, v)
				t.slots[i] = int32(len(words))
			}
			ref = t.slots[i] - 1
		}
		refs = append(refs, ref)
	}
	for _, w := range words {
		// Back to empty: the table is far larger than most dictionaries. A number is found only while those before it in
		// its chain are there, so the chain is cleared to its end.
		for i := t.start(w); t.slots[i] != 0; i = (i + 1) & (len(t.slots) - 1) {
			t.slots[i] = 0
		}
	}
	return words, refs
}

func (t *numberTable) start(v int64) int {
	return int((uint64(v) * t.factor) >> (64 - bits.Len(uint(len(t.slots)-1))))
}

// find returns the slot of v, or the empty one where it belongs.
func (t *numberTable) find(words []int64, v int64) int {
	i := t.start(v)
	for t.slots[i] != 0 && words[t.slots[i]-1] != v {
		i = (i + 1) & (len(t.slots) - 1)
	}
	return i
}
