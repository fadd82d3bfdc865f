package setup

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// WriteText prints what there is (=) and what Apply would make (+).
func (p *Plan) WriteText(w io.Writer) {
	fmt.Fprintf(w, "account %s, as %s\n", p.Caller.Account, p.Caller.ARN)
	regions := make(map[string]bool)
	for _, s := range p.Sources {
		if l := p.Lakes[s.Region]; !regions[s.Region] {
			key := ""
			if l.KMSKey != "" {
				key = ", encrypted with " + l.KMSKey
			}
			fmt.Fprintf(w, "Security Lake in %s: s3://%s%s\n", l.Region, l.Bucket, key)
			regions[s.Region] = true
		}
	}
	fmt.Fprintln(w)
	switch c := p.Crawler; {
	case c.Create:
		fmt.Fprintf(w, "+ role    %s, trusted by glue.amazonaws.com\n", c.Name)
	case c.Name != "":
		fmt.Fprintf(w, "= role    %s\n", c.ARN)
	}
	for _, g := range p.Crawler.Grants {
		fmt.Fprintf(w, "+ policy  %s on role %s\n", g.title(), p.Crawler.Name)
	}
	for _, s := range p.Sources {
		if !s.There {
			external := "a made-up external ID"
			if s.ExternalID != "" {
				external = "external ID " + s.ExternalID
			}
			fmt.Fprintf(w, "+ source  %s for %s in %s, written by account %s with %s\n", s.Name, s.EventClass(), s.Region, p.Principal, external)
			continue
		}
		fmt.Fprintf(w, "= source  %s in %s is there: %s\n", s.Name, s.Region, s.Registered.Location)
		for _, note := range s.Notes {
			fmt.Fprintf(w, "          note: %s\n", note)
		}
	}
}

// Setting is one value of the configuration: Path is its YAML path (sources[0].role_arn).
type Setting struct{ Path, Value string }

// Settings are what the answers of AWS mean for the configuration, verbatim.
func Settings(results []Result) []Setting {
	var out []Setting
	for _, r := range results {
		for _, s := range []Setting{
			{".class", r.Class}, {".s3_location", r.Registered.Location}, {".role_arn", r.Registered.RoleARN}, {".external_id", r.ExternalID},
		} {
			if s.Value != "" {
				out = append(out, Setting{r.Path + s.Path, s.Value})
			}
		}
	}
	return out
}

// WriteConfiguration prints the sources as configuration to paste.
func WriteConfiguration(w io.Writer, region, account string, results []Result) {
	fmt.Fprintf(w, "lake:\n  region: %s\n  account_id: %s # partition accountId: the account the events pertain to, or external\nsources:\n", quote(region), quote(account))
	for _, r := range results {
		fmt.Fprintf(w, "  - name: %s\n    class: %s\n", quote(r.Name), r.Class)
		if r.Region != region {
			fmt.Fprintf(w, "    region: %s\n", quote(r.Region))
		}
		fmt.Fprintf(w, "    s3_location: %s\n    role_arn: %s\n", quote(r.Registered.Location), quote(r.Registered.RoleARN))
		if r.ExternalID != "" {
			fmt.Fprintf(w, "    external_id: %s\n", quote(r.ExternalID))
		}
	}
}

// quote is a YAML string that no reader takes for anything else.
func quote(s string) string { return strconv.QuoteToASCII(s) }

var catalogName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// Catalog is how Glue and Athena name the data of a source. Answered reports that AWS said so; else the names are the
// documented ones.
type Catalog struct {
	Crawler, Database, Table string
	Answered                 bool
}

// Catalog reads the names out of the ARNs that AWS answered.
func (r Registered) Catalog(region string) Catalog {
	_, crawler, _ := strings.Cut(r.CrawlerARN, ":crawler/")
	_, database, _ := strings.Cut(r.DatabaseARN, ":database/")
	_, path, _ := strings.Cut(r.TableARN, ":table/")
	_, table, _ := strings.Cut(path, "/")
	c := Catalog{Crawler: crawler, Database: database, Table: table, Answered: true}
	if !catalogName.MatchString(c.Crawler) {
		c.Crawler = ""
	}
	if !catalogName.MatchString(c.Database) || !catalogName.MatchString(c.Table) {
		c = documented(r.Name, region)
		c.Crawler = crawler
		if !catalogName.MatchString(crawler) {
			c.Crawler = ""
		}
	}
	return c
}

var notWord = regexp.MustCompile(`[^a-z0-9_]`)

// documented are the names of the user guide.
func documented(source, region string) Catalog {
	under := strings.ReplaceAll(region, "-", "_")
	return Catalog{
		Database: "amazon_security_lake_glue_db_" + under,
		Table:    "amazon_security_lake_table_" + under + "_ext_" + notWord.ReplaceAllString(strings.ToLower(source), "_"),
	}
}

// FirstQuery shows in Athena that events of a class have arrived.
func FirstQuery(class string, c Catalog) string {
	title := "finding_info.title"
	if class == "security_finding" {
		title = "finding.title"
	}
	return "SELECT time_dt, severity, " + title + ", metadata.uid\n" +
		"FROM " + c.Database + "." + c.Table + "\n" +
		"WHERE eventday >= date_format(current_date - interval '1' day, '%Y%m%d')\n" +
		"ORDER BY time DESC LIMIT 10"
}

// WriteNext prints what remains to be done, in its order.
func WriteNext(w io.Writer, principal string, results []Result) {
	var roles []string
	for _, r := range results {
		roles = append(roles, r.Registered.RoleARN)
	}
	fmt.Fprintf(w, "Next\n1. Give the identity of the managers in account %s this policy and no other:\n\n%s\n\n", principal, ManagerPolicy(roles...))
	fmt.Fprint(w, "2. On each manager: wazuh-security-lake check-config, then doctor, then systemctl enable --now wazuh-security-lake\n"+
		"3. After the first object (status shows it shipped) run the crawler once; it makes the columns of the table:\n\n")
	for _, r := range results {
		c := r.Registered.Catalog(r.Region)
		if c.Crawler == "" {
			fmt.Fprintf(w, "   # source %s: the API named no crawler; aws glue list-crawlers --region %s\n", r.Name, r.Region)
			continue
		}
		fmt.Fprintf(w, "   aws glue start-crawler --region %s --name %s\n", r.Region, c.Crawler)
	}
	fmt.Fprint(w, "\n4. Then in Athena (whoever queries needs SELECT on the table in Lake Formation):\n")
	for _, r := range results {
		c := r.Registered.Catalog(r.Region)
		said := ""
		if !c.Answered {
			said = " (names as documented: the API answered none)"
		}
		fmt.Fprintf(w, "\n   source %s%s\n   %s\n", r.Name, said, strings.ReplaceAll(FirstQuery(r.Class, c), "\n", "\n   "))
	}
	fmt.Fprint(w, "\nPolicies, keys, networks, other accounts: docs/AWS.md\n")
}
