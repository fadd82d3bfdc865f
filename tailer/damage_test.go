package tailer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDamage does to the files what nobody should do.
func TestDamage(t *testing.T) {
	// read starts a manager, reads 40 alerts, and leaves the reader open.
	read := func(f *follow) string {
		f.ok(f.mgr.Start())
		f.alerts(40)
		f.second()
		f.drain()
		return filepath.Join(f.mgr.Dir(), f.mgr.File())
	}
	runScenarios(t, []scenario{
		{name: "truncated to nothing", gaps: []string{GapTruncated}, run: func(f *follow) {
			path := read(f)
			f.ok(os.Truncate(path, 0))
			f.drain()
			f.alerts(3)
			f.second()
			f.drain()
		}},
		{name: "truncated below the offset", gaps: []string{GapTruncated}, repeats: true, run: func(f *follow) {
			path := read(f)
			f.ok(os.Truncate(path, 3010)) // ten whole lines
			f.drain()
			f.alerts(3)
			f.second()
			f.drain()
		}},
		{name: "truncated and written beyond the offset", gaps: []string{GapRewritten}, run: func(f *follow) {
			path := read(f)
			f.ok(os.Truncate(path, 0))
			f.alerts(60)
			f.second()
			f.drain()
		}},
		{name: "truncated and written beyond the offset while stopped", gaps: []string{GapRewritten}, repeats: true, run: func(f *follow) {
			path := read(f)
			f.down()
			content, err := os.ReadFile(path)
			f.ok(err)
			f.ok(os.WriteFile(path, content[:301], 0o640)) // the first line stays, so the head does
			f.alerts(60)
			f.second()
			f.drain()
		}},
		{name: "copytruncate", gaps: []string{GapTruncated}, run: func(f *follow) {
			path := read(f)
			content, err := os.ReadFile(path)
			f.ok(err)
			f.ok(os.WriteFile(path+".1", content, 0o640))
			f.ok(os.Truncate(path, 0))
			f.alerts(5)
			f.second()
			f.drain()
		}},
		{name: "restored snapshot, shorter than the position", gaps: []string{GapTruncated}, repeats: true, run: func(f *follow) {
			path := read(f)
			f.down()
			f.ok(os.Truncate(path, 3010))
			f.alerts(2)
			f.second()
			f.drain()
		}},
		{name: "restored snapshot without the position's file", gaps: []string{GapNotFound}, run: func(f *follow) {
			read(f)
			f.midnight()
			f.alerts(5)
			f.second()
			f.drain()
			f.down()
			f.ok(os.Remove(filepath.Join(f.mgr.Dir(), f.mgr.File())))
			f.midnight()
			f.alerts(5)
			f.second()
			f.drain()
			if g := f.gaps; len(g) == 1 && (g[0].File != "2026/Nov/ossec-alerts-24.json" || g[0].From != 1505 || g[0].To != -1) {
				f.Errorf("gap is %+v, want one of the 24th from 1505", g[0])
			}
		}},
		{name: "position's file and the one after it deleted while stopped", gaps: []string{GapNotFound}, unread: true, run: func(f *follow) {
			path := read(f)
			f.down()
			f.alerts(5)
			f.midnight()
			f.ok(os.Remove(path))
			f.alerts(5)
			f.midnight()
			f.alerts(5)
			f.second()
			f.drain()
			if got := len(f.lines); got != 50 {
				f.Errorf("%d lines, want 40 and the 10 that are left", got)
			}
		}},
		{name: "waiting file deleted before its turn", gaps: []string{GapNotFound}, held: true, unread: true, run: func(f *follow) {
			read(f)
			f.alerts(5)
			f.midnight()
			f.alerts(5)
			middle := filepath.Join(f.mgr.Dir(), f.mgr.File())
			f.midnight()
			f.alerts(5)
			f.second()
			if _, err := f.tail.Lag(); err != nil {
				f.Error(err)
			}
			f.ok(os.Remove(middle))
			f.drain()
			if g := f.gaps; len(g) == 1 && (g[0].File != "2026/Nov/ossec-alerts-24.json" || g[0].From != 0 || g[0].To != 1505) {
				f.Errorf("gap is %+v, want the 24th from 0 to 1505", g[0])
			}
		}},
		{name: "archive deleted under a stalled reader", held: true, run: func(f *follow) {
			path := read(f)
			f.alerts(40)
			f.midnight()
			f.ok(os.Remove(path))
			if lag, err := f.tail.Lag(); lag != 40*301 || err != nil {
				f.Errorf("lag %d, %v, want %d", lag, err, 40*301)
			}
			if !f.saw(Unlinked) {
				f.Error("no warning while there is time")
			}
			before := len(f.events)
			if _, err := f.tail.Lag(); err != nil || len(f.events) != before {
				f.Errorf("warned again at once: %v, %v", f.events, err)
			}
			f.drain()
			if !f.lines[40].Volatile {
				f.Error("the only copy is not volatile")
			}
		}},
		{name: "compressed under a stalled reader is no danger", run: func(f *follow) {
			read(f)
			f.alerts(40)
			f.midnight()
			f.ok(f.mgr.Archive(midday).All())
			if !f.restart {
				if _, err := f.tail.Lag(); err != nil {
					f.Error(err)
				}
			}
			f.drain()
			if f.saw(Unlinked) {
				f.Error("warned although the archive holds it")
			}
			for _, l := range f.lines {
				if l.Volatile {
					f.Fatalf("line at %d of %s is volatile although the archive holds it", l.From, l.File)
				}
			}
		}},
		{name: "archive that never becomes complete", gaps: []string{GapDamaged}, held: true, unread: true, run: func(f *follow) {
			path := read(f)
			f.down()
			f.alerts(400)
			f.midnight()
			f.alerts(5)
			f.second()
			f.ok(f.mgr.Archive(midday).All())
			info, err := os.Stat(path + ".gz")
			f.ok(err)
			f.ok(os.Truncate(path+".gz", info.Size()/2))
			f.drain()
			if f.saw(ArchiveNotReady) {
				f.Error("warned at once")
			}
			f.ok(f.mgr.Tick(2 * time.Minute))
			f.drain()
			if !f.saw(ArchiveNotReady) || len(f.gaps) > 0 {
				f.Errorf("events %v, gaps %v after two minutes, want a warning", f.events, f.gaps)
			}
			f.ok(f.mgr.Tick(2 * time.Hour))
			f.drain()
			for i, l := range f.lines[len(f.lines)-5:] {
				if l.File != "2026/Nov/ossec-alerts-24.json" {
					f.Errorf("line %d from the end is of %s", 5-i, l.File)
				}
			}
			f.reopen()
			f.drain()
		}},
		{name: "archive damaged, then repaired", run: func(f *follow) {
			path := read(f)
			f.down()
			f.alerts(400)
			f.midnight()
			f.alerts(5)
			f.second()
			f.ok(f.mgr.Archive(midday).All())
			good, err := os.ReadFile(path + ".gz")
			f.ok(err)
			bad := bytes.Clone(good)
			bad[len(bad)-6] ^= 1 // in the checksum
			f.ok(os.WriteFile(path+".gz", bad, 0o640))
			f.drain()
			f.ok(f.mgr.Tick(time.Minute))
			f.drain()
			f.ok(os.WriteFile(path+".gz.new", good, 0o640))
			f.ok(os.Rename(path+".gz.new", path+".gz"))
			f.drain()
		}},
		{name: "inode used again by something else", run: func(f *follow) {
			f.opt.FS = &faultFS{FS: osFS{}, ino: func(path string, ino uint64) uint64 { return 7 }}
			read(f)
			f.down()
			day := f.mgr.Now()
			f.alerts(3)
			// With one inode number for every file, only content tells them apart at a start.
			f.ok(f.mgr.Flush())
			f.ok(f.mgr.Archive(day).All())
			f.opt.FS = osFS{}
			f.midnight()
			f.opt.Position.Ino = inodeOf(f, filepath.Join(f.mgr.Dir(), f.mgr.File()))
			f.alerts(60)
			f.second()
			f.drain()
		}},
		{name: "device number changed", run: func(f *follow) {
			read(f)
			f.down()
			f.opt.Position.Dev += 5
			f.alerts(3)
			f.second()
			f.drain()
		}},
		{name: "permission lost and regained", run: func(f *follow) {
			faults := &faultFS{FS: osFS{}}
			f.opt.FS = faults
			read(f)
			f.alerts(3)
			f.midnight()
			f.alerts(3)
			f.second()
			faults.err = func(op, path string) error {
				if op != "read" {
					return &fs.PathError{Op: op, Path: path, Err: syscall.EACCES}
				}
				return nil
			}
			f.drain()
			if len(f.faults) == 0 || !errors.Is(f.faults[0], fs.ErrPermission) {
				f.Errorf("faults %v, want permission", f.faults)
			}
			faults.err = nil
			f.drain()
		}},
		{name: "read error", run: func(f *follow) {
			faults := &faultFS{FS: osFS{}}
			f.opt.FS = faults
			read(f)
			f.alerts(30)
			f.second()
			n := 0
			faults.err = func(op, path string) error {
				if n++; op == "read" && n%3 == 0 {
					return &fs.PathError{Op: op, Path: path, Err: syscall.EIO}
				}
				return nil
			}
			for range 50 {
				f.drain()
			}
			if len(f.faults) == 0 || !errors.Is(f.faults[0], syscall.EIO) {
				f.Errorf("faults %v, want EIO", f.faults)
			}
			faults.err = nil
			f.drain()
		}},
		{name: "read error in an archive", run: func(f *follow) {
			faults := &faultFS{FS: osFS{}}
			f.opt.FS = faults
			read(f)
			f.down()
			f.alerts(400)
			f.midnight()
			f.alerts(3)
			f.second()
			f.ok(f.mgr.Archive(midday).All())
			n := 0
			faults.err = func(op, path string) error {
				if op != "read" || !strings.HasSuffix(path, ".gz") {
					return nil
				}
				if n++; n%3 == 0 { // counted among the archive's own reads, whatever else is looked at in between
					return &fs.PathError{Op: op, Path: path, Err: syscall.EIO}
				}
				return nil
			}
			for range 20 {
				f.drain()
			}
			if len(f.faults) == 0 {
				f.Error("no fault was seen")
			}
			faults.err = nil
			f.drain()
		}},
		{name: "stale handle of a network file system", run: func(f *follow) {
			faults := &faultFS{FS: osFS{}}
			f.opt.FS = faults
			read(f)
			f.alerts(30)
			f.second()
			n := 0
			faults.err = func(op, path string) error {
				if n++; op == "read" && n == 1 {
					return &fs.PathError{Op: op, Path: path, Err: syscall.ESTALE}
				}
				return nil
			}
			f.drain()
			f.drain()
		}},
		{name: "alerts.json missing for good", run: func(f *follow) {
			read(f)
			f.ok(os.Remove(f.mgr.Path()))
			f.alerts(3)
			f.second()
			f.drain()
			f.ok(f.mgr.Tick(10 * time.Second))
			f.drain()
			if !f.restart && (len(f.faults) != 1 || !errors.Is(f.faults[0], fs.ErrNotExist)) {
				f.Errorf("faults %v, want one that says it is missing", f.faults)
			}
			f.midnight()
			f.alerts(3)
			f.second()
			f.drain()
		}},
	})
}

