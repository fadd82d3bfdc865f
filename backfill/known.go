package backfill

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

// History is what one spool's ledger and directory say.
type History struct {
	Dir  string // relative to the state directory; "." is the daemon's own
	Past []spool.Past
	Bad  int // unsound ledger lines
}

// Known is what all ledgers of a state directory say: the daemon's and those of every job.
type Known struct {
	State     string
	Histories []History // the daemon's first, if it was ever started
	// Started is false when there is no batch of a daemon.
	Started bool
	// First and Last are the daemon's first and newest committed positions, Begun is when the first was committed.
	First, Last tailer.Position
	Begun       time.Time
	inbox       bool // a batch of the daemon was read from the inbox
	// Beheaded: the ledger does not go back to the first batch, so nobody knows where the daemon began.
	Beheaded bool
	// Read are the bytes of delivered and waiting batches.
	Read Extents
	// Gaps are the recorded gaps that are still open.
	Gaps []OpenGap
}

// OpenGap is a loss that was recorded by one batch, and not closed since.
type OpenGap struct {
	Dir  string // of the spool, as in History
	Seq  uint64
	Gaps []spool.Gap
	// Between: whole files between the first gap and the second are missing too, the manifest that named them is lost.
	Between bool
	// Delivered are the partitions of a quarantined batch whose objects had all been acknowledged: their events are not
	// shipped again.
	Delivered map[Partition]bool
}

// Partition is where an event of a batch goes.
type Partition struct{ Source, EventDay string }

// Load reads all ledgers. It takes no lock. A state directory without a daemon's spool is no error: Started is false then.
func Load(state string) (*Known, error) {
	k := &Known{State: state}
	if err := k.add(state, "."); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the daemon's ledger: %w", err)
	}
	dirs, err := SpoolDirs(state)
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		rel, err := filepath.Rel(state, dir)
		if err != nil {
			return nil, err
		}
		if err := k.add(dir, rel); err != nil {
			return nil, fmt.Errorf("read the ledger of %s: %w", rel, err)
		}
	}
	k.findGaps()
	return k, nil
}

func (k *Known) add(dir, rel string) error {
	past, bad, err := spool.History(dir)
	if err != nil {
		return err
	}
	k.Histories = append(k.Histories, History{Dir: rel, Past: past, Bad: bad})
	for _, p := range past {
		if p.Fate == spool.SetAside || p.Manifest == nil {
			continue
		}
		for _, r := range p.Manifest.Ranges {
			k.Read.Add(r)
			k.inbox = k.inbox || rel == "." && Inbox(r.File)
		}
	}
	if rel != "." {
		return nil
	}
	for _, p := range past {
		m := p.Manifest
		if m == nil || len(m.Position) == 0 {
			continue
		}
		var position tailer.Position
		if err := json.Unmarshal(m.Position, &position); err != nil {
			return fmt.Errorf("position of batch %d: %w", m.Seq, err)
		}
		if !k.Started {
			k.Started, k.First, k.Beheaded = true, position, m.Prev != 0
			if k.Begun, err = time.Parse(time.RFC3339, m.Created); err != nil {
				return fmt.Errorf("time of batch %d: %w", m.Seq, err)
			}
		}
		k.Last = position
	}
	return nil
}

// findGaps collects what was recorded as lost and is neither covered nor closed.
func (k *Known) findGaps() {
	closed := make(map[spool.Gap]bool)
	for _, h := range k.Histories {
		for _, p := range h.Past {
			if p.Manifest != nil && p.Fate != spool.SetAside {
				for _, g := range p.Manifest.Closes {
					closed[g] = true
				}
			}
		}
	}
	for _, h := range k.Histories {
		for _, p := range h.Past {
			if p.Manifest != nil {
				k.addGap(OpenGap{Dir: h.Dir, Seq: p.Seq, Gaps: p.Manifest.Gaps}, closed)
			}
			if p.Fate == spool.SetAside && !p.Reread {
				k.addGap(OpenGap{Dir: h.Dir, Seq: p.Seq, Gaps: p.Gaps, Between: p.Manifest == nil && len(p.Gaps) == 2,
					Delivered: delivered(p)}, closed)
			}
		}
	}
}

func (k *Known) addGap(g OpenGap, closed map[spool.Gap]bool) {
	var open []spool.Gap
	for _, gap := range g.Gaps {
		if closed[gap] || gap.File != "" && gap.Head != "" && k.Read.Covers(gap.Range) {
			continue
		}
		open = append(open, gap)
	}
	if len(open) == 0 {
		return
	}
	if !g.Between { // the two ends of a run of files belong together
		g.Gaps = open
	}
	k.Gaps = append(k.Gaps, g)
}

// delivered are the partitions of a batch of which every object had been acknowledged. Of the others nobody can say which
// rows were in which object: they are shipped again, duplicates rather than loss.
func delivered(p spool.Past) map[Partition]bool {
	if p.Manifest == nil || len(p.Files) == 0 {
		return nil
	}
	acked := make(map[string]bool)
	for _, f := range p.Files {
		acked[f] = true
	}
	out := make(map[Partition]bool)
	for _, o := range p.Manifest.Objects {
		part := Partition{o.Source, o.EventDay}
		all, seen := out[part]
		out[part] = acked[o.File] && (all || !seen)
	}
	return out
}

// OpenGaps lists the recorded gaps of the daemon and of all jobs that nothing has closed since: bytes that were neither
// read again nor delivered. It takes no lock. fs.ErrNotExist: there is no state directory.
func OpenGaps(state string) ([]spool.Gap, error) {
	k, err := Load(state)
	if err != nil {
		return nil, err
	}
	var out []spool.Gap
	for _, o := range k.Gaps {
		out = append(out, o.Gaps...)
	}
	return out, nil
}

// Reshipped reports whether a job has read any byte of the gaps of a quarantined batch of the daemon: to requeue the batch
// then would ship those alerts twice. It takes no lock; hold Lock so that no backfill reads them meanwhile.
func Reshipped(state string, seq uint64) (bool, error) {
	k, err := Load(state)
	if err != nil {
		return false, err
	}
	var jobs Extents
	var gaps []spool.Gap
	for _, h := range k.Histories {
		for _, p := range h.Past {
			switch {
			case h.Dir == "." && p.Seq == seq && p.Fate == spool.SetAside:
				gaps = p.Gaps
			case h.Dir != "." && p.Fate != spool.SetAside && p.Manifest != nil:
				for _, r := range p.Manifest.Ranges {
					jobs.Add(r)
				}
			}
		}
	}
	for _, g := range gaps {
		if left := jobs.Minus(g.Range); len(left) != 1 || left[0] != g.Range {
			return true, nil
		}
	}
	return false, nil
}

// Inbox reports whether a file name is that of a segment of the inbox, which is no file of Wazuh's.
func Inbox(name string) bool {
	return strings.HasSuffix(name, ".ndjson") && !strings.Contains(name, "/")
}
