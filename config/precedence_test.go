package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPrecedence(t *testing.T) {
	const (
		lambda = 1 << iota
		file
		env
		flag
	)
	want := func(layers int) (string, OriginKind) {
		switch {
		case layers&flag != 0:
			return "flag-1", FromFlag
		case layers&env != 0:
			return "env-1", FromEnvironment
		case layers&file != 0:
			return "file-1", FromFile
		case layers&lambda != 0:
			return "lambda-1", FromLambda
		}
		return "", FromDefault
	}
	for layers := range 16 {
		text, environ, flags := "node: n\n", []string(nil), map[string]string{}
		if layers&lambda != 0 {
			environ = append(environ, "REGION=lambda-1")
		}
		if layers&file != 0 {
			text += "lake: {region: file-1}\n"
		}
		if layers&env != 0 {
			environ = append(environ, "WAZUH_LAKE_LAKE_REGION=env-1")
		}
		if layers&flag != 0 {
			flags["lake.region"] = "flag-1"
		}
		l, err := Load(writeFile(t, text), environ, flags)
		if err != nil {
			t.Fatal(err)
		}
		value, kind := want(layers)
		if l.Config.Lake.Region != value || l.Origins["lake.region"].Kind != kind {
			t.Errorf("layers %04b: got %q from %s, want %q from %s", layers, l.Config.Lake.Region, l.Origins["lake.region"].Kind, value, kind)
		}
		// A variable that something else overrules is not in use and not worth a notice.
		if got, want := len(l.Notices) == 1, kind == FromLambda; got != want {
			t.Errorf("layers %04b: got notices %q", layers, l.Notices)
		}
	}
}