// TestContent is about lines that are none, or odd ones.
func TestContent(t *testing.T) {
	long := strings.Repeat("y", 3<<20)
	huge := alertAt(midday, long)
	runScenarios(t, []scenario{
		{name: "blank lines, CRLF, BOM, NUL run, invalid UTF-8", rejects: []string{RejectBlank, RejectBlank, RejectBlank}, run: func(f *follow) {
			f.ok(f.mgr.Start())
			for _, s := range []string{"\n", "\r\n", " \t\n", "\xef\xbb\xbf{\"id\":\"1\"}\r\n", strings.Repeat("\x00", 9000) + "{}\n", "{\"\xff\xfe\":1}\n"} {
				f.ok(f.mgr.Raw([]byte(s)))
			}
			f.alerts(1)
			f.second()
			f.drain()
			var got []string
			for _, l := range f.lines {
				got = append(got, strings.ReplaceAll(string(l.Data), "\x00", ""))
			}
			want := []string{"", "\r", " \t", "\xef\xbb\xbf{\"id\":\"1\"}\r", "{}", "{\"\xff\xfe\":1}"}
			if strings.Join(got[:6], "|") != strings.Join(want, "|") {
				f.Errorf("lines %q, want %q", got[:6], want)
			}
		}},
		{name: "oversize in one piece", rejects: []string{RejectOversize}, run: func(f *follow) {
			f.ok(f.mgr.Start())
			f.alerts(2)
			f.ok(f.mgr.Raw([]byte(huge)))
			f.alerts(2)
			f.second()
			f.drain()
			wantOversize(f, huge, 2)
		}},
		{name: "oversize in many pieces, as first line", rejects: []string{RejectOversize}, run: func(f *follow) {
			f.ok(f.mgr.Start())
			for i := 0; i < len(huge); i += 400_000 {
				f.ok(f.mgr.Raw([]byte(huge[i:min(i+400_000, len(huge))])))
				f.drain()
			}
			f.alerts(2)
			f.second()
			f.drain()
			wantOversize(f, huge, 0)
		}},
		{name: "oversize without an end", rejects: []string{RejectTruncated}, run: func(f *follow) {
			f.ok(f.mgr.Start())
			f.alerts(2)
			f.ok(f.mgr.Raw([]byte(huge[:len(huge)-1])))
			f.ok(f.mgr.Flush())
			f.drain()
			f.midnight()
			f.alerts(2)
			f.second()
			f.drain()
			wantOversize(f, huge, 2)
		}},
		{name: "oversize cut off while it grew", gaps: []string{GapTruncated}, repeats: true, run: func(f *follow) {
			f.ok(f.mgr.Start())
			f.alerts(20)
			f.ok(f.mgr.Raw([]byte(huge[:2<<20])))
			f.ok(f.mgr.Flush())
			f.drain()
			if f.restart {
				f.Skip("who is restarted has not begun to read that line")
			}
			f.ok(os.Truncate(filepath.Join(f.mgr.Dir(), f.mgr.File()), 20*301))
			f.alerts(2)
			f.second()
			f.drain()
		}},
	})
}

