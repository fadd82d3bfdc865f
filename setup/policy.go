package setup

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// Policy is an IAM policy document. The version is always 2012-10-17: it names the policy language, not the day of writing.
type Policy struct {
	Version   string               `json:"Version"`
	Statement oneOrMore[Statement] `json:"Statement"`
}

// Statement is one statement of a Policy.
type Statement struct {
	Sid       string                      `json:"Sid,omitempty"`
	Effect    string                      `json:"Effect"`
	Principal any                         `json:"Principal,omitempty"` // a map, or "*" in an endpoint policy
	Action    Texts                       `json:"Action"`
	Resource  Texts                       `json:"Resource,omitempty"`
	Condition map[string]map[string]Texts `json:"Condition,omitempty"`
}

// oneOrMore is a list that IAM also takes, and gives back, as its only element without brackets.
type oneOrMore[T any] []T

// UnmarshalJSON reads an element or a list.
func (l *oneOrMore[T]) UnmarshalJSON(data []byte) error {
	if data = bytes.TrimSpace(data); len(data) > 0 && data[0] == '[' {
		return json.Unmarshal(data, (*[]T)(l))
	}
	*l = make([]T, 1)
	return json.Unmarshal(data, &(*l)[0])
}

// Texts are one or more texts. A single one is written without brackets; IAM takes both and means the same.
type Texts []string

// MarshalJSON writes a text or a list.
func (t Texts) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

// UnmarshalJSON reads a text or a list.
func (t *Texts) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*t = Texts{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(t))
}

// String is the document as indented JSON, the same text for the same policy.
func (p Policy) String() string { return strings.TrimSuffix(indented(p), "\n") }

// compact is the document as AWS stores it.
func (p Policy) compact() string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(p.String())) != nil {
		return p.String()
	}
	return b.String()
}

func indented(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		panic(err) // strings, lists and maps of them only
	}
	return b.String()
}

func policy(statements ...Statement) Policy {
	return Policy{Version: "2012-10-17", Statement: statements}
}

func allow(sid string, actions []string, resources ...string) Statement {
	return Statement{Sid: sid, Effect: "Allow", Action: actions, Resource: resources}
}

func equals(key string, values ...string) map[string]map[string]Texts {
	return map[string]map[string]Texts{"StringEquals": {key: values}}
}

func service(name string) map[string]string { return map[string]string{"Service": name} }

// PartitionOf is the partition of ARNs in a region: aws, aws-cn, aws-us-gov and the closed ones.
func PartitionOf(region string) string {
	for prefix, partition := range map[string]string{
		"cn-": "aws-cn", "us-gov-": "aws-us-gov", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b", "us-isof-": "aws-iso-f", "eu-isoe-": "aws-iso-e",
	} {
		if strings.HasPrefix(region, prefix) {
			return partition
		}
	}
	return "aws"
}

// ManagerPolicy is all that the identity of a manager needs: to assume the provider roles of its sources. Everything else
// (writing below the prefix, the key of the bucket) is given to these roles by Security Lake.
func ManagerPolicy(providerRoles ...string) Policy {
	roles := slices.Compact(slices.Sorted(slices.Values(providerRoles)))
	return policy(allow("AssumeProviderRoles", []string{"sts:AssumeRole"}, roles...))
}

// ProviderTrust is the trust policy that Security Lake gives a provider role for principal, an account, and external ID.
func ProviderTrust(partition, principal, externalID string) Policy {
	return policy(Statement{
		Effect: "Allow", Principal: map[string]string{"AWS": "arn:" + partition + ":iam::" + principal + ":root"},
		Action: []string{"sts:AssumeRole"}, Condition: equals("sts:ExternalId", externalID),
	})
}

// InstanceTrust lets EC2 instances carry the identity of a manager as their profile.
func InstanceTrust() Policy {
	return policy(Statement{Effect: "Allow", Principal: service("ec2.amazonaws.com"), Action: []string{"sts:AssumeRole"}})
}

