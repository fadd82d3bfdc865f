package spool_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/spool"
	"wazuh-security-lake/test/faultfs"
)

const errNoSpace = syscall.ENOSPC

func writeFile(tb testing.TB, f *faultfs.FS, name, content string) {
	tb.Helper()
	_ = f.Remove(path.Join(root, name)) // may not be there
	h, err := f.OpenFile(path.Join(root, name), os.O_WRONLY|os.O_CREATE, 0o640)
	must(tb, err)
	_, err = h.Write([]byte(content))
	must(tb, errors.Join(err, h.Close()))
}

func readFile(tb testing.TB, f *faultfs.FS, name string) string {
	tb.Helper()
	data, err := readAll(f, path.Join(root, name))
	must(tb, err)
	return string(data)
}

func removeTree(tb testing.TB, f *faultfs.FS, name string) {
	tb.Helper()
	entries, err := f.ReadDir(path.Join(root, name))
	must(tb, err)
	for _, e := range entries {
		if e.IsDir() {
			removeTree(tb, f, path.Join(name, e.Name()))
			continue
		}
		must(tb, f.Remove(path.Join(root, name, e.Name())))
	}
	must(tb, f.Remove(path.Join(root, name)))
}

// three returns a closed spool: 1 released and gone, 2 released and kept, 3, 4 and 5 waiting.
func three(tb testing.TB) *faultfs.FS {
	tb.Helper()
	f := faultfs.New()
	s := mustOpen(tb, options(f))
	for range 2 {
		commit(tb, s, 10)
	}
	ackAll(tb, s)
	for range 3 {
		commit(tb, s, 10)
	}
	must(tb, s.Close())
	return f
}

func TestDamagedBatch(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		damage  func(t *testing.T, f *faultfs.FS)
		seq     uint64 // in quarantine afterwards
		waiting []uint64
		next    string // position
		gaps    []spool.Gap
	}{
		"object missing": {
			func(t *testing.T, f *faultfs.FS) { must(t, f.Remove(path.Join(root, "outbox/000000000004/0.parquet"))) },
			4, []uint64{3, 5}, `{"next":50}`, []spool.Gap{{Range: spool.Range{File: "f", Head: "h", From: 30, To: 40}}},
		},
		"object of another size": {
			func(t *testing.T, f *faultfs.FS) { writeFile(t, f, "outbox/000000000003/0.parquet", "x") },
			3, []uint64{4, 5}, `{"next":50}`, []spool.Gap{{Range: spool.Range{File: "f", Head: "h", From: 20, To: 30}}},
		},
		"newest, object missing: the position stays": {
			func(t *testing.T, f *faultfs.FS) { must(t, f.Remove(path.Join(root, "outbox/000000000005/0.parquet"))) },
			5, []uint64{3, 4}, `{"next":50}`, []spool.Gap{{Range: spool.Range{File: "f", Head: "h", From: 40, To: 50}}},
		},
		"manifest missing: ranges from the neighbours": {
			func(t *testing.T, f *faultfs.FS) {
				must(t, f.Remove(path.Join(root, "outbox/000000000004/manifest.json")))
			},
			4, []uint64{3, 5}, `{"next":50}`, []spool.Gap{{Range: spool.Range{File: "f", Head: "h", From: 30, To: 40}}},
		},
		"one bit of the manifest": {
			func(t *testing.T, f *faultfs.FS) {
				name := "outbox/000000000004/manifest.json"
				writeFile(t, f, name, strings.Replace(readFile(t, f, name), `"rows":10`, `"rows":11`, 1))
			},
			4, []uint64{3, 5}, `{"next":50}`, []spool.Gap{{Range: spool.Range{File: "f", Head: "h", From: 30, To: 40}}},
		},
		"manifest of another batch": {
			func(t *testing.T, f *faultfs.FS) {
				writeFile(t, f, "outbox/000000000004/manifest.json", readFile(t, f, "outbox/000000000003/manifest.json"))
			},
			4, []uint64{3, 5}, `{"next":50}`, []spool.Gap{{Range: spool.Range{File: "f", Head: "h", From: 30, To: 40}}},
		},
		"newest, manifest torn: read again": {
			func(t *testing.T, f *faultfs.FS) {
				writeFile(t, f, "outbox/000000000005/manifest.json", `{"version":1,`)
			},
			5, []uint64{3, 4}, `{"next":40}`, nil,
		},
		"bad sector under a manifest": {
			func(t *testing.T, f *faultfs.FS) {
				f.Inject(faultfs.Fault{Op: faultfs.Read, N: 1, Err: syscall.EIO, Path: func(p string) bool { return strings.Contains(p, "000000000004/man") }})
			},
			4, []uint64{3, 5}, `{"next":50}`, []spool.Gap{{Range: spool.Range{File: "f", Head: "h", From: 30, To: 40}}},
		},
	}
	for name, tc := range tests {
		for _, fullDisk := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", ledger full"}[fullDisk], func(t *testing.T) {
				f := three(t)
				tc.damage(t, f)
				if fullDisk {
					f.Inject(faultfs.Fault{Op: faultfs.Write, N: 1, Stuck: true, Err: syscall.ENOSPC, Path: func(p string) bool { return strings.Contains(p, "ledger") }})
				}
				s := mustOpen(t, options(f))
				if got := seqsOf(s.Pending()); !slices.Equal(got, tc.waiting) {
					t.Errorf("got waiting %v, want %v", got, tc.waiting)
				}
				m, _ := s.LastManifest()
				if string(m.Position) != tc.next {
					t.Errorf("got position %s, want %s", m.Position, tc.next)
				}
				must(t, s.Close())
				f.Heal()
				s = mustOpen(t, options(f)) // a second start changes nothing any more
				if got := commit(t, s, 10); got.Seq != 6 {
					t.Errorf("got number %d, want 6", got.Seq)
				}
				a := s.Totals()
				if a.Read != a.Shipped+a.Filtered+a.Rejected+a.Quarantined+a.Pending {
					t.Errorf("account does not add up: %+v", a)
				}
				if want := int64(10 * len(tc.gaps)); a.Quarantined != want {
					t.Errorf("got %d lines in quarantine, want %d", a.Quarantined, want)
				}
				gaps, err := spool.ReadGapsFS(f, root)
				must(t, err)
				for i := range gaps {
					if !strings.HasPrefix(gaps[i].Reason, "quarantined: ") {
						t.Errorf("gap without its reason: %+v", gaps[i])
					}
					gaps[i].Reason = ""
				}
				if !slices.Equal(gaps, tc.gaps) {
					t.Errorf("got gaps %+v, want %+v", gaps, tc.gaps)
				}
				if _, err := f.Stat(path.Join(root, "quarantine", "00000000000"+string(rune('0'+tc.seq)))); err != nil {
					t.Errorf("not in quarantine: %v", err)
				}
				ackAll(t, s)
				must(t, s.Close())
				st, err := spool.ReadFS(f, root)
				must(t, err)
				if st.Account != s.Totals() || st.Problem != nil {
					t.Errorf("got %+v, %v from Read, want %+v", st.Account, st.Problem, s.Totals())
				}
			})
		}
	}
}

