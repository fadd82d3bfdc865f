package setup

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// paper is a request with what makes quoting hard: two regions, every character that a name may have, a chosen ID.
func paper() Paper {
	return Paper{Request: Request{Principal: "999999999999", Sources: []Source{
		{Path: "sources[0]", Name: "wazuh-vuln", Class: "vulnerability_finding", Region: "us-east-1", ExternalID: "a+b=c,d.e@f:g/h-i_j"},
		{Path: "sources[1]", Name: "wazuh_vuln", Class: "detection_finding", Region: "us-east-1"},
		{Path: "sources[2]", Name: "Wazuh.eu:x", Class: "security_finding", Region: "eu-west-1"},
	}}, ExternalID: "wazuh-made-up"}
}

func printed(t *testing.T, format string, p Paper) string {
	t.Helper()
	var b strings.Builder
	if err := Print(&b, format, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// shell runs a command and fails the test with its output.
func shell(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skip(name + " is not installed")
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func TestCLIScript(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "setup.sh")
	if err := os.WriteFile(file, []byte(printed(t, "cli", paper())), 0o600); err != nil {
		t.Fatal(err)
	}
	shell(t, nil, "sh", "-n", file)

	// An AWS CLI that remembers what it was called with and answers like AWS, sources and role as they come to exist.
	fake := `#!/bin/sh
for a; do printf '%s\n' "$a" >>"$LOG"; done
printf '%s\n' -- >>"$LOG"
case "$1 $2" in
"sts get-caller-identity") echo 123456789012 ;;
"iam get-role") [ -e "$STATE/role" ] || exit 254; echo arn:aws:iam::123456789012:role/made ;;
"iam create-role") touch "$STATE/role" ;;
"securitylake list-data-lakes") case "$*" in *kmsKeyId*us-east-1*|*us-east-1*kmsKeyId*) echo '"arn:aws:kms:us-east-1:1:key/k"' ;; *kmsKeyId*) echo '"S3_MANAGED_KEY"' ;; *) echo "\"arn:aws:s3:::lake-$4\"" ;; esac ;;
"securitylake create-custom-log-source") touch "$STATE/source-$6" ;;
"securitylake list-log-sources")
  name=$(printf '%s' "${10}" | sed "s/.*sourceName=='\([^']*\)'.*/\1/")
  [ -e "$STATE/source-$name" ] || { echo null; exit; }
  case "${10}" in *roleArn) echo "\"arn:aws:iam::123456789012:role/service-role/P-$name\"" ;; *location) echo "\"s3://lake/ext/$name/\"" ;;
  *crawlerArn) echo "\"arn:aws:glue:r:1:crawler/c-$name\"" ;; *) echo "\"$name\"" ;; esac ;;
esac
`
	if err := os.WriteFile(filepath.Join(dir, "aws"), []byte(fake), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "sleep"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "log")
	env := []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "LOG=" + log, "STATE=" + dir}
	out := shell(t, env, "sh", file)
	for _, want := range []string{
		`account_id: "123456789012"`, `s3_location: "s3://lake/ext/wazuh-vuln/"`, `role_arn: "arn:aws:iam::123456789012:role/service-role/P-Wazuh.eu:x"`,
		`external_id: "a+b=c,d.e@f:g/h-i_j"`, `external_id: "wazuh-made-up"`, `region: "eu-west-1"`, "managers in account 999999999999", "start-crawler --region eu-west-1 --name c-Wazuh.eu:x",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is not in:\n%s", want, out)
		}
	}
	calls, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	documents := jsonArguments(t, string(calls))
	if got := len(documents); got != 5 { // trust, policy, three sources
		t.Errorf("%d JSON arguments", got)
	}
	var crawler Policy
	if err := json.Unmarshal(documents[1], &crawler); err != nil {
		t.Fatal(err)
	}
	if got, want := crawler.compact(), CrawlerPolicy(Lake{Region: "us-east-1", Bucket: "lake-us-east-1", KMSKey: "arn:aws:kms:us-east-1:1:key/k"}, Lake{Region: "eu-west-1", Bucket: "lake-eu-west-1"}).compact(); got != want {
		t.Errorf("crawler policy\n%s, want\n%s", got, want)
	}
	if got, want := string(documents[2]), `{"crawlerConfiguration":{"roleArn":"arn:aws:iam::123456789012:role/made"},"providerIdentity":{"externalId":"a+b=c,d.e@f:g/h-i_j","principal":"999999999999"}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	policy := out[strings.Index(out, "{"):strings.Index(out, "# after the first object")]
	if !json.Valid([]byte(policy)) || strings.Count(policy, "role/service-role/P-") != 3 {
		t.Errorf("policy for the managers:\n%s", policy)
	}

	// Once more: nothing is made twice, the output is the same.
	again := shell(t, env, "sh", file)
	if !strings.Contains(again, "source wazuh_vuln was there") {
		t.Errorf("the second run does not say what was there:\n%s", again)
	}
	if again = again[strings.Index(again, "# configuration"):]; again != out {
		t.Errorf("second run:\n%s", again)
	}
	if calls, err = os.ReadFile(log); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(calls), "create-custom-log-source\n"); got != 3 {
		t.Errorf("%d sources made", got)
	}
	if got := strings.Count(string(calls), "create-role\n"); got != 1 {
		t.Errorf("%d roles made", got)
	}

	// A call that fails ends it, also where its answer goes through a pipe.
	if err := os.WriteFile(filepath.Join(dir, "aws"), []byte("#!/bin/sh\n[ \"$2\" != list-log-sources ] || exit 254\necho x\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, sh := range []string{"sh", "bash"} {
		if _, err := exec.LookPath(sh); err != nil {
			continue
		}
		cmd := exec.CommandContext(t.Context(), sh, file)
		cmd.Env = append(os.Environ(), env...)
		if out, err := cmd.CombinedOutput(); err == nil || strings.Contains(string(out), "configuration") {
			t.Errorf("%s goes on after a failed call: %v\n%s", sh, err, out)
		}
	}
}

func jsonArguments(t *testing.T, calls string) []json.RawMessage {
	t.Helper()
	var out []json.RawMessage
	for line := range strings.SplitSeq(calls, "\n") {
		if strings.HasPrefix(line, "{") {
			if !json.Valid([]byte(line)) {
				t.Errorf("not JSON: %s", line)
			}
			out = append(out, json.RawMessage(line))
		}
	}
	return out
}

func TestCloudFormation(t *testing.T) {
	p := paper()
	p.Sources = p.Sources[:2]
	text := printed(t, "cloudformation", p)
	var template struct {
		AWSTemplateFormatVersion string
		Parameters, Conditions   map[string]any
		Resources                map[string]struct {
			Type       string
			DependsOn  string
			Properties map[string]any
		}
		Outputs map[string]struct{ Value any }
	}
	if err := json.Unmarshal([]byte(text), &template); err != nil {
		t.Fatal(err)
	}
	if template.AWSTemplateFormatVersion != "2010-09-09" {
		t.Errorf("version %q", template.AWSTemplateFormatVersion)
	}
	known := map[string]bool{"AWS::AccountId": true, "AWS::NoValue": true}
	for name := range template.Parameters {
		known[name] = true
	}
	for name, r := range template.Resources {
		known[name] = true
		if r.Type == "" || r.Properties == nil {
			t.Errorf("resource %s: %+v", name, r)
		}
	}
	for _, m := range regexp.MustCompile(`"Ref": "([^"]+)"|"Fn::GetAtt": \[\s*"([^"]+)"|\$\{([^}]+)\}|"DependsOn": "([^"]+)"`).FindAllStringSubmatch(text, -1) {
		if name := m[1] + m[2] + m[3] + m[4]; !known[name] {
			t.Errorf("%s refers to nothing", m[0])
		}
	}
	for _, m := range regexp.MustCompile(`"Fn::If": \[\s*"([^"]+)"`).FindAllStringSubmatch(text, -1) {
		if template.Conditions[m[1]] == nil {
			t.Errorf("no condition %s", m[1])
		}
	}
	if got := strings.Count(text, `"Version": "2012-10-17"`); got != 5 {
		t.Errorf("%d policy documents", got)
	}
	source := template.Resources["Source1"]
	if source.Type != "Custom::WazuhSecurityLakeSource" || source.Properties["SourceName"] != "wazuh_vuln" || source.Properties["ExternalId"] != "wazuh-made-up" ||
		source.Properties["EventClass"] != "DETECTION_FINDING" || source.DependsOn != "Source0" {
		t.Errorf("%+v", source)
	}
	if code, _ := template.Resources["SetupFunction"].Properties["Code"].(map[string]any); code["ZipFile"] != sourceFunction || len(sourceFunction) > 4096 {
		t.Errorf("inline code of %d characters, want at most 4096", len(sourceFunction))
	}
	for _, want := range []string{"Source0Location", "Source0RoleArn", "Source1CrawlerArn", "ManagerPolicyArn"} {
		if template.Outputs[want].Value == nil {
			t.Errorf("no output %s", want)
		}
	}
	var b strings.Builder
	problem(t, Print(&b, "cloudformation", paper()), Unclear, "--source")
}

