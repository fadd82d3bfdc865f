package uploader

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fakeS3 is an S3 server in the process, reached through pipes, so that it lives in the fake time of a synctest bubble
// together with the SDK's own time-outs. It checks what AWS checks and a daemon with a narrow role must respect.
type fakeS3 struct {
	t testing.TB
	// fault, when not nil, is asked before a PutObject is carried out; true = it has answered (or hung up) itself.
	fault func(f *fakeS3, w http.ResponseWriter, r *http.Request, body []byte) bool
	// refuse, when not nil, decides about a connection attempt.
	refuse func() error
	// sts answers POST /; nil = not there.
	sts http.HandlerFunc
	// skew is added to the server's clock.
	skew time.Duration

	mu      sync.Mutex
	objects map[string][]byte // "bucket/key"
	stores  map[string]int    // how often a key was written
	tries   map[string]int    // PutObject requests by key
	auth    []string          // access key and session token of each PutObject
	headers []http.Header
}

func newFakeS3(t testing.TB) *fakeS3 {
	return &fakeS3{t: t, objects: map[string][]byte{}, stores: map[string]int{}, tries: map[string]int{}}
}

// serve starts the server and returns how to dial it. It ends with the test or bubble function.
func (f *fakeS3) serve(t testing.TB) (dial func(context.Context, string, string) (net.Conn, error), stop func()) {
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: f}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		if f.refuse != nil {
			if err := f.refuse(); err != nil {
				return nil, err
			}
		}
		client, peer := net.Pipe()
		select {
		case l.conns <- peer:
			return client, nil
		case <-l.done:
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return dial, func() {
		t.Helper()
		if err := server.Close(); err != nil {
			t.Errorf("close server: %v", err)
		}
		<-served
	}
}

type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (f *fakeS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", time.Now().Add(f.skew).UTC().Format(http.TimeFormat))
	if r.Method == http.MethodPost && r.URL.Path == "/" && f.sts != nil {
		f.sts(w, r)
		return
	}
	if r.Method != http.MethodPut || r.URL.RawQuery != "" && r.URL.RawQuery != "x-id=PutObject" {
		f.t.Errorf("unexpected request %s %s", r.Method, r.URL)
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	f.mu.Lock()
	f.tries[name]++
	f.headers = append(f.headers, r.Header.Clone())
	f.auth = append(f.auth, accessKey(r)+" "+r.Header.Get("X-Amz-Security-Token"))
	f.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	if f.fault != nil && f.fault(f, w, r, body) {
		return
	}
	f.store(w, r, name, body)
}

// store does what S3 does, with its checks.
func (f *fakeS3) store(w http.ResponseWriter, r *http.Request, name string, body []byte) {
	for h := range r.Header {
		l := strings.ToLower(h)
		if strings.Contains(l, "acl") || strings.Contains(l, "tagging") || strings.Contains(l, "grant") {
			f.t.Errorf("header %s is sent: a provider role may not", h)
		}
	}
	if r.ContentLength < 0 || int64(len(body)) != r.ContentLength {
		f.t.Errorf("content length %d for %d bytes", r.ContentLength, len(body))
	}
	sum := sha256.Sum256(body)
	if got, want := r.Header.Get("X-Amz-Content-Sha256"), hex.EncodeToString(sum[:]); got != want {
		answerXML(w, 400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
		return
	}
	if got, want := r.Header.Get("X-Amz-Checksum-Sha256"), base64.StdEncoding.EncodeToString(sum[:]); got != want {
		answerXML(w, 400, "BadDigest", "The SHA256 you specified did not match the calculated checksum.")
		return
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if d := at.Sub(time.Now().Add(f.skew)).Abs(); err != nil || d > 15*time.Minute {
		answerXML(w, 403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, there := f.objects[name]; there && r.Header.Get("If-None-Match") == "*" {
		answerXML(w, 412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
		return
	}
	f.objects[name] = bytes.Clone(body)
	f.stores[name]++
	w.Header().Set("ETag", `"x"`)
}

func answerXML(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Amz-Request-Id", "REQ1")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message><RequestId>REQ1</RequestId></Error>`, code, message)
}

// hangUp ends the connection after sending part of an answer.
func hangUp(w http.ResponseWriter, part string) {
	conn, buf, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = buf.WriteString(part)
	_ = buf.Flush()
	_ = conn.Close()
}

func accessKey(r *http.Request) string {
	_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(rest, "/")
	return key
}

// fakeSTS checks role and external ID, and gives out numbered credentials.
type fakeSTS struct {
	roles map[string]string // role ARN -> external ID
	life  time.Duration
	skew  time.Duration // of its clock

	mu       sync.Mutex
	calls    []url.Values
	sessions int
}

func (s *fakeSTS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		answerXML(w, 400, "MalformedInput", "form")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if d := at.Sub(time.Now().Add(s.skew)); err != nil || d.Abs() > 15*time.Minute {
		// STS has no code of its own for a wrong clock.
		refuseSTS(w, "SignatureDoesNotMatch", "Signature expired: 20261123T000000Z is now earlier than 20261123T004500Z")
		return
	}
	s.calls = append(s.calls, r.PostForm)
	want, known := s.roles[r.PostForm.Get("RoleArn")]
	if r.PostForm.Get("Action") != "AssumeRole" || !known || want != r.PostForm.Get("ExternalId") {
		refuseSTS(w, "AccessDenied", "User: arn:aws:iam::111122223333:user/w is not authorized to perform: sts:AssumeRole")
		return
	}
	s.sessions++
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>ASIA%d</AccessKeyId><SecretAccessKey>rolesecret</SecretAccessKey><SessionToken>token%d</SessionToken><Expiration>%s</Expiration></Credentials><AssumedRoleUser><Arn>a</Arn><AssumedRoleId>i</AssumedRoleId></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>`,
		s.sessions, s.sessions, time.Now().Add(s.skew+s.life).UTC().Format(time.RFC3339))
}

func refuseSTS(w http.ResponseWriter, code, message string) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(403)
	fmt.Fprintf(w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>R</RequestId></ErrorResponse>`, code, message)
}
