package ocsf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// lostLeaf finds a leaf that is neither in unmapped, verbatim under its own key, nor held by a value that claims it.
// It does not trust claims: what a value claims must be readable from it.
func lostLeaf(a *Alert, ev *Event) error {
	leaves := a.Leaves()
	held := make([]bool, len(leaves))
	docs := make(map[*Value]any)
	if err := eachValue(ev.Root, "", func(path string, at *Attr, v *Value) error {
		for _, s := range v.Srcs {
			if !holds(a, at, v, &leaves[s], docs) {
				return fmt.Errorf("%s claims %s = %.200q, which it does not hold", path, leaves[s].Path, leaves[s].Value)
			}
			held[s] = true
		}
		return nil
	}); err != nil {
		return err
	}
	unmapped := make(map[string]int, len(ev.Unmapped))
	keys := make(map[string]bool, len(ev.Unmapped))
	for _, kv := range ev.Unmapped {
		key := string(kv.Key)
		if keys[key] {
			return fmt.Errorf("unmapped repeats the key %q", key)
		}
		keys[key] = true
		unmapped[string(kv.Value)]++
	}
	for i, l := range leaves {
		switch {
		case held[i] || l.Kind == LeafEmpty && !containsDot(l.Path):
		case unmapped[string(l.Value)] == 0:
			return fmt.Errorf("leaf %s = %.200q is lost", l.Path, l.Value)
		case len(l.Path) > 0 && a.Leaf(string(l.Path)).Index == l.Index && !keys[string(l.Path)]:
			return fmt.Errorf("leaf %s is not in unmapped under its own name", l.Path)
		default:
			unmapped[string(l.Value)]--
		}
	}
	return nil
}

func eachValue(o *Object, path string, yield func(path string, at *Attr, v *Value) error) error {
	for i := range o.Values {
		v, at := &o.Values[i], &o.Type.Attrs[i]
		if !v.Set {
			continue
		}
		if err := yield(path+at.Name, at, v); err != nil {
			return err
		}
		for _, child := range v.Objs {
			if err := eachValue(child, path+at.Name+".", yield); err != nil {
				return err
			}
		}
	}
	return nil
}

// holds reports whether the leaf can be read back from the value. docs keeps the JSON texts read so far.
func holds(a *Alert, at *Attr, v *Value, l *Leaf, docs map[*Value]any) bool {
	switch {
	case at.Kind == KindString && at.Type == "json_t":
		node, ok := docs[v]
		if !ok {
			dec := json.NewDecoder(bytes.NewReader(v.Str))
			dec.UseNumber()
			if dec.Decode(&node) != nil {
				return false
			}
			docs[v] = node
		}
		for _, key := range strings.Split(strings.TrimPrefix(string(l.Path), "data."), ".") {
			m, ok := node.(map[string]any)
			if !ok {
				return false
			}
			if node, ok = m[key]; !ok {
				return false
			}
		}
		if l.Kind == LeafText {
			return node == any(string(l.Value))
		}
		got, _ := json.Marshal(node)
		var leaf any
		dec := json.NewDecoder(bytes.NewReader(l.Value))
		dec.UseNumber()
		_ = dec.Decode(&leaf)
		want, _ := json.Marshal(leaf)
		return bytes.Equal(got, want)
	case at.Kind == KindString && !at.List:
		if bytes.Equal(v.Str, l.Value) {
			return true
		}
		if at.Name == "cmd_line" || at.Name == "category" {
			all := true
			a.Elements(l, func(text []byte) bool { all = all && bytes.Contains(v.Str, text); return true })
			return all
		}
		return false
	case at.Kind == KindString:
		return elementsIn(a, l, func(text string) bool {
			for _, s := range v.Strs {
				if string(s) == text || strings.HasSuffix(string(s), ":"+text) || strings.HasSuffix(string(s), "="+text) || strings.HasSuffix(string(s), ": "+text) {
					return true
				}
			}
			return false
		})
	case at.Kind == KindInt || at.Kind == KindLong:
		return strconv.FormatInt(v.Num, 10) == string(l.Value)
	case at.Kind == KindFloat:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64) == string(l.Value)
	case at.Kind == KindBool:
		return strconv.FormatBool(v.Num != 0) == string(l.Value)
	case at.Name == "attacks":
		return elementsIn(a, l, func(text string) bool {
			for _, attack := range v.Objs {
				for _, part := range []string{"tactic", "technique", "sub_technique"} {
					if p := attack.Value(part); p != nil {
						for _, name := range []string{"uid", "name"} {
							if x := p.Objs[0].Value(name); x != nil && string(x.Str) == text {
								return true
							}
						}
					}
				}
			}
			return false
		})
	}
	return false
}

func elementsIn(a *Alert, l *Leaf, in func(string) bool) bool {
	all := true
	scalars := a.Elements(l, func(text []byte) bool { all = all && in(string(text)); return true })
	return scalars && all
}

