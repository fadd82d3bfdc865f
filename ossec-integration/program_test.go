package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/ossec-integration/inbox"
)

// built is the program as it is packaged.
var built string

const builtVariable = "CSL_TEST_BUILT" // set for the test binary that runs in a mount namespace of its own

func TestMain(m *testing.M) {
	if built = os.Getenv(builtVariable); built != "" {
		os.Exit(m.Run())
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp(fastDir(), "csl-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir) //nolint:errcheck // a test directory
		built = filepath.Join(dir, name)
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", built, ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		out, err := build.CombinedOutput()
		// Another user runs it in one of the tests.
		if err = errors.Join(err, os.Chmod(dir, 0o755)); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v: %s\n", err, out)
			return 1
		}
		return m.Run()
	}())
}

// fastDir is in memory where there is such a place: thousands of fsyncs on a slow disk test the disk.
func fastDir() string {
	if f, err := os.CreateTemp("/dev/shm", ""); err == nil {
		_, _ = f.Close(), os.Remove(f.Name())
		return "/dev/shm"
	}
	return ""
}

func newInbox(t testing.TB, opt inbox.Options) *inbox.Inbox {
	t.Helper()
	dir, err := os.MkdirTemp(fastDir(), "csl-inbox-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b, err := inbox.Create(filepath.Join(dir, "inbox"), opt)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func alertFile(t testing.TB, text string) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), name+"-1795459018--*.alert")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// arguments are those of a real integratord, debug off.
func arguments(alert string) []string {
	return []string{alert, "", "", "", "/tmp/custom-security-lake-1.options", "10", "3", "> /dev/null 2>&1"}
}

// call runs the program as integratord does and returns its exit code and stderr.
func call(t testing.TB, dir string, args ...string) (int, string) {
	t.Helper()
	cmd := exec.Command(built, args...)
	cmd.Env = []string{"WAZUH_LAKE_INBOX=" + dir} // HOME and PATH are not to be relied on
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func content(t testing.TB, b *inbox.Inbox) string {
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

// What a person types: help is an answer, a mistyped option is named, whether there is an inbox or not.
func TestOptionsOfAPerson(t *testing.T) {
	for arg, want := range map[string]struct {
		code int
		says string
	}{"--help": {exitOK, "usage: "}, "-h": {exitOK, "--install"}, "--instal": {exitUsage, "--instal is not known"}, "-x": {exitUsage, "--help"}} {
		if code, out := call(t, filepath.Join(t.TempDir(), "nowhere"), arg); code != want.code || !strings.Contains(out, want.says) {
			t.Errorf("%s: exit %d, want %d and %q: %s", arg, code, want.code, want.says, out)
		}
	}
}

func TestBinaryIsSmall(t *testing.T) {
	info, err := os.Stat(built)
	if err != nil {
		t.Fatal(err)
	}
	if got, limit := info.Size(), int64(3<<20); got > limit {
		t.Errorf("got %d bytes, want at most %d", got, limit)
	}
	deps, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Fields(string(deps)), []string{"wazuh-security-lake/ossec-integration/inbox", "wazuh-security-lake/ossec-integration"}; strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got dependencies %q, want %q", got, want)
	}
}

func TestInboxFaults(t *testing.T) {
	tests := map[string]struct {
		opt   inbox.Options
		spoil func(dir string) error
		code  int
		want  string
	}{
		"missing":         {spoil: os.RemoveAll, code: 69, want: "start wazuh-security-lake with input.mode: integration"},
		"symlink":         {spoil: func(dir string) error { return errors.Join(os.Rename(dir, dir+"2"), os.Symlink(dir+"2", dir)) }, code: 77, want: "symlinks and special files are refused"},
		"full":            {opt: inbox.Options{MaxSize: 5}, code: 75, want: "it was refused and counted"},
		"not permitted":   {spoil: func(dir string) error { return os.Chmod(dir, 0) }, code: 77, want: "must belong to group wazuh with mode 2750"},
		"segment 0440":    {spoil: func(dir string) error { return os.Chmod(filepath.Join(dir, "000000000001.ndjson"), 0o440) }, code: 77, want: "must belong to group wazuh with mode 2750"},
		"segment missing": {spoil: func(dir string) error { return os.Remove(filepath.Join(dir, "000000000001.ndjson")) }, code: 69, want: "holds no segment; start wazuh-security-lake"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if os.Getuid() == 0 {
				test.opt.GID = 54321
			}
			b := newInbox(t, test.opt)
			if test.spoil != nil {
				if err := test.spoil(b.Dir()); err != nil {
					t.Fatal(err)
				}
			}
			alert := filepath.Join(filepath.Dir(b.Dir()), "x.alert")
			if err := os.WriteFile(alert, []byte(`{"a":1}`), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(built, alert)
			cmd.Env = []string{"WAZUH_LAKE_INBOX=" + b.Dir()}
			if os.Getuid() == 0 { // root may do everything: call it as the group wazuh would
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 54320, Gid: 54321}}
			}
			out, _ := cmd.CombinedOutput() // the exit code is looked at below
			if got := cmd.ProcessState.ExitCode(); got != test.code || !strings.Contains(string(out), test.want) || bytes.Count(out, []byte("\n")) != 1 {
				t.Errorf("got exit %d, %q, want %d with %q", got, out, test.code, test.want)
			}
		})
	}
}

// The ordinary case with the users of production: the daemon owns the inbox, another user of group wazuh appends.
func TestOtherUserAppends(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to run the program as another user")
	}
	b := newInbox(t, inbox.Options{GID: 54321})
	alert := filepath.Join(filepath.Dir(b.Dir()), "x.alert")
	if err := os.WriteFile(alert, []byte(`{"a":1}`), 0o644); err != nil {
		t.Fatal(err)
	}
	as := func(gid uint32) int {
		cmd := exec.Command(built, alert)
		cmd.Env = []string{"WAZUH_LAKE_INBOX=" + b.Dir()}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 54320, Gid: gid}}
		_ = cmd.Run() // the exit code tells
		return cmd.ProcessState.ExitCode()
	}
	if got := as(54321); got != 0 {
		t.Errorf("group wazuh: got exit %d", got)
	}
	if got := as(54322); got != exitPermission {
		t.Errorf("another group: got exit %d, want %d", got, exitPermission)
	}
	if got, want := content(t, b), "{\"a\":1}\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What goes to the journal: failures, the lock held for 5 s (of the program's clock), one warning a day in tail mode.
