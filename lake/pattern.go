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
	ops     []op
	words   []word  // the constant texts
	consts  []int64 // the constant numbers
	ranged  []ranged
	timeVar int32 // the variable that the attribute time is, or -1
	cost    int64 // what the objects take, see attrCost

	texts, nums int // how many variables there must be
}

// op adds one entry to a stream: to that of an object, or to that of a column with a value.
type op struct {
	kind  opKind
	level uint8  // of a column, that of repetition
	at    uint16 // spine or column
	arg   int32  // of the constants or of the variables
}

type opKind uint8

const (
	opObject opKind = iota
	opWord          // a constant text
	opText          // a variable one
	opConst
	opNum
	opTime
)

// word is a constant text.
type word []byte

// ranged is a variable that must fit a column of 32 bits.
type ranged struct {
	num    int32
	column uint16
}

// NewPattern compiles the pattern of which ev is an example. It copies what it needs of ev, which may be reset on return.
//
// The errors are those for which Write refuses the event without a look at its variables: they wrap ErrEvent. A class that
// Parquet cannot express is one too.
func NewPattern(ev *ocsf.Event, v Variables) (*Pattern, error) {
	t, err := newTree(ev.Class)
	if err != nil {
		return nil, err
	}
	if at := &ev.Root.Values[t.time]; !at.Set || at.Num != ev.Time {
		return nil, fmt.Errorf("%w: attribute time differs from the time of the event", ErrEvent)
	}
	c := compiler{tree: t, variables: v, p: &Pattern{class: ev.Class, timeVar: -1}}
	if err := c.object(t.root, ev.Root, ev.Unmapped, 0, 0); err != nil {
		return nil, err
	}
	return c.p, nil
}

// compiler walks an event as Encoder.object does and notes what that would add.
type compiler struct {
	*tree
	variables Variables
	p         *Pattern
}

func (c *compiler) add(kind opKind, level uint8, at, arg int) {
	c.p.ops = append(c.p.ops, op{kind, level, uint16(at), int32(arg)})
}

// object is what Encoder.object is.
func (c *compiler) object(n *node, o *ocsf.Object, unmapped []ocsf.KeyValue, rep, def uint8) error {
	if n.spine > 0 { // each row has the root
		c.add(opObject, rep<<repShift|def, n.spine, 0)
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
				c.add(opObject, rep<<repShift|(def+2), a.child.spine, 0)
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

func (c *compiler) text(column int, rep uint8, text []byte) {
	if k := c.variables.Text(text); k >= 0 {
		c.p.texts = max(c.p.texts, k+1)
		c.add(opText, rep, column, k)
		return
	}
	c.add(opWord, rep, column, len(c.p.words))
	c.p.words = append(c.p.words, append(word(nil), text...))
}

func (c *compiler) number(a *attr, v *ocsf.Value, rep uint8) error {
	k := c.variables.Num(v)
	if k >= 0 {
		c.p.nums = max(c.p.nums, k+1)
	}
	switch {
	case a == &c.root.attrs[c.time]:
		c.p.timeVar = int32(k)
		c.add(opTime, rep, a.first, 0)
	case k >= 0:
		if a.kind == ocsf.KindInt {
			c.p.ranged = append(c.p.ranged, ranged{int32(k), uint16(a.first)})
		}
		c.add(opNum, rep, a.first, k)
	case a.kind == ocsf.KindInt && int64(int32(v.Num)) != v.Num:
		return tooWide(v.Num, &c.leaves[a.first])
	default:
		c.add(opConst, rep, a.first, len(c.p.consts))
		c.p.consts = append(c.p.consts, v.Num)
	}
	return nil
}