// mapAll maps a line to every class and version and checks what must hold of each event.
type everyClass struct {
	classes []*Class
	mappers []*Mapper
	events  []*Event
	alert   Alert
}

func newEveryClass(t testing.TB, opt Options) *everyClass {
	e := new(everyClass)
	for _, version := range Versions() {
		for _, name := range Classes() {
			c := mustClass(t, name, version)
			e.classes = append(e.classes, c)
			e.mappers = append(e.mappers, NewMapper(c, opt))
			e.events = append(e.events, NewEvent(c))
		}
	}
	return e
}

// check returns how many classes took the line.
func (e *everyClass) check(line []byte) (int, error) {
	if err := e.alert.Parse(line); err != nil {
		var me *MapError
		if !errors.As(err, &me) {
			return 0, fmt.Errorf("parse: %v is no MapError", err)
		}
		return 0, nil
	}
	taken := 0
	for i, c := range e.classes {
		ev := e.events[i]
		err := e.mappers[i].Map(&e.alert, corpusNow, ev)
		var me *MapError
		switch {
		case errors.Is(err, ErrOtherClass):
			continue
		case errors.As(err, &me) && me.Reason == ReasonBadTimestamp:
			continue
		case err != nil:
			return taken, fmt.Errorf("%s: %w", c, err)
		}
		if err := lostLeaf(&e.alert, ev); err != nil {
			return taken, fmt.Errorf("%s: %w", c, err)
		}
		if err := Check(ev); err != nil {
			return taken, fmt.Errorf("%s: %w", c, err)
		}
		if text := ev.AppendJSON(nil); !json.Valid(text) {
			return taken, fmt.Errorf("%s: AppendJSON wrote no JSON", c)
		}
		taken++
	}
	return taken, nil
}

// seedAlerts are the alerts of the golden tests.
func seedAlerts(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "alerts", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no alerts in testdata: %v", err)
	}
	seeds := make(map[string][]byte)
	for _, f := range files {
		if strings.HasSuffix(f, ".event.json") {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var line bytes.Buffer
		if err := json.Compact(&line, text); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		seeds[strings.TrimSuffix(filepath.Base(f), ".json")] = line.Bytes()
	}
	return seeds
}

func FuzzMap(f *testing.F) {
	for _, line := range seedAlerts(f) {
		f.Add(line)
	}
	f.Add([]byte(`{"timestamp":"2026-03-02T10:20:30.456+0100","":"x","":"y","(empty)":"z","a":{"":{}},"a#2":1,"a":2,"a":3}`))
	every := newEveryClass(f, Options{})
	f.Fuzz(func(t *testing.T, line []byte) {
		if _, err := every.check(line); err != nil {
			t.Error(err)
		}
	})
}

// TestMutatedAlerts changes every field of every golden alert in every way a log source or an attacker might.
func TestMutatedAlerts(t *testing.T) {
	every := newEveryClass(t, Options{RawData: "alert"})
	replacements := []string{
		`""`, `"-"`, `"N/A"`, `"(null)"`, `" "`, `null`, `true`, `0`, `-1`, `99999999999`, `1e400`, `1.5`, `[]`, `[""]`, `["x",null]`, `["x","y,z"]`, `[["x"]]`,
		`[{"a":"b"}]`, `{}`, `{"a":"b"}`, `{"":{"":1}}`, `"999.1.1.1"`, `"::ffff:10.0.0.1"`, `"fe80::1%eth0"`, `"[2001:db8::1]:443"`, `"10.0.0.1:80"`,
		`"a_b.example."`, `"T1110"`, `"C:\\Windows\\"`, `"DOMAIN\\"`, `"\\x"`, `"/"`, `"\ud800"`, "\"\xff\xfe\"", `"0x1f"`, `"0xzz"`, `"99"`, `"Other"`,
		`"=,=,MD5=,SHA1=x"`, `"2026-02-31T00:00:00Z"`, `"1970-01-01T00:00:01Z"`, `"` + strings.Repeat("é", 70000) + `"`,
	}
	seeds := seedAlerts(t)
	for offset, name := range slices.Sorted(maps.Keys(seeds)) {
		line := seeds[name]
		t.Run(name, func(t *testing.T) {
			var a Alert
			if err := a.Parse(line); err != nil {
				t.Fatal(err)
			}
			taken := 0
			for i, l := range a.Leaves() {
				// A few replacements for each field, other ones for the next: all of them for some field of each alert.
				for j := range 2 {
					raw := replacements[(i*2+j+7*offset)%len(replacements)]
					n, err := every.check(rewrite(line, string(l.Path), raw, (i+j)%5 == 0))
					if err != nil {
						t.Errorf("%s = %.60s: %v", l.Path, raw, err)
					}
					taken += n
				}
			}
			if taken == 0 {
				t.Error("no mutated alert was taken by any class")
			}
		})
	}
}

