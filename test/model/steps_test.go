package model

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/test/faultfs"
	"wazuh-security-lake/test/replica"
)

// op is one thing that may happen. Its arguments are numbers of its own, so that steps can be left out.
type op struct {
	name   string
	weight int
	do     func(w *world, a, b int)
}

type step struct {
	op   *op
	a, b int
}

func (s step) String() string { return fmt.Sprintf("%s(%d,%d)", s.op.name, s.a, s.b) }

func ops() []*op {
	return []*op{
		{"alerts", 16, func(w *world, a, b int) {
			for i := range 1 + a%5 {
				size := 220 + (b+i*37)%400
				if b%23 == 0 && i == 0 {
					size = 8000 // oversize here
				}
				if b%307 == 0 && i == 1 {
					size = 70_000 // its bytes are not kept
				}
				_, err := w.manager.Alert(size)
				w.must(err)
			}
		}},
		{"tick", 10, func(w *world, _, _ int) { w.must(w.manager.Tick(time.Second)) }},
		{"raw", 2, func(w *world, a, _ int) {
			junk := []string{"\n", "  \t\n", "not json\n", "[1]\n", `{"timestamp":"tomorrow","id":"1"}` + "\n", "{\n"}
			w.must(w.manager.Raw([]byte(junk[a%len(junk)])))
		}},
		{"poll", 14, func(w *world, _, _ int) { w.wake() }},
		{"time", 8, func(w *world, a, _ int) { w.pass(time.Duration(1+a%40) * time.Second) }},
		{"interval", 6, func(w *world, _, _ int) { w.wake(); w.pass(w.knobs.interval) }},
		{"midnight", 2, func(w *world, a, _ int) {
			w.leave()
			y, m, d := w.manager.Now().Date()
			w.manager.SetClock(time.Date(y, m, d+1+a%2, 0, 0, 1, 0, time.UTC))
			w.manager.Event()
			w.must(w.manager.Tick(time.Second))
			w.follow()
		}},
		{"rotate", 3, func(w *world, a, _ int) { w.leave(); w.must(w.manager.Rotate(a % 2)) }},
		{"pack", 4, func(w *world, a, _ int) { w.pack(1 + a%4) }},
		{"orphan", 1, (*world).orphan},
		{"truncate", 1, (*world).truncate},
		{"manager", 2, func(w *world, a, _ int) {
			if a%2 == 0 {
				w.must(w.manager.Stop())
			} else {
				w.must(w.manager.Kill())
			}
			w.must(w.history.look(w.manager))
			w.must(w.manager.Start())
		}},
		{"clock", 1, func(w *world, a, b int) {
			back := -time.Duration(a%40) * time.Hour
			if b%3 == 0 { // far ahead: analysisd stamps alerts that nobody believes
				back = 100 * time.Hour
				w.ahead = true
			}
			w.leave()
			w.manager.SetClock(w.manager.Now().Add(back))
			w.manager.Event()
			w.must(w.manager.Tick(time.Second))
		}},
		{"restart", 3, func(w *world, a, _ int) {
			w.stop()
			if a%2 == 0 {
				w.start()
			}
		}},
		{"start", 5, func(w *world, _, _ int) { w.start() }},
		{"kill", 3, func(w *world, a, _ int) {
			w.kill()
			if a%2 == 0 {
				w.start()
			}
		}},
		{"killAt", 8, func(w *world, a, _ int) { w.fs.Inject(faultfs.Fault{Op: faultfs.Change, N: 1 + a%40, Kill: true}) }},
		{"power", 3, func(w *world, a, b int) {
			w.powerLoss(uint64(a))
			if b%2 == 0 {
				w.start()
			}
		}},
		{"powerAt", 4, func(w *world, a, b int) {
			w.fs.Inject(faultfs.Fault{Op: faultfs.Change, N: 1 + a%40, Kill: true})
			w.wake()
			w.pass(w.knobs.interval)
			w.powerLoss(uint64(b))
			w.start()
		}},
		{"eio", 7, func(w *world, a, b int) {
			kinds := []faultfs.Op{faultfs.Create, faultfs.Write, faultfs.Sync, faultfs.SyncDir, faultfs.Rename, faultfs.Remove, faultfs.Mkdir, faultfs.Change}
			w.fs.Inject(faultfs.Fault{Op: kinds[a%len(kinds)], N: 1 + b%8, Err: syscall.EIO, Short: a%3 == 0})
		}},
		{"stuck", 1, func(w *world, a, b int) {
			kinds := []faultfs.Op{faultfs.Create, faultfs.Write, faultfs.Sync, faultfs.Change}
			w.fs.Inject(faultfs.Fault{Op: kinds[a%len(kinds)], N: 1 + b%12, Err: syscall.EIO, Stuck: true})
		}},
		{"full", 2, func(w *world, a, _ int) { w.fs.SetCapacity(w.fs.Used() + int64(a%12)*4096) }},
		{"heal", 4, func(w *world, _, _ int) { w.fs.Heal(); w.fs.SetCapacity(-1) }},
		{"bucket", 6, func(w *world, a, b int) {
			w.bucket.plan([]fate{failIt, loseAnswer, throttleIt, conflictIt, killAfter}[a%5], 1+b%3)
		}},
		{"flush", 3, func(w *world, _, _ int) { w.flush() }},
		{"filter", 2, func(w *world, a, _ int) { w.reload(a%3 > 0) }},
	}
}

