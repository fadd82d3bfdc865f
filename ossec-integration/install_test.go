package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/ossec-integration/inbox"
)

const conf = `<!--
  Wazuh - Manager - Default configuration
  <integration>
    <name>custom-security-lake</name>
  </integration>
-->
<ossec_config>
  <global>
    <jsonout_output>yes</jsonout_output>
  </global>
</ossec_config>

<ossec_config>
  <localfile>
    <location>/var/log/x</location>
  </localfile>
</ossec_config>
`

const slack = `  <integration>
    <name>slack</name>
    <hook_url>https://hooks.example/x</hook_url>
  </integration>
`

const plain = `  <integration>
    <name>custom-security-lake</name>
    <alert_format>json</alert_format>
  </integration>
`

func before(text, tag, block string) string { return strings.Replace(text, tag, block+tag, 1) }

func TestInsertAndRemove(t *testing.T) {
	filtered := block{level: "7", ruleID: "5710,5712", group: "sshd,web", eventLocation: "/var/log/secure$"}
	tests := map[string]struct {
		text  string
		block block
		want  string
	}{
		"no integration": {conf, block{}, before(conf, "</ossec_config>", plain)},
		"before another": {before(conf, "  <localfile>", slack), block{}, before(conf, "  <localfile>", plain+slack)},
		"filters": {conf, filtered, before(conf, "</ossec_config>", `  <integration>
    <name>custom-security-lake</name>
    <level>7</level>
    <rule_id>5710,5712</rule_id>
    <group>sshd,web</group>
    <event_location>/var/log/secure$</event_location>
    <alert_format>json</alert_format>
  </integration>
`)},
		"CRLF":              {strings.ReplaceAll(conf, "\n", "\r\n"), block{}, strings.ReplaceAll(before(conf, "</ossec_config>", plain), "\n", "\r\n")},
		"no newline at end": {strings.TrimSpace(conf), block{}, strings.TrimSpace(before(conf, "</ossec_config>", plain))},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := insertBlock(test.text, test.block)
			if err != nil || got != test.want {
				t.Fatalf("got %v:\n%s\nwant:\n%s", err, got, test.want)
			}
			if again, err := insertBlock(got, test.block); err != nil || again != got {
				t.Errorf("a second time: got %v:\n%s", err, again)
			}
			if back, err := removeBlock(got); err != nil || back != test.text {
				t.Errorf("removed: got %v:\n%s", err, back)
			}
			if back, err := removeBlock(test.text); err != nil || back != test.text {
				t.Errorf("nothing to remove: got %v:\n%s", err, back)
			}
		})
	}
}

func TestEditRefuses(t *testing.T) {
	ourOther := before(conf, "</ossec_config>", strings.Replace(plain, "json", "text", 1))
	for name, test := range map[string]struct {
		text   string
		want   string
		remove bool
	}{
		"other filters":         {text: ourOther, want: "run --remove first"},
		"behind another":        {text: before(conf, "</ossec_config>", slack+plain), want: "stands behind another"},
		"twice":                 {text: before(conf, "</ossec_config>", plain+plain), want: "several", remove: true},
		"comment without end":   {text: conf + "<!-- ", want: "a comment does not end"},
		"end without comment":   {text: conf + " -->", want: "a comment ends that has not begun"},
		"nested comments":       {text: "<!-- <!-- -->\n" + conf, want: "comments are nested"},
		"block without end":     {text: before(conf, "</ossec_config>", "  <integration>\n"), want: "does not end"},
		"end without block":     {text: before(conf, "</ossec_config>", "  </integration>\n"), want: "tags do not match"},
		"attributes":            {text: before(conf, "</ossec_config>", "  <integration x=\"1\">\n  </integration>\n"), want: "is not written as"},
		"no ossec_config":       {text: "<agent_config>\n</agent_config>\n", want: "tags do not match"},
		"ossec_config left out": {text: strings.Replace(conf, "</ossec_config>", "", 1), want: "tags do not match"},
		"one line":              {text: "<ossec_config></ossec_config>\n", want: "does not begin its line"},
		"block within a line":   {text: before(conf, "</ossec_config>", "  <x>1</x> "+strings.TrimLeft(plain, " ")), want: "lines of its own", remove: true},
		"text behind the block": {text: before(conf, "</ossec_config>", strings.TrimSuffix(plain, "\n")+" <x>1</x>\n"), want: "lines of its own", remove: true},
	} {
		t.Run(name, func(t *testing.T) {
			edit := func(text string) (string, error) { return insertBlock(text, block{}) }
			if test.remove {
				edit = removeBlock
			}
			got, err := edit(test.text)
			if !errors.Is(err, errRefused) || !strings.Contains(err.Error(), test.want) || got != "" {
				t.Errorf("got %v, %q, want %q", err, got, test.want)
			}
		})
	}
}

func FuzzEdit(f *testing.F) {
	f.Add(conf)
	f.Add(before(conf, "</ossec_config>", slack))
	f.Add("<ossec_config>\n<!-- --></ossec_config>")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := insertBlock(text, block{})
		if err != nil || got == text {
			return
		}
		back, err := removeBlock(got)
		if err != nil || back != text {
			t.Errorf("got %v:\n%q\nwant\n%q", err, back, text)
		}
	})
}

