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
	wide    bool    // only leaves that were looked at are among them
	plans   map[uint64]*Plan
	count   int // of the plans
	traced  int // alerts that were traced
	hits    int // alerts that a plan was found for
}

func (s *planShape) clear() {
	clear(s.plans)
	s.count = 0
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
