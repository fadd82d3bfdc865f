package spool_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"wazuh-security-lake/spool"
	"wazuh-security-lake/test/faultfs"
)

const (
	root      = "/var/state"
	bucket    = "s3://lake"
	otherDest = "s3://other"
)

// position is what the model daemon keeps in a manifest: the next line to read.
type position struct {
	Next int `json:"next"`
}

// world is everything outside the spool: the source file, which has the lines 0..lines-1, the lake, and the
// memory of what was promised. One world lives through many processes.
type world struct {
	tb    testing.TB
	lines int
	lake  map[string]string // key -> content
	// second is where the second copies go; nil: none are made.
	second map[string]string
	run    int               // processes so far: batches are cut and encoded differently in each
	at     int               // highest position a Commit returned or an Open showed
	seqs   map[uint64]string // number -> position of every batch a Commit returned for
	// lenient: a batch may be lost to quarantine and its lines read again.
	lenient bool
	faults  []string
}

func newWorld(tb testing.TB, lines int) *world {
	return &world{tb: tb, lines: lines, lake: map[string]string{}, seqs: map[uint64]string{}}
}

func (w *world) fault(format string, args ...any) {
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

func filtered(n int) bool { return n%7 == 3 || n >= 20 && n < 26 } // one batch may hold nothing else
func rejected(n int) bool { return !filtered(n) && n%11 == 5 }
func source(n int) string { return []string{"a", "b"}[n%2] }

func options(f *faultfs.FS) spool.Options {
	return spool.Options{FS: f, Now: func() time.Time { return time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC) }}
}

// daemon runs one process until every line is delivered or an error ends it. nil: all is done.
func (w *world) daemon(f *faultfs.FS) error { return w.daemonWith(f, options(f)) }

func (w *world) daemonWith(f *faultfs.FS, opt spool.Options) error {
	w.run++
	s, err := spool.Open(root, opt)
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // only the lock
	if err := s.PinSources([]spool.SourcePin{{Name: "a", Class: "security_finding"}, {Name: "b", Class: "security_finding"}}); err != nil {
		return err
	}
	w.watch(s)
	for {
		next := w.next(s)
		if next < w.lines {
			if err := w.batch(s, next); err != nil {
				return err
			}
		}
		// Upload behind the reading, as the real one does: one batch stays while more lines come.
		keep := 3
		if next >= w.lines {
			keep = 0
		}
		for refs := s.Pending(); len(refs) > keep; refs = s.Pending() {
			if err := w.deliver(s, refs[0]); err != nil {
				return err
			}
		}
		for refs := s.Copies().Pending(); len(refs) > keep; refs = s.Copies().Pending() {
			if err := w.deliverCopy(s.Copies(), refs[0]); err != nil {
				return err
			}
		}
		if next >= w.lines && len(s.Pending()) == 0 {
			return s.Settle() // the wake-up of an idle uploader
		}
	}
}

func (w *world) next(s *spool.Spool) int {
	m, ok := s.LastManifest()
	if !ok {
		return 0
	}
	var p position
	if err := json.Unmarshal(m.Position, &p); err != nil {
		w.fault("position %q: %v", m.Position, err)
	}
	return p.Next
}

// watch holds the opened position against what was promised: statement 2.
func (w *world) watch(s *spool.Spool) {
	next := w.next(s)
	if next < w.at && !w.lenient {
		w.fault("position moved back from %d to %d", w.at, next)
	}
	w.at = max(w.at, next)
}

