package lake

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"wazuh-security-lake/ocsf"
)

// alerts are three alerts of 2024-04-22 as Wazuh 4.x writes them, in order of time.
const alerts = `{"timestamp":"2024-04-22T14:20:46.976+0000","rule":{"level":3,"description":"Apache: access","id":"31108","mitre":{"technique":["Brute Force"],"id":["T1110"],"tactic":["Credential Access"]},"firedtimes":1,"mail":false,"groups":["web","accesslog"],"gdpr":["IV_35.7.d"]},"agent":{"id":"001","name":"web-1","ip":"10.0.0.12"},"manager":{"name":"wazuh-m1"},"id":"1713795646.11","full_log":"10.0.0.5 - - [22/Apr/2024] \"GET / HTTP/1.1\" 200","decoder":{"name":"web-accesslog"},"data":{"srcip":"10.0.0.5","url":"/","protocol":"GET","id":"200"},"location":"/var/log/apache2/access.log"}
{"timestamp":"2024-04-22T14:21:00.000+0000","rule":{"level":10,"description":"sshd: brute force trying to get access to the system.","id":"5712","groups":["syslog","sshd"]},"agent":{"id":"000","name":"wazuh-m1"},"manager":{"name":"wazuh-m1"},"id":"1713795660.12","full_log":"Apr 22 14:21:00 h sshd[1]: Failed password for invalid user é from 203.0.113.9 port 41022 ssh2","predecoder":{"program_name":"sshd","timestamp":"Apr 22 14:21:00","hostname":"h"},"decoder":{"name":"sshd"},"data":{"srcip":"203.0.113.9","srcport":"41022","srcuser":"é"},"location":"journald"}
{"timestamp":"2024-04-22T16:30:00.000+0200","rule":{"level":7,"description":"Integrity checksum changed.","id":"550","groups":["ossec","syscheck"]},"agent":{"id":"002","name":"db-1","ip":"10.0.0.13"},"manager":{"name":"wazuh-m1"},"id":"1713796200.13","full_log":"File '/etc/passwd' modified","syscheck":{"path":"/etc/passwd","mode":"realtime","size_after":"2048","md5_after":"d41d8cd98f00b204e9800998ecf8427e","event":"modified"},"decoder":{"name":"syscheck_integrity_changed"},"location":"syscheck"}
`

const goodPath = "lake/ext/wazuh/region=us-east-1/accountId=123456789012/eventDay=20240422/m1-ab-1-0-0123456789abcdef.parquet"

func class(t testing.TB, name, version string) *ocsf.Class {
	t.Helper()
	c, err := ocsf.ClassByName(name, version)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// mapped writes the alerts that class can hold and returns the file with the JSON of its events in order.
func mapped(t testing.TB, c *ocsf.Class, opt Options, lines string) (file []byte, events []string) {
	t.Helper()
	var b bytes.Buffer
	e, err := NewEncoder(&b, c, opt)
	if err != nil {
		t.Fatal(err)
	}
	m, ev := ocsf.NewMapper(c, ocsf.Options{}), ocsf.NewEvent(c)
	var a ocsf.Alert
	for i, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		if err := a.Parse([]byte(line)); err != nil {
			t.Fatalf("alert %d: %v", i, err)
		}
		if err := m.Map(&a, time.UnixMilli(day+msPerDay), ev); errors.Is(err, ocsf.ErrOtherClass) {
			continue
		} else if err != nil {
			t.Fatalf("alert %d: %v", i, err)
		}
		if err := e.Write(ev); err != nil {
			t.Fatalf("alert %d: %v", i, err)
		}
		events = append(events, canonicalLine(t, ev.AppendJSON(nil)))
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), events
}

