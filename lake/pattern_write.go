package lake

import (
	"fmt"
)

// WritePattern adds the event of pattern p with these values of its variables: ms is its time, texts and nums are the
// variables by number. It copies what it needs of them. It does exactly what Write does with that event, errors included;
// no byte of the object depends on which of the two a row came through.
//
// The attribute time is ms. If it is among the variables it must say so, or else the error wraps ErrEvent; so does that
// for fewer texts or nums than the pattern has variables.
func (e *Encoder) WritePattern(p *Pattern, ms int64, texts [][]byte, nums []int64) error {
	if err := e.usable(); err != nil {
		return err
	}
	if err := e.fits(p, ms, texts, nums); err != nil {
		return err
	}
	refs := e.likeness.of(p)
	before, row := e.buffered, len(e.rows)
	e.spines[0].levels = append(e.spines[0].levels, 0)
	e.buffered += p.cost
	for i := range p.ops {
		o := &p.ops[i]
		if o.kind == opObject {
			e.spines[o.at].add(row, o.level)
			continue
		}
		c := &e.columns[o.at]
		switch o.kind {
		case opText:
			e.text(int(o.at), row, o.level, texts[o.arg])
			continue
		case opWord:
			if !c.coded() {
				e.text(int(o.at), row, o.level, p.words[o.arg])
				continue
			}
			ref := refs[o.arg]
			if ref < 0 {
				e.text(int(o.at), row, o.level, p.words[o.arg])
				refs[o.arg] = c.refs[len(c.refs)-1]
				continue
			}
			c.add(row, o.level<<repShift|c.maxDef)
			c.refs = append(c.refs, ref)
			e.buffered += refCost
			continue
		case opConst:
			c.addNum(row, o.level, p.consts[o.arg])
		case opNum:
			c.addNum(row, o.level, nums[o.arg])
		case opTime:
			c.addNum(row, o.level, ms)
		}
		e.buffered += numCost
	}
	return e.added(ms, before)
}

// likeness is what the rows of a group that are of a pattern share: the numbers of the constant texts in the
// dictionaries, as far as they were looked up. It is lost with the dictionaries.
type likeness struct {
	starts map[*Pattern]int
	refs   []int32 // by pattern, those of its words; -1: not looked up
	last   *Pattern
	start  int // of last
}

// maxLikeness bounds the numbers that are kept: patterns come and go.
const maxLikeness = 1 << 18

// of returns the numbers of the words of p.
func (l *likeness) of(p *Pattern) []int32 {
	if p != l.last {
		start, ok := l.starts[p]
		if !ok {
			start = l.enter(p)
		}
		l.last, l.start = p, start
	}
	return l.refs[l.start:][:len(p.words)]
}

func (l *likeness) enter(p *Pattern) int {
	if len(l.refs) > maxLikeness {
		l.reset()
	}
	if l.starts == nil {
		l.starts = make(map[*Pattern]int)
	}
	start := len(l.refs)
	for range p.words {
		l.refs = append(l.refs, -1)
	}
	l.starts[p] = start
	return start
}

func (l *likeness) reset() {
	clear(l.starts)
	l.refs, l.last = l.refs[:0], nil
}

// fits returns the error for which Write would refuse the event.
func (e *Encoder) fits(p *Pattern, ms int64, texts [][]byte, nums []int64) error {
	switch {
	case p.class != e.layout.class:
		return fmt.Errorf("%w: %s instead of %s", ErrClass, p.class, e.layout.class)
	case ms < e.flushed:
		return ErrOlder
	case len(texts) < p.texts || len(nums) < p.nums:
		return fmt.Errorf("%w: %d texts and %d numbers, but the pattern has %d and %d", ErrEvent, len(texts), len(nums), p.texts, p.nums)
	case p.timeVar >= 0 && nums[p.timeVar] != ms:
		return fmt.Errorf("%w: attribute time differs from the time of the event", ErrEvent)
	}
	for _, r := range p.ranged {
		if n := nums[r.num]; int64(int32(n)) != n {
			return tooWide(n, &e.layout.leaves[r.column])
		}
	}
	return nil
}
