package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"wazuh-security-lake/backfill"
	"wazuh-security-lake/config"
	"wazuh-security-lake/ossec-integration/inbox"
	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
	"wazuh-security-lake/uploader"
)

// statusView is what `status` shows, also as JSON.
type statusView struct {
	Running  bool             `json:"running"`
	Problems []problem        `json:"problems"`
	Input    inputView        `json:"input"`
	Inbox    *inboxView       `json:"inbox,omitempty"`
	Position *tailer.Position `json:"position,omitempty"`
	Account  spool.Account    `json:"account"`
	Waiting  waitingView      `json:"waiting"`
	Shipped  shippedView      `json:"shipped"`
	Objects  objectsView      `json:"objects_per_day"`
	Sources  []*lastObject    `json:"last_objects"`
	Last     *spool.Manifest  `json:"last_batch,omitempty"`
	Gaps     []spool.Gap      `json:"gaps"`
	Rejects  rejectsView      `json:"rejects"`
	Spool    spoolView        `json:"spool"`
	Copies   spool.CopyUsage  `json:"second_copies"`
	Problem  string           `json:"problem,omitempty"` // of the state directory
	Live     *liveStatus      `json:"live,omitempty"`    // what the daemon last said of itself
}

// problem is one thing that somebody should look at.
type problem struct {
	State  string    `json:"state"`
	Text   string    `json:"text"`
	Detail string    `json:"detail,omitempty"`
	Remedy string    `json:"remedy,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	Minor  bool      `json:"minor,omitempty"` // it will most likely pass by itself, or costs nothing
}

func (p problem) String() string {
	if p.Detail == "" {
		return p.Text
	}
	return p.Text + ": " + p.Detail
}

type inputView struct {
	Path       string  `json:"path"`
	LagBytes   int64   `json:"lag_bytes"`   // committed position to the end of the newest file
	LagAlerts  int64   `json:"lag_alerts"`  // that many alerts, by the mean length of a line
	LagSeconds float64 `json:"lag_seconds"` // age of the oldest of them
	Error      string  `json:"error,omitempty"`
	Alerts1m   float64 `json:"alerts_per_second_1m"` // while the daemon runs
	Alerts5m   float64 `json:"alerts_per_second_5m"`
	Bytes1m    float64 `json:"bytes_per_second_1m"`
	Bytes5m    float64 `json:"bytes_per_second_5m"`
}

type inboxView struct {
	Segments int   `json:"segments"`
	Bytes    int64 `json:"bytes"`
	MaxBytes int64 `json:"max_bytes"`
	Refused  int64 `json:"refused"`
}

type waitingView struct {
	Objects     int       `json:"objects"`
	Batches     int       `json:"batches"`
	OldestSeal  time.Time `json:"oldest_seal,omitzero"`
	OldestEvent time.Time `json:"oldest_event,omitzero"`
	Quarantined int       `json:"quarantined_batches"`
}

// shippedView is what was acknowledged in the last 24 hours.
type shippedView struct {
	Batches int64     `json:"batches_24h"`
	Objects int64     `json:"objects_24h"`
	Alerts  int64     `json:"alerts_24h"`
	Bytes   int64     `json:"bytes_24h"`
	LastAt  time.Time `json:"last_at,omitzero"`
}

type objectsView struct {
	Last24h    map[string]int64 `json:"last_24h"` // by source
	Configured perDay           `json:"configured"`
}

type rejectsView struct {
	Kept int64 `json:"kept_bytes"`
}

type spoolView struct {
	Dir       string  `json:"dir"`
	Instance  string  `json:"instance"`
	Bytes     int64   `json:"bytes"`
	MaxBytes  int64   `json:"max_bytes"`
	Growth    float64 `json:"growth_bytes_per_second"`
	UntilFull float64 `json:"seconds_until_full,omitempty"` // at that growth
}

func newStatus(g *global) *cobra.Command {
	var asJSON, watch bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what the daemon is doing, also when it is stopped",
		Long: `Show what the daemon is doing, also when it is stopped. It takes no lock, changes nothing, and wants no more than to read the
state directory: root, or a member of group wazuh (of wazuh-security-lake too, where the file system has no ACLs).

Exit codes: 0 healthy; 1 a problem is shown (PROBLEM, with its remedy; not for a NOTICE); 69 the daemon does not run although something is unread
or waits; 66 there is no state directory; 77 it may not be read. Gaps, rejects and quarantine of the past are shown and count
as healthy: they need a decision, not an alarm.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := g.read()
			if err != nil {
				return err
			}
			r := &statusReader{cfg: loaded.Config}
			if watch {
				return watchStatus(cmd.Context(), g.std.out, r)
			}
			v, err := r.read(time.Now())
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(g.std.out)
				enc.SetIndent("", "  ")
				err = enc.Encode(v)
			} else {
				err = v.print(g.std.out, time.Now())
			}
			if err != nil {
				return err
			}
			return v.verdict()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&watch, "watch", false, "redraw every two seconds")
	return cmd
}

