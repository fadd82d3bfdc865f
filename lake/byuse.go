package lake

import "math/bits"

// byUse brings a dictionary into the order of how often its words are used, roughly: by powers of two, those of the same
// power as they came. Numbers of more than a byte then have mostly zeros in the upper one, which compresses.
type byUse struct {
	counts []int32 // by word
	ranks  []int32 // by word, its new number
	words  []int32 // by new number, the word
	ends   []int32
	texts  []byte
}

// manyWords are more than a byte can number.
const manyWords = 1 << 8

// order brings the first n words of d, and refs to them, into that order, in place: the library writes the dictionary last,
// when the memory here is another column's. Nothing can be looked up in d afterwards.
func (b *byUse) order(d *dictionary, refs []int32, n int) {
	b.counts, b.ranks, b.words = sized(b.counts, n), sized(b.ranks, n), sized(b.words, n)
	clear(b.counts)
	for _, r := range refs {
		b.counts[r]++
	}
	var next [33]int32 // by power, the next number to give; the largest power begins
	for _, c := range b.counts {
		if power := bits.Len32(uint32(c)); power > 0 {
			next[power-1]++
		}
	}
	for power := len(next) - 2; power >= 0; power-- {
		next[power] += next[power+1]
	}
	for word, c := range b.counts {
		power := bits.Len32(uint32(c))
		b.ranks[word] = next[power]
		b.words[next[power]] = int32(word)
		next[power]++
	}
	b.texts, b.ends = shrink(b.texts), b.ends[:0]
	for _, word := range b.words {
		b.texts = append(b.texts, d.plain(word)...)
		b.ends = append(b.ends, int32(len(b.texts)))
	}
	copy(d.arena, b.texts)
	copy(d.ends, b.ends)
	for i, r := range refs {
		refs[i] = b.ranks[r]
	}
}

// sized is s with n elements, whatever they are.
func sized(s []int32, n int) []int32 {
	if cap(s) < n {
		return make([]int32, n, n+n/4)
	}
	return s[:n]
}
