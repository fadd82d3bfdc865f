// Package relay is the loop of the daemon: lines of the followed log are filtered, mapped to OCSF events, encoded into
// the Parquet object of their (source, UTC day), and sealed into one batch whose commit makes the data and the position
// durable together.
//
//	tailer -> filter -> route -> ocsf.Planner (map, check) -> lake.Encoder -> spool commit
//
// One goroutine does all of it, so that order, counters and position need no lock; with Options.Judges others map for it.
// Every line that comes in ends in exactly one of shipped, filtered, rejected; until the batch is sealed it is "building"
// and would be read again after a crash.
//
// Failures: a full store stops the reading (the line in hand is kept, Wazuh's own files hold the rest); a disk error
// discards the batch and reads again from the last committed position; an error after the commit's rename ends Run,
// because only a fresh start can tell what is on the disk.
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"wazuh-security-lake/lake"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

// Lines is the input: *tailer.Tailer in the daemon.
type Lines interface {
	// Start finds the place of a very first start without consuming a line; its errors are those of Next. It is called
	// instead of the first Next when there is no committed position.
	Start(ctx context.Context) (tailer.Position, error)
	// Next returns the next whole line, io.EOF when there is none now, a *tailer.GapError for a named loss (the next call
	// goes on), or an error that may pass (missing file, permission, EIO).
	Next(ctx context.Context) (tailer.Line, error)
	// Position is where reading goes on after the last line returned.
	Position() tailer.Position
	// Exposed reports that a line returned since the last Position has become the only copy there is.
	Exposed() bool
	// Rewind makes the next call of Next start at p again. An error means that this input cannot go back.
	Rewind(p tailer.Position) error
}

// Clock is the time as the relay sees it.
type Clock interface {
	Now() time.Time
	// Timer returns a channel that receives once after d, and a function that releases it.
	Timer(d time.Duration) (<-chan time.Time, func())
}

// Options configure a Relay. Lines, Store, Sources and Clock are required; the last Source takes what no other took.
type Options struct {
	Lines   Lines
	Store   Store
	Sources []*Source
	Filter  Filter
	Encoder lake.Options

	Node     string // part of every object name
	Instance string // part of every object name: the state directory's random id

	Copy *CopyTo // a second copy of the events; nil: none

	Position tailer.Position // the last committed one

	Interval      time.Duration // from the first consumed line to the seal
	MinSize       int64         // with MinSize: at Interval only if that many bytes of Parquet are there, else at MaxWait
	MaxWait       time.Duration
	MaxObjectSize int64 // an object that reaches it seals the batch at once

	// Judges is how many goroutines map lines side by side while a batch is under construction, beside the one of Run, which
	// reads and encodes; 0: that one does it all. The outcome is the same. The daemon has none: it shares its host.
	Judges int

	Wake     <-chan struct{} // new data may be there
	Clock    Clock
	Log      *slog.Logger
	Stalled  func()               // called once a minute while a full store keeps the relay from reading
	Progress func()               // called whenever the loop turns: the watchdog's evidence
	Sealed   func(spool.Manifest) // called after each commit
	// Skip, unless nil, names the partitions whose events are in the lake already: they are counted as filtered.
	Skip func(source string, day lake.Date) bool
}

// Relay moves lines from the input into sealed batches.
type Relay struct {
	opt       Options
	build     *builder
	judge     *judge
	papers    papers // of the line in hand
	fate      fate   // of the line in hand
	bench     *bench // nil until it is needed
	next      held   // the line or gap in hand
	held      *held  // what could not be taken while the store was full
	committed tailer.Position
	started   bool      // the place of the very first start is committed
	stalled   time.Time // when Stalled was last called
	flush     chan chan error
	input     outage // of the input
	output    outage // of the store
	copying   outage // of the second copy
	taken     taken
	caughtUp  bool // the last pass ended because the input has nothing now
	stats     board
}