func TestJournal(t *testing.T) {
	b := newInbox(t, inbox.Options{})
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	read := func() string {
		t.Helper()
		if err := listener.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 4096)
		n, err := listener.Read(buf)
		if err != nil {
			return ""
		}
		return string(buf[:n])
	}
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	run := func(alert string) (int, string) {
		var stderr bytes.Buffer
		clock := now
		p := program{args: arguments(alert), inbox: b.Dir(), stdout: &stderr, stderr: &stderr, now: func() time.Time { return now }, journal: journal{socket},
			options: inbox.Options{Now: func() time.Time { return clock }, Sleep: func(d time.Duration) { clock = clock.Add(d) }}}
		return p.run(), stderr.String()
	}
	good := alertFile(t, `{"a":1}`)

	if code, out := run("/nonexistent.alert"); code != exitNoInput || out == "" {
		t.Errorf("got exit %d, %q", code, out)
	}
	if got, want := read(), "PRIORITY=3\nSYSLOG_IDENTIFIER=custom-security-lake\nMESSAGE=open /nonexistent.alert: no such file or directory\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	lock, err := os.OpenFile(filepath.Join(b.Dir(), "lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if code, out := run(good); code != 0 || out != "" {
		t.Errorf("lock held: got exit %d, %q", code, out)
	}
	if got, want := read(), "PRIORITY=4\nSYSLOG_IDENTIFIER=custom-security-lake\nMESSAGE=the lock of "+b.Dir()+" was held for too long"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if picked, _, err := b.Rescue(); err != nil || picked != 1 {
		t.Errorf("got %d, %v", picked, err)
	}

	if err := b.SetTailMode(true); err != nil {
		t.Fatal(err)
	}
	before := content(t, b)
	for i := range 3 {
		if code, out := run(good); code != 0 || out != "" {
			t.Errorf("tail mode: got exit %d, %q", code, out)
		}
		if i == 1 {
			now = now.Add(24 * time.Hour)
		}
	}
	if first, second := read(), read(); !strings.Contains(first, "input.mode: tail") || first != second {
		t.Errorf("got %q and %q, want one warning a day", first, second)
	}
	if got := content(t, b); got != before {
		t.Errorf("got %q, want %q", got, before)
	}
}
