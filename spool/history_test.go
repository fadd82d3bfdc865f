package spool_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wazuh-security-lake/spool"
)

// commitPast commits a batch with one object and returns its number.
func commitPast(t *testing.T, s *spool.Spool, line int64) uint64 {
	t.Helper()
	b, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	f, err := b.Create("0.parquet")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(strings.Repeat("x", 10))); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	m := spool.Manifest{Position: json.RawMessage(fmt.Sprintf(`{"offset":%d}`, line+1)), Counts: spool.Counts{Read: 1, Shipped: 1},
		Ranges: []spool.Range{{File: "f", Head: "h", From: line, To: line + 1}}, Objects: []spool.Object{{File: "0.parquet", Key: fmt.Sprint("k", line), Rows: 1}}}
	if err := b.Commit(m); err != nil {
		t.Fatal(err)
	}
	return b.Seq()
}

func TestHistory(t *testing.T) {
	dir := t.TempDir()
	s, err := spool.Open(dir, spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(5) {
		commitPast(t, s, i)
	}
	for _, ref := range s.Pending() {
		if ref.Seq == 1 || ref.Seq == 5 {
			if err := s.Ack(ref); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, seq := range []uint64{2, 3} {
		if err := s.Quarantine(seq, "bad"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Requeue(3); err != nil {
		t.Fatal(err)
	}
	past, bad, err := spool.History(dir) // beside the open spool
	if err != nil || bad != 0 || len(past) != 5 {
		t.Fatalf("got %d batches, %d bad lines, %v", len(past), bad, err)
	}
	want := []spool.Fate{spool.Delivered, spool.SetAside, spool.Waiting, spool.Waiting, spool.Delivered}
	for i, p := range past {
		if p.Seq != uint64(i+1) || p.Fate != want[i] || p.Manifest == nil || len(p.Manifest.Ranges) != 1 {
			t.Errorf("batch %d: got %+v, want %s", i+1, p, want[i])
		}
		if hasPosition := len(p.Manifest.Position) > 0; hasPosition != (i == 0 || i == 4) {
			t.Errorf("batch %d: position %s", i+1, p.Manifest.Position)
		}
		if (len(p.Gaps) > 0) != (p.Fate == spool.SetAside) {
			t.Errorf("batch %d: gaps %v", i+1, p.Gaps)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	months, err := filepath.Glob(filepath.Join(dir, "ledger", "*"))
	if err != nil || len(months) != 1 {
		t.Fatalf("got %v, %v", months, err)
	}
	text, err := os.ReadFile(months[0])
	if err != nil {
		t.Fatal(err)
	}
	text[30] ^= 1 // in the line of batch 1
	if err := os.WriteFile(months[0], text, 0o640); err != nil {
		t.Fatal(err)
	}
	past, bad, err = spool.History(dir)
	if err != nil || bad != 1 || len(past) != 4 || past[0].Seq != 2 {
		t.Errorf("damaged line: got %d batches, %d bad lines, %v", len(past), bad, err)
	}
	if _, _, err := spool.History(t.TempDir()); !os.IsNotExist(err) && !strings.Contains(fmt.Sprint(err), "no such file") {
		t.Errorf("no spool: got %v", err)
	}
}
