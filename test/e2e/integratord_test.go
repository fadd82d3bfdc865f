package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/lake"
	"wazuh-security-lake/ossec-integration/inbox"
	"wazuh-security-lake/spool"
)

// The users of production, as numbers: the daemon is a member of group wazuh, integratord is wazuh:wazuh.
const (
	daemonUID, daemonGID = 54310, 54310
	wazuhUID, wazuhGID   = 54320, 54321
	programName          = "custom-security-lake"
)

// site is a manager in integration mode: the daemon as its own user, the inbox as tmpfiles makes it, and the program where
// integratord looks for it.
type site struct {
	*node
	inbox string
	home  string // of Wazuh
}

// integrationSite makes one; the inbox lies below base, the lab's directory if empty.
func (l *lab) integrationSite(base, limit string) *site {
	l.t.Helper()
	if os.Getuid() != 0 {
		l.t.Fatal("needs root: daemon and integratord run as two users")
	}
	if base == "" {
		base = l.dir
	}
	home := filepath.Join(l.dir, "ossec")
	s := &site{home: home, inbox: filepath.Join(base, "inbox"),
		node: &node{lab: l, name: "integration", state: filepath.Join(l.dir, "integration", "state"), endpoint: "http://" + l.addr}}
	for _, dir := range []string{l.dir, base} {
		passable(l.t, dir)
	}
	l.must(os.Mkdir(filepath.Dir(s.state), 0o755))
	l.must(os.Mkdir(s.state, 0o750))
	l.must(os.Chown(s.state, daemonUID, daemonGID))
	l.must(os.Mkdir(s.inbox, 0o750))
	l.must(os.Chown(s.inbox, daemonUID, wazuhGID))
	l.must(os.Chmod(s.inbox, 0o750|os.ModeSetgid))
	l.must(os.MkdirAll(filepath.Join(home, "integrations"), 0o755))
	program := filepath.Join(home, "integrations", programName)
	command(l.t, "go", "-C", "../..", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./ossec-integration")
	l.must(os.Chown(program, 0, wazuhGID))
	l.must(os.Chmod(program, 0o750))
	s.configureInput("integration", limit)
	return s
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// passable lets other users through to dir.
func passable(t *testing.T, dir string) {
	t.Helper()
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o005 != 0o005 {
			command(t, "chmod", "o+rx", dir)
		}
	}
}

func (s *site) configureInput(mode, limit string) {
	s.lab.t.Helper()
	s.config = filepath.Join(s.lab.dir, s.name, "config.yaml")
	alerts := filepath.Join(s.lab.dir, "alerts")
	if s.manager != nil {
		alerts = s.manager.Dir()
	}
	text := fmt.Sprintf(`
input: {mode: %s, path: %s/alerts.json, dated_dir: %s, start_at: 2026-03-14, inbox: %s, inbox_max_size: %s}
lake:
  destination: s3://%s
  region: us-east-1
  account_id: "123456789012"
  s3_endpoint: %s
  path_style: true
sources: [{name: wazuh, class: detection_finding}]
batch: {interval: 1s}
spool: {dir: %s, min_free: 1MiB}
node: manager-1
`, mode, alerts, alerts, s.inbox, limit, bucket, s.endpoint, s.state)
	s.lab.must(os.WriteFile(s.config, []byte(text), 0o644))
}

// start runs the daemon and waits until the program may append.
func (s *site) start() {
	s.lab.t.Helper()
	s.launch()
	s.until("the inbox is made", func() bool {
		list, err := filepath.Glob(filepath.Join(s.inbox, "0*.ndjson"))
		return err == nil && len(list) > 0
	})
}

// launch runs the daemon as its own user, a member of group wazuh.
func (s *site) launch() {
	s.lab.t.Helper()
	cmd := exec.Command(built.daemon, "run", "-c", s.config)
	cmd.Env = []string{"AWS_ACCESS_KEY_ID=" + access, "AWS_SECRET_ACCESS_KEY=" + secret, "TZ=UTC", "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: daemonUID, Gid: daemonGID, Groups: []uint32{wazuhGID}}}
	s.stderr = &bytes.Buffer{}
	cmd.Stderr = printed.also(s.stderr)
	s.lab.must(cmd.Start())
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	s.cmd, s.exited = cmd, exited
	s.lab.t.Cleanup(func() { _ = cmd.Process.Kill() })
}

// until waits for what a real process does in real time.
func (s *site) until(what string, done func() bool) {
	s.lab.t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-s.exited:
			s.lab.t.Fatalf("daemon ended (%v):\n%s", err, s.stderr)
		default:
		}
		if time.Now().After(deadline) {
			s.lab.t.Fatalf("never: %s\n%s", what, s.stderr)
		}
	}
}

