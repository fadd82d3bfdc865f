package ocsf

import (
	"bytes"
	"math"
	"math/bits"
)

// Event is one OCSF event under construction or ready to be written: a tree of Objects shaped by its Class.
// It owns all of its memory except the Str bytes of values, many of which point into the Alert it was mapped from;
// it is valid until the next Reset or until that Alert is parsed again.
// An Event is reused for alert after alert and allocates nothing in the steady state. Not safe for concurrent use.
type Event struct {
	Class *Class
	Root  *Object
	// Time is the attribute "time": epoch milliseconds, UTC.
	Time int64
	// Unmapped holds the leaves of the alert that no attribute took, in alert order, with unique dotted keys.
	Unmapped []KeyValue

	pools []objectPool // by ObjectType.number
	used  []*Object    // of this alert
	text  []byte       // text made for this event: joined strings, JSON

	claimed []bool // by Leaf.Index: a value holds it whole

	trace *Trace // nil, unless a plan is to be made of this mapping
}

// KeyValue is one entry of the map "unmapped".
type KeyValue struct{ Key, Value []byte }

// Object is one struct of an Event. Values[i] belongs to Type.Attrs[i].
// The methods of a nil Object do nothing and report false, so that a mapping may descend into an attribute
// that the class does not have: what cannot be set stays in "unmapped".
type Object struct {
	Type   *ObjectType
	Values []Value

	event *Event
	slots SlotSet
}

// SlotSet is a set of slots of an object type, one bit each. Most attributes of an event are not set, and the slots that
// are spare each pass over it to look at all of them.
type SlotSet [maxAttrs / 64]uint64

func (s *SlotSet) add(slot int) { s[uint(slot)/64%uint(len(s))] |= 1 << (uint(slot) % 64) }

func (s *SlotSet) remove(slot int) { s[uint(slot)/64%uint(len(s))] &^= 1 << (uint(slot) % 64) }

// meets reports whether a slot is in both sets.
func (s *SlotSet) meets(other *SlotSet) bool { return s[0]&other[0]|s[1]&other[1] != 0 }

// Slots returns the slots whose values are set.
func (o *Object) Slots() SlotSet { return o.slots }

// Set marks the value of a slot as set and returns it. Nobody sets Value.Set without it.
func (o *Object) Set(slot int) *Value { return o.set(slot) }

func (o *Object) set(slot int) *Value {
	o.slots.add(slot)
	v := &o.Values[slot]
	v.Set = true
	return v
}

// unset takes a value back.
func (o *Object) unset(slot int) {
	o.Values[slot].clear()
	o.slots.remove(slot)
}

// claim notes leaves that a value, which is set, holds whole unless it was cut; none of them need be there.
func (o *Object) claim(slot int, srcs ...*Leaf) {
	v := &o.Values[slot]
	if v.cut {
		return
	}
	for _, l := range srcs {
		if l != nil {
			v.Srcs = append(v.Srcs, l.Index)
			o.event.claimed[l.Index] = true
		}
	}
}

// Value is the value of one attribute; which fields count follows from Attr.Kind and Attr.List.
type Value struct {
	Set  bool
	cut  bool      // the text, or one of the list, was too long: no leaf is held whole any more
	Num  int64     // KindInt, KindLong, KindTime, KindBool (0 or 1), KindFloat (IEEE bits, see Float)
	Str  []byte    // KindString
	Strs [][]byte  // KindString with List
	Objs []*Object // KindObject: one element, or any number with List
	// Srcs are the alert leaves (Leaf.Index) this value was taken from, whole and without loss: they need not
	// stand in "unmapped". Empty for constants and for values that keep only part of a leaf.
	Srcs []int32
}

// Float returns the value of a KindFloat attribute.
func (v *Value) Float() float64 { return math.Float64frombits(uint64(v.Num)) }

type objectPool struct {
	objects []*Object
	used    int
}

// NewEvent returns an empty event of class c.
func NewEvent(c *Class) *Event {
	e := &Event{Class: c, pools: make([]objectPool, c.types)}
	e.Root = e.newObject(c.Root)
	return e
}

