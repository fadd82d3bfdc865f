// Package ocsf turns alerts of Wazuh into events of the Open Cybersecurity Schema Framework.
//
//	line --Alert.Parse--> leaves --Mapper.Map--> Event --Check--> valid, or named
//
// An Alert is the flat list of an alert's leaves. A Mapper fills an Event of one Class from it: the base mapping, the
// family the alert belongs to (mapper_families.go is the table), the fields all decoders share; then finish drops what
// OCSF would not accept and accounts for the leaves. Each leaf ends in an attribute that holds it whole, or in
// "unmapped" under its own name: nothing is lost, whatever the alert looks like.
//
// That is the plain way. A Planner takes a shorter one where it can: what alerts of one shape have in common - nearly
// everything - it finds out once, by watching the plain way (Trace), and keeps as a Plan. A mapping that is written with the
// methods of Leaf, Object and draft needs to know nothing of it.
//
// The package touches no clock, disk or network.
package ocsf

import (
	"crypto/sha1"
	"hash"
	"time"
)

// Options are the choices an operator has. The zero value is a valid choice.
type Options struct {
	// Severity holds the lowest rule levels of Low, Medium, High and Critical; all zero means DefaultSeverity.
	Severity [4]int
	// RawData says what raw_data holds: "full_log" (also when empty), "alert" (the whole line) or "none".
	RawData string
	// ProductVersion is the version of the Wazuh manager; empty leaves it out.
	ProductVersion string
}

// DefaultSeverity returns the bands of the existing integration: 4 is Low, 8 Medium, 11 High, 15 Critical.
func DefaultSeverity() [4]int { return [4]int{4, 8, 11, 15} }

// Mapper turns alerts into events of one class. It touches no clock, disk or network, and the same alert always makes
// the same event. A Mapper keeps scratch memory: use one per goroutine.
type Mapper struct {
	class    *Class
	opt      Options
	families []family
	sha      hash.Hash
	d        draft

	observable observableSlots
	unmapped   nameTable // of unmappedObservables
}

// NewMapper returns a mapper to class c.
func NewMapper(c *Class, opt Options) *Mapper {
	if opt.Severity == [4]int{} {
		opt.Severity = DefaultSeverity()
	}
	m := &Mapper{class: c, opt: opt, families: families(), sha: sha1.New(), observable: newObservableSlots(c), unmapped: newUnmappedTable()}
	return m
}

// Map fills ev, an event of the mapper's class, from a parsed alert; ev is reset first. It does not block. ev refers to
// memory of a and is valid until either is used again. An alert dated later than 48 hours after now is refused.
// Every leaf of the alert is then in an attribute of ev or in ev.Unmapped.
// The error is a *MapError, or ErrOtherClass when the alert lacks what the class is about; ev is not valid then.
func (m *Mapper) Map(a *Alert, now time.Time, ev *Event) error {
	ev.Reset()
	stamp := a.Leaf("timestamp")
	ms, offset, ok := parseTime(stamp.text(), true) // who replays a plan reads it as well
	switch {
	case stamp == nil:
		return &MapError{Reason: ReasonBadTimestamp, Attribute: "timestamp", Detail: "missing"}
	case !ok:
		return &MapError{Reason: ReasonBadTimestamp, Attribute: "timestamp", Detail: "unreadable"}
	case ms < earliest.UnixMilli():
		return &MapError{Reason: ReasonBadTimestamp, Attribute: "timestamp", Detail: "before 2010"}
	case ms > now.Add(maxAhead).UnixMilli():
		return &MapError{Reason: ReasonBadTimestamp, Attribute: "timestamp", Detail: "more than 48 hours ahead of the clock"}
	}
	ev.Time = ms
	d := &m.d
	d.reset(m, a, ev)
	d.uid = d.madeUUID(a.line)
	if ev.trace != nil {
		ev.trace.made(source{kind: sourceUID}, d.uid)
	}
	d.offset = offset
	d.begin(stamp)
	if f := familyOf(m.families, a); f != nil {
		f.fill(d)
	}
	fillCommon(d)
	d.complete()
	return d.finish()
}

// identify makes the finding the same as every other one of these texts.
func (d *draft) identify(leaves ...*Leaf) {
	parts := d.texts[:0]
	for _, l := range leaves {
		var text []byte
		if l.Present() {
			text = l.Value
		}
		parts = append(parts, text)
	}
	d.texts = parts
	d.identity = d.madeUUID(parts...)
	if d.ev.trace == nil {
		return
	}
	s := source{kind: sourceUUID}
	for _, l := range leaves {
		p := part{leaf: -1}
		if l.Present() {
			p.leaf = l.Index
		}
		s.parts = append(s.parts, p)
	}
	d.ev.trace.made(s, d.identity)
}

// namespace is the UUID all of our UUIDv5 values are made under: e089c49f-2e51-5a85-91d1-724fb2133d3e, UUIDv5 of the DNS name
// "wazuh-security-lake".
// It must never change: a line read again, tomorrow or by a later release, must get the same metadata.uid.
var namespace = [16]byte{0xe0, 0x89, 0xc4, 0x9f, 0x2e, 0x51, 0x5a, 0x85, 0x91, 0xd1, 0x72, 0x4f, 0xb2, 0x13, 0x3d, 0x3e}

// madeUUID is uuid in the memory of the event.
func (d *draft) madeUUID(parts ...[]byte) []byte {
	start := len(d.ev.text)
	d.ev.text = d.m.uuid(d.ev.text, parts...)
	return d.ev.text[start:len(d.ev.text):len(d.ev.text)]
}

// uuid appends the text of UUIDv5 over the parts to dst. A single part is hashed as it is; several are each preceded by
// their length, so that no two lists of parts hash alike.
func (m *Mapper) uuid(dst []byte, parts ...[]byte) []byte {
	m.sha.Reset()
	m.sha.Write(namespace[:])
	for _, p := range parts {
		if len(parts) > 1 {
			n := len(p)
			m.sha.Write(append(m.d.scratch[:0], byte(n>>24), byte(n>>16), byte(n>>8), byte(n)))
		}
		m.sha.Write(p)
	}
	sum := m.sha.Sum(m.d.scratch[:0])
	m.d.scratch = sum[:0]
	sum[6] = sum[6]&0x0f | 0x50
	sum[8] = sum[8]&0x3f | 0x80
	const hexdigits = "0123456789abcdef"
	var text [36]byte
	at := 0
	for i, c := range sum[:16] {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			text[at] = '-'
			at++
		}
		text[at], text[at+1] = hexdigits[c>>4], hexdigits[c&15]
		at += 2
	}
	return append(dst, text[:]...)
}
