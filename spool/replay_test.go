package spool_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"wazuh-security-lake/spool"
	"wazuh-security-lake/test/faultfs"
)

// replayer is an operator who replays rejects and ships them, with a process that may die at any change of the disk. Lines
// with a capital letter can be events by now.
type replayer struct {
	t    *testing.T
	lake map[string]string // by key
}

func (r *replayer) process(f *faultfs.FS) error {
	s, err := spool.Open(root, spool.Options{FS: f})
	if err != nil {
		return err
	}
	if err := r.work(s); err != nil {
		return err
	}
	return s.Close()
}

func (r *replayer) work(s *spool.Spool) error {
	if m, ok := s.LastManifest(); !ok || m.Seq < 2 { // the daemon of the old version
		for _, lines := range [][]string{{"A", "b", "c"}, {"D"}}[m.Seq:] {
			if err := commitRejects(s, lines); err != nil {
				return err
			}
		}
	}
	if err := replayAll(s); err != nil {
		return err
	}
	for _, ref := range s.Pending() {
		body, _, err := s.OpenObject(ref)
		if err != nil {
			return err
		}
		var text strings.Builder
		_, err = fmt.Fprint(&text, readText(body))
		if cerr := body.Close(); err != nil || cerr != nil {
			return errors.Join(err, cerr)
		}
		r.lake[ref.Object.Key] = text.String() // the same key has the same bytes
		if err := s.Ack(ref); err != nil {
			return err
		}
	}
	return nil
}

func readText(r interface{ Read([]byte) (int, error) }) string {
	buf := make([]byte, 1<<10)
	n, _ := r.Read(buf) // what is missing shows in the judgement
	return string(buf[:n])
}

func commitRejects(s *spool.Spool, lines []string) error {
	b, err := s.Begin()
	if err != nil {
		return err
	}
	for _, l := range lines {
		if err := b.Reject(spool.Reject{Reason: "not_json", File: "f", Line: []byte(l)}); err != nil {
			return errors.Join(err, b.Discard())
		}
	}
	n := int64(len(lines))
	return b.Commit(spool.Manifest{Position: json.RawMessage(`{"x":1}`), Counts: spool.Counts{Read: n, Rejected: n}})
}

func replayAll(s *spool.Spool) error {
	seqs, _, err := s.ReplayableRejects()
	if err != nil {
		return err
	}
	var map1, keep []spool.Reject
	for _, seq := range seqs {
		if err := s.RejectsOf(seq, func(rj spool.Reject) error {
			if l := string(rj.Line); strings.ToUpper(l) == l {
				map1 = append(map1, rj)
			} else {
				keep = append(keep, rj)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	if len(map1) == 0 {
		return nil
	}
	b, err := s.Begin()
	if err != nil {
		return err
	}
	return errors.Join(commitReplay(s, b, seqs, map1, keep), b.Discard())
}

func commitReplay(s *spool.Spool, b *spool.Batch, seqs []uint64, mapped, keep []spool.Reject) error {
	f, err := b.Create("0.parquet")
	if err != nil {
		return err
	}
	for _, rj := range mapped {
		if _, err := f.Write(rj.Line); err != nil {
			return err
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	for _, rj := range keep {
		if err := b.KeepReject(rj); err != nil {
			return err
		}
	}
	last, _ := s.LastManifest()
	return b.Commit(spool.Manifest{Position: last.Position,
		Objects: []spool.Object{{File: "0.parquet", Source: "s", Destination: "d", Key: fmt.Sprintf("k-%d-%.16s", b.Seq(), f.Sum()), Rows: int64(len(mapped))}},
		Replay:  &spool.Replay{Batches: seqs, Shipped: int64(len(mapped)), Kept: int64(len(keep))}})
}

// judge: each line is in the lake or among the rejects, exactly once, and the account says so.
func (r *replayer) judge(f *faultfs.FS) error {
	var lines []string
	for _, text := range r.lake {
		for _, c := range text {
			lines = append(lines, "lake "+string(c))
		}
	}
	if err := spool.ReadRejectsFS(f, root, func(_ uint64, rj spool.Reject) error {
		lines = append(lines, "reject "+string(rj.Line))
		return nil
	}); err != nil {
		return err
	}
	slices.Sort(lines)
	if got, want := fmt.Sprint(lines), "[lake A lake D reject b reject c]"; got != want {
		return fmt.Errorf("got %s, want %s", got, want)
	}
	st, err := spool.ReadFS(f, root)
	if err != nil {
		return err
	}
	if want := (spool.Account{Read: 4, Shipped: 2, Rejected: 2, Replayed: 2}); st.Account != want {
		return fmt.Errorf("account %+v, want %+v", st.Account, want)
	}
	return nil
}

// A replay killed, or cut by a power loss, at any change of the disk neither loses nor doubles a line.
func TestReplayCutAtEveryOperation(t *testing.T) {
	t.Parallel()
	end := 0
	for n := 1; end == 0; n++ {
		for seed := range uint64(5) { // 0 is a kill, the others are power losses
			r, f := &replayer{t: t, lake: map[string]string{}}, faultfs.New()
			f.Inject(faultfs.Fault{Op: faultfs.Change, N: n, Kill: true})
			if err := r.process(f); err == nil && !f.Dead() {
				end = n
			}
			if seed == 0 {
				f = f.Restart()
			} else {
				f = f.PowerLoss(seed)
			}
			for range 2 { // the second process finds nothing to do
				if err := r.process(f); err != nil {
					t.Fatalf("change %d, seed %d: %v", n, seed, err)
				}
				if err := r.judge(f); err != nil {
					t.Errorf("change %d, seed %d: %v", n, seed, err)
				}
			}
		}
	}
	t.Logf("%d points", end)
	if end < 60 {
		t.Errorf("only %d points", end)
	}
}

// A batch in quarantine keeps its claim: its lines are not replayed a second time, and none of them is lost.
func TestReplayInQuarantine(t *testing.T) {
	f := faultfs.New()
	s, err := spool.Open(root, spool.Options{FS: f})
	if err != nil {
		t.Fatal(err)
	}
	for _, lines := range [][]string{{"A", "b"}, {"D"}} {
		if err := commitRejects(s, lines); err != nil {
			t.Fatal(err)
		}
	}
	if err := replayAll(s); err != nil {
		t.Fatal(err)
	}
	if got := s.Totals(); got != (spool.Account{Read: 3, Rejected: 1, Pending: 2, Replayed: 2}) {
		t.Errorf("waiting: %+v", got)
	}
	if err := s.Quarantine(3, "test"); err != nil {
		t.Fatal(err)
	}
	if got := s.Totals(); got != (spool.Account{Read: 3, Rejected: 1, Quarantined: 2, Replayed: 2}) {
		t.Errorf("in quarantine: %+v", got)
	}
	if seqs, waiting, err := s.ReplayableRejects(); err != nil || len(seqs) != 0 || waiting != 2 {
		t.Errorf("replayable %v, waiting %d, %v", seqs, waiting, err)
	}
	if err := s.Requeue(3); err != nil {
		t.Fatal(err)
	}
	for _, ref := range s.Pending() {
		if err := s.Ack(ref); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Totals(); got != (spool.Account{Read: 3, Rejected: 1, Shipped: 2, Replayed: 2}) {
		t.Errorf("shipped: %+v", got)
	}
	if seqs, _, err := s.ReplayableRejects(); err != nil || !slices.Equal(seqs, []uint64{3}) {
		t.Errorf("the line that stayed: %v, %v", seqs, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
