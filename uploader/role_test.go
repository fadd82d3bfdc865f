package uploader

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const (
	roleA = "arn:aws:iam::123456789012:role/AmazonSecurityLake-Provider-a-us-east-1"
	roleB = "arn:aws:iam::123456789012:role/AmazonSecurityLake-Provider-b-us-east-1"
)

func putOne(t *testing.T, p Putter, source string, seq int) error {
	t.Helper()
	body := []byte("body")
	return p.Put(t.Context(), objectOf("s3://lake", source, "20261123", seq, body), bytes.NewReader(body))
}

func TestRolePerSource(t *testing.T) {
	bubble(t, func(t *testing.T, store *fakeS3, opt S3Options) {
		sts := &fakeSTS{roles: map[string]string{roleA: "ext-a", roleB: "ext-b"}, life: time.Hour}
		store.sts = sts.ServeHTTP
		opt.Sources = map[string]Role{"a": {RoleARN: roleA, ExternalID: "ext-a"}, "b": {RoleARN: roleB, ExternalID: "ext-b"},
			"wrong": {RoleARN: roleA, ExternalID: "guess"}}
		opt.Node = "manager one/ü" + strings.Repeat("x", 80)
		p := openS3(t, opt)
		defer p.Close()
		var wg sync.WaitGroup
		for seq := range 8 { // all at once: one AssumeRole per role is enough
			for _, source := range []string{"a", "b", "own"} {
				wg.Go(func() {
					if err := putOne(t, p, source, seq); err != nil {
						t.Errorf("source %s: %v", source, err)
					}
				})
			}
		}
		wg.Wait()
		if len(sts.calls) != 2 {
			t.Errorf("%d AssumeRole calls, want 2", len(sts.calls))
		}
		for _, c := range sts.calls {
			name := c.Get("RoleSessionName")
			if !strings.HasPrefix(name, "wazuh-security-lake-manager-one--xxx") || len(name) > 64 {
				t.Errorf("session name %q", name)
			}
		}
		own, role := 0, 0
		for _, a := range store.auth {
			switch {
			case a == "AKIABASE ":
				own++
			case a == "ASIA1 token1" || a == "ASIA2 token2":
				role++
			default:
				t.Errorf("request signed by %q", a)
			}
		}
		if own != 8 || role != 16 {
			t.Errorf("%d requests with own credentials, %d with a role's; want 8, 16", own, role)
		}

		time.Sleep(50 * time.Minute) // fake time; still good
		if err := putOne(t, p, "a", 100); err != nil {
			t.Error(err)
		}
		time.Sleep(8 * time.Minute) // two minutes left: must not be used any more
		if err := putOne(t, p, "a", 101); err != nil {
			t.Error(err)
		}
		if len(sts.calls) != 3 {
			t.Errorf("%d AssumeRole calls after the hour, want 3", len(sts.calls))
		}

		err := putOne(t, p, "wrong", 1)
		var e *Error
		if !errors.As(err, &e) || e.Class != Configuration || e.Code != "AccessDenied" ||
			!strings.Contains(e.Remedy, "sts:AssumeRole on "+roleA) || !strings.Contains(e.Remedy, "external ID") {
			t.Errorf("wrong external ID: %v, remedy %q", err, e.Remedy)
		}
	})
}

func TestExpiredTokenIsRenewedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, store *fakeS3, opt S3Options) {
		sts := &fakeSTS{roles: map[string]string{roleA: ""}, life: time.Hour}
		store.sts = sts.ServeHTTP
		revoked := "token1"
		store.fault = func(_ *fakeS3, w http.ResponseWriter, r *http.Request, _ []byte) bool {
			if r.Header.Get("X-Amz-Security-Token") == revoked {
				answerXML(w, 400, "ExpiredToken", "The provided token has expired.")
				return true
			}
			return false
		}
		opt.Sources = map[string]Role{"a": {RoleARN: roleA}}
		p := openS3(t, opt)
		defer p.Close()
		if err := putOne(t, p, "a", 1); err != nil {
			t.Fatal(err)
		}
		if len(sts.calls) != 2 || len(store.objects) != 1 {
			t.Errorf("%d AssumeRole calls, %d objects; want 2, 1", len(sts.calls), len(store.objects))
		}
	})
}

