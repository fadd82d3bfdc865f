package zstdpage

import (
	"encoding/binary"
	"math/bits"
)

// bitWriter writes bits, the lowest first.
type bitWriter struct {
	out  []byte
	bits uint64
	n    uint8
}

// add adds the lowest n bits of v, which has no others. Between two calls of flush there may be 32 of them.
func (w *bitWriter) add(v uint32, n uint8) {
	w.bits |= uint64(v) << (w.n & 63)
	w.n += n
}

// flush writes 32 bits if there are so many.
func (w *bitWriter) flush() {
	if w.n >= 32 {
		w.out = binary.LittleEndian.AppendUint32(w.out, uint32(w.bits))
		w.bits >>= 32
		w.n -= 32
	}
}

// close writes what is left, in whole bytes, and returns what was written.
func (w *bitWriter) close() []byte {
	for w.n > 0 {
		w.out = append(w.out, byte(w.bits))
		w.bits >>= 8
		w.n -= min(w.n, 8)
	}
	return w.out
}

// counts are how often each code occurs, scaled to a power of two; -1 is less than once.
type counts []int16

const (
	// maxCodes is a power of two above the number of codes of any kind.
	maxCodes  = 64
	maxStates = 1 << 9
)

// table is a finite state entropy code, RFC 8878 4.1: a state holds the fraction of a bit that is not written yet.
type table struct {
	log    uint8 // of the number of states
	states [maxStates]uint16
	steps  [maxCodes]step
}

// step is the way of one code from state to state: of the state so many bits are written that the rest, with base added, is the
// place of the next one. The number of bits is bits + state, shifted by 16: there are two that are next to each other.
type step struct {
	base int32
	bits uint32
}

// How a table is told, RFC 8878 3.1.1.3.2.1.
const (
	tableDefault = iota
	tableOne
	tableWritten
)

// fewSequences are not worth a table of their own.
const fewSequences = 64

// choose makes the table for n codes that occur so often, and appends its description; it also returns which kind that is.
func (t *table) choose(dst []byte, occurs []uint32, n int, maxLog uint8, standard counts, standardLog uint8) ([]byte, byte) {
	last, different := 0, 0
	for c, o := range occurs {
		if o > 0 {
			last = c
			different++
		}
	}
	if different == 1 {
		// No bits at all.
		t.log, t.states[0], t.steps[last] = 0, 0, step{}
		return append(dst, byte(last)), tableOne
	}
	if n < fewSequences && last < len(standard) {
		t.build(standard, standardLog)
		return dst, tableDefault
	}
	// Enough states for every code, and not many more than there are codes to learn them from.
	log := uint8(min(max(bits.Len(uint(n-1))-2, bits.Len(uint(last))+1, minLog), int(maxLog)))
	var scaled [maxCodes]int16
	c := counts(scaled[:last+1])
	c.scale(occurs, uint64(n), log)
	t.build(c, log)
	return c.append(dst, log), tableWritten
}

// minLog is the smallest table that can be told.
const minLog = 5

// scale sets c to how often each code occurs, so that the sum is 1<<log and none that occurs vanishes.
func (c counts) scale(occurs []uint32, n uint64, log uint8) {
	left := 1 << log
	for i := range c {
		if occurs[i] == 0 {
			continue
		}
		c[i] = int16(max((uint64(occurs[i])<<(log+1)+n)/(2*n), 1)) // rounded
		left -= int(c[i])
	}
	// What rounding left over goes to the most frequent one, and what it took is taken from those that are then.
	for left != 0 {
		most := 0
		for i, v := range c {
			if v > c[most] {
				most = i
			}
		}
		if left > 0 {
			c[most] += int16(left)
			return
		}
		take := max(int(c[most])/8, 1)
		take = min(take, -left)
		c[most] -= int16(take)
		left += take
	}
}

// append appends the description of a table, RFC 8878 4.1.1.
func (c counts) append(dst []byte, log uint8) []byte {
	w := bitWriter{out: dst}
	w.add(uint32(log-minLog), 4)
	left := 1<<log + 1 // to tell, and one
	for i := 0; left > 1; i++ {
		// Values up to left are told in as few bits as that takes; the small ones in one less, as far as there is room.
		v, width := uint32(c[i]+1), uint8(bits.Len(uint(left)))
		spare := uint32(1)<<width - 1 - uint32(left)
		switch {
		case v < spare:
			width--
		case v >= 1<<(width-1):
			v += spare
		}
		w.add(v, width)
		w.flush()
		if c[i] != 0 {
			left -= abs(int(c[i]))
			continue
		}
		// How many more of zero, three at a time.
		zeros := 0
		for c[i+1+zeros] == 0 {
			zeros++
		}
		i += zeros
		for ; zeros >= 3; zeros -= 3 {
			w.add(3, 2)
			w.flush()
		}
		w.add(uint32(zeros), 2)
		w.flush()
	}
	return w.close()
}

func abs(n int) int { return max(n, -n) }

// build makes the table of c, RFC 8878 4.1.1.
func (t *table) build(c counts, log uint8) {
	t.log = log
	size := 1 << log
	var codes [maxStates]uint8
	var place [maxCodes]int // of the first state of each code
	high, sum := size, 0
	for i, n := range c {
		place[i] = sum
		if n < 0 {
			high--
			codes[high] = uint8(i)
		}
		sum += abs(int(n))
	}
	at, stride := 0, size>>1+size>>3+3
	for i, n := range c {
		for range max(n, 0) {
			codes[at] = uint8(i)
			for at = (at + stride) & (size - 1); at >= high; {
				at = (at + stride) & (size - 1)
			}
		}
	}
	for i, n := range c {
		n := abs(int(n))
		if n == 0 {
			continue
		}
		most := log - uint8(bits.Len(uint(n-1))-1) // bits of a state
		if n == 1 {
			most = log
		}
		t.steps[i] = step{int32(place[i] - n), uint32(most)<<16 - uint32(n)<<most}
	}
	for s := range size {
		i := codes[s]
		t.states[place[i]] = uint16(size + s)
		place[i]++
	}
}

// first returns the state that a stream begins with, which holds a code and no bits.
func (t *table) first(code uint8) uint32 {
	s := &t.steps[code%maxCodes]
	n := (s.bits + 1<<15) >> 16
	return t.next(s, n<<16-s.bits, n)
}

// encode writes the bits of a state that must make room for a code, and returns the next state.
func (t *table) encode(w *bitWriter, state uint32, code uint8) uint32 {
	s := &t.steps[code%maxCodes]
	n := (state + s.bits) >> 16
	w.add(state&(1<<(n&31)-1), uint8(n))
	return t.next(s, state, n)
}

func (t *table) next(s *step, state, n uint32) uint32 {
	return uint32(t.states[uint32(int32(state>>(n&31))+s.base)%maxStates])
}