// New returns a Relay; Run does the work.
func New(opt Options) *Relay {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Progress == nil {
		opt.Progress = func() {}
	}
	if opt.Stalled == nil {
		opt.Stalled = func() {}
	}
	if opt.Sealed == nil {
		opt.Sealed = func(spool.Manifest) {}
	}
	r := &Relay{opt: opt, committed: opt.Position, started: !opt.Position.IsZero(), flush: make(chan chan error)}
	r.judge, r.build = newJudge(&r.opt, new(idleEvents)), newBuilder(&r.opt)
	return r
}

// stalledEvery is how often a stalled relay lets the input look after files that may vanish before they are read.
const stalledEvery = time.Minute

// Run relays until ctx ends; then it seals what it has read and returns nil. It returns an error only for what it cannot
// outlive: a commit whose outcome is unknown (*spool.FatalError) or a last seal that failed.
func (r *Relay) Run(ctx context.Context) error {
	defer func() {
		_ = r.build.discard() // nothing is left unless the seal failed, and then it is read again
		if r.bench != nil {
			r.bench.close()
			r.bench = nil
		}
	}()
	var flush flushing
	for {
		r.opt.Progress()
		if ctx.Err() != nil {
			err := r.seal("shutdown")
			flush.answer(err)
			return err
		}
		more, err := r.pass(ctx)
		if err == nil {
			err = r.sealIfDue(more)
		}
		if err != nil {
			outlived := r.recover(err)
			flush.answer(err)
			if !outlived {
				return err
			}
		}
		r.publish()
		if more && err == nil && !flush.due(r.flush, r.taken.lines) {
			continue
		}
		if reply := flush.take(); reply != nil {
			if err := r.answer(reply); err != nil {
				return err
			}
			continue
		}
		r.wait(ctx, &flush)
	}
}

// flushing is a flush that was asked for while there was more to read. What was written before it must be in the batch, so
// it is answered at the end of the file, or after flushLines when that is far off: a flush must not wait for a backlog.
type flushing struct {
	reply chan<- error // nil: none
	from  int64        // lines taken when it was asked for
}

const flushLines = 1 << 16

// due is asked after a pass that left more to read; lines were taken by now. It takes a flush that waits, and reports whether it is time to answer.
func (f *flushing) due(asked <-chan chan error, lines int64) bool {
	if f.reply != nil {
		return lines-f.from >= flushLines
	}
	select {
	case reply := <-asked:
		f.ask(reply, lines)
	default:
	}
	return false
}

// ask notes a flush; lines were taken by now.
func (f *flushing) ask(reply chan<- error, lines int64) { f.reply, f.from = reply, lines }

// take returns the flush to be answered, if there is one, and forgets it.
func (f *flushing) take() chan<- error {
	reply := f.reply
	f.reply = nil
	return reply
}

// answer tells a flush that is not answered yet how it went.
func (f *flushing) answer(err error) {
	if reply := f.take(); reply != nil {
		reply <- err
	}
}

// wait blocks until there may be something to do: new data, the batch's time, a flush, or the end of ctx. A flush is answered
// by Run, as one that comes while there is more to read: what was written before it must be in the batch.
func (r *Relay) wait(ctx context.Context, flush *flushing) {
	var due <-chan time.Time
	if at, ok := r.dueAt(); ok && r.held == nil {
		timer, stop := r.opt.Clock.Timer(at.Sub(r.opt.Clock.Now()))
		defer stop()
		due = timer
	}
	select {
	case <-ctx.Done():
	case <-r.opt.Wake:
	case <-due:
	case reply := <-r.flush:
		flush.ask(reply, r.taken.lines)
	}
}

// answer seals for a flush and tells how it went. It returns only what Run cannot outlive.
func (r *Relay) answer(reply chan<- error) error {
	err := r.seal("flush")
	if err != nil {
		outlived := r.recover(err)
		reply <- err
		if !outlived {
			return err
		}
		return nil
	}
	if r.held != nil {
		err = fmt.Errorf("flush: %w", spool.ErrFull)
	}
	reply <- err
	return nil
}

