package faultfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"testing"

	"wazuh-security-lake/spool"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func put(tb testing.TB, f *FS, name, content string, sync bool) {
	tb.Helper()
	h, err := f.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	must(tb, err)
	_, err = h.Write([]byte(content))
	must(tb, err)
	if sync {
		must(tb, h.Sync())
	}
	must(tb, h.Close())
}

func get(f *FS, name string) string {
	h, err := f.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return "absent"
	}
	b, err := io.ReadAll(h)
	if err != nil {
		return "unreadable"
	}
	return string(b)
}

// outcomes collects what different seeds leave of one file.
func outcomes(tb testing.TB, do func(f *FS), name string) []string {
	tb.Helper()
	var out []string
	for seed := range uint64(60) {
		f := New()
		do(f)
		got := get(f.PowerLoss(seed), name)
		if !slices.Contains(out, got) {
			out = append(out, got)
		}
	}
	slices.Sort(out)
	return out
}

func TestPowerLoss(t *testing.T) {
	tests := map[string]struct {
		do   func(f *FS)
		name string
		want []string // every one must be seen, no other may
	}{
		"synced data and name": {func(f *FS) { put(t, f, "/a", "x", true); must(t, f.SyncDir("/")) }, "/a", []string{"x"}},
		"name not synced":      {func(f *FS) { put(t, f, "/a", "x", true) }, "/a", []string{"absent", "x"}},
		"data not synced":      {func(f *FS) { put(t, f, "/a", "x", false); must(t, f.SyncDir("/")) }, "/a", []string{"", "\x00", "x"}},
		"overwritten, not synced": {func(f *FS) {
			put(t, f, "/a", "a", true)
			must(t, f.SyncDir("/"))
			put(t, f, "/a", "b", false)
		}, "/a", []string{"", "\x00", "a", "b"}},
		"rename over": {func(f *FS) {
			put(t, f, "/a", "old", true)
			put(t, f, "/b", "new", true)
			must(t, f.SyncDir("/"))
			must(t, f.Rename("/b", "/a"))
		}, "/a", []string{"new", "old"}},
		"rename with one of two directories synced": {func(f *FS) {
			must(t, f.Mkdir("/d", 0o700))
			must(t, f.Mkdir("/e", 0o700))
			must(t, f.SyncDir("/"))
			put(t, f, "/d/a", "x", true)
			must(t, f.SyncDir("/d"))
			must(t, f.RenameNew("/d/a", "/e/a"))
			must(t, f.SyncDir("/e"))
		}, "/e/a", []string{"absent", "x"}},
		"rename with both synced": {func(f *FS) {
			must(t, f.Mkdir("/d", 0o700))
			must(t, f.Mkdir("/e", 0o700))
			must(t, f.SyncDir("/"))
			put(t, f, "/d/a", "x", true)
			must(t, f.RenameNew("/d/a", "/e/a"))
			must(t, f.SyncDir("/e"))
			must(t, f.SyncDir("/d"))
		}, "/e/a", []string{"x"}},
		"removal not synced": {func(f *FS) {
			put(t, f, "/a", "x", true)
			must(t, f.SyncDir("/"))
			must(t, f.Remove("/a"))
		}, "/a", []string{"absent", "x"}},
		"deaf sync": {func(f *FS) {
			f.Deafen(func(Op, string) bool { return true })
			put(t, f, "/a", "x", true)
			must(t, f.SyncDir("/"))
		}, "/a", []string{"", "\x00", "absent", "x"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := outcomes(t, tc.do, tc.name); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestRenameIsAllOrNothing(t *testing.T) {
	for seed := range uint64(60) {
		f := New()
		must(t, f.Mkdir("/d", 0o700))
		must(t, f.Mkdir("/e", 0o700))
		must(t, f.SyncDir("/"))
		put(t, f, "/d/a", "x", true)
		must(t, f.SyncDir("/d"))
		must(t, f.RenameNew("/d/a", "/e/a"))
		g := f.PowerLoss(seed)
		if here, there := get(g, "/d/a"), get(g, "/e/a"); (here == "x") == (there == "x") {
			t.Fatalf("seed %d: got %q and %q, want exactly one", seed, here, there)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Run("the n-th operation only", func(t *testing.T) {
		f := New()
		f.Inject(Fault{Op: Mkdir, N: 2, Err: syscall.EIO})
		must(t, f.Mkdir("/1", 0o700))
		if err := f.Mkdir("/2", 0o700); !errors.Is(err, syscall.EIO) {
			t.Errorf("got %v, want EIO", err)
		}
		must(t, f.Mkdir("/2", 0o700))
		if got := f.Count(Mkdir); got != 3 {
			t.Errorf("got %d counted, want 3", got)
		}
	})
	t.Run("short write", func(t *testing.T) {
		f := New()
		h, err := f.OpenFile("/a", os.O_WRONLY|os.O_CREATE, 0o600)
		must(t, err)
		f.Inject(Fault{Op: Write, N: 1, Err: syscall.ENOSPC, Short: true})
		if n, err := h.Write([]byte("abcd")); n != 2 || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("got %d, %v, want 2, ENOSPC", n, err)
		}
	})
	t.Run("kill", func(t *testing.T) {
		f := New()
		_, err := f.Lock("/lock", "1")
		must(t, err)
		if _, err := f.Lock("/lock", "2"); !errors.Is(err, spool.ErrLocked) {
			t.Errorf("got %v, want ErrLocked", err)
		}
		f.Inject(Fault{Op: Change, N: 1, Kill: true})
		for range 2 {
			if err := f.Mkdir("/d", 0o700); !errors.Is(err, ErrKilled) {
				t.Errorf("got %v, want ErrKilled", err)
			}
		}
		g := f.Restart()
		if _, err := g.Lock("/lock", "2"); err != nil {
			t.Errorf("lock outlived its process: %v", err)
		}
		if _, err := g.Stat("/d"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v, want the killed mkdir undone", err)
		}
	})
	t.Run("capacity", func(t *testing.T) {
		f := New()
		put(t, f, "/a", "x", true)
		f.SetCapacity(f.Used())
		if err := f.Mkdir("/d", 0o700); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("mkdir: got %v, want ENOSPC", err)
		}
		h, err := f.OpenFile("/b", os.O_WRONLY|os.O_CREATE, 0o600)
		must(t, err)
		if n, err := h.Write([]byte("x")); n != 0 || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("write: got %d, %v, want 0, ENOSPC", n, err)
		}
		must(t, f.Rename("/a", "/c"))
		must(t, f.Remove("/c"))
		must(t, f.Mkdir("/d", 0o700))
	})
}
