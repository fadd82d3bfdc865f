package lake

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"wazuh-security-lake/lake/zstdpage"
	"wazuh-security-lake/ocsf"
)

// Options are the choices of an Encoder. The zero Options are good.
type Options struct {
	// RowGroupBytes is the uncompressed size at which the first row groups of an object are written (default 16 MiB).
	// It bounds the encoder's memory: see Encoder.
	RowGroupBytes int64
	// Metadata are key-value pairs of the footer known from the start.
	Metadata map[string]string
	// MaxRowGroupBytes is the size that the later row groups of an object grow to (default twice RowGroupBytes): the footer has
	// an entry for each column of each row group.
	MaxRowGroupBytes int64
	// Hands is how many goroutines encode the columns of a row group side by side; 0 and 1: the caller's does it all. Each
	// takes some 15 MiB. The bytes of an object are the same.
	Hands int
	// Presses are shared with other encoders; nil: the encoder has its own.
	Presses *Presses
	// ToolVersion is the version that stands in created_by after the name of the tool; "" is "dev".
	ToolVersion string
}

const (
	toolName             = "wazuh-security-lake"
	defaultRowGroupBytes = 16 << 20
	// rowGroupGrowth is the multiple of RowGroupBytes that the budget of a row group grows to by default. The footer
	// has an entry per column and row group: an object of 256 MiB in equal row groups of that size would carry some
	// megabytes of footer that every query reads first.
	rowGroupGrowth = 2
	// minRowGroupBytes keeps a mistaken option from writing one row group per event.
	minRowGroupBytes = 4 << 10

	// dictionaryMax is the size of one column's dictionary at which a row group is written. The library would put every
	// dictionary into one page, and that into the file, however large. The last row comes on top.
	dictionaryMax = 640 << 10
	// groupRows keeps the dictionary of a column of numbers below 1 MiB, whatever they are.
	groupRows = 100_000
)

// Encoder writes the events of one object as Parquet to an io.Writer.
//
// Events are gathered per column and written as a row group when their uncompressed size reaches a budget:
// Options.RowGroupBytes at first, then half of what the object holds already, at most MaxRowGroupBytes, or before the
// dictionary of a column could outgrow its page. Memory is bounded by that budget, plus about a third for pages and the
// compressed row group. Rows are sorted by time, stably,
// inside a row group, and no row group begins before the previous one ended (ErrOlder), so the object is sorted as a
// whole and says so (sorting_columns). The rows of the last two seconds, or the last MiB of them, stay back for the next row
// group, for the times of a log are not in strict order: only a row older than that is ErrOlder.
//
// Texts whose dictionary would be nearly as large as they are - ids, addresses of a scan - are PLAIN for the whole object
// instead. Its first row group decides.
//
// The same events in the same order, with the same options and metadata, give the same bytes. An Encoder allocates
// nothing per event in the steady state. It is not safe for concurrent use.
type Encoder struct {
	layout *layout
	opt    Options
	*group                             // being gathered
	spare  *group                      // rows that stay back while a row group is written
	file   *parquet.GenericWriter[any] // nil before the first row group
	out    countingWriter
	seeds  seeds
	meta   map[string]string

	bounds      int64 // bytes that min and max values may take in the footer, of the row groups written
	written     int64 // uncompressed bytes of them
	rowsWritten int64
	groups      int64
	first, last int64 // time of the earliest and latest event
	flushed     int64 // time of the latest event in a row group already written
	trim        bool  // memory goes back at the end of the next row group
	trimmed     int64 // Rows at the last Trim; -1 before it
	closed      bool
	err         error // the first error of the writer below: the object is lost

	batch     batch // rows that are in the group, but not yet in its columns
	expansion expansion
	places    []place
	stretches []stretch
	kept      []int32
}

// NewEncoder returns an encoder of events of class that writes one object to w. It writes nothing yet.
// The error is a class that Parquet cannot express.
func NewEncoder(w io.Writer, class *ocsf.Class, opt Options) (*Encoder, error) {
	l, err := newLayout(class)
	if err != nil {
		return nil, err
	}
	if opt.RowGroupBytes == 0 {
		opt.RowGroupBytes = defaultRowGroupBytes
	}
	opt.RowGroupBytes = max(opt.RowGroupBytes, minRowGroupBytes)
	if opt.MaxRowGroupBytes == 0 {
		opt.MaxRowGroupBytes = rowGroupGrowth * opt.RowGroupBytes
	}
	opt.MaxRowGroupBytes = max(opt.MaxRowGroupBytes, opt.RowGroupBytes)
	if opt.ToolVersion == "" {
		opt.ToolVersion = "dev"
	}
	opt.Metadata = maps.Clone(opt.Metadata)
	if opt.Presses == nil {
		opt.Presses = new(Presses)
	}
	e := &Encoder{
		layout: l,
		opt:    opt,
		seeds:  newSeeds(), // no byte of the object depends on it
		group:  newGroup(l),
		spare:  newGroup(l),
	}
	e.Reset(w)
	return e, nil
}

