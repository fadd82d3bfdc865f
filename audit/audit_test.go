package audit

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wazuh-security-lake/backfill"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

const (
	day14  = "2026/Mar/ossec-alerts-14.json"
	part14 = "2026/Mar/ossec-alerts-14-001.json"
	day15  = "2026/Mar/ossec-alerts-15.json"
)

// world is a dated tree of two days (gz with a plain second part; live) and a daemon that has read them with three batches:
// one for the first file, one for the second part and the beginning of the next day, one for some of the rest.
type world struct {
	t     *testing.T
	log   tailer.WazuhLog
	state string
	size  map[string]int64
	head  map[string]tailer.Fingerprint
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) path(name string) string { return filepath.Join(w.log.DatedDir, name) }

func lines(tag string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"timestamp":"2026-03-14T12:00:00.000+0000","id":"%s.%04d"}`+"\n", tag, i)
	}
	return b.String()
}

func (w *world) write(name, text string) {
	w.t.Helper()
	data := []byte(text)
	if strings.HasSuffix(name, ".gz") {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := z.Write(data)
		w.must(errors.Join(err, z.Close()))
		data = b.Bytes()
	}
	w.must(os.MkdirAll(filepath.Dir(w.path(name)), 0o750))
	w.must(os.WriteFile(w.path(name), data, 0o640))
	f, err := backfill.Look(w.path(name), name)
	w.must(err)
	plain := strings.TrimSuffix(name, ".gz")
	w.size[plain], w.head[plain] = int64(len(text)), f.Head
}

// line is the length of each line.
var line = int64(len(lines("a", 1)))

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, log: tailer.WazuhLog{Path: filepath.Join(dir, "alerts.json"), DatedDir: dir}, state: filepath.Join(dir, "state"),
		size: make(map[string]int64), head: make(map[string]tailer.Fingerprint)}
	w.write(day14+".gz", lines("a", 2000))
	w.write(part14, lines("b", 20))
	w.write(day15, lines("c", 20))
	w.must(os.Link(w.path(day15), w.log.Path))
	w.commit(tailer.Position{File: day14, Floor: "-"}, 0, nil)
	w.commit(w.at(part14, 0, day14), 2000, nil, w.span(day14, 0, -1))
	w.commit(w.at(day15, 5*line, day14, part14), 25, nil, w.span(part14, 0, -1), w.span(day15, 0, 5*line))
	w.commit(w.at(day15, 10*line, day14, part14), 5, nil, w.span(day15, 5*line, 10*line))
	return w
}

// at is a position of the daemon that has left files behind.
func (w *world) at(name string, offset int64, done ...string) tailer.Position {
	p := tailer.Position{File: name, Offset: offset, Floor: "-"}
	if offset > 0 {
		p.Head = w.head[name]
	}
	for _, d := range done {
		p.Done = append(p.Done, tailer.Mark{File: d, Head: w.head[d], End: w.size[d]})
	}
	return p
}

func (w *world) span(name string, from, to int64) spool.Range {
	if to < 0 {
		to = w.size[name]
	}
	return spool.Range{File: name, Head: w.head[name].Hash, From: from, To: to}
}

// commit is one batch of the daemon whose lines were all filtered: without objects it is released at once.
func (w *world) commit(p tailer.Position, read int64, gaps []spool.Gap, ranges ...spool.Range) {
	w.t.Helper()
	w.commitTo(w.state, p, read, gaps, ranges...)
}

func (w *world) commitTo(dir string, p tailer.Position, read int64, gaps []spool.Gap, ranges ...spool.Range) {
	w.t.Helper()
	s, err := spool.Open(dir, spool.Options{})
	w.must(err)
	b, err := s.Begin()
	w.must(err)
	position, err := json.Marshal(p)
	w.must(err)
	w.must(b.Commit(spool.Manifest{Position: position, Ranges: ranges, Gaps: gaps, Counts: spool.Counts{Read: read, Filtered: read}}))
	w.must(s.Close())
}

func (w *world) audit(day int) (*backfill.Known, *Report, error) {
	w.t.Helper()
	k, err := backfill.Load(w.state)
	w.must(err)
	owner, err := backfill.OwnerOf(k, tailer.Today(), time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC), func(string, int64) (time.Time, bool) { return time.Time{}, false })
	if err != nil && !errors.Is(err, backfill.ErrBeheaded) {
		w.t.Fatal(err)
	}
	r, err := Day(context.Background(), k, owner, w.log, time.Date(2026, 3, day, 0, 0, 0, 0, time.UTC))
	return k, r, err
}

// short is a report in short: the differences, then the states that are there.
func short(r *Report) string {
	var out []string
	for _, d := range r.Differences {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %d-%d %s", d.Kind, strings.TrimSuffix(filepath.Base(d.File), ".json"), d.From, d.To, d.Batch)))
	}
	var states []string
	for s, n := range r.Lines {
		states = append(states, fmt.Sprintf("%s %d", s, n))
	}
	slices.Sort(states)
	return strings.Join(append(out, strings.Join(states, ", ")), "; ")
}

func TestDay(t *testing.T) {
	tests := map[string]struct {
		spoil func(w *world)
		day   int
		want  string
	}{
		"all of it":               {func(*world) {}, 14, "delivered 2020"},
		"the live day":            {func(*world) {}, 15, "delivered 10, unread 10"},
		"half a line of the live": {func(w *world) { w.grow(day15, `{"timestamp":"`) }, 15, "delivered 10, unread 11"},
		"truncated archive": {func(w *world) { w.cut(day14 + ".gz") }, 14,
			"damaged ossec-alerts-14 SIZE--1; truncated ossec-alerts-14 SIZE-118000 batch 2; delivered SOME"},
		"shorter part": {func(w *world) { w.must(os.Truncate(w.path(part14), 15*line)) }, 14,
			"truncated ossec-alerts-14-001 885-1180 batch 3; delivered 2015"},
		"archive gone": {func(w *world) { w.must(os.Remove(w.path(day14) + ".gz")) }, 14,
			"file gone ossec-alerts-14 0-118000; delivered 20"},
		"another file of the name": {func(w *world) { w.write(part14, lines("x", 20)) }, 14,
			"missing ossec-alerts-14-001 0-1180; changed ossec-alerts-14-001 0-1180; delivered 2000, missing 20"},
		"more lines in it than were counted": {func(w *world) { w.commit(w.at(day15, 20*line, day14, part14), 9, nil, w.span(day15, 10*line, -1)) }, 15,
			"lines . 0-0 batch 5; delivered 20"},
		"ledger line removed": {func(w *world) { w.unlog(2) }, 14,
			"ledger . 0-0 batch 3; missing ossec-alerts-14 0-118000; delivered 20, missing 2000"},
		"ledger line of two days removed": {func(w *world) { w.unlog(3) }, 15,
			"ledger . 0-0 batch 4; missing ossec-alerts-15 0-295; delivered 5, missing 5, unread 10"},
		"ledger line damaged": {func(w *world) { w.damage(3) }, 14,
			"ledger ledger 0-0; missing ossec-alerts-14-001 0-1180; delivered 2000, missing 20"},
		"read twice": {func(w *world) { w.commit(w.at(day15, 10*line, day14, part14), 2, nil, w.span(part14, line, 3*line)) }, 14,
			"twice ossec-alerts-14-001 59-177 batch 3, batch 5; delivered 2018, twice 2"},
		"backfilled though it was the daemon's": {func(w *world) {
			w.commitTo(filepath.Join(backfill.Dir(w.state), "job", "01"), tailer.Position{File: part14}, 1, nil, w.span(part14, 0, line))
		}, 14, "twice ossec-alerts-14-001 0-59 batch 3, batch 1 of backfill/job/01; delivered 2019, twice 1"},
		"open gap": {func(w *world) {
			w.write(part14, lines("b", 25)) // five lines behind what was read and marked
			w.commit(w.at(day15, 10*line, day14, part14), 0, []spool.Gap{{Range: w.span(part14, 20*line, -1), Reason: "not_found"}})
		}, 14, "gap ossec-alerts-14-001 1180-1475; delivered 2020, gap 5"},
		"closed gap": {func(w *world) {
			w.write(part14, lines("b", 25))
			w.commit(w.at(day15, 10*line, day14, part14), 0, []spool.Gap{{Range: w.span(part14, 20*line, -1), Reason: "not_found"}})
			w.commitTo(filepath.Join(backfill.Dir(w.state), "gaps", "01"), tailer.Position{File: part14}, 5, nil, w.span(part14, 20*line, -1))
		}, 14, "delivered 2025"},
		"sum ok":                  {func(w *world) { w.sum(lines("a", 2000)) }, 14, "delivered 2020"},
		"sum over all parts":      {func(w *world) { w.sum(lines("a", 2000) + lines("b", 20)) }, 14, "delivered 2020"},
		"sum of other content":    {func(w *world) { w.sum("x") }, 14, "sum ossec-alerts-14 0-118000; delivered 2020"},
		"written behind the mark": {func(w *world) { w.grow(part14, lines("z", 3)) }, 14, "delivered 2020, unread 3"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			test.spoil(w)
			_, r, err := w.audit(test.day)
			w.must(err)
			got := short(r)
			want := test.want
			if strings.Contains(want, "SIZE") { // where the archive breaks depends on the compressor
				want = strings.ReplaceAll(want, "SIZE", fmt.Sprint(r.Files[0].Size))
				want = strings.ReplaceAll(want, "SOME", fmt.Sprint(r.Lines[Delivered]))
				if r.Files[0].Size == 0 || r.Files[0].Size >= w.size[day14] {
					t.Errorf("the archive has %d bytes", r.Files[0].Size)
				}
			}
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func (w *world) grow(name, text string) {
	w.t.Helper()
	f, err := os.OpenFile(w.path(name), os.O_WRONLY|os.O_APPEND, 0)
	w.must(err)
	_, err = f.WriteString(text)
	w.must(errors.Join(err, f.Close()))
}

func (w *world) cut(name string) {
	w.t.Helper()
	info, err := os.Stat(w.path(name))
	w.must(err)
	w.must(os.Truncate(w.path(name), info.Size()*3/4))
}

func (w *world) sum(content string) {
	w.t.Helper()
	w.must(os.WriteFile(w.path(day14)+".sum", fmt.Appendf(nil, "Current checksum:\nMD5 (x) = 0\nSHA256(x)= %x\n\nChained checksum:\nSHA256(x)= %x\n",
		sha256.Sum256([]byte(content)), sha256.Sum256(nil)), 0o640))
}

// ledger changes the lines of the ledger.
func (w *world) ledger(change func(lines [][]byte) [][]byte) {
	w.t.Helper()
	months, err := filepath.Glob(filepath.Join(w.state, "ledger", "*"))
	w.must(err)
	text, err := os.ReadFile(months[0])
	w.must(err)
	w.must(os.WriteFile(months[0], bytes.Join(change(bytes.SplitAfter(text, []byte("\n"))), nil), 0o640))
}

func (w *world) unlog(seq int) {
	w.t.Helper()
	w.ledger(func(lines [][]byte) [][]byte { return slices.Delete(lines, seq-1, seq) })
}

func (w *world) damage(seq int) {
	w.t.Helper()
	w.ledger(func(lines [][]byte) [][]byte { lines[seq-1][40] ^= 1; return lines })
}

// A file from elsewhere, read under its base name, may be of that day in any month: the times of its events tell which.
func TestDayOfAFileFromElsewhere(t *testing.T) {
	at := func(month time.Month) int64 { return time.Date(2026, month, 14, 12, 0, 0, 0, time.UTC).UnixMilli() }
	const gone = "file gone ossec-alerts-14 0-5; delivered 2020"
	for name, test := range map[string]struct {
		objects []spool.Object
		want    string
		batches int
	}{
		"of this month":    {[]spool.Object{{FirstTime: at(3), LastTime: at(3)}}, gone, 3},
		"of another month": {[]spool.Object{{FirstTime: at(2), LastTime: at(2)}, {FirstTime: at(4), LastTime: at(4)}}, "delivered 2020", 2},
		"nobody knows":     {nil, gone, 3}, // all of it was filtered or rejected
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			k, err := backfill.Load(w.state)
			w.must(err)
			k.Histories = append(k.Histories, backfill.History{Dir: "backfill/files/01", Past: []spool.Past{{Seq: 1, Fate: spool.Delivered, Manifest: &spool.Manifest{
				Seq: 1, Ranges: []spool.Range{{File: "ossec-alerts-14.json", Head: "x", To: 5}}, Objects: test.objects}}}})
			owner, err := backfill.OwnerOf(k, tailer.Today(), time.Now(), func(string, int64) (time.Time, bool) { return time.Time{}, false })
			w.must(err)
			r, err := Day(t.Context(), k, owner, w.log, time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC))
			w.must(err)
			if got := short(r); got != test.want || r.Batches != test.batches {
				t.Errorf("got  %s in %d batches\nwant %s in %d", got, r.Batches, test.want, test.batches)
			}
		})
	}
}

