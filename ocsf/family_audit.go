package ocsf

import "strconv"

// The Linux audit system: system calls, executed commands, watched files.
func isAudit(a *Alert) bool { return a.Has("data.audit") }

func fillAudit(d *draft) {
	const data = "data.audit."
	d.rest("data.audit")
	ev := d.evidence()
	p := d.process()
	exe := d.leaf(data + "exe")
	p.Text("name", d.leaf(data+"command"))
	process(p, d.leaf(data+"pid"), nil, exe, nil)
	d.execve(p)
	p.Struct("parent_process").Num("pid", d.leaf(data+"ppid"))
	user := p.Struct("user")
	user.Text("uid", d.leaf(data+"uid"))
	user.Text("name", d.first(data+"acct", data+"user"))
	p.Num("auid", d.leaf(data+"auid"))
	p.Num("euid", d.leaf(data+"euid"))
	p.Num("egid", d.leaf(data+"egid"))
	p.Struct("group").Text("uid", d.leaf(data+"gid"))
	session := p.Struct("session")
	session.Text("uid", d.assigned(data+"session"))
	session.Text("terminal", d.leaf(data+"tty"))
	d.actor().Struct("user").Text("uid", d.assigned(data+"auid"))
	if path := d.leaf(data + "file.name"); path.Present() {
		file(ev.Struct("file"), path, fileRegular)
	} else {
		file(ev.Struct("file"), d.leaf(data+"directory.name"), fileFolder)
	}
	endpoint(d.source(), d.first(data+"srcip", data+"addr"), nil)
}

// assigned returns the leaf unless it holds what audit writes where nobody has logged in, -1, signed or not, and where it
// does not know.
func (d *draft) assigned(path string) *Leaf {
	l := d.leaf(path)
	if d.ev.holds(isUnassigned, l) {
		return nil
	}
	return l
}

// execve joins the arguments a0, a1, ... to the command line. The arguments are claimed: each stands whole in it, unless
// one is missing, which ends the line.
func (d *draft) execve(p *Object) {
	if p == nil || p.slotSet("cmd_line") {
		return
	}
	var path [32]byte
	prefix := append(path[:0], "data.audit.execve.a"...)
	d.scratch = d.scratch[:0]
	d.words = d.words[:0]
	for i := range int64(maxList) {
		l := d.a.LeafAt(strconv.AppendInt(prefix, i, 10))
		if l == nil {
			break
		}
		if i > 0 {
			d.scratch = append(d.scratch, ' ')
		}
		d.scratch = append(d.scratch, l.Value...)
		d.words = append(d.words, l)
	}
	if len(d.words) == 0 {
		return
	}
	line := d.ev.join(nil, d.scratch)
	if d.ev.trace != nil {
		s := source{kind: sourceJoin}
		for i, l := range d.words {
			s.parts = append(s.parts, part{text: []byte(" ")[:min(i, 1)], leaf: l.Index})
		}
		line = d.ev.trace.made(s, line)
	}
	if p.Bytes("cmd_line", line) {
		p.Claim("cmd_line", d.words...)
	}
}
