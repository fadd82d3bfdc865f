package ocsf_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"wazuh-security-lake/ocsf"
)

// docsNow is after the timestamp of every sample.
var docsNow = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

var index = regexp.MustCompile(`\[\d+\]`)

// overlays are golden alerts with fields changed or added, for rows that no golden alert shows.
var overlays = []struct {
	name, from string
	set        map[string]any
}{
	{"sshd-uid", "sshd", map[string]any{"data.uid": "0"}},
	{"sshd-remote", "sshd", map[string]any{"agent.id": "000", "location": "192.0.2.77", "predecoder.hostname": "router1"}},
	{"sshd-hostname", "sshd", map[string]any{"data.srcip": "host.example"}},
	{"sshd-name", "sshd", map[string]any{"data.srcip": "my host"}},
	{"pam", "sshd", map[string]any{"decoder.name": "pam", "data.uid": "0", "data.euid": "0"}},
	{"indexed", "sshd", map[string]any{"GeoLocation.country_name": "Utopia", "GeoLocation.city_name": "Amaurot"}},
	{"screen-sharing", "sshd", map[string]any{"data.srcip": "", "data.ip_address": "203.0.113.9"}},
	{"ftp", "sshd", map[string]any{"decoder.name": "vsftpd", "predecoder.program_name": "vsftpd"}},
	{"web", "web-access", map[string]any{"data.dstip": "192.0.2.80", "data.user_agent": "curl"}},
	{"web-remote", "web-access", map[string]any{"agent.id": "000", "location": "192.0.2.77", "predecoder.hostname": "www1"}},
	{"suricata-dns", "suricata", map[string]any{"data.dns.rrname": "host.example", "data.dns.rrtype": "A"}},
	{"suricata-blocked", "suricata", map[string]any{"data.alert.action": "blocked"}},
	{"vulnerability-cvss", "vulnerability-active", map[string]any{"data.vulnerability.cvss.cvss3.base_score": "7.500000"}},
	{"guardduty-connection", "aws-guardduty", map[string]any{
		"data.aws.service.action.portProbeAction.portProbeDetails.remoteIpDetails.ipAddressV4": "",
		"data.aws.service.action.networkConnectionAction.connectionDirection":                  "INBOUND",
		"data.aws.service.action.networkConnectionAction.protocol":                             "TCP",
		"data.aws.service.action.networkConnectionAction.remoteIpDetails.ipAddressV4":          "198.51.100.98",
		"data.aws.service.action.networkConnectionAction.localIpDetails.ipAddressV4":           "10.1.2.9"}},
	{"cloudtrail", "aws-cloudtrail", map[string]any{"data.aws.requestID": "r-1", "data.aws.errorCode": "AccessDenied", "data.aws.bucket": "b",
		"data.aws.http_status": "403", "data.aws.finding.Remediation.Recommendation.Text": "do this",
		"data.aws.finding.Remediation.Recommendation.Url": "https://example.com"}},
	{"office365-session", "office365", map[string]any{"data.office365.SessionId": "s-1"}},
	{"github-ids", "github", map[string]any{"data.github.org_id": "o-1", "data.github.actor_id": "a-1"}},
	{"gcp-flow", "gcp-audit", map[string]any{"data.gcp.resource.labels.zone": "z", "data.gcp.protoPayload.authenticationInfo.principalSubject": "p",
		"data.gcp.jsonPayload.connection.dest_ip": "192.0.2.80", "data.gcp.jsonPayload.connection.protocol": "tcp",
		"data.gcp.jsonPayload.connection.src_port": "50000", "data.gcp.jsonPayload.connection.dest_port": "443",
		"data.gcp.jsonPayload.disposition": "DENIED", "data.gcp.httpRequest.requestUrl": "https://host.example/x"}},
	{"ms-graph-signin", "ms-graph", map[string]any{"data.ms-graph.activityDisplayName": "Sign-in", "data.ms-graph.userPrincipalName": "jdoe@example.com",
		"data.ms-graph.ipAddress": "192.0.2.80"}},
	{"azure-more", "azure", map[string]any{"data.identity.authorization.scope": "/x"}},
	{"osquery-socket", "osquery", map[string]any{"data.osquery.columns.remote_address": "192.0.2.80", "data.osquery.columns.remote_port": "443"}},
	{"windows-service", "windows-process", map[string]any{"data.win.eventdata.serviceName": "svc", "data.win.eventdata.imagePath": `C:\svc.exe`,
		"data.win.eventdata.accountName": "LocalSystem", "data.win.eventdata.targetSid": "S-1-5-21-7", "data.win.eventdata.protocol": "tcp",
		"data.win.eventdata.path": `C:\x\y`}},
	{"windows-account", "windows-logon-failed", map[string]any{"data.win.eventdata.subjectUserName": "-", "data.win.eventdata.subjectDomainName": "-",
		"data.win.eventdata.accountName": "jdoe", "data.win.eventdata.accountDomain": "CORP"}},
	{"windows-reconnected", "windows-logon-failed", map[string]any{"data.win.system.eventID": "4778", "data.win.eventdata.logonID": "0x1f",
		"data.win.eventdata.targetUserName": "-", "data.win.eventdata.targetUserSid": "-", "data.win.eventdata.subjectLogonId": "-"}},
	{"windows-session", "windows-logon-failed", map[string]any{"data.win.eventdata.targetLogonId": "0x3e7"}},
	{"sysmon-loaded", "sysmon-file", map[string]any{"data.win.eventdata.hashes": "SHA1=da39a3ee5e6b4b0d3255bfef95601890afd80709"}},
	{"sysmon-image", "sysmon-file", map[string]any{"data.win.eventdata.imageLoaded": `C:\x\y.dll`, "data.win.eventdata.company": "c",
		"data.win.eventdata.description": "d", "data.win.eventdata.fileVersion": "1.0"}},
	{"docker-network", "docker", map[string]any{"data.docker.Type": "network"}},
	{"openscap-other", "openscap", map[string]any{"data.oscap.check.result": "notchecked"}},
	{"sshd-two-names", "sshd", map[string]any{"data.srcuser": "jdoe", "data.dstuser": "root", "data.uid": "0", "data.euid": "1"}},
	{"sudo-domain", "pam-sudo", map[string]any{"data.dstuser": `CORP\root`, "data.srcuser": `CORP\jdoe`}},
	{"windows-target", "windows-process", map[string]any{"data.win.eventdata.targetUserName": "jdoe", "data.win.eventdata.targetDomainName": "CORP"}},
	{"windows-subject", "windows-logon-failed", map[string]any{"data.win.eventdata.subjectUserName": "svc", "data.win.eventdata.subjectDomainName": "CORP"}},
	{"openscap-labels", "openscap", map[string]any{"rule.pci_dss": []string{"2.2"}}},
	{"other-addresses", "custom-json", map[string]any{"data.dst_ip": "192.0.2.80", "data.dst_port": "443"}},
	{"index", "custom-json", map[string]any{"_index": "wazuh-alerts-4.x-2026.03.02"}},
	{"firewall", "firewall", map[string]any{"data.proto": "tcp", "data.dstmac": "00:00:5e:00:53:02"}},
	{"audit", "audit-execve", map[string]any{"data.audit.acct": "root", "data.audit.addr": "192.0.2.9"}},
	{"sysmon-text", "custom-json", map[string]any{"data.sysmon.image": `C:\Windows\x.exe`, "data.sysmon.hash": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"data.sysmon.parentImage": "x"}},
	{"vuls", "custom-json", map[string]any{"data.vuls.scanned_cve": "CVE-2020-0001", "data.vuls.tittle": "a flaw",
		"data.vuls.link": "https://example.com/CVE-2020-0001", "data.vuls.score": "7"}},
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
	detection, err := ocsf.ClassByName("detection_finding", ocsf.Version110)
	if err != nil {
		t.Fatal(err)
	}
	var all []sample
	for name, line := range lines {
		var a ocsf.Alert
		if err := a.Parse(line); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if origins(t, detection, line) == nil {
			t.Fatalf("%s does not map", name)
		}
		all = append(all, sample{name: name, family: ocsf.FamilyOf(&a), tree: treeOf(t, line), line: line})
	}
	slices.SortFunc(all, func(a, b sample) int { return strings.Compare(a.name, b.name) })
	return all
}

// corpusSamples are the real alerts, or none.
func corpusSamples(t *testing.T) []sample {
	t.Helper()
	dir := os.Getenv("WSL_SHARED")
	if dir == "" {
		return nil
	}
	f, err := os.Open(filepath.Join(dir, "alerts", "real-alerts.ndjson.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	var all []sample
	for i, line := range bytes.Split(bytes.TrimSpace(text), []byte{'\n'}) {
		var a ocsf.Alert
		if err := a.Parse(line); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		all = append(all, sample{name: fmt.Sprintf("corpus line %d", i+1), family: ocsf.FamilyOf(&a), line: line})
	}
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

// at returns the value at a dotted path; keys may contain dots themselves.
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
