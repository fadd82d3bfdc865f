package tailer

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wazuh-security-lake/test/replica"
)

const sectionName = "2026/Mar/ossec-alerts-14.json"

// sectionFiles writes a text as plain file and as archive.
func sectionFiles(t *testing.T, text string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(text))
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"plain": filepath.Join(dir, "a.json"), "gz": filepath.Join(dir, "a.json.gz")}
	for path, data := range map[string][]byte{files["plain"]: []byte(text), files["gz"]: b.Bytes()} {
		if err := os.WriteFile(path, data, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// readSection returns what the section holds, in short, and how it ended.
func readSection(path string, from, to int64) ([]string, error) {
	s, err := OpenSection(path, sectionName, from, to)
	if err != nil {
		return nil, err
	}
	defer s.Close() //nolint:errcheck // only read
	var out []string
	for {
		l, err := s.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		if l.File != sectionName || l.Head != s.Head() {
			return out, fmt.Errorf("line of %s, head %v", l.File, l.Head)
		}
		out = append(out, fmt.Sprintf("%s %d-%d %s", l.Data, l.From, l.To, l.Reject))
	}
}

func TestSection(t *testing.T) {
	const text = "aaaa\nbb\n\ncccccc\nhalf"
	tests := map[string]struct {
		from, to int64
		want     []string
		err      error
	}{
		"all":                      {0, -1, []string{"aaaa 0-5 ", "bb 5-8 ", " 8-9 blank", "cccccc 9-16 ", "half 16-20 truncated_at_rotation"}, nil},
		"from a line":              {5, -1, []string{"bb 5-8 ", " 8-9 blank", "cccccc 9-16 ", "half 16-20 truncated_at_rotation"}, nil},
		"between":                  {5, 9, []string{"bb 5-8 ", " 8-9 blank"}, nil},
		"to the end of half":       {9, 20, []string{"cccccc 9-16 ", "half 16-20 truncated_at_rotation"}, nil},
		"nothing":                  {8, 8, nil, nil},
		"at the end":               {16, 16, nil, nil},
		"from within a line":       {7, -1, nil, ErrNoLine},
		"to within a line":         {0, 7, []string{"aaaa 0-5 "}, ErrNoLine},
		"to behind the end":        {9, 30, []string{"cccccc 9-16 ", "half 16-20 truncated_at_rotation"}, ErrNoLine},
		"from behind the end":      {30, -1, nil, ErrNoLine},
		"from the end, no newline": {20, -1, nil, ErrNoLine},
	}
	for kind, path := range sectionFiles(t, text) {
		for name, test := range tests {
			t.Run(kind+", "+name, func(t *testing.T) {
				got, err := readSection(path, test.from, test.to)
				if !slices.Equal(got, test.want) || !errors.Is(err, test.err) {
					t.Errorf("got %q, %v, want %q, %v", got, err, test.want, test.err)
				}
			})
		}
	}
}

func TestSectionOfADamagedArchive(t *testing.T) {
	var text strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&text, "line %d %x\n", i, i*i*7919)
	}
	path := sectionFiles(t, text.String())["gz"]
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	got, err := readSection(path, 0, -1)
	if !errors.Is(err, ErrDamaged) || len(got) < 100 || len(got) >= 5000 {
		t.Errorf("got %d lines, %v, want some and ErrDamaged", len(got), err)
	}
	if _, err := readSection(path, int64(text.Len()-5), -1); !errors.Is(err, ErrDamaged) {
		t.Errorf("from behind the damage: got %v", err)
	}
	if err := os.Truncate(path, 5); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := Look(path); !errors.Is(err, ErrDamaged) {
		t.Errorf("look: got %v", err)
	}
}

// Whoever reads it, a file has one head: the ranges in the ledgers depend on it.
func TestSectionAndTailerAgree(t *testing.T) {
	at := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	mgr := replica.New(t.TempDir(), at)
	if err := mgr.Start(); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := mgr.Alert(2000); err != nil {
			t.Fatal(err)
		}
	}
	if err := mgr.Flush(); err != nil {
		t.Fatal(err)
	}
	log := WazuhLog{Path: mgr.Path(), DatedDir: mgr.Dir()}
	tl, err := Open(Options{Log: log, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	defer tl.Close() //nolint:errcheck // only read
	line, err := tl.Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	files, err := log.DatedFiles()
	if err != nil || len(files) != 1 || !files[0].Live || files[0].Name != sectionName {
		t.Fatalf("got %+v, %v", files, err)
	}
	head, alert, size, err := Look(files[0].Path)
	if err != nil || !alert || head != line.Head || size != 5*line.To {
		t.Errorf("got %v, %v, %d, %v, want the tailer's head %v", head, alert, size, err, line.Head)
	}
	if err := mgr.Archive(at).All(); err != nil {
		t.Fatal(err)
	}
	files, err = log.DatedFiles()
	if err != nil || len(files) != 1 || files[0].Live || !strings.HasSuffix(files[0].Path, ".gz") {
		t.Fatalf("archived: got %+v, %v", files, err)
	}
	packed, _, size, err := Look(files[0].Path)
	if err != nil || packed != head || size != 5*line.To {
		t.Errorf("archived: got %v, %d, %v", packed, size, err)
	}
}

func TestDatedNamesOfPaths(t *testing.T) {
	for path, want := range map[string]string{
		"/var/ossec/logs/alerts/2026/Mar/ossec-alerts-14.json": "2026/Mar/ossec-alerts-14.json",
		"/backup/2026/Mar/ossec-alerts-14-002.json.gz":         "2026/Mar/ossec-alerts-14-002.json",
		"/backup/ossec-alerts-14.json":                         "",
		"2026/Mar/ossec-alerts-14.json.gz":                     "2026/Mar/ossec-alerts-14.json",
		"/backup/2026/Mar/ossec-archive-14.json":               "",
	} {
		got, ok := DatedName(path)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%s: got %q, %v, want %q", path, got, ok, want)
		}
	}
	if got := FirstName(time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)); got != "2026/Mar/ossec-alerts-04.json" {
		t.Errorf("got %s", got)
	}
	if Compare("2026/Mar/ossec-alerts-14-002.json", "2026/Mar/ossec-alerts-15.json") >= 0 || Compare("2026/Mar/ossec-alerts-14.json", "alerts.json") >= 0 {
		t.Error("the order of names is wrong")
	}
}

func TestPositionReads(t *testing.T) {
	head := Fingerprint{Len: 1, Hash: "x"}
	p := Position{File: "2026/Mar/ossec-alerts-16.json", Head: head, Offset: 5, Floor: "2026/Mar/ossec-alerts-14.json",
		Done: []Mark{{File: "2026/Mar/ossec-alerts-15.json", Head: head, End: 9}}}
	for name, want := range map[string]bool{
		"2026/Mar/ossec-alerts-14.json":     false, // at the floor
		"2026/Mar/ossec-alerts-15.json":     false, // left behind
		"2026/Mar/ossec-alerts-15-001.json": true,  // above the floor, never seen
		"2026/Mar/ossec-alerts-16.json":     false, // being read
		"2026/Mar/ossec-alerts-17.json":     true,
	} {
		if got := p.Reads(name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}
