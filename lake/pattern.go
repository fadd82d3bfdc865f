package lake

import (
	"fmt"
	"math/bits"

	"wazuh-security-lake/ocsf"
)

// Variables says which values of an event differ between events of the same pattern. What it does not name is the same in
// all of them, and so is which attributes are set and how many elements each list has.
type Variables interface {
	// Text returns the number of the variable that this text is, or -1 for a constant. The text is known by its memory: it
	// is the Str, an element of the Strs, or the key or value of an Unmapped pair of the event, not a copy.
	Text(text []byte) int
	// Num returns the number of the variable that Value.Num of v is, or -1 for a constant.
	Num(v *ocsf.Value) int
}

// Pattern is the way of events that are alike into the columns of their class: which entries of levels and values an
// event adds to which column, with the constant values in it and the numbers of the variable ones. It is immutable and
// may be shared by encoders and goroutines.
type Pattern struct {
	class   *ocsf.Class
	levels  []byte   // of all streams that an event fills, one after the other; that of the root is the first
	spines  []fill   // the objects that an event fills, without the root, in their order
	columns []fill   // the columns, in their order
	filled  []uint64 // those of the columns as a set, behind those of the spines

	values []int32 // of all columns: from 0 on the place in texts or nums, below that of a constant, see constant
	words  []byte  // the constant texts, each with its length before it
	ends   []int32 // in words
	consts []int64 // the constant numbers
	texts  []int32 // the variables of the caller that are used
	nums   []int32 // of the time: timeOfEvent
	ranged []ranged

	timeVar  int32 // the variable that the attribute time is, or -1
	minTexts int   // how many variables the caller must have
	minNums  int
	cost     int64 // what the objects, numbers and refs of a row take
}

// fill is what an event adds to a stream, and the values of a column.
type fill struct {
	at             uint16 // spine or column
	levels, values span
}

type span struct{ from, to int32 }

// ranged is a variable that must fit a column of 32 bits.
type ranged struct {
	num    int32
	column uint16
}

// constant turns the number of a constant into what stands in Pattern.values, and back.
func constant(n int32) int32 { return ^n }

// timeOfEvent stands for the variable that every event has.
const timeOfEvent = -1

// plain is constant text n with its length before it.
func (p *Pattern) plain(n int32) []byte {
	start := int32(0)
	if n > 0 {
		start = p.ends[n-1]
	}
	return p.words[start:p.ends[n]]
}

// Patterns makes the patterns of a class. It may be used by several goroutines.
type Patterns struct{ tree *tree }

// NewPatterns returns the Patterns of a class. The error is a class that Parquet cannot express.
func NewPatterns(c *ocsf.Class) (*Patterns, error) {
	t, err := newTree(c)
	if err != nil {
		return nil, err
	}
	return &Patterns{t}, nil
}

// New compiles the pattern of which ev is an example. It copies what it needs of ev, which may be reset on return.
//
// The errors are those for which Write refuses the event without a look at its variables: they wrap ErrEvent or ErrClass.
func (s *Patterns) New(ev *ocsf.Event, v Variables) (*Pattern, error) {
	t := s.tree
	if ev.Class != t.class {
		return nil, fmt.Errorf("%w: %s instead of %s", ErrClass, ev.Class, t.class)
	}
	if at := &ev.Root.Values[t.time]; !at.Set || at.Num != ev.Time {
		return nil, fmt.Errorf("%w: attribute time differs from the time of the event", ErrEvent)
	}
	c := newCompiler(t, v)
	if err := c.object(t.root, ev.Root, ev.Unmapped, 0, 0); err != nil {
		return nil, err
	}
	return c.pattern(), nil
}

// compiler walks an event as Encoder.object does and notes what that would add.
type compiler struct {
	*tree
	variables Variables
	p         *Pattern
	spines    []stream
	columns   []stream
	values    [][]int32 // by column
	texts     []int32   // by variable of the caller, that of the pattern + 1
}

func newCompiler(t *tree, v Variables) *compiler {
	c := &compiler{
		tree:      t,
		variables: v,
		p:         &Pattern{class: t.class, timeVar: -1},
		spines:    make([]stream, len(t.around)),
		columns:   make([]stream, len(t.leaves)),
		values:    make([][]int32, len(t.leaves)),
	}
	c.spines[0].levels = []byte{0}
	for i, around := range t.around[1:] {
		c.spines[i+1].parent = &c.spines[around]
	}
	for i := range c.columns {
		c.columns[i].parent = &c.spines[t.leaves[i].spine]
	}
	return c
}

