package lake

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"wazuh-security-lake/ocsf"
)

// sampleEvents maps n variations of the three alerts of the tests: other addresses, ports, users, hosts and ids.
func sampleEvents(b *testing.B, c *ocsf.Class, n int) []*ocsf.Event {
	b.Helper()
	r := seeded(1)
	m := ocsf.NewMapper(c, ocsf.Options{})
	lines := strings.Split(strings.TrimSpace(alerts), "\n")
	events := make([]*ocsf.Event, n)
	for i := range events {
		line := strings.NewReplacer(
			"10.0.0.5", fmt.Sprintf("198.51.100.%d", r.IntN(250)),
			"203.0.113.9", fmt.Sprintf("203.0.113.%d", r.IntN(250)),
			"41022", fmt.Sprint(1024+r.IntN(60000)),
			"sshd[1]", fmt.Sprintf("sshd[%d]", r.IntN(32768)),
			"web-1", fmt.Sprintf("web-%d", r.IntN(40)),
			"1713795660.12", fmt.Sprintf("1713795660.%d", 1000000+i*900),
			"1713795646.11", fmt.Sprintf("1713795646.%d", 1000000+i*900),
			"/etc/passwd", fmt.Sprintf("/srv/data/%x", r.Uint32()),
		).Replace(lines[i%len(lines)])
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

// BenchmarkEncoder measures one event, compression, page writing and footer included. The events are made before the
// clock starts. allocs/op must round to 0.
func BenchmarkEncoder(b *testing.B) {
	for _, bench := range []struct {
		class string
		level Level
	}{{"security_finding", LevelFastest}, {"detection_finding", LevelFastest}, {"detection_finding", LevelDefault}} {
		b.Run(fmt.Sprint(bench.class, "/", bench.level), func(b *testing.B) {
			c := class(b, bench.class, ocsf.Version110)
			events := sampleEvents(b, c, 3000)
			e, err := NewEncoder(io.Discard, c, Options{Level: bench.level})
			if err != nil {
				b.Fatal(err)
			}
			at, raw := slotOfTime(c), int64(0)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i++ {
				ev := events[i%len(events)]
				ev.Time = day + int64(i)
				ev.Root.Values[at].Num = ev.Time
				if err := e.Write(ev); err != nil {
					b.Fatal(err)
				}
			}
			raw = e.written + e.buffered
			if err := e.Close(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(e.Size())/float64(b.N), "file-B/op")
			b.ReportMetric(float64(raw)/float64(b.N), "raw-B/op")
		})
	}
}

func slotOfTime(c *ocsf.Class) int { return c.Root.Slot("time") }
