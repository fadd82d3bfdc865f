package ocsf

// Rootcheck: what was found, and where.
func isRootcheck(a *Alert) bool {
	return string(a.Decoder()) == "rootcheck" || string(a.Location()) == "rootcheck"
}

func fillRootcheck(d *draft) {
	file(d.evidence().Struct("file"), d.leaf("data.file"), fileRegular)
	d.rest("data.title", "data.file")
}
