package ocsf

// fillCommon takes the static fields of data, which decoders of all kinds fill, and the names that devices which log
// key=value or JSON use for the same things. It runs after the family and never replaces what the family set.
func fillCommon(d *draft) {
	ev := d.evidence()
	if ev == nil || !d.a.Has("data") {
		return
	}
	src, dst := d.source(), d.destination()
	endpoint(src, d.leaf("data.srcip"), d.leaf("data.srcport"))
	endpoint(dst, d.leaf("data.dstip"), d.leaf("data.dstport"))
	if !src.slotSet("ip") {
		endpoint(src, d.address("data.src_ip", "data.source_ip", "data.source_address", "data.src", "data.client_ip", "data.ClientIP", "data.remote_ip",
			"data.remoteAddr", "data.id.orig_h", "data.src_endpoint.ip"), nil)
	}
	if !dst.slotSet("ip") {
		endpoint(dst, d.address("data.dst_ip", "data.dest_ip", "data.destination_ip", "data.destination_address", "data.dst", "data.id.resp_h",
			"data.dst_endpoint.ip"), nil)
	}
	src.Num("port", d.first("data.src_port", "data.source_port", "data.spt", "data.id.orig_p", "data.src_endpoint.port"))
	dst.Num("port", d.first("data.dst_port", "data.dest_port", "data.destination_port", "data.dpt", "data.id.resp_p", "data.dst_endpoint.port"))
	src.Text("mac", d.first("data.srcmac", "data.src_mac", "data.smac"))
	dst.Text("mac", d.first("data.dstmac", "data.dst_mac", "data.dmac"))
	src.Text("interface_name", d.first("data.srcintf", "data.src_interface", "data.inbound_interface", "data.in_iface", "data.in_interface"))
	dst.Text("interface_name", d.first("data.dstintf", "data.dst_interface", "data.outbound_interface", "data.out_interface"))
	src.Struct("location").Text("country", d.first("data.srccountry", "data.source_country", "srcgeoip", "GeoLocation.country_name"))
	src.Struct("location").Text("city", d.leaf("GeoLocation.city_name"))
	dst.Struct("location").Text("country", d.first("data.dstcountry", "data.destination_country", "dstgeoip"))
	connection(ev, d.first("data.protocol", "data.proto", "data.transport"), d.first("data.direction", "data.conn_direction"), nil)
	webAddress(ev, d.leaf("data.url"))

	// The one who acted; a second name is the account that was acted upon.
	from, to := d.first("data.srcuser", "data.username", "data.user"), d.first("data.dstuser")
	user := d.actor().Struct("user")
	if from != nil {
		account(user, from)
		account(ev.Struct("user"), to)
	} else {
		account(user, to)
	}
}
