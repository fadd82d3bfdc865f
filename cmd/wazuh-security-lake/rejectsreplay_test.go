package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
)

// reject commits a batch of lines that an older version could not map.
func (b *bench) reject(lines ...string) {
	b.t.Helper()
	s, err := spool.Open(b.state, spool.Options{})
	if err != nil {
		b.t.Fatal(err)
	}
	batch, err := s.Begin()
	if err != nil {
		b.t.Fatal(err)
	}
	from := int64(0)
	for _, l := range lines {
		r := spool.Reject{Reason: "invalid_event", File: "2024/Apr/ossec-alerts-22.json", Head: "h", From: from, To: from + int64(len(l)) + 1, Line: []byte(l)}
		if l == "cut" {
			r.Reason = "truncated_at_rotation"
		}
		if err := batch.Reject(r); err != nil {
			b.t.Fatal(err)
		}
		from = r.To
	}
	n := int64(len(lines))
	if err := batch.Commit(spool.Manifest{Position: json.RawMessage(`{"floor":"-"}`), Counts: spool.Counts{Read: n, Rejected: n}}); err != nil {
		b.t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.t.Fatal(err)
	}
}

func oldAlert(day, n int) string {
	return fmt.Sprintf(`{"timestamp":"2024-04-%02dT14:20:46.976+0000","rule":{"level":3,"description":"d","id":"5402"},"agent":{"id":"001"},"manager":{"name":"bench"},"id":"1.%d","location":"x","full_log":"old %d"}`, day, n, n)
}

func TestRejectsReplay(t *testing.T) {
	t.Parallel()
	b := newBench(t, `filter: {exclude: {rule_id: ["999"]}}`)
	unwanted := strings.Replace(oldAlert(22, 3), "5402", "999", 1)
	b.reject(oldAlert(22, 1), "no alert", "cut", oldAlert(23, 2), unwanted)
	b.reject("also no alert")
	b.reject(oldAlert(22, 4))
	account := func() spool.Account {
		t.Helper()
		st, err := spool.Read(b.state)
		if err != nil {
			t.Fatal(err)
		}
		return st.Account
	}
	replay := func(args ...string) relay.Replayed {
		t.Helper()
		r := command(t, "", append([]string{"rejects", "replay", "-c", b.config, "--json"}, args...)...)
		var done relay.Replayed
		if err := json.Unmarshal([]byte(r.out), &done); err != nil || r.code != 0 {
			t.Fatalf("exit %d, %v: %s%s", r.code, err, r.out, r.err)
		}
		return done
	}
	rejects := func() int {
		t.Helper()
		return strings.Count(command(t, "", "rejects", "list", "-c", b.config).out, "ossec-alerts-22.json")
	}
	if got, want := replay("--dry-run"), (relay.Replayed{Shipped: 3, Filtered: 1, Kept: 3}); got != want {
		t.Errorf("dry run: %+v, want %+v", got, want)
	}
	if got, want := account(), (spool.Account{Read: 7, Rejected: 7}); got != want || rejects() != 7 {
		t.Errorf("after the dry run: %+v, %d rejects", got, rejects())
	}
	if got, want := replay(), (relay.Replayed{Batch: 4, Shipped: 3, Filtered: 1, Kept: 3}); got != want {
		t.Errorf("replay: %+v, want %+v", got, want)
	}
	if got, want := account(), (spool.Account{Read: 7, Filtered: 1, Rejected: 3, Pending: 3, Replayed: 4}); got != want || rejects() != 3 {
		t.Errorf("before delivery: %+v, %d rejects listed", got, rejects())
	}
	if got := replay(); got.Shipped+got.Filtered != 0 || got.Elsewhere == 0 {
		t.Errorf("a second replay before delivery: %+v", got)
	}
	if r := command(t, "", "drain", "-c", b.config); r.code != 0 {
		t.Fatalf("drain: exit %d: %s", r.code, r.err)
	}
	if got, want := account(), (spool.Account{Read: 7, Filtered: 1, Shipped: 3, Rejected: 3, Replayed: 4}); got != want || rejects() != 3 || b.shipped() != 3 {
		t.Errorf("after delivery: %+v, %d rejects listed, %d in the lake", got, rejects(), b.shipped())
	}
	if got := replay(); got != (relay.Replayed{Kept: 3}) {
		t.Errorf("a second replay: %+v", got)
	}
	if shown := command(t, "", "rejects", "show", "1", "-c", b.config); shown.code != 0 || !strings.Contains(shown.out, "no alert") {
		t.Errorf("show: exit %d: %s%s", shown.code, shown.out, shown.err)
	}
	// The batch is sealed early when the lines are of many days; what is left of the file comes with the next replay.
	var many []string
	for i := range 520 {
		many = append(many, oldAlert(1+i%13, 100+i))
	}
	b.reject(many...)
	first := replay()
	if first.Shipped == 0 || first.Shipped == 520 {
		t.Fatalf("first of two: %+v", first)
	}
	if r := command(t, "", "drain", "-c", b.config); r.code != 0 {
		t.Fatalf("drain: exit %d: %s", r.code, r.err)
	}
	if second := replay(); first.Shipped+second.Shipped != 520 {
		t.Errorf("first %+v, second %+v", first, second)
	}
	if r := command(t, "", "drain", "-c", b.config); r.code != 0 || b.shipped() != 523 {
		t.Errorf("drain: exit %d: %s; %d in the lake", r.code, r.err, b.shipped())
	}
	if r := command(t, "", append([]string{"validate"}, parquetFiles(t, b.dir)...)...); r.code != 0 {
		t.Errorf("validate: %s", r.out)
	}
}

func parquetFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "lake/ext/*/*/*/*/*.parquet"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no objects: %v", err)
	}
	return files
}

// A source never changes what it is, by a replay neither.
func TestRejectsReplayRefusesAnotherClass(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	b.reject(oldAlert(22, 1))
	if r := command(t, "", "rejects", "replay", "-c", b.config); r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	b.reject(oldAlert(22, 2))
	r := command(t, "", "rejects", "replay", "-c", b.config, "--set", "sources[0].class=security_finding")
	if r.code != exitConfig || !strings.Contains(r.err, "class") || !strings.Contains(r.err, "remedy") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}
