package ocsf

import (
	"bytes"
	"slices"
	"unsafe"
)

// Trace notes, while one alert is mapped, what the outcome depends on beside the shape of the alert:
//
//	looked   leaves whose value was looked at (Leaf.looked): another value may lead anywhere, so a plan holds for this one alone
//	guards   questions that were asked of a value, and their answers: a plan holds for every value with the same answers
//	sources  texts and numbers of the event that were taken as they are, or made by a rule of the value
//
// What the mapping does not declare here, it must get by a method of Leaf that counts as looking. So a way that nobody thought
// of costs a plan its use, not its truth.
type Trace struct {
	a       *Alert
	texts   []tracedText
	guards  []guard
	numbers []number
	values  []*Value // by number: the value it is in, nil for one that only has to be the same question again
	plan    *Plan    // while it is made
	unfit   bool     // no other alert can be like this one
}

// tracedText is a text that may differ, and how it came about.
type tracedText struct {
	source source
	text   []byte // it is known by its memory
	number int32  // in the plan, + 1
}

// guard is a question whose answer must be the same for an alert of the plan.
type guard struct {
	kind guardKind
	ask  predicate
	want verdict // guardText; guardAsk, guardSame: 1 is yes
	text int32   // number of the text
	than int32   // guardSame: number of the other, or -1
	attr *Attr   // guardText
	same []byte  // guardSame: the other, if it is always this one
}

type guardKind uint8

const (
	guardText  guardKind = iota + 1 // would the attribute take the text
	guardAsk                        // does a predicate hold
	guardBlank                      // is there no text at all
	guardSame                       // are two texts the same
)

// number is a number of the event that may differ.
type number struct {
	kind  numberKind
	want  verdict
	leaf  int32
	shift int64 // numberTime: minutes to take off
	attr  *Attr // numberOf
}

type numberKind uint8

const (
	numberNow   numberKind = iota + 1 // the time of the event
	numberOf                          // the number in a leaf, for an attribute
	numberTime                        // the time in a leaf
	numberHex                         // the hexadecimal number in a leaf
	numberParts                       // how many parts the list in a leaf has; want is the number
)

func newTrace(a *Alert) *Trace {
	for i := range a.leaves {
		a.leaves[i].looked = 0 // filters have looked already, but they decide before the mapping
	}
	return &Trace{a: a}
}

// made notes a text that was made for the event. It must have memory of its own, by which it is known; empty texts are given
// some.
func (t *Trace) made(s source, text []byte) []byte {
	if len(text) == 0 {
		text = make([]byte, 0, 1)
	}
	t.texts = append(t.texts, tracedText{source: s, text: text})
	return text
}

// find returns the number of the text that lies at the same place, -1 if it is none that may differ.
func (t *Trace) find(text []byte) int {
	at := unsafe.SliceData(text)
	if at == nil {
		return -1
	}
	for i := range t.texts {
		if x := t.texts[i].text; unsafe.SliceData(x) == at && len(x) == len(text) {
			return i
		}
	}
	for i := range t.a.leaves {
		if v := t.a.leaves[i].Value; unsafe.SliceData(v) == at && len(v) == len(text) {
			t.texts = append(t.texts, tracedText{source: source{kind: sourceLeaf, leaf: int32(i)}, text: v})
			return len(t.texts) - 1
		}
	}
	return -1
}

// fix makes the plan hold for this text alone, if there is to be one.
func (t *Trace) fix(n int) {
	s := &t.texts[n].source
	t.unfit = t.unfit || s.kind == sourceUID || s.kind == sourceLine
	s.leaves(func(leaf int32) { t.a.leaves[leaf].looked |= lookedValue })
}

// take notes that a text was offered to an attribute.
func (t *Trace) take(attr *Attr, text []byte, v verdict) {
	n := t.find(text)
	switch {
	case n < 0 || t.texts[n].source.kind == sourceUID || t.texts[n].source.kind == sourceUUID: // one is like the other
	case v == verdictCut:
		t.fix(n)
	default:
		t.add(guard{kind: guardText, text: int32(n), attr: attr, want: v})
	}
}

// derived notes a text that was made of another one of the event. Of a part of a leaf none is made: a plan then holds for this
// text alone.
func (t *Trace) derived(fn derivation, from, text []byte) []byte {
	switch n := t.find(from); {
	case n < 0:
	case t.texts[n].source.kind == sourceLeaf:
		return t.made(source{kind: sourceDerived, derive: fn, leaf: t.texts[n].source.leaf}, text)
	default:
		t.fix(n)
	}
	return text
}

// ask notes the answer to a question.
func (t *Trace) ask(p predicate, text []byte, yes bool) {
	if n := t.find(text); n >= 0 {
		t.add(guard{kind: guardAsk, ask: p, text: int32(n), want: answer(yes)})
	}
}

// compare notes whether two texts were the same.
func (t *Trace) compare(a, b []byte, same bool) {
	i, j := t.find(a), t.find(b)
	switch {
	case i >= 0 && i == j: // by themselves, always
	case i >= 0:
		t.add(guard{kind: guardSame, text: int32(i), than: int32(j), same: b, want: answer(same)})
	case j >= 0:
		t.add(guard{kind: guardSame, text: int32(j), than: -1, same: a, want: answer(same)})
	}
}

func answer(yes bool) verdict {
	if yes {
		return 1
	}
	return 0
}

func (t *Trace) add(g guard) {
	if !slices.ContainsFunc(t.guards, g.implied) {
		t.guards = append(t.guards, g)
	}
}

