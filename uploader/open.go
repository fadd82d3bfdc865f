package uploader

import (
	"context"
	"fmt"
	"io"
	"sync"

	"wazuh-security-lake/spool"
)

// Destinations is a Putter that sends each object where its manifest says: it chooses by the scheme of the pinned
// destination, not by the configuration, so that what waits since before a change of configuration still arrives.
type Destinations struct {
	dir *Dir
	opt S3Options

	mu sync.Mutex
	s3 *S3 // guarded by mu; made when first needed
}

// Open makes the Putter for a configured destination, s3://bucket or file:///dir, and for all others that waiting objects
// may still be pinned to. With an s3 destination the AWS configuration is loaded at once, so that its faults show at
// the start; otherwise only if an object asks for S3. Close it after its last Put.
func Open(ctx context.Context, destination string, opt S3Options) (*Destinations, error) {
	t, err := parseDestination(destination)
	if err != nil {
		return nil, err
	}
	d := &Destinations{dir: NewDir(), opt: opt}
	if t.bucket != "" {
		if _, err := d.openS3(ctx); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *Destinations) openS3(ctx context.Context) (*S3, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.s3 == nil {
		s, err := NewS3(ctx, d.opt)
		if err != nil {
			return nil, err
		}
		d.s3 = s
	}
	return d.s3, nil
}

// Put stores o where it is pinned to. See Putter.
func (d *Destinations) Put(ctx context.Context, o spool.Object, body io.ReadSeeker) error {
	t, err := parseDestination(o.Destination)
	if err != nil {
		return &Error{Class: Configuration, Source: o.Source, Destination: o.Destination, Key: o.Key,
			Err: fmt.Errorf("%w: %w", errInput, err), Remedy: "run spool retarget"}
	}
	if t.dir != "" {
		return d.dir.Put(ctx, o, body)
	}
	s, err := d.openS3(ctx)
	if err != nil {
		return &Error{Class: Configuration, Source: o.Source, Destination: o.Destination, Key: o.Key, Err: err,
			Remedy: "mend the lake section of the configuration: objects wait for an s3:// destination"}
	}
	return s.Put(ctx, o, body)
}

// Close drops idle connections.
func (d *Destinations) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.s3 == nil {
		return nil
	}
	return d.s3.Close()
}

var (
	_ Putter = (*S3)(nil)
	_ Putter = (*Dir)(nil)
	_ Putter = (*Destinations)(nil)
)
