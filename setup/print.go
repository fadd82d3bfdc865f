package setup

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Formats are what Print can write.
var formats = []string{"cli", "terraform", "cloudformation", "policy"}

// Formats lists what Print can write.
func Formats() []string { return slices.Clone(formats) }

// Paper is a Request for somebody else to carry out. Bucket, KMSKey and ExternalID may be empty: the documents then ask
// AWS, take a parameter, or say where the value belongs.
type Paper struct {
	Request
	Bucket string // of the lake, if the configuration knows it
	// ExternalID is for the sources that have none.
	ExternalID string
	// Copy is s3://bucket/prefix of the second copy, if there is one.
	Copy string
}

// Print writes the sources, the crawler's role and the policy of the managers as a document: cli, terraform,
// cloudformation or policy. It sends nothing and needs no credentials.
func Print(w io.Writer, format string, p Paper) error {
	if err := p.Check(); err != nil {
		return err
	}
	for i := range p.Sources {
		if p.Sources[i].ExternalID == "" {
			p.Sources[i].ExternalID = p.ExternalID
		}
	}
	regions := p.regions()
	switch format {
	case "cli":
		return printCLI(w, p, regions)
	case "terraform":
		return printTerraform(w, p, regions)
	case "cloudformation":
		if len(regions) > 1 {
			return &Error{Unclear, fmt.Errorf("the sources are in %s, and a stack is in one region", strings.Join(regions, ", ")), "print one stack for each: --source NAME"}
		}
		return printCloudFormation(w, p, regions[0])
	case "policy":
		return printPolicies(w, p, regions)
	}
	return &Error{Unclear, errors.New("unknown format " + format), strings.Join(formats, ", ")}
}

func (p Paper) regions() []string {
	var out []string
	for _, s := range p.Sources {
		if !slices.Contains(out, s.Region) {
			out = append(out, s.Region)
		}
	}
	return out
}

var notIdentifier = regexp.MustCompile(`[^A-Za-z0-9]`)

// identifier is a name for a source inside a document; the index keeps a.b and a_b apart.
func identifier(i int, s Source) string {
	return fmt.Sprintf("s%d_%s", i, notIdentifier.ReplaceAllString(s.Name, "_"))
}

// Document is a policy with what it is for.
type Document struct {
	Title  string
	Policy Policy
}

// Placeholders stand in documents for what only AWS knows.
const (
	unknownAccount = "ACCOUNT_OF_THE_LAKE"
	unknownBucket  = "BUCKET_OF_THE_LAKE"
	unknownARN     = "PROVIDER_ROLE_ARN_AS_ANSWERED"
	unknownAnchor  = "TRUST_ANCHOR_ARN"
)

// Documents are all policies that concern a source, in the order of docs/AWS.md. What is not known is a placeholder in
// capitals; names that Security Lake chooses are never guessed.
func Documents(account, principal, bucket, kmsKey, crawlerRole string, s Source) []Document {
	or := func(value, placeholder string) string {
		if value == "" {
			return placeholder
		}
		return value
	}
	account, bucket = or(account, unknownAccount), or(bucket, unknownBucket)
	principal, role := or(principal, account), or(s.RoleARN, unknownARN)
	location := or(s.Location, "s3://"+bucket+"/ext/")
	l := Lake{Region: s.Region, Bucket: bucket, KMSKey: kmsKey}
	documents := []Document{
		{"identity of the managers", ManagerPolicy(role)},
		{"trust: the identity as an EC2 instance profile", InstanceTrust()},
		{"trust: the identity by IAM Roles Anywhere", AnywhereTrust(unknownAnchor)},
		{"trust of the provider role, as Security Lake makes it", ProviderTrust(PartitionOf(s.Region), principal, or(s.ExternalID, "EXTERNAL_ID"))},
		{"trust of the crawler's role", CrawlerTrust()},
		{"crawler's role, besides AWSGlueServiceRole", CrawlerPolicy(l)},
		{"whoever runs setup --apply", CallerPolicy(account, crawlerRole, l)},
		{"whoever runs doctor --lake", InspectorPolicy(account, l)},
		{"whoever runs audit --s3", AuditorPolicy(l)},
		{"VPC endpoint for S3", S3EndpointPolicy(s.Region, location, role)},
		{"VPC endpoint for STS", STSEndpointPolicy(role)},
		{"statement for the policy of a customer's key", KeyStatement(s.Region, role)},
	}
	return documents
}

func printPolicies(w io.Writer, p Paper, regions []string) error {
	for _, s := range p.Sources {
		for _, d := range Documents("", p.Principal, p.Bucket, "", p.Crawler.name(), s) {
			if _, err := fmt.Fprintf(w, "# source %s: %s\n%s\n\n", s.Name, d.Title, d.Policy); err != nil {
				return err
			}
		}
	}
	if to, ok := strings.CutPrefix(p.Copy, "s3://"); ok {
		bucket, prefix, _ := strings.Cut(to, "/")
		_, err := fmt.Fprintf(w, "# second copy: the identity of the managers, or copy.role_arn\n%s\n", CopyPolicy(regions[0], bucket, prefix))
		return err
	}
	return nil
}
