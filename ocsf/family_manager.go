package ocsf

// Events of Wazuh itself: agents that connect, commands run by active response, osquery's answers.

func isAgentEvent(a *Alert) bool {
	return a.Leaf("data.agent.id") != nil || a.Leaf("data.agent.name") != nil
}

func fillAgentEvent(d *draft) {
	res := d.resource()
	res.Text("uid", d.leaf("data.agent.id"))
	res.Text("name", d.leaf("data.agent.name"))
	res.Const("type", "Wazuh agent")
	d.rest("data.agent")
}

func isActiveResponse(a *Alert) bool {
	return string(a.Decoder()) == "ar_log" || string(a.Decoder()) == "ar_log_json" || a.Has("data.parameters.alert")
}

func fillActiveResponse(d *draft) {
	d.rest("data.parameters", "data.origin", "data.script", "data.type", "data.command", "data.program", "data.version")
}

func isOsquery(a *Alert) bool { return a.Has("data.osquery") }

func fillOsquery(d *draft) {
	const columns = "data.osquery.columns."
	d.rest("data.osquery")
	process(d.process(), d.leaf(columns+"pid"), nil, d.first(columns+"path", columns+"binary"), d.first(columns+"cmdline"))
	endpoint(d.source(), d.leaf(columns+"local_address"), d.leaf(columns+"local_port"))
	endpoint(d.destination(), d.leaf(columns+"remote_address"), d.leaf(columns+"remote_port"))
	d.actor().Struct("user").Text("name", d.first(columns+"username", columns+"user"))
}
