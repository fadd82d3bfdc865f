package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"wazuh-security-lake/backfill"
	"wazuh-security-lake/config"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
	"wazuh-security-lake/uploader"
)

// statusView is what `status` shows, also as JSON.
type statusView struct {
	Running  bool             `json:"running"`
	Input    inputView        `json:"input"`
	Position *tailer.Position `json:"position,omitempty"`
	Account  spool.Account    `json:"account"`
	Waiting  waitingView      `json:"waiting"`
	Last     *spool.Manifest  `json:"last_batch,omitempty"`
	Gaps     []spool.Gap      `json:"gaps"`
	Spool    spoolView        `json:"spool"`
	Problem  string           `json:"problem,omitempty"`
	Live     *liveStatus      `json:"live,omitempty"` // what the daemon last said of itself
}

type inputView struct {
	Path     string `json:"path"`
	LagBytes int64  `json:"lag_bytes"` // committed position to the end of the newest file
	Error    string `json:"error,omitempty"`
}

type waitingView struct {
	Objects     int       `json:"objects"`
	Batches     int       `json:"batches"`
	OldestSeal  time.Time `json:"oldest_seal,omitzero"`
	Quarantined int       `json:"quarantined_batches"`
}

type spoolView struct {
	Dir      string `json:"dir"`
	Instance string `json:"instance"`
	Bytes    int64  `json:"bytes"`
	MaxBytes int64  `json:"max_bytes"`
}

func newStatus(g *global) *cobra.Command {
	var asJSON, watch bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what the daemon is doing, also when it is stopped",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := g.read()
			if err != nil {
				return err
			}
			if watch {
				return watchStatus(cmd.Context(), g, loaded.Config)
			}
			v, err := readStatus(loaded.Config)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(g.std.out)
				enc.SetIndent("", "  ")
				return enc.Encode(v)
			}
			return v.print(g.std.out, time.Now())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&watch, "watch", false, "redraw every two seconds")
	return cmd
}

func watchStatus(ctx context.Context, g *global, c config.Config) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		v, err := readStatus(c)
		if err != nil {
			return err
		}
		fmt.Fprint(g.std.out, "\x1b[H\x1b[2J")
		if err := v.print(g.std.out, time.Now()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// readStatus looks at the state directory and the followed log; it takes no lock and changes nothing.
func readStatus(c config.Config) (*statusView, error) {
	st, err := spool.Read(c.Spool.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fail(exitNoInput, "start the service once, or name its configuration with --config", fmt.Errorf("no state in %s", c.Spool.Dir))
	case errors.Is(err, fs.ErrPermission):
		return nil, fail(exitNoPerm, "run as root or as a member of the daemon's group", err)
	case err != nil:
		return nil, err
	}
	v := &statusView{Input: inputView{Path: c.Input.Path}, Account: st.Account, Last: st.Last,
		Spool: spoolView{Dir: st.Dir, Instance: st.Instance, MaxBytes: c.Spool.MaxSize.Bytes()}}
	if st.Problem != nil {
		v.Problem = st.Problem.Error()
	}
	v.waiting(st)
	if v.Gaps, err = backfill.OpenGaps(c.Spool.Dir); err != nil {
		return nil, err
	}
	if data, err := os.ReadFile(filepath.Join(c.Spool.Dir, statusName)); err == nil {
		var live liveStatus
		if json.Unmarshal(data, &live) == nil {
			v.Live = &live
		}
	}
	v.Running = st.Holder > 0 && v.Live != nil && v.Live.PID == st.Holder && alive(st.Holder)
	v.lag(c.Input, st)
	return v, nil
}

func (v *statusView) waiting(st spool.State) {
	for _, b := range st.Batches {
		v.Spool.Bytes += b.Bytes
		switch {
		case b.Place == spool.Quarantine:
			v.Waiting.Quarantined++
		case b.Manifest != nil && b.Place == spool.Outbox && len(b.Acked) < len(b.Manifest.Objects):
			v.Waiting.Batches++
			v.Waiting.Objects += len(b.Manifest.Objects) - len(b.Acked)
			if at, err := time.Parse(time.RFC3339, b.Manifest.Created); err == nil && (v.Waiting.OldestSeal.IsZero() || at.Before(v.Waiting.OldestSeal)) {
				v.Waiting.OldestSeal = at
			}
		}
	}
}

// lag asks the tailer itself how much lies behind the committed position.
func (v *statusView) lag(in config.Input, st spool.State) {
	var p tailer.Position
	if st.Last != nil && json.Unmarshal(st.Last.Position, &p) == nil {
		v.Position = &p
	}
	t, err := openTailer(in, p, slog.New(slog.DiscardHandler))
	if err != nil {
		v.Input.Error = err.Error()
		return
	}
	defer t.Close() //nolint:errcheck // only read
	if v.Input.LagBytes, err = t.Lag(); err != nil {
		v.Input.Error = err.Error()
	}
}

// alive reports whether a process of that number exists, whoever owns it.
func alive(pid int) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	return err == nil
}