func (w *world) batch(s *spool.Spool, from int) error {
	to := min(w.lines, from+3+w.run%4)
	if from == 20 {
		to = min(w.lines, 26)
	}
	b, err := s.Begin()
	if err != nil {
		return err
	}
	m := spool.Manifest{
		Position: json.RawMessage(fmt.Sprintf(`{"next":%d}`, to)),
		Ranges:   []spool.Range{{File: "f", Head: "h", From: int64(from), To: int64(to)}},
	}
	content := map[string]string{}
	for n := from; n < to; n++ {
		m.Counts.Read++
		switch {
		case filtered(n):
			m.Counts.Filtered++
		case rejected(n):
			m.Counts.Rejected++
			if err := b.Reject(spool.Reject{Reason: "not_json", File: "f", From: int64(n), To: int64(n + 1), Line: fmt.Appendf(nil, "line %d", n)}); err != nil {
				return errors.Join(err, b.Discard())
			}
		default:
			m.Counts.Shipped++
			content[source(n)] += fmt.Sprintf("line %d\n", n)
		}
	}
	for i, src := range []string{"a", "b"} {
		if content[src] == "" {
			continue
		}
		o := spool.Object{
			File: fmt.Sprintf("%d.parquet", i), Destination: bucket, Source: src, EventDay: "20261123",
			Rows: int64(strings.Count(content[src], "\n")),
		}
		f, err := b.Create(o.File)
		if err != nil {
			return errors.Join(err, b.Discard())
		}
		// The same lines never make the same bytes in two processes, so a key that comes twice shows.
		if _, err := fmt.Fprintf(f, "run %d\n%s", w.run, content[src]); err != nil {
			return errors.Join(err, f.Close(), b.Discard())
		}
		if err := f.Close(); err != nil {
			return errors.Join(err, b.Discard())
		}
		o.Key = fmt.Sprintf("ext/%s/node-%s-%d-%d-%s.parquet", src, s.Instance(), b.Seq(), i, f.Sum()[:16])
		m.Objects = append(m.Objects, o)
	}
	if w.second != nil && m.Counts.Shipped > 0 {
		m.Copy = &spool.CopyCounts{Rows: m.Counts.Shipped}
		if err := w.copy(s, b, content); err != nil {
			if errors.Is(err, faultfs.ErrKilled) {
				return err
			}
			m.Copy = &spool.CopyCounts{Skipped: m.Counts.Shipped, Reason: err.Error()}
			if err := b.DropCopy(); errors.Is(err, faultfs.ErrKilled) {
				return err
			}
		}
	}
	if err := b.Commit(m); err != nil {
		return err
	}
	if was, ok := w.seqs[b.Seq()]; ok {
		w.fault("number %d was used for %s already", b.Seq(), was)
	}
	w.seqs[b.Seq()] = string(m.Position)
	w.at = max(w.at, to)
	return nil
}

// copy writes the lines of a batch a second time.
func (w *world) copy(s *spool.Spool, b *spool.Batch, content map[string]string) error {
	var objects []spool.Object
	for i, src := range []string{"a", "b"} {
		if content[src] == "" {
			continue
		}
		o := spool.Object{File: fmt.Sprintf("%d.json.gz", i), Destination: otherDest, Source: "copy"}
		f, err := b.CreateCopy(o.File)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(f, "run %d\n%s", w.run, content[src]); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		o.Bytes, o.SHA256 = f.Size(), f.Sum()
		o.Key = fmt.Sprintf("%s/%d-%d-%s", s.Instance(), b.Seq(), i, f.Sum()[:16])
		objects = append(objects, o)
	}
	return b.SealCopy(objects)
}

// deliver is the uploader: read, hash, put if absent, acknowledge.
func (w *world) deliver(s *spool.Spool, ref spool.Ref) error {
	f, size, err := s.OpenObject(ref)
	if errors.Is(err, spool.ErrCorrupt) {
		if !w.lenient {
			w.fault("batch %d handed out a damaged object: %v", ref.Seq, err)
		}
		return s.Quarantine(ref.Seq, err.Error())
	}
	if err != nil {
		return err
	}
	data, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != ref.Object.SHA256 || int64(len(data)) != size {
		w.fault("batch %d: bytes of %s do not match the manifest", ref.Seq, ref.Object.File)
		return s.Quarantine(ref.Seq, "hash differs")
	}
	if was, ok := w.lake[ref.Object.Key]; ok && was != string(data) {
		w.fault("key %s with other bytes", ref.Object.Key)
	}
	w.lake[ref.Object.Key] = string(data)
	return s.Ack(ref)
}

