package inbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Placed says where Append has put the line.
type Placed int

// The places.
const (
	Nowhere   Placed = iota
	InSegment        // the ordinary case
	InRescue         // the lock was held too long; the daemon picks the file up
)

// Append puts line, which holds no newline, into the inbox at dir. On nil it is fsynced and stands there exactly once.
// On an error nothing of it is left, as far as the disk lets us say so.
//
// Append blocks at most opt.LockTimeout for the lock and as long as the disk takes for one fsync. Errors: ErrMissing,
// ErrFull (the refusal is counted), ErrStrange, ErrNoLine, and those of the file system.
func Append(dir string, line []byte, opt Options) (Placed, error) {
	opt = opt.withDefaults()
	if len(line) == 0 || bytes.ContainsAny(line, "\r\n") {
		return Nowhere, ErrNoLine
	}
	if err := checkDir(dir); err != nil {
		return Nowhere, err
	}
	record := append(bytes.Clone(line), '\n')
	held, err := lock(dir, opt)
	if errors.Is(err, ErrLocked) {
		if err := toRescue(dir, record, opt); err != nil {
			return Nowhere, fmt.Errorf("the lock is held by another process, and the rescue file failed: %w", err)
		}
		return InRescue, nil
	}
	if err != nil {
		return Nowhere, err
	}
	defer held.Close() //nolint:errcheck // releases the lock; nothing was written to it
	opt.step("locked")
	if err := toSegment(dir, record, opt); err != nil {
		return Nowhere, err
	}
	return InSegment, nil
}

// toSegment appends under the lock. The newest segment is looked up only now: before the lock it may have been rotated.
func toSegment(dir string, record []byte, opt Options) (err error) {
	list, err := segments(dir)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("%w: %s holds no segment", ErrMissing, dir)
	}
	if err := admit(dir, list, int64(len(record)), opt); err != nil {
		return err
	}
	f, err := openFile(list[len(list)-1].Path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := cutTail(f)
	if err != nil {
		return fmt.Errorf("cut unfinished line: %w", err)
	}
	opt.step("cut")
	if _, err = opt.write(f, record); err == nil {
		opt.step("written")
		err = opt.sync(f)
	}
	if err != nil {
		// Take it back, or the caller's failure report and the shipped alert would disagree. If this fails as well,
		// half a line is cut by the next caller; a whole one is shipped though it was reported lost, never twice.
		return errors.Join(err, f.Truncate(size), opt.sync(f))
	}
	opt.step("synced")
	return nil
}

// admit counts and refuses what would go beyond the limit.
func admit(dir string, list []Segment, add int64, opt Options) error {
	total := add
	for _, s := range list {
		total += s.Size
	}
	waiting, err := rescueFiles(dir)
	if err != nil {
		return err
	}
	for _, r := range waiting {
		total += r.size
	}
	limit, err := readLimit(dir)
	if err != nil {
		return err
	}
	if total <= limit {
		return nil
	}
	err = fmt.Errorf("%w: limit %d bytes", ErrFull, limit)
	f, openErr := openFile(filepath.Join(dir, refusedName), os.O_WRONLY|os.O_APPEND, 0)
	if openErr != nil {
		return errors.Join(err, fmt.Errorf("count the refusal: %w", openErr))
	}
	// No fsync: it is a figure for the operator, and a full inbox has the disk to spare for nobody.
	_, writeErr := opt.write(f, []byte("."))
	return errors.Join(err, writeErr, f.Close())
}

func readLimit(dir string) (int64, error) {
	path := filepath.Join(dir, limitName)
	f, err := openFile(path, os.O_RDONLY, 0)
	if errors.Is(err, ErrMissing) {
		return DefaultMaxSize, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // only read
	buf := make([]byte, 32)
	n, _ := f.Read(buf) // an error leaves no digits
	limit, err := strconv.ParseInt(strings.TrimSpace(string(buf[:n])), 10, 64)
	if err != nil || limit <= 0 {
		return 0, fmt.Errorf("%s: %w: no size", path, ErrStrange)
	}
	return limit, nil
}
