package spool

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"time"
)

const (
	writeBuffer   = 64 << 10
	maxRejectLine = 64 << 10
)

// Batch is a batch being built. One goroutine at a time may use it and its files.
type Batch struct {
	s       *Spool
	seq     uint64
	files   map[string]*File
	rejects *File
	kept    int64 // original bytes kept in rejects
	count   int64
	written atomic.Int64
	copy    *copyBatch // the second copy, if one is made
	done    bool
}

// Begin starts the next batch. It does not block. ErrFull is backpressure; ErrFormat means that intake is
// stopped; ErrBatchOpen that the batch before is neither committed nor discarded. Every call first retries
// what earlier releases could not finish.
func (s *Spool) Begin() (*Batch, error) { return s.begin(false) }

// BeginReserve is Begin for volatile lines: it may use Options.Reserve.
func (s *Spool) BeginReserve() (*Batch, error) { return s.begin(true) }

func (s *Spool) begin(reserve bool) (*Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.settle(); err != nil {
		return nil, err
	}
	if s.formatErr != nil {
		return nil, s.formatErr
	}
	if s.open != nil {
		return nil, ErrBatchOpen
	}
	if err := s.room(reserve); err != nil {
		return nil, err
	}
	return s.newBatch()
}

// newBatch gives out the next number. A number that was discarded is not used again by this process: its
// directory may have resisted removal.
func (s *Spool) newBatch() (*Batch, error) {
	b := &Batch{s: s, seq: s.seq + 1, files: map[string]*File{}}
	if err := s.fs.Mkdir(s.batch(Building, b.seq), modeDir); err != nil {
		if errors.Is(err, fs.ErrExist) {
			s.seq++ // leftovers that could not be removed: the next call takes the next number
		}
		return nil, fmt.Errorf("begin batch %d: %w", b.seq, full(err))
	}
	s.seq, s.open = b.seq, b
	return b, nil
}

// room holds the limits against what is used now.
func (s *Spool) room(reserve bool) error {
	size, free := s.opt.MaxSize-s.opt.Reserve, s.opt.MinFree
	if reserve {
		// Volatile lines are the only copy: the floor kept for other programs gives way to them too.
		size, free = s.opt.MaxSize, max(0, s.opt.MinFree-s.opt.Reserve)
	}
	if s.opt.MaxSize > 0 && s.used >= size {
		return &FullError{Why: "spool.max_size", Need: s.used, Have: size}
	}
	if free == 0 {
		return nil
	}
	have, err := s.fs.Free(s.dir)
	if err != nil {
		return err
	}
	if have < free {
		return &FullError{Why: "spool.min_free", Need: free, Have: have}
	}
	return nil
}

// Seq is the number of the batch, part of its object names.
func (b *Batch) Seq() uint64 { return b.seq }

// Size is the number of bytes written into the batch so far.
func (b *Batch) Size() int64 { return b.written.Load() }

// Create adds a file. The name must be one path element and not one of the spool's own.
func (b *Batch) Create(name string) (*File, error) {
	if b.done {
		return nil, fmt.Errorf("batch %d: %w", b.seq, fs.ErrClosed)
	}
	if !validName(name) || b.files[name] != nil {
		return nil, fmt.Errorf("batch %d: file name %q: %w", b.seq, name, fs.ErrInvalid)
	}
	f, err := b.create(b.s.file(Building, b.seq, name), name, &b.written)
	if err != nil {
		return nil, err
	}
	b.files[name] = f
	return f, nil
}

// create makes a file whose bytes are counted in written.
func (b *Batch) create(path, name string, written *atomic.Int64) (*File, error) {
	h, err := b.s.fs.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, modeData)
	if err != nil {
		return nil, fmt.Errorf("batch %d: %w", b.seq, full(err))
	}
	f := &File{b: b, name: name, h: h, sum: sha256.New(), written: written}
	f.w = bufio.NewWriterSize(h, writeBuffer)
	return f, nil
}

// Reject records one line that could not become an event. The line is copied before Reject returns; its
// bytes are kept up to 64 KiB and within the quota, otherwise its range and hash. When Line is only the
// beginning, Size and SHA256 must be those of the whole line; they are kept then and the beginning is not.
// Durable with Commit.
func (b *Batch) Reject(r Reject) error {
	if b.done {
		return fmt.Errorf("batch %d: %w", b.seq, fs.ErrClosed)
	}
	if n := int64(len(r.Line)); r.Size > n {
		r.Line = nil
	} else if n > 0 {
		r.Size = n
		if n > maxRejectLine || b.s.keptRejects()+b.kept+n > b.s.opt.RejectQuota {
			sum := sha256.Sum256(r.Line)
			r.SHA256, r.Line = hex.EncodeToString(sum[:]), nil
		} else {
			b.kept += n
		}
	}
	return b.writeReject(r)
}

