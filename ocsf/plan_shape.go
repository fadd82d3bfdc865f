package ocsf

import (
	"encoding/binary"
	"slices"
	"strings"
)

// planShape is what alerts with the same fields of the same kinds in the same order have in common. Where no field is repeated and
// no name has dots in it, these tell which objects there are as well.
type planShape struct {
	leaves  []int32 // node and kind of each
	objects []int32 // nodes; nil where the leaves tell
	fixed   []int32 // leaves whose values are part of the plans
	varied  []int32 // the other leaves, of the last plan: most have the same
	wide    bool    // only leaves that were looked at are among them
	used    bool    // an alert had it since the last sweep
	plans   map[uint64]*Plan
	count   int // of the plans
	traced  int // alerts that were traced
	hits    int // alerts that a plan was found for
}

func newPlanShape(a *Alert) *planShape {
	s := &planShape{used: true, leaves: make([]int32, len(a.leaves))}
	for i := range a.leaves {
		s.leaves[i] = a.leaves[i].shape()
		if a.tree.nodes[a.leaves[i].node].settled {
			s.fixed = append(s.fixed, int32(i))
		}
	}
	if a.irregular || a.repeats {
		s.objects = append([]int32{}, a.objects...)
	}
	return s
}

// eachNode calls fn for the nodes that the shape is made of.
func (s *planShape) eachNode(fn func(node int32)) {
	for _, leaf := range s.leaves {
		fn(leaf >> 3)
	}
	for _, node := range s.objects {
		fn(node)
	}
}

// add puts a plan first of those of its hash. When there are as many as there may be, those are dropped.
func (s *planShape) add(hash uint64, plan *Plan) {
	if s.plans == nil {
		s.plans = make(map[uint64]*Plan, 1)
	}
	n := 0
	for other := s.plans[hash]; other != nil; other = other.next {
		n++
	}
	if n < chain {
		plan.next = s.plans[hash]
	} else {
		s.drop(hash)
	}
	s.plans[hash] = plan
	s.count++
}

// drop drops the plans of a hash.
func (s *planShape) drop(hash uint64) {
	for plan := s.plans[hash]; plan != nil; plan = plan.next {
		plan.gone = true
		s.count--
	}
	delete(s.plans, hash)
}

// clear drops all plans.
func (s *planShape) clear() {
	for hash := range s.plans {
		s.drop(hash)
	}
}

// shape is what a leaf contributes to the shape of its alert.
func (l *Leaf) shape() int32 { return l.node<<3 | int32(l.Kind) }

func shapeHash(a *Alert) uint64 {
	h := uint64(len(a.leaves))
	for i := range a.leaves {
		h = (h ^ uint64(uint32(a.leaves[i].shape()))) * mix
		h ^= h >> 32
	}
	if a.irregular || a.repeats {
		for _, node := range a.objects {
			h = (h ^ uint64(uint32(node))) * mix
			h ^= h >> 32
		}
	}
	return h
}

const mix = 0x9e3779b97f4a7c15

func (s *planShape) fits(a *Alert) bool {
	if irregular := a.irregular || a.repeats; len(a.leaves) != len(s.leaves) || irregular != (s.objects != nil) ||
		irregular && !slices.Equal(a.objects, s.objects) {
		return false
	}
	for i := range a.leaves {
		if a.leaves[i].shape() != s.leaves[i] {
			return false
		}
	}
	return true
}

// valueHash is made of the length and the ends of each value that is part of the plans.
func (s *planShape) valueHash(leaves []Leaf) uint64 {
	h := uint64(0)
	for _, i := range s.fixed {
		v := leaves[i].Value
		n := len(v)
		h ^= uint64(n)
		switch {
		case n >= 8:
			h = (h^binary.LittleEndian.Uint64(v))*mix ^ binary.LittleEndian.Uint64(v[n-8:])
		case n >= 4:
			h = (h ^ uint64(binary.LittleEndian.Uint32(v))<<32 ^ uint64(binary.LittleEndian.Uint32(v[n-4:])))
		case n > 0:
			h ^= uint64(v[0])<<16 | uint64(v[n/2])<<24 | uint64(v[n-1])<<32
		}
		h *= mix
		h ^= h >> 29
	}
	return h
}

// settledPath reports whether values of a path are likely to be the same for all alerts of a rule, so that they had better be
// part of the plan even if nothing depends on them.
func settledPath(path string) bool {
	switch {
	case path == "rule.firedtimes", path == "rule.description":
		return false // the description names what the rule found
	case strings.HasPrefix(path, "rule."), strings.HasPrefix(path, "decoder."), strings.HasPrefix(path, "manager."),
		strings.HasPrefix(path, "cluster."), strings.HasPrefix(path, "input."):
		return true
	}
	return false
}
