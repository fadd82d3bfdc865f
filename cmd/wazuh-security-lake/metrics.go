package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/uploader"
)

// watched is what metrics and health look at: one generation of the daemon.
type watched struct {
	spool interface {
		Totals() spool.Account
		Usage() (spool.Usage, error)
		OldestWaiting() time.Time
	}
	relay    interface{ Stats() relay.Stats }
	uploader interface{ Stats() []uploader.SourceStats }
	seen     func() view
	maxBytes int64
	now      func() time.Time
}

// metric is one time series family and how to read it. The accounting identity comes first:
// read = shipped + filtered + rejected - replayed + quarantined + pending (committed batches; building stands beside it).
type metricSet struct {
	read, shipped, filtered, rejected, quarantined, pending, building *prometheus.Desc
	filteredBy, rejectedBy, replayed                                  *prometheus.Desc
	batches, gaps, uncopied                                           *prometheus.Desc
	attempts, objects, rows, bytes, waiting, oldest, failing          *prometheus.Desc
	spoolBytes, spoolLimit, free                                      *prometheus.Desc
	inputUp, storeUp, build                                           *prometheus.Desc
	inputBytes, unread, lag, lastAlert, unshipped, rejectBytes, state *prometheus.Desc
}

// metrics is a prometheus.Collector over a generation; it reads at scrape time and keeps nothing.
type metrics struct {
	w watched
	d metricSet
}

func newMetrics(w watched) *metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("wazuh_security_lake_"+name, help, labels, nil)
	}
	return &metrics{w: w, d: metricSet{
		read:        desc("alerts_read_total", "Lines in committed batches since the state directory was made."),
		shipped:     desc("alerts_shipped_total", "Of these, acknowledged by the destination."),
		filtered:    desc("alerts_filtered_total", "Of these, not wanted by the configuration."),
		rejected:    desc("alerts_rejected_total", "Of these, could not become an event when they were read."),
		replayed:    desc("alerts_replayed_total", "Of the rejected ones, counted elsewhere since: rejects replay."),
		quarantined: desc("alerts_quarantined_total", "Of these, in batches whose bytes no longer match their manifest."),
		pending:     desc("alerts_pending", "Of these, not acknowledged yet."),
		building:    desc("alerts_building", "Lines in the batch under construction."),
		filteredBy:  desc("filtered_by_reason_total", "Lines filtered since the start, by reason.", "reason"),
		rejectedBy:  desc("rejected_by_reason_total", "Lines rejected since the start, by reason.", "reason"),
		batches:     desc("batches_sealed_total", "Batches committed since the start."),
		gaps:        desc("gaps_total", "Named losses recorded since the start."),
		uncopied:    desc("events_not_copied_total", "Events missing in the second copy (copy.ocsf_json); the lake has them."),
		attempts:    desc("upload_attempts_total", "Uploads tried since the start.", "source", "outcome"),
		objects:     desc("objects_shipped_total", "Objects acknowledged since the start.", "source"),
		rows:        desc("rows_shipped_total", "Rows of these objects.", "source"),
		bytes:       desc("shipped_bytes_total", "Bytes of these objects.", "source"),
		waiting:     desc("objects_waiting", "Objects not acknowledged yet.", "source"),
		oldest:      desc("oldest_waiting_age_seconds", "Age of the oldest event that waits; 0 when none does.", "source"),
		failing:     desc("source_failing", "1 while somebody has to act on the source.", "source"),
		spoolBytes:  desc("spool_bytes", "Bytes of batches on disk."),
		spoolLimit:  desc("spool_limit_bytes", "spool.max_size."),
		free:        desc("spool_free_bytes", "Free space of the spool's file system."),
		inputUp:     desc("input_readable", "1 while the followed log can be read."),
		storeUp:     desc("spool_writable", "1 while the spool takes batches."),
		build:       desc("build_info", "Always 1.", "version"),
		inputBytes:  desc("input_bytes_total", "Bytes read since the start; those read again after a failed batch count again."),
		unread:      desc("input_unread_bytes", "Bytes of the log that are not read, when last measured."),
		lag:         desc("input_lag_seconds", "Age of the last alert read while there is more to read; 0 at the end of the log."),
		lastAlert:   desc("last_alert_age_seconds", "Age of the last alert read; 0 before the first one."),
		unshipped:   desc("oldest_unshipped_age_seconds", "How long ago the oldest alert that is not acknowledged was read; 0 when there is none."),
		rejectBytes: desc("rejects_bytes", "Original bytes kept of rejected lines."),
		state:       desc("state", "1 while a named state holds, see docs/OPERATIONS.md.", "state"),
	}}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(c chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, c) }

