package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// datagrams listens where journald or systemd would; next returns one datagram.
func datagrams(t *testing.T) (path string, next func() string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "socket")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return path, func() string {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 64<<10)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("no datagram: %v", err)
		}
		return string(buf[:n])
	}
}

func TestJournalEntry(t *testing.T) {
	path, next := datagrams(t)
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	var fallback bytes.Buffer
	log := slog.New(&journalHandler{conn: conn, level: slog.LevelInfo, fallback: slog.NewTextHandler(&fallback, nil)})
	value := "two\nlines"
	long := "\n" + string(binary.LittleEndian.AppendUint64(nil, uint64(len(value)))) + value + "\n"
	tests := map[string]struct {
		level slog.Level
		args  []any
		want  string
	}{
		"error":          {slog.LevelError, nil, "MESSAGE=m\nPRIORITY=3\nSYSLOG_IDENTIFIER=wazuh-security-lake\n"},
		"warning":        {slog.LevelWarn, []any{"batch", 42}, "MESSAGE=m batch=42\nPRIORITY=4\nSYSLOG_IDENTIFIER=wazuh-security-lake\nBATCH=42\n"},
		"quoted":         {slog.LevelInfo, []any{"a", `x "y"`}, "MESSAGE=m a=\"x \\\"y\\\"\"\nPRIORITY=6\nSYSLOG_IDENTIFIER=wazuh-security-lake\nA=x \"y\"\n"},
		"newline":        {slog.LevelInfo, []any{"err", errors.New(value)}, "MESSAGE=m err=\"two\\nlines\"\nPRIORITY=6\nSYSLOG_IDENTIFIER=wazuh-security-lake\nERR" + long},
		"forbidden name": {slog.LevelInfo, []any{"_pid-x", 1}, "MESSAGE=m _pid-x=1\nPRIORITY=6\nSYSLOG_IDENTIFIER=wazuh-security-lake\nPID_X=1\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			log.Log(context.Background(), test.level, "m", test.args...)
			if got := next(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if fallback.Len() > 0 {
		t.Errorf("written to the fallback although the journal took it: %s", &fallback)
	}
	_ = conn.Close()
	log.With("source", "wazuh").Error("journal gone", "batch", 7)
	if got := fallback.String(); !strings.Contains(got, `msg="journal gone" source=wazuh batch=7`) {
		t.Errorf("fallback: got %q", got)
	}
}

func TestPrefixHandler(t *testing.T) {
	var out bytes.Buffer
	noTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	log := slog.New(newPrefixHandler(&out, func(w io.Writer) slog.Handler {
		return slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: noTime})
	}))
	log.Debug("hidden")
	log.Info("one")
	log.With("batch", 2).Warn("two")
	log.Error("three")
	want := "<6>level=INFO msg=one\n<4>level=WARN msg=two batch=2\n<3>level=ERROR msg=three\n"
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOnJournal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "stream"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	var st syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	own := fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	if !onJournal(f, own) {
		t.Errorf("stream %s: got false, want true", own)
	}
	for name, stream := range map[string]string{"not set": "", "of another file": fmt.Sprintf("%d:%d", st.Dev, st.Ino+1), "nonsense": "x"} {
		if onJournal(f, stream) {
			t.Errorf("%s: got true, want false", name)
		}
	}
	if onJournal(new(bytes.Buffer), own) {
		t.Error("no file: got true, want false")
	}
}

func TestNotify(t *testing.T) {
	path, next := datagrams(t)
	t.Setenv("NOTIFY_SOCKET", path)
	n := newNotifier()
	defer n.close()
	tests := []struct {
		name string
		send func()
		want string
	}{
		{"ready", func() { n.ready("building 3 alerts") }, "READY=1\nSTATUS=building 3 alerts"},
		{"watchdog", n.watchdog, "WATCHDOG=1"},
		{"stopping", n.stopping, "STOPPING=1\nSTATUS=sealing and shipping what was read"},
		{"status", func() { n.status("2 objects waiting") }, "STATUS=2 objects waiting"},
		{"reloading", func() { n.reloading(1500 * time.Microsecond) }, "RELOADING=1\nMONOTONIC_USEC=1500"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.send()
			if got := next(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	t.Setenv("NOTIFY_SOCKET", "")
	newNotifier().ready("") // not under systemd: nothing happens
}

// A log file that cannot be written is said once, where it can be read; the daemon goes on.
func TestLogFileThatCannotBeWritten(t *testing.T) {
	inTheWay := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(inTheWay, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]int{filepath.Join(inTheWay, "service.log"): 1, filepath.Join(t.TempDir(), "service.log"): 0} {
		var out bytes.Buffer
		log, release, err := newLogger(slog.LevelInfo, "json", file, &out)
		if err != nil {
			t.Fatal(err)
		}
		log.Info("started")
		release()
		if got := strings.Count(out.String(), "log.file cannot be written"); got != want || !strings.Contains(out.String(), "started") {
			t.Errorf("%s: said %d times, want %d: %s", file, got, want, out.String())
		}
	}
}
