package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// BenchmarkLines is what it takes to read the alerts of a file whose bytes are in the page cache, one by one.
func BenchmarkLines(b *testing.B) {
	alert := []byte(`{"timestamp":"2026-03-14T00:00:00.000+0000","full_log":"` + string(bytes.Repeat([]byte("x"), 1300)) + `"}` + "\n")
	const alerts = 20_000
	text := bytes.Repeat(alert, alerts)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(text); err != nil {
		b.Fatal(err)
	}
	if err := z.Close(); err != nil {
		b.Fatal(err)
	}
	for _, file := range []struct {
		name string
		data []byte
	}{{"plain", text}, {"gz", packed.Bytes()}} {
		b.Run(file.name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "alerts.json")
			if err := os.WriteFile(path, file.data, 0o600); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				lines := newFileLines([]string{path}, nil)
				for {
					_, err := lines.Next(b.Context())
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
			}
			if n != b.N*alerts {
				b.Fatalf("read %d lines, want %d", n, b.N*alerts)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "alerts/s")
		})
	}
}
