package ocsf

// The VirusTotal integration: the verdict on a file that syscheck saw before.
func isVirusTotal(a *Alert) bool { return a.Has("data.virustotal") }

func fillVirusTotal(d *draft) {
	const data = "data.virustotal."
	d.rest("data.virustotal")
	if d.leaf(data + "error").Present() {
		return // the query failed: nothing is known about the file
	}
	f := d.evidence().Struct("file")
	file(f, d.leaf(data+"source.file"), fileRegular)
	fingerprint(f, hashMD5, d.leaf(data+"source.md5"))
	fingerprint(f, hashSHA1, d.leaf(data+"source.sha1"))
	finding := d.finding()
	finding.Text("src_url", d.leaf(data+"permalink"))
	if seen := d.leaf(data + "source.alert_id"); seen.Present() {
		finding.Append("related_events").Text("uid", seen)
	}
	d.virusTotalReport()
	if d.leaf(data + "malicious").Is("1") {
		m := d.root.Append("malware")
		m.Text("uid", d.first(data+"sha1", data+"source.sha1", data+"source.md5"))
		m.Enum("classification_ids", 0) // VirusTotal counts engines here, it does not name the malware
		m.Const("provider", "VirusTotal")
		m.Text("path", d.leaf(data+"source.file"))
		d.verdict(actionUnknown, dispositionDetected)
	}
}

// virusTotalReport keeps what VirusTotal knows about the file as an enrichment of its hash.
func (d *draft) virusTotalReport() {
	const data = "data.virustotal."
	hash := d.first(data+"source.sha1", data+"source.md5")
	if hash == nil {
		return
	}
	text := append(d.scratch[:0], `{"virustotal":{`...)
	d.words = d.words[:0]
	for _, path := range [...]string{data + "found", data + "malicious", data + "positives", data + "total", data + "scan_date", data + "permalink"} {
		if l := d.leaf(path); l != nil {
			text = appendJSON(appendKey(text, l.Path[len(data):]), l.Kind, l.raw())
			d.words = append(d.words, l)
		}
	}
	if d.scratch = append(text, "}}"...); len(d.words) == 0 {
		return
	}
	e := d.root.Append("enrichments")
	if d.evidence() != nil {
		e.Const("name", "evidences[].file.hashes[].value")
	} else {
		e.Bytes("name", d.ev.join(d.ev.literal("unmapped."), hash.Path))
	}
	e.Copy("value", hash) // not claimed: the name says where it stands
	e.Const("provider", "VirusTotal")
	e.Bytes("data", d.ev.join(nil, d.scratch))
	e.Claim("data", d.words...)
}
