package tailer

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/test/replica"
)

// startedAt returns a manager that has written n alerts of size bytes, and a tailer on it.
func startedAt(t *testing.T, start StartAt, n, size int) (*replica.Manager, *Tailer) {
	t.Helper()
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	m := replica.New(filepath.Join(t.TempDir(), "alerts"), now)
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	for range n {
		if _, err := m.Alert(size); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Tick(time.Second); err != nil {
		t.Fatal(err)
	}
	tl, err := Open(Options{Log: WazuhLog{Path: m.Path(), DatedDir: m.Dir()}, StartAt: start, MaxLine: 64 << 10, Now: m.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tl.Close() })
	return m, tl
}

// rest reads to the end and returns the offsets lines begin at.
func rest(t *testing.T, tl *Tailer) []int64 {
	t.Helper()
	var out []int64
	for {
		l, err := tl.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, l.From)
	}
}

func TestStartConsumesNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		start StartAt
		size  int
		want  int
	}{
		"today":                 {Today(), 300, 5},
		"today, oversize first": {Today(), 100 << 10, 5},
		"end":                   {End(), 300, 0},
		"after the last":        {At(time.Date(2026, 3, 14, 13, 0, 0, 0, time.UTC)), 300, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, tl := startedAt(t, tt.start, 5, tt.size)
			p, err := tl.Start(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if p.IsZero() {
				t.Fatal("start is the zero position: a restart would start anew")
			}
			if got := len(rest(t, tl)); got != tt.want {
				t.Errorf("%d lines behind the start, want %d", got, tt.want)
			}
			again, err := Open(Options{Log: tl.opt.Log, Position: p, Now: tl.opt.Now, MaxLine: 64 << 10})
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if got := len(rest(t, again)); got != tt.want {
				t.Errorf("%d lines after a restart there, want %d", got, tt.want)
			}
		})
	}
}

func TestStartWithoutLog(t *testing.T) {
	tl, err := Open(Options{Log: WazuhLog{Path: filepath.Join(t.TempDir(), "alerts.json")}})
	if err != nil {
		t.Fatal(err)
	}
	defer tl.Close()
	if p, err := tl.Start(context.Background()); err == nil {
		t.Errorf("start of a log that is not there: %+v", p)
	}
}

func TestRewindReadsAgain(t *testing.T) {
	m, tl := startedAt(t, Today(), 10, 300)
	all := rest(t, tl)
	if err := tl.Rewind(Position{}); err != nil {
		t.Fatal(err)
	}
	if got := len(rest(t, tl)); got != len(all) {
		t.Errorf("%d lines after going back to the beginning, want %d", got, len(all))
	}
	at := tl.Position()
	if _, err := m.Alert(300); err != nil {
		t.Fatal(err)
	}
	if err := m.Rotate(0); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Alert(300); err != nil {
		t.Fatal(err)
	}
	if err := m.Tick(time.Second); err != nil {
		t.Fatal(err)
	}
	for range 3 { // over the rotation, back, and again
		if got := len(rest(t, tl)); got != 2 {
			t.Errorf("%d lines behind the position, want 2", got)
		}
		if err := tl.Rewind(at); err != nil {
			t.Fatal(err)
		}
	}
}

// A file that has lost its name can only be read again through the descriptor that is open.
func TestRewindKeepsTheOnlyCopy(t *testing.T) {
	m, tl := startedAt(t, Today(), 3, 300)
	rest(t, tl)
	at := tl.Position()
	for range 4 {
		if _, err := m.Alert(300); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(m.Dir(), filepath.FromSlash(m.File()))); err != nil {
		t.Fatal(err)
	}
	if got := len(rest(t, tl)); got != 4 {
		t.Fatalf("%d lines, want 4", got)
	}
	if err := tl.Rewind(at); err != nil {
		t.Fatal(err)
	}
	if got := len(rest(t, tl)); got != 4 {
		t.Errorf("%d lines after going back, want 4", got)
	}
}

