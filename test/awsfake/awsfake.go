// Package awsfake answers what setup and doctor ask of Security Lake, IAM, Glue and STS, over HTTP, so that the real SDK
// clients (and the real program, through Environ) are on the other side. All four services share one address; the
// service is known by the credential scope of the signature, as AWS's own gateways know it.
//
// It checks what AWS checks and a caller gets wrong: forms of names, classes that are offered, a crawler role that Glue
// can assume, a source that is already there, the external ID of a role. It checks no signature and evaluates no policy:
// Refuse says who may do what. Names and places that AWS chooses (the provider role, the location) are made so that
// nobody who derives them instead of reading them gets them right.
package awsfake

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// Server is the four services.
type Server struct {
	URL string

	mu      sync.Mutex // guards all below
	world   World
	calls   map[string]int
	log     []string
	faults  map[string]*fault
	before  map[string]func()
	abandon map[string]func()
}

type fault struct {
	status        int
	code, message string
	times         int // negative: for ever
}

// World is what exists in the account. Edit it through Server.Edit only.
type World struct {
	Account string // of the caller; 123456789012
	Caller  string // ARN of the caller
	Lakes   map[string]*Lake
	// Offered are the event classes that CreateCustomLogSource accepts; Classes when empty.
	Offered []string
	// Versioned puts a version into the location of new sources, as AWS does for a source with a version.
	Versioned  bool
	Sources    map[string]*Source // by region + "/" + name
	Roles      map[string]*Role   // by name
	Crawlers   map[string]*Crawler
	Tables     map[string]*Table // by database + "." + name
	PageLength int               // of lists; 2, so that a caller who reads one page only is seen
}

// Lake is an enabled region.
type Lake struct{ Bucket, Status, KMSKey string }

// Source is a custom source.
type Source struct {
	Region, Name, Version   string
	Classes                 []string
	Location, RoleARN       string
	Principal, ExternalID   string
	CrawlerRole             string
	Crawler, Table, Catalog string // names
	Status                  string // COLLECTING
}

// New starts a server for an account with Security Lake in us-east-1 and the custom source of somebody else. It ends with
// the test.
func New(t testing.TB) *Server {
	s := &Server{
		calls: map[string]int{}, faults: map[string]*fault{}, before: map[string]func(){}, abandon: map[string]func(){},
		world: World{
			Account: "123456789012", Caller: "arn:aws:iam::123456789012:user/admin", PageLength: 2,
			Lakes:   map[string]*Lake{"us-east-1": {Bucket: "aws-security-data-lake-us-east-1-q7x2example", Status: "COMPLETED", KMSKey: "S3_MANAGED_KEY"}},
			Sources: map[string]*Source{}, Roles: map[string]*Role{}, Crawlers: map[string]*Crawler{}, Tables: map[string]*Table{},
		},
	}
	s.world.addSource("us-east-1", "somebody-else", "", []string{"DNS_ACTIVITY"}, "210987654321", "theirs", "")
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Environ is the environment that brings a process or the SDK's default chain here instead of to AWS.
func (s *Server) Environ() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + s.URL, "AWS_ACCESS_KEY_ID=AKIAFAKEFAKEFAKEFAKE", "AWS_SECRET_ACCESS_KEY=fake-secret-access-key",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent",
	}
}

// Edit lets f look at the world and change it.
func (s *Server) Edit(f func(*World)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.world)
}

// Calls tells how often an operation was asked for, refused or not.
func (s *Server) Calls(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[operation]
}

// Log is the operations in their order.
func (s *Server) Log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.log...)
}

// Refuse lets the next times calls of an operation fail, all of them when times is negative.
func (s *Server) Refuse(operation string, status int, code, message string, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[operation] = &fault{status, code, message, times}
}

// Deny refuses an operation for ever, in the words of AWS.
func (s *Server) Deny(operation, action string) {
	s.mu.Lock()
	caller := s.world.Caller
	s.mu.Unlock()
	code := "AccessDeniedException"
	if iamOperations[operation] != nil || stsOperations[operation] != nil {
		code = "AccessDenied"
	}
	s.Refuse(operation, http.StatusForbidden, code, "User: "+caller+" is not authorized to perform: "+action+
		" because no identity-based policy allows the "+action+" action", -1)
}

