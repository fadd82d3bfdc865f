package ocsf

// family is one kind of alert: how to know it and how to fill an event from it.
type family struct {
	name    string
	applies func(*Alert) bool
	fill    func(*draft)
}

// families are tried in this order; the first that applies fills its part, then fillCommon takes the static fields of
// data that every decoder shares. To add a family, write family_name.go and give it a line here.
var families = []family{}

// familyOf returns the family of the alert; one without fill when it has none.
func familyOf(a *Alert) family {
	for _, f := range families {
		if f.applies(a) {
			return f
		}
	}
	return family{name: "other"}
}