func (s *Spool) keptRejects() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rejectBytes
}

// Commit makes the batch true. It fills version, number, chain, totals and crc of m, and size and hash of
// its objects where they are empty; m must name exactly the closed files of the batch. It blocks for a few
// fsyncs. On return without error the batch is durable and visible, and a batch without objects is
// released. A *FatalError came after the rename: exit and Open again. Any other error came before it: the
// batch is discarded, go on from the position of LastManifest; ErrFull if the disk was full.
func (b *Batch) Commit(m Manifest) error {
	s := b.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	if b.done {
		return fmt.Errorf("commit batch %d: %w", b.seq, fs.ErrClosed)
	}
	s.crash("commit:start")
	if err := b.prepare(&m); err != nil {
		return b.abort(err)
	}
	if err := b.rename(); err != nil {
		return err
	}
	b.done, s.open = true, nil
	s.last = &m
	s.add(&record{m: m, place: Outbox, acked: make([]bool, len(m.Objects)), bytes: b.written.Load(), rejects: b.rejects != nil})
	if b.rejects != nil {
		s.rejectBytes += b.rejects.size
	}
	if s.unused || s.copy {
		s.markUsed()
	}
	if b.copy != nil && b.copy.objects != nil {
		s.copies.place(b.seq, b.copy.objects)
	}
	s.crash("commit:durable")
	err := s.settle() // an empty batch leaves at once, and the one before it may go now
	s.wake()
	return err
}

// abort discards the batch because of err.
func (b *Batch) abort(err error) error {
	err = fmt.Errorf("commit batch %d: %w", b.seq, full(err))
	return errors.Join(err, b.discard())
}

// prepare does everything before the rename: all files durable, then the manifest, then their names.
func (b *Batch) prepare(m *Manifest) error {
	s := b.s
	m.Version, m.Seq, m.Instance, m.CRC = ManifestVersion, b.seq, s.instance, ""
	m.Prev, m.Totals, m.Replayed = 0, m.Counts, Replayed{}.plus(m.Replay)
	if s.last != nil {
		m.Prev, m.Totals, m.Replayed = s.last.Seq, s.last.Totals.plus(m.Counts), s.last.Replayed.plus(m.Replay)
	}
	if m.Created == "" {
		m.Created = s.opt.Now().UTC().Format(time.RFC3339Nano)
	}
	if err := m.check(); err != nil {
		return err
	}
	rejected := m.Counts.Rejected
	if m.Replay != nil {
		rejected += m.Replay.Kept
	}
	if rejected != b.count {
		return fmt.Errorf("%d lines counted as rejected, %d recorded", rejected, b.count)
	}
	if err := s.checkReplay(m.Replay); err != nil {
		return err
	}
	if len(m.Objects) != len(b.files) {
		return fmt.Errorf("%d objects in the manifest, %d files in the batch", len(m.Objects), len(b.files))
	}
	m.Objects = append([]Object{}, m.Objects...) // the caller's array is not ours to fill
	for i := range m.Objects {
		if err := b.match(&m.Objects[i]); err != nil {
			return err
		}
	}
	if b.rejects != nil {
		if err := b.rejects.Close(); err != nil {
			return err
		}
	}
	data, err := seal(m)
	if err != nil {
		return err
	}
	data = append(data, '\n')
	if err := s.writeNew(s.file(Building, b.seq, manifestName), data, modeRecord); err != nil {
		return err
	}
	b.written.Add(int64(len(data)))
	s.crash("commit:manifest-synced")
	if err := s.fs.SyncDir(s.batch(Building, b.seq)); err != nil {
		return err
	}
	s.crash("commit:before-rename")
	return nil
}

// match holds one object of the manifest against the file written for it.
func (b *Batch) match(o *Object) error {
	f := b.files[o.File]
	switch {
	case f == nil:
		return fmt.Errorf("object %q: no such file in the batch", o.File)
	case f.err != nil:
		return f.err
	case !f.closed:
		return fmt.Errorf("object %q: file is still open", o.File)
	}
	if o.Bytes == 0 {
		o.Bytes = f.size
	}
	if o.SHA256 == "" {
		o.SHA256 = f.Sum()
	}
	if o.Bytes != f.size || o.SHA256 != f.Sum() {
		return fmt.Errorf("object %q: manifest says %d bytes %s, the file has %d bytes %s", o.File, o.Bytes, o.SHA256, f.size, f.Sum())
	}
	return nil
}

