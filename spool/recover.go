package spool

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
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
		ledger: ledger{layout: l},
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
	}
	if err := s.adopt(f); err != nil {
		return err
	}
	if s.instance == "" || (s.unused && s.last != nil) {
		if err := s.makeInstance(); err != nil {
			return err
		}
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
			if n, ok := parseSeq(e.Name()); ok {
				s.seq = max(s.seq, n)
			}
			s.log.Warn("unfinished batch cannot be removed", "err", err)
		}
	}
}

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
			return nil, err
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
	return errors.Join(f.Sync(), f.Close())
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

// lost describes what is missing when a batch goes to quarantine. Without a manifest the ranges are inferred
// from the batches around it; without a batch after it they are simply read again.
func (f *findings) lost(seq uint64, m *Manifest, cause error) Entry {
	e := Entry{Seq: seq, State: Quarantined, Reason: cause.Error(), Manifest: m}
	if m != nil {
		r := f.records[seq]
		if r == nil {
			r = &record{m: *m, place: Outbox, acked: make([]bool, len(m.Objects))}
		}
		e.Lines = r.pendingLines()
		for i, o := range m.Objects {
			if r.acked[i] {
				e.Delivered = append(e.Delivered, o.File)
			}
		}
		for _, g := range m.Ranges {
			e.Gaps = append(e.Gaps, Gap{Range: g, Reason: "quarantined: " + e.Reason})
		}
		return e
	}
	prev, next := f.around(seq)
	if next == nil {
		e.Reread = true
		return e
	}
	if prev != nil {
		e.Lines = max(0, next.Totals.Shipped-next.Counts.Shipped-prev.Totals.Shipped)
	}
	e.Gaps = between(prev, next, "quarantined: "+e.Reason)
	return e
}

// around finds the nearest sound manifests below and above a batch.
func (f *findings) around(seq uint64) (prev, next *Manifest) {
	consider := func(m *Manifest) {
		switch {
		case m == nil || m.Seq == seq:
		case m.Seq < seq && (prev == nil || m.Seq > prev.Seq):
			prev = m
		case m.Seq > seq && (next == nil || m.Seq < next.Seq):
			next = m
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
	return prev, next
}

// between is the gap from the last range of prev to the first of next. Whole files in between are not known
// here; backfill finds them in the dated tree, between the two names.
func between(prev, next *Manifest, reason string) []Gap {
	gap := func(r Range) Gap { return Gap{Range: r, Reason: reason} }
	var last, first Range
	if prev != nil && len(prev.Ranges) > 0 {
		last = prev.Ranges[len(prev.Ranges)-1]
	}
	if len(next.Ranges) > 0 {
		first = next.Ranges[0]
	}
	switch {
	case last.File == "" && first.File == "":
		return []Gap{gap(Range{To: -1})}
	case last.File == first.File && last.Head == first.Head:
		return []Gap{gap(Range{File: first.File, Head: first.Head, From: last.To, To: first.From})}
	case last.File == "":
		return []Gap{gap(Range{File: first.File, Head: first.Head, To: first.From})}
	case first.File == "":
		return []Gap{gap(Range{File: last.File, Head: last.Head, From: last.To, To: -1})}
	}
	return []Gap{
		gap(Range{File: last.File, Head: last.Head, From: last.To, To: -1}),
		gap(Range{File: first.File, Head: first.Head, To: first.From}),
	}
}

// unusedMark is the second line of the instance file until the first commit. With it an empty spool is a
// young one; without it an empty spool has lost its position.
const unusedMark = "no batch committed yet"

func (l layout) instanceFile() (id string, unused bool, err error) {
	data, err := l.readFile(l.top(instanceName), false)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	id, rest, _ := strings.Cut(string(data), "\n")
	if b, err := hex.DecodeString(id); err != nil || len(b) == 0 {
		return "", false, nil // damaged: the manifests have it too
	}
	return id, strings.TrimSpace(rest) == unusedMark, nil
}

func (s *Spool) readInstance(f *findings) error {
	var err error
	if s.instance, s.unused, err = s.instanceFile(); err != nil {
		return fmt.Errorf("read instance: %w", err)
	}
	if m := f.newest(); s.instance == "" && m != nil {
		s.instance, s.unused = m.Instance, true // written again below
	}
	return nil
}

// makeInstance writes the instance file of a new directory, or takes the mark off that a crash left behind.
func (s *Spool) makeInstance() error {
	if s.instance == "" {
		var id [6]byte
		_, _ = rand.Read(id[:]) // never fails
		s.instance = hex.EncodeToString(id[:])
	}
	if s.last != nil {
		s.markUsed()
		return nil
	}
	s.unused = true
	if err := s.writeAtomic(s.top(instanceName), []byte(s.instance+"\n"+unusedMark+"\n"), modeRecord); err != nil {
		return fmt.Errorf("write instance: %w", full(err))
	}
	return nil
}

// markUsed takes the mark off. A failure costs only the guard against a wiped directory until the next
// attempt.
func (s *Spool) markUsed() {
	if err := s.writeAtomic(s.top(instanceName), []byte(s.instance+"\n"), modeRecord); err != nil {
		s.unused = true
		s.log.Warn("instance file cannot be rewritten; tried again with the next batch", "err", err)
		return
	}
	s.unused = false
}
