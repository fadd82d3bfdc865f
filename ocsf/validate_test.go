package ocsf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// appendEventJSON writes an event as JSON as it is: what is invalid in it stays invalid.
func appendEventJSON(b []byte, ev *Event) []byte { return appendObjectJSON(b, ev, ev.Root) }

func appendObjectJSON(b []byte, ev *Event, o *Object) []byte {
	b = append(b, '{')
	sep := ""
	key := func(name string) {
		b = append(appendTextJSON(append(b, sep...), []byte(name)), ':')
		sep = ","
	}
	for i := range o.Values {
		a, v := &o.Type.Attrs[i], &o.Values[i]
		if a.Kind == KindMap && len(ev.Unmapped) > 0 {
			key(a.Name)
			for j, kv := range ev.Unmapped {
				b = appendTextJSON(append(b, "{,"[min(j, 1)]), kv.Key)
				b = appendTextJSON(append(b, ':'), kv.Value)
			}
			b = append(b, '}')
			continue
		}
		if !v.Set {
			continue
		}
		key(a.Name)
		switch {
		case !a.List && a.Kind == KindObject:
			b = appendObjectJSON(b, ev, v.Objs[0])
		case !a.List:
			b = appendScalarJSON(b, a.Kind, v, v.Str)
		default:
			b = append(b, '[')
			for _, el := range v.Objs {
				b = append(appendObjectJSON(b, ev, el), ',')
			}
			for _, s := range v.Strs {
				b = append(appendTextJSON(b, s), ',')
			}
			if a.Kind == KindInt {
				b = append(appendScalarJSON(b, a.Kind, v, nil), ',')
			}
			b = append(bytes.TrimSuffix(b, []byte(",")), ']')
		}
	}
	return append(b, '}')
}

func appendScalarJSON(b []byte, k Kind, v *Value, text []byte) []byte {
	switch k {
	case KindFloat:
		return strconv.AppendFloat(b, v.Float(), 'g', -1, 64)
	case KindBool:
		return strconv.AppendBool(b, v.Num != 0)
	case KindTime:
		return appendTextJSON(b, time.UnixMilli(v.Num).UTC().AppendFormat(nil, "2006-01-02T15:04:05.000Z"))
	case KindString:
		return appendTextJSON(b, text)
	}
	return strconv.AppendInt(b, v.Num, 10)
}

