package config

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMerge(t *testing.T) {
	role := Assignment{"sources[0].role_arn", "arn:aws:iam::123456789012:role/P"}
	region := Assignment{"lake.region", "us-east-1"}
	name := Assignment{"sources[0].name", "wazuh"}
	tests := map[string]struct {
		in   string
		set  []Assignment
		want string
	}{
		"replaced, comment kept":   {"lake:\n  region: eu-west-1   # why\n# end\n", []Assignment{region}, "lake:\n  region: \"us-east-1\"   # why\n# end\n"},
		"double quotes":            {`lake: {region: "a\"b", account_id: external}` + "\n", []Assignment{region}, `lake: {region: "us-east-1", account_id: external}` + "\n"},
		"single quotes":            {"lake:\n  region: 'a''b' # c\n", []Assignment{region}, "lake:\n  region: \"us-east-1\" # c\n"},
		"no value yet":             {"lake:\n  region:\n  account_id: external\n", []Assignment{region}, "lake:\n  region: \"us-east-1\"\n  account_id: external\n"},
		"no value but a comment":   {"lake:\n  region:   # fill in\n", []Assignment{region}, "lake:\n  region: \"us-east-1\"   # fill in\n"},
		"null":                     {"lake:\n  region: null\n", []Assignment{region}, "lake:\n  region: \"us-east-1\"\n"},
		"tilde":                    {"lake:\n  region: ~ # c\n", []Assignment{region}, "lake:\n  region: \"us-east-1\" # c\n"},
		"new key":                  {"lake:\n    # why\n    account_id: external # e\n\n    fips: true\n", []Assignment{region}, "lake:\n    # why\n    account_id: external # e\n    region: \"us-east-1\"\n\n    fips: true\n"},
		"section all comments":     {"lake:\n  #region: x\nlog: {level: info}\n", []Assignment{region}, "lake:\n  region: \"us-east-1\"\n  #region: x\nlog: {level: info}\n"},
		"no section":               {"node: a", []Assignment{region}, "node: a\n\nlake:\n  region: \"us-east-1\"\n"},
		"empty file":               {"", []Assignment{region}, "\nlake:\n  region: \"us-east-1\"\n"},
		"comments only":            {"# nothing\n", []Assignment{region}, "# nothing\n\nlake:\n  region: \"us-east-1\"\n"},
		"source":                   {"sources:\n  - name: wazuh # n\n    match:\n      level: 3\n", []Assignment{role}, "sources:\n  - name: wazuh # n\n    role_arn: \"arn:aws:iam::123456789012:role/P\"\n    match:\n      level: 3\n"},
		"source, name not first":   {"sources:\n- match:\n    level: 3\n  name: wazuh\n- name: b\n", []Assignment{role}, "sources:\n- match:\n    level: 3\n  name: wazuh\n  role_arn: \"arn:aws:iam::123456789012:role/P\"\n- name: b\n"},
		"source in flow style":     {"sources: [{name: wazuh, match: {level: 3}}]\n", []Assignment{role}, "sources: [{role_arn: \"arn:aws:iam::123456789012:role/P\", name: wazuh, match: {level: 3}}]\n"},
		"no sources":               {"node: a\n", []Assignment{name, role}, "node: a\n\nsources:\n  - name: \"wazuh\"\n    role_arn: \"arn:aws:iam::123456789012:role/P\"\n"},
		"sources all comments":     {"sources:\n#  - name: wazuh\nnode: a\n", []Assignment{name, role}, "sources:\n  - name: \"wazuh\"\n    role_arn: \"arn:aws:iam::123456789012:role/P\"\n#  - name: wazuh\nnode: a\n"},
		"windows line ends":        {"lake:\r\n  region: x\r\n", []Assignment{region}, "lake:\r\n  region: \"us-east-1\"\r\n"},
		"not only ASCII before it": {"lake:\n  ca_file: /ü # é\n  region: x\n", []Assignment{region}, "lake:\n  ca_file: /ü # é\n  region: \"us-east-1\"\n"},
		"second source":            {"sources:\n  - name: a\n  - name: b\n    role_arn: old # o\n", []Assignment{{"sources[1].role_arn", "new"}}, "sources:\n  - name: a\n  - name: b\n    role_arn: \"new\" # o\n"},
		"odd value":                {"lake: {}\nnode: a\n", nil, "lake: {}\nnode: a\n"},
	}
	for label, test := range tests {
		t.Run(label, func(t *testing.T) {
			got, err := Merge([]byte(test.in), test.set)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(got), test.want); diff != "" {
				t.Errorf("got- want+:\n%s", diff)
			}
		})
	}
}

func TestMergeRefuses(t *testing.T) {
	for label, test := range map[string]struct {
		in  string
		set Assignment
	}{
		"value over lines":      {"lake:\n  region: >-\n    x\n", Assignment{"lake.region", "y"}},
		"quoted over lines":     {"lake:\n  region: \"x\n    y\"\n", Assignment{"lake.region", "y"}},
		"source not there":      {"sources:\n  - name: a\n", Assignment{"sources[1].role_arn", "y"}},
		"no line to go behind":  {"sources:\n  - match:\n      level: 3\n", Assignment{"sources[0].role_arn", "y"}},
		"empty flow section":    {"lake: {}\n", Assignment{"lake.region", "y"}},
		"no sources, a second":  {"node: a\n", Assignment{"sources[1].role_arn", "y"}},
		"plain text over lines": {"lake:\n  region: x\n    y\n", Assignment{"lake.region", "z"}},
	} {
		t.Run(label, func(t *testing.T) {
			if got, err := Merge([]byte(test.in), []Assignment{test.set}); !errors.Is(err, ErrLayout) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	if _, err := Merge([]byte("lake: [\n"), []Assignment{{"lake.region", "y"}}); err == nil || errors.Is(err, ErrLayout) {
		t.Errorf("broken file: %v", err)
	}
	if _, err := Merge([]byte("lake:\n  region: x\n"), []Assignment{{"lake.regoin", "y"}}); err == nil {
		t.Error("a path that does not exist is accepted")
	}
}

// The sample configuration that the package installs takes what setup writes into it.
func TestMergeIntoTheSample(t *testing.T) {
	sample, err := os.ReadFile("../packaging/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	merged, err := Merge(sample, []Assignment{
		{"lake.region", "us-east-1"}, {"lake.account_id", "123456789012"}, {"sources[0].name", "wazuh"}, {"sources[0].class", "detection_finding"},
		{"sources[0].s3_location", "s3://aws-security-data-lake-us-east-1-x/ext/wazuh/"}, {"sources[0].role_arn", "arn:aws:iam::123456789012:role/P"}, {"sources[0].external_id", "ext"},
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := Load(writeFile(t, string(merged)), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Validate(); err != nil {
		t.Error(err)
	}
}

func FuzzMerge(f *testing.F) {
	f.Add([]byte("lake:\n  region: x # c\nsources:\n  - name: a\n    match: {level: 3}\n"), "us-east-1")
	f.Add([]byte("sources: [{name: a}]\nlake:\n"), "a\"b\\ # é\n")
	f.Add([]byte("lake: {region: 'x'}\n"), "")
	f.Add([]byte("lake:\n  ? region\n  : x\n"), "y")
	f.Fuzz(func(t *testing.T, data []byte, value string) {
		// It checks its own work; here only: no panic, whatever the file.
		_, _ = Merge(data, []Assignment{{"lake.region", value}, {"sources[0].role_arn", value}})
	})
}
