package spool

import (
	"errors"
	"fmt"
	"syscall"
)

var (
	// ErrFull is backpressure, never loss: stop reading, Wazuh's own files hold the rest. Errors caused by
	// ENOSPC or EDQUOT match it too.
	ErrFull = errors.New("spool is full")
	// ErrFormat means that the directory holds something a later version wrote. It is left in place.
	ErrFormat = errors.New("unknown format version")
	// ErrCorrupt means that the bytes of a batch do not match its manifest; the remedy is Quarantine.
	ErrCorrupt = errors.New("bytes do not match the manifest")
	// ErrLocked is what FS.Lock returns when another process holds the lock.
	ErrLocked = errors.New("locked by another process")
	// ErrBatchOpen means that Begin was called before the batch before it was committed or discarded.
	ErrBatchOpen = errors.New("a batch is open already")
	// ErrClosed is returned by every call after Close.
	ErrClosed = errors.New("spool is closed")
	// ErrUnknownBatch means that no batch of this number is in the place asked for.
	ErrUnknownBatch = errors.New("no such batch")
)

// FullError says which limit was met. It matches ErrFull.
type FullError struct {
	Why        string // the limit, by the name of its option
	Need, Have int64  // bytes
}

func (e *FullError) Error() string {
	return fmt.Sprintf("spool is full: %s: need %d bytes, have %d", e.Why, e.Need, e.Have)
}

func (e *FullError) Is(target error) bool { return target == ErrFull }

// LockedError says who holds the spool (exit 75).
type LockedError struct {
	Dir    string
	Holder int // process id, 0 when the lock file does not tell
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("%s: locked by process %d", e.Dir, e.Holder)
}

func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// FatalError means that the state in memory can no longer be trusted to be the one on disk. Every later call
// returns it; the process must exit (74) and recover by Open. Nothing is lost.
type FatalError struct {
	Op  string
	Err error
}

func (e *FatalError) Error() string { return fmt.Sprintf("%s: %v", e.Op, e.Err) }
func (e *FatalError) Unwrap() error { return e.Err }

// FormatError names what was written by a later version. It matches ErrFormat.
type FormatError struct {
	Path    string
	Version int
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%s: format version %d, this program knows up to %d", e.Path, e.Version, ManifestVersion)
}

func (e *FormatError) Is(target error) bool { return target == ErrFormat }

// StateKind tells the two states Open refuses apart.
type StateKind int

const (
	// NoPosition: the instance has committed batches, yet neither manifest nor ledger is there (exit 65).
	NoPosition StateKind = iota + 1
	// RolledBack: the position is older than the ledger's last batch (exit 75).
	RolledBack
	// Copied: the directory is a copy of the one its batches were committed in, so that nobody knows what was shipped
	// since (exit 75).
	Copied
)

// StateError refuses a directory whose position would lose or repeat events. `position set` is the way out.
type StateError struct {
	Kind         StateKind
	Dir          string
	Live, Ledger uint64 // highest batch on disk and in the ledger, for RolledBack
}

func (e *StateError) Error() string {
	if e.Kind == Copied {
		return fmt.Sprintf("%s is a copy of a state directory, put back or moved here: alerts shipped after the copy was made "+
			"would be shipped again; name the place to go on from with `position set` "+
			"(moved, and nothing shipped since: `position show` piped into `position set --file -`)", e.Dir)
	}
	if e.Kind == RolledBack {
		return fmt.Sprintf("%s: state was rolled back: newest batch is %d, the ledger has %d; "+
			"restore the newer state or name the place to go on from with `position set`", e.Dir, e.Live, e.Ledger)
	}
	return fmt.Sprintf("%s: batches were committed here, but neither manifest nor ledger is left; "+
		"name the place to go on from with `position set`", e.Dir)
}

// PinError means that a known source changed what must never change (exit 78): use a new source.
type PinError struct {
	Source    string
	Attribute string // class, ocsf_version or schema
	Was, Is   string
}

func (e *PinError) Error() string {
	return fmt.Sprintf("source %q was pinned with %s %s, the configuration says %s: use a new source", e.Source, e.Attribute, e.Was, e.Is)
}

// full marks an error of a full disk or quota as ErrFull and returns every other error as it is.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// damaged reports whether a read error says that the bytes are gone, as opposed to a process out of file
// descriptors or permissions, which must not put a sound batch into quarantine.
func damaged(err error) bool {
	return !errors.Is(err, errUnsynced) && (errors.Is(err, ErrCorrupt) || errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.EIO) ||
		errors.Is(err, errDamagedFS) || errors.Is(err, syscall.EBADMSG) || errors.Is(err, syscall.EISDIR))
}

// errUnsynced marks a failed fsync of what Open found. It says nothing against the bytes: the batch may be whole, and
// delivered as well, so that reading its lines again would repeat them. Open fails instead, and is tried again.
var errUnsynced = errors.New("cannot be made durable")

func unsynced(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errUnsynced, err)
}
