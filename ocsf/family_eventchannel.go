package ocsf

// The Windows event channel: win.system is the same for every event, win.eventdata differs with the event id.
func isWindows(a *Alert) bool { return a.Has("data.win") }

func fillWindows(d *draft) {
	const data = "data.win.eventdata."
	d.rest("data.win")
	d.windowsHost()
	ev := d.evidence()

	subject := [3]*Leaf{
		d.first(data+"subjectUserName", data+"user", data+"accountName"),
		d.first(data+"subjectDomainName", data+"accountDomain"),
		d.first(data + "subjectUserSid"),
	}
	target := [3]*Leaf{
		d.first(data+"targetUserName", data+"samAccountName"),
		d.leaf(data + "targetDomainName"),
		d.first(data+"targetUserSid", data+"targetSid"),
	}
	session := d.first(data+"subjectLogonId", data+"logonId", data+"logonID")
	if named := target[0] != nil || target[2] != nil; named && d.ev.holds(isLogon, d.leaf("data.win.system.eventID")) {
		subject, target = target, subject // who logs on is the one who acts
		session = d.first(data+"targetLogonId", data+"logonId")
	}
	windowsUser(d.actor().Struct("user"), subject)
	windowsUser(ev.Struct("user"), target)
	d.actor().Struct("session").Text("uid", session)

	src := d.source()
	endpoint(src, d.networkAddress(d.first(data+"ipAddress", data+"clientAddress", data+"sourceAddress")), d.first(data+"ipPort", data+"sourcePort"))
	src.Text("name", d.first(data+"workstationName", data+"workstation", data+"clientName"))
	endpoint(d.destination(), d.networkAddress(d.first(data+"destAddress", data+"destinationAddress")), d.first(data+"destPort", data+"destinationPort"))
	connection(ev, d.leaf(data+"protocol"), nil, nil)

	p := d.process()
	process(p, d.first(data+"newProcessId", data+"processId", data+"processID"), nil, d.first(data+"newProcessName", data+"processName", data+"image"),
		d.leaf(data+"commandLine"))
	if d.leaf(data+"newProcessId") != nil {
		process(p.Struct("parent_process"), d.leaf(data+"processId"), nil, d.leaf(data+"parentProcessName"), nil)
	}
	file(ev.Struct("file"), d.windowsFile(), fileRegular)
	service := ev.Struct("win_service")
	service.Text("name", d.leaf(data+"serviceName"))
	service.Text("cmd_line", d.first(data+"imagePath", data+"serviceFileName"))
	service.Text("service_start_name", d.leaf(data+"accountName"))
	d.root.Text("status_code", d.windowsStatus())
}

// windowsStatus returns why something failed. A sub status of zero says only that the status has no finer one.
func (d *draft) windowsStatus() *Leaf {
	const data = "data.win.eventdata."
	finer, status := d.first(data+"subStatus"), d.first(data+"status", data+"failureCode", data+"errorCode")
	if finer == nil || status != nil && (finer.Is("0x0") || finer.Is("0x00000000")) {
		return status
	}
	return finer
}

// windowsHost names the host the event is from: win.system.computer.
func (d *draft) windowsHost() {
	computer := d.leaf("data.win.system.computer")
	if dev := d.device(); dev != nil {
		dev.Text("hostname", computer)
		os := dev.Struct("os")
		os.Const("name", "Windows")
		os.Enum("type_id", 100)
	}
	d.finding().TimeOf("first_seen_time", "first_seen_time_dt", d.leaf("data.win.system.systemTime"), 0)
}

// windowsUser fills a user from its name, domain and SID.
func windowsUser(u *Object, parts [3]*Leaf) {
	account(u, parts[0])
	u.Text("domain", parts[1])
	u.Text("uid", parts[2])
}

// networkAddress leaves out what Windows writes for a logon at the console.
func (d *draft) networkAddress(l *Leaf) *Leaf {
	if d.ev.holds(isLocal, l) {
		return nil
	}
	return l
}

// logonEvent reports whether the event is about an account logging on or off, or asking for a ticket.
func logonEvent(id []byte) bool {
	switch string(id) {
	case "4624", "4625", "4634", "4647", "4648", "4649", "4672", "4768", "4769", "4770", "4771", "4772", "4773", "4774", "4775", "4776", "4777",
		"4778", "4779", "528", "529", "538", "540", "552":
		return true
	}
	return false
}

// windowsFile returns the file the event is about, if it names one by a path.
func (d *draft) windowsFile() *Leaf {
	l := d.first("data.win.eventdata.targetFilename", "data.win.eventdata.path", "data.win.eventdata.shareLocalPath",
		"data.win.ruleAndFileData.fullFilePath", "data.win.ruleAndFileData.filePath", "data.win.eventdata.objectName")
	if !d.ev.holds(isFilePath, l) {
		return nil
	}
	return l
}
