package ocsf

import (
	"bytes"
	"math"
	"math/bits"
	"unicode/utf8"
)

// finish makes the filled draft a valid event, and accounts for every leaf:
//
//	prune      objects that lack what OCSF requires of them are dropped, overlong text is cut
//	survey     a leaf is claimed when a surviving value holds it whole; what is an observable is listed
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
	n := len(d.a.leaves)
	if cap(d.claimed) < n {
		d.claimed = make([]bool, n, n+n/2)
	}
	d.claimed = d.claimed[:n]
	clear(d.claimed)
	d.used = 0
	d.survey(d.root)
	d.profiles()
	d.fillContext()
	d.unmapped()
	return nil
}

// prune drops, from the leaves up, objects that are empty or invalid and values of profiles the class does not allow,
// and cuts strings to their length. It returns the name of a required attribute that o lacks, or "?" when o is empty
// or fills none of AtLeastOne; "" when o may stay.
func (d *draft) prune(o *Object) string {
	t, any := o.Type, false
	for w, m := range o.slots {
		for ; m != 0; m &= m - 1 {
			i := w*64 + bits.TrailingZeros64(m)
			if v := &o.Values[i]; v.Set && d.pruneValue(&t.Attrs[i], v) {
				any = true
			}
		}
	}
	for _, i := range t.required {
		if !o.Values[i].Set && t.Attrs[i].profile == 0 {
			return t.Attrs[i].Name
		}
	}
	if !any || !o.hasOne() {
		return "?"
	}
	return ""
}

// pruneValue reports whether the value stays.
func (d *draft) pruneValue(at *Attr, v *Value) bool {
	if at.profile != 0 && !d.allow(at.profile) {
		v.clear()
		return false
	}
	switch at.Kind {
	case KindObject:
		kept := v.Objs[:0]
		for _, child := range v.Objs {
			if d.prune(child) == "" {
				kept = append(kept, child)
			}
		}
		if v.Objs = kept; len(kept) == 0 {
			v.clear()
			return false
		}
	case KindString:
		if limit := at.text.maxChars; limit > 0 && (at.List || len(v.Str) > limit) {
			cut(v, limit)
		}
	}
	return true
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
func (d *draft) allow(profile profiles) bool {
	return d.class.may&profile != 0 && (profile != profileCloud || d.root.Value("cloud") != nil)
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

// survey goes over what survived, once: it notes the profiles in use, claims the leaves held, and lists the values of
// observable types.
func (d *draft) survey(o *Object) {
	for w, m := range o.slots {
		for ; m != 0; m &= m - 1 {
			i := w*64 + bits.TrailingZeros64(m)
			v := &o.Values[i]
			if !v.Set {
				continue
			}
			at := &o.Type.Attrs[i]
			d.used |= at.profile
			for _, s := range v.Srcs {
				d.claimed[s] = true
			}
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
	for i := range d.a.leaves {
		l := &d.a.leaves[i]
		if d.claimed[i] || l.Kind == LeafEmpty && !containsDot(l.Path) {
			continue
		}
		key := l.Path
		if len(key) == 0 {
			key = ev.literal("(empty)") // a member with no name, and a map has no empty key
		}
		ev.Unmapped = append(ev.Unmapped, KeyValue{Key: key, Value: l.Value})
	}
	if d.a.repeats {
		d.uniqueKeys()
	}
	for i := range ev.Unmapped {
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
