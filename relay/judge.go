package relay

import (
	"errors"
	"time"

	"wazuh-security-lake/lake"
	"wazuh-security-lake/ocsf"
)

// fate is what becomes of a line: the event of a source, or why it is filtered, or why it is rejected.
type fate struct {
	source   *Source
	time     int64 // of the event
	event    *ocsf.Event
	pattern  *lake.Pattern   // instead of event: what all events of a plan have in common
	values   *ocsf.Variables // and what this one has not
	filtered string
	err      error
	// What it points to is of the papers it was decided on, until they are used again.
}

// judge decides the fates of lines, one at a time. It touches nothing that others do, so several can work side by side.
type judge struct {
	opt      *Options
	planners []*ocsf.Planner // by source
	shapes   ocsf.Shapes
}

func newJudge(opt *Options) *judge {
	j := &judge{opt: opt}
	for _, s := range opt.Sources {
		patterns, err := lake.NewPatterns(s.Class) // an error is that of the first encoder, too: there is nothing to plan for
		j.planners = append(j.planners, ocsf.NewPlanner(ocsf.NewMapper(s.Class, s.Mapping), func(ev *ocsf.Event, t *ocsf.Trace) (any, error) {
			if err != nil {
				return nil, err
			}
			return patterns.New(ev, t)
		}))
	}
	return j
}

// papers are the memory of one fate: they outlive the judge's look at them, and any judge can use them again.
type papers struct {
	alert  ocsf.Alert
	values ocsf.Variables
	events []*ocsf.Event // by source; nil until that source takes an alert
}

// event returns the event for alerts of the i-th of the sources.
func (p *papers) event(sources []*Source, i int) *ocsf.Event {
	if p.events == nil {
		p.events = make([]*ocsf.Event, len(sources))
	}
	if p.events[i] == nil {
		p.events[i] = ocsf.NewEvent(sources[i].Class)
	}
	return p.events[i]
}

// decide maps a line and checks the event. The line must stay as it is, and p must not be used again, for as long as the
// event is used.
func (j *judge) decide(line []byte, now time.Time, p *papers) fate {
	p.alert.Share(&j.shapes)
	if err := p.alert.Parse(line); err != nil {
		return fate{err: err}
	}
	if reason, ok := j.opt.Filter.Ships(&p.alert); !ok {
		return fate{filtered: reason}
	}
	for i, s := range j.opt.Sources {
		if !s.Match.Alert(&p.alert) {
			continue
		}
		f := fate{source: s}
		// The second copy is written from whole events.
		if j.opt.Copy == nil && j.planners[i].Find(&p.alert, now, &p.values) {
			f.time, f.values, f.pattern = p.values.Time, &p.values, p.values.Plan.Product.(*lake.Pattern)
		} else {
			event := p.event(j.opt.Sources, i)
			err := j.planners[i].Map(&p.alert, now, event)
			if errors.Is(err, ocsf.ErrOtherClass) {
				continue
			}
			if err != nil {
				return fate{err: err}
			}
			f.time, f.event = event.Time, event
		}
		if j.opt.Skip != nil && j.opt.Skip(s.Name, lake.DateOf(f.time)) {
			return fate{filtered: "delivered_before"}
		}
		return f
	}
	// Only a conversion to a class for special alerts gets here: a daemon's last source takes everything.
	return fate{filtered: "other_class"}
}
