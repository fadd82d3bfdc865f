package zstdpage

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// places remember where in the page something was, by what its next bytes are: long ones first, for what goes on alike for long, and
// short ones. An entry is a place below and bits of the key above, so that most of what is not the same is not looked at.
type places struct {
	base  int   // of the places, behind which fewer than 1<<placeBits bytes are
	shift uint8 // of keys to entries: small pages need few
	short [1 << mostBits]uint32
	long  [1 << mostBits]uint32
}

const (
	placeBits = 20
	placeMask = 1<<placeBits - 1

	// mostBits is the size of the tables: both stay in the second level cache.
	mostBits  = 15
	leastBits = 8
)

// reset forgets all places, for a page of n bytes.
func (p *places) reset(n int) {
	size := min(max(bits.Len(uint(n))-1, leastBits), mostBits)
	p.base, p.shift = 0, uint8(64-size)
	clear(p.short[:1<<size])
	clear(p.long[:1<<size])
}

// span makes sure that places up to byte to can be told. Pages are not larger, but for texts that are.
func (p *places) span(from, to int) {
	if to-p.base > placeMask {
		p.reset(1 << mostBits)
		p.base = from
	}
}

// swap notes that a key is at byte at, and returns where it was before, if it may have been: -1 is nowhere.
func (p *places) swap(table *[1 << mostBits]uint32, key uint64, at int) int {
	slot := &table[key>>(p.shift&63)%(1<<mostBits)]
	mark := uint32(key>>8)&^placeMask | uint32(at-p.base)
	old := *slot
	*slot = mark
	if (old^mark)&^placeMask != 0 {
		return -1
	}
	return p.base + int(old&placeMask)
}

// factor spreads the bits of a key over its upper half.
const factor = 0x9FB21C651E98DF25

// shortKey is the key of the lowest n bytes of v.
func shortKey(v uint64, n int) uint64 { return v << (64 - 8*n) * factor }

// longKey is the key of longBytes bytes: of the first eight and of the last eight.
func longKey(first, last uint64) uint64 { return (first*factor ^ last) * factor }

const longBytes = 14

func load32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
func load64(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }

// same returns how many bytes from b on are the same as from a on, up to byte end; a is before b.
func same(src []byte, a, b, end int) int {
	from := b
	for ; b+8 <= end; a, b = a+8, b+8 {
		if x := load64(src, a) ^ load64(src, b); x != 0 {
			return b - from + bits.TrailingZeros64(x)/8
		}
	}
	for ; b < end && src[a] == src[b]; a, b = a+1, b+1 {
	}
	return b - from
}

// copyFrom copies n bytes at byte at from byte from, and those before them that are the same. It returns how many bytes behind at
// that were.
func (e *Encoder) copyFrom(literal, at, from, n int) int {
	end := at + n
	for at > literal && from > 0 && e.src[at-1] == e.src[from-1] {
		at--
		from--
	}
	e.copy(literal, at, end-at, at-from)
	return end
}

// findWords finds what repeats in text: from where a word begins or ends, where names and values do. To begin within words would find
// pieces of numbers, which cost as much as they save and hide what follows.
func (e *Encoder) findWords(from, to int) {
	e.places.span(from, to)
	src, literal, at := e.src, from, from
	for end := to - longBytes; at < end; {
		if at > from && inWord[src[at-1]] {
			// Within a word only what the last copy is from is looked at: digits of times change, and what follows goes on. The
			// first byte behind a copy is not the same there.
			if at == literal && inWord[src[at]] {
				at++
			}
			distance := int(e.recent[0])
			for at < end && inWord[src[at]] && inWord[src[at-1]] && load32(src, at) != load32(src, at-distance) {
				at++
			}
			if at >= end {
				break
			}
		}
		if at > literal {
			if distance := e.again(at); distance > 0 {
				n := same(src, at-distance, at, to)
				e.copy(literal, at, n, distance)
				at += n
				literal = at
				continue
			}
		}
		if found, n := e.longest(at, to); n > 0 {
			at = e.copyFrom(literal, at, found, n)
			literal = at
			continue
		}
		at++
	}
	e.addLiterals(literal, to)
}

