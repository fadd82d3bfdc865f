package spool_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"wazuh-security-lake/spool"
)

func commitOne(t *testing.T, s *spool.Spool, gaps ...spool.Gap) {
	t.Helper()
	b, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(spool.Manifest{Position: json.RawMessage(`{}`), Gaps: gaps}); err != nil {
		t.Fatal(err)
	}
}

// A follower gives every line once, and of old months only what still counts.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	s, err := spool.Open(dir, spool.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing is read back
	commitOne(t, s)
	commitOne(t, s, spool.Gap{Reason: "not_found", Range: spool.Range{File: "a"}})
	f := spool.Follow(dir, now.AddDate(0, 2, 0))
	next := func() string {
		t.Helper()
		got := ""
		if err := f.Next(func(e spool.Entry) error { got += fmt.Sprint(e.Seq, " "); return nil }); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := next(); got != "2 " {
		t.Errorf("of an old month %q, want only the batch with a gap", got)
	}
	now = now.AddDate(0, 2, 0)
	commitOne(t, s)
	commitOne(t, s)
	if got := next(); got != "3 4 " {
		t.Errorf("new lines %q, want 3 and 4", got)
	}
	if got := next(); got != "" {
		t.Errorf("given twice: %q", got)
	}
	// Half a line is not read before it is whole.
	file := filepath.Join(dir, "ledger", now.Format("2006-01")+".ndjson")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	commitOne(t, s)
	grown, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, grown[:len(whole)+20], 0o640); err != nil {
		t.Fatal(err)
	}
	if got := next(); got != "" {
		t.Errorf("half a line was read: %q", got)
	}
	if err := os.WriteFile(file, grown, 0o640); err != nil {
		t.Fatal(err)
	}
	if got := next(); got != "5 " {
		t.Errorf("got %q, want 5", got)
	}
}
