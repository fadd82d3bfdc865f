package ocsf

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// putAt sets the attribute at a path such as evidences[0].src_endpoint.ip, making the objects on the way.
// It writes past every rule, so that a test can make an event that a mapper could not.
func putAt(t testing.TB, ev *Event, path string, value any) {
	t.Helper()
	o := ev.Root
	steps := strings.Split(path, ".")
	for _, step := range steps[:len(steps)-1] {
		name, index, list := strings.Cut(strings.TrimSuffix(step, "]"), "[")
		slot := o.Type.Slot(name)
		if slot < 0 {
			t.Fatalf("%s: %s has no attribute %s", path, o.Type.Name, name)
		}
		if !list {
			o = o.Struct(name)
			continue
		}
		n, _ := strconv.Atoi(index)
		for len(o.Values[slot].Objs) <= n {
			o.Append(name)
		}
		o = o.Values[slot].Objs[n]
	}
	slot := o.Type.Slot(steps[len(steps)-1])
	if slot < 0 {
		t.Fatalf("%s: no such attribute", path)
	}
	v := o.set(slot)
	switch x := value.(type) {
	case nil:
		o.unset(slot)
	case string:
		v.Str = []byte(x)
	case []string:
		v.Strs = v.Strs[:0]
		for _, s := range x {
			v.Strs = append(v.Strs, []byte(s))
		}
	case int:
		v.Num = int64(x)
	case int64:
		v.Num = x
	case float64:
		v.Num = int64(math.Float64bits(x))
	case bool:
		v.Num = 0
		if x {
			v.Num = 1
		}
	default:
		t.Fatalf("%s: cannot put a %T", path, value)
	}
}

const testTime = 1_772_323_200_976 // 2026-03-01T00:00:00.976Z

// validEventOf makes a valid event of a class with most kinds of attributes in it.
func validEventOf(t testing.TB, class, version string) *Event {
	t.Helper()
	c, err := ClassByName(class, version)
	if err != nil {
		t.Fatal(err)
	}
	ev := NewEvent(c)
	ev.Time = testTime
	for path, v := range map[string]any{
		"activity_id": 1, "activity_name": "Create",
		"category_uid": 2, "category_name": "Findings",
		"class_uid": int(c.UID), "class_name": c.Caption,
		"type_uid": int(c.UID)*100 + 1, "type_name": c.Caption + ": Create",
		"time": testTime, "time_dt": testTime, "timezone_offset": 60,
		"severity_id": 3, "severity": "Medium",
		"message": "sshd: authentication failed", "count": 1,
		"metadata.version": version, "metadata.product.name": "Wazuh", "metadata.product.vendor_name": "Wazuh, Inc.",
		"metadata.uid": "5f2b1e9e-5a0c-5d55-8c9e-0a1b2c3d4e5f", "metadata.labels": []string{"pci_dss:10.2.4"},
		"metadata.loggers[0].name": "manager",
		"raw_data":                 "Mar  1 00:00:00 host sshd[1]: Failed password",
	} {
		putAt(t, ev, path, v)
	}
	profiles := []string{"datetime"}
	switch class {
	case "security_finding":
		putAt(t, ev, "state_id", 1)
		putAt(t, ev, "state", "New")
		putAt(t, ev, "status_id", 99)
		putAt(t, ev, "status", "New")
		putAt(t, ev, "finding.uid", "1.2")
		putAt(t, ev, "finding.title", "title")
		putAt(t, ev, "nist", []string{"AU.14"})
		putAt(t, ev, "attacks[0].technique.uid", "T1110")
	default:
		putAt(t, ev, "status_id", 1)
		putAt(t, ev, "status", "New")
		putAt(t, ev, "finding_info.uid", "1.2")
		putAt(t, ev, "finding_info.title", "title")
		putAt(t, ev, "finding_info.created_time", testTime)
		putAt(t, ev, "finding_info.created_time_dt", testTime)
		putAt(t, ev, "finding_info.attacks[0].technique.uid", "T1110")
		putAt(t, ev, "device.type_id", 0)
		putAt(t, ev, "device.hostname", "agent-1")
		putAt(t, ev, "device.ip", "192.0.2.7")
		profiles = append(profiles, "host")
	}
	switch class {
	case "detection_finding":
		putAt(t, ev, "evidences[0].src_endpoint.ip", "203.0.113.9")
		putAt(t, ev, "evidences[0].src_endpoint.port", 50022)
		putAt(t, ev, "evidences[0].data", `{"a":[1,2]}`)
		putAt(t, ev, "evidences[1].file.name", "passwd")
		putAt(t, ev, "evidences[1].file.type_id", 1)
		putAt(t, ev, "evidences[1].file.size", 1234)
		putAt(t, ev, "evidences[1].file.is_system", true)
		putAt(t, ev, "evidences[1].file.hashes[0].algorithm_id", 1)
		putAt(t, ev, "evidences[1].file.hashes[0].value", "d41d8cd98f00b204e9800998ecf8427e")
		putAt(t, ev, "observables[0].name", "evidences[].src_endpoint.ip")
		putAt(t, ev, "observables[0].type_id", 2)
		putAt(t, ev, "observables[0].type", "IP Address")
		putAt(t, ev, "observables[0].value", "203.0.113.9")
	case "vulnerability_finding":
		putAt(t, ev, "vulnerabilities[0].cve.uid", "CVE-2024-3094")
		putAt(t, ev, "vulnerabilities[0].cve.cvss[0].base_score", 9.8)
		putAt(t, ev, "vulnerabilities[0].cve.cvss[0].version", "3.1")
	case "compliance_finding":
		putAt(t, ev, "compliance.standards", []string{"CIS Ubuntu 24.04"})
		putAt(t, ev, "compliance.status_id", 3)
		putAt(t, ev, "compliance.status", "Fail")
	}
	putAt(t, ev, "metadata.profiles", profiles)
	ev.Unmapped = append(ev.Unmapped, KeyValue{Key: []byte("data.srcuser"), Value: []byte("root")}, KeyValue{Key: []byte("empty"), Value: nil})
	return ev
}

