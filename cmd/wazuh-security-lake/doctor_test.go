package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wazuh-security-lake/doctor"
	"wazuh-security-lake/test/awsfake"
)

// diagnosis is what doctor says to programs.
type diagnosis struct {
	ExitCode int `json:"exit_code"`
	Checks   []struct {
		Check, Status, Fault, Detail string
		Remedy                       []string
	}
}

func diagnosed(t *testing.T, args ...string) (diagnosis, result) {
	t.Helper()
	r := command(t, "", append([]string{"doctor", "--json"}, args...)...)
	var d diagnosis
	if err := json.Unmarshal([]byte(r.out), &d); err != nil {
		t.Fatalf("%v: %s%s", err, r.out, r.err)
	}
	if d.ExitCode != r.code {
		t.Errorf("JSON says exit code %d, it is %d", d.ExitCode, r.code)
	}
	return d, r
}

func (d diagnosis) status(name string) string {
	for _, c := range d.Checks {
		if c.Check == name {
			return c.Status
		}
	}
	return "not there"
}

func TestDoctorOfAHealthyHost(t *testing.T) {
	home := t.TempDir()
	month := filepath.Join(home, "logs/alerts/2026/Nov")
	if err := os.MkdirAll(month, 0o755); err != nil {
		t.Fatal(err)
	}
	day := filepath.Join(month, "ossec-alerts-23.json")
	if err := os.WriteFile(day, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(day, filepath.Join(home, "logs/alerts/alerts.json")); err != nil {
		t.Fatal(err)
	}
	file, _ := testSite(t, "sources: [{name: wazuh, class: detection_finding}]")
	args := []string{"-c", file, "--user", "root", "--set", "input.path=" + home + "/logs/alerts/alerts.json", "--set", "input.dated_dir=" + home + "/logs/alerts"}
	if os.Geteuid() != 0 {
		t.Skip("names root with --user, which root may only")
	}
	d, r := diagnosed(t, args...)
	if r.code != 0 {
		t.Errorf("exit %d: %s", r.code, r.out)
	}
	for _, name := range []string{"wazuh", "alerts as root", "alerts.json", "spool as root", "source wazuh"} {
		if got := d.status(name); got != "ok" {
			t.Errorf("%s: got %s, want ok", name, got)
		}
	}
	for _, c := range d.Checks {
		if c.Status == "fail" {
			t.Errorf("%+v", c)
		}
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(file), "state")); err == nil {
		t.Error("doctor made the state directory")
	}
	text := command(t, "", append([]string{"doctor"}, args...)...)
	if strings.Contains(text.out, "\x1b") || !strings.Contains(text.out, "ok    alerts.json: ") {
		t.Errorf("got %q", text.out)
	}
}

// A configuration that is not valid, or not even YAML, is the first finding and not the end.
func TestDoctorOfABrokenConfiguration(t *testing.T) {
	for name, text := range map[string]string{"not valid": "lake: {region: nowhere}\n", "not YAML": "lake: [", "unknown key": "lakes: {}\n"} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "config.yaml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			d, r := diagnosed(t, "-c", file)
			if r.code != exitConfig || d.status("configuration") != "fail" || d.status("spool space") == "skip" {
				t.Errorf("exit %d: %s", r.code, r.out)
			}
		})
	}
}

func TestDoctorUsage(t *testing.T) {
	file, _ := testSite(t, "")
	for name, args := range map[string][]string{
		"no such user": {"--user", "nobody-of-that-name"}, "no time": {"--timeout", "0s"}, "an argument": {"x"}, "a broken --set": {"--set", "x"},
	} {
		if r := command(t, "", append([]string{"doctor", "-c", file}, args...)...); r.code != exitUsage {
			t.Errorf("%s: got exit %d, want %d: %s", name, r.code, exitUsage, r.err)
		}
	}
}

// --lake through the real program, against the services of AWS as test/awsfake answers for them.
func TestDoctorOfTheLake(t *testing.T) {
	server := awsfake.New(t)
	server.Edit(func(w *awsfake.World) {
		w.AddSource("us-east-1", "wazuh", "SECURITY_FINDING", "123456789012", "some-external-id")
	})
	for _, v := range server.Environ() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	file, _ := testSite(t, "sources: [{name: wazuh, class: detection_finding}]")
	args := []string{"-c", file, "--set", "lake.destination=s3://aws-security-data-lake-us-east-1-q7x2example", "--set", "lake.region=us-east-1"}
	d, _ := diagnosed(t, args...)
	if got := d.status("registered wazuh"); got != "not there" {
		t.Errorf("without --lake: registered is %s", got)
	}
	d, r := diagnosed(t, append(args, "--lake")...)
	for name, want := range map[string]string{"registered wazuh": "warn", "class of wazuh": "fail", "crawler of wazuh": "warn", "table of wazuh": "warn", "partition of wazuh": "warn"} {
		if got := d.status(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	for _, secret := range []string{"fake-secret-access-key", "some-external-id"} {
		if strings.Contains(r.out+r.err, secret) {
			t.Errorf("%q is shown", secret)
		}
	}
}

func TestEveryFaultHasAnExitCode(t *testing.T) {
	for _, f := range []doctor.Fault{doctor.Permission, doctor.Configuration, doctor.Unavailable, doctor.NoInput, doctor.IO, doctor.State, doctor.CannotCreate} {
		if faultCodes[f] < exitUsage {
			t.Errorf("%s leads to exit code %d", f, faultCodes[f])
		}
	}
}
