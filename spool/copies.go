package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// The second copy of a batch (copy.ocsf_json) is built beside it and has a queue of its own, so that its destination
// never holds back the lake:
//
//	building/N.copy/   manifest.json 0.json.gz      sealed before batch N is committed
//	copies/N/          manifest.json 0.json.gz acks  from then on, until every object is acknowledged
//
// building/N.copy becomes true with batch N: Open moves it to copies/N when N was committed and removes it when not. The
// names below building/ are durable before the commit; the move itself needs no fsync, because undone by a power loss
// it is done again. What comes back of a removed copies/N is whole, and sent once more under the same keys.

const (
	copiesDir  = "copies"
	copySuffix = ".copy" // of a copy that waits for the commit of its batch
	badSuffix  = ".bad"  // of a copy set aside: its bytes do not match its manifest
)

// CopyCounts say what became of the second copy of a batch, in events.
type CopyCounts struct {
	Rows    int64  `json:"rows"`
	Skipped int64  `json:"skipped,omitempty"` // not copied, for the reason
	Reason  string `json:"reason,omitempty"`
}

// copyManifest describes one copy. CRC must stay the last field.
type copyManifest struct {
	Version int      `json:"version"`
	Seq     uint64   `json:"seq"` // of the batch
	Objects []Object `json:"objects"`
	CRC     string   `json:"crc"`
}

// Copies is the queue of second copies: of committed batches only, oldest first, with a limit of its own. Its methods may be
// called from several goroutines. It belongs to its Spool and ends with it.
type Copies struct {
	layout
	log *slog.Logger

	mu       sync.Mutex
	closed   bool
	records  map[uint64]*copyRecord
	used     int64
	unplaced map[uint64]*copyRecord // committed, but still beside the batch because the move failed
	changed  chan struct{}
}

type copyRecord struct {
	objects []Object
	acked   []bool
	bytes   int64
}

// Copies returns the queue of second copies.
func (s *Spool) Copies() *Copies { return s.copies }

func newCopies(l layout, log *slog.Logger) *Copies {
	return &Copies{layout: l, log: log, records: map[uint64]*copyRecord{}, unplaced: map[uint64]*copyRecord{}, changed: make(chan struct{})}
}

func (l layout) copyOf(seq uint64) string { return l.batch(Building, seq) + copySuffix }

func (l layout) copyDir(seq uint64) string { return filepath.Join(l.dir, copiesDir, seqName(seq)) }

// recover finishes what the process before had begun and reads the queue. committed tells the batches that became true.
func (c *Copies) recover(committed func(uint64) (bool, error)) error {
	entries, err := c.fs.ReadDir(c.top(string(Building)))
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, isCopy := strings.CutSuffix(e.Name(), copySuffix)
		seq, ok := parseSeq(name)
		if !isCopy || !ok {
			continue
		}
		yes, err := committed(seq)
		if err != nil {
			return err
		}
		if !yes {
			continue // removed with the rest of building/
		}
		if err := c.fs.RenameNew(c.copyOf(seq), c.copyDir(seq)); err != nil {
			return fmt.Errorf("keep the second copy of batch %d: %w", seq, err)
		}
	}
	if entries, err = c.fs.ReadDir(c.top(copiesDir)); err != nil {
		return err
	}
	for _, e := range entries {
		seq, ok := parseSeq(e.Name())
		if !ok {
			continue
		}
		r, err := c.loadCopy(seq)
		switch {
		case err == nil:
			c.records[seq] = r
			c.used += r.bytes
		case errors.Is(err, fs.ErrNotExist): // the last removal was cut short: the manifest goes first
			if err := c.removeTree(c.copyDir(seq)); err != nil {
				c.log.Warn("rest of a shipped second copy cannot be removed", "batch", seq, "err", err)
			}
		case errors.Is(err, ErrFormat):
			c.log.Error("second copy left alone: a later version wrote it", "batch", seq, "err", err)
		default:
			if err := c.setAside(seq, err.Error()); err != nil {
				return err
			}
		}
	}
	return nil
}

// loadCopy reads one copy by its manifest. The sizes of its files are checked by whoever opens them.
func (l layout) loadCopy(seq uint64) (*copyRecord, error) {
	data, err := l.readFile(filepath.Join(l.copyDir(seq), manifestName), false)
	if err != nil {
		return nil, err
	}
	var m copyManifest
	if err := unseal(data, filepath.Join(copiesDir, seqName(seq), manifestName), &m); err != nil {
		return nil, err
	}
	acks, err := l.readFile(filepath.Join(l.copyDir(seq), acksName), false)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	r := &copyRecord{objects: m.Objects, acked: parseAcks(acks, m.Objects)}
	for _, o := range m.Objects {
		if !validName(o.File) {
			return nil, fmt.Errorf("object file name %q: %w", o.File, ErrCorrupt)
		}
		r.bytes += o.Bytes
	}
	return r, nil
}

// place moves the copy of a batch that has just been committed into the queue. It never fails the commit: a copy that
// cannot be moved now is moved before the next one, at the latest by the next Open.
func (c *Copies) place(seq uint64, objects []Object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &copyRecord{objects: objects, acked: make([]bool, len(objects))}
	for _, o := range objects {
		r.bytes += o.Bytes
	}
	c.unplaced[seq] = r
	c.used += r.bytes
	for _, seq := range slices.Sorted(maps.Keys(c.unplaced)) {
		if err := c.fs.RenameNew(c.copyOf(seq), c.copyDir(seq)); err != nil {
			c.log.Warn("second copy waits beside its batch; it is moved with the next one", "batch", seq, "err", err)
			continue
		}
		c.records[seq] = c.unplaced[seq]
		delete(c.unplaced, seq)
	}
	c.wake()
}

