package ocsf

import "testing"

// TestValuesBelongToTheirObject: a value that is about one host, account, file or score must not stand at another.
func TestValuesBelongToTheirObject(t *testing.T) {
	const (
		agent    = `,"agent":{"id":"005","name":"web-01","ip":"10.0.0.5"}`
		remote   = `,"agent":{"id":"000","name":"manager"},"location":"192.0.2.77","predecoder":{"hostname":"router1","program_name":"sshd"}`
		windows  = agent + `,"decoder":{"name":"windows_eventchannel"},"data":{"win":{"system":{"computer":"DC1","eventID":`
		sysmon   = agent + `,"data":{"win":{"system":{"providerName":"Microsoft-Windows-Sysmon","eventID":"7"},"eventdata":{"image":"C:\\w\\rundll32.exe","processId":"12",`
		outbound = agent + `,"data":{"integration":"aws","aws":{"service":{"action":{"networkConnectionAction":{"connectionDirection":`
		ends     = `,"protocol":"TCP","remoteIpDetails":{"ipAddressV4":"198.51.100.1"},"remotePortDetails":{"port":"443"},` +
			`"localIpDetails":{"ipAddressV4":"10.0.0.9"},"localPortDetails":{"port":"51234"}}}}}}`
		suricata  = agent + `,"data":{"src_ip":"198.51.100.1","dest_ip":"10.0.0.5","http":{"hostname":"evil.example"},"app_proto":"http","alert":{"signature":"s"},"direction":`
		fortigate = agent + `,"decoder":{"name":"fortigate-firewall-v6"},"data":{"srcip":"10.0.0.7","dstip":"198.51.100.1",`
		cve       = agent + `,"data":{"vulnerability":{"cve":"CVE-2026-1","package":{"name":"p","version":"1","condition":`
		scores    = agent + `,"data":{"vulnerability":{"cve":"CVE-2026-1","cvss":{"cvss2":{"base_score":"5"}},"score":{"base":"9.1","version":`

		source, destination, user = "evidences/0/src_endpoint/", "evidences/0/dst_endpoint/", "evidences/0/actor/user/"
		scored                    = "vulnerabilities/0/cve/cvss/"
	)
	for name, tt := range map[string]struct {
		fields string
		want   map[string]string
	}{
		"logon over remote syslog": {remote + `,"decoder":{"name":"sshd"},"data":{"srcip":"203.0.113.5","dstuser":"root"}`,
			map[string]string{destination + "hostname": "router1", destination + "ip": "192.0.2.77", "device/hostname": "router1"}},
		"request over remote syslog": {remote + `,"decoder":{"name":"web-accesslog"},"data":{"srcip":"203.0.113.5","url":"/","id":"404"}`,
			map[string]string{destination + "hostname": "router1", destination + "ip": "192.0.2.77"}},
		"logon at the manager": {`,"agent":{"id":"000","name":"manager"},"location":"/var/log/auth.log","predecoder":{"hostname":"x"},"decoder":{"name":"sshd"},` +
			`"data":{"srcip":"203.0.113.5","dstuser":"root"}`,
			map[string]string{destination + "hostname": "manager", destination + "ip": ""}},

		"pam names the caller's uid": {agent + `,"decoder":{"name":"pam"},"data":{"srcuser":"root","dstuser":"homer","uid":"0"}`,
			map[string]string{user + "name": "homer", user + "uid": "", "evidences/0/data": `{"srcuser":"root","uid":"0"}`}},
		"others the account's": {agent + `,"decoder":{"name":"useradd"},"data":{"dstuser":"homer","uid":"1001"}`,
			map[string]string{user + "name": "homer", user + "uid": "1001"}},

		"screen sharing": {agent + `,"decoder":{"name":"macOS_loginwindow"},"data":{"dstuser":"macos","ip_address":"203.0.113.9"}`,
			map[string]string{source + "ip": "203.0.113.9", destination + "hostname": "web-01"}},

		"privileges of a logon": {windows + `"4672"},"eventdata":{"subjectUserName":"bob","subjectDomainName":"X","subjectUserSid":"S-1-5-21-1","subjectLogonId":"0x1f"}}}`,
			map[string]string{user + "name": "bob", user + "domain": "X", user + "uid": "S-1-5-21-1", "evidences/0/actor/session/uid": "0x1f"}},
		"session reconnected": {windows + `"4778"},"eventdata":{"accountName":"bob","accountDomain":"X","logonID":"0x1f"}}}`,
			map[string]string{user + "name": "bob", user + "domain": "X", "evidences/0/actor/session/uid": "0x1f"}},
		"logon": {windows + `"4624"},"eventdata":{"subjectUserName":"DC1$","targetUserName":"bob","subjectLogonId":"0x3e7","targetLogonId":"0x1f"}}}`,
			map[string]string{user + "name": "bob", "evidences/0/actor/session/uid": "0x1f"}},
		"sub status of zero": {windows + `"4625"},"eventdata":{"targetUserName":"bob","status":"0xc0000234","subStatus":"0x0"}}}`,
			map[string]string{"status_code": "0xc0000234"}},
		"sub status": {windows + `"4625"},"eventdata":{"targetUserName":"bob","status":"0xc000006d","subStatus":"0xc0000064"}}}`,
			map[string]string{"status_code": "0xc0000064"}},
		"sub status alone": {windows + `"4625"},"eventdata":{"targetUserName":"bob","subStatus":"0x0"}}}`,
			map[string]string{"status_code": "0x0"}},

		"library loaded": {sysmon + `"imageLoaded":"C:\\t\\evil.dll","company":"Evil","description":"d","fileVersion":"6.6"}}}`,
			map[string]string{"evidences/0/process/file/company_name": "", "evidences/0/process/file/desc": "", "evidences/0/process/file/version": "",
				"evidences/0/file/company_name": "Evil", "evidences/0/file/desc": "d", "evidences/0/file/version": "6.6", "evidences/0/file/name": "evil.dll"}},
		"process": {sysmon + `"company":"Microsoft","description":"d","fileVersion":"10"}}}`,
			map[string]string{"evidences/0/process/file/company_name": "Microsoft", "evidences/0/process/file/version": "10", "evidences/0/file": ""}},

		"nobody logged in": {agent + `,"data":{"audit":{"pid":"9","uid":"33","auid":"4294967295","session":"4294967295"}}`,
			map[string]string{"evidences/0/actor": "", "evidences/0/process/user/uid": "33", "evidences/0/process/session": "",
				"evidences/0/data": `{"audit":{"auid":"4294967295","session":"4294967295"}}`}},
		"somebody unknown logged in": {agent + `,"data":{"audit":{"pid":"9","auid":"?","session":"?"}}`,
			map[string]string{"evidences/0/actor": "", "evidences/0/process/session": "", "evidences/0/process/pid": "9"}},

		"outbound": {outbound + `"OUTBOUND"` + ends, map[string]string{destination + "ip": "198.51.100.1", destination + "port": "443",
			source + "ip": "10.0.0.9", source + "port": "51234", "evidences/0/connection_info/direction_id": "2"}},
		"inbound": {outbound + `"INBOUND"` + ends, map[string]string{source + "ip": "198.51.100.1", source + "port": "443",
			destination + "ip": "10.0.0.9", destination + "port": "51234", "evidences/0/connection_info/direction_id": "1"}},

		"closed by inspection":    {fortigate + `"action":"close","utmaction":"block"}`, map[string]string{"action_id": "2", "disposition_id": "2"}},
		"accepted, then blocked":  {fortigate + `"action":"accept","utmaction":"block"}`, map[string]string{"action_id": "2", "disposition_id": "2"}},
		"denied before":           {fortigate + `"action":"deny","utmaction":"allow"}`, map[string]string{"action_id": "2", "disposition_id": "2"}},
		"accepted and shaped":     {fortigate + `"action":"accept","utmaction":"traffic-shape"}`, map[string]string{"action_id": "1", "disposition_id": "1"}},
		"closed, no word for why": {fortigate + `"action":"close"}`, map[string]string{"action_id": "", "disposition_id": ""}},

		"answer of a server": {suricata + `"to_client"}`, map[string]string{source + "hostname": "evil.example", source + "svc_name": "http",
			destination + "hostname": "", destination + "ip": "10.0.0.5"}},
		"request to a server": {suricata + `"to_server"}`, map[string]string{destination + "hostname": "evil.example", destination + "svc_name": "http", source + "hostname": ""}},

		"last version affected": {cve + `"Package less than or equal to 1.2.3"}}}`, map[string]string{"vulnerabilities/0/affected_packages/0/fixed_in_version": "",
			"evidences/0/data": `{"vulnerability":{"package":{"condition":"Package less than or equal to 1.2.3"}}}`}},
		"first version fixed": {cve + `"Package less than 1.2.3"}}}`, map[string]string{"vulnerabilities/0/affected_packages/0/fixed_in_version": "1.2.3"}},

		"score of CVSS 4": {scores + `"4.0"}}}`, map[string]string{scored + "0/version": "4.0", scored + "0/base_score": "9.1",
			scored + "1/version": "2.0", scored + "1/base_score": "5"}},
		"score of CVSS 2": {scores + `"2.0"}}}`, map[string]string{scored + "0/version": "2.0", scored + "0/base_score": "5", scored + "1": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			doc := mapLine(t, "detection_finding", Version110, Options{}, alertWith(`,"rule":{"level":5,"id":"1"}`+tt.fields))
			for path, want := range tt.want {
				if got := at(doc, path); got != want {
					t.Errorf("%s: got %q, want %q", path, got, want)
				}
			}
		})
	}
}
