package spool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"wazuh-security-lake/spool"
	"wazuh-security-lake/test/faultfs"
)

func mustOpen(tb testing.TB, opt spool.Options) *spool.Spool {
	tb.Helper()
	s, err := spool.Open(root, opt)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// commit makes one batch of one object with n lines, for bucket.
func commit(tb testing.TB, s *spool.Spool, n int) spool.Manifest {
	tb.Helper()
	b, err := s.Begin()
	must(tb, err)
	return finish(tb, s, b, n)
}

func finish(tb testing.TB, s *spool.Spool, b *spool.Batch, n int) spool.Manifest {
	tb.Helper()
	last, _ := s.LastManifest()
	from := last.Totals.Read
	m := spool.Manifest{
		Position: json.RawMessage(fmt.Sprintf(`{"next":%d}`, from+int64(n))),
		Ranges:   []spool.Range{{File: "f", Head: "h", From: from, To: from + int64(n)}},
		Counts:   spool.Counts{Read: int64(n), Shipped: int64(n)},
	}
	if n > 0 {
		f, err := b.Create("0.parquet")
		must(tb, err)
		_, err = f.Write([]byte(strings.Repeat("PAR1", n)))
		must(tb, err)
		must(tb, f.Close())
		m.Objects = []spool.Object{{File: "0.parquet", Destination: bucket, Source: "a", Key: fmt.Sprintf("k%d", b.Seq()), Rows: int64(n)}}
	}
	must(tb, b.Commit(m))
	m, _ = s.LastManifest()
	return m
}

func ackAll(tb testing.TB, s *spool.Spool) {
	tb.Helper()
	for _, ref := range s.Pending() {
		must(tb, s.Ack(ref))
	}
}

func seqsOf(refs []spool.Ref) (out []uint64) {
	for _, r := range refs {
		out = append(out, r.Seq)
	}
	return out
}

func TestHappyPathOnDisk(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "state")
	s, err := spool.Open(dir, spool.Options{})
	must(t, err)
	must(t, s.PinSources([]spool.SourcePin{{Name: "wazuh", Class: "security_finding", OCSFVersion: "1.1.0", SchemaHash: "x"}}))
	b, err := s.Begin()
	must(t, err)
	for _, name := range []string{"0.parquet", "1.parquet"} {
		f, err := b.Create(name)
		must(t, err)
		_, err = io.WriteString(f, "PAR1"+name)
		must(t, err)
		must(t, f.Close())
	}
	must(t, b.Reject(spool.Reject{Reason: "not_json", File: "f", Line: []byte("\xff")}))
	must(t, b.Commit(spool.Manifest{
		Position: json.RawMessage(`{"offset":7}`),
		Counts:   spool.Counts{Read: 3, Shipped: 2, Rejected: 1},
		Objects:  []spool.Object{{File: "0.parquet", Key: "k0", Rows: 1}, {File: "1.parquet", Key: "k1", Rows: 1}},
	}))
	must(t, s.Ack(s.Pending()[0]))
	modes := map[string]fs.FileMode{
		"": 0o750, "lock": 0o640, "instance": 0o640, "sources.json": 0o640, "outbox": 0o750, "ledger": 0o750, "rejects": 0o750, "quarantine": 0o750,
		"outbox/000000000001": 0o750, "outbox/000000000001/manifest.json": 0o640, "outbox/000000000001/0.parquet": 0o600,
		"outbox/000000000001/rejects.ndjson": 0o600, "outbox/000000000001/acks": 0o640,
	}
	checkModes(t, dir, modes)

	st, err := spool.Read(dir) // beside the running process
	must(t, err)
	if want := (spool.Account{Read: 3, Shipped: 1, Rejected: 1, Pending: 1}); st.Account != want {
		t.Errorf("got account %+v, want %+v", st.Account, want)
	}
	if _, err := spool.Open(dir, spool.Options{}); err == nil {
		t.Error("second Open got the lock")
	} else if locked := (*spool.LockedError)(nil); !errors.As(err, &locked) || locked.Holder != os.Getpid() {
		t.Errorf("got %v, want LockedError of process %d", err, os.Getpid())
	}
	must(t, s.Close())

	s, err = spool.Open(dir, spool.Options{})
	must(t, err)
	if got := s.Pending(); len(got) != 1 || got[0].Object.File != "1.parquet" {
		t.Fatalf("got %+v, want the second object only", got)
	}
	f, size, err := s.OpenObject(s.Pending()[0])
	must(t, err)
	data, err := io.ReadAll(f)
	must(t, errors.Join(err, f.Close()))
	if string(data) != "PAR11.parquet" || size != int64(len(data)) {
		t.Errorf("got %q, %d bytes", data, size)
	}
	must(t, s.Ack(s.Pending()[0]))
	checkModes(t, dir, map[string]fs.FileMode{
		"shipped/000000000001/manifest.json": 0o640, "ledger/" + time.Now().UTC().Format("2006-01") + ".ndjson": 0o640,
		"rejects/000000000001.ndjson": 0o600,
	})
	if _, err := os.Stat(filepath.Join(dir, "shipped/000000000001/0.parquet")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Parquet is still there: %v", err)
	}
	var rejects []spool.Reject
	must(t, spool.Rejects(dir, func(_ uint64, r spool.Reject) error { rejects = append(rejects, r); return nil }))
	if len(rejects) != 1 || string(rejects[0].Line) != "\xff" {
		t.Errorf("got rejects %+v", rejects)
	}
	m, _ := s.LastManifest()
	if string(m.Position) != `{"offset":7}` {
		t.Errorf("got position %s", m.Position)
	}
	must(t, s.Close())
}

