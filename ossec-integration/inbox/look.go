package inbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Content is what an inbox holds.
type Content struct {
	Segments int
	Bytes    int64 // of all segments, also of what was read but is not released yet
	Refused  int64 // alerts refused at the limit since the inbox was made
}

// Look reads what is in the inbox at dir, without the lock and without changing anything. ErrMissing: there is none.
func Look(dir string) (Content, error) {
	list, err := segments(dir)
	if err != nil {
		return Content{}, fmt.Errorf("look into the inbox: %w", err)
	}
	c := Content{Segments: len(list)}
	for _, s := range list {
		c.Bytes += s.Size
	}
	info, err := os.Lstat(filepath.Join(dir, refusedName))
	if err = missing(err); err != nil && !errors.Is(err, ErrMissing) {
		return c, fmt.Errorf("look into the inbox: %w", err)
	}
	if err == nil {
		c.Refused = info.Size()
	}
	return c, nil
}
