package lake

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"wazuh-security-lake/ocsf"
)

// failer is what helpers need of *testing.T, *testing.B and *rapid.T alike.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// testClass is a small class with every shape the encoder knows: scalars of each kind, a struct in a struct, lists of
// text, of numbers and of structs, a list in a list, and the map.
func testClass() *ocsf.Class {
	str := func(n string) ocsf.Attr { return ocsf.Attr{Name: n, Kind: ocsf.KindString, Type: "string_t"} }
	geo := &ocsf.ObjectType{Name: "location", Attrs: []ocsf.Attr{
		{Name: "lat", Kind: ocsf.KindFloat, Type: "float_t"},
		str("city"),
	}}
	score := &ocsf.ObjectType{Name: "cvss", Attrs: []ocsf.Attr{
		{Name: "base_score", Kind: ocsf.KindFloat, Type: "float_t"},
		str("version"),
	}}
	return &ocsf.Class{Name: "test_finding", Caption: "Test Finding", UID: 2999, Version: "1.1.0",
		Root: &ocsf.ObjectType{Name: "test_finding", Attrs: []ocsf.Attr{
			{Name: "class_uid", Kind: ocsf.KindInt, Type: "integer_t"},
			{Name: "type_uid", Kind: ocsf.KindLong, Type: "long_t"},
			{Name: "time", Kind: ocsf.KindLong, Type: "timestamp_t"},
			{Name: "time_dt", Kind: ocsf.KindTime, Type: "datetime_t"},
			{Name: "is_alert", Kind: ocsf.KindBool, Type: "boolean_t"},
			str("message"),
			{Name: "types", Kind: ocsf.KindString, List: true, Type: "string_t"},
			{Name: "device", Kind: ocsf.KindObject, Object: &ocsf.ObjectType{Name: "device", Attrs: []ocsf.Attr{
				{Name: "ip", Kind: ocsf.KindString, Type: "ip_t"},
				str("name"),
				{Name: "port", Kind: ocsf.KindInt, Type: "port_t"},
				{Name: "location", Kind: ocsf.KindObject, Object: geo},
				{Name: "groups", Kind: ocsf.KindString, List: true, Type: "string_t"},
			}}},
			{Name: "vulnerabilities", Kind: ocsf.KindObject, List: true, Object: &ocsf.ObjectType{Name: "vulnerability", Attrs: []ocsf.Attr{
				str("uid"),
				{Name: "cve", Kind: ocsf.KindObject, Object: &ocsf.ObjectType{Name: "cve", Attrs: []ocsf.Attr{
					str("uid"),
					{Name: "cvss", Kind: ocsf.KindObject, List: true, Object: score},
				}}},
				{Name: "ids", Kind: ocsf.KindInt, List: true, Type: "integer_t"},
				{Name: "references", Kind: ocsf.KindString, List: true, Type: "string_t"},
			}}},
			str("raw_data"),
			{Name: "unmapped", Kind: ocsf.KindMap, Type: "object_t"},
		}}}
}

// wideClass has the size of a real class: n columns beside those of testClass, in structs of 20.
func wideClass(n int) *ocsf.Class {
	c := testClass()
	for i := 0; i < n; i += 20 {
		o := &ocsf.ObjectType{Name: fmt.Sprintf("extra_%d", i)}
		for j := range 20 {
			o.Attrs = append(o.Attrs, ocsf.Attr{Name: fmt.Sprintf("a%d", j), Kind: ocsf.KindString, Type: "string_t"})
		}
		c.Root.Attrs = append(c.Root.Attrs, ocsf.Attr{Name: o.Name, Kind: ocsf.KindObject, Object: o})
	}
	return c
}

// object returns an empty object of t; the tests build events without Event's helpers, which need a class made by
// package ocsf.
func object(t *ocsf.ObjectType) *ocsf.Object {
	return &ocsf.Object{Type: t, Values: make([]ocsf.Value, len(t.Attrs))}
}

func newEvent(c *ocsf.Class, ms int64) *ocsf.Event {
	ev := &ocsf.Event{Class: c, Root: object(c.Root)}
	setTime(ev, ms)
	return ev
}

func setTime(ev *ocsf.Event, ms int64) {
	ev.Time = ms
	*at(ev.Root, "time") = ocsf.Value{Set: true, Num: ms}
}

