package ocsf

// observableType maps the OCSF types that stand for an observable to observable.type_id.
func observableType(ocsfType string) int64 {
	switch ocsfType {
	case "hostname_t":
		return observableHostname
	case "ip_t":
		return observableIP
	case "mac_t":
		return observableMAC
	case "username_t":
		return observableUser
	case "email_t":
		return observableEmail
	case "url_t":
		return observableURL
	case "file_name_t":
		return observableFileName
	case "file_hash_t":
		return observableHash
	case "process_name_t":
		return observableProcess
	}
	return 0
}

const (
	observableHostname = 1
	observableIP       = 2
	observableMAC      = 3
	observableUser     = 4
	observableEmail    = 5
	observableURL      = 6
	observableFileName = 7
	observableHash     = 8
	observableProcess  = 9
)

// unmappedObservables are fields that are worth searching for even where the class has no attribute for them:
// the observable is named by the key in unmapped then.
var unmappedObservables = [...]struct {
	key string
	id  int64
}{
	{"data.srcip", observableIP},
	{"data.dstip", observableIP},
	{"data.src_ip", observableIP},
	{"data.dest_ip", observableIP},
	{"data.dst_ip", observableIP},
	{"data.srcuser", observableUser},
	{"data.dstuser", observableUser},
	{"data.url", observableURL},
	{"data.hostname", observableHostname},
	{"data.file", observableFileName},

	{"agent.ip", observableIP},
	{"syscheck.path", observableFileName},
	{"syscheck.md5_after", observableHash},
	{"syscheck.sha1_after", observableHash},
	{"syscheck.sha256_after", observableHash},
	{"syscheck.md5_before", observableHash},
	{"syscheck.sha1_before", observableHash},
	{"syscheck.sha256_before", observableHash},
	{"syscheck.audit.user.name", observableUser},
	{"syscheck.audit.process.name", observableProcess},

	{"data.win.eventdata.ipAddress", observableIP},
	{"data.win.eventdata.sourceIp", observableIP},
	{"data.win.eventdata.destinationIp", observableIP},
	{"data.win.eventdata.targetUserName", observableUser},
	{"data.win.eventdata.subjectUserName", observableUser},
	{"data.win.eventdata.user", observableUser},
	{"data.win.eventdata.image", observableProcess},
	{"data.win.eventdata.targetFilename", observableFileName},
	{"data.win.eventdata.queryName", observableHostname},

	{"data.audit.exe", observableProcess},
	{"data.audit.file.name", observableFileName},

	{"data.aws.sourceIPAddress", observableIP},
	{"data.aws.userIdentity.userName", observableUser},
	{"data.office365.ClientIP", observableIP},
	{"data.office365.UserId", observableUser},
	{"data.github.actor", observableUser},
	{"data.gcp.protoPayload.requestMetadata.callerIp", observableIP},
	{"data.gcp.protoPayload.authenticationInfo.principalEmail", observableEmail},
	{"data.gcp.jsonPayload.sourceIP", observableIP},

	{"data.virustotal.source.file", observableFileName},
	{"data.virustotal.source.md5", observableHash},
	{"data.virustotal.source.sha1", observableHash},
}

func newUnmappedTable() nameTable {
	names := make([]string, len(unmappedObservables))
	for i := range unmappedObservables {
		names[i] = unmappedObservables[i].key
	}
	return newNameTable(names)
}

// maxObservables bounds what a single alert can add, and the search for repeated ones.
const maxObservables = 128

// observed reports whether an object of the event is about what happened; the others speak about the alert itself, or
// hold references.
func observed(attribute string) bool {
	switch attribute {
	case "device", "actor", "evidences", "process", "resources", "resource", "malware":
		return true
	}
	return false
}

// observableSlots are where the attributes of an observable lie.
type observableSlots struct{ list, name, kind, value int }

func newObservableSlots(c *Class) observableSlots {
	s := observableSlots{list: c.Root.Slot("observables")}
	t := c.Root.Attrs[s.list].Object
	s.name, s.kind, s.value = t.Slot("name"), t.Slot("type_id"), t.Slot("value")
	return s
}

// observable adds a value to the list unless it is there already; name is kept, not copied.
func (d *draft) observable(name []byte, id int64, value []byte) {
	if blank(value) {
		return // and nothing that stands in the event is
	}
	long := isLong.of(value)
	if d.ev.trace != nil {
		d.ev.trace.ask(isLong, value, long)
	}
	if long {
		return
	}
	at := &d.m.observable
	if v := &d.root.Values[at.list]; v.Set {
		if len(v.Objs) == maxObservables {
			return
		}
		for _, o := range v.Objs {
			listed := o.Values[at.value].Str
			if d.ev.trace != nil && string(o.Values[at.name].Str) == string(name) {
				d.ev.trace.compare(value, listed, string(listed) == string(value))
			}
			if string(listed) == string(value) && string(o.Values[at.name].Str) == string(name) {
				return
			}
		}
	}
	o := d.root.appendTo(at.list)
	o.set(at.name).Str = name
	o.enum(at.kind, id)
	o.set(at.value).Str = value
}

// observeUnmapped lists a leaf that no attribute took, if it is one of unmappedObservables.
func (d *draft) observeUnmapped(kv *KeyValue) {
	i := findName(&d.m.unmapped, kv.Key)
	if i < 0 {
		return
	}
	id := unmappedObservables[i].id
	demand := isText
	switch id {
	case observableIP:
		demand = isIP
	case observableHostname:
		demand = isHost
	case observableEmail:
		demand = isEmail
	}
	fits := demand.of(kv.Value)
	if d.ev.trace != nil {
		d.ev.trace.ask(demand, kv.Value, fits)
	}
	if fits {
		d.observable(d.ev.join(unmappedPrefix, kv.Key), id, kv.Value)
	}
}

var unmappedPrefix = []byte("unmapped.")
