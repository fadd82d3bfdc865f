// Package faultproxy stands between a client and a real S3 server and makes it fail in the ways of AWS, of networks and of
// boxes in between, with AWS's own error documents. What is not broken is forwarded unchanged, signature included, and
// answered by the real server. For tests on loopback only.
//
//	p, err := faultproxy.Listen(faultproxy.Options{Upstream: "http://127.0.0.1:7070"})
//	p.Break(faultproxy.LostAnswer(), faultproxy.Under("eventDay=20260314"))
//	... p.URL() is the endpoint of the client ...
//	p.Heal()
//	p.Puts() // what came, what the server said, what the client was told
package faultproxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Options describe a proxy.
type Options struct {
	// Upstream is the real server: http://host:port or https://host:port.
	Upstream string
	// UpstreamCAs verify an https upstream.
	UpstreamCAs *x509.CertPool
	// TLS makes the proxy speak https, with the certificate of SetCertificate.
	TLS bool
	// Service is for faults that change a signed request: the proxy checks the client's signature itself and signs anew.
	// Without it requests pass unchanged.
	Service *Service
}

// Put is one PutObject as the proxy saw it.
type Put struct {
	Key      string // bucket/key
	Upstream int    // status of the real server, 0 when it was not asked
	Answered int    // status that the client got whole, 0 when it got none
	At       time.Time
}

// Proxy is a running proxy.
type Proxy struct {
	opt       Options
	addr      string
	transport *http.Transport
	done      chan struct{}
	serving   sync.WaitGroup

	mu       sync.Mutex
	upstream *url.URL         // guarded by mu, as all below
	cert     *tls.Certificate // what the next handshake shows
	server   *http.Server     // nil while down
	listener net.Listener
	fault    *Fault // nil when healthy
	match    func(*http.Request) bool
	held     map[net.Conn]struct{} // connections that a fault took over
	puts     []Put
}

// Listen starts a proxy on a free port of a loopback address of its own. Close it.
func Listen(opt Options) (*Proxy, error) {
	// An address of its own, so that nobody takes the port while the proxy is down.
	addr := fmt.Sprintf("127.%d.%d.%d:0", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	p := &Proxy{opt: opt, done: make(chan struct{}), held: map[net.Conn]struct{}{}, addr: addr}
	p.transport = &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16, TLSClientConfig: &tls.Config{RootCAs: opt.UpstreamCAs}}
	if err := p.SetUpstream(opt.Upstream); err != nil {
		return nil, err
	}
	if err := p.Up(); err != nil {
		return nil, err
	}
	return p, nil
}

// URL is the endpoint for clients.
func (p *Proxy) URL() string {
	scheme := "http://"
	if p.opt.TLS {
		scheme = "https://"
	}
	return scheme + p.addr
}

// Addr is the address and port of URL.
func (p *Proxy) Addr() (ip, port string) {
	ip, port, _ = net.SplitHostPort(p.addr) // as net.Listen made it
	return ip, port
}

// SetUpstream sends what comes from now on to another server.
func (p *Proxy) SetUpstream(upstream string) error {
	u, err := url.Parse(upstream)
	if err != nil {
		return fmt.Errorf("parse upstream: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.upstream = u
	return nil
}

// SetCertificate sets what the proxy shows from the next connection on, and ends the ones that are open.
func (p *Proxy) SetCertificate(c tls.Certificate) error {
	p.mu.Lock()
	p.cert = &c
	p.mu.Unlock()
	if err := p.Down(); err != nil {
		return err
	}
	return p.Up()
}

// Up listens, on the port of the first time.
func (p *Proxy) Up() error {
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	p.addr = l.Addr().String()
	l = &faultListener{Listener: l, proxy: p}
	if p.opt.TLS {
		l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.cert, nil
		}})
	}
	server := &http.Server{Handler: p, ErrorLog: quiet()}
	p.mu.Lock()
	p.server, p.listener = server, l
	p.mu.Unlock()
	p.serving.Go(func() { _ = server.Serve(l) }) // ends with Down
	return nil
}

// Down ends every connection and the listener: new connections are refused by the system.
func (p *Proxy) Down() error {
	p.mu.Lock()
	server, listener := p.server, p.listener
	p.server, p.listener = nil, nil
	p.mu.Unlock()
	if server == nil {
		return nil
	}
	// The server closes its listener itself, but only once Serve has begun.
	if err := listener.Close(); err != nil {
		return fmt.Errorf("close listener: %w", err)
	}
	return ignoreClosed(server.Close())
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Break makes requests that match fail in one way until Heal; a nil match is every request. A fault of connections closes
// those that are open and takes every new one.
func (p *Proxy) Break(f Fault, match func(*http.Request) bool) error {
	if match == nil {
		match = func(*http.Request) bool { return true }
	}
	p.mu.Lock()
	p.fault, p.match = &f, match
	p.mu.Unlock()
	if f.conn == nil {
		return nil
	}
	if err := p.Down(); err != nil {
		return err
	}
	return p.Up()
}

// Heal ends the fault. Connections that it has swallowed stay swallowed, as in life.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.match = nil, nil
}

// Under matches requests whose path holds a part.
func Under(part string) func(*http.Request) bool {
	return func(r *http.Request) bool { return strings.Contains(r.URL.Path, part) }
}

