package inbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRescueKilled(t *testing.T) {
	for step, shipped := range map[string]bool{"half-written": false, "rescue-written": false, "rescue-named": true, "": true} {
		t.Run(step, func(t *testing.T) {
			b := newInbox(t, Options{Now: func() time.Time { return time.Now().Add(time.Hour) }})
			held, err := lock(b.dir, b.opt)
			if err != nil {
				t.Fatal(err)
			}
			if acked := runChild(t, childDir+"="+b.dir, childLine+"=killed", childStep+"="+step, childHeld+"=1"); acked != (step == "") {
				t.Fatalf("acknowledged: got %v", acked)
			}
			if err := held.Close(); err != nil {
				t.Fatal(err)
			}
			want := ""
			if shipped {
				want = "killed\n"
			}
			picked, strange, err := b.Rescue()
			if err != nil || len(strange) != 0 || (picked == 1) != shipped {
				t.Errorf("got %d, %v, %v", picked, strange, err)
			}
			if got := content(t, b); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if left, err := rescueFiles(b.dir); err != nil || len(left) != 0 {
				t.Errorf("an hour later: got %v, %v, want nothing left", left, err)
			}
		})
	}
}

// The daemon killed between two pick-ups neither loses nor doubles.
func TestPickUpKilled(t *testing.T) {
	b := newInbox(t, Options{})
	mustAppend(t, b, "before")
	for i := range 3 {
		put(t, filepath.Join(b.dir, rescueName, fmt.Sprintf("%020d-1.ndjson", i)), fmt.Sprintf("rescued %d\n", i))
	}
	for range 2 {
		if runChild(t, childDir+"="+b.dir, childStep+"=adopted") {
			t.Fatal("the child was not killed")
		}
		mustAppend(t, b, "between")
	}
	if !runChild(t, childDir+"="+b.dir) {
		t.Fatal("the child was killed")
	}
	mustAppend(t, b, "after")
	if got, want := content(t, b), "before\nrescued 0\nbetween\nrescued 1\nbetween\nrescued 2\nafter\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRescueLeavesStrangeThings(t *testing.T) {
	b := newInbox(t, Options{})
	rescue := filepath.Join(b.dir, rescueName)
	outside := filepath.Join(t.TempDir(), "secret")
	put(t, outside, "secret\n")
	put(t, filepath.Join(rescue, "1-good.ndjson"), "good\n")
	put(t, filepath.Join(rescue, "2-young.tmp"), "half")
	put(t, filepath.Join(rescue, "9-odd.txt"), "odd\n")
	for _, err := range []error{
		os.Symlink(outside, filepath.Join(rescue, "3-link.ndjson")),
		os.Link(outside, filepath.Join(rescue, "4-hard.ndjson")),
		os.Mkdir(filepath.Join(rescue, "5-dir.ndjson"), 0o755),
		syscall.Mkfifo(filepath.Join(rescue, "6-fifo.ndjson"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	picked, strange, err := b.Rescue()
	if err != nil || picked != 1 || strings.Join(strange, " ") != "3-link.ndjson 4-hard.ndjson 5-dir.ndjson 6-fifo.ndjson 9-odd.txt" {
		t.Errorf("got %d, %q, %v", picked, strange, err)
	}
	if got, want := content(t, b), "good\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What is swapped between the look and the rename goes back and wedges nothing.
func TestAdoptPutsSwappedFileBack(t *testing.T) {
	b := newInbox(t, Options{})
	if err := os.Symlink("/etc/passwd", filepath.Join(b.dir, rescueName, "1.ndjson")); err != nil {
		t.Fatal(err)
	}
	picked, err := b.adopt([]string{"1.ndjson"})
	if err != nil || picked != 0 {
		t.Errorf("got %d, %v", picked, err)
	}
	if _, err := os.Lstat(filepath.Join(b.dir, rescueName, "1.ndjson")); err != nil {
		t.Error(err)
	}
	mustAppend(t, b, "after")
	if got, want := content(t, b), "after\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLockHeldThenRescue(t *testing.T) {
	b := newInbox(t, Options{})
	held, err := lock(b.dir, b.opt)
	if err != nil {
		t.Fatal(err)
	}
	now, slept := time.Unix(0, 0), time.Duration(0)
	opt := Options{Now: func() time.Time { return now }, Sleep: func(d time.Duration) { now, slept = now.Add(d), slept+d }}
	for i := range 3 {
		if placed, err := Append(b.dir, fmt.Appendf(nil, "line %d", i), opt); err != nil || placed != InRescue {
			t.Fatalf("got %v, %v", placed, err)
		}
	}
	if slept < 15*time.Second || slept > 16*time.Second {
		t.Errorf("got %v of waiting, want three times 5 s", slept)
	}
	if _, _, err := (&Inbox{b.dir, opt.withDefaults()}).Rescue(); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v, want %v", err, ErrLocked)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if picked, _, err := b.Rescue(); err != nil || picked != 3 {
		t.Errorf("got %d, %v", picked, err)
	}
	if got, want := content(t, b), "line 0\nline 1\nline 2\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if picked, _, err := b.Rescue(); err != nil || picked != 0 {
		t.Errorf("again: got %d, %v", picked, err)
	}
}

func TestTailMode(t *testing.T) {
	b := newInbox(t, Options{})
	day := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	check := func(now time.Time, wantOn, wantWarn bool) {
		t.Helper()
		if on, warn, err := TailMode(b.dir, now); err != nil || on != wantOn || warn != wantWarn {
			t.Errorf("got %v, %v, %v, want %v, %v", on, warn, err, wantOn, wantWarn)
		}
	}
	check(day, false, false)
	for range 2 {
		if err := b.SetTailMode(true); err != nil {
			t.Fatal(err)
		}
	}
	check(day, true, true)
	check(day, true, false)
	check(day.Add(time.Hour), true, false)
	check(day.Add(24*time.Hour), true, true)
	check(day.Add(25*time.Hour), true, false)
	if err := b.SetTailMode(true); err != nil { // a restart of the daemon does not warn again
		t.Fatal(err)
	}
	check(day.Add(25*time.Hour), true, false)
	for range 2 {
		if err := b.SetTailMode(false); err != nil {
			t.Fatal(err)
		}
	}
	check(day, false, false)
}
