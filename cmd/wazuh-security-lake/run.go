package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"wazuh-security-lake/config"
)

func newRun(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Follow the alerts and ship them: the daemon",
		Long: `Follow the alerts and ship them until SIGTERM.

Signals:  SIGTERM, SIGINT  stop reading, seal and ship what is there within a time limit, exit 0; a second one exits at once
          SIGHUP           seal, then apply the changed configuration; a broken one is refused and the old one kept
          SIGUSR1          seal and ship what is there now (the command flush)
          SIGUSR2          read to the end, ship all, exit 0 (the command drain); SIGHUP ends that and reads on

It uses one processor, and a memory limit that follows from the configuration; GOMAXPROCS and GOMEMLIMIT change them.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := g.load()
			if err != nil {
				return err
			}
			level := new(slog.LevelVar)
			log, release, err := newLogger(level, loaded.Config.Log.Format, loaded.Config.Log.File, g.std.err)
			if err != nil {
				return fail(exitConfig, "", err)
			}
			defer release()
			defer neighbour(loaded.Config)()
			defer boundGarbage(runGarbage)()
			signals := make(chan os.Signal, 8)
			signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
			defer signal.Stop(signals)
			d := &daemon{
				log: log, level: level, notify: newNotifier(), signals: signals, clock: realClock{}, crash: crashPoint,
				reload: func() (*config.Loaded, error) { return g.load() },
			}
			defer d.notify.close()
			return d.run(cmd.Context(), loaded)
		},
	}
}

// logNotices says once per start what is unusual about a configuration.
func logNotices(ctx context.Context, log *slog.Logger, l *config.Loaded) {
	for _, n := range l.Notices {
		log.InfoContext(ctx, "configuration: "+n)
	}
	for _, w := range config.Warnings(l.Config) {
		log.WarnContext(ctx, "configuration: "+w)
	}
}
