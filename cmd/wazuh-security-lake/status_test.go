package main

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/config"
	"wazuh-security-lake/spool"
)

// status as a monitoring script sees it: healthy, failing, stopped with something left, stopped with nothing left.
func TestStatusExitCodes(t *testing.T) {
	t.Parallel()
	b := newBench(t, "batch: {interval: 1h}")
	daemon := b.run()
	b.write(9)
	if r := command(t, "", "flush", "-c", b.config); r.code != 0 {
		t.Fatalf("flush: exit %d: %s", r.code, r.err)
	}
	status := func() (result, statusView) {
		t.Helper()
		r := command(t, "", "status", "-c", b.config, "--json")
		var v statusView
		if err := json.Unmarshal([]byte(r.out), &v); err != nil {
			t.Fatalf("%v: %s%s", err, r.out, r.err)
		}
		return r, v
	}
	r, v := status()
	if r.code != 0 || !v.Running || len(v.Problems) > 0 || v.Account.Shipped != 10 || v.Shipped.Alerts != 10 ||
		v.Objects.Last24h["wazuh"] != v.Shipped.Objects || len(v.Sources) != 1 || v.Sources[0].Rows == 0 {
		t.Errorf("healthy: exit %d: %s%s", r.code, r.out, r.err)
	}
	if text := command(t, "", "status", "-c", b.config); !strings.Contains(text.out, "running, pid") || !strings.Contains(text.out, "at most 24 a day") {
		t.Errorf("text: %s", text.out)
	}
	lake := filepath.Join(b.dir, "lake")
	if err := os.Rename(lake, lake+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(lake, lake); err != nil { // ELOOP: somebody has to act, or it will take a while
		t.Fatal(err)
	}
	b.write(1)
	daemon.signal(syscall.SIGUSR1)
	b.until("the daemon says that it cannot ship", func() bool {
		_, v := status()
		return len(v.Problems) == 1 && v.Problems[0].State == "upload" && v.Waiting.Objects == 1
	})
	daemon.signal(syscall.SIGKILL)
	daemon.code()
	if r, v := status(); r.code != exitUnavailable || v.Running || !strings.Contains(r.err, "systemctl start") {
		t.Errorf("stopped with something left: exit %d: %s", r.code, r.err)
	}
	if err := os.Remove(lake); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(lake+".away", lake); err != nil {
		t.Fatal(err)
	}
	if r := command(t, "", "drain", "-c", b.config); r.code != 0 {
		t.Fatalf("drain: exit %d: %s", r.code, r.err)
	}
	if r, v := status(); r.code != 0 || v.Account.Shipped != 11 {
		t.Errorf("stopped with nothing left: exit %d: %s", r.code, r.err)
	}
	b.write(1)
	if r, v := status(); r.code != exitUnavailable || v.Input.LagAlerts != 1 || v.Input.LagSeconds < 1e6 {
		t.Errorf("stopped with one alert unread: exit %d: %+v", r.code, v.Input)
	}
}

func TestScreen(t *testing.T) {
	got := string(screen("first line\nsecond \x1b[31mline\nthird\nfourth\n", 8, 4))
	want := "\x1b[Hfirst li\x1b[K\r\nsecond  \x1b[K\r\n...\x1b[K\r\n\x1b[J"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := string(screen("ab\n", 0, 0)); got != "\x1b[Hab\x1b[K\r\n\x1b[J" {
		t.Errorf("without a size: %q", got)
	}
}

// manager lays out a Wazuh home with the files a state is told by.
type manager struct {
	t    *testing.T
	home string
	in   config.Input
	proc string
}

func newManager(t *testing.T) *manager {
	t.Helper()
	m := &manager{t: t, home: t.TempDir(), proc: t.TempDir()}
	m.in = config.Input{Mode: config.ModeTail, Path: filepath.Join(m.home, "logs/alerts/alerts.json")}
	return m
}

func (m *manager) file(name, text string, at time.Time) {
	m.t.Helper()
	path := filepath.Join(m.home, name)
	if strings.HasPrefix(name, "/") {
		path = name
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		m.t.Fatal(err)
	}
}

func TestStatesOfTheManager(t *testing.T) {
	now := time.Now()
	long := now.Add(-2 * time.Hour)
	for name, tt := range map[string]struct {
		lay  func(m *manager)
		want []string
	}{
		"healthy": {func(m *manager) {
			m.file("logs/alerts/alerts.json", "x", now)
			m.file("logs/alerts/alerts.log", "x", now)
			m.file("etc/ossec.conf", "<ossec_config><global><jsonout_output>yes</jsonout_output></global></ossec_config>", now)
		}, nil},
		"ossec.conf says no": {func(m *manager) {
			m.file("logs/alerts/alerts.json", "x", now)
			m.file("etc/ossec.conf", "<!-- <jsonout_output>yes</jsonout_output> -->\n<global><jsonout_output> No </jsonout_output></global>", now)
		}, []string{stateJSONOff}},
		"ossec.conf says no in a comment": {func(m *manager) {
			m.file("logs/alerts/alerts.json", "x", now)
			m.file("etc/ossec.conf", "<jsonout_output>yes</jsonout_output><!-- <jsonout_output>no</jsonout_output> -->", now)
		}, nil},
		"alerts.log goes on alone": {func(m *manager) {
			m.file("logs/alerts/alerts.json", "x", now.Add(-11*time.Minute))
			m.file("logs/alerts/alerts.log", "x", now)
		}, []string{stateJSONOff}},
		"alerts.log and no alerts.json": {func(m *manager) { m.file("logs/alerts/alerts.log", "x", now) }, []string{stateJSONOff}},
		"quiet, nobody runs":            {func(m *manager) { m.file("logs/alerts/alerts.json", "x", long) }, nil},
		"quiet, analysisd runs": {func(m *manager) {
			m.file("logs/alerts/alerts.json", "x", long)
			m.file(filepath.Join(m.proc, "77/comm"), "wazuh-analysisd\n", now)
		}, []string{stateQuiet}},
		"quiet, analysisd known by its pid file": {func(m *manager) {
			m.file("logs/alerts/alerts.json", "x", long)
			m.file("var/run/wazuh-analysisd-78.pid", "78", now)
			m.file(filepath.Join(m.proc, "78/stat"), "", now)
		}, []string{stateQuiet}},
		"quiet, a pid file left behind": {func(m *manager) {
			m.file("logs/alerts/alerts.json", "x", long)
			m.file("var/run/wazuh-analysisd-79.pid", "79", now)
		}, nil},
		"quiet in integration mode": {func(m *manager) {
			m.in.Mode = config.ModeIntegration
			m.file(filepath.Join(m.proc, "77/comm"), "wazuh-analysisd\n", now)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := newManager(t)
			tt.lay(m)
			var got []string
			for _, p := range lookAround(m.in, now, m.proc) {
				got = append(got, p.State)
				if p.Remedy == "" || p.Text == "" {
					t.Errorf("%s has no text or no remedy: %+v", p.State, p)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestNodeNameState(t *testing.T) {
	m := newManager(t)
	m.file("logs/alerts/alerts.json", `{"timestamp":"2024-04-22T14:20:46.976+0000","manager":{"name":"mgr"},"cluster":{"node":"worker-1"},"rule":{"level":3}}`+"\n", time.Now())
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for node, want := range map[string]bool{"": false, "mgr": false, "worker-1": false, host: false, "worker-2": true} {
		p, got := nameState(config.Config{Node: node, Input: m.in})
		if got != want || got && !p.Minor {
			t.Errorf("node %q: %v %+v", node, got, p)
		}
	}
}

func TestOtherNodeInASharedDirectory(t *testing.T) {
	lake := t.TempDir()
	c := config.Default()
	c.Lake.Destination, c.Lake.Region, c.Lake.AccountID = "file://"+lake, "us-east-1", "123456789012"
	now := time.Now()
	started := now.Add(-time.Hour)
	dir := filepath.Join(lake, "ext/wazuh/region=us-east-1/accountId=123456789012/eventDay="+now.UTC().Format("20060102"))
	m := newManager(t)
	seen := func() bool {
		p, found := otherNode(c, "node-1", []string{"aaaaaaaaaaaa", "bbbbbbbbbbbb"}, now, started)
		return found && p.State == stateTwoNodes
	}
	m.file(filepath.Join(dir, "node-1-aaaaaaaaaaaa-1-0-0011223344556677.parquet"), "", now)                     // our own
	m.file(filepath.Join(dir, "node-1-bbbbbbbbbbbb-1-0-0011223344556677.parquet"), "", now)                     // our backfill
	m.file(filepath.Join(dir, "node-1-x-cccccccccccc-1-0-0011223344556677.parquet"), "", now)                   // another name
	m.file(filepath.Join(dir, "node-1-cccccccccccc-1-0-0011223344556677.parquet"), "", started.Add(-time.Hour)) // before us
	if seen() {
		t.Error("seen where there is none")
	}
	m.file(filepath.Join(dir, "node-1-cccccccccccc-2-0-0011223344556677.parquet"), "", now)
	if !seen() {
		t.Error("not seen")
	}
}

// Each state is said once when it begins and once when it is over, and has its row in the guide.
func TestStatesAreToldOnce(t *testing.T) {
	var log strings.Builder
	s := states{log: slog.New(slog.NewTextHandler(&log, nil)), active: make(map[string]problem)}
	now := time.Unix(1_700_000_000, 0)
	p := stateOf(stateFilling, "some detail", "a remedy")
	for i := range 3 {
		got := s.tell(now.Add(time.Duration(i)*time.Minute), []problem{p})
		if len(got) != 1 || !got[0].Since.Equal(now) {
			t.Errorf("%+v", got)
		}
	}
	s.tell(now.Add(3*time.Minute), nil)
	if got := strings.Count(log.String(), "level=WARN"); got != 1 || !strings.Contains(log.String(), "state over") || !strings.Contains(log.String(), "lasted=3m0s") {
		t.Errorf("%d warnings:\n%s", got, log.String())
	}
	page, err := os.ReadFile("../../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range stateNames() {
		text, _, _ := stateText(name)
		if text == name || !strings.Contains(string(page), "| `state: "+text+"`") || !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/OPERATIONS.md has no row for state %s: %q", name, text)
		}
	}
}

// The oldest event that waits is not one that was delivered long ago, beside an object of its batch that is not.
func TestOldestWaitingEvent(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 3, 14, hour, 0, 0, 0, time.UTC) }
	var v statusView
	v.waiting(spool.State{Batches: []spool.BatchInfo{{Seq: 7, Place: spool.Outbox, Acked: []string{"0.parquet"}, Manifest: &spool.Manifest{Created: at(5).Format(time.RFC3339), Objects: []spool.Object{
		{File: "0.parquet", FirstTime: at(1).UnixMilli()}, {File: "1.parquet", FirstTime: at(3).UnixMilli()}, {File: "2.parquet", FirstTime: at(2).UnixMilli()}}}}}})
	if got := v.Waiting; got.Objects != 2 || !got.OldestEvent.Equal(at(2)) {
		t.Errorf("%d objects wait, the oldest event is of %v, want 2 and %v", got.Objects, got.OldestEvent, at(2))
	}
}
