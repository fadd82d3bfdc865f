package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// terminal is one tmux server with one window of its own.
type terminal struct {
	t      *testing.T
	socket string
}

func newTerminal(t *testing.T, width, height int, command ...string) *terminal {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Fatalf("make e2e needs tmux: %v", err)
	}
	s := &terminal{t: t, socket: fmt.Sprintf("wsl-e2e-%d", os.Getpid())}
	// The shell keeps the window after the command has ended, and shows its exit code.
	line := "trap : INT; " + strings.Join(command, " ") + "; echo ended with $?; read x"
	s.tmux("-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height), "sh", "-c", line)
	t.Cleanup(func() { s.tmux("kill-server") })
	return s
}

func (s *terminal) tmux(args ...string) string {
	s.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-L", s.socket}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=screen")
	out, err := printed.combined(cmd)
	if err != nil {
		s.t.Fatalf("tmux %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// shows waits until the screen holds text, and returns the screen.
func (s *terminal) shows(text string) string {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		screen := s.tmux("capture-pane", "-p")
		if strings.Contains(screen, text) {
			return screen
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the screen does not show %q:\n%s", text, screen)
		}
		time.Sleep(50 * time.Millisecond) // a real terminal in real time: there is nothing to inject
	}
}

// inPlace checks that a screen holds one status and nothing of the one before.
func (s *terminal) inPlace(screen string) {
	s.t.Helper()
	lines := strings.Split(screen, "\n")
	if !strings.HasPrefix(lines[0], "daemon") {
		s.t.Errorf("the first line is %q", lines[0])
	}
	for _, head := range []string{"daemon ", "input ", "alerts ", "waiting ", "spool "} {
		n := 0
		for _, line := range lines {
			if strings.HasPrefix(line, head) {
				n++
			}
		}
		if n != 1 {
			s.t.Errorf("%d lines begin with %q:\n%s", n, head, screen)
		}
	}
}

// status --watch in a real terminal: it redraws in place, the figures move, it survives a resize and ends at Ctrl-C.
func TestWatchInATerminal(t *testing.T) {
	l := newLab(t)
	n := l.node("n1", "manager-1", noon)
	n.start()
	n.write(100)
	n.settled()
	s := newTerminal(t, 120, 40, built.daemon, "status", "--watch", "-c", n.config)
	first := s.shows("read 100 = shipped 100")
	s.inPlace(first)
	if !strings.Contains(first, "running, pid") {
		t.Errorf("the daemon runs, the screen says:\n%s", first)
	}
	n.write(150)
	n.settled()
	second := s.shows("read 250 = shipped 250")
	s.inPlace(second)
	t.Logf("before:\n%s", strings.TrimSpace(first))
	t.Logf("after:\n%s", strings.TrimSpace(second))
	s.tmux("resize-window", "-x", "60", "-y", "12")
	small := s.shows("...") // what does not fit is left out
	if lines := strings.Split(strings.TrimRight(small, "\n"), "\n"); len(lines) > 12 || !strings.HasPrefix(lines[0], "daemon") {
		t.Errorf("%d lines on a screen of 12:\n%s", len(lines), small)
	}
	s.tmux("resize-window", "-x", "120", "-y", "40")
	s.inPlace(s.shows("Ctrl-C ends"))
	s.tmux("send-keys", "C-c")
	s.shows("ended with 0")
	if got := s.tmux("display-message", "-p", "#{cursor_flag}"); strings.TrimSpace(got) != "1" {
		t.Errorf("the cursor is left hidden: %q", got)
	}
	n.stop()
	l.judge(n)
}