func TestQuarantineAndRequeue(t *testing.T) {
	t.Parallel()
	f := three(t)
	sound := readFile(t, f, "outbox/000000000004/0.parquet")
	s := mustOpen(t, options(f))
	writeFile(t, f, "outbox/000000000004/0.parquet", strings.Replace(sound, "P", "Q", 1)) // same size
	faults, err := spool.VerifyFS(f, root, 4)
	must(t, err)
	if len(faults) != 1 || !errors.Is(faults[0].Err, spool.ErrCorrupt) {
		t.Fatalf("got %v, want one ErrCorrupt", faults)
	}
	must(t, s.Quarantine(4, "hash differs"))
	must(t, s.Quarantine(4, "once more"))
	if got := seqsOf(s.Pending()); !slices.Equal(got, []uint64{3, 5}) {
		t.Errorf("got waiting %v, want 3 and 5", got)
	}
	if err := s.Requeue(4); !errors.Is(err, spool.ErrCorrupt) {
		t.Errorf("got %v, want ErrCorrupt", err)
	}
	must(t, spool.ExportFS(f, root, 4, "/export"))
	if data, err := readAll(f, "/export/manifest.json"); err != nil || len(data) == 0 {
		t.Errorf("export: %v", err)
	}
	writeFile(t, f, "quarantine/000000000004/0.parquet", sound)
	must(t, s.Requeue(4))
	if got := seqsOf(s.Pending()); !slices.Equal(got, []uint64{3, 4, 5}) {
		t.Errorf("got waiting %v, want 3, 4 and 5", got)
	}
	if gaps, err := spool.ReadGapsFS(f, root); err != nil || len(gaps) != 0 {
		t.Errorf("got gaps %v, %v, want none", gaps, err)
	}
	must(t, s.Close())
	s = mustOpen(t, options(f.PowerLoss(3)))
	if got := seqsOf(s.Pending()); !slices.Equal(got, []uint64{3, 4, 5}) {
		t.Errorf("after power loss: got waiting %v, want 3, 4 and 5", got)
	}
	ackAll(t, s)
	if got, want := s.Totals(), (spool.Account{Read: 50, Shipped: 50}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Quarantine and Requeue are cut short at every operation.
func TestQuarantineKilled(t *testing.T) {
	t.Parallel()
	for _, requeue := range []bool{false, true} {
		for n := 1; ; n++ {
			f := three(t)
			s := mustOpen(t, options(f))
			if requeue {
				must(t, s.Quarantine(4, "test"))
			}
			f.Inject(faultfs.Fault{Op: faultfs.Change, N: n, Kill: true})
			var err error
			if requeue {
				err = s.Requeue(4)
			} else {
				err = s.Quarantine(4, "test")
			}
			if err == nil {
				break
			}
			f = f.PowerLoss(uint64(n))
			s = mustOpen(t, options(f))
			a := s.Totals()
			if a.Read != 50 || a.Pending+a.Quarantined != 30 || a.Shipped != 20 {
				t.Fatalf("killed at %d, requeue %v: got %+v", n, requeue, a)
			}
			must(t, s.Close())
			s = mustOpen(t, options(f))
			if b := s.Totals(); a != b {
				t.Fatalf("killed at %d, requeue %v: got %+v at the next start, want %+v", n, requeue, b, a)
			}
		}
	}
}

func TestRetarget(t *testing.T) {
	t.Parallel()
	f := three(t)
	s := mustOpen(t, options(f))
	must(t, s.Ack(s.Pending()[0]))
	n, err := s.Retarget(bucket, otherDest)
	must(t, err)
	if n != 2 {
		t.Errorf("got %d changed, want 2", n)
	}
	must(t, s.Close())
	s = mustOpen(t, options(f.PowerLoss(5)))
	for _, ref := range s.Pending() {
		if ref.Object.Destination != otherDest || ref.Object.Key == "" {
			t.Errorf("got %+v", ref.Object)
		}
	}
}

func TestRefusedStates(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(t *testing.T, f *faultfs.FS)
		want   spool.StateKind // 0: opens
		next   string
	}{
		"untouched": {func(*testing.T, *faultfs.FS) {}, 0, `{"next":50}`},
		"older directories put back, newer ledger": {func(t *testing.T, f *faultfs.FS) {
			s := mustOpen(t, options(f))
			ackAll(t, s)
			must(t, s.Close())
			for _, d := range []string{"outbox", "shipped"} {
				removeTree(t, f, d)
				must(t, f.Mkdir(path.Join(root, d), 0o750))
			}
			must(t, f.Mkdir(path.Join(root, "shipped/000000000002"), 0o750))
			old, err := spool.EncodeManifest(spool.Manifest{Version: 1, Seq: 2, Position: json.RawMessage(`{"next":20}`)})
			must(t, err)
			writeFile(t, f, "shipped/000000000002/manifest.json", string(old))
		}, spool.RolledBack, ""},
		"wiped": {func(t *testing.T, f *faultfs.FS) {
			for _, d := range []string{"outbox", "shipped", "ledger"} {
				removeTree(t, f, d)
			}
		}, spool.NoPosition, ""},
		"only the ledger left": {func(t *testing.T, f *faultfs.FS) {
			for _, d := range []string{"outbox", "shipped"} {
				removeTree(t, f, d)
			}
		}, 0, `{"next":20}`},
		"instance file lost": {func(t *testing.T, f *faultfs.FS) { must(t, f.Remove(path.Join(root, "instance"))) }, 0, `{"next":50}`},
		"ledger lost":        {func(t *testing.T, f *faultfs.FS) { removeTree(t, f, "ledger") }, 0, `{"next":50}`},
		"position-holder without manifest": {func(t *testing.T, f *faultfs.FS) {
			s := mustOpen(t, options(f))
			ackAll(t, s)
			must(t, s.Close())
			must(t, f.Remove(path.Join(root, "shipped/000000000005/manifest.json")))
		}, 0, `{"next":50}`},
		"quarantine taken away": {func(t *testing.T, f *faultfs.FS) {
			must(t, f.Remove(path.Join(root, "outbox/000000000005/0.parquet")))
			s := mustOpen(t, options(f))
			must(t, s.Close())
			removeTree(t, f, "quarantine")
		}, 0, `{"next":50}`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			f := three(t)
			id := strings.TrimSpace(readFile(t, f, "instance"))
			tc.change(t, f)
			s, err := spool.Open(root, options(f))
			if tc.want == 0 {
				must(t, err)
				m, _ := s.LastManifest()
				if string(m.Position) != tc.next || s.Instance() != id {
					t.Errorf("got position %s instance %s, want %s %s", m.Position, s.Instance(), tc.next, id)
				}
				return
			}
			var state *spool.StateError
			if !errors.As(err, &state) || state.Kind != tc.want || !strings.Contains(err.Error(), "position set") {
				t.Fatalf("got %v, want StateError %d naming `position set`", err, tc.want)
			}
			st, err := spool.ReadFS(f, root)
			must(t, err)
			if !errors.As(st.Problem, &state) {
				t.Errorf("Read says %v, want the StateError", st.Problem)
			}
			must(t, spool.SetPosition(root, json.RawMessage(`{"next":45}`), options(f)))
			s = mustOpen(t, options(f))
			m, _ := s.LastManifest()
			if string(m.Position) != `{"next":45}` || s.Instance() != id {
				t.Errorf("got position %s, instance %s", m.Position, s.Instance())
			}
			if tc.want == spool.RolledBack && m.Seq <= 5 {
				t.Errorf("number %d was used before", m.Seq)
			}
		})
	}
}

