package ocsf

// A class schema is a tree of attributes, built once per (class, OCSF version) and never changed afterwards.
// It is curated: only attributes that a Wazuh alert can fill, with the names, types, captions, requirements and
// profiles of the OCSF release. The same tree drives the mapper (what may be set), the validator (what must hold)
// and package lake (the Parquet columns, in this order).

// Kind is the physical kind of one attribute. The zero Kind is invalid.
type Kind uint8

const (
	KindString Kind = iota + 1 // text: every OCSF string type and json_t (JSON as text)
	KindInt                    // integer_t, port_t: 32 bit signed
	KindLong                   // long_t, timestamp_t (epoch milliseconds): 64 bit signed
	KindFloat                  // float_t: 64 bit
	KindBool                   // boolean_t
	KindTime                   // datetime_t (*_dt): kept as epoch milliseconds, written as a UTC timestamp
	KindObject                 // a struct, described by Attr.Object
	KindMap                    // map<string,string>: only the root attribute "unmapped"
)

// Attr is one attribute of an object type.
type Attr struct {
	Name     string
	Kind     Kind
	List     bool        // a list of Kind; of KindInt the one element is Value.Num (malware[].classification_ids)
	Type     string      // the OCSF type: string_t, ip_t, hostname_t, timestamp_t, object_t, ...
	Object   *ObjectType // for KindObject
	Required bool        // OCSF requirement "required"
	Profile  string      // the profile that must stand in metadata.profiles when this attribute is set, or ""
	Enum     *Enum       // for *_id attributes

	// Resolved once when the type is made, for Check.
	text    textType // KindString
	caption int      // slot of Enum.Sibling, or -1
	profile profiles // the bit of Profile, 0: none
	base    int      // KindTime: slot of the timestamp_t that must be equal (time of time_dt), or -1
}

// Enum is the value set of an integer attribute and the captions of its values.
// Sibling is the attribute of the same object that holds the caption ("" if none).
type Enum struct {
	Sibling  string
	Captions map[int64]string
}

// ObjectType is a set of attributes in column order.
// AtLeastOne lists attributes of which one must be set (nil: no such constraint).
type ObjectType struct {
	Name       string
	Attrs      []Attr
	AtLeastOne []string

	slots      map[string]int
	atLeastOne []int // slots of AtLeastOne
}

// Slot returns the index of the named attribute in t.Attrs, or -1.
func (t *ObjectType) Slot(name string) int {
	if i, ok := t.slots[name]; ok {
		return i
	}
	return -1
}

// Class is one OCSF event class in one OCSF version: "security_finding" 2001, "detection_finding" 2004, ...
type Class struct {
	Name     string // security_finding
	Caption  string // Security Finding
	UID      int32  // 2001
	Version  string // 1.1.0: metadata.version
	Root     *ObjectType
	Profiles []string // profiles the class allows
}

// String names the class and its version, for messages.
func (c *Class) String() string { return c.Name + " (OCSF " + c.Version + ")" }
