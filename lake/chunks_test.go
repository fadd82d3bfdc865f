package lake

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"
)

// TestChunks: what is written comes back, read on, read anywhere or written out, and the memory is used again.
func TestChunks(t *testing.T) {
	pool := new(chunkPool)
	for _, size := range []int{0, 1, chunkBytes - 1, chunkBytes, chunkBytes + 1, 5*chunkBytes + 77} {
		want := []byte(random(seeded(uint64(size)), size))
		b := pool.GetBuffer().(*chunkBuffer)
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 1+len(rest)/3)
			if _, err := b.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := iotest.TestReader(readerAndAt{b, b}, want); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		if _, err := b.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if n, err := b.WriteTo(&out); err != nil || n != int64(size) || !bytes.Equal(out.Bytes(), want) {
			t.Errorf("%d bytes: WriteTo wrote %d: %v", size, n, err)
		}
		if _, err := b.Seek(1, io.SeekStart); err == nil {
			t.Error("Seek to the middle succeeded")
		}
		pool.PutBuffer(b)
	}
	if got, want := len(pool.idle), 6; got != want {
		t.Errorf("%d chunks are idle, want the %d of the largest buffer", got, want)
	}
	if got := len(pool.buffers); got != 1 {
		t.Errorf("%d buffers are idle, want 1", got)
	}
}

// readerAndAt hides Seek, which iotest would want whole.
type readerAndAt struct {
	io.Reader
	io.ReaderAt
}
