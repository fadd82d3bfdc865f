package lake

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/ocsf"
)

// sampleLines are n variations of the three alerts of the tests: other addresses, ports, users, hosts and ids.
func sampleLines(n int) []string {
	r := seeded(1)
	lines := strings.Split(strings.TrimSpace(alerts), "\n")
	out := make([]string, n)
	for i := range out {
		out[i] = strings.NewReplacer(
			"10.0.0.5", fmt.Sprintf("198.51.100.%d", r.IntN(250)),
			"203.0.113.9", fmt.Sprintf("203.0.113.%d", r.IntN(250)),
			"41022", fmt.Sprint(1024+r.IntN(60000)),
			"sshd[1]", fmt.Sprintf("sshd[%d]", r.IntN(32768)),
			"web-1", fmt.Sprintf("web-%d", r.IntN(40)),
			"1713795660.12", fmt.Sprintf("1713795660.%d", 1000000+i*900),
			"1713795646.11", fmt.Sprintf("1713795646.%d", 1000000+i*900),
			"/etc/passwd", fmt.Sprintf("/srv/data/%x", r.Uint32()),
		).Replace(lines[i%len(lines)])
	}
	return out
}

// sampleEvents maps them.
func sampleEvents(b *testing.B, c *ocsf.Class, n int) []*ocsf.Event {
	b.Helper()
	m := ocsf.NewMapper(c, ocsf.Options{})
	events := make([]*ocsf.Event, n)
	for i, line := range sampleLines(n) {
		var a ocsf.Alert
		if err := a.Parse([]byte(line)); err != nil {
			b.Fatal(err)
		}
		events[i] = ocsf.NewEvent(c)
		if err := m.Map(&a, time.UnixMilli(day+msPerDay), events[i]); err != nil {
			b.Fatal(err)
		}
	}
	return events
}

