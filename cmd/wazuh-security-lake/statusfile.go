package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"wazuh-security-lake/relay"
	"wazuh-security-lake/uploader"
)

const (
	// statusName is the daemon's note to `status` inside the state directory. It is a convenience, not state: it is never
	// read by the daemon, never synced, and its loss costs nothing.
	statusName = "status.json"
	// statusInterval is how often the daemon looks after itself: watchdog, STATUS line, status.json when something changed.
	statusInterval = 5 * time.Second
	// stalledAfter is how long the relay's loop may take for one turn before the watchdog is no longer fed. It turns at
	// least once per poll; only a disk that hangs keeps it that long.
	stalledAfter = time.Minute
)

// liveStatus is what the running daemon knows and the state directory does not show.
type liveStatus struct {
	PID     int                    `json:"pid"`
	Version string                 `json:"version"`
	Node    string                 `json:"node"`
	Started time.Time              `json:"started"`
	Updated time.Time              `json:"updated"`
	Relay   relay.Stats            `json:"relay"`
	Sources []uploader.SourceStats `json:"sources"`
	Flush   *flushAnswer           `json:"flush,omitempty"`
	Drain   string                 `json:"drain,omitempty"` // phase of a drain that is under way

	Rates       rates     `json:"rates"`
	SpoolGrowth float64   `json:"spoolGrowth"` // bytes per second
	Unread      int64     `json:"unread"`      // bytes, when last measured
	States      []problem `json:"states"`
}

type statusFile struct {
	path  string
	live  liveStatus
	dirty atomic.Bool
	last  string // the state last written, without its time
}

func newStatusFile(path, node string) *statusFile {
	return &statusFile{path: path, live: liveStatus{PID: os.Getpid(), Version: buildVersion(), Node: node, Started: time.Now().UTC()}}
}

// changed asks for a new status.json at the next beat.
func (s *statusFile) changed() { s.dirty.Store(true) }

// beat feeds the watchdog if the pipeline turns, and tells systemd and status.json what is going on.
func (g *generation) beat() {
	now := g.d.clock.Now()
	turned := time.Unix(0, g.d.turned.Load())
	if now.Sub(turned) < stalledAfter {
		g.d.notify.watchdog()
	} else {
		g.d.log.Error("the relay has not turned: a disk or file system hangs", "since", turned.UTC().Format(time.RFC3339))
	}
	g.sampled(now)
	g.d.notify.status(g.tell())
}

// announce is the first beat: systemd and status.json know what runs as soon as it is ready.
func (g *generation) announce() {
	g.d.notify.ready(g.tell())
}

// tell brings status.json up to date and returns the line for systemd.
func (g *generation) tell() string {
	st := g.relay.Stats()
	waiting, failing := 0, ""
	for _, s := range g.shipping().Stats() {
		waiting += s.Waiting
		if s.Health != uploader.HealthOK {
			failing += fmt.Sprintf(", %s %s", s.Source, s.Health)
		}
	}
	if state := fmt.Sprint(st.Building, st.InputError, st.OutputError, waiting, failing, g.seen.view().rates); state != g.status.last || g.status.dirty.Swap(false) {
		g.status.last = state
		g.status.write(g)
	}
	return fmt.Sprintf("building %d alerts, %d objects waiting%s", st.Building.Read, waiting, failing)
}

// write replaces status.json. A failure is not worth a line: what it shows is also in the log.
func (s *statusFile) write(g *generation) {
	s.live.Updated = g.d.clock.Now().UTC()
	s.live.Flush, s.live.Drain = g.d.asks.flushed, g.d.asks.drain
	s.live.Relay, s.live.Sources = g.relay.Stats(), g.shipping().Stats()
	seen := g.seen.view()
	s.live.Rates, s.live.SpoolGrowth, s.live.Unread, s.live.States = seen.rates, seen.growth, seen.unread, seen.states
	data, err := json.MarshalIndent(s.live, "", "  ")
	if err != nil {
		return
	}
	tmp := s.path + ".tmp"
	if os.WriteFile(tmp, append(data, '\n'), 0o640) == nil {
		_ = os.Rename(tmp, s.path) // see above
	}
}
