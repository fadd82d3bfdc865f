package ocsf_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"wazuh-security-lake/ocsf"
)

// docsPage is the page these tests hold to the code.
const docsPage = "../docs/OCSF.md"

// docsNow is after the timestamp of every sample.
var docsNow = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

// extraSamples are alerts for rows that no golden alert shows.
var extraSamples = map[string]string{
	"docs-audit-file": `{"timestamp":"2026-03-14T09:26:53.589+0000","rule":{"level":3,"description":"Audit: watched file written.","id":"80789","firedtimes":1,"mail":false,"groups":["audit","audit_watch_write"]},"agent":{"id":"002","name":"web-02"},"manager":{"name":"wazuh-1"},"id":"1773480413.1","decoder":{"name":"auditd"},"data":{"audit":{"type":"SYSCALL","id":"77","pid":"411","ppid":"1","auid":"1000","uid":"0","gid":"0","euid":"0","egid":"0","session":"3","tty":"pts0","acct":"root","addr":"192.0.2.9","command":"vi","exe":"/usr/bin/vi","key":"etc","directory":{"name":"/etc"}}},"location":"/var/log/audit/audit.log"}`,
	"docs-fortigate":  `{"timestamp":"2026-03-14T09:26:53.589+0000","rule":{"level":4,"description":"Firewall: connection denied.","id":"81618","firedtimes":1,"mail":false,"groups":["fortigate","firewall"]},"agent":{"id":"000","name":"wazuh-1"},"manager":{"name":"wazuh-1"},"id":"1773480413.2","predecoder":{"hostname":"fw-1"},"decoder":{"name":"fortigate-firewall-v5"},"data":{"action":"deny","srcip":"192.0.2.9","srcport":"51000","dstip":"198.51.100.7","dstport":"445","srcmac":"00:00:5e:00:53:01","dstmac":"00:00:5e:00:53:02","srcintf":"wan1","dstintf":"lan","srcuser":"CORP\\jdoe","protocol":"tcp","direction":"inbound","policyid":"12","rule_name":"no smb","srccountry":"Utopia","dstcountry":"Erewhon","url":"/probe","uid":"1004"},"location":"192.0.2.1"}`,
	"docs-virustotal": `{"timestamp":"2026-03-14T09:26:53.589+0000","rule":{"level":12,"description":"VirusTotal: Alert","id":"87105","firedtimes":1,"mail":true,"groups":["virustotal"]},"agent":{"id":"002","name":"web-02"},"manager":{"name":"wazuh-1"},"id":"1773480413.3","decoder":{"name":"json"},"data":{"integration":"virustotal","virustotal":{"found":"1","malicious":"1","source":{"alert_id":"1773480400.9","file":"/tmp/x","md5":"d41d8cd98f00b204e9800998ecf8427e","sha1":"da39a3ee5e6b4b0d3255bfef95601890afd80709"},"sha1":"da39a3ee5e6b4b0d3255bfef95601890afd80709","positives":"50","total":"70","permalink":"https://www.virustotal.com/x"}},"location":"virustotal"}`,
	"docs-vuls":       `{"timestamp":"2026-03-14T09:26:53.589+0000","rule":{"level":10,"description":"Vulnerability found.","id":"22405","firedtimes":1,"mail":false,"groups":["vuls"]},"agent":{"id":"002","name":"web-02"},"manager":{"name":"wazuh-1"},"id":"1773480413.4","decoder":{"name":"json"},"data":{"vuls":{"scanned_cve":"CVE-2020-0001","tittle":"a flaw","link":"https://example.com/CVE-2020-0001","score":"7"}},"location":"/var/log/vuls.json"}`,
	"docs-sysmontext": `{"timestamp":"2026-03-14T09:26:53.589+0000","rule":{"level":3,"description":"Sysmon","id":"18100","firedtimes":1,"mail":false,"groups":["windows"]},"agent":{"id":"002","name":"win-02"},"manager":{"name":"wazuh-1"},"id":"1773480413.5","decoder":{"name":"windows"},"data":{"sysmon":{"image":"C:\\Windows\\x.exe","hash":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}},"location":"WinEvtLog"}`,
	"docs-rule-parts": `{"timestamp":"2026-03-14T09:26:53.589+0000","rule":{"level":10,"description":"Composite.","id":"100100","frequency":8,"firedtimes":1,"mail":false,"info":"why it matters","cve":"CVE-2014-6271","groups":["local"],"hipaa":["164.312.b"]},"agent":{"id":"002","name":"web-02","ip":"192.0.2.2","labels":{"env":"prod"}},"manager":{"name":"wazuh-1"},"cluster":{"name":"c","node":"n1"},"id":"1773480413.6","decoder":{"name":"json"},"data":{"integration":"custom"},"location":"x"}`,
	"docs-input":      `{"timestamp":"2026-03-14T09:26:53.589+0000","_index":"wazuh-alerts-4.x-2026.03.14","input":{"type":"log"},"rule":{"level":3,"description":"d","id":"1","firedtimes":2,"mail":false,"groups":["local"],"nist_800_53":["AU.14"]},"agent":{"id":"002","name":"web-02"},"manager":{"name":"wazuh-1"},"id":"1773480413.7","decoder":{"name":"json"},"location":"x"}`,
}

