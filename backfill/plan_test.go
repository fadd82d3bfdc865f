package backfill

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wazuh-security-lake/lake"
	"wazuh-security-lake/ocsf"
	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

// world is a dated tree and a state directory.
type world struct {
	t     *testing.T
	dir   string
	log   tailer.WazuhLog
	state string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	return &world{t: t, dir: dir, state: filepath.Join(dir, "state"),
		log: tailer.WazuhLog{Path: filepath.Join(dir, "alerts", "alerts.json"), DatedDir: filepath.Join(dir, "alerts")}}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// alerts are n lines that no other call makes.
func alerts(tag string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"timestamp":"2026-03-14T12:%02d:%02d.000+0000","rule":{"level":3,"description":"d","id":"5710"},"agent":{"id":"000"},"manager":{"name":"m"},"id":"%s.%d","full_log":"x","location":"l"}`+"\n",
			i/60%60, i%60, tag, i)
	}
	return b.String()
}

// file writes a file of the tree, or anywhere else below the world's directory, gzipped when its name says so.
func (w *world) file(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.log.DatedDir, name)
	if strings.HasPrefix(name, "/") {
		path = filepath.Join(w.dir, name)
	}
	w.must(os.MkdirAll(filepath.Dir(path), 0o750))
	data := []byte(text)
	if strings.HasSuffix(name, ".gz") {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := z.Write(data)
		w.must(errors.Join(err, z.Close()))
		data = b.Bytes()
	}
	w.must(os.WriteFile(path, data, 0o640))
	return path
}

func (w *world) live(name string) {
	w.t.Helper()
	w.must(os.Link(filepath.Join(w.log.DatedDir, name), w.log.Path))
}

func (w *world) head(path string) tailer.Fingerprint {
	w.t.Helper()
	f, err := Look(path, "")
	w.must(err)
	return f.Head
}

// batch commits one batch of the daemon without objects, which is released at once.
func (w *world) batch(m spool.Manifest, position tailer.Position) {
	w.t.Helper()
	s, err := spool.Open(w.state, spool.Options{})
	w.must(err)
	b, err := s.Begin()
	w.must(err)
	m.Position, err = json.Marshal(position)
	w.must(err)
	w.must(b.Commit(m))
	w.must(s.Close())
}

func (w *world) known() *Known {
	w.t.Helper()
	k, err := Load(w.state)
	w.must(err)
	return k
}

func (w *world) tree() []File {
	w.t.Helper()
	files, err := Tree(w.log, time.Time{}, time.Time{})
	w.must(err)
	return files
}

func (w *world) owner(k *Known) Owner {
	w.t.Helper()
	o, err := OwnerOf(k, tailer.Today(), time.Date(2026, 3, 16, 12, 0, 0, 0, time.UTC), func(string, int64) (time.Time, bool) { return time.Time{}, false })
	w.must(err)
	return o
}

// pieces are the plan in short.
func pieces(p Plan) []string {
	var out []string
	for _, g := range p.Groups {
		for _, m := range g.Pieces {
			out = append(out, fmt.Sprintf("%s %d %d", m.Name, m.From, m.To))
		}
	}
	return out
}

func (w *world) want(p Plan, want ...string) {
	w.t.Helper()
	if got := pieces(p); !slices.Equal(got, want) {
		w.t.Errorf("got %q, want %q; left %v", got, want, p.Left)
	}
}

const (
	part15 = "2026/Mar/ossec-alerts-15-001.json"
	day16  = "2026/Mar/ossec-alerts-16.json"
)

// threeDays is a tree of three days, gz, plain with a second part, live.
func (w *world) threeDays() {
	w.t.Helper()
	w.file(day14+".gz", alerts("a", 10))
	w.file(day15, alerts("b", 10))
	w.file(part15, alerts("c", 10))
	w.file(day16, alerts("d", 10))
	w.live(day16)
}

func TestRangeBeforeTheDaemonEverStarted(t *testing.T) {
	w := newWorld(t)
	w.threeDays()
	k := w.known()
	p := Range(k, w.owner(k), w.tree())
	w.want(p, day14+" 0 -1", day15+" 0 -1", part15+" 0 -1")
	if len(p.Groups) != 2 {
		t.Errorf("got %d groups, want one per day", len(p.Groups))
	}
}

func TestRangeEndsAtTheFirstPosition(t *testing.T) {
	tests := map[string]struct {
		first tailer.Position
		want  []string
	}{
		"at a file":        {tailer.Position{File: day15, Floor: day14}, []string{day14 + " 0 -1"}},
		"within a file":    {tailer.Position{File: part15, Offset: 40, Floor: day15}, []string{day14 + " 0 -1", day15 + " 0 -1", part15 + " 0 40"}},
		"within live file": {tailer.Position{File: day16, Offset: 40}, []string{day14 + " 0 -1", day15 + " 0 -1", part15 + " 0 -1", day16 + " 0 40"}},
		"nothing was read": {tailer.Position{Floor: day15}, []string{day14 + " 0 -1", day15 + " 0 -1"}},
		"no floor":         {tailer.Position{Floor: "-"}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.threeDays()
			w.batch(spool.Manifest{}, test.first)
			k := w.known()
			w.want(Range(k, w.owner(k), w.tree()), test.want...)
		})
	}
}

func TestRangeLeavesWhatLedgersName(t *testing.T) {
	w := newWorld(t)
	w.threeDays()
	h14, h15 := w.head(filepath.Join(w.log.DatedDir, day14+".gz")), w.head(filepath.Join(w.log.DatedDir, day15))
	w.batch(spool.Manifest{}, tailer.Position{File: day16, Floor: part15})
	size := int64(len(alerts("a", 10)))
	w.batch(spool.Manifest{Ranges: []spool.Range{ // the clock was set back once
		{File: day14, Head: h14.Hash, To: size}, {File: day15, Head: h15.Hash, From: 100, To: 200}}}, tailer.Position{File: day16, Floor: part15})
	k := w.known()
	p := Range(k, w.owner(k), w.tree())
	w.want(p, day15+" 0 100", day15+" 200 -1", part15+" 0 -1")
	if p.Done != 1 {
		t.Errorf("got %d files read before, want the archive", p.Done)
	}
}

func TestRangeRefusesABeheadedLedger(t *testing.T) {
	w := newWorld(t)
	w.threeDays()
	w.batch(spool.Manifest{}, tailer.Position{File: day15})
	w.batch(spool.Manifest{}, tailer.Position{File: day15, Floor: day14})
	months, err := filepath.Glob(filepath.Join(w.state, "ledger", "*"))
	w.must(err)
	text, err := os.ReadFile(months[0])
	w.must(err)
	_, second, _ := bytes.Cut(text, []byte("\n"))
	w.must(os.WriteFile(months[0], second, 0o640))
	w.must(os.RemoveAll(filepath.Join(w.state, "shipped", "000000000001")))
	if _, err := OwnerOf(w.known(), tailer.Today(), time.Now(), nil); !errors.Is(err, ErrBeheaded) {
		t.Errorf("got %v, want ErrBeheaded", err)
	}
}

func TestElsewhereTakesACopyForTheFileItIs(t *testing.T) {
	w := newWorld(t)
	w.threeDays()
	h14 := w.head(filepath.Join(w.log.DatedDir, day14+".gz"))
	w.batch(spool.Manifest{Ranges: []spool.Range{{File: day14, Head: h14.Hash, To: int64(len(alerts("a", 10)))}}}, tailer.Position{File: day16, Floor: part15})
	w.file("/restored/ossec-alerts-14.json", alerts("a", 10))
	w.file("/restored/bucket/raw-1.txt", alerts("r", 5))
	w.file("/restored/bucket/copy-of-raw/raw-1.txt.gz", alerts("r", 5))
	w.file("/restored/notes.md", "no alerts")
	k := w.known()
	files, err := Elsewhere(k, w.log, []string{filepath.Join(w.dir, "restored")})
	w.must(err)
	w.want(Range(k, w.owner(k), files), "raw-1.txt 0 -1")
}

// A first line that is no alert may be that of many files. Nobody can tell two of one name apart then, and the second must not
// pass for one that was read.
func TestElsewhereNamesFilesThatCannotBeToldApart(t *testing.T) {
	const header = "# exported\n"
	w := newWorld(t)
	first := w.file("/a/x.json", header+alerts("a", 5))
	copied := w.file("/copy/x.json.gz", header+alerts("a", 5))
	longer := w.file("/b/x.json", header+alerts("b", 9))
	shorter := w.file("/c/x.json", header+alerts("c", 2))
	renamed := w.file("/d/y.json", header+alerts("d", 2))
	plan := func(k *Known, paths ...string) Plan {
		t.Helper()
		files, err := Elsewhere(k, w.log, paths)
		w.must(err)
		return Range(k, Owner{}, files)
	}
	faults := func(p Plan) int {
		n := 0
		for _, l := range p.Left {
			if l.Fault && strings.Contains(l.Reason, "another name") {
				n++
			}
		}
		return n
	}
	p := plan(w.known(), first, copied, longer, shorter, renamed)
	w.want(p, "x.json 0 -1", "y.json 0 -1")
	if faults(p) != 2 || p.Done != 1 {
		t.Errorf("%d faults, %d read before, want 2 and the copy: %v", faults(p), p.Done, p.Left)
	}
	w.batch(spool.Manifest{Ranges: []spool.Range{{File: "x.json", Head: w.head(first).Hash, To: int64(len(header + alerts("a", 5)))}}}, tailer.Position{File: day16, Floor: part15})
	for _, path := range []string{first, copied} {
		if p := plan(w.known(), path); faults(p) != 0 || p.Done != 1 {
			t.Errorf("%s again: %d read before, left %v", path, p.Done, p.Left)
		}
	}
	if p := plan(w.known(), shorter); faults(p) != 1 || p.Done != 0 {
		t.Errorf("a shorter one: %d read before, left %v", p.Done, p.Left)
	}
}

func TestGaps(t *testing.T) {
	w := newWorld(t)
	w.threeDays()
	h14 := w.head(filepath.Join(w.log.DatedDir, day14+".gz"))
	size := int64(len(alerts("a", 10)))
	line := size / 10
	quarter := spool.Range{File: day14, Head: h14.Hash, From: line, To: 3 * line}
	gap := func(r spool.Range, reason string) spool.Gap { return spool.Gap{Range: r, Reason: reason} }
	tests := map[string]struct {
		gaps   []spool.Gap
		ranges []spool.Range
		last   tailer.Position
		want   []string
		left   string
		closes int
	}{
		"with an end":         {gaps: []spool.Gap{gap(quarter, "not_found")}, want: []string{fmt.Sprintf("%s %d %d", day14, line, 3*line)}},
		"a part read since":   {gaps: []spool.Gap{gap(quarter, "not_found")}, ranges: []spool.Range{{File: day14, Head: h14.Hash, From: line, To: 2 * line}}, want: []string{fmt.Sprintf("%s %d %d", day14, 2*line, 3*line)}},
		"all of it read":      {gaps: []spool.Gap{gap(quarter, "not_found")}, ranges: []spool.Range{quarter}},
		"without an end":      {gaps: []spool.Gap{gap(spool.Range{File: day14, Head: h14.Hash, From: line, To: -1}, "damaged")}, want: []string{fmt.Sprintf("%s %d -1", day14, line)}, closes: 1},
		"without a head":      {gaps: []spool.Gap{gap(spool.Range{File: day14, To: -1}, "damaged")}, want: []string{day14 + " 0 -1"}, closes: 1},
		"two over each other": {gaps: []spool.Gap{gap(quarter, "not_found"), gap(spool.Range{File: day14, Head: h14.Hash, From: 2 * line, To: -1}, "damaged")}, want: []string{fmt.Sprintf("%s %d %d", day14, line, 3*line), fmt.Sprintf("%s %d -1", day14, 3*line)}},
		"file gone":           {gaps: []spool.Gap{gap(spool.Range{File: "2026/Mar/ossec-alerts-01.json", Head: "x", To: 5}, "not_found")}, left: "not there any more"},
		"another file now":    {gaps: []spool.Gap{gap(spool.Range{File: day14, Head: "x", To: 5}, "not_found")}, left: "not there any more"},
		"changed":             {gaps: []spool.Gap{gap(spool.Range{File: day14, Head: h14.Hash, From: line, To: -1}, "rewritten")}, left: "copy of the original"},
		"live":                {gaps: []spool.Gap{gap(spool.Range{File: day16, To: -1}, "not_found")}, left: "still being read"},
		"the daemon reads it": {gaps: []spool.Gap{gap(spool.Range{File: day14, Head: h14.Hash, To: -1}, "not_found")}, last: tailer.Position{File: day16, Floor: "-"}, left: "read by the daemon itself"},
		"of the inbox":        {gaps: []spool.Gap{gap(spool.Range{File: "000000000001.ndjson", Head: "x", To: 5}, "quarantined")}, left: "inbox"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w.must(os.RemoveAll(w.state))
			last := test.last
			if last.IsZero() {
				last = tailer.Position{File: day16, Floor: part15}
			}
			w.batch(spool.Manifest{Gaps: test.gaps, Ranges: test.ranges}, last)
			k := w.known()
			p := Gaps(k, w.tree())
			w.want(p, test.want...)
			closes := 0
			for _, g := range p.Groups {
				closes += len(g.Closes)
			}
			if closes != test.closes {
				t.Errorf("closes: got %d, want %d", closes, test.closes)
			}
			if got := fmt.Sprint(p.Left); test.left != "" && !strings.Contains(got, test.left) || test.left == "" && len(p.Left) > 0 {
				t.Errorf("left: got %s, want %q", got, test.left)
			}
		})
	}
}

func TestGapsBetweenTwoFiles(t *testing.T) {
	w := newWorld(t)
	w.threeDays()
	head := func(name string) string { return w.head(filepath.Join(w.log.DatedDir, name)).Hash }
	k := &Known{Last: tailer.Position{File: day16, Floor: part15}, Gaps: []OpenGap{{Between: true, Gaps: []spool.Gap{
		{Range: spool.Range{File: day14, Head: head(day14 + ".gz"), From: 20, To: -1}}, {Range: spool.Range{File: day16, Head: head(day16), To: 30}}}}}}
	w.want(Gaps(k, w.tree()), day14+" 20 -1", day16+" 0 30", day15+" 0 -1", part15+" 0 -1")
}

// stepClock fires every timer as soon as the others have had a turn.
type stepClock struct{}

func (stepClock) Now() time.Time { return time.Date(2026, 3, 16, 12, 0, 0, 0, time.UTC) }
func (stepClock) Timer(time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(time.Millisecond)
	return t.C, func() { t.Stop() }
}

func options() Options {
	return Options{
		Relay: relay.Options{Node: "m", Interval: time.Hour, MaxObjectSize: 1 << 30, Clock: stepClock{}, Encoder: lake.Options{}, Log: slog.New(slog.DiscardHandler)},
		Sources: func() ([]*relay.Source, error) {
			class, err := ocsf.ClassByName("detection_finding", "1.1.0")
			return []*relay.Source{{Name: "wazuh", Class: class, Region: "us-east-1", AccountID: "external", Destination: "file:///nowhere",
				Mapping: ocsf.Options{RawData: "full_log", Severity: [4]int{4, 8, 11, 15}}}}, err
		},
	}
}

// run reads a plan into the spools of a job and acknowledges everything.
func (w *world) run(p Plan, opt Options) Result {
	w.t.Helper()
	lock, err := Lock(w.state)
	w.must(err)
	defer lock.Close() //nolint:errcheck // a test
	spools, err := OpenSpools(w.state, "job", 2, spool.Options{})
	w.must(err)
	opt.Spools = spools.Workers
	res, err := Run(context.Background(), opt, p.Groups, &Progress{})
	w.must(err)
	q := NewQueue(spools)
	for _, ref := range q.Pending() {
		body, _, err := q.OpenObject(ref)
		w.must(err)
		_, err = io.Copy(io.Discard, body)
		w.must(errors.Join(err, body.Close(), q.Ack(ref)))
	}
	q.Close()
	w.must(spools.Close())
	return res
}

func TestRunIsRepeatable(t *testing.T) {
	w := newWorld(t)
	w.threeDays()
	k := w.known()
	res := w.run(Range(k, w.owner(k), w.tree()), options())
	if want := (spool.Counts{Read: 30, Shipped: 30}); res.Counts != want || len(res.Faults) > 0 {
		t.Fatalf("got %+v, %v, want %+v", res.Counts, res.Faults, want)
	}
	k = w.known()
	p := Range(k, w.owner(k), w.tree())
	w.want(p)
	if p.Done != 3 {
		t.Errorf("got %d files read before, want 3", p.Done)
	}
	a, err := Account(w.state)
	w.must(err)
	if want := (spool.Account{Read: 30, Shipped: 30}); a != want {
		t.Errorf("got %+v, want %+v", a, want)
	}
}

func TestRunClosesAGap(t *testing.T) {
	w := newWorld(t)
	w.threeDays()
	h14 := w.head(filepath.Join(w.log.DatedDir, day14+".gz"))
	w.batch(spool.Manifest{Gaps: []spool.Gap{{Range: spool.Range{File: day14, Head: h14.Hash, To: -1}, Reason: "damaged"}}}, tailer.Position{File: day16, Floor: part15})
	if gaps, err := OpenGaps(w.state); err != nil || len(gaps) != 1 {
		t.Fatalf("got %v, %v, want one gap", gaps, err)
	}
	opt := options()
	k := w.known()
	if res := w.run(Gaps(k, w.tree()), opt); res.Counts.Shipped != 10 {
		t.Fatalf("got %+v", res)
	}
	if gaps, err := OpenGaps(w.state); err != nil || len(gaps) != 0 {
		t.Errorf("got %v, %v, want none", gaps, err)
	}
	if p := Gaps(w.known(), w.tree()); len(p.Groups) > 0 {
		t.Errorf("it is planned again: %v", pieces(p))
	}
}

// An archive that is cut off: what it still has is shipped, the rest is a fault, the gap stays open, and the next file is
// read.
func TestRunNamesADamagedArchive(t *testing.T) {
	w := newWorld(t)
	w.threeDays()
	path := filepath.Join(w.log.DatedDir, day14+".gz")
	w.file(day14+".gz", alerts("a", 5000))
	info, err := os.Stat(path)
	w.must(err)
	w.must(os.Truncate(path, info.Size()/2))
	k := w.known()
	res := w.run(Range(k, w.owner(k), w.tree()), options())
	if len(res.Faults) != 1 || res.Faults[0].File != day14 || !errors.Is(res.Faults[0].Err, tailer.ErrDamaged) {
		t.Fatalf("got faults %v", res.Faults)
	}
	if res.Counts.Shipped <= 20 || res.Counts.Shipped >= 5000 {
		t.Errorf("got %d rows, want a part of the archive and 20 of the other files", res.Counts.Shipped)
	}
	first := res.Counts.Shipped
	w.file(day14+".gz", alerts("a", 5000)) // restored
	k = w.known()
	res = w.run(Range(k, w.owner(k), w.tree()), options())
	if len(res.Faults) > 0 || first+res.Counts.Shipped != 5020 {
		t.Errorf("got %d and %d rows, want 5020 together; faults %v", first, res.Counts.Shipped, res.Faults)
	}
}

// In integration mode the time of an alert decides; what came through the inbox is not read here.
func TestRunStopsAtTheTimeOfTheInbox(t *testing.T) {
	w := newWorld(t)
	w.threeDays()
	w.batch(spool.Manifest{Created: "2026-03-14T12:00:07Z"}, tailer.Position{File: "000000000001.ndjson", Floor: "-"})
	k := w.known()
	res := w.run(Range(k, w.owner(k), w.tree()), options())
	if res.Counts.Read != 21 || res.Left != 9 {
		t.Errorf("got %d read and %d left, want 21 and 9", res.Counts.Read, res.Left)
	}
	k = w.known()
	if again := w.run(Range(k, w.owner(k), w.tree()), options()); again.Counts.Read != 0 {
		t.Errorf("the second run reads %d", again.Counts.Read)
	}
}

// The alerts that the inbox refused are in the dated files only: asked for, those are read, and what came through the inbox
// is repeated. The ranges say so afterwards: once is enough.
func TestRunRepeatsForTheInbox(t *testing.T) {
	w := newWorld(t)
	w.threeDays()
	if _, err := w.known().Again(); !errors.Is(err, ErrNotInbox) {
		t.Errorf("no inbox: got %v", err)
	}
	w.batch(spool.Manifest{Created: "2026-03-14T12:00:07Z"}, tailer.Position{File: "000000000001.ndjson", Floor: "-"})
	k := w.known()
	o, err := k.Again()
	w.must(err)
	if res := w.run(Range(k, o, w.tree()), options()); res.Counts.Read != 30 {
		t.Errorf("got %d read, want all but the live file", res.Counts.Read)
	}
	k = w.known()
	w.want(Range(k, o, w.tree()))
	w.want(Range(k, w.owner(k), w.tree()))
}

// After a change of mode the daemon reads the dated files itself from its position on.
func TestRepeatAfterTheInboxLeavesTheDaemonItsOwn(t *testing.T) {
	w := newWorld(t)
	w.threeDays()
	w.batch(spool.Manifest{Created: "2026-03-14T12:00:00Z"}, tailer.Position{File: day14, Floor: "-"})
	w.batch(spool.Manifest{Ranges: []spool.Range{{File: "000000000001.ndjson", Head: "x", To: 9}}}, tailer.Position{File: "000000000001.ndjson", Offset: 9, Floor: "-"})
	w.batch(spool.Manifest{}, tailer.Position{File: part15, Floor: day15})
	k := w.known()
	o, err := k.Again()
	w.must(err)
	w.want(Range(k, o, w.tree()), day14+" 0 -1", day15+" 0 -1")
}

// Objects of a quarantined batch that had arrived are not shipped again.
func TestRunSkipsWhatWasDelivered(t *testing.T) {
	w := newWorld(t)
	w.threeDays()
	k := w.known()
	p := Range(k, w.owner(k), w.tree())
	p.Groups[0].Delivered = map[Partition]bool{{"wazuh", "20260314"}: true}
	if res := w.run(p, options()); res.Counts.Filtered != 10 || res.Counts.Shipped != 20 {
		t.Errorf("got %+v, want 10 filtered, 20 shipped", res.Counts)
	}
}

func TestDelivered(t *testing.T) {
	objects := []spool.Object{{File: "0.parquet", Source: "a", EventDay: "1"}, {File: "1.parquet", Source: "a", EventDay: "2"}, {File: "2.parquet", Source: "a", EventDay: "2"}}
	got := delivered(spool.Past{Files: []string{"0.parquet", "1.parquet"}, Manifest: &spool.Manifest{Objects: objects}})
	if !got[Partition{"a", "1"}] || got[Partition{"a", "2"}] {
		t.Errorf("got %v, want only the partition whose objects all arrived", got)
	}
}

func TestOneAtATime(t *testing.T) {
	w := newWorld(t)
	first, err := Lock(w.state)
	w.must(err)
	_, err = Lock(w.state)
	if locked, ok := errors.AsType[*spool.LockedError](err); !ok || locked.Holder != os.Getpid() {
		t.Errorf("got %v, want the holder of the lock", err)
	}
	w.must(first.Close())
}

// A quarantined batch is a gap; read again it is closed, and must not be requeued. A job's own quarantine is one too.
func TestQuarantineIsAGap(t *testing.T) {
	w := newWorld(t)
	w.threeDays()
	h14 := w.head(filepath.Join(w.log.DatedDir, day14+".gz"))
	all := spool.Range{File: day14, Head: h14.Hash, To: int64(len(alerts("a", 10)))}
	w.batch(spool.Manifest{}, tailer.Position{File: day14, Floor: "-"})
	quarantine := func(dir string, r spool.Range) {
		t.Helper()
		s, err := spool.Open(dir, spool.Options{})
		w.must(err)
		b, err := s.Begin()
		w.must(err)
		f, err := b.Create("0.parquet")
		w.must(err)
		_, err = f.Write([]byte("x"))
		w.must(errors.Join(err, f.Close()))
		position, err := json.Marshal(tailer.Position{File: day16, Floor: part15})
		w.must(err)
		w.must(b.Commit(spool.Manifest{Position: position, Ranges: []spool.Range{r}, Counts: spool.Counts{Read: 10, Shipped: 10}, Objects: []spool.Object{{File: "0.parquet", Rows: 10}}}))
		w.must(s.Quarantine(b.Seq(), "bad"))
		w.must(s.Close())
	}
	quarantine(w.state, all)
	w.want(Gaps(w.known(), w.tree()), fmt.Sprintf("%s 0 %d", day14, all.To))
	if again, err := Reshipped(w.state, 2); again || err != nil {
		t.Errorf("before: got %v, %v", again, err)
	}
	if res := w.run(Gaps(w.known(), w.tree()), options()); res.Counts.Shipped != 10 {
		t.Errorf("got %+v", res)
	}
	if again, err := Reshipped(w.state, 2); !again || err != nil {
		t.Errorf("after: got %v, %v", again, err)
	}
	w.want(Gaps(w.known(), w.tree()))

	h15 := w.head(filepath.Join(w.log.DatedDir, day15))
	quarantine(filepath.Join(Dir(w.state), "older", "01"), spool.Range{File: day15, Head: h15.Hash, To: all.To})
	w.want(Gaps(w.known(), w.tree()), fmt.Sprintf("%s 0 %d", day15, all.To))
}

func TestTexts(t *testing.T) {
	whole := func(file string) Left { return Left{File: file, To: -1, Reason: "r"} }
	got := Texts([]Left{whole("a"), {File: "b", From: 5, To: -1, Reason: "r"}, whole("c"), whole("d"), whole("e"), {File: "f", To: -1, Reason: "q"}})
	want := []string{"a from 0 to its end: r", "b from 5 to its end: r", "3 files, c to e: r", "f from 0 to its end: q"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
