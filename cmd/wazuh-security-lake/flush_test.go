package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/config"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/uploader"
)

func TestFlushShipsWhatIsThere(t *testing.T) {
	t.Parallel()
	b := newBench(t, "batch: {interval: 1h}")
	daemon := b.run()
	for range 3 { // each request gets its own answer, not that of the one before
		b.write(20)
		r := command(t, "", "flush", "-c", b.config)
		if r.code != 0 || !strings.Contains(r.out, "flushed") {
			t.Fatalf("exit %d: %s%s\n%s", r.code, r.out, r.err, daemon.output())
		}
		if got := b.shipped(); got != b.wrote {
			t.Fatalf("%d alerts in the lake after flush, want %d", got, b.wrote)
		}
	}
	daemon.signal(syscall.SIGTERM)
	if code := daemon.code(); code != 0 {
		t.Errorf("daemon ended with %d", code)
	}
}

// A limit of the spool that is raised holds after a reload.
func TestReloadRaisesTheLimitsOfTheSpool(t *testing.T) {
	t.Parallel()
	b := newBench(t, "batch: {interval: 1h}")
	good, err := os.ReadFile(b.config)
	if err != nil {
		t.Fatal(err)
	}
	full := strings.Replace(string(good), "min_free: 1MiB", "min_free: 1048576GiB", 1)
	if err := os.WriteFile(b.config, []byte(full), 0o600); err != nil {
		t.Fatal(err)
	}
	daemon := startChild(t, "run", "-c", b.config)
	b.until("the spool is full", func() bool { return strings.Contains(daemon.output(), "spool full, reading paused") })
	if err := os.WriteFile(b.config, good, 0o600); err != nil {
		t.Fatal(err)
	}
	daemon.signal(syscall.SIGHUP)
	b.until("the reload", func() bool { return strings.Contains(daemon.output(), "sealing before it is applied") })
	daemon.signal(syscall.SIGUSR2)
	if code := daemon.code(); code != 0 {
		t.Fatalf("daemon ended with %d:\n%s", code, daemon.output())
	}
	if got := b.shipped(); got != b.wrote {
		t.Errorf("%d alerts in the lake, want %d", got, b.wrote)
	}
}

// The log stays where it is over a reload, and says so.
func TestReloadSaysWhatItCannotChange(t *testing.T) {
	t.Parallel()
	b := newBench(t, "batch: {interval: 1h}")
	daemon := b.run()
	good, err := os.ReadFile(b.config)
	if err != nil {
		t.Fatal(err)
	}
	const note = "apply at the next restart"
	reload := func(n int, more string) {
		t.Helper()
		if err := os.WriteFile(b.config, append(good[:len(good):len(good)], more...), 0o600); err != nil {
			t.Fatal(err)
		}
		daemon.signal(syscall.SIGHUP)
		b.until("the reload", func() bool { return strings.Count(daemon.output(), `"msg":"started"`) == n })
	}
	reload(2, "\nmetrics: {listen: \"\"}\n")
	if strings.Contains(daemon.output(), note) {
		t.Errorf("said %q of another key", note)
	}
	reload(3, "\nlog: {format: text}\n")
	reload(4, "\nlog: {format: text}\n")
	if n := strings.Count(daemon.output(), note); n != 1 {
		t.Errorf("said %q %d times, want once", note, n)
	}
	daemon.signal(syscall.SIGTERM)
	if code := daemon.code(); code != 0 {
		t.Errorf("daemon ended with %d", code)
	}
}

// A batch that cannot be sealed at a reload is read again, as at any other time; the daemon does not end by it.
func TestReloadWithABatchThatCannotBeSealed(t *testing.T) {
	t.Parallel()
	b := newBench(t, "batch: {interval: 1h}")
	daemon := b.run()
	b.write(5)
	var building []string
	b.until("a batch has begun", func() bool {
		building, _ = filepath.Glob(filepath.Join(b.state, "building/*/0.parquet")) // the pattern is well formed
		return len(building) > 0
	})
	if err := os.RemoveAll(filepath.Dir(building[0])); err != nil {
		t.Fatal(err)
	}
	daemon.signal(syscall.SIGHUP)
	b.until("the reload", func() bool { return strings.Count(daemon.output(), `"msg":"started"`) == 2 })
	if r := command(t, "", "drain", "-c", b.config); r.code != 0 {
		t.Fatalf("exit %d: %s%s\n%s", r.code, r.out, r.err, daemon.output())
	}
	if got := b.shipped(); got != b.wrote {
		t.Errorf("%d alerts in the lake, want %d", got, b.wrote)
	}
}

