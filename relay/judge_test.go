package relay_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

// wholeEvents stands for no judges beside and a relay that maps each line without plans, as it must when there is a second copy of the events.
const wholeEvents = -1

// TestJudgesAgree: lines judged side by side end as they do one after the other: the same batches with the same objects,
// to the byte, and the same rejects in the same order.
func TestJudgesAgree(t *testing.T) {
	type outcome struct {
		Manifests []spool.Manifest
		Rejects   []spool.Reject
	}
	var outcomes []outcome
	var objects [][]spool.Object
	for _, judges := range []int{0, 1, 2, 5, 100, wholeEvents} {
		bubbleOf(t, max(judges, 0), func(o *relay.Options, _ *spool.Options) {
			if judges == wholeEvents {
				o.Copy = &relay.CopyTo{Destination: "s3://second", Prefix: "wazuh/ocsf/"}
			}
			o.Filter = relay.Filter{Match: relay.Match{Level: 4}}
			second := source("second", detection(t))
			second.Match = relay.Match{Agent: []string{"db"}}
			o.Sources = []*relay.Source{second, o.Sources[0]}
		}, func(w *world) {
			for i := range 2000 {
				at := noon.Add(time.Duration(i) * time.Second)
				switch {
				case i%97 == 0:
					w.line(fmt.Sprintf(`{"no alert": %d}`, i))
				case i%53 == 0:
					w.line("not even JSON")
				case i%41 == 0:
					w.input.add(entry{line: &tailer.Line{Data: []byte("too long"), Reject: "oversize"}})
				case i%701 == 0:
					w.input.add(entry{gap: &tailer.GapError{File: "g", Reason: "removed", From: int64(i), To: int64(i) + 9}})
				case i%7 == 0:
					w.line(fmt.Sprintf(`{"timestamp":"%s","rule":{"level":3,"id":"1"},"id":"1.%d"}`, at.Format("2006-01-02T15:04:05.000-0700"), i))
				case i%5 == 0:
					w.line(fmt.Sprintf(`{"timestamp":"%s","rule":{"level":9,"description":"x","id":"2"},"agent":{"id":"002","name":"db"},"manager":{"name":"m"},"id":"2.%d"}`, at.Format("2006-01-02T15:04:05.000-0700"), i))
				default:
					w.line(alert(at.Add(-time.Duration(i%13)*24*time.Hour/12), fmt.Sprintf(`"full_log":"line %d"`, i)))
				}
			}
			w.poll()
			w.ok(w.relay.Flush(w.t.Context()))
			w.rest()
			var made []spool.Object
			for _, m := range w.sealed {
				made = append(made, m.Objects...)
			}
			objects = append(objects, made)
			if judges != wholeEvents { // its manifests tell of the copy
				outcomes = append(outcomes, outcome{w.sealed, w.rejects()})
			}
		})
	}
	for i := range objects[1:] {
		if diff := cmp.Diff(objects[i+1], objects[0]); diff != "" {
			t.Errorf("objects %d differ (-got +one judge):\n%.3000s", i+1, diff)
		}
	}
	read := int64(0)
	for _, m := range outcomes[0].Manifests {
		read += m.Counts.Read
	}
	if read < 1900 || len(outcomes[0].Rejects) < 50 {
		t.Fatalf("read %d lines with %d rejects: the test does not test", read, len(outcomes[0].Rejects))
	}
	for i := range outcomes[1:] {
		if diff := cmp.Diff(outcomes[i+1], outcomes[0]); diff != "" {
			t.Errorf("outcome %d differs (-got +none):\n%.3000s", i+1, diff)
		}
	}
}
