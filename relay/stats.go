package relay

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"syscall"

	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

// Stats is a snapshot of the running relay. The counters run since the Relay was made.
type Stats struct {
	Building      spool.Counts     `json:"building"`      // of the batch under construction
	BuildingBytes int64            `json:"buildingBytes"` // estimate of its Parquet
	BuildingSince int64            `json:"buildingSince"` // when its first line was read, epoch milliseconds; 0 without one
	Read          int64            `json:"read"`          // lines taken; those read again after a failed batch count again
	ReadBytes     int64            `json:"readBytes"`     // of these lines
	LastAlert     int64            `json:"lastAlert"`     // time of the last event mapped, epoch milliseconds; 0 before the first
	CaughtUp      bool             `json:"caughtUp"`      // the last look found the end of the input
	InputError    string           `json:"inputError"`    // "" while the input is readable
	OutputError   string           `json:"outputError"`   // "" while the store takes batches
	Batches       int64            `json:"batches"`       // sealed
	Gaps          int64            `json:"gaps"`          // in sealed batches
	Uncopied      int64            `json:"uncopied"`      // events of sealed batches that the second copy lacks
	Filtered      map[string]int64 `json:"filtered"`      // by reason, in sealed batches
	Rejected      map[string]int64 `json:"rejected"`      // by reason, in sealed batches
}

// board is where Run publishes and others read.
type board struct {
	mu   sync.Mutex
	last Stats // guarded by mu
}

// taken counts what Run has taken from the input since the Relay was made. Only its loop uses it.
type taken struct {
	lines, bytes int64
	last         int64 // time of the last event mapped
}

// publish shows the state of the loop, which only the loop itself may look at.
func (r *Relay) publish() {
	_, total := r.build.leastSize()
	r.stats.mu.Lock()
	defer r.stats.mu.Unlock()
	s := &r.stats.last
	s.Building, s.BuildingBytes, s.InputError, s.OutputError = r.build.counts, total, r.input.text, r.output.text
	s.Read, s.ReadBytes, s.LastAlert, s.CaughtUp = r.taken.lines, r.taken.bytes, r.taken.last, r.caughtUp
	s.BuildingSince = 0
	if !r.build.empty() {
		s.BuildingSince = r.build.began.UnixMilli()
	}
}

// count adds a sealed batch.
func (r *Relay) count(m spool.Manifest, filtered, rejected map[string]int64) {
	r.stats.mu.Lock()
	defer r.stats.mu.Unlock()
	s := &r.stats.last
	s.Batches++
	s.Gaps += int64(len(m.Gaps))
	if m.Copy != nil {
		s.Uncopied += m.Copy.Skipped
	}
	s.Filtered, s.Rejected = sum(s.Filtered, filtered), sum(s.Rejected, rejected)
}

// sum returns a new map: snapshots handed out keep theirs.
func sum(a, b map[string]int64) map[string]int64 {
	out := maps.Clone(a)
	if out == nil {
		out = make(map[string]int64)
	}
	for k, n := range b {
		out[k] += n
	}
	return out
}

// Stats returns the last published snapshot; it never blocks on the relay's work.
func (r *Relay) Stats() Stats {
	r.stats.mu.Lock()
	defer r.stats.mu.Unlock()
	return r.stats.last
}

// outage logs a failure once when it begins, stays silent while it lasts, and says when it is over and how often it was met.
type outage struct {
	text  string // of the last failure
	cause string
	count int
}

func (o *outage) begin(log *slog.Logger, level slog.Level, msg string, err error) {
	o.count++
	is := causeOf(err)
	if o.cause != is {
		log.Log(context.Background(), level, msg, "err", err)
	}
	o.text, o.cause = err.Error(), is
}

// causeOf is what stays the same while a failure lasts: its text may name the free space of the moment or the number of a batch.
func causeOf(err error) string {
	if full, ok := errors.AsType[*spool.FullError](err); ok {
		return full.Why
	}
	errno, ok := errors.AsType[syscall.Errno](err)
	if _, retry := errors.AsType[*tailer.RetryError](err); ok && !retry { // of an input the path matters
		return errno.Error()
	}
	return err.Error()
}

func (o *outage) over(log *slog.Logger, msg string) {
	if o.count > 0 {
		log.Info(msg, "failures", o.count)
	}
	o.text, o.cause, o.count = "", "", 0
}
