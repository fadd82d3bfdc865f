package backfill

import (
	"cmp"
	"path"
	"slices"

	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

// Extents is a set of byte ranges of files. The zero value is empty.
type Extents struct {
	byHead map[string][]*extent
}

// extent is what is known of one file.
type extent struct {
	file  string
	spans []span // disjoint, rising, none empty
}

type span struct{ from, to int64 }

// SameFile reports whether two records mean the same file: the same first line, and the same name, or the same base name
// when one of them has no date because the file was read in another place.
func SameFile(a, b spool.Range) bool {
	if a.Head != b.Head {
		return false
	}
	return a.File == b.File || path.Base(a.File) == path.Base(b.File) && (!dated(a.File) || !dated(b.File))
}

func dated(name string) bool {
	_, ok := tailer.DayOf(name)
	return ok
}

// Add puts a range into the set. Empty ones and those without an end change nothing.
func (x *Extents) Add(r spool.Range) {
	if r.To <= r.From {
		return
	}
	if x.byHead == nil {
		x.byHead = make(map[string][]*extent)
	}
	i := slices.IndexFunc(x.byHead[r.Head], func(e *extent) bool { return e.file == r.File })
	var e *extent
	if i < 0 {
		e = &extent{file: r.File}
		x.byHead[r.Head] = append(x.byHead[r.Head], e)
	} else {
		e = x.byHead[r.Head][i]
	}
	e.spans = insert(e.spans, span{r.From, r.To})
}

// insert merges s into spans.
func insert(spans []span, s span) []span {
	lo, _ := slices.BinarySearchFunc(spans, s.from, func(a span, from int64) int { return cmp.Compare(a.to, from) })
	hi := lo
	for hi < len(spans) && spans[hi].from <= s.to {
		s.from, s.to = min(s.from, spans[hi].from), max(s.to, spans[hi].to)
		hi++
	}
	return slices.Replace(spans, lo, hi, s)
}

// Minus returns the parts of r that are not in the set, rising. An r without an end (To is -1) keeps none in its last part.
func (x *Extents) Minus(r spool.Range) []spool.Range {
	var spans []span
	for _, e := range x.byHead[r.Head] {
		if SameFile(spool.Range{File: e.file, Head: r.Head}, r) {
			for _, s := range e.spans {
				spans = insert(spans, s)
			}
		}
	}
	var out []spool.Range
	at := r.From
	part := func(to int64) {
		p := r
		p.From, p.To = at, to
		out = append(out, p)
	}
	for _, s := range spans {
		if s.to <= at {
			continue
		}
		if r.To >= 0 && s.from >= r.To {
			break
		}
		if s.from > at {
			part(s.from)
		}
		at = s.to
	}
	if r.To < 0 || at < r.To {
		part(r.To)
	}
	return out
}

// Covers reports whether every byte of r is in the set; never for a range without an end.
func (x *Extents) Covers(r spool.Range) bool { return len(x.Minus(r)) == 0 }

// top is where the set ends in the file of r.
func (x *Extents) top(r spool.Range) int64 {
	var top int64
	for _, e := range x.byHead[r.Head] {
		if n := len(e.spans); n > 0 && SameFile(spool.Range{File: e.file, Head: r.Head}, r) {
			top = max(top, e.spans[n-1].to)
		}
	}
	return top
}

// Knows reports whether any byte of a file of this first line and base name is in the set, and under which name.
func (x *Extents) Knows(head, base string) (file string, ok bool) {
	for _, e := range x.byHead[head] {
		if path.Base(e.file) == base {
			return e.file, true
		}
	}
	return "", false
}
