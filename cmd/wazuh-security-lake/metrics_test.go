package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"
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
	seen    view
	waiting time.Time
}

type (
	fixedSpool    struct{ *fixed }
	fixedRelay    struct{ *fixed }
	fixedUploader struct{ *fixed }
)

func (f fixedSpool) Totals() spool.Account            { return f.account }
func (f fixedSpool) Usage() (spool.Usage, error)      { return spool.Usage{Used: 5, Free: 7}, nil }
func (f fixedSpool) OldestWaiting() time.Time         { return f.waiting }
func (f fixedRelay) Stats() relay.Stats               { return f.relay }
func (f fixedUploader) Stats() []uploader.SourceStats { return f.sources }

func (f *fixed) watched() watched {
	return watched{spool: fixedSpool{f}, relay: fixedRelay{f}, uploader: fixedUploader{f}, seen: func() view { return f.seen }, maxBytes: 100,
		now: func() time.Time { return time.UnixMilli(61_000) }}
}

func TestMetrics(t *testing.T) {
	f := &fixed{
		account: spool.Account{Read: 10, Shipped: 4, Filtered: 3, Rejected: 1, Quarantined: 0, Pending: 2},
		relay:   relay.Stats{Batches: 3, Gaps: 1, Filtered: map[string]int64{"excluded": 3}, Rejected: map[string]int64{"not_json": 1}},
		sources: []uploader.SourceStats{{Source: "wazuh", Health: uploader.HealthOK, Waiting: 1, OldestEvent: 1000,
			Attempts: map[uploader.Outcome]int64{uploader.OutcomeStored: 4}}},
	}
	f.relay.LastAlert, f.relay.BuildingSince = 1_000, 51_000
	f.seen = view{unread: 4096, states: []problem{{State: stateFilling}}}
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
# HELP wazuh_security_lake_input_lag_seconds Age of the last alert read while there is more to read; 0 at the end of the log.
# TYPE wazuh_security_lake_input_lag_seconds gauge
wazuh_security_lake_input_lag_seconds 60
# HELP wazuh_security_lake_oldest_unshipped_age_seconds How long ago the oldest alert that is not acknowledged was read; 0 when there is none.
# TYPE wazuh_security_lake_oldest_unshipped_age_seconds gauge
wazuh_security_lake_oldest_unshipped_age_seconds 10
`
	if err := testutil.CollectAndCompare(m, strings.NewReader(want), "wazuh_security_lake_alerts_read_total",
		"wazuh_security_lake_gaps_total", "wazuh_security_lake_oldest_waiting_age_seconds",
		"wazuh_security_lake_input_lag_seconds", "wazuh_security_lake_oldest_unshipped_age_seconds"); err != nil {
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

// The dashboard and the alert rules load, and name only metrics and states that exist.
func TestMonitoringNamesWhatExists(t *testing.T) {
	descs := make(chan *prometheus.Desc, 100)
	f := &fixed{relay: relay.Stats{Filtered: map[string]int64{"excluded": 1}, Rejected: map[string]int64{"not_json": 1}},
		sources: []uploader.SourceStats{{Source: "wazuh"}}}
	newMetrics(f.watched()).Describe(descs)
	close(descs)
	known := make(map[string]bool)
	for d := range descs {
		name, _, _ := strings.Cut(strings.TrimPrefix(d.String(), `Desc{fqName: "`), `"`)
		known[name] = true
	}
	if len(known) < 30 {
		t.Fatalf("found only %d metrics", len(known))
	}
	var dashboard struct {
		Title  string
		UID    string
		Panels []struct {
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	var exprs []string
	if err := json.Unmarshal(monitoring(t, "dashboard.json"), &dashboard); err != nil || dashboard.UID == "" || len(dashboard.Panels) < 10 {
		t.Fatalf("dashboard: %v, %d panels", err, len(dashboard.Panels))
	}
	for _, p := range dashboard.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			exprs = append(exprs, target.Expr)
		}
	}
	if err := yaml.UnmarshalWithOptions(monitoring(t, "rules.yaml"), &rules, yaml.Strict()); err != nil || len(rules.Groups) == 0 {
		t.Fatalf("rules: %v", err)
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			exprs = append(exprs, r.Expr)
			if r.Alert == "" || r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("rule %q lacks a name, severity, summary or description", r.Alert)
			}
		}
	}
	states := regexp.MustCompile(`state=~?"([a-z0-9_|]+)"`)
	for _, expr := range exprs {
		names := regexp.MustCompile(`wazuh_security_lake_[a-z0-9_]+`).FindAllString(expr, -1)
		if len(names) == 0 {
			t.Errorf("%q names none of our metrics", expr)
		}
		for _, name := range names {
			if !known[name] {
				t.Errorf("%q: there is no metric %s", expr, name)
			}
		}
		for _, m := range states.FindAllStringSubmatch(expr, -1) {
			for name := range strings.SplitSeq(m[1], "|") {
				if !slices.Contains(stateNames(), name) {
					t.Errorf("%q: there is no state %s", expr, name)
				}
			}
		}
	}
}

func monitoring(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("../../packaging/monitoring/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestReadyUnderTheLagLimit(t *testing.T) {
	now := time.Now()
	behind := now.Add(-20 * time.Minute).UnixMilli()
	for name, tt := range map[string]struct {
		stats relay.Stats
		ready bool
	}{
		"at the end, alerts are old": {relay.Stats{LastAlert: behind, CaughtUp: true}, true},
		"behind by 20 minutes":       {relay.Stats{LastAlert: behind}, false},
		"a little behind":            {relay.Stats{LastAlert: now.Add(-time.Minute).UnixMilli()}, true},
		"nothing read yet":           {relay.Stats{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fixed{relay: tt.stats}
			w := f.watched()
			w.now = func() time.Time { return now }
			if got := w.readyFault(); (got == "") != tt.ready {
				t.Errorf("fault %q", got)
			}
		})
	}
}
