package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"wazuh-security-lake/spool"
)

// An archive that somebody removed while the daemon was down is a named loss: one error line with the range, a metric, a
// line in status, and everything else goes on.
func TestArchiveRemovedWhileDown(t *testing.T) {
	l := newLab(t)
	n := l.node("n1", "manager-1", time.Date(2026, 3, 14, 23, 59, 0, 0, time.UTC))
	metrics := freeAddress(t)
	appendConfig(t, n, "metrics: {listen: "+metrics+"}\n")
	n.write(40)
	n.start()
	n.settled()
	n.stop()
	n.write(30) // these are the ones that are lost
	n.midnight()
	if err := os.Remove(filepath.Join(n.manager.Dir(), "2026/Mar/ossec-alerts-14.json.gz")); err != nil {
		t.Fatal(err)
	}
	n.write(20)
	n.start()
	deadline := time.Now().Add(patience)
	for len(l.shipped()) < 60 && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond) // a real process in real time
	}
	if got := len(l.shipped()); got != 60 {
		t.Errorf("%d alerts in the lake, want the 40 before and the 20 behind the gap", got)
	}
	if got := fetch(t, "http://"+metrics+"/metrics"); !strings.Contains(got, "wazuh_security_lake_gaps_total 1\n") {
		t.Error("the metric does not count the gap")
	}
	n.stop()
	lines := 0
	for line := range strings.Lines(n.stderr.String()) {
		if strings.Contains(line, `"level":"ERROR"`) {
			lines++
			if !strings.Contains(line, "2026/Mar/ossec-alerts-14.json from ") {
				t.Errorf("error line does not name the range: %s", line)
			}
		}
	}
	if lines != 1 {
		t.Errorf("%d error lines, want one:\n%s", lines, n.stderr)
	}
	status := command(t, built.daemon, "status", "-c", n.config)
	if !strings.Contains(status, "GAP") || !strings.Contains(status, "2026/Mar/ossec-alerts-14.json from ") {
		t.Errorf("status does not show the gap:\n%s", status)
	}
}

// A burst against a destination that answers slowly, with room for little: reading pauses, memory stays bounded, batches
// keep their order, and everything arrives.
func TestBurstWithSlowDestination(t *testing.T) {
	l := newLab(t)
	n := l.node("n1", "manager-1", noon)
	n.endpoint = l.proxy(func(string) { time.Sleep(150 * time.Millisecond) }) // a slow server in real time
	n.configure("manager-1", noon, "detection_finding")
	appendConfig(t, n, "upload: {concurrency: 1}\n")
	text, err := os.ReadFile(n.config)
	if err != nil {
		t.Fatal(err)
	}
	small := strings.Replace(string(text), "min_free: 1MiB}", "min_free: 1MiB, max_size: 2MiB}", 1)
	small = strings.Replace(small, "batch: {interval: 1s}", "batch: {interval: 1s, max_object_size: 512KiB}", 1)
	write(t, n.config, small)
	n.start()
	const bursts, burst = 4, 25_000
	began := time.Now()
	for range bursts {
		for range burst {
			if _, err := n.manager.Alert(700); err != nil {
				t.Fatal(err)
			}
		}
		n.tick(time.Second)
	}
	t.Logf("%d alerts written in %v", bursts*burst, time.Since(began).Round(time.Millisecond))
	want := int64(len(n.manager.Alerts()))
	deadline := time.Now().Add(4 * patience)
	for {
		st, err := spool.Read(n.state)
		if err == nil && st.Account.Read >= want && st.Account.Pending == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not settled: %v, %+v:\n%s", err, st.Account, n.stderr)
		}
		time.Sleep(100 * time.Millisecond) // a real process in real time
	}
	peak := peakMemory(t, n.cmd.Process.Pid)
	t.Logf("peak RSS %d MiB", peak>>20)
	if peak > 256<<20 {
		t.Errorf("peak RSS %d MiB, want at most 256", peak>>20)
	}
	n.stop()
	if !strings.Contains(n.stderr.String(), "spool full, reading paused") {
		t.Error("the spool was never full: the test tests nothing")
	}
	checkOrder(t, n.state)
	l.judge(n)
}

// checkOrder reads the ledger: batches follow each other without a hole, and so do their byte ranges.
func checkOrder(t *testing.T, state string) {
	t.Helper()
	seq, end := uint64(0), int64(0)
	err := spool.Ledger(state, func(e spool.Entry) error {
		if e.Seq != seq+1 {
			return fmt.Errorf("batch %d behind batch %d", e.Seq, seq)
		}
		seq = e.Seq
		for _, r := range e.Manifest.Ranges {
			if r.From != end {
				return fmt.Errorf("batch %d begins at %d, the one before ended at %d", e.Seq, r.From, end)
			}
			end = r.To
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func appendConfig(t *testing.T, n *node, text string) {
	t.Helper()
	old, err := os.ReadFile(n.config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, n.config, string(old)+text)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// peakMemory is VmHWM of a process, in bytes.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}
