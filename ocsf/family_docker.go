package ocsf

// The Docker listener: events of the engine, most of them about a container.
func isDocker(a *Alert) bool { return a.Has("data.docker") }

func fillDocker(d *draft) {
	const data = "data.docker."
	d.rest("data.docker")
	uid := d.first(data+"Actor.ID", data+"id")
	name := d.leaf(data + "Actor.Attributes.name")
	kind := d.leaf(data + "Type")
	if uid == nil && !name.Present() {
		return
	}
	res := d.resource()
	res.Text("uid", uid)
	res.Text("name", name)
	if !kind.Present() || kind.Is("container") {
		res.Const("type", "Container")
	} else {
		res.Text("type", kind)
		return
	}
	c := d.device().Struct("container")
	c.Text("uid", uid)
	c.Text("name", name)
	c.Const("runtime", "docker")
}