func wantOversize(f *follow, line string, at int) {
	f.Helper()
	content := strings.TrimSuffix(line, "\n")
	sum := sha256.Sum256([]byte(content))
	got := f.lines[at]
	if got.Size != int64(len(content)) || got.SHA256 != hex.EncodeToString(sum[:]) ||
		len(got.Data) != oversizeKeep || !strings.HasPrefix(content, string(got.Data)) {
		f.Errorf("oversize line has size %d, hash %s, %d bytes of data; want %d, %x, %d",
			got.Size, got.SHA256, len(got.Data), len(content), sum, oversizeKeep)
	}
}

func inodeOf(f *follow, path string) uint64 {
	f.Helper()
	info, err := os.Stat(path)
	f.ok(err)
	return identify(info).ino
}

// faultFS lets calls fail and lies about inode numbers.
type faultFS struct {
	FS
	err func(op, path string) error
	ino func(path string, ino uint64) uint64
}

func (f *faultFS) fault(op, path string) error {
	if f.err == nil {
		return nil
	}
	return f.err(op, path)
}

func (f *faultFS) Open(path string) (File, error) {
	if err := f.fault("open", path); err != nil {
		return nil, err
	}
	file, err := f.FS.Open(path)
	if err != nil {
		return nil, err
	}
	return &faultFile{File: file, fs: f, path: path}, nil
}

