package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"wazuh-security-lake/config"
	"wazuh-security-lake/ocsf"
	"wazuh-security-lake/spool"
)

// put writes a file below dir, with the directories it needs.
func put(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func judge(t *testing.T, r Result, status Status, fault Fault, texts ...string) {
	t.Helper()
	want(t, Outcome{Name: t.Name(), Result: r}, status, fault, texts...)
}

func inputAt(home string) config.Input {
	return config.Input{Mode: config.ModeTail, Path: home + "/logs/alerts/alerts.json", DatedDir: home + "/logs/alerts"}
}

func TestWazuhVersion(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string
		status     Status
		fault      Fault
		want       string
	}{
		"4.14": {"VERSION.json", `{"version":"4.14.7","stage":"rc1"}`, OK, "", "Wazuh 4.14.7"},
		"4.9":  {"bin/wazuh-control", "#!/bin/sh\nVERSION=\"v4.9.2\"\nREVISION=\"40907\"\n", OK, "", "Wazuh 4.9.2"},
		"4.1":  {"bin/ossec-control", "VERSION=\"v4.1.5\"\n", OK, "", "Wazuh 4.1.5"},
		"5":    {"VERSION.json", `{"version":"5.0.0"}`, Fail, Configuration, "Wazuh 5 writes no alerts.json"},
		"3":    {"bin/ossec-control", "VERSION=\"v3.13.6\"\n", Warn, "", "not tested"},
		"none": {"other", "", OK, "", "could not be read"},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			put(t, home, c.file, c.text)
			judge(t, checkWazuh(inputAt(home))(t.Context()), c.status, c.fault, c.want)
		})
	}
	judge(t, checkWazuh(inputAt("/nonexistent"))(t.Context()), Fail, NoInput, "install this on a Wazuh manager")
}

func TestJSONOut(t *testing.T) {
	for name, c := range map[string]struct {
		conf   string
		status Status
		fault  Fault
	}{
		"yes":                {"<ossec_config><global><jsonout_output>yes</jsonout_output></global></ossec_config>", OK, ""},
		"no":                 {"<ossec_config><global><jsonout_output> no </jsonout_output></global></ossec_config>", Fail, Configuration},
		"not set":            {"<ossec_config><global/></ossec_config>", OK, ""},
		"the second root":    {"<ossec_config><global><jsonout_output>yes</jsonout_output></global></ossec_config>\n<ossec_config><global><jsonout_output>no</jsonout_output></global></ossec_config>", Fail, Configuration},
		"a comment":          {"<!-- <jsonout_output>no</jsonout_output> --><ossec_config><global><jsonout_output>yes</jsonout_output></global></ossec_config>", OK, ""},
		"another option":     {"<ossec_config><syscheck><jsonout_output>no</jsonout_output></syscheck></ossec_config>", OK, ""},
		"not quite XML":      {"<ossec_config><localfile><log_format>a && b < c</log_format></localfile><global><jsonout_output>no</jsonout_output></global></ossec_config>", Fail, Configuration},
		"an unfinished file": {"<ossec_config><global><jsonout_output>yes", OK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			put(t, home, "etc/ossec.conf", c.conf)
			judge(t, checkJSONOut(inputAt(home))(t.Context()), c.status, c.fault)
		})
	}
	judge(t, checkJSONOut(inputAt(t.TempDir()))(t.Context()), Skip, "")
}

