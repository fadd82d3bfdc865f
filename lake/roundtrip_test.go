package lake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"wazuh-security-lake/ocsf"
)

// reference is the JSON that Rows must give for ev, built by the plainest means.
func reference(t failer, ev *ocsf.Event) string {
	t.Helper()
	root := referenceObject(ev.Root)
	if root == nil {
		root = map[string]any{}
	}
	if len(ev.Unmapped) > 0 {
		m := make(map[string]any)
		for _, kv := range ev.Unmapped {
			m[string(kv.Key)] = string(kv.Value)
		}
		root["unmapped"] = m
	}
	return canonical(t, root)
}

func referenceObject(o *ocsf.Object) map[string]any {
	m := make(map[string]any)
	for i := range o.Type.Attrs {
		a, v := &o.Type.Attrs[i], &o.Values[i]
		if a.Kind == ocsf.KindMap || !v.Set {
			continue
		}
		switch {
		case a.Kind == ocsf.KindObject && a.List:
			var list []any
			for _, el := range v.Objs {
				if x := referenceObject(el); x != nil {
					list = append(list, x)
				} else {
					list = append(list, nil)
				}
			}
			if list != nil {
				m[a.Name] = list
			}
		case a.Kind == ocsf.KindObject:
			if x := referenceObject(v.Objs[0]); x != nil {
				m[a.Name] = x
			}
		case a.List && a.Kind == ocsf.KindInt:
			m[a.Name] = []any{v.Num}
		case a.List:
			var list []any
			for _, s := range v.Strs {
				list = append(list, string(s))
			}
			if list != nil {
				m[a.Name] = list
			}
		case a.Kind == ocsf.KindString:
			m[a.Name] = string(v.Str)
		case a.Kind == ocsf.KindFloat:
			m[a.Name] = v.Float()
		case a.Kind == ocsf.KindBool:
			m[a.Name] = v.Num != 0
		case a.Kind == ocsf.KindTime:
			m[a.Name] = time.UnixMilli(v.Num).UTC().Format("2006-01-02T15:04:05.000Z")
		default:
			m[a.Name] = v.Num
		}
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

// canonical gives JSON with sorted keys and exact integers.
func canonical(t failer, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func canonicalLine(t failer, line []byte) string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("row is not JSON: %v: %s", err, line)
	}
	return canonical(t, numbers(v))
}

// numbers turns floats into the form the reference has: 1e3 and 1000 are the same number.
func numbers(v any) any {
	switch x := v.(type) {
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return n
		}
		f, _ := x.Float64()
		return f
	case map[string]any:
		for k := range x {
			x[k] = numbers(x[k])
		}
	case []any:
		for i := range x {
			x[i] = numbers(x[i])
		}
	}
	return v
}