// AnywhereTrust lets holders of a certificate of one trust anchor take the identity of a manager by IAM Roles Anywhere.
func AnywhereTrust(trustAnchor string) Policy {
	return policy(Statement{
		Effect: "Allow", Principal: service("rolesanywhere.amazonaws.com"),
		Action:    []string{"sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"},
		Condition: map[string]map[string]Texts{"ArnEquals": {"aws:SourceArn": {trustAnchor}}},
	})
}

// CrawlerTrust lets Glue run a crawler with a role.
func CrawlerTrust() Policy {
	return policy(Statement{Effect: "Allow", Principal: service("glue.amazonaws.com"), Action: []string{"sts:AssumeRole"}})
}

// CrawlerPolicy is what the crawler's role needs besides the managed policy AWSGlueServiceRole: the objects of custom sources
// in the lake's bucket, and its key when that is the customer's own.
func CrawlerPolicy(lakes ...Lake) Policy {
	var buckets, keys []string
	for _, l := range lakes {
		buckets = append(buckets, "arn:"+PartitionOf(l.Region)+":s3:::"+l.Bucket+"/ext/*")
		if l.KMSKey != "" {
			keys = append(keys, l.KMSKey)
		}
	}
	p := policy(allow("Objects", []string{"s3:GetObject", "s3:PutObject"}, buckets...))
	if len(keys) > 0 {
		p.Statement = append(p.Statement, allow("Key", []string{"kms:Decrypt", "kms:GenerateDataKey"}, keys...))
	}
	return p
}

// glueServiceRole is AWS's managed policy for crawlers.
func glueServiceRole(partition string) string {
	return "arn:" + partition + ":iam::aws:policy/service-role/AWSGlueServiceRole"
}

// providerRoles matches the provider roles of an account; their path is not documented and seen both ways.
func providerRoles(partition, account string) []string {
	role := "arn:" + partition + ":iam::" + account + ":role/"
	return []string{role + "AmazonSecurityLake-Provider-*", role + "service-role/AmazonSecurityLake-Provider-*"}
}

// CallerPolicy is what whoever runs setup --apply needs, and nobody after it. Security Lake makes crawler, table and provider
// role with the caller's permissions; the caller must be an administrator in Lake Formation as well. crawlerRole is a name
// in the account, or an ARN.
func CallerPolicy(account, crawlerRole string, l Lake) Policy {
	partition := PartitionOf(l.Region)
	arn := func(service string) string {
		return "arn:" + partition + ":" + service + ":" + l.Region + ":" + account + ":"
	}
	role := crawlerRole
	if !strings.HasPrefix(role, "arn:") {
		role = "arn:" + partition + ":iam::" + account + ":role/" + crawlerRole
	}
	bucket := "arn:" + partition + ":s3:::" + l.Bucket
	database := "amazon_security_lake_glue_db_" + strings.ReplaceAll(l.Region, "-", "_")
	p := policy(
		allow("Look", []string{"securitylake:ListDataLakes", "securitylake:ListLogSources", "sts:GetCallerIdentity"}, "*"),
		allow("Sources", []string{"securitylake:GetDataLakeSources", "securitylake:CreateCustomLogSource"}, arn("securitylake")+"data-lake/default"),
		allow("CrawlerRole", []string{"iam:CreateRole", "iam:GetRole", "iam:PutRolePolicy", "iam:GetRolePolicy", "iam:AttachRolePolicy", "iam:ListAttachedRolePolicies"}, role),
		Statement{Sid: "PassCrawlerRole", Effect: "Allow", Action: []string{"iam:PassRole"}, Resource: []string{role}, Condition: equals("iam:PassedToService", "glue.amazonaws.com")},
		Statement{Sid: "ProviderRoles", Effect: "Allow", Action: []string{"iam:CreateRole", "iam:PutRolePolicy", "iam:DeleteRolePolicy"},
			Resource: providerRoles(partition, account), Condition: equals("iam:PermissionsBoundary", "arn:"+partition+":iam::aws:policy/AmazonSecurityLakePermissionsBoundary")},
		allow("ReadProviderRoles", []string{"iam:GetRole"}, providerRoles(partition, account)...),
		allow("Catalog", []string{"glue:CreateDatabase", "glue:CreateTable"}, arn("glue")+"catalog", arn("glue")+"database/"+database, arn("glue")+"table/"+database+"/*"),
		allow("Crawler", []string{"glue:CreateCrawler", "glue:StopCrawlerSchedule"}, "*"),
		allow("LakeFormation", []string{"lakeformation:RegisterResource", "lakeformation:GrantPermissions"}, "*"),
		allow("Bucket", []string{"s3:ListBucket"}, bucket),
		allow("Prefix", []string{"s3:PutObject"}, bucket+"/ext/*"),
	)
	if l.KMSKey != "" {
		p.Statement = append(p.Statement, allow("Key", []string{"kms:CreateGrant", "kms:DescribeKey", "kms:GenerateDataKey"}, l.KMSKey))
	}
	return p
}

