package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

// Replayed is what Replay did, or would do.
type Replayed struct {
	Batch   uint64 `json:"batch,omitempty"` // the batch that holds the events; 0 when there is none
	Shipped int64  `json:"shipped"`         // lines that are events now
	Kept    int64  `json:"kept"`            // looked at and still rejected
	// Filtered are lines that can be understood now, and that the filter does not want.
	Filtered int64 `json:"filtered"`
	// Elsewhere are batches whose rejects were not looked at: they are not shipped yet, or in quarantine.
	Elsewhere int `json:"elsewhere"`
}

// Replay takes the rejected lines that can be events by now into one batch, through the mapping, the filter and the sources of
// opt; of Options it needs Sources, Filter, Encoder, Node, Instance, Clock and Copy. The lines that stay rejected in the same
// files move along, unchanged; files without a line to ship are left alone. The batch is durable on return and waits for
// delivery; a kill at any moment neither loses nor doubles a line (spool.Replay). With dry nothing is written.
//
// The spool must be open in this process: the daemon is stopped. An error that wraps spool.ErrFull: there is no room.
func Replay(ctx context.Context, s *spool.Spool, opt Options, dry bool) (Replayed, error) {
	var sum Replayed
	seqs, elsewhere, err := s.ReplayableRejects()
	sum.Elsewhere = elsewhere
	if err != nil {
		return sum, fmt.Errorf("list rejects: %w", err)
	}
	var worth []uint64
	for _, seq := range seqs {
		trial := &replayStore{lines: &rejectLines{spool: s, files: []uint64{seq}}}
		if err := trial.run(ctx, opt); err != nil {
			return sum, fmt.Errorf("try rejects of batch %d: %w", seq, err)
		}
		if trial.counts.Shipped+trial.counts.Filtered > 0 {
			worth = append(worth, seq)
			sum.Shipped += trial.counts.Shipped
			sum.Filtered += trial.counts.Filtered
		}
		sum.Kept += trial.counts.Rejected
	}
	if dry || len(worth) == 0 {
		return sum, nil
	}
	store := &replayStore{lines: &rejectLines{spool: s, files: worth}, spool: s}
	if err := store.run(ctx, opt); err != nil {
		return sum, err
	}
	if store.seq == 0 {
		return sum, fmt.Errorf("replay: nothing has changed: %w", context.Cause(ctx))
	}
	sum.Batch, sum.Shipped, sum.Filtered = store.seq, store.counts.Shipped, store.counts.Filtered
	return sum, nil
}

// replayStore is the Store of a replay: one batch of the spool, or one that is thrown away when spool is nil.
type replayStore struct {
	spool  *spool.Spool
	lines  *rejectLines
	counts spool.Counts // of the batch that was committed
	seq    uint64
	err    error
}

// run relays all lines into one batch.
func (r *replayStore) run(ctx context.Context, opt Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	opt.Lines, opt.Store, opt.Log = r.lines, r, nil
	opt.Position = tailer.Position{Floor: "-"} // not a first start
	opt.Interval, opt.MaxWait, opt.MinSize, opt.MaxObjectSize = math.MaxInt64, math.MaxInt64, 0, math.MaxInt64
	opt.Wake, opt.Stalled, opt.Progress, opt.Sealed = nil, nil, nil, nil
	if r.spool == nil {
		opt.Copy = nil
	}
	r.lines.end = cancel
	err := New(opt).Run(ctx)
	if r.err != nil {
		return r.err // the relay's own error only repeats it
	}
	return err
}

// Begin starts the batch. A full spool ends the replay: nobody would empty it while this waits.
func (r *replayStore) Begin(volatile bool) (Batch, error) {
	if r.spool == nil {
		return &trialBatch{r}, nil
	}
	b, err := spoolStore{r.spool}.Begin(volatile)
	if err != nil {
		r.err = err
		r.lines.stop()
		return nil, errors.New("replay: no batch can begin")
	}
	return &replayBatch{b.(spoolBatch), r}, nil
}

// replayBatch commits a batch of the relay as a replay.
type replayBatch struct {
	spoolBatch
	store *replayStore
}

// Reject keeps the line that was handed out last, as it was recorded.
func (b *replayBatch) Reject(spool.Reject) error { return b.KeepReject(b.store.lines.current) }

