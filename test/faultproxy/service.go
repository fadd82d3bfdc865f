package faultproxy

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Service is what AWS has in front of S3 and a gateway has not: a clock of its own, STS, and sessions that expire and are
// revoked. It checks every signature against the key it must have been made with and signs anew with the gateway's.
type Service struct {
	Access, Secret, Region string            // of the real server, and the client's own credentials
	Roles                  map[string]string // role ARN -> external ID
	Life                   time.Duration     // of a session; an hour when zero

	mu       sync.Mutex
	skew     time.Duration // guarded by mu, as all below
	sessions map[string]*session
	denied   bool
	assumed  int
}

type session struct {
	secret, token    string
	ends             time.Time
	revoked, expired bool
}

// SetSkew sets the service's clock ahead (or back) of this host's.
func (s *Service) SetSkew(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew = d
}

func (s *Service) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.skew)
}

// Expire ends every session before its time.
func (s *Service) Expire() { s.each(func(c *session) { c.expired = true }) }

// Revoke denies the role and what its sessions ask for, until Restore. Sessions revoked stay revoked, as in IAM.
func (s *Service) Revoke() {
	s.each(func(c *session) { c.revoked = true })
	s.deny(true)
}

// Restore lets the role be assumed again.
func (s *Service) Restore() { s.deny(false) }

func (s *Service) deny(d bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied = d
}

func (s *Service) each(f func(*session)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.sessions {
		f(c)
	}
}

// Secrets are the keys and tokens of all sessions so far: what a client must never print.
func (s *Service) Secrets() (out []string) {
	s.each(func(c *session) { out = append(out, c.secret, c.token) })
	return out
}

// Assumed is how many sessions were given out.
func (s *Service) Assumed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.assumed
}