// Reset drops whatever the encoder holds and starts another object on w, with the class and the options it was made
// with. It keeps the buffers of the encoder and of the library below, but not those of a large object or for ever.
func (e *Encoder) Reset(w io.Writer) {
	e.out = countingWriter{w: w}
	e.file = nil
	e.meta = make(map[string]string)
	maps.Copy(e.meta, e.opt.Metadata)
	e.drop()
	for i := range e.layout.leaves {
		l := &e.layout.leaves[i]
		l.plain, l.sampled, l.texts = false, false, zstdpage.Words
	}
	e.bounds, e.written, e.rowsWritten, e.groups = 0, 0, 0, 0
	e.first, e.last, e.flushed = math.MaxInt64, math.MinInt64, math.MinInt64
	e.trim, e.trimmed = false, -1
	e.closed, e.err = false, nil
}

// Abandon gives the object up: nothing else is written. The encoder can be Reset.
func (e *Encoder) Abandon() {
	e.drop()
	if !e.closed && e.err == nil {
		e.err = ErrClosed
	}
}

// drop drops the rows that are not in a row group.
func (e *Encoder) drop() {
	e.batch.drop()
	e.group.reset()
}

// writerOptions are those of both of the library's writers, without the schema.
func writerOptions(c compress.Codec) []parquet.WriterOption {
	return []parquet.WriterOption{
		parquet.Compression(c),
		// Version 1 pages: what AWS's own files have and every reader knows.
		parquet.DataPageVersion(1),
		// Page statistics put min and max, untruncated and twice, into every page header; the column index has them.
		parquet.DataPageStatistics(false),
		// A net below the encodings set on every leaf: the library's own default is DELTA_LENGTH_BYTE_ARRAY.
		parquet.DefaultEncodingFor(parquet.ByteArray, &parquet.Plain),
	}
}

// begin makes the library's writer of the object, once it is known how its columns are encoded. It is made anew for each
// object: the library's Reset loses the paths of the columns. It compresses nothing, but copies what is compressed.
func (e *Encoder) begin() {
	if e.file == nil {
		e.file = parquet.NewGenericWriter[any](&e.out, append(writerOptions(&parquet.Zstd),
			e.layout.schema,
			parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("time"))),
			parquet.CreatedBy(toolName, e.opt.ToolVersion, ""))...)
	}
}

// Write adds one event and copies what it needs of it: ev may be reset on return. It writes a row group when the
// budget is reached, and blocks for as long as the writer below does; nothing is durable on return.
//
// A struct without any attribute set, and a list without elements, are written as null.
//
// Errors that wrap ErrOlder, ErrClass or ErrEvent leave the encoder as it was before the call. Any other error is of
// the writer below; the object is then lost and every later call returns the same error.
func (e *Encoder) Write(ev *ocsf.Event) error {
	if err := e.usable(); err != nil {
		return err
	}
	if ev.Class != e.layout.class {
		return fmt.Errorf("%w: %s instead of %s", ErrClass, ev.Class, e.layout.class)
	}
	if ev.Time < e.flushed {
		return ErrOlder
	}
	if t := &ev.Root.Values[e.layout.time]; !t.Set || t.Num != ev.Time {
		return fmt.Errorf("%w: attribute time differs from the time of the event", ErrEvent)
	}
	e.expand()
	before, full := e.buffered, e.full
	if err := e.object(e.layout.root, ev.Root, ev.Unmapped, 0, 0); err != nil {
		e.group.dropRow()
		e.buffered, e.full = before, full
		return err
	}
	e.added(ev.Time, before)
	return e.flushIfDue()
}

// added takes note of a row; before is what was buffered before it.
func (e *Encoder) added(ms, before int64) {
	if n := len(e.rows); n > 0 && ms < e.rows[n-1].time {
		e.unsorted = true
	}
	e.rows = append(e.rows, row{ms, e.buffered - before})
	e.first, e.last = min(e.first, ms), max(e.last, ms)
}

