package relay

import (
	"context"
	"errors"
	"sync"
	"time"

	"wazuh-security-lake/lake"
	"wazuh-security-lake/ocsf"
)

// fate is what becomes of a line: the event of a source, or why it is filtered, or why it is rejected.
type fate struct {
	source   *Source
	event    *ocsf.Event // of the judge that decided, until it decides again
	filtered string
	err      error
}

// judge decides the fate of one line at a time. It touches nothing that others do, so several can work side by side.
type judge struct {
	opt     *Options
	alert   *ocsf.Alert
	mappers []*ocsf.Mapper // by source
	events  []*ocsf.Event
}

func newJudge(opt *Options, shapes *ocsf.Shapes) *judge {
	j := &judge{opt: opt, alert: ocsf.NewAlert(shapes)}
	for _, s := range opt.Sources {
		j.mappers = append(j.mappers, ocsf.NewMapper(s.Class, s.Mapping))
		j.events = append(j.events, ocsf.NewEvent(s.Class))
	}
	return j
}

// decide maps a line, which must stay as it is for as long as the event is used, and checks the event.
func (j *judge) decide(line []byte, now time.Time) fate {
	if err := j.alert.Parse(line); err != nil {
		return fate{err: err}
	}
	if reason, ok := j.opt.Filter.Ships(j.alert); !ok {
		return fate{filtered: reason}
	}
	for i, s := range j.opt.Sources {
		if !s.Match.Alert(j.alert) {
			continue
		}
		err := j.mappers[i].Map(j.alert, now, j.events[i])
		if errors.Is(err, ocsf.ErrOtherClass) {
			continue
		}
		if err == nil {
			err = ocsf.Check(j.events[i])
		}
		if err != nil {
			return fate{err: err}
		}
		if j.opt.Skip != nil && j.opt.Skip(s.Name, lake.DateOf(j.events[i].Time)) {
			return fate{filtered: "delivered_before"}
		}
		return fate{source: s, event: j.events[i]}
	}
	// Only a conversion to a class for special alerts gets here: a daemon's last source takes everything.
	return fate{filtered: "other_class"}
}

// aheadLines is how many lines are read ahead to be judged side by side: enough that handing them over does not count,
// few enough that their events do not.
const aheadLines = 32

// bench is judges with the lines they have read ahead.
type bench struct {
	workers int
	seats   [aheadLines]seat
	n       int // lines in hand
}

type seat struct {
	judge *judge
	held  held
	data  []byte // a copy of the line: the input's is valid until the next one
	fate  fate
}

func newBench(opt *Options) *bench {
	b := &bench{workers: min(opt.Judges, aheadLines)}
	shapes := make([]ocsf.Shapes, b.workers)
	for i := range b.seats {
		b.seats[i].judge = newJudge(opt, &shapes[i%b.workers]) // as judge shares the seats out
	}
	return b
}

// read takes up to most lines and gaps from the input. Its error is that of the input, after what was read.
func (b *bench) read(ctx context.Context, lines Lines, most int) error {
	for b.n = 0; b.n < min(most, aheadLines); b.n++ {
		s := &b.seats[b.n]
		s.held = held{}
		var err error
		s.held.line, err = lines.Next(ctx)
		if err != nil && !errors.As(err, &s.held.gap) {
			return err
		}
		if cap(s.data) > keptLine {
			s.data = nil
		}
		s.data = append(s.data[:0], s.held.line.Data...)
		s.held.line.Data = s.data
	}
	return nil
}

// keptLine is the longest line whose memory is kept for the next one.
const keptLine = 256 << 10

// judge decides the fates of the lines in hand and waits for all of them.
func (b *bench) judge(now time.Time) {
	work := func(w int) {
		for i := w; i < b.n; i += b.workers {
			if s := &b.seats[i]; s.held.gap == nil && s.held.line.Reject == "" {
				s.fate = s.judge.decide(s.held.line.Data, now)
			}
		}
	}
	var wg sync.WaitGroup
	for w := 1; w < b.workers; w++ {
		wg.Go(func() { work(w) })
	}
	work(0)
	wg.Wait()
}

// passAhead consumes up to most lines as pass does, in the same order and with the same outcome, but judges them side by
// side. The batch must have begun: only the line that begins one may find the store full and have to be held.
func (r *Relay) passAhead(ctx context.Context, now time.Time, most int) (more bool, err error) {
	if r.bench == nil {
		r.bench = newBench(&r.opt)
	}
	for most > 0 {
		readErr := r.bench.read(ctx, r.opt.Lines, most)
		r.bench.judge(now)
		for i := range r.bench.n {
			s := &r.bench.seats[i]
			if err := r.takeJudged(&s.held, &s.fate, now); err != nil {
				return false, r.hold(nil, err)
			}
		}
		if readErr != nil {
			return false, r.failedInput(ctx, readErr)
		}
		most -= r.bench.n
	}
	return true, nil
}
