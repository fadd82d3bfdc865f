package ocsf

// Authentication daemons: sshd, pam, su, sudo and their kin. They name the account as srcuser or dstuser, whichever the
// decoder chose; the daemon is the service at the agent's end.
func isAuth(a *Alert) bool {
	switch string(a.Decoder()) {
	case "sshd", "dropbear", "pam", "su", "sudo", "doas", "telnetd", "vsftpd", "proftpd", "pure-ftpd", "ftpd", "dovecot", "openvpn",
		"gpasswd", "useradd", "macOS_loginwindow", "rshd", "smbd", "xrdp":
		return true
	}
	return a.HasGroup("authentication_failed") || a.HasGroup("authentication_success") || a.HasGroup("authentication_failures")
}

func fillAuth(d *draft) {
	ev := d.evidence()
	from, to := d.first("data.srcuser"), d.first("data.dstuser")
	user := d.actor().Struct("user")
	if escalates(d.a.Decoder()) {
		// su and sudo: the caller acts, the target is who he becomes.
		account(user, from)
		account(ev.Struct("user"), to)
	} else if to != nil {
		account(user, to)
		account(ev.Struct("user"), from)
	} else {
		account(user, from)
	}
	if string(d.a.Decoder()) != "pam" { // there it is the caller's: "session opened for user homer by root(uid=0)"
		user.Text("uid", d.first("data.uid", "data.euid"))
	}
	d.rest("data.srcuser", "data.dstuser", "data.uid", "data.euid", "data.gid", "data.tty", "data.pwd", "data.command", "data.home", "data.shell")
	d.actor().Struct("session").Text("terminal", d.leaf("data.tty"))
	client := d.first("data.srcip", "data.src_ip")
	if client == nil { // screen sharing of macOS
		client = d.address("data.ip_address")
		endpoint(d.source(), client, nil)
	}
	if client != nil {
		dst := d.destination()
		if d.first("data.dstip", "data.dst_ip", "data.dest_ip") == nil { // else the log names another host
			d.agentEndpoint(dst)
		}
		if service := d.leaf("decoder.name"); service.Is("sshd") || service.Is("dropbear") {
			dst.Const("svc_name", "sshd")
		} else {
			dst.Text("svc_name", d.leaf("predecoder.program_name"))
		}
	}
}

func escalates(decoder []byte) bool {
	switch string(decoder) {
	case "su", "sudo", "doas":
		return true
	}
	return false
}
