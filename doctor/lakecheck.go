package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/securitylake"
	laketypes "github.com/aws/aws-sdk-go-v2/service/securitylake/types"
	"github.com/aws/smithy-go"

	"wazuh-security-lake/lake"
	"wazuh-security-lake/ocsf"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/uploader"
)

// catalog looks at one source with an administrator's eyes: as Security Lake has registered it, and what Glue made of it.
type catalog struct {
	cloud *cloud
	source
	found *laketypes.CustomLogSourceResource
}

// lake adds the checks that need the credentials of an administrator of the lake.
func (b *builder) lake(sources []source, opened bool) {
	if !opened {
		b.add(nameOpen, []string{nameConfig}, b.cloud.checkOpen(b.opt.Users))
	}
	for _, s := range sources {
		k := &catalog{cloud: b.cloud, source: s}
		registered, table := "registered "+s.Name, "table of "+s.Name
		b.add(registered, []string{nameOpen}, k.checkRegistered)
		b.add("class of "+s.Name, []string{registered}, k.checkClass)
		b.add("crawler of "+s.Name, []string{registered}, k.checkCrawler)
		b.add(table, []string{registered}, k.checkTable)
		b.add("partition of "+s.Name, []string{registered}, k.checkPartition)
	}
}

func (k *catalog) securityLake() *securitylake.Client {
	cfg := k.cloud.aws.Config()
	cfg.Region = k.Region
	return securitylake.NewFromConfig(cfg)
}

func (k *catalog) glue() *glue.Client {
	cfg := k.cloud.aws.Config()
	cfg.Region = k.Region
	return glue.NewFromConfig(cfg)
}

// refusedBy explains a failed call; action is what its caller has to be allowed.
func (k *catalog) refusedBy(err error, action string) Result {
	e := uploader.Explain(spool.Object{Source: k.Name}, "", err, k.cloud.now())
	if e.Status == 0 && e.Code == "" {
		return failure(Unavailable, causeOf(err), "the check needs the way to the service of "+action+" in "+k.Region+"; the daemon does not")
	}
	var api smithy.APIError
	if errors.As(err, &api) && strings.Contains(e.Code, "AccessDenied") {
		remedy := "run it with an administrator's credentials, for example AWS_PROFILE=lake-admin; it needs " + action
		if strings.Contains(api.ErrorMessage(), "Lake Formation") {
			remedy = "grant DESCRIBE on the table in Lake Formation to who runs this; who queries needs SELECT there: docs/AWS.md"
		}
		return failure(Permission, said(e), remedy)
	}
	return failure(faultOf(e), said(e), e.Remedy)
}

// checkRegistered finds the custom source and compares place and role.
func (k *catalog) checkRegistered(ctx context.Context) Result {
	var others []string
	pages := securitylake.NewListLogSourcesPaginator(k.securityLake(), &securitylake.ListLogSourcesInput{Regions: []string{k.Region}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return k.refusedBy(err, "securitylake:ListLogSources")
		}
		for _, account := range page.Sources {
			for _, s := range account.Sources {
				custom, ok := s.(*laketypes.LogSourceResourceMemberCustomLogSource)
				if !ok {
					continue
				}
				if name := aws.ToString(custom.Value.SourceName); name == k.Name {
					k.found = &custom.Value
				} else if !slices.Contains(others, name) {
					others = append(others, name)
				}
			}
		}
	}
	if k.found == nil {
		return k.unregistered(others)
	}
	return k.compare()
}

func (k *catalog) unregistered(others []string) Result {
	detail := fmt.Sprintf("there is no custom source %s in %s", k.Name, k.Region)
	for _, name := range others {
		if strings.EqualFold(name, k.Name) {
			return failure(Configuration, fmt.Sprintf("the custom source is called %s, not %s", name, k.Name), "set sources[].name to "+name+": case counts")
		}
	}
	if len(others) > 0 {
		detail += "; there are " + strings.Join(others, ", ")
	}
	return failure(Configuration, detail, "create it: wazuh-security-lake setup")
}

