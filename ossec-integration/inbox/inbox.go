// Package inbox is the hand-over between custom-security-lake, which integratord runs once per alert as user wazuh, and
// the daemon. It uses the standard library only: the program that imports it must stay small.
//
//	/var/spool/wazuh-security-lake   2750 daemon:wazuh   the program may read here, it creates nothing
//	  lock                           0660                never unlinked; flock(LOCK_EX) orders everything below
//	  limit                          0640                bytes that segments and rescue files may hold together
//	  refused                        0660                one byte for each alert refused at the limit
//	  tail-mode                      0660                there: nobody reads segments; the day of the last warning
//	  000000000012.ndjson            0660                segment; only the newest is appended to
//	  rescue/                        2770                one file per alert whose program could not get the lock
//
// A line is in the inbox when Append has returned nil: it is then whole, fsynced and in exactly one place. A program
// that dies leaves either nothing, or half a line at the end of the newest segment, or a whole line that nobody has
// acknowledged. Half a line is cut by whoever takes the lock next; so a reader must never keep the bytes behind the last
// newline: they may be replaced by others. A whole line is shipped. Only when fsync fails a whole last line may vanish
// again; a reader that has consumed it sees the segment shrink and goes on at its new end.
//
// The daemon reads segments in the order of their numbers, without the lock. Numbers are never used twice, because the
// newest segment is never removed.
package inbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// DefaultDir is where the inbox lies unless WAZUH_LAKE_INBOX or input.inbox say otherwise.
const DefaultDir = "/var/spool/wazuh-security-lake"

// DefaultMaxSize is the limit where none is given.
const DefaultMaxSize = 1 << 30

// Errors that callers tell apart.
var (
	ErrMissing = errors.New("the inbox is not set up")        // no directory, lock or segment
	ErrFull    = errors.New("the inbox is full")              // at its size limit; the refusal was counted
	ErrStrange = errors.New("not what the inbox should hold") // a symlink, device or directory where a file belongs
	ErrLocked  = errors.New("the lock of the inbox is held")  // longer than the time allowed
	ErrNewest  = errors.New("the newest segment must not go") // Remove
	ErrNoLine  = errors.New("an alert must be one line")      // Append
)

const (
	lockName     = "lock"
	limitName    = "limit"
	refusedName  = "refused"
	tailModeName = "tail-mode"
	rescueName   = "rescue"
	suffix       = ".ndjson"
	digits       = 12
)

// Options are the same for both sides; the zero value is right in production.
type Options struct {
	MaxSize     int64         // limit that Create writes down; 0 is DefaultMaxSize
	LockTimeout time.Duration // how long to wait for the lock; 0 is 5 s
	GID         int           // group of the files when larger than 0 (wazuh); else the one of the directory
	Now         func() time.Time
	Sleep       func(time.Duration) // waits between two tries for the lock

	chown func(name string, uid, gid int) error
	chmod func(name string, mode fs.FileMode) error
	write func(*os.File, []byte) (int, error)
	sync  func(*os.File) error
	step  func(string) // told each point where a crash makes a difference
}

func (o Options) withDefaults() Options {
	if o.MaxSize == 0 {
		o.MaxSize = DefaultMaxSize
	}
	if o.LockTimeout == 0 {
		o.LockTimeout = 5 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = time.Sleep
	}
	if o.chown == nil {
		o.chown = os.Lchown
	}
	if o.chmod == nil {
		o.chmod = os.Chmod
	}
	if o.write == nil {
		o.write = (*os.File).Write
	}
	if o.sync == nil {
		o.sync = (*os.File).Sync
	}
	if o.step == nil {
		o.step = func(string) {}
	}
	return o
}

// Segment is one numbered file of the inbox.
type Segment struct {
	Number uint64
	Path   string
	Size   int64
}

func segmentName(n uint64) string { return fmt.Sprintf("%0*d%s", digits, n, suffix) }

func segmentNumber(name string) (uint64, bool) {
	text, ok := strings.CutSuffix(name, suffix)
	if !ok || len(text) != digits {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil
}

// segments lists what is there, oldest first. Whatever is not a regular file is an error: only the daemon can have put
// it there, and reading on without it would lose its lines silently.
func segments(dir string) ([]Segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, missing(err)
	}
	var list []Segment
	for _, entry := range entries {
		n, ok := segmentNumber(entry.Name())
		if !ok {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // released meanwhile
		}
		if err != nil {
			return nil, err
		}
		path := filepath.Join(dir, entry.Name())
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s: %w", path, ErrStrange)
		}
		list = append(list, Segment{n, path, info.Size()})
	}
	slices.SortFunc(list, func(a, b Segment) int { return strings.Compare(a.Path, b.Path) })
	return list, nil
}

// missing marks an absent file as ErrMissing and keeps the rest as it is.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrMissing, err)
	}
	return err
}

// checkDir refuses a symlink: whoever could make one could send the alerts elsewhere.
func checkDir(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return missing(err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s: %w", dir, ErrStrange)
	}
	return nil
}

// openFile opens a regular file and nothing else. It does not follow a symlink and does not wait for a FIFO.
func openFile(path string, flags int, mode fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flags|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_CLOEXEC, mode)
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.EISDIR) {
		return nil, fmt.Errorf("%s: %w", path, ErrStrange)
	}
	if err != nil {
		return nil, missing(err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", path, ErrStrange)
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return f, nil
}

// lock takes LOCK_EX within the time allowed. Close the file to release it. It polls: a blocking flock cannot be
// called back without a signal, and two programs at a time are rare.
func lock(dir string, opt Options) (*os.File, error) {
	f, err := openFile(filepath.Join(dir, lockName), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	deadline := opt.Now().Add(opt.LockTimeout)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			break
		}
		if !opt.Now().Before(deadline) {
			err = ErrLocked
			break
		}
		opt.Sleep(pause)
	}
	_ = f.Close() // not locked
	return nil, fmt.Errorf("lock %s: %w", dir, err)
}

// syncDir makes the names in dir durable.
func syncDir(dir string, opt Options) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = opt.sync(d)
	return errors.Join(err, d.Close())
}

// cutTail removes what stands behind the last newline of f and returns the size that is left. The caller holds the lock.
func cutTail(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	end := info.Size()
	buf := make([]byte, 4<<10)
	for at := end; at > 0; {
		n := min(at, int64(len(buf)))
		if _, err := f.ReadAt(buf[:n], at-n); err != nil {
			return 0, err
		}
		if i := strings.LastIndexByte(string(buf[:n]), '\n'); i >= 0 {
			at = at - n + int64(i) + 1
			if at == end {
				return end, nil
			}
			return at, f.Truncate(at)
		}
		at -= n
	}
	if end == 0 {
		return 0, nil
	}
	return 0, f.Truncate(0)
}
