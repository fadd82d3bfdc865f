package lake

import (
	"errors"
	"io"

	"github.com/parquet-go/parquet-go"
)

// chunkBytes is the unit of the memory below: small beside a row group, large beside what a column of nothing takes.
const chunkBytes = 8 << 10

// chunkPool has memory that is used again for each row group: of the pages of all columns until their row group is
// complete, and of the row group itself until it is in the object. Slices that grow by doubling, as the library and
// package bytes have them, would take twice of it, and each column would keep its largest. It is not safe for concurrent
// use.
type chunkPool struct {
	idle    [][]byte
	buffers []*chunkBuffer
}

// keptChunks is the most that stays idle.
const keptChunks = keptCapacity / chunkBytes

func (p *chunkPool) GetBuffer() io.ReadWriteSeeker {
	if n := len(p.buffers); n > 0 {
		b := p.buffers[n-1]
		p.buffers = p.buffers[:n-1]
		return b
	}
	return &chunkBuffer{pool: p}
}

func (p *chunkPool) PutBuffer(rws io.ReadWriteSeeker) {
	b := rws.(*chunkBuffer) // the library gives back what it took
	b.reset()
	p.buffers = append(p.buffers, b)
}

// chunkBuffer is written at its end and read from its beginning, or anywhere; what WriteTo has read is gone.
type chunkBuffer struct {
	pool   *chunkPool
	chunks [][]byte // all full but the last
	size   int64
	at     int64 // of the next byte to read
}

func (b *chunkBuffer) reset() {
	for _, c := range b.chunks {
		b.pool.put(c)
	}
	clear(b.chunks)
	b.chunks, b.size, b.at = b.chunks[:0], 0, 0
}

func (b *chunkBuffer) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		last := len(b.chunks) - 1
		if last < 0 || len(b.chunks[last]) == chunkBytes {
			b.chunks = append(b.chunks, b.pool.chunk())
			last++
		}
		n := min(len(p), chunkBytes-len(b.chunks[last]))
		b.chunks[last] = append(b.chunks[last], p[:n]...)
		p = p[n:]
	}
	b.size += int64(written)
	return written, nil
}

// put takes a chunk back; nil is none.
func (p *chunkPool) put(c []byte) {
	if c != nil && len(p.idle) < keptChunks {
		p.idle = append(p.idle, c)
	}
}

func (p *chunkPool) chunk() []byte {
	n := len(p.idle)
	if n == 0 {
		return make([]byte, 0, chunkBytes)
	}
	c := p.idle[n-1]
	p.idle = p.idle[:n-1]
	return c[:0]
}

func (b *chunkBuffer) Read(p []byte) (int, error) {
	n, err := b.ReadAt(p, b.at)
	b.at += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// ReadAt implements io.ReaderAt.
func (b *chunkBuffer) ReadAt(p []byte, off int64) (int, error) {
	read := 0
	for read < len(p) && off < b.size {
		n := copy(p[read:], b.chunks[off/chunkBytes][off%chunkBytes:])
		read += n
		off += int64(n)
	}
	if read < len(p) {
		return read, io.EOF
	}
	return read, nil
}

// WriteTo writes what was not read yet, and gives each chunk back as soon as it is written: the pages of a column are
// copied once, into the row group, which needs that memory at the same time.
func (b *chunkBuffer) WriteTo(w io.Writer) (int64, error) {
	written := int64(0)
	for b.at < b.size {
		i := b.at / chunkBytes
		n, err := w.Write(b.chunks[i][b.at%chunkBytes:])
		b.at += int64(n)
		written += int64(n)
		if err != nil {
			return written, err
		}
		b.pool.put(b.chunks[i])
		b.chunks[i] = nil
	}
	return written, nil
}

var errSeek = errors.New("a page buffer can only be rewound")

func (b *chunkBuffer) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekStart {
		return 0, errSeek
	}
	b.at = 0
	return 0, nil
}

var _ parquet.BufferPool = (*chunkPool)(nil)
