package tailer

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestParseStartAt(t *testing.T) {
	for in, want := range map[string]string{
		"": "today", "today": "today", "end": "end", "2026-11-23": "2026-11-23",
		"2026-11-23T12:00:00+01:00": "2026-11-23T12:00:00+01:00",
	} {
		got, err := ParseStartAt(in)
		if err != nil || got.String() != want {
			t.Errorf("%q: got %v, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"yesterday", "2026-13-01", "2026-11-23 12:00", "2026-11-23T12:00:00"} {
		if got, err := ParseStartAt(in); err == nil {
			t.Errorf("%q: got %v, want an error", in, got)
		}
	}
}

// TestStart is the very first start, at noon of the third of three days with four files.
func TestStart(t *testing.T) {
	for name, tc := range map[string]struct {
		start string
		stop  time.Time
		idle  bool // nothing has happened on the third day yet
		want  int  // alerts, of: 10 on the 23rd, 10 and 10 (second part) on the 24th, 10 on the 25th
	}{
		"today":                    {start: "today", want: 10},
		"today, idle manager":      {start: "today", idle: true, want: 0},
		"end":                      {start: "end", want: 0},
		"day with two parts":       {start: "2026-11-24", want: 30},
		"day before the first":     {start: "2026-11-01", want: 40},
		"day to come":              {start: "2026-12-01", want: 0},
		"time":                     {start: "2026-11-24T00:00:05Z", want: 26},
		"time in another zone":     {start: "2026-11-24T01:00:05+01:00", want: 26},
		"time between two files":   {start: "2026-11-24T13:00:00Z", want: 10},
		"stop in the second part":  {start: "2026-11-24", stop: midday.AddDate(0, 0, 1), want: 10},
		"stop before the first":    {start: "2026-11-24", stop: midday.AddDate(0, -1, 0), want: 0},
		"stop later than anything": {start: "2026-11-24", stop: midday.AddDate(1, 0, 0), want: 30},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFollow(t, false)
			f.ok(f.mgr.Start())
			each := func() {
				for range 10 {
					f.alerts(1)
					f.second()
				}
			}
			each()
			f.midnight()
			each() // from 00:00:01.5
			f.mgr.SetClock(midday.AddDate(0, 0, 1))
			f.ok(f.mgr.Rotate(0))
			each()
			f.mgr.SetClock(midday.AddDate(0, 0, 2))
			if !tc.idle {
				f.mgr.Event()
				f.second()
				each()
			}
			var err error
			f.opt.StartAt, err = ParseStartAt(tc.start)
			f.ok(err)
			f.opt.StopAt = tc.stop
			f.drain()
			if got := len(f.lines); got != tc.want {
				t.Errorf("%d lines, want %d", got, tc.want)
			}
			// What comes then is new, unless the log has been stopped or starts only later.
			f.alerts(3)
			f.midnight()
			f.alerts(2)
			f.second()
			f.drain()
			want := tc.want + 5
			if !tc.stop.IsZero() && tc.stop.Before(midday.AddDate(0, 0, 2)) || tc.start == "2026-12-01" {
				want = tc.want
			}
			if got := len(f.lines); got != want {
				t.Errorf("%d lines later, want %d", got, want)
			}
		})
	}
}

// TestStopIsExact goes on behind a stop with another tailer, as a cut-over does.
func TestStopIsExact(t *testing.T) {
	f := newFollow(t, false)
	f.ok(f.mgr.Start())
	for range 10 {
		f.alerts(1)
		f.second()
	}
	f.opt.StopAt = midday.Add(5 * time.Second)
	f.drain()
	if got := len(f.lines); got != 5 {
		t.Fatalf("%d lines before the stop, want 5", got)
	}
	f.down()
	f.opt.StopAt = time.Time{}
	f.drain()
	f.judge()
}

