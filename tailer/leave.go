package tailer

import (
	"errors"
	"io"
	"io/fs"
	"slices"
)

// detour leaves the live file, at the end of its last whole line, if another one is unread: the clock was wrong and
// right again between two looks, or while nobody looked. It looks when the first live file was read and then once a
// minute. Otherwise it is io.EOF.
func (t *Tailer) detour() error {
	now := t.opt.Now()
	since := now.Sub(t.lookedAround)
	if t.cur.path == "" || !t.opt.Log.revisits() || since >= 0 && since < detourInterval {
		return io.EOF
	}
	t.lookedAround = now
	segs, err := t.list()
	if err != nil {
		return err
	}
	if gap := t.vanished(segs); gap != nil {
		return gap
	}
	live := current{id: t.cur.id, path: t.cur.path}
	if err := t.nameLive(&live, segs); err != nil {
		return err
	}
	_, found, err := t.oldestUnread(segs, live)
	if err != nil {
		return err
	}
	if !found || live.name != t.cur.name {
		return io.EOF
	}
	t.finish()
	return nil
}

// finish leaves the current file behind, marked with the end of its last whole line.
func (t *Tailer) finish() {
	s := t.cur
	m := Mark{File: s.name, Head: s.head, Tail: fingerprint(t.win.guard()), End: t.win.offset()}
	if s.gz != nil {
		if size, err := contentSize(s); err == nil {
			t.archiveSize[s.name+s.head.Hash] = size
		}
	}
	t.pos = t.here()
	t.cur.close()
	t.cur = nil
	if s.path == "" {
		// A file without a date does not come back under its name; what has the name now is read from 0.
		t.pos = Position{File: s.name, Floor: t.pos.Floor, Done: t.pos.Done}
	}
	t.mark(m)
}

// mark remembers a file that was left behind. With more than maxMarks the oldest goes, but none of a file newer than the
// one just left (the clock stepped back over it): the floor must not be raised above what will be written.
func (t *Tailer) mark(m Mark) {
	path := t.opt.Log.path(m.File)
	if path == "" {
		return
	}
	if !t.opt.Log.revisits() {
		t.pos.Floor = max(t.pos.Floor, m.File)
		return
	}
	if _, err := t.opt.FS.Stat(path); m.End == 0 && errors.Is(err, fs.ErrNotExist) {
		return // analysisd removes an empty day's file
	}
	t.forget(m)
	t.pos.Done = append(t.pos.Done, m)
	if len(t.pos.Done) <= maxMarks {
		return
	}
	i := slices.IndexFunc(t.pos.Done, func(d Mark) bool { return order(d.File) <= order(m.File) })
	if gone := t.pos.Done[i].File; aboveFloor(gone, t.pos.Floor) {
		t.pos.Floor = gone
	}
	t.pos.Done = slices.Delete(t.pos.Done, i, i+1)
}

// forget removes the mark of the same file, if there is one.
func (t *Tailer) forget(m Mark) {
	t.pos.Done = slices.DeleteFunc(t.pos.Done, func(d Mark) bool { return d.File == m.File && d.Head == m.Head })
}

// marksOf returns the marks of a name, the newest first. There are several when a file was replaced by another.
func (t *Tailer) marksOf(name string) []Mark {
	var marks []Mark
	for _, m := range slices.Backward(t.pos.Done) {
		if m.File == name {
			marks = append(marks, m)
		}
	}
	return marks
}

// checkName finds out whether the open file still has its name and, if not, how much of it an archive holds.
func (t *Tailer) checkName(pause bool) {
	s := t.cur
	if s.gz != nil {
		return
	}
	was := s.lost
	if s.path == "" {
		info, err := s.file.Stat()
		s.lost = err == nil && links(info) == 0
	} else if info, err := t.opt.FS.Stat(s.path); err == nil {
		s.lost = identify(info) != s.id
	} else {
		s.lost = errors.Is(err, fs.ErrNotExist)
	}
	if !s.lost {
		return
	}
	if !was || pause && s.covered == 0 {
		s.covered = t.archived(s)
	}
	if t.win.offset() > max(s.covered, s.taken) {
		t.exposed = true
	}
	if was {
		t.warnUnlinked(int64(len(t.win.buf)))
	}
}

// archived is how many bytes of the open file a complete archive of it holds.
func (t *Tailer) archived(s *source) int64 {
	if s.path == "" {
		return 0
	}
	archive, err := openArchive(t.opt.FS, s.path+gzSuffix, s.name)
	if err != nil {
		return 0
	}
	defer archive.close()
	info, err := s.file.Stat()
	if err != nil {
		return 0
	}
	if same, err := s.begins(archive.head); err != nil || !same {
		return 0
	}
	size, err := contentSize(archive)
	if err != nil {
		return 0
	}
	// The trailer has the size modulo 4 GiB, and the file has grown by less than that since.
	return max(0, info.Size()-int64(uint32(info.Size())-uint32(size)))
}

