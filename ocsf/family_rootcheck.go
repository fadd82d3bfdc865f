package ocsf

// Rootcheck: what was found, and where.
func isRootcheck(a *Alert) bool {
	return string(a.Decoder()) == "rootcheck" || a.holds(isRootcheckLog, a.Leaf("location"))
}

func fillRootcheck(d *draft) {
	file(d.evidence().Struct("file"), d.leaf("data.file"), fileRegular)
	d.rest("data.title", "data.file")
}
