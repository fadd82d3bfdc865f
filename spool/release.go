package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Ref names one object waiting for delivery.
type Ref struct {
	Seq    uint64
	Index  int // in the manifest
	Object Object
}

// Pending lists the objects that wait for delivery, oldest batch first, so oldest first per source too.
// Acknowledged objects and batches of an unknown format are not in it. It does not block.
func (s *Spool) Pending() []Ref {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return nil // a batch whose commit could not be finished must not be uploaded before Open has seen it
	}
	var out []Ref
	for _, seq := range s.order {
		r := s.records[seq]
		if r.place != Outbox {
			continue
		}
		for i, o := range r.m.Objects {
			if !r.acked[i] {
				out = append(out, Ref{Seq: seq, Index: i, Object: o})
			}
		}
	}
	return out
}

// Changed returns a channel that is closed when Pending may have changed. Take it before Pending, so that no
// change falls in between.
func (s *Spool) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// OpenObject opens the file of a waiting object; the caller closes it. An error matching ErrCorrupt means that
// the file is missing or has another size: Quarantine it. The hash is for the caller to check.
// ErrUnknownBatch: the batch has left outbox/ meanwhile.
func (s *Spool) OpenObject(ref Ref) (io.ReadSeekCloser, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return nil, 0, err
	}
	r := s.records[ref.Seq]
	if r == nil || r.place != Outbox || ref.Index < 0 || ref.Index >= len(r.m.Objects) {
		return nil, 0, fmt.Errorf("batch %d object %d: %w", ref.Seq, ref.Index, ErrUnknownBatch)
	}
	o := r.m.Objects[ref.Index]
	f, err := s.openChecked(s.file(Outbox, ref.Seq, o.File), o)
	if err != nil {
		return nil, 0, fmt.Errorf("batch %d: %w", ref.Seq, err)
	}
	return f, o.Bytes, nil
}

// openChecked opens the file of an object that is as long as its manifest says.
func (l layout) openChecked(path string, o Object) (Handle, error) {
	if err := l.checkSize(path, o); err != nil {
		return nil, err
	}
	return l.fs.OpenFile(path, os.O_RDONLY, 0)
}

// checkSize is the cheap half of verification: the file is there and as long as the manifest says.
func (l layout) checkSize(path string, o Object) error {
	info, err := l.fs.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is missing: %w", o.File, ErrCorrupt)
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() != o.Bytes {
		return fmt.Errorf("%s has %d bytes, want %d: %w", o.File, info.Size(), o.Bytes, ErrCorrupt)
	}
	return nil
}

// Ack records that the destination has the object. After the last one the batch is released. An
// acknowledgement is not fsynced: lost in a power failure, the object is sent once more under the same key
// with the same bytes. What a full disk keeps release from doing is retried by the next call of Ack, Begin,
// Commit or Settle and is no error here. Ack of an object that is not waiting does nothing.
func (s *Spool) Ack(ref Ref) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	r := s.records[ref.Seq]
	if r == nil || r.place != Outbox || ref.Index < 0 || ref.Index >= len(r.acked) || r.acked[ref.Index] {
		return nil
	}
	r.acked[ref.Index] = true
	if r.waiting() { // the last one is recorded by the release itself
		if err := s.appendAck(s.file(Outbox, ref.Seq, acksName), r.m.Objects[ref.Index].File); err != nil {
			s.log.Warn("acknowledgement kept in memory only; after a restart the object is offered once more",
				"batch", ref.Seq, "err", err)
		}
		s.crash("ack:recorded")
	}
	err := s.settle()
	s.wake()
	return err
}

func (l layout) appendAck(acks, file string) error {
	f, err := l.fs.OpenFile(acks, os.O_WRONLY|os.O_APPEND|os.O_CREATE, modeRecord)
	if err != nil {
		return err
	}
	// The newline in front ends whatever half a line an earlier failure left.
	_, err = f.Write([]byte("\n" + file + "\n"))
	return errors.Join(err, f.Close())
}

// Settle retries what earlier releases could not finish, for callers with nothing to acknowledge. Only a
// *FatalError is returned.
func (s *Spool) Settle() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settle()
}

// settle moves every batch on as far as it goes. Only a *FatalError is returned; every other failure is
// logged once and tried again by the next call.
func (s *Spool) settle() error {
	if s.failed != nil {
		return s.failed
	}
	for _, seq := range slices.Clone(s.order) {
		r := s.records[seq]
		if r.waiting() {
			continue
		}
		err := s.release(r)
		if s.failed != nil {
			return s.failed
		}
		s.complain(seq, err)
	}
	for len(s.unlogged) > 0 {
		e := s.unlogged[0]
		err := s.logLine(e)
		if s.failed != nil {
			return s.failed
		}
		s.complain(e.Seq, err)
		if err != nil {
			break
		}
		s.unlogged = s.unlogged[1:]
	}
	return nil
}

