package tailer

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"wazuh-security-lake/test/replica"
)

// TestModel lets a manager, a monitord and a reader do what they may do in any order, the reader also crashing back to
// its last committed position, and asks the judge whether every alert arrived exactly once.
func TestModel(t *testing.T) {
	runs := 80
	if testing.Short() {
		runs = 20
	}
	for seed := range runs {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { model(t, uint64(seed)) })
	}
}

func model(t *testing.T, seed uint64) {
	f := newFollow(t, false)
	r := rand.New(rand.NewPCG(seed, 1))
	f.opt.MaxLine = 6 << 10 // some alerts are longer
	var log []string
	defer func() {
		if t.Failed() {
			t.Logf("seed %d: %v", seed, log)
		}
	}()
	type committed struct {
		lines int
		ends  map[string]int64
		pos   Position
	}
	var last committed
	commit := func() {
		ends := map[string]int64{}
		for k, v := range f.ends {
			ends[k] = v
		}
		last = committed{len(f.lines), ends, f.tail.Position()}
	}
	type dayPart struct {
		day  time.Time
		part int
		name string
	}
	var left []dayPart // files to compress: none that is written, and none twice
	leave := func(name string) {
		for part := range 40 {
			if replica.Name(f.mgr.Now(), part) == name {
				left = append(left, dayPart{f.mgr.Now(), part, name})
			}
		}
	}
	compress := func() {
		if len(left) == 0 {
			return
		}
		i := r.IntN(len(left))
		a := left[i]
		left = append(left[:i], left[i+1:]...)
		if a.name == f.mgr.File() {
			return
		}
		if _, err := os.Stat(filepath.Join(f.mgr.Dir(), a.name+".gz")); err == nil {
			return // monitord would destroy the older archive: a loss of its own
		}
		// An empty file was unlinked by its manager: nothing to compress.
		_ = f.mgr.ArchivePart(a.day, a.part).All()
	}
	f.ok(f.mgr.Start())
	f.open()
	f.drain()
	commit()
	for range 20 + r.IntN(60) {
		op := r.IntN(14)
		log = append(log, fmt.Sprint(op))
		switch op {
		case 0, 1, 2:
			for range r.IntN(12) {
				_, err := f.mgr.Alert(150 + r.IntN(400) + 8000*(r.IntN(12)/11))
				f.ok(err)
			}
		case 3:
			f.second()
		case 4, 5:
			for range r.IntN(20) {
				if !f.step() {
					break
				}
			}
		case 6:
			f.drain()
		case 7:
			commit()
		case 8: // crash: what was not committed is forgotten
			f.ok(f.tail.Close())
			f.lines, f.ends = f.lines[:last.lines], last.ends
			f.opt.Position = last.pos
			f.open()
			commit()
		case 9:
			leave(f.mgr.File())
			f.midnight()
		case 10:
			leave(f.mgr.File())
			f.ok(f.mgr.Rotate(r.IntN(2)))
		case 11:
			if r.IntN(2) == 0 {
				f.ok(f.mgr.Stop())
			} else {
				f.ok(f.mgr.Kill())
			}
			f.ok(f.mgr.Start())
		case 12:
			compress()
		case 13:
			if r.IntN(3) > 0 {
				continue
			}
			// Back over midnight, perhaps over several.
			f.mgr.SetClock(f.mgr.Now().Add(-time.Duration(r.IntN(40)) * time.Hour))
			f.mgr.Event()
			f.second()
		}
	}
	f.alerts(1)
	f.second()
	f.drain()
	// A file that was written while the clock was wrong, and left again between two looks, is found within a minute.
	f.ok(f.mgr.Tick(detourInterval))
	f.drain()
	f.judgeOversize()
	if len(f.gaps) > 0 || len(f.faults) > 0 {
		t.Errorf("gaps %v, faults %v, want none", f.gaps, f.faults)
	}
}

// judgeOversize counts an alert that came as oversize reject by what its beginning tells, then judges as usual.
func (f *follow) judgeOversize() {
	f.Helper()
	got := f.ids()
	for _, l := range f.lines {
		if l.Reject == RejectOversize {
			if id := idOf([]byte(string(l.Data) + `"}`)); id != "" {
				got[id]++
			}
		}
	}
	for id := range f.mgr.Visible() {
		if n := got[id]; n != 1 {
			f.Errorf("alert %s (%s) arrived %d times, want once", id, f.mgr.Alerts()[id].File, n)
		}
	}
}
