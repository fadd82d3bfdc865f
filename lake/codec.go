package lake

import (
	"math"

	parquetzstd "github.com/parquet-go/parquet-go/compress/zstd"

	"wazuh-security-lake/lake/zstdpage"
)

// codec is the library's zstd with pages compressed by zstdpage, which is told what they are made of: levels, numbers of words and
// texts repeat each in their own way, and have statistics of their own. It is not safe for concurrent use.
type codec struct {
	parquetzstd.Codec
	encoder zstdpage.Encoder
	parts   []zstdpage.Part // of the next page, without the last one
	rest    zstdpage.Kind   // of that one
	page    []byte          // not compressed
	packed  []byte          // compressed
	scratch []byte
}

// leastPart is the least that statistics of its own are worth.
const leastPart = 64

// cut says that levels end at byte end of the next page.
func (c *codec) cut(end int) {
	from := 0
	if n := len(c.parts); n > 0 {
		from = c.parts[n-1].End
	}
	if end-from >= leastPart {
		c.parts = append(c.parts, zstdpage.Part{End: end, Kind: zstdpage.Bytes})
	}
}

// Encode compresses src into memory of the codec, which is the caller's until the next call.
func (c *codec) Encode(_, src []byte) ([]byte, error) {
	if n := len(c.parts); n > 0 && len(src)-c.parts[n-1].End < leastPart {
		c.parts[n-1].End = len(src)
	} else {
		c.parts = append(c.parts, zstdpage.Part{End: len(src), Kind: c.rest})
	}
	c.packed = c.encoder.Append(c.packed[:0], src, c.parts...)
	c.parts, c.rest = c.parts[:0], zstdpage.Bytes
	return c.packed, nil
}

// textKind returns how the texts of a column repeat. The first of an object that are enough to tell decide for all of them.
func (c *codec) textKind(l *leaf, texts []byte) zstdpage.Kind {
	const sample = 64 << 10
	if !l.sampled && len(texts) >= sample {
		l.sampled = true
		size := func(k zstdpage.Kind) int {
			c.packed = c.encoder.Append(c.packed[:0], texts[:sample], zstdpage.Part{End: sample, Kind: k})
			return len(c.packed)
		}
		if size(zstdpage.Records) < size(zstdpage.Words) {
			l.texts = zstdpage.Records
		}
	}
	return l.texts
}

// entropy is about how many bits b takes if its bytes are coded by how often they occur, as zstd does where nothing
// repeats.
func entropy(b []byte) float64 {
	var counts [4][256]uint32 // as many as are counted at a time: the next byte is often the same
	for ; len(b) >= 4; b = b[4:] {
		counts[0][b[0]]++
		counts[1][b[1]]++
		counts[2][b[2]]++
		counts[3][b[3]]++
	}
	for _, v := range b {
		counts[0][v]++
	}
	all, sum := 0.0, 0.0
	for v := range counts[0] {
		if n := counts[0][v] + counts[1][v] + counts[2][v] + counts[3][v]; n > 0 {
			all += float64(n)
			sum += float64(float64(n) * math.Log2(float64(n))) // not fused: the same on every processor
		}
	}
	if all == 0 {
		return 0
	}
	return all*math.Log2(all) - sum
}
