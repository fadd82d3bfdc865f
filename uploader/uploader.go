// Package uploader drains the spool to its destinations: S3, with a role per source, or a directory.
//
// One attempt for one object: verify the file against the manifest (once per process) -> one conditional PutObject ->
// acknowledge in the spool. What happens at each step:
//
//	file missing, size or hash differ -> the batch goes to quarantine, the other batches go on
//	stored, or there already (412)    -> acknowledge
//	stored, the answer was lost       -> tried again, answered with 412, acknowledged: not there twice
//	stored, acknowledging failed      -> only the acknowledgement is tried again
//	killed before the acknowledgement -> tried again after the restart, answered with 412
//	anything else                     -> tried again for ever, after a pause that depends on its Class
//
// Objects go oldest first within a source. A pause belongs to a lane, that is one partition of one source: neither a
// source that may not write nor a partition that is refused holds back or resends any other object. An outage of a
// source is logged once when it begins (a single failed attempt is not an outage, a configuration fault always is)
// and once when it is over.
package uploader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"wazuh-security-lake/spool"
)

// Options tune an Uploader. The zero value is usable.
type Options struct {
	// Concurrency is how many objects are under way at a time; 4 when zero.
	Concurrency int
	// MaxRate limits all uploads together, in bytes per second; 0 = no limit.
	MaxRate int64
	// Clock is the time to live in; the real one when nil.
	Clock Clock
	// Random spreads the pauses: it returns a number in [0, 1) and is safe for concurrent use. math/rand/v2 when nil.
	Random func() float64
	// Log receives outages, recoveries and one line per shipped object; slog.Default when nil.
	Log *slog.Logger
	// OnAttempt is told every finished attempt, from several goroutines. It must not block.
	OnAttempt func(Attempt)
}

// refreshEvery is how often the queue is read without a wake-up: a lost one costs a minute, not the objects.
const refreshEvery = time.Minute

// drainTries is how often Drain tries an object before it leaves it for the next Run.
const drainTries = 3

// Uploader ships the objects of one Queue through one Putter.
type Uploader struct {
	queue  Queue
	putter Putter
	opt    Options
	pace   *pacer
	turn   chan struct{} // holds one value while Run or Drain is at work
	kick   chan struct{}

	mu      sync.Mutex
	sources map[string]*source // guarded by mu, with everything below it except items in flight
	probed  bool               // guarded by mu: the last object picked was a probe
}

