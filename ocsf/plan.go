package ocsf

import (
	"bytes"
	"slices"
	"time"
)

// Plan is how the alerts of one shape become events: which of their values decide what the event looks like, and which stand
// in it as they are. Alerts come in few shapes - a rule's alerts have the same fields - so nearly all of them are mapped by a
// plan that an earlier one left behind, without asking for a field by its name, building the event's objects or checking
// what was found sound before.
//
// A plan is made by mapping one alert the plain way while a Trace notes what the outcome depends on. It holds for an alert of
// the same shape - the same fields of the same kinds in the same order - if the fields that were looked at have the same
// values and every question asked of another value has the same answer. Then Mapper.Map and Check would say the same, but for
// the values of Variables. Tests compare the two on every alert there is, and on mutated ones.
//
// A Plan belongs to its Planner. Product may be read by anyone.
type Plan struct {
	// Product is what the function given to NewPlanner made of the traced event.
	Product any

	fixed   []byte   // values of planShape.fixed, one behind the other
	ends    []uint16 // in fixed
	varied  []int32  // the other leaves: what their values are is all that an alert of the plan has of its own
	offset  int64    // of the timestamp
	sources []source // of the texts behind those of the varied leaves
	usual   []int32  // texts that must be neither blank nor long: what most guards come to
	guards  []guard  // the others
	numbers []number
	stencil *stencil // nil: there is none
	asked   int32    // of the first so many sources guards ask
	stamp   int32    // which of the varied leaves is the timestamp
	shape   *planShape
	next    *Plan // of the same hash
	used    bool  // since the last sweep
	gone    bool  // the planner has it no more
}

// Variables are what one alert's event has that others of its Plan have not. Their texts lie in the alert: they are valid until
// it, or the Variables, are used again (see Alert.Append).
type Variables struct {
	Plan  *Plan
	Time  int64    // of the event: epoch milliseconds, UTC
	Texts [][]byte // by the number that Trace.Text gave; the first are the values of the varied leaves
	Nums  []int64  // by that of Trace.Num

	plain []bool // of the first texts: known to be a JSON string as they are
}

// Planner maps alerts by plans, and the plain way where there is none. Like its Mapper it is for one goroutine.
type Planner struct {
	m       *Mapper
	product func(*Event, *Trace) (any, error)
	tree    *pathTree // whose nodes the shapes are made of
	shapes  map[uint64]*planShape
	room    int // for plans: maxPlans, less in tests
	plans   int // of all shapes
	alerts  int // since the last sweep

	// Of the alert at hand: its shape, if there was one like it, and the hashes of its shape and its values.
	found       *planShape
	hash, value uint64
	recent      recent
	// seen are such pairs of hashes, each where its last bits say: only what comes again is worth a plan. met are hashes of
	// shapes, for the same reason: the names of fields may be others in each alert.
	seen [seenAlerts]uint64
	met  [metShapes]uint64
}

const (
	// maxPlans bounds the memory of a Planner: a plan of the real alerts and what is made of it take 4.8 KiB. See sweep for what
	// happens when there are as many.
	maxPlans  = 11 << 8
	maxShapes = 1 << 12
	// sweepAlerts is how many alerts lie between two sweeps, for each place there is: a plan that was good for none of so many
	// is not worth its place. A plan costs as much to make as several alerts that are mapped the plain way, so places must
	// change hands much more seldom than alerts come.
	sweepAlerts = 16
	// widePlans is how many plans of a shape there may be before only what must be looked at is part of them: it is
	// cheaper to have the name of a rule in the plan than to carry it along, but not if every alert has its own.
	widePlans = 1 << 9
	// trials is how many alerts of a shape are traced before it must have paid: each takes as long as several that are not.
	trials = 64
	// maxPlanned is the most fields an alert may have to be worth a plan.
	maxPlanned = 1 << 9
	// maxPlanBytes is the most text a plan may hold: names and values of fields are chosen by whoever writes the logs.
	maxPlanBytes = 12 << 10
	// chain is the most plans of one hash. The hash is no secret, so alerts can be made that have the same.
	chain      = 8
	seenAlerts = 1 << 13
	metShapes  = 1 << 12
)

// NewPlanner returns a planner that maps as m does. product is called with each event that a plan is made from, when it has
// been mapped and checked; what it returns is the plan's Product. After an error there is no plan.
func NewPlanner(m *Mapper, product func(*Event, *Trace) (any, error)) *Planner {
	return &Planner{m: m, product: product, room: maxPlans}
}

