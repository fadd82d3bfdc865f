package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wazuh-security-lake/backfill"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

// ErrInbox means that the daemon read alerts from the inbox: its ranges are of segments that are gone, and nothing connects
// them with bytes of Wazuh's files.
var ErrInbox = errors.New("alerts came through the inbox: the ledger names bytes of its segments, not of Wazuh's files")

// ErrUndated means that the daemon follows alerts.json under its own name.
var ErrUndated = errors.New("the daemon follows alerts.json, no dated file: the ledger does not tell the day of its bytes")

// ErrNoDay means that there is nothing of this day, neither file nor batch.
var ErrNoDay = errors.New("there is no file of this day, and no batch has read one")

// claim is a batch that has read bytes.
type claim struct {
	batch   *batch
	r       spool.Range
	counted bool // its lines were counted, all of them
}

// batch is one batch that is not in quarantine.
type batch struct {
	name  string // job/worker and number
	fate  spool.Fate
	m     *spool.Manifest
	lines int64 // in its ranges, as far as they were counted
	reads []*claim
}

// auditor holds one audit together.
type auditor struct {
	k       *backfill.Known
	owner   backfill.Owner
	log     tailer.WazuhLog
	day     day
	report  *Report
	claims  map[string][]*claim // by file name
	batches []*batch            // that touch the day
	gaps    []spool.Gap
}

// Day audits one day, the day in Wazuh's file names. It reads every file of the day, and those of other days that the same
// batches have read, once and at disk speed; it takes no lock and changes nothing. Known must have been loaded before the
// files are looked at: what the daemon reads meanwhile is then unread, never missing.
func Day(ctx context.Context, k *backfill.Known, owner backfill.Owner, log tailer.WazuhLog, of time.Time) (*Report, error) {
	a := &auditor{k: k, owner: owner, log: log, day: day{of}, claims: make(map[string][]*claim),
		report: &Report{of: day{of}, Day: of.Format(time.DateOnly), Differences: []Difference{}, Lines: make(map[State]int64), Bytes: make(map[State]int64)}}
	if err := a.collect(); err != nil {
		return nil, err
	}
	dated, err := log.DatedFiles()
	if err != nil {
		return nil, err
	}
	own, foreign := a.split(dated)
	if len(own) == 0 && len(a.batches) == 0 {
		return nil, ErrNoDay
	}
	chain, base := sha256.New(), ""
	for _, f := range own {
		sum, err := a.file(ctx, f, chain)
		if err != nil {
			return nil, err
		}
		if base == "" {
			base = sum
		}
	}
	if err := a.checkSum(own, base, hex.EncodeToString(chain.Sum(nil))); err != nil {
		return nil, err
	}
	a.gone(own)
	for _, f := range foreign {
		if err := a.countLines(ctx, f); err != nil {
			return nil, err
		}
	}
	a.checkBatches()
	return a.report, nil
}

func (a *auditor) differ(d Difference) { a.report.differ(d) }

// collect takes from the ledgers what concerns the day.
func (a *auditor) collect() error {
	for _, g := range a.k.Gaps {
		a.gaps = append(a.gaps, g.Gaps...)
	}
	if b := a.owner.Before; !b.IsZero() && a.day.Add(48*time.Hour).After(b) && backfill.Inbox(a.k.First.File) {
		return fmt.Errorf("since %s: %w", b.Format(time.RFC3339), ErrInbox)
	}
	if a.k.Started && !backfill.Inbox(a.k.First.File) && !backfill.Inbox(a.k.First.Floor) && a.k.First.File != "" {
		if _, ok := tailer.DayOf(a.k.First.File); !ok {
			return ErrUndated
		}
	}
	for _, h := range a.k.Histories {
		if h.Bad > 0 {
			a.differ(Difference{Kind: KindLedger, File: path.Join(filepath.ToSlash(h.Dir), "ledger"), Detail: fmt.Sprintf("%d lines of the ledger do not match their checksum", h.Bad)})
		}
		prev := uint64(0)
		touching := a.day.touching(h)
		for _, p := range h.Past {
			m := p.Manifest
			if m == nil {
				prev = p.Seq
				continue
			}
			if err := a.throughInbox(h, m); err != nil {
				return err
			}
			touches := touching[p.Seq]
			if m.Prev > prev && touches {
				a.differ(Difference{Kind: KindLedger, Batch: batchName(h, p.Seq), Detail: fmt.Sprintf("follows batch %d, of which there is no ledger line", m.Prev)})
			}
			prev = p.Seq
			if p.Fate == spool.SetAside || !touches {
				continue
			}
			b := &batch{name: batchName(h, p.Seq), fate: p.Fate, m: m}
			a.batches = append(a.batches, b)
			for _, r := range m.Ranges {
				c := &claim{batch: b, r: r}
				b.reads = append(b.reads, c)
				a.claims[r.File] = append(a.claims[r.File], c)
			}
		}
	}
	return nil
}

// batchName is what people call a batch: its number, and the job when it is not the daemon's.
func batchName(h backfill.History, seq uint64) string {
	if h.Dir == "." {
		return fmt.Sprintf("batch %d", seq)
	}
	return fmt.Sprintf("batch %d of %s", seq, h.Dir)
}

