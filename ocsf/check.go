package ocsf

// The rules a value, an attribute or an event can break: CheckError.Rule and Fault.Rule.
const (
	RuleUTF8     = "utf8"
	RuleLength   = "max_len"
	RulePattern  = "regex"
	RuleIP       = "ip_invalid"
	RuleDatetime = "datetime_invalid"
	RuleJSON     = "json_text"
)
