package backfill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

// Fault is a piece that could not be read to its end.
type Fault struct {
	File string
	At   int64 // everything before was read
	Err  error

	piece int // of the group
}

// maxRewinds is how often in a row a batch that could not be written is read again before the run ends.
const maxRewinds = 3

// lines reads the pieces of one group as relay.Lines and then ends the relay. A piece that cannot be read on is a fault,
// and the next one is read.
type lines struct {
	group   Group
	ended   context.CancelFunc
	tally   *tally
	next    int // piece to open
	section *tailer.Section
	at      tailer.Position // end of the last line returned
	faults  []Fault
	rewinds int // since the last commit
}

var _ relay.Lines = (*lines)(nil)

// Next returns the next line that belongs to history, io.EOF behind the last one.
func (l *lines) Next(ctx context.Context) (tailer.Line, error) {
	for {
		if l.section == nil {
			if l.next == len(l.group.Pieces) {
				l.ended()
				return tailer.Line{}, io.EOF
			}
			if err := l.open(); err != nil {
				l.fault(err)
				l.next++
				continue
			}
		}
		piece := &l.group.Pieces[l.next]
		line, err := l.section.Next(ctx)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return tailer.Line{}, err
		default:
			if !errors.Is(err, io.EOF) {
				l.fault(err)
			}
			l.close()
			l.next++
			continue
		}
		l.at = tailer.Position{File: line.File, Head: line.Head, Offset: line.To}
		l.tally.read(line.To - line.From)
		if !piece.Before.IsZero() {
			if at, ok := tailer.LineTime(line.Data); ok && !at.Before(piece.Before) {
				l.tally.left.Add(1)
				continue
			}
		}
		return line, nil
	}
}

func (l *lines) open() error {
	p := l.group.Pieces[l.next]
	from := p.From
	if l.at.File == p.Name && l.at.Head == p.Head && l.at.Offset > from && (p.To < 0 || l.at.Offset <= p.To) {
		from = l.at.Offset // after a rewind
	}
	s, err := tailer.OpenSection(p.Path, p.Name, from, p.To)
	if err != nil {
		return err
	}
	if s.Head() != p.Head {
		_ = s.Close() // only read
		return fmt.Errorf("%s has changed since it was looked at: %w", p.Path, tailer.ErrNoLine)
	}
	l.section = s
	return nil
}

func (l *lines) fault(err error) {
	p := l.group.Pieces[l.next]
	at := p.From
	if l.at.File == p.Name && l.at.Head == p.Head && l.at.Offset > at {
		at = l.at.Offset
	}
	l.faults = append(l.faults, Fault{File: p.Name, At: at, Err: err, piece: l.next})
}

func (l *lines) close() {
	if l.section != nil {
		_ = l.section.Close() // only read
		l.section = nil
	}
}

// Position is where the last line ended. It is not where a later run goes on: the ranges of the ledgers say that.
func (l *lines) Position() tailer.Position { return l.at }

// Rewind goes back to the last commit, or to the beginning. It gives up when that does not help.
func (l *lines) Rewind(p tailer.Position) error {
	l.close()
	if l.rewinds++; l.rewinds > maxRewinds {
		return errors.New("the batch cannot be written")
	}
	l.at, l.next = p, 0
	for i, piece := range l.group.Pieces {
		if p.File == piece.Name && p.Head == piece.Head && p.Offset >= piece.From && (piece.To < 0 || p.Offset <= piece.To) {
			l.next = i
		}
	}
	l.faults = slices.DeleteFunc(l.faults, func(f Fault) bool { return f.piece >= l.next }) // those are met again
	return nil
}

// Start is not needed: there is no first start to record.
func (l *lines) Start(context.Context) (tailer.Position, error) { return tailer.Position{}, nil }

// Exposed is never the case: nobody is waited for to archive these files.
func (l *lines) Exposed() bool { return false }

// position is the manifest's position of a batch without lines.
func position(gaps []spool.Gap) tailer.Position {
	last := gaps[len(gaps)-1]
	return tailer.Position{File: last.File, Offset: max(0, last.To)}
}
