package uploader

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"wazuh-security-lake/spool"
)

// Class says what to do about the outcome of an attempt.
type Class int

const (
	// Retryable: the network or the store failed; the same request may succeed soon.
	Retryable Class = iota + 1
	// Throttled: the store asks for patience; Retry-After counts.
	Throttled
	// Configuration: permission, role, bucket, key, region, certificate or clock. Somebody has to act; retried slowly.
	Configuration
	// Exists: the object is there already, a success.
	Exists
	// Conflict: another conditional write to the same key is under way; retried.
	Conflict
	// Corrupt: the bytes do not match the manifest.
	Corrupt
)

// String returns the name used in logs, metrics and status.
func (c Class) String() string {
	switch c {
	case Retryable:
		return "retryable"
	case Throttled:
		return "throttled"
	case Configuration:
		return "configuration"
	case Exists:
		return "exists"
	case Conflict:
		return "conflict"
	case Corrupt:
		return "corrupt"
	}
	return "unknown"
}

// MarshalText writes the name, so that status output and metrics agree with the log.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText wrote; a name of another version is 0.
func (c *Class) UnmarshalText(text []byte) error {
	*c = 0
	for known := Retryable; known <= Corrupt; known++ {
		if known.String() == string(text) {
			*c = known
		}
	}
	return nil
}

// classOfCode knows the error codes of S3, STS and KMS whose HTTP status says too little or the wrong thing; 0 = not one.
func classOfCode(code string) Class {
	switch code {
	case "PreconditionFailed":
		return Exists
	case "ConditionalRequestConflict", "OperationAborted":
		return Conflict
	case "SlowDown", "Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "RequestThrottled",
		"TooManyRequests", "TooManyRequestsException", "BandwidthLimitExceeded", "KMS.ThrottlingException":
		return Throttled
	case "RequestTimeout", "IncompleteBody", "InternalError", "TemporaryRedirect", "IDPCommunicationError":
		return Retryable
	case "BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch":
		// Damaged on the way or on the disk: the uploader reads the file again and then knows which.
		return Corrupt
	}
	if strings.HasPrefix(code, "KMS.") || strings.HasPrefix(code, "kms:") {
		return Configuration
	}
	return 0
}

// Classify maps the error of an attempt to what has to be done about it. nil and unknown errors are Retryable: an
// object is never given up because of an error nobody has thought of.
func Classify(err error) Class {
	var e *Error
	switch {
	case errors.As(err, &e) && e.Class != 0:
		return e.Class
	case errors.Is(err, ErrExists):
		return Exists
	case errors.Is(err, spool.ErrCorrupt):
		return Corrupt
	case errors.Is(err, ErrDiffers):
		return Configuration
	}
	if c := classifyAnswer(err); c != 0 {
		return c
	}
	var refused *proxyError
	if errors.As(err, &refused) {
		return refused.class()
	}
	if errors.Is(err, errNoCredentials) || certificateFault(err) || fileFault(err) {
		return Configuration
	}
	return Retryable
}

// classifyAnswer judges what a service answered; 0 when there was no answer.
func classifyAnswer(err error) Class {
	code, status := answer(err)
	if c := classOfCode(code); c != 0 {
		return c
	}
	switch {
	case status == http.StatusPreconditionFailed:
		return Exists
	case status == http.StatusConflict:
		return Conflict
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return Throttled
	case status == http.StatusRequestTimeout, status == http.StatusTemporaryRedirect, status >= 500:
		return Retryable
	case status >= 300:
		return Configuration
	case code != "":
		return Configuration
	}
	return 0
}

// answer returns the error code and HTTP status of a service's answer, as far as there was one.
func answer(err error) (code string, status int) {
	var api smithy.APIError
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	var res *smithyhttp.ResponseError
	// A status of success with an error means that the answer broke off: that is a fault of the network.
	if errors.As(err, &res) && res.HTTPStatusCode() >= 300 {
		status = res.HTTPStatusCode()
	}
	if code == "UnknownError" || (status == 0 && !errors.As(err, &api)) {
		code = ""
	}
	return code, status
}

func certificateFault(err error) bool {
	var verify *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verify) || errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid)
}

// certificateOutOfTime reports a certificate that would be good at another time.
func certificateOutOfTime(err error) bool {
	var invalid x509.CertificateInvalidError
	return errors.As(err, &invalid) && invalid.Reason == x509.Expired
}

// fileFault reports errors of a directory destination that somebody has to mend.
func fileFault(err error) bool {
	for _, e := range []error{fs.ErrPermission, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.ENOTSUP,
		syscall.EXDEV, syscall.ENAMETOOLONG, syscall.ENOTDIR} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// clockFault reports the codes of requests that were signed at a wrong time. Some are also those of a wrong secret: they
// count only when the service's clock, as far as its answer told it, is minutes away from ours.
func clockFault(code string, skew time.Duration) bool {
	switch code {
	case "RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture":
		return true
	case "SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure":
		return skew.Abs() > 4*time.Minute
	}
	return false
}

// skewOf is the service's time minus ours, from the Date of the answer that err holds; 0 when unknown.
func skewOf(err error, now time.Time) time.Duration {
	var res *smithyhttp.ResponseError
	if !errors.As(err, &res) || res.Response == nil || res.Response.Response == nil {
		return 0
	}
	t, perr := http.ParseTime(res.Response.Header.Get("Date"))
	if perr != nil {
		return 0
	}
	return t.Sub(now)
}

// maxRetryAfter bounds what a server may ask for: a wrong header must not silence the daemon for a day.
const maxRetryAfter = 15 * time.Minute

// retryAfter reads the Retry-After header of an answer, in seconds or as a date; 0 when there is none.
func retryAfter(err error, now time.Time) time.Duration {
	var res *smithyhttp.ResponseError
	if !errors.As(err, &res) || res.Response == nil || res.Response.Response == nil {
		return 0
	}
	v := strings.TrimSpace(res.Response.Header.Get("Retry-After"))
	var d time.Duration
	if s, err := strconv.ParseUint(v, 10, 31); err == nil {
		d = time.Duration(s) * time.Second
	} else if t, err := http.ParseTime(v); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
}