// Reset empties the event and takes all of its objects back.
func (e *Event) Reset() {
	for _, o := range e.used {
		for w, m := range o.slots {
			for ; m != 0; m &= m - 1 {
				o.Values[w*64+bits.TrailingZeros64(m)].clear()
			}
		}
		o.slots = SlotSet{}
		e.pools[o.Type.number].used = 0
	}
	e.used = e.used[:0]
	e.Time = 0
	if e.text = e.text[:0]; cap(e.text) > keepBytes {
		e.text = nil
	}
	e.Unmapped = e.Unmapped[:0]
	e.Root = e.newObject(e.Class.Root)
}

// clear keeps the capacity of the slices: they are reused by the next alert.
func (v *Value) clear() {
	v.Set, v.cut, v.Num, v.Str = false, false, 0, nil
	v.Strs, v.Objs, v.Srcs = v.Strs[:0], v.Objs[:0], v.Srcs[:0]
}

func (e *Event) newObject(t *ObjectType) *Object {
	p := &e.pools[t.number]
	if p.used == len(p.objects) {
		p.objects = append(p.objects, &Object{Type: t, Values: make([]Value, len(t.Attrs)), event: e})
	}
	o := p.objects[p.used]
	p.used++
	e.used = append(e.used, o)
	return o
}

// Value returns the value of the named attribute, or nil when it is not set or the type has no such attribute.
func (o *Object) Value(name string) *Value {
	if o == nil {
		return nil
	}
	if i := o.Type.Slot(name); i >= 0 && o.Values[i].Set {
		return &o.Values[i]
	}
	return nil
}

// slot returns the slot of the named attribute when the type has it with this kind and list-ness, else -1.
func (o *Object) slot(name string, k Kind, list bool) int {
	if o == nil {
		return -1
	}
	i := o.Type.Slot(name)
	if i < 0 || o.Type.Attrs[i].Kind != k || o.Type.Attrs[i].List != list {
		return -1
	}
	return i
}

// Struct returns the object in the named struct attribute and makes it when it is not there yet;
// nil when the type has no such attribute. An object left empty is dropped when the event is finished.
func (o *Object) Struct(name string) *Object {
	i := o.slot(name, KindObject, false)
	if i < 0 {
		return nil
	}
	if v := &o.Values[i]; v.Set {
		return v.Objs[0]
	}
	child := o.event.newObject(o.Type.Attrs[i].Object)
	v := o.set(i)
	v.Objs = append(v.Objs[:0], child)
	return child
}

// Append adds an element to the named list of structs and returns it; nil when the type has no such list.
func (o *Object) Append(name string) *Object {
	if i := o.slot(name, KindObject, true); i >= 0 {
		return o.appendTo(i)
	}
	return nil
}

func (o *Object) appendTo(slot int) *Object {
	el := o.event.newObject(o.Type.Attrs[slot].Object)
	v := o.set(slot)
	v.Objs = append(v.Objs, el)
	return el
}

// Element returns the first element of the named list of structs and makes it when the list is empty.
func (o *Object) Element(name string) *Object {
	i := o.slot(name, KindObject, true)
	switch {
	case i < 0:
		return nil
	case o.Values[i].Set:
		return o.Values[i].Objs[0]
	}
	return o.appendTo(i)
}

// literal returns constant text as bytes in the memory of the event.
func (e *Event) literal(text string) []byte {
	start := len(e.text)
	e.text = append(e.text, text...)
	return e.text[start:len(e.text):len(e.text)]
}

// join returns the two texts as one, in the memory of the event.
func (e *Event) join(prefix, text []byte) []byte {
	start := len(e.text)
	e.text = append(append(e.text, prefix...), text...)
	return e.text[start:len(e.text):len(e.text)]
}

// prefixed returns the value of a leaf behind a text that depends on nothing but the shape of the alert.
func (e *Event) prefixed(prefix []byte, l *Leaf) []byte {
	if prefix == nil {
		return l.Value
	}
	text := e.join(prefix, l.Value)
	if e.trace != nil {
		e.trace.made(source{kind: sourceJoin, parts: []part{{text: bytes.Clone(prefix), leaf: l.Index}}}, text)
	}
	return text
}
