package lake

import (
	"fmt"
	"io"
	"math"
	"testing"
	"unsafe"

	"wazuh-security-lake/ocsf"
)

// textPlaces are the texts of an event in the order of a walk.
func textPlaces(ev *ocsf.Event) []*[]byte {
	var places []*[]byte
	var walk func(o *ocsf.Object)
	walk = func(o *ocsf.Object) {
		for i := range o.Values {
			v, a := &o.Values[i], &o.Type.Attrs[i]
			switch {
			case !v.Set:
			case a.Kind == ocsf.KindObject:
				for _, el := range v.Objs {
					walk(el)
				}
			case a.List:
				for j := range v.Strs {
					places = append(places, &v.Strs[j])
				}
			case a.Kind == ocsf.KindString:
				places = append(places, &v.Str)
			}
		}
	}
	walk(ev.Root)
	for i := range ev.Unmapped {
		places = append(places, &ev.Unmapped[i].Key, &ev.Unmapped[i].Value)
	}
	return places
}

// litter are events of the same pattern.
type litter struct {
	events  []*ocsf.Event
	texts   [][][]byte // by event
	varied  [][][]byte // by event, those that are other ones in every alert
	pattern *Pattern
}

// newLitter finds the pattern of events that differ in texts and the time only.
func newLitter(b *testing.B, patterns *Patterns, events []*ocsf.Event) *litter {
	b.Helper()
	l := &litter{events: events}
	s := &specimen{ev: events[0], textVars: make(map[textAt]int)}
	all := make([][]*[]byte, len(events))
	for i, ev := range events {
		l.varied = append(l.varied, varied(ev))
		all[i] = textPlaces(ev)
		if len(all[i]) != len(all[0]) {
			b.Fatalf("event %d has %d texts, the first one %d", i, len(all[i]), len(all[0]))
		}
	}
	l.texts = make([][][]byte, len(events))
	for j, first := range all[0] {
		for i := range events {
			if string(*all[i][j]) == string(*first) {
				continue
			}
			id := textAt{unsafe.SliceData(*first), len(*first)}
			if _, ok := s.textVars[id]; !ok {
				s.textVars[id] = len(l.texts[0])
				for i := range events {
					l.texts[i] = append(l.texts[i], *all[i][j])
				}
			}
			break
		}
	}
	at := events[0].Root.Value("time")
	s.numVars = map[*ocsf.Value]int{at: 0}
	var err error
	if l.pattern, err = patterns.New(events[0], s); err != nil {
		b.Fatal(err)
	}
	return l
}

// BenchmarkWritePattern measures one event by Write and by WritePattern: gathered only, and on its whole way into the
// file. As in BenchmarkEncoder uid and log line are made new for each. allocs/op must be near 0.
func BenchmarkWritePattern(b *testing.B) {
	c := class(b, "detection_finding", ocsf.Version110)
	patterns, err := NewPatterns(c)
	if err != nil {
		b.Fatal(err)
	}
	const kinds, each = 3, 10
	samples := sampleEvents(b, c, kinds*each)
	var litters []*litter
	for k := range kinds {
		var events []*ocsf.Event
		for i := k; i < len(samples); i += kinds {
			events = append(events, samples[i])
		}
		litters = append(litters, newLitter(b, patterns, events))
	}
	slot := slotOfTime(c)
	for _, whole := range []bool{false, true} {
		for _, patterned := range []bool{false, true} {
			name := fmt.Sprintf("%s/%s", map[bool]string{false: "gather", true: "whole"}[whole], map[bool]string{false: "Write", true: "WritePattern"}[patterned])
			b.Run(name, func(b *testing.B) {
				opt := Options{}
				if !whole {
					opt.RowGroupBytes = math.MaxInt64 / 4
				}
				e, err := NewEncoder(io.Discard, c, opt)
				if err != nil {
					b.Fatal(err)
				}
				r, nums := seeded(2), make([]int64, 1)
				b.ReportAllocs()
				b.ResetTimer()
				cpu := processorTime(b)
				for i := range b.N {
					if !whole && i%10000 == 9999 {
						e.Reset(io.Discard)
					}
					l, ms := litters[i%kinds], day+int64(i)
					n := i / kinds % each
					for _, text := range l.varied[n] {
						for j, n := max(0, len(text)-12), r.Uint64(); j < len(text); j++ {
							text[j] = 'a' + byte(n&15)
							n >>= 4
						}
					}
					if patterned {
						nums[0] = ms
						err = e.WritePattern(l.pattern, ms, l.texts[n], nums)
					} else {
						ev := l.events[n]
						ev.Time, ev.Root.Values[slot].Num = ms, ms
						err = e.Write(ev)
					}
					if err != nil {
						b.Fatal(err)
					}
				}
				if whole {
					if err := e.Close(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(processorTime(b)-cpu)/float64(b.N), "cpu-ns/op")
			})
		}
	}
	b.Run("New", func(b *testing.B) {
		s := new(specimen)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := patterns.New(samples[0], s); err != nil {
				b.Fatal(err)
			}
		}
	})
	for i, l := range litters {
		b.Logf("kind %d: %d entries, %d constant texts, %d variable ones", i, len(l.pattern.values), len(l.pattern.ends), len(l.pattern.texts))
	}
}
