package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"wazuh-security-lake/config"
	"wazuh-security-lake/doctor"
	"wazuh-security-lake/ossec-integration/inbox"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

// lockPatience is how long the daemon waits for the lock of the inbox. A program holds it for one fsync; one that hangs
// must not keep the daemon from noticing its signals.
const lockPatience = 2 * time.Second

// openInput opens what the configuration names, from position on. In integration mode it makes the inbox first and starts
// the goroutine that looks after it, which f.close waits for.
func (d *daemon) openInput(f *followed, in config.Input, position tailer.Position, spoolDir string) (*tailer.Tailer, error) {
	opt, err := tailerOptions(in, position, d.log)
	if err != nil {
		return nil, err
	}
	opt.OnRead = d.progress
	if in.Mode != config.ModeIntegration {
		markTailMode(in, d.log)
		return tailer.Open(opt)
	}
	box, err := createInbox(in)
	if err != nil {
		return nil, err
	}
	opt.FS = &settledFS{settle: box.Settle}
	t, err := tailer.Open(opt)
	if err != nil {
		return nil, err
	}
	k := &inboxKeeper{box: box, batches: spoolBatches{d.spool, spoolDir}, limit: in.InboxMaxSize.Bytes(), clock: d.clock, log: d.log}
	k.start()
	f.closers = append(f.closers, k.Close)
	return t, nil
}

// createInbox makes what is missing of the inbox and lets programs in.
func createInbox(in config.Input) (*inbox.Inbox, error) {
	box, err := inbox.Create(in.Inbox, inboxOptions(in))
	if err == nil {
		err = box.SetTailMode(false)
	}
	switch {
	case err == nil:
		return box, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, fail(exitNoPerm, "make it for this user: install -d -o "+doctor.Self().Name+" -g wazuh -m 2750 "+in.Inbox+", and be a member of group wazuh", err)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fail(exitCantCreate, "make the directory above it, or mend input.inbox", err)
	case errors.Is(err, inbox.ErrStrange):
		return nil, fail(exitCantCreate, "symlinks and special files are refused in the inbox: remove it", err)
	case errors.Is(err, inbox.ErrLocked):
		return nil, fail(exitTempFail, "look for a process that hangs: fuser "+filepath.Join(in.Inbox, "lock"), err)
	}
	return nil, fail(exitCantCreate, "check input.inbox and its disk", err)
}

func inboxOptions(in config.Input) inbox.Options {
	return inbox.Options{MaxSize: in.InboxMaxSize.Bytes(), LockTimeout: lockPatience, GID: managerGroup()}
}

// managerGroup is the group integratord runs as, 0 where there is none: the directory's own group is kept then.
func managerGroup() int {
	for _, name := range []string{"wazuh", "ossec"} { // ossec: before 4.3
		if g, err := user.LookupGroup(name); err == nil {
			if id, err := strconv.Atoi(g.Gid); err == nil {
				return id
			}
		}
	}
	return 0
}

// markTailMode tells the programs that an <integration> block left behind starts that nobody reads the inbox. A host
// without an inbox needs no marker. That it cannot be set keeps nobody from reading alerts.json.
func markTailMode(in config.Input, log *slog.Logger) {
	if _, err := os.Lstat(in.Inbox); errors.Is(err, fs.ErrNotExist) {
		return
	}
	box, err := inbox.Create(in.Inbox, inboxOptions(in))
	if err == nil {
		err = box.SetTailMode(true)
	}
	if err != nil {
		log.Warn("the inbox could not be marked as unused: alerts of an <integration> block of custom-security-lake would pile up in it", "err", err)
	}
}

// ofInbox reports whether p is a place in the inbox.
func ofInbox(p tailer.Position) bool {
	name := p.File
	if name == "" {
		name = p.Floor
	}
	return strings.HasSuffix(name, ".ndjson")
}

// resume returns the input and the position it goes on at. That is the committed one, unless it belongs to the other
// mode. An inbox is then read on from its own last position. alerts.json is begun at the time of the last alert that
// came through the inbox: integratord hands alerts over in the order of the file, so whatever is older was shipped, or was
// lost in a way that input.mode: integration does not prevent.
func (d *daemon) resume(c config.Config) (config.Input, tailer.Position, error) {
	in := c.Input
	position, err := d.position()
	if err != nil || position.IsZero() || ofInbox(position) == (in.Mode == config.ModeIntegration) {
		return in, position, err
	}
	m, found, err := lastOfInbox(c.Spool.Dir)
	if err != nil {
		return in, position, fmt.Errorf("look for the last position in the inbox: %w", err)
	}
	position = tailer.Position{}
	if in.Mode == config.ModeIntegration {
		if found {
			err = json.Unmarshal(m.Position, &position)
		}
		d.log.Warn("input.mode changed to integration: alerts that came while the daemon was restarted are not in the inbox", "file", position.File, "offset", position.Offset)
		return in, position, err
	}
	if last := lastAlert(m); !last.IsZero() {
		in.StartAt = last.Format(time.RFC3339Nano)
	}
	d.log.Warn("input.mode changed to tail: alerts.json is read from the time of the last alert of the inbox on", "start_at", in.StartAt)
	return in, position, nil
}

// lastOfInbox is the newest batch that was read from the inbox and has objects, else the newest that was read from it.
// It reads the whole ledger, so it is for the rare start that needs it.
func lastOfInbox(dir string) (last spool.Manifest, found bool, err error) {
	consider := func(m *spool.Manifest) error {
		if m == nil || found && m.Seq < last.Seq || len(m.Position) == 0 {
			return nil
		}
		var p tailer.Position
		if err := json.Unmarshal(m.Position, &p); err != nil {
			return fmt.Errorf("read position of batch %d: %w", m.Seq, err)
		}
		if !ofInbox(p) {
			return nil
		}
		objects := m.Objects
		if len(objects) == 0 {
			objects = last.Objects // when the last alert was shipped is of interest, not whether the last batch had any
		}
		last, found = *m, true
		last.Objects = objects
		return nil
	}
	if err := spool.Ledger(dir, func(e spool.Entry) error { return consider(e.Manifest) }); err != nil {
		return last, false, err
	}
	st, err := spool.Read(dir)
	if err != nil {
		return last, false, err
	}
	for _, b := range st.Batches {
		if err := consider(b.Manifest); err != nil {
			return last, false, err
		}
	}
	return last, found, nil
}

// lastAlert is the time of the newest event of a batch, but never later than the batch itself: an alert may carry a time
// in the future. Zero when it has none.
func lastAlert(m spool.Manifest) time.Time {
	newest := int64(0)
	for _, o := range m.Objects {
		newest = max(newest, o.LastTime)
	}
	if newest == 0 {
		return time.Time{}
	}
	at := time.UnixMilli(newest).UTC()
	if made, err := time.Parse(time.RFC3339, m.Created); err == nil && at.After(made) {
		return made
	}
	return at
}

// inputPath is what alerts are read from, for the log.
func inputPath(in config.Input) string {
	if in.Mode == config.ModeIntegration {
		return in.Inbox
	}
	return in.Path
}
