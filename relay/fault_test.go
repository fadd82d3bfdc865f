package relay_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
	"wazuh-security-lake/test/faultfs"
)

// A full spool stops the reading with one line in hand; nothing is dropped and nothing is read again.
func TestFullSpool(t *testing.T) {
	tight := func(o *relay.Options, s *spool.Options) { s.MaxSize = 1 }
	bubble(t, tight, func(w *world) {
		w.alerts(5)
		w.poll()
		w.ok(w.relay.Flush(w.t.Context()))
		w.wantSealed(shipped(5)) // begun while there was room
		w.alerts(5)
		for range 3 {
			w.poll()
			w.pass(time.Minute)
		}
		w.wantSealed()
		if got := w.relay.Stats().OutputError; !strings.Contains(got, "spool is full") {
			t.Errorf("OutputError %q does not say that the spool is full", got)
		}
		if got := w.input.Position().Offset; got != 6 {
			t.Errorf("read on to %d with a full spool, want 6: the line in hand", got)
		}
		if err := w.relay.Flush(w.t.Context()); !errors.Is(err, spool.ErrFull) {
			t.Errorf("Flush returned %v, want that the spool is full", err)
		}
		w.ship()
		w.poll()
		w.pass(time.Minute)
		w.wantSealed(shipped(5))
		if n := w.log.count("spool full, reading paused"); n != 1 {
			t.Errorf("the outage was logged %d times, want once", n)
		}
		if n := w.log.count("spool takes batches again"); n != 1 {
			t.Errorf("the recovery was logged %d times, want once", n)
		}
		if len(w.input.rewinds) > 0 || w.relay.Stats().OutputError != "" {
			t.Errorf("rewound to %v, OutputError %q", w.input.rewinds, w.relay.Stats().OutputError)
		}
		if got := w.position(); got != 10 {
			t.Errorf("position %d, want 10", got)
		}
	})
}

// tight leaves room for one batch, and the reserve.
func tight(_ *relay.Options, s *spool.Options) { s.MaxSize, s.Reserve = 10<<20, 10<<20-1 }

// The reserve is for lines that exist nowhere else.
func TestVolatileLineUsesTheReserve(t *testing.T) {
	bubble(t, tight, func(w *world) {
		w.alerts(1)
		w.poll()
		w.ok(w.relay.Flush(w.t.Context()))
		w.wantSealed(shipped(1))
		w.input.add(entry{line: &tailer.Line{Data: []byte(alert(noon, `"full_log":"only here"`)), Volatile: true}})
		w.poll()
		w.wantSealed(shipped(1))
		w.alerts(1)
		w.poll()
		w.pass(time.Minute)
		w.wantSealed()
	})
}

// A held gap is recorded once there is room.
func TestGap(t *testing.T) {
	for name, size := range map[string]int64{"room": 0, "full": 1} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(_ *relay.Options, s *spool.Options) { s.MaxSize = size }, func(w *world) {
				w.alerts(1)
				w.poll()
				w.ok(w.relay.Flush(w.t.Context()))
				w.forget()
				w.input.add(entry{gap: &tailer.GapError{File: "g", From: 7, To: -1, Reason: tailer.GapTruncated}})
				w.alerts(1)
				w.poll()
				w.ship()
				w.poll()
				w.pass(time.Minute)
				if len(w.sealed) != 1 || len(w.sealed[0].Gaps) != 1 {
					t.Fatalf("sealed %+v, want one batch with one gap", w.sealed)
				}
				if got, want := w.sealed[0].Gaps[0], (spool.Gap{Range: spool.Range{File: "g", From: 7, To: -1}, Reason: "truncated"}); got != want {
					t.Errorf("gap %+v, want %+v", got, want)
				}
				w.wantSealed(shipped(1))
				if n := w.log.count("alerts lost"); n != 1 {
					t.Errorf("the loss was logged %d times, want once", n)
				}
			})
		})
	}
}

// Every operation that changes the disk fails once: the batch is read again, or Run ends and says so; what is committed
// is every line exactly once.
func TestDiskFault(t *testing.T) {
	for _, errno := range []error{syscall.EIO, syscall.ENOSPC} {
		hit, fatal := 0, 0
		for n := 1; ; n++ {
			done := false
			bubble(t, nil, func(w *world) {
				before := w.fs.Count(faultfs.Change)
				w.fs.Inject(faultfs.Fault{Op: faultfs.Change, N: n, Err: errno})
				w.alerts(3)
				w.line("no JSON")
				for range 3 {
					w.poll()
					w.pass(time.Minute)
				}
				done = w.fs.Count(faultfs.Change)-before < n
				hit++
				var ended *spool.FatalError
				select {
				case err := <-w.done:
					if !errors.As(err, &ended) {
						t.Fatalf("%v at %d: Run ended with %v", errno, n, err)
					}
					fatal++
					return
				default:
				}
				var total spool.Counts
				for _, m := range w.sealed {
					total.Read, total.Shipped, total.Rejected = total.Read+m.Counts.Read, total.Shipped+m.Counts.Shipped, total.Rejected+m.Counts.Rejected
				}
				if want := (spool.Counts{Read: 4, Shipped: 3, Rejected: 1}); total != want {
					t.Errorf("%v at %d: committed %+v, want %+v", errno, n, total, want)
				}
				if got := w.position(); got != 4 {
					t.Errorf("%v at %d: position %d, want 4", errno, n, got)
				}
				failed, again := w.log.count("batch not written"), w.log.count("spool takes batches again")
				if failed > 1 || again != failed && w.log.count("spool full") == 0 {
					t.Errorf("%v at %d: logged %d failures and %d recoveries", errno, n, failed, again)
				}
				for _, at := range w.input.rewinds {
					if at != 0 {
						t.Errorf("%v at %d: rewound to %d, want the committed 0", errno, n, at)
					}
				}
				w.ok(w.stop())
			})
			if done {
				break
			}
		}
		t.Logf("%v: %d places, %d of them fatal", errno, hit-1, fatal)
		if hit < 10 || fatal == 0 {
			t.Errorf("%v: %d places, %d fatal: the test tests nothing", errno, hit, fatal)
		}
	}
}

