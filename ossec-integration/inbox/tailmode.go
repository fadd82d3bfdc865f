package inbox

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// SetTailMode sets or removes the marker that tells the program that the daemon reads alerts.json itself. Segments that
// are there stay and must be shipped first when the mode changes.
func (b *Inbox) SetTailMode(on bool) error {
	path := filepath.Join(b.dir, tailModeName)
	if !on {
		err := os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return errors.Join(err, syncDir(b.dir, b.opt))
	}
	f, err := b.create(path, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), syncDir(b.dir, b.opt))
}

// TailMode tells the program whether the marker is set, and whether this caller is the one to warn about it: the first
// one of each day, whose date it notes in the marker.
func TailMode(dir string, now time.Time) (on, warn bool, err error) {
	if err := checkDir(dir); err != nil {
		return false, false, err
	}
	f, err := openFile(filepath.Join(dir, tailModeName), os.O_RDWR, 0)
	if errors.Is(err, ErrMissing) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	defer f.Close() //nolint:errcheck // a date that is lost costs one more warning
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return true, false, nil // another one is about to warn
	}
	noted, err := io.ReadAll(io.LimitReader(f, 64))
	today := now.UTC().Format(time.DateOnly)
	if err != nil || string(noted) == today+"\n" {
		return true, false, nil
	}
	if err := f.Truncate(0); err != nil {
		return true, true, nil
	}
	_, _ = f.WriteAt([]byte(today+"\n"), 0) // see above
	return true, true, nil
}