// home is a Wazuh directory as far as this program looks at it.
func home(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "integrations"), 0o750),
		os.Mkdir(filepath.Join(dir, "etc"), 0o770),
		os.WriteFile(filepath.Join(dir, "etc", "ossec.conf"), []byte(conf), 0o640),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() == 0 {
		for _, path := range []string{"integrations", "etc/ossec.conf"} {
			if err := os.Chown(filepath.Join(dir, path), 0, 54321); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func manage(t testing.TB, dir string, args ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	p := program{args: args, inbox: dir, stdout: &out, stderr: &out, journal: journal{"/nonexistent"},
		now: func() time.Time { return time.Date(2026, 3, 1, 2, 3, 4, 567_000_000, time.UTC) }}
	return p.run(), out.String()
}

func TestInstallEditRemove(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to give the program to root")
	}
	dir := home(t)
	program := filepath.Join(dir, "integrations", name)
	file := filepath.Join(dir, "etc", "ossec.conf")
	read := func() string {
		t.Helper()
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}

	code, out := manage(t, "", "--install", "--home", dir, "--level=7")
	if code != 0 || read() != conf || !strings.Contains(out, "    <level>7</level>\n") || !strings.Contains(out, "systemctl restart wazuh-manager") || !strings.Contains(out, "every node") {
		t.Errorf("got exit %d, %s", code, out)
	}
	info, err := os.Lstat(program)
	if err != nil {
		t.Fatal(err)
	}
	if stat := info.Sys().(*syscall.Stat_t); info.Mode() != 0o750 || stat.Uid != 0 || stat.Gid != 54321 {
		t.Errorf("got mode %v, owner %d:%d, want 0750, root and the group of the directory", info.Mode(), stat.Uid, stat.Gid)
	}

	for range 2 {
		if code, out := manage(t, "", "--install", "--edit", "--home="+dir, "--level", "7"); code != 0 {
			t.Fatalf("got exit %d, %s", code, out)
		}
	}
	if got, want := read(), before(conf, "</ossec_config>", strings.Replace(plain, "    <alert", "    <level>7</level>\n    <alert", 1)); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	backup, err := os.ReadFile(file + ".before-custom-security-lake-20260301T020304Z")
	if err != nil || string(backup) != conf {
		t.Errorf("backup: got %v, %q", err, backup)
	}
	info, err = os.Lstat(file)
	if err != nil {
		t.Fatal(err)
	}
	if stat := info.Sys().(*syscall.Stat_t); info.Mode() != 0o640 || stat.Gid != 54321 {
		t.Errorf("ossec.conf: got mode %v, group %d, want them kept", info.Mode(), stat.Gid)
	}

	// The backup of this very second is there: it must not be overwritten.
	if code, out := manage(t, "", "--remove", "--home", dir); code != exitData || !strings.Contains(out, "is already there") {
		t.Errorf("got exit %d, %s", code, out)
	}
	if err := os.Remove(file + ".before-custom-security-lake-20260301T020304Z"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if code, out := manage(t, "", "--remove", "--home", dir); code != 0 {
			t.Errorf("got exit %d, %s", code, out)
		}
	}
	if got := read(); got != conf {
		t.Errorf("got:\n%s", got)
	}
	if _, err := os.Lstat(program); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want the program removed", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*", ".new-*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestManageRefuses(t *testing.T) {
	linked := home(t)
	file := filepath.Join(linked, "etc", "ossec.conf")
	if err := errors.Join(os.Rename(file, file+".real"), os.Symlink(file+".real", file)); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"unknown option":       {[]string{"--install", "--force"}, 64, "--install does not know --force"},
		"value missing":        {[]string{"--install", "--level"}, 64, "--level needs a value"},
		"level":                {[]string{"--install", "--level", "17"}, 64, "--level must be 0 to 16"},
		"rule IDs":             {[]string{"--install", "--rule-id", "1;2"}, 64, "--rule-id must be"},
		"groups":               {[]string{"--install", "--group", "a|b"}, 64, "--group must be"},
		"location":             {[]string{"--install", "--event-location", "</integration>"}, 64, "--event-location must not"},
		"filter with --remove": {[]string{"--remove", "--level", "1"}, 64, "--remove does not know --level"},
		"--edit with --remove": {[]string{"--remove", "--edit"}, 64, "--remove does not know --edit"},
		"home with --test":     {[]string{"--test", "--home", "/x"}, 64, "--test does not know --home"},
		"no Wazuh":             {[]string{"--install", "--home", "/nonexistent"}, 66, "with --home if Wazuh is not in /var/ossec"},
		"symlink":              {[]string{"--remove", "--home", linked}, 65, "it is not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := manage(t, "", test.args...)
			if code != test.code || !strings.Contains(out, test.want) {
				t.Errorf("got exit %d, %q, want %d, %q", code, out, test.code, test.want)
			}
		})
	}
}

func TestTestAlert(t *testing.T) {
	b := newInbox(t, inbox.Options{})
	code, out := manage(t, b.Dir(), "--test")
	if code != 0 || !strings.Contains(out, "Sent test alert 1772330584.567 to "+b.Dir()) {
		t.Errorf("got exit %d, %q", code, out)
	}
	var alert struct {
		Timestamp string
		ID        string
		Rule      struct {
			Level  int
			ID     string
			Groups []string
		}
	}
	if err := json.Unmarshal([]byte(content(t, b)), &alert); err != nil {
		t.Fatal(err)
	}
	if alert.Timestamp != "2026-03-01T02:03:04.567+0000" || alert.ID != "1772330584.567" || alert.Rule.Level != 3 || alert.Rule.ID != "999999" {
		t.Errorf("got %+v", alert)
	}
	if err := b.SetTailMode(true); err != nil {
		t.Fatal(err)
	}
	if code, out := manage(t, b.Dir(), "--test"); code != exitUnavailable || !strings.Contains(out, "input.mode: tail") {
		t.Errorf("tail mode: got exit %d, %q", code, out)
	}
	if code, out := manage(t, "/nonexistent", "--test"); code != exitUnavailable {
		t.Errorf("got exit %d, %q", code, out)
	}
}