// commitUnknown makes the commit's own fsync fail.
func commitUnknown(w *world) {
	w.fs.Inject(faultfs.Fault{Op: faultfs.SyncDir, N: 1, Err: syscall.EIO, Path: func(p string) bool { return strings.HasSuffix(p, "/outbox") }})
}

func TestFatalErrorEndsRun(t *testing.T) {
	tests := map[string]func(w *world){
		"interval": func(w *world) { w.pass(time.Minute) },
		"flush": func(w *world) {
			var fatal *spool.FatalError
			if err := w.relay.Flush(w.t.Context()); !errors.As(err, &fatal) {
				w.t.Errorf("Flush returned %v, want the fatal error", err)
			}
			w.rest()
		},
		"shutdown": func(w *world) { w.cancel(); w.rest() },
	}
	for name, seal := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(w *world) {
				w.alerts(1)
				w.poll()
				commitUnknown(w)
				seal(w)
				select {
				case err := <-w.done:
					var fatal *spool.FatalError
					if !errors.As(err, &fatal) {
						t.Errorf("Run returned %v, want the fatal error", err)
					}
				default:
					t.Error("Run goes on after a commit whose outcome is unknown")
				}
			})
		})
	}
}

// A flush that fails says so; what it could not seal is read again.
func TestFlushFails(t *testing.T) {
	for _, path := range []string{"0.parquet", "manifest.json"} {
		t.Run(path, func(t *testing.T) {
			bubble(t, nil, func(w *world) {
				w.alerts(1)
				w.fs.Inject(faultfs.Fault{Op: faultfs.Create, N: 1, Err: syscall.EIO, Path: func(p string) bool { return strings.HasSuffix(p, path) }})
				if err := w.relay.Flush(w.t.Context()); !errors.Is(err, syscall.EIO) {
					w.t.Errorf("Flush returned %v, want the disk's error", err)
				}
				w.ok(w.relay.Flush(w.t.Context()))
				w.wantSealed(shipped(1))
			})
		})
	}
}

// An input that cannot go back cannot be outlived.
func TestRewindRefused(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.input.rewindErr = fs.ErrInvalid
		w.fs.Inject(faultfs.Fault{Op: faultfs.Sync, N: 1, Err: syscall.EIO})
		w.alerts(1)
		w.poll()
		w.pass(time.Minute)
		select {
		case err := <-w.done:
			if !errors.Is(err, syscall.EIO) {
				t.Errorf("Run returned %v, want the disk's error", err)
			}
		default:
			t.Error("Run goes on although lines are lost")
		}
	})
}

func TestInputOutage(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.input.fault = &tailer.RetryError{Path: "alerts.json", Err: fs.ErrPermission}
		for range 5 {
			w.poll()
		}
		if got := w.relay.Stats().InputError; !strings.Contains(got, "permission") {
			t.Errorf("InputError %q", got)
		}
		w.input.fault = nil
		w.alerts(1)
		w.poll()
		w.pass(time.Minute)
		w.wantSealed(shipped(1))
		for text, want := range map[string]int{"input not readable": 1, "input readable again failures=5": 1} {
			if n := w.log.count(text); n != want {
				t.Errorf("logged %q %d times, want %d", text, n, want)
			}
		}
	})
}

// An input that gives lines again is readable, before the end of what has gathered meanwhile.
func TestInputOutageIsOverWithTheFirstLine(t *testing.T) {
	var turn func()
	watch := func(o *relay.Options, _ *spool.Options) { o.Progress = func() { turn() } }
	turn = func() {}
	bubble(t, watch, func(w *world) {
		w.input.fail(fs.ErrPermission)
		w.poll()
		if w.relay.Stats().InputError == "" {
			t.Fatal("the outage is not shown")
		}
		w.input.fail(nil)
		w.alerts(10_000)
		var seen []string
		turn = func() { seen = append(seen, w.relay.Stats().InputError) }
		w.poll()
		turn = func() {}
		if len(seen) < 3 || seen[1] != "" {
			t.Errorf("InputError at each turn: %q, want none after the first", seen)
		}
	})
}

