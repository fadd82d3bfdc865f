package setup

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"wazuh-security-lake/lake"
	"wazuh-security-lake/ocsf"
)

var update = flag.Bool("update", false, "write the policies into docs/AWS.md")

const page = "../docs/AWS.md"

// examples are the policies of docs/AWS.md: what `setup --print policy` prints, for the account of the examples.
func examples() map[string]Policy {
	const role = "arn:aws:iam::123456789012:role/AmazonSecurityLake-Provider-wazuh-us-east-1"
	const bucket, key = "aws-security-data-lake-us-east-1-EXAMPLE", "arn:aws:kms:us-east-1:123456789012:key/EXAMPLE"
	out := make(map[string]Policy)
	for _, d := range Documents("123456789012", "210987654321", bucket, key, CrawlerRoleName, Source{
		Name: "wazuh", Class: "detection_finding", Region: "us-east-1", Location: "s3://" + bucket + "/ext/wazuh/", RoleARN: role, ExternalID: "wazuh-EXAMPLE"}) {
		out[d.Title] = d.Policy
	}
	out["second copy"] = CopyPolicy("us-east-1", "our-archive", "wazuh")
	return out
}

var block = regexp.MustCompile("(?s)<!-- policy: ([^>]*) -->\n```json\n(.*?)```\n")

