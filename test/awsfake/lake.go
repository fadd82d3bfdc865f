package awsfake

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var lakePaths = map[string]string{
	"GET /v1/datalakes":                   "ListDataLakes",
	"POST /v1/datalake/logsources/list":   "ListLogSources",
	"POST /v1/datalake/sources":           "GetDataLakeSources",
	"POST /v1/datalake/logsources/custom": "CreateCustomLogSource",
}

var lakeOperations = map[string]operation{
	"ListDataLakes":         listDataLakes,
	"ListLogSources":        listLogSources,
	"GetDataLakeSources":    getDataLakeSources,
	"CreateCustomLogSource": createCustomLogSource,
}

// Classes are event classes that the user guide lists; there is no enumeration in the API itself, only a form.
var Classes = []string{
	"SECURITY_FINDING", "DETECTION_FINDING", "VULNERABILITY_FINDING", "COMPLIANCE_FINDING", "INCIDENT_FINDING",
	"DNS_ACTIVITY", "NETWORK_ACTIVITY", "HTTP_ACTIVITY", "AUTHENTICATION", "API_ACTIVITY", "PROCESS_ACTIVITY",
}

func listDataLakes(w *World, r request) (any, error) {
	lakes := []any{}
	for region, l := range w.Lakes {
		if regions := r.list("regions"); len(regions) > 0 && !slices.Contains(regions, region) {
			continue
		}
		lakes = append(lakes, map[string]any{
			"dataLakeArn": "arn:aws:securitylake:" + region + ":" + w.Account + ":data-lake/default",
			"region":      region, "createStatus": l.Status, "s3BucketArn": "arn:aws:s3:::" + l.Bucket,
			"encryptionConfiguration": map[string]any{"kmsKeyId": l.KMSKey},
		})
	}
	return map[string]any{"dataLakes": lakes}, nil
}

// page cuts the part of a list that a token asks for.
func page[T any](w *World, r request, all []T) (part []T, next any) {
	from, _ := strconv.Atoi(r.text("nextToken"))
	from = min(from, len(all))
	to := min(from+w.PageLength, len(all))
	if to < len(all) {
		next = strconv.Itoa(to)
	}
	return all[from:to], next
}

// sorted are the sources by name, those of one region or of all.
func (w *World) sorted(region string) []*Source {
	var out []*Source
	for _, s := range w.Sources {
		if region == "" || s.Region == region {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *Source) int { return strings.Compare(a.Name+"/"+a.Region, b.Name+"/"+b.Region) })
	return out
}

// ListLogSources answers one element for each account and region, pages over them; here each holds one source, as if
// each were another account, so that a caller has to read on.
func listLogSources(w *World, r request) (any, error) {
	if w.Lakes[r.region] == nil {
		return nil, refuse(http.StatusNotFound, "ResourceNotFoundException", "The request failed because Security Lake is not enabled in %s", r.region)
	}
	var all []any
	for _, s := range w.sorted("") {
		all = append(all, map[string]any{"account": w.Account, "region": s.Region, "sources": []any{
			map[string]any{"awsLogSource": map[string]any{"sourceName": "ROUTE53", "sourceVersion": "2.0"}},
			map[string]any{"customLogSource": s.resource(w)},
		}})
	}
	part, next := page(w, r, all)
	return map[string]any{"sources": part, "nextToken": next}, nil
}

func getDataLakeSources(w *World, r request) (any, error) {
	if w.Lakes[r.region] == nil {
		return nil, refuse(http.StatusNotFound, "ResourceNotFoundException", "The request failed because Security Lake is not enabled in %s", r.region)
	}
	var all []any
	for _, s := range w.sorted(r.region) {
		all = append(all, map[string]any{"account": w.Account, "sourceName": s.Name, "eventClasses": s.Classes,
			"sourceStatuses": []any{map[string]any{"resource": s.Location, "status": s.Status}}})
	}
	part, next := page(w, r, all)
	return map[string]any{"dataLakeArn": "arn:aws:securitylake:" + r.region + ":" + w.Account + ":data-lake/default",
		"dataLakeSources": part, "nextToken": next}, nil
}

func (s *Source) resource(w *World) map[string]any {
	glue := "arn:aws:glue:" + s.Region + ":" + w.Account + ":"
	return map[string]any{
		"sourceName": s.Name, "sourceVersion": s.Version,
		"provider": map[string]any{"location": s.Location, "roleArn": s.RoleARN},
		"attributes": map[string]any{"crawlerArn": glue + "crawler/" + s.Crawler, "databaseArn": glue + "database/" + s.Catalog,
			"tableArn": glue + "table/" + s.Catalog + "/" + s.Table},
	}
}

