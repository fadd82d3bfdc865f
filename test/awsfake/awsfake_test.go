package awsfake

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/securitylake"
	"github.com/aws/aws-sdk-go-v2/service/securitylake/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// The SDK's own clients understand every answer, and every refusal arrives as the type that AWS's arrives as.
func TestWithTheSDK(t *testing.T) {
	s := New(t)
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(s.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAFAKEFAKEFAKEFAKE", "secret", ""), HTTPClient: http.DefaultClient}
	ctx := t.Context()
	roles, lake := iam.NewFromConfig(cfg), securitylake.NewFromConfig(cfg)

	lakes, err := lake.ListDataLakes(ctx, &securitylake.ListDataLakesInput{Regions: []string{"us-east-1"}})
	if err != nil || len(lakes.DataLakes) != 1 || aws.ToString(lakes.DataLakes[0].EncryptionConfiguration.KmsKeyId) != "S3_MANAGED_KEY" {
		t.Fatalf("ListDataLakes: %+v, %v", lakes, err)
	}
	none, err := lake.ListDataLakes(ctx, &securitylake.ListDataLakesInput{Regions: []string{"eu-west-1"}})
	if err != nil || len(none.DataLakes) != 0 {
		t.Errorf("ListDataLakes elsewhere: %+v, %v", none, err)
	}

	_, err = roles.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("crawler")})
	if _, ok := errors.AsType[*iamtypes.NoSuchEntityException](err); !ok {
		t.Errorf("GetRole of nobody: %v", err)
	}
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"glue.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	if _, err = roles.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("crawler"),
		AssumeRolePolicyDocument: aws.String(strings.ReplaceAll(trust, "2012-10-17", "2025-04-04"))}); err == nil {
		t.Error("a policy with an invented version is accepted")
	}
	made, err := roles.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("crawler"), AssumeRolePolicyDocument: aws.String(trust)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := roles.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("crawler"), PolicyName: aws.String("p"), PolicyDocument: aws.String(trust)}); err != nil {
		t.Fatal(err)
	}
	if p, err := roles.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: aws.String("crawler"), PolicyName: aws.String("p")}); err != nil {
		t.Error(err)
	} else if got, _ := url.QueryUnescape(aws.ToString(p.PolicyDocument)); got != trust {
		t.Errorf("policy came back as %s", got)
	}
	if _, err := roles.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("crawler"), PolicyArn: aws.String("arn:aws:iam::aws:policy/service-role/AWSGlueServiceRole")}); err != nil {
		t.Fatal(err)
	}
	if l, err := roles.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: aws.String("crawler")}); err != nil || len(l.AttachedPolicies) != 1 {
		t.Errorf("ListAttachedRolePolicies: %+v, %v", l, err)
	}

	in := &securitylake.CreateCustomLogSourceInput{SourceName: aws.String("wazuh-a"), EventClasses: []string{"DETECTION_FINDING"},
		Configuration: &types.CustomLogSourceConfiguration{
			CrawlerConfiguration: &types.CustomLogSourceCrawlerConfiguration{RoleArn: made.Role.Arn},
			ProviderIdentity:     &types.AwsIdentity{ExternalId: aws.String("ext"), Principal: aws.String("123456789012")},
		}}
	out, err := lake.CreateCustomLogSource(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := aws.ToString(out.Source.Provider.Location), "s3://aws-security-data-lake-us-east-1-q7x2example/ext/wazuh-a/"; got != want {
		t.Errorf("got location %s, want %s", got, want)
	}
	_, err = lake.CreateCustomLogSource(ctx, in)
	if _, ok := errors.AsType[*types.ConflictException](err); !ok {
		t.Errorf("second time: %v", err)
	}
	sources, err := lake.GetDataLakeSources(ctx, &securitylake.GetDataLakeSourcesInput{})
	if err != nil || len(sources.DataLakeSources) != 2 || sources.NextToken != nil {
		t.Errorf("GetDataLakeSources: %+v, %v", sources, err)
	}

	session := sts.NewFromConfig(cfg)
	assume := &sts.AssumeRoleInput{RoleArn: out.Source.Provider.RoleArn, RoleSessionName: aws.String("test"), ExternalId: aws.String("ext")}
	if got, err := session.AssumeRole(ctx, assume); err != nil || aws.ToString(got.Credentials.SessionToken) == "" {
		t.Errorf("AssumeRole: %v", err)
	}
	assume.ExternalId = aws.String("guess")
	if _, err := session.AssumeRole(ctx, assume); err == nil {
		t.Error("AssumeRole with a wrong external ID")
	}
	if who, err := session.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}); err != nil || aws.ToString(who.Account) != "123456789012" {
		t.Errorf("GetCallerIdentity: %+v, %v", who, err)
	}

	catalog := glue.NewFromConfig(cfg)
	s.Edit(func(w *World) {
		w.Tables["amazon_security_lake_glue_db_us_east_1.amazon_security_lake_table_us_east_1_ext_wazuh_a"].Partitions = [][]string{{"us-east-1", "123456789012", "20261123"}}
		w.Crawlers["crawler-of-wazuha"].LastStatus, w.Crawlers["crawler-of-wazuha"].LastStart = "FAILED", 1795478400
	})
	if c, err := catalog.GetCrawler(ctx, &glue.GetCrawlerInput{Name: aws.String("crawler-of-wazuha")}); err != nil ||
		c.Crawler.LastCrawl.Status != gluetypes.LastCrawlStatusFailed || c.Crawler.LastCrawl.StartTime.Year() != 2026 {
		t.Errorf("GetCrawler: %+v, %v", c, err)
	}
	if _, err := catalog.StartCrawler(ctx, &glue.StartCrawlerInput{Name: aws.String("crawler-of-wazuha")}); err != nil {
		t.Error(err)
	}
	db, table := aws.String("amazon_security_lake_glue_db_us_east_1"), aws.String("amazon_security_lake_table_us_east_1_ext_wazuh_a")
	if got, err := catalog.GetTable(ctx, &glue.GetTableInput{DatabaseName: db, Name: table}); err != nil || len(got.Table.PartitionKeys) != 3 {
		t.Errorf("GetTable: %+v, %v", got, err)
	}
	if got, err := catalog.GetTables(ctx, &glue.GetTablesInput{DatabaseName: db}); err != nil || len(got.TableList) != 2 {
		t.Errorf("GetTables: %+v, %v", got, err)
	}
	if got, err := catalog.GetPartitions(ctx, &glue.GetPartitionsInput{DatabaseName: db, TableName: table}); err != nil || len(got.Partitions) != 1 {
		t.Errorf("GetPartitions: %+v, %v", got, err)
	}
	_, err = catalog.GetTable(ctx, &glue.GetTableInput{DatabaseName: db, Name: aws.String("nowhere")})
	if _, ok := errors.AsType[*gluetypes.EntityNotFoundException](err); !ok {
		t.Errorf("GetTable of none: %v", err)
	}

	s.Deny("ListLogSources", "securitylake:ListLogSources")
	_, err = lake.ListLogSources(ctx, &securitylake.ListLogSourcesInput{})
	if _, ok := errors.AsType[*types.AccessDeniedException](err); !ok {
		t.Errorf("denied: %v", err)
	}
	if got, want := s.Calls("CreateCustomLogSource"), 2; got != want {
		t.Errorf("got %d calls, want %d", got, want)
	}
}