// overlays are golden alerts with some fields changed, for the same purpose.
var overlays = []struct {
	name, from string
	set        map[string]any
}{
	{"sshd-uid", "sshd", map[string]any{"data.uid": "0"}},
	{"sshd-hostname", "sshd", map[string]any{"data.srcip": "host.example"}},
	{"sshd-name", "sshd", map[string]any{"data.srcip": "my host"}},
	{"indexed", "sshd", map[string]any{"GeoLocation.country_name": "Utopia", "GeoLocation.city_name": "Amaurot"}},
	{"ftp", "sshd", map[string]any{"decoder.name": "vsftpd", "predecoder.program_name": "vsftpd"}},
	{"web", "web-access", map[string]any{"data.dstip": "192.0.2.80", "data.user_agent": "curl"}},
	{"suricata-dns", "suricata", map[string]any{"data.dns.rrname": "host.example", "data.dns.rrtype": "A"}},
	{"suricata-blocked", "suricata", map[string]any{"data.alert.action": "blocked"}},
	{"vulnerability-cvss", "vulnerability-active", map[string]any{"data.vulnerability.cvss.cvss3.base_score": "7.500000"}},
	{"cloudtrail", "aws-cloudtrail", map[string]any{"data.aws.requestID": "r-1", "data.aws.errorCode": "AccessDenied", "data.aws.bucket": "b"}},
	{"securityhub", "aws-cloudtrail", map[string]any{"data.aws.finding.Remediation.Recommendation.Text": "do this"}},
	{"office365-session", "office365", map[string]any{"data.office365.SessionId": "s-1"}},
	{"github-ids", "github", map[string]any{"data.github.org_id": "o-1", "data.github.actor_id": "a-1"}},
	{"gcp-flow", "gcp-audit", map[string]any{"data.gcp.resource.labels.zone": "z", "data.gcp.protoPayload.authenticationInfo.principalSubject": "p",
		"data.gcp.jsonPayload.connection.dest_ip": "192.0.2.80", "data.gcp.jsonPayload.connection.protocol": "tcp"}},
	{"ms-graph-signin", "ms-graph", map[string]any{"data.ms-graph.activityDisplayName": "Sign-in", "data.ms-graph.userPrincipalName": "jdoe@example.com",
		"data.ms-graph.ipAddress": "192.0.2.80"}},
	{"azure-more", "azure", map[string]any{"data.identity.authorization.scope": "/x"}},
	{"osquery-socket", "osquery", map[string]any{"data.osquery.columns.remote_address": "192.0.2.80", "data.osquery.columns.remote_port": "443"}},
	{"windows-target", "windows-process", map[string]any{"data.win.eventdata.targetUserName": "jdoe", "data.win.eventdata.targetDomainName": "CORP"}},
	{"windows-subject", "windows-logon-failed", map[string]any{"data.win.eventdata.subjectUserName": "svc", "data.win.eventdata.subjectDomainName": "CORP"}},
	{"openscap-labels", "openscap", map[string]any{"rule.pci_dss": []string{"2.2"}}},
	{"other-addresses", "custom-json", map[string]any{"data.dst_ip": "192.0.2.80", "data.dst_port": "443"}},
}

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
	index     = regexp.MustCompile(`\[\d+\]`)
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
		case open && strings.HasPrefix(line, "| `") || open && strings.HasPrefix(line, "| - |"):
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

