package crash

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const sampleSize = 25

// need skips unless WSL_CRASH asks for these tests and the tools are there.
func need(t *testing.T, tools ...string) (all bool, seed uint64) {
	t.Helper()
	mode := os.Getenv("WSL_CRASH")
	if mode == "" {
		t.Skip("kills real processes: run `make crash`, or set WSL_CRASH=sample")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%v", err)
		}
	}
	seed = 1
	if text := os.Getenv("WSL_CRASH_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("WSL_CRASH_SEED: %v", err)
		}
		seed = n
	}
	return mode == "all", seed
}

// calls are the system calls by which the daemon changes a disk. The first number is a little more than how often one
// thread makes them in a run; the sample is taken below it.
var calls = map[string]int{"fsync": 40, "renameat2": 8, "renameat": 6, "unlinkat": 16, "mkdirat": 12, "linkat": 3, "write": 30}

// blow is what strace does at the n-th call.
type blow struct {
	call, effect string
	n            int
	sticky       bool // from then on
}

func (b blow) String() string {
	more := ""
	if b.sticky {
		more = "+"
	}
	return fmt.Sprintf("%s_%s_%d%s", b.effect, b.call, b.n, more)
}

// strace is the command to put in front of the daemon.
func (b blow) strace(state string) []string {
	effect := "error=" + b.effect
	if b.effect == "KILL" {
		effect = "signal=KILL"
	}
	when := strconv.Itoa(b.n)
	if b.sticky {
		when += "+"
	}
	argv := []string{"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + b.call, "-e", fmt.Sprintf("inject=%s:%s:when=%s", b.call, effect, when)}
	if b.call == "write" && b.effect != "KILL" {
		// The runtime's own wake-ups are writes too, and it aborts when they fail.
		for _, p := range files(state) {
			argv = append(argv, "-P", p)
		}
	}
	return argv
}

// files are the paths below state that a run may write to.
func files(state string) []string {
	out := []string{filepath.Join(state, "instance.new"), filepath.Join(state, "sources.json.new"),
		filepath.Join(state, "ledger", time.Now().UTC().Format("2006-01")+".ndjson")}
	for seq := range 12 {
		for _, f := range []string{"0.parquet", "manifest.json", "rejects.ndjson"} {
			out = append(out, filepath.Join(state, "building", fmt.Sprintf("%012d", seq+1), f))
		}
	}
	return out
}

// struck is what a blow did.
type struck struct {
	ended bool // the daemon did not outlive it
	code  int
	result
}

// strike lets a daemon run into b, then starts it again and judges.
func strike(t *testing.T, b blow) struck {
	t.Helper()
	dir := t.TempDir()
	h := newHost(t, dir, filepath.Join(dir, "state"))
	h.write(t, 40)
	h.start(t, b.strace(h.state)...)
	var out struck
	alive := h.stands(t, b)
	if alive {
		ok(t, h.manager.Rotate(0)) // seen at once, by inotify
		h.write(t, 40)
		ok(t, h.manager.Rotate(0))
		alive = h.stands(t, b)
	}
	if alive && !b.sticky {
		h.stop(t)
	} else if alive {
		h.kill()
	}
	out.ended, out.code = !alive, h.code
	if out.ended && b.effect != "KILL" && h.code != 74 && h.code != 73 && h.code != 1 {
		t.Errorf("%v: exit %d, want a clear stop:\n%s", b, h.code, h.log())
	}
	if out.ended && b.effect != "KILL" && !explained(h.log()) {
		t.Errorf("%v: nothing says why:\n%s", b, h.log())
	}
	h.write(t, 10)
	h.start(t)
	if !h.settled(t) {
		t.Fatalf("%v: the next start ends with %d:\n%s", b, h.code, h.log())
	}
	if code := h.stop(t); code != 0 {
		t.Errorf("%v: exit %d:\n%s", b, code, h.log())
	}
	out.result = h.judge(t)
	if !out.sound() {
		t.Errorf("%v: %+v\n%s", b, out.result, h.log())
	}
	return out
}

// explained reports whether a daemon that gave up said why.
func explained(log string) bool {
	return strings.Contains(log, "no space left on device") || strings.Contains(log, "input/output error")
}

// stands waits until everything is shipped, or until the daemon has ended. With a fault that stays, waiting for the end of
// it would be waiting for ever: then a moment must do.
func (h *host) stands(t *testing.T, b blow) bool {
	t.Helper()
	if !b.sticky {
		return h.settled(t)
	}
	select {
	case <-h.exited:
		return false
	case <-time.After(700 * time.Millisecond):
		return true
	}
}

// report counts over many blows.
type report struct {
	points, ended, unharmed, alerts, lost, twice int
}

func (r *report) add(s struck) {
	r.points++
	r.alerts += s.alerts
	r.lost += s.lost
	r.twice += s.twice
	if s.ended {
		r.ended++
	} else {
		r.unharmed++
	}
}

func sorted() []string {
	var names []string
	for name := range calls {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestKilledAtSystemCall(t *testing.T) {
	all, seed := need(t, "strace")
	blows(t, all, seed, "KILL", false)
}

func TestIOError(t *testing.T) {
	all, seed := need(t, "strace")
	blows(t, all, seed, "EIO", false)
}

func TestDiskFull(t *testing.T) {
	all, seed := need(t, "strace")
	blows(t, all, seed, "ENOSPC", false)
}

// The disk does not get better: the daemon stops or waits, and nothing is lost once it is mended.
func TestDiskStaysBroken(t *testing.T) {
	all, seed := need(t, "strace")
	for _, effect := range []string{"EIO", "ENOSPC"} {
		blows(t, all, seed, effect, true)
	}
}

// blows strikes at every point, or at a sample of them.
func blows(t *testing.T, all bool, seed uint64, effect string, sticky bool) {
	t.Helper()
	began := time.Now()
	var r report
	if all {
		for _, call := range sorted() {
			for n, unharmed := 1, 0; unharmed < 3 && n <= 3*calls[call]; n++ {
				s := strike(t, blow{call, effect, n, sticky})
				r.add(s)
				if effect == "KILL" && !s.ended {
					unharmed++ // no thread got that far: three times in a row is the end of the calls
				} else if s.ended {
					unharmed = 0
				}
				if effect != "KILL" && n >= calls[call] {
					break
				}
			}
		}
	} else {
		random := rand.New(rand.NewPCG(seed, uint64(len(effect))))
		names := sorted()
		size := sampleSize
		if sticky {
			size /= 5
		}
		for i := range size {
			call := names[i%len(names)]
			r.add(strike(t, blow{call, effect, 1 + random.IntN(calls[call]/2), sticky}))
		}
	}
	t.Logf("crash: %s sticky=%v seed %d: %+v in %v", effect, sticky, seed, r, time.Since(began).Round(time.Millisecond))
	if r.ended == 0 && effect == "KILL" {
		t.Error("no blow hit: the test tests nothing")
	}
}
