package ocsf

// Suricata (eve.json) and Snort: a signature matched on a connection.
func isIDS(a *Alert) bool {
	return a.Leaf("data.alert.signature") != nil || a.Leaf("data.flow_id") != nil && a.Leaf("data.event_type") != nil || string(a.Decoder()) == "snort"
}

func fillIDS(d *draft) {
	ev := d.evidence()
	endpoint(d.source(), d.first("data.src_ip", "data.srcip"), d.first("data.src_port", "data.srcport"))
	endpoint(d.destination(), d.first("data.dest_ip", "data.dstip"), d.first("data.dest_port", "data.dstport"))
	connection(ev, d.first("data.proto", "data.protocol"), d.leaf("data.direction"), d.leaf("data.flow_id"))
	server := d.destination()
	if d.leaf("data.direction").Is("to_client") {
		server = d.source() // the signature matched its answer
	}
	if host := d.first("data.http.hostname", "data.tls.sni"); host != nil {
		server.Text("hostname", host)
	}
	server.Text("svc_name", d.leaf("data.app_proto"))
	query := ev.Struct("query")
	query.Text("hostname", d.leaf("data.dns.rrname"))
	query.Text("type", d.leaf("data.dns.rrtype"))
	webAddress(ev, d.leaf("data.http.url"))
	if name := d.leaf("data.fileinfo.filename"); name.Present() {
		file(ev.Struct("file"), name, fileRegular)
		ev.Struct("file").Num("size", d.leaf("data.fileinfo.size"))
	}

	signature := d.first("data.alert.signature_id", "data.id")
	if d.first("data.alert.signature") == nil && signature == nil {
		return
	}
	rule := d.root.Struct("firewall_rule")
	rule.Text("uid", signature)
	rule.Text("name", d.leaf("data.alert.signature"))
	rule.Text("category", d.leaf("data.alert.category"))
	rule.Text("version", d.leaf("data.alert.rev"))
	switch action := d.leaf("data.alert.action").Text(); {
	case foldAny(action, "blocked", "drop", "dropped"):
		d.verdict(actionDenied, dispositionBlocked)
	case foldAny(action, "allowed", "pass"):
		d.verdict(actionAllowed, dispositionAlert)
	default:
		d.verdict(actionUnknown, dispositionAlert)
	}
	d.rest("data.alert", "data.http", "data.dns", "data.tls", "data.ssh", "data.smtp", "data.flow", "data.fileinfo", "data.metadata", "data.app_proto",
		"data.event_type", "data.tx_id", "data.flow_id", "data.in_iface", "data.vlan", "data.timestamp", "data.payload", "data.payload_printable", "data.stream")
}

// Firewalls of every make: two ends of a connection and the word for what was done with it.
func isFirewall(a *Alert) bool {
	if verdictWord(a) == nil {
		return false
	}
	return a.HasGroup("firewall") || firstOf(a, "data.srcip", "data.dstip", "data.src_ip", "data.dst_ip", "data.src", "data.dst") != nil
}

func firstOf(a *Alert, paths ...string) *Leaf {
	for _, p := range paths {
		if l := a.Leaf(p); l.Present() {
			return l
		}
	}
	return nil
}

func verdictWord(a *Alert) []byte {
	return firstOf(a, "data.action", "data.fw_action", "data.rule_action", "data.act", "data.utmaction").Text()
}

func fillFirewall(d *draft) {
	// FortiGate's action is how the session ended, accept or close, also of one that its inspection blocked then.
	first, second := d.leaf("data.utmaction").Text(), verdictWord(d.a)
	if foldAny(first, "allow", "passthrough") {
		first, second = second, first
	}
	if !d.judge(first) && !d.judge(second) {
		return // an action, but none on a connection
	}
	rule := d.root.Struct("firewall_rule")
	rule.Text("uid", d.first("data.policyid", "data.policy_id", "data.rule_uid", "data.rule_uuid", "data.fw_rule_id", "data.rule_id"))
	rule.Text("name", d.first("data.rule_name", "data.policy_name", "data.rule"))
}

// judge sets the verdict that a word stands for and reports whether it is one.
func (d *draft) judge(word []byte) bool {
	switch {
	case foldAny(word, "drop", "dropped", "deny", "denied", "block", "blocked", "discard", "discarded", "prevent", "drop-session"):
		d.verdict(actionDenied, dispositionBlocked)
	case foldAny(word, "reject", "rejected"):
		d.verdict(actionDenied, dispositionRejected)
	case foldAny(word, "reset", "reset-both", "reset-client", "reset-server", "tcp-reset"):
		d.verdict(actionDenied, dispositionReset)
	case foldAny(word, "allow", "allowed", "accept", "accepted", "permit", "permitted", "pass", "passed", "passthrough"):
		d.verdict(actionAllowed, dispositionAllowed)
	case foldAny(word, "detect", "detected"):
		d.verdict(actionAllowed, dispositionDetected)
	default:
		return false
	}
	return true
}
