package relay

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"wazuh-security-lake/lake"
	"wazuh-security-lake/ocsf"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

// maxPartitions is how many (source, day) objects may be open from one pass to the next: each holds up to one row group in memory.
// Only alerts with scattered timestamps come near it; the batch is then sealed early. mostOpen is how many may be open within
// a pass, where each takes some seven MiB: beyond it the one that had no alert for longest is closed for another. A month fits in.
const (
	maxPartitions = 12
	mostOpen      = 32
)

// idleLines is how many lines must have gone by without one for an object until it is closed once another day has begun: its day
// is over, and an open object takes some ten MiB for its footer and its encoder. Where one alert comes later after all, it costs
// an object.
const idleLines = 20_000

// builder is the batch under construction: every line consumed since the last seal ends here as a row, a reject or a
// counted filter decision, and its byte range is noted. The zero batch (nil) begins with the first line.
type builder struct {
	opt      *Options
	encoders map[*ocsf.Class][]*lake.Encoder // idle encoders: their buffers are worth keeping
	copier   *copier                         // nil: no second copy is wanted

	batch    Batch
	began    time.Time // when the first line was consumed
	objects  []*object // in order of n, closed ones included
	open     map[openKey]*object
	looked   int64 // the line at which objects of days that are over were looked for
	counts   spool.Counts
	filtered map[string]int64 // by reason
	rejected map[string]int64
	ranges   []spool.Range
	gaps     []spool.Gap
	volatile bool // holds a line of which no other copy exists
}

type openKey struct {
	source *Source
	day    lake.Date
}

// object is one Parquet file being written.
type object struct {
	source    *Source
	partition lake.Partition
	file      File
	encoder   *lake.Encoder // nil once closed
	info      spool.Object
	lastLine  int64 // of the batch, that was written to it
	over      bool  // another day of its source began while it was open
}

func newBuilder(opt *Options) *builder {
	b := &builder{opt: opt, encoders: make(map[*ocsf.Class][]*lake.Encoder)}
	if opt.Copy != nil {
		b.copier = &copier{to: opt.Copy, opt: opt}
	}
	b.clear()
	return b
}

func (b *builder) clear() {
	b.batch, b.began, b.objects, b.looked = nil, time.Time{}, nil, 0
	b.open = make(map[openKey]*object)
	b.counts, b.ranges, b.gaps, b.volatile = spool.Counts{}, nil, nil, false
	b.filtered, b.rejected = make(map[string]int64), make(map[string]int64)
}

// empty reports that there is nothing to commit: no line consumed and no gap to record.
func (b *builder) empty() bool { return b.batch == nil }

// begin starts the batch unless it has begun. Its error may wrap spool.ErrFull.
func (b *builder) begin(now time.Time, volatile bool) error {
	if b.batch != nil {
		return nil
	}
	batch, err := b.opt.Store.Begin(volatile)
	if err != nil {
		return fmt.Errorf("begin batch: %w", err)
	}
	b.batch, b.began = batch, now
	if b.copier != nil {
		b.copier.begin(batch)
	}
	return nil
}

// note extends the ranges of the batch by one line. Contiguous lines of one file are one range.
func (b *builder) note(l *tailer.Line) {
	b.counts.Read++
	b.volatile = b.volatile || l.Volatile
	if n := len(b.ranges); n > 0 {
		if last := &b.ranges[n-1]; last.To == l.From && last.File == l.File && last.Head == l.Head.Hash {
			last.To = l.To
			return
		}
	}
	b.ranges = append(b.ranges, spool.Range{File: l.File, Head: l.Head.Hash, From: l.From, To: l.To})
}

// filter counts a line that the configuration does not want.
func (b *builder) filter(reason string) {
	b.counts.Filtered++
	b.filtered[reason]++
}

// reject keeps a line that cannot become an event, with its reason and its original bytes.
func (b *builder) reject(l *tailer.Line, reason, attribute string) error {
	b.counts.Rejected++
	b.rejected[reason]++
	err := b.batch.Reject(spool.Reject{Reason: reason, Attribute: attribute, File: l.File, Head: l.Head.Hash,
		From: l.From, To: l.To, Size: l.Size, SHA256: l.SHA256, Line: l.Data})
	if err != nil {
		return fmt.Errorf("reject line at %s:%d: %w", l.File, l.From, err)
	}
	return nil
}

