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
	idle     *idleEvents     // those of all judges of a bench
	direct   bool            // nothing is asked of an alert before it is mapped
	shapes   ocsf.Shapes
	alert    ocsf.Alert // being judged: one for all, so that what is looked up in it stays in the processor's cache
}

func newJudge(opt *Options, idle *idleEvents) *judge {
	j := &judge{opt: opt, idle: idle}
	j.alert.Share(&j.shapes)
	j.direct = opt.Filter.Match.IsZero() && opt.Filter.Exclude.IsZero() && opt.Sources[0].Match.IsZero() && opt.Copy == nil
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

// decide maps a line and checks the event. The papers must be open. The line must stay as it is, and they must not be opened
// again, for as long as the fate is used.
func (j *judge) decide(line []byte, now time.Time, p *papers) fate {
	values := p.variables()
	if j.direct && j.planners[0].Recognize(&j.alert, line, now, values) {
		return j.planned(0, values)
	}
	if err := j.alert.Parse(line); err != nil {
		return fate{err: err}
	}
	if reason, ok := j.opt.Filter.Ships(&j.alert); !ok {
		return fate{filtered: reason}
	}
	for i, s := range j.opt.Sources {
		if !s.Match.Alert(&j.alert) {
			continue
		}
		// The second copy is written from whole events.
		if j.opt.Copy == nil && j.planners[i].Find(&j.alert, now, values) {
			return j.planned(i, values)
		}
		event := p.event(j, i)
		err := j.planners[i].Map(&j.alert, now, event)
		if errors.Is(err, ocsf.ErrOtherClass) {
			continue
		}
		if err != nil {
			return fate{err: err}
		}
		p.used[i]++
		return j.unless(fate{source: s, time: event.Time, event: event})
	}
	// Only a conversion to a class for special alerts gets here: a daemon's last source takes everything.
	return fate{filtered: "other_class"}
}

// planned is the fate of an alert that a plan was found for.
func (j *judge) planned(source int, v *ocsf.Variables) fate {
	return j.unless(fate{source: j.opt.Sources[source], time: v.Time, values: v, pattern: v.Plan.Product.(*lake.Pattern)})
}

// unless is the fate f, unless its partition was delivered before.
func (j *judge) unless(f fate) fate {
	if j.opt.Skip != nil && j.opt.Skip(f.source.Name, lake.DateOf(f.time)) {
		return fate{filtered: "delivered_before"}
	}
	return f
}
