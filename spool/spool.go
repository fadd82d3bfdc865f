// Package spool is the durable directory between reading and delivery. A batch is written in building/<seq>,
// becomes true by one rename into outbox/<seq>, and leaves through shipped/<seq> after its last object was
// acknowledged. The position of the tailer lives in the manifests and nowhere else.
//
// Three statements, each defended by the tests:
//
//  1. Nothing is visible in outbox/ unless it is complete and fsynced.
//  2. The position exists only inside a committed batch.
//  3. Objects are handed out only from committed batches, under a key that fixes their bytes.
//
// Recovery is Open, there is no other. What it finds and what it does:
//
//	state on disk                                 crash came                    Open
//	building/N                                    before the rename             removes it; its lines are read again
//	outbox/N, complete                            after the rename              fsyncs files, N and outbox/, then trusts it
//	outbox/N, file missing, size or crc wrong     (damage)                      quarantine/N and a gap in the ledger
//	outbox/N, ledger says released                after the ledger line         finishes the release, no second upload
//	outbox/N, ledger says quarantined             inside Quarantine             finishes the move
//	shipped/N with Parquet                        after the second rename       unlinks it: everything was acknowledged
//	shipped/N with rejects.ndjson                 before rejects moved          moves it
//	shipped/N, no ledger line                     full disk at release          appends the line
//	shipped/N, no manifest, ledger has N          inside the last removal       removes the rest
//	shipped/N, ledger has N, higher batch exists  before the last removal       removes it
//	quarantine/N, no line, or requeued            full disk, inside Requeue     appends the line
//	half a line at the end of the ledger          inside an append              cuts it
//	*.new                                         inside an atomic replacement  removed by the next replacement
//	no batch at all, ledger has lines             (damage)                      position of the last line
//	no batch, no ledger, instance was used        (damage)                      *StateError NoPosition
//	highest batch below the ledger's released     (older copy put back)         *StateError RolledBack
//	manifest or ledger of a later version         (downgrade)                   left alone, Begin refuses
//
// A quarantined batch still holds the position when its manifest is sound. When it is not and the batch was
// the newest, its ranges are read again: duplicates rather than loss.
//
// Which fsyncs are left out: acks (an object sent twice has the same key and the same bytes, and the
// destination refuses the second); the removal of building/ trees, of Parquet in shipped/ and of shipped/N (they
// come back after a power loss and are removed again); the lock file (a hint for people). fsync is never
// retried on the same pages: before the rename its failure discards the batch, after it the spool is done
// for (*FatalError) and Open decides anew. A ledger line whose fsync failed is written once more as new
// bytes. After a failed fsync the next Open reads the page cache, which may be newer than the disk; objects
// are therefore hashed again by whoever uploads them.
package spool

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Options configure a Spool. The zero value is usable: the real file system, no limits.
type Options struct {
	FS  FS               // default OS
	Now func() time.Time // default time.Now
	// MaxSize bounds the bytes of building/, outbox/ and shipped/; 0 is no bound. Quarantine and rejects do
	// not count: what needs a human must never stop intake.
	MaxSize int64
	// MinFree is the free space of the file system below which Begin refuses.
	MinFree int64
	// Reserve is the part of MaxSize, and of MinFree, that only BeginReserve may use.
	Reserve int64
	// CopyMaxSize bounds the bytes of second copies that wait; 0 is no bound. Beyond it copies are skipped, by name.
	CopyMaxSize int64
	// RejectQuota bounds the original bytes kept of rejected lines; default 64 MiB. Beyond it range and hash
	// are kept.
	RejectQuota int64
	Log         *slog.Logger // default: discard
	// Crash is called at the named points of commit and release (see CrashPoints); nil in production.
	Crash func(point string)
}

const defaultRejectQuota = 64 << 20

// CrashPoints are the names given to Options.Crash, in the order in which one batch meets them.
func CrashPoints() []string {
	return []string{
		"commit:start", "commit:manifest-synced", "commit:before-rename", "commit:after-rename", "commit:durable",
		"ack:recorded", "release:logged", "release:renamed", "release:durable", "release:freed", "release:done",
	}
}

// Spool is an open spool directory. Its methods may be called from several goroutines.
type Spool struct {
	layout
	opt Options
	log *slog.Logger

	mu          sync.Mutex // guards everything below, and serialises the steps of commit and release
	lock        io.Closer
	instance    string
	unused      bool // the instance file still says that no batch was ever committed
	copy        bool // the instance file was written in another directory than this one
	failed      error
	formatErr   error
	seq         uint64             // highest number given out or found
	last        *Manifest          // newest committed: holds position and totals
	records     map[uint64]*record // outbox and shipped
	order       []uint64           // keys of records, rising
	unlogged    []Entry            // quarantine lines still to be written
	ledger      ledger
	quarantined int64 // events, cumulative
	used        int64 // bytes of committed batches
	rejectBytes int64
	open        *Batch
	copies      *Copies
	changed     chan struct{} // closed and replaced when Pending may have changed
	complaints  map[uint64]string
}

// record is one batch in outbox/ or shipped/.
type record struct {
	m       Manifest
	place   Place
	acked   []bool
	bytes   int64 // on disk, counted in Spool.used
	rejects bool  // rejects.ndjson is in the batch directory
	logged  bool  // the ledger line is durable
	freed   bool  // Parquet and acks are unlinked

	replayed bool // the rejects it took over are removed
}

// waiting reports whether an object is still to be acknowledged.
func (r *record) waiting() bool { return r.place == Outbox && slices.Contains(r.acked, false) }

