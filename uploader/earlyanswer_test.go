package uploader

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
)

// TestEarlyAnswer: a store that answers 412 after the first bytes of the body and closes is heard, each time.
func TestEarlyAnswer(t *testing.T) {
	plainAWS(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { answerEarly(c) })
		}
	})
	defer serving.Wait()
	defer l.Close()
	p, err := NewS3(t.Context(), S3Options{Region: "us-east-1", S3Endpoint: "http://" + l.Addr().String(), PathStyle: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	const size = 8 << 20 // more than the buffers of both ends
	o := objectOf("s3://lake", "a", "20261123", 1, nil)
	o.Bytes = size
	for i := range 100 {
		if err := p.Put(t.Context(), o, io.NewSectionReader(zeros{}, 0, size)); !errors.Is(err, ErrExists) {
			t.Fatalf("put %d: %v, want ErrExists", i, err)
		}
	}
}

// answerEarly reads the head and a part of the body, answers and closes: what is unread becomes a reset.
func answerEarly(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
	_, _ = io.CopyN(io.Discard, req.Body, 64<<10)
	_, _ = io.WriteString(c, "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}
