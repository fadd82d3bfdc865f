package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"wazuh-security-lake/config"
	"wazuh-security-lake/lake"
	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
	"wazuh-security-lake/uploader"
)

// pollInterval is how often the followed file is looked at. fsnotify only makes a rotation noticed sooner.
const pollInterval = time.Second

// shipOnStop is how long a stopping daemon tries to ship what it has just sealed. What stays behind is in the spool and
// goes first after the next start. The unit's TimeoutStopSec is longer.
const shipOnStop = 20 * time.Second

// daemon is the running service: one spool for its whole life, and one generation of everything else per configuration.
type daemon struct {
	log     *slog.Logger
	level   *slog.LevelVar
	notify  *notifier
	signals <-chan os.Signal
	clock   relay.Clock
	crash   func(point string)
	reload  func() (*config.Loaded, error)

	spool  *spool.Spool
	input  *followed
	asks   requests
	states states
	turned atomic.Int64 // when the pipeline last made progress, Unix nanoseconds
}

// progress is the watchdog's evidence: the relay's loop turned, or the input was read.
func (d *daemon) progress() { d.turned.Store(d.clock.Now().UnixNano()) }

// followed is the open input. It stays open over a reload that does not change it: the file it reads may have lost its
// name, and then nobody could open it again.
type followed struct {
	cfg     config.Input
	tailer  *tailer.Tailer
	watcher *tailer.Watcher
	closers []func() error
}

func (f *followed) close(log *slog.Logger) { closeAll(f.closers, log) }

// closeAll closes in the reverse order of opening.
func closeAll(closers []func() error, log *slog.Logger) {
	for i := len(closers) - 1; i >= 0; i-- {
		if err := closers[i](); err != nil {
			log.Debug("close", "err", err)
		}
	}
}