// The function of the template, run by Python with stand-ins for AWS.
func TestCloudFormationFunction(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"index.py":       sourceFunction,
		"cfnresponse.py": "SUCCESS, FAILED = 'SUCCESS', 'FAILED'\ndef send(event, context, status, data, physical, noEcho=False, reason=None):\n    print(status, physical, data.get('RoleArn'), reason)\n",
		"boto3.py": `
made = []
class Lake:
    class exceptions:
        class BadRequestException(Exception): pass
    class Pages:
        def paginate(self, regions):
            assert regions == ["us-east-1"]
            yield {"sources": [{"sources": [{"awsLogSource": {}}]}]}
            yield {"sources": [{"sources": [{"customLogSource": s} for s in made]}]}
    def get_paginator(self, name):
        return self.Pages()
    def create_custom_log_source(self, sourceName, eventClasses, configuration):
        Lake.tries = getattr(Lake, "tries", 0) + 1
        if Lake.tries == 1:
            raise self.exceptions.BadRequestException("unable to assume provided role")
        if eventClasses != ["DETECTION_FINDING"]:
            raise self.exceptions.BadRequestException("class not supported")
        made.append({"sourceName": sourceName, "provider": {"location": "l", "roleArn": "r-" + configuration["providerIdentity"]["externalId"]},
                     "attributes": {"crawlerArn": "c", "tableArn": "t"}})
        return {"source": made[-1]}
def client(name):
    return Lake()
`,
		"try.py": `
import index, time, boto3
time.sleep = lambda s: None
p = {"SourceName": "wazuh", "EventClass": "DETECTION_FINDING", "ExternalId": "e", "Principal": "1", "CrawlerRoleArn": "a"}
index.handler({"RequestType": "Create", "ResourceProperties": p}, None)
index.handler({"RequestType": "Update", "PhysicalResourceId": "wazuh", "ResourceProperties": p, "OldResourceProperties": p}, None)
index.handler({"RequestType": "Update", "PhysicalResourceId": "wazuh", "ResourceProperties": dict(p, EventClass="X"), "OldResourceProperties": p}, None)
index.handler({"RequestType": "Create", "ResourceProperties": dict(p, SourceName="other", EventClass="X")}, None)
index.handler({"RequestType": "Delete", "PhysicalResourceId": "wazuh", "ResourceProperties": p}, None)
print(len(boto3.made))
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := shell(t, []string{"AWS_REGION=us-east-1", "PYTHONDONTWRITEBYTECODE=1"}, "python3", filepath.Join(dir, "try.py"))
	want := `SUCCESS wazuh r-e None
SUCCESS wazuh r-e None
FAILED wazuh None a source never changes its class: choose another name
FAILED other None class not supported
SUCCESS wazuh None None
1
`
	if got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}

func TestTerraform(t *testing.T) {
	text := printed(t, "terraform", paper())
	blocks, err := hclBlocks(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	declared := make(map[string]bool)
	for _, b := range blocks {
		declared[b] = true
	}
	for _, want := range []string{"terraform", "resource.aws_iam_role.crawler", "resource.aws_iam_policy.manager", "output.configuration",
		"resource.aws_securitylake_custom_log_source.s0_wazuh_vuln", "resource.aws_securitylake_custom_log_source.s1_wazuh_vuln", "resource.aws_securitylake_custom_log_source.s2_Wazuh_eu_x"} {
		if !declared[want] {
			t.Errorf("no block %s in %v", want, blocks)
		}
	}
	bare := regexp.MustCompile(`"arn:[^"$]*"`).ReplaceAllString(text, `""`)
	for _, m := range regexp.MustCompile(`\b(aws_[a-z_]+|var|data\.aws_caller_identity)\.([A-Za-z_0-9]+)`).FindAllStringSubmatch(bare, -1) {
		name := map[string]string{"var": "variable", "data.aws_caller_identity": "data.aws_caller_identity"}[m[1]]
		if name == "" {
			name = "resource." + m[1]
		}
		if !declared[name+"."+m[2]] {
			t.Errorf("%s refers to nothing", m[0])
		}
	}
	aliases := regexp.MustCompile(`alias +=  *"([a-z0-9_]+)"`).FindAllStringSubmatch(text, -1)
	if len(aliases) != 2 || aliases[0][1] != "us_east_1" || aliases[1][1] != "eu_west_1" {
		t.Errorf("providers %v", aliases)
	}
	for _, m := range regexp.MustCompile(`\bprovider += aws\.([a-z0-9_]+)`).FindAllStringSubmatch(text, -1) {
		if m[1] != "us_east_1" && m[1] != "eu_west_1" {
			t.Errorf("provider %s", m[1])
		}
	}
	for _, want := range []string{`external_id = "a+b=c,d.e@f:g/h-i_j"`, `event_classes = ["SECURITY_FINDING"]`, "${aws_securitylake_custom_log_source.s2_Wazuh_eu_x.provider_details[0].role_arn}"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in:\n%s", want, text)
		}
	}
	if _, err := hclBlocks(text[:len(text)-3]); err == nil {
		t.Error("a text that was cut off passes the check")
	}
}