// appendTextJSON keeps bytes that are no UTF-8.
func appendTextJSON(b, s []byte) []byte {
	b = append(b, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20:
			b = fmt.Appendf(b, "\\u%04x", c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// rulesOf returns the distinct rules of faults, sorted.
func rulesOf(faults []Fault) []string {
	set := make(map[string]bool)
	for _, f := range faults {
		set[f.Rule] = true
	}
	return slices.Sorted(maps.Keys(set))
}

func TestValidateAcceptsValidEvents(t *testing.T) {
	eachClass(t, func(t *testing.T, c *Class) {
		line := appendEventJSON(nil, validEventOf(t, c.Name, c.Version))
		for _, class := range []*Class{nil, c} {
			for _, f := range ValidateJSON(class, line, ValidateOptions{}) {
				t.Error(f)
			}
		}
	})
}

// inJSON is what ValidateJSON reports for a case of Check; "" for nothing. JSON has no columns, so the rules of the lake
// do not hold there, and what is wrong inside Event has no counterpart.
func (c eventCase) inJSON() string {
	switch {
	case c.judge == "-" && (c.rule == RuleIP || c.rule == RuleObservableText):
		return c.rule // stricter than the judge
	case c.judge == "-":
		return ""
	case c.rule == RuleNonFinite:
		return RuleParse // NaN is no JSON for Go
	case c.rule == RuleEmpty:
		return c.judge
	}
	return c.rule
}

// TestValidateEvents puts the events of TestCheck through JSON.
func TestValidateEvents(t *testing.T) {
	for name, c := range eventCases() {
		t.Run(name, func(t *testing.T) {
			ev := c.event(t)
			faults := ValidateJSON(ev.Class, appendEventJSON(nil, ev), ValidateOptions{})
			want := c.inJSON()
			if want == "" {
				if len(faults) > 0 {
					t.Errorf("got %v, want none", faults)
				}
				return
			}
			if !slices.ContainsFunc(faults, func(f Fault) bool { return f.Rule == want }) {
				t.Errorf("got %v, want %s", faults, want)
			}
		})
	}
}

// lineCase changes the text of a valid line of class 2004; judge as in eventCase.
type lineCase struct {
	old, new        string
	attribute, rule string
	judge           string
	also            []string // further rules the change breaks
}

func lineCases() map[string]lineCase {
	return map[string]lineCase{
		"nothing":                {},
		"null":                   {old: `"count":1`, new: `"count":null`, attribute: "count", rule: RuleNull},
		"null, required":         {old: `"severity_id":3`, new: `"severity_id":null`, attribute: "severity_id", rule: RuleNull, also: []string{RuleRequired}},
		"null in a list":         {old: `["pci_dss:10.2.4"]`, new: `["a",null]`, attribute: "metadata.labels[1]", rule: RuleNull},
		"unknown":                {old: `"count":1`, new: `"count":1,"nist":["AU.14"]`, attribute: "nist", rule: RuleUnknownAttribute},
		"unknown in an object":   {old: `"vendor_name"`, new: `"vendor":"W","vendor_name"`, attribute: "metadata.product.vendor", rule: RuleUnknownAttribute},
		"evidences of 1.3.0":     {old: `"src_endpoint"`, new: `"user":{"name":"root"},"src_endpoint"`, attribute: "evidences[0].user", rule: RuleUnknownAttribute},
		"text for a number":      {old: `"count":1`, new: `"count":"1"`, attribute: "count", rule: RuleWrongType},
		"number for text":        {old: `"uid":"1.2"`, new: `"uid":1.2`, attribute: "finding_info.uid", rule: RuleWrongType},
		"fraction":               {old: `"count":1`, new: `"count":1.0`, attribute: "count", rule: RuleWrongType},
		"exponent":               {old: `"count":1`, new: `"count":1e0`, attribute: "count", rule: RuleWrongType},
		"number for a boolean":   {old: `"is_system":true`, new: `"is_system":1`, attribute: "evidences[1].file.is_system", rule: RuleWrongType},
		"boolean for a number":   {old: `"count":1`, new: `"count":true`, attribute: "count", rule: RuleWrongType},
		"text for a list":        {old: `["pci_dss:10.2.4"]`, new: `"pci_dss:10.2.4"`, attribute: "metadata.labels", rule: RuleWrongType},
		"list for text":          {old: `"uid":"1.2"`, new: `"uid":["1.2"]`, attribute: "finding_info.uid", rule: RuleWrongType},
		"list for an object":     {old: `"metadata":{`, new: `"metadata":[],"device":{`, attribute: "metadata", rule: RuleWrongType},
		"text for an object":     {old: `"src_endpoint":{"ip":"203.0.113.9","port":50022}`, new: `"src_endpoint":"203.0.113.9"`, attribute: "evidences[0].src_endpoint", rule: RuleWrongType, also: []string{}},
		"unmapped as text":       {old: `"unmapped":{`, new: `"unmapped":"x","api":{`, attribute: "unmapped", rule: RuleWrongType, also: []string{RuleUnknownAttribute}, judge: ""},
		"json_t as JSON":         {old: `"data":"{\"a\":[1,2]}"`, new: `"data":{"a":[1,null,{}]}`},
		"json_t as number":       {old: `"data":"{\"a\":[1,2]}"`, new: `"data":7`},
		"overflow":               {old: `"count":1`, new: `"count":92233720368547758080`, attribute: "count", rule: RuleOverflow},
		"overflow of a size":     {old: `"size":1234`, new: `"size":-9223372036854775809`, attribute: "evidences[1].file.size", rule: RuleOverflow},
		"longest size":           {old: `"size":1234`, new: `"size":9223372036854775807`},
		"enumeration as text":    {old: `"severity_id":3`, new: `"severity_id":"3"`, attribute: "severity_id", rule: RuleWrongType},
		"empty host name":        {old: `"hostname":"agent-1"`, new: `"hostname":""`, attribute: "device.hostname", rule: RulePattern},
		"empty text":             {old: `"count":1`, new: `"count":1,"status_code":""`},
		"empty required list":    {old: `"profiles":["datetime","host"]`, new: `"profiles":[]`, attribute: "time_dt", rule: RuleProfile},
		"empty required object":  {old: `"product":{"name":"Wazuh","vendor_name":"Wazuh, Inc."}`, new: `"product":{}`, attribute: "metadata.product", rule: RuleEmptyRequired, also: []string{RuleAtLeastOne, RuleRequired}},
		"datetime":               {old: `"time_dt":"2026-03-01T00:00:00.976Z"`, new: `"time_dt":"2026-03-01 00:00:00.976"`, attribute: "time_dt", rule: RuleDatetime, judge: "regex"},
		"datetime of no day":     {old: `"time_dt":"2026-03-01T00:00:00.976Z"`, new: `"time_dt":"2026-02-30T00:00:00.976Z"`, attribute: "time_dt", rule: RuleDatetime},
		"datetime with offset":   {old: `"time_dt":"2026-03-01T00:00:00.976Z"`, new: `"time_dt":"2026-03-01T02:00:00.976+02:00"`},
		"datetime with seconds":  {old: `"time_dt":"2026-03-01T00:00:00.976Z"`, new: `"time_dt":"2026-03-01T00:00:00Z"`, attribute: "time_dt", rule: RuleDatetimeValue},
		"datetime as number":     {old: `"time_dt":"2026-03-01T00:00:00.976Z"`, new: `"time_dt":1772323200976`, attribute: "time_dt", rule: RuleWrongType},
		"profiles of numbers":    {old: `"profiles":["datetime","host"]`, new: `"profiles":["datetime","host",1]`, attribute: "metadata.profiles[2]", rule: RuleWrongType},
		"half a surrogate":       {old: `"message":"`, new: `"message":"\ud83d`, attribute: "message", rule: RuleUTF8},
		"low surrogate":          {old: `"message":"`, new: `"message":"\ude00`, attribute: "message", rule: RuleUTF8},
		"surrogate pair":         {old: `"message":"`, new: `"message":"\ud83d\ude00\\ud83d`},
		"half in unmapped":       {old: `"data.srcuser":"`, new: `"data.srcuser":"\ud83d`},
		"key twice":              {old: `"count":1`, new: `"count":1,"count":1`, attribute: "count", rule: RuleDuplicateKey},
		"key twice, deep":        {old: `"port":50022`, new: `"port":50022,"port":1`, attribute: "evidences[0].src_endpoint.port", rule: RuleDuplicateKey},
		"key twice, the last":    {old: `"count":1`, new: `"count":"x","count":1`, attribute: "count", rule: RuleDuplicateKey, judge: "json_duplicate_key"},
		"key twice, last counts": {old: `"activity_id":1`, new: `"activity_id":2,"activity_id":1`, attribute: "activity_id", rule: RuleDuplicateKey, also: []string{}},
		"no class":               {old: `"class_uid":2004,`, new: ``, attribute: "class_uid", rule: RuleClassMissing},
		"class as text":          {old: `"class_uid":2004`, new: `"class_uid":"2004"`, attribute: "class_uid", rule: RuleClassType},
		"class unknown":          {old: `"class_uid":2004`, new: `"class_uid":9999`, attribute: "class_uid", rule: RuleClassUnknown},
		"no JSON":                {old: `"count":1`, new: `"count":`, attribute: "$", rule: RuleParse},
		"two values":             {old: `"unmapped"`, new: `"unmapped":{}}{"a"`, attribute: "$", rule: RuleParse},
		"observable, nested key": {old: `"name":"evidences[].src_endpoint.ip"`, new: `"name":"unmapped.data.srcuser"`, attribute: "observables[0].value", rule: RuleObservableText, judge: "-"},
	}
}

func (c lineCase) line(t testing.TB) []byte {
	t.Helper()
	line := string(appendEventJSON(nil, validEventOf(t, "detection_finding", Version110)))
	if c.old != "" && strings.Count(line, c.old) == 0 {
		t.Fatalf("%s is not in %s", c.old, line)
	}
	return []byte(strings.Replace(line, c.old, c.new, 1))
}

func TestValidateLines(t *testing.T) {
	class, err := ClassByName("detection_finding", Version110)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range lineCases() {
		t.Run(name, func(t *testing.T) {
			faults := ValidateJSON(class, c.line(t), ValidateOptions{})
			if c.rule == "" {
				if len(faults) > 0 {
					t.Errorf("got %v, want none", faults)
				}
				return
			}
			if !slices.ContainsFunc(faults, func(f Fault) bool { return f.Attribute == c.attribute && f.Rule == c.rule }) {
				t.Errorf("got %v, want %s: %s", faults, c.attribute, c.rule)
			}
			for _, r := range rulesOf(faults) {
				if r != c.rule && c.also != nil && !slices.Contains(c.also, r) {
					t.Errorf("got %v, want only %s", faults, c.rule)
				}
			}
		})
	}
}

func TestValidateJSON(t *testing.T) {
	security, _ := ClassByName("security_finding", Version110)
	later, _ := ClassByName("detection_finding", Version130)
	valid := appendEventJSON(nil, validEventOf(t, "detection_finding", Version110))
	withNull := bytes.Replace(valid, []byte(`"count":1`), []byte(`"count":null,"device":null,"actor":null,"api":null`), 1)
	withNull = bytes.Replace(withNull, []byte(`"api":null`), []byte(`"malware":null`), 1)
	for name, c := range map[string]struct {
		class *Class
		line  string
		opt   ValidateOptions
		rules []string
	}{
		"another class":           {security, string(valid), ValidateOptions{}, []string{RuleClassUnknown}},
		"another version":         {later, string(valid), ValidateOptions{}, []string{RuleVersion}},
		"unknown version":         {nil, strings.Replace(string(valid), `"version":"1.1.0"`, `"version":"1.0.0"`, 1), ValidateOptions{}, []string{RuleVersion}},
		"null is a fault":         {nil, string(withNull), ValidateOptions{}, []string{RuleDuplicateKey, RuleNull, RuleProfile}},
		"null is allowed":         {nil, strings.Replace(string(valid), `"count":1`, `"count":null,"malware":null,"attacks":null`, 1), ValidateOptions{AllowNull: true}, nil},
		"null required":           {nil, strings.Replace(string(valid), `"severity_id":3`, `"severity_id":null`, 1), ValidateOptions{AllowNull: true}, []string{RuleRequired}},
		"array":                   {nil, `[1]`, ValidateOptions{}, []string{RuleNotObject}},
		"text":                    {nil, `"x"`, ValidateOptions{}, []string{RuleNotObject}},
		"null":                    {nil, `null`, ValidateOptions{}, []string{RuleNotObject}},
		"empty":                   {nil, ``, ValidateOptions{}, []string{RuleParse}},
		"blank":                   {nil, ` `, ValidateOptions{}, []string{RuleParse}},
		"object":                  {nil, `{}`, ValidateOptions{}, []string{RuleClassMissing}},
		"no closing brace":        {nil, `{"a":1`, ValidateOptions{}, []string{RuleParse}},
		"no closing bracket":      {nil, `{"a":[1`, ValidateOptions{}, []string{RuleParse}},
		"not UTF-8":               {nil, "{\"a\":\"\xff\"}", ValidateOptions{}, []string{RuleUTF8}},
		"too deep":                {nil, strings.Repeat("[", 5_000_000), ValidateOptions{}, []string{RuleParse}},
		"deeper than OCSF":        {nil, `{"unmapped":` + strings.Repeat("[", 1500) + strings.Repeat("]", 1500) + `}`, ValidateOptions{}, []string{RuleParse}},
		"class uid overflows":     {nil, `{"class_uid":99999999999999999999}`, ValidateOptions{}, []string{RuleClassUnknown}},
		"class of the integer -0": {nil, `{"class_uid":-0}`, ValidateOptions{}, []string{RuleClassUnknown}},
	} {
		t.Run(name, func(t *testing.T) {
			got := rulesOf(ValidateJSON(c.class, []byte(c.line), c.opt))
			if !slices.Equal(got, c.rules) {
				t.Errorf("got %q, want %q", got, c.rules)
			}
		})
	}
	many := "{" + strings.Repeat(`"x":1,`, 100_000) + `"class_uid":2004}`
	if got := len(ValidateJSON(nil, []byte(many), ValidateOptions{})); got != maxFaults+1 {
		t.Errorf("%d faults, want %d", got, maxFaults+1)
	}
}

// judgeDriver prints, for each line of a file, the kinds of errors the independent validator finds.
const judgeDriver = `
import argparse, importlib.util, json, sys
spec = importlib.util.spec_from_file_location('judge', sys.argv[1])
judge = importlib.util.module_from_spec(spec); spec.loader.exec_module(judge)
opt = argparse.Namespace(ignore=set(), warn=set(), examples=0, only_class=None, unique_uid=False, allow_null=False, recommended=False, sibling_requires_id=False)
v = judge.V(json.load(open(sys.argv[2], encoding='utf-8')), opt)
for raw in open(sys.argv[3], 'rb'):
    v.counts.clear()
    try:
        v.line('line', raw.decode('utf-8'))
    except UnicodeDecodeError:
        v.err('utf8', '$', '')
    print(json.dumps(sorted(k for k in v.counts if k not in judge.WARN_KINDS)))
`

// judge returns the kinds of errors the independent validator reports for each line.
func judge(t *testing.T, version string, lines [][]byte) [][]string {
	t.Helper()
	dir := os.Getenv("WSL_SHARED")
	if dir == "" {
		t.Skip("WSL_SHARED does not name the folder of the independent validator")
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 to run the independent validator")
	}
	file := filepath.Join(t.TempDir(), "events.ndjson")
	if err := os.WriteFile(file, append(bytes.Join(lines, []byte("\n")), '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", judgeDriver, filepath.Join(dir, "ocsf", "validate.py"),
		filepath.Join(dir, "ocsf", "ocsf-"+version+"-classes.json"), file)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var kinds [][]string
	for line := range bytes.Lines(out) {
		var k []string
		if err := json.Unmarshal(line, &k); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, k)
	}
	if len(kinds) != len(lines) {
		t.Fatalf("%d verdicts for %d lines", len(kinds), len(lines))
	}
	return kinds
}

// TestAgainstJudge compares the verdict on every event of the tables with that of the independent validator, and the
// kind of fault.
func TestAgainstJudge(t *testing.T) {
	for _, version := range Versions() {
		var names []string
		var lines [][]byte
		var wants []string
		for name, c := range eventCases() {
			if v := c.version; v != version && (v != "" || version != Version110) {
				continue
			}
			names, lines = append(names, name), append(lines, appendEventJSON(nil, c.event(t)))
			wants = append(wants, judgement(c.rule, c.judge))
		}
		if version == Version110 {
			for name, c := range lineCases() {
				names, lines = append(names, name), append(lines, c.line(t))
				wants = append(wants, judgement(c.rule, c.judge))
			}
		}
		for i, got := range judge(t, version, lines) {
			got = folded(got)
			if wants[i] == "" && len(got) > 0 || wants[i] != "" && !slices.Contains(got, wants[i]) {
				t.Errorf("%s: the judge says %q, want %q", names[i], got, wants[i])
			}
		}
	}
}

// judgement is what the judge must say about a case; "" for nothing.
func judgement(rule, judge string) string {
	switch {
	case judge == "-" || rule == "":
		return ""
	case judge != "":
		rule = judge
	}
	return folded([]string{rule})[0]
}

// TestMutantsAgainstJudge breaks valid events at random and compares the whole list of kinds with the judge's.
func TestMutantsAgainstJudge(t *testing.T) {
	for _, version := range Versions() {
		r := rand.New(rand.NewPCG(5, 6))
		var lines [][]byte
		for _, class := range Classes() {
			valid := appendEventJSON(nil, validEventOf(t, class, version))
			for range mutantsPerClass {
				var tree map[string]any
				if err := json.Unmarshal(valid, &tree); err != nil {
					t.Fatal(err)
				}
				for range 1 + r.IntN(3) {
					mutate(r, tree)
				}
				line, err := json.Marshal(tree)
				if err != nil {
					t.Fatal(err)
				}
				lines = append(lines, line)
			}
		}
		invalid := 0
		for i, want := range judge(t, version, lines) {
			class, err := ClassByName(Classes()[i/mutantsPerClass], version)
			if err != nil {
				t.Fatal(err)
			}
			faults := ValidateJSON(class, lines[i], ValidateOptions{})
			got, want := folded(rulesOf(faults)), folded(want)
			if slices.Contains(got, RuleClassUnknown) { // the judge knows class 0 and judges the event by it
				continue
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s\n got %v\nwant %q", lines[i], faults, want)
			}
			if len(want) > 0 {
				invalid++
			}
		}
		if invalid < len(lines)/2 {
			t.Errorf("only %d of %d mutants are invalid: they prove little", invalid, len(lines))
		}
	}
}

const mutantsPerClass = 300

// folded replaces the names in which the two validators differ by one, sorts them and drops repetitions.
func folded(rules []string) []string {
	var out []string
	for _, rule := range rules {
		switch rule {
		case RuleIP, RuleDatetime:
			rule = RulePattern
		case RuleProfileTwice, "profile_unknown":
			rule = RuleProfileClass
		case RuleEnum: // for the judge a value of the wrong type is no value of the enumeration either
			rule = RuleWrongType
		}
		out = append(out, rule)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// mutate changes one value somewhere in the tree.
func mutate(r *rand.Rand, tree map[string]any) {
	keys := slices.Sorted(maps.Keys(tree))
	key := keys[r.IntN(len(keys))]
	switch v := tree[key].(type) {
	case map[string]any:
		if len(v) > 0 && r.IntN(4) > 0 {
			mutate(r, v)
			return
		}
	case []any:
		if len(v) > 0 && r.IntN(4) > 0 {
			i := r.IntN(len(v))
			if el, ok := v[i].(map[string]any); ok && len(el) > 0 {
				mutate(r, el)
				return
			}
			v[i] = mutant(r)
			return
		}
	}
	switch r.IntN(6) {
	case 0:
		delete(tree, key)
	case 1:
		tree[key+"_x"] = tree[key]
	default:
		tree[key] = mutant(r)
	}
}

// mutant returns a value that may or may not fit.
func mutant(r *rand.Rand) any {
	all := []any{
		nil, "", " ", "x", "Other", "New", "host", "cloud", "192.0.2.1", "1a2b3c4", "a_b", "1.3.0", strings.Repeat("é", 70000),
		"2026-03-01T00:00:00.976Z", "2026-02-30T00:00:00Z", "evidences[].file.name", 0, 1, 2, 3, 99, -1, 70000, 200401,
		1_772_323_200, 1_772_323_200_976, 1.5, true, false, []any{}, []any{"x"}, []any{1}, []any{"host", "datetime"},
		map[string]any{}, map[string]any{"name": "x"}, map[string]any{"uid": "y", "x": 1},
	}
	return all[r.IntN(len(all))]
}

// FuzzValidateJSON: a file to validate may hold anything.
func FuzzValidateJSON(f *testing.F) {
	for _, class := range Classes() {
		f.Add(appendEventJSON(nil, validEventOf(f, class, Version110)))
	}
	for _, c := range lineCases() {
		f.Add(c.line(f))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		faults := ValidateJSON(nil, line, ValidateOptions{})
		if len(faults) > maxFaults+1 {
			t.Errorf("%d faults", len(faults))
		}
		if len(faults) == 0 && !json.Valid(line) {
			t.Error("no fault in what is no JSON")
		}
	})
}

func BenchmarkValidateJSON(b *testing.B) {
	line := appendEventJSON(nil, validEventOf(b, "detection_finding", Version110))
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if faults := ValidateJSON(nil, line, ValidateOptions{}); len(faults) > 0 {
			b.Fatal(faults)
		}
	}
}
