package ocsf

import (
	"bytes"
	"errors"
	"unicode/utf8"
)

// Alert is one parsed line of alerts.json: a flat list of leaves in the order of the line. It refers to the line and is
// reused: Parse makes everything taken from the alert before it invalid, and allocates nothing in the steady state.
// Not safe for concurrent use.
type Alert struct {
	line   []byte // the line as it was given
	text   []byte // strings that had to be rewritten: escapes, invalid UTF-8
	others int    // how much of text is of alerts before: see Append
	leaves []Leaf
	arrays [][]byte // elements of the arrays read so far
	// objects are the paths of the objects in the order of the line, the alert itself left out.
	objects []int32

	shapes *Shapes
	tree   *pathTree
	places []pathPlace // by node of the tree
	epoch  uint32      // counts the alerts: what places tells of earlier ones is not looked at

	sections []section // members of the alert, in the order of the line

	trace *Trace // nil, unless a plan is to be made of this alert

	// irregular is set when two members share one path (repeated keys, or a key that contains a dot): the leaves are
	// all there, but they cannot be written as one nested JSON document again.
	irregular bool
	// repeats is set when a leaf's path stood there before, or is empty: keys of unmapped may then be alike.
	repeats bool
	// spliced is set when the line was read from the middle.
	spliced bool
	appends bool // see Append
}

// LeafKind says what stood in the JSON text.
type LeafKind uint8

const (
	LeafText   LeafKind = iota + 1 // a string
	LeafNumber                     // a number, Value is its text
	LeafBool                       // true or false
	LeafNull                       // null
	LeafJSON                       // an array, or an object beyond the depth limit: Value is its JSON text
	LeafEmpty                      // {}
)

// Leaf is one value of the alert. Path and Value are valid UTF-8 and live until the alert is parsed again.
// A mapping never looks at Value itself: it uses Text, Is, Fold or Int, which tell a Trace that it did, or the methods of
// Object and Event that take a Leaf.
// The methods of a nil Leaf report that there is no value, so that a mapping need not ask whether a leaf is there.
type Leaf struct {
	Path  []byte // dotted: rule.mitre.id
	Value []byte // text, unescaped; null and the literals are spelled out
	Index int32  // position in the alert; Value.Srcs refers to it
	Kind  LeafKind

	scalars bool  // of an array that was read: all elements are scalars
	looked  look  // what the mapping wanted to know of the value
	first   int32 // of an array that was read: its first element in Alert.arrays, + 1
	count   int32 // how many elements of it are there
	node    int32 // of its path
	at      int32 // where its value begins in the line
}

// look notes what was looked at in a value: what a plan of the mapping depends on. It is kept for every alert, because that
// costs less than to ask whether somebody wants to know.
type look uint8

const (
	lookedBlank look = 1 << iota // whether there is a text at all
	lookedValue                  // the value: the mapping of another value may be another one
)

// section is one member of the alert: "rule", "agent", "location".
type section struct {
	name       []byte
	leaf, ends int32 // its leaves
}

const (
	maxLeaves      = 1 << 16 // a line with more fields is refused; analysisd writes some 300 at most
	maxObjectDepth = 48      // objects nested deeper are kept as one JSON leaf
	maxPrefix      = 512     // the same for objects whose path is longer: it would be repeated in each of their leaves
	keepBytes      = 1 << 20 // buffers larger than this are not kept for the next, ordinary alert
)

// splicePoint is how every line of analysisd begins: a line cut by a crash has the next one glued to it.
var splicePoint = []byte(`{"timestamp":"`)

var (
	errNotObject = errors.New("not a JSON object")
	errTooMany   = errors.New("too many fields")
)

// Share makes the next Parse use these shapes. An alert that was never given any has its own.
func (a *Alert) Share(s *Shapes) { a.shapes = s }

