package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// Quarantine takes a batch out of the way whose bytes no longer match its manifest. Its ranges become a
// recorded gap, because the rows of a range may lie in any of its objects; the entry names what had been
// delivered. The other batches go on, the position does not move. On return the move is durable; the ledger
// line is too, unless the disk is full (it is retried then). A batch that is not in outbox/ is no error.
func (s *Spool) Quarantine(seq uint64, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	r := s.records[seq]
	if r == nil || !r.waiting() {
		return nil
	}
	e := Entry{Seq: seq, State: Quarantined, Reason: reason, Manifest: &r.m, Lines: r.pendingLines()}
	for _, g := range r.m.Ranges {
		e.Gaps = append(e.Gaps, Gap{Range: g, Reason: "quarantined: " + reason})
	}
	for i, o := range r.m.Objects {
		if r.acked[i] {
			e.Delivered = append(e.Delivered, o.File)
		}
	}
	if err := s.setAside(e, Outbox); err != nil {
		return err
	}
	err := s.settle()
	s.wake()
	return err
}

// setAside writes the ledger line of a batch and moves it to quarantine/. The line goes first, so that Open
// finishes the move if it is all that was done; a full disk turns the order round.
func (s *Spool) setAside(e Entry, from Place) error {
	s.quarantined += e.Lines
	s.log.Error("batch put into quarantine; see `spool list`, deliver it again with `spool requeue` or `backfill --gaps`",
		"batch", e.Seq, "reason", e.Reason, "lines", e.Lines, "reread", e.Reread)
	if err := s.logLine(e); err != nil {
		if s.failed != nil {
			return s.failed
		}
		s.unlogged = append(s.unlogged, e)
	}
	return s.moveAside(e.Seq, from)
}

func (s *Spool) moveAside(seq uint64, from Place) error {
	src, dst := s.batch(from, seq), s.batch(Quarantine, seq)
	err := s.fs.RenameNew(src, dst)
	if errors.Is(err, fs.ErrExist) {
		err = s.removeTree(src) // an older copy was put back by hand; the first one is kept
	}
	if err != nil {
		return s.fatal(fmt.Sprintf("quarantine batch %d", seq), err)
	}
	for _, p := range []Place{Quarantine, from} {
		if err := s.fs.SyncDir(s.top(string(p))); err != nil {
			return s.fatal(fmt.Sprintf("quarantine batch %d", seq), err)
		}
	}
	s.drop(seq)
	return nil
}

// Requeue puts a quarantined batch back into outbox/ after every object that was not delivered has the hash of
// the manifest again (a file restored, a disk error gone). It refuses a batch whose ranges were read again.
func (s *Spool) Requeue(seq uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.settle(); err != nil {
		return err
	}
	b, err := s.load(Quarantine, seq, true)
	if err != nil {
		return fmt.Errorf("requeue batch %d: %w", seq, err)
	}
	view, err := s.loadLedger(seq, false)
	if err != nil {
		return err
	}
	was := view.last[seq]
	if was.Reread {
		return fmt.Errorf("requeue batch %d: its ranges were read again, it would be delivered twice", seq)
	}
	for i, o := range b.m.Objects {
		if b.acked[i] {
			continue
		}
		if err := s.verifyObject(Quarantine, seq, o); err != nil {
			return fmt.Errorf("requeue batch %d: %w", seq, err)
		}
	}
	s.quarantined -= was.Lines
	// The line first: Open takes a batch in quarantine/ whose last line says requeued as quarantined again.
	if err := s.logLine(Entry{Seq: seq, State: Requeued, Manifest: &b.m}); err != nil {
		s.quarantined += was.Lines
		return fmt.Errorf("requeue batch %d: %w", seq, err)
	}
	if err := s.fs.RenameNew(s.batch(Quarantine, seq), s.batch(Outbox, seq)); err != nil {
		return s.fatal(fmt.Sprintf("requeue batch %d", seq), err)
	}
	for _, p := range []Place{Outbox, Quarantine} {
		if err := s.fs.SyncDir(s.top(string(p))); err != nil {
			return s.fatal(fmt.Sprintf("requeue batch %d", seq), err)
		}
	}
	b.place = Outbox
	s.add(b)
	err = s.settle()
	s.wake()
	return err
}

// Retarget changes the pinned destination of every waiting object that has destination from and returns how
// many it changed. Keys and bytes stay. Each batch changes as a whole; after an error the batches before it
// are changed.
func (s *Spool) Retarget(from, to string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.settle(); err != nil {
		return 0, err
	}
	changed := 0
	for _, seq := range s.order {
		r := s.records[seq]
		if !r.waiting() {
			continue
		}
		m := r.m
		m.Objects = slices.Clone(r.m.Objects)
		n := 0
		for i := range m.Objects {
			if !r.acked[i] && m.Objects[i].Destination == from {
				m.Objects[i].Destination = to
				n++
			}
		}
		if n == 0 {
			continue
		}
		m.CRC = ""
		data, err := seal(&m)
		if err != nil {
			return changed, fmt.Errorf("retarget batch %d: %w", seq, err)
		}
		if err := s.writeAtomic(s.file(Outbox, seq, manifestName), append(data, '\n'), modeRecord); err != nil {
			return changed, fmt.Errorf("retarget batch %d: %w", seq, full(err))
		}
		r.m = m
		if s.last != nil && s.last.Seq == seq {
			s.last = &m
		}
		changed += n
	}
	s.wake()
	return changed, nil
}
