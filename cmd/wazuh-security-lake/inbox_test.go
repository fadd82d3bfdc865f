package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/ossec-integration/inbox"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

func testInbox(t *testing.T, opt inbox.Options) *inbox.Inbox {
	t.Helper()
	opt.Sleep = func(time.Duration) {}
	box, err := inbox.Create(filepath.Join(t.TempDir(), "inbox"), opt)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func appendLines(t *testing.T, box *inbox.Inbox, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if _, err := inbox.Append(box.Dir(), []byte(line), inbox.Options{}); err != nil {
			t.Fatal(err)
		}
	}
}

func newestSegment(t *testing.T, box *inbox.Inbox) inbox.Segment {
	t.Helper()
	list, err := box.Segments()
	if err != nil || len(list) == 0 {
		t.Fatalf("got %v, %v", list, err)
	}
	return list[len(list)-1]
}

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

// fakeBatches is a spool as the keeper sees it.
type fakeBatches struct {
	position tailer.Position
	pending  []spool.Ref
	state    spool.State
	entries  []spool.Entry
	asked    int
}

func (f *fakeBatches) LastManifest() (spool.Manifest, bool) {
	data, err := json.Marshal(f.position)
	return spool.Manifest{Position: data}, err == nil
}
func (f *fakeBatches) Pending() []spool.Ref { return f.pending }
func (f *fakeBatches) State() (spool.State, error) {
	f.asked++
	return f.state, nil
}
func (f *fakeBatches) Ledger(fn func(spool.Entry) error) error {
	for _, e := range f.entries {
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}

// handClock stands still until it is moved; its timers never fire.
type handClock struct{ now time.Time }

func (c *handClock) Now() time.Time                                 { return c.now }
func (c *handClock) Timer(time.Duration) (<-chan time.Time, func()) { return nil, func() {} }

func testKeeper(box *inbox.Inbox, b batches, log *bytes.Buffer) (*inboxKeeper, *handClock) {
	clock := &handClock{now: time.Unix(1_773_489_600, 0)}
	return &inboxKeeper{box: box, batches: b, limit: 1 << 30, clock: clock, log: slog.New(slog.NewTextHandler(log, nil))}, clock
}

func segmentNumbers(t *testing.T, box *inbox.Inbox) string {
	t.Helper()
	list, err := box.Segments()
	if err != nil {
		t.Fatal(err)
	}
	var numbers []string
	for _, s := range list {
		numbers = append(numbers, fmt.Sprint(s.Number))
	}
	return strings.Join(numbers, " ")
}

// What may be removed of the segments 1 to 5, of which 5 is the newest.
func TestSegmentsAreRemovedWhenReleased(t *testing.T) {
	name := func(n int) string { return fmt.Sprintf("%012d.ndjson", n) }
	batch := func(place spool.Place, segments ...int) spool.BatchInfo {
		m := &spool.Manifest{}
		for _, n := range segments {
			m.Ranges = append(m.Ranges, spool.Range{File: name(n)})
		}
		return spool.BatchInfo{Seq: 7, Place: place, Manifest: m}
	}
	tests := map[string]struct {
		position string
		batches  []spool.BatchInfo
		entries  []spool.Entry
		want     string
		warned   bool
	}{
		"nothing committed":             {position: "", want: "1 2 3 4 5"},
		"position of tail mode":         {position: "2026/Mar/ossec-alerts-14.json", want: "1 2 3 4 5"},
		"all released":                  {position: name(4), want: "4 5"},
		"position in the newest":        {position: name(5), want: "5"},
		"released batch still there":    {position: name(4), batches: []spool.BatchInfo{batch(spool.Shipped, 1, 2, 3)}, want: "4 5"},
		"waiting":                       {position: name(4), batches: []spool.BatchInfo{batch(spool.Outbox, 2, 3)}, want: "2 3 4 5"},
		"waiting, unreadable":           {position: name(4), batches: []spool.BatchInfo{{Seq: 7, Place: spool.Outbox}}, want: "1 2 3 4 5"},
		"in quarantine":                 {position: name(4), batches: []spool.BatchInfo{batch(spool.Quarantine, 2)}, want: "2 4 5", warned: true},
		"in quarantine, unreadable":     {position: name(4), batches: []spool.BatchInfo{{Seq: 7, Place: spool.Quarantine}}, entries: []spool.Entry{{Seq: 7, State: spool.Quarantined, Gaps: []spool.Gap{{Range: spool.Range{File: name(1)}}, {Range: spool.Range{File: name(2)}}}}}, want: "1 2 4 5", warned: true},
		"another one's quarantine line": {position: name(4), batches: []spool.BatchInfo{{Seq: 7, Place: spool.Quarantine}}, entries: []spool.Entry{{Seq: 6, State: spool.Quarantined, Gaps: []spool.Gap{{Range: spool.Range{File: name(1)}}}}}, want: "4 5"},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			box := testInbox(t, inbox.Options{})
			for range 4 {
				appendLines(t, box, "x")
				if err := box.Rotate(); err != nil {
					t.Fatal(err)
				}
			}
			var log bytes.Buffer
			b := &fakeBatches{position: tailer.Position{File: test.position}, state: spool.State{Batches: test.batches}, entries: test.entries}
			k, _ := testKeeper(box, b, &log)
			for range 3 {
				k.turn()
			}
			if got := segmentNumbers(t, box); got != test.want {
				t.Errorf("got segments %s, want %s", got, test.want)
			}
			if b.asked > 1 {
				t.Errorf("the spool was read %d times though nothing has changed", b.asked)
			}
			if got := strings.Contains(log.String(), "quarantine"); got != test.warned {
				t.Errorf("warned: got %v\n%s", got, &log)
			}
			if strings.Contains(log.String(), "not kept in order") {
				t.Error(&log)
			}
		})
	}
}

