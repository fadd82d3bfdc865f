package lake

import "fmt"

// holdBack is how far the timestamps of a log go back at most without counting as old: analysisd stamps an alert before
// it is in the order of writing, and does so in several threads.
const holdBack = 2000 // milliseconds

// flush writes a row group: of all rows, or without the latest ones, for which an older one may still come.
func (e *Encoder) flush(all bool) error {
	if len(e.rows) == 0 {
		return nil
	}
	order, n := e.sortRows(), len(e.rows)
	if !all {
		n = e.ripe(order)
	}
	if err := e.flushRows(order, n); err != nil {
		e.err = fmt.Errorf("write row group %d: %w", e.groups, err)
		return e.err
	}
	e.groups++
	e.rowsWritten += int64(n)
	e.flushed = e.rows[nth(order, n-1)].time
	e.keepRows(order, n)
	return nil
}

// ripe returns how many rows, in the given order, to write now: all but those of the last holdBack. At most half of the
// rows and half of their bytes stay, so that a burst neither outgrows the budget nor makes row groups ever smaller.
func (e *Encoder) ripe(order []int32) int {
	n := len(e.rows)
	latest, bytes := e.rows[nth(order, n-1)].time, int64(0)
	for i := n; i > 0; i-- {
		r := e.rows[nth(order, i-1)]
		if bytes += r.bytes; r.time <= latest-holdBack || 2*(n-i+1) > n || 2*bytes > e.buffered {
			return i
		}
	}
	return n
}

// keepRows drops the first n rows of the given order, which are written; the others become the first of the next group.
func (e *Encoder) keepRows(order []int32, n int) {
	before := e.buffered
	defer func() { e.written += before - e.buffered }()
	if n == len(e.rows) {
		e.dropRows()
		return
	}
	first := len(e.rows)
	for i := n; i < len(e.rows); i++ {
		first = min(first, nth(order, i))
	}
	kept := append(e.scratch.kept[:0], make([]bool, len(e.rows)-first)...)
	for i := n; i < len(e.rows); i++ {
		kept[nth(order, i)-first] = true
	}
	e.scratch.kept = kept

	rows := e.rows[:0]
	e.unsorted, e.buffered = false, 0
	for i, r := range e.rows[first:] {
		if kept[i] {
			e.unsorted = e.unsorted || len(rows) > 0 && r.time < rows[len(rows)-1].time
			e.buffered += r.bytes
			rows = append(rows, r)
		}
	}
	e.rows = rows
	e.spines[0].levels = e.spines[0].levels[:len(rows)]
	for i := range e.spines[1:] {
		if s := &e.spines[i+1]; s.seen > 0 {
			s.keep(kept)
		}
	}
	e.full = false
	for i := range e.columns {
		c := &e.columns[i]
		c.keep(kept, e.seed, &e.scratch.spare)
		e.full = e.full || c.words.size() > dictionaryMax
	}
}
