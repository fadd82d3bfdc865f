package spool_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"
	"testing"

	"wazuh-security-lake/spool"
	"wazuh-security-lake/test/faultfs"
)

func copyingWorld(tb testing.TB) *world {
	w := newWorld(tb, crashLines)
	w.second = map[string]string{}
	return w
}

// The process dies, or the power goes, at every change of the disk: lake and second copy have each event once.
func TestCopiesCrashAtEveryOperation(t *testing.T) {
	t.Parallel()
	for name, crashed := range map[string]func(*faultfs.FS) *faultfs.FS{
		"killed":        (*faultfs.FS).Restart,
		"power lost, 0": func(f *faultfs.FS) *faultfs.FS { return f.PowerLoss(0) },
		"power lost, 1": func(f *faultfs.FS) *faultfs.FS { return f.PowerLoss(1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n++ {
				w, f, done := copyingWorld(t).crashAt(n, nil)
				if done {
					w.judgeEnd(f)
					w.report("without a crash")
					t.Logf("%d points", n-1)
					return
				}
				w.finish(crashed(f))
				w.report("change %d", n)
			}
		})
	}
}

// The judge must see a missing sync of what only the second copy needs.
func TestJudgeCatchesMissingCopySync(t *testing.T) {
	t.Parallel()
	for name, match := range map[string]struct {
		kind faultfs.Op
		glob string
	}{
		"objects":           {faultfs.Sync, "building/*.copy/*.json.gz"},
		"manifest":          {faultfs.Sync, "building/*.copy/manifest.json"},
		"names of the copy": {faultfs.SyncDir, "building/*.copy"},
		"name of the copy":  {faultfs.SyncDir, "building"},
	} {
		t.Run(name, func(t *testing.T) {
			deaf := func(k faultfs.Op, p string) bool {
				ok, err := path.Match(path.Join(root, match.glob), p)
				return err == nil && ok && k == match.kind
			}
			for n := 38; ; n++ {
				for seed := range uint64(6) {
					w, f, done := copyingWorld(t).crashAt(n, deaf)
					if done {
						t.Fatal("no crash point showed the missing sync")
					}
					w.finish(f.PowerLoss(seed))
					for _, fault := range w.faults {
						if strings.Contains(fault, "second copy") {
							t.Logf("change %d, seed %d: %s", n, seed, fault)
							return
						}
					}
				}
			}
		})
	}
}

// Every operation fails once: what concerns the copy alone never costs the lake anything, and is either copied or counted.
func TestCopiesEveryOperationFailsOnce(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC} {
		t.Run(errno.Error(), func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n++ {
				w, f := copyingWorld(t), faultfs.New()
				f.Inject(faultfs.Fault{Op: faultfs.Change, N: n, Err: errno})
				w.attempts(f, 3)
				struck := f.Count(faultfs.Change) >= n
				f.Heal()
				w.requeueAll(f)
				if err := w.daemon(f); err != nil { // a copy that waited beside its batch
					w.fault("again: %v", err)
				}
				w.judgeDisk(f)
				w.judgeEnd(f)
				w.report("operation %d", n)
				if !struck {
					return
				}
			}
		})
	}
}

// commitWithCopy commits one batch with one object and one file of second copy.
func commitWithCopy(t *testing.T, s *spool.Spool, n int) error {
	t.Helper()
	b, err := s.Begin()
	must(t, err)
	f, err := b.CreateCopy("0.json.gz")
	if err == nil {
		_, err = io.WriteString(f, fmt.Sprintf("copy %d", n))
		must(t, err)
		must(t, f.Close())
		must(t, b.SealCopy([]spool.Object{{File: "0.json.gz", Destination: otherDest, Source: "copy", Key: fmt.Sprint(n), Rows: 1, Bytes: f.Size(), SHA256: f.Sum()}}))
	}
	finish(t, s, b, n)
	return err
}

func TestCopiesHoldNothingBack(t *testing.T) {
	f := faultfs.New()
	opt := options(f)
	opt.MaxSize, opt.CopyMaxSize = 1<<20, 10
	s := mustOpen(t, opt)
	must(t, commitWithCopy(t, s, 1))
	must(t, commitWithCopy(t, s, 2))
	ackAll(t, s)
	if got := len(s.Pending()); got != 0 {
		t.Errorf("%d objects wait for the lake, want 0: their copies are not acknowledged", got)
	}
	if u, err := s.Usage(); err != nil || u.Waiting != 0 {
		t.Errorf("usage %+v, %v, want nothing waiting", u, err)
	}
	var full *spool.FullError
	if err := commitWithCopy(t, s, 3); !errors.As(err, &full) || full.Why != "copy.max_size" {
		t.Errorf("third copy: %v, want copy.max_size", err)
	}
	ackAll(t, s)
	for _, ref := range s.Copies().Pending() {
		must(t, s.Copies().Ack(ref))
	}
	must(t, commitWithCopy(t, s, 4))
	must(t, s.Close())
	if err := s.Copies().Ack(spool.Ref{Seq: 4}); !errors.Is(err, spool.ErrClosed) {
		t.Errorf("acknowledged after Close: %v, want ErrClosed", err)
	}
	st, err := spool.ReadFS(f, root)
	must(t, err)
	if want := (spool.CopyUsage{Objects: 1, Bytes: 6}); st.Copies != want {
		t.Errorf("queue %+v, want %+v", st.Copies, want)
	}
}

func TestDamagedCopyIsSetAside(t *testing.T) {
	for name, damage := range map[string]func(f *faultfs.FS){
		"object missing": func(f *faultfs.FS) { must(t, f.Remove(path.Join(root, "copies/000000000001/0.json.gz"))) },
		"object shorter": func(f *faultfs.FS) {
			must(t, f.Remove(path.Join(root, "copies/000000000001/0.json.gz")))
			writeFile(t, f, "copies/000000000001/0.json.gz", "x")
		},
		"manifest broken": func(f *faultfs.FS) {
			must(t, f.Remove(path.Join(root, "copies/000000000001/manifest.json")))
			writeFile(t, f, "copies/000000000001/manifest.json", "{}")
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := faultfs.New()
			s := mustOpen(t, options(f))
			must(t, commitWithCopy(t, s, 1))
			must(t, commitWithCopy(t, s, 2))
			must(t, s.Close())
			damage(f)
			s = mustOpen(t, options(f))
			defer s.Close() //nolint:errcheck // only the lock
			for _, ref := range s.Copies().Pending() {
				body, _, err := s.Copies().OpenObject(ref)
				if errors.Is(err, spool.ErrCorrupt) {
					must(t, s.Copies().Quarantine(ref.Seq, err.Error()))
					continue
				}
				must(t, err)
				must(t, body.Close())
			}
			if got := seqsOf(s.Copies().Pending()); len(got) != 1 || got[0] != 2 {
				t.Errorf("waiting %v, want batch 2 alone", got)
			}
			if _, err := f.Stat(path.Join(root, "copies/000000000001.bad")); errors.Is(err, fs.ErrNotExist) {
				t.Error("nothing set aside as .bad")
			}
			if got := len(s.Pending()); got == 0 {
				t.Error("the lake's own objects are gone")
			}
		})
	}
}
