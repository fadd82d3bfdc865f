package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/lake"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/test/replica"
)

// binaries are built once by TestMain.
type binaries struct{ daemon, s3server string }

var built binaries

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if os.Getenv("WSL_E2E") == "" {
		return m.Run() // every test skips
	}
	dir, err := os.MkdirTemp("", "wsl-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // tests run the daemon as another user too
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	built = binaries{filepath.Join(dir, "wazuh-security-lake"), filepath.Join(dir, "s3server")}
	for _, b := range [][]string{
		{"-C", "../..", "build", "-tags", "crashpoints", "-o", built.daemon, "./cmd/wazuh-security-lake"},
		{"-C", "../s3server", "build", "-o", built.s3server, "."},
	} {
		cmd := exec.Command("go", b...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil { // not ours: the compiler
			fmt.Fprintf(os.Stderr, "go %v: %v\n%s", b, err, out)
			return 1
		}
	}
	code := m.Run()
	return max(code, printed.judge())
}

// needE2E skips in a plain go test.
func needE2E(t *testing.T) {
	t.Helper()
	if os.Getenv("WSL_E2E") == "" {
		t.Skip("needs a built daemon and an S3 server: run `make e2e`")
	}
}

const (
	access, secret, bucket = "testkey", "test-Secret.key_1", "aws-security-data-lake-test"
	patience               = 25 * time.Second
)

// lab is one bucket on a real S3 server.
type lab struct {
	t    *testing.T
	dir  string
	addr string
}

func newLab(t *testing.T, flags ...string) *lab {
	needE2E(t)
	l := &lab{t: t, dir: t.TempDir()}
	l.addr = l.serve(flags...)
	return l
}

// serve starts a gateway over the lab's objects and returns its address. flags are further ones of test/s3server.
func (l *lab) serve(flags ...string) (addr string) {
	l.t.Helper()
	cmd := exec.Command(built.s3server, append([]string{"-root", filepath.Join(l.dir, "s3"), "-access", access, "-secret", secret, "-bucket", bucket}, flags...)...)
	out, err := cmd.StdoutPipe() // not ours: the gateway
	if err != nil {
		l.t.Fatal(err)
	}
	cmd.Stderr = os.Stderr // not ours: the gateway
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	for lines := bufio.NewScanner(out); addr == "" && lines.Scan(); {
		addr, _ = strings.CutPrefix(lines.Text(), "ready ")
		if addr == lines.Text() {
			addr = "" // the gateway's own words
		}
	}
	if addr == "" {
		l.t.Fatal("the S3 server did not get ready")
	}
	return addr
}

// node is one Wazuh manager with its daemon.
type node struct {
	lab      *lab
	name     string
	manager  *replica.Manager
	state    string
	config   string
	endpoint string
	cmd      *exec.Cmd
	stderr   *bytes.Buffer
	exited   chan error
}

func (l *lab) node(name, nodeName string, start time.Time) *node {
	l.t.Helper()
	n := &node{lab: l, name: name, state: filepath.Join(l.dir, name, "state"), endpoint: "http://" + l.addr}
	n.manager = replica.New(filepath.Join(l.dir, name, "alerts"), start)
	if err := n.manager.Start(); err != nil {
		l.t.Fatal(err)
	}
	n.configure(nodeName, start, "detection_finding")
	return n
}

func (n *node) configure(nodeName string, start time.Time, class string) {
	n.lab.t.Helper()
	n.config = filepath.Join(n.lab.dir, n.name, "config.yaml")
	text := fmt.Sprintf(`
input: {path: %s, dated_dir: %s, start_at: %s}
lake:
  destination: s3://%s
  region: us-east-1
  account_id: "123456789012"
  s3_endpoint: %s
  path_style: true
sources: [{name: wazuh, class: %s}]
batch: {interval: 1s}
spool: {dir: %s, min_free: 1MiB}
node: %q
`, n.manager.Path(), n.manager.Dir(), start.Format(time.DateOnly), bucket, n.endpoint, class, n.state, nodeName)
	if err := os.WriteFile(n.config, []byte(text), 0o644); err != nil {
		n.lab.t.Fatal(err)
	}
}

// start runs the daemon; env are further variables (SPOOL_CRASH_AT=...).
func (n *node) start(env ...string) {
	n.lab.t.Helper()
	n.launch(exec.Command(built.daemon, "run", "-c", n.config), env...)
}

// launch runs the daemon by a command of the caller's.
func (n *node) launch(cmd *exec.Cmd, env ...string) {
	n.lab.t.Helper()
	n.cmd = cmd
	n.cmd.Env = append(os.Environ(), append([]string{"AWS_ACCESS_KEY_ID=" + access, "AWS_SECRET_ACCESS_KEY=" + secret, "TZ=UTC"}, env...)...)
	n.stderr = &bytes.Buffer{}
	n.cmd.Stderr = printed.also(n.stderr)
	if err := n.cmd.Start(); err != nil {
		n.lab.t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	n.exited = exited
	n.lab.t.Cleanup(func() { _ = cmd.Process.Kill() })
}

// wait returns the exit code; -1 for a death by signal.
func (n *node) wait() int {
	n.lab.t.Helper()
	select {
	case err := <-n.exited:
		n.cmd = nil
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode()
		}
		if err != nil {
			n.lab.t.Fatal(err)
		}
		return 0
	case <-time.After(patience):
		n.lab.t.Fatalf("daemon does not end:\n%s", n.stderr)
	}
	return 0
}

// stop ends the daemon as systemd does.
func (n *node) stop() {
	n.lab.t.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		n.lab.t.Fatal(err)
	}
	if code := n.wait(); code != 0 {
		n.lab.t.Fatalf("daemon ended with %d:\n%s", code, n.stderr)
	}
}

