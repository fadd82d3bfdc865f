package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/test/faultproxy"
)

const (
	doctorExternalID = "doctor-External.ID-4711"
	wrongSecret      = "wrong-secret-0815"
	doctorRole       = "arn:aws:iam::123456789012:role/AmazonSecurityLake-Provider-wazuh-us-east-1"
)

// outcome is one check as doctor --json tells it.
type outcome struct {
	Check, Status, Fault, Detail string
	Remedy                       []string
}

func (o outcome) text() string { return o.Detail + "\n" + strings.Join(o.Remedy, "\n") }

// visit is one run of doctor.
type visit struct {
	code   int
	checks map[string]outcome
	failed []string // names, in their order
}

// doctor runs `doctor --json` on a node's configuration, as root or as any other user.
func (n *node) doctor(as *syscall.Credential, env []string, args ...string) visit {
	n.lab.t.Helper()
	cmd := exec.Command(built.daemon, append([]string{"doctor", "--json", "-c", n.config}, args...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TZ=UTC", "AWS_EC2_METADATA_DISABLED=true"}, env...)
	if as != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = printed.also(&out), printed.also(&errs)
	_ = cmd.Run() // the code tells
	v := visit{code: cmd.ProcessState.ExitCode(), checks: make(map[string]outcome)}
	var answer struct {
		ExitCode int `json:"exit_code"`
		Checks   []outcome
	}
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
		n.lab.t.Fatalf("doctor: %v\n%s%s", err, out.String(), errs.String())
	}
	if answer.ExitCode != v.code {
		n.lab.t.Errorf("doctor says exit code %d, it is %d", answer.ExitCode, v.code)
	}
	for _, o := range answer.Checks {
		v.checks[o.Check] = o
		if o.Status == "fail" {
			v.failed = append(v.failed, o.Check)
		}
	}
	return v
}

// expect compares one line with what it should say, and prints it: the test's log is what a reader of the report sees.
func (v visit) expect(t *testing.T, check, status string, texts ...string) {
	t.Helper()
	o := v.checks[check]
	t.Logf("%-4s %s: %s", o.Status, check, strings.ReplaceAll(o.text(), "\n", " -> "))
	if o.Status != status {
		t.Errorf("%s: got %s, want %s", check, o.Status, status)
	}
	for _, text := range texts {
		if !strings.Contains(o.text(), text) {
			t.Errorf("%s: %q is not in %q", check, text, o.text())
		}
	}
}

var rootKeys = []string{"AWS_ACCESS_KEY_ID=" + access, "AWS_SECRET_ACCESS_KEY=" + secret}

// everything is each file below a directory with size and time, to see that nothing was changed.
func everything(t *testing.T, root string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			all = append(all, fmt.Sprintf("%s %s %d %s", path, info.Mode(), info.Size(), info.ModTime()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDoctorOfARunningDaemon(t *testing.T) {
	l := newLab(t)
	n := l.node("n1", "manager-1", noon)
	n.write(30)
	before := n.doctor(nil, rootKeys)
	before.expect(t, "write wazuh", "ok", "nothing was stored")
	before.expect(t, "spool as root", "ok", "does not exist yet")
	if _, err := os.Stat(n.state); err == nil {
		t.Error("doctor made the state directory")
	}
	if got := l.objects(); len(got) != 0 {
		t.Errorf("left in the bucket: %v", got)
	}
	n.start()
	n.settled()
	v := n.doctor(nil, rootKeys)
	if v.code != 0 {
		t.Errorf("exit %d, failed %q", v.code, v.failed)
	}
	v.expect(t, "daemon", "ok", fmt.Sprintf("pid %d", n.cmd.Process.Pid))
	v.expect(t, "alerts as root", "ok")
	v.expect(t, "spool state", "ok", "30 alerts shipped")
	v.expect(t, "spool owners", "ok")
	v.expect(t, "endpoint us-east-1", "ok", "first byte after")
	v.expect(t, "clock us-east-1", "ok")
	v.expect(t, "credentials", "ok", "..."+access[len(access)-4:])
	v.expect(t, "write wazuh", "ok", "ext/wazuh/region=us-east-1/accountId=123456789012/eventDay=")
	v.expect(t, "conditional write wazuh", "ok", "412")
	v.expect(t, "encryption wazuh", "ok")
	n.stop()
	objects, state := l.objects(), everything(t, n.state)
	n.doctor(nil, rootKeys).expect(t, "daemon", "warn", "does not run")
	if got := l.objects(); !slices.Equal(got, objects) {
		t.Errorf("the bucket has changed: %q", got)
	}
	if got := everything(t, n.state); !slices.Equal(got, state) {
		t.Errorf("the state directory has changed:\n%q\n%q", got, state)
	}
	l.judge(n)
}

func TestDoctorFindsWhatIsWrongInAWS(t *testing.T) {
	needE2E(t)
	for _, c := range []struct {
		name   string
		env    []string
		args   []string
		code   int
		check  string
		status string
		texts  []string
	}{
		{"wrong secret", []string{"AWS_ACCESS_KEY_ID=" + access, "AWS_SECRET_ACCESS_KEY=" + wrongSecret}, nil, 77, "write wazuh", "fail",
			[]string{"SignatureDoesNotMatch", "correct the access key"}},
		{"no credentials", nil, nil, 77, "credentials", "fail", []string{"none found", "instance profile"}},
		{"bucket missing", rootKeys, []string{"--set", "lake.destination=s3://no-such-bucket"}, 78, "write wazuh", "fail",
			[]string{"NoSuchBucket", "bucket no-such-bucket does not exist"}},
		{"wrong region", rootKeys, []string{"--set", "lake.region=eu-west-1"}, 78, "bucket eu-west-1", "fail", []string{"set lake.region", "us-east-1"}},
		{"wrong region in the words of the write", rootKeys, []string{"--set", "lake.region=eu-west-1"}, 78, "write wazuh", "fail", []string{"AuthorizationHeaderMalformed"}},
		{"nobody there", rootKeys, []string{"--set", "lake.s3_endpoint=http://127.0.0.1:1"}, 69, "endpoint us-east-1", "fail", []string{"connection refused"}},
		{"no such name", rootKeys, []string{"--set", "lake.s3_endpoint=https://lake.invalid", "--timeout", "5s"}, 69, "endpoint us-east-1", "fail", []string{"/etc/resolv.conf"}},
		{"configuration not valid", rootKeys, []string{"--set", "lake.region=nowhere"}, 78, "configuration", "fail", []string{"lake.region"}},
		{"a user without any policy", []string{"AWS_ACCESS_KEY_ID=" + writer, "AWS_SECRET_ACCESS_KEY=" + writerSecret}, nil, 77, "write wazuh", "fail",
			[]string{"AccessDenied", "allow s3:PutObject on arn:aws:s3:::" + bucket + "/ext/wazuh/"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, "-writer", writer+":"+writerSecret)
			n := l.node("n1", "manager-1", noon)
			n.write(1)
			v := n.doctor(nil, c.env, c.args...)
			v.expect(t, c.check, c.status, c.texts...)
			if v.code != c.code {
				t.Errorf("exit %d, want %d; failed: %q", v.code, c.code, v.failed)
			}
			v.expect(t, "alerts as root", "ok") // one failure hides no other line
			if got := l.objects(); len(got) != 0 {
				t.Errorf("left in the bucket: %v", got)
			}
		})
	}
}

// The right to put objects under the source's prefix, and nothing else, is proven; the one under another prefix is none.
func TestDoctorOfAWriterWithOnePrefix(t *testing.T) {
	l := newLab(t, "-writer", writer+":"+writerSecret)
	n := l.node("n1", "manager-1", noon)
	n.write(1)
	keys := []string{"AWS_ACCESS_KEY_ID=" + writer, "AWS_SECRET_ACCESS_KEY=" + writerSecret}
	l.allow("ext/other/*")
	v := n.doctor(nil, keys)
	v.expect(t, "write wazuh", "fail", "AccessDenied", "/ext/wazuh/")
	if v.code != 77 {
		t.Errorf("other prefix: exit %d, failed %q", v.code, v.failed)
	}
	l.allow("ext/wazuh/*")
	v = n.doctor(nil, keys)
	v.expect(t, "write wazuh", "ok")
	if v.code != 0 {
		t.Errorf("own prefix: exit %d, failed %q", v.code, v.failed)
	}
	if got := l.objects(); len(got) != 0 {
		t.Errorf("left in the bucket: %v", got)
	}
}

// A store whose clock is an hour away, STS that demands an external ID: AWS's front from test/faultproxy before the real store.
func TestDoctorOfClockAndRole(t *testing.T) {
	l := newLab(t)
	service := &faultproxy.Service{Access: access, Secret: secret, Region: "us-east-1", Roles: map[string]string{doctorRole: doctorExternalID}}
	proxy, err := faultproxy.Listen(faultproxy.Options{Upstream: "http://" + l.addr, Service: service})
	l.must(err)
	t.Cleanup(func() { _ = proxy.Close() })
	printed.sessions(t, service)
	n := l.node("n1", "manager-1", noon)
	n.endpoint = proxy.URL()
	n.configure("manager-1", noon, "detection_finding")
	n.write(1)
	v := n.doctor(nil, rootKeys)
	v.expect(t, "clock us-east-1", "ok")
	role := []string{"--set", "lake.role_arn=" + doctorRole, "--set", "lake.sts_endpoint=" + proxy.URL()}
	right := append(slices.Clone(role), "--set", "lake.external_id="+doctorExternalID)
	v = n.doctor(nil, rootKeys, right...)
	v.expect(t, "role of wazuh", "ok", "without the external ID it is refused")
	v.expect(t, "write wazuh", "ok")
	if v.code != 0 {
		t.Errorf("right role: exit %d, failed %q", v.code, v.failed)
	}
	v = n.doctor(nil, rootKeys, append(slices.Clone(role), "--set", "lake.external_id=another-one")...)
	v.expect(t, "role of wazuh", "fail", "external ID that is configured for source wazuh")
	v.expect(t, "write wazuh", "skip")
	if v.code != 77 {
		t.Errorf("wrong external ID: exit %d, failed %q", v.code, v.failed)
	}
	for _, skew := range []time.Duration{time.Hour, -time.Hour} {
		service.SetSkew(skew)
		v = n.doctor(nil, rootKeys)
		v.expect(t, "clock us-east-1", "fail", "1h0m0s", "timedatectl set-ntp true")
		if v.code != 78 {
			t.Errorf("clock %s off: exit %d, failed %q", skew, v.code, v.failed)
		}
	}
	service.SetSkew(time.Minute)
	n.doctor(nil, rootKeys).expect(t, "clock us-east-1", "warn", "behind")
	if got := l.objects(); len(got) != 0 {
		t.Errorf("left in the bucket: %v", got)
	}
}

// What a process of the service's user is refused, doctor says as that user; and as root, with the eyes of that user, the same.
func TestDoctorSeesWhatAnotherUserMayNot(t *testing.T) {
	l := newLab(t)
	n := l.node("n1", "manager-1", noon)
	n.write(3)
	passable(t, l.dir)
	passable(t, filepath.Dir(n.manager.Dir()))
	command(t, "chown", "-R", "0:7777", n.manager.Dir())
	command(t, "chmod", "0750", n.manager.Dir())
	nobody := func(groups ...uint32) *syscall.Credential {
		return &syscall.Credential{Uid: 65534, Gid: 65534, Groups: groups}
	}
	both := func(as *syscall.Credential, check, status string, texts ...string) {
		t.Helper()
		v := n.doctor(as, rootKeys)
		v.expect(t, check, status, texts...)
		if status == "fail" && v.code != 77 {
			t.Errorf("exit %d, failed %q", v.code, v.failed)
		}
		if len(as.Groups) == 0 { // --user takes the groups the user has on this host
			n.doctor(nil, rootKeys, "--user", "nobody").expect(t, check, status, texts...)
		}
	}
	both(nobody(), "alerts as nobody", "fail", "may not list "+n.manager.Dir()+" (mode 0750, root:7777)", "nobody is not a member of group 7777", "usermod -a -G 7777 nobody")
	both(nobody(7777), "alerts as nobody", "ok")
	command(t, "chmod", "0710", n.manager.Dir())
	both(nobody(7777), "alerts as nobody", "fail", "the group's rx is missing", "chmod g+rx "+n.manager.Dir())
	command(t, "chmod", "0750", n.manager.Dir())
	command(t, "chmod", "g-r", n.manager.Path())
	both(nobody(7777), "alerts as nobody", "fail", "the group's r is missing", "chmod g+r ")
	command(t, "chmod", "0640", n.manager.Path())
	both(nobody(), "spool as nobody", "fail", "does not exist and cannot be made", "install -d -o nobody")
	command(t, "install", "-d", "-m", "0750", n.state)
	both(nobody(), "spool as nobody", "fail", "may not write to "+n.state, "chown -R nobody: "+n.state)
	command(t, "chown", "65534:65534", n.state)
	both(nobody(), "spool as nobody", "ok")
	command(t, "install", "-d", "-m", "0700", filepath.Join(n.state, "ledger"))
	n.doctor(nil, rootKeys, "--user", "nobody").expect(t, "spool owners", "fail", "1 files", "ledger (root)", "chown -R nobody: "+n.state)
}

// A gateway with a certificate of the site's own authority: refused by name, accepted with lake.ca_file.
func TestDoctorOfACertificate(t *testing.T) {
	needE2E(t)
	ca := newAuthority(t)
	cert, key := ca.files(t, net.IPv4(127, 0, 0, 1), "")
	l := newLab(t, "-tls-cert", cert, "-tls-key", key)
	n := l.node("n1", "manager-1", noon)
	n.endpoint = "https://" + l.addr
	n.configure("manager-1", noon, "detection_finding")
	n.write(1)
	v := n.doctor(nil, rootKeys)
	v.expect(t, "endpoint us-east-1", "fail", "lake.ca_file")
	if v.code != 78 {
		t.Errorf("unknown authority: exit %d, failed %q", v.code, v.failed)
	}
	v = n.doctor(nil, rootKeys, "--set", "lake.ca_file="+ca.file)
	v.expect(t, "aws configuration", "ok", ca.file)
	v.expect(t, "endpoint us-east-1", "ok", "TLS ", "first byte after")
	v.expect(t, "write wazuh", "ok")
	if v.code != 0 {
		t.Errorf("own authority: exit %d, failed %q", v.code, v.failed)
	}
	v = n.doctor(nil, rootKeys, "--set", "lake.ca_file=/no/such.pem")
	v.expect(t, "aws configuration", "fail", "/no/such.pem")
}

func TestDoctorOfAFullDisk(t *testing.T) {
	l := newLab(t)
	n := l.node("n1", "manager-1", noon)
	n.write(1)
	command(t, "install", "-d", "-m", "0750", n.state)
	command(t, "mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", n.state)
	t.Cleanup(func() { _ = syscall.Unmount(n.state, syscall.MNT_DETACH) })
	n.doctor(nil, rootKeys, "--set", "spool.max_size=2MiB", "--set", "batch.max_object_size=1MiB").expect(t, "spool space", "warn", "tmpfs", "empty after a reboot")
	if err := os.WriteFile(filepath.Join(n.state, "fill"), make([]byte, 5<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	v := n.doctor(nil, rootKeys)
	v.expect(t, "spool space", "fail", "0 B free", "spool.min_free", "reading pauses")
	if v.code != 74 {
		t.Errorf("exit %d, failed %q", v.code, v.failed)
	}
}

// send-test ships three rows and says which; with check-config and doctor for people it is part of what must not show secrets.
func TestSendTest(t *testing.T) {
	l := newLab(t)
	n := l.node("n1", "manager-1", noon)
	n.write(1)
	run := func(env []string, stdin string, args ...string) (int, string) {
		t.Helper()
		cmd := exec.Command(built.daemon, append(args, "-c", n.config)...)
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "AWS_EC2_METADATA_DISABLED=true"}, env...)
		cmd.Stdin = strings.NewReader(stdin)
		var out bytes.Buffer
		pipe := printed.also(&out)
		cmd.Stdout, cmd.Stderr = pipe, pipe // printed.also keeps it one pipe for both
		_ = cmd.Run()                       // the code tells
		return cmd.ProcessState.ExitCode(), out.String()
	}
	withRole := []string{"--set", "lake.role_arn=" + doctorRole, "--set", "lake.external_id=" + doctorExternalID, "--set", "lake.sts_endpoint=http://127.0.0.1:1",
		"--set", "lake.proxy=http://user:" + wrongSecret + "@127.0.0.1:2"}
	for _, c := range []struct {
		name string
		env  []string
		args []string
		code int
	}{
		{"check-config", rootKeys, append([]string{"check-config"}, withRole...), 0},
		{"check-config, not valid", rootKeys, append([]string{"check-config", "--set", "lake.account_id=x"}, withRole...), 78},
		{"doctor for people", rootKeys, append([]string{"doctor"}, withRole...), 69},
		{"nobody answers", rootKeys, []string{"send-test"}, 64},
		{"wrong secret", []string{"AWS_ACCESS_KEY_ID=" + access, "AWS_SECRET_ACCESS_KEY=" + wrongSecret}, []string{"send-test", "--yes"}, 77},
		{"no role", rootKeys, append([]string{"send-test", "--yes", "--timeout", "3s"}, withRole...), 69},
		{"no bucket", rootKeys, []string{"send-test", "--yes", "--set", "lake.destination=s3://no-such-bucket"}, 78},
	} {
		if code, text := run(c.env, "", c.args...); code != c.code {
			t.Errorf("%s: exit %d, want %d:\n%s", c.name, code, c.code, text)
		}
	}
	if got := l.objects(); len(got) != 0 {
		t.Fatalf("sent although it should not: %v", got)
	}
	code, text := run(rootKeys, "y\n", "send-test")
	if code != 0 {
		t.Fatalf("exit %d:\n%s", code, text)
	}
	t.Logf("%s", text)
	if rows := l.shipped(); len(rows) != 3 || len(l.objects()) != 1 {
		t.Errorf("%d rows in %d objects, want 3 in 1", len(rows), len(l.objects()))
	}
	if !strings.Contains(text, "/manager-1-sendtest-") || !strings.Contains(text, "eventday = '"+time.Now().UTC().Format("20060102")+"'") {
		t.Errorf("key or query is missing:\n%s", text)
	}
	if _, err := os.Stat(n.state); err == nil {
		t.Error("the daemon's state was touched")
	}
}
