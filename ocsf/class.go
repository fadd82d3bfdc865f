package ocsf

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// The OCSF releases that Security Lake takes and this package writes.
const (
	Version110 = "1.1.0"
	Version130 = "1.3.0"
)

// The profiles an attribute can belong to, as they stand in metadata.profiles.
const (
	ProfileCloud           = "cloud"
	ProfileContainer       = "container"
	ProfileDatetime        = "datetime"
	ProfileHost            = "host"
	ProfileLinuxUsers      = "linux/linux_users"
	ProfileSecurityControl = "security_control"
)

// ErrUnknownClass is in the chain of the error for a class or an OCSF version that this package does not write.
var ErrUnknownClass = errors.New("unknown class")

// Classes returns the names of the classes, the deprecated default first.
func Classes() []string {
	return []string{"security_finding", "detection_finding", "vulnerability_finding", "compliance_finding"}
}

// Versions returns the OCSF versions, oldest first.
func Versions() []string { return []string{Version110, Version130} }

// ClassByName returns the class of an OCSF version. The Class is shared and must not be changed.
// The error wraps ErrUnknownClass.
func ClassByName(name, version string) (*Class, error) {
	if !slices.Contains(Versions(), version) {
		return nil, fmt.Errorf("OCSF version %q (known: %q): %w", version, Versions(), ErrUnknownClass)
	}
	for _, c := range allClasses() {
		if c.Name == name && c.Version == version {
			return c, nil
		}
	}
	return nil, fmt.Errorf("class %q (known: %q): %w", name, Classes(), ErrUnknownClass)
}

// ClassByUID returns the class with this class_uid in an OCSF version, or nil.
func ClassByUID(uid int64, version string) *Class {
	for _, c := range allClasses() {
		if int64(c.UID) == uid && c.Version == version {
			return c
		}
	}
	return nil
}

// allClasses builds every class once. The result is immutable, so sharing it over goroutines is safe.
var allClasses = sync.OnceValue(func() []*Class {
	var all []*Class
	for _, version := range Versions() {
		all = append(all, securityFinding(version), detectionFinding(version), vulnerabilityFinding(version),
			complianceFinding(version))
	}
	return all
})

// Column order of a class: the attributes of every class first, then what the class adds. It is part of the contract
// with the lake: the schema of a source is frozen once written, so a struct never changes and a new top-level column
// is only ever appended at the very end, which is what the golden files under testdata/schema enforce.

// baseEvent starts a class with the attributes every class has. statuses are the captions of status_id, which differ.
func (c catalog) baseEvent(name, caption string, uid int32, statuses map[int64]string) *shape {
	types := make(map[int64]string)
	for id, activity := range activities() {
		types[int64(uid)*100+id] = caption + ": " + activity
	}
	s := c.object(name).
		id("activity_id", "activity_name", activities()).
		id("category_uid", "category_name", map[int64]string{2: "Findings"}).
		id("class_uid", "class_name", map[int64]string{int64(uid): caption}).
		scalars("long_t", "type_uid").text("type_name").
		times("time").
		id("severity_id", "severity", severities()).
		id("status_id", "status", statuses).text("status_code", "status_detail").
		text("message").ints("count")
	s.attr("type_uid").Enum = &Enum{Sibling: "type_name", Captions: types}
	if c.v13 {
		s.scalars("long_t", "duration")
	} else {
		s.ints("duration")
	}
	return s.times("start_time", "end_time").
		ints("timezone_offset").
		object("metadata", c.metadata()).
		objects("observables", c.observable()).
		objects("enrichments", c.enrichment()).
		text("raw_data").
		unmapped().
		object("cloud", c.cloud()).gate(ProfileCloud, "cloud").
		require("activity_id", "category_uid", "class_uid", "type_uid", "time", "severity_id", "metadata", "cloud")
}

// unmapped adds the map of what no attribute took: an object without attributes of its own in OCSF.
func (s *shape) unmapped() *shape {
	s.scalars("object_t", "unmapped")
	s.attr("unmapped").Kind = KindMap
	return s
}

// classOf finishes a class.
func (c catalog) classOf(s *shape, caption string, uid int32, profiles ...string) *Class {
	root := s.done()
	class := &Class{Name: root.Name, Caption: caption, UID: uid, Version: c.version, Root: root, Profiles: profiles}
	class.resolve()
	return class
}

