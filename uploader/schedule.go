package uploader

import (
	"path"
	"time"

	"wazuh-security-lake/spool"
)

// id names an object for good: the destination is pinned and the key holds instance, batch and hash.
type id struct{ destination, key string }

// item is one pending object. ref and object never change; verified and stored belong to the attempt under way; the rest
// is guarded by Uploader.mu.
type item struct {
	ref      spool.Ref
	object   spool.Object
	verified bool // size and hash matched the manifest once in this process
	stored   bool // it is at its destination; only the acknowledgement is missing
	inFlight bool
	attempts int  // begun so far in this process
	gone     bool // no longer pending: forget it when the attempt ends
	round    int  // failures of its lane when the attempt began
}

// lane is what fails together: one directory of one destination, that is one partition of one source. A lane in trouble
// lets a single probe through after its pause; the other lanes of the source go on.
type lane struct {
	failures int
	retryAt  time.Time
	gaveUp   bool // Drain only: not tried again in this call
	inFlight int
}

// outage lasts from the first failed attempt of a source until none of its lanes fails any more. It is what is logged,
// once at its start and once at its end, however many objects and lanes take part.
type outage struct {
	since    time.Time
	failures int64
	worst    Class
	warned   bool
	alarmed  bool
}

// source holds the waiting objects of one source, oldest first, and what is known about its health.
type source struct {
	name     string
	items    []*item
	lanes    map[id]*lane
	inFlight int
	outage   *outage
	stats    SourceStats
}

func laneOf(o spool.Object) id { return id{o.Destination, path.Dir(o.Key)} }

// refresh takes over what the queue says is pending, keeping what is known about objects already seen. u.mu is held.
func (u *Uploader) refresh(pending []spool.Ref) {
	known := map[id]*item{}
	for _, s := range u.sources {
		for _, it := range s.items {
			known[id{it.object.Destination, it.object.Key}] = it
			it.gone = true
		}
		s.items = s.items[:0:0]
	}
	for _, ref := range pending {
		o := ref.Object
		key := id{o.Destination, o.Key}
		it := known[key]
		if it == nil {
			it = &item{ref: ref, object: o} // the key holds the number of the batch: ref never changes
			known[key] = it
		}
		it.gone = false
		s := u.source(o.Source)
		s.items = append(s.items, it)
	}
	for _, s := range u.sources {
		s.dropEmptyLanes()
		u.endOutage(s)
	}
}

func (u *Uploader) source(name string) *source {
	s := u.sources[name]
	if s == nil {
		s = &source{name: name, lanes: map[id]*lane{}, stats: SourceStats{Attempts: map[Outcome]int64{}}}
		u.sources[name] = s
	}
	return s
}

func (s *source) lane(o spool.Object) *lane {
	l := s.lanes[laneOf(o)]
	if l == nil {
		l = &lane{}
		s.lanes[laneOf(o)] = l
	}
	return l
}

// dropEmptyLanes forgets lanes without a waiting object: what was retargeted or quarantined must not keep a source red.
func (s *source) dropEmptyLanes() {
	used := map[id]bool{}
	for _, it := range s.items {
		used[laneOf(it.object)] = true
	}
	for k, l := range s.lanes {
		if !used[k] && l.inFlight == 0 {
			delete(s.lanes, k)
		}
	}
}

func (s *source) remove(it *item) {
	for i, other := range s.items {
		if other == it {
			s.items = append(s.items[:i:i], s.items[i+1:]...)
			return
		}
	}
}

func (s *source) failing() bool {
	for _, l := range s.lanes {
		if l.failures > 0 {
			return true
		}
	}
	return false
}

// ready returns the oldest object of the source that may be tried now, or nil. probe: its lane is failing, this is the
// one attempt that finds out whether it still does. A source has at most one probe under way; healthy lanes go first.
// A healthy lane has at most limit: a partition whose uploads stall must leave its siblings a slot.
func (s *source) ready(now time.Time, mayProbe bool, limit int) (it *item, probe bool) {
	for _, l := range s.lanes {
		if l.failures > 0 && l.inFlight > 0 {
			mayProbe = false
		}
	}
	for _, candidate := range s.items {
		if candidate.inFlight {
			continue
		}
		l := s.lanes[laneOf(candidate.object)]
		if l == nil || l.failures == 0 {
			if l != nil && l.inFlight >= limit {
				continue
			}
			return candidate, false
		}
		if it == nil && mayProbe && !l.gaveUp && !l.retryAt.After(now) {
			it = candidate
		}
	}
	return it, it != nil
}

// nextRetry is the earliest end of a pause.
func (s *source) nextRetry() (at time.Time, ok bool) {
	for _, l := range s.lanes {
		if l.failures > 0 && !l.gaveUp && l.inFlight == 0 && (!ok || l.retryAt.Before(at)) {
			at, ok = l.retryAt, true
		}
	}
	return at, ok
}

// next picks what to try now: of the sources with the fewest uploads under way the one with the oldest object. Objects of
// healthy lanes come before probes, and probes never take the last free slot when there is more than one, so that a
// destination that swallows everything does not stop the others. A probe that is overdue takes its turn all the same,
// but never twice in a row: a busy source does not keep a recovered one waiting for ever either. u.mu is held.
func (u *Uploader) next(now time.Time) *item {
	probes := 0
	for _, s := range u.sources {
		for _, l := range s.lanes {
			if l.failures > 0 {
				probes += l.inFlight
			}
		}
	}
	limit := max(1, u.opt.Concurrency-1)
	mayProbe := probes < limit
	var healthy, probe *item
	for _, s := range u.sources {
		if s.inFlight >= limit && len(u.sources) > 1 {
			continue // a destination that swallows everything must leave the other sources a slot
		}
		it, isProbe := s.ready(now, mayProbe, limit)
		switch {
		case it == nil:
		case isProbe && u.before(it, probe):
			probe = it
		case !isProbe && u.before(it, healthy):
			healthy = it
		}
	}
	if healthy == nil {
		u.probed = probe != nil
		return probe
	}
	if probe != nil && !u.probed && now.Sub(u.source(probe.object.Source).lane(probe.object).retryAt) > overdue {
		u.probed = true
		return probe
	}
	u.probed = false
	return healthy
}

// overdue is how long a probe lets healthy objects go first.
const overdue = time.Minute

// before orders candidates of different sources; b may be nil.
func (u *Uploader) before(a, b *item) bool {
	if b == nil {
		return true
	}
	x, y := u.source(a.object.Source).inFlight, u.source(b.object.Source).inFlight
	return x < y || x == y && older(a, b)
}

func older(a, b *item) bool {
	if a.ref.Seq != b.ref.Seq {
		return a.ref.Seq < b.ref.Seq
	}
	return a.object.Source < b.object.Source
}

// begin and end bracket an attempt. u.mu is held.
func (u *Uploader) begin(it *item) {
	s := u.source(it.object.Source)
	l := s.lane(it.object)
	it.inFlight, it.round = true, l.failures
	it.attempts++
	s.inFlight++
	l.inFlight++
}

func (u *Uploader) end(it *item) (*source, *lane) {
	s := u.source(it.object.Source)
	l := s.lane(it.object)
	it.inFlight = false
	s.inFlight--
	l.inFlight--
	return s, l
}

// pauseEnd is the earliest end of a pause of any source. u.mu is held.
func (u *Uploader) pauseEnd() (at time.Time, ok bool) {
	for _, s := range u.sources {
		if t, some := s.nextRetry(); some && (!ok || t.Before(at)) {
			at, ok = t, true
		}
	}
	return at, ok
}
