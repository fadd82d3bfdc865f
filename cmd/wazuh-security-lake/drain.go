package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"wazuh-security-lake/config"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/uploader"
)

func newDrain(g *global) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "drain",
		Short: "Stop intake, ship everything, exit 0 when nothing is left",
		Long: `Before an upgrade, a decommission or a migration: stop intake and ship everything.

With the daemon running: it reads to the end of what is there, seals, ships all and exits with 0 (systemd does not start it
again); the command waits for that. When the command is interrupted or its time is over the daemon goes on draining;
systemctl reload wazuh-security-lake ends that, and it reads on.
With the daemon stopped: ships what is in the spool. Alerts that were not read yet stay in Wazuh's files.

Exit codes: 0 nothing is left; 65 what a later version has sealed is left; 69 the destination does not take it; 75 not within
--timeout, or the daemon ended before it was done. Killed at any moment nothing is lost or shipped twice.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := g.load()
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			h, err := findHolder(loaded.Config.Spool.Dir)
			switch {
			case errors.Is(err, errNoDaemon):
				return drainSpool(ctx, g, loaded.Config)
			case errors.Is(err, fs.ErrPermission):
				return toolFault(loaded.Config.Spool.Dir, err)
			case err != nil:
				return err
			}
			return h.drain(ctx, g)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", time.Hour, "how long to wait for it")
	return cmd
}

// drain asks the daemon and waits until it has shipped everything and exited.
func (h *holder) drain(ctx context.Context, g *global) error {
	if err := h.send(syscall.SIGUSR2); err != nil {
		return err
	}
	fmt.Fprintf(g.std.err, "the daemon (pid %d) drains\n", h.pid)
	err := h.each(ctx, "drain", func() (bool, error) {
		live := h.live()
		return live != nil && live.Drain == drainDone, nil
	})
	if err != nil {
		return err
	}
	// It is on its way out; whoever upgrades or copies the directory next must not meet it.
	err = h.each(ctx, "drain", func() (bool, error) { return !h.alive(), nil })
	if err != nil {
		return err
	}
	st, err := spool.Read(h.dir)
	if err != nil {
		return err
	}
	if n := waitingObjects(st); n > 0 {
		return fail(exitTempFail, "see status", fmt.Errorf("drain: %d objects wait although the daemon was done: another one has started", n))
	}
	fmt.Fprintln(g.std.out, "drained: everything is shipped, the daemon has ended")
	return nil
}

func waitingObjects(st spool.State) int {
	n := 0
	for _, b := range st.Batches {
		if b.Place == spool.Outbox && b.Manifest != nil {
			n += len(b.Manifest.Objects) - len(b.Acked)
		}
	}
	return n
}

// drainSpool ships what is in the spool of a stopped daemon.
func drainSpool(ctx context.Context, g *global, c config.Config) error {
	log := slog.New(slog.NewTextHandler(g.std.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if _, err := readState(c.Spool.Dir); err != nil {
		return err
	}
	s, err := spool.Open(c.Spool.Dir, spool.Options{Log: log, Crash: crashPoint})
	if err != nil {
		return toolFault(c.Spool.Dir, err)
	}
	err = drainOpen(ctx, g, c, s, log)
	return errors.Join(err, s.Close())
}

func drainOpen(ctx context.Context, g *global, c config.Config, s *spool.Spool, log *slog.Logger) error {
	waiting := len(s.Pending())
	if waiting > 0 {
		putter, err := openPutter(ctx, c, log)
		if err != nil {
			return err
		}
		defer putter.Close() //nolint:errcheck // everything was acknowledged or not: nothing is learned from it
		u := uploader.New(s, putter, uploader.Options{Concurrency: c.Upload.Concurrency, MaxRate: c.Upload.MaxRate.Bytes(), Log: log})
		if err := u.Drain(ctx); err != nil {
			return undelivered(ctx, err)
		}
	}
	copies, closeCopies, err := openCopies(ctx, c, s, log, nil)
	if err != nil {
		return err
	}
	if copies != nil {
		defer closeCopies() //nolint:errcheck // as above
		if err := copies.Drain(ctx); err != nil {
			fmt.Fprintf(g.std.err, "the lake has everything; second copies (copy.ocsf_json) stay behind: %v\n", err)
		}
	}
	if err := leftBehind(c.Spool.Dir); err != nil {
		return err
	}
	if st := s.Totals(); st.Quarantined > 0 {
		fmt.Fprintf(g.std.err, "%d alerts are in quarantine and stay there: see spool list\n", st.Quarantined)
	}
	_, err = fmt.Fprintf(g.std.out, "drained: %d objects shipped, nothing is left in the spool; alerts not read yet stay in Wazuh's files\n", waiting)
	return err
}

// leftBehind names a batch that a later version has sealed: it is in no queue of this one, and waits all the same.
func leftBehind(dir string) error {
	st, err := spool.Read(dir)
	if err != nil {
		return err
	}
	later, ok := errors.AsType[*spool.FormatError](st.Problem)
	if !ok || !strings.HasPrefix(later.Path, string(spool.Outbox)+"/") {
		return nil
	}
	return spoolFault(dir, fmt.Errorf("drain: everything else is shipped: %w", later))
}

// undelivered gives what Drain left behind its exit code and the remedy of the first cause that has one. Whether the time of
// the command is over only ctx tells: an endpoint that does not answer is a deadline among the causes as well.
func undelivered(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fail(exitTempFail, "run it again: what was shipped stays shipped", err)
	}
	remedy := "run it again, or start the daemon: it tries for ever"
	if e, ok := errors.AsType[*uploader.Error](err); ok && e.Remedy != "" {
		remedy = e.Remedy
	}
	return fail(exitUnavailable, remedy, err)
}
