package relay_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/test/faultfs"
)

func withCopy(limit int64) func(*relay.Options, *spool.Options) {
	return func(o *relay.Options, s *spool.Options) {
		o.Copy = &relay.CopyTo{Destination: "s3://second", Prefix: "wazuh/ocsf/"}
		s.CopyMaxSize = limit
	}
}

// copied unpacks what waits in the queue of second copies, one uid a line, by key.
func (w *world) copied() map[string][]string {
	w.t.Helper()
	out := map[string][]string{}
	for _, ref := range w.spool.Copies().Pending() {
		body, _, err := w.spool.Copies().OpenObject(ref)
		w.ok(err)
		data, err := io.ReadAll(body)
		w.ok(err)
		w.ok(body.Close())
		gz, err := gzip.NewReader(bytes.NewReader(data))
		w.ok(err)
		var uids []string
		for lines := bufio.NewScanner(gz); lines.Scan(); {
			var ev struct {
				ClassUID int `json:"class_uid"`
				Metadata struct {
					UID string `json:"uid"`
				} `json:"metadata"`
			}
			w.ok(json.Unmarshal(lines.Bytes(), &ev))
			if ev.ClassUID != 2004 || ev.Metadata.UID == "" {
				w.t.Errorf("event %s is no detection finding with a uid", lines.Text())
			}
			uids = append(uids, ev.Metadata.UID)
		}
		if int64(len(uids)) != ref.Object.Rows {
			w.t.Errorf("%s holds %d events, its manifest says %d", ref.Object.Key, len(uids), ref.Object.Rows)
		}
		out[ref.Object.Key] = uids
	}
	return out
}

func TestSecondCopy(t *testing.T) {
	bubble(t, withCopy(0), func(w *world) {
		w.alerts(5)
		w.line(alert(noon.Add(-24*time.Hour), `"full_log":"yesterday"`))
		w.line("not json")
		w.poll()
		w.ok(w.relay.Flush(w.t.Context()))
		m := w.sealed[0]
		if m.Copy == nil || *m.Copy != (spool.CopyCounts{Rows: 6}) {
			t.Errorf("manifest says %+v of the copy, want 6 rows", m.Copy)
		}
		seen := map[string]bool{}
		for key, uids := range w.copied() {
			if !strings.HasPrefix(key, "wazuh/ocsf/ext/wazuh/region=us-east-1/accountId=123456789012/eventDay=2026") || !strings.HasSuffix(key, ".json.gz") {
				t.Errorf("key %s", key)
			}
			for _, uid := range uids {
				seen[uid] = true
			}
		}
		if len(seen) != 6 || len(w.copied()) != 2 {
			t.Errorf("%d events in %d objects, want 6 in 2", len(seen), len(w.copied()))
		}
	})
}

func TestSecondCopySkipped(t *testing.T) {
	for name, tt := range map[string]struct {
		limit int64
		fault func(w *world)
	}{
		"queue full": {1, func(w *world) {
			w.alerts(1)
			w.poll()
			w.ok(w.relay.Flush(w.t.Context()))
			w.forget()
		}},
		"cannot be written": {0, func(w *world) {
			w.fs.Inject(faultfs.Fault{Op: faultfs.Mkdir, N: 2, Err: syscall.EIO})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, withCopy(tt.limit), func(w *world) {
				tt.fault(w)
				w.alerts(5)
				w.poll()
				w.ok(w.relay.Flush(w.t.Context()))
				if c := w.sealed[0].Copy; c == nil || c.Skipped != 5 || c.Rows != 0 || c.Reason == "" {
					t.Errorf("manifest says %+v of the copy, want 5 skipped and why", c)
				}
				w.wantSealed(shipped(5))
				if n := w.log.count("second copy of a batch skipped"); n != 1 {
					t.Errorf("logged %d times, want once", n)
				}
				for _, ref := range w.spool.Copies().Pending() {
					w.ok(w.spool.Copies().Ack(ref))
				}
				w.alerts(2)
				w.poll()
				w.ok(w.relay.Flush(w.t.Context()))
				if c := w.sealed[0].Copy; c == nil || *c != (spool.CopyCounts{Rows: 2}) {
					t.Errorf("manifest says %+v of the copy, want 2 rows again", c)
				}
				if n := w.log.count("second copy is written again"); n != 1 {
					t.Errorf("recovery logged %d times, want once", n)
				}
			})
		})
	}
}