// Objects of a source that was renamed or taken out of the configuration still wait, and nobody knows its role any more: more
// rights for the daemon's own credentials are not the remedy.
func TestSourceThatIsNotConfiguredAnyMore(t *testing.T) {
	bubble(t, func(t *testing.T, store *fakeS3, opt S3Options) {
		sts := &fakeSTS{roles: map[string]string{roleA: ""}, life: time.Hour}
		store.sts = sts.ServeHTTP
		store.fault = func(_ *fakeS3, w http.ResponseWriter, r *http.Request, _ []byte) bool {
			answerXML(w, 403, "AccessDenied", "Access Denied")
			return true
		}
		opt.Sources = map[string]Role{"a": {RoleARN: roleA}}
		p := openS3(t, opt)
		defer p.Close()
		for source, want := range map[string]string{"a": "allow s3:PutObject", "old": "source old is not configured any more"} {
			var e *Error
			if err := putOne(t, p, source, 1); !errors.As(err, &e) || e.Class != Configuration || !strings.Contains(e.Remedy, want) {
				t.Errorf("source %s: %v, want the remedy %q", source, err, want)
			}
		}
	})
}

func TestClockSkewIsCorrected(t *testing.T) {
	bubble(t, func(t *testing.T, store *fakeS3, opt S3Options) {
		store.skew = 3 * time.Hour
		p := openS3(t, opt)
		defer p.Close()
		for seq := range 3 {
			if err := putOne(t, p, "a", seq); err != nil {
				t.Fatal(err)
			}
		}
		if len(store.headers) != 4 {
			t.Errorf("%d requests, want 4: only the first is refused", len(store.headers))
		}
	})
}

func TestStoreWithoutConditionalWrites(t *testing.T) {
	bubble(t, func(t *testing.T, store *fakeS3, opt S3Options) {
		store.fault = func(_ *fakeS3, w http.ResponseWriter, r *http.Request, _ []byte) bool {
			if r.Header.Get("If-None-Match") == "" {
				return false
			}
			answerXML(w, 501, "NotImplemented", "A header you provided implies functionality that is not implemented")
			return true
		}
		var log logBook
		opt.Log = log.logger()
		p := openS3(t, opt)
		defer p.Close()
		for seq := range 3 {
			if err := putOne(t, p, "a", seq); err != nil {
				t.Fatal(err)
			}
		}
		if len(store.headers) != 4 || len(store.objects) != 3 || len(log.lines()) != 1 {
			t.Errorf("%d requests, %d objects, %d log lines; want 4, 3, 1", len(store.headers), len(store.objects), len(log.lines()))
		}
	})
}

func TestRequestHeaders(t *testing.T) {
	bubble(t, func(t *testing.T, store *fakeS3, opt S3Options) {
		p := openS3(t, opt)
		defer p.Close()
		opt.KMSKeyID, opt.StorageClass = "arn:aws:kms:us-east-1:1:key/k", "INTELLIGENT_TIERING"
		encrypted := openS3(t, opt)
		defer encrypted.Close()
		if err := errors.Join(putOne(t, p, "a", 1), putOne(t, encrypted, "a", 2)); err != nil {
			t.Fatal(err)
		}
		for h := range store.headers[0] {
			if strings.Contains(h, "Encryption") || strings.Contains(h, "Storage-Class") {
				t.Errorf("header %s is sent though nobody asked for it", h)
			}
		}
		h := store.headers[1]
		if h.Get("X-Amz-Server-Side-Encryption") != "aws:kms" || h.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id") != opt.KMSKeyID ||
			h.Get("X-Amz-Storage-Class") != opt.StorageClass || h.Get("If-None-Match") != "*" {
			t.Errorf("headers %v", h)
		}
	})
}