func TestYoungSpoolMayRestart(t *testing.T) {
	t.Parallel()
	f := faultfs.New()
	s := mustOpen(t, options(f))
	id := s.Instance()
	must(t, s.Close())
	f = f.PowerLoss(1)
	s = mustOpen(t, options(f))
	if s.Instance() != id {
		t.Errorf("got instance %s, want %s", s.Instance(), id)
	}
	if _, ok := s.LastManifest(); ok {
		t.Error("a position out of nowhere")
	}
}

func TestLedgerTail(t *testing.T) {
	t.Parallel()
	tests := map[string]func(line string) string{
		"half a line":       func(l string) string { return l[:len(l)/2] },
		"zeros":             func(string) string { return strings.Repeat("\x00", 300) },
		"line without end":  func(l string) string { return strings.TrimSuffix(l, "\n") },
		"duplicate":         func(l string) string { return l },
		"garbage with ends": func(string) string { return "x\ny\n\n" },
	}
	for name, tail := range tests {
		for _, stuck := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", cannot be cut"}[stuck], func(t *testing.T) {
				f := three(t)
				ledger := readFile(t, f, "ledger/2026-11.ndjson")
				line := ledger[strings.Index(ledger, "\n")+1:]
				writeFile(t, f, "ledger/2026-11.ndjson", ledger+tail(line))
				if stuck {
					f.Inject(faultfs.Fault{Op: faultfs.Truncate, N: 1, Stuck: true, Err: syscall.EIO})
				}
				s := mustOpen(t, options(f))
				ackAll(t, s)
				must(t, s.Close())
				var got []uint64
				must(t, spool.ReadLedgerFS(f, root, func(e spool.Entry) error { got = append(got, e.Seq); return nil }))
				if !slices.Equal(got, []uint64{1, 2, 3, 4, 5}) {
					t.Errorf("got %v, want every batch once", got)
				}
			})
		}
	}
}

