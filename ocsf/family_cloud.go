package ocsf

// The audit logs of the other clouds, each a call somebody made.

func isOffice365(a *Alert) bool { return a.Has("data.office365") }

func fillOffice365(d *draft) {
	const data = "data.office365."
	d.rest("data.office365")
	d.cloud("Microsoft", nil, nil, -1)
	d.organization(nil, d.leaf(data+"OrganizationId"))
	api := d.evidence().Struct("api")
	api.Text("operation", d.leaf(data+"Operation"))
	api.Struct("service").Text("name", d.leaf(data+"Workload"))
	api.Struct("request").Text("uid", d.leaf(data+"Id"))
	api.Struct("response").Text("message", d.leaf(data+"ResultStatus"))
	user := d.actor().Struct("user")
	user.Text("name", d.leaf(data+"UserId"))
	user.Text("email_addr", d.leaf(data+"UserId"))
	user.Text("uid", d.leaf(data+"UserKey"))
	d.actor().Struct("session").Text("uid", d.first(data+"SessionId", data+"InterSystemsId"))
	endpoint(d.source(), d.first(data+"ClientIP", data+"ClientIPAddress", data+"ActorIpAddress"), nil)
	if object := d.leaf(data + "ObjectId"); object.Present() {
		res := d.resource()
		res.Text("name", object)
		res.Const("type", "Object")
	}
}

// organization names the tenant.
func (d *draft) organization(name, uid *Leaf) {
	org := d.root.Struct("cloud").Struct("org")
	org.Text("name", name)
	org.Text("uid", uid)
}

func isGitHub(a *Alert) bool { return a.Has("data.github") }

func fillGitHub(d *draft) {
	const data = "data.github."
	d.rest("data.github")
	d.cloud("GitHub", nil, nil, -1)
	d.organization(d.leaf(data+"org"), d.leaf(data+"org_id"))
	api := d.evidence().Struct("api")
	api.Text("operation", d.leaf(data+"action"))
	api.Struct("service").Const("name", "GitHub")
	api.Struct("request").Text("uid", d.leaf(data+"_document_id"))
	user := d.actor().Struct("user")
	user.Text("name", d.leaf(data+"actor"))
	user.Text("uid", d.leaf(data+"actor_id"))
	d.evidence().Struct("user").Text("name", d.leaf(data+"user"))
	endpoint(d.source(), d.leaf(data+"actor_ip"), nil)
	if place := d.source().Struct("location"); place != nil && d.first(data+"actor_ip") != nil {
		place.Text("country", d.leaf(data+"actor_location.country_code"))
	}
	if repo := d.leaf(data + "repo"); repo.Present() {
		res := d.resource()
		res.Text("name", repo)
		res.Const("type", "Repository")
	}
}

func isGCP(a *Alert) bool { return a.Has("data.gcp") }

func fillGCP(d *draft) {
	const data = "data.gcp."
	d.rest("data.gcp")
	d.cloud("GCP", d.first(data+"resource.labels.location", data+"resource.labels.region", data+"jsonPayload.instance.region"), nil, -1)
	cloud := d.root.Struct("cloud")
	cloud.Text("project_uid", d.first(data+"resource.labels.project_id", data+"jsonPayload.instance.project_id"))
	cloud.Text("zone", d.first(data+"resource.labels.zone", data+"jsonPayload.instance.zone"))
	ev := d.evidence()
	api := ev.Struct("api")
	api.Text("operation", d.first(data+"protoPayload.methodName", data+"cs_operation", data+"httpRequest.requestMethod"))
	api.Struct("service").Text("name", d.first(data+"protoPayload.serviceName", data+"resource.labels.service"))
	api.Struct("request").Text("uid", d.first(data+"insertId", data+"s_request_id"))
	response := api.Struct("response")
	response.Num("code", d.first(data+"protoPayload.status.code", data+"httpRequest.status", data+"sc_status"))
	response.Text("error_message", d.leaf(data+"protoPayload.status.message"))
	user, principal := d.actor().Struct("user"), d.leaf(data+"protoPayload.authenticationInfo.principalEmail")
	user.Text("name", principal)
	user.Text("email_addr", principal)
	user.Text("uid", d.leaf(data+"protoPayload.authenticationInfo.principalSubject"))
	const flow = data + "jsonPayload.connection."
	endpoint(d.source(), d.first(data+"protoPayload.requestMetadata.callerIp", flow+"src_ip", data+"httpRequest.remoteIp", data+"jsonPayload.sourceIP",
		data+"c_ip"), d.leaf(flow+"src_port"))
	endpoint(d.destination(), d.first(flow+"dest_ip", data+"jsonPayload.destinationIP", data+"httpRequest.serverIp"), d.leaf(flow+"dest_port"))
	connection(ev, d.first(flow+"protocol", data+"jsonPayload.protocol"), d.leaf(data+"jsonPayload.rule_details.direction"), nil)
	query := ev.Struct("query")
	query.Text("hostname", d.leaf(data+"jsonPayload.queryName"))
	query.Text("type", d.leaf(data+"jsonPayload.queryType"))
	webAddress(ev, d.leaf(data+"httpRequest.requestUrl"))
	switch word := d.first(data+"jsonPayload.disposition", data+"jsonPayload.rule_details.action").Text(); {
	case foldAny(word, "DENIED", "DENY"):
		d.verdict(actionDenied, dispositionBlocked)
	case foldAny(word, "ALLOWED", "ALLOW"):
		d.verdict(actionAllowed, dispositionAllowed)
	}
	if name := d.leaf(data + "protoPayload.resourceName"); name.Present() {
		res := d.resource()
		res.Text("name", name)
		res.Text("type", d.leaf(data+"resource.type"))
	}
}

