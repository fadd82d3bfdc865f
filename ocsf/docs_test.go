package ocsf_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"wazuh-security-lake/ocsf"
)

// docsPage is the page these tests hold to the code.
const docsPage = "../docs/OCSF.md"

// A table of the page stands between `<!-- mapping class="..." family="..." -->` and `<!-- /mapping -->`. Its columns:
// the paths of the alert (the first that has a value wins), the attributes, and how the attribute holds the value:
//
//	whole     the attribute holds the leaf as it is; the leaf is not in unmapped
//	derived   the leaf decides the attribute; the leaf itself is kept elsewhere
//	constant  the first column is a dash, the second "`attribute` = `value`"
type table struct {
	class, family, version string
	rows                   []row
}

type row struct {
	line       int
	paths      []string
	attributes []string
	held       string
	value      string // of a constant
}

var (
	openTable = regexp.MustCompile(`^<!-- mapping class="([a-z_]+)" family="([^"]+)"(?: version="([0-9.]+)")? -->$`)
	ticked    = regexp.MustCompile("`([^`]+)`")
)

func readTables(t *testing.T, page string) []table {
	t.Helper()
	var tables []table
	open := false
	for i, line := range strings.Split(page, "\n") {
		switch m := openTable.FindStringSubmatch(line); {
		case m != nil:
			if open {
				t.Fatalf("%s:%d: a table opens inside a table", docsPage, i+1)
			}
			tables, open = append(tables, table{class: m[1], family: m[2], version: m[3]}), true
		case line == "<!-- /mapping -->":
			open = false
		case strings.HasPrefix(line, "<!-- mapping"):
			t.Fatalf("%s:%d: malformed marker", docsPage, i+1)
		case open && !strings.HasPrefix(line, "| alert |") && !strings.HasPrefix(line, "|---|"):
			r, err := readRow(line)
			if err != nil {
				t.Fatalf("%s:%d: %v", docsPage, i+1, err)
			}
			r.line = i + 1
			last := &tables[len(tables)-1]
			last.rows = append(last.rows, r)
		}
	}
	if open {
		t.Fatalf("%s: the last table is not closed", docsPage)
	}
	return tables
}

func readRow(line string) (row, error) {
	cells := strings.Split(strings.Trim(line, "|"), "|")
	if len(cells) != 4 {
		return row{}, errors.New("a row of a mapping table has four cells")
	}
	r := row{held: strings.TrimSpace(cells[2])}
	for _, m := range ticked.FindAllStringSubmatch(cells[0], -1) {
		r.paths = append(r.paths, m[1])
	}
	for _, m := range ticked.FindAllStringSubmatch(cells[1], -1) {
		r.attributes = append(r.attributes, m[1])
	}
	switch {
	case r.held == "constant" && len(r.paths) == 0 && len(r.attributes) == 2:
		r.value, r.attributes = r.attributes[1], r.attributes[:1]
	case (r.held == "whole" || r.held == "derived") && len(r.paths) > 0 && len(r.attributes) > 0:
	default:
		return row{}, errors.New("the row is neither whole, derived nor constant")
	}
	return r, nil
}

// matches reports whether a path of the page, which may end in *, names the path of a leaf.
func matches(pattern, path string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(path, prefix)
	}
	return pattern == path
}

func holdsWhole(all []ocsf.Origin, path, attribute string) bool {
	return slices.ContainsFunc(all, func(o ocsf.Origin) bool {
		return o.Attribute == attribute && slices.ContainsFunc(o.From, func(from string) bool { return matches(path, from) })
	})
}

func valuesOf(all []ocsf.Origin, attribute string) []string {
	var values []string
	for _, o := range all {
		if o.Attribute == attribute {
			values = append(values, o.Value)
		}
	}
	return values
}

