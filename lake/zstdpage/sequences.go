package zstdpage

import "math/bits"

// sequence is some literals and a copy of what came before, RFC 8878 3.1.1.3.2.
type sequence struct {
	literals uint32 // how many
	match    uint32 // length of the copy - minMatch
	distance uint32 // offset value: 1 to 3 one of the recent distances, above that the distance + 3

	literalsCode, matchCode, distanceCode uint8
}

// minMatch is the shortest copy of the format.
const minMatch = 3

// copy adds a sequence: the bytes from literal to at as literals, then n bytes that came distance bytes before.
func (e *Encoder) copy(literal, at, n, distance int) {
	s := sequence{literals: uint32(at - literal), match: uint32(n - minMatch)}
	e.addLiterals(literal, at)
	s.distance = e.offsetValue(uint32(distance), at > literal)
	s.literalsCode, s.matchCode = literalsCode(s.literals), matchCode(s.match)
	s.distanceCode = uint8(bits.Len32(s.distance) - 1)
	e.sequences = append(e.sequences, s)
}

// offsetValue returns the offset value of a distance and notes it as the last one.
func (e *Encoder) offsetValue(distance uint32, literals bool) uint32 {
	a, b, c := e.recent[0], e.recent[1], e.recent[2]
	// Right behind another copy the numbers begin with the second recent distance: the same again would have been one copy.
	first := uint32(1)
	if !literals {
		first = 0
	}
	switch {
	case literals && distance == a:
		return first
	case distance == b:
		e.recent = [3]uint32{b, a, c}
		return first + 1
	case distance == c:
		e.recent = [3]uint32{c, a, b}
		return first + 2
	}
	e.recent = [3]uint32{distance, a, b}
	return distance + 3
}

func (e *Encoder) addLiterals(from, to int) {
	const few = 16
	n := len(e.literals)
	if to-from <= few && from+few <= len(e.src) && n+few <= cap(e.literals) {
		// As many as most are, without a call.
		*(*[few]byte)(e.literals[n : n+few]) = [few]byte(e.src[from : from+few])
		e.literals = e.literals[:n+to-from]
		return
	}
	e.literals = append(e.literals, e.src[from:to]...)
}

// code is one of the classes that lengths are written as: the least of the class, and the bits that tell its members apart.
type code struct {
	least uint32
	bits  uint8
}

// literalsCodes and matchCodes are the tables of RFC 8878 3.1.1.3.2.1.1, the second less minMatch.
var (
	literalsCodes = [...]code{
		{0, 0}, {1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0}, {6, 0}, {7, 0}, {8, 0}, {9, 0}, {10, 0}, {11, 0}, {12, 0}, {13, 0}, {14, 0}, {15, 0},
		{16, 1}, {18, 1}, {20, 1}, {22, 1}, {24, 2}, {28, 2}, {32, 3}, {40, 3}, {48, 4}, {64, 6}, {128, 7}, {256, 8}, {512, 9},
		{1024, 10}, {2048, 11}, {4096, 12}, {8192, 13}, {16384, 14}, {32768, 15}, {65536, 16},
	}
	matchCodes = [...]code{
		{0, 0}, {1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0}, {6, 0}, {7, 0}, {8, 0}, {9, 0}, {10, 0}, {11, 0}, {12, 0}, {13, 0}, {14, 0}, {15, 0},
		{16, 0}, {17, 0}, {18, 0}, {19, 0}, {20, 0}, {21, 0}, {22, 0}, {23, 0}, {24, 0}, {25, 0}, {26, 0}, {27, 0}, {28, 0}, {29, 0}, {30, 0}, {31, 0},
		{32, 1}, {34, 1}, {36, 1}, {38, 1}, {40, 2}, {44, 2}, {48, 3}, {56, 3}, {64, 4}, {80, 4}, {96, 5}, {128, 7}, {256, 8}, {512, 9},
		{1024, 10}, {2048, 11}, {4096, 12}, {8192, 13}, {16384, 14}, {32768, 15}, {65536, 16},
	}
	shortLiterals = classes[[64]uint8](literalsCodes[:])
	shortMatches  = classes[[128]uint8](matchCodes[:])
)

