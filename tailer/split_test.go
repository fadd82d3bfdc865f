package tailer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// FuzzSplit writes content in pieces, reads after each, and compares the lines with bytes.Split.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("a\nb\n\nc"), []byte{1, 2}, uint16(3))
	f.Add([]byte("\n\r\n\x00\x00\xff\n"), []byte{}, uint16(1))
	f.Add(bytes.Repeat([]byte("0123456789\n"), 1000), []byte{255, 7, 1}, uint16(10))
	f.Add([]byte(strings.Repeat("x", 20_000)+"\ny\n"), []byte{250}, uint16(9_000))
	f.Fuzz(func(t *testing.T, content, pieces []byte, maxLine uint16) {
		file := &memFS{}
		tail, err := Open(Options{Log: WazuhLog{Path: "alerts.json"}, FS: memLog{file}, MaxLine: int(maxLine) + 1, buffer: 64})
		if err != nil {
			t.Fatal(err)
		}
		defer tail.Close()
		tail.started = true // a plain file without timestamps would be skipped as older than the first day
		lines := bytes.Split(content, []byte("\n"))
		lines = lines[:len(lines)-1] // what follows the last newline is no line yet
		next, offset := 0, int64(0)
		read := func() {
			for {
				got, err := tail.Next(context.Background())
				if err == io.EOF {
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if next == len(lines) {
					t.Fatalf("line %q too many", got.Data)
				}
				want := lines[next]
				next++
				if got.From != offset || got.To != offset+int64(len(want))+1 || got.Size != int64(len(want)) {
					t.Fatalf("line %d is [%d, %d) with %d bytes, want [%d, %d)", next, got.From, got.To, got.Size, offset, offset+int64(len(want))+1)
				}
				offset = got.To
				if len(want) > int(maxLine)+1 {
					sum := sha256.Sum256(want)
					if got.Reject != RejectOversize || got.SHA256 != hex.EncodeToString(sum[:]) || !bytes.HasPrefix(want, got.Data) {
						t.Fatalf("line %d: %q, %s, want oversize", next, got.Reject, got.SHA256)
					}
				} else if !bytes.Equal(got.Data, want) || (got.Reject == RejectBlank) != (strings.Trim(string(want), " \t\r") == "") {
					t.Fatalf("line %d is %q (%s), want %q", next, got.Data, got.Reject, want)
				}
				if p := tail.Position(); p.Offset != offset || !p.Tail.ends(content[:offset]) || p.Head != headOf(content) {
					t.Fatalf("position %+v after line %d, want offset %d", p, next, offset)
				}
			}
		}
		for rest, i := content, 0; len(rest) > 0; i++ {
			n := len(rest)
			if i < len(pieces) {
				n = min(n, 1+int(pieces[i])*int(pieces[i]))
			}
			file.content = content[:len(file.content)+n]
			rest = rest[n:]
			read()
		}
		read()
		if next != len(lines) {
			t.Fatalf("%d lines, want %d", next, len(lines))
		}
	})
}

// memFS is one file in memory, under every name.
type memFS struct{ content []byte }

func (m *memFS) Open(string) (File, error)             { return m, nil }
func (m *memFS) Stat() (fs.FileInfo, error)            { return memInfo{m}, nil }
func (m *memFS) Close() error                          { return nil }
func (m *memFS) ReadDir(string) ([]fs.DirEntry, error) { return nil, nil }
func (m *memFS) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(m.content).ReadAt(p, off)
}

// memLog gives Stat of memFS the signature FS wants: File has one of its own.
type memLog struct{ *memFS }

func (m memLog) Stat(string) (fs.FileInfo, error) { return memInfo{m.memFS}, nil }

type memInfo struct{ file *memFS }

func (i memInfo) Name() string     { return "alerts.json" }
func (i memInfo) Size() int64      { return int64(len(i.file.content)) }
func (memInfo) Mode() fs.FileMode  { return 0o640 }
func (memInfo) ModTime() time.Time { return time.Time{} }
func (memInfo) IsDir() bool        { return false }
func (memInfo) Sys() any           { return &syscall.Stat_t{Dev: 1, Ino: 1, Nlink: 1} }

// FuzzNames must not let anything but what analysisd writes pass for a dated name.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"2026/Nov/ossec-alerts-23.json", "2026/Nov/ossec-alerts-23-001.json", "2026/Nov/../x", "000000000012.ndjson", "/etc/passwd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for _, log := range []Log{WazuhLog{Path: "/logs/alerts.json", DatedDir: "/logs"}, SegmentLog{Dir: "/logs"}} {
			if path := log.path(name); path != "" && path != "/logs/"+name {
				t.Errorf("%q leads to %q", name, path)
			}
		}
	})
}