func TestCheckAcceptsValidEvents(t *testing.T) {
	eachClass(t, func(t *testing.T, c *Class) {
		ev := validEventOf(t, c.Name, c.Version)
		if err := Check(ev); err != nil {
			t.Error(err)
		}
		if err := Check(ev); err != nil {
			t.Errorf("the second time: %v", err)
		}
	})
}

// eventCase makes one change to a valid event. rule "" says that the event stays valid.
type eventCase struct {
	class, version  string // default detection_finding, 1.1.0
	set             with
	change          func(*Event)
	attribute, rule string
	// judge is the kind the independent validator reports when it differs from the rule; "-": it sees no error,
	// because the rule is one of the lake and not of OCSF.
	judge string
}

func (c eventCase) event(t testing.TB) *Event {
	t.Helper()
	class, version := c.class, c.version
	if class == "" {
		class = "detection_finding"
	}
	if version == "" {
		version = Version110
	}
	ev := validEventOf(t, class, version)
	for _, path := range slices.Sorted(func(yield func(string) bool) {
		for p := range c.set {
			if !yield(p) {
				return
			}
		}
	}) {
		putAt(t, ev, path, c.set[path])
	}
	if c.change != nil {
		c.change(ev)
	}
	return ev
}

type with = map[string]any

func eventCases() map[string]eventCase {
	sf, vf := "security_finding", "vulnerability_finding"
	all := []string{"datetime", "host", "security_control", "cloud", "container", "linux/linux_users"}
	return map[string]eventCase{
		"required missing":           {set: with{"severity_id": nil, "severity": nil}, attribute: "severity_id", rule: RuleRequired},
		"required struct missing":    {set: with{"finding_info": nil}, attribute: "finding_info", rule: RuleRequired},
		"required in struct missing": {set: with{"finding_info.title": nil}, attribute: "finding_info.title", rule: RuleRequired},
		"required in list missing":   {set: with{"evidences[1].file.type_id": nil}, attribute: "evidences[1].file.type_id", rule: RuleRequired},
		"required empty":             {set: with{"finding_info.title": ""}, attribute: "finding_info.title", rule: RuleEmpty, judge: "empty_required"},
		"state_id missing in 2001":   {class: sf, set: with{"state_id": nil, "state": nil}, attribute: "state_id", rule: RuleRequired},
		"vulnerabilities missing":    {class: vf, set: with{"vulnerabilities": nil}, attribute: "vulnerabilities", rule: RuleRequired},
		"device without type_id":     {set: with{"device.type_id": nil}, attribute: "device.type_id", rule: RuleRequired},
		"image without uid": {set: with{"metadata.profiles": []string{"datetime", "host", "container"}, "device.container.name": "web", "device.container.image.name": "nginx"},
			attribute: "device.container.image.uid", rule: RuleRequired},

		"at least one: process":     {set: with{"evidences[0].process.name": "bash"}, attribute: "evidences[0].process", rule: RuleAtLeastOne},
		"at least one: product":     {set: with{"metadata.product.name": nil}, attribute: "metadata.product", rule: RuleAtLeastOne},
		"at least one: attack":      {set: with{"finding_info.attacks[1].version": "13.1"}, attribute: "finding_info.attacks[1]", rule: RuleAtLeastOne},
		"at least one: analytic":    {set: with{"finding_info.analytic.type_id": 1}, attribute: "finding_info.analytic", rule: RuleAtLeastOne},
		"at least one: fine":        {set: with{"finding_info.analytic.type_id": 1, "finding_info.analytic.uid": "11"}},
		"malware without name":      {set: with{"metadata.profiles": []string{"datetime", "host", "security_control"}, "action_id": 0, "malware[0].classification_ids": 0}, attribute: "malware[0]", rule: RuleAtLeastOne},
		"enum":                      {set: with{"severity_id": 7, "severity": nil}, attribute: "severity_id", rule: RuleEnum},
		"enum of the version":       {set: with{"risk_level_id": 99, "risk_level": "x"}, attribute: "risk_level_id", rule: RuleEnum},
		"enum of the later version": {version: Version130, set: with{"risk_level_id": 99, "risk_level": "x"}},
		"caption":                   {set: with{"severity": "medium"}, attribute: "severity", rule: RuleCaption},
		"caption of no caption":     {set: with{"confidence_id": 1, "confidence": "anything"}},
		"class name":                {set: with{"class_name": "Security Finding"}, attribute: "class_name", rule: RuleCaption},
		"category name":             {set: with{"category_name": "Finding"}, attribute: "category_name", rule: RuleCaption},
		"type_name":                 {class: sf, set: with{"type_name": "Security Finding"}, attribute: "type_name", rule: RuleCaption},
		"99 without text":           {class: sf, set: with{"status": nil}, attribute: "status_id", rule: RuleOtherText},
		"99 with blanks":            {class: sf, set: with{"status": "  "}, attribute: "status_id", rule: RuleOtherText},
		"99 with its caption":       {class: sf, set: with{"status": "Other"}, attribute: "status", rule: RuleOtherCaption},
		"registry key as file type": {set: with{"evidences[1].file.type_id": 99, "evidences[1].file.type": "Registry Key"}},
		"hash algorithm of its own": {set: with{"evidences[1].file.hashes[0].algorithm_id": 99, "evidences[1].file.hashes[0].algorithm": "IMPHASH"}},
		"malware":                   {class: sf, set: with{"malware[0].classification_ids": 18, "malware[0].classifications": []string{"Trojan"}, "malware[0].name": "x"}},
		"malware caption":           {class: sf, set: with{"malware[0].classification_ids": 18, "malware[0].classifications": []string{"Virus"}, "malware[0].name": "x"}, attribute: "malware[0].classifications", rule: RuleCaption},
		"malware captions too many": {class: sf, set: with{"malware[0].classification_ids": 18, "malware[0].classifications": []string{"Trojan", "Virus"}, "malware[0].name": "x"}, attribute: "malware[0].classifications", rule: RuleCaption},
		"malware 99":                {class: sf, set: with{"malware[0].classification_ids": 99, "malware[0].name": "x"}, attribute: "malware[0].classification_ids", rule: RuleOtherText},
		"malware enum":              {class: sf, set: with{"malware[0].classification_ids": 12, "malware[0].name": "x"}, attribute: "malware[0].classification_ids", rule: RuleEnum},

		"string too long":              {set: with{"raw_data": strings.Repeat("a", 65536)}, attribute: "raw_data", rule: RuleLength},
		"string as long as allowed":    {set: with{"raw_data": strings.Repeat("a", 65535)}},
		"length counts characters":     {set: with{"raw_data": strings.Repeat("é", 65535)}},
		"too many characters":          {set: with{"raw_data": strings.Repeat("é", 65536)}, attribute: "raw_data", rule: RuleLength},
		"characters outside the plane": {set: with{"raw_data": strings.Repeat("😀", 65535)}},
		"hash too long":                {set: with{"evidences[1].file.hashes[0].value": strings.Repeat("a", 65)}, attribute: "evidences[1].file.hashes[0].value", rule: RuleLength},
		"file name too long":           {set: with{"evidences[1].file.name": strings.Repeat("a", 65536)}, attribute: "evidences[1].file.name", rule: RuleLength},
		"not UTF-8":                    {set: with{"message": "caf\xe9"}, attribute: "message", rule: RuleUTF8},
		"surrogate in UTF-8":           {set: with{"message": "\xed\xa0\x80"}, attribute: "message", rule: RuleUTF8},
		"not UTF-8 in a list":          {set: with{"metadata.labels": []string{"fine", "\xff"}}, attribute: "metadata.labels[1]", rule: RuleUTF8},

		"ip":                 {set: with{"device.ip": "192.0.2.300"}, attribute: "device.ip", rule: RuleIP, judge: "regex"},
		"ip of the pattern":  {set: with{"device.ip": "1a2b3c4"}, attribute: "device.ip", rule: RuleIP},
		"ip with blanks":     {set: with{"device.ip": " 192.0.2.3"}, attribute: "device.ip", rule: RuleIP, judge: "-"},
		"ip, version 6":      {set: with{"device.ip": "2001:db8::1"}},
		"host name":          {set: with{"device.hostname": "WIN_SRV"}, attribute: "device.hostname", rule: RulePattern},
		"host name with dot": {set: with{"device.hostname": "host.example."}, attribute: "device.hostname", rule: RulePattern},
		"query host name":    {set: with{"evidences[0].query.hostname": "_ldap._tcp"}, attribute: "evidences[0].query.hostname", rule: RulePattern},
		"mac":                {set: with{"device.mac": "00:11:22:33:44"}, attribute: "device.mac", rule: RulePattern},
		"email":              {set: with{"actor.user.name": "u", "actor.user.email_addr": "root@localhost"}, attribute: "actor.user.email_addr", rule: RulePattern},
		"email of 1.3.0":     {version: Version130, set: with{"actor.user.name": "u", "actor.user.email_addr": "o'neil@example.com"}},
		"email not of 1.1.0": {set: with{"actor.user.name": "u", "actor.user.email_addr": "o'neil@example.com"}, attribute: "actor.user.email_addr", rule: RulePattern},
		"uuid":               {set: with{"actor.session.uuid": "{5f2b1e9e}"}, attribute: "actor.session.uuid", rule: RulePattern},
		"json text":          {set: with{"evidences[0].data": "{a:1}"}, attribute: "evidences[0].data", rule: RuleJSON, judge: "-"},

		"port":                 {set: with{"evidences[0].src_endpoint.port": 65536}, attribute: "evidences[0].src_endpoint.port", rule: RuleRange},
		"port below zero":      {set: with{"evidences[0].src_endpoint.port": -1}, attribute: "evidences[0].src_endpoint.port", rule: RuleRange},
		"integer too large":    {set: with{"count": 1 << 31}, attribute: "count", rule: RuleInt32, judge: "-"},
		"long":                 {set: with{"evidences[1].file.size": 1 << 40}},
		"not a number":         {class: vf, set: with{"vulnerabilities[0].cve.cvss[0].base_score": math.NaN()}, attribute: "vulnerabilities[0].cve.cvss[0].base_score", rule: RuleNonFinite, judge: "json_nonfinite"},
		"seconds":              {set: with{"finding_info.created_time": 1_772_323_200, "finding_info.created_time_dt": nil}, attribute: "finding_info.created_time", rule: RuleTimestampUnit},
		"microseconds":         {set: with{"finding_info.created_time": 1_772_323_200_000_000, "finding_info.created_time_dt": nil}, attribute: "finding_info.created_time", rule: RuleTimestampUnit},
		"epoch":                {set: with{"finding_info.created_time": 0, "finding_info.created_time_dt": 0}},
		"time_dt differs":      {set: with{"time_dt": testTime + 1}, attribute: "time_dt", rule: RuleDatetimeValue},
		"time differs":         {set: with{"time": testTime + 1, "time_dt": nil}, attribute: "time", rule: RuleTime, judge: "-"},
		"timezone":             {set: with{"timezone_offset": 1081}, attribute: "timezone_offset", rule: RuleTimezone},
		"timezone at its end":  {set: with{"timezone_offset": -1080}},
		"type_uid":             {set: with{"activity_id": 2, "activity_name": "Update"}, attribute: "type_uid", rule: RuleTypeUID},
		"type_uid of no class": {set: with{"type_uid": 200101, "type_name": nil}, attribute: "type_uid", rule: RuleEnum},
		"version":              {set: with{"metadata.version": "1.3.0"}, attribute: "metadata.version", rule: RuleVersion},

		"profile not declared":     {set: with{"metadata.profiles": []string{"host"}}, attribute: "time_dt", rule: RuleProfile},
		"no profiles at all":       {set: with{"metadata.profiles": nil}, attribute: "time_dt", rule: RuleProfile},
		"profile not in the class": {class: sf, set: with{"metadata.profiles": []string{"datetime", "host"}}, attribute: "metadata.profiles[1]", rule: RuleProfileClass},
		"profile unknown":          {set: with{"metadata.profiles": []string{"datetime", "host", "siem"}}, attribute: "metadata.profiles[2]", rule: RuleProfileClass, judge: "profile_unknown"},
		"profile twice":            {set: with{"metadata.profiles": []string{"datetime", "host", "host"}}, attribute: "metadata.profiles[2]", rule: RuleProfileTwice, judge: "profile_unknown"},
		"profile without its must": {set: with{"metadata.profiles": []string{"datetime", "host", "cloud"}}, attribute: "cloud", rule: RuleRequired},
		"security control":         {set: with{"metadata.profiles": []string{"datetime", "host", "security_control"}, "disposition_id": 2, "disposition": "Blocked"}, attribute: "action_id", rule: RuleRequired},
		"security control, fine":   {set: with{"metadata.profiles": []string{"datetime", "host", "security_control"}, "action_id": 0, "disposition_id": 2, "disposition": "Blocked"}},
		"actor needs host":         {set: with{"metadata.profiles": []string{"datetime"}, "device": nil, "actor.user.name": "root"}, attribute: "actor", rule: RuleProfile},
		"evidence actor does not":  {set: with{"metadata.profiles": []string{"datetime"}, "device": nil, "evidences[0].actor.user.name": "root"}},
		"auid needs linux":         {set: with{"evidences[0].process.pid": 1, "evidences[0].process.auid": 1000}, attribute: "evidences[0].process.auid", rule: RuleProfile},
		"auid with linux":          {set: with{"metadata.profiles": []string{"datetime", "host", "linux/linux_users"}, "evidences[0].process.pid": 1, "evidences[0].process.auid": 1000}},
		"everything declared":      {set: with{"metadata.profiles": all, "cloud.provider": "AWS", "action_id": 1}},

		"empty string":         {set: with{"message": ""}, attribute: "message", rule: RuleEmpty, judge: "-"},
		"empty list":           {set: with{"metadata.labels": []string{}}, attribute: "metadata.labels", rule: RuleEmpty, judge: "-"},
		"empty string in list": {set: with{"metadata.labels": []string{"a", ""}}, attribute: "metadata.labels[1]", rule: RuleEmpty, judge: "-"},
		"empty list of objects": {change: func(ev *Event) { ev.Root.set(ev.Root.Type.Slot("enrichments")) },
			attribute: "enrichments", rule: RuleEmpty, judge: "-"},
		"empty object":         {change: func(ev *Event) { ev.Root.Struct("remediation") }, attribute: "remediation.desc", rule: RuleRequired},
		"empty element":        {change: func(ev *Event) { ev.Root.Append("resources") }, attribute: "resources[0]", rule: RuleEmpty, judge: "constraint_at_least_one"},
		"unmapped without key": {change: func(ev *Event) { ev.Unmapped = append(ev.Unmapped, KeyValue{Key: nil, Value: []byte("x")}) }, attribute: "unmapped", rule: RuleEmpty, judge: "-"},
		"unmapped twice": {change: func(ev *Event) {
			ev.Unmapped = append(ev.Unmapped, KeyValue{Key: []byte("data.srcuser"), Value: []byte("x")})
		},
			attribute: "unmapped", rule: RuleDuplicateKey},
		"unmapped key not UTF-8":   {change: func(ev *Event) { ev.Unmapped[0].Key = []byte("\xff") }, attribute: "unmapped", rule: RuleUTF8},
		"unmapped value not UTF-8": {change: func(ev *Event) { ev.Unmapped[0].Value = []byte("\xff") }, attribute: "unmapped", rule: RuleUTF8},

		"observable of no attribute":  {set: with{"observables[0].name": "evidences[].src_endpoint.ipv4"}, attribute: "observables[0].name", rule: RuleObservable},
		"observable of another class": {set: with{"observables[0].name": "process.name"}, attribute: "observables[0].name", rule: RuleObservable},
		"observable without profile":  {set: with{"observables[0].name": "cloud.region"}, attribute: "observables[0].name", rule: RuleObservable},
		"observable, list of no list": {set: with{"observables[0].name": "device[].ip"}, attribute: "observables[0].name", rule: RuleObservable},
		"observable below a leaf":     {set: with{"observables[0].name": "device.ip.v4"}, attribute: "observables[0].name", rule: RuleObservable},
		"observable, broken path":     {set: with{"observables[0].name": "device..ip"}, attribute: "observables[0].name", rule: RuleObservable},
		"observable of another value": {set: with{"observables[0].value": "203.0.113.8"}, attribute: "observables[0].value", rule: RuleObservableText},
		"observable of an element":    {set: with{"observables[0].name": "evidences[0].src_endpoint.ip"}},
		"observable, star":            {set: with{"observables[0].name": "evidences[*].src_endpoint.ip"}},
		"observable, no brackets":     {set: with{"observables[0].name": "evidences.src_endpoint.ip"}},
		"observable of a number":      {set: with{"observables[0].name": "evidences[].src_endpoint.port", "observables[0].value": "50022", "observables[0].type_id": 0, "observables[0].type": nil}},
		"observable, wrong number":    {set: with{"observables[0].name": "evidences[].src_endpoint.port", "observables[0].value": "50023"}, attribute: "observables[0].value", rule: RuleObservableText},
		"observable of a boolean":     {set: with{"observables[0].name": "evidences[].file.is_system", "observables[0].value": "true"}},
		"observable of an object":     {set: with{"observables[0].name": "evidences[].file", "observables[0].value": "anything"}},
		"observable of nothing":       {set: with{"observables[0].name": "actor.user.name"}},
		"observable, second hash":     {set: with{"evidences[1].file.hashes[1].algorithm_id": 2, "evidences[1].file.hashes[1].value": "da39", "observables[0].name": "evidences[].file.hashes[].value", "observables[0].value": "da39"}},
		"observable of a list":        {set: with{"observables[0].name": "metadata.labels[]", "observables[0].value": "pci_dss:10.2.4"}},
		"observable of a list, wrong": {set: with{"observables[0].name": "metadata.labels[]", "observables[0].value": "x"}, attribute: "observables[0].value", rule: RuleObservableText},
		"observable of another label": {set: with{"metadata.labels": []string{"a", "b"}, "observables[0].name": "metadata.labels[1]", "observables[0].value": "a"},
			attribute: "observables[0].value", rule: RuleObservableText},
		"observable of another element": {set: with{"evidences[1].src_endpoint.ip": "198.51.100.1", "observables[0].name": "evidences[1].src_endpoint.ip"},
			attribute: "observables[0].value", rule: RuleObservableText},
		"observable of unmapped": {set: with{"observables[0].name": "unmapped.data.srcuser", "observables[0].value": "root"}},
		"observable of unmapped, other": {set: with{"observables[0].name": "unmapped.data.srcuser", "observables[0].value": "toor"},
			attribute: "observables[0].value", rule: RuleObservableText, judge: "-"},
		"observable type of 1.3.0":       {set: with{"observables[0].type_id": 11, "observables[0].type": nil}, attribute: "observables[0].type_id", rule: RuleEnum},
		"observable without a reference": {set: with{"observables[0].name": nil}, attribute: "observables[0].name", rule: RuleRequired},
	}
}

