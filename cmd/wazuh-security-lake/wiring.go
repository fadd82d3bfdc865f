package main

import (
	"fmt"
	"net/url"
	"strings"

	"wazuh-security-lake/config"
	"wazuh-security-lake/lake"
	"wazuh-security-lake/ocsf"
	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
)

// relaySources turns the configured sources into the relay's.
func relaySources(c config.Config) ([]*relay.Source, error) {
	var out []*relay.Source
	for i, s := range c.ResolvedSources() {
		class, err := ocsf.ClassByName(s.Class, s.OCSFVersion)
		if err != nil {
			return nil, fail(exitConfig, "", fmt.Errorf("sources[%d].class: %w", i, err))
		}
		src := &relay.Source{
			Name: s.Name, Class: class, Match: relayMatch(s.Match), Region: s.Region, AccountID: s.AccountID,
			Destination: strings.TrimSuffix(c.Lake.Destination, "/"),
			Mapping:     mapping(c.OCSF),
		}
		if s.S3Location != "" {
			u, err := url.Parse(s.S3Location)
			if err != nil {
				return nil, fail(exitConfig, "", fmt.Errorf("sources[%d].s3_location: %w", i, err))
			}
			src.Destination = "s3://" + u.Host
			src.Contract = lake.Contract{Prefix: strings.Trim(u.Path, "/") + "/"}
		}
		out = append(out, src)
	}
	return out, nil
}

func mapping(c config.OCSF) ocsf.Options {
	o := ocsf.Options{RawData: c.RawData, ProductVersion: c.ProductVersion}
	copy(o.Severity[:], c.Severity)
	return o
}

func relayMatch(m config.Match) relay.Match {
	return relay.Match{Level: m.Level, RuleID: m.RuleID, Group: m.Group, EventLocation: m.EventLocation, Agent: m.Agent}
}

func relayFilter(f config.Filter) relay.Filter {
	return relay.Filter{Match: relayMatch(f.Match), Exclude: relayMatch(f.Exclude)}
}

// pins are what never changes about a source once it has shipped.
func pins(sources []*relay.Source) []spool.SourcePin {
	var out []spool.SourcePin
	for _, s := range sources {
		out = append(out, spool.SourcePin{Name: s.Name, Class: s.Class.Name, OCSFVersion: s.Class.Version, SchemaHash: s.Class.Fingerprint()})
	}
	return out
}
