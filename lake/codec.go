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
	// thorough finds more of what repeats, in twice the time. It gets pages of levels and numbers of words, which are
	// small, and dictionaries; of texts those it does so much better that it pays.
	thorough *zstd.Encoder
	quick    bool  // the next page does not go to thorough
	cuts     []int // where parts of the next page end that go into blocks of their own
	out      appender
	page     []byte // not compressed
	packed   []byte // compressed
	scratch  []byte
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
	e, err := newZstd(level)
	if err != nil {
		return nil, err
	}
	t, err := newZstd(max(level, LevelBetter))
	if err != nil {
		return nil, err
	}
	return &codec{encoder: e, thorough: t}, nil
}

func newZstd(level Level) (*zstd.Encoder, error) {
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
	return e, nil
}

// effort is how much time the texts of a column are worth.
type effort uint8

const (
	effortUnknown effort = iota
	effortQuick
	effortThorough
)

// effort returns what the texts of a column are worth. The first of an object that are enough to tell decide for all of them.
func (c *codec) effort(l *leaf, texts []byte) effort {
	if l.effort == effortUnknown && len(texts) >= sampleBytes {
		l.effort = effortQuick
		if c.pays(texts[:sampleBytes]) {
			l.effort = effortThorough
		}
	}
	return l.effort
}

// pays reports whether the thorough encoder is worth its time for texts like these.
func (c *codec) pays(sample []byte) bool {
	quick, err := c.compress(c.encoder, c.scratch[:0], sample, nil)
	if err != nil || len(quick) > len(sample)/repetitive {
		return false
	}
	most := len(quick) * thoroughGain / 100
	c.scratch, err = c.compress(c.thorough, quick[:0], sample, nil)
	return err == nil && len(c.scratch) < most
}

const (
	sampleBytes = 256 << 10
	// thoroughGain is the percentage of the quick encoder's size that the thorough one has to stay below.
	thoroughGain = 99
	// repetitive is how many times smaller the quick encoder must make texts. In what hardly repeats - ids, hashes - the thorough one
	// takes three times as long to find little more.
	repetitive = 3
)

// Encode compresses src into memory of the codec, which is the caller's until the next call.
func (c *codec) Encode(_, src []byte) ([]byte, error) {
	e := c.thorough
	if c.quick {
		e = c.encoder
	}
	var err error
	c.packed, err = c.compress(e, c.packed[:0], src, c.cuts)
	c.cuts, c.quick = c.cuts[:0], false
	return c.packed, err
}

func (c *codec) compress(e *zstd.Encoder, dst, src []byte, cuts []int) ([]byte, error) {
	c.out = dst
	e.ResetContentSize(&c.out, int64(len(src)))
	from := 0
	for _, end := range cuts {
		if len(src)-end < leastBlock {
			break
		}
		if _, err := e.Write(src[from:end]); err != nil {
			return dst, err
		}
		if err := e.Flush(); err != nil {
			return dst, err
		}
		from = end
	}
	if _, err := e.Write(src[from:]); err != nil {
		return dst, err
	}
	err := e.Close()
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
