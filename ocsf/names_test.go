package ocsf

import (
	"strings"
	"testing"
)

// TestSlots: every attribute of every object type is found under its name and under no other.
func TestSlots(t *testing.T) {
	eachClass(t, func(t *testing.T, c *Class) {
		for _, o := range objectTypes(c.Root) {
			want := make(map[string]int)
			for i := range o.Attrs {
				want[o.Attrs[i].Name] = i
			}
			for name, slot := range want {
				for _, n := range []string{name, name + "x", "x" + name, name[1:], name[:len(name)-1], strings.ToUpper(name), name + "_dt", ""} {
					want, ok := want[n]
					if !ok {
						want = -1
					}
					if got := o.Slot(n); got != want {
						t.Errorf("%s: slot of %q: got %d, want %d", o.Name, n, got, want)
					}
					if got := findName(&o.names, []byte(n)); got != want {
						t.Errorf("%s: slot of %q as bytes: got %d, want %d", o.Name, n, got, want)
					}
				}
				if e := o.Attrs[slot].Enum; e != nil {
					for id := int64(-2); id < 1000; id++ {
						if got, want := string(e.caption(id)), e.Captions[id]; got != want {
							t.Errorf("%s.%s: caption of %d: got %q, want %q", o.Name, name, id, got, want)
						}
					}
				}
			}
		}
	})
}

func objectTypes(o *ObjectType) []*ObjectType {
	all := []*ObjectType{o}
	for i := range o.Attrs {
		if o.Attrs[i].Kind == KindObject {
			all = append(all, objectTypes(o.Attrs[i].Object)...)
		}
	}
	return all
}

// TestEventIsClean: every value that is set is in the set of its object, and after Reset nothing is left of the alert.
func TestEventIsClean(t *testing.T) {
	seeds := seedAlerts(t)
	eachClass(t, func(t *testing.T, c *Class) {
		m, ev, a := NewMapper(c, Options{}), NewEvent(c), new(Alert)
		objects := 0
		for name, line := range seeds {
			if err := a.Parse(line); err != nil {
				t.Fatal(err)
			}
			if m.Map(a, corpusNow, ev) != nil {
				continue
			}
			for _, o := range ev.used {
				for i := range o.Values {
					if o.Values[i].Set && o.slots[i/64]&(1<<(i%64)) == 0 {
						t.Errorf("%s: %s.%s is set but not in the set", name, o.Type.Name, o.Type.Attrs[i].Name)
					}
				}
			}
			ev.Reset()
			for _, p := range ev.pools {
				for _, o := range p.objects {
					objects++
					if o.slots != (SlotSet{}) {
						t.Fatalf("%s: the set of %s is not empty", name, o.Type.Name)
					}
					for i := range o.Values {
						if v := &o.Values[i]; v.Set || v.Num != 0 || v.Str != nil || len(v.Strs)+len(v.Objs)+len(v.Srcs) > 0 {
							t.Fatalf("%s: %s.%s is left over", name, o.Type.Name, o.Type.Attrs[i].Name)
						}
					}
				}
			}
		}
		if objects == 0 {
			t.Error("no objects")
		}
	})
}
