package main

import (
	"maps"
	"slices"
	"time"

	"wazuh-security-lake/spool"
)

// ledgerDays is how far back status looks for the last object of a source.
const ledgerDays = 31

// digest is what status takes from the ledger. It is kept over the redraws of --watch, so that each reads only what is new.
type digest struct {
	follower *spool.Follower
	gaps     map[uint64]gapsOf
	order    []uint64
	last     map[string]*lastObject
	shipped  []shippedBatch // of the last 24 hours, oldest first
	sizes    spool.Counts   // Read: lines whose Bytes are known
	bytes    int64
}

// gapsOf are the gaps of one batch: what the tailer could not read, and what is not delivered because of quarantine.
type gapsOf struct{ read, lost []spool.Gap }

// lastObject is the newest object of a source that was acknowledged.
type lastObject struct {
	Source string    `json:"source"`
	Key    string    `json:"key"`
	Rows   int64     `json:"rows"`
	Bytes  int64     `json:"bytes"`
	At     time.Time `json:"at"`
}

type shippedBatch struct {
	at      time.Time
	objects []spool.Object
	alerts  int64
}

func newDigest(dir string, now time.Time) *digest {
	return &digest{follower: spool.Follow(dir, now.AddDate(0, 0, -ledgerDays)), gaps: make(map[uint64]gapsOf), last: make(map[string]*lastObject)}
}

// update reads what is new in the ledger.
func (d *digest) update(now time.Time) error {
	err := d.follower.Next(func(e spool.Entry) error {
		d.take(e)
		return nil
	})
	keep := slices.IndexFunc(d.shipped, func(s shippedBatch) bool { return now.Sub(s.at) < day })
	if keep < 0 {
		keep = len(d.shipped)
	}
	d.shipped = d.shipped[keep:]
	return err
}

func (d *digest) take(e spool.Entry) {
	g, known := d.gaps[e.Seq]
	if e.Manifest != nil {
		g.read = e.Manifest.Gaps
	}
	g.lost = e.Gaps // none unless quarantined
	if !known && len(g.read)+len(g.lost) > 0 {
		d.order = append(d.order, e.Seq)
	}
	if known || len(g.read)+len(g.lost) > 0 {
		d.gaps[e.Seq] = g
	}
	m := e.Manifest
	if m == nil || e.State != spool.Released {
		return
	}
	for _, r := range m.Ranges {
		d.bytes += r.To - r.From
	}
	if len(m.Ranges) > 0 {
		d.sizes.Read += m.Counts.Read
	}
	at, err := time.Parse(time.RFC3339, e.Time)
	if err != nil || len(m.Objects) == 0 {
		return
	}
	d.shipped = append(d.shipped, shippedBatch{at, m.Objects, m.Counts.Shipped})
	for _, o := range m.Objects {
		if l := d.last[o.Source]; l == nil || !at.Before(l.At) {
			d.last[o.Source] = &lastObject{o.Source, o.Key, o.Rows, o.Bytes, at}
		}
	}
}

// bytesPerAlert is the mean length of a line; 0 when none is known.
func (d *digest) bytesPerAlert() int64 {
	if d.sizes.Read == 0 {
		return 0
	}
	return d.bytes / d.sizes.Read
}

// allGaps are the recorded losses: those of the ledger and those of batches that are not released yet.
func (d *digest) allGaps(st spool.State) []spool.Gap {
	out := []spool.Gap{}
	for _, seq := range d.order {
		out = append(append(out, d.gaps[seq].read...), d.gaps[seq].lost...)
	}
	for _, b := range st.Batches {
		if _, logged := d.gaps[b.Seq]; !logged && b.Manifest != nil && (b.Place == spool.Outbox || b.Place == spool.Shipped) {
			out = append(out, b.Manifest.Gaps...)
		}
	}
	return out
}

// lastObjects are the newest object of each source, by name.
func (d *digest) lastObjects() []*lastObject {
	out := make([]*lastObject, 0, len(d.last))
	for _, name := range slices.Sorted(maps.Keys(d.last)) {
		out = append(out, d.last[name])
	}
	return out
}
