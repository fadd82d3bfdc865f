package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"wazuh-security-lake/config"
	"wazuh-security-lake/spool"
)

const (
	unitName = "wazuh-security-lake.service"
	// ownEnvironment runs a command with the service's environment and rights.
	ownEnvironment = "systemd-run --pipe --wait -q --uid=wazuh-security-lake -p EnvironmentFile=-/etc/default/wazuh-security-lake wazuh-security-lake doctor"
)

// checkDaemon looks whether the daemon runs. status.json is its own note; that it is not there proves nothing.
func checkDaemon(c config.Config) func(context.Context) Result {
	return func(context.Context) Result {
		st, err := spool.Read(c.Spool.Dir)
		if errors.Is(err, fs.ErrNotExist) {
			return skipped("it has not been started yet")
		}
		if err != nil {
			return skipped("nothing is known about it: %v", err)
		}
		var note struct {
			PID     int    `json:"pid"`
			Version string `json:"version"`
		}
		if data, err := readSome(filepath.Join(c.Spool.Dir, "status.json")); err == nil {
			_ = json.Unmarshal(data, &note) // an unreadable note is no note
		}
		if st.Holder > 0 && st.Holder == note.PID {
			if _, err := os.Stat(fmt.Sprintf("/proc/%d", st.Holder)); err == nil {
				return passed("running, pid %d, version %s", st.Holder, note.Version)
			}
		}
		return warning("the daemon does not run", "systemctl start wazuh-security-lake; journalctl -u wazuh-security-lake tells why it ended")
	}
}

// checkUnit looks whether systemd starts the daemon at boot. root is the root of the file system.
func checkUnit(root string) func(context.Context) Result {
	return func(context.Context) Result {
		if _, err := os.Stat(filepath.Join(root, "run/systemd/system")); err != nil {
			return skipped("this host is not run by systemd")
		}
		unit := ""
		for _, dir := range []string{"etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"} {
			if path := filepath.Join(root, dir, unitName); unit == "" {
				if target, err := os.Readlink(path); err == nil && target == "/dev/null" {
					return warning("the unit is masked", "systemctl unmask wazuh-security-lake")
				}
				if _, err := os.Stat(path); err == nil {
					unit = path
				}
			}
		}
		if unit == "" {
			return skipped("no unit %s: the package is not installed", unitName)
		}
		wants, _ := filepath.Glob(filepath.Join(root, "etc/systemd/system/*.wants", unitName)) // the pattern is a constant
		if len(wants) == 0 {
			return warning("the unit is not enabled: nothing is shipped after a reboot", "systemctl enable --now wazuh-security-lake")
		}
		return passed("%s is enabled", unit)
	}
}

// checkEnvironment compares this process's environment with the one systemd gives the service: what is found out about
// credentials and proxies holds for the service only if they agree.
func checkEnvironment(root string, environ []string) func(context.Context) Result {
	return func(context.Context) Result {
		path := filepath.Join(root, "etc/default/wazuh-security-lake")
		data, err := readSome(path)
		if err != nil {
			return skipped("%s: %v", path, plainError(err))
		}
		ours := make(map[string]string)
		for _, line := range environ {
			name, value, _ := strings.Cut(line, "=")
			ours[name] = value
		}
		theirs := environmentFile(data)
		var differ []string
		for _, name := range slices.Sorted(maps.Keys(theirs)) {
			if value, ok := ours[name]; !ok || value != theirs[name] {
				differ = append(differ, name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(ours)) {
			if _, ok := theirs[name]; !ok && steers(name) {
				differ = append(differ, name+" (only here)")
			}
		}
		if len(differ) > 0 {
			return warning("this environment is not the service's: "+strings.Join(differ, ", "), "to test with the service's own environment and rights: "+ownEnvironment)
		}
		return passed("the same variables as in %s", path)
	}
}

// steers names the variables that decide about credentials, the way to AWS and the configuration.
func steers(name string) bool {
	switch strings.ToUpper(name) {
	case "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY":
		return true
	}
	return strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "WAZUH_LAKE_")
}

// environmentFile reads NAME=value lines as systemd does, quotes around a whole value taken off.
func environmentFile(data []byte) map[string]string {
	vars := make(map[string]string)
	for line := range bytes.Lines(data) {
		text := strings.TrimSpace(string(line))
		name, value, ok := strings.Cut(text, "=")
		if !ok || strings.HasPrefix(text, "#") || strings.HasPrefix(text, ";") {
			continue
		}
		value = strings.TrimSpace(value)
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		vars[strings.TrimSpace(name)] = value
	}
	return vars
}
