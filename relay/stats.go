package relay

import (
	"context"
	"log/slog"
	"maps"
	"sync"

	"wazuh-security-lake/spool"
)

// Stats is a snapshot of the running relay. The counters run since Run began and cover sealed batches and the one
// under construction alike.
type Stats struct {
	Building       spool.Counts     // of the batch under construction
	BuildingBytes  int64            // estimate of its Parquet
	InputError     string           // "" when the input is readable
	OutputError    string           // "" when the store takes batches
	SealedBatches  int64            //
	ShippedBy      map[string]int64 // by source, of the batch under construction
	FilteredReason map[string]int64
	RejectedReason map[string]int64
}

// board is where Run publishes and others read.
type board struct {
	mu   sync.Mutex
	last Stats // guarded by mu
}

func (r *Relay) publish() {
	_, total := r.build.size()
	s := Stats{Building: r.build.counts, BuildingBytes: total, InputError: r.input.text, OutputError: r.output.text,
		ShippedBy: maps.Clone(r.build.bySource), FilteredReason: maps.Clone(r.build.filtered), RejectedReason: maps.Clone(r.build.rejected)}
	r.stats.mu.Lock()
	defer r.stats.mu.Unlock()
	r.stats.last = s
}

// Stats returns the last published snapshot; it never blocks on the relay's work.
func (r *Relay) Stats() Stats {
	r.stats.mu.Lock()
	defer r.stats.mu.Unlock()
	return r.stats.last
}

// outage logs a failure once when it begins, stays silent while it lasts, and says when it is over and how often it was met.
type outage struct {
	text  string
	count int
}

func (o *outage) begin(log *slog.Logger, level slog.Level, msg string, err error) {
	o.count++
	if o.text != err.Error() {
		log.Log(context.Background(), level, msg, "err", err)
	}
	o.text = err.Error()
}

func (o *outage) over(log *slog.Logger, msg string) {
	if o.count > 0 {
		log.Info(msg, "failures", o.count)
	}
	o.text, o.count = "", 0
}
