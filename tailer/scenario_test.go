package tailer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRotation follows a manager that behaves.
func TestRotation(t *testing.T) {
	runScenarios(t, []scenario{
		{name: "partial line then the rest", run: func(f *follow) {
			f.ok(f.mgr.Start())
			f.alerts(20) // 6000 bytes: one full buffer is written, it ends inside a line
			f.drain()
			if got := len(f.lines); got != 13 {
				f.Errorf("%d whole lines of 4096 bytes, want 13", got)
			}
			f.second()
			f.drain()
		}},
		{name: "one alert in many writes", run: func(f *follow) {
			f.ok(f.mgr.Start())
			_, err := f.mgr.Alert(60_000)
			f.ok(err)
			f.drain()
			f.second()
			f.drain()
			f.alerts(2)
			f.second()
			f.drain()
		}},
		{name: "absent at start, appears later", run: func(f *follow) {
			f.drain()
			if len(f.faults) != 1 || !errors.Is(f.faults[0], fs.ErrNotExist) {
				f.Fatalf("faults %v, want one that says it is missing", f.faults)
			}
			f.ok(f.mgr.Start())
			f.drain()
			f.alerts(3)
			f.second()
			f.drain()
		}},
		{name: "empty day file is unlinked at rotation", run: func(f *follow) {
			f.ok(f.mgr.Start())
			f.drain()
			f.midnight()
			f.alerts(3)
			f.second()
			f.drain()
			f.midnight()
			f.drain()
			f.midnight()
			f.alerts(1)
			f.second()
			f.drain()
		}},
		{name: "restart of the manager links the same inode", run: func(f *follow) {
			f.ok(f.mgr.Start())
			f.alerts(5)
			f.second()
			f.drain()
			for range 3 {
				f.ok(f.mgr.Stop())
				f.ok(f.mgr.Start())
				f.drain()
				f.alerts(2)
				f.second()
			}
			f.drain()
		}},
		{name: "looked at between any two system calls of a rotation", run: func(f *follow) {
			f.mgr.Step = func(string) { f.drain() }
			f.ok(f.mgr.Start())
			f.alerts(20)
			f.midnight()
			f.alerts(20)
			f.ok(f.mgr.Rotate(0))
			f.alerts(20)
			f.ok(f.mgr.Stop())
			f.ok(f.mgr.Start())
			f.alerts(20)
			f.midnight()
			f.alerts(1)
			f.second()
			f.drain()
		}},
		{name: "unread bytes in the old file at the relink", run: func(f *follow) {
			f.ok(f.mgr.Start())
			f.alerts(5)
			f.second()
			f.drain()
			f.alerts(30)
			f.midnight()
			f.alerts(3)
			f.second()
			f.drain()
		}},
		{name: "rotated again between the look at alerts.json and the listing", run: func(f *follow) {
			faults := &faultFS{FS: osFS{}}
			f.opt.FS = faults
			f.ok(f.mgr.Start())
			f.alerts(5)
			f.second()
			f.drain()
			f.ok(f.mgr.Rotate(0))
			armed := true
			faults.err = func(op, _ string) error {
				if armed && op == "readdir" {
					armed = false
					f.alerts(5)
					f.ok(f.mgr.Rotate(0))
				}
				return nil
			}
			f.drain() // without waiting for the next look around
			if armed {
				f.Error("the directory was never listed: the test tests nothing")
			}
		}},
		{name: "flushed and relinked between the last read and the look", run: func(f *follow) {
			faults := &faultFS{FS: osFS{}}
			f.opt.FS = faults
			f.ok(f.mgr.Start())
			f.alerts(20) // the file ends in half a line
			f.drain()
			armed := true
			faults.err = func(op, path string) error {
				if armed && op == "stat" && path == f.mgr.Path() {
					armed = false
					f.alerts(20)
					f.midnight()
					f.alerts(1)
					f.second()
				}
				return nil
			}
			f.drain()
			if armed {
				f.Error("nobody looked at alerts.json")
			}
			f.drain()
		}},
		{name: "three rotations while stalled", run: func(f *follow) {
			f.ok(f.mgr.Start())
			f.alerts(5)
			f.second()
			f.drain()
			for range 3 {
				f.alerts(7)
				f.midnight()
			}
			f.alerts(1)
			f.second()
			f.drain()
		}},
		{name: "counters with a gap, then another day", run: func(f *follow) {
			f.ok(f.mgr.Start())
			f.alerts(5)
			f.drain()
			for _, skip := range []int{0, 0, 3, 0} {
				f.alerts(5)
				f.ok(f.mgr.Rotate(skip))
			}
			f.alerts(5)
			f.midnight()
			f.alerts(5)
			f.ok(f.mgr.Rotate(0))
			f.alerts(5)
			f.second()
			f.drain()
		}},
		{name: "year end", run: func(f *follow) {
			f.mgr.SetClock(time.Date(2026, time.December, 30, 12, 0, 0, 0, time.UTC))
			f.ok(f.mgr.Start())
			f.alerts(2)
			f.second()
			f.drain()
			for range 4 {
				f.alerts(5)
				f.midnight()
			}
			f.alerts(5)
			f.second()
			f.drain()
		}},
		{name: "summer time ends", run: func(f *follow) {
			berlin, err := time.LoadLocation("Europe/Berlin")
			if err != nil {
				f.Skip("no time zones on this machine")
			}
			f.mgr.SetClock(time.Date(2026, time.October, 24, 23, 0, 0, 0, berlin))
			f.ok(f.mgr.Start())
			for range 27 {
				f.alerts(1)
				f.ok(f.mgr.Tick(time.Hour))
				f.drain()
			}
		}},
		{name: "month directories sort by month, not by name", run: func(f *follow) {
			f.mgr.SetClock(time.Date(2026, time.March, 31, 12, 0, 0, 0, time.UTC))
			f.ok(f.mgr.Start())
			f.alerts(2)
			f.second()
			f.drain()
			f.alerts(3)
			for range 31 { // into May: Apr < Mar and Mar < May by name
				f.midnight()
				f.alerts(1)
			}
			f.second()
			f.drain()
			last := ""
			for _, l := range f.lines {
				if order(l.File) < order(last) && last != "" {
					f.Fatalf("%s after %s", l.File, last)
				}
				last = l.File
			}
		}},
	})
}

