package lake

import (
	"fmt"
	"math/bits"

	"wazuh-security-lake/ocsf"
)

// object adds the attributes of o, whose type sits at n; rep and def are the levels of o itself.
// unmapped is only set for the root. What is missing adds nothing: see stream.
func (e *Encoder) object(n *node, o *ocsf.Object, unmapped []ocsf.KeyValue, rep, def uint8) error {
	row := len(e.rows)
	if s := &e.spines[n.spine]; s.parent == nil {
		s.levels = append(s.levels, 0)
	} else {
		s.add(row, rep<<repShift|def)
	}
	e.buffered += int64(len(n.attrs)) * attrCost
	if len(unmapped) > 0 && n.mapping >= 0 {
		e.mapping(&n.attrs[n.mapping], unmapped, row)
	}
	for w, m := range o.Slots() {
		for ; m != 0; m &= m - 1 {
			i := w*64 + bits.TrailingZeros64(m)
			if v := &o.Values[i]; v.Set {
				if err := e.attribute(&n.attrs[i], v, row, rep, def); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// attribute adds a value that is set to the object at the levels rep and def.
func (e *Encoder) attribute(a *attr, v *ocsf.Value, row int, rep, def uint8) error {
	switch {
	case a.kind == ocsf.KindMap: // the pairs lie in Event.Unmapped
	case a.list:
		return e.list(a, v, row, rep, def)
	case a.kind == ocsf.KindObject:
		if present(a, v) {
			return e.object(a.child, v.Objs[0], nil, rep, def+1)
		}
	case a.kind == ocsf.KindString:
		e.text(a.first, row, rep, v.Str)
	default:
		return e.number(a, v.Num, row, rep)
	}
	return nil
}

// text adds a text to a column.
func (e *Encoder) text(column, row int, rep uint8, v []byte) {
	c := &e.columns[column]
	e.buffered += c.addText(&e.seeds, row, rep, v)
	e.measure(c)
}

func tooWide(n int64, l *leaf) error {
	return fmt.Errorf("%w: %d at %v has more than 32 bits", ErrEvent, n, l.path)
}

// number adds a number, boolean or instant.
func (e *Encoder) number(a *attr, n int64, row int, rep uint8) error {
	if a.kind == ocsf.KindInt && int64(int32(n)) != n {
		return tooWide(n, &e.layout.leaves[a.first])
	}
	e.columns[a.first].addNum(row, rep, n)
	e.buffered += numCost
	return nil
}

// What a value takes in memory and, at most, in a page: a level byte with a number or with the number or end of a text;
// what a new word takes beside its bytes; and what an object costs for each attribute it may have, because those it has
// not are entries too.
const (
	refCost  = 5
	wordCost = 24
	numCost  = 9
	attrCost = 1
)

// list adds the elements of a list; def is the level of the object around it.
func (e *Encoder) list(a *attr, v *ocsf.Value, row int, rep, def uint8) error {
	switch a.kind {
	case ocsf.KindString:
		for _, s := range v.Strs {
			e.text(a.first, row, rep, s)
			rep = a.rep
		}
		return nil
	case ocsf.KindObject:
	default:
		return e.number(a, v.Num, row, rep) // ocsf's convention: a list of numbers has one element, and it is in Num
	}
	for _, o := range v.Objs {
		if empty(a.child, o) {
			e.spines[a.child.spine].add(row, rep<<repShift|(def+2)) // a null element keeps the places of the others
			e.buffered += int64(len(a.child.attrs)) * attrCost
		} else if err := e.object(a.child, o, nil, rep, def+3); err != nil {
			return err
		}
		rep = a.rep
	}
	return nil
}

// mapping adds the pairs of the map at the root.
func (e *Encoder) mapping(a *attr, pairs []ocsf.KeyValue, row int) {
	rep := uint8(0)
	for _, kv := range pairs {
		e.text(a.first, row, rep, kv.Key)
		e.text(a.first+1, row, rep, kv.Value)
		rep = a.rep
	}
}

// present reports whether there is something to write: a struct of nulls is a missing struct.
func present(a *attr, v *ocsf.Value) bool {
	switch {
	case !v.Set:
		return false
	case a.kind == ocsf.KindObject && a.list:
		return len(v.Objs) > 0
	case a.kind == ocsf.KindObject:
		return len(v.Objs) > 0 && !empty(a.child, v.Objs[0])
	case a.kind == ocsf.KindString && a.list:
		return len(v.Strs) > 0
	}
	return true
}

func empty(n *node, o *ocsf.Object) bool {
	for w, m := range o.Slots() {
		for ; m != 0; m &= m - 1 {
			if i := w*64 + bits.TrailingZeros64(m); present(&n.attrs[i], &o.Values[i]) {
				return false
			}
		}
	}
	return true
}