// Parse reads one line without its newline. The line is the caller's and must stay as it is for as long as the alert, or an
// event made of it, is used. It accepts what encoding/json accepts as an object, with two deliberate differences: repeated
// keys are all kept, and a line that is no JSON object is read from the last `{"timestamp":"` inside it, what stood before is
// the leaf "spliced_prefix".
// The error is a *MapError; the alert is empty then.
func (a *Alert) Parse(line []byte) error {
	a.begin(line)
	err := a.scan(a.line)
	if err == nil {
		return nil
	}
	if i := bytes.LastIndex(a.line, splicePoint); i > 0 && errors.Is(err, errNotObject) {
		a.reset(len(line))
		if a.scan(a.line[i:]) == nil {
			if err = a.add(a.tree.node(0, true, []byte("spliced_prefix")), LeafText, a.validText(a.line[:i]), 0); err == nil {
				a.spliced = true
				return nil
			}
		}
	}
	a.reset(0)
	if errors.Is(err, errTooMany) {
		return &MapError{Reason: ReasonInvalidEvent, Detail: err.Error()}
	}
	return &MapError{Reason: ReasonNotJSON, Detail: err.Error()}
}

// begin forgets the line before.
func (a *Alert) begin(line []byte) {
	if a.appends {
		a.others = len(a.text)
	}
	a.reset(len(line))
	a.line = line
}

// Append makes the alert leave the texts of earlier ones alone: until Appended, what an event, or its Variables, took from it
// stays valid when the next line is parsed, as long as that line does. New texts are written behind text.
func (a *Alert) Append(text []byte) { a.text, a.others, a.appends = text, len(text), true }

// Appended ends that and returns text with all that was written: the memory is the caller's, to be used again once no event
// refers to it.
func (a *Alert) Appended() []byte {
	text := a.text
	a.text, a.others, a.appends = nil, 0, false
	return text
}

func (a *Alert) reset(size int) {
	if size < keepBytes/16 {
		if cap(a.leaves) > keepBytes/128 || cap(a.arrays) > keepBytes/64 {
			a.leaves, a.arrays, a.objects, a.sections = nil, nil, nil, nil
		}
		if cap(a.text) > keepBytes && !a.appends {
			a.text = nil
		}
	}
	a.text, a.leaves, a.arrays, a.objects = a.text[:a.others], a.leaves[:0], a.arrays[:0], a.objects[:0]
	a.sections = a.sections[:0]
	a.irregular, a.repeats, a.spliced = false, false, false
	if a.shapes == nil {
		a.shapes = new(Shapes)
	}
	if a.tree = a.shapes.forAlert(); len(a.places) > 2*maxNodes {
		a.places = nil
	}
	if a.epoch++; a.epoch == 0 {
		clear(a.places)
		a.epoch = 1
	}
}

// valid returns the line with U+FFFD for each run of bytes that are no UTF-8.
func (a *Alert) valid() []byte {
	if utf8.Valid(a.line) {
		return a.line
	}
	return bytes.ToValidUTF8(a.line, []byte("\uFFFD"))
}

// Leaves returns all leaves in the order of the line; the alert owns them.
func (a *Alert) Leaves() []Leaf { return a.leaves }

// Leaf returns the first leaf with the dotted path, or nil. The path is kept, to be found sooner the next time: it should be
// a text of the program or of its configuration.
func (a *Alert) Leaf(path string) *Leaf {
	if a.tree == nil {
		return nil
	}
	return a.leafOf(a.tree.find(path))
}

// LeafAt does the same for any path.
func (a *Alert) LeafAt(path []byte) *Leaf {
	if a.tree == nil {
		return nil
	}
	return a.leafOf(a.tree.lookUp(path))
}

func (a *Alert) leafOf(node int32) *Leaf {
	if node != 0 && int(node) < len(a.places) && a.places[node].leafIn == a.epoch {
		return &a.leaves[a.places[node].leaf]
	}
	return nil
}

// under returns the leaves among which are all that lie in the member of that name.
func (a *Alert) under(name string) []Leaf {
	if a.irregular {
		return a.leaves // of a repeated member, or of one whose name has dots in it
	}
	for i := range a.sections {
		if s := &a.sections[i]; string(s.name) == name {
			return a.leaves[s.leaf:s.ends]
		}
	}
	return nil
}

