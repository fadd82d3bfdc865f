package ocsf

// draft is one event while it is filled from one alert: what a family gets to work on.
type draft struct {
	m     *Mapper
	class *Class
	a     *Alert
	ev    *Event
	root  *Object

	uid      []byte   // metadata.uid
	identity []byte   // finding uid of a finding that has a life, nil: the id of the alert
	activity int64    // activityCreate, ...
	offset   int64    // of the timestamp, minutes: what the manager's local times are in
	context  []string // see rest

	scratch []byte
	sources []int32
	texts   [][]byte
	words   []*Leaf
	lost    bool     // pruning took a value that had claimed leaves
	used    profiles // in use
}

// The life of a finding.
const (
	activityCreate = 1
	activityUpdate = 2
	activityClose  = 3
)

func (d *draft) reset(m *Mapper, a *Alert, ev *Event) {
	d.m, d.class, d.a, d.ev, d.root = m, m.class, a, ev, ev.Root
	d.uid, d.identity, d.activity = nil, nil, activityCreate
	d.context = d.context[:0]
	if cap(d.scratch) > keepBytes {
		d.scratch = nil
	}
	n := len(a.leaves)
	if cap(ev.claimed) < n {
		ev.claimed = make([]bool, n, n+n/2)
	}
	ev.claimed = ev.claimed[:n]
	clear(ev.claimed)
	d.lost, d.used = false, 0
}

func (d *draft) leaf(path string) *Leaf { return d.a.Leaf(path) }

// first returns the first of the leaves that has a text, or nil.
func (d *draft) first(paths ...string) *Leaf {
	for _, p := range paths {
		if l := d.a.Leaf(p); l.Present() {
			return l
		}
	}
	return nil
}

// securityFinding reports whether this is class 2001, whose columns keep the meaning they have in Wazuh's own integration.
func (d *draft) securityFinding() bool { return d.class.UID == 2001 }

// finding returns finding_info, or finding in class 2001.
func (d *draft) finding() *Object {
	if d.securityFinding() {
		return d.root.Struct("finding")
	}
	return d.root.Struct("finding_info")
}

func (d *draft) metadata() *Object { return d.root.Struct("metadata") }

// evidence returns the one element of evidences; nil in the classes that have none.
func (d *draft) evidence() *Object { return d.root.Element("evidences") }

func (d *draft) source() *Object      { return d.evidence().Struct("src_endpoint") }
func (d *draft) destination() *Object { return d.evidence().Struct("dst_endpoint") }

// process returns the process the alert is about.
func (d *draft) process() *Object {
	if d.securityFinding() {
		return d.root.Struct("process")
	}
	return d.evidence().Struct("process")
}

// actor returns who acted.
func (d *draft) actor() *Object { return d.evidence().Struct("actor") }

// device returns the host the alert is about; nil in class 2001.
func (d *draft) device() *Object { return d.root.Struct("device") }

// resource returns a new resource. Classes with a single one give it to the first that asks: the agent.
func (d *draft) resource() *Object {
	if r := d.root.Append("resources"); r != nil {
		return r
	}
	if i := d.root.slot("resource", KindObject, false); i < 0 || d.root.Values[i].Set {
		return nil
	}
	return d.root.Struct("resource")
}

// remediation returns where the class keeps the advice.
func (d *draft) remediation() *Object {
	if d.securityFinding() {
		return d.finding().Struct("remediation")
	}
	return d.root.Struct("remediation")
}

// rest asks for every leaf at or under the dotted paths that no attribute takes to be kept, as JSON, in evidences[].data.
// In classes without evidences these leaves stay in unmapped.
func (d *draft) rest(paths ...string) { d.context = append(d.context, paths...) }

// cloud fills the cloud profile; the provider is required by OCSF.
func (d *draft) cloud(provider string, region, account *Leaf, accountType int64) {
	c := d.root.Struct("cloud")
	c.Const("provider", provider)
	c.Text("region", region)
	acc := c.Struct("account")
	if acc.Text("uid", account) && accountType >= 0 {
		acc.Enum("type_id", accountType)
	}
}

// verdict fills the security control profile: what the control did about it. An unknown action is left to finish, which
// sets it whenever the profile is used.
func (d *draft) verdict(action, disposition int64) {
	if action != actionUnknown {
		d.root.Enum("action_id", action)
	}
	d.root.Enum("disposition_id", disposition)
}

// Values of action_id and disposition_id.
const (
	actionUnknown = 0
	actionAllowed = 1
	actionDenied  = 2

	dispositionUnknown  = 0
	dispositionAllowed  = 1
	dispositionBlocked  = 2
	dispositionDropped  = 6
	dispositionDetected = 15
	dispositionLogged   = 17
	dispositionAlert    = 19
	dispositionReset    = 21
	dispositionRejected = 25
)
