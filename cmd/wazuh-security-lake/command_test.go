package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wazuh-security-lake/lake"
	"wazuh-security-lake/spool"
)

// result is what one command line did.
type result struct {
	code     int
	out, err string
}

// command runs one command line in this process.
func command(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	code := execute(context.Background(), args, stdio{in: strings.NewReader(stdin), out: &out, err: &errs})
	return result{code, out.String(), errs.String()}
}

// rows reads every object below dir as decoded JSON, and returns the event days it found them under.
func rows(t *testing.T, dir string) (events []map[string]any, days map[string]int) {
	t.Helper()
	days = make(map[string]int)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".parquet" {
			return err
		}
		_, p, _, err := lake.ParseKey(filepath.ToSlash(path))
		if err != nil {
			return err
		}
		return withParquet(path, func(f *os.File, size int64) error {
			return lake.Rows(f, size, func(row []byte) error {
				var ev map[string]any
				events = append(events, nil)
				days[p.Day.String()]++
				defer func() { events[len(events)-1] = ev }()
				return json.Unmarshal(row, &ev)
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return events, days
}

// at walks decoded JSON by a dotted path.
func at(v any, path string) any {
	for key := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

// The three alerts that the guide of the existing integration shows: one Wazuh id for all of them, an address that is
// none, and what Logstash adds.
func TestDocumentedSamples(t *testing.T) {
	for _, class := range []string{"security_finding", "detection_finding"} {
		t.Run(class, func(t *testing.T) {
			dir := t.TempDir()
			if r := command(t, "", "convert", "-o", dir, "--class", class, "testdata/documented.ndjson"); r.code != 0 {
				t.Fatalf("exit %d: %s", r.code, r.err)
			}
			events, days := rows(t, dir)
			if len(events) != 3 || days["20240422"] != 3 {
				t.Fatalf("%d events on days %v, want 3 on 20240422", len(events), days)
			}
			uids := make(map[any]bool)
			finding := "finding_info"
			if class == "security_finding" {
				finding = "finding"
			}
			for i, ev := range events {
				uids[at(ev, "metadata.uid")] = true
				if got := at(ev, finding+".uid"); got != "1580123327.49031" {
					t.Errorf("event %d: finding uid %v", i, got)
				}
				if at(ev, "unmapped.@version") != "1" {
					t.Errorf("event %d: @version is not in unmapped", i)
				}
			}
			if len(uids) != 3 {
				t.Errorf("%d different metadata.uid, want 3", len(uids))
			}
			if got := events[0]["time"]; got != float64(1713795646976) {
				t.Errorf("time %v, want milliseconds 1713795646976", got)
			}
			if got := at(events[1], "unmapped.agent.ip"); got != nil {
				t.Errorf("agent.ip as a nested object: %v", got)
			}
			if m, _ := events[1]["unmapped"].(map[string]any); m["agent.ip"] != "24.273.97.14" {
				t.Errorf("unmapped agent.ip is %v, want the text that is no address", m["agent.ip"])
			}
		})
	}
}

// Each kind of bad input ends in rejects with its reason and its original bytes, and the counts add up.
// Converting into a directory that holds another conversion adds to what is there, also to the rejects.
func TestConvertRejectsOfTwoRuns(t *testing.T) {
	dir := t.TempDir()
	for _, in := range []string{"first\n", "second\n", "first\n"} {
		if r := command(t, in, "convert", "-o", dir, "-"); r.code != 0 {
			t.Fatalf("exit %d: %s", r.code, r.err)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "rejects", "*"))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(data) {
			var r spool.Reject
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatal(err)
			}
			got[string(r.Line)]++
		}
	}
	if len(got) != 2 || got["first"] != 1 || got["second"] != 1 {
		t.Errorf("rejects %v, want each line once", got)
	}
}

func TestConvertRejects(t *testing.T) {
	good := `{"timestamp":"2024-04-22T14:20:46.976+0000","rule":{"level":3,"id":"1","description":"d"},"agent":{"id":"001","name":"a"},"id":"1.1","location":"x"}`
	stamped := func(ts string) string { return strings.Replace(good, "2024-04-22T14:20:46.976+0000", ts, 1) }
	bad := []struct{ name, line, reason string }{
		{"no JSON", "not json at all", "not_json"},
		{"array", `[{"timestamp":1}]`, "not_json"},
		{"no timestamp", `{"rule":{"level":3,"id":"1"}}`, "bad_timestamp"},
		{"1970", stamped("1970-01-01T00:00:00.000+0000"), "bad_timestamp"},
		{"2999", stamped("2999-01-01T00:00:00.000+0000"), "bad_timestamp"},
		{"20 MiB", `{"timestamp":"2024-04-22T14:20:46.976+0000","full_log":"` + strings.Repeat("x", 20<<20) + `"}`, "oversize"},
	}
	var in strings.Builder
	for _, b := range bad {
		in.WriteString(b.line + "\n" + good + "\n")
	}
	dir := t.TempDir()
	r := command(t, in.String(), "convert", "-o", dir, "--json", "-")
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	var s summary
	if err := json.Unmarshal([]byte(r.out), &s); err != nil {
		t.Fatal(err)
	}
	if s.Read != 12 || s.Rows != 6 || s.Rejected != 6 || s.Read != s.Rows+s.Filtered+s.Rejected {
		t.Errorf("read %d, rows %d, rejected %d", s.Read, s.Rows, s.Rejected)
	}
	files, err := filepath.Glob(filepath.Join(dir, "rejects", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("rejects: %v %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for line := range bytes.Lines(data) {
		var got spool.Reject
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatal(err)
		}
		want := bad[i]
		if got.Reason != want.reason {
			t.Errorf("%s: reason %q, want %q", want.name, got.Reason, want.reason)
		}
		if len(want.line) <= keptReject && string(got.Line) != want.line {
			t.Errorf("%s: kept %q", want.name, got.Line)
		}
		if len(want.line) > keptReject && (len(got.SHA256) != 64 || got.To-got.From != int64(len(want.line))+1) {
			t.Errorf("%s: range %d to %d, hash %q", want.name, got.From, got.To, got.SHA256)
		}
		i++
	}
	if i != len(bad) {
		t.Errorf("%d rejects, want %d", i, len(bad))
	}
}

func TestConvertTwiceIsTheSame(t *testing.T) {
	dir := t.TempDir()
	var names []string
	for range 2 {
		if r := command(t, "", "convert", "-o", dir, "testdata/documented.ndjson", "demo/alerts.ndjson"); r.code != 0 {
			t.Fatalf("exit %d: %s", r.code, r.err)
		}
		var found []string
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				found = append(found, path)
			}
			return err
		})
		if names == nil {
			names = found
		}
		if fmt.Sprint(found) != fmt.Sprint(names) {
			t.Errorf("the second run left %v, the first %v", found, names)
		}
	}
	r := command(t, "", append([]string{"validate"}, names...)...)
	if r.code != 0 || !strings.Contains(r.out, "15 events, 0 faults") {
		t.Errorf("validate: exit %d, %s%s", r.code, r.out, r.err)
	}
	r = command(t, "", "inspect", "--columns", names[0])
	if r.code != 0 || !strings.Contains(r.out, "metadata.uid") || !strings.Contains(r.out, "time ascending") {
		t.Errorf("inspect: exit %d, %s%s", r.code, r.out, r.err)
	}
}

func TestSpecialClassLeavesTheOthersOut(t *testing.T) {
	dir := t.TempDir()
	r := command(t, "", "convert", "-o", dir, "--class", "vulnerability_finding", "--json", "demo/alerts.ndjson")
	var s summary
	if err := json.Unmarshal([]byte(r.out), &s); err != nil {
		t.Fatal(err, r.err)
	}
	if s.Read != 12 || s.Rows != 1 || s.Filtered != 11 || s.Rejected != 0 {
		t.Errorf("%+v", s)
	}
}

func TestValidateFindsFaults(t *testing.T) {
	event := command(t, "", "explain", "--json", "demo/alerts.ndjson:1").out
	broken := strings.Replace(event, `"severity_id":2`, `"severity_id":77`, 1)
	r := command(t, event+broken, "validate", "-")
	if r.code != exitData || !strings.Contains(r.out, "row 1: severity_id: enum_value") || !strings.Contains(r.out, "2 events") {
		t.Errorf("exit %d: %s%s", r.code, r.out, r.err)
	}
	if strings.Contains(r.out, "row 0:") {
		t.Errorf("the sound event has faults: %s", r.out)
	}
}

func TestExplain(t *testing.T) {
	r := command(t, "", "explain", "demo/alerts.ndjson:3")
	for _, want := range []string{"family fim", "syscheck.path", "evidences[0].file.path", "valid Detection Finding, OCSF 1.1.0"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("explain does not show %q", want)
		}
	}
	if r.code != 0 {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	if r := command(t, "no alert\n", "explain"); r.code != exitData || !strings.Contains(r.err, "not_json") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	if r := command(t, "", "explain", "--coverage", "demo/alerts.ndjson"); r.code != 0 || !strings.Contains(r.out, "vulnerability") {
		t.Errorf("coverage: exit %d: %s%s", r.code, r.out, r.err)
	}
}

// The line names the file and the line that was asked for.
func TestExplainNamesTheLine(t *testing.T) {
	for _, arg := range []string{"demo/alerts.ndjson:99", "demo/alerts.ndjson:0"} {
		file, line, _ := strings.Cut(arg, ":")
		if r := command(t, "", "explain", arg); r.code != exitNoInput || !strings.Contains(r.err, file+" has no alert in line "+line) {
			t.Errorf("%s: exit %d: %s", arg, r.code, r.err)
		}
	}
}

// A line of an archive is explained like one of a plain file; an archive that is cut off is bad data.
func TestArchives(t *testing.T) {
	plain, err := os.ReadFile("demo/alerts.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	whole, cut := filepath.Join(t.TempDir(), "a.json.gz"), filepath.Join(t.TempDir(), "cut.json.gz")
	for name, data := range map[string][]byte{whole: packed.Bytes(), cut: packed.Bytes()[:packed.Len()/2]} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, want := command(t, "", "explain", "--json", whole+":3"), command(t, "", "explain", "--json", "demo/alerts.ndjson:3")
	if got.code != 0 || got.out != want.out {
		t.Errorf("explain of an archive: exit %d: %s%s", got.code, got.out, got.err)
	}
	if r := command(t, "", "convert", "-o", t.TempDir(), cut); r.code != exitData || !strings.Contains(r.err, "gzip -t") {
		t.Errorf("convert of a cut archive: exit %d: %s", r.code, r.err)
	}
	if r := command(t, "{\n  \"id\": 1\n}\n", "explain"); r.code != exitData || !strings.Contains(r.err, "jq -c") {
		t.Errorf("explain of an alert in several lines: exit %d: %s", r.code, r.err)
	}
}

func TestEstimateOfNothing(t *testing.T) {
	if r := command(t, "no alert\n", "convert", "--estimate", "-"); r.code != 0 || strings.Contains(r.out, "0001-01-01") {
		t.Errorf("exit %d: %s%s", r.code, r.out, r.err)
	}
}

func TestCheckConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := `
lake: {destination: "s3://a-bucket", region: us-east-1, account_id: "123456789012", role_arn: "arn:aws:iam::123456789012:role/R", external_id: hush-hush}
sources: [{name: wazuh, class: detection_finding}]
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := command(t, "", "check-config", "-c", file)
	if r.code != 0 || !strings.Contains(r.out, "region: us-east-1") || strings.Contains(r.out+r.err, "hush-hush") {
		t.Errorf("exit %d:\n%s%s", r.code, r.out, r.err)
	}
	r = command(t, "", "check-config", "-c", file, "--set", "lake.region=Mars", "--set", "sources.0.class=poem")
	if r.code != exitConfig || !strings.Contains(r.err, "lake.region") || !strings.Contains(r.err, "sources[0].class") {
		t.Errorf("exit %d, want both faults at once:\n%s", r.code, r.err)
	}
	// What cannot be read at all does not hide what breaks a rule; what was misspelled is not missing as well.
	r = command(t, "", "check-config", "-c", file, "--set", "lake.region=Mars", "--set", "lake.regoin=x", "--set", "batch.interval=5")
	for _, want := range []string{"lake.regoin", "lake.region", "batch.interval"} {
		if r.code != exitConfig || strings.Count(r.err, "flag "+want+":") != 1 {
			t.Errorf("exit %d, want %s once:\n%s", r.code, want, r.err)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		code int
	}{
		"no command":              {nil, exitUsage},
		"unknown flag":            {[]string{"run", "--nope"}, exitUsage},
		"missing file":            {[]string{"inspect", "nowhere.parquet"}, exitNoInput},
		"no Parquet":              {[]string{"inspect", "testdata/documented.ndjson"}, exitData},
		"missing config":          {[]string{"run", "-c", "nowhere.yaml"}, exitNoInput},
		"unknown class":           {[]string{"schema", "--class", "poem"}, exitUsage},
		"no state":                {[]string{"status", "--set", "spool.dir=/nonexistent/state"}, exitNoInput},
		"foreign demodir":         {[]string{"demo", "--dir", "testdata"}, exitCantCreate},
		"directory to convert":    {[]string{"convert", "-o", "lake", "testdata"}, exitNoInput},
		"directory to inspect":    {[]string{"inspect", "testdata"}, exitNoInput},
		"directory to validate":   {[]string{"validate", "testdata"}, exitNoInput},
		"directory to explain":    {[]string{"explain", "testdata"}, exitNoInput},
		"class to explain":        {[]string{"explain", "--class", "poem", "demo/alerts.ndjson:1"}, exitUsage},
		"version to explain":      {[]string{"explain", "--ocsf-version", "9", "demo/alerts.ndjson:1"}, exitUsage},
		"raw data to explain":     {[]string{"explain", "--raw-data", "all", "demo/alerts.ndjson:1"}, exitUsage},
		"no such line":            {[]string{"explain", "demo/alerts.ndjson:99"}, exitNoInput},
		"line 0":                  {[]string{"explain", "demo/alerts.ndjson:0"}, exitNoInput},
		"rate without unit":       {[]string{"backfill", "--gaps", "--max-rate", "2M"}, exitUsage},
		"unknown document":        {[]string{"setup", "--print", "poem"}, exitUsage},
		"unknown class to set up": {[]string{"setup", "--class", "poem"}, exitUsage},
		"unknown command":         {[]string{"bogus"}, exitUsage},
		"no day":                  {[]string{"audit"}, exitUsage},
		"no files":                {[]string{"convert", "-o", "lake"}, exitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			if r := command(t, "", tt.args...); r.code != tt.code || r.err == "" {
				t.Errorf("exit %d, want %d: %s", r.code, tt.code, r.err)
			}
		})
	}
}

// A usage error says what to write instead.
func TestUsageErrorsNameTheRemedy(t *testing.T) {
	for want, args := range map[string][]string{
		"did you mean status?":                       {"statsu"},
		"did you mean list?":                         {"spool", "lst"},
		`run takes no arguments, got "extra"`:        {"run", "extra"},
		"wazuh-security-lake convert -o DIR FILE...": {"convert", "-o", "lake"},
		"2M":               {"backfill", "--gaps", "--max-rate", "2M"},
		"--day YYYY-MM-DD": {"audit"},
	} {
		if r := command(t, "", args...); r.code != exitUsage || !strings.Contains(r.err, want) || !strings.Contains(r.err, "--help") {
			t.Errorf("%v: exit %d, no %q in: %s", args, r.code, want, r.err)
		}
	}
}

func TestSmallCommands(t *testing.T) {
	for want, args := range map[string][]string{
		"wazuh-security-lake ":              {"version"},
		"optional group finding_info":       {"schema", "--class", "detection_finding"},
		"PARTITIONED BY":                    {"schema", "--format", "athena"},
		"bash completion":                   {"completion", "bash"},
		"seal and ship what is there now":   {"run", "--help"},
		"List and show the lines that coul": {"rejects", "--help"},
	} {
		if r := command(t, "", args...); r.code != 0 || !strings.Contains(r.out, want) {
			t.Errorf("%v: exit %d, no %q in:\n%s%s", args, r.code, want, r.out, r.err)
		}
	}
}

// A table of the help stays one in its manual page, and a command stays on its line.
func TestManualKeepsTables(t *testing.T) {
	dir := t.TempDir()
	if r := command(t, "", "man", dir); r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	for page, line := range map[string]string{
		"wazuh-security-lake.8":          "Run it:   wazuh-security-lake run",
		"wazuh-security-lake-run.8":      "          SIGUSR1          seal and ship",
		"wazuh-security-lake-backfill.8": "  --gaps                              what the ledger records",
		"wazuh-security-lake-setup.8":    "  wazuh-security-lake setup --set",
	} {
		data, err := os.ReadFile(filepath.Join(dir, page))
		if err != nil {
			t.Fatal(err)
		}
		literal := false
		found := false
		for text := range strings.Lines(strings.ReplaceAll(string(data), `\-`, "-")) {
			switch {
			case strings.HasPrefix(text, ".nf"), strings.HasPrefix(text, ".EX"):
				literal = true
			case strings.HasPrefix(text, ".fi"), strings.HasPrefix(text, ".EE"):
				literal = false
			}
			found = found || literal && strings.HasPrefix(text, line)
		}
		if !found {
			t.Errorf("%s has no literal line %q:\n%s", page, line, data)
		}
	}
}

// The demo is the README's first command: twice, the second time over the first one's directory.
func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	for range 2 {
		began := time.Now()
		r := command(t, "", "demo", "--dir", dir)
		if r.code != 0 || !strings.Contains(r.out, "read 72 = shipped 72 + filtered 0 + rejected 0") {
			t.Fatalf("exit %d after %v:\n%s%s", r.code, time.Since(began), r.out, r.err)
		}
	}
	state := filepath.Join(dir, "state")
	r := command(t, "", "status", "--set", "spool.dir="+state, "--set", "input.path="+filepath.Join(dir, "manager/alerts/alerts.json"),
		"--set", "input.dated_dir="+filepath.Join(dir, "manager/alerts"))
	if r.code != 0 || !strings.Contains(r.out, "read 72 = shipped 72") || !strings.Contains(r.out, "0 unread") {
		t.Errorf("status: exit %d:\n%s%s", r.code, r.out, r.err)
	}
	if r := command(t, "", "position", "show", "--set", "spool.dir="+state); r.code != 0 || !strings.Contains(r.out, `"offset"`) {
		t.Errorf("position show: exit %d:\n%s%s", r.code, r.out, r.err)
	}
	if r := command(t, "", "spool", "list", "--set", "spool.dir="+state); r.code != 0 || !strings.Contains(r.out, "shipped") {
		t.Errorf("spool list: exit %d:\n%s%s", r.code, r.out, r.err)
	}
	if r := command(t, "", "spool", "verify", "--set", "spool.dir="+state); r.code != 0 || !strings.Contains(r.out, "0 faults") {
		t.Errorf("spool verify: exit %d:\n%s%s", r.code, r.out, r.err)
	}
}
