package uploader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
)

// AWS is the one way to AWS's services: a connection pool with proxy and certificates, the default credential chain, the
// rules for endpoints. The uploader, setup and doctor all come through it, so that what doctor finds holds for run. It is
// safe for concurrent use.
type AWS struct {
	opt       S3Options
	cfg       aws.Config
	base      *aws.CredentialsCache // shared by all roles: the default chain is asked once, not once per role
	transport *http.Transport
	clock     sync.Once // the line that the host's clock is off
}

// OpenAWS loads the default credential chain and checks endpoints, proxy and certificates. It reads files and the
// environment, but sends nothing; ctx bounds the loading only. Its errors name the setting that is wrong. Close it when done.
func OpenAWS(ctx context.Context, opt S3Options) (*AWS, error) {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.AnswerTimeout <= 0 {
		opt.AnswerTimeout = 2 * time.Minute
	}
	if opt.Region == "" {
		return nil, errors.New("no region")
	}
	for name, endpoint := range map[string]string{"s3_endpoint": opt.S3Endpoint, "sts_endpoint": opt.STSEndpoint} {
		if err := checkEndpoint(endpoint, opt.AllowHTTP); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	transport, err := newTransport(opt)
	if err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx, loadOptions(opt, transport)...)
	if err != nil {
		return nil, fmt.Errorf("load AWS configuration: %w", err)
	}
	a := &AWS{opt: opt, transport: transport}
	a.base = aws.NewCredentialsCache(&defaultChain{loaded: cfg.Credentials, load: func(ctx context.Context) (aws.CredentialsProvider, error) {
		cfg, err := config.LoadDefaultConfig(ctx, loadOptions(opt, transport)...)
		return cfg.Credentials, err
	}})
	cfg.Credentials = a.base
	cfg.HTTPClient = &http.Client{
		Transport: wholeRefusals{transport},
		// A redirect answers a signed request with an address outside the signature: it is an error to report.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	a.cfg = cfg
	for _, endpoint := range []*string{a.S3(Role{}).Options().BaseEndpoint, a.STS("").Options().BaseEndpoint} {
		if err := checkResolved(endpoint, opt.AllowHTTP); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// Config is the configuration of any other client of the SDK: the daemon's own credentials, one attempt per call, the region
// of S3Options. The caller may change its copy.
func (a *AWS) Config() aws.Config { return a.cfg.Copy() }

// S3 makes a client with the credentials of a role, or with the daemon's own ones when role names none. Each call makes
// its own session of the role.
func (a *AWS) S3(role Role) *s3.Client {
	c, _ := a.client(role)
	return c
}

// STS makes a client with the daemon's own credentials, for a region or, when that is empty, the one of S3Options.
func (a *AWS) STS(region string) *sts.Client {
	return sts.NewFromConfig(a.cfg, func(o *sts.Options) {
		if region != "" {
			o.Region = region
		}
		if a.opt.STSEndpoint != "" {
			o.BaseEndpoint = aws.String(a.opt.STSEndpoint)
		}
	})
}

// Close drops idle connections. Requests under way are not ended.
func (a *AWS) Close() { a.transport.CloseIdleConnections() }

// client makes an S3 client and what drops its cached credentials, so that the next request fetches new ones.
func (a *AWS) client(role Role) (c *s3.Client, forget func()) {
	cfg := a.cfg.Copy()
	if role.Region != "" {
		cfg.Region = role.Region
	}
	forget = a.base.Invalidate
	if role.RoleARN != "" {
		session := a.session(role, cfg.Region)
		cfg.Credentials = session
		forget = func() {
			a.base.Invalidate()
			session.Invalidate()
		}
	}
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		if a.opt.S3Endpoint != "" {
			o.BaseEndpoint = aws.String(a.opt.S3Endpoint)
		}
		o.UsePathStyle = a.opt.PathStyle
		o.DisableS3ExpressSessionAuth = aws.Bool(true)
	}), forget
}

func loadOptions(opt S3Options, transport *http.Transport) []func(*config.LoadOptions) error {
	o := []func(*config.LoadOptions) error{
		config.WithRegion(opt.Region),
		config.WithRetryMaxAttempts(1),   // the Uploader is the one who retries; two loops would multiply
		config.WithLogger(logging.Nop{}), // its lines may hold headers; everything that matters is in the errors
		// For the credential chain (instance metadata, SSO, web identity). It has to be a buildable client: the chain
		// derives clients with short time-outs and without proxy from it, and adds AWS_CA_BUNDLE.
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.Proxy = transport.Proxy
			if transport.TLSClientConfig.RootCAs != nil {
				t.TLSClientConfig.RootCAs = transport.TLSClientConfig.RootCAs
			}
		})),
	}
	if opt.FIPS {
		o = append(o, config.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled))
	}
	if opt.DualStack {
		o = append(o, config.WithUseDualStackEndpoint(aws.DualStackEndpointStateEnabled))
	}
	return o
}

// Proxy is the proxy a request to an address goes through; nil when it goes there directly. Its URL may hold a password.
func (a *AWS) Proxy(address *url.URL) (*url.URL, error) {
	return a.transport.Proxy(&http.Request{URL: address})
}
