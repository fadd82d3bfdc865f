package ocsf

import (
	"testing"
)

// coveredFamilies are those that must have at least 60 % of their leaves in attributes of detection_finding 1.1.0.
var coveredFamilies = []string{"authentication", "fim", "windows", "sysmon", "audit", "web", "aws", "vulnerability", "sca"}

func TestCoverageOfCorpus(t *testing.T) {
	lines := corpusLines(t)
	for _, name := range []string{"detection_finding", "security_finding"} {
		c := mustClass(t, name, Version110)
		m, ev, a := NewMapper(c, Options{}), NewEvent(c), new(Alert)
		var cov Coverage
		for i, line := range lines {
			if err := a.Parse(line); err != nil {
				t.Fatalf("line %d: %v", i+1, err)
			}
			if err := m.Map(a, corpusNow, ev); err != nil {
				t.Fatalf("line %d: %v", i+1, err)
			}
			cov.Add(a, ev)
		}
		for _, f := range cov.Families() {
			t.Logf("%-18s %-16s %5d alerts %3.0f %% in attributes, most unmapped %v", name, f.Family, f.Alerts, 100*f.Share(), f.Top(6))
			for _, want := range coveredFamilies {
				if name == "detection_finding" && f.Family == want && f.Share() < 0.6 {
					t.Errorf("%s: got %.2f of the leaves in attributes, want 0.60", f.Family, f.Share())
				}
			}
		}
	}
}
