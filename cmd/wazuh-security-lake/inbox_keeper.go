package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"wazuh-security-lake/ossec-integration/inbox"
	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

const (
	keepInterval   = time.Second
	segmentMaxSize = 16 << 20
	segmentMinSize = 64 << 10
	// segmentAge is how long a segment whose lines are all committed is still appended to. Only a closed one is removed.
	segmentAge = 10 * time.Minute
	// refusalInterval is how often refused alerts are reported.
	refusalInterval = time.Minute
)

// batches is what the keeper asks about what became of the lines.
type batches interface {
	LastManifest() (spool.Manifest, bool)
	Pending() []spool.Ref
	State() (spool.State, error)
	Ledger(fn func(spool.Entry) error) error
}

// spoolBatches is the daemon's own spool. Its state is read from the disk, where release leaves it.
type spoolBatches struct {
	*spool.Spool
	dir string
}

func (s spoolBatches) State() (spool.State, error)             { return spool.Read(s.dir) }
func (s spoolBatches) Ledger(fn func(spool.Entry) error) error { return spool.Ledger(s.dir, fn) }

// inboxKeeper looks after the inbox beside the relay: it picks up rescue files, begins new segments, and removes those
// that nothing needs any more. One goroutine does it all; Close waits for it.
//
// A segment is removed when the committed position has left it and every batch that holds a line of it is released, as
// the spool on the disk tells: the position's segment proves at the next start where reading stands, and until a batch is
// released the segment is what its lines could be read from again. Segments of a batch in quarantine therefore stay until
// it is requeued or thrown away.
type inboxKeeper struct {
	box     *inbox.Inbox
	batches batches
	limit   int64
	clock   relay.Clock
	log     *slog.Logger

	quit chan struct{}
	done sync.WaitGroup

	newest   uint64    // the segment that is appended to
	filled   time.Time // when it was first seen to hold something
	looked   glance    // what was there when the spool was last asked
	held     []string  // segments that stay because of quarantine, as last reported
	refused  int64     // refusals reported
	reported time.Time
	strange  []string // files in rescue that are no alerts, as last reported
	failing  string   // the failure last reported
}

// glance tells cheaply whether asking the spool again can have another answer.
type glance struct {
	oldest  uint64 // batch with an object waiting
	through uint64 // highest segment to remove
}

// start begins the goroutine.
func (k *inboxKeeper) start() {
	k.quit = make(chan struct{})
	k.done.Go(func() {
		for {
			k.turn()
			timer, release := k.clock.Timer(keepInterval)
			select {
			case <-k.quit:
				release()
				k.reportRefused(true)
				return
			case <-timer:
			}
		}
	})
}

// Close stops the goroutine and waits for it: a few seconds at most, when the lock is held by a program that hangs.
func (k *inboxKeeper) Close() error {
	close(k.quit)
	k.done.Wait()
	return nil
}

// turn does everything once. A failure is reported when it begins and when it is over; the next turn tries again.
func (k *inboxKeeper) turn() {
	err := k.rescue()
	if err == nil {
		err = k.rotate()
	}
	if err == nil {
		err = k.remove()
	}
	k.reportRefused(false)
	switch {
	case err != nil && k.failing == "":
		k.log.Error("the inbox is not kept in order, trying again; at its limit alerts are refused", "err", err)
		k.failing = err.Error()
	case err == nil && k.failing != "":
		k.log.Info("the inbox is kept in order again")
		k.failing = ""
	}
}

func (k *inboxKeeper) rescue() error {
	picked, strange, err := k.box.Rescue()
	if picked > 0 {
		k.log.Info("alerts picked up from rescue: the lock of the inbox was held for too long when they came", "alerts", picked)
	}
	if len(strange) > 0 && !slices.Equal(strange, k.strange) {
		k.log.Warn("the rescue directory of the inbox holds what is no alert; remove it", "directory", filepath.Join(k.box.Dir(), "rescue"), "files", len(strange))
	}
	k.strange = strange
	return err
}

// rotate begins a new segment when the newest is large, or when it is old and all of it is committed.
func (k *inboxKeeper) rotate() error {
	list, err := k.box.Segments()
	if err != nil || len(list) == 0 {
		return err
	}
	newest, now := list[len(list)-1], k.clock.Now()
	if newest.Number != k.newest || newest.Size == 0 {
		k.newest, k.filled = newest.Number, now
	}
	p, err := k.position()
	if err != nil {
		return err
	}
	committed := p.File == filepath.Base(newest.Path) && p.Offset == newest.Size
	large := newest.Size >= min(segmentMaxSize, max(segmentMinSize, k.limit/8))
	if newest.Size == 0 || !large && !(committed && now.Sub(k.filled) >= segmentAge) {
		return nil
	}
	return k.box.Rotate()
}