func TestDayBeforeTheDaemon(t *testing.T) {
	w := newWorld(t)
	w.must(os.RemoveAll(w.state))
	w.commit(tailer.Position{File: part14, Offset: 5 * line, Head: w.head[part14], Floor: day14}, 0, nil)
	w.commit(w.at(day15, 0, part14), 15, nil, w.span(part14, 5*line, -1))
	_, r, err := w.audit(14)
	w.must(err)
	if got, want := short(r), "delivered 15, not ours 2005"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDayThatCannotBeAudited(t *testing.T) {
	w := newWorld(t)
	if _, _, err := w.audit(10); !errors.Is(err, ErrNoDay) {
		t.Errorf("no such day: got %v", err)
	}
	w.must(os.RemoveAll(w.state))
	w.commit(tailer.Position{File: "alerts.json", Offset: 5, Head: w.head[day14]}, 0, nil)
	if _, _, err := w.audit(14); !errors.Is(err, ErrUndated) {
		t.Errorf("alerts.json without a date: got %v", err)
	}
}

// With the inbox nothing can be said about bytes of Wazuh's files, but for the days before it.
func TestDayOfTheInbox(t *testing.T) {
	w := newWorld(t)
	w.write("2026/Mar/ossec-alerts-10.json", lines("o", 3))
	tests := map[string]struct {
		first  tailer.Position
		ranges []spool.Range
		refuse []int
	}{
		"from the first start":   {tailer.Position{File: "000000000001.ndjson", Floor: "-"}, nil, []int{14, 15}},
		"after a change of mode": {tailer.Position{File: day14, Floor: "-"}, []spool.Range{{File: "000000000001.ndjson", Head: "x", To: 9}}, []int{14, 15}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w.must(os.RemoveAll(w.state))
			s, err := spool.Open(w.state, spool.Options{})
			w.must(err)
			b, err := s.Begin()
			w.must(err)
			position, err := json.Marshal(test.first)
			w.must(err)
			w.must(b.Commit(spool.Manifest{Created: "2026-03-14T10:00:00Z", Position: position, Ranges: test.ranges}))
			w.must(s.Close())
			for _, day := range test.refuse {
				if _, _, err := w.audit(day); !errors.Is(err, ErrInbox) {
					t.Errorf("day %d: got %v, want ErrInbox", day, err)
				}
			}
			_, r, err := w.audit(10)
			w.must(err)
			if got := short(r); got != "not ours 3" {
				t.Errorf("before: got %s", got)
			}
		})
	}
}

