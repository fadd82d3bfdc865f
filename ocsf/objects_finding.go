package ocsf

func (c catalog) analytic() *ObjectType {
	return c.object("analytic", "name", "uid").
		text("uid", "name").id("type_id", "type", analyticTypes(c.v13)).text("category", "version", "desc").
		require("type_id").done()
}

func (c catalog) attack() *ObjectType {
	return c.object("attack", "tactic", "technique", "sub_technique").
		text("version").
		object("tactic", c.nameUID("tactic")).object("technique", c.nameUID("technique")).
		object("sub_technique", c.nameUID("sub_technique")).done()
}

func (c catalog) relatedEvent() *ObjectType {
	s := c.object("related_event").text("uid", "product_uid", "type").scalars("long_t", "type_uid").require("uid")
	if c.v13 {
		s.text("type_name")
	}
	return s.done()
}

func (c catalog) findingInfo() *ObjectType {
	return c.object("finding_info").
		text("uid", "title", "desc").lists("string_t", "types").
		object("analytic", c.analytic()).objects("attacks", c.attack()).
		times("created_time", "modified_time", "first_seen_time", "last_seen_time").
		lists("string_t", "data_sources").objects("related_events", c.relatedEvent()).
		scalars("url_t", "src_url").text("product_uid").
		require("uid", "title").done()
}

// finding is the object of class 2001, which finding_info replaced.
func (c catalog) finding() *ObjectType {
	return c.object("finding").
		text("uid", "title", "desc").lists("string_t", "types").
		times("created_time", "modified_time", "first_seen_time", "last_seen_time").
		object("remediation", c.remediation()).objects("related_events", c.relatedEvent()).
		scalars("url_t", "src_url").text("product_uid").scalars("json_t", "supporting_data").
		require("uid", "title").done()
}

func (c catalog) knowledgeBaseArticle() *ObjectType {
	return c.object("kb_article").text("uid", "title").scalars("url_t", "src_url").require("uid").done()
}

func (c catalog) remediation() *ObjectType {
	return c.object("remediation").
		text("desc").lists("string_t", "references").objects("kb_article_list", c.knowledgeBaseArticle()).
		require("desc").done()
}

func (c catalog) compliance() *ObjectType {
	return c.object("compliance").
		lists("string_t", "standards").text("control").lists("string_t", "requirements").
		id("status_id", "status", complianceStatuses()).text("status_code", "status_detail").
		require("standards").done()
}

func (c catalog) cwe() *ObjectType {
	return c.object("cwe").text("uid", "caption").scalars("url_t", "src_url").require("uid").done()
}

func (c catalog) cvss() *ObjectType {
	return c.object("cvss").
		scalars("float_t", "base_score", "overall_score").text("version", "severity", "vector_string").
		objects("metrics", c.object("metric").text("name", "value").require("name", "value").done()).
		require("base_score", "version").done()
}

func (c catalog) cve() *ObjectType {
	return c.object("cve").
		text("uid", "title", "desc", "type").
		objects("cvss", c.cvss()).object("cwe", c.cwe()).
		times("created_time", "modified_time").
		lists("string_t", "references").
		object("product", c.productBrief()).
		require("uid").done()
}

func (c catalog) affectedPackage() *ObjectType {
	s := c.object("affected_package").
		text("name", "version", "architecture", "fixed_in_version", "package_manager", "path", "release", "purl").
		ints("epoch").
		require("name", "version")
	if c.v13 {
		s.text("vendor_name", "cpe_name").id("type_id", "type", packageTypes())
	}
	return s.done()
}

func (c catalog) vulnerability() *ObjectType {
	return c.object("vulnerability", "cve", "cwe").
		object("cve", c.cve()).object("cwe", c.cwe()).
		text("title", "desc", "severity", "vendor_name").
		objects("affected_packages", c.affectedPackage()).
		lists("string_t", "references").
		scalars("boolean_t", "is_fix_available").
		object("remediation", c.object("remediation").text("desc").lists("string_t", "references").require("desc").done()).
		objects("kb_article_list", c.knowledgeBaseArticle()).
		times("first_seen_time", "last_seen_time").done()
}

func (c catalog) malware() *ObjectType {
	s := c.object("malware", "name", "uid").
		text("name", "uid", "path", "provider").
		lists("integer_t", "classification_ids").lists("string_t", "classifications").
		require("classification_ids")
	s.attr("classification_ids").Enum = &Enum{Sibling: "classifications", Captions: malwareClasses()}
	return s.done()
}

func (c catalog) firewallRule() *ObjectType {
	return c.object("firewall_rule", "name", "uid").
		text("name", "uid", "category", "desc", "type", "version", "condition").done()
}