// classes lists the class of each short length.
func classes[T [64]uint8 | [128]uint8](codes []code) (t T) {
	c := 0
	for n := range len(t) {
		for c+1 < len(codes) && codes[c+1].least <= uint32(n) {
			c++
		}
		t[n] = uint8(c)
	}
	return t
}

// The classes of longer lengths are powers of two.

func literalsCode(n uint32) uint8 {
	if n < uint32(len(shortLiterals)) {
		return shortLiterals[n]
	}
	return uint8(bits.Len32(n) + 18)
}

func matchCode(n uint32) uint8 {
	if n < uint32(len(shortMatches)) {
		return shortMatches[n]
	}
	return uint8(bits.Len32(n) + 35)
}

// distanceCodes is how many classes of distances there can be: a page is far smaller than 4 GiB.
const distanceCodes = 32

// The tables that are not written, and the logarithm of the largest that may be, RFC 8878 3.1.1.3.2.2 and 3.1.1.3.2.1.1.
var (
	literalsDefault = counts{
		4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1,
	}
	matchDefault = counts{
		1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
		1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
	}
	distanceDefault = counts{1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1}
)

const (
	literalsLog, literalsDefaultLog = 9, 6
	matchLog, matchDefaultLog       = 9, 6
	distanceLog, distanceDefaultLog = 8, 5
)

// appendSequences appends the sequences section, RFC 8878 3.1.1.3.2.
func (e *Encoder) appendSequences(dst []byte) []byte {
	n := len(e.sequences)
	const short, long = 128, 0x7F00
	switch {
	case n == 0:
		return append(dst, 0)
	case n < short:
		dst = append(dst, byte(n))
	case n < long:
		dst = append(dst, byte(n>>8)+128, byte(n))
	default:
		dst = append(dst, 255, byte(n-long), byte((n-long)>>8))
	}
	var literal, match, distance [maxCodes]uint32
	for i := range e.sequences {
		s := &e.sequences[i]
		literal[s.literalsCode%maxCodes]++
		match[s.matchCode%maxCodes]++
		distance[s.distanceCode%maxCodes]++
	}
	modes := len(dst)
	dst = append(dst, 0)
	var l, d, m byte
	dst, l = e.literal.choose(dst, literal[:len(literalsCodes)], n, literalsLog, literalsDefault, literalsDefaultLog)
	dst, d = e.distance.choose(dst, distance[:distanceCodes], n, distanceLog, distanceDefault, distanceDefaultLog)
	dst, m = e.match.choose(dst, match[:len(matchCodes)], n, matchLog, matchDefault, matchDefaultLog)
	dst[modes] = l<<6 | d<<4 | m<<2
	return e.appendStream(dst)
}

// appendStream appends the sequences, from the last to the first: it is read backwards.
func (e *Encoder) appendStream(dst []byte) []byte {
	w := bitWriter{out: dst}
	i := len(e.sequences) - 1
	s := &e.sequences[i]
	ls, ms, ds := e.literal.first(s.literalsCode), e.match.first(s.matchCode), e.distance.first(s.distanceCode)
	for {
		// At most 16 + 16 and 20 bits of lengths and distance, then 9 + 9 + 8 of the states.
		l, m := literalsCodes[s.literalsCode], matchCodes[s.matchCode]
		w.add(s.literals-l.least, l.bits)
		w.add(s.match-m.least, m.bits)
		w.flush()
		w.add(s.distance-1<<s.distanceCode, s.distanceCode)
		if i--; i < 0 {
			break
		}
		s = &e.sequences[i]
		ds = e.distance.encode(&w, ds, s.distanceCode)
		w.flush()
		ms = e.match.encode(&w, ms, s.matchCode)
		ls = e.literal.encode(&w, ls, s.literalsCode)
		w.flush()
	}
	w.flush()
	w.add(ms&(1<<e.match.log-1), e.match.log)
	w.add(ds&(1<<e.distance.log-1), e.distance.log)
	w.add(ls&(1<<e.literal.log-1), e.literal.log)
	w.add(1, 1) // where to begin
	return w.close()
}
