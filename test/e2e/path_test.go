package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/spool"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func TestRunningThroughARotation(t *testing.T) {
	l := newLab(t)
	n := l.node("n1", "manager-1", noon)
	n.write(100)
	n.start()
	n.settled()
	n.write(250)
	if err := n.manager.Rotate(0); err != nil {
		t.Fatal(err)
	}
	n.write(250)
	n.settled()
	n.stop()
	l.judge(n)
	for _, o := range l.objects() {
		if !strings.Contains(o, "/ext/wazuh/region=us-east-1/accountId=123456789012/eventDay=20260314/manager-1-") {
			t.Errorf("object at %s", o)
		}
	}
}

func TestStopShipsWhatWasRead(t *testing.T) {
	l := newLab(t)
	n := l.node("n1", "manager-1", noon)
	n.start()
	n.write(1)
	n.settled()
	n.write(40)
	n.stop() // the interval is not over
	n.start()
	n.settled()
	n.stop()
	l.judge(n)
}

func TestStoppedOverMidnightWithGzip(t *testing.T) {
	l := newLab(t)
	n := l.node("n1", "manager-1", time.Date(2026, 3, 14, 23, 59, 0, 0, time.UTC))
	n.write(120)
	n.start()
	n.settled()
	n.stop()
	n.write(60) // nobody reads these before they are compressed
	n.midnight()
	n.write(60)
	n.start()
	n.settled()
	n.stop()
	l.judge(n)
}

func TestKilledAtEachStep(t *testing.T) {
	needE2E(t)
	for _, point := range spool.CrashPoints() {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			n := l.node("n1", "manager-1", localMorning)
			twoDays(n, 20)
			n.start()
			n.settled()
			n.stop()
			for range 2 {
				twoDays(n, 150)
				n.start("SPOOL_CRASH_AT=" + point)
				if code := n.wait(); code != -1 {
					t.Fatalf("ended with %d instead of being killed at %s:\n%s", code, point, n.stderr)
				}
			}
			n.write(10)
			n.start()
			n.settled()
			n.stop()
			l.judge(n)
		})
	}
}

// localMorning is in the night between two UTC days, in the middle of a day of the manager's own time.
var localMorning = time.Date(2026, 3, 15, 1, 59, 0, 0, time.FixedZone("", 2*3600))

// twoDays writes alerts of two UTC days into one file, so that one batch has two objects.
func twoDays(n *node, count int) {
	n.lab.t.Helper()
	n.manager.SetClock(localMorning)
	n.write(count / 2)
	n.manager.SetClock(localMorning.Add(10 * time.Minute))
	n.write(count - count/2)
}

// Killed after S3 has stored the object and before the daemon has heard of it.
func TestKilledBetweenStoreAndAnswer(t *testing.T) {
	l := newLab(t)
	n := l.node("n1", "manager-1", noon)
	var pid atomic.Int64
	n.endpoint = l.proxy(func(status string) {
		if p := pid.Load(); p > 0 && strings.Contains(status, " 200 ") {
			_ = syscall.Kill(int(p), syscall.SIGKILL)
		}
	})
	n.configure("manager-1", noon, "detection_finding")
	n.write(200)
	n.start()
	pid.Store(int64(n.cmd.Process.Pid))
	if code := n.wait(); code != -1 {
		t.Fatalf("ended with %d instead of being killed:\n%s", code, n.stderr)
	}
	pid.Store(0)
	stored := len(l.objects())
	if stored == 0 {
		t.Fatal("nothing was stored before the kill: the test tests nothing")
	}
	n.start()
	n.settled()
	n.stop()
	l.judge(n)
}

func TestTwoNodesWithOneName(t *testing.T) {
	l := newLab(t)
	a, b := l.node("a", "manager-1", noon), l.node("b", "manager-1", noon)
	a.write(100)
	b.write(130)
	a.start()
	b.start()
	a.settled()
	b.settled()
	a.stop()
	b.stop()
	// The replica numbers alerts per manager: the same id on two nodes is two alerts, as with Wazuh itself.
	l.judge(a, b)
}

