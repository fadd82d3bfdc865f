package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"wazuh-security-lake/audit"
	"wazuh-security-lake/backfill"
	"wazuh-security-lake/config"
	"wazuh-security-lake/tailer"
	"wazuh-security-lake/uploader"
)

func newAudit(g *global) *cobra.Command {
	var dayText string
	var store, asJSON bool
	cmd := &cobra.Command{
		Use:   "audit --day DAY",
		Short: "Prove a day: every byte of Wazuh's files against the ledger",
		Long: `Prove that every alert of a day is in the lake, or name the bytes that are not.

The day is the day in Wazuh's file names. Each byte of these files, gz included, is held against the ranges the ledgers name,
the daemon's and those of backfill; the lines are counted, and a .sum file of Wazuh's is verified. With --s3 also every object
that those ledger lines name is looked for at its destination (file:// too), with its size. That needs s3:ListBucket or
s3:GetObject, which the role of a source does not have: the own credentials are tried as well.

It changes nothing, and works beside the daemon. It reads the day's files once.

Exit codes: 0 everything agrees; 65 something differs, each with file and bytes; 66 there is nothing of this day;
75 the daemon has not read all of a past day yet; 77 the destination may not be looked at; 78 the alerts came through the
inbox (integration mode), whose bytes nothing connects with Wazuh's files.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dayText == "" {
				return fail(exitUsage, "see audit --help", errors.New("name the day: --day YYYY-MM-DD"))
			}
			day, err := time.Parse(time.DateOnly, dayText)
			if err != nil {
				return fail(exitUsage, "give the day in Wazuh's file name", fmt.Errorf("--day %q: want YYYY-MM-DD", dayText))
			}
			loaded, err := g.load()
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return runAudit(ctx, g.std, loaded.Config, day, store, asJSON)
		},
	}
	cmd.Flags().StringVar(&dayText, "day", "", "the day, YYYY-MM-DD (required)")
	cmd.Flags().BoolVar(&store, "s3", false, "look for the objects at their destination too")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func runAudit(ctx context.Context, std stdio, c config.Config, day time.Time, store, asJSON bool) error {
	k, err := backfill.Load(c.Spool.Dir)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return stateFault(c.Spool.Dir, err)
		}
		return err
	}
	if len(k.Histories) == 0 {
		return fail(exitNoInput, "start the service once, or name its configuration with --config", fmt.Errorf("no state in %s", c.Spool.Dir))
	}
	start, err := tailer.ParseStartAt(c.Input.StartAt)
	if err != nil {
		return fail(exitConfig, "", fmt.Errorf("input.start_at: %w", err))
	}
	log := wazuhLog(c.Input)
	owner, err := backfill.OwnerOf(k, start, time.Now(), func(file string, offset int64) (time.Time, bool) { return lineTimeAt(log, file, offset) })
	if err != nil && !errors.Is(err, backfill.ErrBeheaded) { // then nothing is before the first position, and all is held against the ledger
		return err
	}
	r, err := audit.Day(ctx, k, owner, log, day)
	switch {
	case errors.Is(err, audit.ErrInbox), errors.Is(err, audit.ErrUndated):
		return fail(exitConfig, "a byte-exact audit needs input.mode: tail with input.dated_dir; count the lines of the day's files beside the rows of the lake in SQL",
			fmt.Errorf("%s cannot be audited: %w", day.Format(time.DateOnly), err))
	case errors.Is(err, audit.ErrNoDay):
		return fail(exitNoInput, "see input.dated_dir", fmt.Errorf("%s: %w", day.Format(time.DateOnly), err))
	case err != nil:
		return err
	}
	var looked error
	if store {
		looked = auditStore(ctx, c, k, r)
	}
	if asJSON {
		enc := json.NewEncoder(std.out)
		enc.SetIndent("", "  ")
		err = enc.Encode(r)
	} else {
		err = printAudit(std.out, r)
	}
	if err = errors.Join(err, looked); err != nil {
		return err
	}
	return auditVerdict(r, time.Now())
}

// auditStore looks for the objects at their destinations.
func auditStore(ctx context.Context, c config.Config, k *backfill.Known, r *audit.Report) error {
	putter, err := openPutter(ctx, c, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer putter.Close() //nolint:errcheck // idle connections
	err = audit.Objects(ctx, k, r, putter)
	if errors.Is(err, uploader.ErrMayNotLook) {
		return fail(exitNoPerm, "run it where the credentials of somebody who may read the lake are set, for example AWS_PROFILE=auditor", err)
	}
	if e, ok := errors.AsType[*uploader.Error](err); ok {
		if e.Class == uploader.Configuration {
			return fail(exitNoPerm, e.Remedy, err)
		}
		return fail(exitUnavailable, "try again", err)
	}
	return err
}

// auditVerdict turns a report into the exit code.
func auditVerdict(r *audit.Report, now time.Time) error {
	if n := len(r.Differences); n > 0 {
		return fail(exitData, "docs/OPERATIONS.md, \"Prove a day\", says what to do about each kind", fmt.Errorf("%s: %d differences", r.Day, n))
	}
	if r.Unread() > 0 && r.Day < now.Format(time.DateOnly) {
		return fail(exitTempFail, "`status` says where the daemon is; repeat the audit when it has caught up",
			fmt.Errorf("%s: the daemon has not read %s of this day yet", r.Day, sizeText(r.Unread())))
	}
	return nil
}

// auditStates is the order in which states are printed.
var auditStates = [...]audit.State{audit.Delivered, audit.Waiting, audit.NotOurs, audit.Unread, audit.Gap, audit.Missing, audit.Twice}

func printAudit(w io.Writer, r *audit.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "file\tbytes\tlines\tkind\t.sum")
	for _, f := range r.Files {
		kind := "plain"
		switch {
		case f.Archive:
			kind = "gz"
		case f.Live:
			kind = "live"
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\n", f.Name, f.Size, f.Lines, kind, f.Sum)
	}
	fmt.Fprintln(t)
	fmt.Fprintln(t, "state\tbytes\tlines")
	for _, s := range auditStates {
		if r.Bytes[s] > 0 {
			fmt.Fprintf(t, "%s\t%d\t%d\n", s, r.Bytes[s], r.Lines[s])
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	a := r.Account
	fmt.Fprintf(w, "\n%d batches touch this day: read %d = shipped %d + filtered %d + rejected %d + quarantined %d + pending %d\n",
		r.Batches, a.Read, a.Shipped, a.Filtered, a.Rejected, a.Quarantined, a.Pending)
	if r.Replayed > 0 {
		fmt.Fprintf(w, "%d rejected lines were shipped since by `rejects replay`, of this day and perhaps of others\n", r.Replayed)
	}
	if o := r.Objects; o != nil {
		fmt.Fprintf(w, "%d objects looked for in %d partitions\n", o.Checked, o.Directories)
		if !o.Listed {
			fmt.Fprintln(w, "without s3:ListBucket each object was asked for by itself: objects that no ledger line names were not looked for")
		}
	}
	if r.Bytes[audit.NotOurs] > 0 {
		fmt.Fprintf(w, "not ours: before the daemon's first position; `backfill --from %s --to %s` ships it\n", r.Day, r.Day)
	}
	for _, d := range r.Differences {
		fmt.Fprintln(w, "DIFFERS "+differenceText(d))
	}
	_, err := fmt.Fprintf(w, "%s: %d differences\n", r.Day, len(r.Differences))
	return err
}

// differenceText names the place first.
func differenceText(d audit.Difference) string {
	var b strings.Builder
	b.WriteString(d.Kind)
	switch {
	case d.File != "" && d.From == d.To:
		b.WriteString(": " + d.File)
	case d.File != "" && d.To < 0:
		fmt.Fprintf(&b, ": %s from byte %d to its end", d.File, d.From)
	case d.File != "":
		fmt.Fprintf(&b, ": %s from byte %d to %d", d.File, d.From, d.To)
	}
	if d.Key != "" {
		b.WriteString(": " + d.Key)
	}
	if d.Batch != "" {
		b.WriteString(" (" + d.Batch + ")")
	}
	return b.String() + ": " + d.Detail
}
