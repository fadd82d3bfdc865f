package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wazuh-security-lake/config"
	"wazuh-security-lake/tailer"
)

// What position set says of a move goes by days, not by the letters of the months: Nov comes before Dec.
func TestMoveIsTold(t *testing.T) {
	t.Parallel()
	b := newBench(t, "batch: {interval: 1h}")
	b.run()
	if r := command(t, "", "drain", "-c", b.config); r.code != 0 {
		t.Fatalf("drain: exit %d: %s", r.code, r.err)
	}
	shown := command(t, "", "position", "show", "-c", b.config)
	var old tailer.Position
	if err := json.Unmarshal([]byte(shown.out), &old); err != nil {
		t.Fatal(err, shown.err)
	}
	day, ok := tailer.DayOf(old.File)
	if !ok {
		t.Fatalf("no day in %q", old.File)
	}
	c := config.Default()
	c.Spool.Dir = b.state
	for months := 1; months <= 12; months++ {
		for back, want := range map[int]string{-months: "REPEATED", months: "SKIPPED"} {
			next := tailer.Position{File: tailer.FirstName(day.AddDate(0, back, 0))}
			var out bytes.Buffer
			if err := explainMove(&out, c, next); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), want) {
				t.Errorf("from %s to %s: got %q, want %s", old.File, next.File, out.String(), want)
			}
		}
	}
}

func TestPositionToSet(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, tt := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no moment":     {[]string{"--at", "yesterday"}, exitUsage, "--at"},
		"no zone":       {[]string{"--at", "2026-03-15T00:00:00"}, exitUsage, "RFC 3339"},
		"missing file":  {[]string{"--file", filepath.Join(dir, "nowhere")}, exitNoInput, "nowhere"},
		"empty file":    {[]string{"--file", file("empty", "")}, exitData, "position show"},
		"an alert":      {[]string{"--file", file("alert", `{"timestamp":"2026-03-14T09:26:53.000+0000","rule":{"level":5}}`)}, exitData, "holds none"},
		"both":          {[]string{"--at", "today", "--file", "-"}, exitUsage, "either"},
		"empty JSON":    {[]string{"--file", file("object", `{}`), "--yes"}, exitData, "holds none"},
		"a JSON string": {[]string{"--file", file("string", `"end"`)}, exitData, "holds none"},
	} {
		t.Run(name, func(t *testing.T) {
			state := filepath.Join(dir, "state")
			r := command(t, "", append([]string{"position", "set", "--set", "spool.dir=" + state}, tt.args...)...)
			if r.code != tt.code || !strings.Contains(r.err, tt.says) {
				t.Errorf("exit %d, want %d and %q: %s", r.code, tt.code, tt.says, r.err)
			}
		})
	}
}

// A position in a file is read without a look at standard input, which on a terminal never ends.
func TestSavedPositionLeavesStandardInputAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "position.json")
	if err := os.WriteFile(path, []byte(`{"batch":3,"file":"2026/Mar/ossec-alerts-14.json","offset":7}`), 0o600); err != nil {
		t.Fatal(err)
	}
	touched := false
	stdin := readerFunc(func([]byte) (int, error) { touched = true; return 0, io.EOF })
	p, err := savedPosition(stdin, path)
	if err != nil || touched || p.Offset != 7 {
		t.Errorf("got %+v, %v; standard input read: %v", p, err, touched)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
