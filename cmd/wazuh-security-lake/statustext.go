package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"wazuh-security-lake/uploader"
)

// staleAfter is how old status.json of a running daemon may be before that is a problem of its own.
const staleAfter = 2 * time.Minute

func (v *statusView) print(w io.Writer, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	v.printDaemon(t, now)
	v.printInput(t, now)
	a := v.Account
	fmt.Fprintf(t, "alerts\tread %d = shipped %d + filtered %d + rejected %d + quarantined %d + pending %d\n",
		a.Read, a.Shipped, a.Filtered, a.Rejected, a.Quarantined, a.Pending)
	if a.Replayed > 0 {
		fmt.Fprintf(t, "\t%d of them were rejected once and replayed\n", a.Replayed)
	}
	v.printBatches(t, now)
	v.printSources(t, now)
	v.printLosses(t)
	v.printSpool(t)
	return t.Flush()
}

func (v *statusView) printDaemon(w io.Writer, now time.Time) {
	state := "stopped"
	if v.Running {
		state = fmt.Sprintf("running, pid %d, version %s, node %s, since %s", v.Live.PID, v.Live.Version, v.Live.Node, ago(now, v.Live.Started))
		switch v.Live.Drain {
		case drainReading, drainShipping:
			state += ", DRAINING (" + v.Live.Drain + "; systemctl reload ends it)"
		}
	}
	fmt.Fprintf(w, "daemon\t%s\n", state)
	for _, p := range v.Problems {
		head := "PROBLEM"
		if p.Minor {
			head = "NOTICE"
		}
		since := ""
		if !p.Since.IsZero() {
			since = " (for " + ago(now, p.Since) + ")"
		}
		fmt.Fprintf(w, "%s\t%s%s\n", head, p, since)
		if p.Remedy != "" {
			fmt.Fprintf(w, "\tremedy: %s\n", p.Remedy)
		}
	}
}

func (v *statusView) printInput(w io.Writer, now time.Time) {
	in := v.Input
	unread := "unread"
	if v.Running && in.LagBytes > 0 && v.Live.Relay.CaughtUp {
		unread = "read but not sealed" // all of it is in the batch under construction, or came since
	}
	fmt.Fprintf(w, "input\t%s, %s %s", in.Path, size(in.LagBytes), unread)
	if in.LagAlerts > 0 {
		fmt.Fprintf(w, ", about %d alerts", in.LagAlerts)
	}
	if in.LagSeconds > 0 {
		fmt.Fprintf(w, ", oldest %s", lasting(time.Duration(in.LagSeconds*float64(time.Second))))
	}
	fmt.Fprintln(w)
	if in.Error != "" {
		fmt.Fprintf(w, "\tERROR %s\n", in.Error)
	}
	if v.Running {
		fmt.Fprintf(w, "rate\t%s alerts/s, %s/s in the last minute; %s alerts/s, %s/s in the last five\n",
			number(in.Alerts1m), size(int64(in.Bytes1m)), number(in.Alerts5m), size(int64(in.Bytes5m)))
	}
	if v.Position != nil {
		fmt.Fprintf(w, "position\t%s at byte %d\n", v.Position.File, v.Position.Offset)
	}
	if b := v.Inbox; b != nil {
		fmt.Fprintf(w, "inbox\t%s  %s of %s in %d segments, %d alerts refused at the limit\n", bar(b.Bytes, b.MaxBytes), size(b.Bytes), size(b.MaxBytes), b.Segments, b.Refused)
	}
}

