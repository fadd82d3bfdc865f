package ocsf

import "bytes"

// tactics is a set of ATT&CK tactics, in the order of the kill chain.
type tactics uint16

const (
	reconnaissance tactics = 1 << iota
	resourceDevelopment
	initialAccess
	execution
	persistence
	privilegeEscalation
	defenseEvasion
	credentialAccess
	discovery
	lateralMovement
	collection
	commandAndControl
	exfiltration
	impact
)

type technique struct {
	name    string
	tactics tactics
}

// tacticTable holds uid and name of each tactic, in the order of the bits above.
var tacticTable = [...]struct{ uid, name string }{
	{"TA0043", "Reconnaissance"},
	{"TA0042", "Resource Development"},
	{"TA0001", "Initial Access"},
	{"TA0002", "Execution"},
	{"TA0003", "Persistence"},
	{"TA0004", "Privilege Escalation"},
	{"TA0005", "Defense Evasion"},
	{"TA0006", "Credential Access"},
	{"TA0007", "Discovery"},
	{"TA0008", "Lateral Movement"},
	{"TA0009", "Collection"},
	{"TA0011", "Command and Control"},
	{"TA0010", "Exfiltration"},
	{"TA0040", "Impact"},
}

// attacks fills the list "attacks" of o from rule.mitre. rule.mitre.tactic is the union of the tactics of all
// techniques, so the lists do not pair: the table says which tactics are a technique's own. There is one element per
// technique and tactic, because an element holds one of each; a tactic that no technique accounts for gets its own.
// Ids that are none (unresolved variables) stay in unmapped, with their list.
func (d *draft) attacks(o *Object, version string) {
	ids, names, chain := d.leaf("rule.mitre.id"), d.leaf("rule.mitre.technique"), d.leaf("rule.mitre.tactic")
	if ids == nil && chain == nil {
		return
	}
	var named tactics // tactics the rule names
	allTactics := d.a.Elements(chain, func(name []byte) bool {
		named |= tacticOf(name)
		return true
	})
	d.texts = d.texts[:0]
	d.a.Elements(names, func(name []byte) bool {
		d.texts = append(d.texts, name)
		return len(d.texts) < maxList
	})
	count := 0
	d.a.Elements(ids, func([]byte) bool { count++; return true })
	parallel := count == len(d.texts)

	var covered tactics
	allIDs, allNames, i, elements := true, true, 0, 0
	scalars := d.a.Elements(ids, func(id []byte) bool {
		var name []byte
		if parallel {
			name = d.texts[i]
		}
		i++
		if !techniqueID(id) || elements >= maxAttacks {
			allIDs = false
			allNames = false
			return true
		}
		known := techniques[string(id[:techniqueDigits])]
		own := known.tactics & named
		covered |= own
		for rest := own; ; {
			at := o.Append("attacks")
			elements++
			at.Const("version", version)
			if rest != 0 {
				rest = at.tactic(rest)
			}
			allNames = at.technique(id, name, known.name) && allNames
			if rest == 0 {
				break
			}
		}
		return true
	})
	for rest := named &^ covered; rest != 0; {
		at := o.Append("attacks")
		at.Const("version", version)
		rest = at.tactic(rest)
	}
	// No single element holds one of the lists whole, the list of attacks does.
	if scalars && allIDs {
		o.Claim("attacks", ids)
	}
	if parallel && allNames {
		o.Claim("attacks", names)
	}
	if allTactics && d.knownTactics(chain) {
		o.Claim("attacks", chain)
	}
}

const (
	techniqueDigits = len("T1110")
	maxAttacks      = 256
)

// techniqueID reports whether id is T1110 or T1110.001.
func techniqueID(id []byte) bool {
	if len(id) != techniqueDigits && len(id) != len("T1110.001") || id[0] != 'T' {
		return false
	}
	for i, c := range id[1:] {
		if i == 4 && c != '.' || i != 4 && !isDigit(c) {
			return false
		}
	}
	return true
}

func tacticOf(name []byte) tactics {
	for i := range tacticTable {
		if t := tacticTable[i].name; len(t) == len(name) && bytes.EqualFold(name, []byte(t)) {
			return 1 << i
		}
	}
	return 0
}

func (d *draft) knownTactics(l *Leaf) bool {
	all := true
	d.a.Elements(l, func(name []byte) bool {
		exact := false
		for i := range tacticTable {
			exact = exact || string(name) == tacticTable[i].name
		}
		all = all && exact
		return true
	})
	return all
}

// tactic sets the first tactic of the set and returns the others.
func (o *Object) tactic(set tactics) tactics {
	for i := range tacticTable {
		if bit := tactics(1) << i; set&bit != 0 {
			t := o.Struct("tactic")
			t.Const("uid", tacticTable[i].uid)
			t.Const("name", tacticTable[i].name)
			return set &^ bit
		}
	}
	return 0
}

// technique sets the technique, and the sub-technique with its parent. It reports whether the alert's own name for it
// is in the event.
func (o *Object) technique(id, name []byte, parent string) bool {
	t := o.Struct("technique")
	if len(id) == techniqueDigits {
		t.Bytes("uid", id)
		if t.Bytes("name", name) {
			return len(name) <= maxStringChars
		}
		t.Const("name", parent)
		return false
	}
	t.Bytes("uid", id[:techniqueDigits])
	if parent != "" {
		t.Const("name", parent)
	}
	sub := o.Struct("sub_technique")
	sub.Bytes("uid", id)
	return sub.Bytes("name", name) && len(name) <= maxStringChars
}
