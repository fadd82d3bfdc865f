package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"wazuh-security-lake/config"
	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

// convertFlags are the options of `convert`.
type convertFlags struct {
	out, class, version, source, region, account, node string
	rawData                                            string
	json, estimate                                     bool
}

func newConvert(g *global) *cobra.Command {
	var f convertFlags
	cmd := &cobra.Command{
		Use:   "convert -o DIR FILE...",
		Short: "Convert alert files to the layout of the lake, without a daemon and without AWS",
		Long: `Convert alert files (NDJSON, plain or .gz, - is standard input) to Parquet under DIR, in the layout of
Security Lake: ext/<source>/region=/accountId=/eventDay=. Lines that cannot become an event go to DIR/rejects with
their reason. Run again over the same files it writes the same objects under the same names.

With --estimate nothing is written: it says how many alerts, bytes, objects and requests a day the configuration (or, without
one, the defaults and the flags) would make of alerts like these.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			if f.estimate {
				return runEstimate(ctx, g, f, files)
			}
			if f.out == "" {
				return fail(exitUsage, "see convert --help", errors.New("name the directory to write to: -o DIR, or ask for --estimate"))
			}
			return runConvert(ctx, g, f, files)
		},
	}
	cmd.Flags().StringVarP(&f.out, "output", "o", "", "directory to write to (required)")
	cmd.Flags().StringVar(&f.class, "class", config.DetectionFinding, "OCSF class")
	cmd.Flags().StringVar(&f.version, "ocsf-version", "1.1.0", "OCSF version: 1.1.0 or 1.3.0")
	cmd.Flags().StringVar(&f.source, "source", "wazuh", "custom source name")
	cmd.Flags().StringVar(&f.region, "region", "us-east-1", "region of the lake")
	cmd.Flags().StringVar(&f.account, "account-id", "external", "account: 12 digits, external or external_<id>")
	cmd.Flags().StringVar(&f.node, "node", "convert", "node name in the object names")
	cmd.Flags().StringVar(&f.rawData, "raw-data", config.RawFullLog, "raw_data: full_log, alert or none")
	cmd.Flags().BoolVar(&f.json, "json", false, "print the summary as JSON")
	cmd.Flags().BoolVar(&f.estimate, "estimate", false, "write nothing: alerts, bytes, objects and requests a day for the configuration")
	return cmd
}

func runConvert(ctx context.Context, g *global, f convertFlags, files []string) error {
	cfg := config.Default()
	cfg.Lake.Destination, cfg.Lake.Region, cfg.Lake.AccountID = "file:///converted", f.region, f.account // the destination is not used
	cfg.Sources = []config.Source{{Name: f.source, Class: f.class, OCSFVersion: f.version}}
	cfg.Node, cfg.OCSF.RawData = f.node, f.rawData
	if f.class == config.VulnerabilityFinding || f.class == config.ComplianceFinding {
		// These classes take only the alerts that fill them; the others are rejected here with their reason, because a
		// conversion has no second source to send them to.
		cfg.Sources[0].Class = config.DetectionFinding
	}
	if err := config.Validate(cfg); err != nil {
		return fail(exitUsage, "see convert --help", err)
	}
	cfg.Sources[0].Class = f.class
	sources, err := relaySources(cfg)
	if err != nil {
		return err
	}
	store, err := newLayoutStore(f.out)
	if err != nil {
		return err
	}
	defer store.remove()
	if os.Getenv("GOMEMLIMIT") == "" {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(convertMemory))
	}
	lines := newFileLines(files, g.std.in)
	began := time.Now()
	stopProgress := showProgress(ctx, g.std.err, lines, files)
	err = convertAll(ctx, lines, store, sources, relay.Filter{}, f.node)
	stopProgress()
	if err != nil {
		return err
	}
	return printSummary(g.std.out, store, lines.read.Load(), time.Since(began), f.json)
}

const (
	// convertRowGroup is more than the default: a conversion has one object at a time to itself, and files of larger row
	// groups are smaller.
	convertRowGroup = 46 << 20
	// convertMemory is what a conversion may take beside the program itself: near it garbage is collected sooner. It is a
	// soft limit, nothing fails beyond it.
	convertMemory = 145 << 20
	// convertGarbage bounds what is collected late; less would cost time.
	convertGarbage = 12 << 20
)

// convertAll relays every line of lines into store.
func convertAll(ctx context.Context, lines relay.Lines, store relay.Store, sources []*relay.Source, filter relay.Filter, node string) error {
	d := config.Default()
	encoder := encoderOptions()
	encoder.RowGroupBytes, encoder.MaxRowGroupBytes = convertRowGroup, convertRowGroup
	judges := runtime.GOMAXPROCS(0) - 1 // a conversion takes the processors there are, the daemon takes one
	encoder.Hands = judges + 1
	defer boundGarbage(convertGarbage)()
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	in := &endingLines{Lines: lines, end: cancel}
	r := relay.New(relay.Options{
		Lines: in, Store: store, Sources: sources, Filter: filter, Encoder: encoder, Node: node, Instance: "convert",
		Interval: time.Duration(1<<62 - 1), MaxObjectSize: d.Batch.MaxObjectSize.Bytes(), Clock: realClock{}, Judges: judges,
	})
	if err := errors.Join(r.Run(reading), in.err); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errors.New("interrupted: what was finished is under the output directory, run it again for the rest")
	}
	return nil
}

// endingLines ends the run at the end of the input or at its first error: a conversion does not wait for more.
type endingLines struct {
	relay.Lines
	end context.CancelFunc
	err error
}

// Next passes lines on and turns every error into the end of the input.
func (e *endingLines) Next(ctx context.Context) (tailer.Line, error) {
	l, err := e.Lines.Next(ctx)
	if err == nil {
		return l, nil
	}
	if !errors.Is(err, io.EOF) {
		e.err = err
	}
	e.end()
	return tailer.Line{}, io.EOF
}

// summary is what convert and demo print.
type summary struct {
	Read     int64            `json:"read"`
	Rows     int64            `json:"rows"`
	Filtered int64            `json:"filtered"`
	Rejected int64            `json:"rejected"`
	Reasons  map[string]int64 `json:"reject_reasons,omitempty"`
	Objects  int              `json:"objects"`
	InBytes  int64            `json:"input_bytes"`
	OutBytes int64            `json:"output_bytes"`
	Seconds  float64          `json:"seconds"`
	Days     []daySummary     `json:"days"`
}

type daySummary struct {
	Source  string `json:"source"`
	Class   string `json:"class"`
	Day     string `json:"event_day"`
	Objects int    `json:"objects"`
	Rows    int64  `json:"rows"`
	Bytes   int64  `json:"bytes"`
}

func summarize(objects []spool.Object, counts spool.Counts) summary {
	s := summary{Read: counts.Read, Rows: counts.Shipped, Filtered: counts.Filtered, Rejected: counts.Rejected, Objects: len(objects)}
	days := make(map[[2]string]*daySummary)
	for _, o := range objects {
		k := [2]string{o.Source, o.EventDay}
		if days[k] == nil {
			days[k] = &daySummary{Source: o.Source, Class: o.Class, Day: o.EventDay}
		}
		d := days[k]
		d.Objects++
		d.Rows += o.Rows
		d.Bytes += o.Bytes
		s.OutBytes += o.Bytes
	}
	for _, d := range days {
		s.Days = append(s.Days, *d)
	}
	sort.Slice(s.Days, func(i, j int) bool {
		a, b := s.Days[i], s.Days[j]
		return a.Source < b.Source || a.Source == b.Source && a.Day < b.Day
	})
	return s
}

func printSummary(w io.Writer, store *layoutStore, inBytes int64, took time.Duration, asJSON bool) error {
	s := summarize(store.objects, store.counts)
	s.Reasons, s.InBytes, s.Seconds = store.reasons, inBytes, took.Seconds()
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(s)
	}
	if err := s.table(w); err != nil {
		return err
	}
	for reason, n := range s.Reasons {
		fmt.Fprintf(w, "  rejected: %s %d\n", reason, n)
	}
	rate := float64(s.Read) / max(s.Seconds, 0.001)
	_, err := fmt.Fprintf(w, "%s in, %s out, %.1f s, %.0f alerts/s\n", config.Size(s.InBytes), config.Size(s.OutBytes), s.Seconds, rate)
	return err
}

// table prints the days and the sum of all: read = rows + filtered + rejected.
func (s summary) table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "source\tclass\teventDay\tobjects\trows\tbytes")
	for _, d := range s.Days {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\n", d.Source, d.Class, d.Day, d.Objects, d.Rows, d.Bytes)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "read %d = shipped %d + filtered %d + rejected %d\n", s.Read, s.Rows, s.Filtered, s.Rejected)
	return err
}

// showProgress draws a bar on a terminal while lines are read; the returned function ends it and waits for it.
func showProgress(ctx context.Context, w io.Writer, lines *fileLines, files []string) func() {
	var total int64
	for _, name := range files {
		if info, err := os.Stat(name); err == nil {
			total += info.Size()
		}
	}
	if !isTerminal(w) || total == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				fmt.Fprint(w, "\r\x1b[K")
				return
			case <-tick.C:
				fmt.Fprint(w, "\r"+bar(lines.read.Load(), total))
			}
		}
	}()
	return func() { cancel(); <-done }
}

// bar draws done of total in 30 cells.
func bar(done, total int64) string {
	return fmt.Sprintf("%s %3d %%", cells(done, total, 30), min(done, total)*100/max(total, 1))
}

// cells draws done of total in n cells.
func cells(done, total int64, n int) string {
	full := int(min(done, total) * int64(n) / max(total, 1))
	return strings.Repeat("█", full) + strings.Repeat("░", n-full)
}
