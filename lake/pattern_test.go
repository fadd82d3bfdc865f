package lake

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"wazuh-security-lake/ocsf"
)

// pair are two encoders of the same rows, one of which never sees a pattern.
type pair struct {
	plain, mixed         *Encoder
	plainFile, mixedFile bytes.Buffer
}

func newPair(t testing.TB, c *ocsf.Class, opt Options) *pair {
	t.Helper()
	p := new(pair)
	var err error
	if p.plain, err = NewEncoder(&p.plainFile, c, opt); err != nil {
		t.Fatal(err)
	}
	if p.mixed, err = NewEncoder(&p.mixedFile, c, opt); err != nil {
		t.Fatal(err)
	}
	return p
}

// both does the same with both encoders, which must answer the same.
func (p *pair) both(t testing.TB, plain, mixed func(e *Encoder) error) {
	t.Helper()
	want, got := plain(p.plain), mixed(p.mixed)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got the error %v, want %v", got, want)
	}
	for _, sentinel := range []error{ErrOlder, ErrEvent, ErrClass, ErrClosed} {
		if errors.Is(got, sentinel) != errors.Is(want, sentinel) {
			t.Fatalf("got the error %v, want %v", got, want)
		}
	}
	if got, want := p.mixed.Rows(), p.plain.Rows(); got != want {
		t.Fatalf("got %d rows, want %d", got, want)
	}
	if got, want := [2]int64{p.mixed.FirstTime(), p.mixed.LastTime()}, [2]int64{p.plain.FirstTime(), p.plain.LastTime()}; got != want {
		t.Fatalf("got the times %v, want %v", got, want)
	}
	if least, most := p.mixed.SizeBounds(); p.plain.Size() < least || p.plain.Size() > most {
		t.Fatalf("got a size from %d to %d, want %d", least, most, p.plain.Size())
	}
	if got, want := p.mixed.groups, p.plain.groups; got != want {
		t.Fatalf("got %d row groups after %d rows, want %d", got, p.mixed.Rows(), want)
	}
}

func (p *pair) alike(t testing.TB) {
	t.Helper()
	if got, want := p.mixed.Size(), p.plain.Size(); got != want {
		t.Fatalf("got the size %d after %d rows, want %d", got, p.mixed.Rows(), want)
	}
}

func (p *pair) close(t testing.TB) {
	t.Helper()
	p.both(t, (*Encoder).Close, (*Encoder).Close)
	if !bytes.Equal(p.mixedFile.Bytes(), p.plainFile.Bytes()) {
		t.Fatalf("got another file: %d bytes, want %d", p.mixedFile.Len(), p.plainFile.Len())
	}
}

func (p *pair) reset() {
	p.plain.Abandon() // so that nobody writes to the files
	p.mixed.Abandon()
	p.plainFile.Reset()
	p.mixedFile.Reset()
	p.plain.Reset(&p.plainFile)
	p.mixed.Reset(&p.mixedFile)
}

