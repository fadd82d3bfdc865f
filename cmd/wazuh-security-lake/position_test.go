package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"wazuh-security-lake/config"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

// What lies between two positions is told in the order of the days, not of the letters of their names.
func TestExplainMove(t *testing.T) {
	for name, tt := range map[string]struct{ from, to, want string }{
		"into the next month":  {"2026/Jan/ossec-alerts-31.json", "2026/Apr/ossec-alerts-01.json", "SKIPPED"},
		"back a month":         {"2026/Aug/ossec-alerts-01.json", "2026/Jul/ossec-alerts-31.json", "REPEATED"},
		"to a later part":      {"2026/Jan/ossec-alerts-31.json", "2026/Jan/ossec-alerts-31-001.json", "SKIPPED"},
		"to the next day":      {"2026/Jan/ossec-alerts-09.json", "2026/Jan/ossec-alerts-10.json", "SKIPPED"},
		"nowhere":              {"2026/Jan/ossec-alerts-09.json", "2026/Jan/ossec-alerts-09.json", "The same place"},
		"from nothing":         {"", "2026/Jan/ossec-alerts-09.json", "SKIPPED"},
		"segments of an inbox": {"000000000009.ndjson", "000000000010.ndjson", "SKIPPED"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			s, err := spool.Open(dir, spool.Options{MaxSize: config.GiB.Bytes()})
			if err != nil {
				t.Fatal(err)
			}
			b, err := s.Begin()
			if err != nil {
				t.Fatal(err)
			}
			at, err := json.Marshal(tailer.Position{File: tt.from, Offset: 10, Floor: "-"})
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Commit(spool.Manifest{Position: at}); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			c := config.Default()
			c.Spool.Dir = dir
			var out strings.Builder
			if err := explainMove(&out, c, tailer.Position{File: tt.to, Offset: 10}); err != nil || !strings.Contains(out.String(), tt.want) {
				t.Errorf("%v: %s, want %s", err, out.String(), tt.want)
			}
		})
	}
}
