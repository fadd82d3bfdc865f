package setup

import (
	"io"
	"strings"
)

// hcl is text as a quoted string of Terraform, without interpolation.
func hcl(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "${", "$${", "%{", "%%{").Replace(text) + `"`
}

// nested indents every line of a block but the first.
func nested(text, indent string) string { return strings.ReplaceAll(text, "\n", "\n"+indent) }

func alias(region string) string { return strings.ReplaceAll(region, "-", "_") }

// printTerraform writes a root module for the provider hashicorp/aws. Policies stand in it as the JSON that the other
// forms have, too: JSON is an expression of HCL, and references to resources are put into its strings.
func printTerraform(w io.Writer, p Paper, regions []string) error {
	var s script
	s.line("# The custom sources of wazuh-security-lake in Amazon Security Lake. Apply it in the account of the lake (in an")
	s.line("# organization: the delegated administrator of Security Lake), as an administrator of the data lake in Lake Formation.")
	s.line("terraform {")
	s.line("  required_version = \">= 1.3\"")
	s.line("  required_providers {")
	s.line("    aws = {")
	s.line("      source  = \"hashicorp/aws\"")
	s.line("      version = \">= 5.40\"")
	s.line("    }")
	s.line("  }")
	s.line("}")
	for _, region := range regions {
		s.line("")
		s.line("provider \"aws\" {")
		s.line("  alias  = %s", hcl(alias(region)))
		s.line("  region = %s", hcl(region))
		s.line("}")
	}
	s.line("")
	s.line("variable \"principal\" {")
	s.line("  description = \"Account of the managers' credentials, 12 digits; empty is the account of the lake\"")
	s.line("  type        = string")
	s.line("  default     = %s", hcl(p.Principal))
	s.line("}")
	for _, region := range regions {
		s.line("")
		s.line("variable \"lake_bucket_%s\" {", alias(region))
		s.line("  description = \"Bucket of the Security Lake in %s\"", region)
		s.line("  type        = string")
		if p.Bucket != "" && len(regions) == 1 {
			s.line("  default     = %s", hcl(p.Bucket))
		}
		s.line("}")
	}
	s.line("")
	s.line("variable \"lake_kms_keys\" {")
	s.line("  description = \"ARNs of the customer's keys that encrypt the lake; empty when S3 manages them\"")
	s.line("  type        = list(string)")
	s.line("  default     = []")
	s.line("}")
	s.line("")
	s.line("data \"aws_caller_identity\" \"lake\" {")
	s.line("  provider = aws.%s", alias(regions[0]))
	s.line("}")
	s.line("")
	s.line("locals {")
	s.line("  principal = var.principal == \"\" ? data.aws_caller_identity.lake.account_id : var.principal")
	s.line("}")
	crawler, after := hcl(p.Crawler.ARN), []string{}
	if p.Crawler.ARN == "" {
		terraformCrawlerRole(&s, p.Crawler.name(), regions)
		crawler = "aws_iam_role.crawler.arn"
		after = []string{"aws_iam_role_policy.crawler", "aws_iam_role_policy_attachment.crawler"}
	}
	var roles []string
	for i, source := range p.Sources {
		id := identifier(i, source)
		s.line("")
		s.line("resource \"aws_securitylake_custom_log_source\" %q {", id)
		s.line("  provider      = aws.%s", alias(source.Region))
		s.line("  source_name   = %s", hcl(source.Name))
		s.line("  event_classes = [%s]", hcl(source.EventClass()))
		s.line("")
		s.line("  configuration {")
		s.line("    crawler_configuration {")
		s.line("      role_arn = %s", crawler)
		s.line("    }")
		s.line("    provider_identity {")
		s.line("      external_id = %s", hcl(source.ExternalID))
		s.line("      principal   = local.principal")
		s.line("    }")
		s.line("  }")
		if len(after) > 0 {
			s.line("")
			s.line("  depends_on = [%s]", strings.Join(after, ", "))
		}
		s.line("}")
		after = []string{"aws_securitylake_custom_log_source." + id} // one after the other: made at the same time they conflict
		roles = append(roles, "${aws_securitylake_custom_log_source."+id+".provider_details[0].role_arn}")
	}
	s.line("")
	s.line("# For the identity of the managers, when it is in this account; else give it this document over there.")
	s.line("resource \"aws_iam_policy\" \"manager\" {")
	s.line("  provider = aws.%s", alias(regions[0]))
	s.line("  name     = \"WazuhSecurityLakeManager\"")
	s.line("  policy   = jsonencode(%s)", nested(ManagerPolicy(roles...).String(), "  "))
	s.line("}")
	terraformOutput(&s, p)
	_, err := io.WriteString(w, s.String())
	return err
}

func terraformCrawlerRole(s *script, name string, regions []string) {
	var buckets []Lake
	for _, region := range regions {
		buckets = append(buckets, Lake{Region: region, Bucket: "${var.lake_bucket_" + alias(region) + "}"})
	}
	s.line("")
	s.line("resource \"aws_iam_role\" \"crawler\" {")
	s.line("  provider           = aws.%s", alias(regions[0]))
	s.line("  name               = %s", hcl(name))
	s.line("  description        = \"Glue crawler of the custom sources of wazuh-security-lake\"")
	s.line("  assume_role_policy = jsonencode(%s)", nested(CrawlerTrust().String(), "  "))
	s.line("}")
	s.line("")
	s.line("resource \"aws_iam_role_policy_attachment\" \"crawler\" {")
	s.line("  provider   = aws.%s", alias(regions[0]))
	s.line("  role       = aws_iam_role.crawler.name")
	s.line("  policy_arn = %s", hcl(glueServiceRole(PartitionOf(regions[0]))))
	s.line("}")
	s.line("")
	s.line("resource \"aws_iam_role_policy\" \"crawler\" {")
	s.line("  provider = aws.%s", alias(regions[0]))
	s.line("  name     = %s", hcl(crawlerPolicyName))
	s.line("  role     = aws_iam_role.crawler.name")
	s.line("  policy = jsonencode({")
	s.line("    Version = \"2012-10-17\"")
	objects := strings.TrimSuffix(indented(CrawlerPolicy(buckets...).Statement[0]), "\n")
	s.line("    Statement = concat([%s], [", nested(objects, "    "))
	s.line("      for key in var.lake_kms_keys : {")
	s.line("        Sid      = \"Key${index(var.lake_kms_keys, key)}\"")
	s.line("        Effect   = \"Allow\"")
	s.line("        Action   = [\"kms:Decrypt\", \"kms:GenerateDataKey\"]")
	s.line("        Resource = [key]")
	s.line("      }")
	s.line("    ])")
	s.line("  })")
	s.line("}")
}

// terraformOutput writes one output with all that the configuration needs, verbatim.
func terraformOutput(s *script, p Paper) {
	s.line("")
	s.line("output \"configuration\" {")
	s.line("  description = \"For the configuration of wazuh-security-lake, and the crawler to start after the first object\"")
	s.line("  value = {")
	for i, source := range p.Sources {
		ref := "aws_securitylake_custom_log_source." + identifier(i, source)
		s.line("    %s = {", hcl(source.Name))
		s.line("      class       = %s", hcl(source.Class))
		s.line("      s3_location = %s.provider_details[0].location", ref)
		s.line("      role_arn    = %s.provider_details[0].role_arn", ref)
		s.line("      external_id = %s", hcl(source.ExternalID))
		s.line("      crawler_arn = %s.attributes[0].crawler_arn", ref)
		s.line("      table_arn   = %s.attributes[0].table_arn", ref)
		s.line("    }")
	}
	s.line("  }")
	s.line("}")
}
