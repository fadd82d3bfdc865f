package uploader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wazuh-security-lake/spool"
)

// scripted is a Putter that does what a test says and notes the order.
type scripted struct {
	put func(ctx context.Context, o spool.Object, body io.Reader) error

	mu     sync.Mutex
	order  []string // "source/seq" when an attempt begins
	now    int
	most   int
	stores map[string]int
}

func (s *scripted) Put(ctx context.Context, o spool.Object, body io.ReadSeeker) error {
	s.mu.Lock()
	s.order = append(s.order, fmt.Sprintf("%s%d", o.Source, o.Rows))
	s.now++
	s.most = max(s.most, s.now)
	put := s.put
	s.mu.Unlock()
	var err error
	if put != nil {
		err = put(ctx, o, body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
	if err == nil {
		if s.stores == nil {
			s.stores = map[string]int{}
		}
		s.stores[o.Key]++
	}
	return err
}

func denied(o spool.Object) error {
	return &Error{Class: Configuration, Source: o.Source, Destination: o.Destination, Key: o.Key, Code: "AccessDenied", Remedy: "allow it"}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// running starts Run in a bubble and returns how to end it.
func running(t *testing.T, u *Uploader) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- u.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	}
}

func TestOldestFirstWithinBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newMemQueue()
		p := &scripted{put: func(context.Context, spool.Object, io.Reader) error { time.Sleep(time.Second); return nil }}
		for seq := 1; seq <= 20; seq++ {
			q.add(lake, "a", "20261123", seq, 10)
			if seq > 10 {
				q.add(lake, "b", "20261123", seq, 10)
			}
		}
		u := New(q, p, Options{Concurrency: 3, Log: quiet()})
		stop := running(t, u)
		time.Sleep(time.Minute)
		stop()
		if p.most != 3 {
			t.Errorf("%d at a time, want 3", p.most)
		}
		for _, source := range []string{"a", "b"} {
			var got []int
			for _, s := range p.order {
				if strings.HasPrefix(s, source) {
					n := 0
					_, _ = fmt.Sscanf(s[1:], "%d", &n)
					got = append(got, n)
				}
			}
			for i, n := range got {
				// Attempts that begin in the same instant may note it in any order.
				if want := i + 21 - len(got); max(n-want, want-n) >= 3 || len(got) < 10 {
					t.Errorf("source %s began in the order %v", source, got)
					break
				}
			}
		}
		if i := slices.Index(p.order, "b11"); i > 3 {
			t.Errorf("b waited behind %d objects of a", i)
		}
	})
}

func TestWakesForNewObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newMemQueue()
		u := New(q, &scripted{}, Options{Log: quiet()})
		stop := running(t, u)
		for seq := 1; seq <= 5; seq++ {
			begin := time.Now()
			o := q.add(lake, "a", "20261123", seq, 10)
			synctest.Wait()
			if q.acked(o.Key) != 1 || time.Since(begin) != 0 {
				t.Errorf("object %d not shipped at once", seq)
			}
		}
		stop()
	})
}

// TestSwallowerDoesNotHoldBack: source a's destination takes every connection and never answers.
func TestSwallowerDoesNotHoldBack(t *testing.T) {
	for _, concurrency := range []int{1, 2, 4} {
		t.Run(fmt.Sprint(concurrency), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newMemQueue()
				p := &scripted{put: func(ctx context.Context, o spool.Object, _ io.Reader) error {
					if o.Source == "a" {
						<-ctx.Done()
						return ctx.Err()
					}
					return nil
				}}
				for seq := 1; seq <= 10; seq++ {
					q.add(lake, "a", fmt.Sprintf("202611%02d", seq), seq, 10)
				}
				u := New(q, p, Options{Concurrency: concurrency, Log: quiet()})
				stop := running(t, u)
				time.Sleep(10 * stallAfter) // by now a is known to fail in every lane that was tried
				worst := time.Duration(0)
				for seq := 11; seq <= 30; seq++ {
					begin := time.Now()
					o := q.add(lake, "b", "20261123", seq, 10)
					for time.Since(begin) < time.Hour {
						synctest.Wait()
						if q.acked(o.Key) == 1 {
							break
						}
						time.Sleep(time.Second)
					}
					worst = max(worst, time.Since(begin))
				}
				stop()
				limit := time.Second
				if concurrency == 1 {
					limit = stallAfter + time.Second // the only slot may be taken by a probe
				}
				if worst > limit {
					t.Errorf("b waited %v, want at most %v", worst, limit)
				}
			})
		})
	}
}

func TestOnePartitionDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newMemQueue()
		p := &scripted{put: func(_ context.Context, o spool.Object, _ io.Reader) error {
			if o.EventDay == "20261120" {
				return denied(o)
			}
			return nil
		}}
		for seq := 1; seq <= 12; seq++ {
			q.add(lake, "a", fmt.Sprintf("2026112%d", seq%3), seq, 10)
		}
		var log logBook
		u := New(q, p, Options{Log: log.logger()})
		stop := running(t, u)
		time.Sleep(24 * time.Hour)
		st := u.Stats()[0]
		if st.Objects != 8 || st.Waiting != 4 || st.Health != HealthFailing || st.NextRetry == nil || st.LastFailure.Remedy != "allow it" {
			t.Errorf("after a day: %+v", st)
		}
		// Between 30 s and 10 min: a day has at least 144 attempts and not many more.
		if n := st.Attempts[OutcomeConfiguration]; n < 140 || n > 400 {
			t.Errorf("%d attempts in a day", n)
		}
		p.mu.Lock()
		p.put = nil // the policy is mended
		p.mu.Unlock()
		u.Kick()
		synctest.Wait()
		if st := u.Stats()[0]; st.Objects != 12 || st.Health != HealthOK || st.FailingSince != nil {
			t.Errorf("after the kick: %+v", st)
		}
		stop()
		if got := log.lines(); len(got) != 2 || !strings.Contains(got[0], "level=ERROR") || !strings.Contains(got[0], "allow it") || !strings.Contains(got[1], "level=INFO") {
			t.Errorf("log:\n%s", strings.Join(got, "\n"))
		}
		for key, n := range p.stores {
			if n != 1 {
				t.Errorf("%s stored %d times", key, n)
			}
		}
	})
}

func TestDamagedFiles(t *testing.T) {
	bubble(t, func(t *testing.T, store *fakeS3, opt S3Options) {
		q := newMemQueue()
		short := q.add(lake, "a", "20261123", 1, 100)
		flipped := q.add(lake, "a", "20261123", 2, 100)
		missing := q.add(lake, "a", "20261123", 3, 100)
		good := q.add(lake, "a", "20261123", 4, 100)
		later := q.add(lake, "a", "20261123", 5, 100)
		q.bodies[short.Key] = q.bodies[short.Key][:99]
		q.bodies[flipped.Key][50] ^= 1
		delete(q.bodies, missing.Key)
		// later changes on disk between verification and sending: only the store can notice.
		sound := q.bodies[later.Key]
		q.openErr = func(key string) error {
			if key == later.Key {
				q.bodies[key] = slices.Clone(sound)
			}
			return nil
		}
		p := openS3(t, opt)
		defer p.Close()
		u := New(q, changing{p, later.Key, q}, Options{Log: quiet()})
		stop := running(t, u)
		time.Sleep(time.Hour)
		stop()
		for name, o := range map[string]spool.Object{"short": short, "flipped": flipped, "missing": missing, "changed while sent": later} {
			if q.quarantined[o.Key] == "" || store.stores["lake/"+o.Key] != 0 {
				t.Errorf("%s: quarantined %q, stored %d times; want a reason, 0", name, q.quarantined[o.Key], store.stores["lake/"+o.Key])
			}
		}
		for _, o := range []spool.Object{short, flipped, missing} {
			if n := store.tries["lake/"+o.Key]; n != 0 {
				t.Errorf("damaged file %s was sent %d times", o.Key, n)
			}
		}
		if store.stores["lake/"+good.Key] != 1 || q.acks[good.Key] != 1 {
			t.Error("the sound object was held back")
		}
		st := u.Stats()[0]
		if st.Attempts[OutcomeQuarantined] != 4 || st.Objects != 1 || st.Waiting != 0 || st.Health != HealthOK {
			t.Errorf("stats %+v", st)
		}
	})
}

// changing damages the body of one object after it was verified.
type changing struct {
	Putter
	key string
	q   *memQueue
}