// Find maps an alert by a plan and reports whether there was one. It must be followed by Map if not.
func (p *Planner) Find(a *Alert, now time.Time, v *Variables) bool {
	p.found = nil
	if len(a.leaves) > maxPlanned {
		return false
	}
	if p.tree != a.tree && !p.follow(a.tree) {
		return false
	}
	p.hash = shapeHash(a)
	s := p.shapes[p.hash]
	if s == nil || !s.fits(a) {
		return false
	}
	at := p.recent.of(a.line)
	s.used = true
	p.found, p.value = s, s.valueHash(a.leaves)
	before := len(a.text)
	for plan := s.plans[p.value]; plan != nil; plan = plan.next {
		if !plan.holds(s, a.leaves) {
			continue
		}
		v.Texts, v.plain = v.Texts[:0], v.plain[:0]
		for _, i := range plan.varied {
			v.Texts, v.plain = append(v.Texts, a.leaves[i].Value), append(v.plain, false)
		}
		if p.m.replay(plan, a, now, v) {
			p.served(at, plan)
			return true
		}
		a.text = a.text[:before]
	}
	return false
}

// follow makes the planner use another tree. It reports false if the tree is an old one: an alert of it was parsed before
// others, and the numbers of its paths may be those of other paths by now.
func (p *Planner) follow(t *pathTree) bool {
	if t.old {
		return false
	}
	if p.tree == nil || p.tree.of != t.of {
		p.plans, p.shapes, p.recent = 0, make(map[uint64]*planShape), recent{}
	}
	p.tree = t
	return true
}

// Recognize is Parse and Find at once for a line that fits one that was mapped lately. Where it reports false, a must be parsed;
// where it reports true, a has no leaves: nobody made them.
func (p *Planner) Recognize(a *Alert, line []byte, now time.Time, v *Variables) bool {
	at := p.recent.of(line)
	if at == nil || at[0] == nil || a.tree == nil {
		return false
	}
	a.begin(line)
	if p.tree != a.tree && !p.follow(a.tree) {
		return false
	}
	before := len(a.text)
	for _, plan := range at {
		if plan == nil {
			break
		}
		if plan.stencil.read(a, line, v) && p.m.replay(plan, a, now, v) {
			p.served(at, plan)
			return true
		}
		a.text = a.text[:before]
	}
	return false
}

// served notes that a plan was good for a line; at is where plans for such lines are, or nil.
func (p *Planner) served(at *[recentPlans]*Plan, plan *Plan) {
	p.alerts++
	plan.shape.hits++
	plan.used = true
	if at != nil && plan.stencil != nil {
		p.recent.first(at, plan)
	}
}

// Map maps an alert the plain way, checks it, and leaves a plan behind if that seems to pay. The error is that of Mapper.Map or
// of Check.
func (p *Planner) Map(a *Alert, now time.Time, ev *Event) error {
	p.alerts++
	trace := p.worthTracing(a)
	ev.trace, a.trace = trace, trace
	err := p.m.Map(a, now, ev)
	ev.trace, a.trace = nil, nil
	if err == nil {
		err = Check(ev)
	}
	if err == nil && trace != nil && !trace.unfit {
		p.keep(a, ev, trace)
	}
	return err
}

// worthTracing returns a Trace for an alert whose shape and values have been there before, if there is room for a plan.
func (p *Planner) worthTracing(a *Alert) *Trace {
	if p.tree != a.tree || a.tree.old || len(a.leaves) > maxPlanned {
		return nil
	}
	s := p.found
	if s == nil {
		if s = p.meet(a); s != nil {
			pair := p.hash ^ s.valueHash(a.leaves)
			p.seen[pair%seenAlerts] = pair
		}
		return nil
	}
	if s.traced >= trials && s.hits < 2*s.traced {
		return nil
	}
	pair := p.hash ^ p.value
	if met := &p.seen[pair%seenAlerts]; *met != pair {
		*met = pair
		return nil
	}
	if p.plans >= p.room && !p.sweep() || p.plans >= p.room {
		return nil
	}
	s.traced++
	return newTrace(a)
}

// meet notes the shape of an alert that is not known. One that comes for the first time leaves its hash behind, nothing else:
// it is returned when it comes again, if there is room for it. Of two with the same hash the first one stays.
func (p *Planner) meet(a *Alert) *planShape {
	if met := &p.met[p.hash%metShapes]; *met != p.hash {
		*met = p.hash
		return nil
	}
	if p.shapes[p.hash] != nil || len(p.shapes) >= maxShapes && !p.sweep() || len(p.shapes) >= maxShapes {
		return nil
	}
	s := newPlanShape(a)
	if s.eachNode(a.tree.hold); a.tree.crowded() {
		s.eachNode(a.tree.release)
		p.sweep() // for the next one
		return nil
	}
	p.shapes[p.hash] = s
	return s
}

