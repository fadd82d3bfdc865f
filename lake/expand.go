package lake

import (
	"math/bits"
	"slices"

	"wazuh-security-lake/ocsf"
)

// expand puts the rows of the batch into the columns. Each stream gets the entries of whole rows, also those that are
// missing: they are those of the object around it, see stream.
func (e *Encoder) expand() {
	if len(e.batch.rows) == 0 {
		return
	}
	x := expander{batch: &e.batch, group: e.group, seeds: &e.seeds, first: len(e.rows) - len(e.batch.rows)}
	x.prepare()
	x.spines()
	x.columns()
	x.drop()
}

// expander is one expansion. What it finds out about a stream it notes by kind, that is by pattern, so that little is
// left to do for each row, and the same for all: which pattern a row has cannot be foretold.
type expander struct {
	*batch
	group *group
	seeds *seeds
	first int // row
}

// expansion is the memory of an expander.
type expansion struct {
	patterns []*Pattern // by kind
	filled   []uint64   // the union of those of the patterns
	base     []int      // by spine that is filled, its entries before the batch
	spine    []kindLevels

	// By kind, the next stream that it fills, and the rest of its fills.
	next []uint16
	rest [][]fill
	hits []hit // of the stream at hand, by those that fill it

	column kindLevels // of the column at hand
	values [][]int32
	codes  []int32
	source []source
}

// kindLevels are the entries of a row in a stream, by kind.
type kindLevels struct {
	one   []byte   // the first of each
	lists [][]byte // all; empty where there are no more in any kind
}

// hit is a kind that fills the stream at hand.
type hit struct {
	kind int
	*fill
}

// source is where the number of a row in a column lies: at base, plus where those of the row begin if that counts.
type source struct {
	base, mask int32
	values     int32 // 0 or 1
}

// noFill is the next stream of a kind that fills no other.
const noFill = 1<<16 - 1

// prepare makes room for the kinds.
func (x *expander) prepare() {
	x.filled = x.filled[:0]
	x.patterns = x.patterns[:0]
	for i, k := range x.kinds {
		p := x.group.likeness.alike[k].p
		x.patterns = append(x.patterns, p)
		if i == 0 {
			x.filled = append(x.filled, p.filled...)
			continue
		}
		for j, w := range p.filled {
			x.filled[j] |= w
		}
	}
	if len(x.base) != len(x.group.spines) {
		x.base, x.spine = make([]int, len(x.group.spines)), make([]kindLevels, len(x.group.spines))
	}
	kinds := len(x.kinds)
	x.next = slices.Grow(x.next[:0], kinds)[:kinds]
	x.rest = slices.Grow(x.rest[:0], kinds)[:kinds]
	x.values = slices.Grow(x.values[:0], kinds)[:kinds]
	x.codes = slices.Grow(x.codes[:0], kinds)[:kinds]
	x.source = slices.Grow(x.source[:0], kinds)[:kinds]
}

// begin goes to the first fill of each kind.
func (x *expander) begin(fills func(p *Pattern) []fill) {
	for i, p := range x.patterns {
		x.rest[i] = fills(p)
		x.advance(i)
	}
}

func (x *expander) advance(kind int) {
	x.next[kind] = noFill
	if rest := x.rest[kind]; len(rest) > 0 {
		x.next[kind] = rest[0].at
	}
}

// find notes which kinds fill a stream. Streams are asked for in their order.
func (x *expander) find(stream int) {
	x.hits = x.hits[:0]
	for i, next := range x.next {
		if int(next) == stream {
			x.hits = append(x.hits, hit{i, &x.rest[i][0]})
			x.rest[i] = x.rest[i][1:]
			x.advance(i)
		}
	}
}

// spines adds the entries of the objects, each after the one around it.
func (x *expander) spines() {
	root := &x.spine[0]
	root.one, root.lists = append(root.one[:0], make([]byte, len(x.kinds))...), root.lists[:0]
	x.base[0] = x.first
	x.entries(&x.group.spines[0], root)
	x.begin(func(p *Pattern) []fill { return p.spines })
	for w, m := range x.filled[:setWords(len(x.group.spines))] {
		for ; m != 0; m &= m - 1 {
			at := w*64 + bits.TrailingZeros64(m)
			around := x.group.layout.around[at]
			x.find(at)
			x.learn(&x.spine[at], &x.spine[around])
			x.base[at] = x.extend(&x.group.spines[at], x.base[around], &x.spine[at])
		}
	}
}

// columns adds the entries and the values of the columns.
func (x *expander) columns() {
	x.begin(func(p *Pattern) []fill { return p.columns })
	for w, m := range x.filled[setWords(len(x.group.spines)):] {
		for ; m != 0; m &= m - 1 {
			at := w*64 + bits.TrailingZeros64(m)
			c := &x.group.columns[at]
			x.find(at)
			x.learn(&x.column, &x.spine[c.spine])
			x.extend(&c.stream, x.base[c.spine], &x.column)
			switch {
			case c.kind != ocsf.KindString:
				x.addNumbers(c)
			case c.coded():
				x.addCoded(c)
				x.group.measure(c)
			default:
				x.addSpelled(c)
			}
		}
	}
}

// learn finds the entries of the stream at hand: where it is not filled, those of the stream around it.
func (x *expander) learn(l, around *kindLevels) {
	l.one = append(l.one[:0], around.one...)
	l.lists = append(l.lists[:0], around.lists...)
	for _, h := range x.hits {
		levels := x.patterns[h.kind].levels[h.levels.from:h.levels.to]
		l.one[h.kind] = levels[0]
		if len(levels) > 1 && len(l.lists) == 0 {
			for i := range l.one {
				l.lists = append(l.lists, l.one[i:i+1:i+1])
			}
		}
		if len(l.lists) > 0 {
			l.lists[h.kind] = levels
		}
	}
}

// extend adds the entries of each row to a stream, behind those for the first entries of the stream around it. It returns
// how many it had before.
func (x *expander) extend(s *stream, around int, l *kindLevels) int {
	s.catchUp(around)
	before := len(s.levels)
	x.entries(s, l)
	s.seen = len(s.parent.levels)
	return before
}

func (x *expander) entries(s *stream, l *kindLevels) {
	if len(l.lists) > 0 {
		for _, kind := range x.of {
			if list := l.lists[kind]; len(list) == 1 {
				s.levels = append(s.levels, list[0])
			} else {
				s.levels = append(s.levels, list...)
			}
		}
		return
	}
	n := len(s.levels)
	s.levels = slices.Grow(s.levels, len(x.of))[:n+len(x.of)]
	dst := s.levels[n:]
	for i, kind := range x.of {
		dst[i] = l.one[kind]
	}
}
