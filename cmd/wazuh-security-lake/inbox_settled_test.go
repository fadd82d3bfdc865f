package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/ossec-integration/inbox"
	"wazuh-security-lake/tailer"
)

// A program whose fsync fails takes its line back. The tailer must not have read it: it would find the segment shorter
// than its position. On the plain file system just that happens.
func TestLineTakenBack(t *testing.T) {
	for name, settled := range map[string]bool{"settled": true, "plain": false} {
		t.Run(name, func(t *testing.T) {
			box := testInbox(t, inbox.Options{LockTimeout: time.Nanosecond})
			opt := tailer.Options{Log: tailer.SegmentLog{Dir: box.Dir()}}
			if settled {
				opt.FS = &settledFS{settle: box.Settle}
			}
			tail, err := tailer.Open(opt)
			if err != nil {
				t.Fatal(err)
			}
			defer tail.Close()
			appendLines(t, box, "one", "two")
			var got []string
			read := func() error {
				for {
					line, err := tail.Next(t.Context())
					if err != nil {
						return err
					}
					got = append(got, string(line.Data))
				}
			}
			if err := read(); err != io.EOF {
				t.Fatal(err)
			}

			// The program between write and fsync, and after it has failed.
			segment := newestSegment(t, box)
			held, err := os.OpenFile(filepath.Join(box.Dir(), "lock"), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(segment.Path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteString("taken back\n"); err != nil {
				t.Fatal(err)
			}
			err = read()
			if settled && !errors.Is(err, inbox.ErrLocked) {
				t.Errorf("while the lock is held: got %v, want %v", err, inbox.ErrLocked)
			}
			if err := f.Truncate(segment.Size); err != nil {
				t.Fatal(err)
			}
			if err := held.Close(); err != nil {
				t.Fatal(err)
			}
			appendLines(t, box, "three")
			err = read()
			var gap *tailer.GapError
			if got, want := errors.As(err, &gap), !settled; got != want {
				t.Fatalf("a gap: got %v, want %v", err, want)
			}
			if want := "one two three"; settled && strings.Join(got, " ") != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// Half a line of a program that was killed is cut off, not read; and segments go over into each other.
func TestSettledReadingAcrossSegments(t *testing.T) {
	box := testInbox(t, inbox.Options{})
	settles := 0
	opt := tailer.Options{Log: tailer.SegmentLog{Dir: box.Dir()}, FS: &settledFS{settle: func() (inbox.Segment, error) {
		settles++
		return box.Settle()
	}}}
	tail, err := tailer.Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	drain := func() {
		for {
			line, err := tail.Next(t.Context())
			if err == io.EOF {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(line.Data))
		}
	}
	for i := range 60 {
		line := fmt.Sprintf("line %d", i)
		want = append(want, line)
		appendLines(t, box, line)
		switch i % 4 {
		case 0:
			drain()
		case 1:
			f, err := os.OpenFile(newestSegment(t, box).Path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.WriteString("half a li")
			if err = errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
			drain()
		case 2:
			if err := box.Rotate(); err != nil {
				t.Fatal(err)
			}
		}
		if i == 30 { // a restart
			opt.Position = tail.Position()
			if err := tail.Close(); err != nil {
				t.Fatal(err)
			}
			opt.FS = &settledFS{settle: box.Settle}
			if tail, err = tailer.Open(opt); err != nil {
				t.Fatal(err)
			}
		}
	}
	drain()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	before := settles
	drain()
	drain()
	if settles != before {
		t.Errorf("nothing was appended: asked %d times", settles-before)
	}
}

// While alerts keep coming the lock is taken and the disk synced once for each wake-up, not once for each alert.
func TestSettledOncePerWakeUp(t *testing.T) {
	box := testInbox(t, inbox.Options{})
	settles := 0
	tail, err := tailer.Open(tailer.Options{Log: tailer.SegmentLog{Dir: box.Dir()}, FS: &settledFS{settle: func() (inbox.Segment, error) {
		settles++
		settled, err := box.Settle()
		if settles < 20 {
			appendLines(t, box, "the next one is there already")
		}
		return settled, err
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	appendLines(t, box, "one")
	for wake := 1; wake <= 5; wake++ {
		for {
			if _, err := tail.Next(t.Context()); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if settles != wake {
			t.Fatalf("wake-up %d: settled %d times", wake, settles)
		}
	}
}
