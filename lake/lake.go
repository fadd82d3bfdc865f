// Package lake is the contract of Amazon Security Lake for custom sources, as code: where an object lies
// (Partition, Contract, ObjectName), what its Parquet looks like (SchemaText, AthenaDDL, Encoder) and whether a
// given file keeps the contract (Verify). It is pure: no clock, no disk, no network; bytes go to an io.Writer and
// come from an io.ReaderAt.
//
// One object holds events of one OCSF class and one UTC day, sorted by time as a whole. The physical schema is the
// whole class in its column order, in every object, even where a column is all null: a crawler that sees the same
// footer every time never has a reason to split or change the table.
package lake

import "errors"

var (
	// ErrOlder is returned by Encoder.Write for an event that lies before a row group already written: the object
	// could not stay sorted. Nothing was taken; the event belongs into the partition's next object.
	ErrOlder = errors.New("event is older than the last row group written")
	// ErrClosed is returned by an Encoder that was closed and not Reset.
	ErrClosed = errors.New("encoder is closed")
	// ErrClass is returned by Encoder.Write for an event of another class than the encoder's.
	ErrClass = errors.New("event is of another class")
	// ErrEvent is wrapped by Encoder.Write for an event that the class cannot hold (a number outside of 32 bits, a
	// "time" that is not the event's time). Nothing was taken.
	ErrEvent = errors.New("event does not fit its class")
	// ErrNotParquet is wrapped by the reading functions for a file that is no Parquet, is cut short or is damaged.
	ErrNotParquet = errors.New("not a readable Parquet file")
)
