package ocsf

// Captions are part of the OCSF release: a caption sibling must hold exactly this text. Every value the release knows
// is listed, not only the ones the mapper sets, because the validator judges files of other writers with the same tables.

const otherID = 99 // "Other": the caption sibling holds the word of the source, never the caption itself

// numbered returns the captions of the values 0, 1, 2, ...
func numbered(captions ...string) map[int64]string {
	m := make(map[int64]string, len(captions)+1)
	for i, c := range captions {
		m[int64(i)] = c
	}
	return m
}

// numberedOther is numbered plus the value 99 "Other".
func numberedOther(captions ...string) map[int64]string {
	m := numbered(captions...)
	m[otherID] = "Other"
	return m
}

func accountTypes() map[int64]string {
	return numberedOther("Unknown", "LDAP Account", "Windows Account", "AWS IAM User", "AWS IAM Role", "GCP Account",
		"Azure AD Account", "Mac OS Account", "Apple Account", "Linux Account", "AWS Account")
}

func actions() map[int64]string { return numberedOther("Unknown", "Allowed", "Denied") }

func activities() map[int64]string { return numberedOther("Unknown", "Create", "Update", "Close") }

func agentTypes() map[int64]string {
	return numberedOther("Unknown", "Endpoint Detection and Response", "Data Loss Prevention", "Backup & Recovery",
		"Performance Monitoring & Observability", "Vulnerability Management", "Log Forwarding", "Mobile Device Management",
		"Configuration Management", "Remote Access")
}

func analyticTypes(v13 bool) map[int64]string {
	if !v13 {
		return numberedOther("Unknown", "Rule", "Behavioral", "Statistical", "Learning (ML/DL)")
	}
	return numberedOther("Unknown", "Rule", "Behavioral", "Statistical", "Learning (ML/DL)", "Fingerprinting", "Tagging",
		"Keyword Match", "Regular Expressions", "Exact Data Match", "Partial Data Match", "Indexed Data Match")
}

func complianceStatuses() map[int64]string {
	return numberedOther("Unknown", "Pass", "Warning", "Fail")
}

func confidences() map[int64]string { return numberedOther("Unknown", "Low", "Medium", "High") }

func deviceTypes(v13 bool) map[int64]string {
	m := numberedOther("Unknown", "Server", "Desktop", "Laptop", "Tablet", "Mobile", "Virtual", "IOT", "Browser",
		"Firewall", "Switch", "Hub")
	if v13 {
		m[12], m[13], m[14], m[15] = "Router", "IDS", "IPS", "Load Balancer"
	}
	return m
}

func directions() map[int64]string { return numberedOther("Unknown", "Inbound", "Outbound", "Lateral") }

func dispositions() map[int64]string {
	return numberedOther("Unknown", "Allowed", "Blocked", "Quarantined", "Isolated", "Deleted", "Dropped", "Custom Action",
		"Approved", "Restored", "Exonerated", "Corrected", "Partially Corrected", "Uncorrected", "Delayed", "Detected",
		"No Action", "Logged", "Tagged", "Alert", "Count", "Reset", "Captcha", "Challenge", "Access Revoked", "Rejected",
		"Unauthorized", "Error")
}

// dnsOpcodes starts at "Query", not at "Unknown"; 1.1.0 has no "Other".
func dnsOpcodes(v13 bool) map[int64]string {
	m := numbered("Query", "Inverse Query", "Status", "Reserved", "Notify", "Update", "DSO Message")
	if v13 {
		m[otherID] = "Other"
	}
	return m
}

func fileTypes() map[int64]string {
	return numberedOther("Unknown", "Regular File", "Folder", "Character Device", "Block Device", "Local Socket",
		"Named Pipe", "Symbolic Link")
}

func findingStates() map[int64]string {
	return numberedOther("Unknown", "New", "In Progress", "Suppressed", "Resolved")
}

func hashAlgorithms() map[int64]string {
	return numberedOther("Unknown", "MD5", "SHA-1", "SHA-256", "SHA-512", "CTPH", "TLSH", "quickXorHash")
}

