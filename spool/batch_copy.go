package spool

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"sync/atomic"
)

// copyBatch is the second copy of a batch being built.
type copyBatch struct {
	files   map[string]*File
	objects []Object // once sealed
	written atomic.Int64
}

func (c *copyBatch) drop() {
	for _, f := range c.files {
		f.drop()
	}
}

// CreateCopy adds a file to the second copy of the batch. The files of the copy count against Options.CopyMaxSize, not
// against MaxSize. An error concerns the copy alone: DropCopy, and the batch goes on.
func (b *Batch) CreateCopy(name string) (*File, error) {
	if b.done || !validName(name) {
		return nil, fmt.Errorf("second copy of batch %d: file name %q: %w", b.seq, name, fs.ErrInvalid)
	}
	s := b.s
	if b.copy == nil {
		s.mu.Lock()
		limit, free := s.opt.CopyMaxSize, s.opt.MinFree
		s.mu.Unlock()
		if err := s.copies.room(limit, free); err != nil {
			return nil, err
		}
		b.copy = &copyBatch{files: map[string]*File{}}
		if err := s.fs.Mkdir(s.copyOf(b.seq), modeDir); err != nil {
			return nil, fmt.Errorf("second copy of batch %d: %w", b.seq, full(err))
		}
	}
	if b.copy.files[name] != nil {
		return nil, fmt.Errorf("second copy of batch %d: file name %q: %w", b.seq, name, fs.ErrExist)
	}
	f, err := b.create(filepath.Join(s.copyOf(b.seq), name), name, &b.copy.written)
	if err != nil {
		return nil, err
	}
	b.copy.files[name] = f
	return f, nil
}

// SealCopy makes the second copy durable; it becomes true with Commit. objects must name exactly its closed files, with
// their sizes and hashes. An error concerns the copy alone: DropCopy, and the batch goes on.
func (b *Batch) SealCopy(objects []Object) error {
	if b.copy == nil || len(objects) != len(b.copy.files) {
		return fmt.Errorf("second copy of batch %d: %d objects named: %w", b.seq, len(objects), fs.ErrInvalid)
	}
	for _, o := range objects {
		f := b.copy.files[o.File]
		if f == nil || !f.closed || f.err != nil || f.size != o.Bytes || f.Sum() != o.SHA256 {
			return fmt.Errorf("second copy of batch %d: object %q is not the file that was written: %w", b.seq, o.File, fs.ErrInvalid)
		}
	}
	s := b.s
	data, err := seal(copyManifest{Version: ManifestVersion, Seq: b.seq, Objects: objects})
	if err != nil {
		return err
	}
	dir := s.copyOf(b.seq)
	if err := s.writeNew(filepath.Join(dir, manifestName), append(data, '\n'), modeRecord); err != nil {
		return full(err)
	}
	// The names in it, and its own name: after the commit nothing may be missing.
	for _, d := range []string{dir, s.top(string(Building))} {
		if err := s.fs.SyncDir(d); err != nil {
			return err
		}
	}
	b.copy.objects = objects
	return nil
}

// DropCopy gives up the second copy of the batch. A directory that resists removal is removed by the next Open, unless the
// batch is committed: that copy would come too late, not twice.
func (b *Batch) DropCopy() error {
	if b.copy == nil {
		return nil
	}
	b.copy.drop()
	b.copy = nil
	dir := b.s.copyOf(b.seq)
	// The manifest first: without it Open takes the rest for leftovers.
	if err := b.s.remove(filepath.Join(dir, manifestName)); err != nil {
		return fmt.Errorf("drop second copy of batch %d: %w", b.seq, err)
	}
	if err := b.s.removeTree(dir); err != nil {
		return fmt.Errorf("drop second copy of batch %d: %w", b.seq, err)
	}
	return nil
}