// Has reports whether the alert has an object (not a leaf) at the dotted path.
func (a *Alert) Has(path string) bool {
	if a.tree == nil {
		return false
	}
	n := a.tree.find(path)
	return n != 0 && int(n) < len(a.places) && a.places[n].objectIn == a.epoch
}

// Level returns rule.level, or -1 when the alert has none.
func (a *Alert) Level() int {
	n, ok := a.Leaf("rule.level").Int()
	if !ok || n < -1 || n > 1<<30 {
		return -1
	}
	return int(n)
}

// RuleID returns rule.id, or nil.
func (a *Alert) RuleID() []byte { return a.Leaf("rule.id").raw() }

// Location returns where the event came from (location), or nil.
func (a *Alert) Location() []byte { return a.Leaf("location").raw() }

// AgentID returns agent.id ("000" is the manager), or nil.
func (a *Alert) AgentID() []byte { return a.Leaf("agent.id").raw() }

// AgentName returns agent.name, or nil.
func (a *Alert) AgentName() []byte { return a.Leaf("agent.name").raw() }

// Timestamp returns the timestamp as it was written, or nil.
func (a *Alert) Timestamp() []byte { return a.Leaf("timestamp").raw() }

// Groups calls yield for each of rule.groups until it returns false. The bytes belong to the alert.
func (a *Alert) Groups(yield func(group []byte) bool) { a.Elements(a.Leaf("rule.groups"), yield) }

// HasGroup reports whether rule.groups names the group.
func (a *Alert) HasGroup(name string) bool {
	found := false
	a.Groups(func(g []byte) bool {
		found = string(g) == name
		return !found
	})
	return found
}

// Decoder returns decoder.name, or nil.
func (a *Alert) Decoder() []byte { return a.Leaf("decoder.name").raw() }

func (l *Leaf) raw() []byte {
	if l == nil {
		return nil
	}
	l.looked |= lookedValue
	return l.Value
}

// Text returns the value as text, or nil when there is none: an array, null, or one of the texts that log sources
// write for "nothing" (these stay in unmapped as they are). Who asks for it looks at it: a plan holds for this value alone.
func (l *Leaf) Text() []byte {
	if l != nil {
		l.looked |= lookedValue
	}
	return l.text()
}

// Present reports whether Text would return any.
func (l *Leaf) Present() bool {
	if l != nil {
		l.looked |= lookedBlank
	}
	return l.text() != nil
}

func (l *Leaf) text() []byte {
	if l == nil || !l.textual() || blank(l.Value) {
		return nil
	}
	return l.Value
}

// textual reports whether the value is of a kind that can be a text.
func (l *Leaf) textual() bool { return l.Kind != LeafJSON && l.Kind != LeafEmpty && l.Kind != LeafNull }

// Is reports whether the leaf holds exactly this text.
func (l *Leaf) Is(text string) bool { return string(l.raw()) == text && l != nil }

// Fold reports whether the leaf holds this text in any letter case.
func (l *Leaf) Fold(text string) bool { return l != nil && bytes.EqualFold(l.raw(), []byte(text)) }

// Int returns the value as a decimal integer.
func (l *Leaf) Int() (int64, bool) {
	if l == nil || l.Kind != LeafText && l.Kind != LeafNumber {
		return 0, false
	}
	return parseInt(l.raw())
}

func blank(text []byte) bool {
	if len(text) > 0 {
		switch c := text[0]; c {
		case '-', 'N', 'n', '(':
		default:
			if c > ' ' && c < utf8.RuneSelf {
				return false // the common case
			}
		}
	}
	switch string(text) {
	case "", "-", "N/A", "n/a", "(null)", "null", "NULL", "(none)":
		return true
	}
	return len(bytes.TrimSpace(text)) == 0
}

// parseInt reads a decimal integer of up to 18 digits; it takes no sign but minus.
func parseInt(b []byte) (int64, bool) {
	digits := b
	if len(b) > 0 && b[0] == '-' {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	var n int64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if len(digits) < len(b) {
		n = -n
	}
	return n, true
}
