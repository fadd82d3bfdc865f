package uploader

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"wazuh-security-lake/spool"
)

// attempt tries one object once. It runs in its own goroutine and owns it until it returns.
func (u *Uploader) attempt(ctx context.Context, it *item) result {
	start := u.opt.Clock.Now()
	outcome, err := u.ship(ctx, it)
	r := result{it: it, outcome: outcome, took: u.opt.Clock.Now().Sub(start)}
	if err != nil {
		r.class, r.err = Classify(err), err
		r.outcome = outcomeOf(r.class)
		if ctx.Err() != nil {
			r.outcome = OutcomeCanceled
		}
	}
	u.opt.OnAttempt(Attempt{Object: it.object, Outcome: r.outcome, Took: r.took, Err: err})
	return r
}

func outcomeOf(c Class) Outcome {
	switch c {
	case Throttled:
		return OutcomeThrottled
	case Conflict:
		return OutcomeConflict
	case Configuration:
		return OutcomeConfiguration
	}
	return OutcomeRetryable
}

// ship verifies, stores and acknowledges one object.
func (u *Uploader) ship(ctx context.Context, it *item) (Outcome, error) {
	outcome := OutcomeAlreadyThere
	if !it.stored {
		var err error
		outcome, err = u.store(ctx, it)
		if err != nil || outcome == OutcomeQuarantined || outcome == OutcomeGone {
			return outcome, err
		}
		it.stored = true
	}
	if err := u.queue.Ack(it.ref); err != nil {
		return "", fmt.Errorf("acknowledge %s: %w", it.object.Key, err)
	}
	return outcome, nil
}

// store brings one object to its destination, or into quarantine.
func (u *Uploader) store(ctx context.Context, it *item) (Outcome, error) {
	body, _, err := u.queue.OpenObject(it.ref)
	switch {
	case errors.Is(err, spool.ErrUnknownBatch):
		return OutcomeGone, nil
	case errors.Is(err, spool.ErrCorrupt):
		return u.quarantine(it, printable(err.Error()))
	}
	if err != nil {
		return "", fmt.Errorf("open %s of batch %d: %w", it.object.File, it.ref.Seq, err)
	}
	defer body.Close() // only read
	if !it.verified {
		if outcome, err := u.verify(ctx, it, body); outcome != "" || err != nil {
			return outcome, err
		}
	}
	var reads atomic.Int64
	err = unstall(ctx, u.opt.Clock, &reads, func(ctx context.Context) error {
		return u.putter.Put(ctx, it.object, &pacedBody{ReadSeeker: body, ctx: ctx, pace: u.pace, reads: &reads})
	})
	if errors.Is(err, errStalled) {
		err = describe(it.object, "", err, u.opt.Clock.Now())
	}
	switch Classify(err) {
	case Exists:
		return OutcomeAlreadyThere, nil
	case Corrupt:
		// The store got other bytes than the manifest names. Damaged on the way: try again. On the disk: quarantine.
		if outcome, verr := u.verify(ctx, it, body); outcome != "" || verr != nil {
			return outcome, verr
		}
	}
	if err != nil {
		return "", err
	}
	return OutcomeStored, nil
}

// verify compares the file with the manifest and leaves body at its start. The outcome is quarantined when they differ,
// else empty.
func (u *Uploader) verify(ctx context.Context, it *item, body io.ReadSeeker) (Outcome, error) {
	it.verified = false
	sum, size, err := digest(ctx, body)
	if err != nil {
		return "", fmt.Errorf("verify %s of batch %d: %w", it.object.File, it.ref.Seq, err)
	}
	if size != it.object.Bytes {
		return u.quarantine(it, fmt.Sprintf("%s has %d bytes, want %d", it.object.File, size, it.object.Bytes))
	}
	if sum != strings.ToLower(it.object.SHA256) {
		return u.quarantine(it, it.object.File+" does not have the SHA-256 of the manifest")
	}
	it.verified = true
	return "", nil
}

// digest returns hash and size of a whole file and seeks back to its start.
func digest(ctx context.Context, f io.ReadSeeker) (sum string, size int64, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", 0, err
	}
	h := sha256.New()
	buf := make([]byte, 128<<10)
	for err == nil {
		if err := ctx.Err(); err != nil {
			return "", 0, err
		}
		var n int
		n, err = f.Read(buf)
		h.Write(buf[:n])
		size += int64(n)
	}
	if err != io.EOF {
		return "", 0, err
	}
	_, err = f.Seek(0, io.SeekStart)
	return hex.EncodeToString(h.Sum(nil)), size, err
}