func TestRewindAfterClose(t *testing.T) {
	_, tl := startedAt(t, Today(), 1, 300)
	_ = tl.Close() // never fails
	if err := tl.Rewind(Position{}); !errors.Is(err, ErrClosed) || strings.TrimSpace(err.Error()) == "" {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

func TestReadsAreToldOf(t *testing.T) {
	m, _ := startedAt(t, Today(), 3, 300)
	reads := 0
	tl, err := Open(Options{Log: WazuhLog{Path: m.Path(), DatedDir: m.Dir()}, Now: m.Now, OnRead: func() { reads++ }})
	if err != nil {
		t.Fatal(err)
	}
	defer tl.Close()
	if got := len(rest(t, tl)); got != 3 || reads == 0 {
		t.Errorf("%d lines, %d reads told of", got, reads)
	}
}

// Two days' files that begin with the same line, which is no alert: the position is in the one it names.
func TestPositionAmongFilesThatBeginAlike(t *testing.T) {
	m, tl := startedAt(t, Today(), 0, 0)
	junk := []byte("this is a line that is no alert\n")
	day := func() {
		if err := m.Raw(junk); err != nil {
			t.Fatal(err)
		}
		if err := m.Tick(time.Second); err != nil {
			t.Fatal(err)
		}
	}
	day()
	rest(t, tl)
	p := tl.Position()
	m.SetClock(m.Now().Add(48 * time.Hour))
	m.Event()
	if err := m.Tick(time.Second); err != nil {
		t.Fatal(err)
	}
	day()
	again, err := Open(Options{Log: tl.opt.Log, Position: p, Now: m.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	l, err := again.Next(context.Background())
	if err != nil || l.File != m.File() || l.From != 0 {
		t.Errorf("after the restart: %s from %d, %v; want the first line of %s", l.File, l.From, err, m.File())
	}
	if got := rest(t, again); len(got) != 0 {
		t.Errorf("%d more lines, want none", len(got))
	}
}

// A first start that finds its line and then fails has not consumed it: the next call finds it again.
func TestStartThatFailsIsRepeated(t *testing.T) {
	m, tl := startedAt(t, Today(), 5, 300)
	path := filepath.Join(m.Dir(), filepath.FromSlash(m.File()))
	failed := false
	tl.opt.FS = failingOpen{osFS{}, func(name string) error {
		if failed || name != path {
			return nil
		}
		failed = true
		return &fs.PathError{Op: "open", Path: name, Err: syscall.EIO}
	}}
	_, err := tl.Start(context.Background())
	if failed != (err != nil) {
		t.Fatalf("failed to open: %v, error %v", failed, err)
	}
	if err != nil {
		_, err = tl.Start(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := len(rest(t, tl)); got != 5 {
		t.Errorf("%d lines behind the start, want 5", got)
	}
}

// failingOpen is a file system on which some opens fail.
type failingOpen struct {
	FS
	fault func(path string) error
}

func (f failingOpen) Open(path string) (File, error) {
	if err := f.fault(path); err != nil {
		return nil, err
	}
	return f.FS.Open(path)
}

// The record of a file that vanished unread must be stored as well: what is read again after a failure tells of it again.
func TestRewindTellsOfAVanishedFileAgain(t *testing.T) {
	m, tl := startedAt(t, Today(), 3, 300)
	rest(t, tl)
	at := tl.Position()
	var unread []string
	for range 2 {
		if err := m.Rotate(0); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Alert(300); err != nil {
			t.Fatal(err)
		}
		if err := m.Tick(time.Second); err != nil {
			t.Fatal(err)
		}
		unread = append(unread, filepath.Join(m.Dir(), filepath.FromSlash(m.File())))
	}
	if _, err := tl.Lag(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(unread[0]); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		gaps := 0
		for {
			_, err := tl.Next(context.Background())
			if errors.Is(err, io.EOF) {
				break
			}
			var gap *GapError
			if errors.As(err, &gap) {
				gaps++
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if gaps != 1 {
			t.Errorf("told of %d gaps, want 1", gaps)
		}
		if err := tl.Rewind(at); err != nil {
			t.Fatal(err)
		}
	}
}

// A file that only a wrong clock can have made, and that vanishes before the live file is left for it, is told of as well.
func TestVanishedBeforeTheDetour(t *testing.T) {
	m, tl := startedAt(t, Today(), 3, 300)
	rest(t, tl)
	aside := filepath.Join(m.Dir(), "2026", "Mar", "ossec-alerts-15.json")
	if err := os.WriteFile(aside, []byte("{\"timestamp\":\"\"}\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := tl.Lag(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(aside); err != nil {
		t.Fatal(err)
	}
	m.SetClock(m.Now().Add(2 * detourInterval))
	_, err := tl.Next(context.Background())
	var gap *GapError
	if !errors.As(err, &gap) || gap.File != "2026/Mar/ossec-alerts-15.json" {
		t.Errorf("got %v, want a gap", err)
	}
	if got := len(rest(t, tl)); got != 0 {
		t.Errorf("%d more lines, want none", got)
	}
}