func impacts() map[int64]string { return numberedOther("Unknown", "Low", "Medium", "High", "Critical") }

func integrities() map[int64]string {
	return numberedOther("Unknown", "Untrusted", "Low", "Medium", "High", "System", "Protected")
}

// malwareClasses has no value 12.
func malwareClasses() map[int64]string {
	m := numberedOther("Unknown", "Adware", "Backdoor", "Bot", "Bootkit", "DDOS", "Downloader", "Dropper", "Exploit-Kit",
		"Keylogger", "Ransomware", "Remote-Access-Trojan", "", "Resource-Exploitation", "Rogue-Security-Software", "Rootkit",
		"Screen-Capture", "Spyware", "Trojan", "Virus", "Webshell", "Wiper", "Worm")
	delete(m, 12)
	return m
}

func observableTypes(v13 bool) map[int64]string {
	m := map[int64]string{
		0: "Unknown", 1: "Hostname", 2: "IP Address", 3: "MAC Address", 4: "User Name", 5: "Email Address", 6: "URL String",
		7: "File Name", 8: "Hash", 9: "Process Name", 10: "Resource UID",
		20: "Endpoint", 21: "User", 22: "Email", 23: "Uniform Resource Locator", 24: "File", 25: "Process",
		26: "Geo Location", 27: "Container", 28: "Registry Key", 29: "Registry Value", 30: "Fingerprint", otherID: "Other",
	}
	if v13 {
		m[11], m[12], m[13], m[14], m[15] = "Port", "Subnet", "Command Line", "Country", "Process ID"
		m[16], m[17], m[18], m[19] = "HTTP User-Agent", "CWE Object: uid", "CVE Object: uid", "User Credential ID"
	}
	return m
}

func osTypes() map[int64]string {
	return map[int64]string{
		0: "Unknown", otherID: "Other", 100: "Windows", 101: "Windows Mobile", 200: "Linux", 201: "Android", 300: "macOS",
		301: "iOS", 302: "iPadOS", 400: "Solaris", 401: "AIX", 402: "HP-UX",
	}
}

func packageTypes() map[int64]string {
	return numberedOther("Unknown", "Application", "Operating System")
}

func protocolVersions() map[int64]string {
	return map[int64]string{
		0: "Unknown", 4: "Internet Protocol version 4 (IPv4)", 6: "Internet Protocol version 6 (IPv6)", otherID: "Other",
	}
}

func registryValueTypes() map[int64]string {
	return numberedOther("Unknown", "REG_BINARY", "REG_DWORD", "REG_DWORD_BIG_ENDIAN", "REG_EXPAND_SZ", "REG_LINK",
		"REG_MULTI_SZ", "REG_NONE", "REG_QWORD", "REG_QWORD_LITTLE_ENDIAN", "REG_SZ")
}

// riskLevels has no "Other" before 1.3.0.
func riskLevels(v13 bool) map[int64]string {
	m := numbered("Info", "Low", "Medium", "High", "Critical")
	if v13 {
		m[otherID] = "Other"
	}
	return m
}

func serviceStartTypes() map[int64]string {
	return numberedOther("Unknown", "Boot", "System", "Auto", "Demand", "Disabled")
}

func serviceTypes() map[int64]string {
	return numberedOther("Unknown", "Kernel Driver", "File System Driver", "Own Process", "Share Process")
}

func severities() map[int64]string {
	return numberedOther("Unknown", "Informational", "Low", "Medium", "High", "Critical", "Fatal")
}

func signatureAlgorithms() map[int64]string {
	return numberedOther("Unknown", "DSA", "RSA", "ECDSA", "Authenticode")
}

func signatureStates() map[int64]string {
	return numberedOther("Unknown", "Valid", "Expired", "Revoked", "Suspended", "Pending")
}

func successes() map[int64]string { return numberedOther("Unknown", "Success", "Failure") }

func userTypes() map[int64]string { return numberedOther("Unknown", "User", "Admin", "System") }