// The clock is set back by a year and on by two: the newest file keeps the newest line.
func TestLedgerMonths(t *testing.T) {
	t.Parallel()
	f := faultfs.New()
	opt := options(f)
	for i, at := range []string{"2026-11", "2025-11", "2027-11", "2026-12"} {
		opt.Now = func() time.Time { when, _ := time.Parse("2006-01", at); return when }
		s := mustOpen(t, opt)
		if m := commit(t, s, 1); m.Seq != uint64(i+1) {
			t.Fatalf("got number %d, want %d", m.Seq, i+1)
		}
		ackAll(t, s)
		must(t, s.Close())
	}
	ents, err := f.ReadDir(path.Join(root, "ledger"))
	must(t, err)
	var got []string
	for _, e := range ents {
		got = append(got, e.Name())
	}
	if want := []string{"2026-11.ndjson", "2027-11.ndjson"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	removeTree(t, f, "shipped")
	s := mustOpen(t, opt)
	if m, _ := s.LastManifest(); m.Seq != 4 {
		t.Errorf("got number %d from the ledger, want 4", m.Seq)
	}
}

func TestUnknownVersion(t *testing.T) {
	t.Parallel()
	entry, err := spool.EncodeEntry(spool.Entry{Version: 2, Seq: 9})
	must(t, err)
	tests := map[string]struct{ file, content string }{
		"manifest":   {"outbox/000000000009/manifest.json", `{"version":2,"anything":"else"}`},
		"ledger":     {"ledger/2026-12.ndjson", string(entry) + "\n"},
		"sources":    {"sources.json", `{"version":7}`},
		"quarantine": {"quarantine/000000000009/manifest.json", `{"version":2}`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			f := three(t)
			if dir := path.Join(root, path.Dir(tc.file)); strings.Contains(tc.file, "0009") {
				must(t, f.Mkdir(dir, 0o750))
			}
			writeFile(t, f, tc.file, tc.content)
			s := mustOpen(t, options(f))
			if _, err := s.Begin(); !errors.Is(err, spool.ErrFormat) || !strings.Contains(err.Error(), path.Base(tc.file)) {
				t.Errorf("got %v, want ErrFormat naming the file", err)
			}
			if got := seqsOf(s.Pending()); !slices.Equal(got, []uint64{3, 4, 5}) {
				t.Errorf("got waiting %v, want the known ones", got)
			}
			ackAll(t, s)
			must(t, s.Close())
			if !strings.HasPrefix(readFile(t, f, tc.file), tc.content) {
				t.Error("it was not left in place")
			}
			if err := spool.SetPosition(root, json.RawMessage(`1`), options(f)); !errors.Is(err, spool.ErrFormat) {
				t.Errorf("SetPosition: got %v, want ErrFormat", err)
			}
			st, err := spool.ReadFS(f, root)
			must(t, err)
			if !errors.Is(st.Problem, spool.ErrFormat) {
				t.Errorf("Read says %v, want ErrFormat", st.Problem)
			}
		})
	}
}

