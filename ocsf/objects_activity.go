package ocsf

func (c catalog) location() *ObjectType {
	s := c.object("location", "coordinates", "city", "country", "postal_code", "region").
		text("city", "region", "country", "continent", "isp")
	if c.v13 {
		s.scalars("float_t", "lat", "long")
	}
	return s.done()
}

func (c catalog) os() *ObjectType {
	return c.object("os").
		text("name").id("type_id", "type", osTypes()).text("version", "build", "edition").
		require("name", "type_id").done()
}

// host is what device and endpoint have in common.
func (c catalog) host(name string, atLeastOne ...string) *shape {
	return c.object(name, atLeastOne...).
		scalars("hostname_t", "hostname").text("name", "uid").scalars("ip_t", "ip").scalars("mac_t", "mac").
		text("domain", "instance_uid", "interface_name").
		id("type_id", "type", deviceTypes(c.v13))
}

func (c catalog) device() *ObjectType {
	s := c.host("device", "ip", "uid", "name", "hostname", "instance_uid", "interface_uid", "interface_name").
		text("uid_alt", "region").
		object("os", c.os()).
		objects("groups", c.nameUID("group")).
		object("container", c.container()).gate(ProfileContainer, "container").
		times("first_seen_time", "last_seen_time").
		require("type_id")
	if c.v13 {
		s.objects("agent_list", c.agents())
	}
	return s.done()
}

// deviceBrief is another host than the one that reported.
func (c catalog) deviceBrief() *ObjectType {
	return c.host("device", "ip", "uid", "name", "hostname", "instance_uid", "interface_uid", "interface_name").
		object("os", c.os()).require("type_id").done()
}

func (c catalog) endpoint() *ObjectType {
	return c.host("network_endpoint",
		"ip", "uid", "name", "hostname", "svc_name", "instance_uid", "interface_uid", "interface_name").
		scalars("port_t", "port").text("svc_name", "interface_uid", "vlan_uid", "vpc_uid").
		object("location", c.location()).done()
}

func (c catalog) connectionInfo() *ObjectType {
	return c.object("network_connection_info").
		id("direction_id", "direction", directions()).
		text("protocol_name").ints("protocol_num").id("protocol_ver_id", "protocol_ver", protocolVersions()).
		text("uid").ints("tcp_flags").
		require("direction_id").done()
}

// dnsQuery has opcode_id without a caption: OCSF gave it no sibling.
func (c catalog) dnsQuery() *ObjectType {
	return c.object("dns_query").
		scalars("hostname_t", "hostname").text("type", "class", "opcode").id("opcode_id", "", dnsOpcodes(c.v13)).
		require("hostname").done()
}

// processHead is what a process, its parent and a process seen in passing have in common.
func (c catalog) processHead(file *ObjectType) *shape {
	return c.object("process", "pid", "uid").
		scalars("process_name_t", "name").ints("pid").text("uid", "cmd_line").
		object("file", file).object("user", c.userBrief()).
		times("created_time")
}

// process is the process an alert is about, with its parent; the parent's parent stays in "unmapped".
func (c catalog) process() *ObjectType {
	parent := c.processHead(c.fileHashed()).
		ints("tid").id("integrity_id", "integrity", integrities()).
		object("session", c.sessionBrief()).done()
	return c.processHead(c.fileBrief()).
		times("terminated_time").
		ints("tid").text("sandbox").id("integrity_id", "integrity", integrities()).
		lists("string_t", "loaded_modules").
		object("session", c.sessionBrief()).
		ints("auid", "euid", "egid").object("group", c.nameUID("group")).
		gate(ProfileLinuxUsers, "auid", "euid", "egid", "group").
		object("container", c.nameUID("container")).gate(ProfileContainer, "container").
		object("parent_process", parent).done()
}

// processActor is the process that acted on what the alert is about.
func (c catalog) processActor() *ObjectType {
	return c.processHead(c.filePath()).
		ints("auid", "euid").gate(ProfileLinuxUsers, "auid", "euid").
		object("parent_process", c.processPath()).done()
}

// processPath is the least that names a process.
func (c catalog) processPath() *ObjectType {
	return c.object("process", "pid", "uid").
		scalars("process_name_t", "name").ints("pid").text("uid", "cmd_line").object("file", c.filePath()).done()
}

func (c catalog) actor(process *ObjectType) *ObjectType {
	s := c.object("actor", "process", "user", "invoked_by", "session", "app_name", "app_uid").
		object("user", c.user()).object("process", process).object("session", c.session()).
		text("invoked_by")
	if c.v13 {
		s.text("app_name", "app_uid")
	}
	return s.done()
}

func (c catalog) url() *ObjectType {
	return c.object("url", "url_string", "path").
		scalars("url_t", "url_string").text("scheme").scalars("hostname_t", "hostname").scalars("port_t", "port").
		text("path", "query_string", "subdomain", "domain", "resource_type").lists("string_t", "categories").done()
}

func (c catalog) registryKey() *ObjectType {
	return c.object("reg_key").
		text("path", "security_descriptor").scalars("boolean_t", "is_system").times("modified_time").
		require("path").done()
}

func (c catalog) registryValue() *ObjectType {
	return c.object("reg_value").
		text("name", "path").id("type_id", "type", registryValueTypes()).scalars("json_t", "data").
		scalars("boolean_t", "is_default", "is_system").times("modified_time").
		require("name", "path").done()
}

func (c catalog) windowsService() *ObjectType {
	return c.object("win_service", "cmd_line", "service_category_id", "service_dependencies", "service_error_control_id",
		"service_start_name", "service_start_type_id", "service_type_id").
		text("name", "uid", "version", "cmd_line", "service_start_name", "load_order_group").
		id("service_type_id", "service_type", serviceTypes()).
		id("service_start_type_id", "service_start_type", serviceStartTypes()).
		lists("string_t", "service_dependencies", "labels").
		require("name").done()
}

func (c catalog) evidence() *ObjectType {
	s := c.object("evidences", "actor", "api", "connection_info", "data", "database", "databucket", "device", "dst_endpoint",
		"email", "file", "process", "query", "src_endpoint", "url", "user", "job", "reg_key", "reg_value", "win_service").
		scalars("json_t", "data").
		object("src_endpoint", c.endpoint()).object("dst_endpoint", c.endpoint()).
		object("connection_info", c.connectionInfo()).
		object("actor", c.actor(c.processActor())).
		object("process", c.process()).
		object("file", c.file()).
		object("api", c.api()).
		object("query", c.dnsQuery())
	if c.v13 {
		s.object("url", c.url()).object("user", c.user()).object("device", c.deviceBrief()).
			object("container", c.container()).
			object("reg_key", c.registryKey()).object("reg_value", c.registryValue()).
			object("win_service", c.windowsService())
	}
	return s.done()
}
