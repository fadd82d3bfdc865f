package ocsf

// The VirusTotal integration: the verdict on a file that syscheck saw before.
func isVirusTotal(a *Alert) bool { return a.Has("data.virustotal") }

func fillVirusTotal(d *draft) {
	const data = "data.virustotal."
	d.rest("data.virustotal")
	if d.leaf(data+"error").Text() != nil {
		return // the query failed: nothing is known about the file
	}
	f := d.evidence().Struct("file")
	file(f, d.leaf(data+"source.file"), fileRegular)
	fingerprint(f, hashMD5, d.leaf(data+"source.md5"))
	fingerprint(f, hashSHA1, d.leaf(data+"source.sha1"))
	finding := d.finding()
	finding.Text("src_url", d.leaf(data+"permalink"))
	if seen := d.leaf(data + "source.alert_id"); seen.Text() != nil {
		finding.Append("related_events").Text("uid", seen)
	}
	if d.leaf(data + "malicious").Is("1") {
		m := d.root.Append("malware")
		m.Text("uid", d.first(data+"sha1", data+"source.sha1", data+"source.md5"))
		m.Enum("classification_ids", 0) // VirusTotal counts engines here, it does not name the malware
		m.Const("provider", "VirusTotal")
		m.Text("path", d.leaf(data+"source.file"))
		d.verdict(actionUnknown, dispositionDetected)
	}
}