func TestReadWithoutSpool(t *testing.T) {
	t.Parallel()
	if _, err := spool.Read(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
}

// The process died between the ledger line and the rename: nothing is offered to the uploader again.
func TestReleaseCutShortAfterLedgerLine(t *testing.T) {
	t.Parallel()
	f := three(t)
	s := mustOpen(t, options(f))
	f.Inject(faultfs.Fault{Op: faultfs.Rename, N: 1, Kill: true})
	if err := s.Ack(s.Pending()[0]); err != nil {
		t.Fatalf("got %v, want the failed rename to be retried later", err)
	}
	s = mustOpen(t, options(f.PowerLoss(2)))
	if got := seqsOf(s.Pending()); !slices.Equal(got, []uint64{4, 5}) {
		t.Errorf("got waiting %v, want 4 and 5", got)
	}
	if got, want := s.Totals(), (spool.Account{Read: 50, Shipped: 30, Pending: 20}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A file put back by hand was never fsynced by anybody: Requeue has to do it.
func TestRequeueMakesRestoredFilesDurable(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		f := three(t)
		s := mustOpen(t, options(f))
		sound := readFile(t, f, "outbox/000000000004/0.parquet")
		must(t, f.Remove(path.Join(root, "outbox/000000000004/0.parquet")))
		must(t, s.Quarantine(4, "missing"))
		writeFile(t, f, "quarantine/000000000004/0.parquet", sound)
		must(t, s.Requeue(4))
		f = f.PowerLoss(seed)
		if got := readFile(t, f, "outbox/000000000004/0.parquet"); got != sound {
			t.Fatalf("seed %d: got %q, want the restored file", seed, got)
		}
	}
}

// A failed fsync at Open says nothing against a batch: it must not go to quarantine, from where its lines would be read
// again although it may have been delivered.
func TestOpenDoesNotQuarantineWhatItCannotSync(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		f := faultfs.New()
		s := mustOpen(t, options(f))
		commit(t, s, 10)
		must(t, s.Close())
		f = f.Restart()
		inside := func(p string) bool { return strings.Contains(p, "/outbox/") }
		hit := false
		for _, op := range []faultfs.Op{faultfs.Sync, faultfs.SyncDir} {
			f.Inject(faultfs.Fault{Op: op, Path: func(p string) bool { hit = hit || inside(p); return inside(p) }, N: n, Err: syscall.EIO})
			s, err := spool.Open(root, options(f))
			if err == nil {
				must(t, s.Close())
			} else if !errors.Is(err, syscall.EIO) {
				t.Errorf("%s %d: %v", op, n, err)
			}
			f = f.Restart()
		}
		s = mustOpen(t, options(f))
		if got := len(s.Pending()); got != 1 {
			t.Errorf("fsync %d: %d objects wait, want 1", n, got)
		}
		must(t, s.Close())
		if n == 4 {
			if !hit {
				t.Error("no fsync inside outbox/: the test tests nothing")
			}
			return
		}
	}
}
