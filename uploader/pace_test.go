package uploader

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	smithyhttp "github.com/aws/smithy-go/transport/http"

	"wazuh-security-lake/spool"
)

func TestPauseStaysInItsBounds(t *testing.T) {
	for _, tc := range []struct {
		class     Class
		low, high time.Duration
	}{{Retryable, time.Second, time.Minute}, {Throttled, time.Second, time.Minute}, {Conflict, time.Second, time.Minute},
		{Corrupt, time.Second, time.Minute}, {Configuration, 30 * time.Second, 10 * time.Minute}} {
		last := time.Duration(0)
		for failures := 1; failures < 2000; failures++ {
			low, high := pause(tc.class, failures, 0, 0), pause(tc.class, failures, 0, 0.999999)
			if low != tc.low || high < low || high > tc.high || high < last {
				t.Fatalf("%s after %d failures: %v to %v", tc.class, failures, low, high)
			}
			last = high
		}
		if last < tc.high*99/100 {
			t.Errorf("%s grows to %v only", tc.class, last)
		}
		if got := pause(tc.class, 1, time.Hour, 0); got != time.Hour {
			t.Errorf("%s: Retry-After not honoured: %v", tc.class, got)
		}
	}
}

// TestWhatPassesIsTriedSoon: renewed credentials and a clock set right are noticed within a minute, however long it took.
func TestWhatPassesIsTriedSoon(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want time.Duration // at most, back after the fault ended
	}{
		"expired token":  {&Error{Class: Configuration, Code: "ExpiredToken", Err: errors.New("x")}, time.Minute},
		"wrong clock":    {&Error{Class: Configuration, Code: "RequestTimeTooSkewed", Err: errors.New("x")}, time.Minute},
		"no credentials": {&Error{Class: Configuration, Err: errNoCredentials}, time.Minute},
		"access denied":  {&Error{Class: Configuration, Code: "AccessDenied", Err: errors.New("x")}, 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newMemQueue()
				q.add(lake, "a", "20261123", 1, 10)
				mended := time.Now().Add(3 * time.Hour)
				var back time.Duration
				u := New(q, &scripted{put: func(context.Context, spool.Object, io.Reader) error {
					if back = time.Since(mended); back < 0 {
						return tc.err
					}
					return nil
				}}, Options{Log: quiet(), Random: func() float64 { return 0.999 }})
				stop := running(t, u)
				time.Sleep(2 * time.Hour) // fake time
				if h := u.Stats()[0].Health; h != HealthFailing {
					t.Errorf("health %s meanwhile, want failing", h)
				}
				time.Sleep(2 * time.Hour)
				stop()
				if back < 0 || back > tc.want {
					t.Errorf("back after %v, want at most %v", back, tc.want)
				}
			})
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "45": 45 * time.Second, "0": 0, "-5": 0, "x": 0, "999999": maxRetryAfter, "99999999999999999999": 0,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute, now.Add(-time.Hour).Format(http.TimeFormat): 0,
	} {
		err := &smithyhttp.ResponseError{Err: errors.New("x"),
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {header}}}}}
		if got := retryAfter(err, now); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}

func TestMaxRateHoldsOverAllUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newMemQueue()
		const objects, size, rate = 12, 50_000, 10_000
		for seq := 1; seq <= objects; seq++ {
			q.add(lake, "a", "20261123", seq, size)
		}
		p := &scripted{put: func(_ context.Context, o spool.Object, body io.Reader) error {
			n, err := io.Copy(io.Discard, body)
			if n != o.Bytes {
				t.Errorf("%d bytes, want %d", n, o.Bytes)
			}
			return err
		}}
		begin := time.Now()
		if err := New(q, p, Options{MaxRate: rate, Log: quiet()}).Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took, want := time.Since(begin), objects*size/rate*time.Second; took < want*99/100 || took > want*105/100 {
			t.Errorf("took %v, want about %v", took, want)
		}
	})
}

// TestStall: a slow body is not a stalled one.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newMemQueue()
		q.add(lake, "slow", "20261123", 1, 1000)
		q.add(lake, "stuck", "20261123", 2, 1000)
		p := &scripted{put: func(ctx context.Context, o spool.Object, body io.Reader) error {
			if o.Source == "stuck" {
				<-ctx.Done()
				return ctx.Err()
			}
			for buf := make([]byte, 100); ; {
				if _, err := body.Read(buf); err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(stallAfter * 3 / 4):
				}
			}
		}}
		u := New(q, p, Options{Log: quiet()})
		stop := running(t, u)
		time.Sleep(20 * stallAfter)
		stop()
		slow, stuck := u.Stats()[0], u.Stats()[1]
		if slow.Objects != 1 || slow.LastFailure != nil {
			t.Errorf("slow: %+v", slow)
		}
		if stuck.LastFailure == nil || stuck.LastFailure.Class != Retryable || stuck.Attempts[OutcomeRetryable] < 5 || stuck.Health != HealthFailing {
			t.Errorf("stuck: %+v", stuck)
		}
	})
}
