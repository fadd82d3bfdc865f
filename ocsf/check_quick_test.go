package ocsf

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"unicode/utf8"
)

// TestQuickTakesMappedEvents: the quick check must say yes to what the mapper makes, or it costs instead of sparing.
func TestQuickTakesMappedEvents(t *testing.T) {
	lines := slices.Collect(maps.Values(seedAlerts(t)))
	eachClass(t, func(t *testing.T, c *Class) {
		m, ev, a := NewMapper(c, Options{}), NewEvent(c), new(Alert)
		for _, line := range lines {
			if a.Parse(line) != nil || m.Map(a, corpusNow, ev) != nil {
				continue
			}
			if got, want := quick(ev), check(ev) == nil; got != want {
				t.Errorf("%.80s: got %v, want %v", line, got, want)
			}
		}
	})
}

// TestQuickRefusesFaults: what the plain check finds, the quick one must not let through.
func TestQuickRefusesFaults(t *testing.T) {
	for name, c := range eventCases() {
		t.Run(name, func(t *testing.T) {
			if ev := c.event(t); quick(ev) && check(ev) != nil {
				t.Errorf("got yes, want no: %v", check(ev))
			}
		})
	}
}

// TestQuickAgreesOnDamage damages mapped events at random places. A yes of the quick check must be one of the plain
// check; a no to a sound event is allowed (an observable named in another way), but rare.
func TestQuickAgreesOnDamage(t *testing.T) {
	seeds := seedAlerts(t)
	var lines [][]byte
	for _, name := range slices.Sorted(maps.Keys(seeds)) {
		lines = append(lines, seeds[name])
	}
	texts := []string{"", " ", "x", "Other", "\xff", "caf\xc3\xa9", "\xc3", "192.0.2.1", "300.1.1.1", "::1", "a.b", "a_b", "{}", `{"a":1}`, `{"a":}`, "{\"a\":\"\xff\"}", "[1]", "1",
		"cloud", "host", "datetime", "nothing", "unmapped.data.srcip", "device.ip", "evidences[0].src_endpoint.ip", "evidences[].src_endpoint", "no.such"}
	numbers := []int64{0, 1, 2, 3, 99, 100, -1, 65536, 1 << 31, 1 << 40, 200401, 2004, 1_772_323_200_976, 1_772_323_200}
	r := rand.New(rand.NewPCG(11, 12))
	pick := func() []byte { return []byte(texts[r.IntN(len(texts))]) }
	sound, faulty, missed := 0, 0, 0
	for _, version := range Versions() {
		for _, name := range Classes() {
			c := mustClass(t, name, version)
			m, ev, a := NewMapper(c, Options{}), NewEvent(c), new(Alert)
			for range 4000 {
				if a.Parse(lines[r.IntN(len(lines))]) != nil || m.Map(a, corpusNow, ev) != nil {
					continue
				}
				for range 1 + r.IntN(2) {
					o := ev.used[r.IntN(len(ev.used))]
					slot := r.IntN(len(o.Values))
					v := &o.Values[slot]
					switch r.IntN(7) {
					case 0:
						o.unset(slot)
					case 1:
						o.set(slot).Str = pick()
					case 2:
						o.set(slot).Num = numbers[r.IntN(len(numbers))]
					case 3:
						if o.Type.Attrs[slot].Kind == KindObject {
							o.appendTo(slot)
						}
					case 4:
						v = o.set(slot)
						v.Strs = append(v.Strs, pick())
					case 5:
						v.Objs, v.Strs = v.Objs[:len(v.Objs)/2], v.Strs[:len(v.Strs)/2]
					case 6:
						ev.Unmapped = append(ev.Unmapped, KeyValue{Key: pick(), Value: pick()})
					}
				}
				switch got, want := quick(ev), check(ev); {
				case got && want != nil:
					t.Fatalf("%s: got yes, want %v", c, want)
				case want != nil:
					faulty++
				case got:
					sound++
				default:
					missed++
				}
			}
		}
	}
	t.Logf("%d sound, %d faulty, %d sound but left to the plain check", sound, faulty, missed)
	if sound < 1000 || faulty < 1000 || missed > sound/10 {
		t.Errorf("%d sound, %d faulty, %d missed events prove little", sound, faulty, missed)
	}
}

// TestCorpusQuick compares both checks on every real alert and class.
func TestCorpusQuick(t *testing.T) {
	lines := corpusLines(t)
	eachClass(t, func(t *testing.T, c *Class) {
		m, ev, a := NewMapper(c, Options{RawData: "alert"}), NewEvent(c), new(Alert)
		for i, line := range lines {
			if a.Parse(line) != nil || m.Map(a, corpusNow, ev) != nil {
				continue
			}
			if got, want := quick(ev), check(ev); got != (want == nil) {
				t.Errorf("line %d: got %v, want %v", i+1, got, want)
			}
		}
	})
}

// TestPlainEnd compares the eight bytes at a time with one.
func TestPlainEnd(t *testing.T) {
	plain := func(b []byte, pos int) int {
		for pos < len(b) && b[pos] >= 0x20 && b[pos] < utf8.RuneSelf && b[pos] != '"' && b[pos] != '\\' {
			pos++
		}
		return pos
	}
	r := rand.New(rand.NewPCG(5, 6))
	alphabet := []byte("aaaaaaaaaaaa \x7f!#[]\x20\x1f\x00\"\\\x80\xff\xa2\xdc\xc3\xa9")
	for range 20000 {
		b := make([]byte, r.IntN(40))
		for i := range b {
			if b[i] = alphabet[r.IntN(len(alphabet))]; r.IntN(8) == 0 {
				b[i] = byte(r.IntN(256))
			}
		}
		for pos := 0; pos <= len(b); pos++ {
			if got, want := plainEnd(b, pos), plain(b, pos); got != want {
				t.Fatalf("%q from %d: got %d, want %d", b, pos, got, want)
			}
		}
		high := slices.ContainsFunc(b, func(c byte) bool { return c >= utf8.RuneSelf })
		if got := ascii(b); got == high {
			t.Fatalf("ascii(%q) = %v", b, got)
		}
	}
}

// TestJSONDocument: whatever the scanner takes for a document, encoding/json does.
func TestJSONDocument(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	seeds := []string{`{"a":[1,2.5e3,{"b":null}],"c":"d\u00e9\n"}`, `[]`, `{}`, ` [ true , false ] `, `{"a":{"b":{"c":"\\"}}}`, `1`, `"x"`, ``}
	alphabet := `{}[]",:\u0019truefalsn .eE+-` + "\x00\n\xc3\xa9"
	accepted := 0
	for range 100000 {
		b := []byte(seeds[r.IntN(len(seeds))])
		for range r.IntN(3) {
			i, c := r.IntN(len(b)+1), alphabet[r.IntN(len(alphabet))]
			if r.IntN(2) == 0 && i < len(b) {
				b[i] = c
			} else {
				b = slices.Insert(b, i, c)
			}
		}
		if jsonDocument(b) {
			accepted++
			if !validJSON(b) {
				t.Fatalf("%q is no JSON", b)
			}
		}
	}
	if accepted < 1000 {
		t.Errorf("only %d documents", accepted)
	}
	data := Attr{text: textType{valid: validJSON, json: true, rule: RuleJSON}}
	for text, want := range map[string]bool{"{\"a\":\"\xff\"}": false, "{\"a\":\"\xc3\xa9\"}": true, `{"a":}`: false, "": false} {
		if got := data.soundText([]byte(text)); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}