// TestDowntime lets the reader or the manager be away.
func TestDowntime(t *testing.T) {
	runScenarios(t, []scenario{
		{name: "stopped over midnight, old file plain", run: func(f *follow) {
			f.ok(f.mgr.Start())
			f.alerts(5)
			f.second()
			f.drain()
			f.down()
			f.alerts(5)
			f.midnight()
			f.alerts(5)
			f.second()
			f.drain()
		}},
		{name: "stopped for two days, old files compressed", run: func(f *follow) {
			f.ok(f.mgr.Start())
			f.alerts(40)
			f.second()
			f.drain()
			f.down()
			f.alerts(40)
			for range 2 {
				day := f.mgr.Now()
				f.midnight()
				f.ok(f.mgr.Archive(day).All())
				f.alerts(40)
				f.second()
			}
			f.drain()
			f.midnight()
			f.alerts(1)
			f.second()
			f.drain()
		}},
		{name: "compressed file was read to its end", run: func(f *follow) {
			f.ok(f.mgr.Start())
			f.alerts(40)
			f.second()
			f.drain()
			f.down()
			day := f.mgr.Now()
			f.midnight()
			f.ok(f.mgr.Archive(day).All())
			f.alerts(2)
			f.second()
			f.drain()
		}},
		{name: "archive is being written", run: func(f *follow) {
			f.ok(f.mgr.Start())
			f.alerts(40)
			f.second()
			f.drain()
			f.down()
			f.alerts(400)
			day := f.mgr.Now()
			f.midnight()
			f.alerts(2)
			f.second()
			a := f.mgr.Archive(day)
			f.ok(a.Begin())
			f.step()
			f.down()
			_, err := a.More()
			f.ok(err)
			f.drain()
		}},
		{name: "plain gone before the archive is complete", run: func(f *follow) {
			f.ok(f.mgr.Start())
			f.alerts(40)
			f.second()
			f.drain()
			f.down()
			f.alerts(400)
			day := f.mgr.Now()
			f.midnight()
			f.alerts(2)
			f.second()
			a := f.mgr.Archive(day)
			f.ok(a.Begin())
			f.ok(a.Unlink())
			for last := false; !last; {
				f.drain()
				var err error
				last, err = a.More()
				f.ok(err)
			}
			f.drain()
		}},
		{name: "half line at the end of a file with a successor", rejects: []string{RejectTruncated}, run: func(f *follow) {
			f.ok(f.mgr.Start())
			f.alerts(20)
			f.ok(f.mgr.Kill())
			f.drain()
			f.mgr.SetClock(midday.AddDate(0, 0, 1))
			f.ok(f.mgr.Start())
			f.alerts(2)
			f.second()
			f.drain()
			for _, l := range f.lines {
				if l.Reject != "" && (l.To != 4096 || int64(len(l.Data)) != l.To-l.From) {
					f.Errorf("reject is [%d, %d) with %d bytes, want up to 4096", l.From, l.To, len(l.Data))
				}
			}
		}},
		{name: "half line in an archive", rejects: []string{RejectTruncated}, run: func(f *follow) {
			f.ok(f.mgr.Start())
			f.alerts(3)
			f.second()
			f.drain()
			f.down()
			f.alerts(20)
			f.ok(f.mgr.Kill())
			f.ok(f.mgr.Archive(midday).All())
			f.mgr.SetClock(midday.AddDate(0, 0, 1))
			f.ok(f.mgr.Start())
			f.alerts(2)
			f.second()
			f.drain()
		}},
		{name: "killed and started the same day: glued lines", run: func(f *follow) {
			f.ok(f.mgr.Start())
			f.alerts(20)
			f.ok(f.mgr.Kill())
			f.drain()
			f.ok(f.mgr.Start())
			f.drain()
			f.alerts(3)
			f.second()
			f.drain()
		}},
		{name: "clock stepped back over midnight and forward again", run: func(f *follow) {
			f.ok(f.mgr.Start())
			f.alerts(5)
			f.midnight()
			f.alerts(5)
			f.second()
			f.drain()
			f.mgr.SetClock(midday.Add(11 * time.Hour))
			f.mgr.Event()
			f.second()
			f.drain()
			f.alerts(5)
			f.second()
			f.drain()
			if !f.saw(ClockBack) {
				f.Error("nobody was told of the clock")
			}
			f.midnight()
			f.alerts(5)
			f.second()
			f.drain()
		}},
		{name: "clock stepped back and forward while the reader was stopped", run: func(f *follow) {
			f.ok(f.mgr.Start())
			f.alerts(5)
			f.midnight()
			f.alerts(5)
			f.second()
			f.drain()
			f.down()
			f.mgr.SetClock(midday.Add(11 * time.Hour))
			f.mgr.Event()
			f.second()
			f.alerts(5)
			f.midnight()
			f.alerts(5)
			f.midnight()
			f.alerts(5)
			f.second()
			f.drain()
		}},
		{name: "clock forward into the future and back", run: func(f *follow) {
			f.ok(f.mgr.Start())
			f.alerts(5)
			f.second()
			f.drain()
			f.down()
			f.mgr.SetClock(midday.AddDate(4, 0, 0))
			f.mgr.Event()
			f.second()
			f.alerts(5)
			f.second()
			f.mgr.SetClock(midday.AddDate(0, 0, 1))
			f.mgr.Event()
			f.second()
			f.alerts(5)
			f.second()
			f.drain()
			f.midnight()
			f.alerts(1)
			f.second()
			f.drain()
		}},
		{name: "clock back to a file that is compressed already", run: func(f *follow) {
			f.ok(f.mgr.Start())
			f.alerts(5)
			f.midnight()
			f.ok(f.mgr.Archive(midday).All())
			f.alerts(5)
			f.second()
			f.drain()
			f.mgr.SetClock(midday.Add(11 * time.Hour))
			f.mgr.Event()
			f.second()
			f.alerts(5)
			f.second()
			f.drain()
			f.midnight()
			f.alerts(5)
			f.ok(f.mgr.Flush())
			f.ok(f.mgr.Archive(midday).All())
			f.drain()
		}},
		{name: "more files than marks", run: func(f *follow) {
			f.ok(f.mgr.Start())
			for range maxMarks + 20 {
				f.alerts(2)
				f.ok(f.mgr.Rotate(0))
				f.drain()
			}
			f.down()
			f.alerts(1)
			f.midnight()
			f.alerts(1)
			f.second()
			f.drain()
			if n := len(f.tail.Position().Done); n > maxMarks {
				f.Errorf("%d marks, want at most %d", n, maxMarks)
			}
		}},
	})
}