// BenchmarkWhole measures one alert on its whole way: scanned, mapped, checked, encoded, in the steady state. allocs/op
// must be near 0.
func BenchmarkWhole(b *testing.B) {
	for _, hands := range []int{1, 2} {
		b.Run(fmt.Sprint("detection_finding/hands=", hands), func(b *testing.B) {
			c := class(b, "detection_finding", ocsf.Version110)
			m, ev := ocsf.NewMapper(c, ocsf.Options{}), ocsf.NewEvent(c)
			var lines [][]byte
			for _, line := range sampleLines(3000) {
				lines = append(lines, []byte(line[strings.Index(line, `","rule":`):]))
			}
			e, err := NewEncoder(io.Discard, c, Options{Hands: hands})
			if err != nil {
				b.Fatal(err)
			}
			var a ocsf.Alert
			var line []byte
			write := func(i int) {
				ms := day + int64(i)*20%msPerDay
				line = append(line[:0], `{"timestamp":"`...)
				line = time.UnixMilli(ms).UTC().AppendFormat(line, "2006-01-02T15:04:05.000")
				line = append(line, "+0000"...)
				line = append(line, lines[i%len(lines)]...)
				err := a.Parse(line)
				if err == nil {
					err = m.Map(&a, time.UnixMilli(day+msPerDay), ev)
				}
				if err == nil {
					err = ocsf.Check(ev)
				}
				if err == nil {
					err = e.Write(ev)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			// The steady state begins with the second row group.
			n := 0
			for ; e.groups < 2; n++ {
				write(n)
			}
			b.ReportAllocs()
			b.ResetTimer()
			cpu := processorTime(b)
			for i := range b.N {
				write(n + i)
			}
			b.ReportMetric(float64(processorTime(b)-cpu)/float64(b.N), "cpu-ns/op")
			e.Abandon()
		})
	}
}

// varied are the values of an event that differ in every alert of a real log: its uid and the text of the log line.
func varied(ev *ocsf.Event) [][]byte {
	var values [][]byte
	for _, v := range []*ocsf.Value{ev.Root.Value("metadata").Objs[0].Value("uid"), ev.Root.Value("raw_data")} {
		if v != nil {
			v.Str = append([]byte(nil), v.Str...) // some point into the alert, and so do other values
			values = append(values, v.Str)
		}
	}
	return values
}

// BenchmarkEncoder measures one event, compression, page writing and footer included; cpu-ns/op is the processor time
// of the whole process, garbage collection included. The events are made before the clock starts. They are few,
// because the daemon reuses one, whose memory is always at hand; uid and log line are made new for each. allocs/op
// must be near 0.
func BenchmarkEncoder(b *testing.B) {
	for _, name := range []string{"security_finding", "detection_finding"} {
		b.Run(name, func(b *testing.B) {
			c := class(b, name, ocsf.Version110)
			events := sampleEvents(b, c, 30)
			texts := make([][][]byte, len(events))
			for i, ev := range events {
				texts[i] = varied(ev)
			}
			e, err := NewEncoder(io.Discard, c, Options{})
			if err != nil {
				b.Fatal(err)
			}
			at, raw, r := slotOfTime(c), int64(0), seeded(2)
			b.ReportAllocs()
			b.ResetTimer()
			cpu := processorTime(b)
			for i := 0; i < b.N; i++ {
				ev := events[i%len(events)]
				ev.Time = day + int64(i)
				ev.Root.Values[at].Num = ev.Time
				for _, text := range texts[i%len(events)] {
					for j, n := max(0, len(text)-12), r.Uint64(); j < len(text); j++ {
						text[j] = 'a' + byte(n&15)
						n >>= 4
					}
				}
				if err := e.Write(ev); err != nil {
					b.Fatal(err)
				}
			}
			raw = e.written + e.buffered
			if err := e.Close(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(processorTime(b)-cpu)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(e.Size())/float64(b.N), "file-B/op")
			b.ReportMetric(float64(raw)/float64(b.N), "raw-B/op")
		})
	}
}

// BenchmarkSmallObject measures what an object of a quiet site costs, whatever its few events: three here.
func BenchmarkSmallObject(b *testing.B) {
	for _, name := range []string{"security_finding", "detection_finding"} {
		b.Run(name, func(b *testing.B) {
			c := class(b, name, ocsf.Version110)
			events := sampleEvents(b, c, 3)
			e, err := NewEncoder(io.Discard, c, Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			cpu := processorTime(b)
			for b.Loop() {
				e.Reset(io.Discard)
				for _, ev := range events {
					if err := e.Write(ev); err != nil {
						b.Fatal(err)
					}
				}
				if err := e.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(processorTime(b)-cpu)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(e.Size()), "file-B")
		})
	}
}

// BenchmarkSharedAlerts measures the mapper alone and with the encoder behind it on real alerts, if there are some on
// this machine: the difference is the encoder on the events of a real site, in memory as warm as the daemon's.
func BenchmarkSharedAlerts(b *testing.B) {
	data := sharedSample(b)
	for _, name := range []string{"security_finding", "detection_finding"} {
		for _, encode := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/encode=%t", name, encode), func(b *testing.B) {
				c := class(b, name, ocsf.Version110)
				m, ev := ocsf.NewMapper(c, ocsf.Options{}), ocsf.NewEvent(c)
				lines := bytes.Split(data, []byte("\n"))
				b.ReportAllocs()
				cpu, n := processorTime(b), 0
				var e *Encoder
				for range b.N {
					var a ocsf.Alert
					var err error
					if e == nil {
						e, err = NewEncoder(io.Discard, c, Options{})
					} else {
						e.Reset(io.Discard)
					}
					if err != nil {
						b.Fatal(err)
					}
					for _, line := range lines {
						if len(line) == 0 || a.Parse(line) != nil || m.Map(&a, time.UnixMilli(4102444800000), ev) != nil {
							continue
						}
						if n++; encode {
							if err := e.Write(ev); err != nil {
								b.Fatal(err)
							}
						}
					}
					if err := e.Close(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(processorTime(b)-cpu)/float64(n), "cpu-ns/event")
				b.ReportMetric(float64(e.Size())/float64(n/b.N), "file-B/event")
			})
		}
	}
}

// processorTime is the time that all threads of the process have spent on a processor, in nanoseconds.
func processorTime(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func slotOfTime(c *ocsf.Class) int { return c.Root.Slot("time") }
