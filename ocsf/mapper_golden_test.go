package ocsf

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden events anew; review them as a diff")

// goldenClasses are mapped for every alert; goldenExtra for those that show something of their own there.
var (
	goldenClasses = []string{"detection_finding 1.1.0", "security_finding 1.1.0"}
	goldenExtra   = map[string][]string{
		"vulnerability_finding 1.1.0": {"vulnerability-active", "vulnerability-solved"},
		"vulnerability_finding 1.3.0": {"vulnerability-active"},
		"compliance_finding 1.1.0":    {"sca-check", "sca-check-now-passed", "sca-check-not-applicable", "ciscat", "openscap"},
		"compliance_finding 1.3.0":    {"sca-check"},
		"detection_finding 1.3.0":     {"fim-registry-value", "fim-registry-key", "web-access", "windows-process", "pam-sudo", "sysmon-registry"},
	}
)

// TestGoldenEvents maps each alert in testdata/alerts and compares the events with those beside it: name.json holds the alert,
// name.event.json one event for each class it is mapped to.
func TestGoldenEvents(t *testing.T) {
	for name, line := range seedAlerts(t) {
		t.Run(name, func(t *testing.T) {
			classes := slices.Clone(goldenClasses)
			for class, names := range goldenExtra {
				if slices.Contains(names, name) {
					classes = append(classes, class)
				}
			}
			slices.Sort(classes)
			var got bytes.Buffer
			for _, class := range classes {
				className, version, _ := strings.Cut(class, " ")
				c := mustClass(t, className, version)
				var a Alert
				if err := a.Parse(line); err != nil {
					t.Fatal(err)
				}
				ev := NewEvent(c)
				if err := NewMapper(c, Options{ProductVersion: "4.14.7"}).Map(&a, corpusNow, ev); err != nil {
					t.Fatalf("%s: %v", c, err)
				}
				if err := Check(ev); err != nil {
					t.Errorf("%s: %v", c, err)
				}
				if err := lostLeaf(&a, ev); err != nil {
					t.Errorf("%s: %v", c, err)
				}
				if err := json.Indent(&got, ev.AppendJSON(nil), "", " "); err != nil {
					t.Fatal(err)
				}
				got.WriteByte('\n')
			}
			file := filepath.Join("testdata", "alerts", name+".event.json")
			if *update {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("differs from %s at %s", file, firstDifference(got.Bytes(), want))
			}
		})
	}
}

func firstDifference(got, want []byte) string {
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "line " + string(appendInt(nil, int64(i+1))) + ":\n got " + g[i] + "\nwant " + w[i]
		}
	}
	return "its end"
}

// TestFamilies says which family each golden alert belongs to.
func TestFamilies(t *testing.T) {
	want := map[string]string{
		"sshd": "authentication", "pam-sudo": "authentication", "auth-composite": "authentication", "remote-syslog": "firewall",
		"fim-modified": "fim", "fim-deleted": "fim", "fim-registry-value": "fim", "fim-registry-key": "fim", "rootcheck": "rootcheck",
		"sca-check": "sca", "sca-check-now-passed": "sca", "sca-check-not-applicable": "sca", "sca-summary": "sca",
		"vulnerability-active": "vulnerability", "vulnerability-solved": "vulnerability", "vulnerability-clear": "vulnerability",
		"windows-logon-failed": "windows", "windows-process": "windows",
		"sysmon-process": "sysmon", "sysmon-network": "sysmon", "sysmon-access": "sysmon", "sysmon-registry": "sysmon", "sysmon-dns": "sysmon", "sysmon-file": "sysmon",
		"audit-execve": "audit", "audit-no-pid": "audit", "web-access": "web", "suricata": "ids", "snort": "ids", "firewall": "firewall",
		"aws-cloudtrail": "aws", "aws-guardduty": "aws", "aws-vpcflow": "aws", "office365": "office365", "github": "github", "gcp-audit": "gcp", "gcp-dns": "gcp",
		"ms-graph": "ms-graph", "azure": "azure", "docker": "docker", "virustotal": "virustotal", "virustotal-error": "virustotal", "osquery": "osquery",
		"ciscat": "cis-cat", "openscap": "openscap", "agentless": "other", "agent-started": "other", "agent-upgrade": "agent", "active-response": "active response",
		"statistics": "other", "syscollector": "other", "custom-json": "other", "unresolved-mitre": "other",
	}
	for name, line := range seedAlerts(t) {
		var a Alert
		if err := a.Parse(line); err != nil {
			t.Fatal(err)
		}
		if got := FamilyOf(&a); got != want[name] {
			t.Errorf("%s: got %q, want %q", name, got, want[name])
		}
	}
}

// TestOtherClass: an alert that has not what the class is about goes to the next source.
func TestOtherClass(t *testing.T) {
	takes := map[string][]string{
		"vulnerability_finding": {"vulnerability-active", "vulnerability-solved"},
		"compliance_finding":    {"sca-check", "sca-check-now-passed", "sca-check-not-applicable", "ciscat", "openscap"},
	}
	for class, names := range takes {
		c := mustClass(t, class, Version110)
		m, ev := NewMapper(c, Options{}), NewEvent(c)
		for name, line := range seedAlerts(t) {
			var a Alert
			if err := a.Parse(line); err != nil {
				t.Fatal(err)
			}
			err := m.Map(&a, corpusNow, ev)
			if took := slices.Contains(names, name); took != (err == nil) || !took && !errors.Is(err, ErrOtherClass) {
				t.Errorf("%s of %s: got %v", class, name, err)
			}
		}
	}
}

// TestGoldenCoverage: most of an alert of the common families is found in attributes.
func TestGoldenCoverage(t *testing.T) {
	c := mustClass(t, "detection_finding", Version110)
	m, ev := NewMapper(c, Options{}), NewEvent(c)
	var cov Coverage
	for _, line := range seedAlerts(t) {
		var a Alert
		if err := a.Parse(line); err != nil {
			t.Fatal(err)
		}
		if err := m.Map(&a, corpusNow, ev); err != nil {
			t.Fatal(err)
		}
		cov.Add(&a, ev)
	}
	seen := 0
	for _, f := range cov.Families() {
		if slices.Contains(coveredFamilies, f.Family) {
			seen++
			if f.Share() < 0.6 {
				t.Errorf("%s: got %.2f of the leaves in attributes, want 0.60; unmapped %v", f.Family, f.Share(), f.Top(10))
			}
		}
	}
	if seen != len(coveredFamilies) {
		t.Errorf("got %d of the %d families", seen, len(coveredFamilies))
	}
}