func TestNoCredentials(t *testing.T) {
	plainAWS(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	p, err := NewS3(t.Context(), S3Options{Region: "us-east-1", S3Endpoint: "http://127.0.0.1:1", PathStyle: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var e *Error
	if err := putOne(t, p, "a", 1); !errors.As(err, &e) || e.Class != Configuration || !errors.Is(err, errNoCredentials) || e.Remedy == "" {
		t.Errorf("got %v, want a configuration fault with a remedy", err)
	}
}

// TestSecretsStayOut makes a store that echoes what it was sent and a proxy with a password fail, and looks for both.
func TestSecretsStayOut(t *testing.T) {
	plainAWS(t)
	const password = "proxy-password"
	p, err := NewS3(t.Context(), S3Options{Region: "us-east-1", S3Endpoint: "https://192.0.2.1", PathStyle: true,
		Proxy: "http://user:" + password + "@127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	err = putOne(t, p, "a", 1)
	var e *Error
	if !errors.As(err, &e) || e.Class != Retryable {
		t.Fatalf("dead proxy: %v", err)
	}
	if s := err.Error() + e.Remedy; strings.Contains(s, password) || strings.Contains(s, baseSecret) {
		t.Errorf("a secret is in %q", s)
	}
	for _, proxy := range []string{"http://user:" + password + "@%zz", "gopher://user:" + password + "@h", "://" + password} {
		_, err := NewS3(t.Context(), S3Options{Region: "us-east-1", Proxy: proxy})
		if err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("proxy that does not parse: %v", err)
		}
	}
}

func TestEndpointRules(t *testing.T) {
	plainAWS(t)
	for endpoint, want := range map[string]bool{
		"": true, "https://s3.example.com": true, "http://127.0.0.1:9000": true, "http://localhost:9000": true, "http://[::1]:9000": true,
		"http://s3.example.com": false, "http://127.0.0.1.example.com": false, "https://user:pw@host": false, "ftp://host": false, "host:443": false,
	} {
		for _, opt := range []S3Options{{S3Endpoint: endpoint}, {STSEndpoint: endpoint}} {
			opt.Region = "us-east-1"
			_, err := NewS3(t.Context(), opt)
			if (err == nil) != want {
				t.Errorf("endpoint %q: %v, want accepted %v", endpoint, err, want)
			}
			if err != nil && strings.Contains(err.Error(), "pw") {
				t.Errorf("password in %v", err)
			}
		}
	}
	if _, err := NewS3(t.Context(), S3Options{Region: "us-east-1", S3Endpoint: "http://s3.example.com", AllowHTTP: true}); err != nil {
		t.Errorf("allow_http: %v", err)
	}
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://s3.example.com")
	if _, err := NewS3(t.Context(), S3Options{Region: "us-east-1"}); err == nil {
		t.Error("an http endpoint from the environment was accepted")
	}
}

func TestFIPSAndDualStackNameTheEndpoint(t *testing.T) {
	plainAWS(t)
	host := ""
	p, err := NewS3(t.Context(), S3Options{Region: "us-east-1", FIPS: true, DualStack: true,
		Dial: dialNote(&host)})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := putOne(t, p, "a", 1); err == nil {
		t.Fatal("want an error")
	}
	if host != "lake.s3-fips.dualstack.us-east-1.amazonaws.com:443" {
		t.Errorf("dialled %q", host)
	}
}

func TestProxyChoice(t *testing.T) {
	choose, err := proxyFunc("http://proxy.example.com:3128")
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]bool{
		"https://s3.us-east-1.amazonaws.com": true, "http://169.254.169.254/latest": false, "http://169.254.170.2/": false,
		"http://[fd00:ec2::254]/": false, "http://127.0.0.1:9000/": false,
	} {
		u, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		got, err := choose(&http.Request{URL: u})
		if err != nil || (got != nil) != want {
			t.Errorf("%s: proxy %v (%v), want one: %v", target, got, err, want)
		}
	}
}

func TestCAFile(t *testing.T) {
	plainAWS(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, ca := range []string{file, file + ".missing"} {
		if _, err := NewS3(t.Context(), S3Options{Region: "us-east-1", CAFile: ca}); err == nil {
			t.Errorf("ca_file %s accepted", ca)
		}
	}
}

// TestAnswerTimeout: a server that takes everything and never answers costs one time-out, in fake time.
func TestAnswerTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, store *fakeS3, opt S3Options) {
		store.fault = func(_ *fakeS3, _ http.ResponseWriter, r *http.Request, _ []byte) bool {
			<-r.Context().Done()
			return true
		}
		opt.AnswerTimeout = 7 * time.Second
		p := openS3(t, opt)
		defer p.Close()
		begin := time.Now()
		err := putOne(t, p, "a", 1)
		if took := time.Since(begin); Classify(err) != Retryable || took != 7*time.Second {
			t.Errorf("%v after %v, want a retryable error after 7s", err, took)
		}
		synctest.Wait()
	})
}

// dialNote notes the address that was asked for and refuses.
func dialNote(addr *string) func(context.Context, string, string) (net.Conn, error) {
	return func(_ context.Context, _, a string) (net.Conn, error) {
		*addr = a
		return nil, errors.New("not dialled in tests")
	}
}
