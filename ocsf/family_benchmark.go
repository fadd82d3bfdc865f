package ocsf

// CIS-CAT and OpenSCAP: results of a benchmark, one alert per rule and one per scan.
func isCISCAT(a *Alert) bool { return a.Has("data.cis") }

func fillCISCAT(d *draft) {
	d.rest("data.cis")
	rule := d.first("data.cis.rule_id", "data.cis.rule_title")
	if rule == nil {
		return // a scan as a whole
	}
	d.check(rule, d.leaf("data.cis.rule_title"), d.leaf("data.cis.result"), d.first("data.cis.benchmark"))
	d.finding().Text("desc", d.leaf("data.cis.description"))
	d.remediation().Text("desc", d.leaf("data.cis.remediation"))
}

func isOpenSCAP(a *Alert) bool { return a.Has("data.oscap") }

func fillOpenSCAP(d *draft) {
	d.rest("data.oscap")
	if rule := d.first("data.oscap.check.id"); rule != nil {
		d.check(rule, d.leaf("data.oscap.check.title"), d.leaf("data.oscap.check.result"),
			d.first("data.oscap.scan.benchmark.id", "data.oscap.scan.profile.title", "data.oscap.scan.profile.id", "data.oscap.scan.content"))
		d.finding().Text("desc", d.leaf("data.oscap.check.description"))
	}
}

// check fills compliance, and the title of the finding where the class leaves it to us.
func (d *draft) check(control, title, result, standard *Leaf) {
	if !d.securityFinding() {
		d.finding().Text("title", title)
	}
	c := d.root.Struct("compliance")
	c.AddAll("standards", nil, d.a, standard)
	c.Text("control", control)
	complianceResult(c, result)
	if c != nil {
		d.labels(c, "requirements", "rule", "rule.", ':', false)
	}
}