func TestCheck(t *testing.T) {
	for name, c := range eventCases() {
		t.Run(name, func(t *testing.T) {
			err := Check(c.event(t))
			if c.rule == "" {
				if err != nil {
					t.Errorf("got %v, want a valid event", err)
				}
				return
			}
			var got *CheckError
			if !errors.As(err, &got) {
				t.Fatalf("got %v, want %s: %s", err, c.attribute, c.rule)
			}
			if got.Attribute != c.attribute || got.Rule != c.rule {
				t.Errorf("got %s: %s, want %s: %s", got.Attribute, got.Rule, c.attribute, c.rule)
			}
		})
	}
}

// TestCheckErrorHidesContent: the value at fault comes from whoever wrote the log line.
func TestCheckErrorHidesContent(t *testing.T) {
	ev := validEventOf(t, "detection_finding", Version110)
	putAt(t, ev, "device.hostname", "secret value\n"+strings.Repeat("x", 200))
	var got *CheckError
	if !errors.As(Check(ev), &got) {
		t.Fatal("no fault")
	}
	if strings.Contains(got.Error(), "secret") || !strings.HasPrefix(got.Value, "secret value") || len(got.Value) != maxFaultValue {
		t.Errorf("error %q, value %q", got.Error(), got.Value)
	}
}

