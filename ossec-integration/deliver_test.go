package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/ossec-integration/inbox"
)

func TestDeliverMany(t *testing.T) {
	sequential, parallel := 2000, 200
	if testing.Short() {
		sequential = 200
	}
	b := newInbox(t, inbox.Options{})
	var want strings.Builder
	begin := time.Now()
	dir := t.TempDir()
	for i := range sequential {
		line := fmt.Sprintf("{\"id\":\"%d\"}\n", i)
		path := filepath.Join(dir, fmt.Sprintf("custom-security-lake-1-%d.alert", i))
		if err := os.WriteFile(path, []byte(line), 0o644); err != nil {
			t.Fatal(err)
		}
		if code, out := call(t, b.Dir(), arguments(path)...); code != 0 || out != "" {
			t.Fatalf("alert %d: got exit %d, %q", i, code, out)
		}
		want.WriteString(line)
	}
	t.Logf("%d calls, %v each", sequential, time.Since(begin)/time.Duration(sequential))
	if got := content(t, b); got != want.String() {
		t.Errorf("sequential: got %d bytes, want %d, or another order", len(got), want.Len())
	}
	if err := b.Rotate(); err != nil {
		t.Fatal(err)
	}

	// More processes at once than integratord ever starts; some may go to rescue on a slow machine.
	var running sync.WaitGroup
	slots := make(chan struct{}, 50)
	for i := range parallel {
		path := filepath.Join(dir, fmt.Sprintf("custom-security-lake-2-%d.alert", i))
		if err := os.WriteFile(path, fmt.Appendf(nil, "{\"p\":\"%d\"}\n", i), 0o644); err != nil {
			t.Fatal(err)
		}
		slots <- struct{}{}
		running.Go(func() {
			if code, out := call(t, b.Dir(), arguments(path)...); code != 0 {
				t.Errorf("alert %d: got exit %d, %q", i, code, out)
			}
			<-slots
		})
	}
	running.Wait()
	if _, strange, err := b.Rescue(); err != nil || len(strange) != 0 {
		t.Errorf("got %v, %v", strange, err)
	}
	got := content(t, b)
	for i := range parallel {
		if n := strings.Count(got, fmt.Sprintf("{\"p\":\"%d\"}\n", i)); n != 1 {
			t.Errorf("parallel alert %d: got it %d times", i, n)
		}
	}
}

// Killed wherever it happens to be: an acknowledged alert is there once, any other at most once, nothing is torn.
func TestKilledAnywhere(t *testing.T) {
	b := newInbox(t, inbox.Options{})
	body := strings.Repeat("x", 60_000)
	acked := make(map[int]bool)
	killed := 0
	for i := range 150 {
		path := alertFile(t, fmt.Sprintf("{\"n\":\"%d\",\"pad\":%q}\n", i, body))
		cmd := exec.Command(built, arguments(path)...)
		cmd.Env = []string{"WAZUH_LAKE_INBOX=" + b.Dir()}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Busy, not asleep: the moment moves through the whole run of about 2 ms.
		for end := time.Now().Add(time.Duration(i%30) * 100 * time.Microsecond); time.Now().Before(end); {
		}
		_ = cmd.Process.Kill() // it may have ended
		if cmd.Wait() == nil {
			acked[i] = true
		} else {
			killed++
		}
	}
	t.Logf("%d of 150 were killed", killed)
	if killed == 0 {
		t.Error("nothing was killed: nothing was tested")
	}
	if code, out := call(t, b.Dir(), arguments(alertFile(t, `{"n":"last"}`))...); code != 0 {
		t.Fatalf("got exit %d, %s", code, out)
	}
	got := content(t, b)
	for line := range strings.Lines(got) {
		if !strings.HasPrefix(line, `{"n":"`) || !strings.HasSuffix(line, "\"}\n") {
			t.Fatalf("torn line of %d bytes", len(line))
		}
	}
	for i := range 150 {
		n := strings.Count(got, fmt.Sprintf("{\"n\":\"%d\",", i))
		if n > 1 || (acked[i] && n != 1) {
			t.Errorf("alert %d: got it %d times, acknowledged %v", i, n, acked[i])
		}
	}
}