// sweep makes room: it drops the plans that no alert was mapped by since the last sweep, and the shapes that no alert had.
// What is in use stays, however much else comes along, and as long as all is in use nothing new is planned for. When the
// log is another one, the old plans are gone after the second sweep. Of the work that takes, and of that of making plans
// that are dropped again, there is no more than sweepAlerts allows: sweep reports false if the last one was too lately.
func (p *Planner) sweep() bool {
	if p.alerts < sweepAlerts*p.room {
		return false
	}
	p.plans, p.alerts = 0, 0
	for shape, s := range p.shapes {
		s.count = 0
		for hash, plan := range s.plans {
			var kept *Plan
			for plan != nil {
				next := plan.next
				if plan.gone = !plan.used; plan.used {
					plan.used, plan.next, kept = false, kept, plan
					s.count++
				}
				plan = next
			}
			if s.plans[hash] = kept; kept == nil {
				delete(s.plans, hash)
			}
		}
		if p.plans += s.count; s.count == 0 && !s.used {
			s.eachNode(p.tree.release)
			delete(p.shapes, shape)
		}
		s.used = false
	}
	p.recent.forget()
	return true
}

// empty drops the plans of a shape.
func (p *Planner) empty(s *planShape) {
	p.plans -= s.count
	s.clear()
	p.recent.forget()
}

// keep makes a plan of an alert that was traced.
func (p *Planner) keep(a *Alert, ev *Event, t *Trace) {
	s := p.found
	if s.count >= widePlans && !s.wide {
		s.wide, s.fixed = true, nil
		p.empty(s)
	}
	plan := &Plan{offset: p.m.d.offset, shape: s, used: true}
	fixed, varied, size := make([]int32, 0, len(s.fixed)+8), make([]int32, 0, len(a.leaves)), 0
	for i := range a.leaves {
		l := &a.leaves[i]
		if _, known := slices.BinarySearch(s.fixed, int32(i)); known || l.Kind == LeafEmpty || l.Kind == LeafNull {
			l.looked |= lookedValue // of these kinds there is no other value
		}
		if l.looked&lookedValue != 0 {
			fixed, size = append(fixed, int32(i)), size+len(l.Value)
		} else {
			varied = append(varied, int32(i))
		}
	}
	if size > maxPlanBytes {
		return
	}
	if !slices.Equal(varied, s.varied) {
		s.varied = slices.Clone(varied)
	}
	plan.varied = s.varied
	if plan.stamp = plan.variable(a.Leaf("timestamp").Index); plan.stamp < 0 {
		return
	}
	if len(fixed) > len(s.fixed) { // the plans there are lack the values of the new ones
		s.fixed = fixed
		p.empty(s)
	}
	plan.fixed, plan.ends = make([]byte, 0, size), make([]uint16, 0, len(fixed))
	for _, i := range fixed {
		plan.fixed = append(plan.fixed, a.leaves[i].Value...)
		plan.ends = append(plan.ends, uint16(len(plan.fixed)))
	}
	t.settle(plan)
	if plan.size(a) > maxPlanBytes {
		return
	}
	var err error
	if plan.Product, err = p.product(ev, t); err != nil {
		return
	}
	plan.trim() // Product may have asked for more texts
	plan.stencil = newStencil(a, plan.varied)
	before, hash := s.count, s.valueHash(a.leaves)
	if s.add(hash, plan); s.count <= before {
		p.recent.forget()
	}
	p.plans += s.count - before
}

// variable returns which of the varied leaves a leaf is, -1 if it is none.
func (p *Plan) variable(leaf int32) int32 {
	if k, varies := slices.BinarySearch(p.varied, leaf); varies {
		return int32(k)
	}
	return -1
}

// size is how much text of the alert the plan and what is made of it hold.
func (p *Plan) size(a *Alert) int {
	n := len(p.fixed)
	for i := range a.leaves {
		n += len(a.leaves[i].Path)
	}
	for i := range p.guards {
		n += len(p.guards[i].same)
	}
	return n
}

// holds reports whether the values that are part of the plan are those of the alert.
func (p *Plan) holds(s *planShape, leaves []Leaf) bool {
	if len(p.ends) != len(s.fixed) {
		return false
	}
	start := uint16(0)
	for k, i := range s.fixed {
		if end := p.ends[k]; !bytes.Equal(p.fixed[start:end], leaves[i].Value) {
			return false
		}
		start = p.ends[k]
	}
	return true
}