// rewrite replaces the value at a path by raw JSON, or adds it as a repeated key with another letter case beside it.
func rewrite(line []byte, path, raw string, repeat bool) []byte {
	var build func(dec *json.Decoder, prefix string, out *bytes.Buffer)
	build = func(dec *json.Decoder, prefix string, out *bytes.Buffer) {
		_, _ = dec.Token()
		out.WriteByte('{')
		for first := true; dec.More(); first = false {
			if !first {
				out.WriteByte(',')
			}
			key, _ := dec.Token()
			var value json.RawMessage
			_ = dec.Decode(&value)
			quoted, _ := json.Marshal(key)
			out.Write(quoted)
			out.WriteByte(':')
			full := prefix + key.(string)
			switch {
			case full == path && repeat:
				out.Write(value)
				fmt.Fprintf(out, `,%s:%s,%s:%s`, quoted, raw, strings.ToUpper(string(quoted)), raw)
			case full == path:
				out.WriteString(raw)
			case value[0] == '{':
				build(json.NewDecoder(bytes.NewReader(value)), full+".", out)
			default:
				out.Write(value)
			}
		}
		out.WriteByte('}')
	}
	var out bytes.Buffer
	build(json.NewDecoder(bytes.NewReader(line)), "", &out)
	return out.Bytes()
}

// TestMutatedCorpus does the same to real alerts, a random part of them.
func TestMutatedCorpus(t *testing.T) {
	lines := corpusLines(t)
	every := newEveryClass(t, Options{})
	r := rand.New(rand.NewPCG(1, 2))
	start := time.Now()
	n := 0
	for ; n < 3000 && time.Since(start) < 5*time.Second; n++ {
		line := bytes.Clone(lines[r.IntN(len(lines))])
		for range 1 + r.IntN(3) {
			at := r.IntN(len(line))
			switch r.IntN(5) {
			case 0:
				line[at] = byte(r.IntN(256))
			case 1:
				line = append(line[:at], line[min(len(line), at+r.IntN(20)):]...)
			case 2:
				other := lines[r.IntN(len(lines))]
				line = append(line[:at:at], other...)
			case 3:
				line = bytes.Replace(line, []byte(`":"`), []byte(`":["`), 1)
			case 4:
				line = append(bytes.TrimSuffix(line, []byte("}")), `,"rule":{"level":"7","pci_dss":["x"]},"data":{"srcip":["1.2.3.4"]}}`...)
			}
			if len(line) == 0 {
				line = []byte("{}")
			}
		}
		if _, err := every.check(line); err != nil {
			t.Fatalf("seed 1,2 step %d: %v\n%.2000s", n, err, line)
		}
	}
	t.Logf("%d mutated lines", n)
}

// TestManyFields: as many fields as are taken at all, different and repeated, cost time in proportion.
func TestManyFields(t *testing.T) {
	every := newEveryClass(t, Options{})
	for name, member := range map[string]func(i int) string{
		"different": func(i int) string { return fmt.Sprintf(`"k%d":"v"`, i) },
		"repeated":  func(int) string { return `"k":"v"` },
		"numbered":  func(i int) string { return fmt.Sprintf(`"k":1,"k#%d":"v"`, i) },
		"metrics":   func(i int) string { return fmt.Sprintf(`"v%d":{"vulnerability":1}`, i) },
	} {
		var line bytes.Buffer
		line.WriteString(`{"timestamp":"2026-01-02T03:04:05.678+0000","data":{"vulnerability":{"cve":"CVE-2026-1","cvss":{"cvss3":{"base_score":"1","vector":{`)
		for i := range 20000 {
			if i > 0 {
				line.WriteByte(',')
			}
			line.WriteString(member(i))
		}
		line.WriteString(`}}}}}}`)
		start := time.Now()
		if n, err := every.check(line.Bytes()); err != nil || n == 0 {
			t.Errorf("%s: got %d classes and %v", name, n, err)
		}
		t.Logf("%s: %v for all classes, checks included", name, time.Since(start))
	}
}

// TestLargeAlerts: lines far beyond what analysisd writes are taken like any other.
func TestLargeAlerts(t *testing.T) {
	every := newEveryClass(t, Options{})
	for _, size := range []int{64 << 10, 1 << 20} {
		text := strings.Repeat("x é ", size/5)
		line := `{"timestamp":"2026-01-02T03:04:05.678+0000","rule":{"level":3,"id":"1","description":"` + text + `","groups":["` + text +
			`"]},"agent":{"id":"001","name":"` + text + `"},"full_log":"` + text + `","data":{"srcip":"` + text + `","url":"` + text + `"}}`
		n, err := every.check([]byte(line))
		if err != nil || n != 4 {
			t.Errorf("%d bytes: got %d classes and %v, want 4", len(line), n, err)
		}
	}
}
