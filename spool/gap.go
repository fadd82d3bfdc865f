package spool

// lost describes what is missing when a batch goes to quarantine. Without a manifest the ranges are inferred
// from the batches around it; without a batch after it they are simply read again.
func (f *findings) lost(seq uint64, m *Manifest, cause error) Entry {
	e := Entry{Seq: seq, State: Quarantined, Reason: cause.Error(), Manifest: m}
	if m != nil {
		r := f.records[seq]
		if r == nil {
			r = &record{m: *m, place: Outbox, acked: make([]bool, len(m.Objects))}
		}
		e.Lines = r.pendingLines()
		for i, o := range m.Objects {
			if r.acked[i] {
				e.Delivered = append(e.Delivered, o.File)
			}
		}
		for _, g := range m.Ranges {
			e.Gaps = append(e.Gaps, Gap{Range: g, Reason: "quarantined: " + e.Reason})
		}
		return e
	}
	prev, next := f.around(seq)
	if next == nil {
		e.Reread = true
		return e
	}
	if prev != nil {
		e.Lines = max(0, next.events()-next.lines()-prev.events())
	}
	e.Gaps = between(prev, next, "quarantined: "+e.Reason)
	return e
}

// around finds the nearest sound manifests below and above a batch.
func (f *findings) around(seq uint64) (prev, next *Manifest) {
	consider := func(m *Manifest) {
		switch {
		case m == nil || m.Seq == seq:
		case m.Seq < seq && (prev == nil || m.Seq > prev.Seq):
			prev = m
		case m.Seq > seq && (next == nil || m.Seq < next.Seq):
			next = m
		}
	}
	for _, r := range f.records {
		consider(&r.m)
	}
	for _, m := range f.quarantine {
		consider(m)
	}
	for _, e := range f.ledger.last {
		consider(e.Manifest)
	}
	return prev, next
}

// between is the gap from the last range of prev to the first of next. Whole files in between are not known
// here; backfill finds them in the dated tree, between the two names.
func between(prev, next *Manifest, reason string) []Gap {
	gap := func(r Range) Gap { return Gap{Range: r, Reason: reason} }
	var last, first Range
	if prev != nil && len(prev.Ranges) > 0 {
		last = prev.Ranges[len(prev.Ranges)-1]
	}
	if len(next.Ranges) > 0 {
		first = next.Ranges[0]
	}
	switch {
	case last.File == "" && first.File == "":
		return []Gap{gap(Range{To: -1})}
	case last.File == first.File && last.Head == first.Head:
		return []Gap{gap(Range{File: first.File, Head: first.Head, From: last.To, To: first.From})}
	case last.File == "":
		return []Gap{gap(Range{File: first.File, Head: first.Head, To: first.From})}
	case first.File == "":
		return []Gap{gap(Range{File: last.File, Head: last.Head, From: last.To, To: -1})}
	}
	return []Gap{
		gap(Range{File: last.File, Head: last.Head, From: last.To, To: -1}),
		gap(Range{File: first.File, Head: first.Head, To: first.From}),
	}
}
