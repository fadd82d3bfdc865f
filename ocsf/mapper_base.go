package ocsf

import (
	"bytes"
)

// begin sets what every event has and no family may change.
func (d *draft) begin(stamp *Leaf) {
	r := d.root
	r.Enum("category_uid", 2)
	r.Enum("class_uid", int64(d.class.UID))
	r.Now("time", "time_dt")
	r.Int("timezone_offset", d.offset)

	md := d.metadata()
	md.Const("version", d.class.Version)
	md.Bytes("uid", d.uid)
	md.Text("original_time", stamp)
	product := md.Struct("product")
	product.Const("name", "Wazuh")
	product.Const("vendor_name", "Wazuh, Inc.")
	product.Const("version", d.m.opt.ProductVersion)
	product.Const("lang", "en")
	logger := md.Append("loggers")
	logger.Text("name", d.leaf("manager.name"))
	logger.Text("uid", d.leaf("cluster.node"))

	level := d.leaf("rule.level")
	r.Enum("severity_id", severityOf(d.a.Level(), d.m.opt.Severity))
	r.Num("risk_score", level)
	r.Text("message", d.leaf("rule.description"))
	d.rawData()
	d.agent()
}

// severityOf returns severity_id: Informational to Critical by the bands, Unknown without a level.
func severityOf(level int, bands [4]int) int64 {
	if level < 0 {
		return 0
	}
	id := int64(1)
	for _, least := range bands {
		if level >= least {
			id++
		}
	}
	return id
}

func (d *draft) rawData() {
	switch d.m.opt.RawData {
	case "none":
	case "alert":
		line := d.a.valid()
		if d.ev.trace != nil {
			line = d.ev.trace.made(source{kind: sourceLine}, bytes.Clone(line))
		}
		d.root.Bytes("raw_data", line)
	default:
		d.root.Text("raw_data", d.leaf("full_log"))
	}
}

// agent makes the first resource: the agent, or the host that is watched without one.
func (d *draft) agent() {
	res := d.resource()
	if host := d.leaf("agentless.host"); host != nil && !d.a.Has("agent") {
		res.Text("name", host)
		res.Const("type", "Agentless host")
		return
	}
	res.Text("uid", d.leaf("agent.id"))
	res.Text("name", d.leaf("agent.name"))
	res.Const("type", "Wazuh agent")
	d.labels(res, "labels", "agent", "agent.labels.", '=', true)
}

// labels adds, for every leaf under the path, which begins with the name of a section, its values as "key=value" to a
// list of strings. With deep false only arrays directly under the path count, and "groups" does not.
func (d *draft) labels(o *Object, name, section, under string, separator byte, deep bool) {
	leaves := d.a.under(section)
	for i := range leaves {
		l := &leaves[i]
		if n := len(under); !deep && l.Kind != LeafJSON || len(l.Path) <= n || string(l.Path[:n]) != under {
			continue
		}
		key := l.Path[len(under):]
		if !deep && (string(key) == "groups" || containsDot(key)) {
			continue
		}
		d.scratch = append(append(d.scratch[:0], key...), separator)
		o.AddAll(name, d.scratch, d.a, l)
	}
}

// complete sets what a family may have set before, and what follows from it.
func (d *draft) complete() {
	r := d.root
	r.Enum("activity_id", d.activity)
	r.Enum("type_uid", int64(d.class.UID)*100+d.activity)
	d.status()

	description := d.leaf("rule.description")
	f := d.finding()
	f.Text("title", description)
	if !r.slotSet("message") || !f.slotSet("title") {
		title := d.ev.literal("Wazuh alert")
		if id := d.leaf("rule.id").Text(); id != nil {
			title = d.ev.join(d.ev.literal("Wazuh rule "), id)
		}
		r.Bytes("message", title)
		f.Bytes("title", title)
	}
	if d.identity != nil {
		f.Bytes("uid", d.identity)
	}
	f.Text("uid", d.leaf("id"))
	f.Bytes("uid", d.uid)
	f.Now("created_time", "created_time_dt")
	f.Text("desc", d.leaf("rule.info"))
	groups := d.leaf("rule.groups")

	if d.securityFinding() {
		d.completeSecurityFinding(f, groups)
	} else {
		d.completeModern(f, groups)
	}
	d.ruleCVE()
	// rule.pci_dss and the like. The set is open: SCA policies bring keys of their own.
	d.labels(d.metadata(), "labels", "rule", "rule.", ':', false)
	d.host()
}

