package tailer

import (
	"errors"
	"fmt"
	"io/fs"
)

// PositionAt makes a position by hand: the end of a line in a file of the log, plain or archive, or its beginning. Older
// files are not read from there. It reads the file up to offset when it is an archive, and changes nothing.
func PositionAt(opt Options, file string, offset int64) (Position, error) {
	opt.Position = Position{}
	t, err := Open(opt)
	if err != nil {
		return Position{}, err
	}
	path := opt.Log.path(file)
	if path == "" && file != "" && file == opt.Log.undated() {
		path, err = opt.Log.live(t.opt.FS)
	}
	if err != nil {
		return Position{}, err
	}
	if path == "" || offset < 0 {
		return Position{}, fmt.Errorf("position %q at %d: no such place in the log", file, offset)
	}
	src, err := openPlain(t.opt.FS, path, file)
	if errors.Is(err, fs.ErrNotExist) && opt.Log.revisits() {
		src, err = openArchive(t.opt.FS, path+gzSuffix, file)
	}
	if err != nil {
		return Position{}, fmt.Errorf("position at %d: %w", offset, err)
	}
	defer src.close()
	p := Position{File: file, Dev: src.id.dev, Ino: src.id.ino, Offset: offset}
	if offset == 0 {
		p.Floor, err = t.floorBelow(file)
		return p, err
	}
	content := make([]byte, headLen)
	if src.gz == nil {
		n, err := src.read(content, 0)
		if err != nil {
			return Position{}, fmt.Errorf("position at %d: %w", offset, err)
		}
		src.head = headOf(content[:n])
	}
	result, err := src.seek(&t.win, offset, Fingerprint{})
	if err != nil {
		return Position{}, fmt.Errorf("position at %d: %w", offset, err)
	}
	guard := t.win.guard()
	if result == seekShort || len(guard) == 0 || guard[len(guard)-1] != '\n' {
		return Position{}, fmt.Errorf("position %q at %d: no line ends there", file, offset)
	}
	p.Head, p.Tail = src.head, fingerprint(guard)
	p.Floor, err = t.floorBelow(file)
	return p, err
}

// floorBelow is the name of the newest file older than the given one.
func (t *Tailer) floorBelow(file string) (string, error) {
	floor := noFloor
	if !t.opt.Log.revisits() {
		return floor, nil
	}
	segs, err := t.opt.Log.list(t.opt.FS, "")
	for _, seg := range segs {
		if order(seg.name) < order(file) {
			floor = seg.name
		}
	}
	return floor, err
}
