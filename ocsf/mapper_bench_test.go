package ocsf

import (
	"errors"
	"maps"
	"slices"
	"testing"
)

// benchLines are the golden alerts, and their mean length.
func benchLines(b *testing.B) ([][]byte, int64) {
	seeds := seedAlerts(b)
	var lines [][]byte
	var size int64
	for _, name := range slices.Sorted(maps.Keys(seeds)) {
		lines = append(lines, seeds[name])
		size += int64(len(seeds[name]))
	}
	return lines, size / int64(len(lines))
}

func BenchmarkParse(b *testing.B) {
	lines, size := benchLines(b)
	var a Alert
	b.SetBytes(size)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := a.Parse(lines[i%len(lines)]); err != nil {
			b.Fatal(err)
		}
	}
	perSecond(b)
}

func BenchmarkMap(b *testing.B) {
	for _, class := range []string{"detection_finding", "security_finding"} {
		b.Run(class, func(b *testing.B) {
			lines, size := benchLines(b)
			c := mustClass(b, class, Version110)
			m, ev := NewMapper(c, Options{}), NewEvent(c)
			alerts := make([]Alert, len(lines))
			for i := range lines {
				if err := alerts[i].Parse(lines[i]); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(size)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := m.Map(&alerts[i%len(alerts)], corpusNow, ev); err != nil {
					b.Fatal(err)
				}
			}
			perSecond(b)
		})
	}
}

// BenchmarkPlan maps alerts that have a plan.
func BenchmarkPlan(b *testing.B) {
	lines, size := benchLines(b)
	c := mustClass(b, "detection_finding", Version110)
	p, ev := NewPlanner(NewMapper(c, Options{}), func(*Event, *Trace) (any, error) { return nil, nil }), NewEvent(c)
	shapes, v := new(Shapes), new(Variables)
	var alerts []*Alert
	for _, line := range lines {
		a := new(Alert)
		a.Share(shapes)
		if err := a.Parse(line); err != nil {
			b.Fatal(err)
		}
		for range 3 { // a plan is made of what comes again
			if !p.Find(a, corpusNow, v) {
				if err := p.Map(a, corpusNow, ev); err != nil {
					b.Fatal(err)
				}
			}
		}
		if p.Find(a, corpusNow, v) {
			alerts = append(alerts, a)
		}
	}
	if len(alerts) < len(lines)/2 {
		b.Fatalf("%d of %d alerts have a plan", len(alerts), len(lines))
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if !p.Find(alerts[i%len(alerts)], corpusNow, v) {
			b.Fatal("no plan")
		}
	}
	perSecond(b)
}

// perSecond reports how many alerts a second the loop has done.
func perSecond(b *testing.B) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "alerts/s")
}

// BenchmarkCorpus is what happens to a line before it is encoded, stage upon stage, on the real alerts.
func BenchmarkCorpus(b *testing.B) {
	lines := corpusLines(b)
	var size int64
	for _, line := range lines {
		size += int64(len(line))
	}
	c := mustClass(b, "detection_finding", Version110)
	m, ev, a := NewMapper(c, Options{}), NewEvent(c), new(Alert)
	parse := func(line []byte) error { return a.Parse(line) }
	mapped := func(line []byte) error { return errors.Join(parse(line), m.Map(a, corpusNow, ev)) }
	for _, stage := range []struct {
		name string
		do   func(line []byte) error
	}{
		{"scan", parse},
		{"scan, map", mapped},
		{"scan, map, check", func(line []byte) error { return errors.Join(mapped(line), Check(ev)) }},
	} {
		b.Run(stage.name, func(b *testing.B) {
			b.SetBytes(size / int64(len(lines)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := stage.do(lines[i%len(lines)]); err != nil {
					b.Fatal(err)
				}
			}
			perSecond(b)
		})
	}
}

// TestSteadyStateAllocations: the hot path makes no garbage once its buffers have grown.
func TestSteadyStateAllocations(t *testing.T) {
	c := mustClass(t, "detection_finding", Version110)
	m, ev, a := NewMapper(c, Options{}), NewEvent(c), new(Alert)
	seeds := seedAlerts(t)
	run := func() {
		for _, line := range seeds {
			if err := a.Parse(line); err != nil {
				t.Fatal(err)
			}
			if err := m.Map(a, corpusNow, ev); err != nil {
				t.Fatal(err)
			}
			if err := Check(ev); err != nil {
				t.Fatal(err)
			}
		}
	}
	run()
	if got := testing.AllocsPerRun(10, run) / float64(len(seeds)); got > 0.1 {
		t.Errorf("got %.2f allocations per alert, want 0.1 at most", got)
	}
	if cap(ev.text) > 64<<10 || cap(a.text) > 64<<10 {
		t.Errorf("buffers have grown to %d and %d bytes", cap(ev.text), cap(a.text))
	}
}
