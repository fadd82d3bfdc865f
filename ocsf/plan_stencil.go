package ocsf

import (
	"bytes"
	"encoding/binary"
)

// stencil is the line that a plan was made of, with holes where values are that may differ. A line that fits it has the same
// fields in the same order, with the same values where the plan wants them: all that Parse would find out, but that it was
// compared as text instead of being scanned. Nothing between the holes can be another JSON text than it was, and what
// stands in them is read as strictly as ever.
type stencil struct {
	text   []byte // what is between the holes, one behind the other
	holes  []hole
	leaves []Leaf // of the alert; the values in holes are not theirs
}

// hole is where a value may differ.
type hole struct {
	end  int32 // in stencil.text, of what is before it
	leaf int32
}

// maxStencil is the longest line that is worth a stencil.
const maxStencil = 8 << 10

// newStencil returns the stencil of an alert, nil if it has none: fixed are the leaves whose values are part of the plan.
// Values of these lie in values, where ends says.
func newStencil(a *Alert, fixed []int32, values []byte, ends []int32) *stencil {
	if len(a.line) > maxStencil || a.spliced {
		return nil
	}
	st := &stencil{leaves: append([]Leaf(nil), a.leaves...)}
	from, known := 0, 0
	s := scanner{a: new(Alert), src: a.line}
	for i := range st.leaves {
		l := &st.leaves[i]
		if known < len(fixed) && int(fixed[known]) == i {
			start := int32(0)
			if known > 0 {
				start = ends[known-1]
			}
			l.Value = values[start:ends[known]:ends[known]]
			known++
			continue
		}
		if l.Kind == LeafEmpty || l.Kind == LeafNull { // there is no other value of the kind
			l.Value = bytes.Clone(l.Value)
			continue
		}
		l.Value = nil
		st.text = append(st.text, a.line[from:l.at]...)
		st.holes = append(st.holes, hole{int32(len(st.text)), int32(i)})
		s.pos = int(l.at)
		if _, ok := s.hole(l.Kind); !ok {
			return nil
		}
		from = s.pos
	}
	st.text = append(st.text, a.line[from:]...)
	return st
}

// hole passes a value of a kind and returns it as a leaf would hold it.
func (s *scanner) hole(kind LeafKind) ([]byte, bool) {
	start := s.pos
	switch kind {
	case LeafText:
		if !s.at('"') {
			return nil, false
		}
		return s.string()
	case LeafNumber:
		if s.number() < 0 {
			return nil, false
		}
	case LeafBool:
		if s.literal("true") < 0 && s.literal("false") < 0 {
			return nil, false
		}
	case LeafJSON:
		// It may lie as deep as an object of leaves can, and the whole no deeper than Parse takes it.
		if !s.at('[') && !s.at('{') || !s.skip(maxNesting-maxObjectDepth-1) {
			return nil, false
		}
		return s.a.validText(s.src[start:s.pos]), true
	default:
		return nil, false
	}
	return s.src[start:s.pos], true
}

// read makes the alert that of a line, if it fits.
func (st *stencil) read(a *Alert, line []byte, values [][]byte) ([][]byte, bool) {
	s := scanner{a: a, src: line}
	values = values[:0]
	from := int32(0)
	for i := range st.holes {
		h := &st.holes[i]
		n := int(h.end - from)
		if len(line)-s.pos < n || !bytes.Equal(line[s.pos:s.pos+n], st.text[from:h.end]) {
			return values, false
		}
		s.pos += n
		from = h.end
		value, ok := s.hole(st.leaves[h.leaf].Kind)
		if !ok {
			return values, false
		}
		values = append(values, value)
	}
	if !bytes.Equal(line[s.pos:], st.text[from:]) {
		return values, false
	}
	a.leaves = append(a.leaves[:0], st.leaves...)
	for i := range st.holes {
		a.leaves[st.holes[i].leaf].Value = values[i]
	}
	return values, true
}

// recent are the plans that lines were mapped by lately, by the id of the rule.
type recent struct {
	plans  [recentLines][recentPlans]*Plan
	values [][]byte // of the line at hand
}

const (
	recentLines = 512
	recentPlans = 8 // a line of the processor's cache
	// ruleFrom is before the description of the rule in analysisd's lines, which its id follows. Where it does not, before
	// ruleTo, lines are told apart by what stands at ruleFrom.
	ruleFrom, ruleTo = 60, 400
)

var beforeRuleID = []byte(`","id":"`)

// of returns the plans for a line, nil if it is too short to tell.
func (r *recent) of(line []byte) *[recentPlans]*Plan {
	if len(line) < ruleFrom+8 {
		return nil
	}
	rule := line[ruleFrom:min(len(line), ruleTo)]
	if i := bytes.Index(rule[:len(rule)-8], beforeRuleID); i >= 0 {
		rule = rule[i+len(beforeRuleID):]
	}
	return &r.plans[binary.LittleEndian.Uint64(rule)*mix>>32%recentLines]
}

// first puts a plan first.
func (r *recent) first(at *[recentPlans]*Plan, plan *Plan) {
	last := plan
	for i := range at {
		at[i], last = last, at[i]
		if last == plan {
			break
		}
	}
}