var (
	namePattern      = regexp.MustCompile(`^[\w\-:.]{1,64}$`)
	classPattern     = regexp.MustCompile(`^[A-Z_0-9]*$`)
	externalPattern  = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`)
	principalPattern = regexp.MustCompile(`^([0-9]{12}|[a-z0-9-]*\.amazonaws\.com)$`)
)

func createCustomLogSource(w *World, r request) (any, error) {
	bad := func(format string, args ...any) (any, error) {
		return nil, refuse(http.StatusBadRequest, "BadRequestException", format, args...)
	}
	name, crawlerRole := r.text("sourceName"), r.text("configuration.crawlerConfiguration.roleArn")
	external, principal := r.text("configuration.providerIdentity.externalId"), r.text("configuration.providerIdentity.principal")
	if w.Lakes[r.region] == nil {
		return nil, refuse(http.StatusNotFound, "ResourceNotFoundException", "The request failed because Security Lake is not enabled in %s", r.region)
	}
	switch {
	case !namePattern.MatchString(name):
		return bad("Value '%s' at 'sourceName' failed to satisfy constraint", name)
	case len("AmazonSecurityLake-Provider-"+name+"-"+r.region) > 64:
		return bad("The source name is too long: the role name would exceed 64 characters")
	case !externalPattern.MatchString(external) || len(external) > 1224:
		return bad("Value at 'configuration.providerIdentity.externalId' failed to satisfy constraint")
	case !principalPattern.MatchString(principal):
		return bad("Value '%s' at 'configuration.providerIdentity.principal' failed to satisfy constraint", principal)
	}
	offered := w.Offered
	if len(offered) == 0 {
		offered = Classes
	}
	for _, class := range r.list("eventClasses") {
		if !classPattern.MatchString(class) || !slices.Contains(offered, class) {
			return bad("The event class %s is not supported", class)
		}
	}
	role := w.roleByARN(crawlerRole)
	if role == nil || !strings.Contains(role.Trust, "glue.amazonaws.com") {
		return bad("Service is unable to assume provided role. Please verify role's TrustPolicy: %s", crawlerRole)
	}
	if s := w.Sources[r.region+"/"+name]; s != nil {
		return nil, refuse(http.StatusConflict, "ConflictException", "A custom log source named %s already exists", name)
	}
	s := w.addSource(r.region, name, r.text("sourceVersion"), r.list("eventClasses"), principal, external, crawlerRole)
	return map[string]any{"source": s.resource(w)}, nil
}

// AddSource registers a custom source as if somebody had made it before.
func (w *World) AddSource(region, name, class, principal, externalID string) *Source {
	return w.addSource(region, name, "", []string{class}, principal, externalID, "")
}

func (w *World) addSource(region, name, version string, classes []string, principal, externalID, crawlerRole string) *Source {
	// As AWS does it: a name loses its punctuation here and has it replaced there.
	plain := regexp.MustCompile(`[^A-Za-z0-9]`).ReplaceAllString(name, "")
	low := strings.ToLower(regexp.MustCompile(`[^A-Za-z0-9]`).ReplaceAllString(name, "_"))
	under := strings.ReplaceAll(region, "-", "_")
	location := "s3://" + w.Lakes[region].Bucket + "/ext/" + name + "/"
	if w.Versioned {
		version = "1.0"
	}
	if version != "" {
		location += version + "/"
	}
	role := &Role{Name: "AmazonSecurityLake-Provider-" + plain + "-" + region, Path: "/service-role/",
		Trust: providerTrust(principal, externalID)}
	role.ARN = "arn:aws:iam::" + w.Account + ":role" + role.Path + role.Name
	w.Roles[role.Name] = role
	s := &Source{
		Region: region, Name: name, Version: version, Classes: classes, Location: location, RoleARN: role.ARN,
		Principal: principal, ExternalID: externalID, CrawlerRole: crawlerRole, Crawler: "crawler-of-" + plain,
		Catalog: "amazon_security_lake_glue_db_" + under, Table: "amazon_security_lake_table_" + under + "_ext_" + low, Status: "COLLECTING",
	}
	w.Sources[region+"/"+name] = s
	w.Crawlers[s.Crawler] = &Crawler{Name: s.Crawler, Database: s.Catalog, State: "READY"}
	w.Tables[s.Catalog+"."+s.Table] = &Table{Database: s.Catalog, Name: s.Table, Location: location}
	return s
}
