package ocsf

// File integrity monitoring (syscheck): files, registry keys and values, and who-data.
func isFIM(a *Alert) bool { return a.Has("syscheck") }

func fillFIM(d *draft) {
	ev := d.evidence()
	path := d.leaf("syscheck.path")
	if d.ev.holds(isRegistry, path) {
		d.fillRegistry(path)
	} else {
		file(ev.Struct("file"), path, fileRegular)
		d.fileState(ev.Struct("file"))
	}
	who := d.actor()
	user := who.Struct("user")
	user.Text("uid", d.first("syscheck.audit.user.id", "syscheck.audit.effective_user.id"))
	account(user, d.first("syscheck.audit.user.name", "syscheck.audit.effective_user.name"))
	p := who.Struct("process")
	process(p, d.leaf("syscheck.audit.process.id"), nil, d.leaf("syscheck.audit.process.name"), nil)
	process(p.Struct("parent_process"), d.leaf("syscheck.audit.process.ppid"), nil, d.leaf("syscheck.audit.process.parent_name"), nil)
	if effective := d.leaf("syscheck.audit.effective_user.id"); p != nil {
		p.Num("euid", effective)
		p.Num("auid", d.leaf("syscheck.audit.login_user.id"))
		p.Struct("group").Text("name", d.leaf("syscheck.audit.group.name"))
		p.Struct("group").Text("uid", d.leaf("syscheck.audit.group.id"))
	}
	d.rest("syscheck")
}

// fileState takes the attributes after the change; of a deleted file there are only those before it.
func (d *draft) fileState(f *Object) {
	fingerprint(f, hashMD5, d.first("syscheck.md5_after", "syscheck.md5_before"))
	fingerprint(f, hashSHA1, d.first("syscheck.sha1_after", "syscheck.sha1_before"))
	fingerprint(f, hashSHA256, d.first("syscheck.sha256_after", "syscheck.sha256_before"))
	f.Num("size", d.first("syscheck.size_after", "syscheck.size_before"))
	owner := f.Struct("owner")
	owner.Text("name", d.first("syscheck.uname_after", "syscheck.uname_before"))
	owner.Text("uid", d.first("syscheck.uid_after", "syscheck.uid_before"))
	// analysisd prints it in the manager's local time and leaves out the offset, which the alert's own timestamp names.
	f.TimeOf("modified_time", "modified_time_dt", d.first("syscheck.mtime_after", "syscheck.mtime_before"), d.offset)
}

// fillRegistry uses the registry objects of OCSF 1.3; before, a key is a file of another type.
func (d *draft) fillRegistry(path *Leaf) {
	ev, name := d.evidence(), d.leaf("syscheck.value_name")
	isValue := name.Present()
	if key := ev.Struct("reg_key"); key != nil {
		if !isValue {
			key.Text("path", path)
			return
		}
		value := ev.Struct("reg_value")
		value.Text("path", path)
		value.Text("name", name)
		registryType(value, d.leaf("syscheck.value_type"))
		return
	}
	f := ev.Struct("file")
	f.Text("path", path)
	if isValue {
		f.Text("name", name)
		f.Other("type_id", d.ev.literal("Registry Value"), nil)
	} else {
		f.Bytes("name", d.ev.derive(imageName, path))
		f.Other("type_id", d.ev.literal("Registry Key"), nil)
	}
	d.fileState(f)
}

// registryType sets type_id by its caption, REG_SZ and the like.
func registryType(o *Object, l *Leaf) {
	if o == nil || !l.Present() {
		return
	}
	i := o.Type.Slot("type_id")
	if i < 0 || o.Type.Attrs[i].Enum == nil {
		return
	}
	for id, caption := range o.Type.Attrs[i].Enum.Captions {
		if id != 99 && l.Is(caption) {
			if o.Enum("type_id", id) {
				o.Claim("type", l)
			}
			return
		}
	}
	o.Other("type_id", l.Text(), l)
}
