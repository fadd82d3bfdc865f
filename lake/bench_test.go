package lake

import (
	"io"
	"testing"

	"wazuh-security-lake/ocsf"
)

// BenchmarkEncoder measures one event of a class of about 220 columns, of which about 60 are set, compression and
// footer included. b.ReportAllocs must stay near zero per event.
func BenchmarkEncoder(b *testing.B) {
	for _, bench := range []struct {
		name  string
		level Level
	}{{"fastest", LevelFastest}, {"default", LevelDefault}} {
		b.Run(bench.name, func(b *testing.B) {
			c := wideClass(200)
			r := seeded(1)
			events := make([]*ocsf.Event, 5000)
			for i := range events {
				events[i] = typical(c, r, day)
			}
			e, err := NewEncoder(io.Discard, c, Options{Level: bench.level})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i++ {
				ev := events[i%len(events)]
				setTime(ev, day+int64(i))
				if err := e.Write(ev); err != nil {
					b.Fatal(err)
				}
			}
			if err := e.Close(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(e.Size())/float64(b.N), "file-B/op")
		})
	}
}
