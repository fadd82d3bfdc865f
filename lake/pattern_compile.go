package lake

import (
	"errors"
	"math"
	"math/bits"
	"slices"

	"wazuh-security-lake/ocsf"
)

// compiler walks an event as Encoder.object does and notes what that would add. It is used for one event after the other.
type compiler struct {
	*tree
	variables Variables
	p         Pattern // as far as it is; its memory is the compiler's
	spines    []stream
	columns   []stream
	values    [][]int32 // by column
	texts     []int32   // by variable of the caller, that of the pattern + 1
}

func newCompiler(t *tree) *compiler {
	c := &compiler{
		tree:    t,
		spines:  make([]stream, len(t.around)),
		columns: make([]stream, len(t.leaves)),
		values:  make([][]int32, len(t.leaves)),
	}
	c.p.filled = make([]uint64, setWords(len(c.spines))+setWords(len(c.columns)))
	c.spines[0].levels = []byte{0}
	for i, around := range t.around[1:] {
		c.spines[i+1].parent = &c.spines[around]
	}
	for i := range c.columns {
		c.columns[i].parent = &c.spines[t.leaves[i].spine]
	}
	return c
}

// reset makes the compiler ready for another event.
func (c *compiler) reset() {
	spines, columns := c.sets()
	members(spines, func(i int) { c.spines[i].reset() })
	members(columns, func(i int) {
		c.columns[i].reset()
		c.values[i] = c.values[i][:0]
	})
	clear(c.p.filled)
	p := &c.p
	c.p = Pattern{
		levels: p.levels[:0], spines: p.spines[:0], columns: p.columns[:0], filled: p.filled,
		values: p.values[:0], words: shrink(p.words), ends: p.ends[:0], consts: p.consts[:0],
		texts: p.texts[:0], nums: p.nums[:0], ranged: p.ranged[:0],
	}
	c.variables, c.texts = nil, c.texts[:0]
}

// sets are the sets of the spines and of the columns that are filled.
func (c *compiler) sets() (spines, columns []uint64) {
	n := setWords(len(c.spines))
	return c.p.filled[:n], c.p.filled[n:]
}

func (c *compiler) compile(ev *ocsf.Event, v Variables) (*Pattern, error) {
	c.variables = v
	c.p.class, c.p.timeVar = c.class, -1
	if err := c.object(c.root, ev.Root, ev.Unmapped, 0, 0); err != nil {
		return nil, err
	}
	return c.pattern()
}

// object is what Encoder.object is.
func (c *compiler) object(n *node, o *ocsf.Object, unmapped []ocsf.KeyValue, rep, def uint8) error {
	if n.spine > 0 { // each row has the root
		c.spine(n, rep<<repShift|def)
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
				c.spine(a.child, rep<<repShift|(def+2))
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

// spine adds an entry to that of an object.
func (c *compiler) spine(n *node, level byte) {
	set, _ := c.sets()
	enter(set, n.spine)
	c.spines[n.spine].add(0, level)
}

// add adds an entry with a value to a column.
func (c *compiler) add(column int, rep uint8, value int32, cost int64) {
	_, set := c.sets()
	enter(set, column)
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
func (c *compiler) pattern() (*Pattern, error) {
	p := &c.p
	spines, columns := c.sets()
	p.levels = append(p.levels, c.spines[0].levels...)
	members(spines, func(i int) { p.spines = append(p.spines, p.fill(&c.spines[i], i, nil)) })
	members(columns, func(i int) { p.columns = append(p.columns, p.fill(&c.columns[i], i, c.values[i])) })
	if max(len(p.levels), len(p.values)) > math.MaxUint16 {
		return nil, errTooLarge
	}
	done := *p
	// There are many patterns: none has more memory than it needs, and few pieces of it, for each is rounded up.
	pack(&done.values, &done.ends, &done.texts, &done.nums)
	pack(&done.levels, &done.words)
	pack(&done.spines, &done.columns)
	done.filled, done.consts, done.ranged = slices.Clone(p.filled), slices.Clone(p.consts), slices.Clone(p.ranged)
	return &done, nil
}

var errTooLarge = errors.New("an event too large for a pattern")

// pack makes copies of lists that lie in one piece of memory.
func pack[T any](lists ...*[]T) {
	n := 0
	for _, l := range lists {
		n += len(*l)
	}
	all := make([]T, 0, n)
	for _, l := range lists {
		start := len(all)
		all = append(all, *l...)
		*l = all[start:len(all):len(all)]
	}
}

// fill copies the entries and values of a stream.
func (p *Pattern) fill(s *stream, at int, values []int32) fill {
	s.catchUp(len(s.parent.levels))
	f := fill{at: uint16(at), levels: span{from: uint16(len(p.levels))}, values: span{from: uint16(len(p.values))}}
	p.levels, p.values = append(p.levels, s.levels...), append(p.values, values...)
	f.levels.to, f.values.to = uint16(len(p.levels)), uint16(len(p.values))
	return f
}

// setWords is the size of a set of n members, 64 in each word.
func setWords(n int) int { return (n + 63) / 64 }

// enter puts i into a set.
func enter(set []uint64, i int) { set[i/64] |= 1 << (i % 64) }

// members calls fn for each member of a set, in order.
func members(set []uint64, fn func(i int)) {
	for w, m := range set {
		for ; m != 0; m &= m - 1 {
			fn(w*64 + bits.TrailingZeros64(m))
		}
	}
}