func checkModes(t *testing.T, dir string, want map[string]fs.FileMode) {
	t.Helper()
	for name, mode := range want {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != mode {
			t.Errorf("%s: got mode %v, want %v", name, info.Mode().Perm(), mode)
		}
	}
}

func TestBatchContract(t *testing.T) {
	t.Parallel()
	pos := json.RawMessage(`1`)
	tests := map[string]struct {
		files []string
		open  bool
		m     spool.Manifest
	}{
		"counts do not add up":     {m: spool.Manifest{Position: pos, Counts: spool.Counts{Read: 2, Shipped: 1}}},
		"no position":              {m: spool.Manifest{}},
		"null position":            {m: spool.Manifest{Position: json.RawMessage(` null`)}},
		"reject not recorded":      {m: spool.Manifest{Position: pos, Counts: spool.Counts{Read: 1, Rejected: 1}}},
		"file not in manifest":     {files: []string{"0.parquet"}, m: spool.Manifest{Position: pos}},
		"object without file":      {m: spool.Manifest{Position: pos, Objects: []spool.Object{{File: "0.parquet"}}}},
		"object named twice":       {files: []string{"0.parquet"}, m: spool.Manifest{Position: pos, Objects: []spool.Object{{File: "0.parquet"}, {File: "0.parquet"}}}},
		"file still open":          {files: []string{"0.parquet"}, open: true, m: spool.Manifest{Position: pos, Objects: []spool.Object{{File: "0.parquet"}}}},
		"hash of something else":   {files: []string{"0.parquet"}, m: spool.Manifest{Position: pos, Objects: []spool.Object{{File: "0.parquet", SHA256: "00"}}}},
		"object outside the spool": {files: []string{"0.parquet"}, m: spool.Manifest{Position: pos, Objects: []spool.Object{{File: "../0.parquet"}}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			f := faultfs.New()
			s := mustOpen(t, options(f))
			b, err := s.Begin()
			must(t, err)
			for _, n := range tc.files {
				h, err := b.Create(n)
				must(t, err)
				if !tc.open {
					must(t, h.Close())
				}
			}
			if err := b.Commit(tc.m); err == nil {
				t.Error("commit went through")
			}
			if ents, err := f.ReadDir(path.Join(root, "building")); err != nil || len(ents) != 0 {
				t.Errorf("building/ holds %d batches, %v", len(ents), err)
			}
			if _, ok := s.LastManifest(); ok {
				t.Error("position moved")
			}
			commit(t, s, 1) // the next one is not hindered
		})
	}
	t.Run("names", func(t *testing.T) {
		s := mustOpen(t, options(faultfs.New()))
		b, err := s.Begin()
		must(t, err)
		for _, name := range []string{"", ".", "..", "a/b", `a\b`, "manifest.json", "acks", "rejects.ndjson", "x.new", "a\x00"} {
			if _, err := b.Create(name); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%q: got %v, want ErrInvalid", name, err)
			}
		}
		if _, err := s.Begin(); !errors.Is(err, spool.ErrBatchOpen) {
			t.Errorf("got %v, want ErrBatchOpen", err)
		}
		must(t, b.Discard())
		must(t, b.Discard())
		if _, err := b.Create("a"); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	})
}

// What the tailer hands over of an oversize line is its beginning, with size and hash of the whole.
func TestRejectOfACutLine(t *testing.T) {
	t.Parallel()
	f := faultfs.New()
	s := mustOpen(t, options(f))
	b, err := s.Begin()
	must(t, err)
	must(t, b.Reject(spool.Reject{Reason: "oversize", Line: make([]byte, 64<<10), Size: 17 << 20, SHA256: "of the whole"}))
	must(t, b.Commit(spool.Manifest{Position: json.RawMessage(`1`), Counts: spool.Counts{Read: 1, Rejected: 1}}))
	must(t, spool.ReadRejectsFS(f, root, func(_ uint64, r spool.Reject) error {
		if r.Line != nil || r.Size != 17<<20 || r.SHA256 != "of the whole" {
			t.Errorf("got %d bytes, size %d, hash %q; want none, %d, the one given", len(r.Line), r.Size, r.SHA256, 17<<20)
		}
		return nil
	}))
}