// Flush seals what is there now and waits until it is durable. It returns nil when there was nothing to seal, and an error
// that matches spool.ErrFull when something waits for which there is no room.
func (r *Relay) Flush(ctx context.Context) error {
	reply := make(chan error, 1)
	select {
	case r.flush <- reply:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-reply:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// dueAt is when the batch must be sealed for its age; false when there is no batch.
func (r *Relay) dueAt() (time.Time, bool) {
	if r.build.empty() {
		return time.Time{}, false
	}
	wait := r.opt.Interval
	if r.opt.MinSize > 0 {
		if _, reached := r.build.reaches(r.opt.MinSize); !reached {
			wait = max(wait, r.opt.MaxWait)
		}
	}
	return r.build.began.Add(wait), true
}

// sealIfDue seals for age, for size, for too many open days, or because the batch holds the only copy of a line.
func (r *Relay) sealIfDue(more bool) error {
	if r.build.empty() {
		return nil
	}
	if reached, _ := r.build.reaches(r.opt.MaxObjectSize); reached {
		return r.seal("size")
	}
	if len(r.build.open) >= maxPartitions {
		return r.seal("partitions")
	}
	if !more && (r.build.volatile || r.opt.Lines.Exposed()) {
		return r.seal("volatile")
	}
	if at, ok := r.dueAt(); ok && !r.opt.Clock.Now().Before(at) {
		return r.seal("interval")
	}
	return nil
}

// seal commits the batch, if there is one. why is for the log.
func (r *Relay) seal(why string) error {
	if r.build.empty() {
		return nil
	}
	return r.sealAt(r.opt.Lines.Position(), why) // no line is in hand: one is held only while no batch could begin
}

func (r *Relay) sealAt(position tailer.Position, why string) error {
	filtered, rejected := r.build.filtered, r.build.rejected
	m, err := r.build.seal(position, r.opt.Clock.Now())
	if err != nil {
		return err
	}
	r.count(m, filtered, rejected)
	r.committed = position
	r.output.over(r.opt.Log, "spool takes batches again")
	r.opt.Log.Info("batch sealed", "batch", m.Seq, "why", why, "read", m.Counts.Read, "rows", m.Counts.Shipped, "bytes", objectBytes(m),
		"filtered", m.Counts.Filtered, "rejected", m.Counts.Rejected, "objects", len(m.Objects))
	if m.Copy != nil && m.Copy.Skipped > 0 {
		r.copying.begin(r.opt.Log, slog.LevelError, "second copy of a batch skipped; the lake gets it all the same", r.build.copier.err)
	} else if m.Copy != nil {
		r.copying.over(r.opt.Log, "second copy is written again")
	}
	if m.Counts.Rejected > 0 {
		r.opt.Log.Warn("lines rejected, see rejects/", "batch", m.Seq, "rejected", m.Counts.Rejected)
	}
	r.opt.Sealed(m)
	return nil
}

// objectBytes is the size of all objects of a batch.
func objectBytes(m spool.Manifest) (sum int64) {
	for _, o := range m.Objects {
		sum += o.Bytes
	}
	return sum
}

// recover discards the batch after a failure and goes back to the last committed position. It reports false when the
// failure cannot be outlived.
func (r *Relay) recover(err error) bool {
	if _, fatal := errors.AsType[*spool.FatalError](err); fatal {
		return false
	}
	r.output.begin(r.opt.Log, slog.LevelError, "batch not written, reading again from the last committed position", err)
	r.held = nil
	if derr := r.build.discard(); derr != nil {
		r.opt.Log.Debug("discard failed; the directory is removed at the next start", "err", derr)
	}
	return r.opt.Lines.Rewind(r.committed) == nil // an input that cannot go back cannot be outlived either
}