func TestLink(t *testing.T) {
	now := func() time.Time { return time.Now() }
	for name, c := range map[string]struct {
		arrange func(t *testing.T, in config.Input)
		now     func() time.Time
		status  Status
		fault   Fault
		text    string
	}{
		"as Wazuh leaves it": {func(*testing.T, config.Input) {}, now, OK, "", "reaches back to 2025-12-31"},
		"quiet for days":     {func(*testing.T, config.Input) {}, func() time.Time { return time.Now().Add(72 * time.Hour) }, Warn, "", "72h"},
		"copied": {func(t *testing.T, in config.Input) {
			if err := os.Remove(in.Path); err != nil {
				t.Fatal(err)
			}
			put(t, in.DatedDir, "alerts.json", "{}\n")
		}, now, Warn, "", "somebody copied or moved it"},
		"gone": {func(t *testing.T, in config.Input) {
			if err := os.Remove(in.Path); err != nil {
				t.Fatal(err)
			}
		}, now, Warn, "", "is not there, but"},
		"linked to an older one": {func(t *testing.T, in config.Input) {
			put(t, in.DatedDir, "2026/Mar/ossec-alerts-05-002.json", "{}\n")
		}, now, Warn, "", "ossec-alerts-05-002.json"},
		"a symbolic link": {func(t *testing.T, in config.Input) {
			other := put(t, t.TempDir(), "alerts.json", "{}\n")
			if err := firstOf(os.Remove(in.Path), os.Symlink(other, in.Path)); err != nil {
				t.Fatal(err)
			}
		}, now, Warn, "", "symbolic link"},
		"no tree": {func(t *testing.T, in config.Input) {
			if err := firstOf(os.RemoveAll(in.DatedDir+"/2026"), os.RemoveAll(in.DatedDir+"/2025")); err != nil {
				t.Fatal(err)
			}
		}, now, Warn, "", "set input.dated_dir"},
		"a directory": {func(t *testing.T, in config.Input) {
			if err := firstOf(os.Remove(in.Path), os.Mkdir(in.Path, 0o755)); err != nil {
				t.Fatal(err)
			}
		}, now, Fail, Configuration, "not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			in := inputAt(t.TempDir())
			put(t, in.DatedDir, "2025/Dec/ossec-alerts-31.json.gz", "")
			put(t, in.DatedDir, "2026/Feb/ossec-alerts-28.json", "{}\n")
			put(t, in.DatedDir, "2026/Mar/ossec-alerts-05.json", "{}\n")
			newest := put(t, in.DatedDir, "2026/Mar/ossec-alerts-05-001.json", "{}\n")
			put(t, in.DatedDir, "2026/Mar/notes.txt", "")
			if err := os.Link(newest, in.Path); err != nil {
				t.Fatal(err)
			}
			c.arrange(t, in)
			judge(t, checkLink(in, c.now)(t.Context()), c.status, c.fault, c.text)
		})
	}
	fresh := inputAt(t.TempDir())
	judge(t, checkLink(fresh, now)(t.Context()), Warn, "", "has not written an alert yet")
}

