package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

const (
	lockName     = "lock"
	instanceName = "instance"
	sourcesName  = "sources.json"
	manifestName = "manifest.json"
	acksName     = "acks"
	rejectsName  = "rejects.ndjson"
	newSuffix    = ".new" // a file on its way to replace another one; meaningless after a crash

	modeDir    fs.FileMode = 0o750
	modeRecord fs.FileMode = 0o640 // names, counts and hashes: the operator's group may read them
	modeData   fs.FileMode = 0o600 // alert content
)

// Place is where a batch stands: the name of its parent directory.
type Place string

// The places of a batch. Rejects and ledger are no places: what is there is no batch any more.
const (
	Building   Place = "building"
	Outbox     Place = "outbox"
	Shipped    Place = "shipped"
	Quarantine Place = "quarantine"
)

var topDirs = []string{string(Building), string(Outbox), string(Shipped), string(Quarantine), ledgerDir, rejectsDir, copiesDir}

const (
	ledgerDir  = "ledger"
	rejectsDir = "rejects"
)

// layout turns batch numbers into paths.
type layout struct {
	fs  FS
	dir string
}

func seqName(seq uint64) string { return fmt.Sprintf("%012d", seq) }

// parseSeq accepts exactly the names seqName makes: anything else in a batch directory is not ours.
func parseSeq(name string) (uint64, bool) {
	n, err := strconv.ParseUint(name, 10, 64)
	return n, err == nil && n > 0 && seqName(n) == name
}

func (l layout) top(name string) string { return filepath.Join(l.dir, name) }

func (l layout) batch(p Place, seq uint64) string {
	return filepath.Join(l.dir, string(p), seqName(seq))
}

func (l layout) file(p Place, seq uint64, name string) string {
	return filepath.Join(l.dir, string(p), seqName(seq), name)
}

// seqs lists the batch numbers of a place in rising order. A place that is not there has none.
func (l layout) seqs(p Place) ([]uint64, error) {
	entries, err := l.fs.ReadDir(l.top(string(p)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []uint64
	for _, e := range entries {
		if n, ok := parseSeq(e.Name()); ok && e.IsDir() {
			out = append(out, n)
		}
	}
	return out, nil // ReadDir sorts, and zero-padded names sort like their numbers
}

// readFile reads a whole file; with sync it makes the file durable before its content is believed.
func (l layout) readFile(name string, sync bool) ([]byte, error) {
	f, err := l.fs.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	if sync {
		if err := f.Sync(); err != nil {
			return nil, unsynced(err)
		}
	}
	return io.ReadAll(f)
}

// writeAtomic replaces a small file: after it returns the new content is durable under its name; after an
// error or a crash the old content is there.
func (l layout) writeAtomic(name string, data []byte, perm fs.FileMode) error {
	next := name + newSuffix
	if err := l.fs.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := l.writeNew(next, data, perm); err != nil {
		_ = l.fs.Remove(next) // already failed; removed again before the next attempt
		return err
	}
	if err := l.fs.Rename(next, name); err != nil {
		_ = l.fs.Remove(next) // as above
		return err
	}
	return l.fs.SyncDir(filepath.Dir(name))
}

// writeNew creates a file with durable content; its name is durable only after SyncDir of the parent.
func (l layout) writeNew(name string, data []byte, perm fs.FileMode) error {
	f, err := l.fs.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// removeTree removes a batch directory: its files first, then the directory. It does not descend, because
// a batch has no folders. What is gone already is no error.
func (l layout) removeTree(dir string) error {
	entries, err := l.fs.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := l.remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return l.remove(dir)
}

func (l layout) remove(name string) error {
	if err := l.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// mkdirAll creates dir and its missing parents. Their names are durable only after syncParents.
func (l layout) mkdirAll(dir string) error {
	if _, err := l.fs.Stat(dir); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := l.mkdirAll(parent); err != nil {
			return err
		}
	}
	if err := l.fs.Mkdir(dir, modeDir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// syncParents makes the path to the spool durable. A directory this user may not open, or on a read-only
// file system, was not made by this program and is passed over.
func (l layout) syncParents() error {
	dir := l.dir
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	for dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		err := l.fs.SyncDir(dir)
		if err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) && !errors.Is(err, syscall.EINVAL) {
			return err
		}
	}
	return nil
}

// dirSize adds up the files of one directory.
func (l layout) dirSize(dir string) (int64, error) {
	entries, err := l.fs.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				continue // a lock-free reader saw it go
			}
			return 0, err
		}
		if info.Mode().IsRegular() {
			sum += info.Size()
		}
	}
	return sum, nil
}
