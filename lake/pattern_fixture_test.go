package lake

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"wazuh-security-lake/ocsf"
)

// specimen is an event of which some values are variables. It says which, and makes the others of its kind.
type specimen struct {
	ev    *ocsf.Event
	texts [][]*[]byte // by variable, where the event has it
	nums  []*ocsf.Value
	kinds []ocsf.Kind // of nums

	textVars map[textAt]int
	numVars  map[*ocsf.Value]int
}

// textAt is the identity of a text.
type textAt struct {
	first *byte
	n     int
}

func (s *specimen) Text(text []byte) int {
	if k, ok := s.textVars[textAt{unsafe.SliceData(text), len(text)}]; ok {
		return k
	}
	return -1
}

func (s *specimen) Num(v *ocsf.Value) int {
	if k, ok := s.numVars[v]; ok {
		return k
	}
	return -1
}

// newSpecimen makes about share of the values of ev variables. Texts that are alike are one variable or several. The
// time of the event is one in most cases.
func newSpecimen(ev *ocsf.Event, r *rand.Rand, share float64) *specimen {
	s := &specimen{ev: ev, textVars: make(map[textAt]int), numVars: make(map[*ocsf.Value]int)}
	alike := make(map[string]int)
	text := func(at *[]byte) {
		*at = append(make([]byte, 0, len(*at)+1), *at...) // memory of its own
		if r.Float64() >= share {
			return
		}
		k, ok := alike[string(*at)]
		if !ok || r.IntN(3) == 0 {
			k = len(s.texts)
			s.texts = append(s.texts, nil)
			alike[string(*at)] = k
		} else {
			*at = *s.texts[k][0]
		}
		s.texts[k] = append(s.texts[k], at)
		s.textVars[textAt{unsafe.SliceData(*at), len(*at)}] = k
	}
	var walk func(o *ocsf.Object)
	walk = func(o *ocsf.Object) {
		for i := range o.Values {
			v, a := &o.Values[i], &o.Type.Attrs[i]
			switch {
			case !v.Set || a.Kind == ocsf.KindMap:
			case a.Kind == ocsf.KindObject:
				for _, el := range v.Objs {
					walk(el)
				}
			case a.Kind == ocsf.KindString && a.List:
				for j := range v.Strs {
					text(&v.Strs[j])
				}
			case a.Kind == ocsf.KindString:
				text(&v.Str)
			case o == ev.Root && a.Name == "time":
				if r.IntN(4) > 0 {
					s.number(v, a.Kind)
				}
			case r.Float64() < share:
				s.number(v, a.Kind)
			}
		}
	}
	walk(ev.Root)
	for i := range ev.Unmapped {
		text(&ev.Unmapped[i].Key)
		text(&ev.Unmapped[i].Value)
	}
	return s
}

func (s *specimen) number(v *ocsf.Value, kind ocsf.Kind) {
	s.numVars[v] = len(s.nums)
	s.nums, s.kinds = append(s.nums, v), append(s.kinds, kind)
}

// another gives the event other values of its variables, and returns them. Some of the numbers do not fit their column,
// if wide says so.
func (s *specimen) another(r *rand.Rand, ms int64, wide bool) (texts [][]byte, nums []int64) {
	for _, places := range s.texts {
		var text []byte
		switch r.IntN(8) {
		case 0: // as it was
			text = *places[0]
		case 1:
			text = []byte{}
		case 2:
			text = fmt.Appendf(nil, "%x", r.Uint64())
		case 3:
			text = []byte(random(r, r.IntN(100)))
		default:
			text = fmt.Appendf(nil, "one of %d", r.IntN(30))
		}
		for _, at := range places {
			*at = text
		}
		texts = append(texts, append([]byte{}, text...)) // for the memory is no matter any more
	}
	for i, v := range s.nums {
		switch n := r.IntN(6); {
		case s.kinds[i] == ocsf.KindBool:
			v.Num = r.Int64N(2)
		case wide && n < 2:
			v.Num = math.MaxInt32 + 1 + r.Int64N(9)
		case n == 0:
			v.Num = r.Int64N(math.MaxInt32)
		case n < 4:
			v.Num = r.Int64N(5)
		}
	}
	setTime(s.ev, ms)
	for _, v := range s.nums {
		nums = append(nums, v.Num)
	}
	return texts, nums
}

// randomEvent is one of those that the other tests of this package write.
func randomEvent(t testing.TB, c *ocsf.Class, r *rand.Rand, mapped func(r *rand.Rand) *ocsf.Event) *ocsf.Event {
	t.Helper()
	if mapped != nil {
		return mapped(r)
	}
	ev := typical(c, r, day)
	for _, name := range []string{"types", "device", "vulnerabilities", "message", "raw_data", "type_uid"} {
		if r.IntN(4) == 0 {
			v := at(ev.Root, name)
			*v = ocsf.Value{Set: r.IntN(2) == 0, Objs: v.Objs[:0]}
		}
	}
	if v := at(ev.Root, "vulnerabilities"); v.Set {
		for range r.IntN(3) {
			el := child(ev.Root, "vulnerabilities")
			if r.IntN(3) > 0 {
				setNum(el, "ids", r.Int64N(9))
				*at(el, "references") = ocsf.Value{Set: true, Strs: [][]byte{[]byte("a"), []byte("b")}}
			}
			if r.IntN(3) == 0 {
				setText(child(child(el, "cve"), "cvss"), "version", "2")
				setText(child(at(el, "cve").Objs[0], "cvss"), "version", "3")
			}
		}
	}
	if r.IntN(3) == 0 {
		ev.Unmapped = ev.Unmapped[:r.IntN(len(ev.Unmapped))]
	}
	return ev
}
