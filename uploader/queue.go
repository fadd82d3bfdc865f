package uploader

import (
	"io"

	"wazuh-security-lake/spool"
)

// Ref names one pending object.
type Ref struct {
	Seq    uint64
	N      int
	Object spool.Object
}

// Queue is where waiting objects come from: the spool, as far as the uploader needs it. All methods must be safe for
// concurrent use.
type Queue interface {
	// Pending lists the objects of committed batches that are not acknowledged yet, oldest first.
	Pending() []Ref
	// Wake returns a channel that is closed, or receives a value, when objects become pending after this call. It is
	// asked for again after each wake-up.
	Wake() <-chan struct{}
	// OpenObject opens the bytes of a pending object. The caller closes it.
	OpenObject(ref Ref) (io.ReadSeekCloser, error)
	// Ack records durably that the object is at its destination. Acknowledging twice is harmless.
	Ack(ref Ref) error
	// Quarantine sets aside an object whose bytes no longer match the manifest.
	Quarantine(ref Ref, reason string) error
}
