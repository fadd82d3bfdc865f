package relay

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"wazuh-security-lake/ocsf"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

// passLines and passBytes bound one pass of the loop: between passes it looks at the clock, at commands, at the size of the
// batch and at the end of the context.
const (
	passLines = 512
	passBytes = 4 << 20
)

// held is a line or a gap in hand that the store had no room for.
type held struct {
	line tailer.Line
	gap  *tailer.GapError
}

// pass consumes up to passLines lines. more is false when the input has nothing now or the store has no room.
func (r *Relay) pass(ctx context.Context) (more bool, err error) {
	now := r.opt.Clock.Now()
	r.caughtUp = false
	if !r.started {
		if begun, err := r.begin(ctx, now); !begun {
			return false, err
		}
	}
	if r.held != nil {
		h := *r.held
		// Its file may have lost its name while it waited: then the reserve is for this line, too.
		h.line.Volatile = h.line.Volatile || r.opt.Lines.Exposed()
		if err := r.take(&h, now); err != nil {
			return false, r.hold(&h, err)
		}
		r.held = nil
	}
	for lines, bytes := 0, 0; lines < passLines && bytes < passBytes; lines++ {
		if r.opt.Judges > 0 && !r.build.empty() {
			return r.passAhead(ctx, now, aheadLines-lines, passBytes-bytes)
		}
		h := &r.next
		*h = held{}
		h.line, err = r.opt.Lines.Next(ctx)
		switch {
		case err == nil, errors.As(err, &h.gap):
		default:
			return false, r.failedInput(ctx, err)
		}
		bytes += len(h.line.Data)
		if err := r.take(h, now); err != nil {
			return false, r.hold(h, err)
		}
	}
	return true, nil
}

// begin commits the place of the very first start before anything is read behind it: a daemon that starts at the end and
// dies before its first batch must not start at another end.
func (r *Relay) begin(ctx context.Context, now time.Time) (bool, error) {
	place, err := r.opt.Lines.Start(ctx)
	if gap, ok := errors.AsType[*tailer.GapError](err); ok {
		h := held{gap: gap}
		if err := r.take(&h, now); err != nil {
			return false, r.hold(&h, err)
		}
		place, err = r.opt.Lines.Start(ctx) // it goes on behind the gap, which is in the batch of the first start
	}
	if err != nil {
		return false, r.failedInput(ctx, err)
	}
	if place.IsZero() { // an input without positions
		r.started = true
		return true, nil
	}
	if err := r.build.begin(now, false); err != nil {
		return false, r.hold(nil, err)
	}
	if err := r.sealAt(place, "first start"); err != nil {
		return false, err
	}
	r.started = true
	return true, nil
}

// failedInput takes an error of the input that is neither a line nor a gap: nothing is lost by trying again.
func (r *Relay) failedInput(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, io.EOF):
		r.caughtUp = true
		r.input.over(r.opt.Log, "input readable again")
	case ctx.Err() != nil:
	default:
		r.input.begin(r.opt.Log, slog.LevelWarn, "input not readable, trying again", err)
	}
	return nil
}

// hold keeps what a full store could not take; any other error is the caller's.
func (r *Relay) hold(h *held, err error) error {
	if !errors.Is(err, spool.ErrFull) || !r.build.empty() {
		r.held = nil
		return err
	}
	if h != nil {
		r.held = h
	}
	if now := r.opt.Clock.Now(); now.Sub(r.stalled) >= stalledEvery {
		r.stalled = now
		r.opt.Stalled()
	}
	r.output.begin(r.opt.Log, slog.LevelWarn, "spool full, reading paused; Wazuh's own files hold the rest", err)
	return nil
}

// take brings one line or gap into the batch.
func (r *Relay) take(h *held, now time.Time) error { return r.takeJudged(h, nil, now) }

// takeJudged brings one line, whose fate is f unless that is nil, or one gap into the batch.
func (r *Relay) takeJudged(h *held, f *fate, now time.Time) error {
	if h.gap != nil {
		if err := r.build.begin(now, false); err != nil {
			return err
		}
		g := h.gap
		r.build.gaps = append(r.build.gaps, spool.Gap{Reason: g.Reason,
			Range: spool.Range{File: g.File, Head: g.Head.Hash, From: g.From, To: g.To}})
		r.opt.Log.Error("alerts lost: a part of the log could not be read", "err", g)
		return nil
	}
	l := &h.line
	if err := r.build.begin(now, l.Volatile); err != nil {
		return err
	}
	r.output.over(r.opt.Log, "spool takes batches again")
	r.input.over(r.opt.Log, "input readable again")
	r.build.note(l)
	r.taken.lines++
	r.taken.bytes += l.To - l.From
	if l.Reject != "" {
		return r.build.reject(l, l.Reject, "")
	}
	if f == nil {
		r.papers.open(r.judge)
		r.fate = r.judge.decide(l.Data, now, &r.papers)
		r.papers.close(r.judge)
		f = &r.fate
	}
	switch {
	case f.err != nil:
		return r.rejectError(l, f.err)
	case f.filtered != "":
		r.build.filter(f.filtered)
		return nil
	}
	r.taken.last = f.time
	return r.build.add(f)
}

// rejectError turns the mapper's or the checker's verdict into a reject.
func (r *Relay) rejectError(l *tailer.Line, err error) error {
	reason, attribute := "invalid_event", ""
	if me, ok := errors.AsType[*ocsf.MapError](err); ok {
		reason, attribute = string(me.Reason), me.Attribute
	} else if ce, ok := errors.AsType[*ocsf.CheckError](err); ok {
		attribute = ce.Attribute
	}
	r.opt.Log.Debug("line rejected", "reason", reason, "attribute", attribute, "file", l.File, "offset", l.From)
	return r.build.reject(l, reason, attribute)
}