func (v *statusView) printBatches(w io.Writer, now time.Time) {
	if v.Running && v.Live.Relay.Building.Read > 0 {
		fmt.Fprintf(w, "building\t%d alerts, about %s, for %s\n", v.Live.Relay.Building.Read, size(v.Live.Relay.BuildingBytes),
			ago(now, time.UnixMilli(v.Live.Relay.BuildingSince)))
	}
	fmt.Fprintf(w, "waiting\t%d objects in %d batches", v.Waiting.Objects, v.Waiting.Batches)
	if !v.Waiting.OldestSeal.IsZero() {
		fmt.Fprintf(w, ", oldest sealed %s ago, oldest event of %s", ago(now, v.Waiting.OldestSeal), v.Waiting.OldestEvent.Format(time.DateTime))
	}
	fmt.Fprintln(w)
	s := v.Shipped
	fmt.Fprintf(w, "shipped\t%d batches with %d objects, %d alerts, %s in 24 hours", s.Batches, s.Objects, s.Alerts, size(s.Bytes))
	if !s.LastAt.IsZero() {
		fmt.Fprintf(w, ", the last %s ago", ago(now, s.LastAt))
	}
	fmt.Fprintf(w, "\nobjects\tas configured %s\n", v.Objects.Configured)
}

func (v *statusView) printSources(w io.Writer, now time.Time) {
	health := make(map[string]uploader.Health)
	if v.Running {
		for _, s := range v.Live.Sources {
			health[s.Source] = s.Health
		}
	}
	for _, o := range v.Sources {
		fmt.Fprintf(w, "source %s\t", o.Source)
		if h, ok := health[o.Source]; ok {
			fmt.Fprintf(w, "%s, ", h)
		}
		fmt.Fprintf(w, "%d objects in 24 hours, the last %s ago: %d rows, %s\n\t%s\n", v.Objects.Last24h[o.Source], ago(now, o.At), o.Rows, size(o.Bytes), o.Key)
		delete(health, o.Source)
	}
	if v.Running {
		for _, s := range v.Live.Sources {
			if h, ok := health[s.Source]; ok {
				fmt.Fprintf(w, "source %s\t%s, no object acknowledged yet\n", s.Source, h)
			}
		}
	}
	if c := v.Copies; c.Objects > 0 || c.SetAside > 0 {
		fmt.Fprintf(w, "second copy\t%d objects wait, %s; %d set aside\n", c.Objects, size(c.Bytes), c.SetAside)
	}
}

func (v *statusView) printLosses(w io.Writer) {
	if v.Account.Rejected > 0 {
		fmt.Fprintf(w, "rejects\t%d lines, %s kept, see rejects list\n", v.Account.Rejected, size(v.Rejects.Kept))
	}
	if v.Waiting.Quarantined > 0 {
		fmt.Fprintf(w, "QUARANTINE\t%d batches, see spool list\n", v.Waiting.Quarantined)
	}
	for i, gap := range v.Gaps {
		if rest := len(v.Gaps) - i; i == 10 && rest > 1 {
			fmt.Fprintf(w, "\tand %d more, see --json\n", rest)
			break
		}
		to := fmt.Sprint(gap.To)
		if gap.To < 0 {
			to = "its end"
		}
		fmt.Fprintf(w, "GAP\t%s from %d to %s: %s\n", gap.File, gap.From, to, gap.Reason)
	}
}

func (v *statusView) printSpool(w io.Writer) {
	s := v.Spool
	fmt.Fprintf(w, "spool\t%s  %s of %s", bar(s.Bytes, s.MaxBytes), size(s.Bytes), size(s.MaxBytes))
	if s.UntilFull > 0 {
		fmt.Fprintf(w, ", full in %s at the present growth", lasting(time.Duration(s.UntilFull*float64(time.Second))))
	}
	fmt.Fprintf(w, "  (%s)\n", s.Dir)
}

// ago is the time since a moment in one or two units.
func ago(now, at time.Time) string { return lasting(now.Sub(at)) }

func lasting(d time.Duration) string {
	switch d = max(0, d); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 2*day:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d/day))
}

// size is a number of bytes with one decimal: what people compare, not what a configuration file takes.
func size(n int64) string {
	const step = 1024
	switch {
	case n == 0:
		return "0"
	case n < step:
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), ""
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		value, unit = value/step, u
		if value < step {
			break
		}
	}
	return strings.Replace(fmt.Sprintf("%.1f %s", value, unit), ".0", "", 1)
}

func number(f float64) string {
	if f >= 10 || f == 0 {
		return fmt.Sprintf("%.0f", f)
	}
	return fmt.Sprintf("%.2f", f)
}