// hclBlocks checks the structure of HCL (strings closed, interpolations and brackets balanced, one attribute a line) and
// returns the top-level blocks as type.label.label. It knows what is printed here, not all of HCL.
func hclBlocks(text string) ([]string, error) {
	var open []rune
	var blocks []string
	header := regexp.MustCompile(`^([a-z]+)((?: "[A-Za-z0-9_]+")*) \{$`)
	attribute := regexp.MustCompile(`^\s*("[^"]*"|[A-Za-z_0-9]+)\s*[=:] \S|^\s*[a-z_]+ \{$|^\s*[\]})]|^\s*"[^"]*",?$|^\s*\{$|^\s*for `)
	for n, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "#") || strings.TrimSpace(line) == "" {
			continue
		}
		if m := header.FindStringSubmatch(line); m != nil && len(open) == 0 {
			blocks = append(blocks, strings.Join(append([]string{m[1]}, strings.Fields(strings.ReplaceAll(m[2], `"`, ""))...), "."))
		} else if len(open) == 0 || !attribute.MatchString(line) {
			return nil, fmt.Errorf("line %d: %q is neither a block nor an attribute", n+1, line)
		}
		inString := false
		runes := []rune(line)
		for i := 0; i < len(runes); i++ {
			switch c := runes[i]; {
			case inString && c == '\\':
				i++
			case inString && c == '$' && i+1 < len(runes) && runes[i+1] == '{':
				end := slices.Index(runes[i:], '}')
				if end < 0 {
					return nil, fmt.Errorf("line %d: an interpolation does not end", n+1)
				}
				i += end
			case c == '"':
				inString = !inString
			case inString:
			case c == '{' || c == '[' || c == '(':
				open = append(open, c)
			case c == '}' || c == ']' || c == ')':
				if len(open) == 0 || map[rune]rune{'{': '}', '[': ']', '(': ')'}[open[len(open)-1]] != c {
					return nil, fmt.Errorf("line %d: %c closes nothing", n+1, c)
				}
				open = open[:len(open)-1]
			}
		}
		if inString {
			return nil, fmt.Errorf("line %d: a string does not end", n+1)
		}
	}
	if len(open) > 0 {
		return nil, fmt.Errorf("%d brackets are not closed", len(open))
	}
	return blocks, nil
}

