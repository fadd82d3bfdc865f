package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Plan is what there is and what is missing.
type Plan struct {
	Caller    Identity
	Principal string
	Lakes     map[string]Lake // by region
	// Crawler is empty when every source is there: then nobody needs its role.
	Crawler PlannedRole
	Sources []PlannedSource
}

// PlannedRole is the crawler's role. ARN is empty until it is there.
type PlannedRole struct {
	Name, ARN string
	Create    bool
	Grants    []Grant
}

// PlannedSource is a source with what AWS says of it, if it is there. ExternalID is empty when one will be made up.
type PlannedSource struct {
	Source
	There      bool
	Registered Registered
	ExternalID string
	// Notes are what could not be compared.
	Notes []string
}

// Steps is how many calls of Apply would change something.
func (p *Plan) Steps() int {
	n := len(p.Crawler.Grants)
	if p.Crawler.Create {
		n++
	}
	for _, s := range p.Sources {
		if !s.There {
			n++
		}
	}
	return n
}

// crawlerPolicyName is the name of the inline policy of the crawler's role.
const crawlerPolicyName = "wazuh-security-lake"

// Prepare looks at what there is. It changes nothing. It waits for the services that it asks; its errors are *Error values
// that name what differs, what is not allowed or what does not answer.
func Prepare(ctx context.Context, aws Services, req Request) (*Plan, error) {
	if err := req.Check(); err != nil {
		return nil, err
	}
	caller, err := aws.Caller(ctx)
	if err != nil {
		return nil, err
	}
	p := &Plan{Caller: caller, Principal: req.Principal, Lakes: make(map[string]Lake)}
	if p.Principal == "" {
		p.Principal = caller.Account
	}
	known := make(map[string][]Registered)
	for _, s := range req.Sources {
		if _, asked := p.Lakes[s.Region]; !asked {
			if p.Lakes[s.Region], err = readyLake(ctx, aws, s.Region); err != nil {
				return nil, err
			}
			if known[s.Region], err = aws.Sources(ctx, s.Region); err != nil {
				return nil, err
			}
		}
		planned, err := p.source(ctx, aws, s, known[s.Region])
		if err != nil {
			return nil, err
		}
		p.Sources = append(p.Sources, planned)
	}
	if slices.ContainsFunc(p.Sources, func(s PlannedSource) bool { return !s.There }) {
		if p.Crawler, err = p.crawler(ctx, aws, req.Crawler); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func readyLake(ctx context.Context, registry Registry, region string) (Lake, error) {
	l, err := registry.Lake(ctx, region)
	switch {
	case err != nil:
		return l, err
	case l.Bucket == "":
		return l, refused(fmt.Errorf("region %s: Security Lake is not enabled for this account", region), enable)
	case l.Status == "FAILED":
		return l, refused(fmt.Errorf("region %s: Security Lake is in state FAILED", region), "mend it in the console first: `aws securitylake list-data-lake-exceptions` tells what failed")
	case l.Status != "" && l.Status != "COMPLETED":
		return l, &Error{Later, fmt.Errorf("region %s: Security Lake is in state %s", region, printable(l.Status)), "wait until it is COMPLETED"}
	}
	return l, nil
}

// source compares a wanted source with the registered ones.
func (p *Plan) source(ctx context.Context, roles RoleReader, want Source, known []Registered) (PlannedSource, error) {
	planned := PlannedSource{Source: want, ExternalID: want.ExternalID}
	for _, have := range known {
		if have.Name != want.Name {
			if strings.EqualFold(have.Name, want.Name) {
				return planned, refused(fmt.Errorf("%s: there is a custom source named %s, which differs from %s in case only", want.Path, have.Name, want.Name),
					"use its very name, or another one: in lower case they would share a Glue table")
			}
			continue
		}
		planned.There, planned.Registered = true, have
		return planned, p.compare(ctx, roles, &planned)
	}
	if want.Location != "" || want.RoleARN != "" {
		return planned, refused(fmt.Errorf("%s: the configuration has the location or role of custom source %s, but there is none in %s of account %s", want.Path, want.Name, want.Region, p.Caller.Account),
			"use the credentials of its account; or remove s3_location and role_arn, and a new source is made")
	}
	return planned, nil
}

// compare finds where a registered source is another one than the configuration means, and takes the external ID over.
func (p *Plan) compare(ctx context.Context, roles RoleReader, s *PlannedSource) error {
	have := s.Registered
	differs := func(what, there, wanted, remedy string) error {
		return refused(fmt.Errorf("%s: custom source %s is there with another %s: %s, wanted %s", s.Path, s.Name, what, printable(there), wanted), remedy)
	}
	const another = "a source cannot be changed: take what is there into the configuration, or choose another name for a new source"
	switch {
	case have.Location == "" || have.RoleARN == "":
		return &Error{Later, fmt.Errorf("%s: custom source %s has no location or provider role yet", s.Path, s.Name), "wait a minute; if it stays so, look at the source in the console"}
	case len(have.Classes) == 0:
		s.Notes = append(s.Notes, "its class is not told by the API (securitylake:GetDataLakeSources): not compared with "+s.EventClass())
	case len(have.Classes) != 1 || have.Classes[0] != s.EventClass():
		return differs("class", strings.Join(have.Classes, ", "), s.EventClass(), another+". One source holds one class")
	}
	if s.Location != "" && strings.TrimSuffix(s.Location, "/") != strings.TrimSuffix(have.Location, "/") {
		return differs("location", have.Location, s.Location, "set s3_location to what is there")
	}
	if s.RoleARN != "" && s.RoleARN != have.RoleARN {
		return differs("provider role", have.RoleARN, s.RoleARN, "set role_arn to what is there")
	}
	role, err := roles.Role(ctx, have.RoleARN[strings.LastIndexByte(have.RoleARN, '/')+1:])
	switch known, ok := errors.AsType[*Error](err); {
	case ok && known.Kind == Denied && s.ExternalID != "":
		s.Notes = append(s.Notes, "its provider role cannot be read (iam:GetRole): external ID and principal not compared")
		return nil
	case ok && known.Kind == Denied:
		known.Remedy = "allow iam:GetRole for the caller, or set the external ID that the source was made with (--set lake.external_id=...)"
		return known
	case err != nil:
		return err
	case role == nil:
		return refused(fmt.Errorf("%s: the provider role %s of custom source %s is gone", s.Path, have.RoleARN, s.Name), "delete the source and make it anew: Security Lake makes the role only with the source")
	}
	external, principals := trusted(role.Trust)
	switch {
	case len(external) == 0:
		s.Notes = append(s.Notes, "its provider role demands no external ID")
	case s.ExternalID == "":
		s.ExternalID = external[0]
	case !slices.Contains(external, s.ExternalID):
		return refused(fmt.Errorf("%s: custom source %s was made with another external ID than the configured one", s.Path, s.Name),
			"set the external ID that it was made with, or leave external_id empty: it is read from the provider role")
	}
	if len(principals) > 0 && !slices.ContainsFunc(principals, func(a string) bool { return strings.Contains(a, p.Principal) }) {
		return differs("principal", strings.Join(principals, ", "), p.Principal, "name the account of the managers' credentials with --principal; a source for another one has another name")
	}
	return nil
}

// trusted reads the external IDs and AWS principals that a trust policy names. Both may be a text or a list.
func trusted(document string) (external, principals []string) {
	var p struct {
		Statement oneOrMore[struct {
			Principal any
			Condition map[string]map[string]any
		}]
	}
	if json.Unmarshal([]byte(document), &p) != nil {
		return nil, nil
	}
	for _, s := range p.Statement {
		if m, ok := s.Principal.(map[string]any); ok {
			principals = append(principals, texts(m["AWS"])...)
		}
		for _, keys := range s.Condition {
			for key, value := range keys {
				if strings.EqualFold(key, "sts:ExternalId") {
					external = append(external, texts(value)...)
				}
			}
		}
	}
	return external, principals
}

func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// newLakes are the lakes that get a new source, by region.
func (p *Plan) newLakes() []Lake {
	var lakes []Lake
	for _, s := range p.Sources {
		if l := p.Lakes[s.Region]; !s.There && !slices.Contains(lakes, l) {
			lakes = append(lakes, l)
		}
	}
	slices.SortFunc(lakes, func(a, b Lake) int { return strings.Compare(a.Region, b.Region) })
	return lakes
}

// crawler finds the role for the crawlers of new sources, or plans it.
func (p *Plan) crawler(ctx context.Context, roles RoleReader, want Crawler) (PlannedRole, error) {
	planned := PlannedRole{Name: want.name(), ARN: want.ARN}
	if !want.Create {
		if want.ARN == "" {
			return planned, &Error{Unclear, errors.New("no role for the Glue crawler of the new source"),
				"--create-crawler-role makes one, --crawler-role ARN takes one that is there"}
		}
		role, err := roles.Role(ctx, planned.Name)
		if err != nil {
			return planned, err
		}
		return planned, crawlable(role, planned.Name)
	}
	role, err := roles.Grants(ctx, planned.Name, crawlerPolicyName)
	if err != nil {
		return planned, err
	}
	lakes := p.newLakes()
	managed := glueServiceRole(PartitionOf(lakes[0].Region))
	if role == nil {
		planned.Create = true
		role = &Role{}
	} else if err := crawlable(role, planned.Name); err != nil {
		return planned, err
	}
	planned.ARN = role.ARN
	if !slices.Contains(role.Attached, managed) {
		planned.Grants = append(planned.Grants, Grant{ManagedARN: managed})
	}
	want2 := CrawlerPolicy(lakes...)
	if have, ok := role.Inline[crawlerPolicyName]; !ok || !covers(have, want2) {
		planned.Grants = append(planned.Grants, Grant{Name: crawlerPolicyName, Inline: merged(have, want2).compact()})
	}
	return planned, nil
}

func crawlable(role *Role, name string) error {
	if role == nil {
		return refused(fmt.Errorf("there is no role %s", name), "--create-crawler-role makes one")
	}
	var trust struct {
		Statement oneOrMore[struct{ Principal any }]
	}
	if json.Unmarshal([]byte(role.Trust), &trust) == nil {
		for _, s := range trust.Statement {
			if m, ok := s.Principal.(map[string]any); ok && slices.Contains(texts(m["Service"]), "glue.amazonaws.com") {
				return nil
			}
		}
	}
	return refused(fmt.Errorf("role %s cannot be assumed by Glue", name), "choose another name with --crawler-role-name, or let its trust policy name the service glue.amazonaws.com")
}

// covers reports whether the policy document have already allows what want does, statement by statement.
func covers(have string, want Policy) bool {
	return merged(have, want).String() == merged(have, Policy{}).String()
}

// merged adds to a policy document what want allows beyond it: a role that serves the lake of one region keeps that when
// it gets another one. A document that is not ours to read is replaced.
func merged(have string, want Policy) Policy {
	var p Policy
	if json.Unmarshal([]byte(have), &p) != nil {
		p = Policy{}
	}
	p.Version = "2012-10-17"
	for _, add := range want.Statement {
		i := slices.IndexFunc(p.Statement, func(s Statement) bool { return s.Sid == add.Sid })
		if i < 0 {
			p.Statement = append(p.Statement, add)
			continue
		}
		s := &p.Statement[i]
		s.Effect, s.Action = add.Effect, add.Action
		s.Resource = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(s.Resource), add.Resource...))))
	}
	return p
}
