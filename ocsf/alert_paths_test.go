package ocsf

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// sameAsFresh parses a line with an alert that knows the shapes of others, and with one that knows none.
func sameAsFresh(known *Alert, line []byte) error {
	var fresh Alert
	gotErr, wantErr := known.Parse(line), fresh.Parse(line)
	if (gotErr == nil) != (wantErr == nil) {
		return fmt.Errorf("got error %v, want %v", gotErr, wantErr)
	}
	if wantErr != nil {
		return nil
	}
	if len(known.leaves) != len(fresh.leaves) || known.irregular != fresh.irregular || known.repeats != fresh.repeats || len(known.sections) != len(fresh.sections) {
		return fmt.Errorf("got %d leaves, irregular %v, repeats %v, %d sections, want %d, %v, %v, %d", len(known.leaves), known.irregular, known.repeats,
			len(known.sections), len(fresh.leaves), fresh.irregular, fresh.repeats, len(fresh.sections))
	}
	for i := range fresh.sections {
		got, want := known.sections[i], fresh.sections[i]
		if string(got.name) != string(want.name) || got.leaf != want.leaf || got.ends != want.ends {
			return fmt.Errorf("section %d: got %q %d-%d, want %q %d-%d", i, got.name, got.leaf, got.ends, want.name, want.leaf, want.ends)
		}
	}
	first := make(map[string]int32)
	for i := range fresh.leaves {
		got, want := &known.leaves[i], &fresh.leaves[i]
		if string(got.Path) != string(want.Path) || string(got.Value) != string(want.Value) || got.Kind != want.Kind || got.Index != int32(i) {
			return fmt.Errorf("leaf %d: got %q = %q, want %q = %q", i, got.Path, got.Value, want.Path, want.Value)
		}
		if _, ok := first[string(want.Path)]; !ok {
			first[string(want.Path)] = int32(i)
		}
	}
	for path, i := range first {
		for _, a := range []*Alert{known, &fresh} {
			if l := a.Leaf(path); l == nil || l.Index != i {
				return fmt.Errorf("Leaf(%q): got %v, want leaf %d", path, l, i)
			}
			if l := a.LeafAt([]byte(path)); l == nil || l.Index != i {
				return fmt.Errorf("LeafAt(%q): got %v, want leaf %d", path, l, i)
			}
		}
		for end := range path {
			if got, want := known.Has(path[:end]), fresh.Has(path[:end]); got != want {
				return fmt.Errorf("Has(%q): got %v, want %v", path[:end], got, want)
			}
			_, leaf := first[path[:end]]
			if l := known.Leaf(path[:end]); (l != nil) != leaf {
				return fmt.Errorf("Leaf(%q): got %v, want one: %v", path[:end], l, leaf)
			}
		}
	}
	return nil
}

func FuzzShapes(f *testing.F) {
	for i, s := range scannerSeeds {
		f.Add([]byte(s), []byte(scannerSeeds[(i+1)%len(scannerSeeds)]))
	}
	f.Add([]byte(`{"a long name, of more than two words":{"x":["a","b"]},"name of sixteen":"\n\\u00e9 and what is behind it"}`),
		[]byte(`{"a long name, of more than two wordz":{"x":["a","\n"]},"name of sixteen":[1,"and what is behind it"]}`))
	f.Add([]byte(`{"a":{"b":1,"c":2},"a.b":3}`), []byte(`{"a.b":{"":1},"a":{"b":{"x":1}},"":{"":{}}}`))
	f.Fuzz(func(t *testing.T, one, other []byte) {
		var known Alert
		for i, line := range [][]byte{one, other, one, one, other, append(bytes.Clone(one), other...), other} {
			if err := sameAsFresh(&known, line); err != nil {
				t.Errorf("line %d: %v", i, err)
			}
		}
		if err := appendsTexts(one, other); err != nil {
			t.Error(err)
		}
	})
}

// appendsTexts parses lines one behind the other with an alert that appends, and compares what was taken from each of them
// in the end.
func appendsTexts(lines ...[]byte) error {
	var a Alert
	var got [][]byte
	var want []string
	a.Append([]byte("kept"))
	for _, line := range lines {
		if a.Parse(line) != nil {
			continue
		}
		for i := range a.leaves {
			got, want = append(got, a.leaves[i].Value), append(want, string(a.leaves[i].Value))
			a.Elements(&a.leaves[i], func(text []byte) bool {
				got, want = append(got, text), append(want, string(text))
				return true
			})
		}
	}
	if text := a.Appended(); !bytes.HasPrefix(text, []byte("kept")) {
		return fmt.Errorf("got %q, want it behind what was there", text)
	}
	for i := range got {
		if string(got[i]) != want[i] {
			return fmt.Errorf("text %d: got %q, was %q", i, got[i], want[i])
		}
	}
	return nil
}

func TestCorpusShapes(t *testing.T) {
	var known Alert
	for i, line := range corpusLines(t) {
		if err := sameAsFresh(&known, line); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
	}
}

// TestShapesInAnyOrder parses objects of few names in every order and depth, which no expectation foresees.
func TestShapesInAnyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	names := []string{"a", "b", "ab", "a.b", "", "é", `q\"`, `\u0061`, "rule", "data", "."}
	var object func(depth int) string
	object = func(depth int) string {
		var b strings.Builder
		b.WriteByte('{')
		for i := range r.IntN(5) {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `"%s":`, names[r.IntN(len(names))])
			if depth < 4 && r.IntN(2) == 0 {
				b.WriteString(object(depth + 1))
			} else {
				b.WriteString([]string{"1", `"x"`, "[1]", "null"}[r.IntN(4)])
			}
		}
		b.WriteByte('}')
		return b.String()
	}
	shapes := new(Shapes)
	known := []*Alert{new(Alert), new(Alert), new(Alert)}
	for range 20000 {
		line, a := object(0), known[r.IntN(len(known))]
		if a != known[2] && r.IntN(2) == 0 {
			a.Share(shapes)
		}
		if err := sameAsFresh(a, []byte(line)); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
}

// TestShapesAreBounded: whoever invents names gets no more memory than they are worth, and no more time.
func TestShapesAreBounded(t *testing.T) {
	shapes := new(Shapes)
	a, other := new(Alert), new(Alert)
	a.Share(shapes)
	other.Share(shapes)
	if err := other.Parse([]byte(`{"rule":{"id":"7"}}`)); err != nil {
		t.Fatal(err)
	}
	for n := range 60 {
		var b strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&b, `,"k%d-%d":{"%s":1}`, n, i, strings.Repeat("x", n))
		}
		if err := sameAsFresh(a, []byte(`{"t":0`+b.String()+`}`)); err != nil {
			t.Fatal(err)
		}
		if got, most := len(shapes.tree.nodes), maxNodes+2002; got > most {
			t.Fatalf("got %d nodes, want %d at most", got, most)
		}
		if got, most := shapes.tree.size, maxPathBytes+2000*200; got > most {
			t.Fatalf("got %d bytes of paths, want %d at most", got, most)
		}
		if got := other.Leaf("rule.id"); !got.Is("7") { // an alert parsed before the shapes began anew
			t.Fatalf("got %v, want the leaf of the other alert", got)
		}
	}
	if got := len(a.places); got > 2*maxNodes+4004 {
		t.Errorf("got %d places", got)
	}
}
