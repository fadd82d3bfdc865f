package lake

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"wazuh-security-lake/ocsf"
)

// TestPatternLimits: nor where a batch is full, a dictionary ends the row group, and more patterns come than are
// remembered.
func TestPatternLimits(t *testing.T) {
	c := testClass()
	patterns, err := NewPatterns(c)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		rows, kinds int
		fill        func(r *rand.Rand, ev *ocsf.Event, k int) *[]byte // returns the variable
		text        func(r *rand.Rand, i int) string
		groups      int64 // at least
	}{
		"rows": {3*batchRows + 100, 3, func(_ *rand.Rand, ev *ocsf.Event, k int) *[]byte {
			setText(ev.Root, "message", fmt.Sprint("kind ", k))
			return &at(ev.Root, "message").Str
		}, func(r *rand.Rand, i int) string { return fmt.Sprint(r.IntN(9)) }, 0},
		"bytes": {60, 2, func(_ *rand.Rand, ev *ocsf.Event, k int) *[]byte {
			setText(ev.Root, "raw_data", fmt.Sprint("kind ", k))
			return &at(ev.Root, "raw_data").Str
		}, func(r *rand.Rand, i int) string { return strings.Repeat(random(r, 30), r.IntN(batchBytes/6)) }, 0},
		"dictionary": {30_000, 3, func(_ *rand.Rand, ev *ocsf.Event, k int) *[]byte {
			setText(child(ev.Root, "device"), "name", fmt.Sprint("kind ", k))
			return &at(ev.Root, "device").Objs[0].Values[1].Str
		}, func(r *rand.Rand, i int) string { return fmt.Sprintf("%0*d", 100+i/6%500, i/6) }, 2},
		"patterns": {900, 300, func(r *rand.Rand, ev *ocsf.Event, k int) *[]byte {
			for range 1000 {
				ev.Unmapped = append(ev.Unmapped, ocsf.KeyValue{Key: fmt.Appendf(nil, "key %d", r.IntN(500)), Value: fmt.Appendf(nil, "%d", k)})
			}
			return &ev.Unmapped[7].Value
		}, func(r *rand.Rand, i int) string { return fmt.Sprint(r.IntN(9)) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := seeded(3)
			p := newPair(t, c, Options{RowGroupBytes: 256 << 20})
			type kind struct {
				ev      *ocsf.Event
				pattern *Pattern
				text    *[]byte
			}
			var kinds []kind
			for k := range test.kinds {
				ev := newEvent(c, day)
				text, time := test.fill(r, ev, k), at(ev.Root, "time")
				s := &specimen{ev: ev, textVars: map[textAt]int{{unsafe.SliceData(*text), len(*text)}: 0}, numVars: map[*ocsf.Value]int{time: 0}}
				pattern, err := patterns.New(ev, s)
				if err != nil {
					t.Fatal(err)
				}
				kinds = append(kinds, kind{ev, pattern, text})
			}
			for i := range test.rows {
				k, ms := &kinds[r.IntN(len(kinds))], day+int64(i)
				setTime(k.ev, ms)
				*k.text = []byte(test.text(r, i))
				p.both(t, func(e *Encoder) error { return e.Write(k.ev) }, func(e *Encoder) error {
					return e.WritePattern(k.pattern, ms, [][]byte{*k.text}, []int64{ms})
				})
			}
			if p.mixed.groups < test.groups {
				t.Errorf("got %d row groups, want %d or more", p.mixed.groups, test.groups)
			}
			p.alike(t)
			p.close(t)
		})
	}
}

// TestPatternRefusals: what does not go with the pattern or the encoder is refused and leaves no trace.
func TestPatternRefusals(t *testing.T) {
	c := testClass()
	patterns, err := NewPatterns(c)
	if err != nil {
		t.Fatal(err)
	}
	ev := newEvent(c, day)
	setText(ev.Root, "message", "text")
	text, time := at(ev.Root, "message").Str, at(ev.Root, "time")
	s := &specimen{ev: ev, textVars: map[textAt]int{{unsafe.SliceData(text), len(text)}: 1}, numVars: map[*ocsf.Value]int{time: 0}}
	p, err := patterns.New(ev, s)
	if err != nil {
		t.Fatal(err)
	}
	other, texts := testClass(), [][]byte{nil, []byte("text")}
	for name, test := range map[string]struct {
		class *ocsf.Class
		texts [][]byte
		nums  []int64
		want  error
	}{
		"fine":             {c, texts, []int64{day}, nil},
		"too few texts":    {c, texts[:1], []int64{day}, ErrEvent},
		"too few numbers":  {c, texts, nil, ErrEvent},
		"another time":     {c, texts, []int64{day + 1}, ErrEvent},
		"of another class": {other, texts, []int64{day}, ErrClass},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			e, err := NewEncoder(&b, test.class, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := e.WritePattern(p, day, test.texts, test.nums); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			var events []*ocsf.Event
			if test.want == nil {
				events = append(events, ev)
			}
			if !bytes.Equal(b.Bytes(), encode(t, test.class, Options{}, events...)) {
				t.Error("got another file")
			}
			if err := e.WritePattern(p, day, test.texts, test.nums); !errors.Is(err, ErrClosed) {
				t.Errorf("after Close: got %v, want %v", err, ErrClosed)
			}
		})
	}
	for name, spoil := range map[string]func(ev *ocsf.Event){
		"time is not the event's": func(ev *ocsf.Event) { ev.Time++ },
		"time is missing":         func(ev *ocsf.Event) { at(ev.Root, "time").Set = false },
		"number":                  func(ev *ocsf.Event) { setNum(ev.Root, "class_uid", math.MaxInt32+1) },
	} {
		bad := newEvent(c, day)
		spoil(bad)
		if _, err := patterns.New(bad, new(specimen)); !errors.Is(err, ErrEvent) {
			t.Errorf("%s: got %v, want %v", name, err, ErrEvent)
		}
	}
	if _, err := patterns.New(newEvent(other, day), new(specimen)); !errors.Is(err, ErrClass) {
		t.Errorf("another class: got %v, want %v", err, ErrClass)
	}
	large := newEvent(c, day)
	types := at(large.Root, "types")
	types.Set, types.Strs = true, slices.Repeat([][]byte{[]byte("t")}, math.MaxUint16+1)
	if _, err := patterns.New(large, new(specimen)); !errors.Is(err, errTooLarge) {
		t.Errorf("a list of %d texts: got %v, want %v", len(types.Strs), err, errTooLarge)
	}
}
