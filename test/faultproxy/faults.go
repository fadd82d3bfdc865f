package faultproxy

import (
	"bytes"
	"encoding/xml"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"
)

// Fault is one way to fail, made by the functions below.
type Fault struct {
	conn  func(net.Conn)  // what becomes of a new connection; must not block
	serve func(*exchange) // what becomes of a request
}

// Answer refuses with a status and the error document of S3; headers are pairs of name and value.
func Answer(status int, code, message string, headers ...string) Fault {
	return Fault{serve: func(x *exchange) { x.fail(status, code, message, headers...) }}
}

// NoConditions is a store that does not know If-None-Match and says so.
func NoConditions() Fault {
	return Fault{serve: func(x *exchange) {
		if x.r.Header.Get("If-None-Match") != "" {
			x.fail(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented")
			return
		}
		x.deliver(x.ask(x.r.Body, x.r.ContentLength))
	}}
}

// Reset ends the connection of a request with RST before anything was answered.
func Reset() Fault { return Fault{serve: func(x *exchange) { x.cut("", true) }} }

// BlackHole accepts connections and never answers a byte.
func BlackHole() Fault { return Fault{conn: func(net.Conn) {}} }

// HalfBody passes half of the body on and then ends both connections: the server has seen half an object.
func HalfBody() Fault {
	return Fault{serve: func(x *exchange) {
		half := io.MultiReader(io.LimitReader(x.r.Body, x.r.ContentLength/2), broken{})
		_, _ = x.ask(half, x.r.ContentLength) // an error, by intention
		x.cut("", true)
	}}
}

// Stall takes half of the body and then nothing more, and answers nothing; the connection stays open.
func Stall() Fault {
	return Fault{serve: func(x *exchange) {
		_, _ = io.CopyN(io.Discard, x.r.Body, x.r.ContentLength/2)
		select {
		case <-x.r.Context().Done():
		case <-x.proxy.done:
		}
	}}
}

// Slow passes everything on, at so many bytes per second.
func Slow(rate int64) Fault {
	return Fault{serve: func(x *exchange) { x.deliver(x.ask(&slowReader{x.r.Body, rate}, x.r.ContentLength)) }}
}

// LostAnswer lets the server store the object and ends the connection instead of answering.
func LostAnswer() Fault {
	return Fault{serve: func(x *exchange) {
		_, _ = x.ask(x.r.Body, x.r.ContentLength)
		x.cut("", true)
	}}
}

// TruncatedAnswer lets the server store the object and breaks off in the header of the answer.
func TruncatedAnswer() Fault {
	return Fault{serve: func(x *exchange) {
		_, _ = x.ask(x.r.Body, x.r.ContentLength)
		x.cut("HTTP/1.1 200 OK\r\nServer: AmazonS3\r\nETag: \"d41d8cd9", false)
	}}
}

// TruncatedError breaks off in the middle of an error document that was announced longer.
func TruncatedError() Fault {
	return Fault{serve: func(x *exchange) {
		_, _ = io.Copy(io.Discard, x.r.Body)
		x.cut("HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/xml\r\nContent-Length: 400\r\n\r\n<?xml version=\"1.0\"?><Error><Code>Inter", false)
	}}
}

// FlippedBit changes one bit of the body on the way; the real server answers with what it thinks of it.
func FlippedBit() Fault {
	return Fault{serve: func(x *exchange) {
		b, err := x.body()
		if err != nil {
			return
		}
		b[len(b)/2] ^= 1
		x.deliver(x.ask(bytes.NewReader(b), int64(len(b))))
	}}
}

// Twice sends the same request to the server a second time, as a retrying load balancer does, and delivers the second answer.
func Twice() Fault {
	return Fault{serve: func(x *exchange) {
		b, err := x.body()
		if err != nil {
			return
		}
		first, err := x.ask(bytes.NewReader(b), int64(len(b)))
		if err != nil || first.status != http.StatusOK {
			x.deliver(first, err)
			return
		}
		second, err := x.ask(bytes.NewReader(b), int64(len(b)))
		x.upstream = first.status // it was stored by the first one
		x.deliver(second, err)
	}}
}

// broken ends a body with an error, so that the transport gives the request up.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// slowReader reads a twentieth of a second's worth at a time.
type slowReader struct {
	r    io.Reader
	rate int64
}

func (s *slowReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p[:min(int64(len(p)), max(s.rate/20, 1))])
	time.Sleep(time.Duration(n) * time.Second / time.Duration(s.rate)) // a slow line in real time is what this is
	return n, err
}

// escape makes text fit for an error document.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder does not fail
	return b.String()
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
