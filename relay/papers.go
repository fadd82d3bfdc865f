package relay

import (
	"sync"

	"wazuh-security-lake/ocsf"
)

// papers are the memory of the fates of some lines: they outlive the judge's look at them, and any judge can use them again.
type papers struct {
	text   []byte            // see ocsf.Alert.Append
	events [][]*ocsf.Event   // by source; few lines need one
	used   []int             // how many of these are in use
	values []*ocsf.Variables // by line; few need none
	lines  int
}

// open makes the papers ready for the fates of more lines, after those in them are done with.
func (p *papers) open(j *judge) {
	if p.events == nil {
		p.events, p.used = make([][]*ocsf.Event, len(j.opt.Sources)), make([]int, len(j.opt.Sources))
	}
	if cap(p.text) > keptText {
		p.text = nil
	}
	p.done(j.idle)
	p.lines = 0
	j.alert.Append(p.text[:0])
}

// done gives the events back when the fates of the lines have come to pass.
func (p *papers) done(idle *idleEvents) {
	for i, events := range p.events {
		idle.give(i, events)
		p.events[i] = events[:0]
	}
	clear(p.used)
}

// close is called when all the lines are judged.
func (p *papers) close(j *judge) { p.text = j.alert.Appended() }

// event returns an event for an alert of the i-th of the sources, the same until it is in use.
func (p *papers) event(j *judge, i int) *ocsf.Event {
	if p.used[i] == len(p.events[i]) {
		p.events[i] = append(p.events[i], j.idle.take(j.opt.Sources, i))
	}
	return p.events[i][p.used[i]]
}

// inUse is how many events the lines needed.
func (p *papers) inUse() int {
	n := 0
	for _, used := range p.used {
		n += used
	}
	return n
}

// variables returns those of another line.
func (p *papers) variables() *ocsf.Variables {
	if p.lines == len(p.values) {
		p.values = append(p.values, new(ocsf.Variables))
	}
	p.lines++
	return p.values[p.lines-1]
}

// keptText is the most memory for rewritten texts that is kept for the next lines.
const keptText = 256 << 10

// idleEvents are the events that no line needs at the time, for all papers: an event takes some 50 KiB, and which lines need one
// cannot be foretold.
type idleEvents struct {
	mu     sync.Mutex
	events [][]*ocsf.Event // guarded by mu; by source
}

// keptEvents is how many events are kept for lines that may need one, of each source.
const keptEvents = 32

func (e *idleEvents) take(sources []*Source, i int) *ocsf.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.events == nil {
		e.events = make([][]*ocsf.Event, len(sources))
	}
	n := len(e.events[i])
	if n == 0 {
		return ocsf.NewEvent(sources[i].Class)
	}
	event := e.events[i][n-1]
	e.events[i] = e.events[i][:n-1]
	return event
}

func (e *idleEvents) give(i int, events []*ocsf.Event) {
	if len(events) == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.events[i] = append(e.events[i], events[:min(len(events), keptEvents-len(e.events[i]))]...)
	clear(events)
}
