package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"wazuh-security-lake/config"
	"wazuh-security-lake/doctor"
	"wazuh-security-lake/ocsf"
)

// The states an operator is told of by name: in the journal once when one begins and once when it is over, in status, and
// as a metric. docs/OPERATIONS.md has a row for each.
const (
	stateJSONOff    = "jsonout_off"
	stateQuiet      = "no_alerts"
	statePermission = "permission"
	stateWazuh5     = "wazuh_5"
	stateTwoNodes   = "two_nodes"
	stateNodeName   = "node_name"
	stateFilling    = "spool_filling"
	statePolling    = "polling_only"
)

// stateNames lists them.
func stateNames() []string {
	return []string{stateJSONOff, stateQuiet, statePermission, stateWazuh5, stateTwoNodes, stateNodeName, stateFilling, statePolling}
}

// stateText is what a state means and how loud it is. Minor ones do not change the exit code of status.
func stateText(name string) (text string, level slog.Level, minor bool) {
	switch name {
	case stateJSONOff:
		return "Wazuh writes no alerts.json", slog.LevelError, false
	case stateQuiet:
		return "alerts.json has not grown for an hour although analysisd runs", slog.LevelWarn, false
	case statePermission:
		return "the alerts may not be read", slog.LevelError, false
	case stateWazuh5:
		return "Wazuh 5 found: it writes no alerts.json", slog.LevelError, false
	case stateTwoNodes:
		return "another node writes under the name of this one", slog.LevelWarn, false
	case stateNodeName:
		return "the configured node name is none that this manager has", slog.LevelInfo, true
	case stateFilling:
		return "the spool will be full within a day", slog.LevelWarn, false
	case statePolling:
		return "rotations are noticed by polling only", slog.LevelWarn, true
	}
	return name, slog.LevelWarn, false
}

func stateOf(name, detail, remedy string) problem {
	text, _, minor := stateText(name)
	return problem{State: name, Text: text, Detail: detail, Remedy: remedy, Minor: minor}
}

const (
	quietAfter = time.Hour
	// jsonOffAfter is how much newer alerts.log must be than alerts.json. Wazuh writes both for each alert, the second one
	// at most a second later.
	jsonOffAfter = 10 * time.Minute
	// fillingWithin is when a spool that grows is worth a warning.
	fillingWithin = day
)

// lookAround finds the states that show in the files of the manager. It is used by the daemon and by status; what neither
// may read says nothing.
func lookAround(in config.Input, now time.Time, proc string) []problem {
	if in.Mode == config.ModeIntegration {
		return nil // alerts.json is not read
	}
	var out []problem
	home := managerHome(in.Path)
	json, err := os.Stat(in.Path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(doctor.Wazuh5Home); err == nil {
			out = append(out, stateOf(stateWazuh5, doctor.Wazuh5Home+" is there and "+in.Path+" is not", "this version reads Wazuh 4.x only; keep the daemon running until status shows nothing waiting"))
		}
	} else if err != nil {
		return nil
	}
	if p, off := jsonOutput(in.Path, home, json); off {
		return append(out, p)
	}
	if json == nil || now.Sub(json.ModTime()) < quietAfter {
		return out
	}
	if pid := analysisd(home, proc); pid > 0 {
		out = append(out, stateOf(stateQuiet, fmt.Sprintf("last written %s, analysisd is process %d", json.ModTime().UTC().Format(time.RFC3339), pid),
			"look into "+filepath.Join(home, "logs/ossec.log")+"; are agents connected (agent_control -l), and is input.path the file this manager writes?"))
	}
	return out
}

// managerHome is /var/ossec for /var/ossec/logs/alerts/alerts.json.
func managerHome(alerts string) string { return filepath.Dir(filepath.Dir(filepath.Dir(alerts))) }

// jsonOutput reports that jsonout_output is off: ossec.conf says so, or alerts.log goes on without alerts.json. info is nil
// when there is no alerts.json.
func jsonOutput(alerts, home string, info fs.FileInfo) (problem, bool) {
	conf := filepath.Join(home, "etc/ossec.conf")
	remedy := "set <jsonout_output>yes</jsonout_output> in <global> of " + conf + " and restart the manager"
	if text, err := os.ReadFile(conf); err == nil && jsonSwitchedOff(text) {
		return stateOf(stateJSONOff, conf+" has jsonout_output no", remedy), true
	}
	plain, err := os.Stat(filepath.Join(filepath.Dir(alerts), "alerts.log"))
	if err != nil || plain.Size() == 0 {
		return problem{}, false
	}
	if info == nil || plain.ModTime().Sub(info.ModTime()) > jsonOffAfter {
		return stateOf(stateJSONOff, "alerts.log is written, alerts.json is not", remedy), true
	}
	return problem{}, false
}

// jsonSwitchedOff reads jsonout_output of ossec.conf. Without one it is yes.
func jsonSwitchedOff(conf []byte) bool {
	return strings.EqualFold(doctor.JSONOutput(string(conf)), "no")
}

