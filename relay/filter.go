package relay

import (
	"bytes"
	"strings"

	"wazuh-security-lake/ocsf"
)

// Match selects alerts with the names and semantics of an <integration> block of ossec.conf:
// every field that is set must hold (AND), each list is an OR of exact values. The zero Match selects everything.
type Match struct {
	Level         int      // rule.level at or above
	RuleID        []string // rule.id, exact
	Group         []string // one of rule.groups, exact
	EventLocation string   // on location: text, case-insensitive; ^ and $ anchor, | separates alternatives, a leading ! negates
	Agent         []string // agent.id or agent.name, exact
}

// IsZero reports whether m selects every alert.
func (m *Match) IsZero() bool {
	return m.Level == 0 && len(m.RuleID) == 0 && len(m.Group) == 0 && m.EventLocation == "" && len(m.Agent) == 0
}

// Alert reports whether a is selected. It does not allocate for the usual filters (level, rule, group, agent).
func (m *Match) Alert(a *ocsf.Alert) bool {
	return (m.Level == 0 || a.Level() >= m.Level) &&
		(len(m.RuleID) == 0 || contains(m.RuleID, a.RuleID())) &&
		(len(m.Group) == 0 || m.anyGroup(a)) &&
		(m.EventLocation == "" || matchLocation(m.EventLocation, a.Location())) &&
		(len(m.Agent) == 0 || contains(m.Agent, a.AgentID()) || contains(m.Agent, a.AgentName()))
}

func (m *Match) anyGroup(a *ocsf.Alert) bool {
	for g := range a.Groups {
		if contains(m.Group, g) {
			return true
		}
	}
	return false
}

func contains(list []string, v []byte) bool {
	for _, s := range list {
		if s == string(v) {
			return true
		}
	}
	return false
}

// matchLocation has the semantics of Wazuh's OSMatch, which integratord applies to event_location.
func matchLocation(pattern string, location []byte) bool {
	want := true
	if rest, ok := strings.CutPrefix(pattern, "!"); ok {
		want, pattern = false, rest
	}
	text := bytes.ToLower(location)
	for alt := range strings.SplitSeq(strings.ToLower(pattern), "|") {
		if matchAlternative(alt, text) {
			return want
		}
	}
	return !want
}

func matchAlternative(alt string, text []byte) bool {
	alt, atStart := strings.CutPrefix(alt, "^")
	alt, atEnd := strings.CutSuffix(alt, "$")
	switch {
	case atStart && atEnd:
		return string(text) == alt
	case atStart:
		return bytes.HasPrefix(text, []byte(alt))
	case atEnd:
		return bytes.HasSuffix(text, []byte(alt))
	}
	return bytes.Contains(text, []byte(alt))
}

// Filter is what the configuration calls filter: only alerts that Match selects and Exclude does not are shipped;
// the others are counted as filtered. A zero Exclude excludes nothing.
type Filter struct {
	Match
	Exclude Match
}

// Ships reports whether a is to be shipped, and if not, why: "not_selected" or "excluded".
func (f *Filter) Ships(a *ocsf.Alert) (reason string, ok bool) {
	if !f.Match.Alert(a) {
		return "not_selected", false
	}
	if !f.Exclude.IsZero() && f.Exclude.Alert(a) {
		return "excluded", false
	}
	return "", true
}
