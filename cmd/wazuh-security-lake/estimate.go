package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"wazuh-security-lake/config"
	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

// estimate is what a configuration would have made of the alerts in some files. Nothing is a price: requests and bytes only.
type estimate struct {
	Configuration string    `json:"configuration"`
	First         time.Time `json:"first"`
	Last          time.Time `json:"last"`
	Days          float64   `json:"days"` // from the first alert to the last

	Read     int64            `json:"read"`
	Shipped  int64            `json:"shipped"`
	Filtered int64            `json:"filtered"`
	Rejected int64            `json:"rejected"`
	InBytes  int64            `json:"input_bytes"`
	OutBytes int64            `json:"parquet_bytes"`
	Objects  int64            `json:"objects"`
	BySource []sourceEstimate `json:"by_source"`

	PerDay *dayEstimate `json:"per_day,omitempty"` // absent when the files span too little time
}

type sourceEstimate struct {
	Source  string `json:"source"`
	Rows    int64  `json:"rows"`
	Bytes   int64  `json:"parquet_bytes"`
	Objects int64  `json:"objects"`
}

// dayEstimate is a day like the mean of these.
type dayEstimate struct {
	Alerts     int64 `json:"alerts"` // read
	Shipped    int64 `json:"shipped"`
	InBytes    int64 `json:"input_bytes"`
	OutBytes   int64 `json:"parquet_bytes"`
	Objects    int64 `json:"objects"`
	Puts       int64 `json:"put_requests"`
	AssumeRole int64 `json:"assume_role_requests"`
	Scan       int64 `json:"scan_bytes"` // of a query over all columns of one day
	Month      int64 `json:"stored_bytes_in_30_days"`
}

// leastSpan is the time the files must span before a day is worked out.
const leastSpan = 10 * time.Minute

// runEstimate reads files as the configuration would and writes nothing.
func runEstimate(ctx context.Context, g *global, f convertFlags, files []string) error {
	c, from, err := estimateConfig(g, f)
	if err != nil {
		return err
	}
	sources, err := relaySources(c)
	if err != nil {
		return err
	}
	lines := newFileLines(files, g.std.in)
	stopProgress := showProgress(ctx, g.std.err, lines, files)
	e, err := makeEstimate(ctx, lines, sources, c)
	stopProgress()
	if err != nil {
		return err
	}
	e.Configuration = from
	if f.json {
		enc := json.NewEncoder(g.std.out)
		enc.SetIndent("", "  ")
		return enc.Encode(e)
	}
	return e.print(g.std.out)
}

// estimateConfig is the configuration file's; where there is none, the defaults and --set with the flags of convert.
func estimateConfig(g *global, f convertFlags) (config.Config, string, error) {
	loaded, err := g.read()
	if err != nil {
		return config.Config{}, "", err
	}
	c := loaded.Config
	if c.Lake.Region == "" { // not filled in yet: no figure depends on these
		c.Lake.Region = f.region
	}
	if c.Lake.AccountID == "" {
		c.Lake.AccountID = f.account
	}
	if loaded.File != "" {
		// The one rule that the figures depend on: without a last source that takes every alert there is nothing to work out.
		if n := len(c.Sources); n == 0 || !c.Sources[n-1].Match.IsZero() {
			return c, "", fail(exitConfig, "add a source without match at the end; `wazuh-security-lake check-config` names all faults",
				fmt.Errorf("%s: sources: the last one must take every alert the others leave", loaded.File))
		}
		return c, loaded.File, nil
	}
	c.Sources = []config.Source{{Name: f.source, Class: f.class, OCSFVersion: f.version}}
	c.OCSF.RawData = f.rawData
	return c, "defaults", nil
}

// makeEstimate lets a relay run over the lines in the time of the alerts: a batch is sealed when their time stamps have gone
// on by batch.interval, as it would have been while they came.
func makeEstimate(ctx context.Context, lines relay.Lines, sources []*relay.Source, c config.Config) (*estimate, error) {
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	in := &timedLines{endingLines: endingLines{Lines: lines, end: cancel}, wake: make(chan struct{}, 1), every: max(c.Batch.Interval.Std(), time.Second)}
	store := &estimateStore{objects: make(map[string]*sourceEstimate)}
	r := relay.New(relay.Options{
		Lines: in, Store: store, Sources: sources, Filter: relayFilter(c.Filter), Encoder: encoderOptions(), Node: "estimate", Instance: "estimate",
		Interval: c.Batch.Interval.Std(), MinSize: c.Batch.MinSize.Bytes(), MaxWait: c.Batch.MaxWait.Std(), MaxObjectSize: c.Batch.MaxObjectSize.Bytes(),
		Clock: in, Wake: in.wake,
	})
	if err := errors.Join(r.Run(run), in.err); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, errors.New("interrupted")
	}
	e := &estimate{First: in.first, Last: in.now, Days: in.now.Sub(in.first).Hours() / 24, Read: store.counts.Read, Shipped: store.counts.Shipped,
		Filtered: store.counts.Filtered, Rejected: store.counts.Rejected, InBytes: in.bytes}
	for _, s := range c.Sources {
		if o := store.objects[s.Name]; o != nil {
			e.BySource = append(e.BySource, *o)
			e.OutBytes += o.Bytes
			e.Objects += o.Objects
		}
	}
	if span := in.now.Sub(in.first); span >= leastSpan {
		e.PerDay = e.day(span, len(c.Sources))
	}
	return e, nil
}

