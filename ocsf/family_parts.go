package ocsf

import (
	"bytes"
	"math"
)

// The parts below are what families share: one per OCSF object, each taking the leaves it can be made from.

// endpoint fills an endpoint from an address and a port; either may be nil. Sources write host names and "ip:port" into
// fields named ip, so what is no address becomes the host name or, failing that, the name.
func endpoint(o *Object, address, port *Leaf) {
	if o != nil && address.Present() && !o.Text("ip", address) {
		if o.event.holds(isWithPort, address) {
			ip, number, _ := splitPort(address.Text())
			o.Bytes("ip", ip)
			if n, ok := parseInt(number); ok && n >= 0 && n <= 65535 {
				o.Int("port", n)
			}
		} else if !o.slotSet("ip") && !o.Text("hostname", address) {
			o.Text("name", address)
		}
	}
	o.Num("port", port)
}

// splitPort splits 192.0.2.1:80, also with more behind it (SonicWall adds the interface), and [2001:db8::1]:80, also
// without the port.
func splitPort(text []byte) (ip, port []byte, ok bool) {
	if len(text) > 0 && text[0] == '[' {
		i := bytes.IndexByte(text, ']')
		if i < 0 || !ValidIP(text[1:i]) {
			return nil, nil, false
		}
		return text[1:i], bytes.TrimPrefix(text[i+1:], []byte(":")), true
	}
	i := bytes.IndexByte(text, ':')
	if i < 0 || !validIPv4(text[:i]) {
		return nil, nil, false
	}
	port, _, _ = bytes.Cut(text[i+1:], []byte(":"))
	return text[:i], port, true
}

// address returns the first of the leaves that holds an IP address, with or without a port. It is for fields whose
// names suggest one; unlike srcip they may as well hold something else.
func (d *draft) address(paths ...string) *Leaf {
	for _, p := range paths {
		l := d.a.Leaf(p)
		if d.ev.holds(isAddress, l) {
			return l
		}
	}
	return nil
}

// agentEndpoint makes the host that logged one end of a connection: the agent's, or the sender of remote syslog.
func (d *draft) agentEndpoint(o *Object) {
	ip, host := "agent.ip", "agent.name"
	if d.remoteSyslog() {
		ip, host = "location", "predecoder.hostname"
	}
	o.Text("ip", d.leaf(ip))
	if name := d.leaf(host); !o.Text("hostname", name) {
		o.Text("name", name)
	}
}

