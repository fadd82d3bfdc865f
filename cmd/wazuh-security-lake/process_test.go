package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/spool"
)

// TestAsCommand is no test: it is the command itself when another test starts this binary again (see child).
func TestAsCommand(t *testing.T) {
	if os.Getenv("WSL_TEST_AS_COMMAND") == "" {
		t.Skip("only for the tests that need the daemon as a process")
	}
	i := 0
	for i < len(os.Args) && os.Args[i] != "--" {
		i++
	}
	os.Exit(execute(context.Background(), os.Args[i+1:], stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// child is one command line as a process.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	exited chan struct{}

	mu  sync.Mutex // guards out
	out bytes.Buffer
}

func (c *child) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Write(p)
}

func (c *child) output() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.String()
}

func startChild(t *testing.T, args ...string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: exec.Command(self, append([]string{"-test.run=^TestAsCommand$", "--"}, args...)...), exited: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), "WSL_TEST_AS_COMMAND=1", "TZ=UTC")
	c.cmd.Stdout, c.cmd.Stderr = c, c
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = c.cmd.Wait() // the exit code is looked at below
		close(c.exited)
	}()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill() // it may have ended
		<-c.exited
	})
	return c
}

// code waits for the end and returns the exit code.
func (c *child) code() int {
	c.t.Helper()
	select {
	case <-c.exited:
	case <-time.After(20 * time.Second):
		c.t.Fatalf("%v does not end:\n%s", c.cmd.Args, c.output())
	}
	return c.cmd.ProcessState.ExitCode()
}

func (c *child) signal(sig syscall.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(sig); err != nil {
		c.t.Fatal(err)
	}
}

// bench is a node with its files: a manager's log, a state directory, a directory as lake.
type bench struct {
	t                          *testing.T
	dir, alerts, state, config string
	wrote                      int
}

func newBench(t *testing.T, more string) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{t: t, dir: dir, alerts: filepath.Join(dir, "alerts"), state: filepath.Join(dir, "state"), config: filepath.Join(dir, "config.yaml")}
	if err := os.MkdirAll(filepath.Join(b.alerts, "2024", "Apr"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "lake"), 0o750); err != nil {
		t.Fatal(err)
	}
	b.configure(more)
	b.write(1)
	return b
}

func (b *bench) configure(more string) {
	b.t.Helper()
	text := fmt.Sprintf(`
input: {path: %s/alerts.json, dated_dir: %s, start_at: "2024-04-22"}
lake: {destination: "file://%s/lake", region: us-east-1, account_id: "123456789012"}
sources: [{name: wazuh, class: detection_finding}]
spool: {dir: %s, min_free: 1MiB}
node: bench
%s
`, b.alerts, b.alerts, b.dir, b.state, more)
	if err := os.WriteFile(b.config, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// write appends n alerts as the manager does.
func (b *bench) write(n int) {
	b.t.Helper()
	var text strings.Builder
	for range n {
		b.wrote++
		fmt.Fprintf(&text, `{"timestamp":"2024-04-22T14:20:46.976+0000","rule":{"level":3,"description":"d","id":"5402"},"agent":{"id":"001","name":"a"},"manager":{"name":"bench"},"id":"1713795646.%d","location":"x","full_log":"line %d"}`+"\n", b.wrote, b.wrote)
	}
	b.append(text.String())
}

func (b *bench) append(text string) {
	b.t.Helper()
	dated, live := filepath.Join(b.alerts, "2024/Apr/ossec-alerts-22.json"), filepath.Join(b.alerts, "alerts.json")
	f, err := os.OpenFile(dated, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		b.t.Fatal(err)
	}
	_, werr := f.WriteString(text)
	if err := f.Close(); err != nil || werr != nil {
		b.t.Fatal(err, werr)
	}
	if err := os.Link(dated, live); err != nil && !os.IsExist(err) {
		b.t.Fatal(err)
	}
}

func (b *bench) run() *child {
	b.t.Helper()
	c := startChild(b.t, "run", "-c", b.config)
	b.until("the daemon holds the state directory and has read", func() bool {
		_, err := findHolder(b.state)
		st, rerr := spool.Read(b.state)
		return err == nil && rerr == nil && st.Last != nil
	})
	return c
}

// until waits for another process.
func (b *bench) until(what string, done func() bool) {
	b.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			b.t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(10 * time.Millisecond) // a real process in real time: there is nothing to inject
	}
}

func (b *bench) shipped() int {
	b.t.Helper()
	events, _ := rows(b.t, filepath.Join(b.dir, "lake"))
	uids := make(map[any]bool)
	for _, ev := range events {
		uids[at(ev, "metadata.uid")] = true
	}
	if len(uids) != len(events) {
		b.t.Errorf("%d events, %d different uids", len(events), len(uids))
	}
	return len(events)
}
