package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wazuh-security-lake/spool"
	"wazuh-security-lake/uploader"
)

// testSite writes a configuration for a directory as lake and returns its file and the lake.
func testSite(t *testing.T, more string) (file, lakeDir string) {
	t.Helper()
	dir := t.TempDir()
	file, lakeDir = filepath.Join(dir, "config.yaml"), filepath.Join(dir, "lake")
	text := fmt.Sprintf("lake: {destination: 'file://%s', region: eu-central-1, account_id: external}\nspool: {dir: %s/state, min_free: 1MiB}\ninput: {path: %s/none, dated_dir: %s}\nnode: node-1\n%s",
		lakeDir, dir, dir, dir, more)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, lakeDir
}

func TestSendTest(t *testing.T) {
	for _, class := range []string{"detection_finding", "security_finding"} {
		t.Run(class, func(t *testing.T) {
			file, lakeDir := testSite(t, "sources: [{name: Wazuh.test, class: "+class+"}]")
			r := command(t, "", "send-test", "-c", file, "--yes")
			if r.code != 0 {
				t.Fatalf("exit %d: %s", r.code, r.err)
			}
			events, days := rows(t, lakeDir)
			today := time.Now().UTC().Format("20060102")
			if len(events) != 3 || days[today] != 3 {
				t.Fatalf("got %d rows on %v, want 3 of today", len(events), days)
			}
			for _, ev := range events {
				uid, _ := ev["metadata"].(map[string]any)["uid"].(string)
				if !strings.Contains(r.out, uid) {
					t.Errorf("the query does not name %s:\n%s", uid, r.out)
				}
				if text, _ := json.Marshal(ev); !strings.Contains(string(text), "wazuh_security_lake_test") || !strings.Contains(string(text), "no real alert") {
					t.Errorf("not marked as a test: %s", text)
				}
			}
			for _, want := range []string{"eventDay  " + today, "/ext/Wazuh.test/region=eu-central-1/accountId=external/eventDay=" + today + "/node-1-sendtest-",
				`"amazon_security_lake_glue_db_eu_central_1"."amazon_security_lake_table_eu_central_1_ext_wazuh_test"`, "eventday = '" + today + "'"} {
				if !strings.Contains(r.out, want) {
					t.Errorf("output lacks %q:\n%s", want, r.out)
				}
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), "state")); err == nil {
				t.Error("the daemon's state was touched")
			}
		})
	}
}

func TestSendTestAsksFirst(t *testing.T) {
	for name, c := range map[string]struct {
		stdin string
		code  int
		rows  int
	}{"yes": {"y\n", 0, 3}, "no": {"n\n", 64, 0}, "enter": {"\n", 64, 0}, "nobody there": {"", 64, 0}} {
		t.Run(name, func(t *testing.T) {
			file, lakeDir := testSite(t, "")
			if err := os.Mkdir(lakeDir, 0o755); err != nil {
				t.Fatal(err)
			}
			r := command(t, c.stdin, "send-test", "-c", file)
			events, _ := rows(t, lakeDir)
			if r.code != c.code || len(events) != c.rows {
				t.Errorf("got exit %d and %d rows, want %d and %d: %s", r.code, len(events), c.code, c.rows, r.err)
			}
			if !strings.Contains(r.err, "3 sample alerts go to file://"+lakeDir+"/ext/wazuh/") {
				t.Errorf("it does not say where: %s", r.err)
			}
		})
	}
}

