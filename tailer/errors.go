package tailer

import (
	"errors"
	"fmt"
)

// ErrClosed is returned by every call after Close.
var ErrClosed = errors.New("tailer: closed")

// errArchive marks a .gz whose content does not end in a valid trailer: it is being written, or it is damaged.
var errArchive = errors.New("archive is incomplete or damaged")

// GapError is a named loss: bytes of File that were never read and are not found any more, or whose file was changed so
// that nobody can say whether they were read. The call after it goes on, from the oldest unread byte there is; lines may
// then come a second time, none is left out.
type GapError struct {
	File string
	Head Fingerprint
	From int64
	To   int64 // -1 when nobody knows where the loss ends
	// Reason is one of the Gap constants.
	Reason string
}

// Reasons for GapError.Reason.
const (
	GapNotFound  = "not_found" // neither the file nor its archive is there any more
	GapTruncated = "truncated" // the file became shorter than what was read of it
	GapRewritten = "rewritten" // the bytes before the offset are not the bytes that were read
	GapDamaged   = "damaged"   // the archive does not decompress to its end and did not change for archivePatience
)

func (e *GapError) Error() string {
	to := "unknown"
	if e.To >= 0 {
		to = fmt.Sprint(e.To)
	}
	return fmt.Sprintf("gap in %s from %d to %s: %s", e.File, e.From, to, e.Reason)
}

// RetryError says that the log cannot be read at the moment: alerts.json is missing (manager not installed yet), access
// is denied, the disk reports an error. Nothing is lost by calling Next again after the next wake-up.
// Use errors.Is with fs.ErrNotExist, fs.ErrPermission or syscall.EIO to tell why.
type RetryError struct {
	Path string
	Err  error
}

// Error names the path once: Err of the operating system's own errors names it.
func (e *RetryError) Error() string { return fmt.Sprintf("read log: %v", e.Err) }

// Unwrap returns the cause.
func (e *RetryError) Unwrap() error { return e.Err }

// Event is something an operator may want to know of that is neither a line nor a loss.
type Event struct {
	Kind   EventKind
	File   string
	Offset int64
	// Bytes is how much is meant: bytes unread for Unlinked, bytes that come a second time for Restarted.
	Bytes int64
}

// EventKind says what happened.
type EventKind int

// The kinds of Event. The zero EventKind is none of them.
const (
	// Opened: reading goes on in File at Offset.
	Opened EventKind = iota + 1
	// Finished: File was read to its end, Offset, and its successor is linked.
	Finished
	// Restarted: File was truncated or rewritten; it is read again from 0.
	Restarted
	// ClockBack: the manager went back to an older file, File, because its clock was set back.
	ClockBack
	// Unlinked: the open File has lost its name while Bytes of it are unread and in no archive. Only this process still
	// holds them: a restart now would lose them. It is repeated every ten minutes while this is so.
	Unlinked
	// ArchiveNotReady: File exists only as .gz and that does not decompress to its end. Reading waits.
	ArchiveNotReady
)

// Warning reports whether an operator must look at it.
func (k EventKind) Warning() bool { return k >= Restarted }

func (k EventKind) String() string {
	switch k {
	case Opened:
		return "opened"
	case Finished:
		return "finished"
	case Restarted:
		return "restarted from the beginning"
	case ClockBack:
		return "clock stepped back"
	case Unlinked:
		return "unlinked while unread"
	case ArchiveNotReady:
		return "archive not ready"
	}
	return fmt.Sprintf("event %d", int(k))
}