// flushIfDue writes a row group if the rows are enough for one.
func (e *Encoder) flushIfDue() error {
	if e.buffered >= e.budget() || e.full || len(e.rows) >= groupRows {
		return e.flush(false)
	}
	return nil
}

// budget is the uncompressed size at which the next row group is written.
func (e *Encoder) budget() int64 {
	return min(max(e.opt.RowGroupBytes, e.written/2), e.opt.MaxRowGroupBytes)
}

// SetMetadata sets a key-value pair of the footer; it counts until Close.
func (e *Encoder) SetMetadata(key, value string) { e.meta[key] = value }

// Rows returns the number of events taken.
func (e *Encoder) Rows() int64 { return e.rowsWritten + int64(len(e.rows)) }

// FirstTime returns the time of the earliest event; 0 without any.
func (e *Encoder) FirstTime() int64 {
	if e.Rows() == 0 {
		return 0
	}
	return e.first
}

// LastTime returns the time of the latest event; 0 without any.
func (e *Encoder) LastTime() int64 {
	if e.Rows() == 0 {
		return 0
	}
	return e.last
}

// What the frame of a column chunk and of a page takes in the file, generously.
const (
	chunkOverhead  = 512 // footer entry, column and offset index, dictionary page, level bytes of an all-null page
	columnOverhead = 128 // schema element
	fileOverhead   = 4 << 10
)

// Size returns what the object would come to if it were closed now, as an upper estimate: the bytes written, the rows
// buffered uncompressed, and the footer. It is asked now and then, not for each row.
func (e *Encoder) Size() int64 {
	e.expand()
	return e.size(e.buffered, e.group.bounds())
}

// SizeBounds returns between what Size lies, and costs less: the last rows that came through WritePattern need not be
// looked at. Unlike Size they depend on how rows came, so that what stands in an object must not depend on them.
func (e *Encoder) SizeBounds() (least, most int64) {
	buffered, bounds := e.buffered, e.group.bounds()
	least = e.size(buffered, bounds)
	if len(e.batch.rows) == 0 {
		return least, least
	}
	longer := int64(len(e.columns))*textBounds(0) + e.batch.longer*(textBounds(1)-textBounds(0))
	return least, e.size(buffered+e.batch.cost, bounds+longer)
}

// size is Size for rows with so many uncompressed bytes and min and max values.
func (e *Encoder) size(buffered, bounds int64) int64 {
	if e.closed {
		return e.out.n
	}
	size := e.out.n + fileOverhead + e.bounds + bounds
	for k, v := range e.meta {
		size += int64(len(k)+len(v)) + 16
	}
	groups := e.groups
	if len(e.rows) > 0 {
		groups++
		size += buffered + buffered/8
	}
	return size + int64(len(e.columns))*(columnOverhead+groups*chunkOverhead)
}

// Flush writes all that is buffered as a row group, sorted by time; with nothing buffered it does nothing.
// Nothing older than that may follow. The library holds back up to 32 KiB until Close. Nothing is durable on return.
func (e *Encoder) Flush() error {
	if err := e.usable(); err != nil {
		return err
	}
	return e.flush(true)
}

// Trim writes all but the rows that Write would keep back as a row group and gives the memory of the encoder back: its
// next event is not expected soon. It can go on at any time. Without an event since the last Trim it does nothing: what was kept
// back then still is.
func (e *Encoder) Trim() error {
	if err := e.usable(); err != nil {
		return err
	}
	if e.Rows() == e.trimmed {
		return nil
	}
	e.trim, e.trimmed = true, e.Rows()
	if err := e.flush(false); err != nil {
		return err
	}
	if e.trim { // there was no row
		e.group, e.trim = newGroup(e.layout), false
	}
	// They have no rows after a flush.
	e.batch, e.expansion = batch{number: e.batch.number}, expansion{}
	e.spare = newGroup(e.layout)
	return nil
}

// Close writes what is left and the footer. It neither syncs nor closes the writer below: the object is complete on
// return, but not durable. An object without rows is valid. Close must not be called twice without a Reset.
func (e *Encoder) Close() error {
	if err := e.Flush(); err != nil {
		return err
	}
	e.begin()
	for _, k := range slices.Sorted(maps.Keys(e.meta)) {
		e.file.SetKeyValueMetadata(k, e.meta[k])
	}
	if err := e.file.Close(); err != nil {
		e.err = fmt.Errorf("write footer: %w", err)
		return e.err
	}
	e.closed, e.file = true, nil
	return nil
}

func (e *Encoder) usable() error {
	if e.closed {
		return ErrClosed
	}
	return e.err
}

// countingWriter counts what reached w.
type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