// sample is one alert that shows rows of its family.
type sample struct {
	name, family string
	tree         map[string]any
	line         []byte
}

func docsSamples(t *testing.T) []sample {
	t.Helper()
	lines := make(map[string][]byte)
	files, err := filepath.Glob("testdata/alerts/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden alerts: %v", err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".event.json") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var line bytes.Buffer
		if err := json.Compact(&line, text); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		lines[strings.TrimSuffix(filepath.Base(file), ".json")] = line.Bytes()
	}
	for name, line := range extraSamples {
		lines[name] = []byte(line)
	}
	for _, o := range overlays {
		if lines[o.from] == nil {
			t.Fatalf("%s: no golden alert %s", o.name, o.from)
		}
		tree := treeOf(t, lines[o.from])
		for path, value := range o.set {
			set(tree, path, value)
		}
		line, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		lines["docs-"+o.name] = line
	}
	var all []sample
	for name, line := range lines {
		var a ocsf.Alert
		if err := a.Parse(line); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, sample{name: name, family: ocsf.FamilyOf(&a), tree: treeOf(t, line), line: line})
	}
	slices.SortFunc(all, func(a, b sample) int { return strings.Compare(a.name, b.name) })
	return all
}

func treeOf(t *testing.T, line []byte) map[string]any {
	t.Helper()
	var tree map[string]any
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	if err := dec.Decode(&tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

// origins maps the alert and returns its origins with indexes taken out of the attributes; nil when the class does not
// take it, or when a variant lacks what every alert must have.
func origins(t *testing.T, c *ocsf.Class, line []byte) []ocsf.Origin {
	t.Helper()
	var a ocsf.Alert
	if err := a.Parse(line); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	ev := ocsf.NewEvent(c)
	if err := ocsf.NewMapper(c, ocsf.Options{ProductVersion: "4.14.7"}).Map(&a, docsNow, ev); err != nil {
		return nil
	}
	all := ocsf.Explain(&a, ev).Origins
	for i := range all {
		all[i].Attribute = index.ReplaceAllString(all[i].Attribute, "[]")
	}
	return all
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

// at returns the value at a dotted path, and set or removed copies of the tree are made by with.
func at(tree map[string]any, path string) (any, bool) {
	if v, ok := tree[path]; ok {
		return v, true
	}
	for i, c := range path {
		if c != '.' {
			continue
		}
		if sub, ok := tree[path[:i]].(map[string]any); ok {
			if v, ok := at(sub, path[i+1:]); ok {
				return v, true
			}
		}
	}
	return nil, false
}

func remove(tree map[string]any, path string) {
	if _, ok := tree[path]; ok {
		delete(tree, path)
		return
	}
	for i, c := range path {
		if sub, ok := tree[path[:i]].(map[string]any); ok && c == '.' {
			remove(sub, path[i+1:])
		}
	}
}

func set(tree map[string]any, path string, value any) {
	head, rest, nested := strings.Cut(path, ".")
	if !nested {
		tree[head] = value
		return
	}
	sub, ok := tree[head].(map[string]any)
	if !ok {
		sub = make(map[string]any)
		tree[head] = sub
	}
	set(sub, rest, value)
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

// TestDocsComplete: whatever the mapping makes of the samples stands in the page.
func TestDocsComplete(t *testing.T) {
	tables, samples := readTables(t, readPage(t)), docsSamples(t)
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
						if len(o.From) > 0 {
							continue
						}
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

// query is one block of SQL on the page: dialect "athena" or "duckdb", empty when it is neither tagged, and its name.
type query struct {
	line          int
	dialect, name string
	text          string
}

func readQueries(t *testing.T, page string) []query {
	t.Helper()
	var all []query
	var open *query
	for i, line := range strings.Split(page, "\n") {
		switch info, fence := strings.CutPrefix(line, "```"); {
		case fence && open != nil:
			if open.line > 0 {
				all = append(all, *open)
			}
			open = nil
		case fence:
			words := append(strings.Fields(info), "", "", "")
			open = &query{dialect: words[1], name: words[2]}
			if words[0] == "sql" {
				open.line = i + 1
			}
		case open != nil:
			open.text += line + "\n"
		}
	}
	return all
}

const athenaTable = "amazon_security_lake_table_"

// lintQuery returns what is wrong with a query that a reader may paste into Athena.
func lintQuery(q query) []string {
	var faults []string
	if strings.Contains(q.text, "unmapped[") {
		faults = append(faults, "a subscript of unmapped fails for alerts without the key: use element_at")
	}
	if q.dialect == "duckdb" {
		return faults
	}
	if n := strings.Count(q.text, athenaTable); n == 0 || strings.Count(q.text, "eventday BETWEEN ") < n {
		faults = append(faults, "each use of the table needs its eventday BETWEEN: without it all partitions are read")
	}
	if q.dialect == "athena" && (strings.Count(q.text, "time_dt >= ") != 1 || strings.Count(q.text, "time_dt < ") != 1) {
		faults = append(faults, "time_dt stands beside eventday, with both ends")
	}
	return faults
}

// TestDocsQueries: the rules for queries, and each Athena query has a twin that differs only by the replacements the
// page lists. The twins are run by test/queries.
func TestDocsQueries(t *testing.T) {
	athena, duckdb := make(map[string]query), make(map[string]query)
	for _, q := range readQueries(t, readPage(t)) {
		for _, fault := range lintQuery(q) {
			t.Errorf("%s:%d: %s", docsPage, q.line, fault)
		}
		switch {
		case q.dialect == "athena" && q.name != "":
			athena[q.name] = q
		case q.dialect == "duckdb" && q.name != "":
			duckdb[q.name] = q
		}
	}
	if len(athena) < 7 {
		t.Errorf("got %d queries, want 7 at least", len(athena))
	}
	for name, q := range athena {
		if got, want := duckdb[name].text, twin(q.text); got != want {
			t.Errorf("%s:%d: the DuckDB twin of %s: got\n%s\nwant\n%s", docsPage, q.line, name, got, want)
		}
	}
	for name, q := range duckdb {
		if _, ok := athena[name]; !ok {
			t.Errorf("%s:%d: %s has no Athena query", docsPage, q.line, name)
		}
	}
}

var (
	tableName  = regexp.MustCompile(`[a-z0-9_]+\.` + athenaTable + `[a-z0-9_]+`)
	lambda     = regexp.MustCompile(`\bfilter\(([a-z_.]+), ([a-z]+) -> `)
	timestamps = regexp.MustCompile(`TIMESTAMP '([^']+)'`)
)

// twin translates a query as the table on the page says.
func twin(athena string) string {
	text := tableName.ReplaceAllString(athena, "lake")
	text = strings.ReplaceAll(text, "element_at(unmapped, ", "map_extract_value(unmapped, ")
	text = strings.ReplaceAll(text, "element_at(", "list_extract(")
	text = lambda.ReplaceAllString(text, "list_filter($1, lambda $2: ")
	text = strings.ReplaceAll(text, "json_extract_scalar(", "json_extract_string(")
	return timestamps.ReplaceAllString(text, "TIMESTAMPTZ '$1+00'")
}

// TestDocsLintFails: the rules refuse what they are there to refuse.
func TestDocsLintFails(t *testing.T) {
	const from = "FROM db." + athenaTable + "us_east_1_ext_wazuh WHERE "
	const window = "eventday BETWEEN '20261101' AND '20261130' AND time_dt >= TIMESTAMP 'x' AND time_dt < TIMESTAMP 'y'"
	tests := map[string]struct {
		query query
		want  int
	}{
		"good":                   {query{dialect: "athena", text: from + window}, 0},
		"subscript":              {query{dialect: "athena", text: from + window + " AND unmapped['a'] = 'b'"}, 1},
		"subscript in DuckDB":    {query{dialect: "duckdb", text: "FROM lake WHERE unmapped['a'] = 'b'"}, 1},
		"no eventday":            {query{dialect: "athena", text: from + "time_dt >= x AND time_dt < y"}, 1},
		"eventday of one of two": {query{dialect: "athena", text: from + window + " UNION ALL SELECT 1 " + from + "true"}, 1},
		"no time_dt":             {query{dialect: "athena", text: from + "eventday BETWEEN 'a' AND 'b'"}, 1},
		"untagged":               {query{text: from + "true"}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := lintQuery(test.query); len(got) != test.want {
				t.Errorf("got %d faults %q, want %d", len(got), got, test.want)
			}
		})
	}
}
