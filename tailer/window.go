package tailer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
)

const (
	baseBuffer   = 256 << 10
	oversizeKeep = 64 << 10 // how much of an oversize line is handed on as Data
	shrinkAfter  = 64       // fills in a row that would have fitted the base size, before a grown buffer is given back
)

// window is the part of a file that is in memory: up to tailLen bytes that were consumed (they prove on the next read
// that the file still is what it was), then what was read and not consumed.
//
//	buf:  | guard (consumed) | scanned, no newline | not scanned | free |
//	      0                  r                     s             w      len(buf)
type window struct {
	buf     []byte
	start   int64 // offset in the file of buf[0]
	r, s, w int
	base    int // size it starts with and shrinks to
	maxLine int
	small   int // fills in a row that would have fitted base

	over *oversize // not nil while a line longer than maxLine is passing through
}

// oversize is a line that is too long to be kept: its beginning, its length so far and the running hash.
type oversize struct {
	from int64
	size int64
	data []byte
	sum  hash.Hash
	tail []byte // the guard before from: the position must not move into a line
}

// chunk is what stands between two newlines, as offsets.
type chunk struct {
	data     []byte
	from, to int64
	size     int64
	sha256   string
	oversize bool
}

func newWindow(base, maxLine int) window {
	return window{buf: make([]byte, base+tailLen), base: base + tailLen, maxLine: maxLine}
}

// offset is the end of the last consumed line.
func (b *window) offset() int64 {
	if b.over != nil {
		return b.over.from
	}
	return b.start + int64(b.r)
}

// guard is the last bytes before offset, at most tailLen.
func (b *window) guard() []byte {
	if b.over != nil {
		return b.over.tail
	}
	return b.buf[max(0, b.r-tailLen):b.r]
}

// reset puts the window behind guard, whose end is at offset.
func (b *window) reset(offset int64, guard []byte) {
	n := copy(b.buf, guard)
	b.start, b.r, b.s, b.w = offset-int64(n), n, n, n
	b.over = nil
}

// rewind forgets what was read and not consumed: half a line may have been cut off and written anew since. A line that
// outgrew the buffer is not read from its beginning again; only cutting the file below it is noticed then.
func (b *window) rewind() {
	if b.over == nil {
		b.s, b.w = b.r, b.r
	}
}

// readAt is the offset of the next byte to read.
func (b *window) readAt() int64 { return b.start + int64(b.w) }

// next takes the next whole line, if there is one in memory.
func (b *window) next() (chunk, bool) {
	i := bytes.IndexByte(b.buf[b.s:b.w], '\n')
	if i < 0 {
		b.s = b.w
		return chunk{}, false
	}
	end := b.s + i
	if b.over != nil || end-b.r > b.maxLine {
		return b.endOversize(end, end+1), true
	}
	c := chunk{data: b.buf[b.r:end], from: b.start + int64(b.r), to: b.start + int64(end) + 1, size: int64(end - b.r)}
	b.r, b.s = end+1, end+1
	return c, true
}

// rest takes what follows the last newline: the file ends there and will not go on.
func (b *window) rest() (chunk, bool) {
	if b.over == nil && b.r == b.w {
		return chunk{}, false
	}
	if b.over != nil || b.w-b.r > b.maxLine {
		return b.endOversize(b.w, b.w), true
	}
	c := chunk{data: b.buf[b.r:b.w], from: b.offset(), to: b.readAt(), size: int64(b.w - b.r)}
	b.r, b.s = b.w, b.w
	return c, true
}

// endOversize finishes the oversize line whose content ends at end and whose newline, if any, ends at next.
func (b *window) endOversize(end, next int) chunk {
	b.pass(end)
	o := b.over
	b.over = nil
	b.r, b.s = next, next
	return chunk{
		data: o.data, from: o.from, to: b.start + int64(next), size: o.size, oversize: true,
		sha256: hex.EncodeToString(o.sum.Sum(nil)),
	}
}

// pass moves buf[r:end] into the running oversize line, beginning one if there is none.
func (b *window) pass(end int) {
	if b.over == nil {
		b.over = &oversize{from: b.start + int64(b.r), sum: sha256.New(), tail: bytes.Clone(b.guard())}
	}
	p := b.buf[b.r:end]
	o := b.over
	o.data = append(o.data, p[:min(len(p), oversizeKeep-len(o.data))]...)
	o.size += int64(len(p))
	o.sum.Write(p)
	b.r, b.s = end, max(b.s, end)
}

// room returns free space to read into. Call it only when next has found nothing. It costs a copy of the guard and of
// the half line, and grows the buffer only for a line that does not fit.
func (b *window) room() []byte {
	if b.over != nil || b.w-b.r > b.maxLine {
		b.pass(b.w)
	}
	keep := min(b.r, tailLen)
	used := keep + b.w - b.r
	into := b.buf
	switch {
	case used == len(b.buf):
		into = make([]byte, min(2*len(b.buf), max(b.base, tailLen+b.maxLine+1)))
		if len(into) <= used {
			into = make([]byte, used+1)
		}
		b.small = 0
	case len(b.buf) > b.base && used <= b.base/2:
		if b.small++; b.small >= shrinkAfter {
			into = make([]byte, b.base)
			b.small = 0
		}
	case len(b.buf) > b.base:
		b.small = 0
	}
	copy(into, b.buf[b.r-keep:b.w])
	b.start += int64(b.r - keep)
	b.s -= b.r - keep
	b.r, b.w = keep, used
	b.buf = into
	return b.buf[b.w:]
}

// filled says that n bytes were read into the last room.
func (b *window) filled(n int) { b.w += n }