func (f *faultFS) Stat(path string) (fs.FileInfo, error) {
	if err := f.fault("stat", path); err != nil {
		return nil, err
	}
	info, err := f.FS.Stat(path)
	if err != nil {
		return nil, err
	}
	return f.lie(path, info), nil
}

func (f *faultFS) ReadDir(path string) ([]fs.DirEntry, error) {
	if err := f.fault("readdir", path); err != nil {
		return nil, err
	}
	return f.FS.ReadDir(path)
}

func (f *faultFS) lie(path string, info fs.FileInfo) fs.FileInfo {
	if f.ino == nil {
		return info
	}
	st := *info.Sys().(*syscall.Stat_t)
	st.Ino = f.ino(path, st.Ino)
	return &fakeInfo{FileInfo: info, sys: &st}
}

type fakeInfo struct {
	fs.FileInfo
	sys *syscall.Stat_t
}

func (i *fakeInfo) Sys() any { return i.sys }

type faultFile struct {
	File
	fs   *faultFS
	path string
}

func (f *faultFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.fs.fault("read", f.path); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *faultFile) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	if err != nil {
		return nil, err
	}
	return f.fs.lie(f.path, info), nil
}

// A day that was read long ago keeps nobody from reading on when its archive, or a decompressed copy beside that, is for root
// alone.
func TestUnreadableFileOfADayThatIsOver(t *testing.T) {
	for name, suffix := range map[string]string{"copy": "", "archive": gzSuffix} {
		t.Run(name, func(t *testing.T) {
			f := newFollow(t, false)
			f.ok(f.mgr.Start())
			f.alerts(5)
			f.second()
			f.drain()
			old := filepath.Join(f.mgr.Dir(), filepath.FromSlash(f.mgr.File()))
			content, err := os.ReadFile(old)
			f.ok(err)
			f.midnight()
			f.alerts(5)
			f.second()
			f.drain()
			f.ok(f.mgr.Archive(midday).All())
			if suffix == "" {
				f.ok(os.WriteFile(old, content, 0o600))
			}
			f.opt.FS = failingOpen{osFS{}, func(path string) error {
				if path == old+suffix {
					return &fs.PathError{Op: "open", Path: path, Err: syscall.EACCES}
				}
				return nil
			}}
			f.down()
			f.alerts(5)
			f.ok(f.mgr.Rotate(0))
			f.alerts(5)
			f.second()
			f.drain()
			f.judge()
		})
	}
}