func (d *draft) status() {
	r := d.root
	state := int64(1)
	if d.activity == activityClose {
		state = 4
	}
	if !d.securityFinding() {
		r.Enum("status_id", state)
		return
	}
	// In 2001 the status is the outcome of an activity and has no word for a finding: the existing integration writes
	// 99, which OCSF allows with a text of the source's own.
	r.Enum("state_id", state)
	r.Other("status_id", r.Value("state").Str, nil)
}

func (d *draft) completeSecurityFinding(f *Object, groups *Leaf) {
	r, md := d.root, d.metadata()
	md.Const("log_name", "Security events")
	md.Const("log_provider", "Wazuh")
	if !f.AddAll("types", nil, d.a, d.leaf("input.type")) {
		f.AddAll("types", nil, d.a, groups)
	}
	r.AddAll("data_sources", nil, d.a, d.leaf("_index"))
	r.AddAll("data_sources", nil, d.a, d.leaf("location"))
	r.AddAll("data_sources", nil, d.a, d.leaf("manager.name"))
	r.AddAll("nist", nil, d.a, d.leaf("rule.nist_800_53"))
	if d.ev.holds(isHugeCount, d.leaf("rule.firedtimes")) {
		r.Int("count", maxCount)
	}
	r.Num("count", d.leaf("rule.firedtimes"))

	analytic := r.Struct("analytic")
	analytic.Text("uid", d.leaf("rule.id"))
	analytic.Text("name", d.leaf("decoder.name"))
	analytic.Enum("type_id", 1)
	if joined, all := d.joined(groups, ", "); analytic.Bytes("category", joined) && all {
		analytic.Claim("category", groups)
	}
	d.attacks(r, "v13.1")
}

const maxCount = 1<<31 - 1

func (d *draft) completeModern(f *Object, groups *Leaf) {
	r, md := d.root, d.metadata()
	md.Text("log_name", d.leaf("location"))
	md.Text("log_provider", d.leaf("decoder.name"))
	md.Text("event_code", d.leaf("rule.id"))
	md.Struct("product").Struct("feature").Text("name", d.leaf("data.integration"))
	f.AddAll("types", nil, d.a, groups)
	f.AddAll("data_sources", nil, d.a, d.leaf("location"))
	// firedtimes counts how often the rule fired since the manager started, not events in this alert.
	r.Num("count", d.leaf("rule.frequency"))
	r.Int("count", 1)

	analytic := f.Struct("analytic")
	analytic.Text("uid", d.leaf("rule.id"))
	analytic.Text("name", d.leaf("rule.description"))
	analytic.Enum("type_id", 1)
	d.a.Elements(groups, func(g []byte) bool {
		analytic.Bytes("category", g)
		return false
	})
	d.attacks(f, "13.1")
}

// joined returns the elements of an array as one text, and whether none was left out.
func (d *draft) joined(l *Leaf, separator string) (text []byte, all bool) {
	d.scratch = d.scratch[:0]
	all = d.a.Elements(l, func(g []byte) bool {
		if len(d.scratch) > 0 {
			d.scratch = append(d.scratch, separator...)
		}
		d.scratch = append(d.scratch, g...)
		return true
	})
	return d.ev.join(nil, d.scratch), all
}

// ruleCVE takes the CVE a rule was written for, unless the alert itself is about one.
func (d *draft) ruleCVE() {
	if cve := d.leaf("rule.cve"); cve.Present() && d.root.Value("vulnerabilities") == nil && d.class.Name != "vulnerability_finding" {
		d.root.Append("vulnerabilities").Struct("cve").Text("uid", cve)
	}
}

// host fills device: the agent's host, or the sender of a syslog line that the manager received itself.
func (d *draft) host() {
	dev := d.device()
	dev.Enum("type_id", 0)
	location, program := d.leaf("location"), d.leaf("predecoder.hostname")
	switch {
	case !d.a.Has("agent"):
		host := d.leaf("agentless.host")
		if !dev.Text("ip", host) {
			dev.Text("hostname", host)
		}
		dev.Text("name", host)
		d.root.Struct("actor").Struct("user").Text("name", d.leaf("agentless.user"))
	case d.remoteSyslog():
		dev.Text("ip", location)
		dev.Text("hostname", program)
		dev.Text("name", program)
	default:
		agent := d.leaf("agent.name")
		dev.Text("uid", d.leaf("agent.id"))
		dev.Text("name", agent)
		dev.Text("hostname", agent)
		dev.Text("ip", d.leaf("agent.ip"))
	}
}

// remoteSyslog reports whether the manager got the log over the network, from a host without an agent; location is its
// address then.
func (d *draft) remoteSyslog() bool {
	return d.ev.holds(isManager, d.leaf("agent.id")) && d.ev.holds(isIP, d.leaf("location"))
}

func (o *Object) slotSet(name string) bool { return o.Value(name) != nil }
