package crash

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPowerLoss pulls the plug on a real file system: xfs_io shuts it down without writing its log, the daemon is
// killed, the image mounted again. Manager and lake are on another disk.
func TestPowerLoss(t *testing.T) {
	all, seed := need(t, "xfs_io", "mount", "umount")
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	rounds := 6
	if all {
		rounds = 40
	}
	for _, kind := range []string{"ext4", "xfs"} {
		t.Run(kind, func(t *testing.T) {
			if _, err := exec.LookPath("mkfs." + kind); err != nil {
				t.Skipf("%v", err)
			}
			powerLoss(t, kind, rounds, seed)
		})
	}
}

func powerLoss(t *testing.T, kind string, rounds int, seed uint64) {
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk")
	ok(t, os.Mkdir(disk, 0o755))
	image := filepath.Join(dir, "image")
	ok(t, os.WriteFile(image, nil, 0o644))
	ok(t, os.Truncate(image, 320<<20)) // the least that xfs takes
	command(t, "mkfs."+kind, "-q", image)
	mount := exec.Command("mount", "-o", "loop", image, disk)
	if out, err := mount.CombinedOutput(); err != nil {
		t.Skipf("no loop device here: %v: %s", err, out)
	}
	mounted := true
	t.Cleanup(func() {
		if mounted {
			_ = exec.Command("umount", "-l", disk).Run() // the test has failed already
		}
	})
	random := rand.New(rand.NewPCG(seed, 0x70))
	h := newHost(t, dir, filepath.Join(disk, "state"))
	began, early := time.Now(), 0
	for round := range rounds {
		h.start(t)
		for range 1 + random.IntN(3) {
			h.write(t, 5+random.IntN(30))
			ok(t, h.manager.Rotate(0)) // noticed at once
			<-time.After(time.Duration(random.IntN(160)) * time.Millisecond)
		}
		command(t, "xfs_io", "-x", "-c", "shutdown", disk)
		if !h.gone() {
			early++
		}
		h.kill()
		unmount(t, disk)
		mounted = false
		command(t, "mount", "-o", "loop", image, disk)
		mounted = true
		if round%3 == 2 { // every third time it may ship everything before the next blow
			h.start(t)
			if !h.settled(t) {
				t.Fatalf("round %d: the daemon ends with %d:\n%s", round, h.code, h.log())
			}
			h.stop(t)
			if r := h.judge(t); !r.sound() {
				t.Fatalf("round %d: %+v\n%s", round, r, h.log())
			}
		}
	}
	h.write(t, 10)
	h.start(t)
	if !h.settled(t) {
		t.Fatalf("the daemon ends with %d:\n%s", h.code, h.log())
	}
	if code := h.stop(t); code != 0 {
		t.Errorf("exit %d:\n%s", code, h.log())
	}
	r := h.judge(t)
	t.Logf("power: %s seed %d: %d losses (%d of a running daemon), %+v in %v", kind, seed, rounds, early, r, time.Since(began).Round(time.Millisecond))
	if !r.sound() {
		t.Errorf("%+v\n%s", r, h.log())
	}
	unmount(t, disk)
	mounted = false
}

// unmount waits for what still holds the file system to let go.
func unmount(t *testing.T, dir string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := syscall.Unmount(dir, 0)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("unmount %s: %v", dir, err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(append([]string{name}, args...), " "), err, out)
	}
}