// TestOrphan is the idle manager: its day file is compressed and unlinked while it is still written.
func TestOrphan(t *testing.T) {
	idle := func(f *follow) {
		f.ok(f.mgr.Start())
		f.alerts(5)
		f.second()
		f.drain()
		f.mgr.SetClock(midday.Add(12*time.Hour + 10*time.Second))
		f.ok(f.mgr.Archive(midday).All())
	}
	runScenarios(t, []scenario{
		{name: "alerts of the first second", run: func(f *follow) {
			idle(f)
			f.drain()
			f.alerts(3)
			f.ok(f.mgr.Flush())
			f.drain()
			volatile := 0
			for _, l := range f.lines {
				if l.Volatile {
					volatile++
				}
			}
			if volatile != 3 {
				f.Errorf("%d volatile lines, want 3", volatile)
			}
			f.second()
			f.alerts(2)
			f.second()
			f.drain()
		}},
		{name: "held open over the relink", held: true, run: func(f *follow) {
			idle(f)
			f.drain()
			f.alerts(3)
			f.second() // flush and relink: the three have no name any more
			f.drain()
			for _, l := range f.lines[5:] {
				if !l.Volatile {
					f.Errorf("line of %s at %d is not volatile", l.File, l.From)
				}
			}
			f.alerts(2)
			f.second()
			f.drain()
			for _, l := range f.lines[8:] {
				if l.Volatile {
					f.Errorf("line of %s at %d is volatile", l.File, l.From)
				}
			}
		}},
		{name: "reader started while it has no dated name", run: func(f *follow) {
			idle(f)
			f.down()
			f.alerts(3)
			f.ok(f.mgr.Flush())
			f.drain()
			f.second()
			f.alerts(1)
			f.second()
			f.drain()
		}},
		{name: "position behind the end of the archive", run: func(f *follow) {
			idle(f)
			f.alerts(3)
			f.ok(f.mgr.Flush())
			f.drain()
			f.down()
			f.second()
			f.alerts(1)
			f.second()
			f.drain()
		}},
	})
}

