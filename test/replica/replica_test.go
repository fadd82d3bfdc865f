package replica_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"wazuh-security-lake/test/replica"
)

var evening = time.Date(2026, time.December, 31, 23, 59, 58, 0, time.UTC)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, a, b string) bool {
	t.Helper()
	x, err := os.Stat(a)
	ok(t, err)
	y, err := os.Stat(b)
	ok(t, err)
	return os.SameFile(x, y)
}

func alert(t *testing.T, m *replica.Manager, size int) string {
	t.Helper()
	id, err := m.Alert(size)
	ok(t, err)
	return id
}

// TestRotation checks the order of calls, the names and the modes that were measured on analysisd.
func TestRotation(t *testing.T) {
	m := replica.New(filepath.Join(t.TempDir(), "alerts"), evening)
	ok(t, m.Start())
	var calls []string
	m.Step = func(call string) { calls = append(calls, call) }
	alert(t, m, 300)
	ok(t, m.Tick(time.Second))
	ok(t, m.Tick(time.Second)) // midnight, and nothing has happened in the new year
	if len(calls) != 0 {
		t.Errorf("an idle manager rotated: %v", calls)
	}
	last := alert(t, m, 300) // goes to the old file
	ok(t, m.Tick(time.Second))
	if want := []string{"close", "open", "unlink", "link"}; !slices.Equal(calls, want) {
		t.Errorf("calls %v, want %v", calls, want)
	}
	if got, want := m.File(), "2027/Jan/ossec-alerts-01.json"; got != want {
		t.Errorf("file %s, want %s", got, want)
	}
	if got, want := m.Alerts()[last].File, "2026/Dec/ossec-alerts-31.json"; got != want {
		t.Errorf("first alert of the year is in %s, want %s", got, want)
	}
	path := filepath.Join(m.Dir(), m.File())
	if !same(t, path, m.Path()) {
		t.Error("alerts.json is not linked to the day's file")
	}
	info, err := os.Stat(path)
	ok(t, err)
	dir, err := os.Stat(filepath.Dir(path))
	ok(t, err)
	if info.Mode().Perm() != 0o640 || dir.Mode().Perm() != 0o750 {
		t.Errorf("modes %v and %v, want 0640 and 0750", info.Mode(), dir.Mode())
	}
	calls = nil
	ok(t, m.Rotate(0)) // the new year's file is empty
	if calls[0] != "unlink empty" {
		t.Errorf("calls %v, want the empty file unlinked first", calls)
	}
	if got, want := m.File(), "2027/Jan/ossec-alerts-01-001.json"; got != want {
		t.Errorf("file %s, want %s", got, want)
	}
}

// TestKill leaves half a line, loses what was buffered, and glues the next alert to it.
func TestKill(t *testing.T) {
	m := replica.New(t.TempDir(), evening)
	ok(t, m.Start())
	whole := alert(t, m, 4000)
	half := alert(t, m, 4000)
	ok(t, m.Kill())
	content, err := os.ReadFile(m.Path())
	ok(t, err)
	if len(content) != 4096 {
		t.Errorf("%d bytes in the file, want one buffer of 4096", len(content))
	}
	before, err := os.Stat(m.Path())
	ok(t, err)
	ok(t, m.Start())
	after, err := os.Stat(m.Path())
	ok(t, err)
	if !os.SameFile(before, after) {
		t.Error("a restart on the same day made another inode")
	}
	glued := alert(t, m, 300)
	ok(t, m.Stop())
	if v := m.Visible(); !v[whole] || v[half] || !v[glued] {
		t.Errorf("visible %v, want %s and %s", v, whole, glued)
	}
	if !m.Alerts()[glued].Glued || m.Alerts()[whole].Glued {
		t.Error("the wrong alert is glued")
	}
	content, err = os.ReadFile(m.Path())
	ok(t, err)
	lines := bytes.Split(bytes.TrimSuffix(content, []byte("\n")), []byte("\n"))
	if len(lines) != 2 || !bytes.HasSuffix(lines[1], m.Alerts()[glued].Line) {
		t.Errorf("%d lines, want 2 with the glued one last", len(lines))
	}
}

// TestArchive is unreadable until the last write, and the plain file is there until then.
func TestArchive(t *testing.T) {
	m := replica.New(t.TempDir(), evening)
	ok(t, m.Start())
	for range 100 {
		alert(t, m, 300)
	}
	ok(t, m.Flush())
	path := filepath.Join(m.Dir(), m.File())
	want, err := os.ReadFile(path)
	ok(t, err)
	a := m.Archive(evening)
	ok(t, a.Sign())
	ok(t, a.Begin())
	for last := false; !last; {
		if _, err := unzip(path + ".gz"); err == nil {
			t.Error("readable before it was complete")
		}
		last, err = a.More()
		ok(t, err)
	}
	got, err := unzip(path + ".gz")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("archive holds %d bytes, %v, want %d", len(got), err, len(want))
	}
	ok(t, a.Unlink())
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("plain file: %v, want it gone", err)
	}
	if _, err := os.Stat(path + ".sum"); err != nil {
		t.Error(err)
	}
}

func unzip(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
