package backfill

import (
	"errors"
	"fmt"
	"time"

	"wazuh-security-lake/tailer"
)

// ErrBeheaded means that the ledger does not go back to the daemon's first batch.
var ErrBeheaded = errors.New("the oldest ledger files are gone: nobody knows where the daemon began")

// ErrNotInbox means that nothing came through the inbox, so that no dated file has to be read a second time.
var ErrNotInbox = errors.New("no alert came through the inbox")

// Owner says which bytes of Wazuh's files are the daemon's. The zero Owner leaves it everything.
type Owner struct {
	// File and Offset are the first byte of the daemon: files before File and the bytes of File before Offset are
	// history. Offset -1: all of File is.
	File   string
	Offset int64
	// Before, unless zero, bounds what is history in a dated file by the time of the alert, because the daemon's places are
	// in the inbox: the lines with this timestamp or a later one came through there.
	Before time.Time
	// Cut is the same bound for files that are not of the dated tree, whatever the daemon reads.
	Cut time.Time
	// Repeat: what the daemon got from the inbox is taken as well, because the ledger cannot tell what that was.
	Repeat bool
}

// Again is the border for a deliberate repetition in integration mode: all that the daemon does not read from dated files
// by itself. Alerts that came through the inbox are shipped a second time. ErrNotInbox: nothing did.
func (k *Known) Again() (Owner, error) {
	switch {
	case Inbox(k.Last.File) || Inbox(k.Last.Floor):
		return Owner{Before: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), Cut: k.Begun, Repeat: true}, nil
	case !k.inbox:
		return Owner{}, ErrNotInbox
	}
	return Owner{File: k.Last.File, Offset: 0, Cut: k.Begun, Repeat: true}, nil
}

// OwnerOf derives the border from the daemon's first position. Without a daemon it is where input.start_at would let one
// begin now, but not later than the beginning of today. line returns the time of the line at a place of the dated tree,
// false when it cannot be read.
func OwnerOf(k *Known, start tailer.StartAt, now time.Time, line func(file string, offset int64) (time.Time, bool)) (Owner, error) {
	switch {
	case k.Beheaded:
		return Owner{}, fmt.Errorf("%w (the oldest batch known follows another one)", ErrBeheaded)
	case !k.Started:
		day := start.FirstDay(now)
		if today := tailer.Today().FirstDay(now); day.After(today) {
			day = today
		}
		return Owner{File: tailer.FirstName(day), Cut: midnight(day, now.Location())}, nil
	}
	p := k.First
	switch {
	case Inbox(p.File) || Inbox(p.Floor):
		return Owner{Before: k.Begun, Cut: k.Begun}, nil
	case p.File == "":
		// Nothing was there to be read: the daemon takes everything above its floor.
		return Owner{File: p.Floor, Offset: -1, Cut: k.Begun}, nil
	}
	if day, ok := tailer.DayOf(p.File); ok {
		o := Owner{File: p.File, Offset: p.Offset}
		if o.Cut, ok = line(p.File, p.Offset); !ok {
			o.Cut = midnight(day, now.Location())
		}
		return o, nil
	}
	// alerts.json without a dated name: the daemon began with its own day's alerts.
	begun := midnight(tailer.Today().FirstDay(k.Begun.In(now.Location())), now.Location())
	return Owner{Before: begun, Cut: begun}, nil
}

func midnight(day time.Time, in *time.Location) time.Time {
	y, m, d := day.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, in)
}

// End is where history ends in a dated file: -1 at its end, 0 when all of it is the daemon's.
func (o Owner) End(name string) int64 {
	if !o.Before.IsZero() {
		return -1
	}
	if _, ok := tailer.DayOf(o.File); !ok {
		return 0
	}
	switch c := tailer.Compare(name, o.File); {
	case c < 0:
		return -1
	case c == 0:
		return o.Offset
	}
	return 0
}
