package lake

import (
	"bytes"
	"hash/maphash"
)

// dictionary gives each text of a column a number, from 0 in the order of their first use. It copies the text.
type dictionary struct {
	ends    []int32 // end of each text in arena
	arena   []byte
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
	d.arena = append(d.arena, v...)
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

func (d *dictionary) text(n int32) []byte {
	start := int32(0)
	if n > 0 {
		start = d.ends[n-1]
	}
	return d.arena[start:d.ends[n]:d.ends[n]]
}

// size is what the texts take as a Parquet page.
func (d *dictionary) size() int { return len(d.arena) + 4*len(d.ends) }

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
	d.ends, d.hashes, d.arena = shrink(d.ends), shrink(d.hashes), shrink(d.arena)
	d.last, d.longest = 0, 0
	if len(d.slots) > keptSlots {
		d.slots = nil
	}
	clear(d.slots)
}