// TestVirusTotalMalware: malware[].classification_ids, the one list of numbers, is required and must come back.
func TestVirusTotalMalware(t *testing.T) {
	const line = `{"timestamp":"2024-04-22T15:00:00.000+0000","rule":{"level":12,"description":"VirusTotal: Alert - /tmp/eicar.com - 60 engines detected this file","id":"87105","groups":["virustotal"]},"agent":{"id":"003","name":"web-2","ip":"10.0.0.14"},"manager":{"name":"wazuh-m1"},"id":"1713798000.14","decoder":{"name":"json"},"data":{"virustotal":{"found":"1","malicious":"1","source":{"alert_id":"1713797990.13","file":"/tmp/eicar.com","md5":"44d88612fea8a8f36de82e1278abb02f","sha1":"3395856ce81f2b7382dee72602f798b642f14140"},"sha1":"3395856ce81f2b7382dee72602f798b642f14140","scan_date":"2024-04-22 14:50:00","positives":"60","total":"65","permalink":"https://www.virustotal.com/gui/file/275a021b"},"integration":"virustotal"},"location":"virustotal"}`
	for _, version := range ocsf.Versions() {
		for _, name := range []string{"security_finding", "detection_finding"} {
			t.Run(name+" "+version, func(t *testing.T) {
				c := class(t, name, version)
				file, events := mapped(t, c, Options{}, line)
				rows := readRows(t, file)
				if diff := cmp.Diff(rows, events); diff != "" {
					t.Errorf("rows differ from the events (-got +want):\n%s", diff)
				}
				if want := `"classification_ids":[0]`; len(rows) != 1 || !strings.Contains(rows[0], want) {
					t.Errorf("got %v, want one row with %s", rows, want)
				}
				for _, f := range Verify(bytes.NewReader(file), int64(len(file)), goodPath) {
					t.Error(f)
				}
			})
		}
	}
}

// TestEveryClass: the schema of each class is expressible, a file of it has exactly that schema, keeps the whole
// contract, and gives back the event that the mapper made.
func TestEveryClass(t *testing.T) {
	for _, version := range ocsf.Versions() {
		for _, name := range ocsf.Classes() {
			t.Run(name+" "+version, func(t *testing.T) {
				c := class(t, name, version)
				file, events := mapped(t, c, Options{}, alerts)
				if got, want := mustInspect(t, file).Schema, SchemaText(c); got != want {
					t.Errorf("schema differs (-got +want):\n%s", cmp.Diff(got, want))
				}
				if len(events) == 0 {
					t.Skip("no alert of the sample is of this class")
				}
				for _, f := range Verify(bytes.NewReader(file), int64(len(file)), goodPath) {
					t.Error(f)
				}
				if diff := cmp.Diff(readRows(t, file), events); diff != "" {
					t.Errorf("rows differ from the events (-got +want):\n%s", diff)
				}
			})
		}
	}
}

