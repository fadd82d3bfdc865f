package inbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const temporary = ".tmp"

// unfinished is how old a file without its final name must be before it counts as left behind by a dead program.
const unfinished = 10 * time.Minute

type rescueFile struct {
	name string
	size int64
	info fs.FileInfo
}

// toRescue writes a file of its own. It gets its name only when it is whole and fsynced, so the daemon never meets half
// an alert there.
func toRescue(dir string, record []byte, opt Options) error {
	list, err := segments(dir)
	if err != nil {
		return err
	}
	if err := admit(dir, list, int64(len(record)), opt); err != nil {
		return err
	}
	rescue := filepath.Join(dir, rescueName)
	if err := checkDir(rescue); err != nil {
		return err
	}
	// The time comes first so that the daemon takes them in their order; with the process ID no two are the same.
	name := filepath.Join(rescue, fmt.Sprintf("%020d-%d", opt.Now().UnixNano(), os.Getpid()))
	f, err := openFile(name+temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o660)
	if err != nil {
		return err
	}
	_, err = opt.write(f, record)
	if err == nil {
		err = f.Chmod(0o660) // whatever the umask: the daemon is in the group
	}
	if err == nil {
		err = opt.sync(f)
	}
	err = errors.Join(err, f.Close())
	opt.step("rescue-written")
	if err == nil {
		err = os.Rename(name+temporary, name+suffix)
	}
	if err != nil {
		return errors.Join(err, os.Remove(name+temporary))
	}
	opt.step("rescue-named")
	if err := syncDir(rescue, opt); err != nil {
		return errors.Join(err, os.Remove(name+suffix))
	}
	return nil
}

// rescueFiles lists what lies in rescue, oldest first; the program may not list it in full if one vanishes meanwhile.
func rescueFiles(dir string) ([]rescueFile, error) {
	entries, err := os.ReadDir(filepath.Join(dir, rescueName))
	if err != nil {
		return nil, missing(err)
	}
	var list []rescueFile
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil {
			list = append(list, rescueFile{entry.Name(), info.Size(), info})
		}
	}
	slices.SortFunc(list, func(a, b rescueFile) int { return strings.Compare(a.name, b.name) })
	return list, nil
}

// Rescue turns the files in rescue into segments, each by one rename: it is either still there or already a segment,
// so no crash loses or doubles an alert. It returns how many. Names of anything else found there come in strange, which
// is left alone: it is no alert, and the group wazuh may write there. Rescue blocks for the lock only if there is work.
func (b *Inbox) Rescue() (picked int, strange []string, err error) {
	waiting, err := rescueFiles(b.dir)
	if err != nil {
		return 0, nil, fmt.Errorf("pick up rescue files: %w", err)
	}
	var ready []string
	for _, r := range waiting {
		switch {
		case strings.HasSuffix(r.name, suffix) && ordinary(r.info):
			ready = append(ready, r.name)
		case strings.HasSuffix(r.name, temporary) && ordinary(r.info):
			if b.opt.Now().Sub(r.info.ModTime()) > unfinished {
				err = errors.Join(err, os.Remove(filepath.Join(b.dir, rescueName, r.name))) // never acknowledged
			}
		default:
			strange = append(strange, r.name)
		}
	}
	if len(ready) > 0 {
		err = errors.Join(err, b.locked(func() (err error) {
			picked, err = b.adopt(ready)
			return err
		}))
	}
	if err != nil {
		return picked, strange, fmt.Errorf("pick up rescue files: %w", err)
	}
	return picked, strange, nil
}

// ordinary is a regular file with one name: a second name would let its owner change the segment's place in the order.
func ordinary(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Mode().IsRegular() && stat.Nlink == 1
}

// adopt runs under the lock. What was the newest segment is finished first, for it is no longer the one appended to.
func (b *Inbox) adopt(names []string) (picked int, err error) {
	list, err := segments(b.dir)
	if err != nil {
		return 0, err
	}
	next := uint64(1)
	if len(list) > 0 {
		newest := list[len(list)-1]
		if _, err := b.finish(newest.Path); err != nil {
			return 0, err
		}
		next = newest.Number + 1
	}
	for _, name := range names {
		from, to := filepath.Join(b.dir, rescueName, name), filepath.Join(b.dir, segmentName(next))
		if err := os.Rename(from, to); err != nil {
			return picked, errors.Join(err, b.topUp(next))
		}
		b.opt.step("adopted")
		// Looked at again now that only the daemon can change the name: in rescue it may have been swapped.
		info, err := os.Lstat(to)
		if err != nil {
			return picked, err
		}
		if !ordinary(info) {
			if err := os.Rename(to, from); err != nil { // the next call names it as strange
				return picked, err
			}
			continue
		}
		picked++
		next++
	}
	return picked, b.topUp(next)
}

// topUp puts a segment of the daemon's own on top and makes the names durable.
func (b *Inbox) topUp(n uint64) error {
	return errors.Join(b.newSegment(n), syncDir(b.dir, b.opt), syncDir(filepath.Join(b.dir, rescueName), b.opt))
}
