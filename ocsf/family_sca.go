package ocsf

import "bytes"

// Security configuration assessment: one alert per check whose result changed, and a summary per policy.
func isSCA(a *Alert) bool { return a.Has("data.sca") }

func fillSCA(d *draft) {
	d.rest("data.sca")
	if !d.a.Has("data.sca.check") || !d.leaf("data.sca.check.id").Present() {
		return // a summary is about no check
	}
	d.identify(d.cluster(), d.leaf("agent.id"), d.first("data.sca.policy", "data.sca.policy_id"), d.leaf("data.sca.check.id"))
	result := d.leaf("data.sca.check.result")
	if d.leaf("data.sca.check.previous_result").Present() {
		d.activity = activityUpdate
		if result.Is("passed") {
			d.activity = activityClose
		}
	}
	f := d.finding()
	if !d.securityFinding() {
		f.Text("title", d.leaf("data.sca.check.title"))
	}
	f.Text("desc", d.leaf("data.sca.check.description"))
	advice := d.remediation()
	advice.Text("desc", d.leaf("data.sca.check.remediation"))
	splitList(advice, "references", d.leaf("data.sca.check.references"))

	c := d.root.Struct("compliance")
	c.AddAll("standards", nil, d.a, d.first("data.sca.policy", "data.sca.policy_id"))
	c.Text("control", d.leaf("data.sca.check.id"))
	complianceResult(c, result)
	c.Text("status_detail", d.leaf("data.sca.check.reason"))
	d.requirements(c)
}

// cluster names whose agent ids these are: the cluster, else the single manager.
func (d *draft) cluster() *Leaf { return d.first("cluster.name", "manager.name") }

// complianceResult sets the status of a check; the scanner's own word is its code.
func complianceResult(c *Object, result *Leaf) {
	word := result.Text()
	switch {
	case foldAny(word, "passed", "pass", "fixed"):
		c.Enum("status_id", 1)
	case foldAny(word, "warning"):
		c.Enum("status_id", 2)
	case foldAny(word, "failed", "fail"):
		c.Enum("status_id", 3)
	case foldAny(word, "unknown"):
		c.Enum("status_id", 0)
	default:
		c.Other("status_id", word, result)
	}
	c.Text("status_code", result)
}

// requirements takes data.sca.check.compliance.cis = "1.1.1,1.1.2" as "cis: 1.1.1" and "cis: 1.1.2". A text of several
// parts is not claimed: it stays in unmapped as it was written.
func (d *draft) requirements(c *Object) {
	const under = "data.sca.check.compliance."
	if c == nil {
		return
	}
	leaves := d.a.Leaves()
	for i := range leaves {
		l := &leaves[i]
		if len(l.Path) <= len(under) || string(l.Path[:len(under)]) != under || !l.Present() {
			continue
		}
		for _, part := range bytes.Split(l.Text(), []byte{','}) {
			if part = bytes.TrimSpace(part); len(part) == 0 {
				continue
			}
			d.scratch = append(append(append(d.scratch[:0], l.Path[len(under):]...), ": "...), part...)
			if c.Add("requirements", d.ev.join(nil, d.scratch)) && len(part) == len(l.Value) {
				c.Claim("requirements", l)
			}
		}
	}
}