// rename is the commit itself.
func (b *Batch) rename() error {
	s := b.s
	from, to := s.batch(Building, b.seq), s.batch(Outbox, b.seq)
	if err := s.fs.RenameNew(from, to); err != nil {
		// A failed rename normally did nothing. Only if that can be seen may the batch be discarded: the
		// alternative would remove, and read again, what Open is going to find and upload.
		_, here := s.fs.Stat(from)
		_, there := s.fs.Stat(to)
		if here == nil && errors.Is(there, fs.ErrNotExist) {
			return b.abort(err)
		}
		return s.fatal(fmt.Sprintf("commit batch %d", b.seq), err)
	}
	s.crash("commit:after-rename")
	// outbox/ first: on a file system whose renames are not atomic across a power loss, two names are
	// better than none.
	for _, p := range []Place{Outbox, Building} {
		if err := s.fs.SyncDir(s.top(string(p))); err != nil {
			return s.fatal(fmt.Sprintf("commit batch %d", b.seq), err)
		}
	}
	return nil
}

// Discard gives the batch up; its lines will be read again. A directory that resists removal is only
// logged: the next Open removes it.
func (b *Batch) Discard() error {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	return b.discard()
}

func (b *Batch) discard() error {
	if b.done {
		return nil
	}
	b.done, b.s.open = true, nil
	for _, f := range b.files {
		f.drop()
	}
	if b.rejects != nil {
		b.rejects.drop()
	}
	if b.s.failed != nil {
		// Perhaps the rename was made and only its fsync failed: what is on disk is for Open to decide.
		if b.copy != nil {
			b.copy.drop()
		}
		return nil
	}
	err := b.DropCopy()
	if err == nil {
		err = b.s.removeTree(b.s.batch(Building, b.seq))
	}
	if err != nil {
		b.s.log.Warn("discarded batch stays in building/ until the next start", "batch", b.seq, "err", err)
	}
	return nil
}

// File is one file of an open batch.
type File struct {
	b       *Batch
	name    string
	h       Handle
	w       *bufio.Writer
	sum     hash.Hash
	size    int64
	written *atomic.Int64 // where its bytes are counted
	err     error         // first failure; the batch, or its second copy, cannot be committed any more
	closed  bool
}

var _ io.WriteCloser = (*File)(nil)

// Write counts, hashes and buffers p. After an error every later call returns it.
func (f *File) Write(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	if f.closed {
		return 0, fmt.Errorf("batch %d: write %s: %w", f.b.seq, f.name, fs.ErrClosed)
	}
	n, err := f.w.Write(p)
	f.sum.Write(p[:n])
	f.size += int64(n)
	f.written.Add(int64(n))
	if err != nil {
		f.err = fmt.Errorf("batch %d: write %s: %w", f.b.seq, f.name, full(err))
	}
	return n, f.err
}

// Close flushes and fsyncs. On return without error the content is durable, its name is so after Commit.
func (f *File) Close() error {
	if f.closed {
		return f.err
	}
	f.closed = true
	err := f.err
	if err == nil {
		if err = f.w.Flush(); err == nil {
			err = f.h.Sync()
		}
	}
	err = errors.Join(err, f.h.Close())
	if err != nil && f.err == nil {
		f.err = fmt.Errorf("batch %d: close %s: %w", f.b.seq, f.name, full(err))
	}
	return f.err
}

func (f *File) drop() {
	if !f.closed {
		f.closed = true
		_ = f.h.Close() // the file is about to be removed
	}
}

// Sum is the SHA-256 of what was written, in hex.
func (f *File) Sum() string { return hex.EncodeToString(f.sum.Sum(nil)) }

// Size is the number of bytes written.
func (f *File) Size() int64 { return f.size }

// parseAcks reads an acks file: names of acknowledged objects, one a line. It was never fsynced, so anything
// but an exact name of the manifest is ignored.
func parseAcks(data []byte, objects []Object) []bool {
	acked := make([]bool, len(objects))
	for len(data) > 0 {
		line, rest, ended := bytes.Cut(data, []byte{'\n'})
		data = rest
		for i, o := range objects {
			if ended && string(line) == o.File {
				acked[i] = true
			}
		}
	}
	return acked
}
