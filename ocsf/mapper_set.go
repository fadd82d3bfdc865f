package ocsf

import (
	"bytes"
	"net/netip"
	"unicode/utf8"
)

// The setters below are what a mapping is written with. They share these rules:
//   - the first value wins: an attribute that is set is left alone;
//   - a value the attribute cannot take (no IP address, no port, blank) sets nothing;
//   - an attribute the class does not have takes nothing;
//   - a leaf is noted as a source only when the attribute holds it whole and without loss;
//   - they report whether the attribute was set.
//
// So whatever an attribute did not take stays in unmapped, and one mapping serves every class and version.

// free returns the slot of the attribute when it exists, as a list or not, and is not set yet, else -1.
func (o *Object) free(name string, list bool) int {
	if o == nil {
		return -1
	}
	i := o.Type.Slot(name)
	if i < 0 || o.Values[i].Set || o.Type.Attrs[i].List != list {
		return -1
	}
	return i
}

// accepts reports whether a text may stand in the string attribute. Overlong text is cut later.
func (t *Attr) accepts(text []byte) bool {
	return t.Kind == KindString && len(text) > 0 && (t.text.valid == nil || t.text.valid(text)) &&
		(t.fits == 0 || len(text) <= int(t.fits) || utf8.RuneCount(text) <= int(t.fits))
}

// verdict is what an attribute does with a value that it is offered. It depends on nothing but the two of them.
type verdict uint8

const (
	verdictRefused verdict = iota // takes nothing
	verdictTaken                  // takes it as it is
	verdictCut                    // takes its beginning
	verdictAddress                // takes the canonical form of an address
	verdictLossy                  // takes a number that was written in another way
)

func (t *Attr) verdict(text []byte) verdict {
	switch {
	case blank(text) || !t.accepts(text):
		return verdictRefused
	case t.ip && bytes.IndexByte(text, ':') >= 0:
		return verdictAddress
	case t.text.maxChars > 0 && len(text) > t.text.maxChars && utf8.RuneCount(text) > t.text.maxChars:
		return verdictCut
	}
	return verdictTaken
}

// Text sets a string attribute to the text of a leaf; the leaf may be nil.
func (o *Object) Text(name string, l *Leaf) bool {
	return l != nil && l.textual() && o.put(name, l.Value, l)
}

// Copy does the same, but the leaf is not claimed.
func (o *Object) Copy(name string, l *Leaf) bool {
	return l != nil && l.textual() && o.put(name, l.Value, nil)
}

// Bytes sets a string attribute to text made from the alert or by the mapping.
func (o *Object) Bytes(name string, text []byte) bool { return o.put(name, text, nil) }

// Const sets a string attribute to fixed text.
func (o *Object) Const(name, text string) bool {
	if o == nil {
		return false
	}
	return o.put(name, o.event.literal(text), nil)
}

func (o *Object) put(name string, text []byte, src *Leaf) bool {
	if o == nil || len(text) == 0 && o.event.trace == nil {
		return false
	}
	i := o.free(name, false)
	if i < 0 {
		return false
	}
	t := &o.Type.Attrs[i]
	judged := t.verdict(text)
	if o.event.trace != nil {
		o.event.trace.take(t, text, judged)
	}
	switch judged {
	case verdictRefused:
		return false
	case verdictAddress:
		if text, src = o.event.address(text, src); text == nil {
			return false
		}
	}
	v := o.set(i)
	v.Str = t.cut(text)
	v.cut = len(v.Str) < len(text)
	o.claim(i, src)
	return true
}

// cut shortens a text to the length its type allows.
func (t *Attr) cut(text []byte) []byte {
	limit := t.text.maxChars
	if limit == 0 || len(text) <= limit || utf8.RuneCount(text) <= limit {
		return text
	}
	end := 0
	for range limit {
		_, n := utf8.DecodeRune(text[end:])
		end += n
	}
	return text[:end]
}

// address returns an IPv6 address in its one canonical form, so that it can be searched for, and the leaf if that is how it is
// written there.
func (e *Event) address(text []byte, src *Leaf) ([]byte, *Leaf) {
	start := len(e.text)
	e.text = canonicalAddress(e.text, text)
	canonical := e.text[start:len(e.text):len(e.text)]
	same := bytes.Equal(canonical, text)
	if e.trace != nil {
		e.trace.ask(isParsed, text, len(canonical) > 0)
		e.trace.ask(isCanonical, text, same)
	}
	switch {
	case len(canonical) == 0:
		return nil, nil
	case same:
		return text, src
	case e.trace != nil:
		canonical = e.trace.derived(canonicalIP, text, canonical)
	}
	return canonical, nil
}

// canonicalAddress: Wazuh expands some IPv6 addresses to eight full groups, sockets report IPv4 as ::ffff:192.0.2.1, and a zone
// means nothing beyond its host. It appends nothing for what is no address.
func canonicalAddress(dst, text []byte) []byte {
	ip, err := netip.ParseAddr(string(text))
	if err != nil {
		return dst
	}
	return ip.Unmap().WithZone("").AppendTo(dst)
}

