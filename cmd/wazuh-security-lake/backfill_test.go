package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// historySite is a dated tree of three days, the last one live, and a configuration with a directory as its lake.
func historySite(t *testing.T) (config, lakeDir, alerts string) {
	t.Helper()
	dir := t.TempDir()
	alerts, lakeDir = filepath.Join(dir, "alerts"), filepath.Join(dir, "lake")
	for day, name := range map[int]string{14: "2026/Mar/ossec-alerts-14.json", 15: "2026/Mar/ossec-alerts-15.json", 16: "2026/Mar/ossec-alerts-16.json"} {
		var b strings.Builder
		for i := range 20 {
			fmt.Fprintf(&b, `{"timestamp":"2026-03-%02dT12:00:%02d.000+0000","rule":{"level":3,"description":"d","id":"5710"},"agent":{"id":"000"},"manager":{"name":"m"},"id":"%d.%d","full_log":"x","location":"l"}`+"\n", day, i, day, i)
		}
		writeAll(t, filepath.Join(alerts, name), b.String())
	}
	if err := os.Link(filepath.Join(alerts, "2026/Mar/ossec-alerts-16.json"), filepath.Join(alerts, "alerts.json")); err != nil {
		t.Fatal(err)
	}
	config = filepath.Join(dir, "config.yaml")
	writeAll(t, config, fmt.Sprintf(`
input: {path: %s/alerts.json, dated_dir: %s}
lake: {destination: "file://%s", region: us-east-1, account_id: "123456789012"}
sources: [{name: wazuh, class: detection_finding}]
spool: {dir: %s/state, min_free: 1MiB}
node: m
`, alerts, alerts, lakeDir, dir))
	return config, lakeDir, alerts
}

func writeAll(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

func TestBackfillOnceAndAgain(t *testing.T) {
	config, lakeDir, alerts := historySite(t)
	got := command(t, "", "backfill", "-c", config, "--from", "2026-03-01", "--to", "2026-03-31", "--plan")
	if got.code != 0 || !strings.Contains(got.out, "read: 2026/Mar/ossec-alerts-14.json from 0 to its end") {
		t.Fatalf("plan: got %+v", got)
	}
	got = command(t, "", "backfill", "-c", config, "--from", "2026-03-01", "--to", "2026-03-31")
	if got.code != 0 || !strings.Contains(got.out, "all jobs: read 40 = shipped 40 + filtered 0 + rejected 0 + quarantined 0 + pending 0") ||
		!strings.Contains(got.out, "left: 2026/Mar/ossec-alerts-16.json") {
		t.Fatalf("got %+v", got)
	}
	for _, args := range [][]string{{"--to", "2026-03-15"}, {"--dir", alerts}, {filepath.Join(alerts, "2026/Mar/ossec-alerts-14.json")}, {"--gaps"}} {
		got = command(t, "", append([]string{"backfill", "-c", config}, args...)...)
		if got.code != 0 || !strings.Contains(got.out, "read 0 = rows 0") {
			t.Errorf("%v: got %+v", args, got)
		}
	}
	events, days := rows(t, lakeDir)
	if len(events) != 40 || days["20260314"] != 20 || days["20260315"] != 20 {
		t.Errorf("got %d rows on %v", len(events), days)
	}
}

// A batch in quarantine is a fault until its lines are read again, and not for ever.
func TestBackfillAfterQuarantine(t *testing.T) {
	config, lakeDir, alerts := historySite(t)
	writeAll(t, lakeDir, "") // no directory: nothing is delivered
	day := []string{"backfill", "-c", config, "--from", "2026-03-14", "--to", "2026-03-14"}
	if got := command(t, "", day...); got.code != exitNoPerm || !strings.Contains(got.err, "make the directory writable") {
		t.Fatalf("no directory: got %+v", got)
	}
	objects, err := filepath.Glob(filepath.Join(filepath.Dir(alerts), "state/backfill/*/*/outbox/*/0.parquet"))
	if err != nil || len(objects) != 1 {
		t.Fatal(objects, err)
	}
	if err := errors.Join(os.Chmod(objects[0], 0o600), os.Truncate(objects[0], 100), os.Remove(lakeDir)); err != nil {
		t.Fatal(err)
	}
	if got := command(t, "", day...); got.code != exitData || !strings.Contains(got.err, "quarantine") {
		t.Errorf("damaged: got %+v", got)
	}
	for _, args := range [][]string{{"backfill", "-c", config, "--gaps"}, {"backfill", "-c", config, "--from", "2026-03-15", "--to", "2026-03-15"}, day} {
		if got := command(t, "", args...); got.code != 0 {
			t.Errorf("%v: got %+v", args, got)
		}
	}
	if _, days := rows(t, lakeDir); days["20260314"] != 20 || days["20260315"] != 20 {
		t.Errorf("got %v", days)
	}
}

func TestBackfillRefuses(t *testing.T) {
	config, _, alerts := historySite(t)
	tests := map[string]struct {
		args []string
		code int
		want string
	}{
		"nothing asked for":     {nil, exitUsage, "nothing is asked for"},
		"days and gaps":         {[]string{"--from", "2026-03-01", "--gaps"}, exitUsage, "give either"},
		"no day":                {[]string{"--from", "yesterday"}, exitUsage, "want YYYY-MM-DD"},
		"days the wrong way":    {[]string{"--from", "2026-03-02", "--to", "2026-03-01"}, exitUsage, "is before"},
		"no workers":            {[]string{"--from", "2026-03-02", "--workers", "0"}, exitUsage, "--workers"},
		"rate":                  {[]string{"--from", "2026-03-02", "--max-rate", "much"}, exitUsage, "--max-rate"},
		"too low a rate":        {[]string{"--from", "2026-03-02", "--max-rate", "100"}, exitUsage, "16KiB"},
		"the daemon's day":      {[]string{"--from", "2026-03-16"}, exitUsage, "the daemon reads it"},
		"days without alerts":   {[]string{"--to", "2026-03-01"}, exitNoInput, "no alert files"},
		"a file that is not":    {[]string{filepath.Join(alerts, "missing.json")}, exitNoInput, "missing.json"},
		"no such directory":     {[]string{"--dir", filepath.Join(alerts, "missing")}, exitNoInput, "missing"},
		"a directory of no use": {[]string{"--dir", t.TempDir()}, exitNoInput, "no alert files"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := command(t, "", append([]string{"backfill", "-c", config}, test.args...)...)
			if got.code != test.code || !strings.Contains(got.err, test.want) {
				t.Errorf("got exit %d, %s%s, want %d with %q", got.code, got.out, got.err, test.code, test.want)
			}
		})
	}
}

func TestProgressLine(t *testing.T) {
	got := progressLine(1<<30, 3<<30, 500_000, 100e9)
	for _, want := range []string{" 33 %", "1024.0 MiB of 3072.0 MiB", "10.2 MiB/s", "5000 alerts/s", "3m20s left"} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
}