// compare checks that what is configured is what CreateCustomLogSource has returned.
func (k *catalog) compare() Result {
	if k.found.Provider == nil {
		return warning("registered, but Security Lake names no location for it", "look at the source in the console of Security Lake")
	}
	location, role := aws.ToString(k.found.Provider.Location), aws.ToString(k.found.Provider.RoleArn)
	prefix := k.contract.Prefix
	if prefix == "" {
		prefix = "ext/" + k.Name + "/"
	}
	ours := k.destination + "/" + prefix
	switch {
	case location != "" && strings.TrimSuffix(location, "/") != strings.TrimSuffix(ours, "/"):
		return failure(Configuration, fmt.Sprintf("objects go to %s, but the source's location is %s", ours, location), "set s3_location of source "+k.Name+" to "+location)
	case role != "" && k.RoleARN == "":
		return warning("no role_arn is configured; the provider role is "+role, "set role_arn and external_id of source "+k.Name)
	case role != "" && role != k.RoleARN:
		return failure(Configuration, fmt.Sprintf("role_arn is %s, but the provider role is %s", k.RoleARN, role), "set role_arn of source "+k.Name+" to "+role)
	}
	return passed("location %s, provider role %s", location, role)
}

// checkClass compares the event class the source was registered for.
func (k *catalog) checkClass(ctx context.Context) Result {
	want := strings.ToUpper(k.Class)
	pages := securitylake.NewGetDataLakeSourcesPaginator(k.securityLake(), &securitylake.GetDataLakeSourcesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return k.refusedBy(err, "securitylake:GetDataLakeSources")
		}
		for _, s := range page.DataLakeSources {
			if aws.ToString(s.SourceName) != k.Name {
				continue
			}
			switch {
			case len(s.EventClasses) == 0:
				return skipped("Security Lake names no event class for it")
			case !slices.Contains(s.EventClasses, want):
				return failure(Configuration, fmt.Sprintf("the source was created for %s; the configuration says %s", strings.Join(s.EventClasses, ", "), want),
					"create a new source of the class you want (wazuh-security-lake setup), or set its class to the registered one before anything is shipped")
			case len(s.EventClasses) > 1:
				return warning("the source was created for several classes: "+strings.Join(s.EventClasses, ", "), "Security Lake asks for one source for each class")
			}
			return passed("%s", want)
		}
	}
	return skipped("Security Lake has no state of this source yet")
}

// lastPart is the name at the end of an ARN.
func lastPart(arn *string) string {
	s := aws.ToString(arn)
	return s[strings.LastIndexByte(s, '/')+1:]
}

// tableName is the catalog's name of the source's table.
func (k *catalog) tableName() (database, table string) {
	if a := k.found.Attributes; a != nil && aws.ToString(a.TableArn) != "" {
		database, table = lastPart(a.DatabaseArn), lastPart(a.TableArn)
	}
	return database, table
}

// checkCrawler tells when the crawler ran last, and how that ended.
func (k *catalog) checkCrawler(ctx context.Context) Result {
	if k.found.Attributes == nil || aws.ToString(k.found.Attributes.CrawlerArn) == "" {
		return skipped("Security Lake names no crawler for it")
	}
	name := lastPart(k.found.Attributes.CrawlerArn)
	out, err := k.glue().GetCrawler(ctx, &glue.GetCrawlerInput{Name: aws.String(name)})
	if _, gone := errors.AsType[*gluetypes.EntityNotFoundException](err); gone {
		return failure(Configuration, "crawler "+name+" does not exist any more", "create the custom source anew, under a new name: wazuh-security-lake setup")
	}
	if err != nil {
		return k.refusedBy(err, "glue:GetCrawler")
	}
	start := "aws glue start-crawler --region " + k.Region + " --name " + name
	last := out.Crawler.LastCrawl
	if last == nil || last.Status == "" {
		if out.Crawler.State == gluetypes.CrawlerStateRunning {
			return passed("%s is running for the first time", name)
		}
		return warning(name+" has never run: there is no table to query", "after the first object: "+start)
	}
	when := ""
	if last.StartTime != nil {
		when = " " + last.StartTime.UTC().Format(time.RFC3339)
	}
	if last.Status != gluetypes.LastCrawlStatusSucceeded {
		detail := fmt.Sprintf("%s %s%s", name, strings.ToLower(string(last.Status)), when)
		if m := aws.ToString(last.ErrorMessage); m != "" {
			detail += ": " + shorten(m)
		}
		return failure(Configuration, detail, "check the crawler's role (docs/AWS.md), then: "+start)
	}
	return passed("%s succeeded%s", name, when)
}