// Claim notes that a string attribute holds leaves whole that it was not set from; nothing if it is not set.
func (o *Object) Claim(name string, srcs ...*Leaf) {
	if o.Value(name) != nil {
		o.claim(o.Type.Slot(name), srcs...)
	}
}

// Bool sets a boolean attribute from a leaf that says yes or no.
func (o *Object) Bool(name string, l *Leaf) bool {
	i := o.free(name, false)
	if l == nil || i < 0 || o.Type.Attrs[i].Kind != KindBool {
		return false
	}
	var n int64
	switch {
	case l.Fold("true"), l.Fold("yes"):
		n = 1
	case l.Fold("false"), l.Fold("no"):
	default:
		return false
	}
	o.set(i).Num = n
	if l.Is("true") || l.Is("false") {
		o.claim(i, l)
	}
	return true
}

// Enum sets an *_id attribute to one of its values, and its caption.
func (o *Object) Enum(name string, id int64) bool {
	i := o.free(name, false)
	if i < 0 {
		i = o.free(name, true) // malware[].classification_ids, the one list of identifiers
	}
	return i >= 0 && o.enum(i, id)
}

// enum is Enum for the slot of an attribute that is not set.
func (o *Object) enum(slot int, id int64) bool {
	t := &o.Type.Attrs[slot]
	if t.Enum == nil || t.Kind != KindInt && t.Kind != KindLong {
		return false
	}
	caption := t.Enum.caption(id)
	if caption == nil {
		return false
	}
	o.set(slot).Num = id
	if s := t.caption; s >= 0 && !o.Values[s].Set && o.Type.Attrs[s].List == t.List && o.Type.Attrs[s].Kind == KindString {
		v := o.set(int(s))
		if t.List {
			v.Strs = append(v.Strs[:0], caption)
		} else {
			v.Str = caption
		}
	}
	return true
}

// Other sets an *_id attribute to 99 and its caption to the source's own word.
func (o *Object) Other(name string, word []byte, src *Leaf) bool {
	i := o.free(name, false)
	if i < 0 || blank(word) || string(word) == "Other" {
		return false
	}
	t := &o.Type.Attrs[i]
	if t.Kind != KindInt || t.Enum == nil || t.Enum.caption(otherID) == nil || !o.put(t.Enum.Sibling, word, src) {
		return false
	}
	o.set(i).Num = otherID
	return true
}

// Add appends to a list of strings, which holds maxList at most.
func (o *Object) Add(name string, text []byte, srcs ...*Leaf) bool {
	i := o.slot(name, KindString, true)
	if i < 0 || !o.addTo(i, text) {
		return false
	}
	o.claim(i, srcs...)
	return true
}

// AddText appends the text of a leaf and claims it.
func (o *Object) AddText(name string, l *Leaf) bool {
	return l != nil && l.textual() && o.Add(name, l.Value, l)
}

func (o *Object) addTo(slot int, text []byte) bool {
	t := &o.Type.Attrs[slot]
	if len(o.Values[slot].Strs) >= maxList {
		return false
	}
	judged := t.verdict(text)
	if o.event.trace != nil {
		o.event.trace.take(t, text, judged)
	}
	if judged == verdictRefused {
		return false
	}
	v, short := o.set(slot), t.cut(text)
	v.Strs = append(v.Strs, short)
	v.cut = v.cut || len(short) < len(text)
	return true
}

// AddAll appends every element of a leaf that is an array of scalars (or a single text) to a list of strings, each
// with the prefix before it. The leaf is claimed when all of them were taken.
func (o *Object) AddAll(name string, prefix []byte, a *Alert, l *Leaf) bool {
	if l == nil {
		return false
	}
	i := o.slot(name, KindString, true)
	if i < 0 {
		return false
	}
	if l.Kind != LeafJSON {
		if !l.Present() || !o.addTo(i, o.event.prefixed(prefix, l)) {
			return false
		}
		o.claim(i, l)
		return true
	}
	v := &o.Values[i]
	before, all := len(v.Strs), true
	scalars := a.Elements(l, func(text []byte) bool {
		if len(v.Strs) >= maxList { // stop reading, not only adding
			all = false
			return false
		}
		if blank(text) {
			all = false
			return true
		}
		if prefix != nil {
			text = o.event.join(prefix, text)
		}
		all = o.addTo(i, text) && all
		return true
	})
	if !scalars {
		if v.Strs = v.Strs[:before]; before == 0 && v.Set {
			o.unset(i)
		}
		return false
	}
	if all && len(v.Strs) > before {
		o.claim(i, l)
	}
	return len(v.Strs) > before
}

// maxList bounds the lists an alert can make: it is the alert's author who decides how many elements there are.
const maxList = 1024
