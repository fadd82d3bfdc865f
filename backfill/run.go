package backfill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"wazuh-security-lake/lake"
	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
)

// Options are what a run needs. All but Done are required.
type Options struct {
	Spools []*spool.Spool // one per worker
	// Relay is the template: filter, encoder, node, sizes, clock and log. Lines, Store, Sources, Instance, Wake, Skip and
	// Sealed are set by Run.
	Relay relay.Options
	// Sources makes the sources anew for each worker: they hold its mapper.
	Sources func() ([]*relay.Source, error)
	// Done is told every group that was read and committed. It must not block; it is called from several goroutines.
	Done func(Group)
}

// Progress is how far a run has come. Its methods may be called at any time.
type Progress struct{ tally tally }

type tally struct{ bytes, lines, left atomic.Int64 }

func (t *tally) read(n int64) {
	t.bytes.Add(n)
	t.lines.Add(1)
}

// Bytes and Lines are what was read so far; what was read again after a failure is counted again.
func (p *Progress) Bytes() int64 { return p.tally.bytes.Load() }

// Lines is the number of lines read.
func (p *Progress) Lines() int64 { return p.tally.lines.Load() }

// Result is what a run committed.
type Result struct {
	Counts spool.Counts // of the batches committed
	Left   int64        // lines left to the daemon because of their time
	Faults []Fault      // what could not be read
	Groups int          // read to their end
}

// Run reads the groups with as many workers as there are spools and blocks until all are read, ctx ends or one fails. What
// it read is committed when it returns, also after ctx ended; shipping is the uploader's. A group that was not read to its
// end is planned again by the next run.
func Run(ctx context.Context, opt Options, groups []Group, progress *Progress) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan Group)
	var workers sync.WaitGroup
	var mu sync.Mutex // guards res
	var res Result
	for _, sp := range opt.Spools {
		workers.Go(func() {
			for g := range queue {
				w := worker{opt: &opt, spool: sp, progress: progress}
				err := w.read(ctx, g)
				mu.Lock()
				res.Counts = plus(res.Counts, w.counts)
				res.Faults = append(res.Faults, w.faults...)
				if w.whole {
					res.Groups++
				}
				mu.Unlock()
				if err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, g := range groups {
		select {
		case queue <- g:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(queue)
	workers.Wait()
	res.Left = progress.tally.left.Load()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return res, err
	}
	return res, nil
}

func plus(a, b spool.Counts) spool.Counts {
	return spool.Counts{Read: a.Read + b.Read, Shipped: a.Shipped + b.Shipped, Filtered: a.Filtered + b.Filtered, Rejected: a.Rejected + b.Rejected}
}

// worker reads one group into one spool.
type worker struct {
	opt      *Options
	spool    *spool.Spool
	progress *Progress
	counts   spool.Counts
	faults   []Fault
	whole    bool // all of the group is committed
}

// wakeEvery is how often a worker that waits for room in its spool looks again.
const wakeEvery = time.Second

func (w *worker) read(ctx context.Context, g Group) error {
	if len(g.Pieces) > 0 {
		sources, err := w.opt.Sources()
		if err != nil {
			return err
		}
		in := &lines{group: g, tally: &w.progress.tally}
		defer in.close()
		wake, stop := w.wake()
		defer stop()
		o := w.opt.Relay
		o.Lines, o.Store, o.Sources, o.Instance, o.Wake = in, relay.FromSpool(w.spool), sources, w.spool.Instance(), wake
		o.Sealed = func(m spool.Manifest) {
			w.counts = plus(w.counts, m.Counts)
			in.rewinds = 0
		}
		if len(g.Delivered) > 0 {
			o.Skip = func(source string, day lake.Date) bool { return g.Delivered[Partition{source, day.String()}] }
		}
		// The last batch may fail after the end was reached and the relay told to stop: then it goes on where it was left.
		for in.next < len(g.Pieces) && ctx.Err() == nil {
			reading, ended := context.WithCancel(ctx)
			in.ended, o.Position = ended, in.at
			err = relay.New(o).Run(reading)
			ended()
			w.faults = in.faults
			if err != nil {
				return fmt.Errorf("read %s: %w", g.Pieces[min(in.next, len(g.Pieces)-1)].Name, err)
			}
		}
		if in.next < len(g.Pieces) {
			return nil // ctx ended
		}
	}
	if len(g.Closes) > 0 && len(w.faults) == 0 {
		if err := w.close(ctx, g.Closes); err != nil {
			return err
		}
	}
	w.whole = len(w.faults) == 0 && ctx.Err() == nil
	if w.opt.Done != nil {
		w.opt.Done(g)
	}
	return nil
}

// close commits that gaps were read to their end, after everything in them was committed.
func (w *worker) close(ctx context.Context, gaps []spool.Gap) error {
	at, err := json.Marshal(position(gaps))
	if err != nil {
		return fmt.Errorf("close gap: %w", err)
	}
	for {
		b, err := w.spool.Begin()
		if err == nil {
			if err = b.Commit(spool.Manifest{Position: at, Closes: gaps}); err == nil {
				return nil
			}
		}
		if !errors.Is(err, spool.ErrFull) {
			return fmt.Errorf("close gap: %w", err)
		}
		timer, stop := w.opt.Relay.Clock.Timer(wakeEvery)
		select {
		case <-ctx.Done():
			stop()
			return nil
		case <-timer:
		}
	}
}

// wake makes a channel that receives now and then; stop ends it and waits.
func (w *worker) wake() (wake <-chan struct{}, stop func()) {
	c, quit, done := make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			timer, release := w.opt.Relay.Clock.Timer(wakeEvery)
			select {
			case <-quit:
				release()
				return
			case <-timer:
			}
			select {
			case c <- struct{}{}:
			default:
			}
		}
	}()
	return c, func() { close(quit); <-done }
}
