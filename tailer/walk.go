package tailer

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
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
		if found {
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

// list returns the files of the log. Plain and archive of one name are one file, the plain one is read; but when they
// begin differently they are two, the archive first: the clock stepped back to a day that was compressed already.
func (t *Tailer) list() ([]segment, error) {
	segs, err := t.opt.Log.list(t.opt.FS, t.pos.Floor)
	if err != nil {
		return nil, err
	}
	all := make([]segment, 0, len(segs))
	for _, seg := range segs {
		if seg.plain && seg.gz {
			same, err := t.sameFile(seg)
			if err != nil {
				return nil, err
			}
			if !same {
				archive := seg
				archive.plain = false
				all = append(all, archive)
			}
			seg.gz = false
		}
		all = append(all, seg)
	}
	return all, nil
}

// sameFile reports whether plain file and archive of one name are the same file, as while monitord is compressing it.
func (t *Tailer) sameFile(seg segment) (bool, error) {
	archive, err := openArchive(t.opt.FS, seg.path+gzSuffix, seg.name)
	if errors.Is(err, errArchive) || errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer archive.close()
	plain, err := openPlain(t.opt.FS, seg.path, seg.name)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer plain.close()
	same, err := plain.begins(archive.head)
	return same || archive.head.Len == 0, err
}

// begin applies StartAt: it sets the floor, and for the end opens the live file there.
func (t *Tailer) begin(live current, segs []segment) (raced bool, err error) {
	now := t.opt.Now()
	at := t.opt.StartAt
	first := at.firstDay(now)
	floor := -1 // index of the newest file that is not read
	for i, seg := range segs {
		older := seg.day.Before(first)
		switch {
		case at.kind == startEnd:
			older = order(seg.name) < order(live.name)
		case !t.opt.Log.revisits():
			older = false // an inbox holds only what was never read
		}
		if older {
			floor = i
		}
	}
	if at.kind == startTime && t.opt.Log.revisits() {
		// The first alerts of a day may stand in the file before: an idle manager rotates up to a second after them.
		floor--
	}
	t.pos.Floor = noFloor
	if floor >= 0 {
		t.pos.Floor = segs[floor].name
	}
	t.startTime = at.firstTime(now)
	t.skipping = at.kind == startTime || at.kind != startEnd && t.opt.Log.revisits() && live.seg.day.Before(first)
	if at.kind != startEnd {
		t.started = true
		return false, nil
	}
	src, err := openPlain(t.opt.FS, live.path, live.name)
	if err != nil {
		return false, err
	}
	if src.id != live.id {
		src.close()
		return true, nil
	}
	end, guard, err := lastNewline(src)
	if err == nil {
		content := make([]byte, headLen)
		var n int
		n, err = src.read(content, 0)
		src.head = headOf(content[:n])
	}
	if err != nil {
		src.close()
		return false, err
	}
	if end == 0 {
		src.head = Fingerprint{}
	}
	t.win.reset(end, guard)
	t.started = true
	t.adopt(src)
	return false, nil
}

// lastNewline finds the end of the last whole line and the bytes before it.
func lastNewline(s *source) (end int64, guard []byte, err error) {
	info, err := s.file.Stat()
	if err != nil {
		return 0, nil, err
	}
	buf := make([]byte, 64<<10)
	for hi := info.Size(); hi > 0; {
		lo := max(0, hi-int64(len(buf)))
		n, err := s.read(buf[:hi-lo], lo)
		if err != nil {
			return 0, nil, err
		}
		for i := n - 1; i >= 0; i-- {
			if buf[i] == '\n' {
				end = lo + int64(i) + 1
				guard = make([]byte, min(end, tailLen))
				n, err := s.read(guard, end-int64(len(guard)))
				return end, guard[:n], err
			}
		}
		hi = lo
	}
	return 0, nil, nil
}

// oldestUnread returns the first file, in order, that holds bytes nobody has read, the live one left aside.
func (t *Tailer) oldestUnread(segs []segment, live current) (next segment, found bool, err error) {
	clear(t.unread)
	for _, seg := range segs {
		if seg == live.seg {
			continue
		}
		size, err := t.unreadIn(seg)
		if err != nil {
			return segment{}, false, err
		}
		if size < 0 {
			continue
		}
		if !found {
			next, found = seg, true
			continue
		}
		t.unread[seg.name] = size
	}
	return next, found, nil
}

// vanished names a file that was seen waiting and is gone, plain and archive, before its turn.
func (t *Tailer) vanished(segs []segment) error {
	for name, size := range t.unread {
		there := false
		for _, seg := range segs {
			there = there || seg.name == name
		}
		if !there {
			delete(t.unread, name)
			if size > 0 {
				return &GapError{File: name, To: size, Reason: GapNotFound}
			}
		}
	}
	return nil
}

// unreadIn returns how many bytes of a file, not the live one, are unread, -1 if the file is done with. A file without a
// mark that is above the floor is never done with, even when empty: only opening it tells.
func (t *Tailer) unreadIn(seg segment) (int64, error) {
	marks := t.marksOf(seg.name)
	if len(marks) == 0 && !aboveFloor(seg.name, t.pos.Floor) {
		return -1, nil
	}
	if !seg.plain {
		return t.unreadInArchive(seg, marks)
	}
	info, err := t.opt.FS.Stat(seg.path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // just compressed: it is looked for again when it is opened
	}
	if err != nil {
		return 0, err
	}
	for _, m := range marks {
		if m.End == info.Size() {
			return -1, nil
		}
	}
	if len(marks) == 0 {
		return info.Size(), nil
	}
	src, err := openPlain(t.opt.FS, seg.path, seg.name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer src.close()
	for _, m := range marks {
		same, err := src.begins(m.Head)
		if err != nil {
			return 0, err
		}
		if same {
			if info.Size() < m.End {
				return -1, nil // cut off after it was read
			}
			return info.Size() - m.End, nil
		}
	}
	return info.Size(), nil
}

func (t *Tailer) unreadInArchive(seg segment, marks []Mark) (int64, error) {
	src, err := openArchive(t.opt.FS, seg.path+gzSuffix, seg.name)
	if errors.Is(err, errArchive) || errors.Is(err, fs.ErrNotExist) {
		if len(marks) > 0 {
			return -1, nil // it was read while it was plain, or given up
		}
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer src.close()
	size, err := contentSize(src)
	if err != nil {
		return 0, err
	}
	if done, ok := t.archiveSize[seg.name+src.head.Hash]; ok && done == size {
		return -1, nil
	}
	for _, m := range marks {
		if m.End < 0 {
			return -1, nil // given up
		}
		if same, _ := src.begins(m.Head); same || m.End == 0 && size == 0 {
			// The trailer has the size modulo 4 GiB. A file that grew behind its mark did so by less than that.
			if grown := uint32(size) - uint32(m.End); size != int64(uint32(m.End)) && grown < 1<<31 {
				return int64(grown), nil
			}
			return -1, nil
		}
	}
	return size, nil
}

// contentSize is the size of what was compressed, modulo 4 GiB, as the archive's last four bytes have it.
func contentSize(s *source) (int64, error) {
	if s.size < 8 {
		return 0, nil
	}
	var b [4]byte
	if _, err := s.file.ReadAt(b[:], s.size-4); err != nil && err != io.EOF {
		return 0, err
	}
	return int64(binary.LittleEndian.Uint32(b[:])), nil
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

// locate finds the file the position names, whatever it is called by now, and goes on in it.
func (t *Tailer) locate(live current, segs []segment) error {
	p := t.pos
	t.floorFor(p, segs)
	if p.Head.Len == 0 { // nothing was consumed in it: it is unread like any other, if it is there at all
		t.locating = false
		t.pos = Position{Floor: t.pos.Floor, Done: t.pos.Done}
		return nil
	}
	reason := GapNotFound
	for _, c := range t.candidates(p, live, segs) {
		src, err := c.open()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if errors.Is(err, errArchive) {
			return t.archiveNotReady(p.File)
		}
		if err != nil {
			return err
		}
		same, err := src.begins(p.Head)
		if err != nil {
			src.close()
			return err
		}
		if !same {
			// The same inode under the same name with another beginning: for the operator, not for the decision.
			if src.gz == nil && src.name == p.File && src.id == (fileID{p.Dev, p.Ino}) {
				reason = GapRewritten
				if info, err := src.file.Stat(); err == nil && info.Size() < p.Offset {
					reason = GapTruncated
				}
			}
			src.close()
			continue
		}
		result, err := src.seek(&t.win, p.Offset, p.Tail)
		if errors.Is(err, errArchive) {
			src.close()
			return t.archiveNotReady(p.File)
		}
		if err != nil {
			src.close()
			return err
		}
		switch {
		case result == seekSame:
			src.head = p.Head
			t.adopt(src)
			return nil
		case result == seekShort && src.gz != nil:
			// Complete and not longer than what was read: the rest was read from the file that has lost its name.
			src.close()
			t.locating = false
			t.mark(Mark{File: p.File, Head: p.Head, Tail: p.Tail, End: p.Offset})
			t.opt.OnEvent(Event{Kind: Finished, File: p.File, Offset: p.Offset})
			return nil
		case result == seekShort:
			reason = GapTruncated
		default:
			reason = GapRewritten
		}
		src.close()
	}
	t.locating = false
	t.pos = Position{File: p.File, Floor: t.pos.Floor, Done: t.pos.Done}
	if reason != GapNotFound {
		t.opt.OnEvent(Event{Kind: Restarted, File: p.File, Bytes: p.Offset})
	}
	return &GapError{File: p.File, Head: p.Head, From: p.Offset, To: -1, Reason: reason}
}

// floorFor gives a position that was made by hand, not by Position, the floor it lacks: what is older than its file is
// not to be read.
func (t *Tailer) floorFor(p Position, segs []segment) {
	if p.Floor != "" || len(p.Done) > 0 || !t.opt.Log.revisits() {
		return
	}
	today := Today().firstDay(t.opt.Now())
	dated := t.opt.Log.path(p.File) != ""
	t.pos.Floor = noFloor
	for _, seg := range segs {
		if dated && order(seg.name) < order(p.File) || !dated && seg.day.Before(today) {
			t.pos.Floor = seg.name
		}
	}
}

// candidate is a place where the position's file may be.
type candidate struct{ open func() (*source, error) }

// candidates are the places to look, best first: the live file, the dated name, its archive, and for a log without
// dated names a file that was renamed beside it.
func (t *Tailer) candidates(p Position, live current, segs []segment) []candidate {
	plain := func(path, name string) candidate {
		return candidate{func() (*source, error) { return openPlain(t.opt.FS, path, name) }}
	}
	var found []candidate
	if live.path != "" {
		name := live.name
		if t.opt.Log.path(name) == "" {
			name = p.File
		}
		found = append(found, plain(live.path, name))
	}
	if path := t.opt.Log.path(p.File); path != "" {
		return append(found, plain(path, p.File), candidate{func() (*source, error) {
			if t.archiveUnchanged(p.File) {
				return nil, errArchive
			}
			return openArchive(t.opt.FS, path+gzSuffix, p.File)
		}})
	}
	for _, seg := range segs {
		if info, err := t.opt.FS.Stat(seg.path); err == nil && identify(info) == (fileID{p.Dev, p.Ino}) {
			found = append(found, plain(seg.path, seg.name)) // the dated tree was not there when the position was made
		}
	}
	if live.path == "" {
		return found
	}
	dir := filepath.Dir(live.path)
	entries, err := t.opt.FS.ReadDir(dir)
	if err != nil {
		return found // the other places are enough, this one is a courtesy to foreign log rotation
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if info, err := t.opt.FS.Stat(path); err == nil && info.Mode().IsRegular() && identify(info) == (fileID{p.Dev, p.Ino}) {
			found = append(found, plain(path, p.File))
		}
	}
	return found
}