// verdict is the exit code.
func (v *statusView) verdict() error {
	for _, p := range v.Problems {
		if !p.Minor {
			return fail(exitRuntime, p.Remedy, errors.New(p.String()))
		}
	}
	if !v.Running && v.Waiting.Objects > 0 || !v.Running && v.Input.LagBytes > 0 {
		return fail(exitUnavailable, "systemctl start wazuh-security-lake", errors.New("the daemon does not run"))
	}
	return nil
}

// statusReader looks at the state directory and the followed log; it takes no lock and changes nothing. It may be used
// again and again; what it has read of the ledger it does not read twice.
type statusReader struct {
	cfg    config.Config
	ledger *digest

	recorded int // gaps, when open was read
	openAt   time.Time
	open     []spool.Gap
}

// gapsEvery is how often status --watch finds out which gaps backfill has closed: that reads the whole ledger.
const gapsEvery = time.Minute

// gaps are the recorded losses that nothing has closed since.
func (r *statusReader) gaps(st spool.State, now time.Time) ([]spool.Gap, error) {
	n := len(r.ledger.allGaps(st))
	if n == 0 {
		return []spool.Gap{}, nil
	}
	if n == r.recorded && now.Sub(r.openAt) < gapsEvery {
		return r.open, nil
	}
	open, err := backfill.OpenGaps(r.cfg.Spool.Dir)
	if err != nil {
		return nil, err
	}
	r.recorded, r.openAt, r.open = n, now, append([]spool.Gap{}, open...)
	return r.open, nil
}

func (r *statusReader) read(now time.Time) (*statusView, error) {
	c := r.cfg
	st, err := spool.Read(c.Spool.Dir)
	if err == nil {
		if r.ledger == nil {
			r.ledger = newDigest(c.Spool.Dir, now)
		}
		err = r.ledger.update(now)
	}
	if err != nil {
		return nil, stateFault(c.Spool.Dir, err)
	}
	open, err := r.gaps(st, now)
	if err != nil {
		return nil, err
	}
	v := &statusView{Problems: []problem{}, Input: inputView{Path: inputPath(c.Input)}, Account: st.Account, Last: st.Last, Gaps: open,
		Rejects: rejectsView{st.RejectBytes}, Copies: st.Copies, Sources: []*lastObject{},
		Spool:   spoolView{Dir: st.Dir, Instance: st.Instance, MaxBytes: c.Spool.MaxSize.Bytes()},
		Objects: objectsView{Last24h: make(map[string]int64), Configured: configuredObjects(c.Batch)}}
	v.waiting(st)
	v.shipped(r.ledger)
	if live := readLive(c.Spool.Dir); live != nil {
		v.Live = live
		v.Running = st.Holder > 0 && live.PID == st.Holder && alive(st.Holder)
	}
	v.lag(c.Input, st, r.ledger.bytesPerAlert(), now)
	if c.Input.Mode == config.ModeIntegration {
		v.lookIntoInbox(c.Input)
	}
	if v.Running {
		v.living(now)
	}
	v.problems(c, st, now)
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
			for _, o := range b.Manifest.Objects {
				if slices.Contains(b.Acked, o.File) {
					continue
				}
				if at := time.UnixMilli(o.FirstTime).UTC(); v.Waiting.OldestEvent.IsZero() || at.Before(v.Waiting.OldestEvent) {
					v.Waiting.OldestEvent = at
				}
			}
		}
	}
}

