package ocsf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// flatEntry is one value of an event; of one that a plan was made from, number is the variable in its place, or -1.
type flatEntry struct {
	path   string
	text   []byte
	num    int64
	isNum  bool
	number int
}

// flatten lists all values of an event in order, with what a trace says of them.
func flatten(ev *Event, t *Trace) []flatEntry {
	var out []flatEntry
	text := func(path string, s []byte) {
		e := flatEntry{path: path, text: bytes.Clone(s), number: -1}
		if t != nil {
			e.number = t.Text(s)
		}
		out = append(out, e)
	}
	var walk func(path string, o *Object)
	walk = func(path string, o *Object) {
		out = append(out, flatEntry{path: path + "{", number: -1})
		for i := range o.Values {
			v, at := &o.Values[i], &o.Type.Attrs[i]
			if !v.Set {
				continue
			}
			name := path + "." + at.Name
			switch {
			case at.Kind == KindObject:
				for j, child := range v.Objs {
					walk(fmt.Sprintf("%s[%d]", name, j), child)
				}
			case at.Kind == KindString && at.List:
				for j, s := range v.Strs {
					text(fmt.Sprintf("%s[%d]", name, j), s)
				}
			case at.Kind == KindString:
				text(name, v.Str)
			default:
				e := flatEntry{path: name, num: v.Num, isNum: true, number: -1}
				if t != nil {
					e.number = t.Num(v)
				}
				out = append(out, e)
			}
		}
	}
	walk("", ev.Root)
	for _, kv := range ev.Unmapped {
		text("unmapped key", kv.Key)
		text("unmapped value", kv.Value)
	}
	return out
}

// planBench maps alerts both ways.
type planBench struct {
	class   *Class
	shapes  Shapes
	planner *Planner
	plain   *Mapper
	a, b    Alert
	ev, ref *Event
	v       Variables

	lines                    bool // compare lines with those before, too
	hits, misses, recognized int
}

// sameValues compares the values of a line that was recognized with those of the alert that was parsed.
func sameValues(t *pathTree, p *Plan, varied [][]byte, want *Alert) error {
	if len(varied) != len(p.varied) || len(p.varied)+len(p.ends) != len(want.leaves) {
		return fmt.Errorf("%d values of %d, and %d fixed ones, instead of %d", len(varied), len(p.varied), len(p.ends), len(want.leaves))
	}
	fixed, start := 0, uint16(0)
	for i := range want.leaves {
		w := &want.leaves[i]
		var got []byte
		if k := p.variable(int32(i)); k >= 0 {
			got = varied[k]
		} else {
			got, start, fixed = p.fixed[start:p.ends[fixed]], p.ends[fixed], fixed+1
		}
		// A path has another number in the tree of another alert.
		leaf := p.shape.leaves[i]
		if !bytes.Equal(got, w.Value) || w.Kind != LeafKind(leaf&7) || !bytes.Equal(w.Path, t.nodes[leaf>>3].path) {
			return fmt.Errorf("%q instead of %s: %q", got, w.Path, w.Value)
		}
	}
	return nil
}

func newPlanBench(c *Class, opt Options) *planBench {
	p := &planBench{class: c, plain: NewMapper(c, opt), ev: NewEvent(c), ref: NewEvent(c)}
	p.planner = NewPlanner(NewMapper(c, opt), func(ev *Event, t *Trace) (any, error) { return flatten(ev, t), nil })
	p.a.Share(&p.shapes)
	return p
}

// both maps a line by a plan, if there is one, and the plain way, and returns where they differ.
func (p *planBench) both(line []byte) error {
	recognized := p.lines && p.planner.Recognize(&p.a, line, corpusNow, &p.v)
	if !recognized && p.a.Parse(line) != nil {
		return nil
	}
	if err := p.b.Parse(line); err != nil {
		return err
	}
	if recognized {
		p.recognized++
		if err := sameValues(p.planner.tree, p.v.Plan, p.v.Texts[:len(p.v.Plan.varied)], &p.b); err != nil {
			return err
		}
	}
	err := p.plain.Map(&p.b, corpusNow, p.ref)
	if err == nil {
		err = Check(p.ref)
	}
	if !recognized && !p.planner.Find(&p.a, corpusNow, &p.v) {
		p.misses++
		got := p.planner.Map(&p.a, corpusNow, p.ev)
		if fmt.Sprint(got) != fmt.Sprint(err) {
			return fmt.Errorf("the planner says %v, the mapper %v", got, err)
		}
		return nil
	}
	p.hits++
	if err != nil {
		return fmt.Errorf("a plan was found, but the plain way fails: %w", err)
	}
	if p.v.Time != p.ref.Time {
		return fmt.Errorf("time %d instead of %d", p.v.Time, p.ref.Time)
	}
	want, got := flatten(p.ref, nil), p.v.Plan.Product.([]flatEntry)
	if len(got) != len(want) {
		return fmt.Errorf("%d values instead of %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.number >= 0 && g.isNum {
			g.num = p.v.Nums[g.number]
		} else if g.number >= 0 {
			g.text = p.v.Texts[g.number]
		}
		if g.path != w.path || !bytes.Equal(g.text, w.text) || g.num != w.num || g.isNum != w.isNum {
			return fmt.Errorf("%s: %q %d (variable %d) instead of %s: %q %d", g.path, g.text, g.num, g.number, w.path, w.text, w.num)
		}
	}
	return nil
}

