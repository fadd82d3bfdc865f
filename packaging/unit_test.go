package packaging

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The unit and the code agree on times and exit codes that neither can see of the other.
func TestUnitFitsTheDaemon(t *testing.T) {
	unit := make(map[string]string)
	for line := range strings.Lines(read(t, "systemd/wazuh-security-lake.service")) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			unit[key] = value
		}
	}
	seconds := func(key string) int {
		n, err := strconv.Atoi(unit[key])
		if err != nil {
			t.Fatalf("%s=%s: %v", key, unit[key], err)
		}
		return n
	}
	shipOnStop := constant(t, "../cmd/wazuh-security-lake/daemon.go", `const shipOnStop = (\d+) \* time\.Second`)
	if got, want := seconds("TimeoutStopSec"), 2*shipOnStop; got < want {
		t.Errorf("TimeoutStopSec: got %d, want at least %d: sealing comes before the %d s of shipping", got, want, shipOnStop)
	}
	beat := constant(t, "../cmd/wazuh-security-lake/statusfile.go", `statusInterval = (\d+) \* time\.Second`)
	if got, want := seconds("WatchdogSec"), 4*beat; got < want {
		t.Errorf("WatchdogSec: got %d, want at least %d: it is fed every %d s", got, want, beat)
	}
	if got, want := unit["RestartPreventExitStatus"], "64 65 78"; got != want {
		t.Errorf("RestartPreventExitStatus: got %q, want %q: usage, data, configuration", got, want)
	}
	for _, name := range []string{"StateDirectory", "User", "Group"} {
		if got, want := unit[name], "wazuh-security-lake"; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func constant(t *testing.T, path, form string) int {
	t.Helper()
	m := regexp.MustCompile(form).FindStringSubmatch(read(t, path))
	if m == nil {
		t.Fatalf("%s has no %s", path, form)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
