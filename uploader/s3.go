package uploader

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"wazuh-security-lake/spool"
)

// Role is how the objects of one source are written. The zero value uses the daemon's own credentials and region.
type Role struct {
	RoleARN    string
	ExternalID string
	Region     string // of the bucket; S3Options.Region when empty
}

// S3Options describe how to reach S3 and STS.
type S3Options struct {
	Region string
	// S3Endpoint and STSEndpoint replace the endpoints of AWS. http is accepted on loopback or with AllowHTTP only.
	S3Endpoint, STSEndpoint string
	PathStyle, FIPS         bool
	DualStack, AllowHTTP    bool
	// CAFile holds certificates in PEM that are trusted besides the system's.
	CAFile string
	// Proxy is the URL of an HTTP proxy; the environment's proxy when empty.
	Proxy string
	// KMSKeyID asks for SSE-KMS with this key. Empty sends no encryption header: the bucket's default applies.
	KMSKeyID     string
	StorageClass string
	// Sources maps the name of a source to its role. A source that is not in it uses the daemon's own credentials.
	Sources map[string]Role
	// Node goes into the name of role sessions, so that CloudTrail names the manager.
	Node string
	// Log receives the one line that a store knows no conditional write; slog.Default when nil.
	Log *slog.Logger
	// AnswerTimeout is how long to wait for the first byte of an answer once a request is sent; two minutes when zero.
	AnswerTimeout time.Duration
	// Dial opens connections; a net.Dialer when nil. For tests and for hosts with routing of their own.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Now is the time Retry-After dates are compared with; time.Now when nil.
	Now func() time.Time
}

// S3 is the Putter for s3://bucket destinations.
type S3 struct {
	aws     *AWS
	clients map[Role]*client // read-only after NewS3; holds the zero Role

	mu    sync.Mutex
	plain map[string]bool // guarded by mu: buckets whose store answered 501 to a conditional write
}

// client is an S3 client with the credentials of one role.
type client struct {
	s3     *s3.Client
	forget func() // drops cached credentials, so that the next request fetches new ones
}

// NewS3 prepares one client per role. See OpenAWS: whether the credentials are good shows with the first Put.
func NewS3(ctx context.Context, opt S3Options) (*S3, error) {
	a, err := OpenAWS(ctx, opt)
	if err != nil {
		return nil, fmt.Errorf("open S3: %w", err)
	}
	s := &S3{aws: a, clients: map[Role]*client{}, plain: map[string]bool{}}
	roles := []Role{{}}
	for _, r := range opt.Sources {
		roles = append(roles, r)
	}
	for _, r := range roles {
		if r.Region == "" {
			r.Region = opt.Region
		}
		if s.clients[r] == nil {
			c, forget := a.client(r)
			s.clients[r] = &client{s3: c, forget: forget}
		}
	}
	return s, nil
}

// Put stores o with one PutObject that fails if the key is taken. The SHA-256 of the manifest travels in the signature
// and as the object's checksum, so the store itself refuses bytes that differ from what was sealed, and nothing has to
// be read twice. No ACL, no tags, no multipart upload: a provider role may do none of them. The SDK does not retry; the
// same request is repeated here, once for each, after an expired token, a clock that is off and a condition that the store
// does not know have been corrected.
func (s *S3) Put(ctx context.Context, o spool.Object, body io.ReadSeeker) error {
	role, configured := s.aws.opt.Sources[o.Source]
	if role.Region == "" {
		role.Region = s.aws.opt.Region
	}
	err := s.put(ctx, s.clients[role], o, body)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errInput):
		return err
	case Classify(err) == Exists:
		return ErrExists
	}
	e := describe(o, role.RoleARN, err, s.aws.opt.Now())
	if !configured && len(s.aws.opt.Sources) > 0 && e.Code == "AccessDenied" {
		// Renamed or taken out while objects waited. Its role was not asked, so the right to write is not what is missing.
		e.Remedy = "source " + o.Source + " is not configured any more: put it back, with its role_arn and external_id, until its objects are shipped"
	}
	return e
}

// errInput marks an object that no request can be made of.
var errInput = errors.New("object cannot be sent")