func isMSGraph(a *Alert) bool { return a.Has("data.ms-graph") }

func fillMSGraph(d *draft) {
	const data = "data.ms-graph."
	d.rest("data.ms-graph")
	d.cloud("Microsoft", nil, nil, -1)
	d.organization(nil, d.leaf(data+"tenantId"))
	api := d.evidence().Struct("api")
	api.Text("operation", d.first(data+"activityDisplayName", data+"activityType"))
	api.Struct("service").Text("name", d.leaf(data+"serviceSource"))
	user := d.actor().Struct("user")
	principal := d.first(data+"userPrincipalName", data+"initiatedBy.user.userPrincipalName")
	user.Text("name", principal)
	user.Text("email_addr", principal)
	user.Text("full_name", d.leaf(data+"userDisplayName"))
	user.Text("uid", d.first(data+"userId", data+"initiatedBy.user.id"))
	endpoint(d.source(), d.first(data+"ipAddress", data+"initiatedBy.user.ipAddress"), nil)

	f := d.finding()
	f.Text("desc", d.leaf(data+"description"))
	f.Text("src_url", d.first(data+"alertWebUrl", data+"incidentWebUrl"))
	f.TimeOf("first_seen_time", "first_seen_time_dt", d.leaf(data+"firstActivityDateTime"), 0)
	f.TimeOf("last_seen_time", "last_seen_time_dt", d.leaf(data+"lastActivityDateTime"), 0)
	f.TimeOf("modified_time", "modified_time_dt", d.leaf(data+"lastUpdateDateTime"), 0)
	if id := d.leaf(data + "id"); id.Present() {
		f.Append("related_events").Text("uid", id)
	}
	d.remediation().Text("desc", d.leaf(data+"recommendedActions"))
	if name := d.first(data+"threatDisplayName", data+"threatFamilyName"); name != nil {
		m := d.root.Append("malware")
		m.Text("name", name)
		m.Enum("classification_ids", 0)
		m.Text("provider", d.leaf(data+"productName"))
		d.verdict(actionUnknown, dispositionDetected)
	}
}

// Azure activity, diagnostics and sign-in logs; their fields lie directly under data.
func isAzure(a *Alert) bool {
	return a.Leaf("data.azure_tag") != nil || a.Leaf("data.azure_aad_tag") != nil || a.Leaf("data.azure_storage_tag") != nil ||
		a.Leaf("data.integration").Fold("azure")
}

func fillAzure(d *draft) {
	const data = "data."
	d.cloud("Azure", d.first(data+"location", data+"resourceLocation"), nil, -1)
	d.organization(nil, d.first(data+"tenantId", data+"TenantId"))
	api := d.evidence().Struct("api")
	api.Text("operation", d.first(data+"operationName", data+"OperationName", data+"activityDisplayName"))
	api.Struct("request").Text("uid", d.first(data+"correlationId", data+"CorrelationId", data+"id"))
	api.Struct("response").Text("message", d.first(data+"resultType", data+"ResultType", data+"result"))
	user := d.actor().Struct("user")
	name := d.first(data+"identity.claims.name", data+"Caller", data+"userPrincipalName", data+"properties.userPrincipalName")
	user.Text("name", name)
	user.Text("email_addr", d.first(data+"identity.claims.http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress", data+"userPrincipalName"))
	user.Text("uid", d.first(data+"identity.claims.puid", data+"userId"))
	endpoint(d.source(), d.first(data+"callerIpAddress", data+"CallerIpAddress", data+"ipAddress", data+"properties.ipAddress"), nil)
	if id := d.first(data+"resourceId", data+"ResourceId"); id != nil {
		res := d.resource()
		res.Text("uid", id)
		res.Const("type", "Azure resource")
	}
	d.rest("data.identity", "data.properties")
}
