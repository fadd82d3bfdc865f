package lake

import (
	"encoding/binary"
	"math/bits"
)

// Levels and numbers of words are written as Parquet's RLE/bit-packing hybrid: runs of one value, and stretches of values
// packed in groups of eight. Which of the two stands where is the writer's choice. The library changes between them for
// every eight equal values, which costs more than it saves once zstd has had its turn: bytes of which some are headers
// are harder to predict. Here a value is a run only if it comes so often in a row that its packed bytes would be many.

// longRun is the least number of equal values that become a run.
const longRun = 64

const ones = 0x0101010101010101

// appendLevels appends levels of width bits, each the four bits of an entry from shift on, as a hybrid.
func appendLevels(dst, entries []byte, shift, width int) []byte {
	for at := 0; at < len(entries); {
		if n := sameLevels(entries[at:], shift); n >= longRun || n == len(entries)-at {
			dst = appendRun(dst, n, uint32(entries[at]>>shift&defMask), width)
			at += n
			continue
		}
		end := at + 8
		for end < len(entries) && sameLevels(entries[end:min(end+longRun, len(entries))], shift) < longRun {
			end += 8
		}
		dst = packLevels(dst, entries[at:min(end, len(entries))], shift, width)
		at = end
	}
	return dst
}

// sameLevels is how many entries have the level of the first.
func sameLevels(entries []byte, shift int) int {
	mask := uint64(ones*defMask) << shift
	first := uint64(entries[0]) * ones & mask
	n := 0
	for ; n+8 <= len(entries); n += 8 {
		if differ := binary.LittleEndian.Uint64(entries[n:])&mask ^ first; differ != 0 {
			return n + bits.TrailingZeros64(differ)/8
		}
	}
	for n < len(entries) && (entries[n]^entries[0])&byte(mask) == 0 {
		n++
	}
	return n
}

// packLevels appends a stretch of packed levels, filled up with zeros.
func packLevels(dst, entries []byte, shift, width int) []byte {
	groups := (len(entries) + 7) / 8
	dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
	var last [8]byte
	w := uint(width)
	pairs, fours := uint64(1)<<(2*w)-1, uint64(1)<<(4*w)-1
	pairs, fours = pairs*0x0001000100010001, fours*0x0000000100000001
	for at := 0; at < len(entries); at += 8 {
		if at+8 > len(entries) {
			copy(last[:], entries[at:])
			entries, at = last[:], 0
		}
		// Eight numbers of a byte each become four of two, two of four, one of eight times as many bits.
		x := binary.LittleEndian.Uint64(entries[at:]) >> shift & (ones * defMask)
		x = (x | x>>(8-w)) & pairs
		x = (x | x>>(16-2*w)) & fours
		x |= x >> (32 - 4*w)
		for range width {
			dst = append(dst, byte(x))
			x >>= 8
		}
	}
	return dst
}

// appendRun appends n times v.
func appendRun(dst []byte, n int, v uint32, width int) []byte {
	dst = binary.AppendUvarint(dst, uint64(n)<<1)
	for ; width > 0; width -= 8 {
		dst = append(dst, byte(v))
		v >>= 8
	}
	return dst
}

// appendRefs appends numbers of words, of width bits, as a hybrid.
func appendRefs(dst []byte, refs []int32, width int) []byte {
	for at := 0; at < len(refs); {
		if n := sameRefs(refs[at:]); n >= longRun || n == len(refs)-at {
			dst = appendRun(dst, n, uint32(refs[at]), width)
			at += n
			continue
		}
		end := at + 8
		for end < len(refs) && sameRefs(refs[end:min(end+longRun, len(refs))]) < longRun {
			end += 8
		}
		dst = packRefs(dst, refs[at:min(end, len(refs))], width)
		at = end
	}
	return dst
}

// sameRefs is how many refs are equal to the first.
func sameRefs(refs []int32) int {
	n := 1
	for n < len(refs) && refs[n] == refs[0] {
		n++
	}
	return n
}

// packRefs appends a stretch of packed numbers, filled up with zeros.
func packRefs(dst []byte, refs []int32, width int) []byte {
	groups := (len(refs) + 7) / 8
	dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
	end := len(dst) + groups*width
	held, n := uint64(0), 0
	for _, r := range refs {
		held |= uint64(uint32(r)) << n
		if n += width; n >= 32 {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(held))
			held >>= 32
			n -= 32
		}
	}
	for len(dst) < end {
		dst = append(dst, byte(held))
		held >>= 8
	}
	return dst[:end]
}
