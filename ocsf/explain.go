package ocsf

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// Origin tells of one attribute of an event where it came from.
type Origin struct {
	Attribute string   // finding_info.attacks[0].technique.uid
	Value     string   // as JSON, texts unquoted
	From      []string // the alert's paths it holds whole; none for a constant or a derived value
}

// Left tells of one leaf of an alert why it stands in unmapped.
type Left struct {
	Key, Value string
	Reason     string
}

// Explanation is how one alert became one event.
type Explanation struct {
	Family   string
	Origins  []Origin
	Unmapped []Left
}

// Why a leaf is in unmapped.
const (
	LeftBlank   = "no value"                                  // one of the texts that stand for nothing
	LeftNowhere = "no attribute of this class holds it whole" // at most in another form: split, cut, in lower case
	LeftRepeat  = "the alert repeats this key"
	LeftShape   = "no attribute takes an array here"
)

// Explain tells where each attribute of ev came from. ev must be what a mapper made of a just before; neither is
// changed. The explanation owns its memory.
func Explain(a *Alert, ev *Event) Explanation {
	x := Explanation{Family: FamilyOf(a)}
	x.walk(a, ev.Root, "")
	for _, kv := range ev.Unmapped {
		left := Left{Key: string(kv.Key), Value: string(kv.Value), Reason: LeftNowhere}
		l := a.LeafAt(kv.Key)
		switch {
		case l == nil:
			left.Reason = LeftRepeat
		case blank(kv.Value):
			left.Reason = LeftBlank
		case l.Kind == LeafJSON:
			left.Reason = LeftShape
		}
		x.Unmapped = append(x.Unmapped, left)
	}
	return x
}

// FamilyOf names the family of an alert: the row of the family table that applies, or "other".
func FamilyOf(a *Alert) string {
	if f := familyOf(families(), a); f != nil {
		return f.name
	}
	return otherFamily
}

func (x *Explanation) walk(a *Alert, o *Object, path string) {
	for i := range o.Values {
		v, at := &o.Values[i], &o.Type.Attrs[i]
		if !v.Set || path == "" && at.Name == "observables" {
			continue
		}
		name := path + at.Name
		switch {
		case at.Kind == KindObject && at.List:
			for j, child := range v.Objs {
				x.walk(a, child, name+"["+strconv.Itoa(j)+"].")
			}
			if len(v.Srcs) == 0 {
				continue
			}
			x.Origins = append(x.Origins, Origin{Attribute: name + "[]", Value: strconv.Itoa(len(v.Objs)) + " elements", From: sources(a, v)})
		case at.Kind == KindObject:
			x.walk(a, v.Objs[0], name+".")
		default:
			x.Origins = append(x.Origins, Origin{Attribute: name, Value: v.text(at), From: sources(a, v)})
		}
	}
}

func sources(a *Alert, v *Value) []string {
	var from []string
	for _, s := range v.Srcs {
		from = append(from, string(a.leaves[s].Path))
	}
	return from
}

func (v *Value) text(at *Attr) string {
	switch {
	case at.Kind == KindString && at.List:
		dst := []byte{'['}
		for i, s := range v.Strs {
			dst = appendString(comma(dst, i), s)
		}
		return string(append(dst, ']'))
	case at.Kind == KindString:
		return string(v.Str)
	case at.Kind == KindTime:
		return time.UnixMilli(v.Num).UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return string(v.appendScalar(nil, at.Kind))
}

// Coverage counts, per family, how much of the alerts found its place in attributes. The zero value is ready to use.
// Not safe for concurrent use.
type Coverage struct {
	families map[string]*FamilyCoverage
}

// FamilyCoverage is the count of one family.
type FamilyCoverage struct {
	Family string
	Alerts int
	Leaves int // leaves of all alerts, empty objects aside
	Mapped int // of these, held by attributes
	// Unmapped counts the keys that stood in unmapped. At most maxCoverageKeys different ones are kept.
	Unmapped map[string]int
}

// maxCoverageKeys bounds the memory that keys chosen by whoever writes the logs can take.
const maxCoverageKeys = 4096

// Add counts one mapped alert.
func (c *Coverage) Add(a *Alert, ev *Event) {
	if c.families == nil {
		c.families = make(map[string]*FamilyCoverage)
	}
	name := FamilyOf(a)
	f := c.families[name]
	if f == nil {
		f = &FamilyCoverage{Family: name, Unmapped: make(map[string]int)}
		c.families[name] = f
	}
	f.Alerts++
	for i := range a.leaves {
		if a.leaves[i].Kind != LeafEmpty {
			f.Leaves++
			f.Mapped++
		}
	}
	for _, kv := range ev.Unmapped {
		if l := a.LeafAt(kv.Key); l == nil || l.Kind != LeafEmpty {
			f.Mapped--
		}
		if n, ok := f.Unmapped[string(kv.Key)]; ok || len(f.Unmapped) < maxCoverageKeys {
			f.Unmapped[string(kv.Key)] = n + 1
		}
	}
}

// Families returns the counts so far, the family with the most alerts first.
func (c *Coverage) Families() []*FamilyCoverage {
	var all []*FamilyCoverage
	for _, f := range c.families {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b *FamilyCoverage) int {
		return cmp.Or(cmp.Compare(b.Alerts, a.Alerts), cmp.Compare(a.Family, b.Family))
	})
	return all
}

// Share returns the part of the leaves that attributes hold, 0 to 1.
func (f *FamilyCoverage) Share() float64 {
	if f.Leaves == 0 {
		return 0
	}
	return float64(f.Mapped) / float64(f.Leaves)
}

// KeyCount is how often a key stood in unmapped.
type KeyCount struct {
	Key string
	N   int
}

// Top returns the n most frequent keys of unmapped.
func (f *FamilyCoverage) Top(n int) []KeyCount {
	keys := make([]KeyCount, 0, len(f.Unmapped))
	for k, count := range f.Unmapped {
		keys = append(keys, KeyCount{k, count})
	}
	slices.SortFunc(keys, func(a, b KeyCount) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Key, b.Key)) })
	return keys[:min(n, len(keys))]
}
