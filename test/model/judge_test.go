package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path"
	"slices"
	"strconv"
	"strings"

	"wazuh-security-lake/lake"
	"wazuh-security-lake/spool"
)

// verdict is what the judge knows about one sequence.
type verdict struct {
	w         *world
	manifests map[uint64]spool.Manifest // every committed batch
	aside     map[uint64]bool           // in quarantine
	rows      map[string][]shippedRow   // by alert id
	total     int
}

type shippedRow struct {
	seq uint64
	raw string
}

// judge reads the world as it is at the end. It is called outside the bubble.
func (w *world) judge() {
	if w.final == nil {
		return // a fault is recorded
	}
	w.step = -1
	v := &verdict{w: w, manifests: map[uint64]spool.Manifest{}, aside: map[uint64]bool{}, rows: map[string][]shippedRow{}}
	v.readLedger()
	v.readBucket()
	v.counters()
	covers := v.coverage()
	v.fates(covers)
	v.foreign()
	w.stats.puts, w.stats.exists = w.bucket.puts, w.bucket.exists
}

func (v *verdict) readLedger() {
	for _, e := range v.w.ledger {
		switch {
		case e.Manifest != nil:
			v.manifests[e.Seq] = *e.Manifest
			v.aside[e.Seq] = e.State == spool.Quarantined
		default:
			v.w.fault("ledger: batch %d %s without a manifest: %s", e.Seq, e.State, e.Reason)
		}
	}
	for _, b := range v.w.final.Batches {
		if b.Place == spool.Outbox {
			v.w.fault("batch %d is still in outbox/ (%s)", b.Seq, b.Problem)
		}
		if b.Place == spool.Quarantine {
			v.w.fault("batch %d is in quarantine: %s", b.Seq, b.Problem)
		}
		if _, ok := v.manifests[b.Seq]; !ok {
			v.w.fault("batch %d in %s has no ledger line", b.Seq, b.Place)
		}
	}
}

// readBucket decodes every object and holds it against its name, its manifest and the contract.
func (v *verdict) readBucket() {
	expected := map[string]spool.Object{}
	for _, m := range v.manifests {
		for _, o := range m.Objects {
			expected[o.Key] = o
		}
	}
	for key, data := range v.w.bucket.objects {
		o, ok := expected[key]
		if !ok {
			v.w.fault("object %s is in no batch", key)
		} else if sum := sha256.Sum256(data); o.SHA256 != hex.EncodeToString(sum[:]) {
			v.w.fault("object %s is not the one its batch names", key)
		}
		delete(expected, key)
		if wrong := checkName(key, data); wrong != "" {
			v.w.fault("%s", wrong)
		}
		seq := seqOf(key)
		err := lake.Rows(bytes.NewReader(data), int64(len(data)), func(row []byte) error {
			var ev struct {
				RawData string `json:"raw_data"`
				Finding struct {
					UID string `json:"uid"`
				} `json:"finding_info"`
			}
			if err := json.Unmarshal(row, &ev); err != nil {
				return err
			}
			v.rows[ev.Finding.UID] = append(v.rows[ev.Finding.UID], shippedRow{seq, ev.RawData})
			v.total++
			return nil
		})
		if err != nil {
			v.w.fault("object %s: %v", key, err)
		}
	}
	for key := range expected {
		v.w.fault("object %s was acknowledged and is not in the bucket", key)
	}
}

