package ocsf

// AWS: CloudTrail, GuardDuty, VPC flow logs, S3 and load balancer access logs, Security Hub, WAF.
func isAWS(a *Alert) bool { return a.Has("data.aws") }

// accountAWS is account.type_id "AWS Account".
const accountAWS = 10

func fillAWS(d *draft) {
	const data = "data.aws."
	d.rest("data.aws")
	d.cloud("AWS", d.first(data+"awsRegion", data+"region", data+"finding.Region"),
		d.first(data+"recipientAccountId", data+"aws_account_id", data+"accountId", data+"account_id", data+"finding.AwsAccountId",
			data+"userIdentity.accountId"), accountAWS)
	ev := d.evidence()
	api := ev.Struct("api")
	api.Text("operation", d.first(data+"eventName", data+"operation"))
	api.Text("version", d.leaf(data+"apiVersion"))
	api.Struct("service").Text("name", d.leaf(data+"eventSource"))
	api.Struct("request").Text("uid", d.first(data+"requestID", data+"request_id"))
	response := api.Struct("response")
	response.Text("error", d.first(data+"errorCode", data+"error_code"))
	response.Text("error_message", d.leaf(data+"errorMessage"))
	response.Num("code", d.first(data+"http_status", data+"elb_status_code"))

	user := d.actor().Struct("user")
	user.Text("name", d.first(data+"userIdentity.userName", data+"userIdentity.sessionContext.sessionIssuer.userName"))
	user.Text("uid", d.first(data+"userIdentity.arn", data+"userIdentity.principalId", data+"requester"))
	user.Text("uid_alt", d.leaf(data+"userIdentity.principalId"))
	user.Text("credential_uid", d.leaf(data+"userIdentity.accessKeyId"))
	if owner := user.Struct("account"); owner.Text("uid", d.leaf(data+"userIdentity.accountId")) {
		owner.Enum("type_id", accountAWS)
	}
	d.actor().Text("invoked_by", d.leaf(data+"userIdentity.invokedBy"))

	endpoint(d.source(), d.first(data+"sourceIPAddress", data+"source_ip_address", data+"srcaddr", data+"remote_ip", data+"client_ip",
		data+"httpRequest.clientIp", data+"service.action.awsApiCallAction.remoteIpDetails.ipAddressV4",
		data+"service.action.portProbeAction.portProbeDetails.remoteIpDetails.ipAddressV4"),
		d.first(data+"srcport", data+"client_port"))
	endpoint(d.destination(), d.first(data+"dstaddr", data+"target_ip"), d.first(data+"dstport", data+"target_port"))
	d.destination().Text("interface_uid", d.leaf(data+"interface_id"))

	// GuardDuty tells the near and the far end of a connection; which of them began it is the direction.
	const flow = data + "service.action.networkConnectionAction."
	near, far, direction := d.destination(), d.source(), d.leaf(flow+"connectionDirection")
	if direction.Fold("OUTBOUND") {
		near, far = far, near
	}
	endpoint(far, d.leaf(flow+"remoteIpDetails.ipAddressV4"), d.leaf(flow+"remotePortDetails.port"))
	endpoint(near, d.leaf(flow+"localIpDetails.ipAddressV4"), d.leaf(flow+"localPortDetails.port"))
	connection(ev, d.first(data+"protocol", flow+"protocol"), direction, nil)
	switch action := d.leaf(data + "action").Text(); {
	case foldAny(action, "REJECT", "BLOCK"):
		d.verdict(actionDenied, dispositionBlocked)
	case foldAny(action, "ACCEPT", "ALLOW"):
		d.verdict(actionAllowed, dispositionAllowed)
	}

	f := d.finding()
	f.Text("desc", d.first(data+"description", data+"finding.Description"))
	f.TimeOf("first_seen_time", "first_seen_time_dt", d.first(data+"service.eventFirstSeen", data+"finding.FirstObservedAt"), 0)
	f.TimeOf("last_seen_time", "last_seen_time_dt", d.first(data+"service.eventLastSeen", data+"finding.LastObservedAt"), 0)
	if related := d.first(data+"finding.Id", data+"arn", data+"eventID"); related != nil {
		f.Append("related_events").Text("uid", related)
	}
	advice := d.remediation()
	advice.Text("desc", d.leaf(data+"finding.Remediation.Recommendation.Text"))
	advice.AddAll("references", nil, d.a, d.leaf(data+"finding.Remediation.Recommendation.Url"))
	if instance := d.leaf(data + "resource.instanceDetails.instanceId"); instance.Present() {
		res := d.resource()
		res.Text("uid", instance)
		res.Const("type", "EC2 instance")
	} else if bucket := d.first(data+"bucket", data+"requestParameters.bucketName"); bucket != nil {
		res := d.resource()
		res.Text("name", bucket)
		res.Const("type", "S3 bucket")
	}
}
