package relay_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

func TestSeal(t *testing.T) {
	tests := map[string]struct {
		opt func(*relay.Options)
		run func(w *world)
	}{
		"interval, from the first line": {nil, func(w *world) {
			w.alerts(2)
			w.poll()
			w.pass(40 * time.Second)
			w.alerts(1)
			w.poll()
			w.pass(19 * time.Second)
			w.wantSealed()
			w.pass(time.Second)
			w.wantSealed(shipped(3))
			w.pass(time.Hour)
			w.wantSealed()
		}},
		"interval of filtered lines moves the position": {
			func(o *relay.Options) { o.Filter.Level = 16 },
			func(w *world) {
				w.alerts(2)
				w.poll()
				w.pass(time.Minute)
				w.wantSealed(spool.Counts{Read: 2, Filtered: 2})
				if got := w.position(); got != 2 {
					w.t.Errorf("position %d, want 2", got)
				}
			}},
		"min_size not reached waits for max_wait": {
			func(o *relay.Options) { o.MinSize, o.MaxWait = 1<<20, 5*time.Minute },
			func(w *world) {
				w.alerts(2)
				w.poll()
				w.pass(4*time.Minute + 59*time.Second)
				w.wantSealed()
				w.pass(time.Second)
				w.wantSealed(shipped(2))
			}},
		"min_size reached seals at the interval": {
			func(o *relay.Options) { o.MinSize, o.MaxWait = 1, 5*time.Minute },
			func(w *world) {
				w.alerts(2)
				w.poll()
				w.pass(time.Minute)
				w.wantSealed(shipped(2))
			}},
		"size": {
			func(o *relay.Options) { o.MaxObjectSize = 1 },
			func(w *world) {
				w.alerts(2)
				w.poll()
				w.wantSealed(shipped(2))
			}},
		"too many days at once": {nil, func(w *world) {
			for day := range 11 {
				w.line(alert(noon.AddDate(0, 0, -day), `"full_log":"x"`))
			}
			w.poll()
			w.wantSealed()
			w.line(alert(noon.AddDate(0, 0, -11), `"full_log":"x"`))
			w.poll()
			if len(w.sealed) == 1 && len(w.sealed[0].Objects) != 12 {
				w.t.Errorf("%d objects, want 12", len(w.sealed[0].Objects))
			}
			w.wantSealed(shipped(12))
		}},
		"volatile line, once the input is read to its end": {nil, func(w *world) {
			w.input.add(entry{line: &tailer.Line{Data: []byte(alert(noon, `"full_log":"only here"`)), Volatile: true}})
			w.alerts(1)
			w.poll()
			w.wantSealed(shipped(2))
		}},
		"line that became the only copy after it was read": {nil, func(w *world) {
			w.alerts(1)
			w.poll()
			w.input.exposed = true
			w.poll()
			w.wantSealed(shipped(1))
		}},
		"shutdown": {nil, func(w *world) {
			w.alerts(3)
			w.poll()
			w.ok(w.stop())
			w.wantSealed(shipped(3))
		}},
		"shutdown with nothing read": {nil, func(w *world) {
			w.ok(w.stop())
			w.wantSealed()
		}},
		"flush reads on first": {nil, func(w *world) {
			w.alerts(2)
			w.ok(w.relay.Flush(w.t.Context()))
			w.wantSealed(shipped(2))
			w.ok(w.relay.Flush(w.t.Context()))
			w.wantSealed()
		}},
		"more than one pass": {nil, func(w *world) {
			w.alerts(1200)
			w.poll()
			w.pass(time.Minute)
			w.wantSealed(shipped(1200))
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(o *relay.Options, _ *spool.Options) {
				if tt.opt != nil {
					tt.opt(o)
				}
			}, func(w *world) {
				tt.run(w)
				if len(w.input.rewinds) > 0 {
					w.t.Errorf("rewound to %v", w.input.rewinds)
				}
			})
		})
	}
}