// warnUnlinked reports an open file without a name of which more than slack bytes are unread and in no archive.
func (t *Tailer) warnUnlinked(slack int64) {
	s := t.cur
	info, err := s.file.Stat()
	if err != nil {
		return
	}
	only := info.Size() - max(t.win.offset(), s.covered)
	if now := t.opt.Now(); only > slack && now.Sub(s.warned) >= unlinkedWarning {
		s.warned = now
		t.opt.OnEvent(Event{Kind: Unlinked, File: s.name, Offset: t.win.offset(), Bytes: only})
	}
}

// archiveNotReady waits for an archive that does not decompress to its end: io.EOF. It is written by monitord under its
// final name, so this is usual for seconds. If it does not change for archivePatience it is damaged: its rest is a gap,
// because everything behind it would wait for ever.
func (t *Tailer) archiveNotReady(name string) error {
	now := t.opt.Now()
	if !t.archiveUnchanged(name) {
		t.waiting = archiveWait{name: name, since: now}
		if info, err := t.opt.FS.Stat(t.opt.Log.path(name) + gzSuffix); err == nil {
			t.waiting.id, t.waiting.size, t.waiting.mtime = identify(info), info.Size(), info.ModTime()
		}
		return io.EOF
	}
	waited := now.Sub(t.waiting.since)
	if waited >= archiveWarning && !t.waiting.warned {
		t.waiting.warned = true
		t.opt.OnEvent(Event{Kind: ArchiveNotReady, File: name, Bytes: t.waiting.size})
	}
	if waited < archivePatience {
		return io.EOF
	}
	gap := &GapError{File: name, To: -1, Reason: GapDamaged}
	if t.locating {
		gap.Head, gap.From = t.pos.Head, t.pos.Offset
		t.locating = false
	}
	t.waiting = archiveWait{}
	t.pos = Position{File: name, Floor: t.pos.Floor, Done: t.pos.Done}
	t.mark(Mark{File: name, End: -1})
	return gap
}

// archiveUnchanged reports whether the archive is the one being waited for and is as it was.
func (t *Tailer) archiveUnchanged(name string) bool {
	if t.waiting.name != name {
		return false
	}
	info, err := t.opt.FS.Stat(t.opt.Log.path(name) + gzSuffix)
	return err == nil && identify(info) == t.waiting.id && info.Size() == t.waiting.size && info.ModTime().Equal(t.waiting.mtime)
}

// Lag returns how many bytes are unread, up to the newest file; of an archive the size its trailer has, modulo 4 GiB.
// A caller that has stopped calling Next must call Lag at least once a minute: it is what notices that the open file was
// unlinked meanwhile.
func (t *Tailer) Lag() (int64, error) {
	if t.closed {
		return 0, ErrClosed
	}
	sum := int64(0)
	if s := t.cur; s != nil {
		size := int64(0)
		if s.gz != nil {
			n, err := contentSize(s)
			if err != nil {
				return 0, t.classify(err)
			}
			size = n
		} else {
			info, err := s.file.Stat()
			if err != nil {
				return 0, t.classify(err)
			}
			size = info.Size()
			t.checkName(true)
			if s.lost {
				t.warnUnlinked(0)
			}
		}
		sum += max(0, size-t.win.offset())
	}
	behind, err := t.behind()
	if err != nil {
		return 0, t.classify(err)
	}
	return sum + behind, nil
}

// behind is the size of what is unread in files other than the open one.
func (t *Tailer) behind() (int64, error) {
	path, err := t.opt.Log.live(t.opt.FS)
	if err != nil {
		return 0, err
	}
	info, err := t.opt.FS.Stat(path)
	if err != nil {
		return 0, err
	}
	live := current{path: path, id: identify(info)}
	segs, err := t.list()
	if err != nil {
		return 0, err
	}
	if err := t.nameLive(&live, segs); err != nil {
		return 0, err
	}
	sum, open, offset := int64(0), t.pos.File, t.pos.Offset
	if t.cur != nil {
		open, offset = t.cur.name, t.win.offset()
	}
	if !t.started {
		return 0, nil
	}
	for _, seg := range segs {
		if seg == live.seg || t.cur != nil && seg.name == open {
			continue
		}
		size, err := t.unreadIn(seg)
		if err != nil {
			return 0, err
		}
		if size >= 0 {
			t.unread[seg.name] = size
			if seg.name == open {
				size -= offset
			}
			sum += max(0, size)
		}
	}
	if t.cur == nil || t.cur.id != live.id {
		read := int64(0)
		for _, m := range t.marksOf(live.name) {
			read = max(read, m.End)
		}
		if t.cur == nil && open == live.name {
			read = offset
		}
		sum += max(0, info.Size()-read)
		if live.name != "" && t.opt.Log.path(live.name) != "" {
			t.unread[live.name] = info.Size()
		}
	}
	return sum, nil
}
