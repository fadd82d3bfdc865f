package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"wazuh-security-lake/backfill"
	"wazuh-security-lake/config"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

// backfillFlags are the options of `backfill`.
type backfillFlags struct {
	from, to string
	gaps     bool
	repeat   bool
	dirs     []string
	workers  int
	maxRate  string
	plan     bool
	json     bool
}

func newBackfill(g *global) *cobra.Command {
	var f backfillFlags
	cmd := &cobra.Command{
		Use:   "backfill --from DAY --to DAY | --gaps | --dir DIR | FILE...",
		Short: "Ship history: Wazuh's dated archives, recorded gaps, or any files of alerts",
		Long: `Ship what the daemon does not: alerts from before its first start, and recorded gaps. Run it beside the daemon.

  --from 2026-01-01 --to 2026-03-31   the dated files of these days, gz included; either end may be left out
  --gaps                              what the ledger records as lost, read again from the dated files
  --gaps --dir DIR                    the same, with copies of removed files restored below DIR
  --dir DIR, FILE...                  any files of alerts, one JSON per line: .json, .ndjson, .txt, each also .gz

A day is the day in Wazuh's file name. What lies behind the daemon's first position belongs to the daemon and is left out.
What a ledger names is never read again: stop it at any time and repeat it, it goes on where it was and ships nothing twice.
Files from elsewhere are taken up to the time of the daemon's first alert; the same alerts in files of another shape cannot
be recognised, and come again with the same metadata.uid.

It works at the lowest priority. What was read and not shipped when it ends is shipped first by the next backfill.`,
		RunE: func(cmd *cobra.Command, files []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			b, err := prepareBackfill(g, f, files)
			if err != nil {
				return err
			}
			return b.run(ctx)
		},
	}
	cmd.Flags().StringVar(&f.from, "from", "", "first day, YYYY-MM-DD")
	cmd.Flags().StringVar(&f.to, "to", "", "last day, YYYY-MM-DD")
	cmd.Flags().BoolVar(&f.gaps, "gaps", false, "read recorded gaps again")
	cmd.Flags().BoolVar(&f.repeat, "repeat", false, "integration mode: days since the first start too; what came through the inbox comes a second time")
	cmd.Flags().StringArrayVar(&f.dirs, "dir", nil, "directory of alert files, may be repeated")
	cmd.Flags().IntVar(&f.workers, "workers", runtime.NumCPU(), "files read at a time")
	cmd.Flags().StringVar(&f.maxRate, "max-rate", "", "upload limit in bytes per second, for example 2MiB (default upload.max_rate)")
	cmd.Flags().BoolVar(&f.plan, "plan", false, "only say what would be read")
	cmd.Flags().BoolVar(&f.json, "json", false, "print the result as JSON")
	return cmd
}

// backfillJob is one checked command line.
type backfillJob struct {
	std      stdio
	cfg      config.Config
	flags    backfillFlags
	name     string // of the job's directory
	from, to time.Time
	files    []string
	rate     int64
}

// maxWorkers bounds memory: each worker has its own row groups.
const maxWorkers = 64

func prepareBackfill(g *global, f backfillFlags, files []string) (*backfillJob, error) {
	usage := func(err error) error { return fail(exitUsage, "see backfill --help", err) }
	b := &backfillJob{std: g.std, flags: f, files: append(files, f.dirs...)}
	ranged := f.from != "" || f.to != ""
	switch {
	case f.repeat && !ranged:
		return nil, usage(errors.New("--repeat goes with days"))
	case ranged && (f.gaps || len(b.files) > 0), f.gaps && len(files) > 0:
		return nil, usage(errors.New("give either days, or --gaps, or files"))
	case ranged:
		var err error
		if b.from, b.to, err = days(f.from, f.to); err != nil {
			return nil, usage(err)
		}
		b.name = orWord(f.from, "begin") + "_" + orWord(f.to, "end")
	case f.gaps:
		b.name = "gaps"
	case len(b.files) > 0:
		b.name = "files"
	default:
		return nil, usage(errors.New("nothing is asked for"))
	}
	if f.workers < 1 || f.workers > maxWorkers {
		return nil, usage(fmt.Errorf("--workers %d: want 1 to %d", f.workers, maxWorkers))
	}
	var rate config.Size
	if f.maxRate != "" {
		if err := rate.UnmarshalText([]byte(f.maxRate)); err != nil {
			return nil, usage(fmt.Errorf("--max-rate %q: %w", f.maxRate, err))
		}
	}
	loaded, err := g.load()
	if err != nil {
		return nil, err
	}
	b.cfg = loaded.Config
	b.rate = b.cfg.Upload.MaxRate.Bytes()
	if f.maxRate != "" {
		b.cfg.Upload.MaxRate = rate
		if err := config.Validate(b.cfg); err != nil { // slower than that S3 gives an upload up
			return nil, usage(fmt.Errorf("--max-rate: %w", err))
		}
		b.rate = rate.Bytes()
	}
	return b, nil
}

func orWord(s, word string) string {
	if s == "" {
		return word
	}
	return s
}

// days reads the two ends of a range of days; an end that is not given is the zero time.
func days(from, to string) (a, z time.Time, err error) {
	for _, d := range []struct {
		flag, text string
		day        *time.Time
	}{{"--from", from, &a}, {"--to", to, &z}} {
		if d.text == "" {
			continue
		}
		if *d.day, err = time.Parse(time.DateOnly, d.text); err != nil {
			return a, z, fmt.Errorf("%s %q: want YYYY-MM-DD", d.flag, d.text)
		}
	}
	if !a.IsZero() && !z.IsZero() && z.Before(a) {
		return a, z, fmt.Errorf("--to %s is before --from %s", to, from)
	}
	return a, z, nil
}

