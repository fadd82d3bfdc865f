package ocsf

// family is one kind of alert: how to know it and how to fill an event from it.
type family struct {
	name    string
	applies func(*Alert) bool
	fill    func(*draft)
}

// families returns the table of families. They are tried in this order; the first that applies fills its part, then
// fillCommon takes the static fields of data that every decoder shares. To add a family, write family_name.go and give
// it a line here: those that own a section of the alert (data.aws) first, those told by decoder or group after them.
func families() []family {
	return []family{
		{"vulnerability", isVulnerability, fillVulnerability},
		{"sca", isSCA, fillSCA},
		{"fim", isFIM, fillFIM},
		{"sysmon", isSysmon, fillSysmon},
		{"windows", isWindows, fillWindows},
		{"audit", isAudit, fillAudit},
		{"aws", isAWS, fillAWS},
		{"office365", isOffice365, fillOffice365},
		{"github", isGitHub, fillGitHub},
		{"gcp", isGCP, fillGCP},
		{"ms-graph", isMSGraph, fillMSGraph},
		{"docker", isDocker, fillDocker},
		{"virustotal", isVirusTotal, fillVirusTotal},
		{"osquery", isOsquery, fillOsquery},
		{"openscap", isOpenSCAP, fillOpenSCAP},
		{"cis-cat", isCISCAT, fillCISCAT},
		{"vuls", isVuls, fillVuls},
		{"sysmon text", isSysmonText, fillSysmonText},
		{"azure", isAzure, fillAzure},
		{"active response", isActiveResponse, fillActiveResponse},
		{"agent", isAgentEvent, fillAgentEvent},
		{"rootcheck", isRootcheck, fillRootcheck},
		{"ids", isIDS, fillIDS},
		{"web", isWeb, fillWeb},
		{"firewall", isFirewall, fillFirewall},
		{"authentication", isAuth, fillAuth},
	}
}

// otherFamily is what an alert of no family belongs to.
const otherFamily = "other"

// familyOf returns the family of the alert, or nil.
func familyOf(table []family, a *Alert) *family {
	for i := range table {
		if table[i].applies(a) {
			return &table[i]
		}
	}
	return nil
}
