package crash

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/test/replica"
)

// TestSoak loads the daemon for as long as WSL_SOAK says while everything goes wrong that may: killed, stopped, restarted,
// reloaded, flushed, its disk full, single system calls failing, the manager rotating, restarting and compressing.
func TestSoak(t *testing.T) {
	text := os.Getenv("WSL_SOAK")
	if text == "" {
		t.Skip("takes its time: run `make soak`, or set WSL_SOAK=2m")
	}
	length, err := time.ParseDuration(text)
	ok(t, err)
	_, strace := exec.LookPath("strace")
	seed := uint64(1)
	random := rand.New(rand.NewPCG(seed, 0x50a4))
	dir := t.TempDir()
	s := &soak{t: t, host: newHost(t, dir, filepath.Join(dir, "state")), random: random, strace: strace == nil, blows: map[string]int{}}
	began := time.Now()
	s.begin()
	for time.Since(began) < length {
		s.load()
		if random.IntN(4) == 0 {
			s.blow()
		}
		if s.gone() {
			s.blows["ended"]++
			s.begin()
		}
		if s.judged.IsZero() || time.Since(s.judged) > 30*time.Second {
			s.look()
		}
		<-time.After(time.Duration(20+random.IntN(120)) * time.Millisecond)
	}
	s.stop(t)
	s.write(t, 1)
	s.start(t)
	if !s.settled(t) {
		t.Fatalf("the daemon ends with %d:\n%s", s.code, s.log())
	}
	if code := s.stop(t); code != 0 {
		t.Errorf("exit %d:\n%s", code, s.log())
	}
	r := s.judge(t)
	t.Logf("soak: %v seed %d: %+v, %v", time.Since(began).Round(time.Second), seed, r, s.blows)
	if !r.sound() {
		t.Errorf("%+v\n%s", r, s.log())
	}
}

type soak struct {
	*host
	t      *testing.T
	random *rand.Rand
	strace bool
	blows  map[string]int
	left   []time.Time // days whose first part is closed
	judged time.Time
}

// begin starts the daemon, sometimes with a system call that will fail or kill it.
func (s *soak) begin() {
	if !s.strace || s.random.IntN(2) == 0 {
		s.start(s.t)
		return
	}
	names := sorted()
	b := blow{names[s.random.IntN(len(names))], []string{"KILL", "EIO", "ENOSPC"}[s.random.IntN(3)], 1 + s.random.IntN(60), false}
	s.blows[b.effect]++
	s.start(s.t, b.strace(s.state)...)
}

// load is what the manager does.
func (s *soak) load() {
	s.write(s.t, 1+s.random.IntN(200))
	switch s.random.IntN(12) {
	case 0, 1:
		ok(s.t, s.manager.Rotate(0))
		s.blows["rotated"]++
	case 2:
		y, m, d := s.manager.Now().Date()
		if now := time.Now(); s.manager.Now().AddDate(0, 0, 1).After(now) {
			return // the daemon believes no alert of the day after tomorrow
		}
		if first := replica.Name(s.manager.Now(), 0); first != "" && !slices.Contains(s.left, time.Date(y, m, d, 0, 0, 0, 0, time.UTC)) {
			s.left = append(s.left, time.Date(y, m, d, 0, 0, 0, 0, time.UTC))
		}
		s.manager.SetClock(time.Date(y, m, d+1, 0, 0, 1, 0, time.UTC))
		s.manager.Event()
		ok(s.t, s.manager.Tick(time.Second))
		s.blows["midnight"]++
	case 3:
		if len(s.left) > 0 {
			_ = s.manager.Archive(s.left[0]).All() // an empty first part was removed by its manager
			s.left = s.left[1:]
			s.blows["compressed"]++
		}
	case 4:
		ok(s.t, s.manager.Stop())
		ok(s.t, s.manager.Start())
		s.blows["manager"]++
	}
}

// blow is what happens to the daemon.
func (s *soak) blow() {
	switch n := s.random.IntN(10); {
	case n < 3:
		s.kill()
		s.blows["killed"]++
	case n < 5:
		s.host.stop(s.t)
		s.blows["stopped"]++
	case n < 8:
		s.signal(syscall.SIGUSR1)
		s.blows["flushed"]++
	default:
		s.signal(syscall.SIGHUP)
		s.blows["reloaded"]++
	}
}

// look waits until all is shipped and judges on the way: an hour should not pass before a fault is seen.
func (s *soak) look() {
	for !s.settled(s.t) {
		s.blows["ended"]++
		s.start(s.t)
	}
	r := s.judge(s.t)
	if !r.sound() {
		s.t.Fatalf("%+v after %v\n%s", r, s.blows, s.log())
	}
	s.judged = time.Now()
}
