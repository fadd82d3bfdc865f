package tailer

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wazuh-security-lake/test/replica"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds how long a test waits for what must come.
const patience = 10 * time.Second

func wantWake(t *testing.T, w *Watcher, why string) {
	t.Helper()
	select {
	case <-w.C():
	case <-time.After(patience):
		t.Fatalf("no wake-up: %s", why)
	}
}

func TestWatcherSeesRelink(t *testing.T) {
	m := replica.New(t.TempDir(), midday)
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	w, err := NewWatcher(m.Dir(), time.Hour) // polling cannot be what wakes
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	wantWake(t, w, "start")
	if err := w.Degraded(); err != nil {
		t.Skipf("no inotify here: %v", err)
	}
	if err := m.Rotate(0); err != nil {
		t.Fatal(err)
	}
	wantWake(t, w, "relink")
}

func TestWatcherPollsWithoutDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	w, err := NewWatcher(dir, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	wantWake(t, w, "start")
	if w.Degraded() == nil {
		t.Error("a directory that is not there is not reported")
	}
	wantWake(t, w, "poll")
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); w.Degraded() != nil; {
		if time.Now().After(deadline) {
			t.Fatal("the directory is there and not watched")
		}
		wantWake(t, w, "poll")
	}
}

func TestWatcherRefuses(t *testing.T) {
	if _, err := NewWatcher(t.TempDir(), 0); err == nil {
		t.Error("no error for a poll interval of nothing")
	}
}
