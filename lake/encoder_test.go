package lake

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wazuh-security-lake/ocsf"
)

func mustInspect(t testing.TB, file []byte) *Info {
	t.Helper()
	info, err := Inspect(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// random returns n bytes of text that zstd cannot compress below 3/4.
func random(r interface{ Uint32() uint32 }, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[r.Uint32()%64]
	}
	return string(b)
}

// TestStorageLimits writes what an attacker would, and reads from the file itself that pages, dictionaries, codec,
// encodings, bounds and schema keep to the contract.
func TestStorageLimits(t *testing.T) {
	c := testClass()
	r := seeded(7)
	var events []*ocsf.Event
	add := func(n int, fill func(i int, ev *ocsf.Event)) {
		for i := range n {
			ev := newEvent(c, day+int64(len(events)))
			fill(i, ev)
			events = append(events, ev)
		}
	}
	add(150, func(_ int, ev *ocsf.Event) { setText(ev.Root, "raw_data", random(r, 65000)) })
	add(400, func(_ int, ev *ocsf.Event) { setText(child(ev.Root, "device"), "name", random(r, 8000)) })
	add(20000, func(_ int, ev *ocsf.Event) { setText(child(ev.Root, "device"), "name", random(r, 100)) })
	add(30, func(_ int, ev *ocsf.Event) {
		for i := range 400 {
			ev.Unmapped = append(ev.Unmapped, ocsf.KeyValue{Key: fmt.Appendf(nil, "k%d.%s", i, random(r, 90)), Value: []byte(random(r, 300))})
		}
	})
	add(6, func(i int, ev *ocsf.Event) { setText(ev.Root, "raw_data", random(r, 400_000+300_000*(i%2))) })
	add(3, func(_ int, ev *ocsf.Event) { setText(child(ev.Root, "device"), "name", random(r, 200_000)) })
	add(25000, func(_ int, ev *ocsf.Event) { setNum(ev.Root, "class_uid", 2999) })

	var b bytes.Buffer
	e, err := NewEncoder(&b, c, Options{RowGroupBytes: 4 << 20, Metadata: map[string]string{"node": "a"}, ToolVersion: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	e.SetMetadata("ranges", "[]")
	for i, ev := range events {
		if err := e.Write(ev); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
	estimate := e.Size()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if got := int64(b.Len()); got > estimate || e.Size() != got {
		t.Errorf("file has %d bytes; Size said at most %d before Close and %d after", got, estimate, e.Size())
	}
	info := mustInspect(t, b.Bytes())
	if got, want := info.Rows, int64(len(events)); got != want {
		t.Errorf("got %d rows, want %d", got, want)
	}
	if got, want := info.Schema, SchemaText(c); got != want {
		t.Errorf("schema differs (-got +want):\n%s", cmp.Diff(got, want))
	}
	if got, want := info.CreatedBy, "wazuh-security-lake version 1.2.3"; !strings.HasPrefix(got, want) {
		t.Errorf("created_by is %q, want %q", got, want)
	}
	if diff := cmp.Diff(info.Metadata, []KeyValue{{"node", "a"}, {"ranges", "[]"}}); diff != "" {
		t.Errorf("metadata (-got +want):\n%s", diff)
	}
	if len(info.RowGroups) < 3 {
		t.Errorf("got %d row groups, want several", len(info.RowGroups))
	}
	for i, g := range info.RowGroups {
		if diff := cmp.Diff(g.Sorting, []string{"time ascending"}); diff != "" {
			t.Errorf("row group %d is sorted by %v", i, g.Sorting)
		}
		if g.Uncompressed > rowGroupGrowth*4<<20+2<<20 {
			t.Errorf("row group %d has %d bytes uncompressed", i, g.Uncompressed)
		}
		for _, col := range g.Columns {
			if col.MaxPage > maxDataPage || col.Dictionary > maxDataPage {
				t.Errorf("row group %d, %s: page of %d, dictionary of %d bytes", i, col.Path, col.MaxPage, col.Dictionary)
			}
			if col.Codec != "ZSTD" {
				t.Errorf("row group %d, %s: codec %s", i, col.Path, col.Codec)
			}
			for _, enc := range col.Encodings {
				if enc != "PLAIN" && enc != "RLE_DICTIONARY" {
					t.Errorf("row group %d, %s: encoding %s", i, col.Path, enc)
				}
			}
			switch col.Path {
			case "raw_data", "unmapped.key_value.value", "message":
				if col.HasBounds {
					t.Errorf("row group %d, %s has bounds", i, col.Path)
				}
			case "time":
				if !col.HasBounds {
					t.Errorf("row group %d, %s has no bounds", i, col.Path)
				}
			}
		}
	}
	// Only rules that need the real class can fail: the bounds, the order, the text hold.
	for _, f := range Verify(bytes.NewReader(b.Bytes()), int64(b.Len()), "") {
		if f.Rule != RuleSchema {
			t.Error(f)
		}
	}
}

// TestSortIsStable: rows of one instant stay in the order they came in.
func TestSortIsStable(t *testing.T) {
	c := testClass()
	r := seeded(3)
	var events []*ocsf.Event
	for i := range 2000 {
		ev := newEvent(c, day+int64(r.IntN(5)))
		setText(ev.Root, "message", fmt.Sprintf("%06d", i))
		events = append(events, ev)
	}
	file := encode(t, c, Options{}, events...)
	rows := readRows(t, file)
	for i := 1; i < len(rows); i++ {
		if key(rows[i-1]) >= key(rows[i]) {
			t.Fatalf("row %d: %s comes after %s", i, rows[i], rows[i-1])
		}
	}
}

// key puts the time of a row of TestSortIsStable before its message.
func key(row string) string {
	message, time, _ := strings.Cut(row, `,"time":`)
	return time + message
}

func TestOlderEventNeedsAnotherObject(t *testing.T) {
	c := testClass()
	var b bytes.Buffer
	e, err := NewEncoder(&b, c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		ms    int64
		flush bool
		want  error
	}{
		{ms: day + 10}, {ms: day + 5}, // inside a row group any order will do
		{ms: day + 7, flush: true},
		{ms: day + 9, want: ErrOlder},
		{ms: day + 10}, // equal to the last one is sorted
		{ms: day + 20},
		{ms: day + 9, want: ErrOlder},
	} {
		if err := e.Write(newEvent(c, step.ms)); !errors.Is(err, step.want) {
			t.Fatalf("time %d: got %v, want %v", step.ms-day, err, step.want)
		}
		if step.flush {
			if err := e.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, want := e.Rows(), int64(5); got != want {
		t.Errorf("got %d rows, want %d", got, want)
	}
	if got, want := [2]int64{e.FirstTime(), e.LastTime()}, [2]int64{day + 5, day + 20}; got != want {
		t.Errorf("got times %v, want %v", got, want)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.Write(newEvent(c, day+30)); !errors.Is(err, ErrClosed) {
		t.Errorf("Write after Close: got %v, want %v", err, ErrClosed)
	}
	if got := len(readRows(t, b.Bytes())); got != 5 {
		t.Errorf("file has %d rows, want 5", got)
	}
}

// TestRefusedEventLeavesNoTrace: an event that fails half way through its attributes is taken back whole.
func TestRefusedEventLeavesNoTrace(t *testing.T) {
	c := testClass()
	r := seeded(5)
	good := []*ocsf.Event{typical(c, r, day), typical(c, r, day+1), newEvent(c, day+2), typical(c, r, day+3)}
	for name, bad := range map[string]func(ev *ocsf.Event){
		"number in a struct": func(ev *ocsf.Event) { setNum(at(ev.Root, "device").Objs[0], "port", math.MaxInt32+1) },
		"number in a list": func(ev *ocsf.Event) {
			setNum(at(ev.Root, "vulnerabilities").Objs[0], "ids", math.MaxInt32+1)
		},
		"first number":            func(ev *ocsf.Event) { setNum(ev.Root, "class_uid", math.MinInt32-1) },
		"time is not the event's": func(ev *ocsf.Event) { ev.Time++ },
		"time is missing":         func(ev *ocsf.Event) { at(ev.Root, "time").Set = false },
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			e, err := NewEncoder(&b, c, Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, ev := range good {
				refused := typical(c, r, day)
				bad(refused)
				size := e.Size()
				if err := e.Write(refused); !errors.Is(err, ErrEvent) {
					t.Fatalf("got %v, want %v", err, ErrEvent)
				}
				if e.Size() != size {
					t.Errorf("size went from %d to %d", size, e.Size())
				}
				if err := e.Write(ev); err != nil {
					t.Fatal(err)
				}
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b.Bytes(), encode(t, c, Options{}, good...)) {
				t.Error("the file differs from one that never saw the refused events")
			}
		})
	}
	other := testClass()
	e, err := NewEncoder(io.Discard, c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Write(newEvent(other, day)); !errors.Is(err, ErrClass) {
		t.Errorf("event of another class: got %v, want %v", err, ErrClass)
	}
}

// TestSameEventsSameBytes: a fresh encoder and one that has seen other things make the same file.
func TestSameEventsSameBytes(t *testing.T) {
	c := wideClass(60)
	build := func() []*ocsf.Event {
		r := seeded(11)
		var events []*ocsf.Event
		for i := range 3000 {
			events = append(events, typical(c, r, day+int64((i*7919)%3000)))
		}
		return events
	}
	opt := Options{RowGroupBytes: 64 << 20, Metadata: map[string]string{"b": "2", "a": "1", "c": "3"}}
	want := encode(t, c, opt, build()...)
	var used, b bytes.Buffer
	e, err := NewEncoder(&used, c, opt)
	if err != nil {
		t.Fatal(err)
	}
	e.SetMetadata("only here", "x")
	r := seeded(12)
	for i := range 500 {
		if err := e.Write(typical(c, r, day+int64(i))); err != nil {
			t.Fatal(err)
		}
	}
	for _, closed := range []bool{false, true} {
		if closed {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
		b.Reset()
		e.Reset(&b)
		for _, ev := range build() {
			if err := e.Write(ev); err != nil {
				t.Fatal(err)
			}
		}
		if closed {
			break
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("got %d bytes, want the %d of a fresh encoder", b.Len(), len(want))
	}
}

// TestEncoderIsUsedAgain: the library's buffers that an encoder keeps from one small object to the next leave nothing in
// it, and every object keeps the contract.
func TestEncoderIsUsedAgain(t *testing.T) {
	c := class(t, "detection_finding", ocsf.Version110)
	var b bytes.Buffer
	e, err := NewEncoder(&b, c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(alerts), "\n")
	m, ev := ocsf.NewMapper(c, ocsf.Options{}), ocsf.NewEvent(c)
	for n := range 6 {
		var a ocsf.Alert
		line := lines[n%len(lines)]
		if err := a.Parse([]byte(line)); err != nil {
			t.Fatal(err)
		}
		if err := m.Map(&a, time.UnixMilli(day+msPerDay), ev); err != nil {
			t.Fatal(err)
		}
		if err := e.Write(ev); err != nil {
			t.Fatal(err)
		}
		if n == 3 { // and an object that is given up leaves nothing either
			b.Reset()
			e.Reset(&b)
			continue
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		for _, f := range Verify(bytes.NewReader(b.Bytes()), int64(b.Len()), goodPath) {
			t.Errorf("object %d: %v", n, f)
		}
		if fresh, _ := mapped(t, c, Options{}, line); !bytes.Equal(b.Bytes(), fresh) {
			t.Errorf("object %d differs from that of a fresh encoder", n)
		}
		b.Reset()
		e.Reset(&b)
	}
}

// TestQuietColumnsAreCheap: null and constant columns must not weigh, in the file nor in the memory they take.
func TestQuietColumnsAreCheap(t *testing.T) {
	c := wideClass(200)
	var events []*ocsf.Event
	for i := range 50000 {
		ev := newEvent(c, day+int64(i))
		setNum(ev.Root, "class_uid", 2999)
		x := child(ev.Root, "extra_0")
		for j := range 20 {
			setText(x, fmt.Sprintf("a%d", j), "the same text in every row")
		}
		events = append(events, ev)
	}
	file := encode(t, c, Options{RowGroupBytes: 256 << 20}, events...)
	info := mustInspect(t, file)
	if len(info.RowGroups) != 1 {
		t.Fatalf("got %d row groups, want 1", len(info.RowGroups))
	}
	for _, col := range info.RowGroups[0].Columns {
		if col.Path != "time" && col.Compressed > 400 {
			t.Errorf("%s takes %d bytes", col.Path, col.Compressed)
		}
		if col.Pages > 5 {
			t.Errorf("%s has %d pages", col.Path, col.Pages)
		}
	}
}

type failingWriter struct{ left int }

var errDisk = errors.New("disk is gone")

func (w *failingWriter) Write(p []byte) (int, error) {
	if len(p) > w.left {
		return 0, errDisk
	}
	w.left -= len(p)
	return len(p), nil
}

// TestWriterErrors: an error of the writer comes out once, wrapped, and stays.
func TestWriterErrors(t *testing.T) {
	c := testClass()
	for _, left := range []int{0, 3, 40000, 100000} {
		t.Run(fmt.Sprint(left), func(t *testing.T) {
			e, err := NewEncoder(&failingWriter{left}, c, Options{RowGroupBytes: 64 << 10})
			if err != nil {
				t.Fatal(err)
			}
			r := seeded(1)
			for i := 0; err == nil && i < 1000; i++ {
				ev := newEvent(c, day+int64(i))
				setText(ev.Root, "raw_data", random(r, 1000))
				err = e.Write(ev)
			}
			if err == nil {
				err = e.Close()
			}
			if !errors.Is(err, errDisk) {
				t.Fatalf("got %v, want %v", err, errDisk)
			}
			for what, again := range map[string]error{"Write": e.Write(newEvent(c, day+2000)), "Flush": e.Flush(), "Close": e.Close()} {
				if !errors.Is(again, errDisk) {
					t.Errorf("%s after the error: got %v, want %v", what, again, errDisk)
				}
			}
		})
	}
}

func TestEmptyObject(t *testing.T) {
	file := encode(t, testClass(), Options{})
	if info := mustInspect(t, file); info.Rows != 0 || info.Schema != SchemaText(testClass()) {
		t.Errorf("got %d rows and the schema\n%s", info.Rows, info.Schema)
	}
}

// TestClassThatParquetCannotExpress: programming errors in a class are found before any file is begun.
func TestClassThatParquetCannotExpress(t *testing.T) {
	str := ocsf.Attr{Name: "s", Kind: ocsf.KindString}
	when := ocsf.Attr{Name: "time", Kind: ocsf.KindLong}
	deep := &ocsf.ObjectType{Name: "deep", Attrs: []ocsf.Attr{str}}
	for range 8 {
		deep = &ocsf.ObjectType{Name: "deep", Attrs: []ocsf.Attr{{Name: "d", Kind: ocsf.KindObject, List: true, Object: deep}}}
	}
	for name, attrs := range map[string][]ocsf.Attr{
		"no time":       {str},
		"name twice":    {when, str, str},
		"unknown kind":  {when, {Name: "x", Kind: 99}},
		"zero kind":     {when, {Name: "x"}},
		"map elsewhere": {when, {Name: "other", Kind: ocsf.KindMap}},
		"no type":       {when, {Name: "o", Kind: ocsf.KindObject}},
		"empty type":    {when, {Name: "o", Kind: ocsf.KindObject, Object: &ocsf.ObjectType{Name: "o"}}},
		"too deep":      {when, {Name: "o", Kind: ocsf.KindObject, Object: deep}},
	} {
		t.Run(name, func(t *testing.T) {
			c := &ocsf.Class{Name: "c", Root: &ocsf.ObjectType{Name: "c", Attrs: attrs}}
			if _, err := NewEncoder(io.Discard, c, Options{}); err == nil {
				t.Error("got no error")
			}
		})
	}
}