func TestFlushWithoutDaemon(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	if err := os.MkdirAll(b.state, 0o750); err != nil {
		t.Fatal(err)
	}
	// The number of a living process, left behind by a daemon that crashed: it must not be signalled.
	if err := os.WriteFile(filepath.Join(b.state, "lock"), []byte(strconv.Itoa(os.Getpid())), 0o640); err != nil {
		t.Fatal(err)
	}
	r := command(t, "", "flush", "-c", b.config)
	if r.code != exitUnavailable || !strings.Contains(r.err, "no daemon") || !strings.Contains(r.err, "drain") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

func TestFlushThatCannotShip(t *testing.T) {
	t.Parallel()
	b := newBench(t, "batch: {interval: 1h}")
	daemon := b.run()
	if err := os.Remove(filepath.Join(b.dir, "lake")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.dir, "lake"), []byte("in the way"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := command(t, "", "flush", "-c", b.config, "--timeout", "600ms")
	if r.code != exitTempFail || !strings.Contains(r.err, "--timeout") {
		t.Errorf("exit %d: %s\n%s", r.code, r.err, daemon.output())
	}
}

func TestDrainOfARunningDaemon(t *testing.T) {
	t.Parallel()
	b := newBench(t, "batch: {interval: 1h}")
	daemon := b.run()
	b.write(50)
	r := command(t, "", "drain", "-c", b.config)
	if r.code != 0 || !strings.Contains(r.out, "drained") {
		t.Fatalf("exit %d: %s%s\n%s", r.code, r.out, r.err, daemon.output())
	}
	if code := daemon.code(); code != 0 {
		t.Errorf("the daemon ended with %d, so systemd would start it again", code)
	}
	if got := b.shipped(); got != b.wrote {
		t.Errorf("%d alerts in the lake, want %d", got, b.wrote)
	}
	b.write(5) // what comes later is read by the next daemon
	next := b.run()
	if r := command(t, "", "flush", "-c", b.config); r.code != 0 {
		t.Fatalf("exit %d: %s\n%s", r.code, r.err, next.output())
	}
	if got := b.shipped(); got != b.wrote {
		t.Errorf("%d alerts in the lake after the restart, want %d", got, b.wrote)
	}
}

// A drain reads to the end, however far off that is.
func TestDrainOfABacklog(t *testing.T) {
	t.Parallel()
	b := newBench(t, "batch: {interval: 1h}\nfilter: {level: 15}")
	daemon := b.run()
	daemon.signal(syscall.SIGSTOP) // so that it finds all of it at once
	b.write(200_000)
	daemon.signal(syscall.SIGUSR2)
	daemon.signal(syscall.SIGCONT)
	if code := daemon.code(); code != 0 {
		t.Errorf("the daemon ended with %d", code)
	}
	st, err := spool.Read(b.state)
	if err != nil {
		t.Fatal(err)
	}
	if st.Account.Read != int64(b.wrote) {
		t.Errorf("drained after %d of %d lines", st.Account.Read, b.wrote)
	}
}

// A drain that cannot finish is given up by a reload; killed in the middle, nothing is lost or doubled.
func TestDrainEndedByReloadAndByKill(t *testing.T) {
	t.Parallel()
	b := newBench(t, "batch: {interval: 1h}")
	daemon := b.run()
	lake := filepath.Join(b.dir, "lake")
	if err := os.Rename(lake, lake+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lake, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b.write(10)
	if r := command(t, "", "drain", "-c", b.config, "--timeout", "600ms"); r.code != exitTempFail {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	b.until("the daemon has stopped intake", func() bool {
		live := readLive(b.state)
		return live != nil && live.Drain == drainShipping
	})
	daemon.signal(syscall.SIGHUP)
	b.until("the drain is over", func() bool { return strings.Contains(daemon.output(), "drain ended by a reload") })
	b.write(10)
	if r := command(t, "", "drain", "-c", b.config, "--timeout", "600ms"); r.code != exitTempFail {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	b.until("both batches are sealed", func() bool {
		st, err := spool.Read(b.state)
		return err == nil && st.Account.Read == int64(b.wrote)
	})
	daemon.signal(syscall.SIGKILL)
	daemon.code()
	if err := os.Remove(lake); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(lake+".away", lake); err != nil {
		t.Fatal(err)
	}
	r := command(t, "", "drain", "-c", b.config) // without a daemon it ships itself
	if r.code != 0 || !strings.Contains(r.out, "nothing is left") {
		t.Fatalf("exit %d: %s%s", r.code, r.out, r.err)
	}
	if got := b.shipped(); got != b.wrote {
		t.Errorf("%d alerts in the lake, want %d", got, b.wrote)
	}
	if r := command(t, "", "drain", "-c", b.config); r.code != 0 {
		t.Errorf("a second drain: exit %d: %s", r.code, r.err)
	}
}

func TestDrainOfTheSpoolFails(t *testing.T) {
	t.Parallel()
	b := newBench(t, "batch: {interval: 1h}")
	daemon := b.run()
	lake := filepath.Join(b.dir, "lake")
	if err := os.RemoveAll(lake); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lake, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b.write(10)
	daemon.signal(syscall.SIGUSR1)
	b.until("the batch is sealed", func() bool {
		st, err := spool.Read(b.state)
		return err == nil && st.Account.Read == int64(b.wrote)
	})
	daemon.signal(syscall.SIGKILL)
	daemon.code()
	began := time.Now()
	if r := command(t, "", "drain", "-c", b.config); r.code != exitUnavailable || !strings.Contains(r.err, "remedy") {
		t.Errorf("exit %d after %v: %s", r.code, time.Since(began), r.err)
	}
}

// The daemon keeps a reserve for lines that exist nowhere else, in a full spool.
func TestDaemonKeepsAReserve(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.Spool.Dir, c.Spool.MaxSize, c.Spool.MinFree = t.TempDir(), config.MiB, config.MiB
	s, err := (&daemon{log: slog.New(slog.DiscardHandler)}).openSpool(c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing is checked after it
	b, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	f, err := b.Create("0.parquet")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 1000<<10)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(spool.Manifest{Position: json.RawMessage(`{}`), Objects: []spool.Object{{File: "0.parquet"}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Begin(); !errors.Is(err, spool.ErrFull) {
		t.Errorf("got %v at 1000 of 1024 KiB, want that the spool is full", err)
	}
	if b, err = s.BeginReserve(); err != nil {
		t.Fatalf("no reserve: %v", err)
	}
	if err := b.Discard(); err != nil {
		t.Fatal(err)
	}
}

// What a later version has sealed cannot be shipped by this one: it waits, whatever drain has shipped besides.
func TestDrainLeavesWhatALaterVersionWrote(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	b.reject("no alert") // makes the state directory
	later := filepath.Join(b.state, "outbox/000000000009")
	if err := os.Mkdir(later, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(later, "manifest.json"), []byte(`{"version":9}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := command(t, "", "drain", "-c", b.config)
	if r.code != exitData || strings.Contains(r.out, "nothing is left") || !strings.Contains(r.err, "000000000009") || !strings.Contains(r.err, "install that version again") {
		t.Errorf("drain: exit %d: %s%s", r.code, r.out, r.err)
	}
	if r := command(t, "", "status", "-c", b.config); !strings.Contains(r.out, "install that version again") {
		t.Errorf("status: exit %d: %s%s", r.code, r.out, r.err)
	}
	if r := command(t, "", "position", "set", "-c", b.config, "--at", "end", "--yes"); r.code != exitData || !strings.Contains(r.err, "install that version again") {
		t.Errorf("position set: exit %d: %s%s", r.code, r.out, r.err)
	}
	if _, err := os.Stat(later); err != nil {
		t.Errorf("not left in place: %v", err)
	}
}

// A destination that does not answer is not a --timeout that is over, though its own error is a deadline as well.
func TestUndeliveredTellsWhoseTimeIsOver(t *testing.T) {
	silent := &uploader.UndeliveredError{Objects: 1, Causes: []error{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, fmt.Errorf("send: %w", context.DeadlineExceeded)}}
	over, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	for name, tt := range map[string]struct {
		ctx  context.Context
		want int
	}{"time left": {t.Context(), exitUnavailable}, "time over": {over, exitTempFail}} {
		if got := exitCode(undelivered(tt.ctx, silent)); got != tt.want {
			t.Errorf("%s: exit %d, want %d", name, got, tt.want)
		}
	}
}

func TestHoldsLock(t *testing.T) {
	text := `1: FLOCK  ADVISORY  WRITE 77 08:01:4242 0 EOF
2: POSIX  ADVISORY  WRITE 78 08:01:4243 0 EOF
2: -> FLOCK  ADVISORY  WRITE 79 08:01:4242 0 EOF
`
	for name, tt := range map[string]struct {
		pid   int
		inode uint64
		want  bool
	}{
		"the holder":           {77, 4242, true},
		"another file":         {77, 4243, false},
		"another kind of lock": {78, 4243, false},
		"one that waits":       {79, 4242, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := holdsLock(strings.NewReader(text), tt.pid, tt.inode)
			if err != nil || got != tt.want {
				t.Errorf("got %v %v, want %v", got, err, tt.want)
			}
		})
	}
}
