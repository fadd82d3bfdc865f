package lake

import (
	"bytes"
	"hash/maphash"
	"math/bits"
)

// dictionary gives each text of a column a number, from 0 in the order of their first use. It copies the text.
type dictionary struct {
	ends    []int32  // end of each text in arena
	arena   []byte   // the texts as a Parquet dictionary page has them
	hashes  []uint32 // of each text
	slots   []int32  // open addressing: number + 1; a power of two
	last    int32    // the number given last
	longest int
}

// number returns the number of v.
func (d *dictionary) number(seed maphash.Seed, v []byte) int32 {
	if len(d.ends) > 0 && bytes.Equal(d.text(d.last), v) {
		return d.last
	}
	if 2*len(d.ends) >= len(d.slots) {
		d.grow()
	}
	hash := uint32(maphash.Bytes(seed, v))
	mask := uint32(len(d.slots) - 1)
	i := hash & mask
	for ; d.slots[i] != 0; i = (i + 1) & mask {
		if n := d.slots[i] - 1; d.hashes[n] == hash && bytes.Equal(d.text(n), v) {
			d.last = n
			return n
		}
	}
	d.last = int32(len(d.ends))
	d.slots[i] = d.last + 1
	d.arena = appendPlain(d.arena, v)
	d.ends = append(d.ends, int32(len(d.arena)))
	d.hashes = append(d.hashes, hash)
	d.longest = max(d.longest, len(v))
	return d.last
}

func (d *dictionary) grow() {
	d.slots = make([]int32, max(16, 2*len(d.slots)))
	d.index()
}

// index enters all texts into the empty slots.
func (d *dictionary) index() {
	mask := uint32(len(d.slots) - 1)
	for n, hash := range d.hashes {
		i := hash & mask
		for d.slots[i] != 0 {
			i = (i + 1) & mask
		}
		d.slots[i] = int32(n) + 1
	}
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
	d.ends, d.hashes, d.last, d.longest = d.ends[:n], d.hashes[:n], 0, 0
	d.arena = d.arena[:0]
	if n > 0 {
		d.arena = d.arena[:d.ends[n-1]]
	}
	for i := range n {
		d.longest = max(d.longest, len(d.text(int32(i))))
	}
	clear(d.slots)
	d.index()
}

func (d *dictionary) reset() {
	const keptSlots = 1 << 16 // more would cost too much to clear
	if len(d.ends) == 0 {
		return
	}
	d.ends, d.hashes, d.arena = shrink(d.ends), shrink(d.hashes), shrink(d.arena)
	d.last, d.longest = 0, 0
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
