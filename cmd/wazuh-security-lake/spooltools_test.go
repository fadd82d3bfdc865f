package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The tools for 3 a.m., given the wrong thing: a code that tells what is wrong, a line that names it, what to do instead.
// None of them makes a state directory where none was.
func TestToolsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := newBench(t, "batch: {interval: 1h}")
	daemon := b.run()
	if r := command(t, "", "flush", "-c", b.config); r.code != 0 {
		t.Fatalf("flush: exit %d: %s", r.code, r.err)
	}
	nowhere := "spool.dir=" + filepath.Join(b.dir, "nowhere")
	check := func(code int, says string, args ...string) {
		t.Helper()
		r := command(t, "", append(args, "-c", b.config)...)
		if r.code != code || !strings.Contains(r.err, says) || !strings.Contains(r.err, "remedy: ") {
			t.Errorf("%v: exit %d, want %d and %q: %s%s", args, r.code, code, says, r.out, r.err)
		}
	}
	for _, tool := range [][]string{{"spool", "list"}, {"spool", "verify"}, {"spool", "requeue", "7"}, {"spool", "retarget", "file:///a", "file:///b"},
		{"spool", "export", "7", "x"}, {"rejects", "list"}, {"rejects", "show", "1"}, {"rejects", "replay"}, {"position", "show"}, {"drain"}} {
		check(exitNoInput, "no state in ", append(tool, "--set", nowhere)...)
	}
	if _, err := os.Stat(filepath.Join(b.dir, "nowhere")); err == nil {
		t.Error("a tool made a state directory")
	}

	for _, tool := range [][]string{{"spool", "retarget", "file:///a", "file:///b"}, {"rejects", "replay"}, {"position", "set", "--at", "today", "--yes"}} {
		check(exitTempFail, "systemctl stop wazuh-security-lake", tool...)
	}
	daemon.signal(syscall.SIGTERM)
	daemon.code()

	check(exitNoInput, "spool list", "spool", "verify", "99")
	check(exitNoInput, "spool list", "spool", "export", "99", filepath.Join(b.dir, "export"))
	check(exitNoInput, "batch 99 is not in quarantine", "spool", "requeue", "99")
	check(exitUsage, `batch "seven" is not a number`, "spool", "requeue", "seven")
	check(exitUsage, `reject "seven" is not a number`, "rejects", "show", "seven")
	check(exitNoInput, "no waiting object goes to file:///typo", "spool", "retarget", "file:///typo", "file:///elsewhere")
	check(exitUsage, "lake.destination", "spool", "retarget", "file:///a", "elsewhere")
}

// Somebody without the right is told to use another user, not to change an owner that is right.
func TestToolsWithoutTheRight(t *testing.T) {
	denied := &fs.PathError{Op: "open", Path: "/s/lock", Err: fs.ErrPermission}
	for name, err := range map[string]error{"read": stateFault("/s", denied), "change": toolFault("/s", denied)} {
		if exitCode(err) != exitNoPerm || !strings.Contains(hintFor(err), "as root") || strings.Contains(hintFor(err), "chown") {
			t.Errorf("%s: exit %d, %q", name, exitCode(err), hintFor(err))
		}
	}
	if err := spoolFault("/s", denied); !strings.Contains(hintFor(err), "chown") { // the service itself
		t.Errorf("service: %q", hintFor(err))
	}
}