// An alert older than a row group already written begins the next object of its day.
func TestOlderThanWhatIsWritten(t *testing.T) {
	small := func(o *relay.Options, _ *spool.Options) { o.Encoder.RowGroupBytes = 1 } // the encoder's least
	bubble(t, small, func(w *world) {
		text := strings.Repeat("x", 60_000)
		for i := range 200 {
			w.line(alert(noon.Add(time.Duration(i)*time.Minute/60), fmt.Sprintf(`"full_log":"%d %s"`, i, text)))
		}
		w.line(alert(noon.Add(-time.Hour), `"full_log":"late"`))
		w.poll()
		w.ok(w.relay.Flush(w.t.Context()))
		if len(w.sealed) != 1 || len(w.sealed[0].Objects) != 2 {
			w.t.Fatalf("sealed %+v, want one batch of two objects", w.sealed)
		}
		a, b := w.sealed[0].Objects[0], w.sealed[0].Objects[1]
		if a.Rows != 200 || b.Rows != 1 || a.EventDay != b.EventDay || a.Key == b.Key {
			w.t.Errorf("objects %+v and %+v", a, b)
		}
		w.wantSealed(shipped(201))
	})
}

// Once another day has begun, the object of one that had no alert for long is closed; one that comes later begins another object. Until
// then it stays open: the first alerts of a day and the last of the one before come in any order.
func TestDaysThatAreOver(t *testing.T) {
	bubble(t, nil, func(w *world) {
		lines := 0
		day := func(d, n int) {
			for range n {
				w.line(alert(noon.AddDate(0, 0, d), fmt.Sprintf(`"full_log":"%d"`, lines)))
				lines++
			}
		}
		const many = 20_001
		day(-4, 2)
		day(-3, many-1)
		day(-4, 1)      // still open
		day(-3, 2*many) // closes -4; -3 goes on
		day(-4, 1)      // another object
		day(-3, 2*many) // nothing has begun since
		day(-4, 1)
		day(-2, 1)
		day(-1, 2*many) // closes -4, -3 and -2
		day(0, 1)
		day(-1, 1)
		day(-3, 1)
		w.poll()
		w.ok(w.relay.Flush(w.t.Context()))
		if len(w.sealed) != 1 {
			w.t.Fatalf("sealed %d batches, want one", len(w.sealed))
		}
		var got []string
		for _, o := range w.sealed[0].Objects {
			got = append(got, fmt.Sprint(o.EventDay, " ", o.Rows))
		}
		want := "[20260310 3 20260311 100004 20260310 2 20260312 1 20260313 40003 20260314 1 20260311 1]"
		if fmt.Sprint(got) != want {
			w.t.Errorf("objects %v, want %s", got, want)
		}
		w.wantSealed(shipped(int64(lines)))
	})
}

// An object that is closed because its day is over is no larger than one that is closed at the seal: its rows are one row group.
func TestDayThatIsOverIsOneRowGroup(t *testing.T) {
	bubble(t, nil, func(w *world) {
		yesterday := func() {
			for i := range 2 {
				w.line(alert(noon.AddDate(0, 0, -1), fmt.Sprintf(`"full_log":"%d"`, i)))
			}
		}
		yesterday()
		w.poll()
		w.ok(w.relay.Flush(w.t.Context()))
		yesterday()
		for range 20_001 {
			w.line("no alert")
		}
		w.line(alert(noon, `"full_log":"today"`))
		w.poll()
		w.ok(w.relay.Flush(w.t.Context()))
		if len(w.sealed) != 2 || len(w.sealed[1].Objects) != 2 {
			w.t.Fatalf("sealed %+v, want two batches, the second one of two objects", w.sealed)
		}
		if at, over := w.sealed[0].Objects[0].Bytes, w.sealed[1].Objects[0].Bytes; over > at+at/4 {
			w.t.Errorf("%d bytes of an object whose day was over, %d of the same one at the seal", over, at)
		}
	})
}