// checkTable compares the table with the schema every object has.
func (k *catalog) checkTable(ctx context.Context) Result {
	class, err := ocsf.ClassByName(k.Class, k.OCSFVersion)
	if err != nil {
		return failure(Configuration, err.Error(), "wazuh-security-lake check-config")
	}
	database, table := k.tableName()
	if table == "" {
		return skipped("Security Lake names no table for it")
	}
	out, err := k.glue().GetTable(ctx, &glue.GetTableInput{DatabaseName: aws.String(database), Name: aws.String(table)})
	if _, none := errors.AsType[*gluetypes.EntityNotFoundException](err); none {
		return warning(database+"."+table+" is not there yet", "the crawler makes it after the first object")
	}
	if err != nil {
		return k.refusedBy(err, "glue:GetTable")
	}
	var have []gluetypes.Column
	if d := out.Table.StorageDescriptor; d != nil {
		have = d.Columns
	}
	if len(have) == 0 {
		return warning(database+"."+table+" has no columns yet", "the crawler finds them in the first object: run it")
	}
	faults := compareColumns(have, lake.TableColumns(class))
	if len(faults) > 0 {
		shown := faults[:min(len(faults), 5)]
		detail := fmt.Sprintf("%s.%s differs from what is shipped in %d columns: %s", database, table, len(faults), strings.Join(shown, "; "))
		return failure(Configuration, detail, "if another writer has used this source: create a new one (docs/MIGRATION.md)",
			"else run the crawler again; compare with: wazuh-security-lake schema --format athena --class "+k.Class+" --ocsf-version "+k.OCSFVersion)
	}
	return passed("%s.%s has all %d columns with their types; who queries it needs SELECT in Lake Formation", database, table, len(have))
}

// compareColumns names the columns of ours that a table lacks or types otherwise, and those that it alone has.
func compareColumns(table []gluetypes.Column, ours []lake.TableColumn) []string {
	types := make(map[string]string)
	for _, c := range table {
		types[strings.ToLower(aws.ToString(c.Name))] = plainType(aws.ToString(c.Type))
	}
	var faults []string
	for _, c := range ours {
		switch got, ok := types[c.Name]; {
		case !ok:
			faults = append(faults, c.Name+" is missing")
		case got != plainType(c.Type):
			faults = append(faults, c.Name+" "+difference(got, plainType(c.Type)))
		}
		delete(types, c.Name)
	}
	for _, c := range table {
		if _, left := types[strings.ToLower(aws.ToString(c.Name))]; left {
			faults = append(faults, aws.ToString(c.Name)+" is none of ours")
		}
	}
	return faults
}

func plainType(t string) string { return strings.ToLower(strings.Join(strings.Fields(t), "")) }

// difference shows two long types from where they part.
func difference(got, want string) string {
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	at = max(0, strings.LastIndexAny(got[:at], "<,")+1) // from the beginning of the field
	cut := func(s string) string {
		s = s[min(at, len(s)):]
		if len(s) > 60 {
			s = s[:60] + "..."
		}
		return s
	}
	return fmt.Sprintf("is %s instead of %s", cut(got), cut(want))
}

// checkPartition looks for today's partition. Rows of a new day are seen in Athena only when it is registered.
func (k *catalog) checkPartition(ctx context.Context) Result {
	database, table := k.tableName()
	if table == "" {
		return skipped("Security Lake names no table for it")
	}
	day := lake.DateOf(k.cloud.now().UnixMilli()).String()
	_, err := k.glue().GetPartition(ctx, &glue.GetPartitionInput{DatabaseName: aws.String(database), TableName: aws.String(table),
		PartitionValues: []string{k.Region, k.AccountID, day}})
	if _, none := errors.AsType[*gluetypes.EntityNotFoundException](err); none {
		return warning("region="+k.Region+", accountid="+k.AccountID+", eventday="+day+" is not registered: Athena does not see its objects",
			"Security Lake registers a partition some time after its first object; if it stays: run the crawler, check its role")
	}
	if err != nil {
		return k.refusedBy(err, "glue:GetPartition")
	}
	return passed("region=%s, accountid=%s, eventday=%s is registered", k.Region, k.AccountID, day)
}
