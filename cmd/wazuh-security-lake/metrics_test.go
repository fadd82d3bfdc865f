package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/uploader"
)

// fixed is a generation that stands still.
type fixed struct {
	account spool.Account
	relay   relay.Stats
	sources []uploader.SourceStats
}

type (
	fixedSpool    struct{ *fixed }
	fixedRelay    struct{ *fixed }
	fixedUploader struct{ *fixed }
)

func (f fixedSpool) Totals() spool.Account            { return f.account }
func (f fixedSpool) Usage() (spool.Usage, error)      { return spool.Usage{Used: 5, Free: 7}, nil }
func (f fixedRelay) Stats() relay.Stats               { return f.relay }
func (f fixedUploader) Stats() []uploader.SourceStats { return f.sources }

func (f *fixed) watched() watched {
	return watched{spool: fixedSpool{f}, relay: fixedRelay{f}, uploader: fixedUploader{f}, maxBytes: 100,
		now: func() time.Time { return time.UnixMilli(61_000) }}
}

func TestMetrics(t *testing.T) {
	f := &fixed{
		account: spool.Account{Read: 10, Shipped: 4, Filtered: 3, Rejected: 1, Quarantined: 0, Pending: 2},
		relay:   relay.Stats{Batches: 3, Gaps: 1, Filtered: map[string]int64{"excluded": 3}, Rejected: map[string]int64{"not_json": 1}},
		sources: []uploader.SourceStats{{Source: "wazuh", Health: uploader.HealthOK, Waiting: 1, OldestEvent: 1000,
			Attempts: map[uploader.Outcome]int64{uploader.OutcomeStored: 4}}},
	}
	m := newMetrics(f.watched())
	problems, err := testutil.CollectAndLint(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("lint: %s: %s", p.Metric, p.Text)
	}
	want := `
# HELP wazuh_security_lake_alerts_read_total Lines in committed batches since the state directory was made.
# TYPE wazuh_security_lake_alerts_read_total counter
wazuh_security_lake_alerts_read_total 10
# HELP wazuh_security_lake_gaps_total Named losses recorded since the start.
# TYPE wazuh_security_lake_gaps_total counter
wazuh_security_lake_gaps_total 1
# HELP wazuh_security_lake_oldest_waiting_age_seconds Age of the oldest event that waits; 0 when none does.
# TYPE wazuh_security_lake_oldest_waiting_age_seconds gauge
wazuh_security_lake_oldest_waiting_age_seconds{source="wazuh"} 60
`
	if err := testutil.CollectAndCompare(m, strings.NewReader(want), "wazuh_security_lake_alerts_read_total",
		"wazuh_security_lake_gaps_total", "wazuh_security_lake_oldest_waiting_age_seconds"); err != nil {
		t.Error(err)
	}
}

// addressHandler hands on the address that serveMetrics logs.
type addressHandler struct {
	slog.Handler
	addr chan string
}

func (h addressHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h addressHandler) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		h.addr <- a.Value.String()
		return false
	})
	return nil
}

func TestHealth(t *testing.T) {
	f := &fixed{}
	addr := make(chan string, 1)
	log := slog.New(addressHandler{slog.DiscardHandler, addr})
	stop, err := serveMetrics("127.0.0.1:0", f.watched(), log)
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + <-addr
	get := func(path string) (int, string) {
		r, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, string(body)
	}
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "ok", "/metrics": "wazuh_security_lake_alerts_read_total 0"} {
		if code, body := get(path); code != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	f.sources = []uploader.SourceStats{{Source: "wazuh", Health: uploader.HealthFailing, LastFailure: &uploader.Failure{Message: "access denied"}}}
	if got := f.watched().readyFault(); !strings.Contains(got, "access denied") {
		t.Errorf("ready although a source is failing: %q", got)
	}
}