// Of a log whose timestamps are scattered over many days a few objects are open at a time, within a pass too: the one that had no
// alert for longest is closed for another.
func TestScatteredDays(t *testing.T) {
	for name, test := range map[string]struct{ days, objects int }{
		"a month": {32, 32},
		"more":    {33, 66},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(w *world) {
				for i := range 2 * test.days {
					w.line(alert(noon.AddDate(0, 0, -(i%test.days)), fmt.Sprintf(`"full_log":"%d"`, i)))
				}
				w.poll()
				if len(w.sealed) != 1 || len(w.sealed[0].Objects) != test.objects {
					w.t.Fatalf("sealed %d batches: %+v, want one of %d objects", len(w.sealed), w.sealed, test.objects)
				}
				w.wantSealed(shipped(int64(2 * test.days)))
			})
		})
	}
}

// What the manifest says of a batch: place, ranges, objects, names.
func TestManifest(t *testing.T) {
	bubble(t, nil, func(w *world) {
		w.alerts(2)
		w.line(alert(noon.AddDate(0, 0, -1), `"full_log":"yesterday"`))
		w.poll()
		w.ok(w.relay.Flush(w.t.Context()))
		m := w.sealed[0]
		if got := fmt.Sprint(m.Ranges); got != "[{f h 0 3}]" {
			w.t.Errorf("ranges %s, want one of the three lines", got)
		}
		if got := w.position(); got != 3 {
			w.t.Errorf("position %d, want 3", got)
		}
		days := map[string]int64{"20260314": 2, "20260313": 1}
		for i, o := range m.Objects {
			want := fmt.Sprintf("ext/wazuh/region=us-east-1/accountId=123456789012/eventDay=%s/n-i-%d-%d-%s.parquet", o.EventDay, m.Seq, i, o.SHA256[:16])
			if o.Key != want || o.Rows != days[o.EventDay] || o.Destination != "s3://lake" || o.Class != "detection_finding" {
				w.t.Errorf("object %+v, want key %s", o, want)
			}
		}
	})
}

// askWhileBusy makes the next turn of the loop find a flush waiting; the answer comes over the channel.
func askWhileBusy(w *world, turn *func()) <-chan error {
	answer := make(chan error, 1)
	*turn = func() {
		*turn = nil
		go func() { answer <- w.relay.Flush(w.t.Context()) }()
		time.Sleep(time.Nanosecond) // virtual: passes when the request is waiting
	}
	return answer
}

// A flush that comes while there is more to read takes what was written before it, not only what was read.
func TestFlushWhileReading(t *testing.T) {
	var turn func()
	bubble(t, func(o *relay.Options, _ *spool.Options) {
		o.Progress = func() {
			if turn != nil {
				turn()
			}
		}
	}, func(w *world) {
		w.alerts(2000)
		answer := askWhileBusy(w, &turn)
		w.poll()
		w.ok(<-answer)
		w.wantSealed(shipped(2000))
	})
}

// A flush does not wait for the end of a large backlog.
func TestFlushFarBehind(t *testing.T) {
	var turn func()
	bubble(t, func(o *relay.Options, _ *spool.Options) {
		o.Filter.Level = 15
		o.Progress = func() {
			if turn != nil {
				turn()
			}
		}
	}, func(w *world) {
		const lines = 80_000
		w.alerts(lines)
		answer := askWhileBusy(w, &turn)
		w.poll()
		w.ok(<-answer)
		if len(w.sealed) == 0 || w.sealed[0].Counts.Read == lines {
			t.Errorf("the flush sealed %d batches, want one with a part of the %d lines", len(w.sealed), lines)
		}
		w.forget()
	})
}

// A flush asked for while a backlog waits unread keeps to the sizes and gives its signs of life as any other reading does.
func TestFlushOfABacklogThatWaited(t *testing.T) {
	turns := 0
	small := func(o *relay.Options, _ *spool.Options) { o.MaxObjectSize, o.Progress = 64<<10, func() { turns++ } }
	bubble(t, small, func(w *world) {
		w.alerts(20_000)
		before := turns
		w.ok(w.relay.Flush(w.t.Context()))
		w.rest()
		if n := len(w.sealed); n < 5 {
			t.Errorf("%d batches with objects of 64 KiB at most, want several", n)
		}
		if n := turns - before; n < 5 {
			t.Errorf("%d signs of life while 20000 lines were read", n)
		}
		if got := w.position(); got != 20_000 {
			t.Errorf("position %d after the flush, want 20000", got)
		}
	})
}
