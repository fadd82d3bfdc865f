package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
)

func newRejectsReplay(g *global) *cobra.Command {
	var dry, asJSON bool
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Ship the rejected lines that can become an event by now (daemon stopped)",
		Long: `After an upgrade, or when the clock was wrong: put every rejected line that can become an event now into one batch. The batch
and the removal from the rejects are one commit: killed at any moment, no line is lost and none is shipped twice. The daemon
ships the batch at its next start; drain ships it now. Lines that stay rejected stay in the list.

Only lines whose bytes were kept can be replayed; for the others backfill reads Wazuh's own files. Rejects of a batch that waits
for delivery, or is in quarantine, come later.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := g.load()
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			c := loaded.Config
			log := slog.New(slog.NewTextHandler(g.std.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
			sources, err := relaySources(c)
			if err != nil {
				return err
			}
			if _, err := readState(c.Spool.Dir); err != nil {
				return err
			}
			s, err := spool.Open(c.Spool.Dir, spool.Options{MaxSize: c.Spool.MaxSize.Bytes(), MinFree: c.Spool.MinFree.Bytes(),
				CopyMaxSize: c.Copy.MaxSize.Bytes(), Log: log, Crash: crashPoint})
			if err != nil {
				return toolFault(c.Spool.Dir, err)
			}
			err = s.PinSources(pins(sources))
			var done relay.Replayed
			if err == nil {
				done, err = relay.Replay(ctx, s, relay.Options{Sources: sources, Filter: relayFilter(c.Filter), Encoder: encoderOptions(),
					Node: nodeName(c, log), Instance: s.Instance(), Clock: realClock{}, Copy: copyTo(c.Copy)}, dry)
			}
			if err := errors.Join(err, s.Close()); err != nil {
				if _, ok := errors.AsType[*spool.PinError](err); ok {
					return fail(exitConfig, "a source never changes its class, OCSF version or schema: use the configuration the daemon runs with", err)
				}
				if errors.Is(err, spool.ErrFull) {
					return fail(exitTempFail, "ship what waits first: wazuh-security-lake drain", err)
				}
				return err
			}
			return printReplayed(g.std.out, done, dry, asJSON)
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say what would happen")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printReplayed(w io.Writer, r relay.Replayed, dry, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	switch {
	case r.Shipped+r.Filtered == 0:
		fmt.Fprintf(w, "no rejected line can become an event; %d stay rejected\n", r.Kept)
	case dry:
		fmt.Fprintf(w, "%d lines can become an event, %d are not wanted by the filter, %d stay rejected; nothing was changed\n", r.Shipped, r.Filtered, r.Kept)
	default:
		fmt.Fprintf(w, "batch %d: %d lines are events now, %d are not wanted by the filter; %d stay rejected\n", r.Batch, r.Shipped, r.Filtered, r.Kept)
		fmt.Fprintln(w, "the daemon ships it at its next start; without it: wazuh-security-lake drain")
	}
	if r.Elsewhere > 0 {
		fmt.Fprintf(w, "rejects of %d more batches were left alone: not shipped yet, or in quarantine\n", r.Elsewhere)
	}
	return nil
}
