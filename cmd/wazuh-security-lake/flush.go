package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"wazuh-security-lake/spool"
	"wazuh-security-lake/uploader"
)

func newFlush(g *global) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "flush",
		Short: "Ship what is there now, without waiting for the interval",
		Long: `Ask the running daemon to seal and ship what is there now, and wait until all of it is acknowledged.

Exit codes: 0 shipped; 65 a batch went to quarantine; 69 no daemon runs; 75 not within --timeout, or the daemon ended; 77 not root
or the daemon's user. What was sealed is shipped in any case, only nobody waited for it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := g.spoolDir()
			if err != nil {
				return err
			}
			h, err := findHolder(dir)
			if errors.Is(err, errNoDaemon) {
				return fail(exitUnavailable, "start it, or ship without it what is in the spool: wazuh-security-lake drain", err)
			}
			if errors.Is(err, fs.ErrPermission) {
				return toolFault(dir, err)
			}
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			before, err := quarantined(dir)
			if err != nil {
				return err
			}
			asked := monotonic().Nanoseconds()
			if err := h.send(syscall.SIGUSR1); err != nil {
				return err
			}
			answer, err := h.flushed(ctx, asked)
			if err != nil {
				return err
			}
			if err := h.acknowledged(ctx, answer.Batch, before); err != nil {
				return err
			}
			fmt.Fprintf(g.std.out, "flushed: everything read until now is shipped, through batch %d\n", answer.Batch)
			return nil
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "how long to wait for it")
	return cmd
}

// each calls look until it says that it is done, the daemon is gone or ctx ends.
func (h *holder) each(ctx context.Context, what string, look func() (done bool, err error)) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		alive := h.alive() // before looking: what a daemon did last is seen
		if done, err := look(); done || err != nil {
			return err
		}
		if !alive {
			return fail(exitTempFail, "see the journal; what was sealed is shipped after its next start", fmt.Errorf("%s: the daemon (pid %d) ended", what, h.pid))
		}
		select {
		case <-ctx.Done():
			err := fmt.Errorf("%s: %w", what, context.Cause(ctx))
			if errors.Is(err, context.DeadlineExceeded) {
				err = fmt.Errorf("%s: not done within --timeout", what)
			}
			return fail(exitTempFail, h.obstacle(), err)
		case <-tick.C:
		}
	}
}

// obstacle is what keeps the daemon from shipping, as a remedy to print.
func (h *holder) obstacle() string {
	live := h.live()
	if live == nil {
		return "see status; the daemon goes on by itself"
	}
	for _, s := range live.Sources {
		if f := s.LastFailure; f != nil && s.Health != uploader.HealthOK {
			if f.Remedy != "" {
				return f.Remedy
			}
			return "source " + s.Source + ": " + f.Message
		}
	}
	if live.Relay.OutputError != "" {
		return live.Relay.OutputError
	}
	return "see status; the daemon goes on by itself"
}

// flushed waits for the answer to a flush that was asked for at that moment or later.
func (h *holder) flushed(ctx context.Context, asked int64) (flushAnswer, error) {
	var answer flushAnswer
	err := h.each(ctx, "flush", func() (bool, error) {
		live := h.live()
		if live == nil || live.Flush == nil || live.Flush.Asked < asked {
			return false, nil
		}
		answer = *live.Flush
		if answer.Error != "" {
			return false, fail(exitTempFail, h.obstacle(), errors.New("flush: "+answer.Error))
		}
		return true, nil
	})
	return answer, err
}

// quarantined are the batches in quarantine.
func quarantined(dir string) (map[uint64]bool, error) {
	st, err := spool.Read(dir)
	if err != nil {
		return nil, err
	}
	found := make(map[uint64]bool)
	for _, b := range st.Batches {
		if b.Place == spool.Quarantine {
			found[b.Seq] = true
		}
	}
	return found, nil
}

// acknowledged waits until no object of a batch up to last waits any more. before are the batches that were in quarantine
// when it was asked for.
func (h *holder) acknowledged(ctx context.Context, last uint64, before map[uint64]bool) error {
	return h.each(ctx, "flush", func() (bool, error) {
		st, err := spool.Read(h.dir)
		if err != nil {
			return false, err
		}
		for _, b := range st.Batches {
			switch {
			case b.Seq > last:
			case b.Place == spool.Quarantine && !before[b.Seq]:
				return false, fail(exitData, "see spool list and the journal", fmt.Errorf("flush: batch %d went to quarantine", b.Seq))
			case b.Place == spool.Outbox:
				return false, nil
			}
		}
		return true, nil
	})
}
