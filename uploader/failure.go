package uploader

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/aws/smithy-go"

	"wazuh-security-lake/spool"
)

// Error is a failed attempt to store an object. Its text names source, destination and key and holds neither
// credentials nor the content of alerts.
type Error struct {
	Class       Class
	Source      string
	Destination string
	Key         string
	Code        string        // error code of the service, "" when there was no answer
	Status      int           // HTTP status, 0 when there was no answer
	RequestID   string        // for AWS support
	RetryAfter  time.Duration // what the store asked for, 0 = nothing
	Remedy      string        // what an operator has to do, "" when waiting is enough
	Err         error
}

// Error returns one line without the remedy.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "put %s/%s (source %s): ", e.Destination, e.Key, e.Source)
	if e.Code == "" && e.Status == 0 {
		b.WriteString(cause(e.Err))
		return b.String()
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, "%d ", e.Status)
	}
	b.WriteString(e.Code)
	var api smithy.APIError
	var unread *smithy.DeserializationError
	switch {
	case errors.As(e.Err, &api) && api.ErrorMessage() != "":
		b.WriteString(": " + printable(api.ErrorMessage()))
	case errors.As(e.Err, &unread):
		b.WriteString("the answer cannot be read: " + cause(unread))
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + printable(e.RequestID) + ")")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// cause prints what went wrong below the SDK. The SDK's own chain repeats operation, endpoint and attempt count; an
// *url.Error repeats the whole URL, which for a proxy may hold a password.
func cause(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op
	}
	return printable(err.Error())
}

// printable makes text from outside fit for one log line.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	const limit = 300
	if r := []rune(s); len(r) > limit {
		s = string(r[:limit]) + "..."
	}
	return s
}

// Explain makes the *Error that Put would return for a failed request about o: with the class, the remedy, and text fit to
// be shown. role is the role the request was made with, "" for the daemon's own credentials.
func Explain(o spool.Object, role string, err error, now time.Time) *Error {
	return describe(o, role, err, now)
}

// describe makes the *Error of a failed attempt. role is the role of the source, "" for the default credentials.
func describe(o spool.Object, role string, err error, now time.Time) *Error {
	e := &Error{Class: Classify(err), Source: o.Source, Destination: o.Destination, Key: o.Key, Err: err}
	e.Code, e.Status = answer(err)
	e.Code = printable(e.Code) // an endpoint that is not AWS may put anything there
	var id interface{ ServiceRequestID() string }
	if errors.As(err, &id) {
		e.RequestID = id.ServiceRequestID()
	}
	e.RetryAfter = retryAfter(err, now)
	e.Remedy = remedy(o, role, e, skewOf(err, now))
	return e
}

// prefixOf is the part of a key that a policy names: everything before the partitions.
func prefixOf(key string) string {
	if i := strings.Index(key, "/region="); i >= 0 {
		return key[:i+1]
	}
	if i := strings.LastIndexByte(key, '/'); i >= 0 {
		return key[:i+1]
	}
	return ""
}

// remedy says what an operator has to do about an error.
func remedy(o spool.Object, role string, e *Error, skew time.Duration) string {
	bucket := strings.TrimPrefix(o.Destination, "s3://")
	who := "the daemon's credentials"
	if role != "" {
		who = "role " + role
	}
	message := ""
	var api smithy.APIError
	if errors.As(e.Err, &api) {
		message = api.ErrorMessage()
	}
	var opErr *smithy.OperationError
	service := ""
	if errors.As(e.Err, &opErr) {
		service = innermostService(e.Err)
	}
	kms := strings.HasPrefix(e.Code, "KMS.") || strings.HasPrefix(e.Code, "kms:") || strings.Contains(message, "kms:")
	switch {
	case errors.Is(e.Err, ErrDiffers):
		return "an object with this name and other bytes is there; move it away, or ship under another node name"
	case certificateOutOfTime(e.Err):
		return "the certificate of the endpoint has expired or is not valid yet: check the clock of this host (NTP), then the certificate"
	case certificateFault(e.Err):
		return "the certificate of the endpoint is not trusted: set lake.ca_file to its issuer, or mend the certificate"
	case errors.Is(e.Err, errNoCredentials):
		return "give the daemon AWS credentials (instance profile, IAM Roles Anywhere or a profile) and run doctor"
	case strings.HasPrefix(o.Destination, "file:") && fileFault(e.Err):
		return "make the directory writable for the daemon, with free space and hard links"
	case e.Class != Configuration:
		return ""
	case proxyRefused(e.Err):
		return "the proxy does not let the request through: correct lake.proxy (or HTTPS_PROXY), its user and password, and allow the host there"
	case clockFault(e.Code, skew):
		return "set the clock of this host (NTP): it is " + describeSkew(skew)
	case service == "STS" && isTokenExpired(e.Code):
		return "renew the daemon's own credentials: they have expired"
	case service == "STS" && e.Code == "AccessDenied":
		return fmt.Sprintf("allow sts:AssumeRole on %s: its trust policy must name this principal and the external ID configured for source %s", role, o.Source)
	case kms:
		return fmt.Sprintf("allow kms:GenerateDataKey and kms:Decrypt on the bucket's key for %s, and check that the key is enabled", who)
	case e.Code == "AccessDenied" || e.Code == "AllAccessDisabled" || (e.Status == 403 && e.Code == ""):
		return fmt.Sprintf("allow s3:PutObject on arn:aws:s3:::%s/%s* for %s", bucket, prefixOf(o.Key), who)
	case e.Code == "NoSuchBucket":
		return fmt.Sprintf("bucket %s does not exist: check the destination, and that Security Lake is on in this region", bucket)
	case e.Code == "PermanentRedirect" || e.Code == "AuthorizationHeaderMalformed" || e.Code == "IllegalLocationConstraintException":
		return fmt.Sprintf("bucket %s is in another region: set lake.region%s", bucket, regionHint(e.Err))
	case isTokenExpired(e.Code):
		return "renew the credentials of " + who + ": the token has expired"
	case e.Code == "InvalidAccessKeyId" || e.Code == "SignatureDoesNotMatch" || e.Code == "InvalidClientTokenId" || e.Code == "InvalidToken":
		return "correct the access key of " + who + ": the service does not accept it"
	case e.Code == "InvalidStorageClass":
		return "correct lake.storage_class"
	}
	return "check destination, region and role of source " + o.Source + " with the doctor command"
}

// describeSkew words the service's time minus ours.
func describeSkew(skew time.Duration) string {
	switch off := skew.Abs().Round(time.Second).String(); {
	case skew.Abs() < time.Minute:
		return "more than 15 minutes off" // the answer did not tell its time
	case skew > 0:
		return off + " behind the service's"
	default:
		return off + " ahead of the service's"
	}
}

// innermostService names the service that answered: a failed AssumeRole is wrapped in the PutObject that needed it.
func innermostService(err error) string {
	service := ""
	for err != nil {
		var op *smithy.OperationError
		if !errors.As(err, &op) {
			break
		}
		service, err = op.ServiceID, op.Err
	}
	return service
}