func (e *estimate) day(over time.Duration, sources int) *dayEstimate {
	scale := func(n int64) int64 { return int64(float64(n)*float64(day)/float64(over) + 0.5) }
	d := &dayEstimate{Alerts: scale(e.Read), Shipped: scale(e.Shipped), InBytes: scale(e.InBytes), OutBytes: scale(e.OutBytes), Objects: max(1, scale(e.Objects))}
	d.Puts = d.Objects
	d.AssumeRole = 26 * int64(sources) // a session lasts an hour and is renewed up to five minutes before its end
	d.Scan = d.OutBytes
	d.Month = 30 * d.OutBytes
	return d
}

func (e *estimate) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "configuration\t%s\n", e.Configuration)
	fmt.Fprintf(t, "alerts\tread %d = shipped %d + filtered %d + rejected %d\n", e.Read, e.Shipped, e.Filtered, e.Rejected)
	if !e.First.IsZero() { // no line with a time
		fmt.Fprintf(t, "time\t%s to %s, %.2f days\n", e.First.UTC().Format(time.DateTime), e.Last.UTC().Format(time.DateTime), e.Days)
	}
	fmt.Fprintf(t, "bytes\t%s of JSON, %s of Parquet\n", size(e.InBytes), size(e.OutBytes))
	for _, s := range e.BySource {
		fmt.Fprintf(t, "source %s\t%d rows, %s in %d objects\n", s.Source, s.Rows, size(s.Bytes), s.Objects)
	}
	if d := e.PerDay; d != nil {
		fmt.Fprintf(t, "a day\t%d alerts (%s of JSON), %d shipped\n", d.Alerts, gigabytes(d.InBytes), d.Shipped)
		fmt.Fprintf(t, "\t%s of Parquet in %d objects: %d PUT requests, %d AssumeRole\n", gigabytes(d.OutBytes), d.Objects, d.Puts, d.AssumeRole)
		fmt.Fprintf(t, "\ta query over one day scans at most %s; 30 days are %s\n", gigabytes(d.Scan), gigabytes(d.Month))
	} else {
		fmt.Fprintf(t, "a day\tnot worked out: the alerts span less than %s\n", strings.TrimSuffix(leastSpan.String(), "0s"))
	}
	return t.Flush()
}

func gigabytes(n int64) string { return fmt.Sprintf("%.3f GB", float64(n)/1e9) }

// timedLines is an input whose clock is the time stamps of its alerts. When they have gone on by every since the last look,
// it says that there is nothing now, once, so that the relay looks whether the batch is due; before the first one, too, so
// that the first batch begins in the time of the alerts.
type timedLines struct {
	endingLines
	wake  chan struct{}
	every time.Duration

	first, now time.Time
	looked     time.Time
	held       *tailer.Line
	bytes      int64
}

// Next implements relay.Lines.
func (l *timedLines) Next(ctx context.Context) (tailer.Line, error) {
	if l.held != nil {
		line := *l.held
		l.held = nil
		return line, nil
	}
	line, err := l.endingLines.Next(ctx)
	if err != nil {
		return line, err
	}
	l.bytes += line.To - line.From
	at, ok := stampOf(line.Data)
	if !ok || at.Before(l.now) {
		return line, nil
	}
	first := l.first.IsZero()
	if first {
		l.first = at
	}
	l.now = at
	if !first && at.Sub(l.looked) < l.every {
		return line, nil
	}
	l.looked = at
	l.held = &line // its data stays valid: nothing more is read before it is handed out
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return tailer.Line{}, io.EOF
}

// Now implements relay.Clock.
func (l *timedLines) Now() time.Time {
	if l.now.IsZero() {
		return time.Now() // before the first alert
	}
	return l.now
}

// Timer implements relay.Clock: only the alerts move this clock.
func (l *timedLines) Timer(time.Duration) (<-chan time.Time, func()) { return nil, func() {} }

// stampOf is the time stamp of an alert, found without parsing the rest of a line as Wazuh writes it.
func stampOf(line []byte) (time.Time, bool) {
	const leader = `{"timestamp":"`
	rest, ok := bytes.CutPrefix(line, []byte(leader))
	if end := bytes.IndexByte(rest[:min(len(rest), 40)], '"'); ok && end > 0 {
		if at, err := time.Parse("2006-01-02T15:04:05-0700", string(rest[:end])); err == nil {
			return at, true
		}
	}
	return alertTime(line)
}

// estimateStore counts and keeps nothing.
type estimateStore struct {
	seq     uint64
	counts  spool.Counts
	objects map[string]*sourceEstimate
}

// Begin implements relay.Store.
func (s *estimateStore) Begin(bool) (relay.Batch, error) {
	s.seq++
	return &estimateBatch{s}, nil
}

type estimateBatch struct{ store *estimateStore }

func (b *estimateBatch) Seq() uint64                       { return b.store.seq }
func (b *estimateBatch) Create(string) (relay.File, error) { return &countedFile{}, nil }
func (b *estimateBatch) Reject(spool.Reject) error         { return nil }
func (b *estimateBatch) Discard() error                    { return nil }

func (b *estimateBatch) Commit(m spool.Manifest) error {
	s := b.store
	s.counts.Read += m.Counts.Read
	s.counts.Shipped += m.Counts.Shipped
	s.counts.Filtered += m.Counts.Filtered
	s.counts.Rejected += m.Counts.Rejected
	for _, o := range m.Objects {
		e := s.objects[o.Source]
		if e == nil {
			e = &sourceEstimate{Source: o.Source}
			s.objects[o.Source] = e
		}
		e.Rows += o.Rows
		e.Bytes += o.Bytes
		e.Objects++
	}
	return nil
}

// countedFile is an object of which only the size matters.
type countedFile struct{ size int64 }

func (f *countedFile) Write(p []byte) (int, error) {
	f.size += int64(len(p))
	return len(p), nil
}

func (f *countedFile) Close() error { return nil }
func (f *countedFile) Sum() string  { return strings.Repeat("0", 64) }
func (f *countedFile) Size() int64  { return f.size }
