package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"wazuh-security-lake/config"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

// What a move means follows from the order in which the files are read, not from that of their names.
func TestExplainMove(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		from, to string
		want     string
	}{
		"the next month":      {"2026/Oct/ossec-alerts-31.json", "2026/Nov/ossec-alerts-01.json", "SKIPPED"},
		"the month before":    {"2026/Apr/ossec-alerts-01.json", "2026/Mar/ossec-alerts-31.json", "REPEATED"},
		"the next part":       {"2026/Apr/ossec-alerts-01.json", "2026/Apr/ossec-alerts-01-001.json", "SKIPPED"},
		"the part before":     {"2026/Apr/ossec-alerts-01-001.json", "2026/Apr/ossec-alerts-01.json", "REPEATED"},
		"the same place":      {"2026/Apr/ossec-alerts-01.json", "2026/Apr/ossec-alerts-01.json", "same place"},
		"a year before":       {"2026/Dec/ossec-alerts-31.json", "2025/Dec/ossec-alerts-31.json", "REPEATED"},
		"the part over 999":   {"2026/Apr/ossec-alerts-01-999.json", "2026/Apr/ossec-alerts-01-1000.json", "SKIPPED"},
		"segments":            {"000000000009.ndjson", "000000000010.ndjson", "SKIPPED"},
		"from nothing":        {"", "2026/Jan/ossec-alerts-09.json", "SKIPPED"},
		"without dated files": {"alerts.json", "alerts.json", "same place"},
	} {
		t.Run(name, func(t *testing.T) {
			c := config.Default()
			c.Spool.Dir = t.TempDir()
			old, err := json.Marshal(tailer.Position{File: tt.from, Floor: "-"})
			if err != nil {
				t.Fatal(err)
			}
			if err := spool.SetPosition(c.Spool.Dir, old, spool.Options{}); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			if err := explainMove(&out, c, tailer.Position{File: tt.to, Floor: "-"}); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), tt.want) {
				t.Errorf("got %q, want that it says %s", out.String(), tt.want)
			}
		})
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
	if err := os.WriteFile(path, []byte(`{"file":"2026/Mar/ossec-alerts-14.json","offset":0,"floor":"-"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	touched := false
	stdin := readerFunc(func([]byte) (int, error) { touched = true; return 0, io.EOF })
	p, err := savedPosition(stdin, path, config.Default().Input)
	if err != nil || touched || p.File == "" {
		t.Errorf("got %+v, %v; standard input read: %v", p, err, touched)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// A file that is no position, or none that the daemon could start with, is refused before anything is changed.
func TestPositionSetRefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	for _, text := range []string{`{}`, `{"seq":7,"objects":[]}`, `{"file":"2024/Apr/ossec-alerts-22.json","offset":300}`, `{"file":"x","offset":-1}`, `[]`} {
		r := command(t, text, "position", "set", "-c", b.config, "--file", "-", "--yes")
		if r.code != exitData || !strings.Contains(r.err, "position show") {
			t.Errorf("%s: exit %d: %s%s", text, r.code, r.out, r.err)
		}
	}
}

func TestSpoolFaults(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err  error
		code int
		hint string
	}{
		"disk error after a rename": {&spool.FatalError{Op: "commit batch 7", Err: syscall.EIO}, exitIO, "kernel log"},
		"disk error":                {fmt.Errorf("open spool: %w", syscall.EIO), exitIO, "kernel log"},
		"a later version":           {&spool.FormatError{Path: "outbox/7/manifest.json", Version: 2}, exitData, "that version"},
		"no room":                   {fmt.Errorf("open spool: %w", syscall.ENOSPC), exitCantCreate, "free space"},
		"permission":                {fmt.Errorf("open spool: %w", syscall.EACCES), exitNoPerm, "chown"},
	} {
		t.Run(name, func(t *testing.T) {
			err := spoolFault("/state", tt.err)
			if got := exitCode(err); got != tt.code || !strings.Contains(hintFor(err), tt.hint) {
				t.Errorf("exit %d, remedy %q; want %d and %q", got, hintFor(err), tt.code, tt.hint)
			}
		})
	}
}
