package tailer

import (
	"context"
	"io"
	"slices"
)

// Rewind makes the next call of Next go on at p, a Position returned before: what was read since could not be stored.
// A file that is still open and that p lies in stays open: it may have lost its name, and then no other way leads back
// to it. The error is ErrClosed; that p cannot be found any more shows in Next, as a gap.
func (t *Tailer) Rewind(p Position) error {
	if t.closed {
		return ErrClosed
	}
	t.exposed, t.stopped = false, false
	if s := t.cur; s != nil && s.gz == nil && s.name == p.File && s.id == (fileID{p.Dev, p.Ino}) && s.head == p.Head {
		if result, err := s.seek(&t.win, p.Offset, p.Tail); err == nil && result == seekSame {
			s.final, s.verified, s.taken = false, true, p.Offset
			t.pos.Floor, t.pos.Done = p.Floor, slices.Clone(p.Done)
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
	t.skipping = false
	t.archiveSize = map[string]int64{}
	return nil
}

// Start returns the Position of a very first start as Options.StartAt asks for it, without consuming the first line.
// It reads over lines that StartAt skips. Use it on a Tailer that was opened with a zero Position, instead of Next.
func (t *Tailer) Start(ctx context.Context) (Position, error) {
	line, err := t.Next(ctx)
	if err != nil && err != io.EOF {
		return Position{}, err
	}
	if err == nil {
		t.win.r -= int(line.To - line.From)
		t.win.s = t.win.r
	}
	return t.Position(), nil
}
