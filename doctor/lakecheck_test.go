package doctor

import (
	"strings"
	"testing"
	"time"

	"wazuh-security-lake/config"
	"wazuh-security-lake/lake"
	"wazuh-security-lake/ocsf"
	"wazuh-security-lake/test/awsfake"
	"wazuh-security-lake/uploader"
)

var testNow = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// administrate runs the checks of the lake against the fake of AWS's services.
func administrate(t *testing.T, server *awsfake.Server, change func(*config.Config)) map[string]Outcome {
	t.Helper()
	for _, v := range server.Environ() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	c := config.Default()
	c.Lake.Destination, c.Lake.Region, c.Lake.AccountID = "s3://aws-security-data-lake-us-east-1-q7x2example", "us-east-1", "123456789012"
	c.Lake.RoleARN, c.Lake.ExternalID = "arn:aws:iam::123456789012:role/service-role/AmazonSecurityLake-Provider-wazuh-us-east-1", "right-id"
	c.Sources = []config.Source{{Name: "wazuh", Class: config.DetectionFinding, OCSFVersion: "1.1.0"}}
	c.Spool.Dir = t.TempDir()
	change(&c)
	// S3 itself is not part of the fake: its checks fail, those of the catalog are tried all the same.
	opt := Options{Config: c, File: "/dev/null", Users: []Identity{Self()}, Lake: true, Now: func() time.Time { return testNow },
		S3: uploader.S3Options{Region: "us-east-1", S3Endpoint: "http://127.0.0.1:1"}}
	checks, release := Checks(opt)
	defer release()
	found := make(map[string]Outcome)
	for _, o := range Run(t.Context(), checks, 5*time.Second, func(Outcome) {}) {
		found[o.Name] = o
	}
	return found
}

// columns is the table a crawler makes of our objects.
func columns(t *testing.T) []awsfake.Column {
	t.Helper()
	class, err := ocsf.ClassByName(config.DetectionFinding, "1.1.0")
	if err != nil {
		t.Fatal(err)
	}
	var out []awsfake.Column
	for _, c := range lake.TableColumns(class) {
		out = append(out, awsfake.Column{Name: c.Name, Type: c.Type})
	}
	return out
}

func TestLake(t *testing.T) {
	none := func(*config.Config) {}
	for name, c := range map[string]struct {
		world  func(w *awsfake.World, s *awsfake.Source)
		config func(*config.Config)
		check  string
		status Status
		fault  Fault
		texts  []string
	}{
		"registered":        {check: "registered wazuh", status: OK, texts: []string{"s3://aws-security-data-lake-us-east-1-q7x2example/ext/wazuh/", "Provider-wazuh-us-east-1"}},
		"not registered":    {config: func(c *config.Config) { c.Sources[0].Name = "other" }, check: "registered other", status: Fail, fault: Configuration, texts: []string{"somebody-else", "setup"}},
		"other case":        {config: func(c *config.Config) { c.Sources[0].Name = "Wazuh" }, check: "registered Wazuh", status: Fail, fault: Configuration, texts: []string{"case counts"}},
		"other location":    {world: func(_ *awsfake.World, s *awsfake.Source) { s.Location += "1.0/" }, check: "registered wazuh", status: Fail, fault: Configuration, texts: []string{"set s3_location", "/ext/wazuh/1.0/"}},
		"other role":        {world: func(_ *awsfake.World, s *awsfake.Source) { s.RoleARN += "x" }, check: "registered wazuh", status: Fail, fault: Configuration, texts: []string{"set role_arn"}},
		"class":             {check: "class of wazuh", status: OK, texts: []string{"DETECTION_FINDING"}},
		"other class":       {world: func(_ *awsfake.World, s *awsfake.Source) { s.Classes = []string{"SECURITY_FINDING"} }, check: "class of wazuh", status: Fail, fault: Configuration, texts: []string{"created for SECURITY_FINDING"}},
		"two classes":       {world: func(_ *awsfake.World, s *awsfake.Source) { s.Classes = []string{"DETECTION_FINDING", "DNS_ACTIVITY"} }, check: "class of wazuh", status: Warn, texts: []string{"several classes"}},
		"crawler never ran": {check: "crawler of wazuh", status: Warn, texts: []string{"never run", "aws glue start-crawler --region us-east-1 --name crawler-of-wazuh"}},
		"crawler succeeded": {world: func(w *awsfake.World, s *awsfake.Source) {
			w.Crawlers[s.Crawler].LastStatus, w.Crawlers[s.Crawler].LastStart = "SUCCEEDED", 1763900000
		}, check: "crawler of wazuh", status: OK, texts: []string{"succeeded 2025-11-23T"}},
		"crawler failed": {world: func(w *awsfake.World, s *awsfake.Source) {
			w.Crawlers[s.Crawler].LastStatus, w.Crawlers[s.Crawler].LastError = "FAILED", "role may not"
		}, check: "crawler of wazuh", status: Fail, fault: Configuration, texts: []string{"role may not"}},
		"crawler gone":   {world: func(w *awsfake.World, s *awsfake.Source) { delete(w.Crawlers, s.Crawler) }, check: "crawler of wazuh", status: Fail, fault: Configuration, texts: []string{"does not exist"}},
		"no columns yet": {check: "table of wazuh", status: Warn, texts: []string{"no columns yet"}},
		"no table":       {world: func(w *awsfake.World, s *awsfake.Source) { delete(w.Tables, s.Catalog+"."+s.Table) }, check: "table of wazuh", status: Warn, texts: []string{"not there yet"}},
		"table":          {world: func(w *awsfake.World, s *awsfake.Source) { table(w, s).Columns = columns(t) }, check: "table of wazuh", status: OK, texts: []string{"columns with their types"}},
		"column missing": {world: func(w *awsfake.World, s *awsfake.Source) { table(w, s).Columns = columns(t)[1:] }, check: "table of wazuh", status: Fail, fault: Configuration, texts: []string{"1 columns", columns(t)[0].Name + " is missing"}},
		"the Lambda's types": {world: func(w *awsfake.World, s *awsfake.Source) {
			all := columns(t)
			for i := range all {
				if all[i].Name == "unmapped" {
					all[i].Type = "struct<data_sources:array<string>,nist:array<string>>"
				}
			}
			table(w, s).Columns = append(all, awsfake.Column{Name: "nist", Type: "array<string>"})
		}, check: "table of wazuh", status: Fail, fault: Configuration, texts: []string{"2 columns", "unmapped is struct<data_sources", "instead of map<string,string>", "nist is none of ours", "MIGRATION.md"}},
		"partition": {world: func(w *awsfake.World, s *awsfake.Source) {
			table(w, s).Partitions = [][]string{{"us-east-1", "123456789012", "20261123"}}
		}, check: "partition of wazuh", status: OK, texts: []string{"20261123"}},
		"no partition yet": {world: func(w *awsfake.World, s *awsfake.Source) {
			table(w, s).Partitions = [][]string{{"us-east-1", "123456789012", "20261122"}}
		}, check: "partition of wazuh", status: Warn, texts: []string{"not registered"}},
	} {
		t.Run(name, func(t *testing.T) {
			server := awsfake.New(t)
			server.Edit(func(w *awsfake.World) {
				s := w.AddSource("us-east-1", "wazuh", "DETECTION_FINDING", "123456789012", "right-id")
				if c.world != nil {
					c.world(w, s)
				}
			})
			if c.config == nil {
				c.config = none
			}
			want(t, administrate(t, server, c.config)[c.check], c.status, c.fault, c.texts...)
		})
	}
}