// implied reports whether other asks the same.
func (g *guard) implied(other guard) bool {
	if g.kind != other.kind || g.text != other.text || g.ask != other.ask || g.than != other.than || g.want != other.want {
		return false
	}
	return g.attr == other.attr || g.kind == guardText && g.attr.undemanding() && other.attr.undemanding()
}

// undemanding reports whether the attribute takes any text.
func (t *Attr) undemanding() bool {
	return t.Kind == KindString && t.text.valid == nil && !t.text.json && t.fits == 0 && !t.ip && t.text.maxChars == maxStringChars
}

// number notes a number that was taken, or would have been.
func (t *Trace) number(n number, v *Value) {
	t.numbers = append(t.numbers, n)
	t.values = append(t.values, v)
}

// Text returns the number of a variable text of the event that was traced, -1 for one that is the same in every event of
// the plan. The text must be one that stands in the event. Text and Num are for the function that NewPlanner was given.
func (t *Trace) Text(text []byte) int {
	n := t.find(text)
	if n < 0 || !t.varies(n) {
		return -1
	}
	return int(t.numbered(n))
}

// Num does the same for a number.
func (t *Trace) Num(v *Value) int { return slices.Index(t.values, v) }

// varies reports whether a text can differ: whether any of its leaves may.
func (t *Trace) varies(n int) bool {
	x := &t.texts[n]
	varies := x.source.kind == sourceUID || x.source.kind == sourceLine
	x.source.leaves(func(leaf int32) { varies = varies || t.a.leaves[leaf].looked&lookedValue == 0 })
	return varies
}

// numbered returns the number of a text in the plan.
func (t *Trace) numbered(n int) int32 {
	x := &t.texts[n]
	if x.source.kind == sourceLeaf {
		return t.plan.variable(x.source.leaf)
	}
	if x.number == 0 {
		t.plan.sources = append(t.plan.sources, t.planned(x.source))
		x.number = int32(len(t.plan.varied) + len(t.plan.sources))
	}
	return x.number - 1
}

// simplify puts texts that must not be blank, nor so long that it matters, in a list of their own, for that is what most
// guards ask. It is a little stricter: longer texts may be short enough if they are not ASCII.
func (p *Plan) simplify() {
	taken := func(g guard) bool { return g.kind == guardText && g.want == verdictTaken && g.attr.undemanding() }
	for _, g := range p.guards {
		if taken(g) && !slices.Contains(p.usual, g.text) {
			p.usual = append(p.usual, g.text)
		}
	}
	p.guards = slices.DeleteFunc(p.guards, func(g guard) bool {
		implied := taken(g) || g.want == answer(false) && (g.kind == guardBlank || g.kind == guardAsk && g.ask == isLong)
		return implied && slices.Contains(p.usual, g.text)
	})
}

// trim gives memory back that lists of the plan have grown into and do not need: there are many plans.
func (p *Plan) trim() {
	p.sources, p.usual = slices.Clone(p.sources), slices.Clone(p.usual)
	p.guards, p.numbers = slices.Clone(p.guards), slices.Clone(p.numbers)
}

// planned returns a source as the plan has it: the values that are the same for all its alerts are texts of the source.
func (t *Trace) planned(s source) source {
	s.leaf = t.plan.variable(s.leaf)
	parts := make([]part, 0, len(s.parts)+1)
	var before []byte
	for _, p := range s.parts {
		before = append(before, p.text...)
		leaf := int32(-1)
		if p.leaf >= 0 {
			l := &t.a.leaves[p.leaf]
			p.json = p.json && l.Kind == LeafText
			if leaf = t.plan.variable(p.leaf); leaf < 0 && p.json {
				before = appendString(before, l.Value)
			} else if leaf < 0 {
				before = append(before, l.Value...)
			}
		}
		if leaf >= 0 || s.kind == sourceUUID { // the parts of a UUID stay apart
			parts = append(parts, part{bytes.Clone(before), leaf, p.json})
			before = before[:0]
		}
	}
	if len(before) > 0 {
		parts = append(parts, part{text: before, leaf: -1})
	}
	s.parts = slices.Clone(parts)
	return s
}

// settle puts into the plan what an alert must have in common with the traced one. Which leaves are looked at is settled before.
func (t *Trace) settle(p *Plan) {
	t.plan = p
	for i := range t.a.leaves {
		if l := &t.a.leaves[i]; l.looked == lookedBlank {
			p.guards = append(p.guards, guard{kind: guardBlank, text: t.numbered(t.find(l.Value)), want: answer(blank(l.Value))})
		}
	}
	p.guards = slices.Grow(p.guards, len(t.guards))
	for _, g := range t.guards {
		varies := t.varies(int(g.text))
		if g.kind == guardSame && g.than >= 0 && t.varies(int(g.than)) {
			if !varies {
				g.text, g.than, g.same, varies = g.than, -1, t.texts[g.text].text, true
			} else {
				g.than = t.numbered(int(g.than))
			}
		} else {
			g.than = -1
		}
		if varies {
			g.text = t.numbered(int(g.text))
			g.same = bytes.Clone(g.same)
			p.guards = append(p.guards, g)
		}
	}
	p.asked = int32(len(p.sources))
	p.simplify()
	values := t.values[:0]
	for i, n := range t.numbers {
		if n.leaf = p.variable(n.leaf); n.leaf >= 0 || n.kind == numberNow {
			p.numbers, values = append(p.numbers, n), append(values, t.values[i])
		}
	}
	t.values = values
}