// With a role that is there, no document makes one.
func TestDocumentsWithAnExistingRole(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/service-role/theirs"
	p := paper()
	p.Sources, p.Crawler, p.Bucket = p.Sources[:1], Crawler{ARN: role}, "lake-bucket"
	for _, format := range []string{"cli", "terraform", "cloudformation"} {
		text := printed(t, format, p)
		if !strings.Contains(text, role) || strings.Contains(text, "create-role ") || strings.Contains(text, `resource "aws_iam_role"`) || strings.Contains(text, `"CrawlerRole": {`) {
			t.Errorf("%s:\n%s", format, text)
		}
		if format != "cli" && !strings.Contains(text, "lake-bucket") {
			t.Errorf("%s does not know the bucket", format)
		}
	}
}

func TestPrintRefuses(t *testing.T) {
	var b strings.Builder
	problem(t, Print(&b, "pulumi", paper()), Unclear, "pulumi", "terraform")
	p := paper()
	p.Sources[0].Name = "a'; rm -rf /"
	problem(t, Print(&b, "cli", p), Refused, "rm -rf")
	if b.Len() > 0 {
		t.Errorf("printed %s", b.String())
	}
}

// Everywhere the names of Security Lake's own making are placeholders until it has answered.
func TestNothingIsDerived(t *testing.T) {
	p := paper()
	for _, format := range Formats() {
		if format == "cloudformation" {
			p.Sources = p.Sources[:2]
		}
		text := printed(t, format, p)
		for _, s := range p.Sources {
			for _, guess := range []string{"AmazonSecurityLake-Provider-" + s.Name, "/ext/" + s.Name, "Provider-wazuhvuln"} {
				if strings.Contains(text, guess) {
					t.Errorf("%s derives %s", format, guess)
				}
			}
		}
	}
}
