package ocsf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// mapLine maps one line and returns the event as a generic document.
func mapLine(t testing.TB, class, version string, opt Options, line string) map[string]any {
	t.Helper()
	c := mustClass(t, class, version)
	var a Alert
	if err := a.Parse([]byte(line)); err != nil {
		t.Fatal(err)
	}
	ev := NewEvent(c)
	if err := NewMapper(c, opt).Map(&a, corpusNow, ev); err != nil {
		t.Fatal(err)
	}
	if err := Check(ev); err != nil {
		t.Errorf("%v", err)
	}
	if err := lostLeaf(&a, ev); err != nil {
		t.Errorf("%v", err)
	}
	var doc map[string]any
	if err := json.Unmarshal(ev.AppendJSON(nil), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// at returns the value at a path like evidences.0.src_endpoint.ip, as text; "" when it is not there.
func at(doc any, path string) string {
	for _, key := range strings.Split(path, "/") {
		switch node := doc.(type) {
		case map[string]any:
			doc = node[key]
		case []any:
			i := slices.Index([]string{"0", "1", "2", "3"}, key)
			if i < 0 || i >= len(node) {
				return ""
			}
			doc = node[i]
		default:
			return ""
		}
	}
	if doc == nil {
		return ""
	}
	if f, ok := doc.(float64); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	if s, ok := doc.(string); ok {
		return s
	}
	b, _ := json.Marshal(doc)
	return string(b)
}

func alertWith(fields string) string {
	return `{"timestamp":"2026-03-02T10:20:30.456+0100"` + fields + `}`
}

func TestSeverity(t *testing.T) {
	captions := []string{"Unknown", "Informational", "Low", "Medium", "High", "Critical"}
	want := []int{1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 4, 4, 5, 5}
	for level, id := range want {
		doc := mapLine(t, "security_finding", Version110, Options{}, alertWith(fmt.Sprintf(`,"rule":{"level":%d,"id":"1"}`, level)))
		got := at(doc, "severity_id") + " " + at(doc, "severity") + " " + at(doc, "risk_score")
		if want := fmt.Sprintf("%d %s %d", id, captions[id], level); got != want {
			t.Errorf("level %d: got %s, want %s", level, got, want)
		}
	}
	tests := map[string]struct {
		bands [4]int
		level string
		want  int
	}{
		"no level":         {[4]int{}, ``, 0},
		"level as text":    {[4]int{}, `"level":"12",`, 4},
		"level no number":  {[4]int{}, `"level":"high",`, 0},
		"far above":        {[4]int{}, `"level":999999999999,`, 0},
		"negative":         {[4]int{}, `"level":-5,`, 0},
		"own bands":        {[4]int{7, 12, 15, 16}, `"level":12,`, 3},
		"own bands, least": {[4]int{7, 12, 15, 16}, `"level":6,`, 1},
	}
	for name, tt := range tests {
		doc := mapLine(t, "detection_finding", Version110, Options{Severity: tt.bands}, alertWith(`,"rule":{`+tt.level+`"id":"1"}`))
		if got := at(doc, "severity_id"); got != fmt.Sprint(tt.want) {
			t.Errorf("%s: got %s, want %d", name, got, tt.want)
		}
	}
}

func TestTimestamp(t *testing.T) {
	tests := map[string]struct {
		stamp  string // JSON
		ms     int64  // 0: refused
		offset string
	}{
		"analysisd":           {`"2026-11-23T18:35:07.691+0000"`, 1795458907691, "0"},
		"west":                {`"2026-11-23T10:35:07.691-0800"`, 1795458907691, "-480"},
		"half an hour":        {`"2026-11-24T00:05:07.691+0530"`, 1795458907691, "330"},
		"colon":               {`"2026-11-23T19:35:07.691+01:00"`, 1795458907691, "60"},
		"Z":                   {`"2026-11-23T18:35:07.691Z"`, 1795458907691, "0"},
		"no milliseconds":     {`"2026-11-23T18:35:07+0000"`, 1795458907000, "0"},
		"nanoseconds are cut": {`"2026-11-23T18:35:07.691999999Z"`, 1795458907691, "0"},
		"earliest":            {`"2010-01-01T00:00:00.000+0000"`, 1262304000000, "0"},
		"too early":           {`"2009-12-31T23:59:59.999+0000"`, 0, ""},
		"48 hours ahead":      {`"2026-11-26T00:00:00.000+0000"`, 1795651200000, "0"},
		"too late":            {`"2026-11-26T00:00:00.001+0000"`, 0, ""},
		"no offset":           {`"2026-11-23T18:35:07.691"`, 0, ""},
		"no date":             {`"2026-02-30T18:35:07.691+0000"`, 0, ""},
		"month 13":            {`"2026-13-01T18:35:07.691+0000"`, 0, ""},
		"syslog":              {`"Nov 23 18:35:07"`, 0, ""},
		"number":              {`1795458907`, 0, ""},
		"array":               {`["2026-11-23T18:35:07.691+0000"]`, 0, ""},
		"null":                {`null`, 0, ""},
		"empty":               {`""`, 0, ""},
		"rubbish after":       {`"2026-11-23T18:35:07.691+0000x"`, 0, ""},
		"huge offset":         {`"2026-11-23T18:35:07.691+9900"`, 0, ""},
	}
	c := mustClass(t, "detection_finding", Version110)
	m, ev := NewMapper(c, Options{}), NewEvent(c)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var a Alert
			if err := a.Parse([]byte(`{"timestamp":` + tt.stamp + `,"rule":{"id":"1"}}`)); err != nil {
				t.Fatal(err)
			}
			err := m.Map(&a, corpusNow, ev)
			var me *MapError
			if tt.ms == 0 {
				if !errors.As(err, &me) || me.Reason != ReasonBadTimestamp {
					t.Errorf("got %v, want bad_timestamp", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if ev.Time != tt.ms || ev.Root.Value("time").Num != tt.ms || ev.Root.Value("time_dt").Num != tt.ms {
				t.Errorf("got %d, want %d", ev.Time, tt.ms)
			}
			if got := string(appendInt(nil, ev.Root.Value("timezone_offset").Num)); got != tt.offset {
				t.Errorf("offset: got %s, want %s", got, tt.offset)
			}
		})
	}
	var a Alert
	if err := a.Parse([]byte(`{"rule":{"id":"1"}}`)); err != nil {
		t.Fatal(err)
	}
	var me *MapError
	if err := m.Map(&a, corpusNow, ev); !errors.As(err, &me) || me.Reason != ReasonBadTimestamp {
		t.Errorf("no timestamp: got %v, want bad_timestamp", err)
	}
}

// TestUID pins metadata.uid: it must stay the same over releases, or lines read again could not be told.
func TestUID(t *testing.T) {
	line := alertWith(`,"rule":{"id":"1"},"id":"5.1"`)
	want := "d686cfd5-7360-5e1f-80f7-b77c382bfd23"
	for _, class := range []string{"security_finding", "detection_finding"} {
		for _, opt := range []Options{{}, {RawData: "alert", ProductVersion: "4.9.0"}} {
			if got := at(mapLine(t, class, Version110, opt, line), "metadata/uid"); got != want {
				t.Errorf("%s: got %s, want %s", class, got, want)
			}
		}
	}
	if got := at(mapLine(t, "security_finding", Version110, Options{}, line+" "), "metadata/uid"); got == want {
		t.Error("another line has the same uid")
	}
}

// documentedSamples have the shape of the three alerts in the guide of the existing integration: read from the indexer by
// Logstash, which adds @version and @timestamp; one id for all of them, and an agent's ip that is none.
var documentedSamples = []string{
	`{"cluster":{"name":"wazuh-cluster","node":"wazuh-manager"},"timestamp":"2024-04-22T14:21:01.234+0000","rule":{"mail":false,"gdpr":["IV_30.1.g"],"groups":["audit","audit_command"],"level":3,"firedtimes":1,"id":"80791","description":"Audit: Command: /usr/sbin/crond"},"location":"","agent":{"id":"004","ip":"47.204.15.21","name":"Ubuntu"},"data":{"audit":{"type":"NORMAL","file":{"name":"/etc/sample/file"},"success":"yes","command":"cron","exe":"/usr/sbin/crond","cwd":"/home/wazuh"}},"predecoder":{},"manager":{"name":"wazuh-manager"},"id":"1580123327.49031","decoder":{},"@version":"1","@timestamp":"2024-04-22T14:21:01.234Z"}`,
	`{"cluster":{"name":"wazuh-cluster","node":"wazuh-manager"},"timestamp":"2024-04-22T14:22:02.345+0000","rule":{"mail":false,"gdpr":["IV_30.1.g"],"groups":["audit","audit_command"],"level":3,"firedtimes":1,"id":"80790","description":"Audit: Command: /usr/sbin/bash"},"location":"","agent":{"id":"007","ip":"24.273.97.14","name":"Debian"},"data":{"audit":{"type":"PATH","file":{"name":"/bin/bash"},"success":"yes","command":"bash","exe":"/usr/sbin/bash","cwd":"/home/wazuh"}},"predecoder":{},"manager":{"name":"wazuh-manager"},"id":"1580123327.49031","decoder":{},"@version":"1","@timestamp":"2024-04-22T14:22:02.345Z"}`,
	`{"cluster":{"name":"wazuh-cluster","node":"wazuh-manager"},"timestamp":"2024-04-22T14:22:13.456+0000","rule":{"id":"1740","mail":false,"description":"Sample alert 1","groups":["ciscat"],"level":9},"location":"","agent":{"id":"006","ip":"207.45.34.78","name":"Windows"},"data":{"cis":{"rule_title":"CIS-CAT 5","timestamp":"2024-04-22T14:22:13.456+0000","benchmark":"CIS Ubuntu Linux 16.04 LTS Benchmark","result":"notchecked","pass":52,"fail":0,"group":"Access, Authentication and Authorization","unknown":61,"score":79,"notchecked":1,"@timestamp":"2024-04-22T14:22:13.456+0000"}},"predecoder":{},"manager":{"name":"wazuh-manager"},"id":"1580123327.49031","decoder":{},"@version":"1","@timestamp":"2024-04-22T14:22:13.456Z"}`,
}

func TestDocumentedSamples(t *testing.T) {
	for _, class := range []string{"security_finding", "detection_finding"} {
		uids := make(map[string]bool)
		for i, line := range documentedSamples {
			doc := mapLine(t, class, Version110, Options{ProductVersion: "4.9.1"}, line)
			uids[at(doc, "metadata/uid")] = true
			if got, want := at(doc, "time"), []string{"1713795661234", "1713795722345", "1713795733456"}[i]; got != want {
				t.Errorf("%s %d: time: got %s, want %s", class, i, got, want)
			}
			if got := at(doc, "unmapped/@version"); got != "1" {
				t.Errorf("%s %d: unmapped @version: got %q", class, i, got)
			}
			if i == 1 {
				if got := at(doc, "unmapped/agent.ip"); got != "24.273.97.14" {
					t.Errorf("%s: agent.ip, which is no IP: got %q in unmapped", class, got)
				}
				if got := at(doc, "device/ip"); got != "" {
					t.Errorf("%s: device.ip: got %q", class, got)
				}
			}
		}
		if len(uids) != 3 {
			t.Errorf("%s: got %d different uids, want 3", class, len(uids))
		}
	}
}

// TestStrictRules are the points on which a strict judge of OCSF 1.1.0 refuses what mappings of Wazuh commonly write.
func TestStrictRules(t *testing.T) {
	full := `,"rule":{"level":5,"id":"5710","description":"d","firedtimes":2,"groups":["a","b"],"nist_800_53":["AU.14"],"mitre":{"id":["T1110"],"tactic":["Credential Access"],"technique":["Brute Force"]}},` +
		`"agent":{"id":"001","name":"WIN_SRV.","ip":"10.0.0.1"},"manager":{"name":"m"},"id":"1.2","decoder":{"name":"dec"},"location":"loc","full_log":"log"`
	type want map[string]string
	tests := map[string]struct {
		class  string
		fields string
		want   want
	}{
		"2001": {"security_finding", full, want{
			"class_uid": "2001", "class_name": "Security Finding", "category_uid": "2", "category_name": "Findings", "type_uid": "200101",
			"type_name": "Security Finding: Create", "activity_id": "1", "activity_name": "Create", "status_id": "99", "status": "New",
			"state_id": "1", "state": "New", "time": "1772443230456", "time_dt": "2026-03-02T09:20:30.456Z", "metadata/profiles": `["datetime"]`,
			"nist": `["AU.14"]`, "data_sources": `["loc","m"]`, "count": "2", "risk_score": "5", "message": "d", "finding/title": "d", "finding/uid": "1.2",
			"finding/types": `["a","b"]`, "analytic/category": "a, b", "analytic/name": "dec", "analytic/type": "Rule", "analytic/type_id": "1", "analytic/uid": "5710",
			"attacks/0/version": "v13.1", "attacks/0/tactic/uid": "TA0006", "attacks/0/technique/uid": "T1110", "resources/0/uid": "001", "resources/0/name": "WIN_SRV.",
			"metadata/log_name": "Security events", "metadata/log_provider": "Wazuh", "metadata/product/name": "Wazuh", "metadata/product/vendor_name": "Wazuh, Inc.",
			"metadata/product/lang": "en", "raw_data": "log", "device": "", "evidences": "", "resources/0/ip": "", "unmapped/agent.ip": "10.0.0.1"}},
		"2004": {"detection_finding", full, want{
			"status_id": "1", "status": "New", "nist": "", "data_sources": "", "state_id": "", "type_name": "Detection Finding: Create",
			"metadata/profiles": `["datetime","host"]`, "device/name": "WIN_SRV.", "device/hostname": "", "device/ip": "10.0.0.1", "count": "1",
			"finding_info/data_sources": `["loc"]`, "finding_info/analytic/name": "d", "finding_info/attacks/0/version": "13.1", "unmapped/rule.firedtimes": "2",
			"metadata/labels": `["nist_800_53:AU.14"]`, "action_id": "", "cloud": "", "risk_level_id": ""}},
		"no rule at all":        {"security_finding", ``, want{"message": "Wazuh alert", "finding/title": "Wazuh alert", "analytic": "", "severity_id": "0"}},
		"finding without an id": {"detection_finding", ``, want{"finding_info/title": "Wazuh alert", "finding_info/analytic": ""}},
		"statistics rule 11": {"security_finding", `,"rule":{"level":9,"id":"11","mail":false,"groups":["stats"]},"decoder":{}`, want{
			"analytic/uid": "11", "analytic/name": "", "message": "Wazuh rule 11", "finding/title": "Wazuh rule 11", "count": ""}},
		"blank description":      {"detection_finding", `,"rule":{"id":"7","description":" "}`, want{"finding_info/title": "Wazuh rule 7", "unmapped/rule.description": " "}},
		"numeric rule id":        {"security_finding", `,"rule":{"id":5710}`, want{"analytic/uid": "5710", "unmapped": ""}},
		"count beyond int32":     {"security_finding", `,"rule":{"firedtimes":99999999999}`, want{"count": "2147483647", "unmapped/rule.firedtimes": "99999999999"}},
		"no agent":               {"detection_finding", `,"rule":{"id":"1"}`, want{"device": "", "resources": "", "metadata/profiles": `["datetime"]`}},
		"input type of Filebeat": {"security_finding", `,"rule":{"groups":["g"]},"input":{"type":"log"}`, want{"finding/types": `["log"]`}},
		"process by name only":   {"detection_finding", `,"data":{"audit":{"command":"ls"}}`, want{"evidences/0/process": "", "evidences/0/data": `{"audit":{"command":"ls"}}`}},
		"a missing argument": {"detection_finding", `,"data":{"audit":{"pid":"1","execve":{"a0":"ls","a2":"-l"}}}`, want{
			"evidences/0/process/cmd_line": "ls", "evidences/0/data": `{"audit":{"execve":{"a2":"-l"}}}`}},
		"auid needs its profile": {"detection_finding", `,"data":{"audit":{"pid":"1","auid":"1000"}}`, want{"evidences/0/process/auid": "1000", "metadata/profiles": `["datetime","linux/linux_users"]`}},
		"query of no hostname": {"detection_finding", `,"data":{"win":{"system":{"providerName":"Microsoft-Windows-Sysmon"},"eventdata":{"queryName":"_ldap._tcp.x"}}}`, want{
			"evidences/0/query": ""}},
		"IMPHASH": {"detection_finding", `,"data":{"win":{"system":{"providerName":"Microsoft-Windows-Sysmon"},"eventdata":{"processId":"4","image":"C:\\x.exe","hashes":"IMPHASH=00AA"}}}`, want{
			"evidences/0/process/file/hashes/0/algorithm_id": "99", "evidences/0/process/file/hashes/0/algorithm": "IMPHASH"}},
		"container image without uid": {"detection_finding", `,"agent":{"id":"1","name":"n"},"data":{"docker":{"Type":"container","Actor":{"ID":"c1","Attributes":{"image":"nginx"}}}}`, want{
			"device/container/image": "", "device/container/uid": "c1", "metadata/profiles": `["container","datetime","host"]`}},
		"signature without action": {"detection_finding", `,"data":{"alert":{"signature":"S","signature_id":"7"}}`, want{
			"action_id": "0", "action": "Unknown", "disposition_id": "19", "firewall_rule/uid": "7"}},
		"cut at 65535 characters": {"security_finding", `,"full_log":"` + strings.Repeat("é", 65536) + `"`, want{
			"raw_data": strings.Repeat("é", 65535), "unmapped/full_log": strings.Repeat("é", 65536)}},
		"port out of range":   {"detection_finding", `,"data":{"srcip":"10.0.0.1","srcport":"70000"}`, want{"evidences/0/src_endpoint/port": "", "unmapped/data.srcport": "70000"}},
		"source is a name":    {"detection_finding", `,"data":{"srcip":"host.example"}`, want{"evidences/0/src_endpoint/hostname": "host.example"}},
		"source is no name":   {"detection_finding", `,"data":{"srcip":"my host"}`, want{"evidences/0/src_endpoint/name": "my host"}},
		"port with zeros":     {"detection_finding", `,"data":{"srcip":"10.0.0.1","srcport":"0080"}`, want{"evidences/0/src_endpoint/port": "80", "unmapped/data.srcport": "0080"}},
		"source with a port":  {"detection_finding", `,"data":{"srcip":"10.0.0.1:80"}`, want{"evidences/0/src_endpoint/ip": "10.0.0.1", "evidences/0/src_endpoint/port": "80", "unmapped/data.srcip": "10.0.0.1:80"}},
		"source with more":    {"detection_finding", `,"data":{"src":"10.0.0.1:54993:X0:pc.example"}`, want{"evidences/0/src_endpoint/ip": "10.0.0.1", "evidences/0/src_endpoint/port": "54993"}},
		"src that is no IP":   {"detection_finding", `,"data":{"src":"lib/x.php:20"}`, want{"evidences": "", "unmapped/data.src": "lib/x.php:20"}},
		"IPv6 with a port":    {"detection_finding", `,"data":{"srcip":"[2001:db8::1]:443"}`, want{"evidences/0/src_endpoint/ip": "2001:db8::1", "evidences/0/src_endpoint/port": "443"}},
		"Zeek":                {"detection_finding", `,"data":{"uid":"Crpk2p1","id":{"orig_h":"10.0.0.1","orig_p":"4","resp_h":"10.0.0.2","resp_p":"22"},"proto":"tcp"}`, want{"evidences/0/src_endpoint/ip": "10.0.0.1", "evidences/0/dst_endpoint/port": "22", "unmapped": `{"data.uid":"Crpk2p1"}`}},
		"IPv4 in IPv6":        {"detection_finding", `,"data":{"srcip":"::ffff:10.0.0.1"}`, want{"evidences/0/src_endpoint/ip": "10.0.0.1", "unmapped/data.srcip": "::ffff:10.0.0.1"}},
		"texts for nothing":   {"detection_finding", `,"data":{"srcip":"-","dstip":"N/A","srcuser":"(null)","url":""}`, want{"evidences": "", "unmapped/data.srcip": "-", "unmapped/data.dstip": "N/A", "unmapped/data.srcuser": "(null)"}},
		"repeated key":        {"security_finding", `,"rule":{"pci_dss":["a"]},"rule":{"pci_dss":["b"]},"x":1,"x":2,"x#2":3`, want{"metadata/labels": `["pci_dss:a","pci_dss:b"]`, "unmapped": `{"x":"1","x#2":"3","x#3":"2"}`}},
		"keys differ by case": {"security_finding", `,"data":{"a":"1","A":"2"}`, want{"unmapped": `{"data.A":"2","data.a":"1"}`}},
		"web method is no IP protocol": {"detection_finding", `,"decoder":{"name":"web-accesslog"},"data":{"protocol":"GET","id":"404","url":"/x","srcip":"10.0.0.1"}`, want{
			"evidences/0/connection_info": "", "evidences/0/data": `{"protocol":"GET","id":"404"}`, "unmapped/data.url": "/x"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			doc := mapLine(t, tt.class, Version110, Options{}, alertWith(tt.fields))
			for path, want := range tt.want {
				if got := at(doc, path); got != want {
					t.Errorf("%s: got %.100q, want %.100q", path, got, want)
				}
			}
		})
	}
}

func TestRawData(t *testing.T) {
	line := alertWith(`,"full_log":"the log"`)
	for opt, want := range map[string]string{"": "the log", "full_log": "the log", "alert": line, "none": ""} {
		doc := mapLine(t, "detection_finding", Version110, Options{RawData: opt}, line)
		if got := at(doc, "raw_data"); got != want {
			t.Errorf("%q: got %q, want %q", opt, got, want)
		}
		inUnmapped := at(doc, "unmapped/full_log") != ""
		if want := opt == "alert" || opt == "none"; inUnmapped != want {
			t.Errorf("%q: full_log in unmapped: got %v, want %v", opt, inUnmapped, want)
		}
	}
}

// TestFindingLife: a vulnerability or check is one finding over all of its alerts, in every class.
func TestFindingLife(t *testing.T) {
	seeds := seedAlerts(t)
	uid := func(class, name string) string {
		doc := mapLine(t, class, Version110, Options{}, string(seeds[name]))
		return at(doc, "finding_info/uid") + at(doc, "finding/uid") + " " + at(doc, "activity_id") + " " + at(doc, "type_uid") + " " + at(doc, "status")
	}
	open, closed := uid("vulnerability_finding", "vulnerability-active"), uid("vulnerability_finding", "vulnerability-solved")
	id, _, _ := strings.Cut(open, " ")
	if len(id) != 36 || open != id+" 1 200201 New" || closed != id+" 3 200203 Resolved" {
		t.Errorf("vulnerability: got %s and %s", open, closed)
	}
	if got := uid("detection_finding", "vulnerability-solved"); got != id+" 3 200403 Resolved" {
		t.Errorf("in 2004: got %s", got)
	}
	if got := uid("security_finding", "vulnerability-solved"); got != id+" 3 200103 Resolved" {
		t.Errorf("in 2001: got %s", got)
	}
	failed, passed := uid("compliance_finding", "sca-check"), uid("compliance_finding", "sca-check-now-passed")
	id, _, _ = strings.Cut(failed, " ")
	if len(id) != 36 || failed != id+" 1 200301 New" || passed != id+" 3 200303 Resolved" {
		t.Errorf("SCA: got %s and %s", failed, passed)
	}
}

// TestReuse: an event and an alert used again hold nothing of what they held before.
func TestReuse(t *testing.T) {
	every := newEveryClass(t, Options{})
	seeds := seedAlerts(t)
	for i, c := range every.classes {
		fresh := make(map[string][]byte)
		for round := range 2 {
			for name, line := range seeds {
				if err := every.alert.Parse(line); err != nil {
					t.Fatal(err)
				}
				m, ev := every.mappers[i], every.events[i]
				if round == 0 {
					m, ev = NewMapper(c, Options{}), NewEvent(c)
				}
				if err := m.Map(&every.alert, corpusNow, ev); errors.Is(err, ErrOtherClass) {
					continue
				} else if err != nil {
					t.Fatal(err)
				}
				got := ev.AppendJSON(nil)
				if round == 0 {
					fresh[name] = got
				} else if !bytes.Equal(got, fresh[name]) {
					t.Errorf("%s %s: a reused event differs: %s", c, name, firstDifference(got, fresh[name]))
				}
			}
		}
	}
}

func TestAttackTable(t *testing.T) {
	if got, want := len(techniques), 196; got != want {
		t.Errorf("got %d techniques, want %d", got, want)
	}
	for uid, tech := range techniques {
		if !techniqueID([]byte(uid)) || tech.name == "" || tech.tactics == 0 {
			t.Errorf("%s: %+v", uid, tech)
		}
	}
	doc := mapLine(t, "detection_finding", Version110, Options{}, string(seedAlerts(t)["unresolved-mitre"]))
	var got []string
	for i := range 4 {
		p := fmt.Sprintf("finding_info/attacks/%d/", i)
		got = append(got, at(doc, p+"technique/uid")+" "+at(doc, p+"technique/name")+" "+at(doc, p+"tactic/uid"))
	}
	want := []string{"T1566 Phishing TA0001", "T9999  ", "  TA0008", "  "}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if at(doc, "unmapped/rule.mitre.id") == "" {
		t.Error("an unresolved id is not in unmapped")
	}
}

func TestExplain(t *testing.T) {
	var a Alert
	if err := a.Parse(seedAlerts(t)["remote-syslog"]); err != nil {
		t.Fatal(err)
	}
	c := mustClass(t, "detection_finding", Version110)
	ev := NewEvent(c)
	if err := NewMapper(c, Options{}).Map(&a, corpusNow, ev); err != nil {
		t.Fatal(err)
	}
	x := Explain(&a, ev)
	if x.Family != "firewall" {
		t.Errorf("family: got %s", x.Family)
	}
	from := make(map[string]string)
	for _, o := range x.Origins {
		from[o.Attribute] = o.Value + " <- " + strings.Join(o.From, ",")
	}
	for path, want := range map[string]string{
		"evidences[0].src_endpoint.ip": "198.51.100.7 <- data.srcip",
		"class_uid":                    "2004 <- ",
		"device.ip":                    "192.0.2.254 <- location",
		"finding_info.types":           `["firewall","syslog"] <- rule.groups`,
		"time_dt":                      "2026-03-02T09:20:30.456Z <- ",
	} {
		if from[path] != want {
			t.Errorf("%s: got %q, want %q", path, from[path], want)
		}
	}
	reasons := make(map[string]string)
	for _, l := range x.Unmapped {
		reasons[l.Key] = l.Reason
	}
	if reasons["rule.firedtimes"] != LeftNowhere {
		t.Errorf("rule.firedtimes: got %q", reasons["rule.firedtimes"])
	}
}

// TestErrorsHoldNoContent: what a log source wrote must not reach our own logs.
func TestErrorsHoldNoContent(t *testing.T) {
	var a Alert
	err := a.Parse([]byte(`{"secret":`))
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	c := mustClass(t, "detection_finding", Version110)
	if err := a.Parse([]byte(`{"timestamp":"secret"}`)); err != nil {
		t.Fatal(err)
	}
	if err := NewMapper(c, Options{}).Map(&a, time.Now(), NewEvent(c)); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

// A log that names the destination must not have half of it replaced by the agent that sent the log.
func TestDestinationIsOneHost(t *testing.T) {
	alert := func(data string) string {
		return `{"timestamp":"2026-03-02T09:20:30.456+0000","rule":{"level":5,"id":"110000","description":"d","groups":["authentication_failed"]},` +
			`"agent":{"id":"001","name":"collector","ip":"192.0.2.99"},"manager":{"name":"m"},"id":"1.2","decoder":{"name":"netscaler"},"location":"x","data":` + data + `}`
	}
	for name, tt := range map[string]struct{ data, ip, port, hostname string }{
		"named with port":    {`{"srcip":"203.0.113.5","srcuser":"u","dstip":"198.51.100.7:443"}`, "198.51.100.7", "443", ""},
		"named without port": {`{"srcip":"203.0.113.5","srcuser":"u","dstip":"198.51.100.7"}`, "198.51.100.7", "", ""},
		"not named":          {`{"srcip":"203.0.113.5","srcuser":"u"}`, "192.0.2.99", "", "collector"},
	} {
		t.Run(name, func(t *testing.T) {
			doc := mapLine(t, "detection_finding", Version110, Options{}, alert(tt.data))
			const dst = "evidences/0/dst_endpoint/"
			if got := at(doc, dst+"ip"); got != tt.ip {
				t.Errorf("ip: got %q, want %q", got, tt.ip)
			}
			if got := at(doc, dst+"port"); got != tt.port {
				t.Errorf("port: got %q, want %q", got, tt.port)
			}
			if got := at(doc, dst+"hostname"); got != tt.hostname {
				t.Errorf("hostname: got %q, want %q", got, tt.hostname)
			}
		})
	}
}

// TestFileTimeOutOfRange: anybody can give a file a time beyond what timestamp_t may be; the alert about it must not be
// refused for that.
func TestFileTimeOutOfRange(t *testing.T) {
	for _, stamp := range []string{"9999-12-31T23:59:59", "5139-01-01T00:00:00", "1970-01-01T00:00:01"} {
		doc := mapLine(t, "detection_finding", Version110, Options{}, alertWith(`,"syscheck":{"path":"/tmp/x","event":"modified","mtime_after":"`+stamp+`"}`))
		if got := at(doc, "evidences/0/file/modified_time"); got != "" {
			t.Errorf("%s: got %s, want no time", stamp, got)
		}
		if got := at(doc, "evidences/0/data"); !strings.Contains(got, stamp) {
			t.Errorf("%s is not kept: %s", stamp, got)
		}
	}
}