// oddTexts are values that a mapping may treat in a way of its own.
var oddTexts = []string{
	"", " ", "-", "N/A", "(null)", "null", "a", "root", "0", "1", "00", "007", "-1", "-0", "65535", "65536", "2147483648", "99999999999999999999", "1e3",
	"0x1f", "0x0", "7.5", "10.0.0.1", "010.0.0.1", "10.0.0.1:80", "10.0.0.1:99999", "[2001:db8::1]:443", "2001:DB8:0:0:0:0:0:1", "::ffff:10.0.0.1",
	"fe80::1%eth0", "LOCAL", "localhost", "host.example.org", "host_name", `DOM\user`, `DOM\\user`, `\user`, `DOM\`, `C:\dir\file.exe`, `C:\`, `/`, `/a/b/`, "/a//",
	`HKEY_LOCAL_MACHINE\Software\x`, "http://example.org/x?y", "/index.html", "a, b", " a", "a,", "passed", "failed", "Solved", "000", "001",
	"2026-01-02T03:04:05Z", "2026-01-02 03:04:05", "1969-01-02T03:04:05Z", "2026-13-02T03:04:05Z", "2026-11-23T18:35:07.691+0200", "2026-11-20T18:35:07.691+0000",
	"tcp", "TCP", "6", "17", "300", "inbound", "drop", "accept", "true", "false", "True", "CVE-2024-1", "Package less than 1.2", "Package unfixed",
	"MD5=d41d8cd98f00b204e9800998ecf8427e,SHA256=x", "user@example.org", "user@", "00:11:22:33:44:55", "T1110", "4624", "ü€\U0001F600", "a\u0000b", "\ufffd",
	"d41d8cd98f00b204e9800998ecf8427e", strings.Repeat("x", 300), strings.Repeat("y", 70_000), strings.Repeat("ü", 70_000),
}

// mutateAlert returns an alert with some values changed: its fields stay, in the order of their names.
func mutateAlert(r *rand.Rand, line []byte, others [][]byte) []byte {
	read := func(b []byte) (tree map[string]any) {
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		if d.Decode(&tree) != nil {
			return nil
		}
		return tree
	}
	tree, other := read(line), read(others[r.IntN(len(others))])
	var change func(m, from map[string]any, chance float64)
	change = func(m, from map[string]any, chance float64) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			switch v := m[k].(type) {
			case map[string]any:
				sub, _ := from[k].(map[string]any)
				change(v, sub, chance)
			case string:
				if r.Float64() >= chance {
					continue
				}
				switch o, ok := from[k].(string); {
				case ok && r.IntN(2) == 0:
					m[k] = o
				case r.IntN(2) == 0:
					m[k] = oddTexts[r.IntN(len(oddTexts))]
				default:
					b := []byte(v)
					for i := range b {
						if b[i] >= '0' && b[i] <= '9' && r.IntN(3) == 0 {
							b[i] = '0' + byte(r.IntN(10))
						}
					}
					m[k] = string(b)
				}
			}
		}
	}
	change(tree, other, []float64{0, 0.02, 0.1, 0.5}[r.IntN(4)])
	out, err := json.Marshal(tree)
	if err != nil {
		return line
	}
	return out
}

// comparePlans maps each line some times, and mutants of it, both ways.
func comparePlans(t *testing.T, c *Class, opt Options, lines [][]byte, mutants int, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 7))
	p := newPlanBench(c, opt)
	try := func(line []byte) {
		t.Helper()
		p.lines = r.IntN(4) > 0
		p.planner.alerts = 1 << 40 // room is made whenever there is none: all plans are looked at here, not those worth a place
		if r.IntN(200) == 0 && p.shapes.tree != nil {
			p.shapes.tree = p.shapes.tree.renewed()
		}
		if err := p.both(line); err != nil {
			t.Fatalf("seed %d: %v\n%.2000s", seed, err, line)
		}
	}
	for _, line := range lines {
		for range 3 {
			try(line)
		}
		sorted := mutateAlert(rand.New(rand.NewPCG(0, 0)), line, lines)
		for range 3 {
			try(sorted)
		}
		for range mutants {
			try(mutateAlert(r, line, lines))
		}
	}
	for i := range lines { // again, when all plans are there
		try(lines[(i*7919)%len(lines)])
	}
	t.Logf("%s %s: %d by a plan, %d of them recognized, %d the plain way, %d plans", c.Name, c.Version, p.hits, p.recognized, p.misses, p.planner.plans)
	if c.Name == "detection_finding" && p.hits < p.misses/2 {
		t.Errorf("plans served %d alerts of %d", p.hits, p.hits+p.misses)
	}
}

func TestPlansAreTheMapping(t *testing.T) {
	seeds := seedAlerts(t)
	var lines [][]byte
	for _, name := range slices.Sorted(maps.Keys(seeds)) {
		lines = append(lines, seeds[name])
	}
	for _, version := range Versions() {
		for _, name := range Classes() {
			for _, raw := range []string{"", "alert", "none"} {
				t.Run(name+" "+version+" "+raw, func(t *testing.T) {
					t.Parallel()
					comparePlans(t, mustClass(t, name, version), Options{RawData: raw, ProductVersion: "4.14.7"}, lines, 25, uint64(len(name)+len(raw)))
				})
			}
		}
	}
}

// TestPlansOfTheCorpus does the same with the real alerts.
func TestPlansOfTheCorpus(t *testing.T) {
	lines := corpusLines(t)
	for _, version := range Versions() {
		for _, name := range Classes() {
			t.Run(name+" "+version, func(t *testing.T) {
				t.Parallel()
				comparePlans(t, mustClass(t, name, version), Options{ProductVersion: "4.14.7"}, lines, 4, 1)
			})
		}
	}
}

// FuzzPlan: whatever the plans of one alert do to another one, the plain mapping does.
func FuzzPlan(f *testing.F) {
	seeds := seedAlerts(f)
	r := rand.New(rand.NewPCG(1, 1))
	var lines [][]byte
	for _, name := range slices.Sorted(maps.Keys(seeds)) {
		lines = append(lines, seeds[name])
	}
	for _, line := range lines {
		if other := mutateAlert(r, line, lines); len(other) < 4096 {
			f.Add(line, other)
		}
	}
	classes := []*Class{mustClass(f, "detection_finding", Version130), mustClass(f, "security_finding", Version110)}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if len(a)+len(b) > 16<<10 {
			return // long texts are among those of mutateAlert
		}
		for _, c := range classes {
			p := newPlanBench(c, Options{RawData: "alert"})
			for i, line := range [][]byte{a, a, a, a, b, b, b, b, a, b, a} {
				p.lines = i > 3
				if i == 7 && p.shapes.tree != nil {
					p.shapes.tree = p.shapes.tree.renewed()
				}
				if err := p.both(line); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// TestPlanGuards: pairs of alerts of one shape that differ in a value nothing looks at, but not in what that leads to. The plan of
// the first must not serve the second.
func TestPlanGuards(t *testing.T) {
	alert := func(rest string) string {
		return `{"timestamp":"2026-03-02T10:20:30.456+0100","rule":{"level":3,"id":"1","description":"d"},"id":"1.1","manager":{"name":"m"},` + rest + `}`
	}
	fim := func(md5, sha1 string) string {
		return alert(`"syscheck":{"path":"/a/b","md5_after":"` + md5 + `","sha1_after":"` + sha1 + `"}`)
	}
	sysmon := func(hashes string) string {
		return alert(`"data":{"win":{"system":{"providerName":"Microsoft-Windows-Sysmon"},"eventdata":{"image":"C:\\a.exe","processId":"7","hashes":"` + hashes + `"}}}`)
	}
	field := func(name, value string) string { return alert(`"data":{"` + name + `":"` + value + `"}`) }
	const md5, sha1 = "d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709"
	for name, pair := range map[string][2]string{
		"two observables become one":     {fim(md5, sha1), fim(sha1, sha1)},
		"one observable becomes two":     {fim(sha1, sha1), fim(md5, sha1)},
		"another algorithm":              {sysmon("MD5=" + md5 + ",SHA1=" + sha1), sysmon("SHA1=" + sha1 + ",MD5=" + md5)},
		"one hash less":                  {sysmon("MD5=" + md5 + ",SHA1=" + sha1), sysmon("MD5=" + md5)},
		"an empty hash":                  {sysmon("MD5=" + md5 + ",SHA1=" + sha1), sysmon("MD5=,SHA1=" + sha1)},
		"no address":                     {field("srcip", "192.0.2.1"), field("srcip", "host.example.org")},
		"an address with a port":         {field("srcip", "192.0.2.1"), field("srcip", "192.0.2.1:80")},
		"an address to be written anew":  {field("srcip", "2001:db8::1"), field("srcip", "2001:db8:0:0:0:0:0:1")},
		"an address written as it was":   {field("srcip", "2001:db8:0:0:0:0:0:1"), field("srcip", "2001:db8::1")},
		"a user without a domain":        {field("srcuser", `D\\u`), field("srcuser", "u")},
		"no text":                        {field("srcuser", "u"), field("srcuser", "-")},
		"a port that is none":            {field("srcport", "80"), field("srcport", "80000")},
		"a number with a zero before it": {field("srcport", "80"), field("srcport", "080")},
		"another protocol":               {field("protocol", "tcp"), field("protocol", "GET")},
		"a cut text":                     {field("url", "/a"), field("url", "/"+strings.Repeat("a", 70_000))},
		"another offset":                 {field("url", "/a"), strings.Replace(field("url", "/a"), "+0100", "+0200", 1)},
		"too old":                        {field("url", "/a"), strings.Replace(field("url", "/a"), "2026", "1999", 1)},
		"in the future":                  {field("url", "/a"), strings.Replace(field("url", "/a"), "2026", "2027", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			for i, version := range append(Versions(), Versions()...) {
				p := newPlanBench(mustClass(t, "detection_finding", version), Options{})
				p.lines = i >= len(Versions())
				for range 4 {
					if err := p.both([]byte(pair[0])); err != nil {
						t.Fatal(err)
					}
				}
				if p.hits != 1 {
					t.Fatalf("%d of 4 alerts were served by a plan, want the last one", p.hits)
				}
				if err := p.both([]byte(pair[1])); err != nil {
					t.Error(err)
				}
				if p.hits != 1 {
					t.Error("the plan served the other alert as well")
				}
			}
		})
	}
}

// TestPlansAreBounded: whoever writes the logs has no say in how much memory plans take.
func TestPlansAreBounded(t *testing.T) {
	c := mustClass(t, "detection_finding", Version110)
	p := newPlanBench(c, Options{})
	long := strings.Repeat("x", 20_000)
	for name, line := range map[string]string{
		"value": `{"timestamp":"2026-03-02T10:20:30.456+0100","rule":{"level":3,"id":"` + long + `"},"manager":{"name":"m"}}`,
		"name":  `{"timestamp":"2026-03-02T10:20:30.456+0100","rule":{"level":3,"id":"1"},"data":{"` + long + `":"1"}}`,
		"hash": `{"timestamp":"2026-03-02T10:20:30.456+0100","rule":{"level":3,"id":"1"},"data":{"win":{"system":{"providerName":"Microsoft-Windows-Sysmon"},` +
			`"eventdata":{"image":"C:\\a.exe","processId":"7","hashes":"` + long + `=1"}}}}`,
	} {
		for range 5 {
			if err := p.both([]byte(line)); err != nil {
				t.Fatal(err)
			}
		}
		if p.hits != 0 {
			t.Errorf("%s: a plan holds a text of %d bytes", name, len(long))
		}
	}
	for i := range 3 * maxPlans { // as many rules, three times each
		line := fmt.Sprintf(`{"timestamp":"2026-03-02T10:20:30.456+0100","rule":{"level":3,"id":"%d"},"manager":{"name":"m"},"data":{"f%d":"1"}}`, i, i%10)
		for range 4 {
			if err := p.both([]byte(line)); err != nil {
				t.Fatal(err)
			}
		}
		if p.planner.plans > maxPlans {
			t.Fatalf("%d plans after %d alerts", p.planner.plans, 3*i)
		}
	}
	for i := range 3 * maxShapes {
		line := fmt.Appendf(nil, `{"timestamp":"2026-03-02T10:20:30.456+0100","rule":{"level":3},"data":{"g%d":"1"}}`, i)
		before := len(p.planner.shapes)
		for times := range 2 {
			if err := p.both(line); err != nil {
				t.Fatal(err)
			}
			if n := len(p.planner.shapes); n > maxShapes || times == 0 && n > before {
				t.Fatalf("%d shapes", n)
			}
		}
	}
}
