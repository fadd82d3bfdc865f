package uploader

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

const lake = "s3://lake"

// fault is one way a store can fail. It lasts from the start until heal (fake time).
type fault struct {
	answer func(f *fakeS3, w http.ResponseWriter, r *http.Request, body []byte) bool
	refuse error // instead of answer: connections fail, for every source
	class  Class
	health Health        // while it lasts
	remedy string        // part of the remedy, "" = none
	heal   time.Duration // how long it lasts; ten minutes when zero
	none   bool          // no log line is expected
}

func code(status int, code, message string, headers ...string) func(*fakeS3, http.ResponseWriter, *http.Request, []byte) bool {
	return func(_ *fakeS3, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		answerXML(w, status, code, message)
		return true
	}
}

func faults() map[string]fault {
	return map[string]fault{
		"refused": {refuse: &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}, class: Retryable, health: HealthRetrying},
		"reset": {answer: func(_ *fakeS3, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
			hangUp(w, "")
			return true
		}, class: Retryable, health: HealthRetrying},
		"black hole": {answer: func(_ *fakeS3, _ http.ResponseWriter, r *http.Request, _ []byte) bool {
			<-r.Context().Done()
			return true
		}, class: Retryable, health: HealthRetrying},
		"truncated answer": {answer: func(_ *fakeS3, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
			hangUp(w, "HTTP/1.1 200 OK\r\nETag: \"x")
			return true
		}, class: Retryable, health: HealthRetrying},
		"200 lost after store": {answer: func(f *fakeS3, w http.ResponseWriter, r *http.Request, body []byte) bool {
			f.store(discardAnswer{http.Header{}}, r, strings.TrimPrefix(r.URL.Path, "/"), body)
			hangUp(w, "")
			return true
		}, class: Retryable, health: HealthRetrying},
		"400 BadDigest":     {answer: code(400, "BadDigest", "did not match"), class: Corrupt, health: HealthRetrying},
		"403 AccessDenied":  {answer: code(403, "AccessDenied", "Access Denied"), class: Configuration, health: HealthFailing, remedy: "s3:PutObject on arn:aws:s3:::lake/ext/a/*"},
		"403 explicit deny": {answer: code(403, "AccessDenied", "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: s3:PutObject"), class: Configuration, health: HealthFailing, remedy: "s3:PutObject"},
		"404 NoSuchBucket":  {answer: code(404, "NoSuchBucket", "The specified bucket does not exist"), class: Configuration, health: HealthFailing, remedy: "bucket lake does not exist"},
		"409 conflict":      {answer: code(409, "ConditionalRequestConflict", "conflict"), class: Conflict, health: HealthRetrying},
		"429":               {answer: code(429, "TooManyRequests", "slow"), class: Throttled, health: HealthRetrying},
		"500":               {answer: code(500, "InternalError", "We encountered an internal error"), class: Retryable, health: HealthRetrying},
		"502 without a body": {answer: func(_ *fakeS3, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
			w.WriteHeader(502)
			return true
		}, class: Retryable, health: HealthRetrying},
		"503 SlowDown":       {answer: code(503, "SlowDown", "Please reduce your request rate.", "Retry-After", "45"), class: Throttled, health: HealthRetrying},
		"expired token":      {answer: code(400, "ExpiredToken", "The provided token has expired."), class: Configuration, health: HealthFailing, remedy: "token has expired"},
		"clock skew":         {answer: code(403, "RequestTimeTooSkewed", "too large"), class: Configuration, health: HealthFailing, remedy: "clock"},
		"PermanentRedirect":  {answer: code(301, "PermanentRedirect", "must be addressed", "x-amz-bucket-region", "eu-west-1"), class: Configuration, health: HealthFailing, remedy: "lake.region to eu-west-1"},
		"redirect elsewhere": {answer: code(307, "TemporaryRedirect", "elsewhere", "Location", "http://127.0.0.1:9/x"), class: Retryable, health: HealthRetrying},
		"wrong region":       {answer: code(400, "AuthorizationHeaderMalformed", "the region is wrong; expecting 'eu-west-1'"), class: Configuration, health: HealthFailing, remedy: "another region"},
		"KMS denied":         {answer: code(403, "AccessDenied", "User: x is not authorized to perform: kms:GenerateDataKey on the resource"), class: Configuration, health: HealthFailing, remedy: "kms:GenerateDataKey"},
		"KMS disabled":       {answer: code(400, "KMS.DisabledException", "key is disabled"), class: Configuration, health: HealthFailing, remedy: "kms:GenerateDataKey"},
		"wrong secret":       {answer: code(403, "SignatureDoesNotMatch", "The request signature we calculated does not match"), class: Configuration, health: HealthFailing, remedy: "access key"},
		"body full of noise": {answer: func(_ *fakeS3, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
			w.WriteHeader(400)
			fmt.Fprint(w, "\x00<<<not xml\n\n")
			return true
		}, class: Configuration, health: HealthFailing, remedy: "doctor"},
		"one blip is no news": {answer: code(500, "InternalError", "x"), class: Retryable, health: HealthOK, heal: time.Millisecond, none: true},
	}
}