func table(w *awsfake.World, s *awsfake.Source) *awsfake.Table {
	return w.Tables[s.Catalog+"."+s.Table]
}

func TestLakeWithoutTheRight(t *testing.T) {
	for operation, c := range map[string]struct{ action, check string }{
		"ListLogSources":     {"securitylake:ListLogSources", "registered wazuh"},
		"GetDataLakeSources": {"securitylake:GetDataLakeSources", "class of wazuh"},
		"GetCrawler":         {"glue:GetCrawler", "crawler of wazuh"},
		"GetTable":           {"glue:GetTable", "table of wazuh"},
		"GetPartition":       {"glue:GetPartition", "partition of wazuh"},
	} {
		t.Run(operation, func(t *testing.T) {
			server := awsfake.New(t)
			server.Edit(func(w *awsfake.World) {
				w.AddSource("us-east-1", "wazuh", "DETECTION_FINDING", "123456789012", "right-id")
			})
			server.Deny(operation, c.action)
			want(t, administrate(t, server, func(*config.Config) {})[c.check], Fail, Permission, c.action, "AWS_PROFILE")
		})
	}
	server := awsfake.New(t)
	server.Edit(func(w *awsfake.World) {
		w.AddSource("us-east-1", "wazuh", "DETECTION_FINDING", "123456789012", "right-id")
	})
	server.Refuse("GetTable", 400, "AccessDeniedException", "Insufficient Lake Formation permission(s): Required Describe on the table", -1)
	want(t, administrate(t, server, func(*config.Config) {})["table of wazuh"], Fail, Permission, "grant DESCRIBE")
}

func TestLakeIsAskedOnly(t *testing.T) {
	server := awsfake.New(t)
	server.Edit(func(w *awsfake.World) {
		w.AddSource("us-east-1", "wazuh", "DETECTION_FINDING", "123456789012", "right-id")
	})
	administrate(t, server, func(*config.Config) {})
	for _, operation := range server.Log() {
		switch operation {
		case "GetCallerIdentity", "AssumeRole":
		default:
			if !strings.HasPrefix(operation, "List") && !strings.HasPrefix(operation, "Get") {
				t.Errorf("%s changes something", operation)
			}
		}
	}
}