func TestLambdaVariables(t *testing.T) {
	all := []string{"AWS_BUCKET=lake-bucket", "SOURCE_LOCATION=Wazuh", "ACCOUNT_ID=123456789012", "REGION=eu-west-1",
		"ROLE_ARN=arn:aws:iam::123456789012:role/r", "EXTERNAL_ID=hunter2", "S3_BUCKET_OCSF=second-bucket",
		"OCSF_CLASS=DETECTION_FINDING", "IS_DEV=true", "AWS_ENDPOINT=http://s3.ninja:9000"}
	l, err := Load(writeFile(t, ""), all, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Validate(); err != nil {
		t.Errorf("got %v, want a valid configuration from variables alone", err)
	}
	want := Default()
	want.Lake = Lake{Destination: "s3://lake-bucket", Region: "eu-west-1", AccountID: "123456789012", RoleARN: "arn:aws:iam::123456789012:role/r",
		ExternalID: "hunter2", S3Endpoint: "http://s3.ninja:9000", AllowHTTP: true, PathStyle: true}
	want.Sources = []Source{{Name: "Wazuh", Class: DetectionFinding, OCSFVersion: "1.1.0"}}
	want.Copy.OCSFJSON = "s3://second-bucket"
	if diff := cmp.Diff(l.Config, want); diff != "" {
		t.Errorf("got- want+:\n%s", diff)
	}
	wantNotices := []string{
		"lake.destination is set by the variable AWS_BUCKET of the Lambda integration",
		"sources[0].name is set by the variable SOURCE_LOCATION of the Lambda integration",
		"lake.account_id is set by the variable ACCOUNT_ID of the Lambda integration",
		"lake.region is set by the variable REGION of the Lambda integration",
		"lake.role_arn is set by the variable ROLE_ARN of the Lambda integration",
		"lake.external_id is set by the variable EXTERNAL_ID of the Lambda integration",
		"copy.ocsf_json is set by the variable S3_BUCKET_OCSF of the Lambda integration",
		"sources[0].class is set by the variable OCSF_CLASS of the Lambda integration",
		"lake.s3_endpoint is set by the variable AWS_ENDPOINT of the Lambda integration",
		"lake.allow_http is set by the variable AWS_ENDPOINT of the Lambda integration",
		"lake.path_style is set by the variable AWS_ENDPOINT of the Lambda integration",
	}
	if diff := cmp.Diff(l.Notices, wantNotices); diff != "" {
		t.Errorf("notices: got- want+:\n%s", diff)
	}
}

func TestLambdaVariablesFillOnlyWhatIsOpen(t *testing.T) {
	tests := map[string]struct {
		file, environ string
		path, want    string
	}{
		"file wins over bucket":           {minimal, "AWS_BUCKET=other", "lake.destination", "s3://aws-security-data-lake-us-east-1-example"},
		"location of the source wins":     {"sources: [{name: a, s3_location: s3://b/ext/a/}]", "AWS_BUCKET=other", "lake.destination", ""},
		"role of the source wins":         {"sources: [{name: a, role_arn: r}]", "ROLE_ARN=other", "lake.role_arn", ""},
		"first source left open is named": {"sources: [{class: detection_finding}]", "SOURCE_LOCATION=lambda", "sources[0].name", "lambda"},
		"second source is not touched":    {"sources: [{name: a}, {class: detection_finding}]", "SOURCE_LOCATION=lambda", "sources[1].name", ""},
		"endpoint without IS_DEV":         {minimal, "AWS_ENDPOINT=http://x:1", "lake.s3_endpoint", ""},
		"empty variable":                  {minimal, "ROLE_ARN=", "lake.role_arn", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l, err := Load(writeFile(t, test.file), []string{test.environ}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := at(t, l, test.path); got != test.want {
				t.Errorf("got %s = %q, want %q", test.path, got, test.want)
			}
		})
	}
	_, err := Load(writeFile(t, ""), []string{"OCSF_CLASS=detection"}, nil)
	if diff := cmp.Diff(messages(err, ""), []string{`lambda variable OCSF_CLASS: sources[0].class: must be SECURITY_FINDING or DETECTION_FINDING, got "detection"`}); diff != "" {
		t.Errorf("got- want+:\n%s", diff)
	}
}

func TestEnvironment(t *testing.T) {
	tests := map[string]struct {
		environ []string
		want    map[string]string
		wantErr []string
	}{
		"keys with underscores": {
			environ: []string{"WAZUH_LAKE_LAKE_ACCOUNT_ID=external", "WAZUH_LAKE_INPUT_INBOX_MAX_SIZE=2MiB", "WAZUH_LAKE_INPUT_INBOX=/x"},
			want:    map[string]string{"lake.account_id": "external", "input.inbox_max_size": "2MiB", "input.inbox": "/x"},
		},
		"lists and nested keys": {
			environ: []string{"WAZUH_LAKE_FILTER_RULE_ID=1, 2", "WAZUH_LAKE_FILTER_EXCLUDE_GROUP=a,b", "WAZUH_LAKE_OCSF_SEVERITY=1,2,3,4", "WAZUH_LAKE_NODE=n=1"},
			want:    map[string]string{"filter.rule_id": "1, 2", "filter.exclude.group": "a, b", "ocsf.severity": "1 2 3 4", "node": "n=1"},
		},
		"sources appended whatever the order": {
			environ: []string{"WAZUH_LAKE_SOURCES_2_NAME=c", "WAZUH_LAKE_SOURCES_1_MATCH_LEVEL=3", "WAZUH_LAKE_SOURCES_1_NAME=b", "WAZUH_LAKE_SOURCES_0_NAME=a"},
			want:    map[string]string{"sources[0].name": "a", "sources[1].name": "b", "sources[1].match.level": "3", "sources[2].name": "c", "sources[2].class": SecurityFinding},
		},
		"empty value sets": {
			environ: []string{"WAZUH_LAKE_SOURCES_0_NAME="},
			want:    map[string]string{"sources[0].name": ""},
		},
		"reserved and foreign": {
			environ: []string{"WAZUH_LAKE_INBOX=/inbox", "WAZUH_LAKE_CONFIG=", "WAZUH_LAKEX=1", "PATH=/bin", "=odd", "odd"},
			want:    map[string]string{"input.inbox": "/var/spool/wazuh-security-lake"},
		},
		"first of two": {
			environ: []string{"WAZUH_LAKE_NODE=a", "WAZUH_LAKE_NODE=b"},
			want:    map[string]string{"node": "a"},
		},
		"faults": {
			environ: []string{"WAZUH_LAKE_LAKE_REGOIN=x", "WAZUH_LAKE_LAKE=x", "WAZUH_LAKE_SOURCES_01_NAME=x", "WAZUH_LAKE_SOURCES_5_NAME=x", "WAZUH_LAKE_lake_region=x",
				"WAZUH_LAKE_FILTER_LEVEL=", "WAZUH_LAKE_LAKE_EXTERNAL_ID=\xffhunter2", "WAZUH_LAKE_BATCH_INTERVAL=http://u:hunter2@h"},
			wantErr: []string{
				`environment "WAZUH_LAKE_LAKE": unknown variable`,
				`environment "WAZUH_LAKE_LAKE_REGOIN": unknown variable; did you mean WAZUH_LAKE_LAKE_REGION?`,
				`environment "WAZUH_LAKE_SOURCES_01_NAME": unknown variable; did you mean WAZUH_LAKE_SOURCES_0_NAME?`,
				`environment "WAZUH_LAKE_lake_region": unknown variable; did you mean WAZUH_LAKE_LAKE_REGION?`,
				`environment WAZUH_LAKE_BATCH_INTERVAL: batch.interval: must be a duration with its unit, such as 30s, 5m or 1h, got "http://***@h"`,
				`environment WAZUH_LAKE_FILTER_LEVEL: filter.level: must be a whole number`,
				`environment WAZUH_LAKE_LAKE_EXTERNAL_ID: lake.external_id: must be UTF-8`,
				`environment WAZUH_LAKE_SOURCES_5_NAME: index beyond the end of the list`,
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l, err := load("", "/nonexistent/config.yaml", test.environ, nil)
			if diff := cmp.Diff(messages(err, ""), test.wantErr); diff != "" {
				t.Fatalf("got- want+:\n%s", diff)
			}
			for path, want := range test.want {
				if got := at(t, l, path); got != want {
					t.Errorf("%s: got %q, want %q", path, got, want)
				}
			}
		})
	}
}

// Every key must be reachable by its variable and by its flag, and be told apart from every other.
func TestEveryKeyHasVariableAndFlag(t *testing.T) {
	l, err := Load(writeFile(t, ""), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for path := range l.Origins {
		text := at(t, l, path)
		if text == "" {
			text = "a"
		}
		text = strings.ReplaceAll(text, " ", ",")
		name := "WAZUH_LAKE_" + strings.ToUpper(strings.NewReplacer(".", "_", "[", "_", "]", "").Replace(path))
		fromEnv, err := load("", "/nonexistent", []string{name + "=" + text}, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := fromEnv.Origins[path]; got != (Origin{Kind: FromEnvironment, Name: name}) {
			t.Errorf("%s: got origin %v of %s", name, got, path)
		}
		for _, flag := range []string{path, strings.NewReplacer("[", ".", "]", "").Replace(path)} {
			fromFlag, err := load("", "/nonexistent", nil, map[string]string{flag: text})
			if err != nil || fromFlag.Origins[path].Kind != FromFlag {
				t.Errorf("flag %s: got %v", flag, err)
			}
		}
	}
	if len(l.Origins) < 60 {
		t.Errorf("got %d keys: the walk misses some", len(l.Origins))
	}
}

func TestFlagFaults(t *testing.T) {
	_, err := load("", "/nonexistent", nil, map[string]string{"lake": "x", "lake.x": "y", "log.level.x": "y", "sources.x": "y", "upload.concurrency": "many"})
	want := []string{
		"flag lake: is a section, not a value",
		"flag lake.x: unknown key",
		"flag log.level.x: unknown key",
		"flag sources.x: unknown key",
		`flag upload.concurrency: upload.concurrency: must be a whole number, got "many"`,
	}
	if diff := cmp.Diff(messages(err, ""), want); diff != "" {
		t.Errorf("got- want+:\n%s", diff)
	}
}
