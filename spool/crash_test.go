package spool_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"syscall"
	"testing"

	"wazuh-security-lake/spool"
	"wazuh-security-lake/test/faultfs"
)

const crashLines = 34

// run starts a fresh world whose first process dies at the n-th change of the disk. done: it got through.
func crashAt(tb testing.TB, n int, deaf func(faultfs.Op, string) bool) (w *world, f *faultfs.FS, done bool) {
	return newWorld(tb, crashLines).crashAt(n, deaf)
}

func (w *world) crashAt(n int, deaf func(faultfs.Op, string) bool) (_ *world, f *faultfs.FS, done bool) {
	f = faultfs.New()
	f.Deafen(deaf)
	f.Inject(faultfs.Fault{Op: faultfs.Change, N: n, Kill: true})
	err := w.daemon(f)
	if err == nil && !f.Dead() {
		return w, f, true
	}
	if err != nil && !errors.Is(err, faultfs.ErrKilled) {
		w.fault("first process: %v", err)
	}
	return w, f, false
}

func TestKillAtEveryOperation(t *testing.T) {
	t.Parallel()
	n := 1
	for ; ; n++ {
		w, f, done := crashAt(t, n, nil)
		if done {
			w.judgeEnd(f)
			w.report("without a crash")
			break
		}
		w.finish(f.Restart())
		w.report("killed at change %d", n)
	}
	t.Logf("%d crash points", n-1)
}

func TestPowerLossAtEveryOperation(t *testing.T) {
	t.Parallel()
	const seeds = 2
	for n := 1; ; n++ {
		done := false
		for seed := range uint64(seeds) {
			var w *world
			var f *faultfs.FS
			if w, f, done = crashAt(t, n, nil); done {
				return
			}
			w.finish(f.PowerLoss(seed))
			w.report("power lost at change %d, seed %d", n, seed)
		}
	}
}

// Recovery is interrupted too, several times, now by a kill, now by a power loss.
func TestCrashesInARow(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		w, f := newWorld(t, crashLines), faultfs.New()
		for range 2 + r.IntN(8) {
			f.Inject(faultfs.Fault{Op: faultfs.Change, N: 1 + r.IntN(90), Kill: true})
			if err := w.daemon(f); err != nil && !errors.Is(err, faultfs.ErrKilled) {
				w.fault("%v", err)
			}
			if r.IntN(2) == 0 {
				f = f.Restart()
			} else {
				f = f.PowerLoss(seed)
			}
			w.judgeDisk(f)
		}
		w.finish(f)
		w.report("seed %d", seed)
	}
}

// The judge must see the fault when a step of the commit order is left out.
func TestJudgeCatchesMissingSync(t *testing.T) {
	t.Parallel()
	is := func(kind faultfs.Op, match string) func(faultfs.Op, string) bool {
		return func(k faultfs.Op, p string) bool {
			ok, err := path.Match(path.Join(root, match), p)
			return err == nil && ok && k == kind
		}
	}
	tests := map[string]func(faultfs.Op, string) bool{
		"objects":            is(faultfs.Sync, "building/*/*.parquet"),
		"manifest":           is(faultfs.Sync, "building/*/manifest.json"),
		"rejects":            is(faultfs.Sync, "building/*/rejects.ndjson"),
		"names of the batch": is(faultfs.SyncDir, "building/*"),
		"outbox":             is(faultfs.SyncDir, "outbox"),
		"ledger":             is(faultfs.Sync, "ledger/*"),
		"rejects directory":  is(faultfs.SyncDir, "rejects"),
	}
	for name, deaf := range tests {
		t.Run(name, func(t *testing.T) {
			for n := 38; ; n++ { // before that the directories are made
				for seed := range uint64(6) {
					w, f, done := crashAt(t, n, deaf)
					if done {
						t.Fatal("no crash point showed the missing sync")
					}
					f = f.PowerLoss(seed)
					w.finish(f)
					if len(w.faults) > 0 {
						t.Logf("change %d, seed %d: %s", n, seed, w.faults[0])
						return
					}
				}
			}
		})
	}
}

// Every operation fails once, reads included. The daemon restarts after a fatal error, goes on after any
// other, and has to get everything through.
func TestEveryOperationFailsOnce(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC} {
		for _, short := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v short=%v", errno, short), func(t *testing.T) {
				kind := faultfs.Any
				if errno == syscall.ENOSPC {
					kind = faultfs.Change
				}
				if short {
					kind = faultfs.Write
				}
				for n := 1; ; n++ {
					w, f := newWorld(t, crashLines), faultfs.New()
					f.Inject(faultfs.Fault{Op: kind, N: n, Err: errno, Short: short})
					w.attempts(f, 3)
					struck := f.Count(kind) >= n
					f.Heal() // what follows are the operations of the test
					w.requeueAll(f)
					w.judgeDisk(f)
					w.judgeEnd(f)
					w.report("operation %d", n)
					if !struck {
						break
					}
				}
			})
		}
	}
}

// attempts runs the daemon until it is done; each error ends a process, as Restart=always makes it.
func (w *world) attempts(f *faultfs.FS, most int) {
	for i := 1; i <= most; i++ {
		err := w.daemon(f)
		if err == nil {
			return
		}
		if i == most {
			w.fault("%v", err)
		}
	}
	w.fault("wedged after %d attempts", most)
}

// requeueAll puts back what a read error sent to quarantine, except what was read again.
func (w *world) requeueAll(f *faultfs.FS) {
	st, err := spool.ReadFS(f, root)
	if err != nil {
		w.fault("read: %v", err)
		return
	}
	for _, b := range st.Batches {
		if b.Place != spool.Quarantine {
			continue
		}
		w.lenient = true
		s, err := spool.Open(root, options(f))
		if err != nil {
			w.fault("open: %v", err)
			return
		}
		if err := s.Requeue(b.Seq); err != nil && !strings.Contains(err.Error(), "read again") {
			w.fault("requeue: %v", err)
		}
		if err := s.Close(); err != nil {
			w.fault("close: %v", err)
		}
	}
	if w.lenient {
		w.attempts(f, 1)
	}
}

// Every operation of a kind fails from the n-th on, until the fault is healed: no wedge, nothing lost.
func TestFailingForAWhile(t *testing.T) {
	t.Parallel()
	for _, kind := range []faultfs.Op{faultfs.Create, faultfs.Mkdir, faultfs.Write, faultfs.Rename, faultfs.Remove, faultfs.Truncate} {
		t.Run(string(kind), func(t *testing.T) {
			for n := 1; n < 80; n++ {
				w, f := newWorld(t, crashLines), faultfs.New()
				f.Inject(faultfs.Fault{Op: kind, N: n, Err: syscall.ENOSPC, Stuck: true})
				for range 3 {
					if w.daemon(f) == nil {
						break
					}
				}
				f.Heal()
				w.finish(f)
				w.report("%s failing from operation %d on", kind, n)
			}
		})
	}
}
