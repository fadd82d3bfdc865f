package ocsf

// place is where in its class an attribute stands. Every object type is made for one position of the tree, so an attribute
// has one place; what follows from it is worked out once.
type place struct {
	path  []byte  // evidences[].src_endpoint.ip: the name of an observable with its value
	slots []uint8 // from the root to the attribute
}

// resolve numbers the object types of the class and gives every attribute its place.
func (c *Class) resolve() {
	for _, p := range c.Profiles {
		c.may |= profileBit(p)
		c.declarable = append(c.declarable, declarable{profileBit(p), []byte(p)})
	}
	seen := make(map[*ObjectType]bool)
	c.settle(seen, c.Root, &place{}, false)
	c.types = len(seen)
	names := make([]string, len(c.places))
	for i, p := range c.places {
		names[i] = string(p.path)
	}
	c.placeNames = newNameTable(names)
}

// settle resolves the attributes of t, which stands at the place above.
func (c *Class) settle(seen map[*ObjectType]bool, t *ObjectType, above *place, observes bool) {
	if seen[t] {
		panic("ocsf: schema table: " + t.Name + " stands at two places of " + c.Name)
	}
	t.number = len(seen)
	seen[t] = true
	for i := range t.Attrs {
		a := &t.Attrs[i]
		name := a.Name
		if len(above.path) > 0 {
			name = string(above.path) + "." + name
		}
		if a.List {
			name += "[]"
		}
		a.place = &place{path: []byte(name), slots: append(above.slots[:len(above.slots):len(above.slots)], uint8(i))}
		inside := observes || t == c.Root && observed(a.Name)
		if a.profile != 0 {
			t.profiled.add(i)
			t.surveyed.add(i)
			if c.may&a.profile == 0 || a.profile == profileCloud {
				t.pruned.add(i)
			}
		}
		switch {
		case a.Kind == KindObject:
			t.pruned.add(i)
			t.surveyed.add(i)
			c.settle(seen, a.Object, a.place, inside)
		case a.Kind == KindString && inside:
			if a.observable = uint8(observableType(a.Type)); a.observable != 0 {
				t.surveyed.add(i)
				c.places = append(c.places, a.place)
			}
		}
	}
}
