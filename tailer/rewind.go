package tailer

import (
	"context"
	"io"
	"maps"
	"slices"
)

// Rewind makes the next call of Next go on at p, a Position returned before: what was read since could not be stored.
// A file that is still open and that p lies in stays open: it may have lost its name, and then no other way leads back
// to it. The error is ErrClosed; that p cannot be found any more shows in Next, as a gap.
func (t *Tailer) Rewind(p Position) error {
	if t.closed {
		return ErrClosed
	}
	t.exposed, t.stopped, t.parked, t.skipping = false, false, false, false
	again := t.untold(p)
	if s := t.cur; s != nil && s.gz == nil && s.name == p.File && s.id == (fileID{p.Dev, p.Ino}) && p.Head.Len > 0 && s.head == p.Head {
		if result, err := s.seek(&t.win, p.Offset, p.Tail); err == nil && result == seekSame {
			s.final, s.verified, s.taken = false, true, p.Offset
			t.pos.Floor, t.pos.Done = p.Floor, slices.Clone(p.Done)
			maps.Copy(t.unread, again)
			return nil
		}
	}
	if t.cur != nil {
		t.cur.close()
		t.cur = nil
	}
	t.pos = p
	t.pos.Done = slices.Clone(p.Done)
	t.started, t.locating = !p.IsZero(), p.File != ""
	t.archiveSize = map[string]int64{} // what was finished after p is unread again
	t.unread = again
	t.waiting = archiveWait{}
	return nil
}

// Start finds where a very first start begins, as Options.StartAt asks for it, and returns that place without consuming
// anything behind it. It reads over the lines that StartAt skips. Call it instead of the first Next; its errors are those
// of Next, and after one it may be called again.
func (t *Tailer) Start(ctx context.Context) (Position, error) {
	line, err := t.Next(ctx)
	if err == io.EOF {
		if p := t.Position(); !p.IsZero() {
			return p, nil
		}
		return Position{}, err
	}
	if err != nil {
		return Position{}, err
	}
	p, err := t.before(line)
	if err != nil {
		_ = t.Rewind(Position{}) // not closed; the line was not consumed, and is found again
		return Position{}, t.classify(err)
	}
	return p, t.Rewind(p)
}

// before is the place at which the line just returned begins. io.EOF: the file has been cut off below it meanwhile.
func (t *Tailer) before(line Line) (Position, error) {
	if t.cur.gz != nil {
		p, err := PositionAt(t.opt, line.File, line.From)
		p.Vanished = t.vanishedFiles
		return p, err
	}
	// Through the descriptor: the name may lead nowhere by now, or to an archive that ends before the line.
	result, err := t.cur.seek(&t.win, line.From, Fingerprint{})
	if err != nil {
		return Position{}, err
	}
	if result == seekShort {
		return Position{}, io.EOF
	}
	p := t.here()
	if p.Offset == 0 {
		p.Head = Fingerprint{} // nothing is consumed in it
	}
	p.Done = nil
	p.Floor, err = t.floorBelow(p.File)
	return p, err
}

// untold forgets having told of the files that vanished unread and that p does not count, and returns them.
func (t *Tailer) untold(p Position) map[string]int64 {
	out := map[string]int64{}
	for len(t.gone) > 0 && t.vanishedFiles > p.Vanished {
		last := len(t.gone) - 1
		out[t.gone[last].name] = t.gone[last].size
		t.gone = t.gone[:last]
		t.vanishedFiles--
	}
	return out
}