func TestStateRestoredFromAnOlderCopy(t *testing.T) {
	l := newLab(t)
	n := l.node("n1", "manager-1", noon)
	n.write(50)
	n.start()
	n.settled()
	n.stop()
	backup := n.state + ".backup"
	command(t, "cp", "-a", n.state, backup)
	n.write(50)
	n.start()
	n.settled()
	n.stop()
	command(t, "rm", "-r", n.state)
	command(t, "cp", "-a", backup, n.state)
	n.start()
	if code := n.wait(); code != 75 {
		t.Fatalf("exit %d, want 75:\n%s", code, n.stderr)
	}
	for _, want := range []string{"copy", "position set"} {
		if !strings.Contains(n.stderr.String(), want) {
			t.Errorf("message does not name %q:\n%s", want, n.stderr)
		}
	}
	l.judge(n) // refused: nothing came twice

	// The way out: the operator names the place, here the end of the file, and it goes on from there.
	out := command(t, built.daemon, "position", "set", "-c", n.config, "--at", "end", "--yes")
	if !strings.Contains(out, "SKIPPED") {
		t.Errorf("position set does not say what is skipped:\n%s", out)
	}
	n.write(25)
	n.start()
	deadline := time.Now().Add(patience)
	for len(l.shipped()) < 125 && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond) // a real process in real time
	}
	n.stop()
	l.judge(n)
}

func TestSecondDaemonIsRefused(t *testing.T) {
	l := newLab(t)
	n := l.node("n1", "manager-1", noon)
	n.start()
	n.write(5)
	n.settled()
	second := *n
	second.start()
	if code := second.wait(); code != 75 {
		t.Fatalf("exit %d, want 75:\n%s", code, second.stderr)
	}
	if want := fmt.Sprint(n.cmd.Process.Pid); !strings.Contains(second.stderr.String(), want) {
		t.Errorf("message does not name the holder %s:\n%s", want, second.stderr)
	}
	n.stop()
}