// wazuhLog is the log of the manager, also in integration mode.
func wazuhLog(in config.Input) tailer.WazuhLog {
	return tailer.WazuhLog{Path: in.Path, DatedDir: in.DatedDir}
}

// makePlan looks at the ledgers and the files, and at nothing else. The lock is held, or nothing is done with the plan.
func (b *backfillJob) makePlan() (*backfill.Known, backfill.Plan, error) {
	k, err := backfill.Load(b.cfg.Spool.Dir)
	if err != nil {
		return nil, backfill.Plan{}, err
	}
	log := wazuhLog(b.cfg.Input)
	var elsewhere []backfill.File
	if len(b.files) > 0 {
		if elsewhere, err = backfill.Elsewhere(k, log, b.files); err != nil {
			return nil, backfill.Plan{}, err
		}
	}
	if b.flags.gaps {
		tree, err := backfill.Tree(log, time.Time{}, time.Time{})
		if err != nil {
			return nil, backfill.Plan{}, err
		}
		return k, backfill.Gaps(k, append(elsewhere, tree...)), nil
	}
	owner, err := b.owner(k, log)
	if err != nil {
		return nil, backfill.Plan{}, err
	}
	files := elsewhere
	if len(b.files) == 0 {
		if files, err = backfill.Tree(log, b.from, b.to); err != nil {
			return nil, backfill.Plan{}, err
		}
	}
	if len(files) == 0 {
		where, remedy := "in the files and directories named", "alert files end in .json, .ndjson or .txt, each also with .gz"
		if len(b.files) == 0 {
			where, remedy = "of these days in "+b.cfg.Input.DatedDir, "see input.dated_dir, or name other files"
		}
		return nil, backfill.Plan{}, fail(exitNoInput, remedy, errors.New("there are no alert files "+where))
	}
	return k, backfill.Range(k, owner, files), nil
}

// owner is the border between history and the daemon.
func (b *backfillJob) owner(k *backfill.Known, log tailer.WazuhLog) (backfill.Owner, error) {
	if b.flags.repeat {
		owner, err := k.Again()
		if err != nil {
			return owner, fail(exitUsage, "without --repeat: what the daemon read from the dated files is in its ledger", err)
		}
		return owner, nil
	}
	start, err := tailer.ParseStartAt(b.cfg.Input.StartAt)
	if err != nil {
		return backfill.Owner{}, fail(exitConfig, "", fmt.Errorf("input.start_at: %w", err))
	}
	owner, err := backfill.OwnerOf(k, start, time.Now(), func(file string, offset int64) (time.Time, bool) {
		return lineTimeAt(log, file, offset)
	})
	if err != nil {
		return owner, fail(exitData, "put the oldest files of ledger/ back; without them the same alerts could be shipped twice", err)
	}
	return owner, nil
}

// lineTimeAt reads the time of the line at a place of the dated tree.
func lineTimeAt(log tailer.WazuhLog, file string, offset int64) (time.Time, bool) {
	path := filepath.Join(log.DatedDir, filepath.FromSlash(file))
	for _, p := range []string{path, path + ".gz"} {
		s, err := tailer.OpenSection(p, file, offset, -1)
		if err != nil {
			continue
		}
		defer s.Close() //nolint:errcheck // only read
		l, err := s.Next(context.Background())
		if err != nil {
			return time.Time{}, false
		}
		return tailer.LineTime(l.Data)
	}
	return time.Time{}, false
}

// backfillReport is what a run prints, also as JSON.
type backfillReport struct {
	Job     string        `json:"job"`
	Files   int           `json:"files"`       // asked for
	Before  int           `json:"read_before"` // of these, known to a ledger as a whole
	Bytes   int64         `json:"bytes"`       // read in this run
	Counts  spool.Counts  `json:"counts"`      // of this run
	Left    int64         `json:"lines_left_to_the_daemon,omitempty"`
	NotRead []string      `json:"not_read,omitempty"`
	Notes   []string      `json:"notes,omitempty"`
	Faults  []string      `json:"faults,omitempty"`
	Account spool.Account `json:"account"` // of all jobs
	Seconds float64       `json:"seconds"`
}

func (r *backfillReport) print(w io.Writer, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	for _, text := range r.NotRead {
		fmt.Fprintf(w, "left: %s\n", text)
	}
	for _, text := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", text)
	}
	if r.Left > 0 {
		fmt.Fprintf(w, "left: %d lines that are not older than the daemon's first\n", r.Left)
	}
	for _, text := range r.Faults {
		fmt.Fprintf(w, "FAULT: %s\n", text)
	}
	c := r.Counts
	fmt.Fprintf(w, "%d files, %d of them read before; this run: %s, read %d = rows %d + filtered %d + rejected %d, %.1f s, %.0f alerts/s\n",
		r.Files, r.Before, sizeText(r.Bytes), c.Read, c.Shipped, c.Filtered, c.Rejected, r.Seconds, float64(c.Read)/max(r.Seconds, 0.001))
	a := r.Account
	_, err := fmt.Fprintf(w, "all jobs: read %d = shipped %d + filtered %d + rejected %d + quarantined %d + pending %d\n",
		a.Read, a.Shipped, a.Filtered, a.Rejected, a.Quarantined, a.Pending)
	return err
}
