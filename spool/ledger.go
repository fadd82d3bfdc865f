package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// LedgerState is what happened to a batch.
type LedgerState string

const (
	Released    LedgerState = "released"    // every object was acknowledged
	Quarantined LedgerState = "quarantined" // taken out of the way; Gaps name what was not delivered
	Requeued    LedgerState = "requeued"    // back from quarantine; its gaps are void
)

// Entry is one line of ledger/YYYY-MM.ndjson.
type Entry struct {
	Version int         `json:"version"`
	Seq     uint64      `json:"seq"`
	State   LedgerState `json:"state"`
	Time    string      `json:"time"` // RFC 3339, UTC
	Reason  string      `json:"reason,omitempty"`
	// Manifest is missing only when that of a quarantined batch could not be read.
	Manifest *Manifest `json:"manifest,omitempty"`
	// Delivered are the files of a quarantined batch that had been acknowledged.
	Delivered []string `json:"delivered,omitempty"`
	// Gaps are the undelivered ranges of a quarantined batch.
	Gaps []Gap `json:"gaps,omitempty"`
	// Lines are the events of a quarantined batch that were not delivered.
	Lines int64 `json:"lines,omitempty"`
	// Reread: the newest batch could not be read, so its ranges are read again from the batch before it.
	Reread bool `json:"reread,omitempty"`
	// QuarantinedTotal is the number of events in quarantine after this entry.
	QuarantinedTotal int64  `json:"quarantinedTotal"`
	CRC              string `json:"crc"`
}

// ledger appends to the newest month. It keeps no file open: after a failed fsync nothing about that
// descriptor may be believed, and one open per batch costs nothing.
type ledger struct {
	layout
	month string // file being appended to, without folder; "" before the first line
	torn  bool   // a failed append may have left half a line
}

func (l *ledger) path(name string) string { return filepath.Join(l.dir, ledgerDir, name) }

// append writes one line and makes it durable. A line that failed is simply appended once more later: the
// second copy dirties its own pages, so its fsync does not depend on the one that failed, and readers ignore
// duplicates by number.
func (l *ledger) append(e Entry, now time.Time) error {
	line, err := seal(e)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	// The month never runs backwards, so that the newest file always holds the newest lines even when the
	// clock is set back.
	month := max(l.month, now.UTC().Format("2006-01")+".ndjson")
	path := l.path(month)
	f, err := l.fs.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, modeRecord)
	if err != nil {
		return err
	}
	end, err := f.Seek(0, 2)
	if err == nil && l.torn {
		line = append([]byte{'\n'}, line...)
	}
	if err == nil {
		_, err = f.Write(line)
		if err != nil && f.Truncate(end) != nil {
			l.torn = true
		}
	}
	if err == nil {
		l.torn = false
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("ledger %s: %w", month, err)
	}
	if month != l.month {
		if err := l.fs.SyncDir(l.top(ledgerDir)); err != nil {
			return &FatalError{Op: "sync ledger directory", Err: err}
		}
		l.month = month
	}
	return nil
}

