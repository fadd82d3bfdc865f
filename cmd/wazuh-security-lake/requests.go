package main

import (
	"context"
	"errors"
	"syscall"
	"time"

	"wazuh-security-lake/config"
	"wazuh-security-lake/spool"
)

// Commands speak to the running daemon by signals, and it answers in status.json:
//
//	SIGUSR1  flush  seal and ship what is there now               answer: liveStatus.Flush
//	SIGUSR2  drain  read to the end, seal, ship all, exit 0        answer: liveStatus.Drain; SIGHUP ends it and reads on
//
// A request is told from the one before it by its moment on CLOCK_MONOTONIC, which does not step.

// flushAnswer is what came of the last flush.
type flushAnswer struct {
	Asked int64  `json:"asked"` // when the daemon took the signal, nanoseconds of CLOCK_MONOTONIC
	Batch uint64 `json:"batch"` // newest batch then: with it everything read before is acknowledged
	Error string `json:"error,omitempty"`
}

// The phases of a drain.
const (
	drainReading  = "reading"  // to the end of what is there
	drainShipping = "shipping" // intake has stopped
	drainDone     = "done"     // everything is acknowledged; the daemon exits
)

// requests are what the commands asked for. They outlive a reload, which only interrupts them.
type requests struct {
	flushAsked int64        // of a flush not answered yet; 0 is none
	flushed    *flushAnswer // the last one
	drain      string       // phase; "" while no drain is under way
}

// drainRetry is how long a drain waits before it looks again, when it has not come to the end.
const drainRetry = time.Second

// pipeline is the running relay and uploader of a generation.
type pipeline struct {
	g                     *generation
	readCtx               context.Context // ends with the relay
	stopRelay, stopUpload context.CancelFunc
	relayed, uploaded     chan error
	relayEnded            bool

	answers chan flushAnswer
	read    chan struct{} // a drain has sealed everything that was there
	emptied chan struct{} // after that: nothing waits any more
}

// startPipeline starts both; stop waits for them.
func (g *generation) startPipeline(ctx context.Context) *pipeline {
	p := &pipeline{g: g, relayed: make(chan error, 1), uploaded: make(chan error, 1), answers: make(chan flushAnswer),
		read: make(chan struct{}, 1), emptied: make(chan struct{}, 1)}
	var uploadCtx context.Context
	p.readCtx, p.stopRelay = context.WithCancel(ctx)
	uploadCtx, p.stopUpload = context.WithCancel(ctx)
	go func() { p.relayed <- g.relay.Run(p.readCtx) }()
	go func() { p.uploaded <- g.upload(uploadCtx) }()
	return p
}

// endRelay seals what was read and waits for the relay.
func (p *pipeline) endRelay() error {
	p.stopRelay()
	if p.relayEnded {
		return nil
	}
	p.relayEnded = true
	return <-p.relayed
}

// stop seals what was read, then lets go of the uploads under way; what they stored is found again by the next attempt.
func (p *pipeline) stop() error {
	err := p.endRelay()
	p.stopUpload()
	<-p.uploaded
	return err
}

// flush seals and ships what is there now; the answer comes over p.answers, unless the relay ends before.
func (p *pipeline) flush() {
	g, asked := p.g, p.g.d.asks.flushAsked
	g.work.Go(func() {
		err := g.relay.Flush(p.readCtx)
		if p.readCtx.Err() != nil {
			return // a reload takes the request up again; what ends the daemon answers it by ending
		}
		if err != nil {
			g.d.log.Error("flush failed", "err", err)
		}
		g.kick()
		select {
		case p.answers <- g.answer(asked, err):
		case <-p.readCtx.Done():
		}
	})
}

func (g *generation) answer(asked int64, err error) flushAnswer {
	a := flushAnswer{Asked: asked}
	if m, ok := g.d.spool.LastManifest(); ok {
		a.Batch = m.Seq
	}
	if err != nil {
		a.Error = err.Error()
	}
	return a
}

// drain reads to the end of what is there, as often as it takes: a full spool empties while it waits, and a flush takes only so
// much of a backlog.
func (p *pipeline) drain() {
	g := p.g
	g.work.Go(func() {
		for {
			err := g.relay.Flush(p.readCtx)
			// A flush does not wait for the end of a large backlog. An input that cannot be read has nothing for a drain.
			if st := g.relay.Stats(); err == nil && (st.CaughtUp || st.InputError != "") {
				select {
				case p.read <- struct{}{}:
				case <-p.readCtx.Done():
				}
				return
			}
			g.kick()
			timer, release := g.d.clock.Timer(drainRetry)
			select {
			case <-timer:
				release()
			case <-p.readCtx.Done():
				release()
				return
			}
		}
	})
}

