package ocsf

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// stencil is the line that a plan was made of, with holes where values are that may differ. A line that fits it has the same
// fields in the same order, with the same values where the plan wants them: all that Parse would find out, but that it was
// compared as text instead of being scanned. Nothing between the holes can be another JSON text than it was, and what
// stands in them is read as strictly as ever.
type stencil struct {
	text  []byte // what is between the holes, one behind the other
	holes []hole // as many as the plan has varied leaves
}

// hole is where a value may differ.
type hole struct {
	behind uint16 // so much of stencil.text, which ends with the quote of a string
	kind   LeafKind
}

// maxStencil is the longest line that is worth a stencil.
const maxStencil = 8 << 10

// newStencil returns the stencil of an alert, nil if it has none: varied are the leaves whose values are not part of the plan.
func newStencil(a *Alert, varied []int32) *stencil {
	if len(a.line) > maxStencil || a.spliced {
		return nil
	}
	st := &stencil{holes: make([]hole, 0, len(varied))}
	var text []byte
	s := scanner{a: new(Alert), src: a.line}
	for _, i := range varied {
		l := &a.leaves[i]
		from := s.pos
		s.pos = int(l.at)
		if _, ok := s.hole(l.Kind); !ok {
			return nil
		}
		to := l.at
		if l.Kind == LeafText {
			to++
		}
		text = append(text, a.line[from:to]...)
		st.holes = append(st.holes, hole{uint16(int(to) - from), l.Kind}) // no more than maxStencil
	}
	st.text = slices.Concat(text, a.line[s.pos:])
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

// read makes what is in the holes of a line the texts of v and reports whether the line fits; a is where texts are rewritten.
func (st *stencil) read(a *Alert, line []byte, v *Variables) bool {
	n := len(st.holes)
	v.Texts, v.plain = slices.Grow(v.Texts[:0], n)[:n], slices.Grow(v.plain[:0], n)[:n]
	texts, plain := v.Texts, v.plain
	pos, text := 0, st.text
	for i := range st.holes {
		h := st.holes[i]
		if !bytes.HasPrefix(line[pos:], text[:h.behind]) {
			return false
		}
		pos, text = pos+int(h.behind), text[h.behind:]
		s, ok := scanner{a: a, src: line, pos: pos}, false
		if h.kind != LeafText {
			texts[i], ok = s.hole(h.kind)
		} else if end := plainEnd(line, pos); end < len(line) && line[end] == '"' {
			texts[i], plain[i], pos = line[pos:end], true, end+1
			continue
		} else {
			texts[i], ok = s.rewritten(pos, end)
		}
		if !ok {
			return false
		}
		plain[i], pos = false, s.pos
	}
	return bytes.Equal(line[pos:], text)
}

// recent are the plans that lines were mapped by lately, by the id of the rule.
type recent struct {
	plans [recentLines][recentPlans]*Plan
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

// forget drops the plans that are gone.
func (r *recent) forget() {
	for i := range r.plans {
		n, at := 0, &r.plans[i]
		for _, plan := range at {
			if plan != nil && !plan.gone {
				at[n], n = plan, n+1
			}
		}
		clear(at[n:])
	}
}
