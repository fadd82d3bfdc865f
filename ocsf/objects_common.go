package ocsf

func (c catalog) nameUID(name string) *ObjectType {
	return c.object(name, "name", "uid").text("name", "uid").done()
}

func (c catalog) product() *ObjectType {
	return c.object("product", "name", "uid").
		text("name", "vendor_name", "version", "lang", "uid").
		object("feature", c.nameUID("feature")).
		require("vendor_name").done()
}

// productBrief is the product a file or a CVE belongs to.
func (c catalog) productBrief() *ObjectType {
	return c.object("product", "name", "uid").text("name", "vendor_name", "version").require("vendor_name").done()
}

func (c catalog) metadata() *ObjectType {
	return c.object("metadata").
		text("version").object("product", c.product()).
		lists("string_t", "profiles").
		text("uid", "original_time").
		times("logged_time", "processed_time").
		text("event_code", "log_name", "log_provider", "log_version", "correlation_uid", "tenant_uid").
		ints("sequence").
		lists("string_t", "labels").
		objects("loggers", c.nameUID("logger")).
		require("version", "product").done()
}

func (c catalog) observable() *ObjectType {
	return c.object("observable").
		text("name").id("type_id", "type", observableTypes(c.v13)).text("value").
		require("name", "type_id").done()
}

func (c catalog) enrichment() *ObjectType {
	s := c.object("enrichment").text("name", "value", "type", "provider").scalars("json_t", "data").
		require("name", "value", "data")
	if c.v13 {
		s.text("short_desc", "desc").scalars("url_t", "src_url").times("created_time")
	}
	return s.done()
}

func (c catalog) account() *ObjectType {
	return c.object("account", "name", "uid").text("name", "uid").id("type_id", "type", accountTypes()).done()
}

// user is an account that acted or was acted upon.
func (c catalog) user() *ObjectType {
	return c.object("user", "account", "name", "uid").
		scalars("username_t", "name").text("uid", "domain", "full_name").scalars("email_t", "email_addr").
		id("type_id", "type", userTypes()).
		object("account", c.account()).
		objects("groups", c.nameUID("group")).
		object("org", c.nameUID("organization")).
		text("credential_uid").done()
}

// userBrief is the owner of a thing or the account of a process.
func (c catalog) userBrief() *ObjectType {
	return c.object("user", "account", "name", "uid").
		scalars("username_t", "name").text("uid", "domain").done()
}

func (c catalog) session() *ObjectType {
	return c.object("session").
		text("uid", "terminal", "issuer").scalars("uuid_t", "uuid").
		scalars("boolean_t", "is_remote").times("created_time").done()
}

func (c catalog) sessionBrief() *ObjectType {
	return c.object("session").text("uid", "terminal").done()
}

func (c catalog) fingerprint() *ObjectType {
	return c.object("fingerprint").
		id("algorithm_id", "algorithm", hashAlgorithms()).scalars("file_hash_t", "value").
		require("algorithm_id", "value").done()
}

func (c catalog) signature() *ObjectType {
	s := c.object("digital_signature").
		id("algorithm_id", "algorithm", signatureAlgorithms()).text("developer_uid").
		require("algorithm_id")
	if c.v13 {
		s.id("state_id", "state", signatureStates())
	}
	return s.done()
}

// file is the file an alert is about.
func (c catalog) file() *ObjectType {
	s := c.object("file").
		scalars("file_name_t", "name").text("path", "parent_folder").id("type_id", "type", fileTypes()).
		scalars("long_t", "size").objects("hashes", c.fingerprint()).
		object("owner", c.userBrief()).
		times("created_time", "modified_time", "accessed_time").
		text("mime_type", "desc", "uid", "version", "company_name", "security_descriptor").
		ints("attributes").scalars("boolean_t", "is_system").
		object("product", c.productBrief()).object("signature", c.signature()).
		require("name", "type_id")
	if c.v13 {
		s.text("ext")
	}
	return s.done()
}

// fileBrief is the executable of a process.
func (c catalog) fileBrief() *ObjectType {
	return c.object("file").
		scalars("file_name_t", "name").text("path", "parent_folder").id("type_id", "type", fileTypes()).
		objects("hashes", c.fingerprint()).text("company_name", "desc", "version").
		object("product", c.productBrief()).
		require("name", "type_id").done()
}

// fileHashed is the executable of a parent process.
func (c catalog) fileHashed() *ObjectType {
	return c.object("file").
		scalars("file_name_t", "name").text("path", "parent_folder").id("type_id", "type", fileTypes()).
		objects("hashes", c.fingerprint()).
		require("name", "type_id").done()
}

// filePath is the executable of a process seen only in passing.
func (c catalog) filePath() *ObjectType {
	return c.object("file").
		scalars("file_name_t", "name").text("path", "parent_folder").id("type_id", "type", fileTypes()).
		require("name", "type_id").done()
}

func (c catalog) image() *ObjectType {
	return c.object("image").text("name", "uid", "tag").require("uid").done()
}

func (c catalog) container() *ObjectType {
	return c.object("container", "uid", "name").
		text("name", "uid").object("image", c.image()).
		text("runtime", "orchestrator").scalars("uuid_t", "pod_uuid").done()
}

func (c catalog) agents() *ObjectType {
	return c.object("agent", "uid", "name").
		text("name", "uid", "uid_alt", "vendor_name", "version").id("type_id", "type", agentTypes()).done()
}

func (c catalog) resource() *ObjectType {
	s := c.object("resource_details", "name", "uid").
		text("name", "uid", "type", "version", "namespace").
		lists("string_t", "labels").
		object("owner", c.userBrief()).object("group", c.nameUID("group")).
		scalars("json_t", "data").
		text("region", "cloud_partition").gate(ProfileCloud, "region", "cloud_partition")
	if c.v13 {
		s.objects("agent_list", c.agents())
	}
	return s.done()
}

func (c catalog) cloud() *ObjectType {
	return c.object("cloud").
		text("provider", "region", "zone", "project_uid").
		object("account", c.account()).object("org", c.nameUID("organization")).
		require("provider").done()
}

func (c catalog) api() *ObjectType {
	return c.object("api").
		text("operation", "version").
		object("service", c.object("service", "name", "uid").text("name", "uid", "version").done()).
		object("request", c.object("request").text("uid").lists("string_t", "flags").require("uid").done()).
		object("response", c.object("response").ints("code").text("error", "error_message", "message").
			lists("string_t", "flags").done()).
		object("group", c.nameUID("group")).
		require("operation").done()
}