// pendingLines are the events of the batch that are not acknowledged. The second copy of the same events may
// double the rows of objects, never the lines.
func (r *record) pendingLines() int64 {
	if r.place != Outbox {
		return 0
	}
	var rows int64
	for i, o := range r.m.Objects {
		if !r.acked[i] {
			rows += o.Rows
		}
	}
	return min(rows, r.m.lines())
}

// Instance is the random id of this spool, part of every object name.
func (s *Spool) Instance() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.instance
}

// LastManifest is the newest committed batch; reading goes on at its Position. False: nothing was ever
// committed. The manifest must not be modified.
func (s *Spool) LastManifest() (Manifest, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		return Manifest{}, false
	}
	return *s.last, true
}

// Account says what became of every line read since the first batch:
// Read = Shipped + Filtered + Rejected + Quarantined + Pending.
type Account struct {
	Read        int64 `json:"read"`
	Shipped     int64 `json:"shipped"` // acknowledged by the destination
	Filtered    int64 `json:"filtered"`
	Rejected    int64 `json:"rejected"`
	Quarantined int64 `json:"quarantined"`
	Pending     int64 `json:"pending"` // committed, not yet acknowledged
	// Replayed are lines that were rejected once and are counted elsewhere now: shipped, filtered, pending or quarantined.
	Replayed int64 `json:"replayed"`
}

func account(last *Manifest, pending, quarantined int64) Account {
	if last == nil {
		return Account{Pending: pending, Quarantined: quarantined, Shipped: -pending - quarantined}
	}
	t, back := last.Totals, last.Replayed
	return Account{
		Read: t.Read, Filtered: t.Filtered + back.Filtered, Rejected: t.Rejected - back.Shipped - back.Filtered,
		Replayed: back.Shipped + back.Filtered, Pending: pending, Quarantined: quarantined,
		Shipped: t.Shipped + back.Shipped - pending - quarantined,
	}
}

// Totals are the cumulative counts of committed batches. Lines of the open batch are not in them.
func (s *Spool) Totals() Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	var pending int64
	for _, r := range s.records {
		pending += r.pendingLines()
	}
	return account(s.last, pending, s.quarantined)
}

// OldestWaiting is when the oldest batch with an object that is not acknowledged was sealed; zero when nothing waits.
func (s *Spool) OldestWaiting() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seq := range s.order {
		if r := s.records[seq]; r.waiting() {
			if at, err := time.Parse(time.RFC3339, r.m.Created); err == nil {
				return at
			}
		}
	}
	return time.Time{}
}

// Usage is what the limits are held against.
type Usage struct {
	Used    int64 // bytes of building/, outbox/ and shipped/
	Free    int64 // of the file system
	Waiting int   // objects not acknowledged
	Rejects int64 // bytes of rejected lines kept
}

// Usage reports the space used now. It asks the file system.
func (s *Spool) Usage() (Usage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	free, err := s.fs.Free(s.dir)
	if err != nil {
		return Usage{}, err
	}
	u := Usage{Used: s.used, Free: free, Rejects: s.rejectBytes}
	if s.open != nil {
		u.Used += s.open.written.Load()
	}
	for _, r := range s.records {
		if r.place == Outbox {
			for _, done := range r.acked {
				if !done {
					u.Waiting++
				}
			}
		}
	}
	return u, nil
}

// FormatErr is the *FormatError that stopped intake, nil if there is none.
func (s *Spool) FormatErr() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.formatErr
}

// Close discards the open batch and releases the lock. Committed batches stay for the next Open.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(s.failed, ErrClosed) {
		return nil
	}
	var err error
	if s.open != nil {
		err = s.open.discard()
	}
	s.failed = ErrClosed
	s.copies.close()
	return errors.Join(err, s.lock.Close())
}

// SetLimits takes over MaxSize, MinFree, Reserve and CopyMaxSize of opt. They hold from the next Begin on.
func (s *Spool) SetLimits(opt Options) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opt.MaxSize, s.opt.MinFree, s.opt.Reserve, s.opt.CopyMaxSize = opt.MaxSize, opt.MinFree, opt.Reserve, opt.CopyMaxSize
}

func (s *Spool) usable() error { return s.failed }

// fatal makes the spool refuse everything from now on.
func (s *Spool) fatal(op string, err error) error {
	s.failed = &FatalError{Op: op, Err: err}
	return s.failed
}

func (s *Spool) crash(point string) {
	if s.opt.Crash != nil {
		s.opt.Crash(point)
	}
}

func (s *Spool) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Spool) add(r *record) {
	if _, ok := s.records[r.m.Seq]; !ok {
		i, _ := slices.BinarySearch(s.order, r.m.Seq)
		s.order = slices.Insert(s.order, i, r.m.Seq)
	}
	s.records[r.m.Seq] = r
	s.used += r.bytes
}

func (s *Spool) drop(seq uint64) {
	if r, ok := s.records[seq]; ok {
		s.used -= r.bytes
		delete(s.records, seq)
		i, _ := slices.BinarySearch(s.order, seq)
		s.order = slices.Delete(s.order, i, i+1)
	}
}

// complain logs a repeated failure once and its end once.
func (s *Spool) complain(seq uint64, err error) {
	was, is := s.complaints[seq], ""
	if err != nil {
		is = err.Error()
	}
	switch {
	case is == was:
		return
	case is == "":
		delete(s.complaints, seq)
		s.log.Info("release goes on", "batch", seq)
	default:
		s.complaints[seq] = is
		s.log.Warn("release is waiting; it is tried again", "batch", seq, "err", fmt.Errorf("release batch %d: %w", seq, err))
	}
}
