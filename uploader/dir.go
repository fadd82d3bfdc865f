package uploader

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"wazuh-security-lake/spool"
)

// partialDir holds files that are being written. It lies outside ext/, so that no reader of the lake sees them, and in the
// same file system, so that a link makes them visible at once.
const partialDir = ".tmp"

// partialAge is after how long a partial file must belong to a process that was killed.
const partialAge = 24 * time.Hour

// Dir is the Putter for file:///dir destinations.
type Dir struct{}

// NewDir makes a Putter for directories. The directory is part of each object's destination and is made when missing.
func NewDir() *Dir { return &Dir{} }

// Put writes o below the directory of its destination. On return the bytes and every name on the way to them are
// fsynced. An object becomes visible under its key complete or not at all, and never replaces another: bytes that are
// there already are compared, equal ones are ErrExists, others ErrDiffers. Nothing outside the directory is touched,
// also when a link inside it points out.
func (d *Dir) Put(ctx context.Context, o spool.Object, body io.ReadSeeker) error {
	err := d.put(ctx, o, body)
	if err == nil || errors.Is(err, ErrExists) {
		return err
	}
	return describe(o, "", err, time.Time{})
}

func (d *Dir) put(ctx context.Context, o spool.Object, body io.ReadSeeker) (err error) {
	t, err := parseDestination(o.Destination)
	if err == nil && t.dir == "" {
		err = fmt.Errorf("destination %q is not file:///", o.Destination)
	}
	if err == nil {
		err = checkKey(o.Key)
	}
	if err == nil && (o.Key == partialDir || strings.HasPrefix(o.Key, partialDir+"/")) {
		err = fmt.Errorf("object key %.80q lies in %s", o.Key, partialDir)
	}
	if err != nil {
		return &Error{Class: Configuration, Source: o.Source, Destination: o.Destination, Key: o.Key,
			Err: fmt.Errorf("%w: %w", errInput, err), Remedy: "run spool verify; spool retarget mends a destination"}
	}
	if err := makeRoot(t.dir); err != nil {
		return err
	}
	root, err := os.OpenRoot(t.dir)
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	defer root.Close()
	if err := makeDirs(root, partialDir); err != nil {
		return err
	}
	if err := makeDirs(root, path.Dir(o.Key)); err != nil {
		return err
	}
	if _, err := root.Lstat(o.Key); err == nil {
		return compare(ctx, root, o)
	}
	partial, err := writePartial(ctx, root, o, body)
	if partial != "" {
		// Not fsynced: a name that comes back after a power failure is swept up a day later.
		defer func() { err = errors.Join(err, root.Remove(partial)) }()
	}
	if err != nil {
		return err
	}
	// A link, not a rename: a rename would replace what another process has put there meanwhile.
	if err := root.Link(partial, o.Key); errors.Is(err, fs.ErrExist) {
		return compare(ctx, root, o)
	} else if err != nil {
		return fmt.Errorf("link object: %w", err)
	}
	return syncPath(root, path.Dir(o.Key))
}

// writePartial copies body into a new, fsynced file and returns its name, also together with an error once it exists.
func writePartial(ctx context.Context, root *os.Root, o spool.Object, body io.Reader) (name string, err error) {
	sweep(root, time.Now().Add(-partialAge))
	// The random part keeps two processes apart that ship the same object at the same time.
	name = path.Join(partialDir, path.Base(o.Key)+"."+rand.Text()[:8])
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return "", fmt.Errorf("create partial file: %w", err)
	}
	defer func() {
		if cerr := f.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("close partial file: %w", cerr)
		}
	}()
	h := sha256.New()
	n, err := io.CopyBuffer(io.MultiWriter(f, h), &contextReader{ctx, body}, make([]byte, 128<<10))
	if err != nil {
		return name, fmt.Errorf("write object: %w", err)
	}
	if n != o.Bytes || hex.EncodeToString(h.Sum(nil)) != strings.ToLower(o.SHA256) {
		return name, fmt.Errorf("write object: %w", spool.ErrCorrupt)
	}
	if err := f.Sync(); err != nil {
		return name, fmt.Errorf("sync object: %w", err)
	}
	return name, nil
}

// compare decides whether what lies under the key is the object. Equal bytes are made durable before they count as
// delivered: whoever wrote them may have been killed before the fsync.
func compare(ctx context.Context, root *os.Root, o spool.Object) error {
	info, err := root.Lstat(o.Key)
	if err != nil {
		return fmt.Errorf("look at existing object: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() != o.Bytes {
		return ErrDiffers
	}
	f, err := root.Open(o.Key)
	if err != nil {
		return fmt.Errorf("open existing object: %w", err)
	}
	defer f.Close()
	sum, _, err := digest(ctx, f)
	if err != nil {
		return fmt.Errorf("read existing object: %w", err)
	}
	if sum != strings.ToLower(o.SHA256) {
		return ErrDiffers
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync existing object: %w", err)
	}
	if err := syncPath(root, path.Dir(o.Key)); err != nil {
		return err
	}
	return ErrExists
}

// makeRoot makes the directory of a destination. The directories above it are fsynced only when something was made: they
// are not ours, and may not even be readable.
func makeRoot(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("open directory: %w", &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR}) // os.OpenRoot says it in words only
		}
		return nil
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	for dir != "/" {
		dir = path.Dir(dir)
		f, err := os.Open(dir)
		if err != nil {
			return fmt.Errorf("open directory to sync: %w", err)
		}
		err = f.Sync()
		_ = f.Close() // nothing was written through it
		if err != nil {
			return fmt.Errorf("sync directory %s: %w", dir, err)
		}
	}
	return nil
}

// makeDirs makes a path of directories. A directory may exist without being durable, made by a process that was killed
// before its fsync; syncPath takes care of that, here only what is needed to go on is done.
func makeDirs(root *os.Root, dir string) error {
	err := root.MkdirAll(dir, 0o750)
	if errors.Is(err, fs.ErrExist) { // as a file
		err = &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
	}
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	return nil
}

// syncPath fsyncs dir and every directory above it up to and including the root, so that the whole way to a new name is
// durable, whoever made it.
func syncPath(root *os.Root, dir string) error {
	for {
		f, err := root.Open(dir)
		if err != nil {
			return fmt.Errorf("open directory to sync: %w", err)
		}
		err = f.Sync()
		_ = f.Close() // nothing was written through it
		if err != nil {
			return fmt.Errorf("sync directory: %w", err)
		}
		if dir == "." {
			return nil
		}
		dir = path.Dir(dir)
	}
}

// sweep removes partial files older than limit. Errors are left to the next call: they cost space, nothing else.
func sweep(root *os.Root, limit time.Time) {
	entries, err := fs.ReadDir(root.FS(), partialDir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && info.ModTime().Before(limit) {
			_ = root.Remove(path.Join(partialDir, e.Name()))
		}
	}
}

// contextReader ends a copy when its context does.
type contextReader struct {
	ctx context.Context //nolint:containedctx // io.Reader has no other way
	r   io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