// patternRun writes the same random rows by Write only, and by Write and WritePattern mixed, with all that may happen to
// an object in between, and fails unless no difference can be seen.
func patternRun(t testing.TB, c *ocsf.Class, seed uint64, mapped func(r *rand.Rand) *ocsf.Event) {
	t.Helper()
	r := seeded(seed)
	p := newPair(t, c, Options{
		RowGroupBytes: minRowGroupBytes << r.IntN(8),
		Hands:         r.IntN(3),
	})
	type kind struct {
		*specimen
		pattern *Pattern
	}
	patterns, err := NewPatterns(c)
	if err != nil {
		t.Fatal(err)
	}
	make1 := func(ms int64) kind {
		s := newSpecimen(randomEvent(t, c, r, mapped), r, []float64{0, 0.1, 0.3, 1}[r.IntN(4)])
		setTime(s.ev, ms)
		pattern, err := patterns.New(s.ev, s)
		if err != nil {
			t.Fatal(err)
		}
		return kind{s, pattern}
	}
	var kinds []kind
	for range 1 + r.IntN(12) {
		kinds = append(kinds, make1(day))
	}
	patterned := []float64{0.5, 0.95, 1}[r.IntN(3)]
	step, back := r.Int64N(60), 1+r.Int64N(2*holdBack)
	look := r.IntN(30) == 0
	ms, started := day, 0
	for i := range 200 + r.IntN(1500) {
		if i%128 == 0 {
			t.Logf("seed %d, step %d", seed, i)
		}
		ms += step
		k := &kinds[r.IntN(len(kinds))]
		switch r.IntN(300) {
		case 0:
			p.both(t, (*Encoder).Flush, (*Encoder).Flush)
		case 1:
			p.both(t, (*Encoder).Trim, (*Encoder).Trim)
		case 2:
			p.alike(t)
		case 3:
			if i-started > 200 {
				p.close(t)
				p.reset()
				started = i
			}
		case 4:
			if r.IntN(4) == 0 {
				p.reset()
			}
		case 5:
			kinds[r.IntN(len(kinds))] = make1(ms)
		case 6: // refused half way
			texts, nums := k.another(r, ms, true)
			p.both(t, func(e *Encoder) error {
				err := e.Write(k.ev)
				if _, got := patterns.New(k.ev, new(specimen)); errors.Is(err, ErrEvent) && fmt.Sprint(got) != fmt.Sprint(err) {
					t.Fatalf("New: got the error %v, want %v", got, err)
				}
				return err
			}, func(e *Encoder) error {
				if r.IntN(2) == 0 {
					return e.Write(k.ev)
				}
				return e.WritePattern(k.pattern, ms, texts, nums)
			})
			continue
		case 7: // older than what was written, perhaps
			ms := day - r.Int64N(1000)
			texts, nums := k.another(r, ms, false)
			p.both(t, func(e *Encoder) error { return e.Write(k.ev) }, func(e *Encoder) error {
				return e.WritePattern(k.pattern, ms, texts, nums)
			})
			continue
		}
		at := ms - r.Int64N(back)
		texts, nums := k.another(r, at, false)
		p.both(t, func(e *Encoder) error { return e.Write(k.ev) }, func(e *Encoder) error {
			if r.Float64() >= patterned {
				return e.Write(k.ev)
			}
			err := e.WritePattern(k.pattern, at, texts, nums)
			for _, text := range texts { // which the encoder must have copied
				clear(text)
			}
			clear(nums)
			return err
		})
		if look {
			p.alike(t)
		}
	}
	p.alike(t)
	p.close(t)
}

// mapping makes events of alerts.
func mapping(t testing.TB, c *ocsf.Class, lines []string) func(r *rand.Rand) *ocsf.Event {
	m := ocsf.NewMapper(c, ocsf.Options{})
	return func(r *rand.Rand) *ocsf.Event {
		a, ev := new(ocsf.Alert), ocsf.NewEvent(c)
		if err := a.Parse([]byte(lines[r.IntN(len(lines))])); err != nil {
			t.Fatal(err)
		}
		if err := m.Map(a, time.UnixMilli(day+2*msPerDay), ev); err != nil {
			t.Fatal(err)
		}
		return ev
	}
}

// TestPatternIsTheSame: no byte depends on which rows came through WritePattern.
func TestPatternIsTheSame(t *testing.T) {
	t.Run("small class", func(t *testing.T) {
		for seed := range uint64(25) {
			patternRun(t, testClass(), seed, nil)
		}
	})
	t.Run("detection_finding", func(t *testing.T) {
		c := class(t, "detection_finding", ocsf.Version110)
		for seed := range uint64(4) {
			patternRun(t, c, seed, mapping(t, c, sampleLines(100)))
		}
	})
}

func FuzzPatternIsTheSame(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(1000 + seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { patternRun(t, testClass(), seed, nil) })
}

// TestFillersMakeTheSame: by how many a batch is put into the columns makes no difference to the bytes.
func TestFillersMakeTheSame(t *testing.T) {
	c := testClass()
	files := make([]bytes.Buffer, 3)
	for i := range files {
		r := seeded(77)
		patterns, err := NewPatterns(c)
		if err != nil {
			t.Fatal(err)
		}
		e, err := NewEncoder(&files[i], c, Options{Hands: i + 1, RowGroupBytes: 300 << 10})
		if err != nil {
			t.Fatal(err)
		}
		var kinds []*specimen
		var compiled []*Pattern
		for range 9 {
			s := newSpecimen(randomEvent(t, c, r, nil), r, 0.3)
			setTime(s.ev, day)
			p, err := patterns.New(s.ev, s)
			if err != nil {
				t.Fatal(err)
			}
			kinds, compiled = append(kinds, s), append(compiled, p)
		}
		for row := range 6000 {
			k := r.IntN(len(kinds))
			texts, nums := kinds[k].another(r, day+int64(row), false)
			if err := e.WritePattern(compiled[k], day+int64(row), texts, nums); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		if got := len(e.expansion.allFillers); got != i+1 {
			t.Errorf("%d fillers for %d hands", got, i+1)
		}
		if !bytes.Equal(files[i].Bytes(), files[0].Bytes()) {
			t.Errorf("%d hands make another file", i+1)
		}
	}
}