func (s *S3) put(ctx context.Context, c *client, o spool.Object, body io.ReadSeeker) error {
	t, err := parseDestination(o.Destination)
	if err == nil && t.bucket == "" {
		err = fmt.Errorf("destination %q is not s3://", o.Destination)
	}
	if err == nil {
		err = checkKey(o.Key)
	}
	sum, herr := hex.DecodeString(o.SHA256)
	if err == nil && (herr != nil || len(sum) != 32) {
		err = fmt.Errorf("object %s: no SHA-256 in the manifest", o.Key)
	}
	if err != nil {
		return &Error{Class: Configuration, Source: o.Source, Destination: o.Destination, Key: o.Key,
			Err: fmt.Errorf("%w: %w", errInput, err), Remedy: "run spool verify; spool retarget mends a destination"}
	}
	in := s.input(t.bucket, o, sum)
	for corrected := map[string]bool{}; ; {
		if s.isPlain(t.bucket) {
			in.IfNoneMatch = nil
		}
		in.Body = body
		_, err = c.s3.PutObject(ctx, in, withPayloadHash(hex.EncodeToString(sum)))
		if err == nil || ctx.Err() != nil {
			return err
		}
		what := s.correct(c, t.bucket, in.IfNoneMatch != nil, err)
		if what == "" || corrected[what] {
			return err
		}
		corrected[what] = true
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("read %s again: %w", o.File, err)
		}
	}
}

// correct changes what made a request fail, and returns its name; "" when nothing here can be changed.
func (s *S3) correct(c *client, bucket string, conditional bool, err error) string {
	code, status := answer(err)
	switch {
	case conditional && (status == http.StatusNotImplemented || code == "NotImplemented"):
		s.setPlain(bucket)
		return "conditional write"
	case isTokenExpired(code):
		c.forget()
		return "token"
	case s.aws.clockIsOff(err):
		return "clock" // the SDK has learnt the service's time from the answer
	case credentialsRefused(code, status):
		// Not tried again at once: as a rule somebody has to act first. But then it must not take the rest of the hour
		// that a session lasts: sessions revoked in IAM stay revoked while new ones are good, and keys are rotated.
		c.forget()
	}
	return ""
}

func (s *S3) input(bucket string, o spool.Object, sum []byte) *s3.PutObjectInput {
	in := &s3.PutObjectInput{
		Bucket:         aws.String(bucket),
		Key:            aws.String(o.Key),
		ContentLength:  aws.Int64(o.Bytes),
		ContentType:    aws.String(contentType(o.Key)),
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum)),
		IfNoneMatch:    aws.String("*"),
		StorageClass:   types.StorageClass(s.aws.opt.StorageClass),
	}
	if s.aws.opt.KMSKeyID != "" {
		in.ServerSideEncryption = types.ServerSideEncryptionAwsKms
		in.SSEKMSKeyId = aws.String(s.aws.opt.KMSKeyID)
	}
	return in
}

// contentType tells browsers and bucket tools what an object is. No Content-Encoding: a client that unpacks on the way would
// hold other bytes than the checksum is of.
func contentType(key string) string {
	if strings.HasSuffix(key, ".gz") {
		return "application/gzip"
	}
	return "application/vnd.apache.parquet"
}

// withPayloadHash signs the request for a body with this SHA-256 instead of reading the body for it.
func withPayloadHash(sum string) func(*s3.Options) {
	set := middleware.InitializeMiddlewareFunc("ManifestPayloadHash", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		return next.HandleInitialize(v4.SetPayloadHash(ctx, sum), in)
	})
	return s3.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Initialize.Add(set, middleware.Before)
	})
}

func (s *S3) isPlain(bucket string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plain[bucket]
}

// setPlain remembers a store that cannot write conditionally. Nothing is lost by a plain write: the key fixes the bytes, so
// that writing twice leaves what writing once did.
func (s *S3) setPlain(bucket string) {
	s.mu.Lock()
	known := s.plain[bucket]
	s.plain[bucket] = true
	s.mu.Unlock()
	if !known {
		s.aws.opt.Log.Warn("store does not know conditional writes, objects are put without", "bucket", bucket)
	}
}

// Close drops idle connections. Attempts under way are not ended.
func (s *S3) Close() error {
	s.aws.Close()
	return nil
}

// isTokenExpired reports the codes of credentials that have to be fetched anew.
func isTokenExpired(code string) bool {
	switch code {
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired":
		return true
	}
	return false
}

// credentialsRefused reports that a new session or a new key may be accepted where this one was not.
func credentialsRefused(code string, status int) bool {
	switch code {
	case "InvalidAccessKeyId", "InvalidToken", "InvalidClientTokenId", "SignatureDoesNotMatch", "AccessDenied":
		return true
	}
	return status == http.StatusForbidden
}

// regionHint reads the region a store named in its answer.
func regionHint(err error) string {
	var res *smithyhttp.ResponseError
	if errors.As(err, &res) && res.Response != nil && res.Response.Response != nil {
		if r := res.Response.Header.Get("x-amz-bucket-region"); r != "" {
			return " to " + printable(r)
		}
	}
	return " to the bucket's"
}