// Before runs f before each call of an operation, outside of any lock: to cancel, to kill, to change the world.
func (s *Server) Before(operation string, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before[operation] = f
}

// Abandon runs f at the next call of an operation, waits until the caller is gone (f must see to that), and never carries
// the call out.
func (s *Server) Abandon(operation string, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abandon[operation] = f
}

var scope = regexp.MustCompile(`Credential=[^/]+/\d{8}/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request`)

// request is one call, taken apart.
type request struct {
	region, service, operation string
	json                       map[string]any // Security Lake, Glue
	form                       url.Values     // IAM, STS
}

// refusal is an error answer.
type refusal struct {
	status        int
	code, message string
}

func (r *refusal) Error() string { return r.code + ": " + r.message }

func refuse(status int, code, format string, args ...any) error {
	return &refusal{status, code, fmt.Sprintf(format, args...)}
}

// operation answers one call with what is to be encoded: JSON for Security Lake and Glue, the result element for IAM and
// STS. The server's lock is held.
type operation func(w *World, r request) (any, error)

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req, err := parse(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.calls[req.operation]++
	s.log = append(s.log, req.operation)
	hook, abandon := s.before[req.operation], s.abandon[req.operation]
	delete(s.abandon, req.operation)
	s.mu.Unlock()
	if abandon != nil {
		abandon()
		<-r.Context().Done()
		return
	}
	if hook != nil {
		hook()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, err := s.answer(req)
	write(w, req, answer, err)
}

func (s *Server) answer(req request) (any, error) {
	if f := s.faults[req.operation]; f != nil && f.times != 0 {
		f.times--
		return nil, refuse(f.status, f.code, "%s", f.message)
	}
	do := map[string]map[string]operation{
		"securitylake": lakeOperations, "iam": iamOperations, "sts": stsOperations, "glue": glueOperations,
	}[req.service][req.operation]
	if do == nil {
		return nil, refuse(http.StatusNotImplemented, "NotImplemented", "%s.%s is not known to this fake", req.service, req.operation)
	}
	return do(&s.world, req)
}

func parse(r *http.Request) (request, error) {
	m := scope.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		return request{}, fmt.Errorf("%s %s is not signed", r.Method, r.URL.Path)
	}
	req := request{region: m[1], service: m[2]}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return request{}, err
	}
	switch req.service {
	case "iam", "sts":
		req.form, err = url.ParseQuery(string(body))
		req.operation = req.form.Get("Action")
	case "glue":
		req.operation = strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AWSGlue.")
	case "securitylake":
		req.operation = lakePaths[r.Method+" "+r.URL.Path]
		if r.Method == http.MethodGet {
			req.json = map[string]any{"regions": anyList(r.URL.Query()["regions"])}
			return req, nil
		}
	}
	if req.form == nil && err == nil {
		err = json.Unmarshal(body, &req.json)
	}
	return req, err
}

func write(w http.ResponseWriter, req request, answer any, err error) {
	r, refused := err.(*refusal)
	if err != nil && !refused {
		r, refused = &refusal{http.StatusInternalServerError, "InternalServerException", err.Error()}, true
	}
	w.Header().Set("X-Amzn-RequestId", "00000000-0000-4000-8000-000000000000")
	if req.form == nil {
		w.Header().Set("Content-Type", "application/json")
		if refused {
			w.Header().Set("X-Amzn-ErrorType", r.code)
			w.WriteHeader(r.status)
			answer = map[string]string{"message": r.message}
		}
		_ = json.NewEncoder(w).Encode(answer) // the test's client sees a broken answer
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	if refused {
		w.WriteHeader(r.status)
		fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>", r.code, escape(r.message))
		return
	}
	fmt.Fprintf(w, "<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult><ResponseMetadata/></%[1]sResponse>", req.operation, answer)
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}

// text is the string at a dotted path of a JSON body; empty when it is not there.
func (r request) text(path string) string {
	var v any = r.json
	for key := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	s, _ := v.(string)
	return s
}

func (r request) list(key string) []string {
	var out []string
	items, _ := r.json[key].([]any)
	for _, item := range items {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func anyList(in []string) []any {
	out := make([]any, len(in))
	for i := range in {
		out[i] = in[i]
	}
	return out
}