func readRows(t failer, file []byte) []string {
	t.Helper()
	var rows []string
	err := Rows(bytes.NewReader(file), int64(len(file)), func(row []byte) error {
		rows = append(rows, canonicalLine(t, row))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// drawText draws text of every length that matters, up to 64 KB, with what JSON and UTF-8 make hard.
func drawText(t *rapid.T, label string) []byte {
	switch rapid.IntRange(0, 20).Draw(t, label+" shape") {
	case 0:
		return []byte{}
	case 1:
		n := rapid.SampledFrom([]int{1000, 65535}).Draw(t, label+" length")
		return bytes.Repeat([]byte{byte('a' + n%7)}, n)
	case 2:
		return []byte("\"\\\n\t\x00\x7f\u2028 é 漢 😀")
	case 3, 4, 5:
		return []byte(rapid.String().Draw(t, label))
	default:
		return []byte(rapid.SampledFrom([]string{"a", "b", "sshd", "10.0.0.1", "3.1"}).Draw(t, label))
	}
}

func drawObject(t *rapid.T, ot *ocsf.ObjectType, label string) *ocsf.Object {
	o := object(ot)
	for i := range ot.Attrs {
		a, v := &ot.Attrs[i], &o.Values[i]
		l := label + "." + a.Name
		if a.Kind == ocsf.KindMap || rapid.IntRange(0, 2).Draw(t, l+" set") == 0 {
			continue
		}
		o.Set(i)
		switch {
		case a.Kind == ocsf.KindObject && a.List:
			for j := range rapid.IntRange(0, 3).Draw(t, l+" n") {
				v.Objs = append(v.Objs, drawObject(t, a.Object, fmt.Sprint(l, j)))
			}
		case a.Kind == ocsf.KindObject:
			v.Objs = []*ocsf.Object{drawObject(t, a.Object, l)}
		case a.List && a.Kind == ocsf.KindString:
			for range rapid.IntRange(0, 3).Draw(t, l+" n") {
				v.Strs = append(v.Strs, drawText(t, l))
			}
		case a.Kind == ocsf.KindString:
			v.Str = drawText(t, l)
		case a.Kind == ocsf.KindInt:
			v.Num = int64(rapid.Int32().Draw(t, l))
		case a.Kind == ocsf.KindLong:
			v.Num = rapid.Int64().Draw(t, l)
		case a.Kind == ocsf.KindFloat:
			v.Num = int64(math.Float64bits(float64(rapid.Int32().Draw(t, l)) / 8))
		case a.Kind == ocsf.KindBool:
			v.Num = int64(rapid.IntRange(0, 1).Draw(t, l))
		case a.Kind == ocsf.KindTime:
			v.Num = rapid.Int64Range(0, 253402300799999).Draw(t, l)
		}
	}
	return o
}

func drawEvent(t *rapid.T, c *ocsf.Class) *ocsf.Event {
	ev := &ocsf.Event{Class: c, Root: drawObject(t, c.Root, "root")}
	setTime(ev, day+rapid.Int64Range(0, 40).Draw(t, "time"))
	for i := range rapid.IntRange(0, 4).Draw(t, "unmapped") {
		ev.Unmapped = append(ev.Unmapped, ocsf.KeyValue{Key: fmt.Appendf(nil, "Key.%d", i), Value: drawText(t, "value")})
	}
	return ev
}

// TestRoundTrip writes random event trees, out of order and over several row groups, and reads them back.
func TestRoundTrip(t *testing.T) {
	c := testClass()
	reused, err := NewEncoder(nil, c, Options{RowGroupBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		var b bytes.Buffer
		reused.Reset(&b)
		type timed struct {
			ms   int64
			text string
		}
		var want []timed
		n := rapid.IntRange(0, 30).Draw(t, "events")
		flushAt := rapid.IntRange(0, 40).Draw(t, "flush")
		floor := int64(math.MinInt64)
		for i := range n {
			ev := drawEvent(t, c)
			groups := reused.groups
			if err := reused.Write(ev); err != nil {
				if ev.Time < floor {
					continue
				}
				t.Fatalf("event %d: %v", i, err)
			}
			if ev.Time < floor {
				t.Fatalf("event %d of %d accepted after a row group that ends at %d", i, ev.Time, floor)
			}
			want = append(want, timed{ev.Time, reference(t, ev)})
			if i == flushAt {
				if err := reused.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			if reused.groups > groups {
				floor = reused.flushed
			}
		}
		estimate := reused.Size()
		if err := reused.Close(); err != nil {
			t.Fatal(err)
		}
		if got := int64(b.Len()); got > estimate {
			t.Fatalf("file has %d bytes, Size said at most %d", got, estimate)
		}
		slices.SortStableFunc(want, func(a, b timed) int { return int(a.ms - b.ms) })
		lines := make([]string, len(want))
		for i := range want {
			lines[i] = want[i].text
		}
		if diff := cmp.Diff(readRows(t, b.Bytes()), lines); diff != "" && len(lines) > 0 {
			t.Fatalf("rows differ (-got +want):\n%.4000s", diff)
		}
	})
}

// TestNullsAtEachLevel pins which of the levels a missing thing stands at.
func TestNullsAtEachLevel(t *testing.T) {
	c := testClass()
	for name, test := range map[string]struct {
		build func(ev *ocsf.Event)
		want  string
	}{
		"nothing":              {func(*ocsf.Event) {}, `{}`},
		"empty struct":         {func(ev *ocsf.Event) { child(ev.Root, "device") }, `{}`},
		"empty inner struct":   {func(ev *ocsf.Event) { child(child(ev.Root, "device"), "location") }, `{}`},
		"empty list":           {func(ev *ocsf.Event) { at(ev.Root, "types").Set = true }, `{}`},
		"empty list of struct": {func(ev *ocsf.Event) { at(ev.Root, "vulnerabilities").Set = true }, `{}`},
		"empty text":           {func(ev *ocsf.Event) { setText(ev.Root, "message", "") }, `{"message":""}`},
		"nil text":             {func(ev *ocsf.Event) { *at(ev.Root, "message") = ocsf.Value{Set: true} }, `{"message":""}`},
		"empty element text":   {func(ev *ocsf.Event) { *at(ev.Root, "types") = ocsf.Value{Set: true, Strs: [][]byte{nil, []byte("x")}} }, `{"types":["","x"]}`},
		"zero numbers": {func(ev *ocsf.Event) {
			setNum(ev.Root, "class_uid", 0)
			setNum(ev.Root, "is_alert", 0)
			setNum(ev.Root, "time_dt", 0)
		}, `{"class_uid":0,"is_alert":false,"time_dt":"1970-01-01T00:00:00.000Z"}`},
		"null element between": {func(ev *ocsf.Event) {
			setText(child(ev.Root, "vulnerabilities"), "uid", "a")
			child(ev.Root, "vulnerabilities")
			setText(child(ev.Root, "vulnerabilities"), "uid", "c")
		}, `{"vulnerabilities":[{"uid":"a"},null,{"uid":"c"}]}`},
		"list in list": {func(ev *ocsf.Event) {
			v := child(ev.Root, "vulnerabilities")
			cve := child(v, "cve")
			setText(child(cve, "cvss"), "version", "3")
			setText(child(cve, "cvss"), "version", "4")
			*at(child(ev.Root, "vulnerabilities"), "references") = ocsf.Value{Set: true, Strs: [][]byte{[]byte("r")}}
		}, `{"vulnerabilities":[{"cve":{"cvss":[{"version":"3"},{"version":"4"}]}},{"references":["r"]}]}`},
		"list of one number": {func(ev *ocsf.Event) {
			setNum(child(ev.Root, "vulnerabilities"), "ids", 0)
			child(ev.Root, "vulnerabilities")
			setNum(child(ev.Root, "vulnerabilities"), "ids", -7)
		}, `{"vulnerabilities":[{"ids":[0]},null,{"ids":[-7]}]}`},
		"map with empty value": {func(ev *ocsf.Event) {
			ev.Unmapped = []ocsf.KeyValue{{Key: []byte("Case.Kept"), Value: nil}, {Key: []byte("b"), Value: []byte("1")}}
		}, `{"unmapped":{"Case.Kept":"","b":"1"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			ev := newEvent(c, day)
			test.build(ev)
			// A neighbour on each side: a wrong level shows in the row after it.
			full := typical(c, seeded(1), day)
			rows := readRows(t, encode(t, c, Options{}, full, ev, full))
			want := strings.TrimSuffix(test.want, "}")
			if want != "{" {
				want += ","
			}
			want += fmt.Sprintf(`"time":%d}`, day)
			wants := []string{reference(t, full), canonicalLine(t, []byte(want)), reference(t, full)}
			if diff := cmp.Diff(rows, wants); diff != "" {
				t.Errorf("(-got +want):\n%s", diff)
			}
		})
	}
}