// awaitEmpty tells when nothing waits in the spool any more. Intake must have ended.
func (p *pipeline) awaitEmpty(ctx context.Context) {
	g := p.g
	g.kick()
	g.work.Go(func() {
		for {
			changed := g.d.spool.Changed() // before Pending, so that no change falls in between
			if len(g.d.spool.Pending()) == 0 {
				p.emptied <- struct{}{}
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	})
}

// supervise runs the relay and the uploader until a signal, ctx or a failure ends them; both have ended when it returns.
// After a reload it returns the new configuration.
func (g *generation) supervise(ctx context.Context) (*config.Loaded, error) {
	defer g.close()
	defer g.work.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := g.startPipeline(ctx)
	g.watchStates(ctx, g.d.clock.Now())
	if g.d.asks.flushAsked != 0 {
		p.flush() // the generation before was ended by a reload
	}
	tick := time.NewTicker(statusInterval)
	defer tick.Stop()
	for {
		relayed := p.relayed
		if p.relayEnded {
			relayed = nil // a drain has taken its result
		}
		select {
		case err := <-relayed:
			p.relayEnded = true
			if err == nil {
				err = ctx.Err() // only its context ends a relay without an error
			}
			return nil, errors.Join(err, p.stop())
		case err := <-p.uploaded:
			// Only a spool that can no longer be trusted ends the uploader: nothing more may be sealed into it.
			return nil, errors.Join(err, p.endRelay())
		case <-ctx.Done():
			return nil, p.stop()
		case <-tick.C:
			if p.relayEnded {
				g.d.progress() // a drain ships; nothing is to be read
			}
			g.beat()
		case a := <-p.answers:
			g.answered(a)
		case <-p.read:
			if err := p.endRelay(); err != nil {
				return nil, errors.Join(err, p.stop())
			}
			g.d.asks.drain = drainShipping
			g.status.write(g)
			g.d.log.Info("drain: everything is read and sealed, shipping the rest")
			p.awaitEmpty(ctx)
		case <-p.emptied:
			g.d.notify.stopping()
			g.d.asks.drain = drainDone
			err := p.stop()
			g.shipCopies()
			g.status.write(g)
			g.d.log.Info("drained: nothing is left to ship, exiting")
			return nil, err
		case sig := <-g.d.signals:
			next, ended, err := g.signalled(sig.(syscall.Signal), p)
			if ended {
				return next, err
			}
		}
	}
}

// signalled does what a signal asks for; ended tells that the generation is over.
func (g *generation) signalled(sig syscall.Signal, p *pipeline) (next *config.Loaded, ended bool, err error) {
	switch sig {
	case syscall.SIGUSR1:
		g.d.asks.flushAsked = monotonic().Nanoseconds()
		if p.relayEnded { // a drain has sealed everything
			g.answered(g.answer(g.d.asks.flushAsked, nil))
			return nil, false, nil
		}
		p.flush()
		return nil, false, nil
	case syscall.SIGUSR2:
		if g.d.asks.drain == "" {
			g.d.log.Info("drain: reading to the end, then shipping all; SIGHUP ends it and reads on")
			g.d.asks.drain = drainReading
			g.status.write(g)
			p.drain()
		}
		return nil, false, nil
	case syscall.SIGHUP:
		g.d.notify.reloading(monotonic())
		next, err := g.d.reload()
		if err == nil {
			err = fixedPart(g.cfg, next.Config)
		}
		if err != nil {
			g.d.log.Error("configuration refused, the old one is kept", "err", err)
			g.announce()
			return nil, false, nil
		}
		if g.d.asks.drain != "" {
			g.d.log.Info("drain ended by a reload: reading goes on")
			g.d.asks.drain = ""
		}
		if g.cfg.Log.File != next.Config.Log.File || g.cfg.Log.Format != next.Config.Log.Format {
			g.d.log.Warn("log.file and log.format apply at the next restart; all else applies now")
		}
		g.d.log.Info("configuration changed, sealing before it is applied")
		err = p.stop()
		if _, fatal := errors.AsType[*spool.FatalError](err); err != nil && !fatal {
			g.d.log.Error("batch not written, reading again from the last committed position", "err", err)
			err = nil
		}
		return next, true, err
	}
	return nil, true, g.shutdown(p.stop)
}

// answered records what came of a flush and shows it at once: a command waits for it.
func (g *generation) answered(a flushAnswer) {
	if last := g.d.asks.flushed; last == nil || last.Asked < a.Asked {
		g.d.asks.flushed = &a
	}
	if a.Asked >= g.d.asks.flushAsked {
		g.d.asks.flushAsked = 0
	}
	g.status.write(g)
}
