package faultproxy_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"wazuh-security-lake/test/faultproxy"
)

// store is the least server: it keeps whole bodies, once.
type store struct {
	mu     sync.Mutex
	bodies map[string][]byte
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.bodies[r.URL.Path]; there {
		w.WriteHeader(http.StatusPreconditionFailed)
		return
	}
	s.bodies[r.URL.Path] = b
}

func setup(t *testing.T, service *faultproxy.Service) (*faultproxy.Proxy, *store) {
	t.Helper()
	s := &store{bodies: map[string][]byte{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	p, err := faultproxy.Listen(faultproxy.Options{Upstream: server.URL, Service: service})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, s
}

const sent = "the whole body"

func put(p *faultproxy.Proxy, path string) (status int, body string, err error) {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := http.NewRequest(http.MethodPut, p.URL()+path, strings.NewReader(sent))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("If-None-Match", "*")
	res, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// TestFaults: each fault does to client and server what its name says, and nothing to what does not match.
func TestFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		fault  faultproxy.Fault
		status int    // what the client gets; 0 = an error
		says   string // part of the body
		stored string
	}{
		"answer":          {faultproxy.Answer(503, "SlowDown", "Please <reduce>", "Retry-After", "7"), 503, "<Code>SlowDown</Code><Message>Please &lt;reduce&gt;", ""},
		"no conditions":   {faultproxy.NoConditions(), 501, "NotImplemented", ""},
		"reset":           {faultproxy.Reset(), 0, "", ""},
		"half body":       {faultproxy.HalfBody(), 0, "", ""},
		"slow":            {faultproxy.Slow(1000), 200, "", sent},
		"lost answer":     {faultproxy.LostAnswer(), 0, "", sent},
		"truncated":       {faultproxy.TruncatedAnswer(), 0, "", sent},
		"truncated error": {faultproxy.TruncatedError(), 0, "", ""},
		"flipped bit":     {faultproxy.FlippedBit(), 200, "", "the who\x6de body"},
		"twice":           {faultproxy.Twice(), 412, "", sent},
	} {
		t.Run(name, func(t *testing.T) {
			p, s := setup(t, nil)
			if err := p.Break(tc.fault, faultproxy.Under("broken")); err != nil {
				t.Fatal(err)
			}
			if status, _, err := put(p, "/b/whole"); status != 200 || err != nil {
				t.Errorf("what does not match: %d, %v; want 200", status, err)
			}
			status, body, err := put(p, "/b/broken")
			if tc.status == 0 && err == nil || tc.status != 0 && (status != tc.status || err != nil || !strings.Contains(body, tc.says)) {
				t.Errorf("client gets %d %q, %v; want %d with %q", status, body, err, tc.status, tc.says)
			}
			s.mu.Lock()
			got := string(s.bodies["/b/broken"])
			s.mu.Unlock()
			if got != tc.stored {
				t.Errorf("server has %q, want %q", got, tc.stored)
			}
			p.Heal()
			if status, _, err := put(p, "/b/broken2"); status != 200 || err != nil {
				t.Errorf("after Heal: %d, %v; want 200", status, err)
			}
		})
	}
}

func TestConnections(t *testing.T) {
	p, _ := setup(t, nil)
	if err := p.Down(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := put(p, "/b/k"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("down: %v, want refused", err)
	}
	if err := p.Up(); err != nil {
		t.Fatal(err)
	}
	if status, _, err := put(p, "/b/k"); status != 200 || err != nil {
		t.Errorf("up again: %d, %v", status, err)
	}
	if err := p.Break(faultproxy.BlackHole(), nil); err != nil {
		t.Fatal(err)
	}
	ip, port := p.Addr()
	c, err := net.Dial("tcp", net.JoinHostPort(ip, port))
	if err != nil {
		t.Fatalf("a black hole refuses connections: %v", err)
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); n != 0 || !isTimeout(err) {
		t.Errorf("a black hole answers: %d, %v", n, err)
	}
	p.Heal()
	if status, _, err := put(p, "/b/k2"); status != 200 || err != nil {
		t.Errorf("after Heal: %d, %v", status, err)
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

const role = "arn:aws:iam::123456789012:role/r"

// TestService: real signatures are accepted, wrong ones are not; sessions are checked, expire and are revoked.
func TestService(t *testing.T) {
	service := &faultproxy.Service{Access: "k", Secret: "s", Region: "us-east-1", Roles: map[string]string{role: "ext"}}
	p, _ := setup(t, service)
	client := func(secret, externalID string) *s3.Client {
		own := credentials.NewStaticCredentialsProvider("k", secret, "")
		var creds aws.CredentialsProvider = own
		if externalID != "" {
			api := sts.New(sts.Options{Region: "us-east-1", BaseEndpoint: aws.String(p.URL()), Credentials: own, RetryMaxAttempts: 1})
			creds = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(api, role, func(o *stscreds.AssumeRoleOptions) { o.ExternalID = &externalID }))
		}
		return s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: aws.String(p.URL()), UsePathStyle: true, Credentials: creds, RetryMaxAttempts: 1})
	}
	n := 0
	code := func(c *s3.Client) string {
		n++
		_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("key with space=" + string(rune('a'+n))), Body: bytes.NewReader([]byte(sent))})
		var api smithy.APIError
		if errors.As(err, &api) {
			return api.ErrorCode()
		}
		if err != nil {
			return err.Error()
		}
		return ""
	}
	session := client("s", "ext")
	check := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	check("own key", code(client("s", "")), "")
	check("wrong secret", code(client("wrong", "")), "SignatureDoesNotMatch")
	check("wrong external ID", code(client("s", "guess")), "AccessDenied")
	check("session", code(session), "")
	service.Expire()
	check("expired session", code(session), "ExpiredToken")
	session = client("s", "ext")
	check("new session", code(session), "")
	service.Revoke()
	check("revoked session", code(session), "AccessDenied")
	check("revoked role", code(client("s", "ext")), "AccessDenied")
	service.Restore()
	check("revoked session after the role came back", code(session), "AccessDenied")
	check("restored role", code(client("s", "ext")), "")
	service.SetSkew(time.Hour)
	c := client("s", "")
	check("clock", code(c), "RequestTimeTooSkewed")
	check("clock learnt from the answer", code(c), "")
}
