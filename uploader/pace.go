package uploader

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Clock is the time the uploader lives in. The zero Options use the real one.
type Clock interface {
	Now() time.Time
	After(d time.Duration) <-chan time.Time
}

type realClock struct{}

func (realClock) Now() time.Time                         { return time.Now() }
func (realClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Pauses between attempts. A fault that waiting mends is tried again soon; one that a person has to mend is tried
// rarely, so that it costs nobody anything, but often enough that nothing has to be restarted afterwards.
const (
	retryMin, retryMax   = time.Second, time.Minute
	configMin, configMax = 30 * time.Second, 10 * time.Minute
)

// pause is how long to wait after the failures-th failure in a row (1 = the first): uniform between the lower bound and
// an exponentially growing upper one, so that many managers do not come back together, and never shorter than what
// the store asked for. random is in [0, 1).
func pause(c Class, failures int, asked time.Duration, random float64) time.Duration {
	low, high := retryMin, retryMax
	if c == Configuration {
		low, high = configMin, configMax
	}
	top := low << min(failures, 10)
	top = min(top, high)
	return max(low+time.Duration(random*float64(top-low)), asked)
}

// urgency is the class whose pauses apply to an error. Credentials that expire, rotate or are not there for a moment, and
// clocks, are said to be faults for a person at once, because they often are; but more often they pass by themselves, and then
// it must not take minutes until somebody looks.
func urgency(c Class, err error) Class {
	var e *Error
	if errors.Is(err, errNoCredentials) || errors.As(err, &e) && (isTokenExpired(e.Code) || clockFault(e.Code, 0)) {
		return Retryable
	}
	return c
}

// pacer hands out the right to send bytes so that all uploads together stay below a rate.
type pacer struct {
	rate  int64 // bytes per second, 0 = no limit
	clock Clock

	mu   sync.Mutex
	free time.Time // guarded by mu: when everything handed out so far has been sent
}

// chunk bounds a single read so that no wait is longer than a quarter of a second.
func (p *pacer) chunk(n int) int {
	if p.rate <= 0 {
		return n
	}
	return int(min(int64(n), max(p.rate/4, 1)))
}

// wait blocks until n bytes more may be sent, or ctx ends.
func (p *pacer) wait(ctx context.Context, n int) error {
	if p.rate <= 0 || n <= 0 {
		return nil
	}
	p.mu.Lock()
	now := p.clock.Now()
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second)))
	d := p.free.Sub(now)
	p.mu.Unlock()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.clock.After(d):
		return nil
	}
}

// pacedBody is the body of one attempt: paced, and counting its reads so that a stall can be noticed.
type pacedBody struct {
	io.ReadSeeker
	ctx   context.Context //nolint:containedctx // io.Reader has no other way to end a wait
	pace  *pacer
	reads *atomic.Int64
}

func (b *pacedBody) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.ReadSeeker.Read(p[:b.pace.chunk(len(p))])
	b.reads.Add(1)
	if werr := b.pace.wait(b.ctx, n); werr != nil {
		return n, werr
	}
	return n, err
}

// errStalled is the cause of an attempt that was ended because nothing moved.
var errStalled = errors.New("no progress for two minutes")

const stallAfter = 2 * time.Minute

// unstall runs put and ends its context when the body has not been read for stallAfter: a peer that accepts a
// connection and then goes silent must not occupy a slot for ever. A limit on the whole attempt would do harm instead:
// a large object on a slow line would never arrive.
func unstall(ctx context.Context, clock Clock, reads *atomic.Int64, put func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for seen := reads.Load(); ; {
			select {
			case <-ctx.Done():
				return
			case <-clock.After(stallAfter):
			}
			now := reads.Load()
			if now == seen {
				cancel(errStalled)
				return
			}
			seen = now
		}
	}()
	err := put(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		err = errStalled
	}
	cancel(nil)
	<-watched
	return err
}