// InspectorPolicy is what doctor --lake reads with.
func InspectorPolicy(account string, l Lake) Policy {
	partition := PartitionOf(l.Region)
	arn := func(service string) string {
		return "arn:" + partition + ":" + service + ":" + l.Region + ":" + account + ":"
	}
	database := "amazon_security_lake_glue_db_" + strings.ReplaceAll(l.Region, "-", "_")
	return policy(
		allow("Look", []string{"securitylake:ListDataLakes", "securitylake:ListLogSources", "sts:GetCallerIdentity"}, "*"),
		allow("Sources", []string{"securitylake:GetDataLakeSources"}, arn("securitylake")+"data-lake/default"),
		allow("Crawler", []string{"glue:GetCrawler"}, arn("glue")+"crawler/*"),
		allow("Catalog", []string{"glue:GetTable", "glue:GetTables", "glue:GetPartition", "glue:GetPartitions"},
			arn("glue")+"catalog", arn("glue")+"database/"+database, arn("glue")+"table/"+database+"/*"),
	)
}

// S3EndpointPolicy lets the provider roles, and nobody else, put objects below the location of a source through a VPC
// endpoint for S3.
func S3EndpointPolicy(region, location string, providerRoles ...string) Policy {
	s := allow("PutBelowTheSource", []string{"s3:PutObject"}, "arn:"+PartitionOf(region)+":s3:::"+strings.TrimSuffix(strings.TrimPrefix(location, "s3://"), "/")+"/*")
	s.Principal, s.Condition = "*", map[string]map[string]Texts{"ArnEquals": {"aws:PrincipalArn": providerRoles}}
	return policy(s)
}

// STSEndpointPolicy lets provider roles be assumed through a VPC endpoint for STS, and nothing else.
func STSEndpointPolicy(providerRoles ...string) Policy {
	s := allow("AssumeProviderRoles", []string{"sts:AssumeRole"}, providerRoles...)
	s.Principal = "*"
	return policy(s)
}

// KeyStatement is the statement that the policy of a customer's key needs when it leaves permissions to nobody else: the
// provider roles, through S3 only. In a key policy "*" is the key itself.
func KeyStatement(region string, providerRoles ...string) Policy {
	s := allow("ProviderRolesThroughS3", []string{"kms:GenerateDataKey", "kms:Decrypt"}, "*")
	s.Principal, s.Condition = map[string]Texts{"AWS": providerRoles}, equals("kms:ViaService", "s3."+region+".amazonaws.com")
	return policy(s)
}

// AuditorPolicy is what audit --s3 reads with.
func AuditorPolicy(l Lake) Policy {
	bucket := "arn:" + PartitionOf(l.Region) + ":s3:::" + l.Bucket
	return policy(allow("List", []string{"s3:ListBucket"}, bucket), allow("Objects", []string{"s3:GetObject"}, bucket+"/ext/*"))
}

// CopyPolicy lets the second copy (copy.ocsf_json) be written to a bucket that is not the lake's.
func CopyPolicy(region, bucket, prefix string) Policy {
	path := bucket + "/"
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		path += prefix + "/"
	}
	return policy(allow("PutTheCopy", []string{"s3:PutObject"}, "arn:"+PartitionOf(region)+":s3:::"+path+"*"))
}
