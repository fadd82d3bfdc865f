package faultfs

import (
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"wazuh-security-lake/spool"
)

// OpenFile implements spool.FS.
func (f *FS) OpenFile(name string, flag int, perm fs.FileMode) (spool.Handle, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return nil, ErrKilled // before the disk is looked at: it belongs to the next process
	}
	kind := Open
	s, err := f.slotOf(name)
	var n *node
	if err == nil {
		n = s.dir.entries[s.name]
		if n == nil && flag&os.O_CREATE != 0 {
			kind = Create
		}
	}
	if _, err := f.begin(kind, name); err != nil {
		return nil, err
	}
	switch {
	case err != nil:
		return nil, &fs.PathError{Op: string(kind), Path: name, Err: err}
	case n == nil && kind == Open:
		return nil, pathErr(kind, name, syscall.ENOENT)
	case n != nil && flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return nil, pathErr(Create, name, syscall.EEXIST)
	case n != nil && n.isDir():
		return nil, pathErr(kind, name, syscall.EISDIR)
	}
	if n == nil {
		n = &node{mode: perm.Perm(), mtime: f.now}
		f.apply(map[slot]*node{s: n})
	}
	if flag&os.O_TRUNC != 0 {
		n.data = nil
	}
	return &handle{f: f, n: n, name: name, flag: flag}, nil
}

type handle struct {
	f      *FS
	n      *node
	name   string
	flag   int
	off    int64
	closed bool
}

func (h *handle) writable() bool { return h.flag&(os.O_WRONLY|os.O_RDWR) != 0 }

func (h *handle) begin(kind Op) (bool, error) {
	if h.closed {
		return false, &fs.PathError{Op: string(kind), Path: h.name, Err: fs.ErrClosed}
	}
	return h.f.begin(kind, h.name)
}

func (h *handle) Read(p []byte) (int, error) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	if _, err := h.begin(Read); err != nil {
		return 0, err
	}
	if h.off >= int64(len(h.n.data)) {
		return 0, io.EOF
	}
	n := copy(p, h.n.data[h.off:])
	h.off += int64(n)
	return n, nil
}

func (h *handle) Write(p []byte) (int, error) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	half, err := h.begin(Write)
	if !h.writable() {
		return 0, pathErr(Write, h.name, syscall.EBADF)
	}
	if err != nil && !half {
		return 0, err
	}
	if half {
		return h.put(p[:len(p)/2]), err
	}
	room := len(p)
	if c := h.f.capacity; c >= 0 {
		free := max(0, c-h.f.d.root.blocks())
		slack := blocksOf(len(h.n.data)) - int64(len(h.n.data))
		room = int(min(int64(room), free/block*block+slack))
	}
	n := h.put(p[:room])
	if room < len(p) {
		return n, pathErr(Write, h.name, syscall.ENOSPC)
	}
	return n, nil
}

func (h *handle) put(p []byte) int {
	if h.flag&os.O_APPEND != 0 {
		h.off = int64(len(h.n.data))
	}
	end := h.off + int64(len(p))
	if grow := end - int64(len(h.n.data)); grow > 0 {
		h.n.data = append(h.n.data, make([]byte, grow)...)
	}
	copy(h.n.data[h.off:], p)
	h.off, h.n.mtime = end, h.f.now
	return len(p)
}

func (h *handle) Seek(offset int64, whence int) (int64, error) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += h.off
	case io.SeekEnd:
		offset += int64(len(h.n.data))
	}
	if offset < 0 {
		return 0, &fs.PathError{Op: "seek", Path: h.name, Err: syscall.EINVAL}
	}
	h.off = offset
	return offset, nil
}

func (h *handle) Sync() error {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	if _, err := h.begin(Sync); err != nil {
		return err
	}
	if h.f.deaf == nil || !h.f.deaf(Sync, h.name) {
		h.n.synced = slices.Clone(h.n.data)
	}
	return nil
}

func (h *handle) Truncate(size int64) error {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	if _, err := h.begin(Truncate); err != nil {
		return err
	}
	if !h.writable() {
		return pathErr(Truncate, h.name, syscall.EINVAL)
	}
	if size <= int64(len(h.n.data)) {
		h.n.data = slices.Clone(h.n.data[:size])
		return nil
	}
	h.n.data = append(h.n.data, make([]byte, size-int64(len(h.n.data)))...)
	return nil
}

func (h *handle) Close() error {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	if h.closed {
		return &fs.PathError{Op: "close", Path: h.name, Err: fs.ErrClosed}
	}
	h.closed = true
	return nil
}