func TestPlainFileStartsToday(t *testing.T) {
	f := newFollow(t, false)
	path := f.mgr.Path()
	f.ok(os.MkdirAll(filepath.Dir(path), 0o750))
	f.opt.Log, f.opt.StartAt = WazuhLog{Path: path, DatedDir: filepath.Dir(path)}, Today()
	appendTo(f, path, alertAt(midday.AddDate(0, 0, -1), "yesterday"))
	appendTo(f, path, alertAt(midday, "today"))
	f.drain()
	wantLines(f, "today")
}

// TestPositionByHand has what `position set` can know: file, offset and fingerprints, no floor and no marks.
func TestPositionByHand(t *testing.T) {
	f := newFollow(t, false)
	f.ok(f.mgr.Start())
	for range 4 {
		f.alerts(4)
		f.midnight()
	}
	f.alerts(4)
	f.second()
	p, err := PositionAt(f.opt, "2026/Nov/ossec-alerts-25.json", 2*301)
	f.ok(err)
	f.opt.Position = p
	f.drain()
	if got := len(f.lines); got != 2+4+4 {
		t.Errorf("%d lines from the middle of the third day, want 10", got)
	}
	for name, bad := range map[string]struct {
		file   string
		offset int64
	}{
		"no such file":     {"2026/Nov/ossec-alerts-01.json", 0},
		"outside the tree": {"../../etc/passwd", 0},
		"behind the end":   {"2026/Nov/ossec-alerts-25.json", 1 << 20},
		"inside a line":    {"2026/Nov/ossec-alerts-25.json", 100},
		"negative":         {"2026/Nov/ossec-alerts-25.json", -1},
	} {
		if p, err := PositionAt(f.opt, bad.file, bad.offset); err == nil {
			t.Errorf("%s: got %+v, want an error", name, p)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	good := WazuhLog{Path: "alerts.json"}
	for name, opt := range map[string]Options{
		"no log":            {},
		"no path":           {Log: WazuhLog{}},
		"no directory":      {Log: SegmentLog{}},
		"negative line":     {Log: good, MaxLine: -1},
		"negative offset":   {Log: good, Position: Position{File: "alerts.json", Offset: -1}},
		"offset, no proof":  {Log: good, Position: Position{File: "alerts.json", Offset: 5}},
		"offset, no file":   {Log: good, Position: Position{Offset: 5, Head: fingerprint([]byte("a")), Tail: fingerprint([]byte("a"))}},
		"proof of no bytes": {Log: good, Position: Position{File: "alerts.json", Offset: 5, Head: Fingerprint{Hash: "x"}}},
	} {
		if _, err := Open(opt); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestClosed(t *testing.T) {
	tail, err := Open(Options{Log: WazuhLog{Path: filepath.Join(t.TempDir(), "alerts.json")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := tail.Close(); err != nil {
		t.Error(err)
	}
	if _, err := tail.Next(context.Background()); err != ErrClosed {
		t.Errorf("got %v, want ErrClosed", err)
	}
	if _, err := tail.Lag(); err != ErrClosed {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

func TestCancelled(t *testing.T) {
	f := newFollow(t, false)
	f.ok(f.mgr.Start())
	f.alerts(1)
	f.second()
	f.open()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.tail.Next(ctx); err != context.Canceled {
		t.Errorf("got %v, want Canceled", err)
	}
	f.drain()
	f.judge()
}

func TestLag(t *testing.T) {
	f := newFollow(t, false)
	lag := func(want int64) {
		t.Helper()
		if got, err := f.tail.Lag(); err != nil || got != want {
			t.Errorf("lag %d, %v, want %d", got, err, want)
		}
	}
	f.ok(f.mgr.Start())
	f.alerts(1)
	f.second()
	f.drain()
	lag(0)
	f.alerts(3)
	f.second()
	lag(3 * 301)
	f.step()
	lag(2 * 301)
	f.midnight()
	f.alerts(2)
	f.midnight()
	f.alerts(4)
	f.second()
	lag(8 * 301)
	f.reopen()
	lag(8 * 301)
	f.ok(f.mgr.Archive(midday).All())
	f.step()
	lag(7 * 301)
	f.drain()
	lag(0)
	if _, err := f.tail.Next(context.Background()); err != io.EOF {
		t.Errorf("got %v, want io.EOF", err)
	}
}
