package spool_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wazuh-security-lake/spool"
)

// BenchmarkBatch is one batch of one 1 MiB object there and back on the real disk: begin, commit, ack, release.
func BenchmarkBatch(b *testing.B) {
	s, err := spool.Open(b.TempDir(), spool.Options{})
	must(b, err)
	data := make([]byte, 1<<20)
	b.SetBytes(1 << 20)
	for b.Loop() {
		bt, err := s.Begin()
		must(b, err)
		f, err := bt.Create("0.parquet")
		must(b, err)
		_, err = f.Write(data)
		must(b, err)
		must(b, f.Close())
		must(b, bt.Commit(spool.Manifest{
			Position: json.RawMessage(`1`), Counts: spool.Counts{Read: 1, Shipped: 1},
			Objects: []spool.Object{{File: "0.parquet", Rows: 1}},
		}))
		must(b, s.Ack(s.Pending()[0]))
	}
	must(b, s.Close())
}

// BenchmarkOpen is a start at the end of a month of batches every five minutes.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s, err := spool.Open(dir, spool.Options{})
	must(b, err)
	must(b, s.Close())
	var ledger strings.Builder
	object := spool.Object{File: "0.parquet", Key: strings.Repeat("k", 200), SHA256: strings.Repeat("0", 64), Rows: 1}
	for seq := uint64(1); seq <= 30*288; seq++ {
		m := spool.Manifest{
			Version: 1, Seq: seq, Prev: seq - 1, Instance: s.Instance(), Position: json.RawMessage(fmt.Sprintf(`{"tail":%q}`, strings.Repeat("t", 600))),
			Ranges: []spool.Range{{File: "2026/Nov/ossec-alerts-23.json", Head: strings.Repeat("h", 64)}}, Objects: []spool.Object{object, object},
		}
		line, err := spool.EncodeEntry(spool.Entry{Version: 1, Seq: seq, State: spool.Released, Manifest: &m})
		must(b, err)
		ledger.Write(line)
		ledger.WriteByte('\n')
	}
	must(b, os.WriteFile(filepath.Join(dir, "ledger", time.Now().UTC().Format("2006-01")+".ndjson"), []byte(ledger.String()), 0o640))
	b.SetBytes(int64(ledger.Len()))
	for b.Loop() {
		s, err := spool.Open(dir, spool.Options{})
		must(b, err)
		must(b, s.Close())
	}
}
