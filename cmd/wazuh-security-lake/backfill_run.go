package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"wazuh-security-lake/backfill"
	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/uploader"
)

// sealEvery bounds how much work a kill -9 costs: a batch is sealed after this time at the latest.
const sealEvery = 5 * time.Minute

// errDestination ends the reading: what the destination refuses for want of a right would only fill the disk.
var errDestination = errors.New("the destination refuses objects")

// run does what was asked for.
func (b *backfillJob) run(ctx context.Context) error {
	if b.flags.plan {
		_, plan, err := b.makePlan()
		if err != nil {
			return err
		}
		return b.showPlan(plan)
	}
	if err := ownState(b.cfg.Spool.Dir); err != nil {
		return err
	}
	lock, err := backfill.Lock(b.cfg.Spool.Dir)
	if err != nil {
		return backfillSpoolFault(b.cfg.Spool.Dir, err)
	}
	defer lock.Close() //nolint:errcheck // the process ends
	k, plan, err := b.makePlan()
	if err != nil {
		return err
	}
	if len(plan.Groups) == 0 && plan.Done == 0 && !b.flags.gaps && !anyFault(plan) {
		return fail(exitUsage, "backfill takes what lies before the daemon's first position; `audit --day` says what became of a day",
			fmt.Errorf("nothing of this is history: %v", plan.Left[0]))
	}
	lowPriority()
	return b.ship(ctx, k, plan)
}

func anyFault(p backfill.Plan) bool {
	for _, l := range p.Left {
		if l.Fault {
			return true
		}
	}
	return false
}

// showPlan prints what a run would read.
func (b *backfillJob) showPlan(p backfill.Plan) error {
	var bytes int64
	for _, g := range p.Groups {
		bytes += g.Bytes()
		for _, piece := range g.Pieces {
			to := "its end"
			if piece.To >= 0 {
				to = fmt.Sprint(piece.To)
			}
			fmt.Fprintf(b.std.out, "read: %s from %d to %s\n", piece.Name, piece.From, to)
		}
	}
	for _, text := range backfill.Texts(p.Left) {
		fmt.Fprintf(b.std.out, "left: %s\n", text)
	}
	_, err := fmt.Fprintf(b.std.out, "%d files, %d of them read before, about %s to read\n", p.Files, p.Done, sizeText(bytes))
	return err
}

// notReshipped refuses to requeue a batch whose alerts backfill has read again.
func notReshipped(state string, seq uint64) error {
	again, err := backfill.Reshipped(state, seq)
	if err != nil {
		return err
	}
	if again {
		return fail(exitData, "leave it in quarantine/, or remove it: its alerts are shipped",
			fmt.Errorf("batch %d was read again by backfill --gaps: requeued it would be shipped twice", seq))
	}
	return nil
}

// ownState refuses to make files that the service could not read afterwards. What root makes is given to the service's user.
func ownState(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() == 0 || int(st.Uid) == os.Geteuid() {
		return nil
	}
	return fail(exitNoPerm, "run it as the service's user: runuser -u wazuh-security-lake -- wazuh-security-lake backfill ...",
		fmt.Errorf("%s belongs to another user", dir))
}

// backfillSpoolFault gives the errors of the jobs' spools their exit codes and remedies.
func backfillSpoolFault(dir string, err error) error {
	if locked, ok := errors.AsType[*spool.LockedError](err); ok {
		return fail(exitTempFail, fmt.Sprintf("wait for the other backfill (pid %d), or stop it: this one goes on where it was", locked.Holder), err)
	}
	if _, ok := errors.AsType[*spool.StateError](err); ok {
		return fail(exitData, "put the job's directory back as it was; without its ledger nobody knows what it has shipped", err)
	}
	return spoolFault(dir, err)
}