func (v *statusView) shipped(d *digest) {
	for _, b := range d.shipped {
		v.Shipped.Batches++
		v.Shipped.Alerts += b.alerts
		v.Shipped.LastAt = b.at
		for _, o := range b.objects {
			v.Shipped.Objects++
			v.Shipped.Bytes += o.Bytes
			v.Objects.Last24h[o.Source]++
		}
	}
	v.Sources = d.lastObjects()
}

// living takes over what only the running daemon knows.
func (v *statusView) living(now time.Time) {
	l := v.Live
	v.Input.Alerts1m, v.Input.Alerts5m, v.Input.Bytes1m, v.Input.Bytes5m = l.Rates.Alerts1m, l.Rates.Alerts5m, l.Rates.Bytes1m, l.Rates.Bytes5m
	if b := l.Relay.BuildingBytes; l.Relay.Building.Read > 0 {
		v.Spool.Bytes += b
	}
	v.Spool.Growth = l.SpoolGrowth
	v.Spool.UntilFull = untilFull(v.Spool.Bytes, v.Spool.MaxBytes, l.SpoolGrowth).Seconds()
	if now.Sub(l.Updated) > staleAfter {
		v.Problems = append(v.Problems, problem{State: "silent_daemon", Since: l.Updated, Text: "the daemon has not updated its status for " + ago(now, l.Updated),
			Remedy: "a disk that hangs, or a full one: dmesg, df; journalctl -u wazuh-security-lake"})
	}
}

// problems collects what somebody should look at, the worst first.
func (v *statusView) problems(c config.Config, st spool.State, now time.Time) {
	if st.Problem != nil {
		v.Problem = st.Problem.Error()
		v.add(problem{State: "state_directory", Text: v.Problem, Remedy: hintFor(spoolFault(st.Dir, st.Problem))})
	}
	if v.Running {
		for _, s := range v.Live.Sources {
			if f := s.LastFailure; f != nil && s.Health != uploader.HealthOK {
				p := problem{State: "upload", Text: "source " + s.Source + " is " + string(s.Health), Detail: f.Message, Remedy: f.Remedy,
					Minor: s.Health != uploader.HealthFailing || s.Source == relay.CopySource}
				if s.FailingSince != nil {
					p.Since = *s.FailingSince
				}
				v.add(p)
			}
		}
		if e := v.Live.Relay.OutputError; e != "" {
			v.add(problem{State: "spool", Text: e, Remedy: "see the upload; then free disk space or raise spool.max_size"})
		}
		for _, c := range v.Live.States {
			v.add(c)
		}
	}
	for _, p := range lookAround(c.Input, now, "/proc") {
		v.add(p)
	}
	if v.Running && v.Live.Relay.InputError != "" {
		v.add(problem{State: "input", Text: v.Live.Relay.InputError, Remedy: "is the manager running, and may the daemon read its alerts? see the journal"})
	}
}

// add takes a state once: the daemon and this process may both have seen it.
func (v *statusView) add(p problem) {
	for _, known := range v.Problems {
		if known.State == p.State && known.Text == p.Text {
			return
		}
	}
	v.Problems = append(v.Problems, p)
}

func (v *statusView) lookIntoInbox(in config.Input) {
	content, err := inbox.Look(in.Inbox)
	if err != nil {
		v.Input.Error = err.Error()
		return
	}
	v.Inbox = &inboxView{content.Segments, content.Bytes, in.InboxMaxSize.Bytes(), content.Refused}
}

// lag asks the tailer itself how much lies behind the committed position, and how old the first line there is.
func (v *statusView) lag(in config.Input, st spool.State, perAlert int64, now time.Time) {
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
		return
	}
	if v.Input.LagBytes == 0 || v.Position == nil {
		return
	}
	if perAlert > 0 {
		v.Input.LagAlerts = max(1, (v.Input.LagBytes+perAlert/2)/perAlert)
	}
	if line, err := t.Next(context.Background()); err == nil {
		if at, ok := alertTime(line.Data); ok {
			v.Input.LagSeconds = max(0, now.Sub(at).Seconds())
		}
	}
}

// alive reports whether a process of that number exists, whoever owns it.
func alive(pid int) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	return err == nil
}