// seqOf takes the batch number out of <node>-<instance>-<seq>-<n>-<hash>.parquet.
func seqOf(key string) uint64 {
	parts := strings.Split(path.Base(key), "-")
	if len(parts) < 4 {
		return 0
	}
	n, err := strconv.ParseUint(parts[len(parts)-3], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// counters holds the accounting identity, the chain of batches and the counts against what is really there.
func (v *verdict) counters() {
	a := v.w.final.Account
	if a.Read != a.Shipped+a.Filtered+a.Rejected+a.Quarantined+a.Pending || a.Pending != 0 || a.Quarantined != 0 {
		v.w.fault("account does not add up: %+v", a)
	}
	if a.Shipped != int64(v.total) || a.Rejected != int64(len(v.w.rejects)) {
		v.w.fault("account says %d shipped and %d rejected; the bucket has %d rows, rejects/ %d lines", a.Shipped, a.Rejected, v.total, len(v.w.rejects))
	}
	var seqs []uint64
	for seq := range v.manifests {
		seqs = append(seqs, seq)
	}
	slices.Sort(seqs)
	prev, read := uint64(0), int64(0)
	for _, seq := range seqs {
		m := v.manifests[seq]
		read += m.Counts.Read
		if m.Prev != prev || m.Totals.Read != read {
			v.w.fault("batch %d: prev %d, total read %d; want %d, %d", seq, m.Prev, m.Totals.Read, prev, read)
		}
		prev = seq
		if len(m.Gaps) > 0 && !v.w.mutilated() {
			v.w.fault("batch %d records a gap although no file was ever cut or orphaned: %+v", seq, m.Gaps)
		}
	}
	if a.Read != read {
		v.w.fault("account has %d lines read, the batches %d", a.Read, read)
	}
	v.w.stats.shipped, v.w.stats.filtered, v.w.stats.rejected = v.total, int(a.Filtered), int(a.Rejected)
}

// mutilated reports whether the manager's files were ever cut or lost their name.
func (w *world) mutilated() bool {
	return slices.ContainsFunc(w.history.files, func(f *written) bool { return f.cut || f.orphan >= 0 })
}

// identity is how the ledger names a file.
type identity struct{ name, head string }

// cover is one range of one batch.
type cover struct {
	seq      uint64
	from, to int64
	used     int64 // bytes of lines found in it
}

func (v *verdict) coverage() map[identity][]*cover {
	out := map[identity][]*cover{}
	for seq, m := range v.manifests {
		for _, r := range m.Ranges {
			id := identity{r.File, r.Head}
			out[id] = append(out[id], &cover{seq: seq, from: r.From, to: r.To})
		}
	}
	return out
}

// fates goes through every line that ever stood in a file.
func (v *verdict) fates(covers map[identity][]*cover) {
	refused := map[[3]any][]rejected{}
	for _, r := range v.w.rejects {
		key := [3]any{identity{r.File, r.Head}, r.From, r.To}
		refused[key] = append(refused[key], r)
	}
	want := map[string][]uint64{} // batches in which a row of that alert must be
	free := map[string]bool{}     // alerts for which several fates are right
	for _, f := range v.w.history.files {
		id := identity{f.name, f.head()}
		mixed := v.w.mixed(f)
		for _, l := range f.lines() {
			alert := alertID(l.text)
			var in []uint64
			for _, c := range covers[id] {
				if c.from <= int64(l.from) && int64(l.to) <= c.to {
					in = append(in, c.seq)
					c.used += int64(l.to - l.from)
				} else if c.from < int64(l.to) && int64(l.from) < c.to && !mixed {
					v.w.fault("%s: bytes %d-%d of batch %d cut the line at %d-%d", f.name, c.from, c.to, c.seq, l.from, l.to)
				}
			}
			if mixed {
				free[alert] = true // its bytes stand in two files that begin alike: the rows are counted below
				v.mixedLine(f, l, alert)
				continue
			}
			v.line(f, l, in)
			for _, seq := range in {
				switch got := v.fate(f, l, seq, refused[[3]any{id, int64(l.from), int64(l.to)}]); got {
				case wantRow:
					want[alert] = append(want[alert], seq)
				case wantEither:
					free[alert] = true
				}
			}
		}
	}
	for alert, seqs := range want {
		if free[alert] {
			continue
		}
		var got []uint64
		for _, r := range v.rows[alert] {
			got = append(got, r.seq)
		}
		slices.Sort(got)
		slices.Sort(seqs)
		if !slices.Equal(got, seqs) {
			v.w.fault("alert %s: rows in batches %v, want %v", alert, got, seqs)
		}
	}
	for alert, rows := range v.rows {
		if want[alert] == nil && !free[alert] {
			v.w.fault("alert %s: %d rows, and no batch that read it", alert, len(rows))
		}
	}
}

// mixed reports whether f and another file have the same name and beginning: it was cut behind its first line.
func (w *world) mixed(f *written) bool {
	head := f.head()
	return slices.ContainsFunc(w.history.files, func(o *written) bool { return o != f && o.name == f.name && o.head() == head })
}

// line decides whether the number of batches that read a line is right.
func (v *verdict) line(f *written, l textLine, in []uint64) {
	if l.whole {
		v.w.stats.alerts++
	}
	switch {
	case len(in) == 1:
	case len(in) > 1:
		v.w.fault("%s: the line at %d-%d was read %d times, in batches %v", f.name, l.from, l.to, len(in), in)
	case !l.whole:
		// Half a line at the end of a file is read only once its successor is linked.
	case f.cut && l.to > f.kept:
		v.w.stats.excused++ // cut away before it was committed: the source itself has lost it
	case f.orphan >= 0 && l.to > f.orphan && v.w.diedSince(f.orphanStep):
		v.w.stats.excused++ // only the open file had it, and that was closed with the process
	default:
		v.w.fault("LOST: %s: the line at %d-%d is in no batch", f.name, l.from, l.to)
	}
}

func (w *world) diedSince(step int) bool {
	return len(w.deaths) > 0 && w.deaths[len(w.deaths)-1] >= step
}

// mixedLine judges a line of a file that was cut behind its first line and read again: by its rows and rejects alone.
func (v *verdict) mixedLine(f *written, l textLine, alert string) {
	if !l.whole {
		return
	}
	v.w.stats.alerts++
	n := len(v.rows[alert])
	for _, r := range v.w.rejects {
		if bytes.Equal(r.Line, l.text) || r.SHA256 == hexSum(l.text) {
			n++
		}
	}
	switch {
	case n == 1 || v.everFiltered() && n == 0 || !plain(l.text):
	case n == 0 && (f.cut && l.to > f.kept || f.orphan >= 0):
		v.w.stats.excused++
	case n == 0:
		v.w.fault("LOST: %s (cut): alert %s at %d-%d is nowhere", f.name, alert, l.from, l.to)
	case v.w.named == 0:
		v.w.fault("%s (cut): alert %s came %d times and nobody said so", f.name, alert, n)
	default:
		v.w.stats.again += n - 1
	}
}

func (v *verdict) everFiltered() bool {
	for _, m := range v.manifests {
		if m.Counts.Filtered > 0 {
			return true
		}
	}
	return false
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

type outcome int

const (
	wantNothing outcome = iota // filtered, or in rejects
	wantRow
	wantEither
)

// fate says what must have become of a line in the batch that read it, and checks its reject.
func (v *verdict) fate(f *written, l textLine, seq uint64, refused []rejected) outcome {
	n := 0
	for _, r := range refused {
		if r.seq != seq {
			continue
		}
		n++
		switch {
		case len(r.Line) > 0 && !bytes.Equal(r.Line, l.text):
			v.w.fault("%s: the reject of the line at %d-%d has other bytes", f.name, l.from, l.to)
		case len(r.Line) == 0 && len(l.text) > 0 && (r.SHA256 != hexSum(l.text) || r.Size != int64(len(l.text))):
			v.w.fault("%s: the reject of the line at %d-%d has another hash or size: %d bytes, want %d", f.name, l.from, l.to, r.Size, len(l.text))
		}
	}
	if n > 1 {
		v.w.fault("%s: the line at %d-%d is %d times in the rejects of batch %d", f.name, l.from, l.to, n, seq)
	}
	alert := alertID(l.text)
	long := len(l.text) > maxLine
	switch {
	case !plain(l.text) || !l.whole:
		// Garbage is rejected; a spliced line is one or the other, but something.
		rows := 0
		for _, r := range v.rows[alert] {
			if r.seq == seq && alert != "" {
				rows++
			}
		}
		if v.w.sold[seq] && rows+n != 1 {
			v.w.fault("%s: the line at %d-%d has %d rows and %d rejects in batch %d", f.name, l.from, l.to, rows, n, seq)
		}
		return wantEither
	case long:
		if n != 1 {
			v.w.fault("%s: the oversize line at %d-%d is %d times in the rejects", f.name, l.from, l.to, n)
		}
		return wantNothing
	case !v.w.sold[seq]:
		if n != 0 {
			v.w.fault("%s: the filtered line at %d-%d is in the rejects", f.name, l.from, l.to)
		}
		return wantNothing
	case n == 1:
		if !v.w.ahead {
			v.w.fault("%s: the good line at %d-%d was rejected", f.name, l.from, l.to)
		}
		return wantNothing
	}
	return wantRow
}

// foreign looks for rows that no manager wrote, and for rows that do not say what the manager wrote.
func (v *verdict) foreign() {
	texts := map[string]map[string]bool{}
	for _, f := range v.w.history.files {
		for _, l := range f.lines() {
			id := alertID(l.text)
			if texts[id] == nil {
				texts[id] = map[string]bool{}
			}
			texts[id][string(l.text)] = true
		}
	}
	for id, rows := range v.rows {
		for _, r := range rows {
			switch {
			case texts[id] == nil:
				v.w.fault("alert %s is foreign", id)
			case !texts[id][r.raw]:
				v.w.fault("alert %s has another payload in batch %d: %.80q", id, r.seq, r.raw)
			}
		}
	}
}