// Commit makes it true. The relay may seal before all lines are read: what is left of the file at hand is kept, too, and the
// files after it are not touched.
func (b *replayBatch) Commit(m spool.Manifest) error {
	r := b.store
	if r.err = r.lines.err; r.err != nil {
		return r.err // a file that was not read to its end must not be taken over
	}
	if m.Counts.Shipped+m.Counts.Filtered == 0 {
		return errors.New("replay: interrupted before a line could be shipped, nothing has changed")
	}
	rest := r.lines.rest()
	for _, line := range rest {
		if err := b.KeepReject(line); err != nil {
			return err
		}
	}
	last, ok := r.spool.LastManifest()
	if !ok {
		return errors.New("replay: the spool has no position")
	}
	r.counts = m.Counts
	m.Replay = &spool.Replay{Batches: r.lines.begun, Shipped: m.Counts.Shipped, Filtered: m.Counts.Filtered, Kept: m.Counts.Rejected + int64(len(rest))}
	m.Counts, m.Ranges, m.Position = spool.Counts{}, nil, last.Position
	if err := b.spoolBatch.Commit(m); err != nil {
		r.err = err
		r.lines.stop()
		return err
	}
	r.seq = b.Seq()
	r.lines.stop()
	return nil
}

// rejectLines gives out rejected lines again, file by file, as an input of the relay.
type rejectLines struct {
	spool *spool.Spool
	files []uint64
	end   func() // ends the relay

	begun   []uint64 // files of which a line was given out
	queue   []spool.Reject
	current spool.Reject // given out last
	stopped bool
	err     error
}

// final reports a reason that no version can change: the line is not whole, or is none.
func final(reason string) bool {
	return reason == tailer.RejectTruncated || reason == tailer.RejectBlank || reason == tailer.RejectOversize
}

// Next returns the next rejected line; io.EOF, and the end of the relay, after the last.
func (l *rejectLines) Next(ctx context.Context) (tailer.Line, error) {
	if err := ctx.Err(); err != nil {
		return tailer.Line{}, err
	}
	for len(l.queue) == 0 && !l.stopped && l.err == nil {
		if len(l.files) == 0 {
			l.stop()
			break
		}
		seq := l.files[0]
		l.files = l.files[1:]
		l.begun = append(l.begun, seq)
		l.err = l.spool.RejectsOf(seq, func(r spool.Reject) error { l.queue = append(l.queue, r); return nil })
	}
	if l.stopped || l.err != nil {
		l.stop()
		return tailer.Line{}, io.EOF
	}
	l.current, l.queue = l.queue[0], l.queue[1:]
	r := &l.current
	line := tailer.Line{Data: r.Line, File: r.File, Head: tailer.Fingerprint{Len: 1, Hash: r.Head}, From: r.From, To: r.To, Size: r.Size, SHA256: r.SHA256}
	if final(r.Reason) || len(r.Line) == 0 {
		line.Reject = r.Reason
	}
	return line, nil
}

func (l *rejectLines) stop() {
	l.stopped = true
	l.end()
}

// rest takes what is left of the file at hand.
func (l *rejectLines) rest() []spool.Reject {
	rest := l.queue
	l.queue = nil
	return rest
}

// Start is not called: a replay is no first start.
func (l *rejectLines) Start(context.Context) (tailer.Position, error) {
	return tailer.Position{}, nil
}

// Position is not stored: the batch has the one of the batch before it.
func (l *rejectLines) Position() tailer.Position { return tailer.Position{Floor: "-"} }

// Exposed is never the case.
func (l *rejectLines) Exposed() bool { return false }

// Rewind is refused: a replay that failed has changed nothing and starts again as a whole.
func (l *rejectLines) Rewind(tailer.Position) error {
	return errors.New("a replay cannot go back")
}

// trialBatch finds out what would become of the lines.
type trialBatch struct{ store *replayStore }

func (b *trialBatch) Seq() uint64                   { return 1 }
func (b *trialBatch) Create(string) (File, error)   { return &trialFile{}, nil }
func (b *trialBatch) Reject(spool.Reject) error     { return nil }
func (b *trialBatch) Discard() error                { return nil }
func (b *trialBatch) Commit(m spool.Manifest) error { b.store.add(m.Counts); return b.store.lines.err }

func (r *replayStore) add(c spool.Counts) {
	r.counts.Shipped += c.Shipped
	r.counts.Filtered += c.Filtered
	r.counts.Rejected += c.Rejected
}

// trialFile counts what is written and keeps nothing.
type trialFile struct{ size int64 }

func (f *trialFile) Write(p []byte) (int, error) {
	f.size += int64(len(p))
	return len(p), nil
}

func (f *trialFile) Close() error { return nil }
func (f *trialFile) Sum() string  { return strings.Repeat("0", 64) }
func (f *trialFile) Size() int64  { return f.size }