// throughInbox refuses a day on which a batch of the daemon was read from the inbox.
func (a *auditor) throughInbox(h backfill.History, m *spool.Manifest) error {
	if h.Dir != "." || !slices.ContainsFunc(m.Ranges, func(r spool.Range) bool { return backfill.Inbox(r.File) }) {
		return nil
	}
	at, err := time.Parse(time.RFC3339, m.Created)
	if err != nil {
		return fmt.Errorf("time of batch %d: %w", m.Seq, err)
	}
	// A day of the manager's time zone lies within a day of the same day in UTC; a batch is sealed within a day.
	if at.After(a.day.Add(-24*time.Hour)) && at.Before(a.day.Add(3*24*time.Hour)) {
		return fmt.Errorf("batch %d of %s: %w", m.Seq, m.Created, ErrInbox)
	}
	return nil
}

// day is a day in Wazuh's file names, as a date in UTC.
type day struct{ time.Time }

// read reports whether a file that a batch has read is of the day. A backfill from elsewhere knows only its base name, which is
// that of the same day in every month: then the times of the batch's events tell the month. Any day of the manager's time zone
// lies within a day of the same day in UTC.
func (d day) read(m *spool.Manifest, name string) bool {
	if of, ok := tailer.DayOf(name); ok {
		return of.Equal(d.Time)
	}
	if !strings.HasPrefix(name, strings.TrimSuffix(filepath.Base(tailer.FirstName(d.Time)), ".json")) {
		return false
	}
	return len(m.Objects) == 0 || slices.ContainsFunc(m.Objects, func(o spool.Object) bool {
		return o.LastTime >= d.Add(-24*time.Hour).UnixMilli() && o.FirstTime < d.Add(48*time.Hour).UnixMilli()
	})
}

// touching are the batches that read a file of the day, or took over rejected lines of one that did.
func (d day) touching(h backfill.History) map[uint64]bool {
	out := make(map[uint64]bool)
	for _, p := range h.Past {
		m := p.Manifest
		if m != nil && (slices.ContainsFunc(m.Ranges, func(r spool.Range) bool { return d.read(m, r.File) }) ||
			m.Replay != nil && slices.ContainsFunc(m.Replay.Batches, func(seq uint64) bool { return out[seq] })) {
			out[p.Seq] = true
		}
	}
	return out
}

// split picks the files of the day, and those of other days that its batches have read.
func (a *auditor) split(dated []tailer.DatedFile) (own, foreign []tailer.DatedFile) {
	for _, f := range dated {
		switch {
		case f.Day.Equal(a.day.Time):
			own = append(own, f)
		case len(a.claims[f.Name]) > 0:
			foreign = append(foreign, f)
		}
	}
	return own, foreign
}

// claimsOf are the claims on a file, under whatever name it was read.
func (a *auditor) claimsOf(f spool.Range) []*claim {
	var on []*claim
	for _, b := range a.batches {
		for _, c := range b.reads {
			if backfill.SameFile(c.r, f) {
				on = append(on, c)
			}
		}
	}
	return on
}

// file audits one file of the day and returns its hash.
func (a *auditor) file(ctx context.Context, f tailer.DatedFile, chain hash.Hash) (string, error) {
	looked, err := backfill.Look(f.Path, f.Name)
	if err != nil {
		return "", err
	}
	id := spool.Range{File: f.Name, Head: looked.Head.Hash, To: -1}
	on := a.claimsOf(id)
	end, frontier := a.owner.End(f.Name), a.frontier(f.Name, looked.Head)
	if f.Live && end < 0 {
		end = 0 // what is being written will be the daemon's
	}
	bounds := []int64{end, frontier}
	for _, c := range on {
		bounds = append(bounds, c.r.From, c.r.To)
	}
	gaps := a.gapsOf(id)
	for _, g := range gaps {
		bounds = append(bounds, g.From, g.To)
	}
	c, err := scan(ctx, f.Path, bounds, chain)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", f.Name, err)
	}
	r := FileReport{Name: f.Name, Archive: strings.HasSuffix(f.Path, ".gz"), Live: f.Live, Size: c.size, Sum: "none"}
	for i := range c.lines {
		from, to := c.bounds[i], c.bounds[i+1]
		p := Part{From: from, To: to, Lines: c.lines[i]}
		p.State, p.Batches = a.state(from, on, gaps, end, frontier)
		r.Lines += p.Lines
		a.report.Lines[p.State] += p.Lines
		a.report.Bytes[p.State] += to - from
		if n := len(r.Parts); n > 0 && r.Parts[n-1].State == p.State && slices.Equal(r.Parts[n-1].Batches, p.Batches) {
			r.Parts[n-1].To = to
			r.Parts[n-1].Lines += p.Lines
		} else {
			r.Parts = append(r.Parts, p)
		}
	}
	for _, p := range r.Parts {
		if p.State.difference() {
			a.differ(Difference{Kind: string(p.State), File: f.Name, From: p.From, To: p.To, Batch: strings.Join(p.Batches, ", "),
				Detail: fmt.Sprintf("%d lines: %s", p.Lines, explain[p.State])})
		}
	}
	if c.damaged {
		a.differ(Difference{Kind: KindDamaged, File: f.Name, From: c.size, To: -1, Detail: "the archive does not decompress behind this byte"})
	}
	a.beyond(f.Name, c.size, on)
	credit(&c, on)
	a.report.Files = append(a.report.Files, r)
	return c.sum, nil
}

