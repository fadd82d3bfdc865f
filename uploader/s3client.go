package uploader

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
)

// client is an S3 client with the credentials of one role.
type client struct {
	s3     *s3.Client
	forget func() // drops cached credentials, so that the next request fetches new ones
}

// NewS3 loads the default credential chain and prepares one client per role. It reads files and the environment, but
// sends nothing: whether the credentials are good shows with the first Put. ctx bounds the loading only.
func NewS3(ctx context.Context, opt S3Options) (*S3, error) {
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
		return nil, errors.New("open S3: no region")
	}
	for name, endpoint := range map[string]string{"s3_endpoint": opt.S3Endpoint, "sts_endpoint": opt.STSEndpoint} {
		if err := checkEndpoint(endpoint, opt.AllowHTTP); err != nil {
			return nil, fmt.Errorf("open S3: %s: %w", name, err)
		}
	}
	transport, err := newTransport(opt)
	if err != nil {
		return nil, fmt.Errorf("open S3: %w", err)
	}
	cfg, err := config.LoadDefaultConfig(ctx, loadOptions(opt, transport)...)
	if err != nil {
		return nil, fmt.Errorf("open S3: load AWS configuration: %w", err)
	}
	// Shared by everything that uses the daemon's own credentials: the default chain is asked once, not once per role.
	base := aws.NewCredentialsCache(defaultChain{cfg.Credentials})
	cfg.HTTPClient = &http.Client{
		Transport: transport,
		// A redirect answers a signed request with an address outside the signature: it is an error to report.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	s := &S3{opt: opt, clients: map[Role]*client{}, plain: map[string]bool{}}
	roles := []Role{{}}
	for _, r := range opt.Sources {
		roles = append(roles, r)
	}
	for _, r := range roles {
		if r.Region == "" {
			r.Region = opt.Region
		}
		if s.clients[r] == nil {
			s.clients[r] = newClient(cfg, opt, r, base)
		}
		if err := checkResolved(s.clients[r].s3.Options().BaseEndpoint, opt.AllowHTTP); err != nil {
			return nil, fmt.Errorf("open S3: %w", err)
		}
	}
	s.close = transport.CloseIdleConnections
	return s, nil
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

func newClient(cfg aws.Config, opt S3Options, role Role, base *aws.CredentialsCache) *client {
	cfg.Region = role.Region
	cfg.Credentials = base
	forget := base.Invalidate
	if role.RoleARN != "" {
		service := sts.NewFromConfig(cfg, func(o *sts.Options) {
			if opt.STSEndpoint != "" {
				o.BaseEndpoint = aws.String(opt.STSEndpoint)
			}
		})
		assume := stscreds.NewAssumeRoleProvider(service, role.RoleARN, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = sessionName(opt.Node)
			o.Duration = time.Hour // the most a chained role allows
			if role.ExternalID != "" {
				o.ExternalID = aws.String(role.ExternalID)
			}
		})
		cache := aws.NewCredentialsCache(assume, func(o *aws.CredentialsCacheOptions) {
			o.ExpiryWindow, o.ExpiryWindowJitterFrac = 5*time.Minute, 0.5
		})
		cfg.Credentials = cache
		forget = func() {
			base.Invalidate()
			cache.Invalidate()
		}
	}
	return &client{forget: forget, s3: s3.NewFromConfig(cfg, func(o *s3.Options) {
		if opt.S3Endpoint != "" {
			o.BaseEndpoint = aws.String(opt.S3Endpoint)
		}
		o.UsePathStyle = opt.PathStyle
		o.DisableS3ExpressSessionAuth = aws.Bool(true)
	})}
}

// errNoCredentials marks a default credential chain that found nothing usable.
var errNoCredentials = errors.New("no AWS credentials")

// defaultChain tells a failure of the default chain from a failure of the service the credentials are for.
type defaultChain struct{ aws.CredentialsProvider }

func (d defaultChain) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if c, ok := d.CredentialsProvider.(*aws.CredentialsCache); ok {
		// There is a cache around this one already; a second one would answer with what the first was told to forget.
		c.Invalidate()
	}
	creds, err := d.CredentialsProvider.Retrieve(ctx)
	if err != nil && ctx.Err() == nil {
		return creds, fmt.Errorf("%w: %w", errNoCredentials, err)
	}
	return creds, err
}

// sessionName makes a role session name, 2 to 64 of [\w+=,.@-], of the node's name.
func sessionName(node string) string {
	name := strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '_' || strings.ContainsRune("+=,.@-", r) || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') {
			return r
		}
		return '-'
	}, "wazuh-security-lake-"+node)
	name = strings.TrimRight(name, "-")
	return name[:min(len(name), 64)]
}

// checkEndpoint refuses an endpoint that would send alerts or credentials in the clear, or that holds a password.
func checkEndpoint(endpoint string, allowHTTP bool) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("want https://host[:port]")
	}
	switch {
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && (allowHTTP || isLoopback(u.Hostname())):
		return nil
	case u.Scheme == "http":
		return fmt.Errorf("%s://%s is not encrypted; http is accepted on loopback, or with allow_http", u.Scheme, u.Host)
	}
	return errors.New("want https://host[:port]")
}

// checkResolved applies the same rule to an endpoint that came from the environment or a profile.
func checkResolved(endpoint *string, allowHTTP bool) error {
	if err := checkEndpoint(aws.ToString(endpoint), allowHTTP); err != nil {
		return fmt.Errorf("endpoint from the AWS environment: %w", err)
	}
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// newTransport makes the one connection pool. Idle connections are closed before S3 does it: a request on a connection
// that the peer is just closing fails for no reason.
func newTransport(opt S3Options) (*http.Transport, error) {
	dial := opt.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	t := &http.Transport{
		DialContext:           dial,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: opt.AnswerTimeout,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       4 * time.Second,
		MaxIdleConnsPerHost:   8,
		ForceAttemptHTTP2:     false,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
	}
	proxy, err := proxyFunc(opt.Proxy)
	if err != nil {
		return nil, err
	}
	t.Proxy = proxy
	if opt.CAFile == "" {
		opt.CAFile = os.Getenv("AWS_CA_BUNDLE")
	}
	if opt.CAFile != "" {
		if t.TLSClientConfig.RootCAs, err = trust(opt.CAFile); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func trust(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a host without certificates of its own: the file is all there is
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read ca_file %s: no certificate in it", file)
	}
	return pool, nil
}

// proxyFunc chooses the proxy for a request: the configured one, else the environment's. Loopback and the link-local
// addresses of instance and container metadata are never proxied: credentials come from there.
func proxyFunc(proxy string) (func(*http.Request) (*url.URL, error), error) {
	choose := http.ProxyFromEnvironment
	if proxy != "" {
		u, err := url.Parse(proxy)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5") {
			return nil, errors.New("proxy: want http://[user:password@]host:port") // the value may hold a password
		}
		choose = http.ProxyURL(u)
	}
	return func(r *http.Request) (*url.URL, error) {
		host := r.URL.Hostname()
		ip := net.ParseIP(host)
		if isLoopback(host) || (ip != nil && (ip.IsLinkLocalUnicast() || host == "fd00:ec2::254")) {
			return nil, nil //nolint:nilnil // no proxy
		}
		return choose(r)
	}, nil
}