// deliverCopy is the uploader of the second copies.
func (w *world) deliverCopy(c *spool.Copies, ref spool.Ref) error {
	f, _, err := c.OpenObject(ref)
	if errors.Is(err, spool.ErrCorrupt) {
		w.fault("second copy of batch %d handed out damaged: %v", ref.Seq, err)
		return c.Quarantine(ref.Seq, err.Error())
	}
	if err != nil {
		return err
	}
	data, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != ref.Object.SHA256 {
		w.fault("second copy of batch %d: bytes of %s do not match", ref.Seq, ref.Object.File)
	}
	w.second[ref.Object.Key] = string(data)
	return c.Ack(ref)
}

func readAll(f *faultfs.FS, name string) ([]byte, error) {
	h, err := f.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer h.Close() //nolint:errcheck // only read
	return io.ReadAll(h)
}

// judgeDisk looks at the directory as a crash left it, before any Open: statement 1.
func (w *world) judgeDisk(f *faultfs.FS) {
	dirs, err := f.ReadDir(path.Join(root, "outbox"))
	if err != nil {
		return // not made yet
	}
	for _, d := range dirs {
		dir := path.Join(root, "outbox", d.Name())
		data, err := readAll(f, path.Join(dir, "manifest.json"))
		if err != nil {
			w.fault("visible in outbox/ without a manifest: %s", d.Name())
			continue
		}
		m, err := spool.DecodeManifest(data)
		if err != nil {
			w.fault("visible in outbox/ with a broken manifest: %s: %v", d.Name(), err)
			continue
		}
		for _, o := range m.Objects {
			data, err := readAll(f, path.Join(dir, o.File))
			if sum := sha256.Sum256(data); err != nil || hex.EncodeToString(sum[:]) != o.SHA256 {
				w.fault("visible in outbox/ and incomplete: %s/%s: %v", d.Name(), o.File, err)
			}
		}
		if m.Counts.Rejected > 0 {
			data, err := readAll(f, path.Join(dir, "rejects.ndjson"))
			if got := bytes.Count(data, []byte("\n")); err != nil || int64(got) != m.Counts.Rejected {
				w.fault("visible in outbox/ with %d of %d rejects: %s: %v", got, m.Counts.Rejected, d.Name(), err)
			}
		}
	}
}

// judgeEnd holds the finished world against the source: every line in exactly one place, exactly once.
func (w *world) judgeEnd(f *faultfs.FS) {
	delivered := map[int]int{}
	for _, content := range w.lake {
		for line := range strings.Lines(content) {
			var n int
			if _, err := fmt.Sscanf(line, "line %d", &n); err == nil {
				delivered[n]++
			}
		}
	}
	refused := map[int]int{}
	err := spool.ReadRejectsFS(f, root, func(_ uint64, r spool.Reject) error {
		refused[int(r.From)]++
		if want := fmt.Sprintf("line %d", r.From); string(r.Line) != want {
			w.fault("reject of line %d holds %q", r.From, r.Line)
		}
		return nil
	})
	if err != nil {
		w.fault("rejects: %v", err)
	}
	for n := range w.lines {
		wantLake, wantReject := 1, 0
		switch {
		case filtered(n):
			wantLake = 0
		case rejected(n):
			wantLake, wantReject = 0, 1
		}
		again := w.lenient && delivered[n] > wantLake && wantLake == 1
		if delivered[n] != wantLake && !again {
			w.fault("line %d delivered %d times, want %d", n, delivered[n], wantLake)
		}
		if refused[n] != wantReject && !(w.lenient && refused[n] > wantReject && wantReject == 1) {
			w.fault("line %d in rejects %d times, want %d", n, refused[n], wantReject)
		}
	}
	w.judgeChain(f)
	if w.second != nil {
		w.judgeCopies(f)
	}
}

