package ocsf

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// corpusNow is after every timestamp in the corpus.
var corpusNow = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

// sharedDir returns the folder with the real alerts, or skips.
func sharedDir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("WSL_SHARED")
	if dir == "" {
		t.Skip("WSL_SHARED does not name the folder with the real alerts")
	}
	return dir
}

func corpusLines(t testing.TB) [][]byte {
	t.Helper()
	f, err := os.Open(filepath.Join(sharedDir(t), "alerts", "real-alerts.ndjson.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var lines [][]byte
	sc := bufio.NewScanner(zr)
	sc.Buffer(nil, 64<<20)
	for sc.Scan() {
		lines = append(lines, bytes.Clone(sc.Bytes()))
	}
	if sc.Err() != nil || len(lines) == 0 {
		t.Fatalf("corpus: %d lines, %v", len(lines), sc.Err())
	}
	return lines
}

func mustClass(t testing.TB, name, version string) *Class {
	t.Helper()
	c, err := ClassByName(name, version)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCorpusIsValid maps every real alert to every class and version and asks the independent judge.
func TestCorpusIsValid(t *testing.T) {
	lines := corpusLines(t)
	for _, version := range Versions() {
		for _, name := range Classes() {
			t.Run(name+" "+version, func(t *testing.T) {
				t.Parallel()
				c := mustClass(t, name, version)
				m, ev, a := NewMapper(c, Options{ProductVersion: "4.14.7"}), NewEvent(c), new(Alert)
				var out []byte
				mapped, invalid := 0, 0
				for i, line := range lines {
					if err := a.Parse(line); err != nil {
						t.Fatalf("line %d: %v", i+1, err)
					}
					if err := m.Map(a, corpusNow, ev); errors.Is(err, ErrOtherClass) {
						continue
					} else if err != nil {
						t.Fatalf("line %d: %v", i+1, err)
					}
					if err := lostLeaf(a, ev); err != nil {
						t.Fatalf("line %d: %v", i+1, err)
					}
					if err := Check(ev); err != nil {
						if invalid++; invalid < 10 {
							t.Errorf("line %d: %v", i+1, err)
						}
					}
					out = append(ev.AppendJSON(out), '\n')
					mapped++
				}
				if mapped == 0 {
					t.Fatal("no alert fills this class")
				}
				judgeEvents(t, version, out)
			})
		}
	}
}

// judgeEvents runs validate.py over events.
func judgeEvents(t *testing.T, version string, events []byte) {
	t.Helper()
	shared := sharedDir(t)
	file := filepath.Join(t.TempDir(), "events.ndjson")
	if err := os.WriteFile(file, events, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", filepath.Join(shared, "ocsf", "validate.py"), file, "--unique-uid",
		"--schema", filepath.Join(shared, "ocsf", "ocsf-"+version+"-classes.json"))
	if report, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, report)
	} else {
		t.Logf("%s", report)
	}
}
