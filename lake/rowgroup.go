package lake

import (
	"fmt"
	"math/bits"
	"slices"

	"wazuh-security-lake/ocsf"
)

// holdBack is how far the timestamps of a log go back at most without counting as old: analysisd stamps an alert before
// it is in the order of writing, and does so in several threads.
const holdBack = 2000 // milliseconds

// holdBackBytes is the most that stays back, for every row that does is copied twice: from some 1,000 alerts a second on it is less than
// holdBack, at 10,000 a second it is 0.2 s. The logs that were measured go back by 7 ms. A row that then turns out to be older costs
// an object, nothing else.
const holdBackBytes = 1 << 20

// flush writes a row group: of all rows, or without the latest ones, for which an older one may still come.
func (e *Encoder) flush(all bool) error {
	if len(e.rows) == 0 {
		return nil
	}
	e.expand()
	g, n := e.group, len(e.rows)
	g.sort()
	if !all {
		n = e.ripe()
	}
	g.complete()
	if e.groups == 0 {
		e.chooseEncodings()
	}
	e.begin()
	e.spare.take(g, e.held(n), e)
	e.written += e.buffered - e.spare.buffered
	e.flushed = g.rows[g.order[n-1]].time
	e.rowsWritten += int64(n)
	e.groups++
	if err := e.write(g, n); err != nil {
		e.err = fmt.Errorf("write row group %d: %w", e.groups-1, err)
	}
	g = e.emptied(g, all)
	e.group = g
	if len(e.spare.rows) > 0 {
		// Back to where the memory is: two groups of full size would be twice of it.
		e.spare.complete()
		g.take(e.spare, e.spare.arrived(), e)
		e.spare.reset()
	}
	return e.err
}

// write writes the first n rows of g.
func (e *Encoder) write(g *group, n int) error {
	p := e.opt.Presses.get(e.layout, e.opt.Hands)
	if err := p.write(e.file, g, n); err != nil {
		return err // and the press is not used again
	}
	e.bounds += p.bounds
	e.opt.Presses.put(p)
	return nil
}

// emptied returns g without rows, or an empty group in its place. The last row group of an object says nothing about the next.
func (e *Encoder) emptied(g *group, last bool) *group {
	if e.trim {
		e.trim = false
		return newGroup(e.layout)
	}
	if !last {
		g.fit(e.budget())
	}
	g.reset()
	return g
}

// ripe returns how many rows, in order, to write now: all but those of the last holdBack. At most half of the rows, half of their
// bytes and holdBackBytes stay, so that a burst neither outgrows the budget nor makes row groups ever smaller.
func (e *Encoder) ripe() int {
	n := len(e.rows)
	latest, bytes := e.rows[e.order[n-1]].time, int64(0)
	for i := n; i > 0; i-- {
		r := e.rows[e.order[i-1]]
		if bytes += r.bytes; r.time <= latest-holdBack || 2*(n-i+1) > n || bytes > min(e.buffered/2, holdBackBytes) {
			return i
		}
	}
	return n
}

// held returns the rows behind the first n in order, as they came.
func (e *Encoder) held(n int) []int32 {
	held := append(e.kept[:0], e.order[n:]...)
	slices.Sort(held)
	e.kept = held
	return held
}

// chooseEncodings decides, from the first row group of an object, which columns are better without a dictionary, and
// takes it away from those gathered.
func (e *Encoder) chooseEncodings() {
	numbers := numberTable{factor: e.seeds.a | 1}
	var words []int64
	var refs []int32
	for i := range e.columns {
		c := &e.columns[i]
		if i == 0 || !c.dict || c.values() < fewValues {
			continue // the stage begins with a slot for the first column as the class has it
		}
		if !c.text() {
			words, refs = numbers.index(c.nums, words[:0], refs[:0])
			width := numberBytes(c.kind)
			c.leaf.plain = dear(len(words)*width, len(words), len(refs), len(refs)*width)
			continue
		}
		plain := 0
		for _, ref := range c.refs {
			plain += len(c.words.plain(ref))
		}
		if dear(c.words.size(), len(c.words.ends), len(c.refs), plain) {
			c.spell()
		}
	}
}

// dear reports whether a dictionary of so many bytes and words, and numbers of words for values, take nearly as much as the
// values as they are.
func dear(bytes, words, values, plain int) bool {
	return 5*(bytes+values*bits.Len(uint(words-1))/8) > 4*plain
}

// numberBytes is what a number takes in PLAIN.
func numberBytes(kind ocsf.Kind) int {
	if kind == ocsf.KindInt {
		return 4
	}
	return 8
}

// fewValues are too few to tell whether values repeat.
const fewValues = 100
