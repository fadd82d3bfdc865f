package lake

import (
	"fmt"
	"math"

	"github.com/klauspost/compress/zstd"
	parquetzstd "github.com/parquet-go/parquet-go/compress/zstd"
)

// codec is the library's zstd with other settings for writing:
//
// Levels and numbers of words, bit-packed, have hardly two bytes twice, but few different ones: where the fast levels
// find no match they would not even try to code such bytes by how often they occur. That is a fifth of the file.
//
// Its window is that of the largest page; the library's, of 4 MiB, takes 8 MiB of memory for each encoder.
//
// A page is cut into blocks where its levels end. A block has one table of how often each byte occurs, and levels, numbers
// of words and texts have nothing in common: that is a twentieth of the file.
//
// It is not safe for concurrent use.
type codec struct {
	parquetzstd.Codec
	encoder *zstd.Encoder
	cuts    []int // where parts of the next page end that go into blocks of their own
	out     appender
	scratch []byte
}

// leastBlock is the least that a block of its own, with its own table, is worth.
const leastBlock = 64

// cut says that a part of the next page ends at byte end.
func (c *codec) cut(end int) {
	from := 0
	if n := len(c.cuts); n > 0 {
		from = c.cuts[n-1]
	}
	if end-from >= leastBlock {
		c.cuts = append(c.cuts, end)
	}
}

// appender is a slice to write to.
type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}

const windowBytes = 1 << 20

func newCodec(level Level) (*codec, error) {
	e, err := zstd.NewWriter(nil,
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderLevel(level.zstd()),
		zstd.WithWindowSize(windowBytes),
		zstd.WithLowerEncoderMem(true),
		zstd.WithAllLitEntropyCompression(true),
		zstd.WithZeroFrames(true),
		zstd.WithEncoderCRC(false), // pages have their own
	)
	if err != nil {
		return nil, fmt.Errorf("set up zstd: %w", err)
	}
	return &codec{encoder: e}, nil
}

// Encode compresses src into the memory of dst.
func (c *codec) Encode(dst, src []byte) ([]byte, error) {
	c.out = dst[:0]
	c.encoder.ResetContentSize(&c.out, int64(len(src)))
	from := 0
	for _, end := range c.cuts {
		if len(src)-end < leastBlock {
			break
		}
		if _, err := c.encoder.Write(src[from:end]); err != nil {
			return dst, err
		}
		if err := c.encoder.Flush(); err != nil {
			return dst, err
		}
		from = end
	}
	c.cuts = c.cuts[:0]
	if _, err := c.encoder.Write(src[from:]); err != nil {
		return dst, err
	}
	err := c.encoder.Close()
	dst, c.out = c.out, nil
	return dst, err
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
