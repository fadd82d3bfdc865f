package inbox

import (
	"errors"
	"fmt"
	"os"
)

// Settle makes what stands in the newest segment durable and returns the segment with the size that will never shrink
// again: whole lines, fsynced, and no program is about to take one back. A reader that stays below it never reads half
// a line and never a line whose fsync failed. It blocks for the lock (ErrLocked) and for one fsync.
func (b *Inbox) Settle() (Segment, error) {
	var newest Segment
	err := b.locked(func() error {
		list, err := segments(b.dir)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return fmt.Errorf("%w: %s holds no segment", ErrMissing, b.dir)
		}
		newest = list[len(list)-1]
		newest.Size, err = b.finish(newest.Path)
		return err
	})
	if err != nil {
		return Segment{}, fmt.Errorf("settle inbox: %w", err)
	}
	return newest, nil
}

// finish cuts half a line off a segment, fsyncs it and returns its size. The caller holds the lock.
func (b *Inbox) finish(path string) (int64, error) {
	f, err := openFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	size, err := cutTail(f)
	if err == nil {
		err = b.opt.sync(f)
	}
	return size, errors.Join(err, f.Close())
}