func (s *site) kill() {
	s.lab.t.Helper()
	s.lab.must(s.cmd.Process.Kill())
	if code := s.wait(); code != -1 {
		s.lab.t.Fatalf("ended with %d before it was killed:\n%s", code, s.stderr)
	}
}

// delivered waits until so many alerts are in the bucket and acknowledged.
func (s *site) delivered(want int) {
	s.lab.t.Helper()
	var last spool.State
	s.until(fmt.Sprintf("%d alerts delivered", want), func() bool {
		st, err := spool.Read(s.state)
		last = st
		return err == nil && st.Account.Shipped >= int64(want) && st.Account.Pending == 0
	})
	if got := last.Account.Shipped; got != int64(want) {
		s.lab.t.Errorf("shipped: got %d alerts, want %d", got, want)
	}
}

// content is what stands in the inbox, segments and rescue files.
func (s *site) content() string {
	s.lab.t.Helper()
	var all strings.Builder
	for _, pattern := range []string{"0*.ndjson", "rescue/*.ndjson"} {
		list, err := filepath.Glob(filepath.Join(s.inbox, pattern))
		s.lab.must(err)
		for _, path := range list {
			data, err := os.ReadFile(path)
			s.lab.must(err)
			all.Write(data)
		}
	}
	return all.String()
}

// integratord calls the program as wazuh-integratord does, one call after the other: the alert in a file of its own in
// /tmp, eight arguments, no shell, its own session, stdin from /dev/null, one pipe for both outputs that is read to its
// end, and no second attempt.
type integratord struct {
	site    *site
	options string
	wrap    []string // run the program below this command
}

func (s *site) integratord() *integratord {
	s.lab.t.Helper()
	d := &integratord{site: s, options: "/tmp/" + programName + temporaryEnd() + ".options"}
	s.lab.must(os.WriteFile(d.options, []byte("{}\n"), 0o644))
	s.lab.t.Cleanup(func() { _ = os.Remove(d.options) })
	return d
}

// temporaryEnd is -TIME-RANDOM; the random number may be negative.
func temporaryEnd() string { return fmt.Sprintf("-%d-%d", time.Now().Unix(), int32(rand.Uint32())) }

// call hands one alert over and returns the exit code, -1 after a signal, and the output.
func (d *integratord) call(alert string) (int, string, error) {
	file := "/tmp/" + programName + temporaryEnd() + ".alert"
	if err := os.WriteFile(file, []byte(alert+"\n"), 0o644); err != nil {
		return 0, "", err
	}
	defer os.Remove(file) //nolint:errcheck // as integratord does
	if err := os.Chown(file, wazuhUID, wazuhGID); err != nil {
		return 0, "", err
	}
	return d.run("integrations/"+programName, "integrations", file, "", "", "", d.options, "10", "3", "> /dev/null 2>&1")
}

func (d *integratord) run(path string, args ...string) (int, string, error) {
	cmd := &exec.Cmd{Path: path, Args: args, Dir: d.site.home, Env: []string{"WAZUH_LAKE_INBOX=" + d.site.inbox},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: wazuhUID, Gid: wazuhGID}}}
	if len(d.wrap) > 0 {
		// The kernel starts it from its path; only argv[0] of the program differs.
		cmd.Path, cmd.Args = d.wrap[0], append(append(slices.Clone(d.wrap), path), args[1:]...)
	}
	var output bytes.Buffer
	pipe := printed.also(&output)
	cmd.Stdout, cmd.Stderr = pipe, pipe // printed.also keeps it one pipe for both
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, "", err
	}
	return cmd.ProcessState.ExitCode(), output.String(), nil
}