// A batch that is released later lets its segments go.
func TestSegmentsGoWithTheirBatch(t *testing.T) {
	box := testInbox(t, inbox.Options{})
	appendLines(t, box, "x")
	if err := box.Rotate(); err != nil {
		t.Fatal(err)
	}
	const first = "000000000001.ndjson"
	b := &fakeBatches{position: tailer.Position{File: "000000000002.ndjson"}, pending: []spool.Ref{{Seq: 3}},
		state: spool.State{Batches: []spool.BatchInfo{{Seq: 3, Place: spool.Outbox, Manifest: &spool.Manifest{Ranges: []spool.Range{{File: first}}}}}}}
	k, _ := testKeeper(box, b, new(bytes.Buffer))
	k.turn()
	if got, want := segmentNumbers(t, box), "1 2"; got != want {
		t.Fatalf("waiting: got %s, want %s", got, want)
	}
	b.pending, b.state = nil, spool.State{}
	k.turn()
	if got, want := segmentNumbers(t, box), "2"; got != want {
		t.Errorf("released: got %s, want %s", got, want)
	}
}

func TestSegmentsAreRotated(t *testing.T) {
	box := testInbox(t, inbox.Options{})
	b := &fakeBatches{}
	k, clock := testKeeper(box, b, new(bytes.Buffer))
	k.limit = 1 << 20
	k.turn()
	appendLines(t, box, "x")
	k.turn()
	clock.now = clock.now.Add(segmentAge)
	k.turn()
	if got, want := segmentNumbers(t, box), "1"; got != want {
		t.Fatalf("old, not committed: got %s, want %s", got, want)
	}
	b.position = tailer.Position{File: "000000000001.ndjson", Offset: 2}
	k.turn()
	if got, want := segmentNumbers(t, box), "1 2"; got != want {
		t.Fatalf("old and committed: got %s, want %s", got, want)
	}
	appendLines(t, box, strings.Repeat("x", 1<<17))
	k.turn()
	if got, want := segmentNumbers(t, box), "1 2 3"; got != want {
		t.Errorf("large: got %s, want %s", got, want)
	}
}

// Refusals are reported at once, then once a minute, and at the end.
func TestRefusalsAreReported(t *testing.T) {
	box := testInbox(t, inbox.Options{MaxSize: 4})
	refuse := func() {
		if _, err := inbox.Append(box.Dir(), []byte("12345678"), inbox.Options{}); !errors.Is(err, inbox.ErrFull) {
			t.Fatalf("got %v, want %v", err, inbox.ErrFull)
		}
	}
	var log bytes.Buffer
	k, clock := testKeeper(box, &fakeBatches{}, &log)
	reports := func(want int, figure string) {
		t.Helper()
		if got := strings.Count(log.String(), "alerts refused"); got != want || !strings.Contains(log.String(), figure) {
			t.Fatalf("got %d reports, want %d with %s:\n%s", got, want, figure, &log)
		}
	}
	refuse()
	k.turn()
	reports(1, "refused=1 since_the_inbox_was_made=1")
	refuse()
	refuse()
	k.turn()
	reports(1, "")
	clock.now = clock.now.Add(refusalInterval)
	k.turn()
	k.turn()
	reports(2, "refused=2 since_the_inbox_was_made=3")
	refuse()
	k.start()
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	reports(3, "refused=1 since_the_inbox_was_made=4")
}

// A failure is one line, and its end another.
func TestKeeperFailureIsReportedOnce(t *testing.T) {
	box := testInbox(t, inbox.Options{})
	var log bytes.Buffer
	k, _ := testKeeper(box, &fakeBatches{}, &log)
	rescue, aside := filepath.Join(box.Dir(), "rescue"), filepath.Join(box.Dir(), "aside")
	if err := os.Rename(rescue, aside); err != nil {
		t.Fatal(err)
	}
	k.turn()
	k.turn()
	if err := os.Rename(aside, rescue); err != nil {
		t.Fatal(err)
	}
	k.turn()
	k.turn()
	if got := strings.Count(log.String(), "\n"); got != 2 || !strings.Contains(log.String(), "in order again") {
		t.Errorf("got %d lines, want 2:\n%s", got, &log)
	}
}

// alerts.json is begun at the last alert of the inbox; one with a time in the future must not hide the others.
func TestLastAlert(t *testing.T) {
	sealed := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	ms := func(d time.Duration) int64 { return sealed.Add(d).UnixMilli() }
	tests := map[string]struct {
		last []int64
		want time.Time
	}{
		"no alert":          {want: time.Time{}},
		"two objects":       {last: []int64{ms(-time.Hour), ms(-3 * time.Second)}, want: sealed.Add(-3 * time.Second)},
		"one in the future": {last: []int64{ms(time.Hour), ms(-time.Hour)}, want: sealed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := spool.Manifest{Created: sealed.Format(time.RFC3339)}
			for _, at := range test.last {
				m.Objects = append(m.Objects, spool.Object{LastTime: at})
			}
			if got := lastAlert(m); !got.Equal(test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
