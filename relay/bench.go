package relay

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// rowLines is how many lines go to a judge at a time: enough that handing them over does not count.
	rowLines = 32
	// rowBytes is where a row of long lines ends, and rowData the memory for its lines: only a long last one does not fit.
	rowBytes = 64 << 10
	rowData  = rowBytes + 16<<10
	// benchRows is how many rows are in hand at most: enough that the judges have work while the relay's own goroutine
	// begins a row group or has lines put into columns, few enough that they stay in the processor's cache.
	benchRows = 16
	// benchEvents is about how many events the lines in hand may need, and leastRows how many rows are in hand whatever they
	// need: where a log has something new in every line the events would take more memory than all else, and work for the
	// garbage collector.
	benchEvents = 32
	leastRows   = 2
	// aheadLines bounds a pass that has judges beside: at its end nothing is in hand, so that it had better not come too often.
	aheadLines = 2048
)

// bench is the lines that are read ahead, and the judges that decide their fates meanwhile: rows go round in a ring, from
// the relay's goroutine, which reads them, to any judge and back to the relay, which takes them in the order of reading.
// Only the relay's goroutine calls its methods.
type bench struct {
	rows     [benchRows]row
	first, n int // the rows in hand: n from first on
	events   int // about how many events a row needs lately; at first all lines do
	idle     *idleEvents
	work     chan *row
	judges   sync.WaitGroup
}

// row is lines that are judged by one judge, with all that their fates refer to. Between the moment it is sent to the judges
// and the one when judged receives it is the judge's.
type row struct {
	held [rowLines]held
	// What the judge reads and what it writes stand by themselves: what both touch goes from one processor's cache to the
	// other's, which costs as much as judging does where they have no cache in common.
	lines [rowLines][]byte // the whole ones; nil: there is nothing to judge
	fates [rowLines]fate

	n      int    // lines and gaps in it
	data   []byte // a copy of the lines that fit, one behind the other: the input's are valid until the next one
	papers papers
	now    time.Time
	judged chan struct{} // receives once the fates are known
}

// newBench returns a bench at which judges work until close.
func newBench(opt *Options) *bench {
	b := &bench{work: make(chan *row, benchRows), idle: new(idleEvents), events: rowLines}
	for i := range b.rows {
		b.rows[i].data, b.rows[i].judged = make([]byte, 0, rowData), make(chan struct{}, 1)
	}
	for range min(opt.Judges, benchRows) {
		j := newJudge(opt, b.idle)
		b.judges.Go(func() {
			for r := range b.work {
				r.judge(j)
				r.judged <- struct{}{}
			}
		})
	}
	return b
}

// close waits for the judges to end.
func (b *bench) close() {
	b.drop()
	close(b.work)
	b.judges.Wait()
}

// full reports that no more can be read before a row is taken: all rows are in hand, or as many as need benchEvents.
func (b *bench) full() bool {
	return b.n == len(b.rows) || b.n >= leastRows && b.n*b.events >= benchEvents
}

// read takes up to most lines and gaps from the input and hands them to a judge; it returns how many, and their bytes. Its
// error is that of the input, after what was read.
func (b *bench) read(ctx context.Context, lines Lines, most int, now time.Time) (n, bytes int, err error) {
	r := &b.rows[(b.first+b.n)%len(b.rows)]
	r.now, r.data = now, r.data[:0]
	for r.n = 0; r.n < min(most, rowLines) && bytes < rowBytes; r.n++ {
		h := &r.held[r.n]
		h.gap, r.lines[r.n] = nil, nil
		if h.line, err = lines.Next(ctx); err != nil && !errors.As(err, &h.gap) {
			break
		}
		err = nil
		h.line.Data = r.copied(h.line.Data)
		bytes += len(h.line.Data)
		if h.gap == nil && h.line.Reject == "" {
			r.lines[r.n] = h.line.Data
		}
	}
	if r.n > 0 {
		b.n++
		b.work <- r // never blocks: it holds all rows there are
	}
	return r.n, bytes, err
}

// copied returns a copy of a line that is valid as long as the row is in hand. The memory for lines is never made larger: what
// still refers to a line of earlier, anywhere in the papers, would keep all that there ever was.
func (r *row) copied(line []byte) []byte {
	from := len(r.data)
	if len(line) > cap(r.data)-from {
		return bytes.Clone(line)
	}
	r.data = append(r.data, line...)
	return r.data[from:len(r.data):len(r.data)]
}

// next waits for the fates of the row that was read first. The row can be used until pop; it is nil when none is in hand.
func (b *bench) next() *row {
	if b.n == 0 {
		return nil
	}
	r := &b.rows[b.first]
	<-r.judged
	return r
}

// pop gives back the row that next returned.
func (b *bench) pop() {
	r := &b.rows[b.first]
	b.events = max(r.papers.inUse(), b.events-1)
	r.papers.done(b.idle) // not when the row is used again: all others are before it
	b.first, b.n = (b.first+1)%len(b.rows), b.n-1
}

// drop forgets what is in hand, once no judge looks at it.
func (b *bench) drop() {
	for b.next() != nil {
		b.pop()
	}
}

func (r *row) judge(j *judge) {
	r.papers.open(j)
	for i, line := range r.lines[:r.n] {
		if line != nil {
			r.fates[i] = j.decide(line, r.now, &r.papers)
		}
	}
	r.papers.close(j)
}

// passAhead consumes up to most lines, or bytes, as pass does, in the same order and with the same outcome, but has them judged beside
// while it takes those before them. The batch must have begun: only the line that begins one may find the store full and
// have to be held. Nothing is in hand when it returns: what was read was taken, unless it failed, and then it will be read
// again. So the input stands where the batch ends.
func (r *Relay) passAhead(ctx context.Context, now time.Time, most, bytes int) (more bool, err error) {
	if r.bench == nil {
		r.bench = newBench(&r.opt)
	}
	b := r.bench
	var readErr error
	for {
		for readErr == nil && most > 0 && bytes > 0 && !b.full() {
			var n, size int
			n, size, readErr = b.read(ctx, r.opt.Lines, most, now)
			most, bytes = most-n, bytes-size
		}
		row := b.next()
		if row == nil {
			break
		}
		for i := range row.n {
			if err := r.takeJudged(&row.held[i], &row.fates[i], now); err != nil {
				b.pop()
				b.drop()
				return false, r.hold(nil, err)
			}
		}
		b.pop()
	}
	if readErr != nil {
		return false, r.failedInput(ctx, readErr)
	}
	return true, nil
}