func TestSendTestRefuses(t *testing.T) {
	two := "sources:\n  - {name: vulns, class: vulnerability_finding, match: {group: vulnerability-detector}}\n  - {name: all, class: detection_finding}\n"
	file, lakeDir := testSite(t, two)
	for name, c := range map[string]struct {
		args []string
		code int
		text string
	}{
		"an unknown source":                    {[]string{"--source", "al"}, 64, "the sources are vulns, all"},
		"a class that takes other alerts only": {[]string{"--source", "vulns"}, 78, "do not fit the class"},
		"a source nobody has named":            {[]string{"--config", unnamed(t)}, 78, "names no source"},
	} {
		t.Run(name, func(t *testing.T) {
			r := command(t, "", append([]string{"send-test", "-c", file, "--yes"}, c.args...)...)
			if r.code != c.code || !strings.Contains(r.err, c.text) {
				t.Errorf("got exit %d: %s", r.code, r.err)
			}
		})
	}
	if _, err := os.Stat(lakeDir); err == nil {
		t.Error("something was sent")
	}
	if r := command(t, "", "send-test", "-c", file, "--yes", "--source", "all", "--json"); r.code != 0 || !strings.Contains(r.out, `"source": "all"`) {
		t.Errorf("exit %d: %s%s", r.code, r.out, r.err)
	}
}

// unnamed is a configuration for a bucket that leaves the source to the default.
func unnamed(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte("lake: {destination: s3://lake, region: us-east-1, account_id: external}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A source that has shipped one class must not get a row of another one.
func TestSendTestKeepsTheClassOfASource(t *testing.T) {
	file, lakeDir := testSite(t, "sources: [{name: wazuh, class: detection_finding}]")
	s, err := spool.Open(filepath.Join(filepath.Dir(file), "state"), spool.Options{MaxSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PinSources([]spool.SourcePin{{Name: "wazuh", Class: "security_finding", OCSFVersion: "1.1.0", SchemaHash: "x"}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r := command(t, "", "send-test", "-c", file, "--yes")
	if r.code != exitConfig || !strings.Contains(r.err, "has shipped security_finding") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	if _, err := os.Stat(lakeDir); err == nil {
		t.Error("something was sent")
	}
}

func TestSendTestWithoutAWay(t *testing.T) {
	file, lakeDir := testSite(t, "")
	if err := os.WriteFile(lakeDir, nil, 0o600); err != nil { // a file stands where the directory should be
		t.Fatal(err)
	}
	r := command(t, "", "send-test", "-c", file, "--yes", "--timeout", "2s")
	if r.code != exitConfig && r.code != exitUnavailable || !strings.Contains(r.err, "not delivered") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

// The samples are the documented ones: without their marks, time and id nothing differs.
func TestSendTestSamplesAreTheDocumentedOnes(t *testing.T) {
	documented, err := os.ReadFile("testdata/documented.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	strip := func(text []byte) (out []any) {
		for line := range bytes.Lines(text) {
			var a map[string]any
			if err := json.Unmarshal(line, &a); err != nil {
				t.Fatal(err)
			}
			for _, key := range []string{"timestamp", "@timestamp", "@version", "id", "location"} {
				delete(a, key)
			}
			rule := a["rule"].(map[string]any)
			rule["description"] = strings.TrimPrefix(rule["description"].(string), "TEST of wazuh-security-lake, no real alert: ")
			var groups []any
			for _, g := range rule["groups"].([]any) {
				if g != "wazuh_security_lake_test" {
					groups = append(groups, g)
				}
			}
			rule["groups"] = groups
			out = append(out, a)
		}
		return out
	}
	if diff := cmp.Diff(strip(documented), strip(sampleAlerts)); diff != "" {
		t.Errorf("documented to embedded: %s", diff)
	}
	one, err := testLines(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	two, err := testLines(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(one, two) || bytes.Contains(one, []byte(`"timestamp":"0"`)) || bytes.Contains(one, []byte(`"id":"0"`)) {
		t.Errorf("not stamped: %s", one)
	}
}

// A directory that may not be written is a missing permission, as a 403 is.
func TestNotSentForWantOfARight(t *testing.T) {
	denied := &uploader.Error{Class: uploader.Configuration, Remedy: "make it writable", Err: &fs.PathError{Op: "openat", Path: "ext", Err: fs.ErrPermission}}
	if err := notSent(fmt.Errorf("1 objects not delivered: %w", denied)); exitCode(err) != exitNoPerm || hintFor(err) != "make it writable" {
		t.Errorf("exit %d, %q", exitCode(err), hintFor(err))
	}
}
