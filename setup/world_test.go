package setup

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"wazuh-security-lake/test/awsfake"
)

// account is the fake AWS and a setup in front of it, with the SDK's own clients.
type account struct {
	*awsfake.Server
	services *AWS
	reports  []string
	waits    []time.Duration
}

func newAccount(t *testing.T) *account {
	t.Helper()
	a := &account{Server: awsfake.New(t)}
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(a.URL), HTTPClient: http.DefaultClient,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAFAKEFAKEFAKEFAKE", "fake-secret-access-key", "")}
	a.services = NewAWS(cfg, sts.NewFromConfig(cfg))
	return a
}

func (a *account) options() Options {
	return Options{
		Random: bytes.NewReader(bytes.Repeat([]byte{0xa5}, 64)),
		Wait: func(ctx context.Context, d time.Duration) error {
			a.waits = append(a.waits, d)
			return ctx.Err()
		},
		Report: func(text string) { a.reports = append(a.reports, text) },
	}
}

// run is what the command does: prepare, and apply.
func (a *account) run(ctx context.Context, req Request) (*Plan, []Result, error) {
	plan, err := Prepare(ctx, a.services, req)
	if err != nil {
		return nil, nil, err
	}
	results, err := plan.Apply(ctx, a.services, a.options())
	return plan, results, err
}

// made is how often something was created or changed.
func (a *account) made() map[string]int {
	n := make(map[string]int)
	for _, operation := range []string{"CreateRole", "PutRolePolicy", "AttachRolePolicy", "CreateCustomLogSource"} {
		if calls := a.Calls(operation); calls > 0 {
			n[operation] = calls
		}
	}
	return n
}

const madeUp = "wazuh-a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5"

func wanted() Request {
	return Request{
		Sources: []Source{
			{Path: "sources[0]", Name: "wazuh-vuln", Class: "vulnerability_finding", Region: "us-east-1"},
			{Path: "sources[1]", Name: "wazuh", Class: "detection_finding", Region: "us-east-1"},
		},
		Crawler: Crawler{Create: true},
	}
}

// one is a request for a single source.
func one() Request {
	r := wanted()
	r.Sources = r.Sources[1:]
	return r
}

// problem is the *Error that err must be.
func problem(t *testing.T, err error, kind Kind, texts ...string) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("got %v, want a failure of kind %d", err, kind)
	}
	if e.Kind != kind {
		t.Errorf("got kind %d, want %d: %v", e.Kind, kind, e)
	}
	if e.Remedy == "" {
		t.Errorf("no remedy: %v", e)
	}
	all := e.Error() + "\n" + e.Remedy
	for _, text := range texts {
		if !strings.Contains(all, text) {
			t.Errorf("%q is not in:\n%s", text, all)
		}
	}
	if strings.Contains(all, "fake-secret") || strings.Contains(all, "\n\n") {
		t.Errorf("not fit to print:\n%s", all)
	}
}

func operations(log []string, only ...string) []string {
	return slices.DeleteFunc(slices.Clone(log), func(s string) bool { return !slices.Contains(only, s) })
}
