package main

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"wazuh-security-lake/config"
	"wazuh-security-lake/test/awsfake"
)

const commentedConfig = `# ours
lake:
  # the region
  region: us-east-1   # keep
sources:
  - name: wazuh-vuln
    class: vulnerability_finding
    match: {group: vulnerability-detector}
  - name: wazuh # all the rest
    class: detection_finding
`

// lakeFake is the fake AWS in the environment of this test.
func lakeFake(t *testing.T) *awsfake.Server {
	t.Helper()
	s := awsfake.New(t)
	for _, kv := range s.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	return s
}

func writeConfig(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
	return file
}

func mustContain(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
}

func TestSetupCommand(t *testing.T) {
	aws := lakeFake(t)
	file := writeConfig(t, commentedConfig, 0o640)

	r := command(t, "", "setup", "-c", file, "--create-crawler-role")
	if r.code != exitOK {
		t.Fatalf("plan: exit %d: %s", r.code, r.err)
	}
	mustContain(t, r.out, "+ role    WazuhSecurityLakeCrawler", "Nothing was changed", "the 5 steps")
	if got := aws.Calls("CreateRole") + aws.Calls("CreateCustomLogSource"); got != 0 {
		t.Errorf("the plan made %d things", got)
	}

	r = command(t, "", "setup", "-c", file, "--create-crawler-role", "--apply", "--write")
	if r.code != exitOK {
		t.Fatalf("apply: exit %d: %s", r.code, r.err)
	}
	mustContain(t, r.out, "created custom source wazuh in us-east-1", "Written to "+file,
		`"arn:aws:iam::123456789012:role/service-role/AmazonSecurityLake-Provider-wazuhvuln-us-east-1"`,
		"aws glue start-crawler --region us-east-1 --name crawler-of-wazuhvuln",
		"FROM amazon_security_lake_glue_db_us_east_1.amazon_security_lake_table_us_east_1_ext_wazuh_vuln",
		"sts:AssumeRole", "external ID is configuration, not a secret")
	if strings.Contains(r.out+r.err, "fake-secret") {
		t.Error("the secret key is in the output")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	mustContain(t, string(data), "# ours\n", "  # the region\n  region: us-east-1   # keep\n", "  - name: wazuh # all the rest\n",
		`    s3_location: "s3://aws-security-data-lake-us-east-1-q7x2example/ext/wazuh/"`, `account_id: "123456789012"`)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	backups, err := filepath.Glob(file + ".*.bak")
	if err != nil || len(backups) != 1 {
		t.Fatalf("backups %v, %v", backups, err)
	}
	if old, err := os.ReadFile(backups[0]); err != nil || string(old) != commentedConfig {
		t.Errorf("backup: %v\n%s", err, old)
	}
	if r := command(t, "", "check-config", "-c", file); r.code != exitOK {
		t.Errorf("the written configuration: exit %d: %s", r.code, r.err)
	}
	loaded, err := config.Load(file, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	aws.Edit(func(w *awsfake.World) {
		for _, s := range loaded.Config.ResolvedSources() {
			made := w.Sources["us-east-1/"+s.Name]
			if made == nil || made.RoleARN != s.RoleARN || made.ExternalID != s.ExternalID || made.Location != s.S3Location {
				t.Errorf("written %+v, made %+v", s, made)
			}
		}
	})

	r = command(t, "", "setup", "-c", file, "--apply", "--write")
	if r.code != exitOK {
		t.Fatalf("again: exit %d: %s", r.code, r.err)
	}
	mustContain(t, r.out, "= source  wazuh in us-east-1 is there", "holds it already")
	if got := aws.Calls("CreateCustomLogSource"); got != 2 {
		t.Errorf("%d sources made", got)
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(entries) != 2 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// From the sample of the package, everything on the command line, one source.
func TestSetupFromTheSample(t *testing.T) {
	lakeFake(t)
	sample, err := os.ReadFile("../../packaging/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := writeConfig(t, string(sample), 0o640)
	r := command(t, "", "setup", "-c", file, "--set", "lake.region=us-east-1", "--class", "security_finding", "--create-crawler-role", "--apply", "--write")
	if r.code != exitOK {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	mustContain(t, r.out, "finding.title, metadata.uid")
	loaded, err := config.Load(file, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := loaded.Validate(); err != nil {
		t.Error(err)
	}
	if got, want := loaded.Config.Sources[0].Class, "security_finding"; got != want {
		t.Errorf("got class %s, want %s", got, want)
	}
	data, _ := os.ReadFile(file)
	if got, want := strings.Count(string(data), "#"), strings.Count(string(sample), "#"); got != want {
		t.Errorf("%d comments, the sample has %d", got, want)
	}
}

func TestSetupFailures(t *testing.T) {
	class := []string{"--class", "detection_finding"}
	with := func(args ...string) []string { return append(args, class...) }
	for name, test := range map[string]struct {
		config string
		args   []string
		stdin  string
		world  func(*awsfake.Server)
		code   int
		texts  []string
		silent bool // AWS is not asked
	}{
		"no class":        {"lake: {region: us-east-1}\n", []string{"--create-crawler-role"}, "1\n", nil, exitUsage, []string{"no class was chosen for source wazuh", "--class detection_finding"}, true},
		"no region":       {"node: a\n", with(), "", nil, exitConfig, []string{"lake.region", "--set lake.region=us-east-1"}, true},
		"another class":   {"sources: [{name: wazuh, class: security_finding}]\nlake: {region: us-east-1}\n", with(), "", nil, exitUsage, []string{"the configuration says security_finding"}, true},
		"narrow class":    {"lake: {region: us-east-1}\n", []string{"--class", "compliance_finding"}, "", nil, exitUsage, []string{"takes every alert"}, true},
		"unknown source":  {"lake: {region: us-east-1}\n", with("--source", "nobody"), "", nil, exitUsage, []string{"no source named nobody"}, true},
		"write only":      {"lake: {region: us-east-1}\n", with("--write"), "", nil, exitUsage, []string{"--write without --apply"}, true},
		"print and apply": {"lake: {region: us-east-1}\n", with("--print", "cli", "--apply"), "", nil, exitUsage, []string{"--print only prints"}, true},
		"two roles":       {"lake: {region: us-east-1}\n", with("--create-crawler-role", "--crawler-role", "arn:aws:iam::123456789012:role/r"), "", nil, exitUsage, []string{"one of them"}, true},
		"unknown format":  {"lake: {region: us-east-1}\n", with("--print", "pulumi"), "", nil, exitUsage, []string{"cli, terraform"}, true},
		"name too long":   {"lake: {region: us-east-1}\nsources: [{name: wazuh-of-the-main-site, class: detection_finding}]\n", nil, "", nil, exitConfig, []string{"sources[0].name"}, true},
		"no crawler role": {"lake: {region: us-east-1}\n", with(), "", nil, exitUsage, []string{"--create-crawler-role makes one"}, false},
		"denied":          {"lake: {region: us-east-1}\n", with("--create-crawler-role"), "", func(s *awsfake.Server) { s.Deny("ListDataLakes", "securitylake:ListDataLakes") }, exitNoPerm, []string{"allow securitylake:ListDataLakes", "--print cli"}, false},
		"not enabled":     {"lake: {region: eu-west-1}\n", with("--create-crawler-role"), "", nil, exitConfig, []string{"eu-west-1: Security Lake is not enabled"}, false},
		"not ready": {"lake: {region: us-east-1}\n", with("--create-crawler-role"), "", func(s *awsfake.Server) {
			s.Edit(func(w *awsfake.World) { w.Lakes["us-east-1"].Status = "INITIALIZED" })
		}, exitTempFail, []string{"INITIALIZED"}, false},
		"layout":       {"lake: {region: us-east-1}\nsources:\n  - {name: >-\n      wazuh}\n", with("--create-crawler-role", "--apply", "--write"), "", nil, exitConfig, nil, true},
		"invalid then": {"lake: {region: us-east-1}\nnode: a b\n", with("--set", "node=ab", "--create-crawler-role", "--apply", "--write"), "", nil, exitConfig, []string{"would not be valid", "node: must be"}, true},
		"different": {"lake: {region: us-east-1}\n", with("--create-crawler-role"), "", func(s *awsfake.Server) {
			s.Edit(func(w *awsfake.World) { w.AddSource("us-east-1", "wazuh", "DNS_ACTIVITY", w.Account, "e") })
		}, exitConfig, []string{"another class: DNS_ACTIVITY"}, false},
		"service is upset": {"lake: {region: us-east-1}\n", with("--create-crawler-role"), "", func(s *awsfake.Server) {
			s.Refuse("GetCallerIdentity", http.StatusTeapot, "Teapot", "short and stout", -1)
		}, exitUnavailable, []string{"short and stout"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			aws := lakeFake(t)
			if test.world != nil {
				test.world(aws)
			}
			file := writeConfig(t, test.config, 0o600)
			r := command(t, test.stdin, append([]string{"setup", "-c", file}, test.args...)...)
			if r.code != test.code {
				t.Errorf("exit %d, want %d: %s", r.code, test.code, r.err)
			}
			mustContain(t, r.err, test.texts...)
			if test.silent && len(aws.Log()) > 0 {
				t.Errorf("AWS was asked: %v", aws.Log())
			}
			if got := aws.Calls("CreateRole") + aws.Calls("CreateCustomLogSource"); got != 0 {
				t.Errorf("%d things made", got)
			}
			if data, err := os.ReadFile(file); err != nil || string(data) != test.config {
				t.Errorf("the file was changed: %v\n%s", err, data)
			}
			if entries, _ := os.ReadDir(filepath.Dir(file)); len(entries) != 1 {
				t.Errorf("left behind: %v", entries)
			}
		})
	}
}

func TestSetupWithoutAWS(t *testing.T) {
	file := writeConfig(t, "lake: {region: us-east-1}\n", 0o600)
	aws := lakeFake(t)
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	r := command(t, "", "setup", "-c", file, "--class", "detection_finding", "--create-crawler-role")
	if r.code != exitUnavailable {
		t.Errorf("unreachable: exit %d: %s", r.code, r.err)
	}
	mustContain(t, r.err, "ask who the caller is", "lake.proxy")
	t.Setenv("AWS_ENDPOINT_URL", aws.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	r = command(t, "", "setup", "-c", file, "--class", "detection_finding", "--create-crawler-role")
	if r.code != exitNoPerm {
		t.Errorf("no credentials: exit %d: %s", r.code, r.err)
	}
	mustContain(t, r.err, "no AWS credentials", "AWS_PROFILE=admin")
	// The documents need neither.
	for _, format := range []string{"cli", "terraform", "cloudformation", "policy"} {
		if r = command(t, "", "setup", "-c", file, "--class", "detection_finding", "--print", format); r.code != exitOK || len(r.out) < 500 {
			t.Errorf("--print %s: exit %d: %s", format, r.code, r.err)
		}
	}
}

// setupProcess is set in the process that TestSetupIsKilled starts of this very test binary.
const setupProcess = "WSL_TEST_SETUP_CONFIG"

// A real process is killed when it is about to make the source; the next one goes on.
func TestSetupIsKilled(t *testing.T) {
	if file := os.Getenv(setupProcess); file != "" {
		os.Exit(execute(context.Background(), []string{"setup", "-c", file, "--create-crawler-role", "--apply", "--write"},
			stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
	}
	aws := lakeFake(t)
	file := writeConfig(t, commentedConfig, 0o600)
	start := func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSetupIsKilled$")
		cmd.Env = append(os.Environ(), setupProcess+"="+file)
		return cmd
	}
	victim, gone := start(), make(chan struct{})
	sources := 0
	aws.Before("CreateCustomLogSource", func() {
		if sources++; sources == 2 { // role and first source are there; this one is made, and nobody hears of it
			_ = victim.Process.Kill()
			<-gone
		}
	})
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	err := victim.Wait()
	close(gone)
	if err == nil {
		t.Fatal("the process was not killed")
	}
	aws.Before("CreateCustomLogSource", func() {})
	if data, err := os.ReadFile(file); err != nil || string(data) != commentedConfig {
		t.Fatalf("the killed run has written: %v\n%s", err, data)
	}
	if out, err := start().CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if roles, sources := aws.Calls("CreateRole"), aws.Calls("CreateCustomLogSource"); roles != 1 || sources != 2 {
		t.Errorf("%d roles, %d sources asked for", roles, sources)
	}
	loaded, err := config.Load(file, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	aws.Edit(func(w *awsfake.World) {
		if len(w.Sources) != 3 { // with somebody else's
			t.Errorf("%d sources", len(w.Sources))
		}
		for _, s := range loaded.Config.ResolvedSources() {
			if made := w.Sources["us-east-1/"+s.Name]; made == nil || made.ExternalID != s.ExternalID || s.ExternalID == "" {
				t.Errorf("written %+v, made %+v", s, made)
			}
		}
	})
}

// Another owner is kept, which only root can show.
func TestSetupKeepsTheOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may give files away")
	}
	lakeFake(t)
	file := writeConfig(t, commentedConfig, 0o440)
	if err := os.Chown(file, 4321, 8765); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link.yaml")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if r := command(t, "", "setup", "-c", link, "--create-crawler-role", "--apply", "--write"); r.code != exitOK {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	info, err := os.Lstat(file)
	if err != nil {
		t.Fatal(err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != 4321 || st.Gid != 8765 || info.Mode() != 0o440 {
		t.Errorf("owner %d:%d mode %v", st.Uid, st.Gid, info.Mode())
	}
	if target, err := os.Readlink(link); err != nil || target != file {
		t.Errorf("the link is gone: %s, %v", target, err)
	}
}