// object is what Encoder.object is.
func (c *compiler) object(n *node, o *ocsf.Object, unmapped []ocsf.KeyValue, rep, def uint8) error {
	if n.spine > 0 { // each row has the root
		c.spines[n.spine].add(0, rep<<repShift|def)
	}
	c.p.cost += int64(len(n.attrs)) * attrCost
	if len(unmapped) > 0 && n.mapping >= 0 {
		a, rep := &n.attrs[n.mapping], uint8(0)
		for _, kv := range unmapped {
			c.text(a.first, rep, kv.Key)
			c.text(a.first+1, rep, kv.Value)
			rep = a.rep
		}
	}
	for w, m := range o.Slots() {
		for ; m != 0; m &= m - 1 {
			i := w*64 + bits.TrailingZeros64(m)
			if v := &o.Values[i]; v.Set {
				if err := c.attribute(&n.attrs[i], v, rep, def); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (c *compiler) attribute(a *attr, v *ocsf.Value, rep, def uint8) error {
	switch {
	case a.kind == ocsf.KindMap:
	case a.kind == ocsf.KindString && a.list:
		for _, s := range v.Strs {
			c.text(a.first, rep, s)
			rep = a.rep
		}
	case a.kind == ocsf.KindString:
		c.text(a.first, rep, v.Str)
	case a.kind != ocsf.KindObject:
		return c.number(a, v, rep)
	case a.list:
		for _, o := range v.Objs {
			if empty(a.child, o) {
				c.spines[a.child.spine].add(0, rep<<repShift|(def+2))
				c.p.cost += int64(len(a.child.attrs)) * attrCost
			} else if err := c.object(a.child, o, nil, rep, def+3); err != nil {
				return err
			}
			rep = a.rep
		}
	case present(a, v):
		return c.object(a.child, v.Objs[0], nil, rep, def+1)
	}
	return nil
}

// add adds an entry with a value to a column.
func (c *compiler) add(column int, rep uint8, value int32, cost int64) {
	c.columns[column].add(0, rep<<repShift|c.leaves[column].maxDef)
	c.values[column] = append(c.values[column], value)
	c.p.cost += cost
}

func (c *compiler) text(column int, rep uint8, text []byte) {
	k := c.variables.Text(text)
	if k < 0 {
		c.add(column, rep, constant(int32(len(c.p.ends))), refCost)
		c.p.words = appendPlain(c.p.words, text)
		c.p.ends = append(c.p.ends, int32(len(c.p.words)))
		return
	}
	for k >= len(c.texts) {
		c.texts = append(c.texts, 0)
	}
	if c.texts[k] == 0 {
		c.p.texts = append(c.p.texts, int32(k))
		c.texts[k] = int32(len(c.p.texts))
	}
	c.p.minTexts = len(c.texts)
	c.add(column, rep, c.texts[k]-1, refCost)
}

func (c *compiler) number(a *attr, v *ocsf.Value, rep uint8) error {
	k := c.variables.Num(v)
	c.p.minNums = max(c.p.minNums, k+1)
	switch {
	case a == &c.root.attrs[c.time]:
		c.p.timeVar, k = int32(k), timeOfEvent
	case k >= 0:
		if a.kind == ocsf.KindInt {
			c.p.ranged = append(c.p.ranged, ranged{int32(k), uint16(a.first)})
		}
	case a.kind == ocsf.KindInt && int64(int32(v.Num)) != v.Num:
		return tooWide(v.Num, &c.leaves[a.first])
	default:
		c.add(a.first, rep, constant(int32(len(c.p.consts))), numCost)
		c.p.consts = append(c.p.consts, v.Num)
		return nil
	}
	c.add(a.first, rep, int32(len(c.p.nums)), numCost)
	c.p.nums = append(c.p.nums, int32(k))
	return nil
}

// pattern is what was noted: for each stream that was filled, the entries of the whole row.
func (c *compiler) pattern() *Pattern {
	p := c.p
	p.levels = append(p.levels, c.spines[0].levels...)
	p.filled = make([]uint64, setWords(len(c.spines))+setWords(len(c.columns)))
	for i := 1; i < len(c.spines); i++ {
		if s := &c.spines[i]; s.seen > 0 {
			p.spines = append(p.spines, p.fill(s, i, nil))
			p.filled[i/64] |= 1 << (i % 64)
		}
	}
	columns := p.filled[setWords(len(c.spines)):]
	for i := range c.columns {
		if s := &c.columns[i]; s.seen > 0 {
			p.columns = append(p.columns, p.fill(s, i, c.values[i]))
			columns[i/64] |= 1 << (i % 64)
		}
	}
	return p
}

func (p *Pattern) fill(s *stream, at int, values []int32) fill {
	s.catchUp(len(s.parent.levels))
	f := fill{at: uint16(at), levels: span{from: int32(len(p.levels))}, values: span{from: int32(len(p.values))}}
	p.levels, p.values = append(p.levels, s.levels...), append(p.values, values...)
	f.levels.to, f.values.to = int32(len(p.levels)), int32(len(p.values))
	return f
}

// setWords is the size of a set of n members, 64 in each word.
func setWords(n int) int { return (n + 63) / 64 }