// splitFile splits a path of either system at its last separator. Windows paths come with single or doubled backslashes.
func splitFile(path []byte) (folder, name []byte) {
	i := bytes.LastIndexAny(path, `/\`)
	if i < 0 {
		return nil, path
	}
	folder = bytes.TrimRight(path[:i], `/\`)
	if len(folder) == 0 {
		folder = path[:i+1]
	}
	return folder, path[i+1:]
}

// File types of OCSF.
const (
	fileRegular = 1
	fileFolder  = 2
)

// file fills a file object from its path.
func file(o *Object, path *Leaf, kind int64) {
	if o == nil || !path.Present() {
		return
	}
	o.Text("path", path)
	o.Bytes("name", o.event.derive(baseName, path))
	o.Bytes("parent_folder", o.event.derive(folderName, path))
	o.Enum("type_id", kind)
}

// Hash algorithms of OCSF.
const (
	hashMD5    = 1
	hashSHA1   = 2
	hashSHA256 = 3
)

// fingerprint appends a hash to the list "hashes" of a file.
func fingerprint(o *Object, algorithm int64, value *Leaf) {
	if !value.Present() {
		return
	}
	h := o.Append("hashes")
	h.Enum("algorithm_id", algorithm)
	h.Text("value", value)
}

// process fills a process from its leaves, each of which may be nil. Without pid and unique id OCSF knows no process,
// and it is dropped again.
func process(o *Object, pid, uid, image, commandLine *Leaf) {
	processID(o, "pid", pid)
	o.Text("uid", uid)
	o.Text("cmd_line", commandLine)
	if o != nil && image.Present() {
		o.Bytes("name", o.event.derive(imageName, image))
		file(o.Struct("file"), image, fileRegular)
	}
}

// processID sets a number that Windows writes in decimal or as 0x1f.
func processID(o *Object, name string, l *Leaf) {
	if o.Num(name, l) {
		return
	}
	o.Hex(name, l)
}

// hexNumber reads 0x1f. Windows writes 0x0 where no process is meant: that is refused.
func hexNumber(text []byte) (int64, verdict) {
	if len(text) < 3 || len(text) > 10 || text[0] != '0' || text[1]|0x20 != 'x' {
		return 0, verdictRefused
	}
	var n int64
	for _, c := range text[2:] {
		if !isHex(c) {
			return 0, verdictRefused
		}
		if c > '9' {
			c = c&0xdf - 'A' + 10
		} else {
			c -= '0'
		}
		n = n<<4 | int64(c)
	}
	if n == 0 || n > math.MaxInt32 {
		return 0, verdictRefused
	}
	return n, verdictTaken
}

// account fills a user from text that may be DOMAIN\name.
func account(o *Object, name *Leaf) {
	if o == nil {
		return
	}
	if !o.event.holds(isAccount, name) {
		o.Text("name", name)
		return
	}
	if o.Bytes("name", o.event.derive(accountName, name)) {
		o.Bytes("domain", o.event.derive(accountDomain, name))
	}
}

// protocols are the IP protocols that logs name, in lower case.
var protocols = map[string]int64{
	"icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "egp": 8, "udp": 17, "ipv6": 41, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51,
	"icmp6": 58, "icmpv6": 58, "ipv6-icmp": 58, "eigrp": 88, "ospf": 89, "pim": 103, "vrrp": 112, "l2tp": 115, "sctp": 132, "udplite": 136,
}

// connection fills connection_info when the protocol is one of IP's, by name or number. Web logs write the HTTP method
// into the same field of Wazuh.
func connection(ev *Object, protocol, direction, uid *Leaf) {
	text := protocol.Text()
	if text == nil || len(text) > 16 {
		return
	}
	var lower [16]byte
	name := lower[:copy(lower[:], text)]
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			name[i] = c | 0x20
		}
	}
	number, known := protocols[string(name)]
	n, numeric := protocol.Int()
	if !known && (!numeric || n < 0 || n > 255) {
		return
	}
	info := ev.Struct("connection_info")
	if info == nil {
		return
	}
	if known {
		if bytes.Equal(name, text) {
			info.Text("protocol_name", protocol)
		} else {
			info.Const("protocol_name", string(name))
		}
		info.Int("protocol_num", number)
	} else {
		info.Num("protocol_num", protocol)
		switch n {
		case 1:
			info.Const("protocol_name", "icmp")
		case 6:
			info.Const("protocol_name", "tcp")
		case 17:
			info.Const("protocol_name", "udp")
		}
	}
	info.Text("uid", uid)
	info.Enum("direction_id", directionOf(direction.Text()))
}

func directionOf(word []byte) int64 {
	switch {
	case foldAny(word, "inbound", "in", "ingress", "incoming"):
		return 1
	case foldAny(word, "outbound", "out", "egress", "outgoing"):
		return 2
	case foldAny(word, "lateral", "internal"):
		return 3
	}
	return 0
}

// foldAny reports whether text is one of the words, in any letter case.
func foldAny(text []byte, words ...string) bool {
	for _, w := range words {
		if len(w) == len(text) && bytes.EqualFold(text, []byte(w)) {
			return true
		}
	}
	return false
}

// webAddress fills evidences[].url, which exists from OCSF 1.3 on.
func webAddress(ev *Object, url *Leaf) {
	if ev == nil || !url.Present() {
		return
	}
	o := ev.Struct("url")
	if ev.event.holds(isURL, url) {
		o.Text("url_string", url)
	} else {
		o.Text("path", url)
	}
}

// splitList appends the parts of a text like "a, b" to a list of strings. A text of several parts is not claimed: it
// stays in unmapped as it was written.
func splitList(o *Object, name string, l *Leaf) {
	if o == nil || !l.Present() {
		return
	}
	if !o.event.holds(isList, l) {
		o.AddText(name, l)
		return
	}
	n := o.event.parts(l)
	if n > maxParts {
		for part := range bytes.SplitSeq(l.Text(), []byte{','}) {
			o.Add(name, bytes.TrimSpace(part))
		}
		return
	}
	for i := range n {
		o.Add(name, o.event.deriveNth(listPart, i, l))
	}
}