func TestRejects(t *testing.T) {
	bubble(t, nil, func(w *world) {
		lines := []struct{ text, reason string }{
			{"no JSON", "not_json"},
			{"\xff\xfe", "not_json"},
			{alert(noon.AddDate(0, 0, 3), `"full_log":"x"`), "bad_timestamp"},
		}
		for _, l := range lines {
			w.line(l.text)
		}
		w.input.add(entry{line: &tailer.Line{Data: []byte("half"), Reject: tailer.RejectTruncated}})
		w.input.add(entry{line: &tailer.Line{Data: []byte("begin"), Reject: tailer.RejectOversize, Size: 1 << 30, SHA256: "whole"}})
		w.poll()
		w.ok(w.relay.Flush(w.t.Context()))
		w.wantSealed(spool.Counts{Read: 5, Rejected: 5})
		got := w.rejects()
		if len(got) != 5 {
			w.t.Fatalf("%d rejects, want 5", len(got))
		}
		for i, l := range lines {
			if got[i].Reason != l.reason || string(got[i].Line) != l.text || got[i].From != int64(i) || got[i].Size != int64(len(l.text)) {
				t.Errorf("reject %d: %+v, want reason %s of %q", i, got[i], l.reason, l.text)
			}
		}
		if r := got[3]; r.Reason != "truncated_at_rotation" || string(r.Line) != "half" {
			t.Errorf("reject of half a line: %+v", r)
		}
		if r := got[4]; r.Reason != "oversize" || r.Line != nil || r.Size != 1<<30 || r.SHA256 != "whole" {
			t.Errorf("reject of a cut line: %+v", r)
		}
		if n := w.log.count("no JSON"); n != 0 {
			t.Error("the log holds alert content")
		}
	})
}

// The counters an observer sees cover the batch under construction.
func TestStats(t *testing.T) {
	bubble(t, func(o *relay.Options, _ *spool.Options) { o.Filter.Exclude.RuleID = []string{"7"} }, func(w *world) {
		w.alerts(2)
		w.line("no JSON")
		w.line(strings.Replace(alert(noon, `"full_log":"x"`), `"id":"5710"`, `"id":"7"`, 1))
		w.poll()
		s := w.relay.Stats()
		if want := (spool.Counts{Read: 4, Shipped: 2, Filtered: 1, Rejected: 1}); s.Building != want {
			t.Errorf("building %+v, want %+v", s.Building, want)
		}
		w.pass(time.Minute)
		s = w.relay.Stats()
		if got, want := fmt.Sprint(s.Building, s.Batches, s.Filtered, s.Rejected), "{0 0 0 0} 2 map[excluded:1] map[not_json:1]"; got != want {
			t.Errorf("after the seal %s, want %s", got, want)
		}
		if !slices.Equal(w.input.rewinds, nil) {
			t.Errorf("rewound to %v", w.input.rewinds)
		}
	})
}

// A damaged archive at the place of the very first start is a recorded gap, not an outage.
func TestGapAtFirstStart(t *testing.T) {
	gap := &tailer.GapError{File: "2026/Mar/ossec-alerts-01.json", From: 0, To: -1, Reason: tailer.GapDamaged}
	change := func(o *relay.Options, _ *spool.Options) {
		o.Lines.(*script).startGap = gap
		seal := o.Sealed
		o.Sealed = func(m spool.Manifest) {
			if m.Seq == 1 && (len(m.Gaps) != 1 || m.Gaps[0].File != gap.File || m.Gaps[0].To != -1) {
				t.Errorf("first batch has gaps %+v, want the one of the start", m.Gaps)
			}
			seal(m)
		}
	}
	bubble(t, change, func(w *world) {
		if w.log.count("alerts lost") != 1 {
			t.Error("the gap was not logged once")
		}
	})
}

// A line that waits for room becomes the only copy when its file loses its name meanwhile: then the reserve is for it, too.
func TestHeldLineThatBecomesTheOnlyCopyUsesTheReserve(t *testing.T) {
	bubble(t, tight, func(w *world) {
		w.alerts(1)
		w.poll()
		w.ok(w.relay.Flush(w.t.Context()))
		w.wantSealed(shipped(1))
		w.alerts(1)
		w.poll()
		w.pass(time.Minute)
		w.wantSealed()
		w.input.expose()
		w.poll()
		w.wantSealed(shipped(1))
	})
}

// The free space of a disk moves all the time; the outage is still one.
func TestFullDiskIsLoggedOnce(t *testing.T) {
	bubble(t, func(_ *relay.Options, s *spool.Options) { s.MinFree = 1 << 20 }, func(w *world) {
		w.alerts(1)
		for i := range 5 {
			w.fs.SetCapacity(w.fs.Used() + int64(1000+i))
			w.poll()
		}
		w.fs.SetCapacity(1 << 30)
		w.poll()
		for _, text := range []string{"spool full, reading paused", "spool takes batches again"} {
			if n := w.log.count(text); n != 1 {
				t.Errorf("logged %q %d times, want once", text, n)
			}
		}
	})
}