// run opens the spool and runs generation after generation until a signal or ctx ends the daemon.
func (d *daemon) run(ctx context.Context, loaded *config.Loaded) error {
	if err := checkInput(loaded.Config.Input); err != nil {
		return err
	}
	s, err := d.openSpool(loaded.Config)
	if err != nil {
		return err
	}
	d.spool = s
	defer func() {
		d.unfollow()
		if cerr := s.Close(); cerr != nil {
			d.log.Warn("spool not closed cleanly", "err", cerr)
		}
	}()
	d.states = states{log: d.log, active: make(map[string]problem)}
	var running *config.Loaded
	for loaded != nil {
		g, err := d.start(ctx, loaded)
		if err != nil && running != nil {
			// Valid, but not for this state directory or this host: a source of another class, an address in use.
			d.log.Error("configuration refused, the old one is kept", "err", err)
			loaded = running
			g, err = d.start(ctx, loaded)
		}
		if err != nil {
			return err
		}
		running = loaded
		g.announce()
		if loaded, err = g.supervise(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *daemon) openSpool(c config.Config) (*spool.Spool, error) {
	opt := spoolLimits(c)
	opt.Log, opt.Crash = d.log, d.crash
	s, err := spool.Open(c.Spool.Dir, opt)
	if err == nil {
		return s, nil
	}
	return nil, spoolFault(c.Spool.Dir, err)
}

// mostReserve bounds what a full spool keeps for lines that exist nowhere else.
const mostReserve = 256 << 20

// spoolLimits are the limits of the spool. A reload may change them.
func spoolLimits(c config.Config) spool.Options {
	return spool.Options{MaxSize: c.Spool.MaxSize.Bytes(), MinFree: c.Spool.MinFree.Bytes(), CopyMaxSize: c.Copy.MaxSize.Bytes(),
		Reserve: min(c.Spool.MaxSize.Bytes()/16, mostReserve)}
}

// spoolFault gives the errors of spool.Open their exit codes and remedies.
func spoolFault(dir string, err error) error {
	if locked, ok := errors.AsType[*spool.LockedError](err); ok {
		return fail(exitTempFail, fmt.Sprintf("stop the other daemon first (pid %d), or give this one another spool.dir", locked.Holder), err)
	}
	if state, ok := errors.AsType[*spool.StateError](err); ok {
		code := exitData
		if state.Kind != spool.NoPosition {
			code = exitTempFail
		}
		return fail(code, "decide where to go on: wazuh-security-lake position set --help", err)
	}
	if errors.Is(err, spool.ErrFormat) {
		return fail(exitData, "the package was downgraded: install that version again", err)
	}
	if errors.Is(err, os.ErrPermission) {
		return fail(exitNoPerm, "the directory must belong to the daemon's user: chown -R wazuh-security-lake: "+dir, err)
	}
	if _, fatal := errors.AsType[*spool.FatalError](err); fatal || errors.Is(err, syscall.EIO) {
		return fail(exitIO, "see the kernel log for the disk of "+dir+"; what is durable is found at the next start", err)
	}
	return fail(exitCantCreate, "check that "+dir+" exists, is writable and has free space", err)
}

// toolFault is spoolFault for a command beside the daemon: it does not want a spool of its own, and the directory belongs to
// whom it should.
func toolFault(dir string, err error) error {
	if locked, ok := errors.AsType[*spool.LockedError](err); ok {
		return fail(exitTempFail, fmt.Sprintf("stop the service first: systemctl stop wazuh-security-lake (or what runs as pid %d)", locked.Holder), err)
	}
	if errors.Is(err, os.ErrPermission) {
		return fail(exitNoPerm, "run it as root, or as the service's user: runuser -u wazuh-security-lake -- wazuh-security-lake ...", err)
	}
	return spoolFault(dir, err)
}

// readState reads a state directory that is expected to be there.
func readState(dir string) (spool.State, error) {
	st, err := spool.Read(dir)
	return st, stateFault(dir, err)
}

// stateFault gives an error from reading a state directory its exit code and remedy.
func stateFault(dir string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail(exitNoInput, "start the service once, or name its configuration with --config", fmt.Errorf("no state in %s", dir))
	case errors.Is(err, fs.ErrPermission):
		return fail(exitNoPerm, "run it as root or as a member of group wazuh (of wazuh-security-lake too, where the file system has no ACLs)", err)
	}
	return err
}

// generation is everything that depends on the configuration.
type generation struct {
	d        *daemon
	cfg      config.Config
	relay    *relay.Relay
	uploader *uploader.Uploader
	copies   *uploader.Uploader // of the second copy; nil without one
	status   *statusFile
	seen     observed
	closers  []func() error
	work     sync.WaitGroup // what supervise started and waits for
}

// start builds a generation; nothing runs yet.
func (d *daemon) start(ctx context.Context, loaded *config.Loaded) (*generation, error) {
	c := loaded.Config
	if err := d.level.UnmarshalText([]byte(c.Log.Level)); err != nil {
		return nil, fail(exitConfig, "", fmt.Errorf("log.level: %w", err))
	}
	logNotices(ctx, d.log, loaded)
	sources, err := relaySources(c)
	if err != nil {
		return nil, err
	}
	if err := d.spool.PinSources(pins(sources)); err != nil {
		if _, ok := errors.AsType[*spool.PinError](err); ok {
			return nil, fail(exitConfig, "a source never changes its class, OCSF version or schema: create a new custom source and name it in sources", err)
		}
		return nil, err
	}
	d.spool.SetLimits(spoolLimits(c))
	g := &generation{d: d, cfg: c}
	ok := false
	defer func() {
		if !ok {
			g.close()
		}
	}()
	position, err := d.follow(c)
	if err != nil {
		return nil, err
	}
	putter, err := openPutter(ctx, c, d.log)
	if err != nil {
		return nil, err
	}
	g.closers = append(g.closers, putter.Close)
	node := nodeName(c, d.log)
	g.status = newStatusFile(filepath.Join(c.Spool.Dir, statusName), node)
	g.uploader = uploader.New(d.spool, putter, uploader.Options{Concurrency: c.Upload.Concurrency, MaxRate: c.Upload.MaxRate.Bytes(),
		Log: d.log, OnAttempt: func(uploader.Attempt) { g.status.changed() }})
	copies, closeCopies, err := openCopies(ctx, c, d.spool, d.log, func(uploader.Attempt) { g.status.changed() })
	if err != nil {
		return nil, err
	}
	if copies != nil {
		g.copies, g.closers = copies, append(g.closers, closeCopies)
	}
	g.relay = relay.New(relay.Options{
		Copy:  copyTo(c.Copy),
		Lines: d.input.tailer, Store: relay.FromSpool(d.spool), Sources: sources, Filter: relayFilter(c.Filter), Encoder: encoderOptions(),
		Node: node, Instance: d.spool.Instance(), Position: position,
		Interval: c.Batch.Interval.Std(), MinSize: c.Batch.MinSize.Bytes(), MaxWait: c.Batch.MaxWait.Std(), MaxObjectSize: c.Batch.MaxObjectSize.Bytes(),
		Wake: d.input.watcher.C(), Clock: d.clock, Log: d.log,
		Stalled: func() {
			if _, err := d.input.tailer.Lag(); err != nil { // for its warning that an unread file is about to vanish
				d.log.Debug("look for unread files", "err", err)
			}
		},
		Progress: g.measurer(),
		Sealed:   func(spool.Manifest) { g.status.changed() },
	})
	if c.Metrics.Listen != "" {
		stop, err := serveMetrics(c.Metrics.Listen, watched{spool: d.spool, relay: g.relay, uploader: g.shipping(),
			seen: g.seen.view, maxBytes: c.Spool.MaxSize.Bytes(), now: d.clock.Now}, d.log)
		if err != nil {
			return nil, err
		}
		g.closers = append(g.closers, stop)
	}
	ok = true
	d.log.Info("started", "version", buildVersion(), "node", node, "instance", d.spool.Instance(), "input", inputPath(c.Input),
		"spool", c.Spool.Dir, "destination", c.Lake.Destination)
	return g, nil
}

// follow opens the input where it goes on, unless it is open already as the configuration wants it, and returns that place.
func (d *daemon) follow(c config.Config) (tailer.Position, error) {
	if d.input != nil && d.input.cfg == c.Input {
		position, err := d.position()
		if err != nil {
			return position, err
		}
		// A line may have been in hand when the relay before stopped, because the spool was full.
		return position, d.input.tailer.Rewind(position)
	}
	d.unfollow()
	in, position, err := d.resume(c)
	if err != nil {
		return position, err
	}
	f := &followed{cfg: c.Input}
	if f.tailer, err = d.openInput(f, in, position, c.Spool.Dir); err != nil {
		f.close(d.log)
		return position, err
	}
	f.closers = append(f.closers, f.tailer.Close)
	if f.watcher, err = tailer.NewWatcher(watchedDir(c.Input), pollInterval); err != nil {
		f.close(d.log)
		return position, fmt.Errorf("watch %s: %w", watchedDir(c.Input), err)
	}
	f.closers = append(f.closers, f.watcher.Close)
	d.input = f
	return position, nil
}

func (d *daemon) unfollow() {
	if d.input != nil {
		d.input.close(d.log)
		d.input = nil
	}
}

// position is the last committed one; zero at the very first start.
func (d *daemon) position() (tailer.Position, error) {
	var p tailer.Position
	m, ok := d.spool.LastManifest()
	if !ok || len(m.Position) == 0 {
		return p, nil
	}
	if err := json.Unmarshal(m.Position, &p); err != nil {
		return p, fail(exitData, "decide where to go on: wazuh-security-lake position set --help", fmt.Errorf("read position of batch %d: %w", m.Seq, err))
	}
	return p, nil
}

// shutdown seals and ships within shipOnStop; a second signal exits at once.
func (g *generation) shutdown(stop func() error) error {
	g.d.notify.stopping()
	g.d.log.Info("stopping: sealing and shipping what was read")
	done := make(chan error, 1)
	go func() {
		if err := stop(); err != nil {
			done <- err
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), shipOnStop)
		defer cancel()
		if err := errors.Join(g.uploader.Drain(ctx), g.drainCopies(ctx)); err != nil {
			g.d.log.Warn("not everything was shipped; it goes first after the next start", "err", err)
		}
		done <- nil
	}()
	for {
		select {
		case err := <-done:
			g.status.write(g)
			g.d.log.Info("stopped")
			return err
		case sig := <-g.d.signals:
			if sig != syscall.SIGTERM && sig != syscall.SIGINT {
				continue // a flush or a reload that came too late must not cut the stop short
			}
			return fail(exitRuntime, "", errors.New("second signal: stopped at once; what was sealed is in the spool, the rest is read again"))
		}
	}
}

// fixedPart refuses a reload that changes what only a restart can change.
func fixedPart(old, next config.Config) error {
	if old.Spool.Dir != next.Spool.Dir {
		return fmt.Errorf("spool.dir cannot change while running: %s to %s needs a restart", old.Spool.Dir, next.Spool.Dir)
	}
	return nil
}

func (g *generation) close() {
	closeAll(g.closers, g.d.log)
	g.closers = nil
}

func encoderOptions() lake.Options {
	return lake.Options{ToolVersion: buildVersion(), Metadata: map[string]string{"wazuh-security-lake.version": buildVersion()},
		Presses: new(lake.Presses)}
}
