package backfill

import (
	"context"
	"io/fs"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"wazuh-security-lake/lake"
	"wazuh-security-lake/spool"
)

// badDisk fails one fsync of an object, or all from one on.
type badDisk struct {
	spool.OS
	syncs atomic.Int64
	at    int64
	ever  bool
}

func (d *badDisk) OpenFile(name string, flag int, perm fs.FileMode) (spool.Handle, error) {
	h, err := d.OS.OpenFile(name, flag, perm)
	if err == nil && strings.HasSuffix(name, ".parquet") {
		h = &badFile{h, d}
	}
	return h, err
}

type badFile struct {
	spool.Handle
	disk *badDisk
}

func (f *badFile) Sync() error {
	if n := f.disk.syncs.Add(1); n == f.disk.at || f.disk.ever && n > f.disk.at {
		return syscall.EIO
	}
	return f.Handle.Sync()
}

// manyBatches seals after a few lines, so that a failure comes in the middle of a file.
func manyBatches() Options {
	opt := options()
	opt.Relay.MaxObjectSize = 1 << 10
	opt.Relay.Encoder = lake.Options{RowGroupBytes: 8 << 10}
	return opt
}

// A batch that cannot be written once is read again from the last commit: every line ends in one batch.
func TestRunReadsAgainAfterAFailedWrite(t *testing.T) {
	for _, at := range []int64{1, 2, 4} {
		w := newWorld(t)
		w.file(day14+".gz", alerts("a", 600))
		w.file(day15, alerts("b", 600))
		w.file(day16, alerts("d", 1))
		w.live(day16)
		k := w.known()
		p := Range(k, w.owner(k), w.tree())
		spools, err := OpenSpools(w.state, "job", 1, spool.Options{FS: &badDisk{at: at}})
		w.must(err)
		opt := manyBatches()
		opt.Spools = spools.Workers
		res, err := Run(context.Background(), opt, p.Groups, &Progress{})
		w.must(err)
		w.must(spools.Close())
		if res.Counts.Shipped != 1200 {
			t.Errorf("fsync %d failed: got %d lines committed, want 1200 once", at, res.Counts.Shipped)
		}
		k = w.known()
		w.want(Range(k, w.owner(k), w.tree()))
		batches := 0
		for _, h := range k.Histories {
			batches += len(h.Past)
		}
		if batches < 4 {
			t.Fatalf("got %d batches: the failure does not come in the middle", batches)
		}
	}
}

// A disk that never writes ends the run with its error; what was committed before stays.
func TestRunEndsWhenNothingCanBeWritten(t *testing.T) {
	w := newWorld(t)
	w.file(day14, alerts("a", 3000))
	k := w.known()
	spools, err := OpenSpools(w.state, "job", 1, spool.Options{FS: &badDisk{at: 2, ever: true}})
	w.must(err)
	opt := manyBatches()
	opt.Spools = spools.Workers
	res, err := Run(context.Background(), opt, Range(k, w.owner(k), w.tree()).Groups, &Progress{})
	if err == nil || !strings.Contains(err.Error(), "input/output error") {
		t.Errorf("got %v, want the disk's error", err)
	}
	w.must(spools.Close())
	if a, err := Account(w.state); err != nil || a.Read != res.Counts.Read || a.Read == 0 || a.Read == 3000 {
		t.Errorf("got %+v, %v beside %+v", a, err, res.Counts)
	}
}

// A run that is stopped in the middle seals what it has read, and the next one goes on there.
func TestRunStoppedAndContinued(t *testing.T) {
	w := newWorld(t)
	w.file(day14+".gz", alerts("a", 5000))
	total := int64(0)
	for round := 0; ; round++ {
		k := w.known()
		p := Range(k, w.owner(k), w.tree())
		if len(p.Groups) == 0 {
			break
		}
		if round > 100 {
			t.Fatal("it does not come to an end")
		}
		spools, err := OpenSpools(w.state, "job", 1, spool.Options{})
		w.must(err)
		ctx, cancel := context.WithCancel(context.Background())
		opt := options()
		opt.Spools = spools.Workers
		seen := 0
		opt.Relay.Progress = func() {
			if seen++; seen == 3 { // the loop of the relay has turned: some lines were read
				cancel()
			}
		}
		res, err := Run(ctx, opt, p.Groups, &Progress{})
		w.must(err)
		total += res.Counts.Read
		w.must(spools.Close())
		cancel()
		if round == 0 && (res.Groups != 0 || res.Counts.Read == 0) {
			t.Fatalf("got %+v, want a part of the file", res)
		}
	}
	if total != 5000 {
		t.Errorf("got %d lines in all runs, want 5000", total)
	}
}

func TestAccountNamesTheSpoolThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	w.must(spool.OS{}.Mkdir(w.state, 0o750))
	if a, err := Account(w.state); err != nil || a != (spool.Account{}) {
		t.Errorf("no job: got %+v, %v", a, err)
	}
	spools, err := OpenSpools(w.state, "job", 1, spool.Options{})
	w.must(err)
	w.must(spools.Close())
	dirs, err := SpoolDirs(w.state)
	w.must(err)
	if len(dirs) != 1 || dirs[0] != filepath.Join(Dir(w.state), "job", "01") {
		t.Errorf("got %v", dirs)
	}
}
