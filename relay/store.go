package relay

import (
	"io"

	"wazuh-security-lake/spool"
)

// Store is where finished batches become durable: the daemon's spool, or the directory of a one-shot conversion.
type Store interface {
	// Begin starts a batch. volatile asks for the reserve that a full store keeps for lines that exist nowhere else.
	// An error that wraps spool.ErrFull means: not now, nothing is lost by waiting.
	Begin(volatile bool) (Batch, error)
}

// Batch is one batch under construction. After an error every method but Discard may fail; what was read has to be read again.
type Batch interface {
	Seq() uint64
	Create(name string) (File, error)
	Reject(spool.Reject) error
	// Commit makes the batch and its position durable and visible at once.
	Commit(spool.Manifest) error
	Discard() error
}

// File is one object of a batch. Close makes its content durable; Sum is its SHA-256 in hex; Sum and Size are final after Close.
type File interface {
	io.Writer
	Close() error
	Sum() string
	Size() int64
}

// FromSpool returns s as a Store.
func FromSpool(s *spool.Spool) Store { return spoolStore{s} }

type spoolStore struct{ spool *spool.Spool }

func (s spoolStore) Begin(volatile bool) (Batch, error) {
	begin := s.spool.Begin
	if volatile {
		begin = s.spool.BeginReserve
	}
	b, err := begin()
	if err != nil {
		return nil, err
	}
	return spoolBatch{b}, nil
}

type spoolBatch struct{ *spool.Batch }

func (b spoolBatch) CreateCopy(name string) (File, error) {
	f, err := b.Batch.CreateCopy(name)
	if err != nil {
		return nil, err // not a File that holds a nil pointer
	}
	return f, nil
}

func (b spoolBatch) Create(name string) (File, error) {
	f, err := b.Batch.Create(name)
	if err != nil {
		return nil, err
	}
	return f, nil
}