// add writes an event to the object of its (source, day).
func (b *builder) add(f *fate) error {
	key := openKey{f.source, lake.DateOf(f.time)}
	o := b.open[key]
	if o == nil {
		var err error
		if o, err = b.create(key, f.time); err != nil {
			return err
		}
	}
	err := f.write(o.encoder)
	if errors.Is(err, lake.ErrOlder) {
		// A row group that holds later rows is already written: the object would not be sorted as a whole.
		if err = b.close(o); err != nil {
			return err
		}
		if o, err = b.create(key, f.time); err != nil {
			return err
		}
		err = f.write(o.encoder)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", o.info.File, err)
	}
	o.lastLine = b.counts.Read
	b.counts.Shipped++
	if b.copier != nil {
		b.copier.add(key, f.event)
	}
	if b.counts.Read-b.looked > idleLines {
		b.looked = b.counts.Read
		return b.closeOver()
	}
	return nil
}

// closeOver closes the objects of days that are over.
func (b *builder) closeOver() error {
	for _, o := range b.open {
		if o.over && b.counts.Read-o.lastLine > idleLines {
			if err := b.close(o); err != nil {
				return err
			}
		}
	}
	return nil
}

// closeOldest makes room for another open object where there are mostOpen.
func (b *builder) closeOldest() error {
	if len(b.open) < mostOpen {
		return nil
	}
	var oldest *object
	for _, o := range b.open {
		if oldest == nil || o.lastLine < oldest.lastLine {
			oldest = o
		}
	}
	return b.close(oldest)
}

// write writes the event of a fate.
func (f *fate) write(e *lake.Encoder) error {
	if f.pattern != nil {
		return e.WritePattern(f.pattern, f.time, f.values.Texts, f.values.Nums)
	}
	return e.Write(f.event)
}

func (b *builder) create(key openKey, ms int64) (*object, error) {
	for _, o := range b.open {
		o.over = o.over || o.source == key.source
	}
	// Before the rest is trimmed: a row group just before its object is closed would be one too many.
	if err := b.closeOver(); err != nil {
		return nil, err
	}
	if err := b.closeOldest(); err != nil {
		return nil, err
	}
	for _, o := range b.open {
		if o.source == key.source { // most likely a day that is over: it must not hold a row group in memory until it is closed
			if err := o.encoder.Trim(); err != nil {
				return nil, fmt.Errorf("write %s: %w", o.info.File, err)
			}
		}
	}
	name := strconv.Itoa(len(b.objects)) + ".parquet"
	file, err := b.batch.Create(name)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	o := &object{source: key.source, partition: key.source.partition(ms), file: file,
		info: spool.Object{File: name, Destination: key.source.Destination, Source: key.source.Name,
			Class: key.source.Class.Name, EventDay: key.day.String()}}
	if o.encoder, err = b.encoder(key.source.Class, file); err != nil {
		return nil, fmt.Errorf("encode %s: %w", name, err)
	}
	b.objects = append(b.objects, o)
	b.open[key] = o
	return o, nil
}

func (b *builder) encoder(c *ocsf.Class, f File) (*lake.Encoder, error) {
	if idle := b.encoders[c]; len(idle) > 0 {
		e := idle[len(idle)-1]
		b.encoders[c] = idle[:len(idle)-1]
		e.Reset(f)
		return e, nil
	}
	return lake.NewEncoder(f, c, b.opt.Encoder)
}