// TestExposed takes the name away from a file whose lines were returned and not yet sealed.
func TestExposed(t *testing.T) {
	f := newFollow(t, false)
	f.ok(f.mgr.Start())
	f.alerts(5)
	f.second()
	f.drain()
	f.tail.Position()
	f.alerts(2)
	f.second()
	f.drain()
	if f.tail.Exposed() {
		t.Error("exposed while the file has its name")
	}
	f.ok(os.Remove(filepath.Join(f.mgr.Dir(), f.mgr.File())))
	f.drain()
	if !f.tail.Exposed() {
		t.Error("not exposed although the two lines are nowhere else")
	}
	f.tail.Position()
	f.drain()
	if f.tail.Exposed() {
		t.Error("exposed although sealed")
	}
}

// TestPlainFile has no dated tree: a container, or a fork of ossec.
func TestPlainFile(t *testing.T) {
	plain := func(f *follow) func(text string) {
		path := f.mgr.Path()
		f.ok(os.MkdirAll(filepath.Dir(path), 0o750))
		f.opt.Log = WazuhLog{Path: path}
		return func(text string) { appendTo(f, path, text) }
	}
	runScenarios(t, []scenario{
		{name: "grows", run: func(f *follow) {
			add := plain(f)
			add(alertAt(midday, "a"))
			f.drain()
			add(alertAt(midday, "b"))
			f.drain()
			wantLines(f, "a", "b")
		}},
		{name: "renamed and made anew", run: func(f *follow) {
			add := plain(f)
			add(alertAt(midday, "a"))
			f.drain()
			f.down()
			add(alertAt(midday, "b"))
			f.ok(os.Rename(f.mgr.Path(), f.mgr.Path()+".1"))
			add(alertAt(midday, "c"))
			f.drain()
			wantLines(f, "a", "b", "c")
		}},
		{name: "symbolic link to another file", run: func(f *follow) {
			add := plain(f)
			target := filepath.Join(f.TempDir(), "one.json")
			f.ok(os.WriteFile(target, nil, 0o640))
			f.ok(os.Symlink(target, f.mgr.Path()))
			add(alertAt(midday, "a"))
			f.drain()
			add(alertAt(midday, "b"))
			f.drain()
			wantLines(f, "a", "b")
		}},
		{name: "removed and made anew with the same content", run: func(f *follow) {
			add := plain(f)
			add(alertAt(midday, "a"))
			f.drain()
			f.ok(os.Remove(f.mgr.Path()))
			if f.restart {
				f.Skip("who is restarted then reads a file it cannot tell from the old one")
			}
			add(alertAt(midday, "a"))
			f.drain()
			wantLines(f, "a", "a")
		}, repeats: true},
	})
}