// ship reads the plan into the spools of the job, and uploads at the same time.
func (b *backfillJob) ship(ctx context.Context, k *backfill.Known, plan backfill.Plan) error {
	c, began := b.cfg, time.Now()
	screen := newBackfillScreen(b.std.err, plan)
	log := slog.New(slog.NewTextHandler(screen, &slog.HandlerOptions{Level: slog.LevelWarn}))
	sources, err := relaySources(c)
	if err != nil {
		return err
	}
	spools, err := backfill.OpenSpools(c.Spool.Dir, b.name, min(b.flags.workers, len(plan.Groups)), b.spoolOptions(log))
	if err != nil {
		return backfillSpoolFault(c.Spool.Dir, err)
	}
	defer spools.Close() //nolint:errcheck // what was committed stays
	if err := pinned(k, pins(sources)); err != nil {
		return err
	}
	for _, s := range spools.Workers {
		if err := s.PinSources(pins(sources)); err != nil {
			return fail(exitConfig, "a source never changes its class, OCSF version or schema: create a new custom source and name it in sources", err)
		}
	}
	putter, err := openPutter(ctx, c, log)
	if err != nil {
		return err
	}
	defer putter.Close() //nolint:errcheck // idle connections
	queue := backfill.NewQueue(spools)
	defer queue.Close()

	reading, stopReading := context.WithCancelCause(ctx)
	defer stopReading(nil)
	up := uploader.New(queue, putter, uploader.Options{Concurrency: c.Upload.Concurrency, MaxRate: b.rate, Log: log,
		OnAttempt: func(a uploader.Attempt) {
			if a.Outcome == uploader.OutcomeConfiguration {
				stopReading(fmt.Errorf("%w: %w", errDestination, a.Err))
			}
		}})
	uploading, stopUpload := context.WithCancel(context.WithoutCancel(ctx))
	defer stopUpload()
	uploaded := make(chan error, 1)
	go func() {
		err := up.Run(uploading)
		if !errors.Is(err, context.Canceled) {
			stopReading(err) // a spool that cannot be trusted any more
		}
		uploaded <- err
	}()

	progress := &backfill.Progress{}
	stopBar := screen.start(progress)
	res, err := backfill.Run(reading, b.runOptions(log, spools, queue, screen, stopReading), plan.Groups, progress)
	stopBar()
	stopUpload()
	<-uploaded
	if err == nil || errors.Is(err, errDestination) {
		// A refusal is tried once more, and then named with its remedy by what stays behind.
		err = b.drain(ctx, up)
	}
	return errors.Join(err, b.report(ctx, k, plan, res, progress, time.Since(began), err != nil))
}

// spoolOptions leave the daemon its share: a quarter of spool.max_size for all workers together, and reading stops while
// there is still half as much again free as the daemon wants.
func (b *backfillJob) spoolOptions(log *slog.Logger) spool.Options {
	c := b.cfg.Spool
	return spool.Options{MaxSize: max(c.MaxSize.Bytes()/4, 64<<20) / int64(b.flags.workers), MinFree: c.MinFree.Bytes() + c.MinFree.Bytes()/2,
		Log: log, Crash: crashPoint}
}

func (b *backfillJob) runOptions(log *slog.Logger, spools *backfill.Spools, queue *backfill.Queue, screen *backfillScreen, stop context.CancelCauseFunc) backfill.Options {
	c := b.cfg
	return backfill.Options{
		Spools: spools.Workers,
		Relay: relay.Options{Filter: relayFilter(c.Filter), Encoder: encoderOptions(), Node: nodeName(c, log), Interval: sealEvery,
			MaxObjectSize: c.Batch.MaxObjectSize.Bytes(), Clock: realClock{}, Log: log,
			Stalled: func() {
				if len(queue.Pending()) == 0 {
					stop(fail(exitTempFail, "free space on the disk of spool.dir, then repeat: it goes on where it was",
						fmt.Errorf("%w, and nothing waits to be shipped from it", spool.ErrFull)))
				}
			}},
		Sources: func() ([]*relay.Source, error) { return relaySources(c) },
		Done:    screen.done,
	}
}

