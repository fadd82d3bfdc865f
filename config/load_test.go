package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// writeFile puts text into a file that only the owner may write and returns its path.
func writeFile(t testing.TB, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// messages are the lines of an error, with the directory of the test taken out.
func messages(err error, file string) []string {
	if err == nil {
		return nil
	}
	text := err.Error()
	if file != "" {
		text = strings.ReplaceAll(text, file, "config.yaml")
	}
	return strings.Split(text, "\n")
}

const minimal = `lake:
  destination: s3://aws-security-data-lake-us-east-1-example
  region: us-east-1
  account_id: "123456789012"
`

func TestDefaultWithMinimumIsValid(t *testing.T) {
	l, err := Load(writeFile(t, minimal), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Validate(); err != nil {
		t.Errorf("got %v, want no fault", err)
	}
	if got := Warnings(l.Config); len(got) != 0 {
		t.Errorf("got warnings %q, want none", got)
	}
	want := Default()
	want.Lake.Destination, want.Lake.Region, want.Lake.AccountID = "s3://aws-security-data-lake-us-east-1-example", "us-east-1", "123456789012"
	if diff := cmp.Diff(l.Config, want); diff != "" {
		t.Errorf("got- want+:\n%s", diff)
	}
}

func TestLoadReadsEveryForm(t *testing.T) {
	l, err := Load(writeFile(t, "\ufeff"+`# everything in the forms an operator may use
input: {mode: integration, inbox_max_size: 64MiB}
filter:
  level: 3
  rule_id: 5710, 5712
  group: [sshd, 'web']
  exclude:
    rule_id: [100001]
    agent: ["000", web-1]
lake:
  region: eu-west-1
  account_id: 012345678901   # unquoted, with a leading zero
  path_style: true
  role_arn:
sources:
  - name: wazuh-vuln
    class: vulnerability_finding
    match: {group: vulnerability-detector}
  - name: wazuh
    ocsf_version: 1.3.0
ocsf: {severity: [3, 7, 12, 15]}
batch:
  interval: 90s
  max_object_size: 1048576
  max_wait: 1h30m
upload:
copy:
  ocsf_json: >-
    s3://second
node: "n1"
`), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Input.Mode, want.Input.InboxMaxSize = ModeIntegration, 64*MiB
	want.Filter.Level, want.Filter.RuleID, want.Filter.Group = 3, StringList{"5710", "5712"}, StringList{"sshd", "web"}
	want.Filter.Exclude = Match{RuleID: StringList{"100001"}, Agent: StringList{"000", "web-1"}}
	want.Lake.Region, want.Lake.AccountID, want.Lake.PathStyle = "eu-west-1", "012345678901", true
	want.Sources = []Source{
		{Name: "wazuh-vuln", Class: VulnerabilityFinding, OCSFVersion: "1.1.0", Match: Match{Group: StringList{"vulnerability-detector"}}},
		{Name: "wazuh", Class: SecurityFinding, OCSFVersion: "1.3.0"},
	}
	want.OCSF.Severity = IntList{3, 7, 12, 15}
	want.Batch.Interval, want.Batch.MaxObjectSize, want.Batch.MaxWait = 90*Second, 1*MiB, 90*Minute
	want.Copy.OCSFJSON, want.Node = "s3://second", "n1"
	if diff := cmp.Diff(l.Config, want); diff != "" {
		t.Errorf("got- want+:\n%s", diff)
	}
	for path, want := range map[string]string{
		"input.mode":             ":2:15",
		"filter.exclude.agent":   ":9:12",
		"lake.account_id":        ":12:15",
		"sources[1].name":        ":19:11",
		"ocsf.severity":          ":21:18",
		"lake.role_arn":          "default",
		"sources[0].external_id": "default",
	} {
		if got := l.Origins[path].String(); !strings.HasSuffix(got, want) {
			t.Errorf("origin of %s: got %q, want ...%q", path, got, want)
		}
	}
}

func TestLoadFaults(t *testing.T) {
	tests := map[string]struct {
		file string
		want []string
	}{
		"unknown keys at every depth, all at once": {
			"lake:\n  regoin: us-east-1\nsource: []\nsources:\n  - nmae: x\n    match: {levle: 3}\nzzz: 1\n",
			[]string{
				"config.yaml:2:3: lake.regoin: unknown key; did you mean region?",
				"config.yaml:3:1: source: unknown key; did you mean sources?",
				"config.yaml:5:5: sources[0].nmae: unknown key; did you mean name?",
				"config.yaml:6:13: sources[0].match.levle: unknown key; did you mean level?",
				"config.yaml:7:1: zzz: unknown key",
			},
		},
		"wrong types": {
			"filter: {level: high}\nlake:\n  path_style: yes\n  region: [us-east-1]\n  account_id: true\nsources: wazuh\nbatch: {interval: 5, max_object_size: 256MB}\nupload: {concurrency: '4'}\nocsf: {severity: [4, x]}\nlog: info\ncopy: [1]\n",
			[]string{
				`config.yaml:1:17: filter.level: must be a whole number, got "high"`,
				`config.yaml:3:15: lake.path_style: must be true or false, got "yes"`,
				`config.yaml:4:11: lake.region: must be a string`,
				`config.yaml:5:15: lake.account_id: must be a string, got "true"`,
				`config.yaml:6:10: sources: must be a list; begin each element with a dash`,
				`config.yaml:7:19: batch.interval: must be a duration with its unit, such as 30s, 5m or 1h, got "5"`,
				`config.yaml:7:39: batch.max_object_size: must be a size in bytes or with KiB, MiB or GiB, such as 64MiB, got "256MB"`,
				`config.yaml:8:23: upload.concurrency: must be a whole number, got "4"`,
				`config.yaml:9:18: ocsf.severity: must be a list of whole numbers, got "[4 x]"`,
				`config.yaml:10:6: log: must be a section of keys`,
				`config.yaml:11:7: copy: must be a section of keys`,
			},
		},
		"sizes that overflow": {
			"spool: {max_size: 99999999999GiB, min_free: -1}\n",
			[]string{
				`config.yaml:1:19: spool.max_size: must be a size below 8 EiB, got "99999999999GiB"`,
				`config.yaml:1:45: spool.min_free: must be a size in bytes or with KiB, MiB or GiB, such as 64MiB, got "-1"`,
			},
		},
		"element of a list that is no scalar": {
			"filter: {group: [sshd, [web]]}\n",
			[]string{"config.yaml:1:24: filter.group[1]: must be a list of strings"},
		},
		"duplicate key": {
			"node: a\nlog: {level: info}\nnode: b\n",
			[]string{`config.yaml:3:1: cannot be read as YAML: mapping key "node" already defined at [1:1]`},
		},
		"unclosed bracket": {
			"lake: {region: us-east-1\n",
			[]string{"config.yaml:1:7: cannot be read as YAML: could not find flow mapping end token '}'"},
		},
		"tab": {
			"lake:\n\tregion: us-east-1\n",
			[]string{"config.yaml:2:1: cannot be read as YAML: found character '\t' that cannot start any token"},
		},
		"anchors, aliases, tags, merge": {
			"lake: &l {region: us-east-1}\nspool: *l\nnode: !!str 5\nlog: {<<: {level: info}}\n",
			[]string{
				"config.yaml:1:7: lake: anchors, aliases, tags and directives are not supported; write the value out",
				"config.yaml:2:8: spool: anchors, aliases, tags and directives are not supported; write the value out",
				"config.yaml:3:7: node: anchors, aliases, tags and directives are not supported; write the value out",
				"config.yaml:4:7: log.<<: unknown key",
			},
		},
		"two documents": {
			"node: a\n---\nnode: b\n",
			[]string{"config.yaml:3:1: must hold one YAML document; remove the --- between them"},
		},
		"no mapping": {
			"just text with a password\n",
			[]string{"config.yaml:1:1: must be a section of keys"},
		},
		"not UTF-8": {
			"node: a\nlog: {file: \xff}\n",
			[]string{"config.yaml:2:13: must be UTF-8"},
		},
		"nested without end": {
			strings.Repeat("[", 200_000),
			[]string{"config.yaml: must not be nested deeper than 64 levels"},
		},
		"too large": {
			strings.Repeat("# comment\n", 40_000),
			[]string{"config.yaml: must not be larger than 256KiB"},
		},
		"secrets never show": {
			"lake:\n  external_id: [hunter2]\n  proxy: {a: hunter2}\nsources:\n  - external_id: true\n",
			[]string{
				"config.yaml:2:16: lake.external_id: must be a string",
				"config.yaml:3:10: lake.proxy: must be a string",
				`config.yaml:5:18: sources[0].external_id: must be a string, got "***"`,
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			file := writeFile(t, test.file)
			l, err := Load(file, nil, nil)
			if l != nil && err != nil {
				t.Error("got a configuration together with an error")
			}
			if diff := cmp.Diff(messages(err, file), test.want); diff != "" {
				t.Errorf("got- want+:\n%s", diff)
			}
			if got := len(faultsIn(err)); got != len(test.want) {
				t.Errorf("got %d faults, want %d", got, len(test.want))
			}
		})
	}
}

func TestLoadKeepsSourceTextOutOfSyntaxErrors(t *testing.T) {
	for name, text := range map[string]string{
		"quote":   "lake:\n  external_id: \"hunter2\n  region: x\n",
		"indent":  "lake:\n  external_id: hunter2\n   region: x\n",
		"bracket": "lake: {external_id: hunter2\n",
		"tab":     "lake:\n\texternal_id: hunter2\n",
		"key":     "lake:\n  external_id hunter2\n  region: x\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(writeFile(t, text), nil, nil)
			if err == nil {
				t.Fatal("got no error")
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the message shows the secret: %v", err)
			}
		})
	}
}

func TestLoadOrdinaryDecoration(t *testing.T) {
	text := "# " + strings.Repeat("-", 200) + "\n#" + strings.Repeat("[", 100) + "\n---\nnode: a # " + strings.Repeat("-", 90) + "\n...\n"
	l, err := Load(writeFile(t, text), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := l.Config.Node, "a"; got != want {
		t.Errorf("got node %q, want %q", got, want)
	}
	for name, empty := range map[string]string{"empty": "", "comments": "# nothing\n", "nulls": "lake:\nsources:\nfilter: ~\n"} {
		l, err := Load(writeFile(t, empty), nil, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(l.Config, Default()); diff != "" {
			t.Errorf("%s: got- want+:\n%s", name, diff)
		}
	}
}

func TestLoadWhichFile(t *testing.T) {
	there := writeFile(t, "node: there\n")
	fallback := writeFile(t, "node: fallback\n")
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	tests := map[string]struct {
		path, fallback string
		environ        []string
		want           string // node
		wantErr        error
	}{
		"named":                       {path: there, fallback: fallback, want: "there"},
		"named and missing":           {path: missing, fallback: fallback, wantErr: fs.ErrNotExist},
		"variable":                    {fallback: fallback, environ: []string{"WAZUH_LAKE_CONFIG=" + there}, want: "there"},
		"variable names missing file": {fallback: fallback, environ: []string{"WAZUH_LAKE_CONFIG=" + missing}, wantErr: fs.ErrNotExist},
		"name before variable":        {path: there, fallback: fallback, environ: []string{"WAZUH_LAKE_CONFIG=" + missing}, want: "there"},
		"default":                     {fallback: fallback, want: "fallback"},
		"default missing":             {fallback: missing, want: ""},
		"empty variable":              {fallback: fallback, environ: []string{"WAZUH_LAKE_CONFIG="}, want: "fallback"},
		"directory":                   {path: t.TempDir(), fallback: fallback, wantErr: fs.ErrInvalid},
		"device":                      {path: "/dev/null", fallback: fallback, wantErr: fs.ErrInvalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l, err := load(test.path, test.fallback, test.environ, nil)
			if !errors.Is(err, test.wantErr) {
				t.Fatalf("got error %v, want %v", err, test.wantErr)
			}
			if err == nil && l.Config.Node != test.want {
				t.Errorf("got node %q, want %q", l.Config.Node, test.want)
			}
		})
	}
}

func TestLoadNoticesWritableFile(t *testing.T) {
	file := writeFile(t, minimal)
	if err := os.Chmod(file, 0o666); err != nil {
		t.Fatal(err)
	}
	l, err := Load(file, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{file + " may be written by others than its owner (mode 0666)"}
	if diff := cmp.Diff(l.Notices, want); diff != "" {
		t.Errorf("got- want+:\n%s", diff)
	}
}

// Check names what is misspelled and what breaks a rule together, but does not call everything missing of a file it could
// not read, nor a value that it has named already.
func TestCheckNamesAllFaults(t *testing.T) {
	for text, want := range map[string][]string{
		"lake:\n  destnation: s3://x\n  region: Mars\n  account_id: [1]\nfilter: {level: 99}\n": {"lake.destnation", "lake.region", "lake.account_id", "filter.level", "lake.destination"},
		"lake: [\n":           {"cannot be read as YAML"},
		"laek: {region: x}\n": {"laek: unknown key"},
		"":                    {"lake.destination", "lake.region", "lake.account_id"},
	} {
		_, err := Check(writeFile(t, text), nil, nil)
		if err == nil {
			t.Errorf("%q is valid", text)
			continue
		}
		if got := strings.Count(err.Error(), "\n") + 1; got != len(want) {
			t.Errorf("%q: %d faults, want %d:\n%v", text, got, len(want), err)
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q: no %q in:\n%v", text, w, err)
			}
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(minimal), "us-east-1")
	f.Add([]byte("sources:\n  - name: a\n    match: {rule_id: [1, 2], level: 3}\n  - name: b\n"), "x")
	f.Add([]byte("lake: &l {region: us-east-1}\nspool: *l\nnode: !!str 5\nlog: {<<: {level: info}}\n"), "")
	f.Add([]byte("? [a, b]\n: {c: d}\n%YAML 1.2\n---\n...\n"), "***")
	f.Add([]byte("node: |\n  text\n  more\nbatch: {interval: 5m, max_object_size: 64MiB}\n"), "\xff")
	f.Fuzz(func(t *testing.T, data []byte, variable string) {
		var found faults
		l := &Loaded{Config: Default(), File: "config.yaml", Origins: make(map[string]Origin)}
		d := &decoder{file: "config.yaml", faults: &found, origins: l.Origins}
		d.decode(data, &l.Config)
		env := environment{"WAZUH_LAKE_LAKE_PROXY": variable, "REGION": variable, variable: variable}
		l.applyLambda(env, &found)
		l.applyEnvironment(env, &found)
		if found.err() != nil {
			return
		}
		_ = l.Validate() // must not panic, whatever it finds
		Warnings(l.Config)
		roundTrip(t, l)
	})
}

// faultsIn returns the faults inside an error of Load or Validate, in their order.
func faultsIn(err error) []*Fault {
	var list interface{ Unwrap() []error }
	if errors.As(err, &list) {
		var faults []*Fault
		for _, e := range list.Unwrap() {
			faults = append(faults, faultsIn(e)...)
		}
		return faults
	}
	var f *Fault
	if errors.As(err, &f) {
		return []*Fault{f}
	}
	return nil
}
