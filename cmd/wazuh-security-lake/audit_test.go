package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wazuh-security-lake/audit"
)

func TestAuditAfterBackfill(t *testing.T) {
	config, lakeDir, alerts := historySite(t)
	if got := command(t, "", "audit", "-c", config, "--day", "2026-03-14"); got.code != exitNoInput {
		t.Fatalf("without a state: got %+v", got)
	}
	if got := command(t, "", "backfill", "-c", config, "--to", "2026-03-15"); got.code != 0 {
		t.Fatalf("backfill: %+v", got)
	}
	got := command(t, "", "audit", "-c", config, "--day", "2026-03-14", "--s3")
	if got.code != 0 || !strings.Contains(got.out, "1 objects looked for in 1 partitions") || !strings.Contains(got.out, "2026-03-14: 0 differences") {
		t.Fatalf("got %+v", got)
	}
	if got := command(t, "", "audit", "-c", config, "--day", "2026-03-16"); got.code != exitTempFail || !strings.Contains(got.out, "unread") {
		t.Errorf("a day nobody has read: got %+v", got)
	}
	if got := command(t, "", "audit", "-c", config, "--day", "2026-03-01"); got.code != exitNoInput {
		t.Errorf("no such day: got %+v", got)
	}
	if got := command(t, "", "audit", "-c", config, "--day", "today"); got.code != exitUsage {
		t.Errorf("no day: got %+v", got)
	}
	objects, err := filepath.Glob(filepath.Join(lakeDir, "ext/wazuh/*/*/eventDay=20260314/*"))
	if err != nil || len(objects) != 1 {
		t.Fatalf("got %v, %v", objects, err)
	}
	if err := os.Remove(objects[0]); err != nil {
		t.Fatal(err)
	}
	got = command(t, "", "audit", "-c", config, "--day", "2026-03-14", "--s3")
	if got.code != exitData || !strings.Contains(got.out, "DIFFERS object gone: ext/wazuh/") || !strings.Contains(got.out, filepath.Base(objects[0])) {
		t.Errorf("object removed: got %+v", got)
	}
	if got := command(t, "", "audit", "-c", config, "--day", "2026-03-14"); got.code != 0 {
		t.Errorf("without looking: got %+v", got)
	}
	if err := os.Truncate(filepath.Join(alerts, "2026/Mar/ossec-alerts-15.json"), 2000); err != nil {
		t.Fatal(err)
	}
	got = command(t, "", "audit", "-c", config, "--day", "2026-03-15", "--json")
	var r audit.Report
	if err := json.Unmarshal([]byte(got.out), &r); err != nil || got.code != exitData || len(r.Differences) == 0 || r.Differences[0].Kind != audit.KindTruncated {
		t.Errorf("truncated: got %+v, %v", got, err)
	}
}

func TestAuditVerdict(t *testing.T) {
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		report audit.Report
		want   int
	}{
		"proven":             {audit.Report{Day: "2026-03-13"}, exitOK},
		"today, not all":     {audit.Report{Day: "2026-03-14", Bytes: map[audit.State]int64{audit.Unread: 1}}, exitOK},
		"yesterday, not all": {audit.Report{Day: "2026-03-13", Bytes: map[audit.State]int64{audit.Unread: 1}}, exitTempFail},
		"a difference":       {audit.Report{Day: "2026-03-14", Differences: make([]audit.Difference, 1)}, exitData},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := exitOK
			if err := auditVerdict(&test.report, now); err != nil {
				got = exitCode(err)
			}
			if got != test.want {
				t.Errorf("got exit %d, want %d", got, test.want)
			}
		})
	}
}