func TestSpool(t *testing.T) {
	id := stranger(t)
	open := func(mode os.FileMode, uid int) string {
		base, err := os.MkdirTemp("", "wsl-doctor-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(base) })
		dir := filepath.Join(base, "state")
		if err := firstOf(os.Chmod(base, 0o755), os.Mkdir(dir, 0o750), os.Chown(dir, uid, uid), os.Chmod(dir, mode)); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	judge(t, checkSpool(open(0o750, id.UID), id)(t.Context()), OK, "", "can be written by stranger")
	judge(t, checkSpool(open(0o755, id.UID), id)(t.Context()), Warn, "", "chmod o-rwx")
	judge(t, checkSpool(open(0o750, 0), id)(t.Context()), Fail, Permission, "chown -R stranger: ")
	judge(t, checkSpool(open(0o550, id.UID), id)(t.Context()), Fail, Permission, "the owner's rwx is missing")
	judge(t, checkSpool(open(0o750, 0)+"/deeper/state", id)(t.Context()), Fail, Permission, "cannot be made", "install -d -o stranger")
	judge(t, checkSpool(put(t, t.TempDir(), "file", ""), Self())(t.Context()), Fail, Configuration, "not a directory")
	own := open(0o750, id.UID)
	put(t, own, "ledger/2026-11.ndjson", "{}\n")
	judge(t, checkOwners(own, id)(t.Context()), Fail, Permission, "2 files below", "ledger", "(root)", "chown -R 54321: ")
	judge(t, checkOwners(open(0o750, id.UID), id)(t.Context()), OK, "")
	judge(t, checkOwners("/nonexistent", id)(t.Context()), Skip, "")
}

func TestInbox(t *testing.T) {
	in := config.Input{Mode: config.ModeIntegration, Inbox: filepath.Join(t.TempDir(), "inbox"), Path: t.TempDir() + "/logs/alerts/alerts.json"}
	judge(t, checkInbox(in, Self())(t.Context()), Fail, CannotCreate, "install -d", "2750")
	if err := os.Mkdir(in.Inbox, 0o700); err != nil {
		t.Fatal(err)
	}
	judge(t, checkInbox(in, Self())(t.Context()), Fail, Permission, "chmod 2750")
	if err := os.Chmod(in.Inbox, 0o750|os.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	judge(t, checkInbox(in, Self())(t.Context()), Warn, "", "custom-security-lake is not there")
	put(t, wazuhHome(in), "integrations/custom-security-lake", "")
	judge(t, checkInbox(in, Self())(t.Context()), OK, "", "is ready")
	if err := os.Chmod(in.Inbox, 0o777|os.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	judge(t, checkInbox(in, Self())(t.Context()), Warn, "", "others than the service")
	in.Mode = config.ModeTail
	judge(t, checkInbox(in, Self())(t.Context()), Skip, "")
}

func TestJudgeSpace(t *testing.T) {
	c := config.Spool{Dir: "/var/lib/x", MaxSize: 4 * config.GiB, MinFree: config.GiB}
	gib := config.GiB.Bytes()
	for name, v := range map[string]struct {
		volume volume
		used   int64
		status Status
		fault  Fault
		text   string
	}{
		"plenty":          {volume{free: 100 * gib, inodes: 1 << 20, freeNodes: 1 << 19}, 0, OK, "", "100.0 GiB free"},
		"full":            {volume{free: 0}, 0, Fail, IO, "0 B free"},
		"below min_free":  {volume{free: gib - 1}, 0, Fail, IO, "spool.min_free"},
		"no inodes":       {volume{free: 100 * gib, inodes: 1 << 20, freeNodes: 3}, 0, Fail, IO, "inodes"},
		"cannot grow":     {volume{free: 4 * gib}, 0, Warn, "", "spool.max_size"},
		"has grown":       {volume{free: 4 * gib}, 2 * gib, OK, "", "holds 2.0 GiB"},
		"no inodes known": {volume{free: 100 * gib}, 0, OK, "", ""},
		"tmpfs":           {volume{free: 100 * gib, poor: "tmpfs: gone"}, 0, Warn, "", "tmpfs"},
	} {
		t.Run(name, func(t *testing.T) { judge(t, judgeSpace(c, "/var/lib/x", v.volume, v.used), v.status, v.fault, v.text) })
	}
	judge(t, checkSpace(config.Spool{Dir: t.TempDir() + "/not/yet", MinFree: 1, MaxSize: 1})(t.Context()), OK, "")
}

func TestState(t *testing.T) {
	c := config.Default()
	c.Spool.Dir = filepath.Join(t.TempDir(), "state")
	judge(t, checkState(c)(t.Context()), Skip, "", "not been started")
	judge(t, checkDaemon(c)(t.Context()), Skip, "", "not been started")
	class, err := ocsf.ClassByName(config.SecurityFinding, "1.1.0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := spool.Open(c.Spool.Dir, spool.Options{MaxSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PinSources([]spool.SourcePin{{Name: "wazuh", Class: class.Name, OCSFVersion: class.Version, SchemaHash: class.Fingerprint()}}); err != nil {
		t.Fatal(err)
	}
	judge(t, checkState(c)(t.Context()), OK, "", s.Instance())
	judge(t, checkDaemon(c)(t.Context()), Warn, "", "does not run") // we have the lock, but are no daemon: there is no status.json
	put(t, c.Spool.Dir, "status.json", `{"pid":`+strconv.Itoa(os.Getpid())+`,"version":"v1"}`)
	judge(t, checkDaemon(c)(t.Context()), OK, "", "version v1")
	c.Sources[0].Class = config.DetectionFinding
	judge(t, checkState(c)(t.Context()), Fail, Configuration, "has shipped security_finding 1.1.0; the configuration says detection_finding 1.1.0")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// An upgrade that brings other columns for the same class and version keeps the daemon from starting.
	c.Spool.Dir, c.Sources[0].Class = filepath.Join(t.TempDir(), "state"), config.SecurityFinding
	if s, err = spool.Open(c.Spool.Dir, spool.Options{MaxSize: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.PinSources([]spool.SourcePin{{Name: "wazuh", Class: class.Name, OCSFVersion: class.Version, SchemaHash: "other"}}), s.Close()); err != nil {
		t.Fatal(err)
	}
	judge(t, checkState(c)(t.Context()), Fail, Configuration, "other columns", "new custom source")
}

// A state that a later version wrote is mended by that version: there is nothing to decide about the position.
func TestStateOfALaterVersion(t *testing.T) {
	c := config.Default()
	c.Spool.Dir = filepath.Join(t.TempDir(), "state")
	s, err := spool.Open(c.Spool.Dir, spool.Options{MaxSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	put(t, c.Spool.Dir, "outbox/000000000009/manifest.json", `{"version":9}`)
	r := checkState(c)(t.Context())
	judge(t, r, Fail, State, "000000000009", "install that version again")
	if strings.Contains(strings.Join(r.Remedy, " "), "position set") {
		t.Errorf("remedy %q", r.Remedy)
	}
}

func TestUnit(t *testing.T) {
	root := t.TempDir()
	judge(t, checkUnit(root)(t.Context()), Skip, "", "not run by systemd")
	put(t, root, "run/systemd/system/x", "")
	judge(t, checkUnit(root)(t.Context()), Skip, "", "not installed")
	unit := put(t, root, "usr/lib/systemd/system/"+unitName, "")
	judge(t, checkUnit(root)(t.Context()), Warn, "", "systemctl enable --now")
	wants := filepath.Join(root, "etc/systemd/system/multi-user.target.wants")
	if err := firstOf(os.MkdirAll(wants, 0o755), os.Symlink(unit, filepath.Join(wants, unitName))); err != nil {
		t.Fatal(err)
	}
	judge(t, checkUnit(root)(t.Context()), OK, "", "is enabled")
	if err := os.Symlink("/dev/null", filepath.Join(root, "etc/systemd/system", unitName)); err != nil {
		t.Fatal(err)
	}
	judge(t, checkUnit(root)(t.Context()), Warn, "", "systemctl unmask")
}

func TestEnvironment(t *testing.T) {
	root := t.TempDir()
	judge(t, checkEnvironment(root, nil)(t.Context()), Skip, "")
	put(t, root, "etc/default/wazuh-security-lake", "# a comment\nAWS_CONFIG_FILE=\"/etc/a\"\nHTTPS_PROXY=http://user:very-secret@proxy:1\n")
	judge(t, checkEnvironment(root, []string{"AWS_CONFIG_FILE=/etc/a", "HTTPS_PROXY=http://user:very-secret@proxy:1", "HOME=/root"})(t.Context()), OK, "")
	r := checkEnvironment(root, []string{"AWS_CONFIG_FILE=/etc/b", "AWS_ACCESS_KEY_ID=other-secret"})(t.Context())
	judge(t, r, Warn, "", "AWS_CONFIG_FILE, HTTPS_PROXY, AWS_ACCESS_KEY_ID (only here)", "systemd-run")
	if strings.Contains(r.Detail, "secret") {
		t.Errorf("a value is shown: %q", r.Detail)
	}
}

func TestConfigFile(t *testing.T) {
	c := config.Default()
	c.Lake.Destination = "file:///srv/lake"
	file := put(t, t.TempDir(), "config.yaml", "{}")
	opt := Options{Config: c, File: file, Users: []Identity{Self()}}
	judge(t, checkConfig(opt), OK, "", "is valid")
	opt.Users = append(opt.Users, stranger(t))
	judge(t, checkConfig(opt), Fail, Permission, "chown root:stranger") // t.TempDir is closed to others
	opt.File = ""
	judge(t, checkConfig(opt), Warn, "", "variables and flags")
}
