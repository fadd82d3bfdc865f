package uploader

import (
	"io"

	"wazuh-security-lake/spool"
)

// Queue is where waiting objects come from: the spool, as far as the uploader needs it. All methods must be safe for
// concurrent use.
type Queue interface {
	// Pending lists the objects of committed batches that are not acknowledged yet, oldest first.
	Pending() []spool.Ref
	// Changed returns a channel that is closed, or receives a value, when Pending may have changed after this call.
	Changed() <-chan struct{}
	// OpenObject opens the bytes of a pending object; the caller closes them. An error matching spool.ErrCorrupt asks
	// for Quarantine, spool.ErrUnknownBatch says that the batch is no longer pending.
	OpenObject(ref spool.Ref) (body io.ReadSeekCloser, size int64, err error)
	// Ack records that the object is at its destination. Acknowledging twice is harmless.
	Ack(ref spool.Ref) error
	// Quarantine sets aside a batch whose bytes no longer match its manifest.
	Quarantine(seq uint64, reason string) error
}

var _ Queue = (*spool.Spool)(nil)
