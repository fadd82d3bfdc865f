package ocsf

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var updateSchema = flag.Bool("update-schema", false, "rewrite the golden schemas under testdata/schema")

// eachClass runs f for every class in every version.
func eachClass(t *testing.T, f func(t *testing.T, c *Class)) {
	t.Helper()
	for _, version := range Versions() {
		for _, name := range Classes() {
			c, err := ClassByName(name, version)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(name+"-"+version, func(t *testing.T) { f(t, c) })
		}
	}
}

func TestClassByName(t *testing.T) {
	a, err := ClassByName("detection_finding", "1.1.0")
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := ClassByName("detection_finding", "1.1.0"); a != b {
		t.Error("two calls return two classes")
	}
	if got := ClassByUID(2004, "1.1.0"); got != a {
		t.Errorf("ClassByUID(2004) = %v, want %v", got, a)
	}
	for _, c := range []struct{ name, version string }{{"incident_finding", "1.1.0"}, {"detection_finding", "1.8.0"}, {"", ""}} {
		if _, err := ClassByName(c.name, c.version); !errors.Is(err, ErrUnknownClass) {
			t.Errorf("ClassByName(%q, %q) error = %v, want ErrUnknownClass", c.name, c.version, err)
		}
	}
}

// compiledSchema is the part of a compiled OCSF schema that the tables must agree with.
type compiledSchema struct {
	Version string `json:"version"`
	Types   map[string]struct {
		Type   string `json:"type"`
		MaxLen int    `json:"max_len"`
		Regex  string `json:"regex"`
	} `json:"types"`
	Classes map[string]compiledItem `json:"classes"`
	Objects map[string]compiledItem `json:"objects"`
}

type compiledItem struct {
	Name         string                       `json:"name"`
	Caption      string                       `json:"caption"`
	CategoryName string                       `json:"category_name"`
	Profiles     []string                     `json:"profiles"`
	Attributes   map[string]compiledAttribute `json:"attributes"`
	Constraints  map[string][]string          `json:"constraints"`
}

type compiledAttribute struct {
	Type        string            `json:"type"`
	ObjectType  string            `json:"object_type"`
	IsArray     bool              `json:"is_array"`
	Requirement string            `json:"requirement"`
	Profiles    []string          `json:"profiles"`
	Enum        map[string]string `json:"enum"`
	Sibling     string            `json:"sibling"`
}

