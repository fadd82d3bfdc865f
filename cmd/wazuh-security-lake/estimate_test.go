package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A day and a half of alerts, one each 10 s, is sealed as the daemon would have sealed it.
func TestEstimate(t *testing.T) {
	dir := t.TempDir()
	start := time.Date(2024, 4, 22, 0, 0, 0, 0, time.UTC)
	var text strings.Builder
	const alerts = 36 * 360
	for i := range alerts {
		at := start.Add(time.Duration(i) * 10 * time.Second)
		fmt.Fprintf(&text, `{"timestamp":"%s","rule":{"level":%d,"description":"d","id":"%d"},"agent":{"id":"001","name":"a"},"manager":{"name":"m"},"id":"1.%d","location":"x","full_log":"line %d"}`+"\n",
			at.Format("2006-01-02T15:04:05.000-0700"), 3+i%10, 5000+i%2, i, i)
	}
	file := filepath.Join(dir, "alerts.json")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	configuration := filepath.Join(dir, "config.yaml")
	write := func(more string) {
		t.Helper()
		if err := os.WriteFile(configuration, []byte(`sources: [{name: odd, class: detection_finding, match: {rule_id: ["5001"]}}, {name: rest, class: security_finding}]
filter: {level: 5}
`+more), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func() estimate {
		t.Helper()
		r := command(t, "", "convert", "--estimate", "--json", "-c", configuration, file)
		var e estimate
		if err := json.Unmarshal([]byte(r.out), &e); err != nil || r.code != 0 {
			t.Fatalf("exit %d, %v: %s%s", r.code, err, r.out, r.err)
		}
		return e
	}
	write("batch: {interval: 3h}")
	e := run()
	if e.Read != alerts || e.Filtered != alerts/5 || e.Shipped != alerts*4/5 || e.InBytes != int64(text.Len()) || len(e.BySource) != 2 {
		t.Errorf("%+v", e)
	}
	// 12 intervals in two sources, and one more each where midnight falls into a batch.
	if e.Objects < 22 || e.Objects > 26 || e.PerDay.Objects < 15 || e.PerDay.Objects > 18 || e.PerDay.Puts != e.PerDay.Objects {
		t.Errorf("%d objects, %d a day, want about 24 and 16", e.Objects, e.PerDay.Objects)
	}
	if got := e.PerDay.AssumeRole; got != 2*26 { // what docs/AWS.md says for each source
		t.Errorf("%d AssumeRole a day, want 52", got)
	}
	if got := e.PerDay.Alerts; got < 8600 || got > 8680 {
		t.Errorf("%d alerts a day, want about 8640", got)
	}
	write("batch: {interval: 3h, min_size: 1GiB, max_wait: 12h}")
	if e := run(); e.Objects > 12 {
		t.Errorf("%d objects with max_wait 12h, want about 8", e.Objects)
	}
	for name, more := range map[string]string{"no source": "sources: []\n", "nothing takes the rest": "sources: [{name: odd, match: {level: 12}}]\n"} {
		broken := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(broken, []byte(more), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := command(t, "", "convert", "--estimate", "-c", broken, file); r.code != exitConfig || !strings.Contains(r.err, "sources") {
			t.Errorf("%s: exit %d: %s%s", name, r.code, r.out, r.err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("something was written: %v %v", entries, err)
	}
	if r := command(t, "", "convert", "--estimate", "demo/alerts.ndjson"); r.code != 0 || !strings.Contains(r.out, "read 12 = shipped 12") || !strings.Contains(r.out, "a day") {
		t.Errorf("without a configuration: exit %d: %s%s", r.code, r.out, r.err)
	}
	if r := command(t, "", "convert", "demo/alerts.ndjson"); r.code != exitUsage || !strings.Contains(r.err, "-o") {
		t.Errorf("neither: exit %d: %s", r.code, r.err)
	}
}