func TestAlertContent(t *testing.T) {
	large := `{"full_log":"` + strings.Repeat("a", 109_000) + `"}`
	tests := map[string]struct {
		text string
		code int
		want string // the line, or how the message goes on
	}{
		"ordinary":         {"{\"rule\":{\"level\":3}}\n", 0, `{"rule":{"level":3}}`},
		"without newline":  {`{"a":1}`, 0, `{"a":1}`},
		"CRLF":             {"{\"a\":1}\r\n", 0, `{"a":1}`},
		"several lines":    {"{\n \"a\": 1.50\n}\n", 0, `{"a":1.50}`},
		"invalid UTF-8":    {"{\"a\":\"\xff\xfe\"}\n", 0, "{\"a\":\"\xff\xfe\"}"},
		"109 KB":           {large + "\n", 0, large},
		"long numbers":     {`{"a":12345678901234567890.10}`, 0, `{"a":12345678901234567890.10}`},
		"empty":            {"", 65, "is empty; look for a full /tmp"},
		"blank":            {" \n", 65, "is empty; look for a full /tmp"},
		"text format":      {"alertdate='2026 Nov 23 20:10:11'\nalertlocation='a->b'\nruleid='5710'", 65, "is not in JSON; add <alert_format>json</alert_format> to the <integration> block of custom-security-lake in ossec.conf and restart wazuh-manager"},
		"array":            {"[1]\n", 65, "does not hold one JSON object; check that"},
		"two objects":      {"{\"a\":1}\n{\"a\":2}\n", 65, "does not hold one JSON object; check that"},
		"cut off":          {`{"secret":"hunter2`, 65, "does not hold one JSON object; check that"},
		"raw control byte": {"{\"a\":\"\x00\"}", 65, "does not hold one JSON object; check that"},
		"too large":        {`{"a":"` + strings.Repeat("x", maxAlert) + `"}`, 65, "is larger than 16 MiB"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newInbox(t, inbox.Options{})
			path := alertFile(t, test.text)
			code, out := call(t, b.Dir(), arguments(path)...)
			if code != test.code {
				t.Errorf("got exit %d, want %d: %s", code, test.code, out)
			}
			if test.code == 0 {
				if got := content(t, b); got != test.want+"\n" || out != "" {
					t.Errorf("got %.200q, want %.200q; output %q", got, test.want, out)
				}
				return
			}
			if got := content(t, b); got != "" {
				t.Errorf("got %.200q in the inbox", got)
			}
			if !strings.HasPrefix(out, "custom-security-lake: "+path+" "+test.want) || strings.Count(out, "\n") != 1 || strings.Contains(out, "hunter2") {
				t.Errorf("got %q, want one line with %q", out, test.want)
			}
		})
	}
}

func TestAlertFile(t *testing.T) {
	b := newInbox(t, inbox.Options{})
	dir := t.TempDir()
	good := alertFile(t, `{"a":1}`)
	at := func(name string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	link := at("link.alert", os.Symlink(good, filepath.Join(dir, "link.alert")))
	directory := at("dir.alert", os.Mkdir(filepath.Join(dir, "dir.alert"), 0o755))
	fifo := at("fifo.alert", syscall.Mkfifo(filepath.Join(dir, "fifo.alert"), 0o644))
	tests := map[string]struct {
		args []string
		code int
	}{
		"first that ends in .alert": {[]string{"shifted", "by", good, "/nonexistent.alert"}, 0},
		"debug":                     {[]string{good, "", "", "debug", "", "10", "3"}, 0},
		"none":                      {[]string{"", "", ""}, 64},
		"no arguments":              {nil, 64},
		"missing":                   {[]string{"/nonexistent/x.alert"}, 66},
		"symlink":                   {[]string{link}, 66},
		"directory":                 {[]string{directory}, 66},
		"FIFO":                      {[]string{fifo}, 66},
		"control characters":        {[]string{"/nonexistent/\n\x1b[31m.alert"}, 66},
	}
	want := 0
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			code, out := call(t, b.Dir(), test.args...)
			if code != test.code {
				t.Errorf("got exit %d, want %d: %s", code, test.code, out)
			}
			if test.args != nil && code != 0 && (strings.Count(out, "\n") != 1 || strings.Contains(out, "\x1b")) {
				t.Errorf("got %q, want one clean line", out)
			}
		})
		if test.code == 0 {
			want++
		}
	}
	if got := content(t, b); got != strings.Repeat("{\"a\":1}\n", want) {
		t.Errorf("got %q, want %d alerts", got, want)
	}
}
