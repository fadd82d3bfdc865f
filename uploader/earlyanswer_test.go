package uploader

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

const early = 8 << 20 // bytes of an object: more than the buffers of both ends

// TestEarlyAnswer: a store that answers 412 after the first bytes of the body and closes is heard, each time.
func TestEarlyAnswer(t *testing.T) {
	put := storeThat(t, func(c net.Conn, body io.Reader) {
		_, _ = io.CopyN(io.Discard, body, 64<<10)
		_, _ = io.WriteString(c, "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	})
	for i := range 100 {
		if err := put(); !errors.Is(err, ErrExists) {
			t.Fatalf("put %d: %v, want ErrExists", i, err)
		}
	}
}

// TestEarlyRefusal: a refusal is heard to its end, though the SDK lets go of the request's body with the answer's head.
func TestEarlyRefusal(t *testing.T) {
	const text = "<Error><Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated does not match</Message></Error>"
	put := storeThat(t, func(c net.Conn, body io.Reader) {
		_, _ = io.CopyN(io.Discard, body, 64<<10)
		_, _ = fmt.Fprintf(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", len(text))
		_, _ = io.Copy(io.Discard, body) // ends early when the client closes
		_, _ = io.WriteString(c, text)
	})
	var e *Error
	if err := put(); !errors.As(err, &e) || e.Code != "SignatureDoesNotMatch" || e.Class != Configuration {
		t.Errorf("got %v, want SignatureDoesNotMatch, class configuration", err)
	}
}

// TestRefusalBreaksOff: a refusal that ends in the middle is an answer without a code, with its status.
func TestRefusalBreaksOff(t *testing.T) {
	put := storeThat(t, func(c net.Conn, body io.Reader) {
		_, _ = io.Copy(io.Discard, body)
		_, _ = io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n<Error><Code>Sig")
	})
	var e *Error
	err := put()
	if !errors.As(err, &e) || e.Code != "" || e.Status != http.StatusForbidden || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("got %v, want 403 without a code, because of an unexpected EOF", err)
	}
	if want := "403 the answer cannot be read: "; !strings.Contains(err.Error(), want) {
		t.Errorf("%v does not hold %q", err, want)
	}
}

// storeThat starts a store that answers each put of an object of early bytes on a connection of its own as answer does, and
// returns what puts one.
func storeThat(t *testing.T, answer func(c net.Conn, body io.Reader)) (put func() error) {
	plainAWS(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	t.Cleanup(func() { _ = l.Close() })
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				req, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
				answer(c, req.Body) // what it leaves unread becomes a reset
			})
		}
	})
	p, err := NewS3(t.Context(), S3Options{Region: "us-east-1", S3Endpoint: "http://" + l.Addr().String(), PathStyle: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	o := objectOf("s3://lake", "a", "20261123", 1, nil)
	o.Bytes = early
	return func() error { return p.Put(t.Context(), o, io.NewSectionReader(zeros{}, 0, early)) }
}
