package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Follower reads a ledger again and again, each time only what is new: for whoever watches a spool whose ledger has years
// in it. It takes no lock and may run beside the daemon.
type Follower struct {
	layout
	since  string           // name of the first month that is read in full
	at     map[string]int64 // by month: end of the last sound line read
	states map[uint64]LedgerState
}

// Follow returns a Follower of the spool in dir. Of the months before since only the lines that tell of gaps and of
// quarantine are read: they count for ever.
func Follow(dir string, since time.Time) *Follower {
	return &Follower{layout: layout{fs: OS{}, dir: dir}, since: since.UTC().Format("2006-01.ndjson"),
		at: map[string]int64{}, states: map[uint64]LedgerState{}}
}

// Next calls fn for every line that came since the last call, oldest first; a line repeated with the same state is
// skipped. It stops at the first error of fn; that line is not given again.
func (f *Follower) Next(fn func(Entry) error) error {
	months, err := f.months()
	if err != nil {
		return err
	}
	for _, month := range months {
		if err := f.read(month, fn); err != nil {
			return fmt.Errorf("ledger %s: %w", month, err)
		}
	}
	return nil
}

func (f *Follower) read(month string, fn func(Entry) error) error {
	path := filepath.Join(f.dir, ledgerDir, month)
	from := f.at[month]
	if info, err := f.fs.Stat(path); err == nil && info.Size() == from {
		return nil
	}
	h, err := f.fs.OpenFile(path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer h.Close() //nolint:errcheck // only read
	if _, err := h.Seek(from, io.SeekStart); err != nil {
		return err
	}
	data, err := io.ReadAll(h)
	if err != nil {
		return err
	}
	want := func(line []byte) bool { return month >= f.since || lasting(line) }
	var stop error
	end, _, err := scanLines(data, path, want, func(e Entry) {
		if stop != nil || f.states[e.Seq] == e.State {
			return
		}
		f.states[e.Seq] = e.State
		stop = fn(e)
	})
	f.at[month] = from + end
	return errors.Join(stop, err)
}

// lasting reports whether a line tells of what counts however old it is.
func lasting(line []byte) bool {
	return bytes.Contains(line, []byte(`"gaps":[`)) || !bytes.Contains(line, []byte(`"state":"released"`))
}