// compiledOCSF reads the compiled schema of a version, which is not part of the repository.
func compiledOCSF(t *testing.T, version string) *compiledSchema {
	t.Helper()
	dir := os.Getenv("WSL_SHARED")
	if dir == "" {
		t.Skip("WSL_SHARED does not name the folder of the compiled OCSF schemas")
	}
	data, err := os.ReadFile(filepath.Join(dir, "ocsf", "ocsf-"+version+"-classes.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s compiledSchema
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// TestSchemaAgainstRelease compares every node of every class with the compiled schema of the OCSF release.
func TestSchemaAgainstRelease(t *testing.T) {
	eachClass(t, func(t *testing.T, c *Class) {
		s := compiledOCSF(t, c.Version)
		want := s.Classes[strconv.Itoa(int(c.UID))]
		if c.Name != want.Name || c.Caption != want.Caption {
			t.Errorf("class %q %q, want %q %q", c.Name, c.Caption, want.Name, want.Caption)
		}
		for _, p := range c.Profiles {
			if !slices.Contains(want.Profiles, p) {
				t.Errorf("profile %q is not in %q", p, want.Profiles)
			}
		}
		for _, fault := range compareItem(s, c, c.Root, want, "") {
			t.Error(fault)
		}
	})
}

// compareItem returns every difference between a curated object type and the one of the release.
func compareItem(s *compiledSchema, c *Class, t *ObjectType, want compiledItem, prefix string) (faults []string) {
	fault := func(path, format string, args ...any) {
		faults = append(faults, path+": "+fmt.Sprintf(format, args...))
	}
	seen := make(map[string]bool)
	for i := range t.Attrs {
		a := &t.Attrs[i]
		path := prefix + a.Name
		if seen[a.Name] {
			fault(path, "twice")
		}
		seen[a.Name] = true
		w, ok := want.Attributes[a.Name]
		if !ok {
			fault(path, "not in the release")
			continue
		}
		if a.Type != w.Type || a.List != w.IsArray {
			fault(path, "type %s list %v, want %s %v", a.Type, a.List, w.Type, w.IsArray)
		}
		if a.Required != (w.Requirement == "required") {
			fault(path, "required %v, want %q", a.Required, w.Requirement)
		}
		if got := slices.DeleteFunc([]string{a.Profile}, func(p string) bool { return p == "" }); !slices.Equal(got, w.Profiles) {
			fault(path, "profile %q, want %q", got, w.Profiles)
		}
		if a.Profile != "" && !slices.Contains(c.Profiles, a.Profile) {
			fault(path, "profile %q is not one of the class", a.Profile)
		}
		faults = append(faults, compareEnum(path, a, t, w)...)
		switch {
		case a.Kind == KindObject:
			if a.Object.Name != w.ObjectType {
				fault(path, "object %s, want %s", a.Object.Name, w.ObjectType)
			}
			faults = append(faults, compareItem(s, c, a.Object, s.Objects[w.ObjectType], path+".")...)
		case a.Kind == KindMap:
			if w.ObjectType != "object" {
				fault(path, "a map, want %s", w.ObjectType)
			}
		case a.Kind == KindString:
			typ := s.Types[w.Type]
			maxLen := typ.MaxLen
			if maxLen == 0 && typ.Type != "" {
				maxLen = s.Types[typ.Type].MaxLen
			}
			if a.text.maxChars != maxLen {
				fault(path, "%d characters, want %d", a.text.maxChars, maxLen)
			}
			if typ.Regex != "" && a.text.valid == nil {
				fault(path, "%s has a pattern that is not checked", w.Type)
			}
		}
	}
	for name, w := range want.Attributes {
		if !seen[name] && w.Requirement == "required" && (len(w.Profiles) == 0 || slices.ContainsFunc(w.Profiles, func(p string) bool { return slices.Contains(c.Profiles, p) })) {
			fault(prefix+name, "required but not curated: the object can never be valid")
		}
	}
	var oneOf []string
	for _, n := range want.Constraints["at_least_one"] {
		if seen[n] {
			oneOf = append(oneOf, n)
		}
	}
	got := slices.Sorted(slices.Values(t.AtLeastOne))
	slices.Sort(oneOf)
	if !slices.Equal(got, oneOf) {
		fault(prefix, "at least one of %q, want %q", got, oneOf)
	}
	if len(want.Constraints["at_least_one"]) > 0 && len(oneOf) == 0 {
		fault(prefix, "none of the at_least_one attributes is curated")
	}
	if len(want.Constraints["just_one"]) > 0 {
		fault(prefix, "a just_one constraint, which is not implemented")
	}
	return faults
}

func compareEnum(path string, a *Attr, t *ObjectType, w compiledAttribute) (faults []string) {
	got := make(map[string]string)
	sibling := ""
	if a.Enum != nil {
		sibling = a.Enum.Sibling
		for v, caption := range a.Enum.Captions {
			got[strconv.FormatInt(v, 10)] = caption
		}
		if sibling != "" && t.Slot(sibling) < 0 {
			faults = append(faults, path+": the sibling "+sibling+" is not curated")
		}
	}
	if len(got) != len(w.Enum) || !maps.Equal(got, w.Enum) {
		faults = append(faults, fmt.Sprintf("%s: enum %v, want %v", path, got, w.Enum))
	}
	if len(w.Enum) > 0 && sibling != w.Sibling {
		faults = append(faults, fmt.Sprintf("%s: sibling %q, want %q", path, sibling, w.Sibling))
	}
	return faults
}

// TestSchemaComparisonCanFail changes one thing at a time and expects the comparison to name it.
func TestSchemaComparisonCanFail(t *testing.T) {
	s := compiledOCSF(t, Version110)
	for name, change := range map[string]func(*ObjectType, map[string]int){
		"type":      func(o *ObjectType, at map[string]int) { o.Attrs[at["count"]].Type = "long_t" },
		"list":      func(o *ObjectType, at map[string]int) { o.Attrs[at["resources"]].List = false },
		"required":  func(o *ObjectType, at map[string]int) { o.Attrs[at["time"]].Required = false },
		"profile":   func(o *ObjectType, at map[string]int) { o.Attrs[at["time_dt"]].Profile = "" },
		"name":      func(o *ObjectType, at map[string]int) { o.Attrs[at["message"]].Name = "msg" },
		"enum":      func(o *ObjectType, at map[string]int) { o.Attrs[at["severity_id"]].Enum.Captions[3] = "medium" },
		"dropped":   func(o *ObjectType, at map[string]int) { o.Attrs[at["finding_info"]].Name = "comment" },
		"max chars": func(o *ObjectType, at map[string]int) { o.Attrs[at["message"]].text.maxChars = 64 },
		"one of":    func(o *ObjectType, at map[string]int) { o.Attrs[at["resources"]].Object.AtLeastOne = nil },
	} {
		t.Run(name, func(t *testing.T) {
			c := detectionFinding(Version110) // a copy of its own
			slots := make(map[string]int)
			for i := range c.Root.Attrs {
				slots[c.Root.Attrs[i].Name] = i
			}
			change(c.Root, slots)
			if faults := compareItem(s, c, c.Root, s.Classes["2004"], ""); len(faults) == 0 {
				t.Error("the comparison sees no fault")
			}
		})
	}
}

// TestGolden pins the column tree of every class. A released source has this schema for ever, so the only change
// that is not a new source is a new top-level column at the end: extend the file with -update-schema and say so in the log.
func TestGolden(t *testing.T) {
	eachClass(t, func(t *testing.T, c *Class) {
		path := filepath.Join("testdata", "schema", c.Name+"-"+c.Version+".txt")
		got := c.Golden()
		want, err := os.ReadFile(path)
		if *updateSchema && (os.IsNotExist(err) || err == nil && schemaChange(string(want), got) == nil) {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := schemaChange(string(want), got); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if got != string(want) {
			t.Errorf("%s: new columns at the end: run with -update-schema and add a note to the change log", path)
		}
	})
}

// schemaChange returns an error unless now is was, or was with new top-level columns appended.
func schemaChange(was, now string) error {
	rest, ok := strings.CutPrefix(now, was)
	if !ok {
		wasLines, nowLines := strings.Split(was, "\n"), strings.Split(now, "\n")
		for i := range wasLines {
			if i >= len(nowLines) || wasLines[i] != nowLines[i] {
				return fmt.Errorf("line %d: %q became %q", i+1, wasLines[i], append(nowLines, "")[min(i, len(nowLines))])
			}
		}
		return errors.New("the schema lost its end")
	}
	top := func(line string) string { return line[:strings.IndexAny(line+".", ".[\t")] }
	old := make(map[string]bool)
	for line := range strings.Lines(was) {
		old[top(line)] = true
	}
	for line := range strings.Lines(rest) {
		if old[top(line)] {
			return fmt.Errorf("the struct %s grew: %q", top(line), strings.TrimSpace(line))
		}
	}
	return nil
}

func TestSchemaChange(t *testing.T) {
	const was = "time\tint64\ttimestamp_t\nmetadata.uid\tstring\tstring_t\nnist[]\tstring\tstring_t\nactor.user.name\tstring\tusername_t\n"
	for name, c := range map[string]struct {
		now  string
		fine bool
	}{
		"same":                           {was, true},
		"new column at the end":          {was + "comment\tstring\tstring_t\n", true},
		"new struct at the end":          {was + "device.ip\tstring\tip_t\ndevice.name\tstring\tstring_t\n", true},
		"the last struct grew":           {was + "actor.user.uid\tstring\tstring_t\n", false},
		"the last struct got a struct":   {was + "actor.session.uid\tstring\tstring_t\n", false},
		"a struct grew inside":           {strings.Replace(was, "nist[]", "metadata.version\tstring\tstring_t\nnist[]", 1), false},
		"type":                           {strings.Replace(was, "timestamp_t", "long_t", 1), false},
		"kind":                           {strings.Replace(was, "int64", "int32", 1), false},
		"order":                          {"nist[]\tstring\tstring_t\n" + strings.Replace(was, "nist[]\tstring\tstring_t\n", "", 1), false},
		"dropped":                        {strings.Replace(was, "nist[]\tstring\tstring_t\n", "", 1), false},
		"dropped at the end":             {strings.Replace(was, "actor.user.name\tstring\tusername_t\n", "", 1), false},
		"list became a scalar":           {strings.Replace(was, "nist[]", "nist", 1), false},
		"new column ahead of the others": {"comment\tstring\tstring_t\n" + was, false},
	} {
		if err := schemaChange(was, c.now); (err == nil) != c.fine {
			t.Errorf("%s: error = %v, want fine %v", name, err, c.fine)
		}
	}
}

func TestFingerprint(t *testing.T) {
	seen := make(map[string]string)
	eachClass(t, func(t *testing.T, c *Class) {
		f := c.Fingerprint()
		if f != c.Fingerprint() || len(f) != 64 {
			t.Errorf("fingerprint %q is not a stable SHA-256", f)
		}
		if other := seen[f]; other != "" {
			t.Errorf("the fingerprint of %s is the one of %s", c, other)
		}
		seen[f] = c.String()
	})
	a, b := detectionFinding(Version110), detectionFinding(Version110)
	b.Root.Attrs[0].Type = "long_t"
	if a.Fingerprint() == b.Fingerprint() {
		t.Error("a changed type does not change the fingerprint")
	}
}

func TestColumns(t *testing.T) {
	eachClass(t, func(t *testing.T, c *Class) {
		cols := c.Columns()
		paths := make(map[string]bool)
		for _, col := range cols {
			if paths[col.Path] {
				t.Errorf("%s twice", col.Path)
			}
			paths[col.Path] = true
			if col.Attr.Kind == KindMap && col.Path != "unmapped" {
				t.Errorf("%s is a map", col.Path)
			}
			if col.Attr.List && col.Attr.Kind != KindString && col.Path != "malware[].classification_ids[]" {
				t.Errorf("%s is a list of %s, which a Value cannot hold", col.Path, col.Attr.Kind)
			}
		}
		if n := len(cols); n < 190 || n > 600 {
			t.Errorf("%d columns", n)
		}
		if cols[0].Path != "activity_id" {
			t.Errorf("the first column is %s", cols[0].Path)
		}
		for _, want := range []string{"time", "time_dt", "metadata.product.vendor_name", "observables[].type_id", "unmapped", "metadata.labels[]"} {
			if !paths[want] {
				t.Errorf("no column %s", want)
			}
		}
	})
}
