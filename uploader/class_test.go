package uploader

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"wazuh-security-lake/spool"
)

// answered makes the error the SDK returns for an answer of a service.
func answered(service string, status int, code, message string) error {
	var err error = &smithy.GenericAPIError{Code: code, Message: message}
	err = &smithyhttp.ResponseError{Err: err, Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status, Header: http.Header{}}}}
	return &smithy.OperationError{ServiceID: service, OperationName: "X", Err: err}
}

func TestClassify(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want Class
	}{
		"unheard of":            {errors.New("?"), Retryable},
		"refused":               {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, Retryable},
		"no such host":          {&net.DNSError{Err: "no such host", IsNotFound: true}, Retryable},
		"exists":                {fmt.Errorf("x: %w", ErrExists), Exists},
		"corrupt":               {fmt.Errorf("x: %w", spool.ErrCorrupt), Corrupt},
		"differs":               {ErrDiffers, Configuration},
		"full":                  {&os.PathError{Op: "write", Path: "/l", Err: syscall.ENOSPC}, Configuration},
		"not writable":          {&os.PathError{Op: "open", Path: "/l", Err: fs.ErrPermission}, Configuration},
		"disk error":            {&os.PathError{Op: "fsync", Path: "/l", Err: syscall.EIO}, Retryable},
		"412":                   {answered("S3", 412, "PreconditionFailed", ""), Exists},
		"412 without code":      {answered("S3", 412, "UnknownError", ""), Exists},
		"409":                   {answered("S3", 409, "OperationAborted", ""), Conflict},
		"503 without code":      {answered("S3", 503, "UnknownError", ""), Throttled},
		"504":                   {answered("S3", 504, "GatewayTimeout", ""), Retryable},
		"400 RequestTimeout":    {answered("S3", 400, "RequestTimeout", ""), Retryable},
		"400 unknown":           {answered("S3", 400, "NeverSeenBefore", ""), Configuration},
		"STS throttles":         {answered("S3", 400, "Throttling", ""), Throttled},
		"KMS throttles":         {answered("S3", 400, "KMS.ThrottlingException", ""), Throttled},
		"STS is down":           {answered("STS", 500, "InternalFailure", ""), Retryable},
		"code without a status": {&smithy.GenericAPIError{Code: "AccessDenied"}, Configuration},
	} {
		if got := Classify(tc.err); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
		if text, _ := tc.want.MarshalText(); string(text) == "unknown" {
			t.Errorf("class %d has no name", tc.want)
		}
	}
}

// TestErrorTextIsOneCleanLine feeds what a hostile or broken endpoint may answer.
func TestErrorTextIsOneCleanLine(t *testing.T) {
	noise := "line\none\r\x1b[31m" + strings.Repeat("x", 5000)
	e := describe(objectOf(lake, "a", "20261123", 1, nil), "", answered("S3", 403, noise, noise), realClock{}.Now())
	e.RequestID = noise
	if s := e.Error(); strings.ContainsAny(s, "\n\r\x1b") || len(s) > 1500 {
		t.Errorf("error text of %d bytes: %.200q", len(s), s)
	}
	if !errors.As(error(e), new(smithy.APIError)) {
		t.Error("the cause is lost")
	}
}

func FuzzKeyAndDestination(f *testing.F) {
	f.Add("ext/a/region=r/accountId=1/eventDay=20261123/x.parquet", "s3://lake")
	f.Add("../x", "file:///lake")
	f.Add("a/\xff", "file:///a/../..%2f")
	f.Fuzz(func(t *testing.T, key, destination string) {
		if checkKey(key) == nil && (strings.HasPrefix(key, "/") || strings.Contains("/"+key+"/", "/../") || strings.ContainsAny(key, "\x00\n\\")) {
			t.Errorf("key %q accepted", key)
		}
		if target, err := parseDestination(destination); err == nil && (target.bucket == "") == (target.dir == "") {
			t.Errorf("destination %q parsed to %+v", destination, target)
		}
	})
}
