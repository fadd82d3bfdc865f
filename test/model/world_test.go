package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing/synctest"
	"time"

	"wazuh-security-lake/lake"
	"wazuh-security-lake/ocsf"
	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
	"wazuh-security-lake/test/faultfs"
	"wazuh-security-lake/test/replica"
	"wazuh-security-lake/uploader"
)

const (
	state   = "/var/lib/wsl" // of the spool, on faultfs
	maxLine = 6 << 10        // some alerts are longer
)

var epoch = time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)

// knobs are what differs between sequences beside their steps.
type knobs struct {
	interval  time.Duration
	minSize   int64
	maxObject int64
	maxSpool  int64
	reserve   int64
}

// breakage is a fault planted on purpose: the judge must notice.
type breakage struct {
	store func(relay.Store) relay.Store
	lines func(*tailer.Tailer) relay.Lines
	put   func(uploader.Putter) uploader.Putter
	deaf  func(kind faultfs.Op, path string) bool
}

// world is one manager, one daemon after another on one disk, and one bucket.
type world struct {
	dir     string // of the real files
	knobs   knobs
	broken  breakage
	offset  atomic.Int64 // of the wall clock to the bubble's, nanoseconds
	manager *replica.Manager
	history *history
	bucket  *bucket
	fs      *faultfs.FS
	d       *daemon
	ships   bool // the filter in force; false: nothing is selected
	sold    map[uint64]bool
	left    []archive // dated files that may be compressed
	packing *packing

	step    int
	deaths  []int // steps in which a process ended without reading on
	stats   tally
	faults  []string
	final   *spool.State
	ledger  []spool.Entry
	rejects []rejected
	ahead   bool // the manager's clock was far ahead of the daemon's
	named   int  // losses and repetitions that the tailer named
}

type rejected struct {
	seq uint64
	spool.Reject
}

// archive is a dated file that is not written any more.
type archive struct {
	day  time.Time
	part int
	name string
}

// packing is monitord at work.
type packing struct {
	*replica.Archiver
	name string
}

// tally says what a sequence was made of.
type tally struct {
	starts, crashes, losses, fatal, failedStarts, reloads, batches, puts, exists int
	alerts, excused, again, rejected, filtered, shipped                          int
}

func (t *tally) add(o tally) {
	t.starts += o.starts
	t.crashes += o.crashes
	t.losses += o.losses
	t.fatal += o.fatal
	t.failedStarts += o.failedStarts
	t.reloads += o.reloads
	t.batches += o.batches
	t.puts += o.puts
	t.exists += o.exists
	t.alerts += o.alerts
	t.excused += o.excused
	t.again += o.again
	t.rejected += o.rejected
	t.filtered += o.filtered
	t.shipped += o.shipped
}

func newWorld(dir string, k knobs, b breakage) *world {
	w := &world{dir: dir, knobs: k, broken: b, bucket: newBucket(), fs: faultfs.New(), ships: true, sold: map[uint64]bool{}}
	w.fs.Deafen(b.deaf)
	alerts := filepath.Join(dir, "alerts")
	w.manager = replica.New(alerts, epoch)
	w.history = newHistory(alerts)
	w.manager.Step = func(call string) {
		switch call {
		case "close":
			w.must(w.history.look(w.manager))
		case "open":
			w.history.opened(w.manager.File())
			if w.packing != nil && w.packing.name == w.manager.File() {
				w.packing = nil // the clock went back to it: this monitord never finishes
			}
		}
	}
	return w
}

func (w *world) fault(format string, args ...any) {
	w.faults = append(w.faults, fmt.Sprintf("step %d: ", w.step)+fmt.Sprintf(format, args...))
}

// must takes errors of the test's own machinery.
func (w *world) must(err error) {
	if err != nil {
		w.fault("test machinery: %v", err)
	}
}

// Now is the daemon's wall clock. It implements relay.Clock with Timer.
func (w *world) Now() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }

// Timer implements relay.Clock.
func (w *world) Timer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// daemon is one process.
type daemon struct {
	fs    *faultfs.FS
	spool *spool.Spool
	ended bool // its relay has ended by itself
	*generation
}

// generation is what a reload replaces.
type generation struct {
	tail                *tailer.Tailer
	relay               *relay.Relay
	wake                chan struct{}
	ctx                 context.Context // of the relay
	stopRelay, stopShip context.CancelFunc
	relayed, shipped    chan error
}

// start is exec: it opens the spool as it finds it.
func (w *world) start() {
	if w.d != nil {
		return
	}
	w.stats.starts++
	fs := w.fs
	s, err := spool.Open(state, spool.Options{FS: fs, Now: w.Now, MaxSize: w.knobs.maxSpool, Reserve: w.knobs.reserve})
	if err != nil {
		var refused *spool.StateError
		if errors.As(err, &refused) {
			w.fault("refused its own state: %v", err)
		}
		w.stats.failedStarts++
		w.reboot()
		return
	}
	w.d = &daemon{fs: fs, spool: s}
	w.generation()
}

