package ocsf

// textType is what OCSF says about the values of one of its string types, the same in 1.1.0 and 1.3.0 but for email_t.
type textType struct {
	// valid is the pattern of the type as a hand-written matcher, nil: any text. It never sees an empty value.
	valid    func([]byte) bool
	maxChars int    // characters, not bytes; 0: no limit
	json     bool   // json_t
	rule     string // the rule a value breaks when valid says no
}

const maxStringChars = 65535 // string_t and every string type without a limit of its own

// textTypeOf returns the limits of an OCSF string type in an OCSF version; ok is false for a type that is no string type.
// json_t is JSON as text here and has neither limit nor pattern.
func textTypeOf(ocsfType, version string) (t textType, ok bool) {
	switch ocsfType {
	case "string_t", "file_name_t", "process_name_t", "url_t", "username_t":
		return textType{maxChars: maxStringChars}, true
	case "json_t":
		return textType{valid: validJSON, rule: RuleJSON, json: true}, true
	case "email_t":
		if version == Version110 {
			return textType{maxChars: maxStringChars, valid: validEmail110, rule: RulePattern}, true
		}
		return textType{maxChars: maxStringChars, valid: validEmail130, rule: RulePattern}, true
	case "file_hash_t":
		return textType{maxChars: 64}, true
	case "hostname_t":
		return textType{maxChars: maxStringChars, valid: ValidHostname, rule: RulePattern}, true
	case "ip_t":
		return textType{maxChars: 40, valid: ValidIP, rule: RuleIP}, true
	case "mac_t":
		return textType{maxChars: 32, valid: ValidMAC, rule: RulePattern}, true
	case "resource_uid_t":
		return textType{maxChars: 64}, true
	case "subnet_t":
		return textType{maxChars: 42, valid: validSubnet, rule: RulePattern}, true
	case "uuid_t":
		return textType{maxChars: maxStringChars, valid: validUUID, rule: RulePattern}, true
	case "datetime_t":
		return textType{maxChars: maxStringChars, valid: validDatetime, rule: RuleDatetime}, true
	}
	return textType{}, false
}

// kindOf returns the physical kind of an OCSF type.
func kindOf(ocsfType string) Kind {
	switch ocsfType {
	case "integer_t", "port_t":
		return KindInt
	case "long_t", "timestamp_t":
		return KindLong
	case "float_t":
		return KindFloat
	case "boolean_t":
		return KindBool
	case "datetime_t":
		return KindTime
	case "object_t":
		return KindObject
	}
	return KindString
}
