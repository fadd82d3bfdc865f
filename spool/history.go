package spool

import (
	"maps"
	"slices"
)

// Fate is what became of a batch, as far as it is known now.
type Fate string

// The fates of a batch.
const (
	Delivered Fate = "delivered" // every object was acknowledged
	Waiting   Fate = "waiting"   // committed, not every object acknowledged
	SetAside  Fate = "set aside" // in quarantine: its ranges are a gap
)

// Past is one batch of a spool's history.
type Past struct {
	Seq  uint64
	Fate Fate
	// Manifest is missing only when that of a batch in quarantine could not be read. Its Position is missing except in
	// the first and in the newest batch: it may be longer than everything else.
	Manifest *Manifest
	Gaps     []Gap    // of a batch set aside
	Files    []string // of a batch set aside: the objects that had been acknowledged
	Reread   bool     // of a batch set aside: its ranges were read again, so they are no gap
}

// History returns every batch the ledger and the directory know, in order of number, with its last known fate. It takes
// no lock and may run beside the daemon. It reads the whole ledger and holds it in memory without its positions.
// bad is the number of unsound ledger lines passed over. fs.ErrNotExist: there is no spool.
func History(dir string) (past []Past, bad int, err error) { return history(OS{}, dir) }

func history(fsys FS, dir string) (past []Past, bad int, err error) {
	// The directory first: a batch released between the two looks is then seen twice, not never.
	st, err := ReadFS(fsys, dir)
	if err != nil {
		return nil, 0, err
	}
	known := make(map[uint64]Past)
	var first, newest *Manifest
	lean := func(m *Manifest) *Manifest {
		if m == nil {
			return nil
		}
		if first == nil || m.Seq < first.Seq {
			first = m
		}
		if newest == nil || m.Seq > newest.Seq {
			newest = m
		}
		c := *m
		c.Position = nil
		return &c
	}
	for _, b := range st.Batches {
		p := Past{Seq: b.Seq, Manifest: lean(b.Manifest)}
		switch b.Place {
		case Outbox:
			p.Fate = Waiting
		case Shipped:
			p.Fate = Delivered
		default:
			p.Fate = SetAside // its ledger line may still be missing
			for _, r := range rangesOf(b.Manifest) {
				p.Gaps = append(p.Gaps, Gap{Range: r, Reason: "quarantined: " + b.Problem})
			}
		}
		known[b.Seq] = p
	}
	l := layout{fs: fsys, dir: dir}
	months, err := l.months()
	if err != nil {
		return nil, 0, err
	}
	for _, month := range months {
		_, n, err := l.scanLedger(month, false, func(e Entry) {
			p := Past{Seq: e.Seq, Fate: Delivered, Manifest: lean(e.Manifest)}
			switch {
			case e.State == Quarantined && (e.Reread || len(e.Gaps) > 0 || e.Lines > 0): // else everything had been acknowledged
				p.Fate, p.Gaps, p.Files, p.Reread = SetAside, e.Gaps, e.Delivered, e.Reread
			case e.State == Requeued:
				p.Fate = Waiting
			}
			known[e.Seq] = p
		})
		if err != nil {
			return nil, 0, err
		}
		bad += n
	}
	for _, m := range []*Manifest{first, newest} {
		if m != nil && known[m.Seq].Manifest != nil {
			known[m.Seq].Manifest.Position = m.Position
		}
	}
	for _, seq := range slices.Sorted(maps.Keys(known)) {
		past = append(past, known[seq])
	}
	return past, bad, nil
}

func rangesOf(m *Manifest) []Range {
	if m == nil {
		return nil
	}
	return m.Ranges
}