// analysisd is the process number of wazuh-analysisd, 0 when it does not run or cannot be seen: the daemon's own unit hides
// the processes of other users from it, status as root sees them.
func analysisd(home, proc string) int {
	const name = "wazuh-analysisd"
	entries, err := os.ReadDir(proc)
	if err == nil {
		for _, e := range entries {
			pid, err := strconv.Atoi(e.Name())
			if err != nil {
				continue
			}
			if comm, err := os.ReadFile(filepath.Join(proc, e.Name(), "comm")); err == nil && string(bytes.TrimSpace(comm)) == name {
				return pid
			}
		}
	}
	files, _ := filepath.Glob(filepath.Join(home, "var/run", name+"-*.pid")) // the pattern is well formed
	for _, f := range files {
		pid, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f), name+"-"), ".pid"))
		if err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(proc, strconv.Itoa(pid))); err == nil {
			return pid
		}
	}
	return 0
}

// inputState names what keeps the input from being read, if it has a name.
func inputState(in config.Input) (problem, bool) {
	err := checkInput(in)
	if f, ok := errors.AsType[*failure](err); ok && f.code == exitNoPerm {
		return stateOf(statePermission, f.Error(), f.remedy), true
	}
	return problem{}, false
}

// nameState compares a configured node with the names this manager has. That it is none of them may be wanted; it is also
// what a copied configuration looks like.
func nameState(c config.Config) (problem, bool) {
	manager, cluster := namesInAlerts(c.Input.Path)
	host, _ := os.Hostname() // empty when unknown
	if c.Node == "" || manager == "" || slices.Contains([]string{manager, cluster, host}, c.Node) {
		return problem{}, false
	}
	return stateOf(stateNodeName, fmt.Sprintf("node is %q, the alerts name manager %.64q and cluster node %.64q", c.Node, manager, cluster),
		"nothing, if you chose that name for this manager; a copied configuration file needs a name of its own"), true
}

// otherNode looks into a lake that is a directory for an object of this node's name that another daemon wrote since this
// one started. In S3 it cannot be seen: the daemon may not list the bucket.
func otherNode(c config.Config, node string, instances []string, now, started time.Time) (problem, bool) {
	root, ok := strings.CutPrefix(c.Lake.Destination, "file://")
	if !ok {
		return problem{}, false
	}
	for _, s := range c.ResolvedSources() {
		for _, d := range []time.Time{now.UTC(), started.UTC()} {
			dir := filepath.Join(root, "ext", s.Name, "region="+s.Region, "accountId="+s.AccountID, "eventDay="+d.Format("20060102"))
			entries, err := os.ReadDir(dir)
			if err != nil {
				continue
			}
			for _, e := range entries {
				rest, ours := strings.CutPrefix(e.Name(), node+"-")
				other, _, named := strings.Cut(rest, "-")
				if !ours || !named || len(other) != len(instances[0]) || slices.Contains(instances, other) {
					continue
				}
				if info, err := e.Info(); err == nil && info.ModTime().After(started) {
					return stateOf(stateTwoNodes, fmt.Sprintf("object %s has the name of this node and the id of another state directory", filepath.Join(dir, e.Name())),
						"give each manager a node name of its own (node in the configuration); nothing is lost or mixed up, only the names mislead"), true
				}
			}
		}
	}
	return problem{}, false
}

// instancesOf are the ids that objects of this state directory carry: its own first, then those of its backfills.
func instancesOf(dir, own string) []string {
	out := []string{own}
	files, _ := filepath.Glob(filepath.Join(dir, "backfill/*/instance")) // the pattern is well formed
	for _, f := range files {
		if data, err := os.ReadFile(f); err == nil {
			id, _, _ := strings.Cut(string(data), "\n")
			out = append(out, id)
		}
	}
	return out
}

// states remembers what was said. It is used by one goroutine.
type states struct {
	log    *slog.Logger
	active map[string]problem
}

// tell logs what began and what is over, and returns what is, with the moment each began.
func (s *states) tell(now time.Time, found []problem) []problem {
	out := make([]problem, 0, len(found))
	is := make(map[string]bool)
	for _, p := range found {
		if is[p.State] {
			continue
		}
		is[p.State] = true
		if was, known := s.active[p.State]; known {
			p.Since = was.Since
		} else {
			p.Since = now.UTC()
			text, level, _ := stateText(p.State)
			s.log.Log(context.Background(), level, "state: "+text, "state", p.State, "detail", p.Detail, "remedy", p.Remedy)
		}
		s.active[p.State] = p
		out = append(out, p)
	}
	for _, name := range stateNames() {
		if was, known := s.active[name]; known && !is[name] {
			delete(s.active, name)
			s.log.Info("state over: "+was.Text, "state", name, "lasted", now.Sub(was.Since).Round(time.Second).String())
		}
	}
	return out
}

// alertTime is the time stamp of a line as Wazuh writes it.
func alertTime(line []byte) (time.Time, bool) {
	var a ocsf.Alert
	if a.Parse(line) != nil {
		return time.Time{}, false
	}
	for _, layout := range []string{"2006-01-02T15:04:05-0700", time.RFC3339} {
		if at, err := time.Parse(layout, string(a.Timestamp())); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}