// explain says what a state of bytes means for whoever has to act.
var explain = map[State]string{
	Gap:     "recorded as lost and not shipped since; `backfill --gaps`",
	Missing: "the daemon is past them and no batch has them",
	Twice:   "more than one batch has them; the rows have the same metadata.uid",
}

// state decides what the byte at a place is.
func (a *auditor) state(at int64, on []*claim, gaps []spool.Gap, end, frontier int64) (State, []string) {
	var have []*claim
	for _, c := range on {
		if c.r.From <= at && at < c.r.To {
			have = append(have, c)
		}
	}
	switch {
	case len(have) > 1:
		var names []string
		for _, c := range have {
			names = append(names, c.batch.name)
		}
		return Twice, names
	case len(have) == 1 && have[0].batch.fate == spool.Waiting:
		return Waiting, nil
	case len(have) == 1:
		return Delivered, nil
	case slices.ContainsFunc(gaps, func(g spool.Gap) bool { return g.From <= at && (g.To < 0 || at < g.To) }):
		return Gap, nil
	case end < 0 || at < end:
		return NotOurs, nil
	case at >= frontier:
		return Unread, nil
	}
	return Missing, nil
}

// frontier is where the daemon has still to read in a file: math.MaxInt64 when it is done with it.
func (a *auditor) frontier(name string, head tailer.Fingerprint) int64 {
	last := a.k.Last
	switch {
	case !a.k.Started || last.Reads(name):
		return 0
	case last.File == name && last.Head == head:
		return last.Offset
	}
	done := int64(-1)
	for _, m := range last.Done {
		if m.File == name && m.Head == head {
			done = max(done, m.End)
		}
	}
	if done >= 0 {
		return done // what was written behind it is read in its turn
	}
	return math.MaxInt64
}

func (a *auditor) gapsOf(id spool.Range) []spool.Gap {
	var out []spool.Gap
	for _, g := range a.gaps {
		if g.File == id.File && (g.Head == "" || g.Head == id.Head) {
			out = append(out, g)
		}
	}
	return out
}

// beyond names ranges that reach behind the end of the file.
func (a *auditor) beyond(name string, size int64, on []*claim) {
	top := size
	var who string
	for _, c := range on {
		if c.r.To > top {
			top, who = c.r.To, c.batch.name
		}
	}
	if top > size {
		a.differ(Difference{Kind: KindTruncated, File: name, From: size, To: top, Batch: who,
			Detail: "was read up to the second place, now the file ends at the first"})
	}
}

// gone names files of the day that ledgers know and that are not there, or begin with another line now.
func (a *auditor) gone(own []tailer.DatedFile) {
	heads := make(map[string][]string)
	for _, f := range own {
		if looked, err := backfill.Look(f.Path, f.Name); err == nil {
			heads[f.Name] = append(heads[f.Name], looked.Head.Hash)
		}
	}
	type lost struct{ name, head string }
	named := make(map[lost]int64)
	var order []lost
	for name, list := range a.claims {
		for _, c := range list {
			if a.day.read(c.batch.m, name) && !slices.ContainsFunc(own, func(f tailer.DatedFile) bool {
				return slices.ContainsFunc(heads[f.Name], func(h string) bool {
					return backfill.SameFile(c.r, spool.Range{File: f.Name, Head: h})
				})
			}) {
				l := lost{name, c.r.Head}
				if _, ok := named[l]; !ok {
					order = append(order, l)
				}
				named[l] = max(named[l], c.r.To)
			}
		}
	}
	slices.SortFunc(order, func(x, y lost) int { return strings.Compare(x.name+x.head, y.name+y.head) })
	for _, l := range order {
		d := Difference{Kind: KindFileGone, File: l.name, To: named[l], Detail: "was read up to this byte, and is not there any more"}
		if len(heads[l.name]) > 0 {
			d.Kind, d.Detail = KindChanged, "was read up to this byte, and begins with another line now"
		}
		a.differ(d)
	}
}

// checkSum holds the day's content against the .sum file of monitord, which is over the first part, or over all parts.
func (a *auditor) checkSum(own []tailer.DatedFile, base, chained string) error {
	name := tailer.FirstName(a.day.Time)
	if len(own) == 0 || own[0].Name != name {
		return nil
	}
	want, err := recordedSum(filepath.Join(a.log.DatedDir, filepath.FromSlash(name)) + ".sum")
	if err != nil || want == "" {
		return err
	}
	first := &a.report.Files[0]
	if want == base || want == chained {
		first.Sum = "ok"
		return nil
	}
	first.Sum = "differs"
	a.differ(Difference{Kind: KindSum, File: name, To: first.Size, Detail: "the content does not match the SHA-256 that monitord wrote into the .sum file"})
	return nil
}