func TestDatedNames(t *testing.T) {
	for name, want := range map[string]bool{
		"2026/Nov/ossec-alerts-23.json":         true,
		"2026/Nov/ossec-alerts-23-001.json":     true,
		"2026/Nov/ossec-alerts-23-1000.json":    true,
		"2026/Nov/ossec-alerts-23-000.json":     false,
		"2026/Nov/ossec-alerts-23-01.json":      false,
		"2026/Nov/ossec-alerts-23-0001.json":    false,
		"2026/Nov/ossec-alerts-32.json":         false,
		"2026/Nov/ossec-alerts-3.json":          false,
		"2026/nov/ossec-alerts-23.json":         false,
		"2026/Nov/ossec-alerts-23.json.sum":     false,
		"2026/Nov/ossec-alerts-23.log":          false,
		"26/Nov/ossec-alerts-23.json":           false,
		"2026/Nov/../Nov/ossec-alerts-23.json":  false,
		"/2026/Nov/ossec-alerts-23.json":        false,
		"2026/Nov/ossec-alerts-23-001.json.tmp": false,
	} {
		if _, got := parseDated(name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

// TestMemoryIsBounded passes a line of 64 MiB through a tailer whose longest line is 1 MiB, then many short ones.
func TestMemoryIsBounded(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "000000000001.ndjson")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	block := bytes.Repeat([]byte("x"), 1<<20)
	for range 64 {
		_, err = file.Write(block)
		if err != nil {
			t.Fatal(err)
		}
	}
	short := []byte("\n" + strings.Repeat(strings.Repeat("z", 499)+"\n", 100_000))
	if _, err := file.Write(short); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	tail, err := Open(Options{Log: SegmentLog{Dir: dir}, MaxLine: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	lines, biggest := 0, 0
	for {
		line, err := tail.Next(context.Background())
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if lines == 0 && (line.Reject != RejectOversize || line.Size != 64<<20) {
			t.Errorf("first line is %q with %d bytes", line.Reject, line.Size)
		}
		lines++
		biggest = max(biggest, len(tail.win.buf))
	}
	runtime.ReadMemStats(&after)
	if lines != 100_001 {
		t.Errorf("%d lines, want 100001", lines)
	}
	if limit := 3 << 20; biggest > limit {
		t.Errorf("buffer grew to %d, want at most %d", biggest, limit)
	}
	if got := len(tail.win.buf); got != baseBuffer+tailLen {
		t.Errorf("buffer is %d at the end, want it back at %d", got, baseBuffer+tailLen)
	}
	if mallocs := after.Mallocs - before.Mallocs; mallocs > 20_000 {
		t.Errorf("%d allocations for %d lines", mallocs, lines)
	}
}

// TestLargeFile has offsets beyond 32 bits: a hole of 4 GiB, then lines.
func TestLargeFile(t *testing.T) {
	if os.Getenv("WSL_LARGE") == "" {
		t.Skip("set WSL_LARGE=1: reads 5 GiB from a sparse file")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "000000000001.ndjson")
	const hole = 5 << 30
	if err := os.WriteFile(path, []byte("{}\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, hole); err != nil {
		t.Fatal(err)
	}
	f := newFollow(t, false)
	f.opt.Log = SegmentLog{Dir: dir}
	appendTo(f, path, "\n"+alertAt(midday, "a"))
	f.drain()
	appendTo(f, path, alertAt(midday, "b"))
	f.reopen()
	f.drain()
	if n := len(f.lines); n != 4 || f.lines[1].Reject != RejectOversize || f.lines[3].From < hole {
		t.Errorf("%d lines, want {}, the hole as oversize, a, b", n)
	}
}

func BenchmarkNext(b *testing.B) {
	for _, size := range []int{500, 1500} {
		b.Run(sizeName(size), func(b *testing.B) {
			dir := b.TempDir()
			line := alertAt(midday, strings.Repeat("x", size-60))
			content := strings.Repeat(line, 64<<20/len(line))
			if err := os.WriteFile(filepath.Join(dir, "000000000001.ndjson"), []byte(content), 0o640); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				tail, err := Open(Options{Log: SegmentLog{Dir: dir}})
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = tail.Next(context.Background())
				}
				if err != io.EOF {
					b.Fatal(err)
				}
				if err := tail.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkIdle is one poll of a log in which nothing happens.
func BenchmarkIdle(b *testing.B) {
	f := newFollow(b, false)
	f.ok(f.mgr.Start())
	f.alerts(1000)
	f.second()
	f.drain()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.tail.Next(context.Background()); err != io.EOF {
			b.Fatal(err)
		}
	}
}

func sizeName(n int) string {
	if n < 1000 {
		return "short"
	}
	return "usual"
}