// TestSegments is the inbox of integration mode.
func TestSegments(t *testing.T) {
	runScenarios(t, []scenario{
		{name: "rotated, deleted behind the reader", run: func(f *follow) {
			dir := f.TempDir()
			f.opt.Log = SegmentLog{Dir: dir}
			seg := func(n string) string { return filepath.Join(dir, "0000000000"+n+".ndjson") }
			f.drain()
			appendTo(f, seg("09"), alertAt(midday.AddDate(0, -1, 0), "a"))
			appendTo(f, seg("09"), alertAt(midday, "b"))
			f.drain()
			appendTo(f, seg("09"), alertAt(midday, "c"))
			appendTo(f, seg("10"), alertAt(midday, "d"))
			f.drain()
			appendTo(f, seg("10"), alertAt(midday, "e"))
			appendTo(f, seg("11"), "")
			appendTo(f, seg("12"), alertAt(midday, "f"))
			f.ok(os.Remove(seg("09")))
			f.drain()
			wantLines(f, "a", "b", "c", "d", "e", "f")
			if len(f.tail.Position().Done) != 0 {
				f.Errorf("segments have marks: %v", f.tail.Position().Done)
			}
		}},
		{name: "append taken back before its newline", run: func(f *follow) {
			dir := f.TempDir()
			f.opt.Log = SegmentLog{Dir: dir}
			path := filepath.Join(dir, "000000000000.ndjson")
			first := alertAt(midday, "a")
			appendTo(f, path, first)
			appendTo(f, path, `{"another":"one, taken back"`)
			f.drain()
			f.ok(os.Truncate(path, int64(len(first))))
			appendTo(f, path, alertAt(midday, "b"))
			f.drain()
			if got, want := string(f.lines[1].Data)+"\n", alertAt(midday, "b"); got != want {
				f.Errorf("line %q, want %q", got, want)
			}
			wantLines(f, "a", "b")
		}},
	})
}

func alertAt(at time.Time, text string) string {
	return `{"timestamp":"` + at.Format("2006-01-02T15:04:05.000-0700") + `","text":"` + text + "\"}\n"
}

func appendTo(f *follow, path, text string) {
	f.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	f.ok(err)
	_, err = file.WriteString(text)
	f.ok(err)
	f.ok(file.Close())
}

// wantLines compares the texts of the lines that are no rejects.
func wantLines(f *follow, want ...string) {
	f.Helper()
	var got []string
	for _, l := range f.lines {
		if l.Reject == "" {
			_, text, _ := strings.Cut(string(l.Data), `"text":"`)
			text, _, _ = strings.Cut(text, `"`)
			got = append(got, text)
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		f.Errorf("lines %v, want %v", got, want)
	}
}