func (c *Copies) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *Copies) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

// Pending lists the objects of second copies that wait for delivery, oldest batch first. It does not block.
func (c *Copies) Pending() []Ref {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Ref
	for _, seq := range slices.Sorted(maps.Keys(c.records)) {
		r := c.records[seq]
		for i, o := range r.objects {
			if !r.acked[i] {
				out = append(out, Ref{Seq: seq, Index: i, Object: o})
			}
		}
	}
	return out
}

// Changed returns a channel that is closed when Pending may have changed. Take it before Pending.
func (c *Copies) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// OpenObject opens the file of a waiting object; the caller closes it. Errors as those of Spool.OpenObject.
func (c *Copies) OpenObject(ref Ref) (io.ReadSeekCloser, int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.records[ref.Seq]
	if r == nil || ref.Index < 0 || ref.Index >= len(r.objects) {
		return nil, 0, fmt.Errorf("second copy of batch %d, object %d: %w", ref.Seq, ref.Index, ErrUnknownBatch)
	}
	o := r.objects[ref.Index]
	f, err := c.openChecked(filepath.Join(c.copyDir(ref.Seq), o.File), o)
	if err != nil {
		return nil, 0, fmt.Errorf("second copy of batch %d: %w", ref.Seq, err)
	}
	return f, o.Bytes, nil
}

// Ack records that the destination has the object, and removes the copy after its last one. Like those of the spool,
// acknowledgements are not fsynced. Only ErrClosed is returned: a copy that cannot be removed is offered again by
// the next Open and refused by the destination.
func (c *Copies) Ack(ref Ref) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	r := c.records[ref.Seq]
	if r == nil || ref.Index < 0 || ref.Index >= len(r.acked) || r.acked[ref.Index] {
		return nil
	}
	r.acked[ref.Index] = true
	defer c.wake()
	if slices.Contains(r.acked, false) {
		if err := c.appendAck(filepath.Join(c.copyDir(ref.Seq), acksName), r.objects[ref.Index].File); err != nil {
			c.log.Warn("acknowledgement kept in memory only; after a restart the object is offered once more",
				"batch", ref.Seq, "err", err)
		}
		return nil
	}
	c.forget(ref.Seq)
	if err := c.removeCopy(ref.Seq); err != nil {
		c.log.Warn("rest of a shipped second copy cannot be removed", "batch", ref.Seq, "err", err)
	}
	return nil
}

func (c *Copies) forget(seq uint64) {
	c.used -= c.records[seq].bytes
	delete(c.records, seq)
}

// removeCopy removes a shipped copy, the manifest first: a copy without one is finished, and one with a manifest but without
// its objects would be taken for damaged. Therefore the sync between the two.
func (c *Copies) removeCopy(seq uint64) error {
	dir := c.copyDir(seq)
	if err := c.remove(filepath.Join(dir, manifestName)); err != nil {
		return err
	}
	if err := c.fs.SyncDir(dir); err != nil {
		return err
	}
	return c.removeTree(dir)
}

// Quarantine sets aside a copy whose bytes no longer match its manifest, as copies/N.bad, which nothing removes. The lake
// has these events; only the second copy is incomplete.
func (c *Copies) Quarantine(seq uint64, reason string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	if c.records[seq] == nil {
		return nil
	}
	if err := c.setAside(seq, reason); err != nil {
		return err
	}
	c.forget(seq)
	c.wake()
	return nil
}

func (c *Copies) setAside(seq uint64, reason string) error {
	c.log.Error("second copy set aside: its bytes do not match its manifest; the lake has these events",
		"batch", seq, "place", filepath.Join(copiesDir, seqName(seq)+badSuffix), "reason", reason)
	if err := c.fs.RenameNew(c.copyDir(seq), c.copyDir(seq)+badSuffix); err != nil {
		return fmt.Errorf("set aside second copy of batch %d: %w", seq, err)
	}
	return nil
}

// room holds the limits against what is used now.
func (c *Copies) room(limit, minFree int64) error {
	c.mu.Lock()
	used := c.used
	c.mu.Unlock()
	if limit > 0 && used >= limit {
		return &FullError{Why: "copy.max_size", Need: used, Have: limit}
	}
	if minFree == 0 {
		return nil
	}
	free, err := c.fs.Free(c.dir)
	if err == nil && free < minFree {
		err = &FullError{Why: "spool.min_free", Need: minFree, Have: free}
	}
	return err
}

// CopyUsage is what waits in the queue of second copies.
type CopyUsage struct {
	Objects  int   `json:"objects"`
	Bytes    int64 `json:"bytes"`
	SetAside int   `json:"setAside"` // copies/*.bad
}

// readCopies looks at the queue without a lock.
func (l layout) readCopies() (CopyUsage, error) {
	var u CopyUsage
	entries, err := l.fs.ReadDir(l.top(copiesDir))
	if errors.Is(err, fs.ErrNotExist) {
		return u, nil
	}
	if err != nil {
		return u, err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), badSuffix) {
			u.SetAside++
		}
		seq, ok := parseSeq(e.Name())
		if !ok {
			continue
		}
		r, err := l.loadCopy(seq)
		if err != nil {
			continue // being removed at this moment, or of a later version: no reader's business
		}
		for i, o := range r.objects {
			if !r.acked[i] {
				u.Objects++
				u.Bytes += o.Bytes
			}
		}
	}
	return u, nil
}