func (k *inboxKeeper) position() (tailer.Position, error) {
	var p tailer.Position
	m, ok := k.batches.LastManifest()
	if !ok || len(m.Position) == 0 {
		return p, nil
	}
	if err := json.Unmarshal(m.Position, &p); err != nil {
		return p, fmt.Errorf("read position of batch %d: %w", m.Seq, err)
	}
	return p, nil
}

// remove deletes the segments below the position that no unreleased batch holds lines of.
func (k *inboxKeeper) remove() error {
	list, err := k.box.Segments()
	if err != nil {
		return err
	}
	p, err := k.position()
	if err != nil {
		return err
	}
	at, ok := segmentNumber(p.File)
	if !ok {
		return nil // nothing of the inbox is committed
	}
	list = slices.DeleteFunc(list, func(s inbox.Segment) bool { return s.Number >= at || slices.Contains(k.held, filepath.Base(s.Path)) })
	if len(list) == 0 {
		return nil
	}
	now := glance{through: list[len(list)-1].Number}
	if pending := k.batches.Pending(); len(pending) > 0 {
		now.oldest = pending[0].Seq
	}
	if now == k.looked {
		return nil
	}
	needed, err := k.needed()
	if err != nil {
		return err
	}
	for _, s := range list {
		if needed.holds(filepath.Base(s.Path)) {
			continue
		}
		if err := k.box.Remove(s.Number); err != nil {
			return err
		}
		k.log.Debug("segment removed, all of it is in the lake", "segment", s.Number, "bytes", s.Size)
	}
	k.looked = now
	k.reportHeld(list, needed)
	return nil
}

// need is the segments that must stay.
type need struct {
	all        bool // a batch cannot be read: nobody knows what it holds
	waiting    map[string]bool
	quarantine []span
}

type span struct{ first, last string }

func (n need) quarantined(name string) bool {
	return slices.ContainsFunc(n.quarantine, func(s span) bool { return s.first <= name && name <= s.last })
}

func (n need) holds(name string) bool { return n.all || n.waiting[name] || n.quarantined(name) }

// needed asks the spool on the disk.
func (k *inboxKeeper) needed() (need, error) {
	n := need{waiting: make(map[string]bool)}
	st, err := k.batches.State()
	if err != nil {
		return n, err
	}
	unreadable := make(map[uint64]bool)
	for _, b := range st.Batches {
		switch {
		case b.Place == spool.Shipped:
		case b.Manifest == nil && b.Place == spool.Outbox:
			n.all = true
		case b.Manifest == nil:
			unreadable[b.Seq] = true
		case b.Place == spool.Outbox:
			for _, r := range b.Manifest.Ranges {
				n.waiting[r.File] = true
			}
		default:
			for _, r := range b.Manifest.Ranges {
				n.quarantine = append(n.quarantine, span{r.File, r.File})
			}
		}
	}
	if len(unreadable) == 0 {
		return n, nil
	}
	err = k.batches.Ledger(func(e spool.Entry) error {
		if e.State == spool.Quarantined && unreadable[e.Seq] && len(e.Gaps) > 0 {
			n.quarantine = append(n.quarantine, span{e.Gaps[0].File, e.Gaps[len(e.Gaps)-1].File})
		}
		return nil
	})
	return n, err
}

// reportHeld names segments that stay because of quarantine, once.
func (k *inboxKeeper) reportHeld(list []inbox.Segment, n need) {
	for _, s := range list {
		if name := filepath.Base(s.Path); n.quarantined(name) {
			k.held = append(k.held, name)
			k.log.Warn("segment kept: it holds alerts of a batch in quarantine; requeue that batch or remove it, then restart", "segment", s.Path, "bytes", s.Size)
		}
	}
}

// reportRefused says how many alerts were refused at the limit. integratord does not bring them again.
func (k *inboxKeeper) reportRefused(last bool) {
	now := k.clock.Now()
	if !last && !k.reported.IsZero() && now.Sub(k.reported) < refusalInterval {
		return
	}
	total, err := k.box.Refused()
	if err != nil || total <= k.refused {
		return // the figure is looked at again; a missing file is reported by whoever appends
	}
	k.log.Error("alerts refused: the inbox was at input.inbox_max_size, integratord does not bring them again",
		"refused", total-k.refused, "since_the_inbox_was_made", total, "remedy", "see status why nothing is shipped; backfill --repeat reads them from Wazuh's archive, and their day with them")
	k.refused, k.reported = total, now
}