func TestReload(t *testing.T) {
	l := newLab(t)
	n := l.node("n1", "manager-1", noon)
	n.start()
	n.write(20)
	n.settled()
	good, err := os.ReadFile(n.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(n.config, append(good, "\nbogus: 1\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	hangup(t, n)
	logged(t, n, "configuration refused, the old one is kept")
	n.write(20)
	n.settled()
	// Valid in itself, but not for what this source has shipped already: the old one goes on as well.
	other := bytes.Replace(good, []byte("class: detection_finding"), []byte("class: security_finding"), 1)
	if err := os.WriteFile(n.config, other, 0o644); err != nil {
		t.Fatal(err)
	}
	hangup(t, n)
	logged(t, n, "use a new source")
	n.write(20)
	n.settled()
	changed := bytes.Replace(good, []byte(`node: "manager-1"`), []byte(`node: "manager-2"`), 1)
	if err := os.WriteFile(n.config, changed, 0o644); err != nil {
		t.Fatal(err)
	}
	hangup(t, n)
	logged(t, n, "manager-2")
	n.write(20)
	n.settled()
	n.stop()
	l.judge(n)
	if names := strings.Join(l.objects(), "\n"); !strings.Contains(names, "/manager-2-") {
		t.Errorf("no object of the new configuration:\n%s", names)
	}
}

func hangup(t *testing.T, n *node) {
	t.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

func logged(t *testing.T, n *node, want string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !strings.Contains(n.stderr.String(), want) {
		if time.Now().After(deadline) {
			t.Fatalf("never logged %q:\n%s", want, n.stderr)
		}
		time.Sleep(20 * time.Millisecond) // a real process in real time
	}
}

// Each fault that only a person can mend: one line with the remedy and the right exit code.
func TestFaultsAtStart(t *testing.T) {
	l := newLab(t)
	shipped := l.node("shipped", "manager-1", noon)
	shipped.write(3)
	shipped.start()
	shipped.settled()
	shipped.stop()

	tests := map[string]struct {
		prepare func(n *node)
		code    int
		want    []string
	}{
		"class of a source changed": {
			prepare: func(n *node) { *n = *shipped; n.configure("manager-1", noon, "security_finding") },
			code:    78, want: []string{"wazuh", "detection_finding", "security_finding", "new"},
		},
		"unknown class": {
			prepare: func(n *node) { n.configure("manager-1", noon, "nonsense") },
			code:    78, want: []string{"sources[0].class", "nonsense"},
		},
		"bad YAML": {
			prepare: func(n *node) { write(t, n.config, "lake:\n  destination: [\n") },
			code:    78, want: []string{n1config, ":"},
		},
		"unknown key": {
			prepare: func(n *node) { write(t, n.config, "lake:\n  destinatoin: s3://x-bucket\n") },
			code:    78, want: []string{"destinatoin", ":2:"},
		},
		"no configuration": {
			prepare: func(n *node) { n.config += ".missing" },
			code:    66, want: []string{"config.yaml.missing"},
		},
		"alerts not there": {
			prepare: func(n *node) { command(t, "rm", "-r", n.manager.Dir()) },
			code:    66, want: []string{"does not exist", "Wazuh manager"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			n := l.node(strings.ReplaceAll(name, " ", "-"), "manager-1", noon)
			tt.prepare(n)
			n.start()
			if code := n.wait(); code != tt.code {
				t.Errorf("exit %d, want %d", code, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(n.stderr.String(), want) {
					t.Errorf("message does not name %q", want)
				}
			}
			if !strings.Contains(n.stderr.String(), "remedy: ") {
				t.Error("no remedy")
			}
			if t.Failed() {
				t.Logf("stderr:\n%s", n.stderr)
			}
		})
	}
}

const n1config = "config.yaml"

// Alerts that the daemon's user may not read: the bit that is missing and the command that mends it.
func TestUnreadableAlerts(t *testing.T) {
	l := newLab(t)
	n := l.node("n1", "manager-1", noon)
	n.write(3)
	// As on a manager: the tree belongs to a group that the daemon's user is not in.
	command(t, "chown", "-R", "0:7777", n.manager.Dir())
	command(t, "chmod", "0750", n.manager.Dir())
	command(t, "chmod", "0755", l.dir, filepath.Dir(n.manager.Dir()))
	for dir := l.dir; dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o005 != 0o005 {
			command(t, "chmod", "o+rx", dir)
		}
	}
	run := func(groups ...uint32) (int, string) {
		cmd := exec.Command(built.daemon, "run", "-c", n.config)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534, Groups: groups}}
		var stderr bytes.Buffer
		cmd.Stderr = printed.also(&stderr)
		_ = cmd.Run() // the code tells
		return cmd.ProcessState.ExitCode(), stderr.String()
	}
	code, text := run()
	if code != 77 || !strings.Contains(text, n.manager.Dir()) || !strings.Contains(text, "usermod -a -G 7777") {
		t.Errorf("without the group: exit %d:\n%s", code, text)
	}
	if _, err := user.LookupGroup("wazuh"); err != nil { // no manager on this host: the usual case in CI
		command(t, "chown", "-R", "0:0", n.manager.Dir())
		code, text = run()
		if code != 77 || !strings.Contains(text, "group wazuh does not exist") {
			t.Errorf("without group wazuh on the host: exit %d:\n%s", code, text)
		}
		command(t, "chown", "-R", "0:7777", n.manager.Dir())
	}
	command(t, "chmod", "0640", n.manager.Path())
	command(t, "chmod", "g-r", n.manager.Path())
	code, text = run(7777)
	if code != 77 || !strings.Contains(text, n.manager.Path()) || !strings.Contains(text, "chmod g+r") {
		t.Errorf("without the read bit: exit %d:\n%s", code, text)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput() // not ours: tools of the host
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}