// months lists the ledger files, oldest first.
func (l layout) months() ([]string, error) {
	entries, err := l.fs.ReadDir(l.top(ledgerDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if _, err := time.Parse("2006-01.ndjson", e.Name()); err == nil {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// scan calls fn for every sound line of one ledger file and returns where the last sound line ends and how
// many unsound ones lie before it. A line of a later format is *FormatError.
func (l layout) scanLedger(month string, sync bool, fn func(Entry)) (end int64, bad int, err error) {
	path := filepath.Join(l.dir, ledgerDir, month)
	data, err := l.readFile(path, sync)
	if err != nil {
		return 0, 0, err
	}
	return scanLines(data, path, func([]byte) bool { return true }, fn)
}

// scanLines is scanLedger over what was read. Of lines that want refuses only the end is noted.
func scanLines(data []byte, path string, want func(line []byte) bool, fn func(Entry)) (end int64, bad int, err error) {
	var pos int64
	pendingBad := 0
	for len(data) > 0 {
		line, rest, ended := bytes.Cut(data, []byte{'\n'})
		size := int64(len(line))
		if ended {
			size++
		}
		data = rest
		pos += size
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if ended && !want(line) {
			end = pos
			continue
		}
		var e Entry
		err := unseal(line, path, &e)
		if errors.Is(err, ErrFormat) {
			return end, bad, err
		}
		if err != nil || !ended || e.Seq == 0 {
			pendingBad++
			continue
		}
		bad += pendingBad
		pendingBad, end = 0, pos
		fn(e)
	}
	return end, bad, nil
}

// ledgerView is what recovery needs of the ledger: the last state of each batch in the newest files.
type ledgerView struct {
	last        map[uint64]Entry // by batch
	top         uint64           // highest released
	seen        uint64           // highest named at all
	quarantined int64
	newest      string // file name
	end         int64  // of the sound part of the newest file
	size        int64
	bad         int
}

// load reads the newest file, and older ones until every batch above from is covered: a ledger of years is
// not read at each start.
func (l layout) loadLedger(from uint64, sync bool) (ledgerView, error) {
	v := ledgerView{last: map[uint64]Entry{}}
	months, err := l.months()
	if err != nil {
		return v, err
	}
	for i := len(months) - 1; i >= 0; i-- {
		month := months[i]
		lowest, lastTotal := uint64(0), int64(0)
		seenHere := map[uint64]Entry{}
		end, bad, err := l.scanLedger(month, sync, func(e Entry) {
			if lowest == 0 || e.Seq < lowest {
				lowest = e.Seq
			}
			if prev, ok := seenHere[e.Seq]; !ok || prev.State != e.State {
				seenHere[e.Seq] = e
			}
			lastTotal = e.QuarantinedTotal
			v.seen = max(v.seen, e.Seq)
			if e.State == Released {
				v.top = max(v.top, e.Seq)
			}
		})
		if err != nil {
			return v, fmt.Errorf("ledger %s: %w", month, err)
		}
		v.bad += bad
		first := len(v.last) == 0
		for seq, e := range seenHere {
			if _, ok := v.last[seq]; !ok { // a newer file had the last word
				v.last[seq] = e
			}
		}
		if first {
			v.quarantined = lastTotal
		}
		if i == len(months)-1 {
			v.newest, v.end = month, end
			info, err := l.fs.Stat(l.top(filepath.Join(ledgerDir, month)))
			if err != nil {
				return v, err
			}
			v.size = info.Size()
		}
		if lowest != 0 && lowest <= from {
			break
		}
	}
	return v, nil
}

// cutTail removes a torn end, so that the next line starts on its own. If that fails, append begins with a
// newline instead.
func (l *ledger) cutTail(v ledgerView) error {
	l.month = v.newest
	if v.newest == "" || v.end == v.size {
		return nil
	}
	l.torn = true
	f, err := l.fs.OpenFile(l.path(v.newest), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if err = f.Truncate(v.end); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		l.torn = false
	}
	return err
}

// Ledger calls fn for every sound line of the ledger, oldest first; a line repeated with the same state is
// skipped. It takes no lock and may run beside the daemon. It stops at the first error of fn.
func Ledger(dir string, fn func(Entry) error) error { return readLedger(OS{}, dir, fn) }

func readLedger(fsys FS, dir string, fn func(Entry) error) error {
	l := layout{fs: fsys, dir: dir}
	months, err := l.months()
	if err != nil {
		return err
	}
	states := map[uint64]LedgerState{}
	for _, month := range months {
		var stop error
		_, _, err := l.scanLedger(month, false, func(e Entry) {
			if stop != nil || states[e.Seq] == e.State {
				return
			}
			states[e.Seq] = e.State
			stop = fn(e)
		})
		if err = errors.Join(stop, err); err != nil {
			return fmt.Errorf("ledger %s: %w", strings.TrimSuffix(month, ".ndjson"), err)
		}
	}
	return nil
}

// Gaps lists the recorded gaps of a spool: what the tailer could not read, and the undelivered ranges of
// batches in quarantine. Requeued batches have none. It takes no lock.
func Gaps(dir string) ([]Gap, error) { return readGaps(OS{}, dir) }

func readGaps(fsys FS, dir string) ([]Gap, error) {
	type gaps struct{ read, lost []Gap }
	bySeq := map[uint64]*gaps{}
	var order []uint64
	at := func(seq uint64) *gaps {
		g := bySeq[seq]
		if g == nil {
			g = &gaps{}
			bySeq[seq] = g
			order = append(order, seq)
		}
		return g
	}
	err := readLedger(fsys, dir, func(e Entry) error {
		g := at(e.Seq)
		if e.Manifest != nil {
			g.read = e.Manifest.Gaps
		}
		g.lost = e.Gaps // none unless quarantined
		return nil
	})
	if err != nil {
		return nil, err
	}
	st, err := ReadFS(fsys, dir)
	if err != nil {
		return nil, err
	}
	for _, b := range st.Batches {
		if b.Manifest != nil && (b.Place == Outbox || b.Place == Shipped) {
			at(b.Seq).read = b.Manifest.Gaps
		}
	}
	var out []Gap
	for _, seq := range order {
		out = append(out, bySeq[seq].read...)
		out = append(out, bySeq[seq].lost...)
	}
	return out, nil
}
