package ocsf

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"unicode/utf8"
)

// The checks run on every event, and nearly every event is valid. quick therefore only finds out whether there is any
// fault, in whatever order is cheapest; which one it is and where is left to the plain way in check.go, which looks again.
// A yes of quick is a yes of check: the tests compare both on valid, mutated and random events.

// quick reports whether ev has no fault. It may say no to a valid event, never yes to another.
func quick(ev *Event) bool {
	c := checker{class: ev.Class}
	return c.declare(ev) == nil && c.sound(ev.Root) && checkRoot(ev) == nil && checkUnmapped(ev.Unmapped) == nil &&
		ev.soundObservables()
}

// sound reports whether the object has no fault.
func (c *checker) sound(o *Object) bool {
	t, set := o.Type, o.slots
	for w := range set {
		if t.needed[w]&^set[w] != 0 {
			return false
		}
		for m := t.profiled[w] & (set[w] | t.neededWith[w]); m != 0; m &= m - 1 {
			i := w*64 + bits.TrailingZeros64(m)
			if isSet := set[w]&(m&-m) != 0; isSet != t.Attrs[i].active(c.declared) { // and required, if it is not set
				return false
			}
		}
		for m := set[w]; m != 0; m &= m - 1 {
			i := w*64 + bits.TrailingZeros64(m)
			if !c.soundValue(o, &t.Attrs[i], &o.Values[i]) {
				return false
			}
		}
	}
	return set != SlotSet{} && o.hasOne()
}

func (c *checker) soundValue(o *Object, a *Attr, v *Value) bool {
	switch a.Kind {
	case KindMap:
		return true // lies in Event.Unmapped
	case KindObject:
		if len(v.Objs) == 0 || !a.List && len(v.Objs) != 1 {
			return false
		}
		for _, el := range v.Objs {
			if !c.sound(el) {
				return false
			}
		}
		return true
	case KindString:
		if !a.List {
			return a.soundText(v.Str)
		}
		for _, s := range v.Strs {
			if !a.soundText(s) {
				return false
			}
		}
		return len(v.Strs) > 0
	case KindInt:
		if v.Num < math.MinInt32 || v.Num > math.MaxInt32 {
			return false
		}
	}
	return a.numberFault(o, v) == "" && (a.Enum == nil || a.soundEnum(o, v))
}

func (a *Attr) soundText(s []byte) bool {
	t := &a.text
	switch {
	case len(s) == 0:
		return false
	case t.json:
		return jsonDocument(s) && utf8.Valid(s)
	case !ascii(s) || t.maxChars > 0 && len(s) > t.maxChars:
		return t.fault(s) == ""
	}
	return t.valid == nil || t.valid(s)
}

// ascii reports whether there is no byte beyond ASCII in s. Most texts of an event are short.
func ascii(s []byte) bool {
	const tops = 0x8080808080808080
	if len(s) < 8 {
		var all byte
		for _, c := range s {
			all |= c
		}
		return all < utf8.RuneSelf
	}
	all := binary.LittleEndian.Uint64(s[len(s)-8:])
	for ; len(s) >= 8; s = s[8:] {
		all |= binary.LittleEndian.Uint64(s)
	}
	return all&tops == 0
}

// soundEnum takes only a value with its caption, or 99 with the word of the source.
func (a *Attr) soundEnum(o *Object, v *Value) bool {
	caption := a.Enum.caption(v.Num)
	if caption == nil {
		return false
	}
	if a.caption < 0 {
		return true
	}
	sibling := &o.Values[a.caption]
	if a.List || !sibling.Set || v.Num == otherID {
		return a.checkEnum(o, v) == nil
	}
	return bytes.Equal(sibling.Str, caption)
}

// soundObservables reports whether each observable names an attribute of the class, by the path the mapper gives it, and
// holds one of its values; whether these may be there was checked with them. Other ways to write a path are left to the
// plain check.
func (ev *Event) soundObservables() bool {
	list := ev.Root.Value("observables")
	if list == nil {
		return true
	}
	for _, o := range list.Objs {
		name, value := o.Value("name"), o.Value("value")
		if name == nil || value == nil {
			return false
		}
		if bytes.HasPrefix(name.Str, unmappedPrefix) {
			if found, equal := ev.textAt(name.Str, value.Str); !found || !equal {
				return false
			}
			continue
		}
		i := findName(&ev.Class.placeNames, name.Str)
		if i < 0 {
			return false
		}
		if !ev.Root.anyText(ev.Class.places[i].slots, value.Str) {
			return false
		}
	}
	return true
}

// anyText reports whether a string attribute, found by its slots from o on, has this text in any of the objects on the way.
func (o *Object) anyText(slots []uint8, text []byte) bool {
	v := &o.Values[slots[0]]
	if !v.Set {
		return false
	}
	if len(slots) > 1 {
		for _, child := range v.Objs {
			if child.anyText(slots[1:], text) {
				return true
			}
		}
		return false
	}
	return bytes.Equal(v.Str, text)
}

// jsonDocument reports whether s is a JSON object or array, as strictly as encoding/json.
func jsonDocument(s []byte) bool {
	sc := scanner{src: s}
	if c := sc.next(); c != '{' && c != '[' || !sc.skip(maxNesting) {
		return false
	}
	sc.space()
	return sc.pos == len(s)
}
