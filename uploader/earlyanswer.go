package uploader

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// answerGrace is how long a connection that was reset while we were sending is given for the answer that came before.
const answerGrace = time.Second

// dialPatient makes connections that do not lose an early answer. A store may answer before it has read the whole body,
// with 412 or 403, and close; then the reset meets our writing in the same moment in which the answer meets our reading.
// net/http takes whichever comes first, and an object of 200 MB that is there already would be sent again and again
// without anybody ever hearing the 412.
func dialPatient(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &patientConn{Conn: c, closed: make(chan struct{})}, nil
	}
}

// patientConn holds back the error of a write that met a reset, until the connection is closed or answerGrace is over.
// The answer, if there is one, is in the receive queue by then, and the reader of the connection takes it from there.
type patientConn struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

// Write blocks a second longer than the connection's own when the peer has closed.
func (c *patientConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		grace := time.NewTimer(answerGrace)
		defer grace.Stop()
		select {
		case <-c.closed:
		case <-grace.C:
		}
	}
	return n, err
}

// Close ends a write that is waiting, too.
func (c *patientConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// refusalLimit is how much of a refusal is read before the SDK sees it: the XML of S3 has some 5 KiB at most, with what the
// service signed repeated in hexadecimal.
const refusalLimit = 64 << 10

// wholeRefusals reads what the service says about a refusal before the SDK sees the answer. The SDK closes the body of the
// request as soon as there is an answer; when that body is still being sent, net/http takes its end for a fault and closes
// the connection, and of an answer in two packets the second is lost: a 403 without a code, of which nobody can tell
// whether the key is wrong or the right is missing.
type wholeRefusals struct{ http.RoundTripper }

// RoundTrip blocks until the answer's head is there and, when it is a refusal, its body. What went wrong while reading that
// is met by the reader of the answer's body, after what came before it.
func (w wholeRefusals) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := w.RoundTripper.RoundTrip(req)
	if err != nil || res.StatusCode < http.StatusMultipleChoices || req.Body == nil {
		return res, err
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, refusalLimit))
	rest := io.Reader(res.Body)
	if err != nil {
		rest = brokenReader{err}
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(text), rest), res.Body}
	return res, nil
}

// brokenReader is the end of an answer that broke off.
type brokenReader struct{ err error }

func (r brokenReader) Read([]byte) (int, error) { return 0, r.err }
