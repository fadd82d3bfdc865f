package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// Replay says that a batch takes over the rejected lines of earlier batches: those that can be events by now are in its
// objects, the others are in its own rejects. Its commit is the removal: from the rename on, the lines of rejects/<n>.ndjson
// count as this batch's, and nothing else may replay them.
//
// The files themselves are removed by the release, when every object is acknowledged and the lines that stay rejected have
// their place in rejects/ of the new batch: until then the original bytes are needed in case the batch is damaged on disk.
// Removing a file by its name can be repeated after a crash, because a number is never used again. A batch in quarantine
// keeps its claim: `spool requeue` delivers it, and no second replay can double what was delivered of it.
type Replay struct {
	Batches []uint64 `json:"batches"` // whose rejects these were
	Shipped int64    `json:"shipped"` // lines that are events now
	// Filtered are lines that the configuration does not want, now that they can be understood.
	Filtered int64 `json:"filtered,omitempty"`
	Kept     int64 `json:"kept,omitempty"` // still rejected
}

// Replayed are cumulative counts of lines that were rejected and are not any more.
type Replayed struct {
	Shipped  int64 `json:"shipped"`
	Filtered int64 `json:"filtered"`
}

func (r Replayed) plus(p *Replay) Replayed {
	if p != nil {
		r.Shipped += p.Shipped
		r.Filtered += p.Filtered
	}
	return r
}

// lines are the events of a batch that have to reach the lake.
func (m *Manifest) lines() int64 {
	if m.Replay == nil {
		return m.Counts.Shipped
	}
	return m.Counts.Shipped + m.Replay.Shipped
}

// events are all lines up to this batch that have to reach the lake.
func (m *Manifest) events() int64 { return m.Totals.Shipped + m.Replayed.Shipped }

func (r *Replay) check() error {
	if r == nil {
		return nil
	}
	if min(r.Shipped, r.Filtered, r.Kept) < 0 || r.Shipped+r.Filtered == 0 || len(r.Batches) == 0 {
		return fmt.Errorf("replay does not add up: %+v", *r)
	}
	return nil
}

// KeepReject records a reject of an earlier batch again, as it is: its bytes have been within the quota already.
func (b *Batch) KeepReject(r Reject) error {
	if b.done {
		return fmt.Errorf("batch %d: %w", b.seq, fs.ErrClosed)
	}
	return b.writeReject(r)
}

// ReplayableRejects are the batches whose rejects may be replayed, oldest first: the batch is released, and no other batch
// has taken them over. waiting is how many other batches have rejects.
func (s *Spool) ReplayableRejects() (seqs []uint64, waiting int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.settle(); err != nil {
		return nil, 0, err
	}
	claimed, err := s.claimedRejects()
	if err != nil {
		return nil, 0, err
	}
	all, err := s.rejectFiles()
	if err != nil {
		return nil, 0, err
	}
	for _, seq := range all {
		if claimed[seq] {
			waiting++
			continue
		}
		seqs = append(seqs, seq)
	}
	for _, r := range s.records {
		if r.rejects {
			waiting++
		}
	}
	return seqs, waiting, nil
}

// rejectFiles lists rejects/ by batch.
func (l layout) rejectFiles() ([]uint64, error) {
	entries, err := l.fs.ReadDir(l.top(rejectsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []uint64
	for _, e := range entries {
		name, isReject := strings.CutSuffix(e.Name(), ".ndjson")
		if seq, ok := parseSeq(name); ok && isReject {
			out = append(out, seq)
		}
	}
	slices.Sort(out)
	return out, nil
}

func (l layout) rejectFile(seq uint64) string {
	return filepath.Join(l.top(rejectsDir), seqName(seq)+".ndjson")
}

// claimedRejects are the batches whose rejects another batch has taken over, as far as their files may still be there.
func (l layout) claimedRejects() (map[uint64]bool, error) {
	claimed := make(map[uint64]bool)
	claim := func(m *Manifest) {
		if m != nil && m.Replay != nil {
			for _, seq := range m.Replay.Batches {
				claimed[seq] = true
			}
		}
	}
	for _, p := range []Place{Outbox, Shipped, Quarantine} {
		seqs, err := l.seqs(p)
		if err != nil {
			return nil, err
		}
		for _, seq := range seqs {
			data, err := l.readFile(l.file(p, seq, manifestName), false)
			if errors.Is(err, fs.ErrNotExist) {
				continue // it moves at this moment, and is looked at where it goes
			}
			if err != nil {
				return nil, err
			}
			var m Manifest
			if unseal(data, manifestName, &m) == nil { // a damaged one is in the ledger, below
				claim(&m)
			}
		}
	}
	// A claim lasts for ever: what went to quarantine keeps it even when somebody has taken the directory away, and an older
	// version that delivered such a batch has left the files.
	err := readLedger(l.fs, l.dir, func(e Entry) error {
		claim(e.Manifest)
		return nil
	})
	return claimed, err
}

// RejectsOf calls fn for every reject of a released batch. It stops at the first error of fn.
func (s *Spool) RejectsOf(seq uint64, fn func(Reject) error) error {
	if err := s.eachReject(s.rejectFile(seq), fn); err != nil {
		return fmt.Errorf("rejects of batch %d: %w", seq, err)
	}
	return nil
}

// checkReplay holds the claim of a batch that is about to be committed against the disk.
func (s *Spool) checkReplay(r *Replay) error {
	if r == nil {
		return nil
	}
	claimed, err := s.claimedRejects()
	if err != nil {
		return err
	}
	for _, seq := range r.Batches {
		if _, err := s.fs.Stat(s.rejectFile(seq)); err != nil {
			return fmt.Errorf("replay rejects of batch %d: %w", seq, err)
		}
		if claimed[seq] {
			return fmt.Errorf("replay rejects of batch %d: another batch has taken them over", seq)
		}
	}
	return nil
}

// dropReplayed removes the files whose lines the batch has taken over. It comes after the batch's own rejects have moved, and
// both are durable before the manifest that holds the claim may go.
func (s *Spool) dropReplayed(r *record) error {
	for _, seq := range r.m.Replay.Batches {
		path := s.rejectFile(seq)
		info, err := s.fs.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = s.remove(path)
		}
		if err != nil {
			return err
		}
		s.rejectBytes -= info.Size()
	}
	if err := s.fs.SyncDir(s.top(rejectsDir)); err != nil {
		return s.fatal(fmt.Sprintf("release batch %d", r.m.Seq), err)
	}
	r.replayed = true
	return nil
}

// writeReject appends one line to the rejects of the batch.
func (b *Batch) writeReject(r Reject) error {
	if b.rejects == nil {
		f, err := b.create(b.s.file(Building, b.seq, rejectsName), rejectsName, &b.written)
		if err != nil {
			return err
		}
		b.rejects = f
	}
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("batch %d: encode reject: %w", b.seq, err)
	}
	if _, err := b.rejects.Write(append(line, '\n')); err != nil {
		return err
	}
	b.count++
	return nil
}