func (v *statusView) print(w io.Writer, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	state := "stopped"
	if v.Running {
		state = fmt.Sprintf("running, pid %d, version %s, node %s", v.Live.PID, v.Live.Version, v.Live.Node)
	}
	fmt.Fprintf(t, "daemon\t%s\n", state)
	if v.Problem != "" {
		fmt.Fprintf(t, "PROBLEM\t%s\n", v.Problem)
	}
	fmt.Fprintf(t, "input\t%s, %s unread\n", v.Input.Path, config.Size(v.Input.LagBytes))
	if v.Input.Error != "" {
		fmt.Fprintf(t, "\tERROR %s\n", v.Input.Error)
	}
	if v.Position != nil {
		fmt.Fprintf(t, "position\t%s at byte %d\n", v.Position.File, v.Position.Offset)
	}
	a := v.Account
	fmt.Fprintf(t, "alerts\tread %d = shipped %d + filtered %d + rejected %d + quarantined %d + pending %d\n",
		a.Read, a.Shipped, a.Filtered, a.Rejected, a.Quarantined, a.Pending)
	if v.Running && v.Live.Relay.Building.Read > 0 {
		fmt.Fprintf(t, "building\t%d alerts, about %s\n", v.Live.Relay.Building.Read, config.Size(v.Live.Relay.BuildingBytes))
	}
	fmt.Fprintf(t, "waiting\t%d objects in %d batches", v.Waiting.Objects, v.Waiting.Batches)
	if !v.Waiting.OldestSeal.IsZero() {
		fmt.Fprintf(t, ", oldest sealed %s ago", now.Sub(v.Waiting.OldestSeal).Round(time.Second))
	}
	fmt.Fprintln(t)
	v.printSources(t)
	if v.Waiting.Quarantined > 0 {
		fmt.Fprintf(t, "QUARANTINE\t%d batches, see spool list\n", v.Waiting.Quarantined)
	}
	for _, gap := range v.Gaps {
		fmt.Fprintf(t, "GAP\t%s from %d to %d: %s\n", gap.File, gap.From, gap.To, gap.Reason)
	}
	fmt.Fprintf(t, "spool\t%s  %s of %s  (%s)\n", bar(v.Spool.Bytes, v.Spool.MaxBytes), config.Size(v.Spool.Bytes), config.Size(v.Spool.MaxBytes), v.Spool.Dir)
	return t.Flush()
}

func (v *statusView) printSources(w io.Writer) {
	if v.Live == nil {
		return
	}
	for _, s := range v.Live.Sources {
		fmt.Fprintf(w, "source %s\t%s", s.Source, s.Health)
		if s.LastObject != nil {
			fmt.Fprintf(w, ", last object %s", s.LastObject.Key)
		}
		fmt.Fprintln(w)
		if f := s.LastFailure; f != nil && s.Health != uploader.HealthOK {
			fmt.Fprintf(w, "\tERROR %s\n", f.Message)
			if f.Remedy != "" {
				fmt.Fprintf(w, "\tremedy: %s\n", f.Remedy)
			}
		}
	}
	for _, e := range []string{v.Live.Relay.InputError, v.Live.Relay.OutputError} {
		if e != "" {
			fmt.Fprintf(w, "\tERROR %s\n", e)
		}
	}
}
