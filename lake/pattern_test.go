package lake

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"wazuh-security-lake/ocsf"
)

// specimen is an event of which some values are variables. It says which, and makes the others of its kind.
type specimen struct {
	ev    *ocsf.Event
	texts [][]*[]byte // by variable, where the event has it
	nums  []*ocsf.Value
	kinds []ocsf.Kind // of nums

	textVars map[textAt]int
	numVars  map[*ocsf.Value]int
}

// textAt is the identity of a text.
type textAt struct {
	first *byte
	n     int
}

func (s *specimen) Text(text []byte) int {
	if k, ok := s.textVars[textAt{unsafe.SliceData(text), len(text)}]; ok {
		return k
	}
	return -1
}

func (s *specimen) Num(v *ocsf.Value) int {
	if k, ok := s.numVars[v]; ok {
		return k
	}
	return -1
}

// newSpecimen makes about share of the values of ev variables. Texts that are alike are one variable or several. The
// time of the event is one in most cases.
func newSpecimen(ev *ocsf.Event, r *rand.Rand, share float64) *specimen {
	s := &specimen{ev: ev, textVars: make(map[textAt]int), numVars: make(map[*ocsf.Value]int)}
	alike := make(map[string]int)
	text := func(at *[]byte) {
		*at = append(make([]byte, 0, len(*at)+1), *at...) // memory of its own
		if r.Float64() >= share {
			return
		}
		k, ok := alike[string(*at)]
		if !ok || r.IntN(3) == 0 {
			k = len(s.texts)
			s.texts = append(s.texts, nil)
			alike[string(*at)] = k
		} else {
			*at = *s.texts[k][0]
		}
		s.texts[k] = append(s.texts[k], at)
		s.textVars[textAt{unsafe.SliceData(*at), len(*at)}] = k
	}
	var walk func(o *ocsf.Object)
	walk = func(o *ocsf.Object) {
		for i := range o.Values {
			v, a := &o.Values[i], &o.Type.Attrs[i]
			switch {
			case !v.Set || a.Kind == ocsf.KindMap:
			case a.Kind == ocsf.KindObject:
				for _, el := range v.Objs {
					walk(el)
				}
			case a.Kind == ocsf.KindString && a.List:
				for j := range v.Strs {
					text(&v.Strs[j])
				}
			case a.Kind == ocsf.KindString:
				text(&v.Str)
			case o == ev.Root && a.Name == "time":
				if r.IntN(4) > 0 {
					s.number(v, a.Kind)
				}
			case r.Float64() < share:
				s.number(v, a.Kind)
			}
		}
	}
	walk(ev.Root)
	for i := range ev.Unmapped {
		text(&ev.Unmapped[i].Key)
		text(&ev.Unmapped[i].Value)
	}
	return s
}

func (s *specimen) number(v *ocsf.Value, kind ocsf.Kind) {
	s.numVars[v] = len(s.nums)
	s.nums, s.kinds = append(s.nums, v), append(s.kinds, kind)
}

// another gives the event other values of its variables, and returns them. Some of the numbers do not fit their column,
// if wide says so.
func (s *specimen) another(r *rand.Rand, ms int64, wide bool) (texts [][]byte, nums []int64) {
	for _, places := range s.texts {
		var text []byte
		switch r.IntN(8) {
		case 0: // as it was
			text = *places[0]
		case 1:
			text = []byte{}
		case 2:
			text = fmt.Appendf(nil, "%x", r.Uint64())
		case 3:
			text = []byte(random(r, r.IntN(100)))
		default:
			text = fmt.Appendf(nil, "one of %d", r.IntN(30))
		}
		for _, at := range places {
			*at = text
		}
		texts = append(texts, append([]byte{}, text...)) // for the memory is no matter any more
	}
	for i, v := range s.nums {
		switch n := r.IntN(6); {
		case s.kinds[i] == ocsf.KindBool:
			v.Num = r.Int64N(2)
		case wide && n < 2:
			v.Num = math.MaxInt32 + 1 + r.Int64N(9)
		case n == 0:
			v.Num = r.Int64N(math.MaxInt32)
		case n < 4:
			v.Num = r.Int64N(5)
		}
	}
	setTime(s.ev, ms)
	for _, v := range s.nums {
		nums = append(nums, v.Num)
	}
	return texts, nums
}

// randomEvent is one of those that the other tests of this package write.
func randomEvent(t testing.TB, c *ocsf.Class, r *rand.Rand, mapped func(r *rand.Rand) *ocsf.Event) *ocsf.Event {
	t.Helper()
	if mapped != nil {
		return mapped(r)
	}
	ev := typical(c, r, day)
	for _, name := range []string{"types", "device", "vulnerabilities", "message", "raw_data", "type_uid"} {
		if r.IntN(4) == 0 {
			v := at(ev.Root, name)
			*v = ocsf.Value{Set: r.IntN(2) == 0, Objs: v.Objs[:0]}
		}
	}
	if v := at(ev.Root, "vulnerabilities"); v.Set {
		for range r.IntN(3) {
			el := child(ev.Root, "vulnerabilities")
			if r.IntN(3) > 0 {
				setNum(el, "ids", r.Int64N(9))
				*at(el, "references") = ocsf.Value{Set: true, Strs: [][]byte{[]byte("a"), []byte("b")}}
			}
			if r.IntN(3) == 0 {
				setText(child(child(el, "cve"), "cvss"), "version", "2")
				setText(child(at(el, "cve").Objs[0], "cvss"), "version", "3")
			}
		}
	}
	if r.IntN(3) == 0 {
		ev.Unmapped = ev.Unmapped[:r.IntN(len(ev.Unmapped))]
	}
	return ev
}

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
		Concurrent:    r.IntN(2) == 0,
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
		for seed := range uint64(40) {
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