func TestCheckAllocatesNothing(t *testing.T) {
	for _, class := range Classes() {
		ev := validEventOf(t, class, Version110)
		for i := range 400 {
			ev.Unmapped = append(ev.Unmapped, KeyValue{Key: fmt.Appendf(nil, "k%d", i), Value: []byte("v")})
		}
		if n := testing.AllocsPerRun(100, func() {
			if Check(ev) != nil {
				t.Fatal("not valid")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", class, n)
		}
	}
}

func TestDuplicateKey(t *testing.T) {
	for _, n := range []int{0, 1, 2, 511, 512, 513, 5000} {
		kvs := make([]KeyValue, n)
		for i := range kvs {
			kvs[i].Key = fmt.Appendf(nil, "key.%d", i)
		}
		if got := duplicateKey(kvs); got != -1 {
			t.Errorf("%d keys: duplicate at %d", n, got)
		}
		if n > 1 {
			kvs[n-1].Key = kvs[0].Key
			if got := duplicateKey(kvs); got != n-1 {
				t.Errorf("%d keys: duplicate at %d, want %d", n, got, n-1)
			}
		}
	}
}

func TestCheckIgnoresStaleEvent(t *testing.T) {
	ev := validEventOf(t, "detection_finding", Version110)
	ev.Reset()
	if err := Check(ev); err == nil {
		t.Error("an empty event is valid")
	}
}

// FuzzObservablePath: the names come from the mapper, but the JSON validator passes on what a file says.
func FuzzObservablePath(f *testing.F) {
	for _, s := range []string{"", ".", "a[", "a[0]", "evidences[].src_endpoint.ip", "unmapped.a[", "evidences[99999999999].file", "[].x", "device.", "evidences[0]x"} {
		f.Add(s)
	}
	ev := validEventOf(f, "detection_finding", Version110)
	f.Fuzz(func(t *testing.T, path string) {
		known := ev.Class.Root.hasPath([]byte(path), 0xff)
		if found, _ := ev.textAt([]byte(path), nil); found && !known {
			t.Errorf("%q leads to a value but is no path", path)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	ev := validEventOf(b, "detection_finding", Version110)
	for i := range 40 {
		ev.Unmapped = append(ev.Unmapped, KeyValue{Key: fmt.Appendf(nil, "data.win.eventdata.key%d", i), Value: []byte("value of some length")})
	}
	big, _ := json.Marshal(map[string]string{"data": strings.Repeat("abc ", 250)})
	putAt(b, ev, "evidences[0].data", string(big))
	b.ReportAllocs()
	for b.Loop() {
		if err := Check(ev); err != nil {
			b.Fatal(err)
		}
	}
}
