package tailer

import (
	"errors"
	"io"
	"io/fs"
	"time"
)

// relinkTries bounds how often the choice of a file is repeated when the log is rotated meanwhile.
const relinkTries = 4

// noFloor is the floor below every file.
const noFloor = "-"

func aboveFloor(name, floor string) bool {
	return floor == "" || floor == noFloor || order(name) > order(floor)
}

// current is the file being written, as far as names tell.
type current struct {
	path string
	id   fileID
	name string
	seg  segment // zero without a date
}

// liveFile looks up the file being written. During the 41 us in which analysisd has unlinked alerts.json and not linked
// it again there is none: io.EOF. When that lasts, or nothing was ever read, it is an error.
func (t *Tailer) liveFile() (current, error) {
	path, err := t.opt.Log.live(t.opt.FS)
	var info fs.FileInfo
	if err == nil {
		info, err = t.opt.FS.Stat(path)
	}
	if errors.Is(err, fs.ErrNotExist) && t.started {
		now := t.opt.Now()
		if t.missingSince.IsZero() {
			t.missingSince = now
		}
		if now.Sub(t.missingSince) < missingPatience {
			return current{}, io.EOF
		}
	}
	if err != nil {
		return current{}, &RetryError{Path: path, Err: err}
	}
	t.missingSince = time.Time{}
	return current{path: path, id: identify(info)}, nil
}

// relinked reports whether another file than the open one is being written now. The same inode linked again (the manager
// was restarted) is no rotation.
func (t *Tailer) relinked() (bool, error) {
	live, err := t.liveFile()
	return err == nil && live.id != t.cur.id, err
}

// nameLive finds the dated name of the live file: the one with its inode, else the one whose archive begins like it
// (monitord has compressed and unlinked the file an idle analysisd still writes), else its own.
func (t *Tailer) nameLive(live *current, segs []segment) error {
	live.name = t.opt.Log.undated()
	archives := 0
	for i := len(segs) - 1; i >= 0; i-- {
		if !segs[i].plain {
			continue
		}
		info, err := t.opt.FS.Stat(segs[i].path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if identify(info) == live.id {
			live.name, live.seg = segs[i].name, segs[i]
			return nil
		}
	}
	for i := len(segs) - 1; i >= 0 && archives < 3; i-- {
		if segs[i].plain || !segs[i].gz {
			continue
		}
		archives++
		same, err := t.sameHead(live.path, segs[i])
		if err != nil {
			return err
		}
		if same {
			live.name, live.seg = segs[i].name, segs[i]
			return nil
		}
	}
	return nil
}

// sameHead reports whether the plain file at path begins with the first line of the archive.
func (t *Tailer) sameHead(path string, seg segment) (bool, error) {
	archive, err := openArchive(t.opt.FS, seg.path+gzSuffix, seg.name)
	if errors.Is(err, errArchive) || errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer archive.close()
	plain, err := openPlain(t.opt.FS, path, seg.name)
	if err != nil {
		return false, err
	}
	defer plain.close()
	return plain.begins(archive.head)
}

// advance chooses the next file and opens it: the one the position names, then the oldest unread one, then the live one.
// It returns io.EOF when there is none now.
func (t *Tailer) advance() error {
	for range relinkTries {
		live, err := t.liveFile()
		missing := errors.Is(err, fs.ErrNotExist) || err == io.EOF
		if err != nil && !(missing && t.locating) {
			return err // without the live file nobody can tell which of the others are finished
		}
		segs, listErr := t.list()
		if listErr != nil {
			return listErr
		}
		if err == nil {
			if err := t.nameLive(&live, segs); err != nil {
				return err
			}
		}
		if live.name == "" && !missing {
			continue // rotated between the two looks
		}
		if t.locating {
			return t.locate(live, segs)
		}
		if !t.started {
			if raced, err := t.begin(live, segs); raced || err != nil || t.cur != nil {
				if raced {
					continue
				}
				return err
			}
		}
		if gap := t.vanished(segs); gap != nil {
			return gap
		}
		next, found, err := t.oldestUnread(segs, live)
		if err != nil {
			return err
		}
		raced := false
		if found && order(next.name) > order(live.name) && !t.opt.Log.revisits() {
			continue // it was made after the live file was looked up, which is no longer the live one, and unread too
		}
		if found {
			if order(next.name) > order(live.name) {
				// Usually the live file was left for this one after it was looked up: look around again at the end of
				// this one, not in a minute.
				t.lookedAround = time.Time{}
			}
			raced, err = t.openSegment(next)
		} else {
			raced, err = t.openLive(live)
		}
		if !raced {
			return err
		}
	}
	return io.EOF
}

// openLive opens the file being written, unless it has been relinked since it was looked up.
func (t *Tailer) openLive(live current) (raced bool, err error) {
	src, err := openPlain(t.opt.FS, live.path, live.name)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if src.id != live.id {
		src.close()
		return true, nil
	}
	return false, t.resume(src)
}

// openSegment opens a dated file, plain if it still is.
func (t *Tailer) openSegment(seg segment) (raced bool, err error) {
	var src *source
	if seg.plain {
		src, err = openPlain(t.opt.FS, seg.path, seg.name)
	} else {
		if t.archiveUnchanged(seg.name) {
			return false, t.archiveNotReady(seg.name)
		}
		src, err = openArchive(t.opt.FS, seg.path+gzSuffix, seg.name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if errors.Is(err, errArchive) {
		return false, t.archiveNotReady(seg.name)
	}
	if err != nil {
		return false, err
	}
	err = t.resume(src)
	if errors.Is(err, errArchive) {
		return false, t.archiveNotReady(seg.name)
	}
	return false, err
}

// resume goes on in a file at its mark, or at 0 if it has none. It takes over src.
func (t *Tailer) resume(src *source) error {
	for _, m := range t.marksOf(src.name) {
		same, err := src.begins(m.Head)
		if err != nil {
			src.close()
			return err
		}
		if !same || m.End <= 0 {
			continue
		}
		result, err := src.seek(&t.win, m.End, m.Tail)
		if err != nil {
			src.close()
			return err
		}
		if result == seekSame || result == seekShort && src.gz != nil {
			if result == seekShort {
				t.win.reset(m.End, nil) // complete and not longer than what was read
			}
			src.head = m.Head
			t.adopt(src)
			return nil
		}
		gap := &GapError{File: src.name, Head: m.Head, From: m.End, To: -1, Reason: GapTruncated}
		if result == seekDiffer {
			gap.Reason = GapRewritten
		}
		t.forget(m)
		src.close() // an archive cannot be read from the start again; the next call opens it there
		t.opt.OnEvent(Event{Kind: Restarted, File: src.name, Bytes: m.End})
		return gap
	}
	t.win.reset(0, nil)
	t.adopt(src)
	return nil
}

// adopt makes src the current file; the window stands where reading begins.
func (t *Tailer) adopt(src *source) {
	src.path = t.opt.Log.path(src.name)
	src.taken = t.win.offset()
	if before := t.pos.File; before != "" && order(src.name) < order(before) && t.opt.Log.path(before) != "" {
		t.opt.OnEvent(Event{Kind: ClockBack, File: src.name, Offset: src.taken})
	}
	t.cur = src
	t.locating = false
	delete(t.unread, src.name)
	t.waiting = archiveWait{}
	t.checkName(true)
	t.opt.OnEvent(Event{Kind: Opened, File: src.name, Offset: src.taken})
}