// quarantine sets the whole batch aside; the spool logs it.
func (u *Uploader) quarantine(it *item, reason string) (Outcome, error) {
	if err := u.queue.Quarantine(it.ref.Seq, reason); err != nil {
		return "", fmt.Errorf("quarantine batch %d: %w", it.ref.Seq, err)
	}
	return OutcomeQuarantined, nil
}

// settle takes the result of an attempt into the schedule, the statistics and the log.
func (u *Uploader) settle(r result, once bool, causes map[string]error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.opt.Clock.Now()
	s, l := u.end(r.it)
	s.stats.Attempts[r.outcome]++
	o := r.it.object
	switch {
	case r.outcome == OutcomeCanceled:
		return
	case r.err != nil:
		if r.it.round == l.failures {
			// Several attempts that were under way together when the fault came are one failure, not many.
			l.failures++
		}
		asked := time.Duration(0)
		var e *Error
		if errors.As(r.err, &e) {
			asked = e.RetryAfter
		}
		l.retryAt = now.Add(pause(urgency(r.class, r.err), l.failures, asked, u.opt.Random()))
		if once {
			causes[s.name] = r.err
			l.gaveUp = r.class == Configuration || l.failures >= drainTries
		}
		u.failed(s, l, r, now)
		if r.it.gone {
			s.dropEmptyLanes()
			u.endOutage(s)
		}
		return
	case r.outcome == OutcomeStored || r.outcome == OutcomeAlreadyThere:
		s.stats.Objects++
		s.stats.Rows += o.Rows
		s.stats.Bytes += o.Bytes
		s.stats.LastObject = &Shipped{Key: o.Key, EventDay: o.EventDay, Rows: o.Rows, Bytes: o.Bytes, At: now}
		u.opt.Log.Info("object shipped", "source", o.Source, "batch", r.it.ref.Seq, "destination", o.Destination, "key", o.Key,
			"rows", o.Rows, "bytes", o.Bytes, "took", r.took, "attempt", r.it.attempts, "outcome", string(r.outcome))
		l.failures = 0
	}
	s.remove(r.it)
	s.dropEmptyLanes()
	u.endOutage(s)
}

// failed records a failure and logs it if the outage has not been logged yet. A fault that passes by itself is logged
// from the second failure in a row on: a single reset connection is no news.
func (u *Uploader) failed(s *source, l *lane, r result, now time.Time) {
	if s.outage == nil {
		s.outage = &outage{since: now}
	}
	o := s.outage
	o.failures++
	o.worst = max(o.worst, severity(r.class))
	f := &Failure{At: now, Class: r.class, Message: printable(r.err.Error())}
	var e *Error
	if errors.As(r.err, &e) {
		f.Code, f.Remedy = e.Code, e.Remedy
	}
	s.stats.LastFailure = f
	attrs := []any{"source", s.name, "batch", r.it.ref.Seq, "key", r.it.object.Key, "attempt", r.it.attempts, "class", r.class.String(),
		"err", f.Message, "next", l.retryAt.Sub(now).Round(time.Millisecond)}
	if f.Remedy != "" {
		attrs = append(attrs, "remedy", f.Remedy)
	}
	level := slog.LevelDebug
	switch {
	case r.class == Configuration && !o.alarmed:
		o.alarmed, o.warned, level = true, true, slog.LevelError
	case r.class != Configuration && l.failures > 1 && !o.warned:
		o.warned, level = true, slog.LevelWarn
	}
	u.opt.Log.Log(context.Background(), level, "upload failed, will be tried again", attrs...)
}

// severity folds the classes into the two an outage distinguishes.
func severity(c Class) Class {
	if c == Configuration {
		return Configuration
	}
	return Retryable
}

// endOutage logs the recovery when no lane of the source fails any more. u.mu is held.
func (u *Uploader) endOutage(s *source) {
	if s.outage == nil || s.failing() {
		return
	}
	o := s.outage
	s.outage = nil
	level := slog.LevelDebug
	if o.warned {
		level = slog.LevelInfo
	}
	u.opt.Log.Log(context.Background(), level, "upload works again", "source", s.name, "failures", o.failures,
		"lasted", u.opt.Clock.Now().Sub(o.since).Round(time.Second))
}
