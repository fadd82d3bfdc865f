package ocsf

import (
	"bytes"
	"math"
	"math/bits"
	"slices"
)

// finish makes the filled draft a valid event, and accounts for every leaf:
//
//	prune      objects that lack what OCSF requires of them are dropped
//	claim      a leaf is claimed when a surviving value holds it whole
//	survey     what is an observable is listed
//	profiles   metadata.profiles names what is used; what the class does not allow was pruned
//	context    unclaimed leaves of the family's own section go to evidences[].data as JSON
//	unmapped   every leaf nobody claimed, and what of it is an observable
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
	if d.lost { // each value claimed its leaves when it was set
		clear(d.ev.claimed)
		d.claim(d.root)
	}
	d.survey(d.root)
	d.profiles()
	d.fillContext()
	d.unmapped()
	return nil
}

// prune drops, from the leaves up, objects that are empty or invalid and values of profiles the class does not allow.
// It returns the name of a required attribute that o lacks, or "?" when o is empty or fills none of AtLeastOne; "" when
// o may stay.
func (d *draft) prune(o *Object) string {
	t := o.Type
	for w, m := range o.slots {
		for m &= t.pruned[w]; m != 0; m &= m - 1 {
			i := w*64 + bits.TrailingZeros64(m)
			v := &o.Values[i]
			if profile := t.Attrs[i].profile; profile != 0 && !d.allow(profile) {
				d.lost = d.lost || v.claims()
				o.unset(i)
			} else if t.Attrs[i].Kind == KindObject && !d.pruneObjects(v) {
				o.unset(i)
			}
		}
	}
	for w, m := range t.needed {
		if m &^= o.slots[w]; m != 0 {
			return t.Attrs[w*64+bits.TrailingZeros64(m)].Name
		}
	}
	if o.slots == (SlotSet{}) || !o.hasOne() {
		return "?"
	}
	return ""
}

// pruneObjects reports whether any object of the value stays.
func (d *draft) pruneObjects(v *Value) bool {
	kept := v.Objs[:0]
	for _, child := range v.Objs {
		if d.prune(child) == "" {
			kept = append(kept, child)
		} else {
			d.lost = d.lost || child.claims()
		}
	}
	v.Objs = kept
	return len(kept) > 0
}

// claims reports whether a value of the object, or of one in it, claims a leaf.
func (o *Object) claims() bool {
	for i := range o.Values {
		if o.Values[i].claims() {
			return true
		}
	}
	return false
}

func (v *Value) claims() bool {
	return len(v.Srcs) > 0 || slices.ContainsFunc(v.Objs, (*Object).claims)
}

func (o *Object) hasOne() bool {
	return o.Type.oneOf == SlotSet{} || o.slots.meets(&o.Type.oneOf)
}

// allow reports whether the event may use the profile: the class has it, and for parts of the cloud profile the cloud
// object, which the profile requires, is there.
func (d *draft) allow(profile profiles) bool {
	return d.class.may&profile != 0 && (profile != profileCloud || d.root.Value("cloud") != nil)
}

// claim claims the leaves of every value of the object and of those in it.
func (d *draft) claim(o *Object) {
	for i := range o.Values {
		v := &o.Values[i]
		for _, s := range v.Srcs {
			d.ev.claimed[s] = true
		}
		for _, child := range v.Objs {
			d.claim(child)
		}
	}
}

// survey goes over what survived: it notes the profiles in use and lists the values of observable types.
func (d *draft) survey(o *Object) {
	t := o.Type
	for w, m := range o.slots {
		for m &= t.surveyed[w]; m != 0; m &= m - 1 {
			i := w*64 + bits.TrailingZeros64(m)
			at, v := &t.Attrs[i], &o.Values[i]
			d.used |= at.profile
			if at.Kind == KindObject {
				for _, child := range v.Objs {
					d.survey(child)
				}
			} else if at.observable != 0 {
				d.observable(at.place.path, int64(at.observable), v.Str)
			}
		}
	}
}

// profiles completes the security control profile, which makes action_id required, and names the profiles in use.
func (d *draft) profiles() {
	if d.used&profileControl != 0 {
		d.root.Enum("action_id", actionUnknown)
		d.root.Enum("disposition_id", dispositionUnknown)
	}
	md := d.metadata()
	for _, p := range d.class.declarable {
		if d.used&p.bit != 0 {
			md.Add("profiles", p.name)
		}
	}
}

// unmapped lists every leaf no attribute holds. The empty objects that analysisd writes for "no decoder" and the like
// are left out; they hold nothing.
func (d *draft) unmapped() {
	ev := d.ev
	d.sources = d.sources[:0]
	for i := range d.a.leaves {
		l := &d.a.leaves[i]
		if d.ev.claimed[i] || l.Kind == LeafEmpty && !d.a.tree.nodes[l.node].dotted {
			continue
		}
		key := l.Path
		if len(key) == 0 {
			key = ev.literal("(empty)") // a member with no name, and a map has no empty key
		}
		if d.a.tree.nodes[l.node].observed {
			d.sources = append(d.sources, int32(len(ev.Unmapped)))
		}
		ev.Unmapped = append(ev.Unmapped, KeyValue{Key: key, Value: l.Value})
	}
	if d.a.repeats {
		d.uniqueKeys()
	}
	for _, i := range d.sources {
		d.observeUnmapped(&ev.Unmapped[i])
	}
}

func containsDot(path []byte) bool { return bytes.IndexByte(path, '.') >= 0 }

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
