package ocsf

// catalog makes the object types of one class in one OCSF version. An object type that OCSF nests in many places
// (user, file, process) is made in several widths, wide where Wazuh has the data and narrow elsewhere: the schema is
// static and every column is in every file, so the recursion of OCSF is cut here.
//
// The order inside an object is the column order and is frozen: a released struct never changes, see Class.Golden.
type catalog struct {
	version string
	v13     bool
}

// shape is an ObjectType under construction.
type shape struct {
	version string
	t       *ObjectType
}

// object starts an object type; atLeastOne is the OCSF constraint in full, of which finish keeps the curated part.
func (c catalog) object(name string, atLeastOne ...string) *shape {
	return &shape{version: c.version, t: &ObjectType{Name: name, AtLeastOne: atLeastOne}}
}

// scalars adds attributes of one OCSF type.
func (s *shape) scalars(ocsfType string, names ...string) *shape {
	for _, n := range names {
		s.t.Attrs = append(s.t.Attrs, Attr{Name: n, Type: ocsfType, Kind: kindOf(ocsfType)})
	}
	return s
}

func (s *shape) text(names ...string) *shape { return s.scalars("string_t", names...) }
func (s *shape) ints(names ...string) *shape { return s.scalars("integer_t", names...) }

// times adds each attribute and its sibling of profile "datetime".
func (s *shape) times(names ...string) *shape {
	for _, n := range names {
		s.scalars("timestamp_t", n).scalars("datetime_t", n+"_dt").gate(ProfileDatetime, n+"_dt")
	}
	return s
}

// lists adds lists of one OCSF type.
func (s *shape) lists(ocsfType string, names ...string) *shape {
	s.scalars(ocsfType, names...)
	for _, n := range names {
		s.attr(n).List = true
	}
	return s
}

// id adds an enumeration and, unless the caption has no attribute of its own, the caption's attribute behind it.
func (s *shape) id(name, sibling string, captions map[int64]string) *shape {
	s.ints(name)
	s.attr(name).Enum = &Enum{Sibling: sibling, Captions: captions}
	if sibling != "" {
		s.text(sibling)
	}
	return s
}

func (s *shape) object(name string, t *ObjectType) *shape {
	s.scalars("object_t", name)
	s.attr(name).Object = t
	return s
}

func (s *shape) objects(name string, t *ObjectType) *shape {
	s.object(name, t)
	s.attr(name).List = true
	return s
}

// require marks attributes as required in this object.
func (s *shape) require(names ...string) *shape {
	for _, n := range names {
		s.attr(n).Required = true
	}
	return s
}

// gate marks attributes as belonging to a profile.
func (s *shape) gate(profile string, names ...string) *shape {
	for _, n := range names {
		s.attr(n).Profile = profile
	}
	return s
}

// attr returns the attribute that was added last under this name. A name that was never added is a fault in the
// tables of this package, which every test and every start would hit at once.
func (s *shape) attr(name string) *Attr {
	for i := len(s.t.Attrs) - 1; i >= 0; i-- {
		if s.t.Attrs[i].Name == name {
			return &s.t.Attrs[i]
		}
	}
	panic("ocsf: schema table: " + s.t.Name + " has no attribute " + name)
}

// done resolves what the checks need (slots of siblings, limits of types) and returns the finished, immutable type.
func (s *shape) done() *ObjectType {
	t := s.t
	t.resolve()
	var curated []string
	for _, n := range t.AtLeastOne {
		if i := t.Slot(n); i >= 0 {
			curated = append(curated, n)
			t.oneOf.add(i)
		}
	}
	t.AtLeastOne = curated
	for i := range t.Attrs {
		a := &t.Attrs[i]
		a.caption, a.base, a.profile = -1, -1, profileBit(a.Profile)
		a.ip, a.port, a.millis = a.Type == "ip_t", a.Type == "port_t", a.Type == "timestamp_t"
		switch {
		case a.Required && a.profile == 0:
			t.needed.add(i)
		case a.Required:
			t.neededWith.add(i)
		}
		if a.Enum != nil {
			a.Enum.index()
		}
		if a.Enum != nil && a.Enum.Sibling != "" {
			a.caption = int16(t.Slot(a.Enum.Sibling))
		}
		if a.Kind == KindTime {
			a.base = int16(t.Slot(a.Name[:len(a.Name)-len("_dt")]))
		}
		if a.Kind == KindString {
			a.text, _ = textTypeOf(a.Type, s.version)
			if a.Type != "string_t" && a.text.maxChars < maxStringChars {
				a.fits = int32(a.text.maxChars)
			}
		}
	}
	return t
}
