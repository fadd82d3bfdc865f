package ocsf

// Access logs of web servers and proxies. Wazuh's decoders put the HTTP method into data.protocol and the status into
// data.id.
func isWeb(a *Alert) bool {
	if !a.Leaf("data.url").Present() {
		return false
	}
	switch string(a.Decoder()) {
	case "web-accesslog", "web-accesslog-ip", "web-accesslog-domain", "nginx-accesslog", "apache-accesslog", "squid-accesslog", "windows-date-format":
		return true
	}
	return a.HasGroup("accesslog") || a.HasGroup("web") || a.HasGroup("web_scan") || a.HasGroup("squid")
}

func fillWeb(d *draft) {
	endpoint(d.source(), d.first("data.srcip", "data.src_ip"), d.leaf("data.srcport"))
	dst := d.destination()
	if to := d.leaf("data.dstip"); to != nil {
		endpoint(dst, to, d.leaf("data.dstport"))
	} else {
		d.agentEndpoint(dst)
		dst.Num("port", d.leaf("data.dstport"))
	}
	webAddress(d.evidence(), d.leaf("data.url"))
	d.rest("data.protocol", "data.id", "data.status", "data.http_status_code", "data.user_agent", "data.method", "data.referer")
}