func newCatalog(version string) catalog { return catalog{version: version, v13: version == Version130} }

// securityFinding is class 2001, deprecated since OCSF 1.1.0 and what the integration of Wazuh writes. Its status_id
// means Success or Failure; the life of the finding is state_id. It has no profile "host", so no device and no actor.
func securityFinding(version string) *Class {
	const name, caption, uid = "security_finding", "Security Finding", 2001
	c := newCatalog(version)
	s := c.baseEvent(name, caption, uid, successes()).
		id("state_id", "state", findingStates()).
		object("finding", c.finding()).
		object("analytic", c.analytic()).objects("attacks", c.attack()).
		objects("resources", c.resource()).
		lists("string_t", "data_sources", "nist").
		objects("cis_csc", c.object("cis_csc").text("control", "version").require("control").done()).
		object("compliance", c.compliance()).
		objects("vulnerabilities", c.vulnerability()).
		objects("malware", c.malware()).
		object("process", c.process()).
		id("confidence_id", "confidence", confidences()).ints("confidence_score").
		id("impact_id", "impact", impacts()).ints("impact_score").
		id("risk_level_id", "risk_level", riskLevels(c.v13)).ints("risk_score").
		object("api", c.api()).gate(ProfileCloud, "api").
		require("state_id", "finding")
	return c.classOf(s, caption, uid, ProfileCloud, ProfileContainer, ProfileDatetime, ProfileLinuxUsers)
}

// modernFinding starts the classes that have finding_info.
func (c catalog) modernFinding(name, caption string, uid int32) *shape {
	return c.baseEvent(name, caption, uid, findingStates()).
		object("finding_info", c.findingInfo()).
		object("device", c.device()).object("actor", c.actor(c.processPath())).gate(ProfileHost, "device", "actor").
		text("comment").
		id("confidence_id", "", confidences()).text("confidence").ints("confidence_score").
		require("finding_info")
}

// detectionFinding is class 2004, the one for every alert.
func detectionFinding(version string) *Class {
	const name, caption, uid = "detection_finding", "Detection Finding", 2004
	c := newCatalog(version)
	s := c.modernFinding(name, caption, uid).
		objects("resources", c.resource()).
		objects("evidences", c.evidence()).
		objects("vulnerabilities", c.vulnerability()).
		object("remediation", c.remediation()).
		id("impact_id", "impact", impacts()).ints("impact_score").
		id("risk_level_id", "risk_level", riskLevels(c.v13)).ints("risk_score").
		id("action_id", "action", actions()).id("disposition_id", "disposition", dispositions()).
		object("firewall_rule", c.firewallRule()).objects("malware", c.malware()).
		gate(ProfileSecurityControl, "action_id", "action", "disposition_id", "disposition", "firewall_rule", "malware").
		require("action_id")
	if c.v13 {
		s.text("risk_details")
	}
	return c.classOf(s, caption, uid, ProfileCloud, ProfileContainer, ProfileDatetime, ProfileHost, ProfileLinuxUsers,
		ProfileSecurityControl)
}

// vulnerabilityFinding is class 2002, for alerts that name a CVE.
func vulnerabilityFinding(version string) *Class {
	const name, caption, uid = "vulnerability_finding", "Vulnerability Finding", 2002
	c := newCatalog(version)
	s := c.modernFinding(name, caption, uid).
		objects("vulnerabilities", c.vulnerability()).
		affected(c).
		require("vulnerabilities")
	return c.classOf(s, caption, uid, ProfileCloud, ProfileContainer, ProfileDatetime, ProfileHost, ProfileLinuxUsers)
}

// complianceFinding is class 2003, for single checks of security configuration assessment.
func complianceFinding(version string) *Class {
	const name, caption, uid = "compliance_finding", "Compliance Finding", 2003
	c := newCatalog(version)
	s := c.modernFinding(name, caption, uid).
		object("compliance", c.compliance()).
		affected(c).
		object("remediation", c.remediation()).
		require("compliance")
	return c.classOf(s, caption, uid, ProfileCloud, ProfileContainer, ProfileDatetime, ProfileHost, ProfileLinuxUsers)
}

// affected adds the resource a finding is about: one until 1.1.0, a list since 1.3.0.
func (s *shape) affected(c catalog) *shape {
	if c.v13 {
		return s.objects("resources", c.resource())
	}
	return s.object("resource", c.resource())
}
