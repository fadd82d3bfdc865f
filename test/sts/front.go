// Package sts tests the writer's roles against MinIO: real AssumeRole, real session tokens, real policies, real SSE-KMS.
// MinIO looks at neither RoleArn nor ExternalId; Front, before it, does, and forwards everything else unchanged. A module
// of its own, so that MinIO's administration client stays out of the daemon's dependencies. Run it with make e2e-sts.
package sts

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"sync"
	"time"
)

// Front is the trust policy of roles: who knows the external ID may assume them.
type Front struct {
	proxy *httputil.ReverseProxy

	mu       sync.Mutex
	roles    map[string]string    // guarded by mu, as all below: role ARN -> external ID
	life     time.Duration        // what sessions are told they last; 0 = what MinIO says
	sessions map[string]time.Time // session token -> its announced end
	assumed  int
	refused  int
	puts     map[string]int // PutObject requests: "session", "own", "ended session"
}

// NewFront forwards to MinIO at an address.
func NewFront(minio string, roles map[string]string) *Front {
	f := &Front{roles: roles, sessions: map[string]time.Time{}, puts: map[string]int{}}
	// Host and body stay as they are: the signature covers them.
	f.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", minio, r.In.Host
		},
		ModifyResponse: f.note,
		Transport:      &http.Transport{DisableCompression: true},
	}
	return f
}

// SetLife makes new sessions announce an end so far away, sooner than MinIO's own; the front holds them to it.
func (f *Front) SetLife(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.life = d
}

// SetRoles changes which roles there are.
func (f *Front) SetRoles(roles map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.roles = roles
}

// End makes every session one that has ended.
func (f *Front) End() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for token := range f.sessions {
		f.sessions[token] = time.Time{}
	}
}

// Seen returns sessions given out, AssumeRole calls refused, and PutObject requests by what they were signed with.
func (f *Front) Seen() (assumed, refused int, puts map[string]int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	puts = map[string]int{}
	for k, v := range f.puts {
		puts[k] = v
	}
	return f.assumed, f.refused, puts
}

// ServeHTTP enforces and forwards.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && r.URL.Path == "/" {
		if !f.trusts(w, r) {
			return
		}
	} else if r.Method == http.MethodPut && !f.current(w, r) {
		return
	}
	f.proxy.ServeHTTP(w, r)
}

// trusts is the trust policy.
func (f *Front) trusts(w http.ResponseWriter, r *http.Request) bool {
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil {
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, err := url.ParseQuery(string(body))
	f.mu.Lock()
	defer f.mu.Unlock()
	externalID, known := f.roles[form.Get("RoleArn")]
	if err == nil && known && form.Get("Action") == "AssumeRole" && form.Get("ExternalId") == externalID {
		return true
	}
	f.refused++
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprintf(w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: arn:aws:iam::123456789012:user/wazuh is not authorized to perform: sts:AssumeRole on resource: %s</Message></Error><RequestId>R</RequestId></ErrorResponse>`,
		url.PathEscape(form.Get("RoleArn")))
	return false
}

// current refuses sessions past the end they were told.
func (f *Front) current(w http.ResponseWriter, r *http.Request) bool {
	token := r.Header.Get("X-Amz-Security-Token")
	f.mu.Lock()
	defer f.mu.Unlock()
	switch end := f.sessions[token]; {
	case token == "":
		f.puts["own"]++
	case time.Now().After(end):
		f.puts["ended session"]++
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message><RequestId>R</RequestId></Error>`)
		return false
	default:
		f.puts["session"]++
	}
	return true
}

var (
	tokenForm = regexp.MustCompile(`<SessionToken>([^<]+)</SessionToken>`)
	endForm   = regexp.MustCompile(`<Expiration>([^<]+)</Expiration>`)
)

// note remembers the sessions that MinIO gives out, and shortens what they are told.
func (f *Front) note(res *http.Response) error {
	if res.Request.Method != http.MethodPost || res.Request.URL.Path != "/" || res.StatusCode != http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("read AssumeRole: %w", err)
	}
	_ = res.Body.Close() // read to its end
	token, end := tokenForm.FindSubmatch(body), endForm.FindSubmatch(body)
	if token == nil || end == nil {
		return fmt.Errorf("answer of AssumeRole without a session: %.200q", body)
	}
	at, err := time.Parse(time.RFC3339, string(end[1]))
	if err != nil {
		return fmt.Errorf("read AssumeRole: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.life > 0 {
		at = time.Now().Add(f.life)
		body = endForm.ReplaceAll(body, []byte("<Expiration>"+at.UTC().Format(time.RFC3339)+"</Expiration>"))
	}
	f.sessions[string(token[1])] = at
	f.assumed++
	res.Body = io.NopCloser(bytes.NewReader(body))
	res.ContentLength = int64(len(body))
	res.Header.Set("Content-Length", fmt.Sprint(len(body)))
	return nil
}
