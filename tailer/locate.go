package tailer

import (
	"errors"
	"io/fs"
	"path/filepath"
)

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
// dated names a file that was renamed beside it. A live file that has another dated name comes last: two files may begin
// with the same bytes when their first lines are no alerts.
func (t *Tailer) candidates(p Position, live current, segs []segment) []candidate {
	plain := func(path, name string) candidate {
		return candidate{func() (*source, error) { return openPlain(t.opt.FS, path, name) }}
	}
	var found, last []candidate
	if live.path != "" {
		switch name := live.name; {
		case t.opt.Log.path(name) == "":
			found = append(found, plain(live.path, p.File))
		case name == p.File:
			found = append(found, plain(live.path, name))
		default:
			last = append(last, plain(live.path, name))
		}
	}
	if path := t.opt.Log.path(p.File); path != "" {
		found = append(found, plain(path, p.File), candidate{func() (*source, error) {
			if t.archiveUnchanged(p.File) {
				return nil, errArchive
			}
			return openArchive(t.opt.FS, path+gzSuffix, p.File)
		}})
		return append(found, last...)
	}
	found = append(found, last...)
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