// write lets the manager write n alerts of various sizes and flush them.
func (n *node) write(count int) {
	n.lab.t.Helper()
	for i := range count {
		if _, err := n.manager.Alert(300 + 37*(i%50)); err != nil {
			n.lab.t.Fatal(err)
		}
	}
	n.tick(time.Second)
}

func (n *node) tick(d time.Duration) {
	n.lab.t.Helper()
	if err := n.manager.Tick(d); err != nil {
		n.lab.t.Fatal(err)
	}
}

// midnight lets a minute before midnight become the next day: the manager rotates and compresses the day that is over.
func (n *node) midnight() {
	n.lab.t.Helper()
	day := n.manager.Now()
	n.manager.SetClock(day.Add(5 * time.Minute))
	n.manager.Event()
	n.tick(time.Second)
	if err := n.manager.Archive(day).All(); err != nil {
		n.lab.t.Fatal(err)
	}
}

// settled waits until every line written so far is accounted for and nothing is pending.
func (n *node) settled() { n.settledWithin(patience) }

func (n *node) settledWithin(patience time.Duration) {
	n.lab.t.Helper()
	want := int64(len(n.manager.Alerts()))
	deadline := time.Now().Add(patience)
	for {
		st, err := spool.Read(n.state)
		if err == nil && st.Account.Read >= want && st.Account.Pending == 0 {
			return
		}
		select {
		case err := <-n.exited:
			n.lab.t.Fatalf("daemon ended (%v):\n%s", err, n.stderr)
		default:
		}
		if time.Now().After(deadline) {
			n.lab.t.Fatalf("not settled: %v, %+v, want %d:\n%s", err, st.Account, want, n.stderr)
		}
		time.Sleep(20 * time.Millisecond) // a real process in real time: there is nothing to inject
	}
}

// objects are the files of the bucket.
func (l *lab) objects() []string {
	l.t.Helper()
	var out []string
	root := filepath.Join(l.dir, "s3", bucket)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return out
}

// shipped counts the rows in the bucket by Wazuh's alert id and checks every object against the contract.
func (l *lab) shipped() map[string]int {
	l.t.Helper()
	ids := make(map[string]int)
	for _, path := range l.objects() {
		f, err := os.Open(path)
		if err != nil {
			l.t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			l.t.Fatal(err)
		}
		for _, fault := range lake.Verify(f, info.Size(), path) {
			l.t.Errorf("contract: %v", fault)
		}
		err = lake.Rows(f, info.Size(), func(row []byte) error {
			var ev struct {
				FindingInfo struct {
					UID string `json:"uid"`
				} `json:"finding_info"`
			}
			if err := json.Unmarshal(row, &ev); err != nil {
				return err
			}
			ids[ev.FindingInfo.UID]++
			return nil
		})
		_ = f.Close() // only read
		if err != nil {
			l.t.Fatal(err)
		}
	}
	return ids
}

// judge compares what the managers made visible with what is in the bucket: every alert exactly once, nothing foreign.
func (l *lab) judge(nodes ...*node) {
	l.t.Helper()
	alerts, lost, twice, foreign := l.compare(nodes...)
	l.t.Logf("judge: %d alerts, %d objects, %d lost, %d twice, %d foreign", alerts, len(l.objects()), lost, twice, foreign)
	if lost+twice+foreign > 0 || alerts == 0 {
		l.t.Errorf("%d alerts: %d lost, %d twice, %d foreign", alerts, lost, twice, foreign)
	}
}

// compare counts.
func (l *lab) compare(nodes ...*node) (alerts, lost, twice, foreign int) {
	l.t.Helper()
	want := make(map[string]int)
	for _, n := range nodes {
		for id := range n.manager.Visible() {
			want[id]++
		}
	}
	got := l.shipped()
	for id, n := range want {
		switch {
		case got[id] < n:
			lost++
		case got[id] > n:
			twice++
		}
	}
	for id := range got {
		if want[id] == 0 {
			foreign++
		}
	}
	return len(want), lost, twice, foreign
}

// proxy forwards connections to the S3 server and calls answered with each answer's first bytes before passing it on.
func (l *lab) proxy(answered func(status string)) string {
	l.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", l.addr)
			if err != nil {
				_ = client.Close()
				return
			}
			go pipe(server, client, nil)
			go pipe(client, server, answered)
		}
	}()
	return "http://" + listener.Addr().String()
}

func pipe(to, from net.Conn, seen func(string)) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if seen != nil {
				line, _, _ := bytes.Cut(buf[:n], []byte("\r\n"))
				seen(string(line))
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