// admit judges a request and makes it one that the real server accepts; false: it has been answered.
func (s *Service) admit(x *exchange) bool {
	auth, err := parseAuthorization(x.r.Header.Get("Authorization"))
	if err != nil {
		x.fail(http.StatusForbidden, "AccessDenied", "Access Denied")
		return false
	}
	at, err := time.Parse(dateForm, x.r.Header.Get("X-Amz-Date"))
	late := err != nil || s.now().Sub(at).Abs() > 15*time.Minute
	if auth.service == "sts" {
		s.assume(x, auth, late)
		return false
	}
	if late {
		x.fail(http.StatusForbidden, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
		return false
	}
	secret, status, code := s.key(auth.access, x.r.Header.Get("X-Amz-Security-Token"))
	if code != "" {
		x.fail(status, code, messages[code])
		return false
	}
	if err := s.check(x.r, auth, secret, at, x.r.Header.Get("X-Amz-Content-Sha256")); err != nil {
		x.fail(http.StatusForbidden, "SignatureDoesNotMatch", messages["SignatureDoesNotMatch"])
		return false
	}
	for _, h := range []string{"Authorization", "X-Amz-Security-Token", "X-Amz-Date"} {
		x.r.Header.Del(h)
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	err = signer.SignHTTP(x.r.Context(), aws.Credentials{AccessKeyID: s.Access, SecretAccessKey: s.Secret}, x.r,
		x.r.Header.Get("X-Amz-Content-Sha256"), "s3", s.Region, time.Now())
	if err != nil {
		x.fail(http.StatusInternalServerError, "InternalError", err.Error())
		return false
	}
	return true
}

var messages = map[string]string{
	"ExpiredToken":          "The provided token has expired.",
	"AccessDenied":          "User: arn:aws:sts::123456789012:assumed-role/AmazonSecurityLake-Provider-wazuh/s is not authorized to perform: s3:PutObject with an explicit deny in an identity-based policy",
	"InvalidAccessKeyId":    "The AWS Access Key Id you provided does not exist in our records.",
	"SignatureDoesNotMatch": "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
	"InvalidToken":          "The provided token is malformed or otherwise invalid.",
}

// key is the secret that a request must be signed with, or the refusal.
func (s *Service) key(access, token string) (secret string, status int, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if access == s.Access && token == "" {
		return s.Secret, 0, ""
	}
	c := s.sessions[access]
	switch {
	case c == nil:
		return "", http.StatusForbidden, "InvalidAccessKeyId"
	case c.token != token:
		return "", http.StatusBadRequest, "InvalidToken"
	case c.expired || time.Now().Add(s.skew).After(c.ends):
		return "", http.StatusBadRequest, "ExpiredToken"
	case c.revoked:
		return "", http.StatusForbidden, "AccessDenied"
	}
	return c.secret, 0, ""
}

// assume is STS.
func (s *Service) assume(x *exchange, auth authorization, late bool) {
	body, err := x.body()
	if err != nil {
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		x.failSTS(http.StatusBadRequest, "MalformedInput", err.Error())
		return
	}
	at, _ := time.Parse(dateForm, x.r.Header.Get("X-Amz-Date")) // late otherwise
	sum := sha256.Sum256(body)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now().Add(s.skew)
	x.w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	externalID, known := s.Roles[form.Get("RoleArn")]
	switch {
	case late:
		x.failSTS(http.StatusForbidden, "SignatureDoesNotMatch", "Signature expired: "+at.Format(dateForm)+" is now earlier than "+now.UTC().Add(-15*time.Minute).Format(dateForm)+" (15 min.)")
		return
	case auth.access != s.Access || s.check(x.r, auth, s.Secret, at, hex.EncodeToString(sum[:])) != nil:
		x.failSTS(http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid.")
		return
	case !known || s.denied || form.Get("Action") != "AssumeRole" || form.Get("ExternalId") != externalID:
		x.failSTS(http.StatusForbidden, "AccessDenied", "User: arn:aws:iam::123456789012:user/wazuh is not authorized to perform: sts:AssumeRole on resource: "+form.Get("RoleArn"))
		return
	}
	life := s.Life
	if life == 0 {
		life = time.Hour
	}
	access := "ASIA" + rand.Text()[:16]
	c := &session{secret: rand.Text(), token: rand.Text() + "/+=", ends: now.Add(life)}
	if s.sessions == nil {
		s.sessions = map[string]*session{}
	}
	s.sessions[access] = c
	s.assumed++
	x.w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(x.w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn><AssumedRoleId>AROA:s</AssumedRoleId></AssumedRoleUser><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult><ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></AssumeRoleResponse>`,
		access, c.secret, c.token, c.ends.UTC().Format(time.RFC3339), requestID)
}

// failSTS answers as STS does; the body of the request has been read.
func (x *exchange) failSTS(status int, code, message string) {
	x.w.Header().Set("Content-Type", "text/xml")
	x.w.WriteHeader(status)
	fmt.Fprintf(x.w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>`,
		code, escape(message), requestID)
}

const dateForm = "20060102T150405Z"

// authorization is a parsed header of AWS4-HMAC-SHA256.
type authorization struct {
	access, region, service, signature string
	headers                            []string
}

func parseAuthorization(h string) (authorization, error) {
	rest, ok := strings.CutPrefix(h, "AWS4-HMAC-SHA256 ")
	if !ok {
		return authorization{}, errors.New("no AWS4-HMAC-SHA256")
	}
	var a authorization
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			scope := strings.Split(value, "/")
			if len(scope) != 5 {
				return a, fmt.Errorf("credential scope %q", value)
			}
			a.access, a.region, a.service = scope[0], scope[2], scope[3]
		case "SignedHeaders":
			a.headers = strings.Split(value, ";")
		case "Signature":
			a.signature = value
		}
	}
	return a, nil
}

// check signs what the client signed with the key it should have, and compares.
func (s *Service) check(r *http.Request, auth authorization, secret string, at time.Time, payload string) error {
	again, err := http.NewRequestWithContext(context.Background(), r.Method, "http://"+r.Host+r.URL.RequestURI(), bytes.NewReader(nil))
	if err != nil {
		return fmt.Errorf("repeat request: %w", err)
	}
	again.Body, again.Host = io.NopCloser(nil), r.Host
	for _, name := range auth.headers {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = auth.service == "s3" })
	creds := aws.Credentials{AccessKeyID: auth.access, SecretAccessKey: secret, SessionToken: r.Header.Get("X-Amz-Security-Token")}
	if err := signer.SignHTTP(context.Background(), creds, again, payload, auth.service, auth.region, at); err != nil {
		return fmt.Errorf("sign again: %w", err)
	}
	if want, _ := parseAuthorization(again.Header.Get("Authorization")); want.signature != auth.signature {
		return errSignature
	}
	return nil
}

var errSignature = errors.New("signature differs")