// reboot makes the disk ready for the next process.
func (w *world) reboot() {
	w.fs = w.fs.Restart()
	w.fs.Deafen(w.broken.deaf)
}

// generation starts tailer, relay and uploader on the open spool, as the daemon does.
func (w *world) generation() {
	d := w.d
	var position tailer.Position
	if m, ok := d.spool.LastManifest(); ok {
		w.must(json.Unmarshal(m.Position, &position))
	}
	tail, err := tailer.Open(tailer.Options{
		Log:      tailer.WazuhLog{Path: w.manager.Path(), DatedDir: w.manager.Dir()},
		Position: position, StartAt: tailer.Today(), MaxLine: maxLine, Now: w.Now,
		OnEvent: func(e tailer.Event) {
			if e.Kind == tailer.Restarted {
				w.named++
			}
		},
	})
	if err != nil {
		w.fault("open tailer: %v", err)
		return
	}
	class, err := ocsf.ClassByName("detection_finding", "1.1.0")
	w.must(err)
	source := &relay.Source{Name: "wazuh", Class: class, Region: "us-east-1", AccountID: "123456789012",
		Destination: "s3://lake", Mapping: ocsf.Options{RawData: "alert"}}
	g := &generation{tail: tail, wake: make(chan struct{}, 1), relayed: make(chan error, 1), shipped: make(chan error, 1)}
	var filter relay.Filter
	if !w.ships {
		filter.Level = 16
	}
	store := relay.Store(noting{relay.FromSpool(d.spool), w, w.ships})
	if w.broken.store != nil {
		store = w.broken.store(store)
	}
	lines := relay.Lines(tail)
	if w.broken.lines != nil {
		lines = w.broken.lines(tail)
	}
	g.relay = relay.New(relay.Options{
		Lines: lines, Store: store, Sources: []*relay.Source{source}, Filter: filter,
		Encoder: lake.Options{ToolVersion: "model"}, Node: "n", Instance: d.spool.Instance(), Position: position,
		Interval: w.knobs.interval, MinSize: w.knobs.minSize, MaxWait: 10 * w.knobs.interval, MaxObjectSize: w.knobs.maxObject,
		Wake: g.wake, Clock: w,
		Sealed: func(m spool.Manifest) {
			w.stats.batches++
			w.named += len(m.Gaps)
		},
	})
	fs := d.fs
	putter := uploader.Putter(line{w.bucket, func() bool { return !fs.Dead() }, fs.Kill})
	if w.broken.put != nil {
		putter = w.broken.put(putter)
	}
	random := rand.New(rand.NewPCG(uint64(w.step), 7))
	up := uploader.New(d.spool, putter, uploader.Options{Concurrency: 1, Random: random.Float64, Log: slog.New(slog.DiscardHandler)})
	var shipCtx context.Context
	g.ctx, g.stopRelay = context.WithCancel(context.Background())
	shipCtx, g.stopShip = context.WithCancel(context.Background())
	go func() { g.relayed <- g.relay.Run(g.ctx) }()
	go func() { g.shipped <- up.Run(shipCtx) }()
	d.generation = g
	w.rest()
}

// end stops a generation as the daemon does: the relay seals, then the uploader is let go.
func (w *world) end() error {
	g := w.d.generation
	g.stopRelay()
	var err error
	if !w.d.ended {
		err = <-g.relayed
	}
	g.stopShip()
	<-g.shipped
	w.must(g.tail.Close())
	return err
}

// rest waits until every goroutine has nothing to do now, and buries a process that has ended.
func (w *world) rest() {
	synctest.Wait()
	if w.d == nil || w.d.generation == nil {
		return
	}
	if w.d.fs.Dead() {
		w.stats.crashes++
		w.gone()
		return
	}
	select {
	case err := <-w.d.relayed:
		w.d.ended = true
		var fatal *spool.FatalError
		if !errors.As(err, &fatal) {
			w.fault("the relay ended: %v", err)
		}
		w.stats.fatal++
		w.gone()
	default:
	}
}

// gone takes a process away that was killed or has given up; the disk stays as it is.
func (w *world) gone() {
	w.deaths = append(w.deaths, w.step)
	_ = w.end() // a dead process cannot seal
	_ = w.d.spool.Close()
	w.d = nil
	w.reboot()
}

// stop is SIGTERM.
func (w *world) stop() {
	if w.d == nil {
		return
	}
	w.deaths = append(w.deaths, w.step) // what it had not read yet is not read on either
	_ = w.end()                         // what could not be sealed is read again
	_ = w.d.spool.Close()
	w.d = nil
	w.reboot()
}

// kill is kill -9.
func (w *world) kill() {
	if w.d == nil {
		return
	}
	w.d.fs.Kill()
	w.rest()
}

