package relay_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"wazuh-security-lake/lake"
	"wazuh-security-lake/ocsf"
	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
	"wazuh-security-lake/test/faultfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const dir = "/spool"

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// script is the input: what was put in comes out once, and again after Rewind. Offsets count entries.
type script struct {
	mu        sync.Mutex
	entries   []entry // guarded by mu, with everything below
	next      int
	exposed   bool
	rewinds   []int64
	rewindErr error
	fault     error // Next fails with it
	startGap  error // the first Start fails with it
}

type entry struct {
	line *tailer.Line
	gap  *tailer.GapError
}

func (s *script) Next(ctx context.Context) (tailer.Line, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return tailer.Line{}, err
	}
	if s.fault != nil {
		return tailer.Line{}, s.fault
	}
	if s.next == len(s.entries) {
		return tailer.Line{}, io.EOF
	}
	e := s.entries[s.next]
	s.next++
	if e.gap != nil {
		return tailer.Line{}, e.gap
	}
	return *e.line, nil
}

func (s *script) Start(context.Context) (tailer.Position, error) {
	if err := s.startGap; err != nil {
		s.startGap = nil
		return tailer.Position{}, err
	}
	return s.Position(), nil
}

func (s *script) Position() tailer.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return tailer.Position{File: "f", Offset: int64(s.next), Floor: "-"}
}

func (s *script) Exposed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.exposed
}

// fail has the next reads fail with err; nil ends that.
func (s *script) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = err
}

// expose has the lines read so far lose their file.
func (s *script) expose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exposed = true
}

func (s *script) Rewind(p tailer.Position) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rewinds = append(s.rewinds, p.Offset)
	s.next = int(p.Offset)
	return s.rewindErr
}

func (s *script) add(e entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.line != nil {
		at := int64(len(s.entries))
		e.line.File, e.line.Head, e.line.From, e.line.To = "f", tailer.Fingerprint{Len: 1, Hash: "h"}, at, at+1
		if e.line.Size == 0 {
			e.line.Size = int64(len(e.line.Data))
		}
	}
	s.entries = append(s.entries, e)
}

// world is one relay on a real spool on faultfs, in a bubble of virtual time.
type world struct {
	t      *testing.T
	input  *script
	fs     *faultfs.FS
	spool  *spool.Spool
	relay  *relay.Relay
	wake   chan struct{}
	cancel context.CancelFunc
	done   chan error
	mu     sync.Mutex
	sealed []spool.Manifest // guarded by mu; read without it while the relay rests
	log    *journal
}

// journal keeps what was logged at Info and above.
type journal struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (j *journal) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }
func (j *journal) WithAttrs([]slog.Attr) slog.Handler           { return j }
func (j *journal) WithGroup(string) slog.Handler                { return j }
func (j *journal) Handle(_ context.Context, r slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	line := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	j.lines = append(j.lines, line)
	return nil
}

// count is how many lines hold the text.
func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for _, l := range j.lines {
		if strings.Contains(l, text) {
			n++
		}
	}
	return n
}