func TestRejectKeepsBytesWithinQuota(t *testing.T) {
	t.Parallel()
	f := faultfs.New()
	opt := options(f)
	opt.RejectQuota = 70 << 10
	s := mustOpen(t, opt)
	b, err := s.Begin()
	must(t, err)
	sizes := []int{65 << 10, 64 << 10, 10 << 10, 1 << 10} // too long, fits, over the quota, fits
	for _, n := range sizes {
		must(t, b.Reject(spool.Reject{Reason: "oversize", Line: make([]byte, n)}))
	}
	must(t, b.Commit(spool.Manifest{Position: json.RawMessage(`1`), Counts: spool.Counts{Read: 4, Rejected: 4}}))
	var got []bool
	must(t, spool.ReadRejectsFS(f, root, func(_ uint64, r spool.Reject) error {
		got = append(got, r.Line != nil)
		if r.Size != int64(sizes[len(got)-1]) || (r.Line == nil) != (r.SHA256 != "") {
			t.Errorf("reject %d: size %d, hash %q", len(got), r.Size, r.SHA256)
		}
		return nil
	}))
	if fmt.Sprint(got) != "[false true false true]" {
		t.Errorf("got bytes kept %v", got)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	f := faultfs.New()
	opt := options(f)
	opt.MaxSize, opt.Reserve = 4000, 2000
	s := mustOpen(t, opt)
	commit(t, s, 500) // 2000 bytes and a manifest
	var full *spool.FullError
	if _, err := s.Begin(); !errors.Is(err, spool.ErrFull) || !errors.As(err, &full) || full.Why != "spool.max_size" {
		t.Fatalf("got %v, want FullError by max_size", err)
	}
	b, err := s.BeginReserve()
	must(t, err)
	finish(t, s, b, 500)
	if _, err := s.BeginReserve(); !errors.Is(err, spool.ErrFull) {
		t.Fatalf("got %v, want ErrFull", err)
	}
	must(t, s.Close())
	s = mustOpen(t, opt) // the limit is counted from the disk
	if _, err := s.Begin(); !errors.Is(err, spool.ErrFull) {
		t.Fatalf("after Open: got %v, want ErrFull", err)
	}
	ackAll(t, s)
	u, err := s.Usage()
	must(t, err)
	if u.Used != 0 || u.Waiting != 0 {
		t.Errorf("got %+v after release, want nothing used", u)
	}
	commit(t, s, 1)
	must(t, s.Close())

	opt.MinFree, opt.Reserve = 8<<10, 4<<10
	opt.MaxSize = 0
	f.SetCapacity(f.Used() + 6<<10)
	s = mustOpen(t, opt)
	if _, err := s.Begin(); !errors.As(err, &full) || full.Why != "spool.min_free" {
		t.Errorf("got %v, want FullError by min_free", err)
	}
	b, err = s.BeginReserve()
	must(t, err)
	must(t, b.Discard())
}

// Limits can change while the spool is open, as a reload wants it.
func TestSetLimits(t *testing.T) {
	t.Parallel()
	opt := options(faultfs.New())
	opt.MaxSize = 1
	s := mustOpen(t, opt)
	commit(t, s, 1)
	if _, err := s.Begin(); !errors.Is(err, spool.ErrFull) {
		t.Fatalf("got %v, want ErrFull", err)
	}
	s.SetLimits(spool.Options{MaxSize: 1 << 20})
	commit(t, s, 1)
	s.SetLimits(spool.Options{MaxSize: 1 << 20, Reserve: 1<<20 - 1})
	if _, err := s.Begin(); !errors.Is(err, spool.ErrFull) {
		t.Fatalf("got %v, want ErrFull", err)
	}
	b, err := s.BeginReserve()
	must(t, err)
	must(t, b.Discard())
	must(t, s.Close())
}

// A disk without one free block: what was delivered is released all the same, and the ledger catches up.
func TestReleaseNeedsNoFreeBlock(t *testing.T) {
	t.Parallel()
	f := faultfs.New()
	s := mustOpen(t, options(f))
	for range 3 {
		commit(t, s, 2000)
	}
	f.SetCapacity(f.Used())
	before := f.Used()
	if _, err := s.Begin(); !errors.Is(err, spool.ErrFull) {
		t.Fatalf("got %v, want ErrFull", err)
	}
	refs := s.Pending()
	must(t, s.Ack(refs[0]))
	if f.Used() >= before {
		t.Errorf("got %d bytes used, want fewer than %d", f.Used(), before)
	}
	ackAll(t, s)
	lines := 0
	must(t, spool.ReadLedgerFS(f, root, func(spool.Entry) error { lines++; return nil }))
	if lines != 3 {
		t.Errorf("got %d ledger lines, want 3", lines)
	}
	commit(t, s, 1)

	// The same with a disk on which the ledger never finds a block: the directory stays, the Parquet goes.
	f.Inject(faultfs.Fault{Op: faultfs.Write, N: 1, Stuck: true, Err: errNoSpace, Path: func(p string) bool { return strings.Contains(p, "ledger") }})
	ackAll(t, s)
	commit(t, s, 1)
	if _, err := f.Stat(path.Join(root, "shipped/000000000004/0.parquet")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Parquet of batch 4 is still there: %v", err)
	}
	if _, err := f.Stat(path.Join(root, "shipped/000000000004/manifest.json")); err != nil {
		t.Errorf("manifest went before its ledger line: %v", err)
	}
	f.Heal()
	must(t, s.Settle())
	if _, err := f.Stat(path.Join(root, "shipped/000000000004")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("batch 4 is still there: %v", err)
	}
}

func TestPinSources(t *testing.T) {
	t.Parallel()
	base := spool.SourcePin{Name: "a", Class: "security_finding", OCSFVersion: "1.1.0", SchemaHash: "s1", First: json.RawMessage(`{"n":1}`)}
	tests := map[string]struct {
		change func(*spool.SourcePin)
		want   string
	}{
		"same":           {func(*spool.SourcePin) {}, ""},
		"later position": {func(p *spool.SourcePin) { p.First = json.RawMessage(`{"n":2}`) }, ""},
		"new name":       {func(p *spool.SourcePin) { p.Name, p.Class = "b", "detection_finding" }, ""},
		"class":          {func(p *spool.SourcePin) { p.Class = "detection_finding" }, "class"},
		"version":        {func(p *spool.SourcePin) { p.OCSFVersion = "1.3.0" }, "ocsf_version"},
		"schema":         {func(p *spool.SourcePin) { p.SchemaHash = "s2" }, "schema"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			f := faultfs.New()
			s := mustOpen(t, options(f))
			must(t, s.PinSources([]spool.SourcePin{base}))
			must(t, s.Close())
			s = mustOpen(t, options(f.PowerLoss(1)))
			p := base
			tc.change(&p)
			err := s.PinSources([]spool.SourcePin{p})
			var pin *spool.PinError
			if errors.As(err, &pin); (err == nil) != (tc.want == "") || pin != nil && pin.Attribute != tc.want {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestConcurrentUploaders(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, options(faultfs.New()))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				changed := s.Changed()
				for _, ref := range s.Pending() {
					f, _, err := s.OpenObject(ref)
					if errors.Is(err, spool.ErrUnknownBatch) {
						continue // another worker was faster
					}
					if err == nil {
						err = errors.Join(f.Close(), s.Ack(ref))
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
				select {
				case <-changed:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	const batches = 60
	for range batches {
		commit(t, s, 2)
	}
	for {
		changed := s.Changed()
		if len(s.Pending()) == 0 {
			break
		}
		<-changed
	}
	cancel()
	wg.Wait()
	if got, want := s.Totals(), (spool.Account{Read: 2 * batches, Shipped: 2 * batches}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	must(t, s.Close())
}

func TestCrashPointsAreMetInOrder(t *testing.T) {
	t.Parallel()
	opt := options(faultfs.New())
	var got []string
	opt.Crash = func(p string) { got = append(got, p) }
	s := mustOpen(t, opt)
	b, err := s.Begin()
	must(t, err)
	m := spool.Manifest{Position: json.RawMessage(`1`)}
	for _, name := range []string{"0", "1"} {
		h, err := b.Create(name)
		must(t, err)
		must(t, h.Close())
		m.Objects = append(m.Objects, spool.Object{File: name})
	}
	must(t, b.Commit(m))
	ackAll(t, s)
	got = append(got, "|")
	commit(t, s, 0)
	var want []string
	for _, p := range spool.CrashPoints() {
		if p == "release:done" {
			want = append(want, "|", p) // the newest batch stays until there is a higher one
			continue
		}
		want = append(want, p)
	}
	i := 0
	for _, p := range got {
		if i < len(want) && p == want[i] {
			i++
		}
	}
	if i != len(want) {
		t.Errorf("got %v, want %v in this order", got, want)
	}
}