// again returns which of the last two distances to copy from at byte at, 0 for none.
func (e *Encoder) again(at int) int {
	v := load32(e.src, at)
	for _, d := range e.recent[:2] {
		if from := at - int(d); from >= 0 && load32(e.src, from) == v {
			return int(d)
		}
	}
	return 0
}

// longest notes byte at as a place, and returns the place before it that is the same for longest, and for how long up to byte to.
func (e *Encoder) longest(at, to int) (found, n int) {
	const shortBytes = 6
	src := e.src
	v := load64(src, at)
	if c := e.places.swap(&e.places.long, longKey(v, load64(src, at+longBytes-8)), at); c >= 0 && c < at && load64(src, c) == v {
		found, n = c, 8+same(src, c+8, at+8, to)
	}
	if c := e.places.swap(&e.places.short, shortKey(v, shortBytes), at); c >= 0 && c < at && (n == 0 || c != found) && (load64(src, c)^v)<<(64-8*shortBytes) == 0 {
		if m := same(src, c, at, to); m > n {
			found, n = c, m
		}
	}
	return found, n
}

// inWord are letters and digits.
var inWord = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	}
	return t
}()

// findBytes finds what repeats from any byte on, and gives up the sooner the longer it finds nothing: in levels and numbers of
// words there may be nothing.
func (e *Encoder) findBytes(from, to int) {
	const shortBytes = 5
	const patience = 5
	e.places.span(from, to)
	src, literal, at := e.src, from, from
	for end := to - 8; at < end; {
		v := load64(src, at)
		if at > 0 && uint32(v) == load32(src, at-1) { // a run
			if n := same(src, at-1, at, to); n > shortBytes {
				e.copy(literal, at, n, 1)
				at += n
				literal = at
				continue
			}
		}
		c := e.places.swap(&e.places.short, shortKey(v, shortBytes), at)
		if c >= 0 && c < at && (load64(src, c)^v)<<(64-8*shortBytes) == 0 {
			at = e.copyFrom(literal, at, c, same(src, c, at, to))
			literal = at
			continue
		}
		at += 1 + (at-literal)>>patience
	}
	e.addLiterals(literal, to)
}

// record is the text of a PLAIN column that is at hand.
type record struct {
	start, next int // its first byte, and that of the one behind it
	distance    int // to the one before it
}

// lengthBytes stand before each text in Parquet's PLAIN encoding.
const lengthBytes = 4

// enter goes on to the next record.
func (r *record) enter(src []byte) {
	r.distance, r.start = r.next-r.start, r.next
	r.next = math.MaxInt
	if left := len(src) - r.start; left >= lengthBytes {
		if n := int(load32(src, r.start)); n <= left-lengthBytes {
			r.next = r.start + lengthBytes + n
		}
	}
}

// findRecords compares each text with the one before it, byte by byte.
func (e *Encoder) findRecords(from, to int) {
	r, literal := &e.record, from
	for at := from; at < to; {
		for at >= r.next {
			r.enter(e.src)
		}
		at, literal = e.compare(literal, at, min(r.next, to), to, r.distance)
	}
	e.addLiterals(literal, to)
}

// findLongs compares each number with the one before it.
func (e *Encoder) findLongs(from, to int) {
	const size = 8
	start := e.record.start
	_, literal := e.compare(from, max(from, start+size), to, to, size)
	e.addLiterals(literal, to)
}

// compare copies what is the same as so many bytes before, from byte at to byte end; a copy may go on up to byte to. It returns where it
// ended and the first byte that is no part of a copy.
func (e *Encoder) compare(literal, at, end, to, distance int) (int, int) {
	// The shortest copy worth a sequence: the distance is the recent one, which costs few bits.
	const least = 4
	src := e.src
	if at < distance || distance == 0 {
		return end, literal
	}
	for at < end {
		if at+least > to || load32(src, at) != load32(src, at-distance) {
			at++
			continue
		}
		n := same(src, at-distance, at, to)
		e.copy(literal, at, n, distance)
		at += n
		literal = at
	}
	return at, literal
}
