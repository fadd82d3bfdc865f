package tailer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wazuh-security-lake/test/replica"
)

// midday is when most scenarios begin.
var midday = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

// follow is one reader and one manager, and the judge over both.
type follow struct {
	testing.TB
	mgr     *replica.Manager
	opt     Options
	tail    *Tailer
	restart bool // close and open again after every call
	repeats bool // lines may come a second time

	lines  []Line // with Data cloned
	gaps   []*GapError
	faults []error
	events []Event
	ends   map[string]int64
}

func newFollow(tb testing.TB, restart bool) *follow {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "alerts")
	f := &follow{TB: tb, mgr: replica.New(dir, midday), restart: restart, ends: map[string]int64{}}
	f.opt = Options{
		Log:     WazuhLog{Path: f.mgr.Path(), DatedDir: dir},
		Now:     f.mgr.Now,
		OnEvent: func(e Event) { f.events = append(f.events, e) },
		StartAt: Day(2000, 1, 1), // everything, whatever the clock does before the first look
		MaxLine: 1 << 20,
		buffer:  8 << 10,
	}
	tb.Cleanup(func() {
		if f.tail != nil {
			_ = f.tail.Close()
		}
	})
	return f
}

func (f *follow) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *follow) open() {
	f.Helper()
	tail, err := Open(f.opt)
	f.ok(err)
	f.tail = tail
}

// reopen is a restart of the daemon whose last batch was committed.
func (f *follow) reopen() {
	f.Helper()
	f.opt.Position = f.tail.Position()
	f.ok(f.tail.Close())
	f.open()
}

// down stops the reader; drain starts it again.
func (f *follow) down() {
	f.Helper()
	f.opt.Position = f.tail.Position()
	f.ok(f.tail.Close())
	f.tail = nil
}

// step is one call of Next. It reports whether there may be more.
func (f *follow) step() bool {
	f.Helper()
	if f.tail == nil {
		f.open()
	}
	line, err := f.tail.Next(context.Background())
	var gap *GapError
	var retry *RetryError
	switch {
	case errors.As(err, &gap):
		f.gaps = append(f.gaps, gap)
	case errors.As(err, &retry):
		f.faults = append(f.faults, err)
		return false
	case err == io.EOF:
		if f.restart {
			f.reopen()
		}
		return false
	case err != nil:
		f.Fatal(err)
	default:
		line.Data = bytes.Clone(line.Data)
		f.take(line)
		if f.restart {
			f.reopen()
		}
	}
	return true
}

func (f *follow) take(line Line) {
	f.Helper()
	key := line.File + line.Head.Hash
	if want, seen := f.ends[key]; seen && line.From != want && !f.repeats {
		f.Errorf("%s: line from %d, want %d", line.File, line.From, want)
	}
	f.ends[key] = line.To
	if line.To <= line.From || line.Head.Len == 0 || line.File == "" {
		f.Errorf("line has no place: %+v", line)
	}
	f.lines = append(f.lines, line)
}

func (f *follow) drain() {
	f.Helper()
	for range 100_000 {
		if !f.step() {
			return
		}
	}
	f.Fatal("Next never came to an end")
}

func (f *follow) alerts(n int) {
	f.Helper()
	for range n {
		_, err := f.mgr.Alert(300)
		f.ok(err)
	}
}

// second is one second of the manager.
func (f *follow) second() { f.Helper(); f.ok(f.mgr.Tick(time.Second)) }

// midnight lets the day change: the first event of the new day, then the rotation.
func (f *follow) midnight() {
	f.Helper()
	y, m, d := f.mgr.Now().Date()
	f.ok(f.mgr.Flush())
	f.mgr.SetClock(time.Date(y, m, d+1, 0, 0, 0, 500e6, f.mgr.Now().Location()))
	f.mgr.Event()
	f.second()
}

func (f *follow) ids() map[string]int {
	ids := map[string]int{}
	for _, l := range f.lines {
		if l.Reject != "" {
			continue
		}
		if id := idOf(l.Data); id != "" {
			ids[id]++
		}
	}
	return ids
}

// idOf is the id of the last alert on the line; before it there may be half a line of a killed manager.
func idOf(line []byte) string {
	i := bytes.LastIndex(line, leader)
	if i < 0 {
		return ""
	}
	_, rest, ok := strings.Cut(string(line[i:]), `"000"},"id":"`)
	if !ok || !strings.HasSuffix(rest, `"}`) {
		return ""
	}
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// judge compares what was read with what was written. lost and old are alerts that need not or must not arrive.
func (f *follow) judge() {
	f.Helper()
	got := f.ids()
	for id := range f.mgr.Visible() {
		if n := got[id]; n != 1 && !(f.repeats && n > 1) {
			f.Errorf("alert %s (%s) arrived %d times, want once", id, f.mgr.Alerts()[id].File, n)
		}
	}
	for _, l := range f.lines {
		if id := idOf(l.Data); l.Reject == "" && id != "" {
			if a, ok := f.mgr.Alerts()[id]; !ok {
				f.Errorf("alert %s was never written", id)
			} else if !bytes.HasSuffix(l.Data, a.Line) || !a.Glued && len(l.Data) != len(a.Line) {
				f.Errorf("alert %s was changed on its way", id)
			}
		}
	}
}

func (f *follow) rejects() []string {
	var reasons []string
	for _, l := range f.lines {
		if l.Reject != "" {
			reasons = append(reasons, l.Reject)
		}
	}
	return reasons
}

func (f *follow) gapReasons() []string {
	var reasons []string
	for _, g := range f.gaps {
		reasons = append(reasons, g.Reason)
	}
	return reasons
}

func (f *follow) saw(kind EventKind) bool {
	return slices.ContainsFunc(f.events, func(e Event) bool { return e.Kind == kind })
}

// scenario is one entry of the list of what happens to logs.
type scenario struct {
	name    string
	run     func(f *follow)
	rejects []string // wanted Line.Reject, in order
	gaps    []string // wanted GapError.Reason, in order
	repeats bool     // lines may come twice, and only here
	held    bool     // the only copy is an open file: a restart would lose it, so there is no restart
	unread  bool     // alerts are lost by design here, the scenario checks for itself
}

func runScenarios(t *testing.T, list []scenario) {
	for _, s := range list {
		for _, restart := range []bool{false, true} {
			if restart && s.held {
				continue
			}
			name := s.name
			if restart {
				name += "/restart at every step"
			}
			t.Run(name, func(t *testing.T) {
				f := newFollow(t, restart)
				f.repeats = s.repeats
				s.run(f)
				if got := f.rejects(); !slices.Equal(got, s.rejects) {
					t.Errorf("rejects %v, want %v", got, s.rejects)
				}
				if got := f.gapReasons(); !slices.Equal(got, s.gaps) {
					t.Errorf("gaps %v, want %v", got, s.gaps)
				}
				if !s.unread {
					f.judge()
				}
			})
		}
	}
}
