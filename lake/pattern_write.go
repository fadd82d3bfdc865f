package lake

import "fmt"

// WritePattern adds the event of pattern p with these values of its variables: ms is its time, texts and nums are the
// variables by number. It copies what it needs of them. It does exactly what Write does with that event, errors included;
// no byte of the object depends on which of the two a row came through. It is faster where few rows are written by Write in
// between.
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
	k := e.likeness.find(p)
	if k < 0 {
		if e.likeness.crowded() {
			e.expand() // whose rows need what is forgotten now
			e.likeness.reset()
		}
		k = e.likeness.enter(p, e.columns)
	}
	before := e.buffered
	e.buffered += e.batch.add(&e.likeness, k, &e.seeds, ms, texts, nums)
	e.added(ms, before)
	// What the texts still cost is only known when they have been looked up, but not more than that. Up to here no row can
	// have been the last of its row group; this one may be.
	if e.batch.full() || e.buffered+e.batch.cost >= e.budget() || e.widest+e.batch.width > dictionaryMax {
		e.expand()
	}
	return e.flushIfDue()
}

// fits returns the error for which Write would refuse the event.
func (e *Encoder) fits(p *Pattern, ms int64, texts [][]byte, nums []int64) error {
	switch {
	case p.class != e.layout.class:
		return fmt.Errorf("%w: %s instead of %s", ErrClass, p.class, e.layout.class)
	case ms < e.flushed:
		return ErrOlder
	case len(texts) < p.minTexts || len(nums) < p.minNums:
		return fmt.Errorf("%w: %d texts and %d numbers, but the pattern has %d and %d", ErrEvent, len(texts), len(nums), p.minTexts, p.minNums)
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
