package spool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Open takes the lock and brings the directory into a state that can be trusted: see the table in the package
// comment. It creates the directory if it is not there. *LockedError, *StateError and *FatalError are the
// errors to tell apart; content of a single batch never makes it fail.
func Open(dir string, opt Options) (*Spool, error) { return open(dir, opt, false) }

// SetPosition commits an empty batch that holds the position, whatever the state said before: the way out of
// *StateError. It takes the lock, so the daemon must be stopped. The next Open goes on from there.
func SetPosition(dir string, position json.RawMessage, opt Options) error {
	s, err := open(dir, opt, true)
	if err != nil {
		return err
	}
	err = s.setPosition(position)
	return errors.Join(err, s.Close())
}

func (s *Spool) setPosition(position json.RawMessage) error {
	s.mu.Lock()
	if s.formatErr != nil {
		s.mu.Unlock()
		return s.formatErr
	}
	b, err := s.newBatch() // no limit holds here: an operator repairs a full spool too
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return b.Commit(Manifest{Position: position})
}

func open(dir string, opt Options, force bool) (*Spool, error) {
	if opt.FS == nil {
		opt.FS = OS{}
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.RejectQuota == 0 {
		opt.RejectQuota = defaultRejectQuota
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	l := layout{fs: opt.FS, dir: filepath.Clean(dir)}
	if err := l.mkdirAll(l.dir); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	lock, err := l.fs.Lock(l.top(lockName), strconv.Itoa(os.Getpid()))
	if errors.Is(err, ErrLocked) {
		return nil, &LockedError{Dir: dir, Holder: l.holder()}
	}
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	s := &Spool{
		layout: l, opt: opt, log: opt.Log, lock: lock,
		records: map[uint64]*record{}, complaints: map[uint64]string{}, changed: make(chan struct{}),
		ledger: ledger{layout: l}, copies: newCopies(l, opt.Log),
	}
	if err := s.recover(force); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

// holder reads who wrote the lock file; 0 when it does not tell.
func (l layout) holder() int {
	data, err := l.readFile(l.top(lockName), false)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(data)))
	if err != nil {
		return 0
	}
	return pid
}

func (s *Spool) recover(force bool) error {
	if err := s.makeDirs(); err != nil {
		return fmt.Errorf("open spool: %w", err)
	}
	if _, err := s.readSources(); err != nil && !errors.Is(err, ErrCorrupt) {
		if !errors.Is(err, ErrFormat) {
			return fmt.Errorf("open spool: %w", err)
		}
		s.formatErr = err
	}
	f, err := s.scan(true)
	if err != nil {
		return err
	}
	if err := s.readInstance(f); err != nil {
		return err
	}
	if !force {
		if err := f.verdict(s.dir, s.instance != "" && !s.unused); err != nil {
			return err
		}
		if s.copy {
			return &StateError{Kind: Copied, Dir: s.dir}
		}
	}
	if err := s.adopt(f); err != nil {
		return err
	}
	if s.instance == "" || (s.unused && s.last != nil) {
		if err := s.makeInstance(); err != nil {
			return err
		}
	}
	if err := s.copies.recover(func(seq uint64) (bool, error) { return f.committed(s.layout, seq) }); err != nil {
		return fmt.Errorf("open spool: %w", err)
	}
	s.dropBuilding()
	if s.formatErr != nil {
		// Known batches are still delivered and released; nothing is repaired beside what is not understood.
		s.log.Error("intake is stopped: the spool holds what a later version wrote", "err", s.formatErr)
	}
	return s.settle()
}

// makeDirs creates what is missing and makes every name durable before it is trusted: the process before may
// have been killed between a rename and its fsync.
func (s *Spool) makeDirs() error {
	// Until there is an instance the path to the spool may be new as well, made by a process that was killed
	// before it could sync it.
	if _, err := s.fs.Stat(s.top(instanceName)); errors.Is(err, fs.ErrNotExist) {
		if err := s.syncParents(); err != nil {
			return err
		}
	}
	for _, d := range topDirs {
		if err := s.fs.Mkdir(s.top(d), modeDir); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	for _, d := range topDirs {
		if err := s.fs.SyncDir(s.top(d)); err != nil {
			return err
		}
	}
	return s.fs.SyncDir(s.dir)
}

// dropBuilding removes what was never committed. A directory that resists is only logged, and its number is
// not used.
func (s *Spool) dropBuilding() {
	entries, err := s.fs.ReadDir(s.top(string(Building)))
	if err != nil {
		s.log.Warn("building/ cannot be cleared", "err", err)
		return
	}
	for _, e := range entries {
		if err := s.removeTree(filepath.Join(s.top(string(Building)), e.Name())); err != nil {
			if n, ok := parseSeq(strings.TrimSuffix(e.Name(), copySuffix)); ok {
				s.seq = max(s.seq, n)
			}
			s.log.Warn("unfinished batch cannot be removed", "err", err)
		}
	}
}

// adopt turns findings into the state in memory and repairs what needs repair.
func (s *Spool) adopt(f *findings) error {
	if s.formatErr == nil {
		s.formatErr = f.formatErr
	}
	s.last = f.newest()
	s.seq = max(f.dirTop, f.ledger.seen)
	s.quarantined = f.ledger.quarantined
	s.rejectBytes = f.rejectBytes
	for _, seq := range slices.Sorted(maps.Keys(f.records)) {
		if _, bad := f.damaged[seq]; bad {
			continue
		}
		r := f.records[seq]
		s.note(r, f.ledger.last[seq])
		s.add(r)
		if r.rejects {
			if info, err := s.fs.Stat(s.file(r.place, seq, rejectsName)); err == nil {
				s.rejectBytes += info.Size()
			}
		}
	}
	if s.formatErr != nil {
		s.ledger.month, s.ledger.torn = f.ledger.newest, true // its end was perhaps not understood
		return nil
	}
	if err := s.ledger.cutTail(f.ledger); err != nil {
		s.log.Warn("torn end of the ledger cannot be cut; the next line starts on its own", "err", err)
	}
	if f.ledger.bad > 0 {
		s.log.Error("ledger has unreadable lines", "lines", f.ledger.bad, "file", f.ledger.newest)
	}
	return s.repair(f)
}

// note takes over what the ledger knows of a batch.
func (s *Spool) note(r *record, e Entry) {
	if e.State != Released {
		return
	}
	r.logged = true
	for i := range r.acked {
		r.acked[i] = true
	}
}

func (s *Spool) repair(f *findings) error {
	for _, seq := range f.outboxToo {
		if err := s.removeTree(s.batch(Outbox, seq)); err != nil {
			s.log.Warn("second copy of a shipped batch cannot be removed", "batch", seq, "err", err)
		}
	}
	for _, seq := range slices.Sorted(maps.Keys(f.damaged)) {
		if err := s.repairDamaged(f, seq, f.damaged[seq]); err != nil {
			return err
		}
	}
	for _, seq := range slices.Sorted(maps.Keys(f.records)) {
		// Quarantine was cut short between its line and its move.
		if r := s.records[seq]; r != nil && r.place == Outbox && f.ledger.last[seq].State == Quarantined {
			if err := s.moveAside(seq, Outbox); err != nil {
				return err
			}
		}
	}
	for _, seq := range slices.Sorted(maps.Keys(f.quarantine)) {
		if f.ledger.last[seq].State == Quarantined {
			continue
		}
		e := f.lost(seq, f.quarantine[seq], errors.New("found in quarantine/ without a ledger line"))
		s.quarantined += e.Lines
		s.unlogged = append(s.unlogged, e)
	}
	return nil
}

func (s *Spool) repairDamaged(f *findings, seq uint64, d damage) error {
	was := f.ledger.last[seq]
	switch {
	case was.State == Released && f.records[seq] == nil && d.place == Shipped:
		// Everything was acknowledged and the ledger has the manifest: the directory only holds the place.
		s.add(&record{m: *was.Manifest, place: Shipped, logged: true, acked: make([]bool, len(was.Manifest.Objects)), rejects: true})
		return nil
	case was.State == Released:
		r := f.records[seq]
		if r == nil {
			r = &record{m: *was.Manifest, place: d.place, acked: make([]bool, len(was.Manifest.Objects)), rejects: true}
		}
		s.note(r, was)
		s.add(r)
		return nil
	case was.State == Quarantined:
		return s.moveAside(seq, d.place)
	}
	var m *Manifest
	if r := f.records[seq]; r != nil {
		m = &r.m
	}
	e := f.lost(seq, m, d.err)
	if d.place == Shipped {
		e.Gaps, e.Lines = nil, 0 // everything had been acknowledged
	}
	return s.setAside(e, d.place)
}
