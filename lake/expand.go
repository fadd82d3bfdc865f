package lake

import (
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"

	"wazuh-security-lake/ocsf"
)

// expand puts the rows of the batch into the columns. Each stream gets the entries of whole rows, also those that are
// missing: they are those of the object around it, see stream.
func (e *Encoder) expand() {
	if len(e.batch.rows) == 0 {
		return
	}
	x := &e.expansion
	x.batch, x.group, x.seeds, x.first = &e.batch, e.group, &e.seeds, len(e.rows)-len(e.batch.rows)
	x.prepare(max(e.opt.Hands, 1))
	x.fillers[0].spines()
	x.fill()
	x.group = nil // an idle encoder lets go of its group
	e.batch.drop()
}

// expansion is the way of a batch into the columns. What is found out about a stream is noted by kind, that is by pattern, so
// that little is left to do for each row, and the same for all: which pattern a row has cannot be foretold.
type expansion struct {
	*batch
	group *group
	seeds *seeds
	first int // row

	patterns   []*Pattern // by kind
	filled     []uint64   // the union of those of the patterns
	base       []int      // by spine that is filled, its entries before the batch
	spine      []kindLevels
	allFillers []*filler
	fillers    []*filler    // those of the batch at hand
	begun      atomic.Int32 // shares that a filler has begun with
}

// filler fills streams. Several work side by side, each on other columns.
type filler struct {
	*expansion
	batch // a copy of its slices, for a step less to each row
	// By kind, the next stream that it fills, and the rest of its fills.
	next []uint16
	rest [][]fill
	hits []hit // of the stream at hand, by those that fill it

	column kindLevels // of the column at hand
	values [][]int32
	codes  []int32
	lists  []codeList
	listed []int32 // the codes in lists
	source []source
	none   [1]int64 // a source for what has no value

	// What the columns grew by, until all fillers are done.
	grown []growth
	sizes
}

// growth is what the new words of a row take.
type growth struct {
	row   int
	bytes int64
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
	nums       []int64
	base, mask int32
	values     int32 // 0 or 1
}

// noFill is the next stream of a kind that fills no other.
const noFill = 1<<16 - 1

// prepare makes room for the kinds, and for so many fillers.
func (x *expansion) prepare(fillers int) {
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
	if len(x.rows) < manyRows {
		fillers = 1
	}
	for len(x.allFillers) < fillers {
		x.allFillers = append(x.allFillers, new(filler))
	}
	x.fillers = x.allFillers[:fillers]
	for _, f := range x.fillers {
		f.expansion, f.batch = x, *x.batch
		kinds := len(x.kinds)
		f.next = slices.Grow(f.next[:0], kinds)[:kinds]
		f.rest = slices.Grow(f.rest[:0], kinds)[:kinds]
		f.values = slices.Grow(f.values[:0], kinds)[:kinds]
		f.codes = slices.Grow(f.codes[:0], kinds)[:kinds]
		f.lists = slices.Grow(f.lists[:0], kinds)[:kinds]
		f.source = slices.Grow(f.source[:0], kinds)[:kinds]
	}
}

// manyRows are worth several fillers.
const manyRows = 128

// fill fills the columns. Which of the fillers fills one makes no difference.
func (x *expansion) fill() {
	x.begun.Store(0)
	var others sync.WaitGroup
	for _, f := range x.fillers[1:] {
		others.Go(f.columns)
	}
	x.fillers[0].columns()
	others.Wait()
	for _, f := range x.fillers {
		for _, g := range f.grown {
			x.group.rows[g.row].bytes += g.bytes
			x.group.buffered += g.bytes
		}
		x.group.merge(f.sizes)
		f.grown, f.sizes, f.batch = f.grown[:0], sizes{}, batch{}
	}
}

// begin goes to the first fill of each kind.
func (x *filler) begin(fills func(p *Pattern) []fill) {
	for i, p := range x.patterns {
		x.rest[i] = fills(p)
		x.advance(i)
	}
}

func (x *filler) advance(kind int) {
	x.next[kind] = noFill
	if rest := x.rest[kind]; len(rest) > 0 {
		x.next[kind] = rest[0].at
	}
}

// find notes which kinds fill a stream. Streams are asked for in their order.
func (x *filler) find(stream int) {
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
func (x *filler) spines() {
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

// share is how many columns a filler takes at a time.
const share = 16

// columns adds the entries and the values of columns, as long as there are some that no other filler has begun with.
func (x *filler) columns() {
	x.begin(func(p *Pattern) []fill { return p.columns })
	filled := x.filled[setWords(len(x.group.spines)):]
	for {
		from := share * int(x.begun.Add(1)-1)
		if from >= 64*len(filled) {
			return
		}
		x.skip(from)
		for m := filled[from/64] >> (from % 64) & (1<<share - 1); m != 0; m &= m - 1 {
			x.add(from + bits.TrailingZeros64(m))
		}
	}
}

// skip passes over the columns before one.
func (x *filler) skip(to int) {
	for kind, next := range x.next {
		for int(next) < to {
			x.rest[kind] = x.rest[kind][1:]
			x.advance(kind)
			next = x.next[kind]
		}
	}
}

// add adds the entries and the values of a column. Columns are asked for in their order.
func (x *filler) add(at int) {
	c := &x.group.columns[at]
	x.find(at)
	x.learn(&x.column, &x.spine[c.spine])
	x.extend(&c.stream, x.base[c.spine], &x.column)
	switch {
	case c.kind != ocsf.KindString:
		x.addNumbers(c)
	case c.coded():
		x.addCoded(c)
		x.measure(c)
	default:
		x.addSpelled(c)
	}
}

// learn finds the entries of the stream at hand: where it is not filled, those of the stream around it.
func (x *filler) learn(l, around *kindLevels) {
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
func (x *filler) extend(s *stream, around int, l *kindLevels) int {
	s.catchUp(around)
	before := len(s.levels)
	x.entries(s, l)
	s.seen = len(s.parent.levels)
	return before
}

func (x *filler) entries(s *stream, l *kindLevels) {
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
