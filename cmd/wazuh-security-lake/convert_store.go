package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"

	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
)

// layoutStore is the relay.Store of a conversion: objects are written below dir/.tmp and linked to their final name at
// commit. There is no position to keep: a conversion that is interrupted is run again, and because the name of an object
// holds the hash of its bytes, it then finds its own objects instead of doubling them.
type layoutStore struct {
	dir     string
	seq     uint64
	objects []spool.Object
	counts  spool.Counts
	reasons map[string]int64
}

func newLayoutStore(dir string) (*layoutStore, error) {
	if err := os.MkdirAll(filepath.Join(dir, ".tmp"), 0o750); err != nil {
		return nil, fail(exitCantCreate, "name a directory that may be written with -o", err)
	}
	return &layoutStore{dir: dir, reasons: make(map[string]int64)}, nil
}

// remove takes the working directory away; a conversion at work next to this one keeps its own files.
func (s *layoutStore) remove() { _ = os.Remove(filepath.Join(s.dir, ".tmp")) }

// Begin implements relay.Store.
func (s *layoutStore) Begin(bool) (relay.Batch, error) {
	tmp, err := os.MkdirTemp(filepath.Join(s.dir, ".tmp"), "batch-")
	if err != nil {
		return nil, err
	}
	s.seq++
	return &layoutBatch{store: s, seq: s.seq, tmp: tmp}, nil
}

type layoutBatch struct {
	store   *layoutStore
	seq     uint64
	tmp     string
	rejects bytes.Buffer
}

func (b *layoutBatch) Seq() uint64 { return b.seq }

func (b *layoutBatch) Create(name string) (relay.File, error) {
	f, err := os.OpenFile(filepath.Join(b.tmp, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, err
	}
	return &layoutFile{f: f, w: bufio.NewWriterSize(f, 256<<10), hash: sha256.New()}, nil
}

// keptReject is the longest line whose bytes are kept with its reject, as in the spool.
const keptReject = 64 << 10

func (b *layoutBatch) Reject(r spool.Reject) error {
	if len(r.Line) > keptReject {
		if r.SHA256 == "" {
			sum := sha256.Sum256(r.Line)
			r.SHA256 = hex.EncodeToString(sum[:])
		}
		r.Line = nil
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	b.store.reasons[r.Reason]++
	b.rejects.Write(line)
	b.rejects.WriteByte('\n')
	return nil
}

func (b *layoutBatch) Commit(m spool.Manifest) error {
	for i := range m.Objects {
		if err := b.store.publish(filepath.Join(b.tmp, m.Objects[i].File), m.Objects[i].Key); err != nil {
			return err
		}
	}
	if b.rejects.Len() > 0 {
		dir := filepath.Join(b.store.dir, "rejects")
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return err
		}
		// Named by its content, as the objects are: the same conversion finds it again, another one has its own beside it.
		sum := sha256.Sum256(b.rejects.Bytes())
		name := filepath.Join(dir, fmt.Sprintf("convert-%x.ndjson", sum[:8]))
		if err := os.WriteFile(name, b.rejects.Bytes(), 0o600); err != nil {
			return err
		}
	}
	b.store.objects = append(b.store.objects, m.Objects...)
	b.store.counts.Read += m.Counts.Read
	b.store.counts.Shipped += m.Counts.Shipped
	b.store.counts.Filtered += m.Counts.Filtered
	b.store.counts.Rejected += m.Counts.Rejected
	return b.Discard()
}

func (b *layoutBatch) Discard() error { return os.RemoveAll(b.tmp) }

// publish links a finished file to its key. The same key means the same bytes: an object already there is this one.
func (s *layoutStore) publish(from, key string) error {
	to := filepath.Join(s.dir, filepath.FromSlash(key)) // the key was validated part by part when it was made
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := os.Link(from, to); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

type layoutFile struct {
	f    *os.File
	w    *bufio.Writer
	hash hash.Hash
	size int64
	sum  [32]byte
}

func (f *layoutFile) Write(p []byte) (int, error) {
	f.hash.Write(p)
	f.size += int64(len(p))
	return f.w.Write(p)
}

// Close flushes and syncs: what convert reports as written stays written.
func (f *layoutFile) Close() error {
	f.hash.Sum(f.sum[:0])
	err := f.w.Flush()
	if err == nil {
		err = f.f.Sync()
	}
	if cerr := f.f.Close(); err == nil {
		err = cerr
	}
	return err
}

func (f *layoutFile) Sum() string { return hex.EncodeToString(f.sum[:]) }
func (f *layoutFile) Size() int64 { return f.size }
