package uploader

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

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
		DialContext:           dialPatient(dial),
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
	t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
		if res.StatusCode != http.StatusOK {
			return &proxyError{res.StatusCode}
		}
		return nil
	}
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

// proxyError is a proxy's refusal to connect us to the service: its answer, not the service's.
type proxyError struct{ status int }

// Error returns the status in words.
func (e *proxyError) Error() string {
	return fmt.Sprintf("proxy answers %d %s", e.status, http.StatusText(e.status))
}

// class: 407 and 403 stay until somebody acts, the others (the proxy finds no way to the service) pass.
func (e *proxyError) class() Class {
	if e.status >= 400 && e.status < 500 && e.status != http.StatusRequestTimeout && e.status != http.StatusTooManyRequests {
		return Configuration
	}
	return Retryable
}

// proxyRefused reports a refusal that somebody has to mend.
func proxyRefused(err error) bool {
	var refused *proxyError
	return errors.As(err, &refused) && refused.class() == Configuration
}
