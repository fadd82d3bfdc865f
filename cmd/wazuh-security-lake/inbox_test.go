package main

import (
	"path/filepath"
	"testing"
	"time"

	"wazuh-security-lake/ossec-integration/inbox"
	"wazuh-security-lake/spool"
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
