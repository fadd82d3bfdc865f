package inbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestCreate(t *testing.T) {
	// Nothing here runs in parallel, so the umask of the process may be changed for a moment.
	old := syscall.Umask(0o077)
	b := newInbox(t, Options{MaxSize: 4096})
	syscall.Umask(old)
	if err := b.SetTailMode(true); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{
		"":                    fs.ModeDir | fs.ModeSetgid | 0o750,
		"rescue":              fs.ModeDir | fs.ModeSetgid | 0o770,
		"lock":                0o660,
		"refused":             0o660,
		"tail-mode":           0o660,
		"limit":               0o640,
		"000000000001.ndjson": 0o660,
	} {
		info, err := os.Lstat(filepath.Join(b.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode(); got != want {
			t.Errorf("%q: got mode %v, want %v", name, got, want)
		}
	}
	mustAppend(t, b, `{"a":1}`)
	if _, err := Create(b.dir, Options{MaxSize: 8192}); err != nil {
		t.Fatal(err)
	}
	if got, want := content(t, b), "{\"a\":1}\n"; got != want {
		t.Errorf("a second Create: got %q, want %q", got, want)
	}
	if got, err := readLimit(b.dir); err != nil || got != 8192 {
		t.Errorf("limit: got %d, %v", got, err)
	}
	if got := newest(t, b).Number; got != 1 {
		t.Errorf("a second Create: got newest segment %d, want 1", got)
	}
}

func TestCreateGivesGroup(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to give files to another group")
	}
	b := newInbox(t, Options{GID: 54321})
	for _, name := range []string{"", "rescue", "lock", "refused", "limit", "000000000001.ndjson"} {
		info, err := os.Lstat(filepath.Join(b.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Sys().(*syscall.Stat_t).Gid; got != 54321 {
			t.Errorf("%q: got group %d, want 54321", name, got)
		}
	}
	if info, err := os.Lstat(b.dir); err != nil || info.Mode()&fs.ModeSetgid == 0 {
		t.Errorf("got mode %v, %v, want setgid after chown", info.Mode(), err)
	}
}

// A service under RestrictSUIDSGID= may not set the setgid bit: a directory that is right is left alone.
func TestCreateLeavesRightDirectoriesAlone(t *testing.T) {
	own := os.Getgid()
	if own == 0 {
		own = 54321 // root may give files away
	}
	dir := newInbox(t, Options{GID: own}).dir
	denied := Options{
		GID: own,
		chmod: func(name string, mode fs.FileMode) error {
			return fmt.Errorf("chmod %s %v: %w", name, mode, syscall.EPERM)
		},
		chown: func(name string, _, _ int) error { return fmt.Errorf("chown %s: %w", name, syscall.EPERM) },
	}
	if _, err := Create(dir, denied); err != nil {
		t.Errorf("modes and group are right: got %v, want no error", err)
	}
	for _, name := range []string{"", rescueName} {
		path := filepath.Join(dir, name)
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, before.Mode()&^fs.ModeSetgid); err != nil {
			t.Fatal(err)
		}
		if _, err := Create(dir, denied); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "chmod "+path) {
			t.Errorf("%q without setgid: got %v, want the failed chmod", name, err)
		}
		if _, err := Create(dir, Options{GID: own}); err != nil {
			t.Fatal(err)
		}
		if after, err := os.Lstat(path); err != nil || after.Mode() != before.Mode() {
			t.Errorf("%q after Create: got mode %v, %v, want %v", name, after.Mode(), err, before.Mode())
		}
	}
}

func TestAppendCutsUnfinishedLine(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	for name, test := range map[string]struct{ before, want string }{
		"empty":                    {"", "new\n"},
		"whole":                    {"one\n", "one\nnew\n"},
		"half":                     {"one\ntw", "one\nnew\n"},
		"only half":                {"on", "new\n"},
		"half longer than a block": {"one\n" + long, "one\nnew\n"},
		"only half, long":          {long, "new\n"},
		"newline at a block's end": {"one\n" + long[:4095], "one\nnew\n"},
		"newline before a block":   {"one\n" + long[:4096], "one\nnew\n"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newInbox(t, Options{})
			put(t, newest(t, b).Path, test.before)
			mustAppend(t, b, "new")
			if got := content(t, b); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestAppendRefusesWhatIsNotOneLine(t *testing.T) {
	b := newInbox(t, Options{})
	for _, line := range []string{"", "a\nb", "a\n", "a\rb"} {
		if _, err := Append(b.dir, []byte(line), Options{}); !errors.Is(err, ErrNoLine) {
			t.Errorf("%q: got %v, want %v", line, err, ErrNoLine)
		}
	}
	if got := content(t, b); got != "" {
		t.Errorf("got %q, want nothing", got)
	}
}

func TestAppendTakesBackWhatFailed(t *testing.T) {
	errDisk := errors.New("disk")
	half := func(f *os.File, b []byte) (int, error) {
		n, _ := f.Write(b[:len(b)/2])
		return n, errDisk
	}
	broken := func(*os.File) error { return errDisk }
	for name, opt := range map[string]Options{"write": {write: half}, "fsync": {sync: broken}, "both": {write: half, sync: broken}} {
		for _, held := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, lock held %v", name, held), func(t *testing.T) {
				b := newInbox(t, Options{})
				mustAppend(t, b, "one")
				opt := opt
				if held {
					lock, err := lock(b.dir, Options{}.withDefaults())
					if err != nil {
						t.Fatal(err)
					}
					defer lock.Close() //nolint:errcheck // test
					opt.LockTimeout = time.Nanosecond
				}
				if placed, err := Append(b.dir, []byte("two"), opt); !errors.Is(err, errDisk) || placed != Nowhere {
					t.Errorf("got %v, %v, want %v", placed, err, errDisk)
				}
				if got, want := content(t, b), "one\n"; got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				if left, err := rescueFiles(b.dir); err != nil || len(left) != 0 {
					t.Errorf("rescue: got %v, %v, want nothing", left, err)
				}
			})
		}
	}
}

// A program killed at any step leaves its line whole or not at all, and acknowledged lines stay.
func TestAppendKilled(t *testing.T) {
	for step, shipped := range map[string]bool{"locked": false, "cut": false, "half-written": false, "written": true, "synced": true, "": true} {
		t.Run(step, func(t *testing.T) {
			b := newInbox(t, Options{})
			mustAppend(t, b, "before")
			acked := runChild(t, childDir+"="+b.dir, childLine+"=killed", childStep+"="+step)
			if acked != (step == "") {
				t.Fatalf("acknowledged: got %v", acked)
			}
			mustAppend(t, b, "after")
			want := "before\nafter\n"
			if shipped {
				want = "before\nkilled\nafter\n"
			}
			if got := content(t, b); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestLimit(t *testing.T) {
	b := newInbox(t, Options{MaxSize: 20})
	mustAppend(t, b, "12345678", "12345678") // 18 bytes
	for range 3 {
		if _, err := Append(b.dir, []byte("12"), Options{}); !errors.Is(err, ErrFull) {
			t.Errorf("got %v, want %v", err, ErrFull)
		}
	}
	mustAppend(t, b, "1") // 20 bytes: up to the limit is fine
	held, err := lock(b.dir, b.opt)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Append(b.dir, []byte("1"), Options{LockTimeout: time.Nanosecond}); !errors.Is(err, ErrFull) {
		t.Errorf("with the lock held: got %v, want %v", err, ErrFull)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Refused(); err != nil || got != 4 {
		t.Errorf("got %d refusals, %v, want 4", got, err)
	}
	if err := b.Rotate(); err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(1); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(b.dir, rescueName, "1.ndjson"), strings.Repeat("x", 19))
	if _, err := Append(b.dir, []byte("1"), Options{}); !errors.Is(err, ErrFull) {
		t.Errorf("with rescue files: got %v, want %v", err, ErrFull)
	}
	if _, _, err := b.Rescue(); err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(newest(t, b).Number - 1); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, b, "again")
}

func TestRotateAndRemove(t *testing.T) {
	b := newInbox(t, Options{})
	if err := b.Rotate(); err != nil {
		t.Fatal(err)
	}
	if got := newest(t, b).Number; got != 1 {
		t.Errorf("an empty segment was rotated: got %d", got)
	}
	mustAppend(t, b, "one")
	first := newest(t, b)
	put(t, first.Path, "one\nhal")
	if err := b.Rotate(); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(first.Path); err != nil || string(data) != "one\n" {
		t.Errorf("closed segment: got %q, %v, want whole lines", data, err)
	}
	mustAppend(t, b, "two")
	if err := b.Remove(2); !errors.Is(err, ErrNewest) {
		t.Errorf("got %v, want %v", err, ErrNewest)
	}
	for range 2 {
		if err := b.Remove(1); err != nil {
			t.Error(err)
		}
	}
	if got, want := content(t, b), "two\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	// The number goes on after a restart with everything released.
	if _, err := Create(b.dir, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := b.Rotate(); err != nil {
		t.Fatal(err)
	}
	if got := newest(t, b).Number; got != 3 {
		t.Errorf("got newest %d, want 3", got)
	}
}

// Writers and rotation at the same time: every line once, each writer's in order, every segment of whole lines.
func TestConcurrent(t *testing.T) {
	const writers, each = 8, 100
	b := newInbox(t, Options{})
	tick := make(chan struct{})
	var running, rotating sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			for i := range each {
				// The time-out is out of reach: a slow machine must not send lines to rescue, out of order.
				if _, err := Append(b.dir, fmt.Appendf(nil, "%d %d", w, i), Options{LockTimeout: time.Hour}); err != nil {
					t.Error(err)
				}
				if i%10 == 9 {
					tick <- struct{}{}
				}
			}
		})
	}
	rotating.Go(func() {
		for range tick {
			if err := b.Rotate(); err != nil {
				t.Error(err)
			}
		}
	})
	running.Wait()
	close(tick)
	rotating.Wait()
	if n := newest(t, b).Number; n < 10 {
		t.Errorf("got %d segments: rotation was not tested", n)
	}
	next := make(map[string]int)
	for line := range strings.Lines(content(t, b)) {
		w, i, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if got, want := i, fmt.Sprint(next[w]); got != want {
			t.Fatalf("writer %s: got line %s, want %s", w, got, want)
		}
		next[w]++
	}
	for w := range writers {
		if got := next[fmt.Sprint(w)]; got != each {
			t.Errorf("writer %d: got %d lines, want %d", w, got, each)
		}
	}
}

func TestSymlinksAreRefused(t *testing.T) {
	for _, name := range []string{"", lockName, segmentName(1), limitName, tailModeName} {
		t.Run(name, func(t *testing.T) {
			b := newInbox(t, Options{})
			if err := b.SetTailMode(name == tailModeName); err != nil {
				t.Fatal(err)
			}
			at := filepath.Join(b.dir, name)
			target := filepath.Join(filepath.Dir(b.dir), "target")
			if err := os.Rename(at, target); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(target, at); err != nil {
				t.Fatal(err)
			}
			_, err := Append(b.dir, []byte("line"), Options{})
			if name == tailModeName {
				_, _, err = TailMode(b.dir, time.Now())
			}
			if !errors.Is(err, ErrStrange) {
				t.Errorf("got %v, want %v", err, ErrStrange)
			}
			if _, err := Create(b.dir, Options{}); name != limitName && name != tailModeName && !errors.Is(err, ErrStrange) {
				t.Errorf("create: got %v, want %v", err, ErrStrange)
			}
		})
	}
	b := newInbox(t, Options{})
	if err := errors.Join(os.Remove(filepath.Join(b.dir, lockName)), syscall.Mkfifo(filepath.Join(b.dir, lockName), 0o660)); err != nil {
		t.Fatal(err)
	}
	if _, err := Append(b.dir, []byte("line"), Options{}); !errors.Is(err, ErrStrange) {
		t.Errorf("FIFO: got %v, want %v", err, ErrStrange)
	}
}

func TestMissing(t *testing.T) {
	for _, name := range []string{"", lockName, segmentName(1), rescueName} {
		b := newInbox(t, Options{})
		if err := os.RemoveAll(filepath.Join(b.dir, name)); err != nil {
			t.Fatal(err)
		}
		if _, err := Append(b.dir, []byte("line"), Options{}); !errors.Is(err, ErrMissing) {
			t.Errorf("without %q: got %v, want %v", name, err, ErrMissing)
		}
	}
}
