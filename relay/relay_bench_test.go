package relay_test

import (
	"context"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"wazuh-security-lake/lake"
	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
)

// BenchmarkRelay is one alert on its whole way but for reading it and for the disk, as the daemon goes it and as a conversion
// on two processors does. cpu-ns/op is the processor time of all goroutines, garbage collection included.
func BenchmarkRelay(b *testing.B) {
	for _, judges := range []int{0, 1} {
		b.Run(fmt.Sprint("judges=", judges), func(b *testing.B) {
			ctx, end := context.WithCancel(b.Context())
			defer end()
			in := &repeated{left: b.N, end: end}
			for i := range 64 {
				in.tails = append(in.tails, fmt.Appendf(nil, `","rule":{"level":%d,"description":"sshd: authentication failed.","id":"57%02d","firedtimes":%d,"mail":false,"groups":["syslog","sshd","authentication_failed"],"pci_dss":["10.2.4","10.2.5"]},"agent":{"id":"%03d","name":"web-%d","ip":"10.0.0.%d"},"manager":{"name":"m"},"id":"1773446400.%d","full_log":"Mar 14 12:00:00 web sshd[%d]: Failed password for root from 203.0.113.%d port %d ssh2","decoder":{"parent":"sshd","name":"sshd"},"data":{"srcip":"203.0.113.%d","srcport":"%d","dstuser":"root"},"location":"/var/log/auth.log"}`,
					3+i%9, i%8, i, i, i, i, i*900, 1000+i, i, 40000+i, i, 40000+i))
			}
			r := relay.New(relay.Options{
				Lines: in, Store: nowhere{}, Sources: []*relay.Source{source("wazuh", detection(b))}, Clock: system{}, Judges: judges,
				Encoder: lake.Options{Hands: judges + 1}, Interval: time.Hour, MaxObjectSize: 1 << 30, Node: "n", Instance: "i",
			})
			b.ReportAllocs()
			b.ResetTimer()
			cpu := processorTime(b)
			if err := r.Run(ctx); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(processorTime(b)-cpu)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "alerts/s")
		})
	}
}

// repeated is an input of alerts that are alike, 20 ms apart.
type repeated struct {
	script
	tails [][]byte
	n     int
	left  int
	end   func()
	line  []byte
}

// Next returns the next alert and ends the run behind the last one.
func (r *repeated) Next(context.Context) (tailer.Line, error) {
	if r.n == r.left {
		r.end()
		return tailer.Line{}, io.EOF
	}
	at := noon.Add(time.Duration(r.n) * 20 * time.Millisecond % (6 * time.Hour))
	r.line = append(r.line[:0], `{"timestamp":"`...)
	r.line = append(at.AppendFormat(r.line, "2006-01-02T15:04:05.000"), "+0000"...)
	r.line = append(r.line, r.tails[r.n%len(r.tails)]...)
	r.n++
	return tailer.Line{Data: r.line, File: "alerts.json", From: int64(r.n), To: int64(r.n) + 1}, nil
}

// nowhere is a store that keeps nothing.
type nowhere struct{}

func (nowhere) Begin(bool) (relay.Batch, error)   { return nowhere{}, nil }
func (nowhere) Seq() uint64                       { return 1 }
func (nowhere) Create(string) (relay.File, error) { return new(counted), nil }
func (nowhere) Reject(r spool.Reject) error       { return fmt.Errorf("rejected: %s", r.Reason) }
func (nowhere) Commit(spool.Manifest) error       { return nil }
func (nowhere) Discard() error                    { return nil }

// counted is a file that is not kept.
type counted struct{ n int64 }

func (c *counted) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }
func (c *counted) Close() error                { return nil }
func (c *counted) Sum() string                 { return fmt.Sprintf("%064x", c.n) }
func (c *counted) Size() int64                 { return c.n }

// system is the clock of the machine; the alerts are not ahead of it.
type system struct{}

func (system) Now() time.Time { return noon.Add(12 * time.Hour) }

func (system) Timer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
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
