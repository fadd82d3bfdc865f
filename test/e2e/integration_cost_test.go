package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/ossec-integration/inbox"
)

// pythonProgram does the same as custom-security-lake, with as few imports as that needs.
const pythonProgram = `import fcntl, json, os, sys
with open(sys.argv[1], "rb") as f:
    line = f.read().strip()
json.loads(line)
inbox = os.environ["WAZUH_LAKE_INBOX"]
with open(inbox + "/lock", "r+") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    newest = max(n for n in os.listdir(inbox) if n.endswith(".ndjson"))
    fd = os.open(inbox + "/" + newest, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
    os.write(fd, line + b"\n")
    os.fsync(fd)
`

// fastDir is a directory in memory, the ordinary temporary one where there is no such place.
func fastDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "wsl-e2e-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// What one call costs, in turn with its yardsticks so that a busy machine is busy for all of them.
func TestIntegrationCost(t *testing.T) {
	l := newLab(t)
	s := l.integrationSite("", "1GiB")
	python, err := exec.LookPath("/usr/bin/python3")
	if err != nil {
		t.Fatal("needs python3 as the yardstick")
	}
	script := filepath.Join(s.home, "integrations", "custom-python.py")
	l.must(os.WriteFile(script, []byte(pythonProgram), 0o755))
	_, line := alertLine("1", 1, strings.Repeat("x", 600))
	alert := "/tmp/" + programName + temporaryEnd() + ".alert"
	l.must(os.WriteFile(alert, []byte(line+"\n"), 0o644))
	t.Cleanup(func() { _ = os.Remove(alert) })

	samples := make(map[string][]time.Duration)
	measure := func(name string, do func() error) {
		begin := time.Now()
		err := do()
		samples[name] = append(samples[name], time.Since(begin))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	run := func(d *integratord, path string, args ...string) func() error {
		return func() error {
			if code, output, err := d.run(path, args...); code != 0 || err != nil {
				return fmt.Errorf("exit %d, %q, %w", code, output, err)
			}
			return nil
		}
	}
	bases := map[string]string{"tmpfs": fastDir(t), "disk": t.TempDir()}
	callers, plain := make(map[string]*integratord), make(map[string]*os.File)
	for where, base := range bases {
		passable(t, base)
		at := *s
		at.inbox = filepath.Join(base, "cost")
		_, err := inbox.Create(at.inbox, inbox.Options{GID: wazuhGID})
		l.must(err)
		callers[where] = at.integratord()
		plain[where], err = os.OpenFile(filepath.Join(base, "plain"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		l.must(err)
		t.Cleanup(func() { _ = plain[where].Close() })
	}
	const rounds = 300
	for range rounds {
		measure("/bin/true", run(callers["disk"], "/bin/true", "true"))
		for where, d := range callers {
			measure("one line appended and fsynced, "+where, func() error {
				if _, err := plain[where].WriteString(line + "\n"); err != nil {
					return err
				}
				return plain[where].Sync()
			})
			measure(programName+", "+where, run(d, "integrations/"+programName, "integrations", alert, "", "", "", d.options, "10", "3", "> /dev/null 2>&1"))
			measure("python3, "+where, run(d, python, "python3", script, alert))
		}
	}
	p50 := make(map[string]time.Duration)
	names := make([]string, 0, len(samples))
	for name, list := range samples {
		slices.Sort(list)
		p50[name] = list[len(list)/2]
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		t.Logf("%-40s p50 %8v  p99 %8v", name, p50[name].Round(10*time.Microsecond), samples[name][rounds*99/100].Round(10*time.Microsecond))
	}
	ours := float64(p50[programName+", tmpfs"])
	toTrue, toPython := ours/float64(p50["/bin/true"]), ours/float64(p50["python3, tmpfs"])
	t.Logf("p50 on tmpfs: %.2f times /bin/true, %.3f times python3", toTrue, toPython)
	if toTrue > 3 || toPython > 0.15 {
		t.Errorf("got %.2f times /bin/true and %.3f times python3, want at most 3 and 0.15", toTrue, toPython)
	}
	for name, pad := range map[string]string{"1 KB": strings.Repeat("x", 600), "109 KB": strings.Repeat("x", 109_000)} {
		_, line := alertLine("1", 2, pad)
		got := callers["tmpfs"].peak(line)
		t.Logf("peak memory of a call with an alert of %s: %.1f MiB", name, float64(got)/(1<<20))
		if limit := int64(6 << 20); got > limit {
			t.Errorf("peak memory with %s: got %d bytes, want at most %d", name, got, limit)
		}
	}
}

// peak is the resident memory of one call at its highest. The call is kept waiting for the lock while it is looked at:
// the rusage of a child counts its parent's memory from before exec. By then the alert is read and checked.
func (d *integratord) peak(alert string) int64 {
	l := d.site.lab
	l.t.Helper()
	lockPath := filepath.Join(d.site.inbox, "lock")
	held, err := os.OpenFile(lockPath, os.O_RDWR, 0)
	l.must(err)
	defer held.Close() //nolint:errcheck // releases the lock
	l.must(syscall.Flock(int(held.Fd()), syscall.LOCK_EX))
	file := "/tmp/" + programName + temporaryEnd() + ".alert"
	l.must(os.WriteFile(file, []byte(alert), 0o644))
	defer os.Remove(file) //nolint:errcheck // see call
	cmd := exec.Command(filepath.Join(d.site.home, "integrations", programName), file)
	cmd.Env = []string{"WAZUH_LAKE_INBOX=" + d.site.inbox}
	l.must(cmd.Start())
	proc := fmt.Sprintf("/proc/%d/", cmd.Process.Pid)
	waiting := func() bool {
		fds, err := filepath.Glob(proc + "fd/*")
		return err == nil && slices.ContainsFunc(fds, func(fd string) bool { to, err := os.Readlink(fd); return err == nil && to == lockPath })
	}
	for deadline := time.Now().Add(patience); !waiting(); {
		if time.Now().After(deadline) {
			l.t.Fatal("the program never came to the lock")
		}
	}
	status, err := os.ReadFile(proc + "status")
	l.must(err)
	l.must(held.Close())
	l.must(cmd.Wait())
	_, text, ok := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(text)
	if !ok || len(fields) == 0 {
		l.t.Fatalf("no VmHWM in %s", status)
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	l.must(err)
	return kib << 10
}
