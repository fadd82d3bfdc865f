package setup

import (
	"fmt"
	"io"
	"strings"
)

// script collects the lines of a shell script.
type script struct{ strings.Builder }

func (s *script) line(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }

// word is text as one word of a POSIX shell.
func word(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// printCLI writes a script for a POSIX shell and the AWS CLI, version 2. Like Apply it goes on where it was when it is run again.
func printCLI(w io.Writer, p Paper, regions []string) error {
	var s script
	s.line("#!/bin/sh")
	s.line("# Creates the custom sources of wazuh-security-lake in Amazon Security Lake, with the AWS CLI, version 2.")
	s.line("# Run it in the account of the lake (in an organization: the delegated administrator of Security Lake), as an")
	s.line("# administrator of the data lake in Lake Formation. Run again it goes on where it was. It prints configuration.")
	s.line("set -eu")
	s.line("account=$(aws sts get-caller-identity --query Account --output text)")
	s.line("principal=%s", or(word(p.Principal), "''", "$account"))
	s.line("")
	s.line("# registered REGION SOURCE FIELD: what Security Lake says of a source, null when it is not there. Not --output text: that")
	s.line("# applies the query to each page of the list.")
	s.line(`registered() {`)
	s.line(`  answer=$(aws securitylake list-log-sources --region "$1" --regions "$1" --output json \`)
	s.line(`    --query "sources[].sources[].customLogSource | [?sourceName=='$2'] | [0].$3") || exit 1`)
	s.line(`  printf '%%s\n' "$answer" | tr -d '"'`)
	s.line(`}`)
	s.line("# lake REGION FIELD")
	s.line(`lake() {`)
	s.line(`  answer=$(aws securitylake list-data-lakes --region "$1" --regions "$1" --output json --query "dataLakes[0].$2") || exit 1`)
	s.line(`  printf '%%s\n' "$answer" | tr -d '"'`)
	s.line(`}`)
	if p.Crawler.ARN != "" {
		s.line("")
		s.line("crawler_role=%s", word(p.Crawler.ARN))
	} else {
		cliCrawlerRole(&s, p.Crawler.name(), regions)
	}
	for i, source := range p.Sources {
		id := fmt.Sprintf("s%d", i)
		s.line("")
		s.line("# source %s", source.Name)
		s.line("there=$(registered %s %s sourceName)", source.Region, word(source.Name))
		s.line(`if [ "$there" = null ]; then`)
		s.line(`  aws securitylake create-custom-log-source --region %s --source-name %s --event-classes %s --configuration \`, source.Region, word(source.Name), source.EventClass())
		s.line(`    '{"crawlerConfiguration":{"roleArn":"'"$crawler_role"'"},"providerIdentity":{"externalId":"%s","principal":"'"$principal"'"}}' >/dev/null`, source.ExternalID)
		s.line("else")
		s.line("  echo 'source %s was there: its external ID is the one it was made with, which may not be the one below' >&2", source.Name)
		s.line("fi")
		s.line("%s_location=$(registered %s %s provider.location)", id, source.Region, word(source.Name))
		s.line("%s_role=$(registered %s %s provider.roleArn)", id, source.Region, word(source.Name))
		s.line("%s_crawler=$(registered %s %s attributes.crawlerArn)", id, source.Region, word(source.Name))
		s.line(`[ "$%s_role" != null ] || { echo "source %s is not there" >&2; exit 1; }`, id, source.Name)
	}
	cliSummary(&s, p, regions[0])
	_, err := io.WriteString(w, s.String())
	return err
}

func or(value, empty, fallback string) string {
	if value == empty {
		return fallback
	}
	return value
}

func cliCrawlerRole(s *script, name string, regions []string) {
	s.line("")
	s.line("# the role of the Glue crawlers")
	s.line("if ! aws iam get-role --role-name %s >/dev/null 2>&1; then", word(name))
	s.line("  aws iam create-role --role-name %s --assume-role-policy-document %s >/dev/null", word(name), word(CrawlerTrust().compact()))
	s.line("  aws iam wait role-exists --role-name %s", word(name))
	s.line("  sleep 15 # until Glue knows it")
	s.line("fi")
	s.line("aws iam attach-role-policy --role-name %s --policy-arn %s", word(name), glueServiceRole(PartitionOf(regions[0])))
	s.line("objects='' keys=''")
	for _, region := range regions {
		s.line("bucket=$(lake %s s3BucketArn)", region)
		s.line(`[ "$bucket" != null ] || { echo "Security Lake is not enabled in %s" >&2; exit 1; }`, region)
		s.line(`objects=$objects,'"arn:%s:s3:::'${bucket##*:}'/ext/*"'`, PartitionOf(region))
		s.line("key=$(lake %s encryptionConfiguration.kmsKeyId)", region)
		s.line(`case $key in arn:*) keys=$keys,'"'$key'"' ;; esac`)
	}
	s.line(`statement='{"Sid":"Objects","Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":['${objects#,}']}'`)
	s.line(`[ -z "$keys" ] || statement=$statement',{"Sid":"Key","Effect":"Allow","Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":['${keys#,}']}'`)
	s.line(`aws iam put-role-policy --role-name %s --policy-name %s --policy-document '{"Version":"2012-10-17","Statement":['"$statement"']}'`, word(name), crawlerPolicyName)
	s.line("crawler_role=$(aws iam get-role --role-name %s --query Role.Arn --output text)", word(name))
}

func cliSummary(s *script, p Paper, region string) {
	var results []Result
	for i, source := range p.Sources {
		id := fmt.Sprintf("${s%d_", i)
		results = append(results, Result{Source: source, ExternalID: source.ExternalID,
			Registered: Registered{Name: source.Name, Location: id + "location}", RoleARN: id + "role}"}})
	}
	s.line("")
	s.line("cat <<END")
	s.line("# configuration of wazuh-security-lake, as AWS answered it:")
	WriteConfiguration(s, region, "$account", results)
	s.line("END")
	var roles []string
	for i := range p.Sources {
		roles = append(roles, fmt.Sprintf("${s%d_role}", i))
	}
	s.line("cat <<END")
	s.line("")
	s.line("# policy for the identity of the managers in account $principal:")
	s.line("%s", ManagerPolicy(roles...))
	s.line("")
	s.line("# after the first object, once:")
	for i, source := range p.Sources {
		s.line("# aws glue start-crawler --region %s --name ${s%d_crawler##*/}", source.Region, i)
	}
	s.line("END")
}
