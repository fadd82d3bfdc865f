package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"wazuh-security-lake/ossec-integration/inbox"
)

// A disk that is really full and one that is really read-only, in a mount namespace that ends with its process.
func TestDisk(t *testing.T) {
	if os.Getenv(builtVariable) != "" {
		diskFull(t)
		return
	}
	if os.Getuid() != 0 {
		t.Skip("needs root to mount a small file system")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestDisk$", "-test.v")
	cmd.Env = append(os.Environ(), builtVariable+"="+built)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS} // makes / private, too
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil && len(out) == 0:
		t.Skipf("no mount namespaces here: %v", err)
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("%s", out)
	}
}

func diskFull(t *testing.T) {
	mount := t.TempDir()
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "size=512k"); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(mount, syscall.MNT_DETACH) })
	b, err := inbox.Create(filepath.Join(mount, "inbox"), inbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	full := false
	for i := 0; i < 40 && !full; i++ {
		line := fmt.Sprintf("{\"n\":%d,\"pad\":%q}\n", i, strings.Repeat("x", 30_000))
		switch code, out := call(t, b.Dir(), arguments(alertFile(t, line))...); {
		case code == exitOK:
			want += line
		case code == exitIO && strings.Contains(out, "no space left on device; make room on the disk of") && strings.Count(out, "\n") == 1:
			full = true
		default:
			t.Fatalf("got exit %d, %q", code, out)
		}
	}
	if !full {
		t.Fatal("the disk did not become full")
	}
	if got := content(t, b); got != want {
		t.Errorf("full: got %d bytes, want the %d acknowledged", len(got), len(want))
	}
	small := "{\"fits\":1}\n" // in what is left of the last page
	if code, out := call(t, b.Dir(), arguments(alertFile(t, small))...); code != exitOK {
		t.Errorf("got exit %d, %q", code, out)
	}
	want += small

	if err := syscall.Mount("", mount, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if code, out := call(t, b.Dir(), arguments(alertFile(t, small))...); code != exitIO || !strings.Contains(out, "is read-only; see the kernel log") {
		t.Errorf("read-only: got exit %d, %q", code, out)
	}
	if got := content(t, b); got != want {
		t.Errorf("read-only: got %d bytes, want %d", len(got), len(want))
	}
}
