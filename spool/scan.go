package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// damage is a batch that cannot be believed.
type damage struct {
	place Place
	err   error
}

// findings are what is on disk, before anything is decided or changed.
type findings struct {
	records     map[uint64]*record // sound batches of outbox/ and shipped/
	outboxToo   []uint64           // in both places: an older copy was put back
	damaged     map[uint64]damage
	quarantine  map[uint64]*Manifest // nil: unreadable
	ledger      ledgerView
	dirTop      uint64 // highest number of any batch directory
	rejectBytes int64
	formatErr   error
}

// scan reads the whole directory. It changes nothing; with sync it makes durable what it reads.
func (l layout) scan(sync bool) (*findings, error) {
	f := &findings{records: map[uint64]*record{}, damaged: map[uint64]damage{}, quarantine: map[uint64]*Manifest{}}
	lowest := uint64(0)
	for _, p := range []Place{Outbox, Shipped, Quarantine} {
		seqs, err := l.seqs(p)
		if err != nil {
			return nil, err
		}
		for _, seq := range seqs {
			f.dirTop = max(f.dirTop, seq)
			if lowest == 0 || seq < lowest {
				lowest = seq
			}
			if err := f.take(l, p, seq, sync); err != nil {
				return nil, fmt.Errorf("%s/%s: %w", p, seqName(seq), err)
			}
		}
	}
	var err error
	if f.ledger, err = l.loadLedger(lowest, sync); err != nil {
		if !errors.Is(err, ErrFormat) {
			return nil, err
		}
		f.formatErr = err
	}
	if f.rejectBytes, err = l.dirSize(l.top(rejectsDir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return f, nil
}

func (f *findings) take(l layout, p Place, seq uint64, sync bool) error {
	r, err := l.load(p, seq, sync)
	switch {
	case errors.Is(err, ErrFormat):
		f.formatErr = err
		return nil
	case err == nil && p == Quarantine:
		f.quarantine[seq] = &r.m
	case err == nil && f.records[seq] != nil:
		f.outboxToo = append(f.outboxToo, seq)
		f.records[seq] = r // shipped/ is read last and wins
	case err == nil:
		f.records[seq] = r
	case !damaged(err):
		return err
	case p == Quarantine:
		f.quarantine[seq] = nil
		if r != nil {
			f.quarantine[seq] = &r.m
		}
	default:
		f.damaged[seq] = damage{place: p, err: err}
		if r != nil {
			f.records[seq] = r // the manifest is sound, a file is not
		}
	}
	return nil
}

// load reads one batch directory and holds it against its manifest: names and sizes, not hashes, because a
// full spool would take minutes; whoever uploads hashes anyway. A record comes back beside the error when the
// manifest itself is sound.
func (l layout) load(p Place, seq uint64, sync bool) (*record, error) {
	dir := l.batch(p, seq)
	data, err := l.readFile(filepath.Join(dir, manifestName), sync)
	if err != nil {
		return nil, err
	}
	r := &record{place: p}
	if err := unseal(data, filepath.Join(string(p), seqName(seq), manifestName), &r.m); err != nil {
		if errors.Is(err, ErrFormat) {
			return nil, err
		}
		return nil, fmt.Errorf("%s: %w: %w", manifestName, ErrCorrupt, err)
	}
	if r.m.Seq != seq {
		return nil, fmt.Errorf("%s is of batch %d: %w", manifestName, r.m.Seq, ErrCorrupt)
	}
	if err := r.m.check(); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", manifestName, ErrCorrupt, err)
	}
	if sync {
		if err := l.fs.SyncDir(dir); err != nil {
			return nil, unsynced(err)
		}
	}
	acks, err := l.readFile(filepath.Join(dir, acksName), false)
	if err != nil && !damaged(err) {
		return nil, err
	}
	r.acked = parseAcks(acks, r.m.Objects) // unreadable: sent once more, refused by the destination
	if r.bytes, err = l.dirSize(dir); err != nil {
		return nil, err
	}
	if _, err := l.fs.Stat(filepath.Join(dir, rejectsName)); err == nil {
		r.rejects = true
	}
	if p == Shipped {
		return r, nil // acknowledged: its files may be gone
	}
	for i, o := range r.m.Objects {
		if r.acked[i] {
			continue
		}
		path := filepath.Join(dir, o.File)
		if err := l.checkSize(path, o); err != nil {
			return r, err
		}
		if sync {
			if err := l.syncFile(path); err != nil {
				return r, err
			}
		}
	}
	return r, nil
}

func (l layout) syncFile(name string) error {
	f, err := l.fs.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(unsynced(f.Sync()), f.Close())
}

// committed reports whether a batch ever became true.
func (f *findings) committed(l layout, seq uint64) (bool, error) {
	_, quarantined := f.quarantine[seq]
	_, damaged := f.damaged[seq]
	_, logged := f.ledger.last[seq]
	if quarantined || damaged || logged || f.records[seq] != nil {
		return true, nil
	}
	found := false
	err := readLedger(l.fs, l.dir, func(e Entry) error { // released long ago, while its copy could not be moved
		found = found || e.Seq == seq
		return nil
	})
	return found, err
}

// newest is the manifest that holds the position: the highest sound one, wherever it is.
func (f *findings) newest() *Manifest {
	var best *Manifest
	consider := func(m *Manifest) {
		if m != nil && (best == nil || m.Seq > best.Seq) {
			best = m
		}
	}
	for _, r := range f.records {
		consider(&r.m)
	}
	for _, m := range f.quarantine {
		consider(m)
	}
	for _, e := range f.ledger.last {
		consider(e.Manifest)
	}
	return best
}

// verdict refuses the two states that would lose or repeat events.
func (f *findings) verdict(dir string, used bool) error {
	if f.formatErr != nil {
		return nil // intake is stopped anyway
	}
	batches := f.dirTop > 0
	if !batches && len(f.ledger.last) == 0 {
		if used {
			return &StateError{Kind: NoPosition, Dir: dir}
		}
		return nil
	}
	// What was quarantined may have been taken away by the operator since, so its line counts as a batch.
	top := f.dirTop
	for seq, e := range f.ledger.last {
		if e.State == Quarantined {
			top = max(top, seq)
		}
	}
	if batches && f.ledger.top > top {
		return &StateError{Kind: RolledBack, Dir: dir, Live: f.dirTop, Ledger: f.ledger.top}
	}
	if f.newest() == nil && used {
		return &StateError{Kind: NoPosition, Dir: dir}
	}
	return nil
}