// release takes every step that is left for a batch without waiting objects. Each step may be repeated. The
// ledger line comes first, but a full disk does not keep the Parquet: the rename into shipped/ says "all
// acknowledged" as well, and the line is tried again once blocks are free.
func (s *Spool) release(r *record) error {
	var ledgerErr error
	if !r.logged {
		ledgerErr = s.logReleased(r)
	}
	if s.failed != nil {
		return s.failed
	}
	if r.place == Outbox {
		if err := s.ship(r); err != nil {
			return err
		}
	}
	if !r.freed {
		if err := s.free(r); err != nil {
			return err
		}
	}
	if r.rejects {
		if err := s.keepRejects(r); err != nil {
			return err
		}
	}
	if r.m.Replay != nil && !r.replayed {
		if err := s.dropReplayed(r); err != nil {
			return err
		}
		s.crash("release:replayed")
	}
	if !r.logged {
		ledgerErr = s.logReleased(r)
	}
	if ledgerErr != nil && !r.logged {
		return ledgerErr
	}
	if s.order[len(s.order)-1] == r.m.Seq {
		return nil // the newest one stays: it holds the position
	}
	// No fsync: if shipped/N comes back after a power loss, its ledger line has it removed again.
	if err := s.removeTree(s.batch(Shipped, r.m.Seq)); err != nil {
		return err
	}
	s.drop(r.m.Seq)
	s.crash("release:done")
	return nil
}

// ship is the rename that says: everything of this batch was acknowledged.
func (s *Spool) ship(r *record) error {
	seq := r.m.Seq
	from, to := s.batch(Outbox, seq), s.batch(Shipped, seq)
	if err := s.fs.RenameNew(from, to); err != nil {
		if errors.Is(err, fs.ErrExist) && r.logged {
			// An older copy of a released batch was put back by hand: shipped/N is the real one.
			if err := s.removeTree(from); err != nil {
				return err
			}
		} else if _, gone := s.fs.Stat(from); !errors.Is(gone, fs.ErrNotExist) {
			return err
		}
	}
	s.crash("release:renamed")
	// Before the Parquet goes, the rename must be durable: otherwise a power loss would leave a batch in
	// outbox/ that looks damaged.
	for _, p := range []Place{Shipped, Outbox} {
		if err := s.fs.SyncDir(s.top(string(p))); err != nil {
			return s.fatal(fmt.Sprintf("release batch %d", seq), err)
		}
	}
	r.place = Shipped
	s.crash("release:durable")
	return nil
}

func (s *Spool) free(r *record) error {
	names := []string{acksName}
	for _, o := range r.m.Objects {
		names = append(names, o.File)
	}
	for _, name := range names {
		if err := s.remove(s.file(Shipped, r.m.Seq, name)); err != nil {
			return err
		}
	}
	r.freed = true
	s.used -= r.bytes
	r.bytes = 0
	s.crash("release:freed")
	return nil
}

// keepRejects moves the rejects out of the batch. Both directories are synced, because the removal of
// shipped/N must not become durable before the move.
func (s *Spool) keepRejects(r *record) error {
	from, to := s.file(Shipped, r.m.Seq, rejectsName), filepath.Join(s.dir, rejectsDir, seqName(r.m.Seq)+".ndjson")
	if err := s.fs.Rename(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, d := range []string{s.top(rejectsDir), s.batch(Shipped, r.m.Seq)} {
		if err := s.fs.SyncDir(d); err != nil {
			return s.fatal(fmt.Sprintf("release batch %d", r.m.Seq), err)
		}
	}
	r.rejects = false
	return nil
}

func (s *Spool) logReleased(r *record) error {
	if err := s.logLine(Entry{Seq: r.m.Seq, State: Released, Manifest: &r.m}); err != nil {
		return err
	}
	r.logged = true
	s.crash("release:logged")
	return nil
}

// logLine appends one entry to the ledger. A failed directory sync in there is fatal.
func (s *Spool) logLine(e Entry) error {
	now := s.opt.Now()
	e.Version, e.QuarantinedTotal = ManifestVersion, s.quarantined
	if e.Time == "" {
		e.Time = now.UTC().Format(time.RFC3339Nano)
	}
	err := s.ledger.append(e, now)
	var f *FatalError
	if errors.As(err, &f) {
		return s.fatal(f.Op, f.Err)
	}
	return full(err)
}
