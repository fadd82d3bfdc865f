package uploader

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"wazuh-security-lake/spool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memQueue is a Queue in memory.
type memQueue struct {
	mu          sync.Mutex
	pending     []spool.Ref
	bodies      map[string][]byte // by key
	acks        map[string]int
	quarantined map[string]string
	ackErr      func(key string) error
	openErr     func(key string) error
	changed     chan struct{}
	opened      map[string]int
}

func newMemQueue() *memQueue {
	return &memQueue{bodies: map[string][]byte{}, acks: map[string]int{}, quarantined: map[string]string{},
		opened: map[string]int{}, changed: make(chan struct{})}
}

// add makes an object pending and returns it.
func (q *memQueue) add(destination, source, day string, seq int, size int) spool.Object {
	body := bytes.Repeat([]byte(fmt.Sprintf("%s %s %d;", source, day, seq)), size/10+1)[:size]
	o := objectOf(destination, source, day, seq, body)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pending = append(q.pending, newRef(uint64(seq), o))
	q.bodies[o.Key] = body
	close(q.changed)
	q.changed = make(chan struct{})
	return o
}

func objectOf(destination, source, day string, seq int, body []byte) spool.Object {
	sum := sha256.Sum256(body)
	name := fmt.Sprintf("node-inst-%012d-0-%s.parquet", seq, hex.EncodeToString(sum[:8]))
	return spool.Object{
		File: "0.parquet", Destination: destination, Source: source, Class: "security_finding", EventDay: day,
		Key:  fmt.Sprintf("ext/%s/region=us-east-1/accountId=123456789012/eventDay=%s/%s", source, day, name),
		Rows: int64(seq), Bytes: int64(len(body)), SHA256: hex.EncodeToString(sum[:]), FirstTime: int64(seq) * 1000,
	}
}

func (q *memQueue) Pending() []spool.Ref {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.pending)
}

func (q *memQueue) Changed() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.changed
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

func (q *memQueue) OpenObject(ref spool.Ref) (io.ReadSeekCloser, int64, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.opened[ref.Object.Key]++
	if q.openErr != nil {
		if err := q.openErr(ref.Object.Key); err != nil {
			return nil, 0, err
		}
	}
	b, ok := q.bodies[ref.Object.Key]
	if !ok {
		return nil, 0, fmt.Errorf("missing: %w", spool.ErrCorrupt)
	}
	return nopCloser{bytes.NewReader(b)}, int64(len(b)), nil
}

func (q *memQueue) Ack(ref spool.Ref) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	key := ref.Object.Key
	if q.ackErr != nil {
		if err := q.ackErr(key); err != nil {
			return err
		}
	}
	q.acks[key]++
	close(q.changed)
	q.changed = make(chan struct{})
	return q.drop(key)
}

func (q *memQueue) acked(key string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.acks[key]
}

func (q *memQueue) Quarantine(seq uint64, reason string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pending = slices.DeleteFunc(q.pending, func(r spool.Ref) bool {
		if r.Seq == seq {
			q.quarantined[r.Object.Key] = reason
		}
		return r.Seq == seq
	})
	close(q.changed)
	q.changed = make(chan struct{})
	return nil
}

func (q *memQueue) drop(key string) error {
	for i, r := range q.pending {
		if r.Object.Key == key {
			q.pending = slices.Delete(q.pending, i, i+1)
			return nil
		}
	}
	return errors.New("not pending")
}

// logBook counts log lines above debug, without the one line per shipped object.
type logBook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBook) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

func (l *logBook) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for line := range strings.Lines(l.buf.String()) {
		if !strings.Contains(line, `msg="object shipped"`) {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

// plainAWS keeps the host's AWS configuration out of a test. It must be called outside a synctest bubble.
func plainAWS(t testing.TB) {
	t.Helper()
	for k, v := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIABASE", "AWS_SECRET_ACCESS_KEY": baseSecret, "AWS_SESSION_TOKEN": "",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_PROFILE": "", "AWS_CA_BUNDLE": "", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "", "HTTP_PROXY": "", "HTTPS_PROXY": "",
	} {
		t.Setenv(k, v)
	}
}

const baseSecret = "base-secret-that-must-not-be-printed"

// bubble runs f in fake time with a fake S3 behind the real SDK.
func bubble(t *testing.T, f func(t *testing.T, store *fakeS3, opt S3Options)) {
	t.Helper()
	plainAWS(t)
	synctest.Test(t, func(t *testing.T) {
		store := newFakeS3(t)
		dial, stop := store.serve(t)
		defer stop()
		f(t, store, S3Options{Region: "us-east-1", S3Endpoint: "http://127.0.0.1:1", STSEndpoint: "http://127.0.0.1:1",
			PathStyle: true, Dial: dial, Node: "node 1", Log: slog.New(slog.DiscardHandler)})
	})
}

func openS3(t *testing.T, opt S3Options) *S3 {
	t.Helper()
	s, err := NewS3(t.Context(), opt)
	if err != nil {
		t.Fatalf("NewS3: %v", err)
	}
	return s
}

func newRef(seq uint64, o spool.Object) spool.Ref { return spool.Ref{Seq: seq, Object: o} }