// at returns the value of the named attribute, whatever its state.
func at(o *ocsf.Object, name string) *ocsf.Value {
	for i := range o.Type.Attrs {
		if o.Type.Attrs[i].Name == name {
			set := o.Values[i].Set
			v := o.Set(i) // so that the encoder looks at it, if it will be set
			v.Set = set
			return v
		}
	}
	panic("no attribute " + name)
}

func typeOf(o *ocsf.Object, name string) *ocsf.ObjectType {
	for i := range o.Type.Attrs {
		if o.Type.Attrs[i].Name == name {
			return o.Type.Attrs[i].Object
		}
	}
	panic("no attribute " + name)
}

func setText(o *ocsf.Object, name, s string) {
	*at(o, name) = ocsf.Value{Set: true, Str: []byte(s)}
}

func setNum(o *ocsf.Object, name string, n int64) {
	*at(o, name) = ocsf.Value{Set: true, Num: n}
}

func child(o *ocsf.Object, name string) *ocsf.Object {
	v := at(o, name)
	el := object(typeOf(o, name))
	v.Set = true
	v.Objs = append(v.Objs, el)
	return el
}

const day = int64(1713744000000) // 2024-04-22T00:00:00Z

// typical fills an event as a Wazuh alert would: constants, a few repeated texts, unique texts, 500 bytes of raw_data.
func typical(c *ocsf.Class, r *rand.Rand, ms int64) *ocsf.Event {
	ev := newEvent(c, ms)
	o := ev.Root
	setNum(o, "class_uid", 2999)
	setNum(o, "type_uid", 299901)
	setNum(o, "time_dt", ms)
	setText(o, "message", fmt.Sprintf("sshd: authentication failed for user%d from 10.0.%d.%d", r.IntN(50), r.IntN(4), r.IntN(250)))
	*at(o, "types") = ocsf.Value{Set: true, Strs: [][]byte{[]byte("syslog"), []byte("sshd")}}
	d := child(o, "device")
	setText(d, "ip", fmt.Sprintf("10.0.%d.%d", r.IntN(4), r.IntN(250)))
	setText(d, "name", fmt.Sprintf("host-%03d", r.IntN(300)))
	setNum(d, "port", int64(r.IntN(65536)))
	*at(d, "groups") = ocsf.Value{Set: true, Strs: [][]byte{[]byte("default")}}
	v := child(o, "vulnerabilities")
	setText(v, "uid", fmt.Sprintf("CVE-2024-%d", r.IntN(5000)))
	s := child(child(v, "cve"), "cvss")
	setNum(s, "base_score", int64(math.Float64bits(float64(r.IntN(100))/10)))
	setText(s, "version", "3.1")
	setText(o, "raw_data", fmt.Sprintf("Apr 22 %02d:%02d:%02d host-%03d sshd[%d]: Failed password for invalid user %x from 10.0.%d.%d port %d ssh2 %s",
		r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(300), r.IntN(32768), r.Uint32(), r.IntN(4), r.IntN(250), r.IntN(65536),
		bytes.Repeat([]byte("lorem ipsum "), 30)))
	for i := range 8 {
		ev.Unmapped = append(ev.Unmapped, ocsf.KeyValue{Key: fmt.Appendf(nil, "data.win.eventdata.key%d", i), Value: fmt.Appendf(nil, "value %d", r.IntN(1000))})
	}
	for i := range c.Root.Attrs {
		if a := &c.Root.Attrs[i]; len(a.Name) > 6 && a.Name[:6] == "extra_" && i%2 == 0 {
			x := child(o, a.Name)
			for j := range 8 {
				switch j % 3 {
				case 0:
					setText(x, fmt.Sprintf("a%d", j), "constant text")
				case 1:
					setText(x, fmt.Sprintf("a%d", j), fmt.Sprintf("one of %d", r.IntN(100)))
				case 2:
					setText(x, fmt.Sprintf("a%d", j), fmt.Sprintf("many %d", r.IntN(3000)))
				}
			}
		}
	}
	return ev
}

func seeded(n uint64) *rand.Rand {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], n)
	return rand.New(rand.NewChaCha8(seed))
}

// encode writes the events with opt and returns the file.
func encode(t failer, c *ocsf.Class, opt Options, events ...*ocsf.Event) []byte {
	t.Helper()
	var b bytes.Buffer
	e, err := NewEncoder(&b, c, opt)
	if err != nil {
		t.Fatal(err)
	}
	for i, ev := range events {
		if err := e.Write(ev); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
