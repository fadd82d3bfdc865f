package ocsf

import (
	"math"
	"unicode/utf8"
)

// finish makes the filled draft a valid event, and accounts for every leaf:
//
//	prune      objects that lack what OCSF requires of them are dropped, overlong text is cut
//	profiles   metadata.profiles names what is used; what the class does not allow was pruned
//	claims     a leaf is claimed when a surviving value holds it whole
//	context    unclaimed leaves of the family's own section go to evidences[].data as JSON
//	unmapped   every leaf nobody claimed
//	observables
//
// The order matters: only after pruning is it known which values survive, and only what survives may claim a leaf.
func (d *draft) finish() error {
	switch missing := d.prune(d.root); missing {
	case "":
	case "vulnerabilities", "compliance": // what classes 2002 and 2003 are about
		return ErrOtherClass
	default:
		return &MapError{Reason: ReasonInvalidEvent, Attribute: missing, Detail: "required by " + d.class.String() + " and not filled"}
	}
	d.controls()
	d.profiles()
	n := len(d.a.leaves)
	if cap(d.claimed) < n {
		d.claimed = make([]bool, n, n+n/2)
	}
	d.claimed = d.claimed[:n]
	clear(d.claimed)
	d.claims(d.root)
	d.fillContext()
	d.unmapped()
	d.observables()
	return nil
}

// prune drops, from the leaves up, objects that are empty or invalid and values of profiles the class does not allow,
// and cuts strings to their length. It returns the name of a required attribute that o lacks, or "?" when o is empty
// or fills none of AtLeastOne; "" when o may stay.
func (d *draft) prune(o *Object) string {
	t := o.Type
	fault, any := "", false
	for i := range o.Values {
		v, at := &o.Values[i], &t.Attrs[i]
		if v.Set && at.Profile != "" && !d.allow(at.Profile) {
			v.clear()
		}
		if v.Set && at.Kind == KindObject {
			kept := v.Objs[:0]
			for _, child := range v.Objs {
				if d.prune(child) == "" {
					kept = append(kept, child)
				}
			}
			if v.Objs = kept; len(kept) == 0 {
				v.clear()
			}
		}
		if v.Set && at.Kind == KindString && at.text.maxChars > 0 {
			cut(v, at.text.maxChars)
		}
		if v.Set {
			any = true
		} else if at.Required && at.Profile == "" && fault == "" {
			fault = at.Name
		}
	}
	if fault == "" && (!any || !o.hasOne()) {
		return "?"
	}
	return fault
}

func (o *Object) hasOne() bool {
	if len(o.Type.atLeastOne) == 0 {
		return true
	}
	for _, i := range o.Type.atLeastOne {
		if o.Values[i].Set {
			return true
		}
	}
	return false
}

// allow reports whether the event may use the profile: the class has it, and for parts of the cloud profile the cloud
// object, which the profile requires, is there.
func (d *draft) allow(profile string) bool {
	for _, p := range d.class.Profiles {
		if p == profile {
			return profile != ProfileCloud || d.root.Value("cloud") != nil
		}
	}
	return false
}

// cut shortens texts to max characters; a value that was cut no longer holds its leaf whole.
func cut(v *Value, max int) {
	shorten := func(text []byte) []byte {
		if len(text) <= max || utf8.RuneCount(text) <= max {
			return text
		}
		end := 0
		for range max {
			_, n := utf8.DecodeRune(text[end:])
			end += n
		}
		v.Srcs = v.Srcs[:0]
		return text[:end]
	}
	v.Str = shorten(v.Str)
	for i := range v.Strs {
		v.Strs[i] = shorten(v.Strs[i])
	}
}

// controls completes the security control profile: using it makes action_id required.
func (d *draft) controls() {
	d.profile = 0
	d.collect(d.root)
	for i, p := range d.class.Profiles {
		if p == ProfileSecurityControl && d.profile&(1<<i) != 0 {
			d.root.Enum("action_id", actionUnknown)
			d.root.Enum("disposition_id", dispositionUnknown)
		}
	}
}

// collect notes the profiles of all attributes that are set.
func (d *draft) collect(o *Object) {
	for i := range o.Values {
		v, at := &o.Values[i], &o.Type.Attrs[i]
		if !v.Set {
			continue
		}
		if at.Profile != "" {
			for j, p := range d.class.Profiles {
				if p == at.Profile {
					d.profile |= 1 << j
				}
			}
		}
		for _, child := range v.Objs {
			d.collect(child)
		}
	}
}

func (d *draft) profiles() {
	md := d.metadata()
	for i, p := range d.class.Profiles {
		if d.profile&(1<<i) != 0 {
			md.Add("profiles", d.ev.literal(p))
		}
	}
}

func (d *draft) claims(o *Object) {
	for i := range o.Values {
		v := &o.Values[i]
		if !v.Set {
			continue
		}
		for _, s := range v.Srcs {
			d.claimed[s] = true
		}
		for _, child := range v.Objs {
			d.claims(child)
		}
	}
}

// unmapped lists every leaf no attribute holds. The empty objects that analysisd writes for "no decoder" and the like
// are left out; they hold nothing.
func (d *draft) unmapped() {
	ev := d.ev
	for i := range d.a.leaves {
		l := &d.a.leaves[i]
		if d.claimed[i] || l.Kind == LeafEmpty && !containsDot(l.Path) {
			continue
		}
		key := l.Path
		if len(key) == 0 {
			key = ev.literal("(empty)") // a member with no name, and a map has no empty key
		}
		ev.Unmapped = append(ev.Unmapped, KeyValue{key, l.Value})
	}
	if d.a.irregular {
		d.uniqueKeys()
	}
}

func containsDot(path []byte) bool {
	for _, c := range path {
		if c == '.' {
			return true
		}
	}
	return false
}

// uniqueKeys numbers the repeated keys of unmapped: a#2, a#3, ... The first keeps its name. It is reached only for
// alerts that repeat a key, so it may allocate.
func (d *draft) uniqueKeys() {
	ev := d.ev
	taken := make(map[string]bool, len(ev.Unmapped))
	next := make(map[string]int)
	for i := range ev.Unmapped {
		taken[string(ev.Unmapped[i].Key)] = true
	}
	seen := make(map[string]bool, len(ev.Unmapped))
	for i := range ev.Unmapped {
		kv := &ev.Unmapped[i]
		key := string(kv.Key)
		if !seen[key] {
			seen[key] = true
			continue
		}
		for n := max(next[key], 2); n < math.MaxInt32; n++ {
			start := len(ev.text)
			ev.text = append(append(ev.text, key...), '#')
			ev.text = appendInt(ev.text, int64(n))
			unique := ev.text[start:len(ev.text):len(ev.text)]
			if !taken[string(unique)] {
				taken[string(unique)] = true
				kv.Key, next[key] = unique, n+1
				break
			}
			ev.text = ev.text[:start]
		}
	}
}
