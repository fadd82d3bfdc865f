package tailer

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
)

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

// sameFile reports whether plain file and archive of one name are the same file, as while monitord is compressing it. Where
// one may not be read the plain one counts: if it is unread that shows when it is opened, and if not it is in nobody's way.
func (t *Tailer) sameFile(seg segment) (bool, error) {
	archive, err := openArchive(t.opt.FS, seg.path+gzSuffix, seg.name)
	if errors.Is(err, errArchive) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer archive.close()
	plain, err := openPlain(t.opt.FS, seg.path, seg.name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer plain.close()
	same, err := plain.begins(archive.head)
	return same || archive.head.Len == 0, err
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
				t.gone = append(t.gone, goneFile{name, size})
				t.vanishedFiles++
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
	if len(marks) > 0 && errors.Is(err, fs.ErrPermission) {
		return -1, nil // as below; looked at again as soon as it may be read
	}
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