// variant is the alert of s without any of the row's paths but the one given, which holds value.
func variant(t *testing.T, s sample, paths []string, path string, value any) []byte {
	t.Helper()
	tree := treeOf(t, s.line)
	for _, p := range paths {
		remove(tree, p)
	}
	if path != "" {
		set(tree, path, value)
	}
	line, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// shows reports whether the sample proves one path of the row for one attribute. A sample that has another of the row's
// paths is tried with its value moved.
func (r row) shows(t *testing.T, c *ocsf.Class, s sample, path, attribute string) bool {
	t.Helper()
	lines := [][]byte{s.line}
	if len(r.paths) > 1 && !strings.HasSuffix(path, "*") {
		for _, p := range r.paths {
			if v, ok := at(s.tree, p); ok {
				lines = append(lines, variant(t, s, r.paths, path, v))
			}
		}
	}
	for _, line := range lines {
		all := origins(t, c, line)
		if r.held == "whole" {
			if holdsWhole(all, path, attribute) {
				return true
			}
			continue
		}
		if _, ok := at(treeOf(t, line), path); !ok || holdsWhole(all, path, attribute) {
			continue
		}
		without := origins(t, c, variant(t, sample{line: line}, []string{path}, "", nil))
		if got := valuesOf(all, attribute); len(got) > 0 && !slices.Equal(got, valuesOf(without, attribute)) {
			return true
		}
	}
	return false
}

// firstWins checks the order of a row with several paths: all set to the same value, the first is the one taken.
func (r row) firstWins(t *testing.T, c *ocsf.Class, samples []sample) bool {
	t.Helper()
	for _, s := range samples {
		for _, p := range r.paths {
			v, ok := at(s.tree, p)
			if !ok {
				continue
			}
			tree := treeOf(t, s.line)
			for _, other := range r.paths {
				set(tree, other, v)
			}
			line, err := json.Marshal(tree)
			if err != nil {
				t.Fatal(err)
			}
			if holdsWhole(origins(t, c, line), r.paths[0], r.attributes[0]) {
				return true
			}
		}
	}
	return false
}

func readPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(docsPage)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

func versionsOf(tb table) []string {
	if tb.version != "" {
		return []string{tb.version}
	}
	return ocsf.Versions()
}

// TestDocsTables: every row of the page holds in the code.
func TestDocsTables(t *testing.T) {
	tables, samples := readTables(t, readPage(t)), docsSamples(t)
	if len(tables) == 0 {
		t.Fatal("the page has no mapping table")
	}
	rows := 0
	for _, tb := range tables {
		var own []sample
		for _, s := range samples {
			if tb.family == "*" || s.family == tb.family {
				own = append(own, s)
			}
		}
		if len(own) == 0 {
			t.Errorf("%s: no sample of family %q", docsPage, tb.family)
		}
		for _, version := range versionsOf(tb) {
			c, err := ocsf.ClassByName(tb.class, version)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range tb.rows {
				rows++
				r.check(t, c, own)
			}
		}
	}
	t.Logf("%d tables, %d checks of rows", len(tables), rows)
}

func (r row) check(t *testing.T, c *ocsf.Class, samples []sample) {
	t.Helper()
	shown := func(prove func(s sample) bool) bool { return slices.ContainsFunc(samples, prove) }
	for _, attribute := range r.attributes {
		if r.held == "constant" {
			if !shown(func(s sample) bool { return slices.Contains(valuesOf(origins(t, c, s.line), attribute), r.value) }) {
				t.Errorf("%s:%d: %s: no sample has %s = %s", docsPage, r.line, c, attribute, r.value)
			}
			continue
		}
		for _, path := range r.paths {
			if !shown(func(s sample) bool { return r.shows(t, c, s, path, attribute) }) {
				t.Errorf("%s:%d: %s: %s -> %s does not hold (%s)", docsPage, r.line, c, path, attribute, r.held)
			}
		}
	}
	if r.held == "whole" && len(r.paths) > 1 && !strings.Contains(strings.Join(r.paths, ""), "*") && !r.firstWins(t, c, samples) {
		t.Errorf("%s:%d: %s: %s does not come first", docsPage, r.line, c, r.paths[0])
	}
}

// companions are attributes that come with another, as the section "Parts" of the page says.
var companions = []struct{ suffix, with string }{
	{"_dt", ""}, {"", "_id"}, {"_name", "_id"}, {"_name", "_uid"}, // the caption of an identifier
	{"file.name", "file.path"}, {"file.parent_folder", "file.path"}, {"file.type_id", "file.path"}, {"file.type", "file.path"},
	{"process.name", "process.file.path"}, {"user.domain", "user.name"}, {"user.name", "user.domain"},
	{"hashes[].algorithm_id", "hashes[].value"}, {"hashes[].algorithm", "hashes[].value"}, {"metrics[].name", "metrics[].value"},
	{"connection_info.protocol_num", "connection_info.protocol_name"}, {"connection_info.protocol_name", "connection_info.protocol_num"},
	{"connection_info.direction_id", "connection_info.protocol_name"}, {"connection_info.direction", "connection_info.protocol_name"},
	{"classifications", "classification_ids"},
	{"_endpoint.hostname", "_endpoint.ip"}, {"_endpoint.name", "_endpoint.ip"}, {"_endpoint.name", "_endpoint.hostname"},
}

func (tb table) covers(o ocsf.Origin) bool {
	for _, r := range tb.rows {
		for _, attribute := range r.attributes {
			if attribute != o.Attribute {
				continue
			}
			if len(o.From) == 0 || slices.ContainsFunc(o.From, func(from string) bool {
				return slices.ContainsFunc(r.paths, func(p string) bool { return matches(p, from) })
			}) {
				return true
			}
		}
	}
	return false
}

// translated is where class 2001 keeps an attribute that the page names as in class 2004.
func translated(attribute string) []string {
	names := []string{attribute}
	if rest, ok := strings.CutPrefix(attribute, "process."); ok {
		names = append(names, "evidences[].process."+rest)
	}
	if rest, ok := strings.CutPrefix(attribute, "finding."); ok {
		names = append(names, "finding_info."+rest, rest)
	}
	if rest, ok := strings.CutPrefix(attribute, "attacks"); ok {
		names = append(names, "finding_info.attacks"+rest)
	}
	if rest, ok := strings.CutPrefix(attribute, "resource."); ok {
		names = append(names, "resources[]."+rest)
	}
	return names
}

// TestDocsComplete: whatever the mapping makes of the samples, and of the real alerts where WSL_SHARED names their
// folder, stands in the page.
func TestDocsComplete(t *testing.T) {
	tables, samples := readTables(t, readPage(t)), append(docsSamples(t), corpusSamples(t)...)
	covered := func(class, version, family string, o ocsf.Origin) bool {
		return slices.ContainsFunc(tables, func(tb table) bool {
			home := tb.class == class || tb.class == "detection_finding" || tb.class == "compliance_finding" && class == "security_finding"
			return home && (tb.version == "" || tb.version == version) &&
				(tb.family == family || tb.family == "*") && tb.covers(o)
		})
	}
	reported := make(map[string]bool)
	for _, version := range ocsf.Versions() {
		for _, class := range ocsf.Classes() {
			c, err := ocsf.ClassByName(class, version)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range samples {
				for _, o := range origins(t, c, s.line) {
					found := false
					for _, name := range translated(o.Attribute) {
						try := o
						try.Attribute = name
						found = found || covered(class, version, s.family, try)
						for _, k := range companions {
							if stem, ok := strings.CutSuffix(name, k.suffix); ok {
								try.Attribute = stem + k.with
								found = found || covered(class, version, s.family, try)
							}
						}
					}
					if key := class + s.family + o.Attribute + strings.Join(o.From, ","); !found && !reported[key] {
						reported[key] = true
						t.Errorf("%s: not in the page: family %q: %v -> %s (%s %s)", s.name, s.family, o.From, o.Attribute, class, version)
					}
				}
			}
		}
	}
}

// TestDocsSeverity: the table of severities is the default of the mapper.
func TestDocsSeverity(t *testing.T) {
	bands := regexp.MustCompile(`(?m)^\| (\d+)(?: to (\d+)| and up) \| (\d) \| ([A-Za-z]+) \|$`).FindAllStringSubmatch(readPage(t), -1)
	c, err := ocsf.ClassByName("detection_finding", ocsf.Version110)
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	for _, band := range bands {
		from, to := number(t, band[1]), 16
		if band[2] != "" {
			to = number(t, band[2])
		}
		if from != next {
			t.Errorf("the bands skip from %d to %d", next, from)
		}
		next = to + 1
		for level := from; level <= to; level++ {
			all := origins(t, c, fmt.Appendf(nil, `{"timestamp":"2026-03-02T10:20:30.456+0100","rule":{"level":%d}}`, level))
			got := append(valuesOf(all, "severity_id"), valuesOf(all, "severity")...)
			if want := []string{band[3], band[4]}; !slices.Equal(got, want) {
				t.Errorf("level %d: got %q, want %q", level, got, want)
			}
		}
	}
	if next != 17 {
		t.Errorf("the bands end before level %d, want 17", next)
	}
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