// powerLoss takes daemon and disk cache away.
func (w *world) powerLoss(seed uint64) {
	w.stats.losses++
	if w.d != nil {
		w.d.fs.Kill()
		w.deaths = append(w.deaths, w.step)
		_ = w.end()
		_ = w.d.spool.Close()
		w.d = nil
	}
	w.fs = w.fs.PowerLoss(seed)
	w.fs.Deafen(w.broken.deaf)
}

// reload replaces everything but the spool, with another filter.
func (w *world) reload(ships bool) {
	w.ships = ships
	if w.d == nil {
		return
	}
	w.stats.reloads++
	w.deaths = append(w.deaths, w.step)
	if err := w.end(); err != nil {
		_ = w.d.spool.Close()
		w.d = nil
		w.reboot()
		return
	}
	w.d.ended = false
	w.generation()
}

// wake is one poll of the tailer.
func (w *world) wake() {
	if w.d == nil {
		return
	}
	select {
	case w.d.wake <- struct{}{}:
	default:
	}
	w.rest()
}

// pass lets time go by for everyone.
func (w *world) pass(d time.Duration) {
	<-time.After(d)
	w.rest()
	w.must(w.manager.Tick(d))
}

// follow sets the daemon's clock to the manager's, unless that would set it back: a step back of the wall clock does not
// move the monotonic clock by which batches age.
func (w *world) follow() {
	if ahead := w.manager.Now().Sub(w.Now()); ahead > 0 {
		w.offset.Add(int64(ahead))
	}
}

// noting remembers which filter a batch was made with.
type noting struct {
	relay.Store
	w     *world
	ships bool
}

func (s noting) Begin(volatile bool) (relay.Batch, error) {
	b, err := s.Store.Begin(volatile)
	if err != nil {
		return nil, err
	}
	return notingBatch{b, s}, nil
}

type notingBatch struct {
	relay.Batch
	s noting
}

func (b notingBatch) Commit(m spool.Manifest) error {
	b.s.w.sold[m.Seq] = b.s.ships
	return b.Batch.Commit(m)
}

// run lives through the steps, then lets everything calm down. It must be called inside a bubble.
func (w *world) run(steps []step) {
	w.offset.Store(int64(time.Until(epoch)))
	w.must(w.manager.Start())
	w.start()
	for i, s := range steps {
		w.step = i
		s.op.do(w, s.a, s.b)
		w.rest()
		if len(w.faults) > 0 {
			break
		}
	}
	w.step = len(steps)
	w.calm()
}

// calm heals everything, writes a fresh alert and waits until nothing is pending any more.
func (w *world) calm() {
	if w.packing != nil {
		w.pack(100)
	}
	w.fs.Heal()
	w.fs.SetCapacity(-1)
	w.bucket.heal()
	for range 3 {
		w.start()
	}
	if w.d == nil {
		w.fault("the daemon does not start any more")
		return
	}
	w.wake()
	w.start()
	w.reload(true)
	w.start()
	fresh, err := w.manager.Alert(300)
	w.must(err)
	w.must(w.manager.Tick(time.Second))
	w.must(w.history.look(w.manager))
	for range 40 {
		w.wake()
		w.pass(71 * time.Second)
		w.start()
		w.wake()
		if a := w.d.spool.Totals(); w.flows(fresh) && a.Pending == 0 && w.d.relay.Stats().Building.Read == 0 {
			break
		}
	}
	// A file that was written while the clock was wrong is found within a minute of the last look.
	for range 3 {
		w.pass(71 * time.Second)
		w.wake()
	}
	w.must(w.history.look(w.manager))
	w.must(w.dump())
	w.stop()
}

// flows reports whether the bucket has the newest alert. Its line is found in the bytes only after decoding, so the
// position is asked instead.
func (w *world) flows(string) bool {
	lag, err := w.d.tail.Lag()
	return err == nil && lag == 0
}

// dump copies the spool to the real file system, where the public readers look at it.
func (w *world) dump() error {
	w.stop()
	dir := filepath.Join(w.dir, "spool")
	if err := copyTree(w.fs, state, dir); err != nil {
		return err
	}
	st, err := spool.Read(dir)
	if err != nil {
		return err
	}
	w.final = &st
	if err := spool.Ledger(dir, func(e spool.Entry) error {
		w.ledger = append(w.ledger, e)
		return nil
	}); err != nil {
		return err
	}
	return spool.Rejects(dir, func(seq uint64, r spool.Reject) error {
		w.rejects = append(w.rejects, rejected{seq, r})
		return nil
	})
}

func copyTree(f *faultfs.FS, from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	entries, err := f.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		src, dst := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		if e.IsDir() {
			err = copyTree(f, src, dst)
		} else {
			err = copyFile(f, src, dst)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func copyFile(f *faultfs.FS, from, to string) error {
	h, err := f.OpenFile(from, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat(from)
	if err != nil {
		return err
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(h, data); err != nil {
		return err
	}
	return errors.Join(h.Close(), os.WriteFile(to, data, 0o644))
}
