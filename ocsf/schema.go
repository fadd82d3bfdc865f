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

// Attr is one attribute of an object type. What runs for every value of every event stands in its first 64 bytes.
type Attr struct {
	Kind       Kind
	List       bool     // a list of Kind; of KindInt the one element is Value.Num (malware[].classification_ids)
	ip         bool     // ip_t
	port       bool     // port_t
	millis     bool     // timestamp_t
	profile    profiles // the bit of Profile, 0: none
	observable uint8    // observable.type_id of its values, 0: none
	caption    int16    // slot of Enum.Sibling, or -1
	base       int16    // KindTime: slot of the timestamp_t that must be equal (time of time_dt), or -1
	fits       int32    // KindString but string_t: the most characters a value may have to be taken at all, 0: any
	Enum       *Enum    // for *_id attributes
	Object     *ObjectType
	place      *place   // where in the class the attribute stands
	text       textType // KindString

	Name     string
	Type     string // the OCSF type: string_t, ip_t, hostname_t, timestamp_t, object_t, ...
	Required bool   // OCSF requirement "required"
	Profile  string // the profile that must stand in metadata.profiles when this attribute is set, or ""
}

// Enum is the value set of an integer attribute and the captions of its values.
// Sibling is the attribute of the same object that holds the caption ("" if none).
type Enum struct {
	Sibling  string
	Captions map[int64]string

	texts [][]byte // Captions of the values below maxDense
	other []idText // the other values
}

type idText struct {
	id   int64
	text []byte
}

// maxDense is above every value of an enumeration but class_uid, type_uid and the kinds of operating systems.
const maxDense = 100

// index makes caption quick.
func (e *Enum) index() {
	e.texts, e.other = nil, nil
	for id, text := range e.Captions {
		if id < 0 || id >= maxDense {
			e.other = append(e.other, idText{id, []byte(text)})
			continue
		}
		for int64(len(e.texts)) <= id {
			e.texts = append(e.texts, nil)
		}
		e.texts[id] = []byte(text)
	}
}

// caption returns the caption of a value, nil for a value the enumeration does not have. The bytes are shared and must
// not be changed.
func (e *Enum) caption(id int64) []byte {
	if id >= 0 && id < int64(len(e.texts)) {
		return e.texts[id]
	}
	for i := range e.other {
		if e.other[i].id == id {
			return e.other[i].text
		}
	}
	return nil
}

// ObjectType is a set of attributes in column order.
// AtLeastOne lists attributes of which one must be set (nil: no such constraint).
type ObjectType struct {
	Name       string
	Attrs      []Attr
	AtLeastOne []string

	names      nameTable
	number     int     // of the type in its class
	oneOf      SlotSet // AtLeastOne, as far as it is curated; none: no such constraint
	needed     SlotSet // required in every event
	neededWith SlotSet // required in events of a profile
	profiled   SlotSet // of a profile
	pruned     SlotSet // objects, and what pruning may take away for its profile
	surveyed   SlotSet // objects, what is observable, what is of a profile
}

// maxAttrs is the most attributes one object type may have: see SlotSet.
const maxAttrs = 128

// Slot returns the index of the named attribute in t.Attrs, or -1.
func (t *ObjectType) Slot(name string) int { return findName(&t.names, name) }

// resolve makes Slot work.
func (t *ObjectType) resolve() {
	if len(t.Attrs) > maxAttrs {
		panic("ocsf: schema table: " + t.Name + " has too many attributes")
	}
	names := make([]string, len(t.Attrs))
	for i := range t.Attrs {
		names[i] = t.Attrs[i].Name
	}
	t.names = newNameTable(names)
}

// Class is one OCSF event class in one OCSF version: "security_finding" 2001, "detection_finding" 2004, ...
type Class struct {
	Name     string // security_finding
	Caption  string // Security Finding
	UID      int32  // 2001
	Version  string // 1.1.0: metadata.version
	Root     *ObjectType
	Profiles []string // profiles the class allows

	types      int          // object types in the tree
	may        profiles     // Profiles as a set
	declarable []declarable // Profiles, one by one
	places     []*place     // of the attributes of observable types
	placeNames nameTable    // their paths
}

// declarable is a profile as a bit and as it stands in metadata.profiles.
type declarable struct {
	bit  profiles
	name []byte
}

// String names the class and its version, for messages.
func (c *Class) String() string { return c.Name + " (OCSF " + c.Version + ")" }