func detection(t testing.TB) *ocsf.Class {
	t.Helper()
	c, err := ocsf.ClassByName("detection_finding", "1.1.0")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func source(name string, c *ocsf.Class) *relay.Source {
	return &relay.Source{Name: name, Class: c, Region: "us-east-1", AccountID: "123456789012", Destination: "s3://lake"}
}

// bubble runs test with a relay that has found an empty input, as the daemon has it and as a conversion has it: with
// several judges, and row groups written beside. change may adapt its options first.
func bubble(t *testing.T, change func(*relay.Options, *spool.Options), test func(w *world)) {
	t.Helper()
	t.Run("one goroutine", func(t *testing.T) { bubbleOf(t, 0, change, test) })
	t.Run("several", func(t *testing.T) { bubbleOf(t, 3, change, test) })
}

func bubbleOf(t *testing.T, judges int, change func(*relay.Options, *spool.Options), test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, input: &script{}, fs: faultfs.New(), wake: make(chan struct{}, 1), done: make(chan error, 1), log: &journal{}}
		opt := relay.Options{
			Lines: w.input, Sources: []*relay.Source{source("wazuh", detection(t))}, Node: "n", Instance: "i",
			Interval: time.Minute, MaxObjectSize: 1 << 30, Wake: w.wake, Clock: w, Log: slog.New(w.log),
			Encoder: lake.Options{ToolVersion: "test", Hands: judges, Presses: new(lake.Presses)},
			Judges:  judges,
			Sealed: func(m spool.Manifest) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.sealed = append(w.sealed, m)
			},
		}
		spoolOpt := spool.Options{FS: w.fs, Now: w.Now}
		if change != nil {
			change(&opt, &spoolOpt)
		}
		s, err := spool.Open(dir, spoolOpt)
		w.ok(err)
		w.spool = s
		opt.Store = relay.FromSpool(s)
		w.relay = relay.New(opt)
		var ctx context.Context
		ctx, w.cancel = context.WithCancel(t.Context())
		go func() { w.done <- w.relay.Run(ctx) }()
		w.rest()
		if len(w.sealed) != 1 || w.sealed[0].Counts.Read != 0 {
			t.Fatalf("first start: sealed %+v, want one empty batch that holds the place", w.sealed)
		}
		w.forget()
		test(w)
		w.cancel()
		synctest.Wait()
		_ = s.Close() // a fatal one is closed as well
	})
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// Now implements relay.Clock: the bubble's time, moved to a year in which alerts are believed.
func (w *world) Now() time.Time {
	return noon.Add(time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)))
}

// Timer implements relay.Clock.
func (w *world) Timer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

func (w *world) rest() { synctest.Wait() }

// poll wakes the relay and waits until it has nothing to do.
func (w *world) poll() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
	w.rest()
}

// pass lets virtual time go by.
func (w *world) pass(d time.Duration) {
	<-time.After(d)
	w.rest()
}

// stop ends the relay and returns what Run returned.
func (w *world) stop() error {
	w.cancel()
	return <-w.done
}

func (w *world) line(text string) { w.input.add(entry{line: &tailer.Line{Data: []byte(text)}}) }

// alerts puts n ordinary alerts in.
func (w *world) alerts(n int) {
	for i := range n {
		w.line(alert(noon, fmt.Sprintf(`"full_log":"line %d"`, i)))
	}
}

// alert is one alert with more members.
func alert(at time.Time, more string) string {
	return fmt.Sprintf(`{"timestamp":"%s","rule":{"level":5,"description":"d","id":"5710","groups":["sshd"]},"agent":{"id":"001","name":"web"},"manager":{"name":"m"},"id":"%d.1","location":"/var/log/auth.log",%s}`,
		at.Format("2006-01-02T15:04:05.000-0700"), at.Unix(), more)
}

// wantSealed holds the batches sealed since the last call against the counts wanted.
func (w *world) wantSealed(want ...spool.Counts) {
	w.t.Helper()
	var got []spool.Counts
	for _, m := range w.sealed {
		got = append(got, m.Counts)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("sealed %+v, want %+v", got, want)
	}
	w.forget()
}

// forget drops what was sealed so far.
func (w *world) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sealed = nil
}

func shipped(n int64) spool.Counts { return spool.Counts{Read: n, Shipped: n} }

// position is the offset that the spool would go on from.
func (w *world) position() int64 {
	w.t.Helper()
	m, _ := w.spool.LastManifest()
	var p tailer.Position
	w.ok(json.Unmarshal(m.Position, &p))
	return p.Offset
}

// ship acknowledges everything that waits.
func (w *world) ship() {
	w.t.Helper()
	for _, ref := range w.spool.Pending() {
		w.ok(w.spool.Ack(ref))
	}
}

// rejects are the rejects of every batch, as they stand on the disk.
func (w *world) rejects() []spool.Reject {
	w.t.Helper()
	var out []spool.Reject
	for _, place := range []string{"outbox", "shipped", "rejects"} {
		entries, err := w.fs.ReadDir(dir + "/" + place)
		w.ok(err)
		for _, e := range entries {
			path := dir + "/" + place + "/" + e.Name()
			if e.IsDir() {
				path += "/rejects.ndjson"
			}
			h, err := w.fs.OpenFile(path, 0, 0)
			if err != nil {
				continue // a batch without rejects
			}
			dec := json.NewDecoder(h)
			for {
				var r spool.Reject
				if dec.Decode(&r) != nil {
					break
				}
				out = append(out, r)
			}
			w.ok(h.Close())
		}
	}
	return out
}