// Collect implements prometheus.Collector.
func (m *metrics) Collect(c chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	a, st := m.w.spool.Totals(), m.w.relay.Stats()
	counter(m.d.read, a.Read)
	counter(m.d.shipped, a.Shipped)
	counter(m.d.filtered, a.Filtered)
	counter(m.d.rejected, a.Rejected+a.Replayed) // a counter never falls
	counter(m.d.replayed, a.Replayed)
	counter(m.d.quarantined, a.Quarantined)
	gauge(m.d.pending, float64(a.Pending))
	gauge(m.d.building, float64(st.Building.Read))
	for reason, n := range st.Filtered {
		counter(m.d.filteredBy, n, reason)
	}
	for reason, n := range st.Rejected {
		counter(m.d.rejectedBy, n, reason)
	}
	counter(m.d.batches, st.Batches)
	counter(m.d.gaps, st.Gaps)
	counter(m.d.uncopied, st.Uncopied)
	gauge(m.d.inputUp, flag(st.InputError == ""))
	gauge(m.d.storeUp, flag(st.OutputError == ""))
	m.collectInput(st, counter, gauge)
	for _, s := range m.w.uploader.Stats() {
		for _, outcome := range uploader.Outcomes() {
			counter(m.d.attempts, s.Attempts[outcome], s.Source, string(outcome))
		}
		counter(m.d.objects, s.Objects, s.Source)
		counter(m.d.rows, s.Rows, s.Source)
		counter(m.d.bytes, s.Bytes, s.Source)
		gauge(m.d.waiting, float64(s.Waiting), s.Source)
		gauge(m.d.failing, flag(s.Health == uploader.HealthFailing), s.Source)
		age := 0.0
		if s.OldestEvent > 0 {
			age = m.w.now().Sub(time.UnixMilli(s.OldestEvent)).Seconds()
		}
		gauge(m.d.oldest, age, s.Source)
	}
	gauge(m.d.spoolLimit, float64(m.w.maxBytes))
	if u, err := m.w.spool.Usage(); err == nil {
		gauge(m.d.spoolBytes, float64(u.Used))
		gauge(m.d.free, float64(u.Free))
		gauge(m.d.rejectBytes, float64(u.Rejects))
	}
	gauge(m.d.build, 1, buildVersion())
}

// collectInput are the series about what comes in and how far behind everything is.
func (m *metrics) collectInput(st relay.Stats, counter func(*prometheus.Desc, int64, ...string), gauge func(*prometheus.Desc, float64, ...string)) {
	now, seen := m.w.now(), m.w.seen()
	counter(m.d.inputBytes, st.ReadBytes)
	gauge(m.d.unread, float64(seen.unread))
	gauge(m.d.lag, lagOf(st, now).Seconds())
	last := time.Duration(0)
	if st.LastAlert > 0 {
		last = max(0, now.Sub(time.UnixMilli(st.LastAlert)))
	}
	gauge(m.d.lastAlert, last.Seconds())
	oldest := m.w.spool.OldestWaiting()
	if oldest.IsZero() && st.BuildingSince > 0 {
		oldest = time.UnixMilli(st.BuildingSince)
	}
	age := 0.0
	if !oldest.IsZero() {
		age = max(0, now.Sub(oldest).Seconds())
	}
	gauge(m.d.unshipped, age)
	holds := make(map[string]bool)
	for _, p := range seen.states {
		holds[p.State] = true
	}
	for _, name := range stateNames() {
		gauge(m.d.state, flag(holds[name]), name)
	}
}

// lagOf is how far reading is behind the log.
func lagOf(st relay.Stats, now time.Time) time.Duration {
	if st.CaughtUp || st.LastAlert == 0 {
		return 0
	}
	return max(0, now.Sub(time.UnixMilli(st.LastAlert)))
}

// readyLag is how far behind a daemon may be that calls itself ready.
const readyLag = 15 * time.Minute

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// readyFault is why the daemon is not doing its work, "" when it is.
func (w watched) readyFault() string {
	st := w.relay.Stats()
	if st.InputError != "" {
		return "input: " + st.InputError
	}
	if st.OutputError != "" {
		return "spool: " + st.OutputError
	}
	if lag := lagOf(st, w.now()); lag > readyLag {
		return "input: " + lasting(lag) + " behind"
	}
	for _, s := range w.uploader.Stats() {
		// The second copy has its own alarm: its destination is not the lake's, and nothing waits for it.
		if s.Source != relay.CopySource && s.Health == uploader.HealthFailing && s.LastFailure != nil {
			return "source " + s.Source + ": " + s.LastFailure.Message
		}
	}
	return ""
}

// serveMetrics answers /metrics, /healthz (the process lives) and /readyz (it does its work) until the returned function
// is called, which waits for the end.
func serveMetrics(addr string, w watched, log *slog.Logger) (func() error, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(newMetrics(w), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector())
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprintln(rw, "ok") })
	mux.HandleFunc("GET /readyz", func(rw http.ResponseWriter, _ *http.Request) {
		if fault := w.readyFault(); fault != "" {
			http.Error(rw, fault, http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(rw, "ok")
	})
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fail(exitConfig, "give metrics.listen a free address, for example 127.0.0.1:9465", fmt.Errorf("metrics.listen: %w", err))
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	log.Info("metrics served", "address", listener.Addr().String())
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		err := server.Shutdown(ctx)
		if serr := <-ended; !errors.Is(serr, http.ErrServerClosed) {
			err = errors.Join(err, serr)
		}
		return err
	}, nil
}