// close finishes one object: its bytes are on disk and its key is fixed. The batch is still uncommitted.
func (b *builder) close(o *object) error {
	delete(b.open, openKey{o.source, o.partition.Day})
	ranges, err := json.Marshal(b.ranges)
	if err != nil {
		return fmt.Errorf("describe %s: %w", o.info.File, err)
	}
	e := o.encoder
	e.SetMetadata("wazuh.node", b.opt.Node)
	e.SetMetadata("wazuh.ranges", string(ranges))
	o.info.Rows, o.info.FirstTime, o.info.LastTime = e.Rows(), e.FirstTime(), e.LastTime()
	if err := e.Close(); err != nil {
		return fmt.Errorf("finish %s: %w", o.info.File, err)
	}
	if err := o.file.Close(); err != nil {
		return fmt.Errorf("finish %s: %w", o.info.File, err)
	}
	o.encoder = nil
	b.encoders[o.source.Class] = append(b.encoders[o.source.Class], e)
	o.info.Bytes, o.info.SHA256 = o.file.Size(), o.file.Sum()
	var sum [32]byte
	if _, err := hex.Decode(sum[:], []byte(o.info.SHA256)); err != nil {
		return fmt.Errorf("name %s: %w", o.info.File, err)
	}
	n := 0
	for b.objects[n] != o {
		n++
	}
	name, err := lake.ObjectName(b.opt.Node, b.opt.Instance, b.batch.Seq(), n, sum)
	if err != nil {
		return fmt.Errorf("name %s: %w", o.info.File, err)
	}
	if o.info.Key, err = o.source.Contract.Key(o.partition, name); err != nil {
		return fmt.Errorf("name %s: %w", o.info.File, err)
	}
	return nil
}

// size is the largest object's size so far and the size of all of them, an upper estimate.
func (b *builder) size() (largest, total int64) { return b.sizeBy((*lake.Encoder).Size) }

// leastSize is no more than size, and mostSize no less. They cost less, but what becomes of an alert must not depend on them.
func (b *builder) leastSize() (largest, total int64) {
	return b.sizeBy(func(e *lake.Encoder) int64 {
		least, _ := e.SizeBounds()
		return least
	})
}

func (b *builder) mostSize() (largest, total int64) {
	return b.sizeBy(func(e *lake.Encoder) int64 {
		_, most := e.SizeBounds()
		return most
	})
}

func (b *builder) sizeBy(size func(e *lake.Encoder) int64) (largest, total int64) {
	for _, o := range b.objects {
		n := o.info.Bytes
		if o.encoder != nil {
			n = size(o.encoder)
		}
		largest, total = max(largest, n), total+n
	}
	return largest, total
}

// reaches reports whether the largest object has at least this size, and whether all of them have.
func (b *builder) reaches(n int64) (largest, total bool) {
	l, t := b.mostSize()
	if t >= n {
		l, t = b.size()
	}
	return l >= n, t >= n
}

// seal closes every object and commits the batch together with the position. On success the builder is empty again and
// the returned manifest is durable. On failure nothing of the batch is visible: the caller discards and reads again.
func (b *builder) seal(position tailer.Position, now time.Time) (spool.Manifest, error) {
	pos, err := json.Marshal(position)
	if err != nil {
		return spool.Manifest{}, fmt.Errorf("encode position: %w", err)
	}
	m := spool.Manifest{Created: now.UTC().Format(time.RFC3339), Position: pos, Ranges: b.ranges, Gaps: b.gaps, Counts: b.counts}
	for _, o := range b.objects {
		if o.encoder != nil {
			if err := b.close(o); err != nil {
				return spool.Manifest{}, err
			}
		}
		m.Objects = append(m.Objects, o.info)
	}
	if b.copier != nil && b.counts.Shipped > 0 {
		m.Copy = b.copier.seal()
	}
	m.Seq = b.batch.Seq()
	if err := b.batch.Commit(m); err != nil {
		return spool.Manifest{}, fmt.Errorf("commit batch %d: %w", m.Seq, err)
	}
	b.clear()
	return m, nil
}

// discard forgets the batch. The lines in it must be read again from the last committed position.
func (b *builder) discard() error {
	if b.batch == nil {
		return nil
	}
	for _, o := range b.objects {
		if o.encoder != nil {
			o.encoder.Abandon() // it may be writing still
		}
	}
	err := b.batch.Discard()
	b.encoders = make(map[*ocsf.Class][]*lake.Encoder) // an encoder that met a write error is not reused
	b.clear()
	if err != nil {
		return fmt.Errorf("discard batch: %w", err)
	}
	return nil
}
