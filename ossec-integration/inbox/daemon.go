package inbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Inbox is the daemon's side. Its methods may be called by several goroutines; the lock on disk orders them.
type Inbox struct {
	dir string
	opt Options
}

// Create makes what is missing at dir (the directory, too, if its parent is there), writes the limit down and returns
// the daemon's side. It is called at every start; segments that are there stay. It blocks for the lock.
func Create(dir string, opt Options) (*Inbox, error) {
	b := &Inbox{dir, opt.withDefaults()}
	if err := b.directory(dir, 0o750); err != nil {
		return nil, fmt.Errorf("create inbox: %w", err)
	}
	if err := b.directory(filepath.Join(dir, rescueName), 0o770); err != nil {
		return nil, fmt.Errorf("create inbox: %w", err)
	}
	for _, name := range []string{lockName, refusedName} {
		f, err := b.create(filepath.Join(dir, name), 0)
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("create inbox: %w", err)
		}
	}
	if err := b.writeLimit(); err != nil {
		return nil, fmt.Errorf("create inbox: %w", err)
	}
	err := b.locked(func() error {
		list, err := segments(dir)
		if err == nil && len(list) == 0 {
			err = b.newSegment(1)
		}
		return errors.Join(err, syncDir(dir, b.opt))
	})
	if err != nil {
		return nil, fmt.Errorf("create inbox: %w", err)
	}
	return b, nil
}

// directory makes dir or gives an existing one its group and mode. Usually tmpfiles has made it right and nothing is
// changed: a service under RestrictSUIDSGID= may not set the setgid bit.
func (b *Inbox) directory(dir string, mode fs.FileMode) error {
	if err := os.Mkdir(dir, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := checkDir(dir); err != nil {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if ok && b.opt.GID > 0 && int(stat.Gid) != b.opt.GID {
		if err := b.opt.chown(dir, -1, b.opt.GID); err != nil {
			return err
		}
		if info, err = os.Lstat(dir); err != nil { // some file systems clear the setgid bit then
			return err
		}
	}
	// The bit hands the group down to every file made here.
	if want := mode | fs.ModeSetgid; info.Mode()&(fs.ModePerm|fs.ModeSetgid) != want {
		return b.opt.chmod(dir, want)
	}
	return nil
}

// create makes or opens a file that the group may write, whatever the umask.
func (b *Inbox) create(path string, flags int) (*os.File, error) {
	f, err := openFile(path, os.O_RDWR|os.O_CREATE|flags, 0o660)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && b.opt.GID > 0 {
		err = f.Chown(-1, b.opt.GID)
	}
	if err == nil && info.Mode().Perm() != 0o660 { // left alone when right: it may be root's
		err = f.Chmod(0o660)
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return f, nil
}

// writeLimit replaces the file by rename: a program may be reading it.
func (b *Inbox) writeLimit() error {
	path := filepath.Join(b.dir, limitName)
	f, err := b.create(path+temporary, os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strconv.FormatInt(b.opt.MaxSize, 10) + "\n")
	err = errors.Join(err, f.Chmod(0o640), b.opt.sync(f), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(path+temporary, path)
}

func (b *Inbox) locked(do func() error) error {
	held, err := lock(b.dir, b.opt)
	if err != nil {
		return err
	}
	defer held.Close() //nolint:errcheck // releases the lock; nothing was written to it
	return do()
}

// newSegment makes an empty segment; the caller holds the lock and syncs the directory.
func (b *Inbox) newSegment(n uint64) error {
	f, err := b.create(filepath.Join(b.dir, segmentName(n)), os.O_EXCL)
	if err != nil {
		return err
	}
	return f.Close()
}

// Dir returns the directory.
func (b *Inbox) Dir() string { return b.dir }

// Segments lists the segments, oldest first. The last one is still appended to.
func (b *Inbox) Segments() ([]Segment, error) {
	list, err := segments(b.dir)
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	return list, nil
}

// Rotate closes the newest segment and begins the next. An empty one stays the newest. When Rotate has returned, the
// closed segment ends with a newline, is fsynced and never changes again. It blocks for the lock (ErrLocked).
func (b *Inbox) Rotate() error {
	err := b.locked(func() error {
		list, err := segments(b.dir)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return errors.Join(b.newSegment(1), syncDir(b.dir, b.opt))
		}
		newest := list[len(list)-1]
		if size, err := b.finish(newest.Path); err != nil || size == 0 {
			return err
		}
		return errors.Join(b.newSegment(newest.Number+1), syncDir(b.dir, b.opt))
	})
	if err != nil {
		return fmt.Errorf("rotate inbox: %w", err)
	}
	return nil
}

// Remove deletes segment number n. Call it only after every batch that holds lines of it was released. The newest
// segment is refused with ErrNewest; one that is not there is no error, so Remove can be repeated after a crash.
// The removal is durable on return.
func (b *Inbox) Remove(n uint64) error {
	list, err := segments(b.dir)
	if err != nil {
		return fmt.Errorf("remove segment %d: %w", n, err)
	}
	for i, s := range list {
		if s.Number != n {
			continue
		}
		if i == len(list)-1 {
			return fmt.Errorf("remove segment %d: %w", n, ErrNewest)
		}
		if err := os.Remove(s.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove segment: %w", err)
		}
	}
	if err := syncDir(b.dir, b.opt); err != nil {
		return fmt.Errorf("remove segment %d: %w", n, err)
	}
	return nil
}

// Refused returns how many alerts the program has refused at the limit since the inbox was made.
func (b *Inbox) Refused() (int64, error) {
	info, err := os.Lstat(filepath.Join(b.dir, refusedName))
	if err != nil {
		return 0, fmt.Errorf("read refusals: %w", missing(err))
	}
	return info.Size(), nil
}