func (c changing) Put(ctx context.Context, o spool.Object, body io.ReadSeeker) error {
	if o.Key == c.key {
		c.q.bodies[o.Key][3] ^= 1
	}
	return c.Putter.Put(ctx, o, body)
}

func TestFailedAcknowledgementIsTriedAgainWithoutSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newMemQueue()
		o := q.add(lake, "a", "20261123", 1, 10)
		left := 3
		q.ackErr = func(string) error {
			if left--; left >= 0 {
				return errors.New("input/output error")
			}
			return nil
		}
		p := &scripted{}
		u := New(q, p, Options{Log: quiet()})
		stop := running(t, u)
		time.Sleep(10 * time.Minute)
		stop()
		if p.stores[o.Key] != 1 || q.acks[o.Key] != 1 || len(p.order) != 1 {
			t.Errorf("stored %d times, acknowledged %d times, sent %d times; want 1, 1, 1", p.stores[o.Key], q.acks[o.Key], len(p.order))
		}
	})
}

func TestFatalSpoolEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newMemQueue()
		for seq := 1; seq <= 9; seq++ {
			q.add(lake, "a", "20261123", seq, 10)
		}
		want := &spool.FatalError{Op: "release", Err: errors.New("input/output error")}
		q.ackErr = func(string) error { return want }
		for name, run := range map[string]func(*Uploader) error{
			"run":   func(u *Uploader) error { return u.Run(t.Context()) },
			"drain": func(u *Uploader) error { return u.Drain(t.Context()) },
		} {
			var got *spool.FatalError
			if err := run(New(q, &scripted{}, Options{Log: quiet()})); !errors.As(err, &got) {
				t.Errorf("%s: %v, want *spool.FatalError", name, err)
			}
		}
	})
}

func TestBatchThatLeftIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newMemQueue()
		o := q.add(lake, "a", "20261123", 1, 10)
		q.openErr = func(string) error { return fmt.Errorf("batch 1: %w", spool.ErrUnknownBatch) }
		u := New(q, &scripted{}, Options{Log: quiet()})
		if err := u.Drain(t.Context()); err != nil {
			t.Errorf("Drain: %v", err)
		}
		if st := u.Stats()[0]; q.opened[o.Key] != 1 || st.Attempts[OutcomeGone] != 1 || st.Health != HealthOK {
			t.Errorf("opened %d times, stats %+v", q.opened[o.Key], st)
		}
	})
}

func TestRetargetedObjectsEndTheOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newMemQueue()
		q.add("s3://gone", "a", "20261123", 1, 10)
		u := New(q, &scripted{put: func(_ context.Context, o spool.Object, _ io.Reader) error {
			if o.Destination == "s3://gone" {
				return denied(o)
			}
			return nil
		}}, Options{Log: quiet()})
		stop := running(t, u)
		time.Sleep(time.Minute)
		if h := u.Stats()[0].Health; h != HealthFailing {
			t.Errorf("health %s, want failing", h)
		}
		q.mu.Lock()
		q.pending[0].Object.Destination = lake
		q.mu.Unlock()
		time.Sleep(2 * refreshEvery)
		if st := u.Stats()[0]; st.Health != HealthOK || st.Objects != 1 {
			t.Errorf("after retarget: %+v", st)
		}
		stop()
	})
}

