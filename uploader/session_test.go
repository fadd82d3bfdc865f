package uploader

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestRoleWithAWrongClock: sessions are assumed, used and renewed in the service's time, and the line about it comes once.
func TestRoleWithAWrongClock(t *testing.T) {
	for name, skew := range map[string]time.Duration{"host an hour fast": -time.Hour, "host an hour slow": time.Hour} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, store *fakeS3, opt S3Options) {
				sts := &fakeSTS{roles: map[string]string{roleA: "ext-a"}, life: time.Hour, skew: skew}
				store.sts, store.skew = sts.ServeHTTP, skew
				begin := time.Now()
				ends := map[string]time.Time{}
				store.fault = func(_ *fakeS3, w http.ResponseWriter, r *http.Request, _ []byte) bool {
					token := r.Header.Get("X-Amz-Security-Token")
					if _, known := ends[token]; !known {
						ends[token] = time.Now().Add(time.Hour)
					}
					if time.Now().After(ends[token]) {
						t.Errorf("%s is used after its end, %v into the test", token, time.Since(begin))
					}
					return false
				}
				var log logBook
				opt.Log = log.logger()
				opt.Sources = map[string]Role{"a": {RoleARN: roleA, ExternalID: "ext-a"}}
				p := openS3(t, opt)
				defer p.Close()
				for seq := range 12 { // two hours
					if err := putOne(t, p, "a", seq); err != nil {
						t.Fatal(err)
					}
					time.Sleep(10 * time.Minute)
				}
				if n := len(sts.calls); n < 2 || n > 3 {
					t.Errorf("%d sessions in two hours, want 2 or 3", n)
				}
				want := "1h0m0s behind the service's"
				if skew < 0 {
					want = "1h0m0s ahead of the service's"
				}
				if got := log.lines(); len(got) != 1 || !strings.Contains(got[0], want) {
					t.Errorf("log %q, want one line with %q", got, want)
				}
			})
		})
	}
}

// TestRevokedSessions: IAM's "revoke sessions" denies what older sessions ask for, for ever; a new one is good.
func TestRevokedSessions(t *testing.T) {
	bubble(t, func(t *testing.T, store *fakeS3, opt S3Options) {
		sts := &fakeSTS{roles: map[string]string{roleA: ""}, life: time.Hour}
		store.sts = sts.ServeHTTP
		store.fault = func(_ *fakeS3, w http.ResponseWriter, r *http.Request, _ []byte) bool {
			if r.Header.Get("X-Amz-Security-Token") != "token1" {
				return false
			}
			answerXML(w, 403, "AccessDenied", "User: x is not authorized to perform: s3:PutObject with an explicit deny in an identity-based policy")
			return true
		}
		opt.Sources = map[string]Role{"a": {RoleARN: roleA}}
		p := openS3(t, opt)
		defer p.Close()
		if err := putOne(t, p, "a", 1); Classify(err) != Configuration {
			t.Errorf("with the revoked session: %v, want a configuration fault", err)
		}
		if err := putOne(t, p, "a", 1); err != nil {
			t.Errorf("the next attempt: %v, want a new session and success", err)
		}
	})
}

// TestRotatedKeyIsReadAnew: the SDK reads a credentials file once; a key that was replaced in it is found after a refusal.
func TestRotatedKeyIsReadAnew(t *testing.T) {
	bubble(t, func(t *testing.T, store *fakeS3, opt S3Options) {
		file := filepath.Join(t.TempDir(), "credentials")
		write := func(key string) {
			text := "[default]\naws_access_key_id = " + key + "\naws_secret_access_key = s\n"
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv("AWS_ACCESS_KEY_ID", "")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "")
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
		write("AKIAOLD")
		good := "AKIAOLD"
		store.fault = func(_ *fakeS3, w http.ResponseWriter, r *http.Request, _ []byte) bool {
			if accessKey(r) == good {
				return false
			}
			answerXML(w, 403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
			return true
		}
		p := openS3(t, opt)
		defer p.Close()
		if err := putOne(t, p, "a", 1); err != nil {
			t.Fatal(err)
		}
		good = "AKIANEW"
		write("AKIANEW")
		if err := putOne(t, p, "a", 2); Classify(err) != Configuration {
			t.Errorf("with the old key: %v, want a configuration fault", err)
		}
		if err := putOne(t, p, "a", 2); err != nil {
			t.Errorf("the next attempt: %v, want the new key and success", err)
		}
	})
}

// TestProxyRefuses: the answer of a proxy is not the service's, and nothing of the proxy's password is printed.
func TestProxyRefuses(t *testing.T) {
	plainAWS(t)
	for status, want := range map[int]Class{407: Configuration, 403: Configuration, 502: Retryable, 504: Retryable} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		p, err := NewS3(t.Context(), S3Options{Region: "us-east-1", S3Endpoint: "https://192.0.2.1", PathStyle: true,
			Proxy: strings.Replace(proxy.URL, "://", "://user:proxy-password@", 1)})
		if err != nil {
			t.Fatal(err)
		}
		err = putOne(t, p, "a", 1)
		var e *Error
		if !errors.As(err, &e) || e.Class != want || strings.Contains(e.Remedy, "lake.proxy") != (want == Configuration) {
			t.Errorf("%d: %v, remedy %q; want class %v", status, err, e.Remedy, want)
		}
		if !strings.Contains(e.Error(), "proxy answers") || strings.Contains(e.Error()+e.Remedy, "proxy-password") {
			t.Errorf("%d: message %q", status, e)
		}
		_ = p.Close()
		proxy.Close()
	}
}

// TestBodyIsNotHeldInMemory: an object goes from the file to the connection in small pieces, also when it is repeated.
func TestBodyIsNotHeldInMemory(t *testing.T) {
	plainAWS(t)
	const size = 64 << 20
	var tries, got atomic.Int64
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			t.Errorf("read the request: %v", err)
		}
		got.Store(n)
		if tries.Add(1) == 1 {
			answerXML(w, 501, "NotImplemented", "If-None-Match is not implemented")
		}
	}))
	defer store.Close()
	p, err := NewS3(t.Context(), S3Options{Region: "us-east-1", S3Endpoint: store.URL, PathStyle: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := putOne(t, p, "a", 1); err != nil { // connections, credentials and the like are made
		t.Fatal(err)
	}
	tries.Store(0)
	p.plain = map[string]bool{}
	o := objectOf("s3://lake", "a", "20261123", 2, nil)
	o.Bytes = size
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := p.Put(t.Context(), o, io.NewSectionReader(zeros{}, 0, size)); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got.Load() != size || tries.Load() != 2 {
		t.Errorf("%d bytes in the last of %d requests, want %d in the second", got.Load(), tries.Load(), size)
	}
	// Everything that was allocated, not only what was alive at a time; the server's share is in it.
	if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
		t.Errorf("%d bytes allocated for two requests of %d", n, size)
	}
}

type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}