// discardAnswer swallows the answer of the store.
type discardAnswer struct{ h http.Header }

func (d discardAnswer) Header() http.Header         { return d.h }
func (d discardAnswer) Write(p []byte) (int, error) { return len(p), nil }
func (d discardAnswer) WriteHeader(int)             {}

// TestFaults lets source a fail in every way for a while, with source b beside it, and expects: nothing lost, nothing twice, b
// neither held back nor sent again, two log lines, the right class, health and remedy, recovery by itself.
func TestFaults(t *testing.T) {
	for name, tc := range faults() {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, store *fakeS3, opt S3Options) { playFault(t, store, opt, tc) })
		})
	}
}

func playFault(t *testing.T, store *fakeS3, opt S3Options, tc fault) {
	heal := tc.heal
	if heal == 0 {
		heal = 10 * time.Minute
	}
	begin := time.Now()
	broken := func() bool { return time.Since(begin) < heal }
	if tc.refuse != nil {
		store.refuse = func() error {
			if broken() {
				return tc.refuse
			}
			return nil
		}
	} else {
		store.fault = func(f *fakeS3, w http.ResponseWriter, r *http.Request, body []byte) bool {
			return strings.Contains(r.URL.Path, "/ext/a/") && broken() && tc.answer(f, w, r, body)
		}
	}
	q := newMemQueue()
	var log logBook
	s3 := openS3(t, opt)
	u := New(q, s3, Options{Log: log.logger()})
	for seq := 1; seq <= 6; seq++ {
		q.add(lake, "a", fmt.Sprintf("2026112%d", seq%2), seq, 1000)
		q.add(lake, "b", "20261123", seq, 1000)
	}
	all := q.Pending()
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- u.Run(ctx) }()

	time.Sleep(heal / 2) // fake time
	if tc.refuse == nil {
		for _, ref := range all {
			if o := ref.Object; o.Source == "b" && q.acked(o.Key) != 1 {
				t.Errorf("b is held back by the fault of a: %s not delivered", o.Key)
			}
		}
	}
	if tc.heal == 0 {
		a := u.Stats()[0]
		if a.LastFailure == nil || a.Health != tc.health || a.Waiting != 6 {
			t.Fatalf("during the fault: health %s, waiting %d, failure %+v; want %s, 6", a.Health, a.Waiting, a.LastFailure, tc.health)
		}
		if a.LastFailure.Class != tc.class {
			t.Errorf("class %s, want %s (%s)", a.LastFailure.Class, tc.class, a.LastFailure.Message)
		}
		if !strings.Contains(a.LastFailure.Remedy, tc.remedy) || (tc.remedy == "") != (a.LastFailure.Remedy == "") {
			t.Errorf("remedy %q, want one with %q", a.LastFailure.Remedy, tc.remedy)
		}
		if !strings.Contains(a.LastFailure.Message, "source a") || !strings.Contains(a.LastFailure.Message, "s3://lake/ext/a/") {
			t.Errorf("message does not name source, bucket and key: %s", a.LastFailure.Message)
		}
	}
	time.Sleep(heal + time.Hour) // fake time
	cancel()
	if err := <-ran; !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
	if err := s3.Close(); err != nil {
		t.Error(err)
	}
	for _, ref := range all {
		o := ref.Object
		name := "lake/" + o.Key
		if store.stores[name] != 1 || q.acks[o.Key] != 1 || string(store.objects[name]) != string(q.bodies[o.Key]) {
			t.Errorf("%s: stored %d times, acknowledged %d times; want 1, 1", o.Key, store.stores[name], q.acks[o.Key])
		}
		if o.Source == "b" && tc.refuse == nil && store.tries[name] != 1 {
			t.Errorf("%s sent %d times because of the fault of a", o.Key, store.tries[name])
		}
	}
	if n := len(q.Pending()); n != 0 || len(q.quarantined) != 0 {
		t.Errorf("%d pending, %d quarantined at the end; want 0, 0", n, len(q.quarantined))
	}
	want := 2
	if tc.refuse != nil {
		want = 4 // both sources
	}
	if tc.none {
		want = 0
	}
	if got := log.lines(); len(got) != want {
		t.Errorf("%d log lines, want %d:\n%s", len(got), want, strings.Join(got, "\n"))
	}
	for _, s := range u.Stats() {
		if s.Health != HealthOK || s.Objects != 6 || s.Waiting != 0 || s.InFlight != 0 {
			t.Errorf("stats at the end: %+v", s)
		}
	}
	if strings.Contains(log.buf.String(), baseSecret) {
		t.Error("the secret is in the log")
	}
}