// store is a destination in memory.
type store struct {
	sizes map[string]int64
	whole bool
	err   error
}

func (s *store) Sizes(_ context.Context, _ []spool.Object) (map[string]int64, bool, error) {
	return s.sizes, s.whole, s.err
}

func TestObjects(t *testing.T) {
	const dir = "ext/wazuh/region=r/accountId=a/eventDay=20260314/"
	object := func(seq uint64) spool.Object {
		return spool.Object{File: "0.parquet", Destination: "s3://b", Source: "wazuh", Key: fmt.Sprintf("%sm-node-abc-%d-0-ff.parquet", dir, seq), Rows: 3, Bytes: 10}
	}
	past := func(seq uint64, fate spool.Fate, file string) spool.Past {
		return spool.Past{Seq: seq, Fate: fate, Manifest: &spool.Manifest{Seq: seq, Instance: "abc", Ranges: []spool.Range{{File: file, To: 5}}, Objects: []spool.Object{object(seq)}}}
	}
	k := &backfill.Known{Histories: []backfill.History{{Dir: ".", Past: []spool.Past{
		past(1, spool.Delivered, day14), past(2, spool.Waiting, day14), past(3, spool.SetAside, day14), past(4, spool.Delivered, day15), past(6, spool.Delivered, day15)}}}}
	key := func(seq uint64) string { return object(seq).Key }
	tests := map[string]struct {
		have map[string]int64
		want []string
	}{
		"there":            {map[string]int64{key(1): 10, key(4): 10}, nil},
		"waiting, arrived": {map[string]int64{key(1): 10, key(2): 10}, nil},
		"gone":             {map[string]int64{}, []string{KindObjectGone + " " + key(1)}},
		"another size":     {map[string]int64{key(1): 9}, []string{KindObjectSize + " " + key(1)}},
		"no ledger line":   {map[string]int64{key(1): 10, key(5): 10}, []string{KindObjectAlien + " " + key(5)}},
		"sealed since":     {map[string]int64{key(1): 10, key(7): 10}, nil},
		"of somebody else": {map[string]int64{key(1): 10, dir + "m-node-xyz-5-0-ff.parquet": 10, dir + "part-0.parquet": 1}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := &Report{of: day{time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)}}
			if err := Objects(context.Background(), k, r, &store{sizes: test.have, whole: true}); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range r.Differences {
				got = append(got, d.Kind+" "+d.Key)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if r.Objects.Checked != 1 || !r.Objects.Listed {
				t.Errorf("got %+v, want one object checked", r.Objects)
			}
		})
	}
	k.Histories[0].Past = append(k.Histories[0].Past, spool.Past{Seq: 8, Fate: spool.Delivered, Manifest: &spool.Manifest{Seq: 8, Instance: "abc",
		Replay: &spool.Replay{Batches: []uint64{1}}, Objects: []spool.Object{object(8)}}})
	r := &Report{of: day{time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)}}
	if err := Objects(context.Background(), k, r, &store{sizes: map[string]int64{key(1): 10}, whole: true}); err != nil || len(r.Differences) != 1 || r.Differences[0].Key != key(8) {
		t.Errorf("the object of a replay: got %v, %v", r.Differences, err)
	}
	refused := errors.New("refused")
	if err := Objects(context.Background(), k, &Report{of: day{time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)}}, &store{err: refused}); !errors.Is(err, refused) {
		t.Errorf("got %v, want the refusal", err)
	}
}
