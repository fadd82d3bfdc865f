package lake

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wazuh-security-lake/ocsf"
)

// TestLatestRowsStayBack: a log whose timestamps go back a little makes one object of many row groups, sorted as a
// whole, with every row in it once; only a really older row is refused.
func TestLatestRowsStayBack(t *testing.T) {
	c := testClass()
	const budget = 64 << 10
	for name, test := range map[string]struct {
		step, back int64 // milliseconds between events, and how far a time goes back at most
		groups     int   // at least
	}{
		"in order":           {step: 40, back: 1, groups: 10},
		"two rule threads":   {step: 40, back: holdBack, groups: 10},
		"all in one instant": {step: 0, back: 1, groups: 10},
		"within a burst":     {step: 1, back: 5, groups: 10},
	} {
		t.Run(name, func(t *testing.T) {
			build := func(refused bool) (file []byte, want map[string]int) {
				r, want := seeded(21), make(map[string]int)
				var b bytes.Buffer
				e, err := NewEncoder(&b, c, Options{RowGroupBytes: budget})
				if err != nil {
					t.Fatal(err)
				}
				var latest int64
				for i := range 3000 {
					ms := day + 10_000 + int64(i)*test.step - r.Int64N(test.back)
					ev := typical(c, r, ms)
					setText(ev.Root, "message", fmt.Sprintf("event %d", i))
					if i%3 == 0 {
						*at(ev.Root, "device") = ocsf.Value{}
					}
					if i%331 != 0 {
						*at(ev.Root, "vulnerabilities") = ocsf.Value{}
					}
					if refused { // and leave no trace, whatever rows stayed back
						bad := typical(c, seeded(uint64(i)), ms)
						setNum(at(bad.Root, "device").Objs[0], "port", math.MaxInt32+1)
						setText(bad.Root, "message", fmt.Sprintf("refused %d", i))
						if err := e.Write(bad); !errors.Is(err, ErrEvent) {
							t.Fatalf("event %d: got %v, want %v", i, err, ErrEvent)
						}
					}
					if err := e.Write(ev); err != nil {
						t.Fatalf("event %d, %d ms after the latest: %v", i, ms-latest, err)
					}
					want[reference(t, ev)]++
					latest = max(latest, ms)
					if limit := int64(rowGroupGrowth*budget + 8<<10); e.buffered > limit {
						t.Fatalf("event %d: %d bytes buffered, more than %d", i, e.buffered, limit)
					}
				}
				if err := e.Write(newEvent(c, day)); !errors.Is(err, ErrOlder) {
					t.Errorf("event long before the others: got %v, want %v", err, ErrOlder)
				}
				if got := e.Rows(); got != 3000 {
					t.Errorf("got %d rows, want 3000", got)
				}
				if err := e.Close(); err != nil {
					t.Fatal(err)
				}
				return b.Bytes(), want
			}
			file, want := build(false)
			if again, _ := build(true); !bytes.Equal(file, again) {
				t.Error("the same events, with refused ones between them, made another file")
			}
			info := mustInspect(t, file)
			if len(info.RowGroups) < test.groups {
				t.Errorf("got %d row groups, want at least %d", len(info.RowGroups), test.groups)
			}
			for i, g := range info.RowGroups[:len(info.RowGroups)-1] {
				if g.Rows < 10 {
					t.Errorf("row group %d has only %d rows", i, g.Rows)
				}
			}
			for _, f := range Verify(bytes.NewReader(file), int64(len(file)), "") {
				if f.Rule != RuleSchema {
					t.Error(f)
				}
			}
			got := make(map[string]int)
			for _, row := range readRows(t, file) {
				got[row]++
			}
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("rows (-got +want):\n%.2000s", diff)
			}
		})
	}
}

