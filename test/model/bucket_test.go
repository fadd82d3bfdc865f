package model

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"path"
	"strings"
	"sync"

	"wazuh-security-lake/spool"
	"wazuh-security-lake/uploader"
)

var errNetwork = errors.New("connection reset by peer")

// fate is what the bucket does with one request.
type fate int

const (
	storeIt    fate = iota
	failIt          // nothing is stored
	loseAnswer      // stored, the answer is lost
	throttleIt      // 503 SlowDown
	conflictIt      // 409
	killAfter       // stored, and the daemon is killed before it hears of it
)

// bucket is S3 with conditional writes. It outlives every daemon.
type bucket struct {
	mu      sync.Mutex
	objects map[string][]byte // guarded by mu
	script  []fate            // guarded by mu; what happens to the next requests
	puts    int               // guarded by mu
	exists  int               // guarded by mu; answers 412
}

func newBucket() *bucket { return &bucket{objects: map[string][]byte{}} }

func (b *bucket) plan(f fate, times int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range times {
		b.script = append(b.script, f)
	}
}

func (b *bucket) heal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.script = nil
}

// put is one PutObject with If-None-Match: *.
func (b *bucket) put(o spool.Object, data []byte) (fate, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.puts++
	f := storeIt
	if len(b.script) > 0 {
		f, b.script = b.script[0], b.script[1:]
	}
	switch f {
	case failIt:
		return f, errNetwork
	case throttleIt:
		return f, &uploader.Error{Class: uploader.Throttled, Source: o.Source, Destination: o.Destination, Key: o.Key, Err: errNetwork}
	case conflictIt:
		return f, &uploader.Error{Class: uploader.Conflict, Source: o.Source, Destination: o.Destination, Key: o.Key, Err: errNetwork}
	}
	if _, ok := b.objects[o.Key]; ok {
		b.exists++
		return f, uploader.ErrExists
	}
	b.objects[o.Key] = data
	if f == loseAnswer {
		return f, errNetwork
	}
	return f, nil
}

// line is the connection of one daemon process to the bucket: a dead process sends nothing.
type line struct {
	bucket *bucket
	alive  func() bool
	kill   func()
}

var _ uploader.Putter = line{}

// Put implements uploader.Putter.
func (l line) Put(ctx context.Context, o spool.Object, body io.ReadSeeker) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if !l.alive() {
		return errNetwork
	}
	f, err := l.bucket.put(o, data)
	if f == killAfter {
		l.kill()
	}
	return err
}

// checkName holds the bytes of an object against the hash in its name: same key, same bytes.
func checkName(key string, data []byte) string {
	sum := sha256.Sum256(data)
	name := strings.TrimSuffix(path.Base(key), ".parquet")
	if !strings.HasSuffix(name, "-"+hex.EncodeToString(sum[:8])) {
		return "object " + key + " does not have the bytes its name says"
	}
	return ""
}
