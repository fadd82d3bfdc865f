package relay

import (
	"fmt"
	"testing"
	"time"

	"wazuh-security-lake/ocsf"
)

// TestEventsInFlight: of lines that each have something new about as many events are alive as may be, and they are used again.
func TestEventsInFlight(t *testing.T) {
	class, err := ocsf.ClassByName("detection_finding", "1.1.0")
	if err != nil {
		t.Fatal(err)
	}
	opt := &Options{Sources: []*Source{{Name: "wazuh", Class: class}}}
	b := newBench(opt) // without judges: the test is one
	j := newJudge(opt, b.idle)
	seen := make(map[*ocsf.Event]bool)
	for round := range 200 {
		for !b.full() {
			r := &b.rows[(b.first+b.n)%benchRows]
			for i := range rowLines {
				r.lines[i] = fmt.Appendf(nil, `{"timestamp":"2026-03-14T09:26:53.123+0000","rule":{"level":3,"description":"d","id":"1","firedtimes":1,"mail":false,"groups":["g"]},`+
					`"agent":{"id":"000","name":"m"},"manager":{"name":"m"},"id":"1.%d","decoder":{"name":"x"},"data":{"f%d_%d_%d":"v"},"location":"l"}`, i, round, b.n, i)
			}
			r.n, r.now = rowLines, time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
			r.judge(j)
			b.n++
			for i := range r.n {
				if f := &r.fates[i]; f.event == nil {
					t.Fatalf("no event: %v", f.err)
				}
				seen[r.fates[i].event] = true
			}
		}
		if b.n > leastRows {
			t.Fatalf("round %d: %d lines with events in hand", round, b.n*rowLines)
		}
		b.pop()
	}
	if most := leastRows*rowLines + keptEvents; len(seen) > most {
		t.Errorf("%d events were made, want at most %d", len(seen), most)
	}
}
