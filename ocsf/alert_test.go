package ocsf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// reference flattens a document the way Alert does, with encoding/json as the reader.
func reference(line []byte) (leaves []string, err error) {
	if !json.Valid(line) {
		return nil, errors.New("invalid")
	}
	if bytes.TrimLeft(line, " \t\r\n")[0] != '{' {
		return nil, errors.New("no object")
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	return leaves, flattenObject(dec, "", 0, &leaves)
}

func flattenObject(dec *json.Decoder, prefix string, depth int, leaves *[]string) error {
	empty := true
	for dec.More() {
		empty = false
		key, err := dec.Token()
		if err != nil {
			return err
		}
		path := key.(string)
		if depth > 0 {
			path = prefix + "." + path
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		switch raw[0] {
		case '{':
			if depth+1 >= maxObjectDepth || len(path) > maxPrefix {
				*leaves = append(*leaves, path+"\x00"+replaceInvalid(raw))
				continue
			}
			sub := json.NewDecoder(bytes.NewReader(raw))
			sub.UseNumber()
			if _, err := sub.Token(); err != nil {
				return err
			}
			if err := flattenObject(sub, path, depth+1, leaves); err != nil {
				return err
			}
		case '[':
			*leaves = append(*leaves, path+"\x00"+replaceInvalid(raw))
		case '"':
			var text string
			if err := json.Unmarshal(raw, &text); err != nil {
				return err
			}
			*leaves = append(*leaves, path+"\x00"+text)
		default:
			*leaves = append(*leaves, path+"\x00"+string(raw))
		}
	}
	if empty && depth > 0 {
		*leaves = append(*leaves, prefix+"\x00{}")
	}
	return nil
}

// replaceInvalid puts U+FFFD for each byte that is no UTF-8 (bytes.ToValidUTF8 puts one for a run of them).
func replaceInvalid(b []byte) string { return string([]rune(string(b))) }

func sameAsReference(line []byte) error {
	want, wantErr := reference(line)
	var a Alert
	a.reset(len(line))
	a.line = bytes.Clone(line)
	err := a.scan(a.line)
	if (err == nil) != (wantErr == nil) {
		return fmt.Errorf("got error %v, encoding/json has %v", err, wantErr)
	}
	if err != nil {
		return nil
	}
	if len(a.leaves) != len(want) {
		return fmt.Errorf("got %d leaves, encoding/json has %d", len(a.leaves), len(want))
	}
	for i, l := range a.leaves {
		if got := string(l.Path) + "\x00" + string(l.Value); got != want[i] {
			return fmt.Errorf("leaf %d: got %q, want %q", i, got, want[i])
		}
		if !utf8.Valid(l.Path) || !utf8.Valid(l.Value) {
			return fmt.Errorf("leaf %d is no UTF-8", i)
		}
		if err := sameElements(&a, &a.leaves[i]); err != nil {
			return fmt.Errorf("leaf %d: %w", i, err)
		}
		path := string(l.Path)
		first := a.Leaf(path)
		if first == nil || string(first.Path) != path || int(first.Index) > i {
			return fmt.Errorf("leaf %d: %q is not found", i, path)
		}
	}
	return nil
}

// sameElements compares the elements of an array, up to the first that is no scalar, with those that encoding/json reads.
func sameElements(a *Alert, l *Leaf) error {
	if l.Kind != LeafJSON || l.Value[0] != '[' {
		return nil
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(l.Value, &raw); err != nil {
		return err
	}
	var want []string
	scalars := len(raw) > 0
	for _, r := range raw {
		if r[0] == '[' || r[0] == '{' {
			scalars = false
			break
		}
		text := string(r)
		if r[0] == '"' {
			if err := json.Unmarshal(r, &text); err != nil {
				return err
			}
		}
		want = append(want, text)
	}
	var got []string
	all := a.Elements(l, func(text []byte) bool { got = append(got, string(text)); return true })
	if all != scalars || !slices.Equal(got, want) {
		return fmt.Errorf("got elements %q, all %v, encoding/json has %q, %v", got, all, want, scalars)
	}
	return nil
}

var scannerSeeds = []string{
	`{}`, ` { } `, `{"a":1}`, `{"a":-0.5e+10,"b":[1,{"x":null},"\u00e9"],"c":{"d":{"e":true}}}`,
	`{"a":01}`, `{"a":.5}`, `{"a":1.}`, `{"a":1e}`, `{"a":-}`, `{"a":+1}`, `{"a":0x1}`, `{"a":NaN}`, `{"a":tru}`,
	`{"a":"\ud83d\ude00"}`, `{"a":"\ud83d"}`, `{"a":"\ud83dx"}`, `{"a":"\ud83d\u0041"}`, `{"a":"\ude00\ud83d"}`, `{"a":"\ud83d\ud83d\ude00"}`,
	`{"a":"\u12"}`, `{"a":"\x"}`, `{"a":"` + "\x00" + `"}`, `{"a":"` + "\xff\xfe" + `"}`, `{"` + "\xc3" + `":"` + "\xe2\x82" + `"}`,
	`{"a":["` + "\xff" + `"]}`, `{"a":[]}`, `{"a":[[],{}]}`, `{"a":[1,]}`, `{"a":[,1]}`, `{"a":{"b":1,}}`, `{"a":{,}}`, `{"a" 1}`, `{"a":1 "b":2}`,
	`{"a":1}x`, `{"a":1}{"b":2}`, `[]`, `1`, `"x"`, `null`, ``, ` `, `{`, `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":"`, `{"a":"\`, `{"a":[`, `{"a":[{"b":`,
	`{"a":1,"a":2,"a":{"b":3}}`, `{"a.b":1,"a":{"b":2}}`, `{"":1,"x":{"":2}}`, `{"A":1,"a":2}`, "{\"a\"\t:\r\n1}", "{\"a\":\"\x7f\"}", "{\"a\":\"\t\"}",
	`{"a":{}}`, `{"a":{"b":{}}}`, `{"a":[{"b":[{"c":[]}]}]}`, `{"a":[}]}`, `{"a":[{]}}`, `{"a":"\/\b\f\n\r\t\"\\"}`,
	`{"a":["","b",""],"c":["a" ,"b"],"d":["a","b\t"],"e":["ä"],"f":["a",1]}`, `{"a":["b"`, `{"a":["b",`, `{"a":["b"]`, `{"a":["b""c"]}`, `{"a":[,"b"]}`,
	`{"a":"\u0000"}`, `{"a":"\uFFFF"}`, `{"a":"\uDBFF\uDFFF"}`, "\ufeff{}", "{\"a\":1}\x00",
}

func TestScannerAgreesWithEncodingJSON(t *testing.T) {
	deep := func(open, close string, n int) string {
		return `{"a":` + strings.Repeat(open, n) + strings.Repeat(close, n) + `}`
	}
	seeds := append([]string{}, scannerSeeds...)
	seeds = append(seeds, deep(`[`, `]`, 9999), deep(`[`, `]`, 10000), deep(`[`, `]`, 100),
		`{"a":`+strings.Repeat(`{"b":`, 60)+`1`+strings.Repeat(`}`, 61),
		`{"a":`+strings.Repeat(`{"b":`, 9998)+`1`+strings.Repeat(`}`, 9999),
		`{"a":`+strings.Repeat(`{"b":`, 10001)+`1`+strings.Repeat(`}`, 10002),
		`{"`+strings.Repeat("k", 600)+`":{"x":1}}`)
	for _, s := range seeds {
		if err := sameAsReference([]byte(s)); err != nil {
			t.Errorf("%.80q: %v", s, err)
		}
	}
}

func FuzzScanner(f *testing.F) {
	for _, s := range scannerSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if err := sameAsReference(line); err != nil {
			t.Error(err)
		}
	})
}

func TestCorpusParsesAsEncodingJSONDoes(t *testing.T) {
	for i, line := range corpusLines(t) {
		if err := sameAsReference(line); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
	}
}

func TestParse(t *testing.T) {
	whole := `{"timestamp":"2026-01-02T03:04:05.678+0000","rule":{"id":"1"}}`
	tests := map[string]struct {
		line   string
		reason Reason
		leaf   string
		want   string
	}{
		"whole":             {whole, "", "rule.id", "1"},
		"spliced":           {`{"timestamp":"2026-01-02T03:04:05.6` + whole, "", "spliced_prefix", `{"timestamp":"2026-01-02T03:04:05.6`},
		"spliced, the rest": {`{"timestamp":"2026-01-02T03` + whole, "", "rule.id", "1"},
		"spliced twice":     {`{"timestamp":"x{"timestamp":"y` + whole, "", "spliced_prefix", `{"timestamp":"x{"timestamp":"y`},
		"spliced bytes":     {"\xff\xff" + whole, "", "spliced_prefix", "\uFFFD\uFFFD"},
		"marker in a text":  {`{"timestamp":"t","full_log":"{\"timestamp\":\"x"}`, "", "full_log", `{"timestamp":"x`},
		"half a line":       {whole[:30], ReasonNotJSON, "", ""},
		"empty":             {"", ReasonNotJSON, "", ""},
		"array":             {"[1]", ReasonNotJSON, "", ""},
		"both halves cut":   {whole[:30] + whole[:40], ReasonNotJSON, "", ""},
		"too many fields":   {`{"a":1` + strings.Repeat(`,"a":1`, maxLeaves) + `}`, ReasonInvalidEvent, "", ""},
	}
	var a Alert // reused: nothing of one line may show in the next
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := a.Parse([]byte(tt.line))
			if tt.reason != "" {
				var me *MapError
				if !errors.As(err, &me) || me.Reason != tt.reason {
					t.Fatalf("got %v, want %s", err, tt.reason)
				}
				if len(a.Leaves()) != 0 {
					t.Errorf("got %d leaves after an error", len(a.Leaves()))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := string(a.Leaf(tt.leaf).raw()); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.leaf, got, tt.want)
			}
		})
	}
}

func TestAlertAccessors(t *testing.T) {
	var a Alert
	line := `{"timestamp":"T","rule":{"level":5,"id":5710,"groups":["sshd","a\u0062"]},"agent":{"id":"001","name":"web"},"location":"/var/log/auth.log","decoder":{"name":"sshd"}}`
	if err := a.Parse([]byte(line)); err != nil {
		t.Fatal(err)
	}
	var groups []string
	a.Groups(func(g []byte) bool { groups = append(groups, string(g)); return true })
	got := fmt.Sprintln(a.Level(), string(a.RuleID()), groups, string(a.Location()), string(a.AgentID()), string(a.AgentName()), string(a.Timestamp()), a.HasGroup("ab"), a.HasGroup("b"), a.Has("rule"), a.Has("data"), string(a.Decoder()))
	if want := "5 5710 [sshd ab] /var/log/auth.log 001 web T true false true false sshd\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := a.Parse([]byte(`{"rule":{}}`)); err != nil || a.Level() != -1 || a.RuleID() != nil || a.Location() != nil {
		t.Errorf("an alert without fields: %v, level %d", err, a.Level())
	}
}

func TestElements(t *testing.T) {
	tests := map[string]struct {
		line    string
		want    string
		scalars bool
	}{
		"texts":        {`{"x":["a","b\"c"]}`, `[a b"c]`, true},
		"scalars":      {`{"x":[1, true ,null,-2.5e3]}`, `[1 true null -2.5e3]`, true},
		"one text":     {`{"x":"a"}`, `[a]`, true},
		"number":       {`{"x":7}`, `[7]`, true},
		"empty":        {`{"x":[]}`, `[]`, false},
		"nested":       {`{"x":["a",["b"]]}`, `[a]`, false},
		"objects":      {`{"x":[{"a":1}]}`, `[]`, false},
		"blank":        {`{"x":"-"}`, `[]`, false},
		"none":         {`{"y":1}`, `[]`, false},
		"spaced empty": {`{"x":[ ]}`, `[]`, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var a Alert
			if err := a.Parse([]byte(tt.line)); err != nil {
				t.Fatal(err)
			}
			var got []string
			scalars := a.Elements(a.Leaf("x"), func(text []byte) bool { got = append(got, string(text)); return true })
			if fmt.Sprint(got) != tt.want || scalars != tt.scalars {
				t.Errorf("got %v %v, want %s %v", got, scalars, tt.want, tt.scalars)
			}
		})
	}
}