// flush is SIGUSR1. It must answer.
func (w *world) flush() {
	if w.d == nil {
		return
	}
	done := make(chan error, 1)
	ctx := w.d.ctx
	relay := w.d.relay
	go func() { done <- relay.Flush(ctx) }()
	w.rest()
	if w.d == nil {
		<-done // its context ended with the process
		return
	}
	select {
	case <-done: // an error is the disk's
	default:
		w.fault("flush does not return")
	}
}

// leave notes the file being written as one that is about to be left behind.
func (w *world) leave() {
	for part := range 60 {
		if replica.Name(w.manager.Now(), part) == w.manager.File() {
			w.left = append(w.left, archive{w.manager.Now(), part, w.manager.File()})
		}
	}
}

// pack lets monitord do some of its steps: sign, create, write in thirds, unlink.
func (w *world) pack(steps int) {
	for range steps {
		if w.packing == nil && !w.packNext() {
			return
		}
		last, err := w.packing.More()
		w.must(err)
		if last {
			w.must(w.packing.Unlink())
			w.packing = nil
			return
		}
	}
}

func (w *world) packNext() bool {
	for len(w.left) > 0 {
		next := w.left[0]
		w.left = w.left[1:]
		path := filepath.Join(w.manager.Dir(), next.name)
		if next.name == w.manager.File() {
			continue // the clock went back: it is being written again
		}
		if _, err := os.Stat(path); err != nil {
			continue // it was empty and its manager removed it
		}
		if _, err := os.Stat(path + ".gz"); err == nil {
			continue // monitord would destroy the older archive: a loss of its own
		}
		w.packing = &packing{Archiver: w.manager.ArchivePart(next.day, next.part), name: next.name}
		w.must(w.packing.Sign())
		w.must(w.packing.Begin())
		return true
	}
	return false
}

// orphan is an idle manager over midnight: monitord compresses and unlinks the file that analysisd still has open. What
// comes then stands in an inode that has only the name alerts.json.
func (w *world) orphan(_, _ int) {
	path := filepath.Join(w.manager.Dir(), w.manager.File())
	if _, err := os.Stat(path); err != nil || w.packing != nil {
		return
	}
	if _, err := os.Stat(path + ".gz"); err == nil {
		return
	}
	w.must(w.manager.Flush())
	w.must(w.history.look(w.manager))
	cur := w.history.last[w.manager.File()]
	if cur == nil || len(cur.content) == 0 || cur.content[len(cur.content)-1] != '\n' {
		return
	}
	for part := range 60 {
		if replica.Name(w.manager.Now(), part) == w.manager.File() {
			w.must(w.manager.ArchivePart(w.manager.Now(), part).All())
			cur.orphan, cur.orphanStep = len(cur.content), w.step
			return
		}
	}
}

// truncate is an administrator's "> alerts.json", or what a power loss leaves of a file that was never fsynced.
func (w *world) truncate(a, b int) {
	if cur := w.history.last[w.manager.File()]; cur != nil && cur.orphan >= 0 {
		return
	}
	w.must(w.history.look(w.manager))
	size := 0
	if cur := w.history.last[w.manager.File()]; cur != nil {
		size = len(cur.content)
	}
	n := 0
	if a%2 == 0 && size > 0 {
		n = b % size
	}
	w.must(w.history.truncate(w.manager, int64(n)))
}

// generate makes the sequence of a seed.
func generate(seed uint64) (knobs, []step) {
	r := rand.New(rand.NewPCG(seed, 0xa1e27))
	k := knobs{interval: 30 * time.Second, maxObject: 64 << 20}
	switch r.IntN(4) {
	case 0:
		k.maxObject = 30 << 10
	case 1:
		k.maxSpool, k.reserve = 120<<10, 20<<10
	case 2:
		k.minSize = 20 << 10
	}
	var all []*op
	for _, o := range ops() {
		for range o.weight {
			all = append(all, o)
		}
	}
	steps := make([]step, 12+r.IntN(30))
	for i := range steps {
		steps[i] = step{all[r.IntN(len(all))], r.IntN(1 << 20), r.IntN(1 << 20)}
	}
	return k, steps
}

// script makes a sequence of the named steps with random arguments.
func script(tb testing.TB, names string, seed uint64) []step {
	tb.Helper()
	r := rand.New(rand.NewPCG(seed, 0x5c717))
	byName := map[string]*op{}
	for _, o := range ops() {
		byName[o.name] = o
	}
	var steps []step
	for name := range strings.FieldsSeq(names) {
		o := byName[name]
		if o == nil {
			tb.Fatalf("no step %q", name)
		}
		steps = append(steps, step{o, r.IntN(1 << 20), r.IntN(1 << 20)})
	}
	return steps
}

func show(steps []step) string {
	var b strings.Builder
	for i, s := range steps {
		fmt.Fprintf(&b, "%3d %v\n", i, s)
	}
	return b.String()
}