// New makes an Uploader. It starts nothing.
func New(queue Queue, putter Putter, opt Options) *Uploader {
	if opt.Concurrency <= 0 {
		opt.Concurrency = 4
	}
	if opt.Clock == nil {
		opt.Clock = realClock{}
	}
	if opt.Random == nil {
		opt.Random = rand.Float64
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if opt.OnAttempt == nil {
		opt.OnAttempt = func(Attempt) {}
	}
	return &Uploader{
		queue: queue, putter: putter, opt: opt,
		pace: &pacer{rate: opt.MaxRate, clock: opt.Clock},
		turn: make(chan struct{}, 1), kick: make(chan struct{}, 1),
		sources: map[string]*source{},
	}
}

// Run ships objects as they become pending and blocks until ctx ends; then it cancels the attempts under way, waits for
// them and returns the context's error. An object that was stored in that moment is found again by the next attempt.
// Nothing that goes wrong with an object or a destination ends Run; a spool that can no longer be trusted does, with its
// *spool.FatalError. It returns ErrBusy when Run or Drain is at work.
func (u *Uploader) Run(ctx context.Context) error {
	release, err := u.take()
	if err != nil {
		return err
	}
	defer release()
	return u.loop(ctx, false)
}

// Drain ships what is pending now and returns. An object is tried up to three times, with the usual pauses; a lane with
// a configuration fault is left at once. nil means: everything that was pending is at its destination, acknowledged, or
// in quarantine. *UndeliveredError says what stays behind, also when ctx ended first. ErrBusy: Run or Drain is at work.
func (u *Uploader) Drain(ctx context.Context) error {
	release, err := u.take()
	if err != nil {
		return err
	}
	defer release()
	return u.loop(ctx, true)
}

// Kick ends all pauses: what waits is tried now. It does not block. For an operator who has just mended a policy.
func (u *Uploader) Kick() {
	select {
	case u.kick <- struct{}{}:
	default: // one is waiting already
	}
}

func (u *Uploader) take() (release func(), err error) {
	select {
	case u.turn <- struct{}{}:
		return func() { <-u.turn }, nil
	default:
		return nil, ErrBusy
	}
}

// UndeliveredError reports what Drain left behind.
type UndeliveredError struct {
	Objects int
	Bytes   int64
	Causes  []error // the last error of each source that failed; the context's error when that ended Drain
}

// Error names the number of objects and the causes.
func (e *UndeliveredError) Error() string {
	if err := errors.Join(e.Causes...); err != nil {
		return fmt.Sprintf("%d objects (%d bytes) not delivered: %v", e.Objects, e.Bytes, err)
	}
	return fmt.Sprintf("%d objects (%d bytes) not delivered", e.Objects, e.Bytes)
}

// Unwrap returns the causes.
func (e *UndeliveredError) Unwrap() []error { return e.Causes }

// result is what an attempt hands to the loop that started it.
type result struct {
	it      *item
	outcome Outcome
	class   Class
	err     error
	took    time.Duration
}

// loop is the only one that starts attempts and that changes the schedule. It returns only after its attempts have.
func (u *Uploader) loop(ctx context.Context, once bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make(chan result)
	causes := map[string]error{}
	under := 0
	u.restart()
	wake := u.reload()
	if once {
		wake = nil // what comes later is left to the next Run
	}
	reread := u.opt.Clock.After(refreshEvery)
	for {
		for under < u.opt.Concurrency && ctx.Err() == nil {
			it := u.pick()
			if it == nil {
				break
			}
			under++
			go func() { results <- u.attempt(ctx, it) }()
		}
		resume, waiting := u.resume()
		if under == 0 && (ctx.Err() != nil || (once && !waiting)) {
			break
		}
		done := ctx.Done()
		if ctx.Err() != nil {
			done = nil // only waiting for the attempts under way
		}
		select {
		case r := <-results:
			under--
			if fatal(r.err) {
				cancel(r.err)
				r.outcome = OutcomeCanceled
			}
			u.settle(r, once, causes)
		case <-wake:
			wake = u.reload()
		case <-reread:
			if !once {
				wake = u.reload()
			}
			reread = u.opt.Clock.After(refreshEvery)
		case <-u.kick:
			u.restart()
		case <-resume:
		case <-done:
		}
	}
	if !once {
		return context.Cause(ctx)
	}
	return u.undelivered(ctx, causes)
}

// fatal reports that the spool has to be opened anew: no attempt can be acknowledged any more.
func fatal(err error) bool {
	var f *spool.FatalError
	return errors.As(err, &f) || errors.Is(err, spool.ErrClosed)
}

// restart ends all pauses.
func (u *Uploader) restart() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, s := range u.sources {
		for _, l := range s.lanes {
			l.retryAt, l.gaveUp = time.Time{}, false
		}
	}
}

// reload reads the queue and returns the channel for the next wake-up. The channel is fetched first: what becomes
// pending between the two is then in the list or announced, never neither.
func (u *Uploader) reload() <-chan struct{} {
	wake := u.queue.Changed()
	pending := u.queue.Pending()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.refresh(pending)
	return wake
}

func (u *Uploader) pick() *item {
	u.mu.Lock()
	defer u.mu.Unlock()
	it := u.next(u.opt.Clock.Now())
	if it != nil {
		u.begin(it)
	}
	return it
}

// resume returns the wake-up for the end of the next pause; waiting is false when no lane is pausing.
func (u *Uploader) resume() (c <-chan time.Time, waiting bool) {
	u.mu.Lock()
	at, ok := u.pauseEnd()
	u.mu.Unlock()
	if !ok {
		return nil, false
	}
	d := at.Sub(u.opt.Clock.Now())
	if d <= 0 {
		// Due, but no slot is free for a probe: the next result is the wake-up.
		return nil, true
	}
	return u.opt.Clock.After(d), true
}

// undelivered makes the answer of Drain.
func (u *Uploader) undelivered(ctx context.Context, causes map[string]error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	e := &UndeliveredError{}
	for _, s := range u.sources {
		for _, it := range s.items {
			e.Objects++
			e.Bytes += it.object.Bytes
		}
	}
	if e.Objects == 0 {
		return nil
	}
	names := make([]string, 0, len(causes))
	for name := range causes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		e.Causes = append(e.Causes, causes[name])
	}
	if err := context.Cause(ctx); err != nil {
		e.Causes = append(e.Causes, err)
	}
	return e
}
