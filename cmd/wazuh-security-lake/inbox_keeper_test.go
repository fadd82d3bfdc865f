package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wazuh-security-lake/ossec-integration/inbox"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

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