// judgeCopies: each event that was shipped is in the second copy once, unless its batch says that it was skipped.
func (w *world) judgeCopies(f *faultfs.FS) {
	copied := map[int]int{}
	for _, content := range w.second {
		for line := range strings.Lines(content) {
			var n int
			if _, err := fmt.Sscanf(line, "line %d", &n); err == nil {
				copied[n]++
			}
		}
	}
	skipped := map[int]bool{}
	err := spool.ReadLedgerFS(f, root, func(e spool.Entry) error {
		if m := e.Manifest; m != nil && m.Copy != nil && m.Copy.Skipped > 0 {
			for n := m.Ranges[0].From; n < m.Ranges[0].To; n++ {
				skipped[int(n)] = true
			}
		}
		return nil
	})
	if err != nil {
		w.fault("ledger: %v", err)
	}
	for n := range w.lines {
		want := 1
		if filtered(n) || rejected(n) {
			want = 0
		}
		late := skipped[n] && copied[n] < want
		again := w.lenient && copied[n] > want && want == 1
		if copied[n] != want && !late && !again {
			w.fault("line %d in the second copy %d times, want %d", n, copied[n], want)
		}
	}
	if u, err := spool.ReadFS(f, root); err != nil || u.Copies.Objects > 0 {
		w.fault("second copies left: %+v, %v", u.Copies, err)
	}
	for _, dir := range []string{"building", "copies"} {
		if entries, err := f.ReadDir(path.Join(root, dir)); err != nil || len(entries) > 0 {
			w.fault("%s/ holds %v, %v", dir, entries, err)
		}
	}
}

// judgeChain checks ledger, totals and the accounting identity.
func (w *world) judgeChain(f *faultfs.FS) {
	bySeq := map[uint64]spool.Manifest{}
	err := spool.ReadLedgerFS(f, root, func(e spool.Entry) error {
		if e.Manifest != nil {
			bySeq[e.Seq] = *e.Manifest
		}
		return nil
	})
	if err != nil {
		w.fault("ledger: %v", err)
	}
	st, err := spool.ReadFS(f, root)
	if err != nil {
		w.fault("read: %v", err)
		return
	}
	for _, b := range st.Batches {
		if b.Place == spool.Outbox {
			w.fault("batch %d still in outbox/", b.Seq)
		}
		if b.Place == spool.Shipped && bySeq[b.Seq].Seq == 0 {
			w.fault("batch %d has no ledger line", b.Seq)
		}
	}
	for seq := range w.seqs {
		if bySeq[seq].Seq == 0 && !w.lenient {
			w.fault("committed batch %d is not in the ledger", seq)
		}
	}
	var seqs []uint64
	for seq := range bySeq {
		seqs = append(seqs, seq)
	}
	slices.Sort(seqs)
	var totals spool.Counts
	prev := uint64(0)
	for _, seq := range seqs {
		m := bySeq[seq]
		totals.Read += m.Counts.Read
		totals.Shipped += m.Counts.Shipped
		totals.Filtered += m.Counts.Filtered
		totals.Rejected += m.Counts.Rejected
		if !w.lenient && (m.Prev != prev || m.Totals != totals) {
			w.fault("batch %d: prev %d totals %+v, want %d %+v", seq, m.Prev, m.Totals, prev, totals)
		}
		prev = seq
	}
	a := st.Account
	if a.Read != a.Shipped+a.Filtered+a.Rejected+a.Quarantined+a.Pending || a.Shipped < 0 {
		w.fault("account does not add up: %+v", a)
	}
	if !w.lenient && (a.Read != int64(w.lines) || a.Pending != 0 || a.Quarantined != 0) {
		w.fault("account %+v, want %d read and nothing left", a, w.lines)
	}
}

// finish runs processes without faults until all is delivered, then judges.
func (w *world) finish(f *faultfs.FS) {
	w.judgeDisk(f)
	if err := w.daemon(f); err != nil {
		w.fault("after recovery: %v", err)
		return
	}
	w.judgeEnd(f)
}

func (w *world) report(format string, args ...any) {
	w.tb.Helper()
	if len(w.faults) > 0 {
		w.tb.Fatalf("%s:\n%s", fmt.Sprintf(format, args...), strings.Join(w.faults, "\n"))
	}
}
