package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"wazuh-security-lake/config"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

func newPosition(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "position",
		Short: "Show or set where reading goes on",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	show := &cobra.Command{
		Use:   "show",
		Short: "Print the committed position as JSON",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := g.read()
			if err != nil {
				return err
			}
			st, err := readState(c.Config.Spool.Dir)
			if err != nil {
				return err
			}
			if st.Last == nil {
				return fail(exitNoInput, "nothing was committed yet: the daemon starts at input.start_at", errors.New("there is no position"))
			}
			var p tailer.Position
			if err := json.Unmarshal(st.Last.Position, &p); err != nil {
				return fail(exitData, "set a new one: position set --help", fmt.Errorf("read position of batch %d: %w", st.Last.Seq, err))
			}
			enc := json.NewEncoder(g.std.out)
			enc.SetIndent("", "  ")
			return enc.Encode(struct {
				Batch uint64 `json:"batch"`
				tailer.Position
			}{st.Last.Seq, p})
		},
	}
	cmd.AddCommand(show, newPositionSet(g))
	return cmd
}

func newPositionSet(g *global) *cobra.Command {
	var at, file string
	var yes bool
	cmd := &cobra.Command{
		Use:   "set (--at WHEN | --file POSITION.json) --yes",
		Short: "Decide where reading goes on, after the state was lost or rolled back",
		Long: `Decide where reading goes on. The daemon must be stopped.

  --at today | end | YYYY-MM-DD | RFC 3339 time    as input.start_at
  --file POSITION.json                             as position show printed it; - is standard input

It says what lies between the old position and the new one: alerts there are skipped, or shipped a second time (with the
same metadata.uid). Nothing is done without --yes.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := g.read()
			if err != nil {
				return err
			}
			if (at == "") == (file == "") {
				return fail(exitUsage, "see position set --help", errors.New("give either --at or --file"))
			}
			next, err := chosenPosition(cmd.Context(), g, loaded.Config.Input, at, file)
			if err != nil {
				return err
			}
			if err := explainMove(g.std.out, loaded.Config, next); err != nil {
				return err
			}
			if !yes {
				return fail(exitUsage, "repeat with --yes to do it", errors.New("nothing was changed"))
			}
			data, err := json.Marshal(next)
			if err != nil {
				return fmt.Errorf("encode position: %w", err)
			}
			if err := spool.SetPosition(loaded.Config.Spool.Dir, data, spool.Options{}); err != nil {
				return toolFault(loaded.Config.Spool.Dir, err)
			}
			fmt.Fprintln(g.std.out, "position set")
			return nil
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "a moment, as input.start_at")
	cmd.Flags().StringVar(&file, "file", "", "a position as position show printed it")
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

// chosenPosition reads a saved position, or lets the tailer find the first line at a moment.
func chosenPosition(ctx context.Context, g *global, in config.Input, at, file string) (tailer.Position, error) {
	if file != "" {
		return savedPosition(g.std.in, file, in)
	}
	if _, err := tailer.ParseStartAt(at); err != nil {
		return tailer.Position{}, fail(exitUsage, "see position set --help", fmt.Errorf("--at %q: want today, end, YYYY-MM-DD or an RFC 3339 time such as 2026-03-15T00:00:00Z", at))
	}
	in.StartAt, in.StopAt = at, ""
	t, err := openTailer(in, tailer.Position{}, slog.New(slog.DiscardHandler))
	if err != nil {
		return tailer.Position{}, err
	}
	defer t.Close() //nolint:errcheck // only read
	return t.Start(ctx)
}

// savedPosition reads what position show printed. It takes only a position that the daemon can start with: a wrong one would
// be found out by its next start. Standard input is touched only when it is asked for: on a terminal it has no end.
func savedPosition(stdin io.Reader, file string, in config.Input) (tailer.Position, error) {
	var p tailer.Position
	var data []byte
	var err error
	if file == "-" {
		data, err = io.ReadAll(stdin)
	} else {
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return p, fmt.Errorf("read position: %w", err)
	}
	const remedy = "give the output of position show"
	if json.Unmarshal(data, &p) != nil || p.IsZero() {
		return p, fail(exitData, remedy, fmt.Errorf("read position: %s holds none", file))
	}
	t, err := openTailer(in, p, slog.New(slog.DiscardHandler))
	if err != nil {
		return p, fail(exitData, remedy, fmt.Errorf("read position: %w", err))
	}
	_ = t.Close() // nothing was read
	return p, nil
}

// explainMove says what a new position means for the alerts between it and the old one.
func explainMove(w io.Writer, c config.Config, next tailer.Position) error {
	st, err := spool.Read(c.Spool.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return stateFault(c.Spool.Dir, err)
	}
	fmt.Fprintf(w, "new position: %s at byte %d\n", next.File, next.Offset)
	var old tailer.Position
	if st.Last == nil || json.Unmarshal(st.Last.Position, &old) != nil {
		fmt.Fprintln(w, "old position: unknown. Alerts before the new one are not read; alerts behind it that were shipped before come twice.")
		return nil
	}
	fmt.Fprintf(w, "old position: %s at byte %d\n", old.File, old.Offset)
	switch order := comparePositions(next, old); {
	case order > 0:
		fmt.Fprintln(w, "SKIPPED: the alerts between the old and the new position are never shipped by the daemon.")
	case order == 0:
		fmt.Fprintln(w, "The same place.")
	default:
		fmt.Fprintln(w, "REPEATED: the alerts between the new and the old position are shipped a second time.")
	}
	return nil
}

// comparePositions orders by what is read first. A position without a file lies behind its floor, before everything when it has none.
func comparePositions(a, b tailer.Position) int {
	place := func(p tailer.Position) string {
		if p.File == "" && p.Floor != "-" {
			return p.Floor
		}
		return p.File
	}
	x, y := place(a), place(b)
	switch {
	case x == y:
		return cmp.Compare(a.Offset, b.Offset)
	case x == "":
		return -1
	case y == "":
		return 1
	}
	return tailer.Compare(x, y)
}
