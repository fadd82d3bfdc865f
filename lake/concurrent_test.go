package lake

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wazuh-security-lake/ocsf"
)

// restless are events of a log with several rule threads, in which some texts are other ones in every event, some in
// most, and some appear only late.
func restless(c *ocsf.Class, n int) []*ocsf.Event {
	r := seeded(31)
	events := make([]*ocsf.Event, n)
	for i := range events {
		ev := typical(c, r, day+10_000+int64(i)*40-r.Int64N(400))
		d := at(ev.Root, "device").Objs[0]
		setText(d, "name", fmt.Sprintf("%x", r.Uint64()))
		if i%3 == 0 {
			setText(d, "ip", fmt.Sprintf("2001:db8::%x:%x", r.Uint32()>>16, r.Uint32()>>16))
		}
		if i > n/2 {
			setText(child(d, "location"), "city", fmt.Sprint("city ", r.IntN(9)))
		}
		setNum(d, "port", r.Int64N(1<<31))
		events[i] = ev
	}
	return events
}

// TestConcurrentIsTheSame: hands that encode columns side by side change no byte, and several encoders may share their
// presses.
func TestConcurrentIsTheSame(t *testing.T) {
	c := testClass()
	events := restless(c, 3000)
	opt := Options{RowGroupBytes: 64 << 10}
	want := encode(t, c, opt, events...)
	opt.Presses = new(Presses)
	var files [3]bytes.Buffer
	var encoders [3]*Encoder
	for i := range encoders {
		var err error
		opt.Hands = i + 1
		if encoders[i], err = NewEncoder(&files[i], c, opt); err != nil {
			t.Fatal(err)
		}
	}
	var sizes []int64
	for i, ev := range events {
		for _, e := range encoders {
			if err := e.Write(ev); err != nil {
				t.Fatalf("event %d: %v", i, err)
			}
			sizes = append(sizes, e.Size())
		}
	}
	for i := 0; i < len(sizes); i += len(encoders) {
		if sizes[i] != sizes[i+1] || sizes[i] != sizes[i+2] {
			t.Fatalf("after event %d Size depends on the hands: %v", i/len(encoders), sizes[i:i+3])
		}
	}
	for i, e := range encoders {
		estimate := e.Size()
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		if got := int64(files[i].Len()); got > estimate || got != e.Size() {
			t.Errorf("encoder %d: file has %d bytes, Size said at most %d before Close and %d after", i, got, estimate, e.Size())
		}
		if !bytes.Equal(files[i].Bytes(), want) {
			t.Errorf("encoder %d made another file: %d bytes instead of %d", i, files[i].Len(), len(want))
		}
	}
	if info := mustInspect(t, want); len(info.RowGroups) < 5 {
		t.Errorf("got %d row groups, want several", len(info.RowGroups))
	}
}

// TestConcurrentError: an error of the writer below comes out of a later call and stays; nothing is left behind.
func TestConcurrentError(t *testing.T) {
	c := testClass()
	for _, finish := range []string{"close", "reset", "abandon"} {
		t.Run(finish, func(t *testing.T) {
			e, err := NewEncoder(&failingWriter{40000}, c, Options{RowGroupBytes: 64 << 10, Hands: 3})
			if err != nil {
				t.Fatal(err)
			}
			for _, ev := range restless(c, 2000) {
				if err = e.Write(ev); err != nil {
					break
				}
			}
			if !errors.Is(err, errDisk) {
				t.Fatalf("Write: got %v, want %v", err, errDisk)
			}
			if finish == "abandon" {
				e.Abandon()
			}
			if finish != "reset" {
				if err := e.Close(); !errors.Is(err, errDisk) {
					t.Errorf("Close: got %v, want %v", err, errDisk)
				}
			}
			var b bytes.Buffer
			e.Reset(&b)
			events := restless(c, 300)
			for _, ev := range events {
				if err := e.Write(ev); err != nil {
					t.Fatal(err)
				}
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b.Bytes(), encode(t, c, Options{RowGroupBytes: 64 << 10}, events...)) {
				t.Error("the next object differs from that of a fresh encoder")
			}
		})
	}
}

// TestAbandon: an object that is given up is not written to any more.
func TestAbandon(t *testing.T) {
	c := testClass()
	var b bytes.Buffer
	e, err := NewEncoder(&b, c, Options{RowGroupBytes: 32 << 10, Hands: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range restless(c, 500) {
		if err := e.Write(ev); err != nil {
			t.Fatal(err)
		}
	}
	e.Abandon()
	n := b.Len()
	if err := e.Write(newEvent(c, day+1<<30)); !errors.Is(err, ErrClosed) {
		t.Errorf("Write: got %v, want %v", err, ErrClosed)
	}
	if err := e.Close(); !errors.Is(err, ErrClosed) || b.Len() != n {
		t.Errorf("Close: got %v and %d bytes more, want %v", err, b.Len()-n, ErrClosed)
	}
}

// TestTextsThatDoNotRepeat: a column whose dictionary would be as large as its texts is PLAIN in all row groups of its
// object, with bounds; the others keep their dictionaries; and the rows are those that were written.
func TestTextsThatDoNotRepeat(t *testing.T) {
	c := testClass()
	events := restless(c, 3000)
	file := encode(t, c, Options{RowGroupBytes: 128 << 10}, events...)
	info := mustInspect(t, file)
	if len(info.RowGroups) < 3 {
		t.Fatalf("got %d row groups, want several", len(info.RowGroups))
	}
	for i, g := range info.RowGroups {
		for _, col := range g.Columns {
			want := map[string]string{"device.name": "PLAIN", "types.list.element": "RLE_DICTIONARY", "vulnerabilities.list.element.cve.cvss.list.element.version": "RLE_DICTIONARY"}[col.Path]
			if want == "" {
				continue
			}
			if !slices.Contains(col.Encodings, want) || want == "PLAIN" && len(col.Encodings) > 1 {
				t.Errorf("row group %d: %s is in %v, want %s", i, col.Path, col.Encodings, want)
			}
			if !col.HasBounds {
				t.Errorf("row group %d: %s has no bounds", i, col.Path)
			}
		}
	}
	for _, f := range Verify(bytes.NewReader(file), int64(len(file)), "") {
		if f.Rule != RuleSchema {
			t.Error(f)
		}
	}
	slices.SortStableFunc(events, func(a, b *ocsf.Event) int { return int(a.Time - b.Time) })
	var want []string
	for _, ev := range events {
		want = append(want, reference(t, ev))
	}
	if diff := cmp.Diff(readRows(t, file), want); diff != "" {
		t.Errorf("rows (-got +want):\n%.3000s", diff)
	}
}
