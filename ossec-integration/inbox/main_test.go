package inbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary is also the program that dies: with these variables set it does one thing and is killed at a step.
const (
	childDir  = "INBOX_TEST_DIR"
	childLine = "INBOX_TEST_LINE" // empty: Rescue instead of Append
	childStep = "INBOX_TEST_STEP"
	childHeld = "INBOX_TEST_HELD" // the lock is held: time out at once
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir))
	}
	os.Exit(m.Run())
}

func child(dir string) int {
	opt := Options{step: func(step string) {
		if step == os.Getenv(childStep) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // until it arrives
		}
	}}
	if os.Getenv(childHeld) != "" {
		opt.LockTimeout = time.Nanosecond
	}
	// Half a line is what a kill inside write leaves; the kernel would have to be asked nicely to show it.
	if os.Getenv(childStep) == "half-written" {
		opt.write = func(f *os.File, b []byte) (int, error) {
			_, _ = f.Write(b[:len(b)/2])
			opt.step("half-written")
			return 0, nil
		}
	}
	var err error
	if line := os.Getenv(childLine); line != "" {
		_, err = Append(dir, []byte(line), opt)
	} else {
		b := &Inbox{dir, opt.withDefaults()}
		_, _, err = b.Rescue()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// runChild reports whether the child acknowledged, that is exited 0.
func runChild(t testing.TB, env ...string) bool {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() >= 0) {
		t.Fatalf("child %v: %v: %s", env, err, out)
	}
	return err == nil
}

func newInbox(t testing.TB, opt Options) *Inbox {
	t.Helper()
	b, err := Create(filepath.Join(t.TempDir(), "inbox"), opt)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// content is all segments in order.
func content(t testing.TB, b *Inbox) string {
	t.Helper()
	list, err := b.Segments()
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, s := range list {
		data, err := os.ReadFile(s.Path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(data)
	}
	return all.String()
}

func mustAppend(t testing.TB, b *Inbox, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if placed, err := Append(b.dir, []byte(line), Options{}); err != nil || placed != InSegment {
			t.Fatalf("append: got %v, %v", placed, err)
		}
	}
}

func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o660); err != nil {
		t.Fatal(err)
	}
}

func newest(t testing.TB, b *Inbox) Segment {
	t.Helper()
	list, err := b.Segments()
	if err != nil || len(list) == 0 {
		t.Fatalf("got %v, %v", list, err)
	}
	return list[len(list)-1]
}