// send is a call that must succeed.
func (d *integratord) send(alert string) {
	d.site.lab.t.Helper()
	if code, output, err := d.call(alert); err != nil || code != 0 || output != "" {
		d.site.lab.t.Fatalf("got exit %d, %q, %v", code, output, err)
	}
}

// alertLine is an alert with an id of its own. Ten in a row have one timestamp, as under load.
func alertLine(caller string, n int, pad string) (id, line string) {
	id = fmt.Sprintf("1773489600.%s%d", caller, n)
	at := noon.Add(time.Duration(n/10) * time.Millisecond).Format("2006-01-02T15:04:05.000-0700")
	return id, `{"timestamp":"` + at + `","rule":{"level":5,"description":"sshd: attempt to login using a non-existent user","id":"5710",` +
		`"firedtimes":1,"mail":false,"groups":["syslog","sshd"]},"agent":{"id":"001","name":"web-1"},"manager":{"name":"manager-1"},"id":"` + id +
		`","full_log":"Nov 23 sshd[1]: Invalid user ` + pad + `","decoder":{"name":"sshd"},"location":"/var/log/auth.log"}`
}

// idsInOrder are the alerts of the bucket as they were read: object after object in order of batch and number.
func (l *lab) idsInOrder() []string {
	l.t.Helper()
	type object struct {
		batch, number uint64
		path          string
	}
	var list []object
	for _, path := range l.objects() {
		parts := strings.Split(filepath.Base(path), "-")
		batch, err := strconv.ParseUint(parts[len(parts)-3], 10, 64)
		l.must(err)
		number, err := strconv.ParseUint(parts[len(parts)-2], 10, 64)
		l.must(err)
		list = append(list, object{batch, number, path})
	}
	slices.SortFunc(list, func(a, b object) int {
		if a.batch != b.batch {
			return int(int64(a.batch) - int64(b.batch))
		}
		return int(int64(a.number) - int64(b.number))
	})
	var ids []string
	for _, o := range list {
		data, err := os.ReadFile(o.path)
		l.must(err)
		l.must(lake.Rows(bytes.NewReader(data), int64(len(data)), func(row []byte) error {
			var event struct {
				FindingInfo struct {
					UID string `json:"uid"`
				} `json:"finding_info"`
			}
			err := json.Unmarshal(row, &event)
			ids = append(ids, event.FindingInfo.UID)
			return err
		}))
	}
	return ids
}

// judgeIDs compares the bucket with what was acknowledged: all of it once, and of what may be there at most one each.
func (l *lab) judgeIDs(acknowledged, maybe []string) {
	l.t.Helper()
	got := make(map[string]int)
	for _, id := range l.idsInOrder() {
		got[id]++
	}
	lost, twice, foreign := 0, 0, len(got)
	for _, id := range acknowledged {
		if got[id] == 0 {
			lost++
		} else {
			foreign--
		}
	}
	for _, id := range maybe {
		if got[id] > 0 {
			foreign--
		}
	}
	for _, n := range got {
		if n > 1 {
			twice++
		}
	}
	l.t.Logf("judge: %d acknowledged, %d not, %d in the lake, %d lost, %d twice, %d foreign", len(acknowledged), len(maybe), len(got), lost, twice, foreign)
	if lost+twice+foreign > 0 || len(acknowledged) == 0 {
		l.t.Errorf("%d lost, %d twice, %d foreign", lost, twice, foreign)
	}
}

// openInbox is the inbox beside the daemon, for looking and for holding its lock.
func (s *site) openInbox() *inbox.Inbox {
	s.lab.t.Helper()
	box, err := inbox.Create(s.inbox, inbox.Options{})
	s.lab.must(err)
	return box
}
