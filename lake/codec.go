package lake

import (
	"fmt"

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
// It is not safe for concurrent use.
type codec struct {
	parquetzstd.Codec
	encoder *zstd.Encoder
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
	return c.encoder.EncodeAll(src, dst[:0]), nil
}
