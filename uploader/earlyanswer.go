package uploader

import (
	"context"
	"errors"
	"net"
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
