package setup

import (
	"slices"
	"strings"
	"testing"
)

// IAM takes a single statement without brackets, and principals that are no map, and keeps a document as it was written.
func TestTrustInEveryForm(t *testing.T) {
	const glue = `{"Effect":"Allow","Principal":{"Service":"glue.amazonaws.com"},"Action":"sts:AssumeRole"}`
	const provider = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"ext"}}}`
	const anyone = `{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole","Condition":{"Bool":{"aws:SecureTransport":false}}}`
	for name, statement := range map[string]func(string) string{
		"a list":           func(s string) string { return "[" + s + "]" },
		"a single one":     func(s string) string { return s },
		"beside a refusal": func(s string) string { return "[" + anyone + "," + s + "]" },
	} {
		t.Run(name, func(t *testing.T) {
			document := func(s string) string { return `{"Version":"2012-10-17","Statement":` + statement(s) + `}` }
			if err := crawlable(&Role{Trust: document(glue)}, "crawler"); err != nil {
				t.Errorf("crawler's role: %v", err)
			}
			if err := crawlable(&Role{Trust: document(provider)}, "crawler"); err == nil {
				t.Error("a provider role passes for one of Glue's")
			}
			external, principals := trusted(document(provider))
			if !slices.Equal(external, []string{"ext"}) || !slices.Equal(principals, []string{"arn:aws:iam::123456789012:root"}) {
				t.Errorf("external %v, principals %v", external, principals)
			}
		})
	}
}

// What somebody has added to the crawler's policy stays when a region is added.
func TestMergedKeepsTheOneStatementThatIsThere(t *testing.T) {
	got := merged(`{"Version":"2012-10-17","Statement":{"Sid":"Own","Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::own/*"}}`, CrawlerPolicy(Lake{Region: "us-east-1", Bucket: "b"})).String()
	if !strings.Contains(got, `"Own"`) || !strings.Contains(got, "arn:aws:s3:::b/ext/*") {
		t.Errorf("got %s", got)
	}
}
