package backfill

import (
	"context"
	"io"
	"sync"

	"wazuh-security-lake/spool"
)

// Queue hands out the waiting objects of several spools as one queue, so that one uploader with one rate limit ships them.
// The number of a batch in its references is seq*spools + index of the spool: unique, and oldest first within a spool.
type Queue struct {
	spools  []*spool.Spool
	changed chan struct{}
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// NewQueue makes one over the open spools. Close it before they are closed.
func NewQueue(s *Spools) *Queue {
	ctx, stop := context.WithCancel(context.Background())
	q := &Queue{spools: s.all, changed: make(chan struct{}, 1), stop: stop}
	for _, sp := range q.spools {
		q.done.Go(func() {
			for next := sp.Changed(); ; {
				select {
				case <-ctx.Done():
					return
				case <-next:
				}
				next = sp.Changed() // before the news is passed on, so that nothing falls in between
				select {
				case q.changed <- struct{}{}:
				default: // nobody has looked since the last one
				}
			}
		})
	}
	return q
}

// Close ends the goroutines of the queue and waits for them.
func (q *Queue) Close() {
	q.stop()
	q.done.Wait()
}

func (q *Queue) at(seq uint64) (*spool.Spool, uint64) {
	n := uint64(len(q.spools))
	return q.spools[seq%n], seq / n
}

// Pending lists the waiting objects of all spools.
func (q *Queue) Pending() []spool.Ref {
	var out []spool.Ref
	for i, sp := range q.spools {
		for _, ref := range sp.Pending() {
			ref.Seq = ref.Seq*uint64(len(q.spools)) + uint64(i)
			out = append(out, ref)
		}
	}
	return out
}

// Changed receives a value when Pending may have changed.
func (q *Queue) Changed() <-chan struct{} { return q.changed }

// OpenObject opens a waiting object; see spool.Spool.OpenObject.
func (q *Queue) OpenObject(ref spool.Ref) (io.ReadSeekCloser, int64, error) {
	sp, seq := q.at(ref.Seq)
	ref.Seq = seq
	return sp.OpenObject(ref)
}

// Ack records a delivery; see spool.Spool.Ack.
func (q *Queue) Ack(ref spool.Ref) error {
	sp, seq := q.at(ref.Seq)
	ref.Seq = seq
	return sp.Ack(ref)
}

// Quarantine sets a batch aside; see spool.Spool.Quarantine.
func (q *Queue) Quarantine(seq uint64, reason string) error {
	sp, seq := q.at(seq)
	return sp.Quarantine(seq, reason)
}
