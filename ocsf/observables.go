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
var unmappedObservables = map[string]int64{
	"data.srcip":    observableIP,
	"data.dstip":    observableIP,
	"data.src_ip":   observableIP,
	"data.dest_ip":  observableIP,
	"data.dst_ip":   observableIP,
	"data.srcuser":  observableUser,
	"data.dstuser":  observableUser,
	"data.url":      observableURL,
	"data.hostname": observableHostname,
	"data.file":     observableFileName,

	"agent.ip":                    observableIP,
	"syscheck.path":               observableFileName,
	"syscheck.md5_after":          observableHash,
	"syscheck.sha1_after":         observableHash,
	"syscheck.sha256_after":       observableHash,
	"syscheck.md5_before":         observableHash,
	"syscheck.sha1_before":        observableHash,
	"syscheck.sha256_before":      observableHash,
	"syscheck.audit.user.name":    observableUser,
	"syscheck.audit.process.name": observableProcess,

	"data.win.eventdata.ipAddress":       observableIP,
	"data.win.eventdata.sourceIp":        observableIP,
	"data.win.eventdata.destinationIp":   observableIP,
	"data.win.eventdata.targetUserName":  observableUser,
	"data.win.eventdata.subjectUserName": observableUser,
	"data.win.eventdata.user":            observableUser,
	"data.win.eventdata.image":           observableProcess,
	"data.win.eventdata.targetFilename":  observableFileName,
	"data.win.eventdata.queryName":       observableHostname,

	"data.audit.exe":       observableProcess,
	"data.audit.file.name": observableFileName,

	"data.aws.sourceIPAddress":                                observableIP,
	"data.aws.userIdentity.userName":                          observableUser,
	"data.office365.ClientIP":                                 observableIP,
	"data.office365.UserId":                                   observableUser,
	"data.github.actor":                                       observableUser,
	"data.gcp.protoPayload.requestMetadata.callerIp":          observableIP,
	"data.gcp.protoPayload.authenticationInfo.principalEmail": observableEmail,
	"data.gcp.jsonPayload.sourceIP":                           observableIP,

	"data.virustotal.source.file": observableFileName,
	"data.virustotal.source.md5":  observableHash,
	"data.virustotal.source.sha1": observableHash,
}

// maxObservables bounds what a single alert can add, and the search for repeated ones.
const maxObservables = 128

// observables lists every value of an observable type, named by its attribute path, and those left in unmapped.
func (d *draft) observables() {
	list := d.root.slot("observables", KindObject, true)
	if list == nil {
		return
	}
	d.path = d.path[:0]
	d.observe(d.root)
	for _, kv := range d.ev.Unmapped {
		id, ok := unmappedObservables[string(kv.Key)]
		if !ok || blank(kv.Value) || id == observableIP && !ValidIP(kv.Value) || id == observableHostname && !ValidHostname(kv.Value) || id == observableEmail && !ValidEmail(kv.Value) {
			continue
		}
		d.path = append(append(d.path[:0], "unmapped."...), kv.Key...)
		d.observable(id, kv.Value)
	}
}

// observe walks o, whose path is d.path.
func (d *draft) observe(o *Object) {
	mark := len(d.path)
	for i := range o.Values {
		v, at := &o.Values[i], &o.Type.Attrs[i]
		if !v.Set {
			continue
		}
		switch at.Kind {
		case KindObject:
			if mark == 0 && !observed(at.Name) {
				continue
			}
		case KindString:
			if observableType(at.Type) == 0 {
				continue
			}
		default:
			continue
		}
		if mark > 0 {
			d.path = append(d.path, '.')
		}
		d.path = append(d.path, at.Name...)
		if at.List {
			d.path = append(d.path, '[', ']')
		}
		if at.Kind == KindObject {
			for _, child := range v.Objs {
				d.observe(child)
			}
		} else {
			d.observable(observableType(at.Type), v.Str)
		}
		d.path = d.path[:mark]
	}
}

// observed reports whether an object of the event is about what happened; the others speak about the alert itself, or
// hold references.
func observed(attribute string) bool {
	switch attribute {
	case "device", "actor", "evidences", "process", "resources", "resource", "malware":
		return true
	}
	return false
}

func (d *draft) observable(id int64, value []byte) {
	if blank(value) || len(value) > maxStringChars {
		return
	}
	if v := d.root.Value("observables"); v != nil {
		if len(v.Objs) == maxObservables {
			return
		}
		for _, o := range v.Objs {
			if string(o.Value("value").Str) == string(value) && string(o.Value("name").Str) == string(d.path) {
				return
			}
		}
	}
	o := d.root.Append("observables")
	o.Bytes("name", d.ev.join(nil, d.path))
	o.Enum("type_id", id)
	o.Bytes("value", value)
}
