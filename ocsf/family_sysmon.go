package ocsf

// Sysmon over the Windows event channel. Every event names the process that did something; what it did depends on the id.
func isSysmon(a *Alert) bool {
	return a.Has("data.win") && a.Leaf("data.win.system.providerName").Fold("Microsoft-Windows-Sysmon")
}

func fillSysmon(d *draft) {
	const data = "data.win.eventdata."
	d.rest("data.win")
	d.windowsHost()
	ev := d.evidence()

	p := d.process()
	image := d.first(data+"image", data+"destinationImage")
	if target := d.leaf(data + "targetImage"); target.Present() {
		// One process reaches into another: the source acts.
		process(p, d.leaf(data+"targetProcessId"), d.first(data+"targetProcessGuid", data+"targetProcessGUID"), target, nil)
		process(d.actor().Struct("process"), d.leaf(data+"sourceProcessId"), d.first(data+"sourceProcessGuid", data+"sourceProcessGUID"),
			d.leaf(data+"sourceImage"), nil)
		account(d.actor().Struct("user"), d.leaf(data+"sourceUser"))
		account(p.Struct("user"), d.leaf(data+"targetUser"))
	} else {
		process(p, d.leaf(data+"processId"), d.leaf(data+"processGuid"), image, d.leaf(data+"commandLine"))
		account(p.Struct("user"), d.leaf(data+"user"))
	}
	integrity(p, d.leaf(data+"integrityLevel"))
	exe := p.Struct("file")
	described := exe
	if d.leaf(data + "imageLoaded").Present() {
		described = ev.Struct("file") // the library, not who loads it
	}
	described.Text("company_name", d.leaf(data+"company"))
	described.Text("desc", d.leaf(data+"description"))
	described.Text("version", d.leaf(data+"fileVersion"))
	p.Struct("session").Text("uid", d.first(data+"logonId", data+"terminalSessionId"))
	parent := p.Struct("parent_process")
	process(parent, d.leaf(data+"parentProcessId"), d.leaf(data+"parentProcessGuid"), d.leaf(data+"parentImage"), d.leaf(data+"parentCommandLine"))
	account(parent.Struct("user"), d.leaf(data+"parentUser"))

	loaded := d.first(data+"imageLoaded", data+"targetFilename")
	if loaded != nil {
		file(ev.Struct("file"), loaded, fileRegular)
		hashes(ev.Struct("file"), d.first(data+"hashes", data+"hash"))
	} else {
		hashes(exe, d.first(data+"hashes", data+"hash"))
	}
	d.sysmonRegistry()

	endpoint(d.source(), d.leaf(data+"sourceIp"), d.leaf(data+"sourcePort"))
	d.source().Text("hostname", d.leaf(data+"sourceHostname"))
	endpoint(d.destination(), d.leaf(data+"destinationIp"), d.leaf(data+"destinationPort"))
	d.destination().Text("hostname", d.leaf(data+"destinationHostname"))
	d.destination().Text("svc_name", d.leaf(data+"destinationPortName"))
	direction := int64(0)
	if initiated := d.leaf(data + "initiated"); initiated.Is("true") {
		direction = 2
	} else if initiated.Is("false") {
		direction = 1
	}
	if protocol := d.leaf(data + "protocol"); protocol != nil {
		ev.Struct("connection_info").Enum("direction_id", direction)
		connection(ev, protocol, nil, nil)
	}
	ev.Struct("query").Text("hostname", d.leaf(data+"queryName"))
}

// hashes appends what Sysmon writes as "SHA1=..,MD5=..,SHA256=..,IMPHASH=..". No attribute holds the list whole.
func hashes(f *Object, l *Leaf) {
	if f == nil {
		return
	}
	for i := range min(f.event.parts(l), maxHashes) {
		value := f.event.deriveNth(hashValue, i, l)
		if !f.event.suits(isText, value) {
			continue
		}
		h := f.Append("hashes")
		switch name := f.event.exactly(f.event.deriveNth(hashName, i, l)); string(name) {
		case "MD5":
			h.Enum("algorithm_id", hashMD5)
		case "SHA1":
			h.Enum("algorithm_id", hashSHA1)
		case "SHA256":
			h.Enum("algorithm_id", hashSHA256)
		default:
			h.Other("algorithm_id", name, nil)
		}
		h.Bytes("value", value)
	}
}

// maxHashes is more than Sysmon can be told to write.
const maxHashes = 16

// integrity sets the mandatory label of a Windows process.
func integrity(p *Object, l *Leaf) {
	word := l.Text()
	for id, caption := range [...]string{1: "Untrusted", 2: "Low", 3: "Medium", 4: "High", 5: "System", 6: "Protected"} {
		if caption != "" && foldAny(word, caption) {
			p.Enum("integrity_id", int64(id))
			if l.Is(caption) {
				p.Claim("integrity", l)
			}
			return
		}
	}
	if word != nil {
		p.Other("integrity_id", word, l)
	}
}

// sysmonRegistry fills the registry objects of OCSF 1.3; before, the key stays in the event's data.
func (d *draft) sysmonRegistry() {
	target := d.leaf("data.win.eventdata.targetObject")
	details := d.leaf("data.win.eventdata.details")
	if !target.Present() {
		return
	}
	ev := d.evidence()
	if !details.Present() {
		ev.Struct("reg_key").Text("path", target)
		return
	}
	value := ev.Struct("reg_value")
	value.Text("path", target)
	value.Bytes("name", d.ev.derive(imageName, target))
}

// Sysmon in the text of an event log that a Windows agent of old sent.
func isSysmonText(a *Alert) bool { return a.Has("data.sysmon") }

func fillSysmonText(d *draft) {
	d.rest("data.sysmon")
	f := d.evidence().Struct("file")
	file(f, d.first("data.sysmon.image", "data.sysmon.targetfilename"), fileRegular)
	fingerprint(f, hashSHA1, d.leaf("data.sysmon.hash"))
}
