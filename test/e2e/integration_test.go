package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/spool"
	"wazuh-security-lake/test/replica"
)

// 20,000 calls, 200 of them from two callers at once, the daemon killed now and then: every alert once, and each caller's
// in order. The limit of the inbox is half of what comes in: it holds only because segments are removed on the way.
func TestIntegrationEveryAlertOnce(t *testing.T) {
	l := newLab(t)
	s := l.integrationSite(fastDir(t), "4MiB") // 20,000 fsyncs of a slow disk test the disk
	s.start()
	const sequential, each, killEvery = 19_800, 100, 4_500
	want := make(map[string][]string) // by caller
	special := map[int]string{        // what JSON calls a string and others do not
		77:   strings.Repeat("a", 109_000),
		1777: "\xff\xfe\xc3",
		2777: `\u0000\ud800 <script>`,
	}
	a, begin := s.integratord(), time.Now()
	for i := range sequential {
		pad := special[i]
		if pad == "" {
			pad = strings.Repeat("x", i%300)
		}
		id, line := alertLine("1", i, pad)
		a.send(line)
		want["1"] = append(want["1"], id)
		if i%killEvery == killEvery-1 {
			s.kill()
			s.start()
		}
	}
	t.Logf("%d calls in a row, %v each", sequential, time.Since(begin)/sequential)
	var both sync.WaitGroup
	var mu sync.Mutex // guards want
	for _, caller := range []string{"2", "3"} {
		d := s.integratord()
		both.Go(func() {
			for i := range each {
				id, line := alertLine(caller, i, "parallel")
				code, output, err := d.call(line)
				if err != nil || code != 0 {
					t.Errorf("caller %s, alert %d: got exit %d, %q, %v", caller, i, code, output, err)
					return
				}
				mu.Lock()
				want[caller] = append(want[caller], id)
				mu.Unlock()
			}
		})
	}
	both.Wait()
	s.delivered(sequential + 2*each)
	segments, err := filepath.Glob(filepath.Join(s.inbox, "0*.ndjson"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("got segments %v, %v", segments, err)
	}
	if newest := filepath.Base(segments[len(segments)-1]); newest < "000000000010.ndjson" {
		t.Errorf("newest segment is %s: nothing was rotated, nothing was tested", newest)
	}
	s.until("released segments are removed", func() bool {
		left, err := filepath.Glob(filepath.Join(s.inbox, "0*.ndjson"))
		return err == nil && len(left) <= 2
	})
	s.stop()
	got := make(map[string][]string)
	for _, id := range l.idsInOrder() {
		caller := strings.TrimPrefix(id, "1773489600.")[:1]
		got[caller] = append(got[caller], id)
	}
	for caller, ids := range want {
		if !slices.Equal(got[caller], ids) {
			t.Errorf("caller %s: the lake holds %d alerts, %d were sent, or another order", caller, len(got[caller]), len(ids))
		}
	}
	l.shipped() // every object against the contract
	if text := s.stderr.String(); strings.Contains(text, "alerts lost") || strings.Contains(text, "not kept in order") {
		t.Errorf("the daemon complains:\n%s", text)
	}
}

// Killed at every system call: nothing torn, and what was acknowledged is there once. After each kill comes either the
// next call or the start of a daemon, in turn.
func TestIntegrationKilledAtEachSystemCall(t *testing.T) {
	l := newLab(t)
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("needs strace: apt-get install strace")
	}
	s := l.integrationSite("", "16MiB")
	s.start()
	s.stop() // the inbox is made; from now on only what the program writes is there
	traced := filepath.Join(l.dir, "traced")
	l.must(os.Mkdir(traced, 0o777))
	l.must(os.Chmod(traced, 0o777))
	d := s.integratord()
	var acknowledged, maybe []string
	n := 0
	send := func() int {
		n++
		id, line := alertLine("1", n, strings.Repeat("y", 5000))
		code, output, err := d.call(line)
		l.must(err)
		if code == 0 {
			acknowledged = append(acknowledged, id)
		} else {
			maybe = append(maybe, id)
			if strings.Contains(output, "strace:") {
				t.Fatalf("strace: %s", output)
			}
		}
		return code
	}
	log := filepath.Join(traced, "log")
	d.wrap = []string{strace, "-f", "-qq", "-o", log}
	if code := send(); code != 0 {
		t.Fatalf("traced call: exit %d", code)
	}
	data, err := os.ReadFile(log)
	l.must(err)
	called := make(map[string]int)
	for _, m := range regexp.MustCompile(`(?m)^\d+ +([a-z_0-9]+)\(`).FindAllStringSubmatch(string(data), -1) {
		called[m[1]]++
	}
	for _, needed := range []string{"flock", "openat", "write", "fsync", "exit_group"} {
		if called[needed] == 0 {
			t.Fatalf("%s was not called: the trace is wrong:\n%s", needed, data)
		}
	}
	kills := 0
	for name, times := range called {
		if name == "execve" {
			continue // the first one is before the program
		}
		// The scheduler decides which thread calls what and how often, so a few more are tried than were seen.
		for when := 1; when <= times+3; when++ {
			d.wrap = []string{strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + name, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", name, when)}
			if send() == 0 {
				continue
			}
			kills++
			d.wrap = nil
			if n%2 == 0 {
				if _, err := s.openInbox().Settle(); err != nil {
					t.Fatal(err)
				}
			} else if code := send(); code != 0 {
				t.Fatalf("the call after a kill at %s %d: exit %d", name, when, code)
			}
			text := s.content()
			for line := range strings.Lines(text) {
				if !strings.HasPrefix(line, `{"timestamp":"`) || !strings.HasSuffix(line, "\"}\n") {
					t.Fatalf("killed at %s %d: half a line of %d bytes", name, when, len(line))
				}
			}
		}
	}
	t.Logf("%d system calls by name, %d kills, %d calls", len(called), kills, n)
	if kills < 50 {
		t.Errorf("got %d kills, want at least 50: the injection does not work", kills)
	}
	text := s.content()
	for _, id := range acknowledged {
		if got := strings.Count(text, `"id":"`+id+`"`); got != 1 {
			t.Errorf("acknowledged alert %s: got it %d times", id, got)
		}
	}
	for _, id := range maybe {
		if got := strings.Count(text, `"id":"`+id+`"`); got > 1 {
			t.Errorf("alert %s: got it %d times", id, got)
		}
	}
	s.start()
	s.delivered(strings.Count(text, "\n"))
	s.stop()
	l.judgeIDs(acknowledged, maybe)
}

// With the lake out of reach the inbox fills, keeps everything it has acknowledged, refuses and counts the rest; and is
// emptied when the lake is back.
func TestIntegrationFullInbox(t *testing.T) {
	l := newLab(t)
	s := l.integrationSite("", "1MiB")
	reachable := s.endpoint
	s.endpoint = "http://127.0.0.1:9"
	s.configureInput("integration", "1MiB")
	s.start()
	d := s.integratord()
	box := s.openInbox()
	l.must(os.WriteFile(filepath.Join(s.inbox, "limit"), []byte("1048576\n"), 0o640)) // openInbox has set its own
	var acknowledged []string
	refused := 0
	for n := 0; refused < 5; n++ {
		id, line := alertLine("1", n, strings.Repeat("z", 9000))
		switch code, output, err := d.call(line); {
		case err != nil:
			t.Fatal(err)
		case code == 0:
			acknowledged = append(acknowledged, id)
		case code == 75 && strings.Contains(output, "refused and counted"):
			refused++
		default:
			t.Fatalf("got exit %d, %s", code, output)
		}
		if n > 1000 {
			t.Fatal("the limit does not hold")
		}
		if refused == 0 && n%25 == 24 {
			// Segments that are closed and behind the position: only the batches that are not released keep them.
			s.until("the newest segment is closed", func() bool {
				list, err := box.Segments()
				return err == nil && list[len(list)-1].Size == 0
			})
			s.until("it is committed", func() bool {
				st, err := spool.Read(s.state)
				return err == nil && st.Account.Read == int64(len(acknowledged))
			})
		}
	}
	if got, err := box.Refused(); err != nil || got != int64(refused) {
		t.Errorf("got %d refusals, %v, want %d", got, err, refused)
	}
	s.until("the refusals are in the log", func() bool { return strings.Contains(s.stderr.String(), "alerts refused: the inbox") })
	if list, err := box.Segments(); err != nil || len(list) < 4 {
		t.Errorf("got %d segments, %v, want at least 4: nothing could have been removed too early", len(list), err)
	}
	if got := strings.Count(s.content(), "\n"); got != len(acknowledged) {
		t.Errorf("unreleased alerts left in the inbox: got %d, want %d", got, len(acknowledged))
	}
	s.kill()
	s.endpoint = reachable
	s.configureInput("integration", "1MiB")
	s.start()
	s.delivered(len(acknowledged))
	s.until("there is room again", func() bool {
		code, _, err := d.call(`{"timestamp":"2026-03-14T13:00:00.000+0000","rule":{"level":3,"id":"1"},"agent":{"id":"000"},"id":"1773489600.last"}`)
		return err == nil && code == 0
	})
	acknowledged = append(acknowledged, "1773489600.last")
	s.delivered(len(acknowledged))
	s.stop()
	l.judgeIDs(acknowledged, nil)
}

// Tail mode, integration mode, tail mode: the program left behind does no harm, and each mode goes on where the other
// left it.
func TestIntegrationModeChanges(t *testing.T) {
	l := newLab(t)
	s := l.integrationSite("", "16MiB")
	s.manager = replica.New(filepath.Join(l.dir, "alerts"), noon)
	l.must(s.manager.Start())
	var ids []string
	alert := func() string {
		id, err := s.manager.Alert(400)
		l.must(err)
		s.tick(10 * time.Millisecond)
		ids = append(ids, id)
		return string(s.manager.Alerts()[id].Line)
	}
	d := s.integratord()
	s.configureInput("tail", "16MiB")
	command(t, "chown", "-R", fmt.Sprintf("0:%d", wazuhGID), s.manager.Dir()) // as analysisd's files
	s.start()
	s.until("the marker is set", func() bool { _, err := os.Lstat(filepath.Join(s.inbox, "tail-mode")); return err == nil })
	for range 50 {
		d.send(alert()) // the <integration> block is there, too
	}
	s.tick(time.Second)
	s.delivered(50)
	if got := s.content(); got != "" {
		t.Errorf("in tail mode the inbox got %d bytes", len(got))
	}
	s.stop()

	s.configureInput("integration", "16MiB")
	s.start()
	s.until("the marker is gone", func() bool { _, err := os.Lstat(filepath.Join(s.inbox, "tail-mode")); return err != nil })
	for range 30 {
		d.send(alert())
	}
	s.delivered(80)
	s.stop()
	for range 10 {
		alert() // integratord is not asked: these are in alerts.json alone
	}
	s.configureInput("tail", "16MiB")
	s.start()
	// An alert that comes into the inbox before the marker is set is read there when the mode is changed back.
	s.until("the marker is set", func() bool { _, err := os.Lstat(filepath.Join(s.inbox, "tail-mode")); return err == nil })
	for range 10 {
		d.send(alert())
	}
	s.tick(time.Second)
	s.until("the last alert is in the lake", func() bool { return slices.Contains(l.idsInOrder(), ids[len(ids)-1]) })

	// Back to the inbox, without a restart: what was read of it before is not read again.
	s.configureInput("integration", "16MiB")
	hangup(t, s.node)
	s.until("the marker is gone", func() bool { _, err := os.Lstat(filepath.Join(s.inbox, "tail-mode")); return err != nil })
	d.send(alert())
	s.until("the last alert is in the lake", func() bool { return slices.Contains(l.idsInOrder(), ids[len(ids)-1]) })
	s.stop()

	got := make(map[string]int)
	for _, id := range l.idsInOrder() {
		got[id]++
	}
	for i, id := range ids {
		want := 1
		if i == 79 {
			want = 2 // the last of the inbox: alerts.json is read from its very millisecond on, with the same metadata.uid
		}
		if got[id] != want {
			t.Errorf("alert %d: got it %d times, want %d", i, got[id], want)
		}
	}
	if text := s.stderr.String(); strings.Contains(text, "alerts lost") {
		t.Errorf("the daemon complains:\n%s", text)
	}
}

// A process holds the lock for longer than the program waits: the alert goes to rescue and from there to the lake.
func TestIntegrationRescue(t *testing.T) {
	l := newLab(t)
	s := l.integrationSite("", "16MiB")
	s.start()
	d := s.integratord()
	first, line := alertLine("1", 1, "before")
	d.send(line)
	s.delivered(1)
	held, err := os.OpenFile(filepath.Join(s.inbox, "lock"), os.O_RDWR, 0)
	l.must(err)
	defer held.Close()
	l.must(syscall.Flock(int(held.Fd()), syscall.LOCK_EX))
	second, line := alertLine("1", 2, "while the lock is held")
	begin := time.Now()
	d.send(line)
	if took := time.Since(begin); took < 5*time.Second {
		t.Errorf("the program waited %v for the lock, want 5 s", took)
	}
	l.must(held.Close())
	s.delivered(2)
	third, line := alertLine("1", 3, "after")
	d.send(line)
	s.delivered(3)
	s.stop()
	if got, want := l.idsInOrder(), []string{first, second, third}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	logged(t, s.node, "alerts picked up from rescue")
}

// An inbox that the daemon cannot use: the exit code, and a remedy.
func TestIntegrationFaultsAtStart(t *testing.T) {
	l := newLab(t)
	s := l.integrationSite("", "16MiB")
	aside := s.inbox + ".aside"
	tests := map[string]struct {
		spoil func()
		code  int
		want  string
	}{
		"of another owner": {func() { l.must(os.Mkdir(s.inbox, 0o755)) }, 77, "remedy: make it for this user: install -d"},
		"a symlink":        {func() { l.must(os.Symlink(aside, s.inbox)) }, 73, "remedy: symlinks and special files are refused"},
		"a file":           {func() { write(t, s.inbox, "") }, 73, "remedy: symlinks and special files are refused"},
		"no parent":        {func() { s.inbox = filepath.Join(l.dir, "missing", "inbox") }, 73, "remedy: make the directory above it"},
		"may not be made":  {func() { l.must(os.Chmod(l.dir, 0o755)) }, 77, "remedy: make it for this user: install -d"},
	}
	l.must(os.Rename(s.inbox, aside))
	inbox := s.inbox
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.spoil()
			s.configureInput("integration", "16MiB")
			s.launch()
			if code := s.wait(); code != test.code || !strings.Contains(s.stderr.String(), test.want) {
				t.Errorf("got exit %d, want %d with %q:\n%s", code, test.code, test.want, s.stderr)
			}
			s.inbox = inbox
			l.must(os.RemoveAll(inbox))
		})
	}
}