// Puts returns what was put so far, in the order in which it ended.
func (p *Proxy) Puts() []Put {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Put(nil), p.puts...)
}

// Close ends everything and waits for it.
func (p *Proxy) Close() error {
	close(p.done)
	err := p.Down()
	p.mu.Lock()
	for c := range p.held {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.serving.Wait()
	p.transport.CloseIdleConnections()
	return err
}

// faultListener gives new connections to the fault, if it wants them.
type faultListener struct {
	net.Listener
	proxy *Proxy
}

func (l *faultListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		p := l.proxy
		p.mu.Lock()
		take := p.fault != nil && p.fault.conn != nil
		if take {
			p.held[c] = struct{}{}
			p.fault.conn(c)
		}
		p.mu.Unlock()
		if !take {
			return c, nil
		}
	}
}

// ServeHTTP forwards or breaks one request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{proxy: p, w: w, r: r}
	defer x.note()
	if p.opt.Service != nil && !p.opt.Service.admit(x) {
		return
	}
	p.mu.Lock()
	fault, match := p.fault, p.match
	p.mu.Unlock()
	if fault != nil && fault.serve != nil && match(r) {
		fault.serve(x)
		return
	}
	x.deliver(x.ask(r.Body, r.ContentLength))
}

// exchange is one request on its way.
type exchange struct {
	proxy              *Proxy
	w                  http.ResponseWriter
	r                  *http.Request
	upstream, answered int
}

func (x *exchange) note() {
	if x.r.Method != http.MethodPut {
		return
	}
	x.proxy.mu.Lock()
	defer x.proxy.mu.Unlock()
	x.proxy.puts = append(x.proxy.puts, Put{Key: strings.TrimPrefix(x.r.URL.Path, "/"), Upstream: x.upstream, Answered: x.answered, At: time.Now()})
}

// answer is what the real server said, read whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask sends the request to the real server with this body, which may be another one than the client's.
func (x *exchange) ask(body io.Reader, size int64) (answer, error) {
	p := x.proxy
	p.mu.Lock()
	u := *p.upstream
	p.mu.Unlock()
	ctx, cancel := context.WithCancel(x.r.Context())
	defer cancel()
	out := x.r.Clone(ctx)
	out.URL.Scheme, out.URL.Host, out.RequestURI = u.Scheme, u.Host, ""
	out.Body, out.ContentLength = io.NopCloser(body), size
	out.Header.Del("Connection")
	out.Header.Del("Expect") // answered by this side
	res, err := p.transport.RoundTrip(out)
	if err != nil {
		return answer{}, fmt.Errorf("ask upstream: %w", err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, fmt.Errorf("read upstream: %w", err)
	}
	x.upstream = res.StatusCode
	return answer{res.StatusCode, res.Header, b}, nil
}

// deliver passes an answer on; an upstream that is not there is a 502 as of a load balancer.
func (x *exchange) deliver(a answer, err error) {
	if err != nil {
		x.fail(http.StatusBadGateway, "", err.Error())
		return
	}
	h := x.w.Header()
	for k, v := range a.header {
		h[k] = v
	}
	if s := x.proxy.opt.Service; s != nil {
		h.Set("Date", s.now().UTC().Format(http.TimeFormat))
	}
	x.w.WriteHeader(a.status)
	if _, err := x.w.Write(a.body); err == nil {
		x.answered = a.status
	}
}

// fail answers as S3 does.
func (x *exchange) fail(status int, code, message string, headers ...string) {
	_, _ = io.Copy(io.Discard, x.r.Body) // S3 may answer earlier; a client that is still sending must cope with both
	h := x.w.Header()
	if s := x.proxy.opt.Service; s != nil {
		h.Set("Date", s.now().UTC().Format(http.TimeFormat))
	}
	h.Set("Content-Type", "application/xml")
	h.Set("X-Amz-Request-Id", requestID)
	h.Set("X-Amz-Id-2", hostID)
	h.Set("Server", "AmazonS3")
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	x.w.WriteHeader(status)
	if code != "" {
		fmt.Fprintf(x.w, `<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>%s</Code><Message>%s</Message><RequestId>%s</RequestId><HostId>%s</HostId></Error>`, code, escape(message), requestID, hostID)
	}
	x.answered = status
}

const (
	requestID = "4442587FB7D0A2F9"
	hostID    = "vlR7PnpV2Ce81l0PRw6jlUpck7Jo5ZsQjryTjKlc5aLWGVHPZLj5NeC6qMa0emYBDXOo6QBU0Wo="
)

// cut ends the client's connection in the middle, with a reset when asked, after writing part of an answer.
func (x *exchange) cut(part string, reset bool) {
	c, buf, err := x.w.(http.Hijacker).Hijack()
	if err != nil {
		return // gone already
	}
	_, _ = buf.WriteString(part)
	_ = buf.Flush()
	if reset {
		abort(c)
		return
	}
	_ = c.Close()
}

// abort closes with RST instead of FIN.
func abort(c net.Conn) {
	raw := c
	if t, ok := c.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	if t, ok := raw.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = raw.Close()
}

// body reads the whole request body. A client that breaks off is an error.
func (x *exchange) body() ([]byte, error) {
	var b bytes.Buffer
	if _, err := b.ReadFrom(x.r.Body); err != nil {
		return nil, errors.Join(errClient, err)
	}
	return b.Bytes(), nil
}

var errClient = errors.New("client broke off")