func TestDrain(t *testing.T) {
	t.Run("all", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := newMemQueue()
			for seq := 1; seq <= 9; seq++ {
				q.add(lake, "a", "20261123", seq, 10)
			}
			if err := New(q, &scripted{}, Options{Log: quiet()}).Drain(t.Context()); err != nil || len(q.acks) != 9 {
				t.Errorf("%v, %d acknowledged; want nil, 9", err, len(q.acks))
			}
		})
	})
	t.Run("what cannot go stays", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := newMemQueue()
			for seq := 1; seq <= 5; seq++ {
				q.add(lake, "denied", "20261123", seq, 10)
				q.add(lake, "down", "20261123", seq, 10)
				q.add(lake, "good", "20261123", seq, 10)
			}
			p := &scripted{put: func(_ context.Context, o spool.Object, _ io.Reader) error {
				switch o.Source {
				case "denied":
					return denied(o)
				case "down":
					return errors.New("connection reset")
				}
				return nil
			}}
			u := New(q, p, Options{Concurrency: 1, Log: quiet()})
			begin := time.Now()
			err := u.Drain(t.Context())
			var left *UndeliveredError
			if !errors.As(err, &left) || left.Objects != 10 || left.Bytes != 100 || len(left.Causes) != 2 {
				t.Fatalf("got %v, want 10 objects of 100 bytes with 2 causes", err)
			}
			var e *Error
			if !errors.As(err, &e) || e.Code != "AccessDenied" {
				t.Errorf("the cause is lost: %v", err)
			}
			if n := u.Stats()[0].Attempts[OutcomeConfiguration]; n != 1 {
				t.Errorf("%d attempts at a denied lane, want 1", n)
			}
			if n := u.Stats()[1].Attempts[OutcomeRetryable]; n != drainTries {
				t.Errorf("%d attempts at a lane that is down, want %d", n, drainTries)
			}
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			p.mu.Lock()
			p.put = nil
			p.mu.Unlock()
			if err := u.Drain(t.Context()); err != nil || len(q.acks) != 15 {
				t.Errorf("second drain: %v, %d acknowledged", err, len(q.acks))
			}
		})
	})
	t.Run("deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := newMemQueue()
			q.add(lake, "a", "20261123", 1, 10)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			begin := time.Now()
			u := New(q, &scripted{put: func(ctx context.Context, _ spool.Object, _ io.Reader) error {
				<-ctx.Done()
				return ctx.Err()
			}}, Options{Log: quiet()})
			err := u.Drain(ctx)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 5*time.Second {
				t.Errorf("%v after %v, want the deadline after 5s", err, time.Since(begin))
			}
			if st := u.Stats()[0]; st.Health != HealthOK || st.Attempts[OutcomeCanceled] != 1 {
				t.Errorf("being stopped counts as a failure: %+v", st)
			}
		})
	})
	t.Run("busy", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			u := New(newMemQueue(), &scripted{}, Options{Log: quiet()})
			stop := running(t, u)
			synctest.Wait()
			if err := u.Drain(t.Context()); !errors.Is(err, ErrBusy) {
				t.Errorf("Drain during Run: %v, want ErrBusy", err)
			}
			stop()
			if err := u.Drain(t.Context()); err != nil {
				t.Errorf("Drain after Run: %v", err)
			}
		})
	})
}

func TestOnAttemptIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newMemQueue()
		q.add(lake, "a", "20261123", 1, 10)
		var mu sync.Mutex
		var got []Outcome
		n := 0
		u := New(q, &scripted{put: func(context.Context, spool.Object, io.Reader) error {
			if n++; n == 1 {
				return &Error{Class: Throttled, RetryAfter: 20 * time.Second, Err: errors.New("slow down")}
			}
			return ErrExists
		}}, Options{Log: quiet(), OnAttempt: func(a Attempt) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, a.Outcome)
		}})
		begin := time.Now()
		if err := u.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := []Outcome{OutcomeThrottled, OutcomeAlreadyThere}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if took := time.Since(begin); took != 20*time.Second {
			t.Errorf("waited %v, the store asked for 20s", took)
		}
	})
}

// TestWhatStallsLeavesASlot: uploads that neither end nor fail must not take all slots from a sibling partition or from
// another source, also when those come later.
func TestWhatStallsLeavesASlot(t *testing.T) {
	for name, late := range map[string]struct{ source, day string }{"sibling partition": {"a", "20261124"}, "other source": {"b", "20261123"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newMemQueue()
				p := &scripted{put: func(ctx context.Context, o spool.Object, _ io.Reader) error {
					if o.Source != "a" || o.EventDay != "20261123" {
						return nil
					}
					<-ctx.Done()
					return ctx.Err()
				}}
				q.add(lake, late.source, late.day, 1, 10) // seen before, so that the source is known
				for seq := 2; seq <= 9; seq++ {
					q.add(lake, "a", "20261123", seq, 10)
				}
				u := New(q, p, Options{Log: quiet()})
				stop := running(t, u)
				synctest.Wait()
				q.add(lake, late.source, late.day, 10, 10)
				synctest.Wait()
				if len(p.stores) != 2 {
					t.Errorf("%d delivered beside %d stalled uploads, want 2", len(p.stores), p.now)
				}
				stop()
			})
		})
	}
}