// TestBurstStaysBackInPart: of thousands of rows within holdBack only holdBackBytes stay.
func TestBurstStaysBackInPart(t *testing.T) {
	c := testClass()
	e, err := NewEncoder(io.Discard, c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 20_000)
	flushes := 0
	for i := range 3000 {
		ev := newEvent(c, day+int64(i/10))
		setText(ev.Root, "raw_data", fmt.Sprint(i, long))
		before := e.buffered
		if err := e.Write(ev); err != nil {
			t.Fatal(err)
		}
		if e.buffered < before {
			flushes++
			if e.buffered < holdBackBytes*3/4 || e.buffered > holdBackBytes*5/4 {
				t.Errorf("event %d: %d rows of %d bytes stayed back", i, len(e.rows), e.buffered)
			}
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if flushes < 2 {
		t.Errorf("%d row groups before the last, want several", flushes)
	}
}

// TestDictionaryEndsRowGroup: a column that would outgrow its dictionary page ends the row group, and the encoder goes
// on from there; numbers, which have no limit of their own, do so by the number of rows.
func TestDictionaryEndsRowGroup(t *testing.T) {
	c := testClass()
	for name, test := range map[string]struct {
		fill func(i int, ev *ocsf.Event)
		rows int
	}{
		"texts":   {func(i int, ev *ocsf.Event) { setText(child(ev.Root, "device"), "name", fmt.Sprintf("%0400d", i)) }, 4000},
		"numbers": {func(i int, ev *ocsf.Event) { setNum(ev.Root, "type_uid", int64(i)) }, groupRows + 1000},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			e, err := NewEncoder(&b, c, Options{RowGroupBytes: 256 << 20})
			if err != nil {
				t.Fatal(err)
			}
			for i := range test.rows {
				ev := newEvent(c, day+int64(i))
				test.fill(i, ev)
				if err := e.Write(ev); err != nil {
					t.Fatal(err)
				}
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			info := mustInspect(t, b.Bytes())
			if got := int64(test.rows); info.Rows != got || len(info.RowGroups) < 2 {
				t.Errorf("got %d rows in %d row groups, want %d in several", info.Rows, len(info.RowGroups), got)
			}
			for i, g := range info.RowGroups {
				for _, col := range g.Columns {
					if col.Dictionary > maxDataPage {
						t.Errorf("row group %d, %s: dictionary of %d bytes", i, col.Path, col.Dictionary)
					}
				}
			}
		})
	}
}

// TestTrim: an encoder that gave its memory back in between makes an object of the same rows, and is still not older
// than what it kept back.
func TestTrim(t *testing.T) {
	c := testClass()
	events := restless(c, 1000)
	for _, hands := range []int{1, 2} {
		t.Run(fmt.Sprint("hands ", hands), func(t *testing.T) {
			var b bytes.Buffer
			e, err := NewEncoder(&b, c, Options{Hands: hands})
			if err != nil {
				t.Fatal(err)
			}
			for i, ev := range events {
				if err := e.Write(ev); err != nil {
					t.Fatalf("event %d: %v", i, err)
				}
				if i%100 == 99 {
					if err := e.Trim(); err != nil {
						t.Fatal(err)
					}
					if len(e.rows) > 80 {
						t.Fatalf("event %d: %d rows stayed back", i, len(e.rows))
					}
				}
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(readRows(t, b.Bytes()), readRows(t, encode(t, c, Options{}, events...))); diff != "" {
				t.Errorf("rows (-got +want):\n%.2000s", diff)
			}
		})
	}
}

// TestTrimTwice: what stays back does so however often the encoder is trimmed, for nothing came in between.
func TestTrimTwice(t *testing.T) {
	c := testClass()
	var b bytes.Buffer
	e, err := NewEncoder(&b, c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(1000) {
		if err := e.Write(newEvent(c, day+i)); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		if err := e.Trim(); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Write(newEvent(c, day+700)); err != nil {
		t.Errorf("a row that is not older than those that stayed back: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if got := len(mustInspect(t, b.Bytes()).RowGroups); got != 2 {
		t.Errorf("got %d row groups, want 2", got)
	}
}

// TestTrimWithoutRows: the memory goes back at once, not after the next row group.
func TestTrimWithoutRows(t *testing.T) {
	c := testClass()
	e, err := NewEncoder(&bytes.Buffer{}, c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Write(newEvent(c, day)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(e.Flush(), e.Trim()); err != nil {
		t.Fatal(err)
	}
	before := e.group
	if cap(before.rows) > 0 {
		t.Errorf("room for %d rows is kept", cap(before.rows))
	}
	if err := e.Write(newEvent(c, day)); err != nil {
		t.Fatal(err)
	}
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	if e.group != before {
		t.Error("the memory of the next row group was given back too")
	}
}

// TestTrimSpare: what the rows that stay back went through keeps no memory of them.
func TestTrimSpare(t *testing.T) {
	c := testClass()
	e, err := NewEncoder(&bytes.Buffer{}, c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range restless(c, 1000) {
		if err := e.Write(ev); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Trim(); err != nil {
		t.Fatal(err)
	}
	if len(e.rows) == 0 {
		t.Fatal("no row stayed back")
	}
	kept := cap(e.spare.rows)
	for i := range e.spare.columns {
		c := &e.spare.columns[i]
		kept += cap(c.levels) + cap(c.nums) + cap(c.refs) + cap(c.arena) + cap(c.words.arena) + cap(c.words.slots)
	}
	if kept > 0 {
		t.Errorf("there is room for %d values", kept)
	}
}

// TestBoundsOutOfOrder: texts that are PLAIN although they may have a dictionary have bounds in the footer, which Size counts in
// whatever order the rows came.
func TestBoundsOutOfOrder(t *testing.T) {
	c := testClass()
	var got [2]int64
	for i, step := range []int64{1, -1} {
		e, err := NewEncoder(&bytes.Buffer{}, c, Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := seeded(5)
		for n := range int64(2 * fewValues) {
			ev := newEvent(c, day+step*n)
			setText(child(ev.Root, "device"), "name", random(r, 3000))
			if err := e.Write(ev); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
		got[i] = e.bounds
	}
	if got[0] != got[1] || got[0] < textBounds(3000) {
		t.Errorf("got %d bytes of bounds in order and %d out of order, want at least %d of both", got[0], got[1], textBounds(3000))
	}
}
