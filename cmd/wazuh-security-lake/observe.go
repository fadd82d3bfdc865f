package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// lookAroundEvery is how often the daemon looks for the states in states.go.
	lookAroundEvery = time.Minute
	// measureEvery is how often it asks its input how much is unread: a listing of the dated directories.
	measureEvery = 15 * time.Second
)

// observed is what a generation knows about itself beside its counters, for status.json and metrics.
type observed struct {
	mu     sync.Mutex // guards all below
	track  track
	states []problem
	unread int64 // bytes that are not read, when last measured
}

// view is a copy of it.
type view struct {
	rates  rates
	growth float64
	states []problem
	unread int64
}

func (o *observed) view() view {
	o.mu.Lock()
	defer o.mu.Unlock()
	return view{o.track.rates(), o.track.growth(), o.states, o.unread}
}

// sampled takes in what is counted now.
func (g *generation) sampled(now time.Time) {
	st := g.relay.Stats()
	s := sample{at: now, lines: st.Read, bytes: st.ReadBytes}
	if u, err := g.d.spool.Usage(); err == nil {
		s.used = u.Used
	}
	g.seen.mu.Lock()
	defer g.seen.mu.Unlock()
	g.seen.track.add(s)
}

// measurer returns what the relay calls at each turn of its loop: the sign of life, and now and then the measure of what is
// unread, which only the relay's goroutine may ask the tailer for.
func (g *generation) measurer() func() {
	var next time.Time
	return func() {
		g.d.progress()
		now := g.d.clock.Now()
		if now.Before(next) {
			return
		}
		next = now.Add(measureEvery)
		unread, err := g.d.input.tailer.Lag()
		if err != nil {
			return // the same fault shows in the next read, which reports it
		}
		g.seen.mu.Lock()
		defer g.seen.mu.Unlock()
		g.seen.unread = unread
	}
}

// watchStates looks around until ctx ends. It has a goroutine of its own because a file system that hangs must not keep the
// daemon from its signals.
func (g *generation) watchStates(ctx context.Context, started time.Time) {
	g.work.Go(func() {
		for {
			now := g.d.clock.Now()
			found := g.d.states.tell(now, g.found(now, started))
			g.seen.mu.Lock()
			g.seen.states = found
			g.seen.mu.Unlock()
			g.status.changed()
			timer, release := g.d.clock.Timer(lookAroundEvery)
			select {
			case <-timer:
				release()
			case <-ctx.Done():
				release()
				return
			}
		}
	})
}

// found are the states that hold now.
func (g *generation) found(now, started time.Time) []problem {
	out := lookAround(g.cfg.Input, now, "/proc")
	if g.relay.Stats().InputError != "" {
		if p, ok := inputState(g.cfg.Input); ok {
			out = append(out, p)
		}
	}
	if p, ok := nameState(g.cfg); ok {
		out = append(out, p)
	}
	if p, ok := otherNode(g.cfg, g.status.live.Node, instancesOf(g.cfg.Spool.Dir, g.d.spool.Instance()), now, started); ok {
		out = append(out, p)
	}
	if u, err := g.d.spool.Usage(); err == nil {
		limits := spoolLimits(g.cfg)
		most := limits.MaxSize - limits.Reserve
		if left := untilFull(u.Used, most, g.seen.view().growth); left > 0 && left < fillingWithin {
			out = append(out, stateOf(stateFilling, fmt.Sprintf("%s of %s used, full in %s at the present growth", size(u.Used), size(most), lasting(left)),
				"see why uploads do not keep up (status); free disk space or raise spool.max_size. When it is full reading pauses and Wazuh's own files hold the rest"))
		}
	}
	if err := g.d.input.watcher.Degraded(); err != nil {
		out = append(out, stateOf(statePolling, err.Error(), "nothing is lost: each rotation is noticed within a second; sysctl fs.inotify.max_user_instances and max_user_watches"))
	}
	return out
}