// pinned holds the configured sources against those the daemon has shipped to.
func pinned(k *backfill.Known, now []spool.SourcePin) error {
	st, err := spool.Read(k.State)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, was := range st.Sources {
		for _, is := range now {
			if was.Name == is.Name && (was.Class != is.Class || was.OCSFVersion != is.OCSFVersion || was.SchemaHash != is.SchemaHash) {
				return fail(exitConfig, "use the configuration the daemon runs with",
					&spool.PinError{Source: is.Name, Attribute: "class", Was: was.Class + " " + was.OCSFVersion, Is: is.Class + " " + is.OCSFVersion})
			}
		}
	}
	return nil
}

// drain ships what is sealed. After a signal it has as long as the daemon has then.
func (b *backfillJob) drain(ctx context.Context, up *uploader.Uploader) error {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), shipOnStop)
		defer cancel()
	}
	err := up.Drain(ctx)
	left, ok := errors.AsType[*uploader.UndeliveredError](err)
	if !ok {
		return err
	}
	code, remedy := exitTempFail, "it waits in the spool of the job: the next backfill ships it first"
	for _, cause := range left.Causes {
		if e, ok := errors.AsType[*uploader.Error](cause); ok && e.Class == uploader.Configuration {
			code, remedy = exitNoPerm, orWord(e.Remedy, remedy)
		}
	}
	return fail(code, remedy, err)
}

// report prints what was done. failed: an error follows it.
func (b *backfillJob) report(ctx context.Context, k *backfill.Known, plan backfill.Plan, res backfill.Result, progress *backfill.Progress, took time.Duration, failed bool) error {
	r := backfillReport{Job: b.name, Files: plan.Files, Before: plan.Done, Bytes: progress.Bytes(), Counts: res.Counts, Left: res.Left, Seconds: took.Seconds()}
	bad := len(res.Faults)
	for _, h := range k.Histories {
		if h.Bad > 0 {
			r.Notes = append(r.Notes, fmt.Sprintf("%d lines of the ledger in %s cannot be read: what they named was read again", h.Bad, filepath.Join(k.State, h.Dir, "ledger")))
		}
	}
	r.NotRead = backfill.Texts(plan.Left)
	for _, l := range plan.Left {
		if l.Fault {
			bad++
		}
	}
	for _, f := range res.Faults {
		r.Faults = append(r.Faults, fmt.Sprintf("%s cannot be read behind byte %d: %v", f.File, f.At, f.Err))
	}
	var err error
	if r.Account, err = backfill.Account(b.cfg.Spool.Dir); err != nil {
		return err
	}
	open, err := jobGaps(b.cfg.Spool.Dir)
	if err != nil {
		return err
	}
	if err := r.print(b.std.out, b.flags.json); err != nil || failed {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return fail(exitTempFail, "repeat it: it goes on where it was", errors.New("interrupted"))
	case open > 0:
		return fail(exitData, "check the disk, then `backfill --gaps` reads them again",
			fmt.Errorf("%d gaps of backfill jobs are open: their batches are in quarantine", open))
	case bad > 0:
		return fail(exitData, "mend or restore what is named above, then repeat: only what is missing is read",
			fmt.Errorf("%d files or ranges could not be read", bad))
	case res.Groups < len(plan.Groups):
		return fail(exitTempFail, "repeat it: it goes on where it was", fmt.Errorf("%d of %d parts were read to their end", res.Groups, len(plan.Groups)))
	}
	return nil
}

// jobGaps counts what batches of the jobs in quarantine have left open. The account goes on to name them when their lines have
// been read again: what is on the disk is still there.
func jobGaps(state string) (int, error) {
	k, err := backfill.Load(state)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, g := range k.Gaps {
		if g.Dir != "." {
			n += len(g.Gaps)
		}
	}
	return n, nil
}
