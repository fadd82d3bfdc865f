package relay_test

import (
	"testing"

	"wazuh-security-lake/ocsf"
	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
)

const sample = `{"timestamp":"2026-03-14T12:00:00.000+0000","rule":{"level":5,"id":"5710","groups":["syslog","sshd"]},"agent":{"id":"001","name":"web"},"location":"/var/log/Auth.log"}`

func TestFilter(t *testing.T) {
	tests := map[string]struct {
		filter relay.Filter
		want   string // reason, "" when it ships
	}{
		"empty":                        {relay.Filter{}, ""},
		"level at":                     {relay.Filter{Match: relay.Match{Level: 5}}, ""},
		"level above":                  {relay.Filter{Match: relay.Match{Level: 6}}, "not_selected"},
		"rule among":                   {relay.Filter{Match: relay.Match{RuleID: []string{"1", "5710"}}}, ""},
		"rule is exact":                {relay.Filter{Match: relay.Match{RuleID: []string{"571", "57100"}}}, "not_selected"},
		"group":                        {relay.Filter{Match: relay.Match{Group: []string{"sshd"}}}, ""},
		"group is exact":               {relay.Filter{Match: relay.Match{Group: []string{"ssh", "sshd,"}}}, "not_selected"},
		"agent by id":                  {relay.Filter{Match: relay.Match{Agent: []string{"001"}}}, ""},
		"agent by name":                {relay.Filter{Match: relay.Match{Agent: []string{"web"}}}, ""},
		"agent is exact":               {relay.Filter{Match: relay.Match{Agent: []string{"1", "we"}}}, "not_selected"},
		"all must hold":                {relay.Filter{Match: relay.Match{Level: 5, RuleID: []string{"1"}}}, "not_selected"},
		"location, part":               {relay.Filter{Match: relay.Match{EventLocation: "auth"}}, ""},
		"location, alternatives":       {relay.Filter{Match: relay.Match{EventLocation: "syslog|AUTH.LOG"}}, ""},
		"location, at the start":       {relay.Filter{Match: relay.Match{EventLocation: "^/var"}}, ""},
		"location, not at the start":   {relay.Filter{Match: relay.Match{EventLocation: "^var"}}, "not_selected"},
		"location, at the end":         {relay.Filter{Match: relay.Match{EventLocation: ".log$"}}, ""},
		"location, not at the end":     {relay.Filter{Match: relay.Match{EventLocation: "auth$"}}, "not_selected"},
		"location, whole":              {relay.Filter{Match: relay.Match{EventLocation: "^/var/log/auth.log$"}}, ""},
		"location, not whole":          {relay.Filter{Match: relay.Match{EventLocation: "^/var$"}}, "not_selected"},
		"location, negated":            {relay.Filter{Match: relay.Match{EventLocation: "!auth"}}, "not_selected"},
		"location, negated, other":     {relay.Filter{Match: relay.Match{EventLocation: "!syslog|audit"}}, ""},
		"location is no regexp":        {relay.Filter{Match: relay.Match{EventLocation: "/var/.*/auth"}}, "not_selected"},
		"excluded":                     {relay.Filter{Exclude: relay.Match{Group: []string{"sshd"}}}, "excluded"},
		"not excluded":                 {relay.Filter{Exclude: relay.Match{Group: []string{"web"}}}, ""},
		"excluded only where all hold": {relay.Filter{Exclude: relay.Match{Group: []string{"sshd"}, Level: 6}}, ""},
	}
	var a ocsf.Alert
	if err := a.Parse([]byte(sample)); err != nil {
		t.Fatal(err)
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := tt.filter.Ships(&a)
			if got != tt.want || ok != (tt.want == "") {
				t.Errorf("got %q, %v, want %q", got, ok, tt.want)
			}
		})
	}
}

// The usual filters cost no memory: they are asked for every alert.
func TestFilterDoesNotAllocate(t *testing.T) {
	f := relay.Filter{Match: relay.Match{Level: 3, Group: []string{"web", "sshd"}, RuleID: []string{"5710"}, Agent: []string{"web"}}}
	var a ocsf.Alert
	if err := a.Parse([]byte(sample)); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { f.Ships(&a) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// An alert that no source takes is counted, not lost from the count.
func TestNoSource(t *testing.T) {
	bubble(t, func(o *relay.Options, _ *spool.Options) { o.Sources[0].Match.Level = 6 }, func(w *world) {
		w.alerts(1)
		w.ok(w.relay.Flush(w.t.Context()))
		w.wantSealed(spool.Counts{Read: 1, Filtered: 1})
		if got := w.relay.Stats().Filtered["other_class"]; got != 1 {
			w.t.Errorf("%d counted as other_class, want 1", got)
		}
	})
}

// The first source that matches and whose class the alert can fill takes it.
func TestRouting(t *testing.T) {
	class := func(name string) *ocsf.Class {
		c, err := ocsf.ClassByName(name, "1.1.0")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	routes := func(o *relay.Options, _ *spool.Options) {
		web := source("web", class("detection_finding"))
		web.Match.Agent = []string{"web"}
		web.Match.Level = 10
		o.Sources = []*relay.Source{web, source("vulns", class("vulnerability_finding")), source("sca", class("compliance_finding")), source("rest", class("detection_finding"))}
	}
	bubble(t, routes, func(w *world) {
		w.line(alert(noon, `"full_log":"ordinary"`))
		w.line(alert(noon, `"data":{"vulnerability":{"cve":"CVE-2026-1","severity":"High","status":"Active","title":"t","package":{"name":"openssl","version":"1","architecture":"x86_64"}}}`))
		w.line(alert(noon, `"data":{"sca":{"type":"check","policy":"CIS","check":{"id":"1","title":"t","result":"failed"}}}`))
		w.line(`{"timestamp":"2026-03-14T12:00:00.000+0000","rule":{"level":12,"id":"1","description":"d"},"agent":{"id":"001","name":"web"},"full_log":"high"}`)
		w.poll()
		w.ok(w.relay.Flush(w.t.Context()))
		for _, o := range w.sealed[0].Objects {
			if want := map[string]string{"web": "detection_finding", "vulns": "vulnerability_finding", "sca": "compliance_finding", "rest": "detection_finding"}[o.Source]; o.Class != want || o.Rows != 1 {
				t.Errorf("source %s: class %s, %d rows, want %s, 1", o.Source, o.Class, o.Rows, want)
			}
		}
		if n := len(w.sealed[0].Objects); n != 4 {
			t.Errorf("%d objects, want one per source", n)
		}
		w.wantSealed(shipped(4))
	})
}
