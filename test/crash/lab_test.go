package crash

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/lake"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/test/replica"
)

const patience = 60 * time.Second

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// built is the daemon, made once by TestMain.
var built string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Getenv("WSL_CRASH") == "" && os.Getenv("WSL_SOAK") == "" {
		return m.Run() // every test skips
	}
	dir, err := os.MkdirTemp("", "wsl-crash-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built = filepath.Join(dir, "wazuh-security-lake")
	cmd := exec.Command("go", "-C", "../..", "build", "-tags", "crashpoints", "-o", built, "./cmd/wazuh-security-lake")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// host is one machine: a manager, the daemon's state, and a lake that outlives both.
type host struct {
	dir     string
	state   string
	manager *replica.Manager
	config  string
	cmd     *exec.Cmd
	exited  chan struct{}
	code    int // valid after exited is closed; -1: killed
	stderr  *safeBuffer
}

// safeBuffer is written by the process's pipe and read by the test.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newHost makes a host below dir with its state in stateDir.
func newHost(tb testing.TB, dir, stateDir string) *host {
	tb.Helper()
	h := &host{dir: dir, state: stateDir, config: filepath.Join(dir, "config.yaml"), stderr: &safeBuffer{}}
	h.manager = replica.New(filepath.Join(dir, "alerts"), noon)
	ok(tb, h.manager.Start())
	text := fmt.Sprintf(`
input: {path: %s, dated_dir: %s, start_at: %s}
lake: {destination: "file://%s", region: us-east-1, account_id: "123456789012"}
sources: [{name: wazuh, class: detection_finding}]
batch: {interval: 100ms}
spool: {dir: %s, min_free: 1MiB}
node: n1
`, h.manager.Path(), h.manager.Dir(), noon.Format(time.DateOnly), filepath.Join(dir, "lake"), h.state)
	ok(tb, os.WriteFile(h.config, []byte(text), 0o644))
	return h
}

func ok(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// start runs the daemon, under the command in front if there is one.
func (h *host) start(tb testing.TB, front ...string) {
	tb.Helper()
	argv := append(front, built, "run", "-c", h.config)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "TZ=UTC")
	cmd.Stderr = h.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	ok(tb, cmd.Start())
	exited := make(chan struct{})
	h.cmd, h.exited = cmd, exited
	go func() {
		err := cmd.Wait()
		h.code = 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			h.code = exit.ExitCode()
		}
		close(exited)
	}()
	tb.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }) // its own process group
}

// kill is kill -9 for the daemon and whatever stands in front of it.
func (h *host) kill() {
	_ = syscall.Kill(-h.cmd.Process.Pid, syscall.SIGKILL)
	<-h.exited
}

// signal reaches the daemon also behind strace, which passes nothing on.
func (h *host) signal(sig syscall.Signal) { _ = syscall.Kill(-h.cmd.Process.Pid, sig) }

// stop ends the daemon as systemd does and returns its exit code.
func (h *host) stop(tb testing.TB) int {
	tb.Helper()
	h.signal(syscall.SIGTERM)
	select {
	case <-h.exited:
	case <-time.After(patience):
		h.kill()
		tb.Fatalf("the daemon does not end:\n%s", h.log())
	}
	return h.code
}

// gone reports whether the daemon has ended.
func (h *host) gone() bool {
	select {
	case <-h.exited:
		return true
	default:
		return false
	}
}

// log is the end of what the daemons said.
func (h *host) log() string {
	text := h.stderr.String()
	return text[max(0, len(text)-6000):]
}

func (h *host) write(tb testing.TB, n int) {
	tb.Helper()
	for i := range n {
		_, err := h.manager.Alert(260 + 37*(i%20))
		ok(tb, err)
	}
	ok(tb, h.manager.Tick(time.Second))
}

// settled waits until every alert so far is accounted for and nothing is pending. It returns false when the daemon has
// ended before, and fails when neither happens: a wedge.
func (h *host) settled(tb testing.TB) bool {
	tb.Helper()
	want := int64(len(h.manager.Alerts()))
	deadline, nudge := time.Now().Add(patience), time.Now().Add(3*time.Second)
	for {
		if now := time.Now(); now.After(nudge) && !h.gone() {
			h.signal(syscall.SIGUSR1) // an upload that failed for want of space is otherwise tried again after half a minute
			nudge = now.Add(3 * time.Second)
		}
		st, err := spool.Read(h.state)
		if err == nil && st.Account.Read >= want && st.Account.Pending == 0 {
			return true
		}
		if h.gone() {
			return false
		}
		if time.Now().After(deadline) {
			tb.Fatalf("wedged: %v, %+v, want %d read:\n%s", err, st.Account, want, h.log())
		}
		time.Sleep(10 * time.Millisecond) // a real process in real time: there is nothing to inject
	}
}

// result is what the judge counted.
type result struct{ alerts, rows, objects, lost, twice, foreign int }

func (r result) sound() bool { return r.alerts > 0 && r.lost+r.twice+r.foreign == 0 }

// judge reads the lake back, compares it with what the manager made visible, and holds the spool's account against it.
func (h *host) judge(tb testing.TB) result {
	tb.Helper()
	r := h.compare(tb)
	st, err := spool.Read(h.state)
	ok(tb, err)
	a := st.Account
	if a.Read != a.Shipped+a.Filtered+a.Rejected+a.Quarantined+a.Pending || a.Pending+a.Quarantined+a.Rejected != 0 || a.Shipped != int64(r.rows) {
		tb.Errorf("account %+v does not fit %d rows", a, r.rows)
	}
	return r
}

// compare is the part of judge that looks at the lake alone.
func (h *host) compare(tb testing.TB) result {
	tb.Helper()
	got, r := map[string]int{}, result{}
	texts := h.manager.Alerts()
	err := filepath.WalkDir(filepath.Join(h.dir, "lake", "ext"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		r.objects++
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		for _, fault := range lake.Verify(f, info.Size(), path) {
			tb.Errorf("contract: %v", fault)
		}
		return lake.Rows(f, info.Size(), func(row []byte) error {
			var ev struct {
				RawData string `json:"raw_data"`
				Finding struct {
					UID string `json:"uid"`
				} `json:"finding_info"`
			}
			if err := json.Unmarshal(row, &ev); err != nil {
				return err
			}
			r.rows++
			got[ev.Finding.UID]++
			if a := texts[ev.Finding.UID]; !strings.Contains(string(a.Line), `"full_log":"`+ev.RawData+`"`) {
				tb.Errorf("alert %s has another payload: %q", ev.Finding.UID, ev.RawData)
			}
			return nil
		})
	})
	ok(tb, err)
	for id := range h.manager.Visible() {
		r.alerts++
		switch {
		case got[id] == 0:
			r.lost++
		case got[id] > 1:
			r.twice++
		}
	}
	for id := range got {
		if texts[id].ID == "" {
			r.foreign++
		}
	}
	return r
}
