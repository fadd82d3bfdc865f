package uploader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"wazuh-security-lake/spool"
)

// Putter stores one finished object at its pinned destination.
//
// Put blocks until the object is durable there, the attempt has failed or ctx ends. It reads body from its current
// offset to the end, may seek it back to the start, never closes it, and does not touch it after it returned. nil means:
// this call stored the object. ErrExists means: an object with this key, and therefore with these bytes, was there
// already; for the caller that is success too. Any other error is described by Classify, and usually an *Error.
// Putters are safe for concurrent use.
type Putter interface {
	Put(ctx context.Context, o spool.Object, body io.ReadSeeker) error
}

var (
	// ErrExists reports that the object was at its destination before this call. It is a success.
	ErrExists = errors.New("object is already there")
	// ErrDiffers reports that other bytes lie under the key of an object.
	ErrDiffers = errors.New("another object lies under this key")
	// ErrBusy is returned by Run and Drain while another Run or Drain of the same Uploader is at work.
	ErrBusy = errors.New("uploader is already running")
)

// target is a parsed destination: a bucket or a directory.
type target struct {
	bucket string
	dir    string
}

// parseDestination accepts s3://bucket and file:///absolute/dir, nothing else. A path after the bucket is refused:
// the key of an object is complete, so a path here would be applied twice or not at all, depending on the reader.
func parseDestination(destination string) (target, error) {
	u, err := url.Parse(destination)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		// The text of a URL that does not parse may hold a password; it is not repeated.
		return target{}, errors.New("destination is neither s3://bucket nor file:///dir")
	}
	switch u.Scheme {
	case "s3":
		if u.Host == "" || strings.Trim(u.Path, "/") != "" {
			return target{}, fmt.Errorf("destination %q: want s3://bucket without a path", destination)
		}
		return target{bucket: u.Host}, nil
	case "file":
		if u.Host != "" || !filepath.IsAbs(u.Path) || strings.ContainsRune(u.Path, 0) {
			return target{}, fmt.Errorf("destination %q: want file:/// and an absolute directory", destination)
		}
		return target{dir: filepath.Clean(u.Path)}, nil
	}
	return target{}, fmt.Errorf("destination %q: want s3://bucket or file:///dir", destination)
}

// checkKey accepts only a clean relative path of printable characters. Keys are made by us, but one arrives here from
// a file on disk, and a key that climbs out of its prefix must not reach a file system or a bucket.
func checkKey(key string) error {
	if key == "." || !filepath.IsLocal(key) || filepath.Clean(key) != key || len(key) > 1024 {
		return fmt.Errorf("object key %.80q is not a clean relative path", key)
	}
	for _, r := range key {
		if r < 0x20 || r == 0x7f || r == '\\' || r == 0xFFFD {
			return fmt.Errorf("object key %.80q holds a character that is not allowed", key)
		}
	}
	return nil
}