// sharedSample returns a large sample of real alerts, if there is one on this machine.
func sharedSample(t testing.TB) []byte {
	t.Helper()
	shared := os.Getenv("WSL_SHARED")
	if shared == "" {
		t.Skip("WSL_SHARED does not name the folder of shared samples")
	}
	f, err := os.Open(filepath.Join(shared, "alerts", "real-alerts.ndjson.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestSharedAlerts runs the sample of real alerts through every class.
func TestSharedAlerts(t *testing.T) {
	data := sharedSample(t)
	for _, name := range ocsf.Classes() {
		t.Run(name, func(t *testing.T) { sharedAlerts(t, class(t, name, ocsf.Version110), data) })
	}
}

func sharedAlerts(t *testing.T, c *ocsf.Class, data []byte) {
	encoders := make(map[Date]*Encoder)
	files := make(map[Date]*bytes.Buffer)
	events := make(map[Date]map[string]int)
	m, ev := ocsf.NewMapper(c, ocsf.Options{}), ocsf.NewEvent(c)
	var a ocsf.Alert
	n := 0
	for _, line := range bytes.Split(data, []byte("\n")) {
		if len(line) == 0 || a.Parse(line) != nil || m.Map(&a, time.UnixMilli(4102444800000), ev) != nil {
			continue
		}
		d := DateOf(ev.Time)
		if encoders[d] == nil {
			files[d], events[d] = new(bytes.Buffer), make(map[string]int)
			e, err := NewEncoder(files[d], c, Options{})
			if err != nil {
				t.Fatal(err)
			}
			encoders[d] = e
		}
		if err := encoders[d].Write(ev); err != nil {
			t.Fatal(err)
		}
		events[d][canonicalLine(t, ev.AppendJSON(nil))]++
		n++
	}
	for d, e := range encoders {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		file := files[d].Bytes()
		path := strings.Replace(goodPath, "20240422", d.String(), 1)
		for _, f := range Verify(bytes.NewReader(file), int64(len(file)), path) {
			t.Error(f)
		}
		for _, row := range readRows(t, file) {
			if events[d][row]--; events[d][row] < 0 {
				t.Errorf("%s: a row that no event made", d)
			}
		}
		for _, left := range events[d] {
			if left > 0 {
				t.Errorf("%s: an event of which there is no row", d)
			}
		}
	}
	t.Logf("%d events in %d objects", n, len(files))
	if dir := os.Getenv("WSL_KEEP"); dir != "" {
		for d, b := range files {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s.parquet", c.Name, d)), b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestVerifyFinds gives Verify one broken thing at a time.
func TestVerifyFinds(t *testing.T) {
	c := class(t, "detection_finding", "1.1.0")
	good, _ := mapped(t, c, Options{}, alerts)
	event := func(ms int64, change func(ev *ocsf.Event)) *ocsf.Event {
		ev := ocsf.NewEvent(c)
		setTime(ev, ms)
		setNum(ev.Root, "class_uid", int64(c.UID))
		setText(ev.Root.Struct("metadata"), "version", c.Version)
		if change != nil {
			change(ev)
		}
		return ev
	}
	with := func(change func(ev *ocsf.Event)) []byte {
		return encode(t, c, Options{}, event(day, nil), event(day+1, change))
	}
	bigRow := func(ev *ocsf.Event) {
		r := seeded(1)
		for i := range 30 {
			ev.Unmapped = append(ev.Unmapped, ocsf.KeyValue{Key: fmt.Appendf(nil, "k%d", i), Value: []byte(random(r, 60000))})
		}
	}
	foreign := *c
	foreign.Root = &ocsf.ObjectType{Name: c.Name, Attrs: append(append([]ocsf.Attr{}, c.Root.Attrs[1:]...), ocsf.Attr{Name: "full_log", Kind: ocsf.KindString})}
	foreignEvent := event(day, nil)
	foreignEvent.Class = &foreign
	foreignEvent.Root = object(foreign.Root)
	setTime(foreignEvent, day)
	setNum(foreignEvent.Root, "class_uid", int64(c.UID))
	setText(child(foreignEvent.Root, "metadata"), "version", c.Version)

	for name, test := range map[string]struct {
		file []byte
		path string
		want []string // rule and attribute of each fault
	}{
		"good":              {good, goodPath, nil},
		"good without path": {good, "", nil},
		"other day":         {good, strings.Replace(goodPath, "20240422", "20240423", 1), []string{"event_day time", "event_day time", "event_day time"}},
		"bad path":          {good, "x.parquet", []string{"path "}},
		"two days":          {encode(t, c, Options{}, event(day, nil), event(day+msPerDay, nil)), goodPath, []string{"event_day time"}},
		"cut short":         {good[:len(good)-1], goodPath, []string{"readable "}},
		"empty file":        {nil, goodPath, []string{"readable "}},
		"not Parquet":       {[]byte("PAR1 is only the beginning of it PAR1"), goodPath, []string{"readable "}},
		"damaged page":      {flip(good, 400), goodPath, []string{"readable "}},
		"no rows":           {encode(t, c, Options{}), goodPath, []string{"empty "}},
		"two classes":       {with(func(ev *ocsf.Event) { setNum(ev.Root, "class_uid", 2001) }), goodPath, []string{"class class_uid"}},
		"no class":          {with(func(ev *ocsf.Event) { at(ev.Root, "class_uid").Set = false }), goodPath, []string{"class class_uid"}},
		"not UTF-8":         {with(func(ev *ocsf.Event) { setText(ev.Root, "message", "a\xff") }), goodPath, []string{"utf8 message"}},
		"key twice": {with(func(ev *ocsf.Event) {
			kv := ocsf.KeyValue{Key: []byte("k"), Value: []byte("v")}
			ev.Unmapped = append(ev.Unmapped, kv, kv)
		}), goodPath, []string{"unique_keys unmapped.key_value.key"}},
		"page too large": {with(bigRow), goodPath, []string{"page_size unmapped.key_value.value"}},
		"unknown class": {encode(t, c, Options{}, event(day, func(ev *ocsf.Event) { setNum(ev.Root, "class_uid", 9) })), goodPath,
			[]string{"class class_uid"}},
		"foreign column": {encode(t, &foreign, Options{}, foreignEvent), goodPath,
			[]string{"schema full_log", "schema " + c.Root.Attrs[0].Name}},
		"another writer": {otherWriter(t), goodPath, []string{
			"codec class_uid", "codec metadata.version", "codec time", "encoding metadata.version", "schema missing", "sorted time", "sorting_columns "}},
	} {
		t.Run(name, func(t *testing.T) {
			faults := Verify(bytes.NewReader(test.file), int64(len(test.file)), test.path)
			got := map[string]bool{}
			for _, f := range faults {
				k := f.Rule + " " + f.Attribute
				if name == "another writer" && f.Rule == RuleSchema && strings.Contains(f.Message, "missing") {
					k = "schema missing" // one for each of the columns
				} else if name == "another writer" && f.Rule == RuleSchema {
					continue // types, and the note that there are more
				}
				got[k] = true
				if f.File != test.path || strings.ContainsAny(f.String(), "\n") {
					t.Errorf("fault is not one line of the file: %q", f)
				}
			}
			want := map[string]bool{}
			for _, w := range test.want {
				want[w] = true
			}
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("(-got +want):\n%s\n%v", diff, faults)
			}
		})
	}
}

func flip(file []byte, at int) []byte {
	file = bytes.Clone(file)
	for i := range 64 {
		file[at+i] ^= 0x55
	}
	return file
}

// otherWriter is what the library does left to itself: snappy, other types, nothing sorted.
func otherWriter(t *testing.T) []byte {
	type metadata struct {
		Version string `parquet:"version"`
	}
	type row struct {
		Time     int64    `parquet:"time"`
		ClassUID int32    `parquet:"class_uid"`
		Metadata metadata `parquet:"metadata"`
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b, parquet.Compression(&parquet.Snappy))
	if _, err := w.Write([]row{{day + 1, 2004, metadata{"1.1.0"}}, {day, 2004, metadata{"1.1.0"}}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestFalseBounds: Verify compares bounds with values; the library's SkipPageBounds alone would be caught.
func TestFalseBounds(t *testing.T) {
	type row struct {
		Name string `parquet:"name,plain"`
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b, parquet.SkipPageBounds("name"))
	if _, err := w.Write([]row{{"b"}, {"c"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range Verify(bytes.NewReader(b.Bytes()), int64(b.Len()), "") {
		found = found || f.Rule == RuleBounds
	}
	if !found {
		t.Error("false bounds in the column index were not found")
	}
}

// TestRowsStopsWhenTold: an error of the callback comes back as it is.
func TestRowsStopsWhenTold(t *testing.T) {
	c := testClass()
	file := encode(t, c, Options{}, newEvent(c, day), newEvent(c, day), newEvent(c, day))
	enough := errors.New("enough")
	calls := 0
	err := Rows(bytes.NewReader(file), int64(len(file)), func([]byte) error {
		if calls++; calls == 2 {
			return enough
		}
		return nil
	})
	if err != enough || calls != 2 {
		t.Errorf("got %v after %d rows, want %v after 2", err, calls, enough)
	}
}

// TestRowsOfOtherWriters reads shapes that this package never writes.
func TestRowsOfOtherWriters(t *testing.T) {
	type point struct{ X, Y float64 }
	type row struct {
		Plain    []string
		Points   []point
		Map      map[string]int32
		When     time.Time `parquet:"when,timestamp(microsecond)"`
		Fixed    [4]byte
		Unsigned uint32
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b)
	if _, err := w.Write([]row{
		{Plain: []string{"a", "b"}, Points: []point{{1, 2}, {3, 4.5}}, Map: map[string]int32{"k": -1}, When: time.UnixMicro(-1500), Fixed: [4]byte{'w', 'x', 'y', 0xff}},
		{},
	}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got := readRows(t, b.Bytes())
	want := []string{
		`{"Fixed":"wxy` + "\uFFFD" + `","Map":{"k":-1},"Plain":["a","b"],"Points":[{"X":1,"Y":2},{"X":3,"Y":4.5}],"Unsigned":0,"when":"1969-12-31T23:59:59.998Z"}`,
	}
	if diff := cmp.Diff(got[:1], want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
}

// FuzzRead: no file makes the readers panic, and none makes them read for ever.
func FuzzRead(f *testing.F) {
	if raceEnabled {
		// On some damaged files the library makes a text of nil and a length. unsafe.Slice then panics, which the
		// readers recover from; with the race detector comes checkptr, which makes the same a fatal error.
		f.Skip("checkptr turns a panic that the readers recover from into a fatal error")
	}
	c := testClass()
	r := seeded(1)
	file := encode(f, c, Options{RowGroupBytes: 1}, typical(c, r, day), newEvent(c, day+1), typical(c, r, day+2))
	f.Add(file)
	f.Add(file[:len(file)/2])
	f.Add([]byte("PAR1PAR1"))
	for i := 0; i < len(file); i += len(file)/200 + 1 {
		mutated := bytes.Clone(file)
		mutated[i] ^= 0x41
		f.Add(mutated)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if _, err := Inspect(bytes.NewReader(file), int64(len(file))); err != nil && !errors.Is(err, ErrNotParquet) {
			t.Errorf("Inspect: %v does not wrap ErrNotParquet", err)
		}
		if err := Rows(bytes.NewReader(file), int64(len(file)), func([]byte) error { return nil }); err != nil && !errors.Is(err, ErrNotParquet) {
			t.Errorf("Rows: %v does not wrap ErrNotParquet", err)
		}
		Verify(bytes.NewReader(file), int64(len(file)), goodPath)
	})
}
