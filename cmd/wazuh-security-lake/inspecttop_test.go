package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What --top counts is what a reader of every row counts, for each class and both kinds of argument.
func TestInspectTop(t *testing.T) {
	paths := map[string]map[string]string{
		"detection_finding": {"rule": "finding_info.analytic.uid", "agent": "device.uid", "technique": "finding_info.attacks[].technique.uid", "source-ip": "evidences[].src_endpoint.ip"},
		"security_finding":  {"rule": "analytic.uid", "agent": "resources[].uid", "technique": "attacks[].technique.uid"},
	}
	for class, columns := range paths {
		t.Run(class, func(t *testing.T) {
			dir := t.TempDir()
			for i := range 2 { // two files, one below a lake directory of its own
				out := filepath.Join(dir, fmt.Sprint(i))
				if r := command(t, "", "convert", "-o", out, "--class", class, "demo/alerts.ndjson", "testdata/documented.ndjson"); r.code != 0 {
					t.Fatal(r.err)
				}
			}
			events, _ := rows(t, dir)
			r := command(t, "", "inspect", "--json", "--limit", "1000", "--top", "rule,agent,technique,source-ip", filepath.Join(dir, "0"), filepath.Join(dir, "1", "ext"))
			var tables []topTable
			if err := json.Unmarshal([]byte(r.out), &tables); err != nil {
				t.Fatalf("%v: %s%s", err, r.out, r.err)
			}
			for _, table := range tables {
				path, known := columns[table.Dimension]
				if !known {
					if table.Values == 0 {
						t.Errorf("%s: nothing counted", table.Dimension)
					}
					continue
				}
				want := make(map[string]int64)
				for _, ev := range events {
					for _, v := range collect(ev, path) {
						want[v]++
					}
				}
				if len(want) == 0 || len(table.Top) != len(want) || table.Estimated {
					t.Errorf("%s: %d different, want %d", table.Dimension, len(table.Top), len(want))
				}
				for i, e := range table.Top {
					if want[e.Value] != e.Count || i > 0 && e.Count > table.Top[i-1].Count {
						t.Errorf("%s: %+v, want %d", table.Dimension, e, want[e.Value])
					}
				}
			}
		})
	}
}

// collect walks a path with [] for lists.
func collect(v any, path string) []string {
	if path == "" {
		return []string{fmt.Sprint(v)}
	}
	key, rest, _ := strings.Cut(path, ".")
	key, list := strings.CutSuffix(key, "[]")
	m, _ := v.(map[string]any)
	v, ok := m[key]
	switch {
	case !ok:
		return nil
	case !list:
		return collect(v, rest)
	}
	var out []string
	for _, e := range v.([]any) {
		out = append(out, collect(e, rest)...)
	}
	return out
}

func TestInspectTopArguments(t *testing.T) {
	dir := t.TempDir()
	if r := command(t, "", "convert", "-o", dir, "demo/alerts.ndjson"); r.code != 0 {
		t.Fatal(r.err)
	}
	file := parquetIn(t, dir)
	if r := command(t, "", "inspect", "--top", "poem", file); r.code != exitUsage || !strings.Contains(r.err, "source-ip") {
		t.Errorf("unknown: exit %d: %s", r.code, r.err)
	}
	if r := command(t, "", "inspect", "--top", "rule", t.TempDir()); r.code != exitNoInput {
		t.Errorf("empty directory: exit %d: %s", r.code, r.err)
	}
	if r := command(t, "", "inspect", "--top", "rule", "demo/alerts.ndjson"); r.code != exitData {
		t.Errorf("no Parquet: exit %d: %s", r.code, r.err)
	}
	for _, what := range []string{"--top=rule", "--rows"} {
		if r := command(t, "", "inspect", what, "--limit", "-1", file); r.code != exitUsage || !strings.Contains(r.err, "--limit") {
			t.Errorf("%s with a limit below zero: exit %d: %s", what, r.code, r.err)
		}
	}
	for name, tt := range map[string]struct {
		args  []string
		lines int
	}{
		"--rows N":        {[]string{"--rows", "3", file}, 3},
		"--rows=N":        {[]string{"--rows=3", file, file}, 6},
		"--rows":          {[]string{"--rows", file, file}, 24},
		"--rows, --limit": {[]string{"--rows", "--limit", "2", file}, 2},
	} {
		r := command(t, "", append([]string{"inspect"}, tt.args...)...)
		if r.code != 0 || strings.Count(r.out, "\n") != tt.lines {
			t.Errorf("%s: exit %d, %d lines, want %d: %s", name, r.code, strings.Count(r.out, "\n"), tt.lines, r.err)
		}
	}
}

func parquetIn(t *testing.T, dir string) string {
	t.Helper()
	files, err := parquetBelow([]string{dir})
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	return files[0]
}

// Above its capacity the counts are bounded, and the frequent values are still found, never counted too low.
func TestSpaceSaving(t *testing.T) {
	const capacity = 100
	s := newSpaceSaving(capacity)
	r := rand.New(rand.NewPCG(1, 2))
	exact := make(map[string]int64)
	for range 100_000 {
		v := fmt.Sprint("rare ", r.IntN(50_000))
		if r.IntN(3) == 0 {
			v = fmt.Sprint("frequent ", r.IntN(5))
		}
		exact[v]++
		s.add([]byte(v), nil)
	}
	if len(s.byKey) > capacity || !s.evicted || s.total != 100_000 {
		t.Errorf("%d counters, total %d", len(s.byKey), s.total)
	}
	for i, e := range s.top(5) {
		over := e.Count - exact[e.Value]
		if !strings.HasPrefix(e.Value, "frequent") || over < 0 || over > s.total/capacity {
			t.Errorf("%d: %+v, exact %d", i, e, exact[e.Value])
		}
	}
}

// A damaged file is an error, never a panic.
func TestInspectTopOfDamagedFiles(t *testing.T) {
	dir := t.TempDir()
	if r := command(t, "", "convert", "-o", dir, "demo/alerts.ndjson"); r.code != 0 {
		t.Fatal(r.err)
	}
	sound, err := os.ReadFile(parquetIn(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	bad := filepath.Join(t.TempDir(), "bad.parquet")
	failed := 0
	for range 100 {
		damaged := append([]byte(nil), sound...)
		for range 1 + r.IntN(20) {
			damaged[4+r.IntN(len(damaged)-12)] ^= byte(1 + r.IntN(255))
		}
		if err := os.WriteFile(bad, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := command(t, "", "inspect", "--top", "rule,technique,source-ip", bad); got.code != 0 {
			failed++
			if got.code != exitData {
				t.Errorf("exit %d: %s", got.code, got.err)
			}
		}
	}
	if failed == 0 {
		t.Error("no damage was noticed")
	}
}