// Every policy of the page is the text that the binary prints, and every one that it prints is on the page.
func TestPageHasThePoliciesOfTheBinary(t *testing.T) {
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	policies := examples()
	if *update {
		text = block.ReplaceAllStringFunc(text, func(old string) string {
			title := block.FindStringSubmatch(old)[1]
			p, ok := policies[title]
			if !ok {
				return old
			}
			return "<!-- policy: " + title + " -->\n```json\n" + p.String() + "\n```\n"
		})
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	seen := make(map[string]bool)
	for _, m := range block.FindAllStringSubmatch(text, -1) {
		title, got := m[1], strings.TrimSpace(m[2])
		p, ok := policies[title]
		if !ok {
			t.Errorf("the page has a policy %q that the binary does not know", title)
		} else if got != p.String() {
			t.Errorf("%s: the page has\n%s\nthe binary prints\n%s", title, got, p)
		}
		seen[title] = true
	}
	for title := range policies {
		if !seen[title] {
			t.Errorf("the page lacks the policy %q", title)
		}
	}
	if got, want := strings.Count(text, "```json"), len(policies); got != want {
		t.Errorf("%d JSON blocks, %d of them with a title", got, want)
	}
}

// actions is every action that a policy of ours may name.
var actions = strings.Fields(`
	sts:AssumeRole sts:TagSession sts:SetSourceIdentity sts:GetCallerIdentity
	s3:PutObject s3:GetObject s3:ListBucket
	kms:Decrypt kms:GenerateDataKey kms:CreateGrant kms:DescribeKey
	iam:CreateRole iam:GetRole iam:PassRole iam:PutRolePolicy iam:GetRolePolicy iam:DeleteRolePolicy iam:AttachRolePolicy iam:ListAttachedRolePolicies
	glue:CreateDatabase glue:CreateTable glue:CreateCrawler glue:StopCrawlerSchedule glue:GetCrawler glue:GetTable glue:GetTables glue:GetPartition glue:GetPartitions
	securitylake:ListDataLakes securitylake:ListLogSources securitylake:GetDataLakeSources securitylake:CreateCustomLogSource
	lakeformation:RegisterResource lakeformation:GrantPermissions`)

// unbounded are the actions that take no narrower resource than "*".
var unbounded = strings.Fields(`sts:GetCallerIdentity securitylake:ListDataLakes securitylake:ListLogSources
	glue:CreateCrawler glue:StopCrawlerSchedule lakeformation:RegisterResource lakeformation:GrantPermissions`)

// bounded are the only ends with which a resource may go on as it likes.
var bounded = []string{"/ext/*", "/ext/wazuh/*", "our-archive/wazuh/*", ":role/AmazonSecurityLake-Provider-*", ":role/service-role/AmazonSecurityLake-Provider-*",
	":table/amazon_security_lake_glue_db_us_east_1/*", ":crawler/*"}

func TestPolicies(t *testing.T) {
	for title, p := range examples() {
		for _, fault := range faults(title, p.String()) {
			t.Errorf("%s: %s", title, fault)
		}
	}
}

// The check itself: each of these must be found.
func TestPolicyFaultsAreFound(t *testing.T) {
	good := examples()["identity of the managers"].String()
	for name, bad := range map[string]string{
		"version":      strings.ReplaceAll(good, "2012-10-17", "2025-04-04"),
		"action":       strings.ReplaceAll(good, "sts:AssumeRole", "sts:*"),
		"unknown":      strings.ReplaceAll(good, "sts:AssumeRole", "sts:AssumeRoll"),
		"resource":     strings.ReplaceAll(good, "-wazuh-us-east-1", "-w*"),
		"any resource": regexp.MustCompile(`"arn:[^"]*"`).ReplaceAllString(good, `"*"`),
		"no JSON":      good[:len(good)-1],
		"no condition": strings.ReplaceAll(examples()["trust of the provider role, as Security Lake makes it"].String(), "sts:ExternalId", "aws:SourceArn"),
	} {
		title := "identity of the managers"
		if name == "no condition" {
			title = "trust of the provider role, as Security Lake makes it"
		}
		if len(faults(title, bad)) == 0 {
			t.Errorf("%s passes:\n%s", name, bad)
		}
	}
}

func faults(title, document string) []string {
	var p Policy
	if err := json.Unmarshal([]byte(document), &p); err != nil {
		return []string{err.Error()}
	}
	var out []string
	fault := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if p.Version != "2012-10-17" || len(p.Statement) == 0 {
		fault("version %s, %d statements", p.Version, len(p.Statement))
	}
	trust := strings.HasPrefix(title, "trust")
	keyPolicy := strings.Contains(title, "key")
	for _, s := range p.Statement {
		for _, action := range s.Action {
			if !slices.Contains(actions, action) {
				fault("action %s is not known", action)
			}
		}
		if s.Effect != "Allow" || len(s.Action) == 0 || (len(s.Resource) == 0) != trust || trust && s.Principal == nil {
			fault("statement %s: effect, action, resource or principal", s.Sid)
		}
		for _, resource := range s.Resource {
			any := resource == "*" && (keyPolicy || !slices.ContainsFunc(s.Action, func(a string) bool { return !slices.Contains(unbounded, a) }))
			end := slices.ContainsFunc(bounded, func(b string) bool { return strings.HasSuffix(resource, b) && strings.Count(resource, "*") == 1 })
			if strings.ContainsAny(resource, "*?") && !any && !end {
				fault("statement %s: resource %s is too wide", s.Sid, resource)
			}
		}
	}
	if strings.Contains(title, "provider role") {
		if got := p.Statement[0].Condition["StringEquals"]["sts:ExternalId"]; len(got) != 1 {
			fault("no external ID is demanded")
		}
	}
	return out
}

// The first query names columns that the class has.
func TestFirstQueryFitsTheSchema(t *testing.T) {
	for name := range eventClassUID {
		class, err := ocsf.ClassByName(name, ocsf.Version110)
		if err != nil {
			t.Fatal(err)
		}
		ddl := lake.AthenaDDL(class, "t", "s3://b/ext/w/")
		query := FirstQuery(name, documented("wazuh", "us-east-1"))
		selected, _, _ := strings.Cut(strings.TrimPrefix(query, "SELECT "), "\n")
		for _, column := range append(strings.Split(selected, ", "), "time") {
			parent, child, nested := strings.Cut(column, ".")
			if !regexp.MustCompile("`"+parent+"` ").MatchString(ddl) && !strings.Contains(ddl, "\n  "+parent+" ") {
				t.Errorf("%s has no column %s", name, parent)
			}
			if nested && !regexp.MustCompile(parent+"`? struct<[^\n]*\\b"+child+":").MatchString(ddl) {
				t.Errorf("%s has no %s in %s", name, child, parent)
			}
		}
		if !strings.Contains(query, "amazon_security_lake_glue_db_us_east_1.amazon_security_lake_table_us_east_1_ext_wazuh\n") {
			t.Errorf("table in:\n%s", query)
		}
	}
}

func TestCatalog(t *testing.T) {
	glue := "arn:aws:glue:us-east-1:123456789012:"
	for name, test := range map[string]struct {
		in   Registered
		want Catalog
	}{
		"answered": {Registered{Name: "w", CrawlerARN: glue + "crawler/c", DatabaseARN: glue + "database/d", TableARN: glue + "table/d/t"}, Catalog{"c", "d", "t", true}},
		"nothing":  {Registered{Name: "Wazuh.eu"}, Catalog{"", "amazon_security_lake_glue_db_us_east_1", "amazon_security_lake_table_us_east_1_ext_wazuh_eu", false}},
		"hostile":  {Registered{Name: "w", CrawlerARN: glue + "crawler/c; rm", DatabaseARN: glue + "database/d`", TableARN: glue + "table/d/t"}, Catalog{"", "amazon_security_lake_glue_db_us_east_1", "amazon_security_lake_table_us_east_1_ext_w", false}},
	} {
		if got := test.in.Catalog("us-east-1"); got != test.want {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
}

// The documents' own links lead somewhere.
func TestPageLinks(t *testing.T) {
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\]\(([A-Za-z./]+\.md)(#[a-z0-9-]+)?\)`).FindAllStringSubmatch(string(data), -1) {
		target, err := os.ReadFile("../docs/" + m[1])
		if err != nil {
			t.Errorf("%s: %v", m[0], err)
			continue
		}
		if m[2] != "" && !slices.Contains(anchors(string(target)), m[2][1:]) {
			t.Errorf("%s: no such heading", m[0])
		}
	}
}

func anchors(markdown string) []string {
	var out []string
	for line := range strings.SplitSeq(markdown, "\n") {
		if title := strings.TrimLeft(line, "#"); title != line && strings.HasPrefix(title, " ") {
			slug := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
			out = append(out, strings.ReplaceAll(slug, " ", "-"))
		}
	}
	return out
}
