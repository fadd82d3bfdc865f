package lake

import (
	"math/bits"
	"slices"

	"wazuh-security-lake/ocsf"
)

// expansion is the memory that putting a batch into the columns takes.
type expansion struct {
	filled []uint64   // the union of those of the patterns
	base   []int      // by spine that is filled, its entries before the batch
	levels [][][]byte // by spine, by kind, the entries of a row
	next   []uint16   // by kind, the next of its fills
	column [][]byte   // by kind, the entries of a row in the column at hand
	values [][]int32  // by kind, the values of a row in the column at hand
	one    []byte
	code   []int32
}

// expand puts the rows of the batch into the columns. Each stream gets the entries of whole rows, also those that are
// missing: they are those of the object around it, see stream.
func (e *Encoder) expand() {
	b, g := &e.batch, e.group
	if len(b.rows) == 0 {
		return
	}
	x := expander{batch: b, group: g, seeds: &e.seeds, first: len(g.rows) - len(b.rows)}
	x.prepare()
	x.spines()
	x.columns()
	b.drop()
}

// expander is one expansion.
type expander struct {
	*batch
	group *group
	seeds *seeds
	first int // row
}

// prepare makes room for the kinds.
func (x *expander) prepare() {
	spines, kinds := len(x.group.spines), len(x.kinds)
	if len(x.base) != spines {
		x.base, x.levels = make([]int, spines), make([][][]byte, spines)
	}
	x.filled = x.filled[:0]
	for i, k := range x.kinds {
		p := x.group.likeness.alike[k].p
		if i == 0 {
			x.filled = append(x.filled, p.filled...)
			continue
		}
		for j, w := range p.filled {
			x.filled[j] |= w
		}
	}
	x.next = slices.Grow(x.next[:0], kinds)[:kinds]
	x.column = slices.Grow(x.column[:0], kinds)[:kinds]
	x.values = slices.Grow(x.values[:0], kinds)[:kinds]
	x.one = slices.Grow(x.one[:0], kinds)[:kinds]
	x.code = slices.Grow(x.code[:0], kinds)[:kinds]
}

// pattern is that of a kind.
func (x *expander) pattern(kind int) *Pattern { return x.group.likeness.alike[x.kinds[kind]].p }

// spines adds the entries of the objects, each after the one around it.
func (x *expander) spines() {
	root := x.room(0)
	for i := range x.kinds {
		root[i] = x.pattern(i).levels[:1]
	}
	x.base[0] = x.first
	x.entries(&x.group.spines[0], root)
	clear(x.next)
	n := setWords(len(x.group.spines))
	for w, m := range x.filled[:n] {
		for ; m != 0; m &= m - 1 {
			at := w*64 + bits.TrailingZeros64(m)
			around := x.group.layout.around[at]
			levels := x.room(at)
			copy(levels, x.levels[around])
			for i, next := range x.next {
				if p := x.pattern(i); int(next) < len(p.spines) && int(p.spines[next].at) == at {
					f := &p.spines[next]
					levels[i] = p.levels[f.levels.from:f.levels.to]
					x.next[i]++
				}
			}
			s := &x.group.spines[at]
			s.catchUp(x.base[around])
			x.base[at] = len(s.levels)
			x.entries(s, levels)
			s.seen = len(s.parent.levels)
		}
	}
}

// room is that of the entries of a spine by kind.
func (x *expander) room(spine int) [][]byte {
	x.levels[spine] = slices.Grow(x.levels[spine][:0], len(x.kinds))[:len(x.kinds)]
	return x.levels[spine]
}

// columns adds the entries and the values of the columns.
func (x *expander) columns() {
	clear(x.next)
	for w, m := range x.filled[setWords(len(x.group.spines)):] {
		for ; m != 0; m &= m - 1 {
			at := w*64 + bits.TrailingZeros64(m)
			c := &x.group.columns[at]
			copy(x.column, x.levels[c.spine])
			clear(x.values)
			for i, next := range x.next {
				if p := x.pattern(i); int(next) < len(p.columns) && int(p.columns[next].at) == at {
					f := &p.columns[next]
					x.column[i] = p.levels[f.levels.from:f.levels.to]
					x.values[i] = p.values[f.values.from:f.values.to]
					x.next[i]++
				}
			}
			c.catchUp(x.base[c.spine])
			x.entries(&c.stream, x.column)
			c.seen = len(c.parent.levels)
			switch {
			case c.kind != ocsf.KindString:
				x.numbers(c)
			case c.coded():
				x.coded(c)
			default:
				x.spelled(c)
			}
		}
	}
}

// entries adds the entries of each row to a stream; levels are those of a row by kind.
func (x *expander) entries(s *stream, levels [][]byte) {
	single := true
	for i, l := range levels {
		x.one[i] = l[0]
		single = single && len(l) == 1
	}
	if single { // as in most columns
		n := len(s.levels)
		s.levels = slices.Grow(s.levels, len(x.rows))[:n+len(x.rows)]
		dst := s.levels[n:]
		for i := range x.rows {
			dst[i] = x.one[x.rows[i].kind]
		}
		return
	}
	for i := range x.rows {
		if l := levels[x.rows[i].kind]; len(l) == 1 {
			s.levels = append(s.levels, l[0])
		} else {
			s.levels = append(s.levels, l...)
		}
	}
}

func (x *expander) numbers(c *column) {
	for i := range x.rows {
		r := &x.rows[i]
		for _, v := range x.values[r.kind] {
			if v < 0 {
				c.nums = append(c.nums, x.pattern(int(r.kind)).consts[constant(v)])
			} else {
				c.nums = append(c.nums, x.nums[r.nums+v])
			}
		}
	}
}

func (x *expander) spelled(c *column) {
	for i := range x.rows {
		r := &x.rows[i]
		for _, v := range x.values[r.kind] {
			start := len(c.arena)
			if v < 0 {
				c.arena = append(c.arena, x.pattern(int(r.kind)).plain(constant(v))...)
			} else {
				t := &x.texts[r.texts+v]
				c.arena = appendPlain(c.arena, x.arena[t.from:t.to])
			}
			c.longest = max(c.longest, len(c.arena)-start-lengthBytes)
			c.refs = append(c.refs, int32(len(c.arena)))
		}
	}
}

func (x *expander) coded(c *column) {
	refs := x.group.likeness.refs
	for i := range x.rows {
		r := &x.rows[i]
		for _, v := range x.values[r.kind] {
			if v >= 0 {
				t := &x.texts[r.texts+v]
				c.refs = append(c.refs, x.number(c, i, t.hash, x.arena[t.from:t.to]))
				continue
			}
			a := &x.group.likeness.alike[x.kinds[r.kind]]
			n := constant(v)
			ref := &refs[a.refs+n]
			if *ref == noRef {
				text := a.p.plain(n)[lengthBytes:]
				*ref = x.number(c, i, x.seeds.hash(text), text)
			}
			c.refs = append(c.refs, *ref)
		}
	}
	x.group.measure(c)
}

// number looks a text of row i of the batch up in the dictionary of c.
func (x *expander) number(c *column, i int, hash uint32, text []byte) int32 {
	before := len(c.words.ends)
	ref := c.words.find(hash, text)
	if len(c.words.ends) > before {
		x.group.rows[x.first+i].bytes += wordCost + int64(len(text))
		x.group.buffered += wordCost + int64(len(text))
	}
	return ref
}
