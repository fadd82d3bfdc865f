package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"wazuh-security-lake/backfill"
	"wazuh-security-lake/lake"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/test/replica"
)

// india is half an hour off and on another day than UTC for a part of each: a day of Wazuh's is never a day of the lake's.
const india = "Asia/Kolkata"

// corpus are the real alerts, one line each without its newline.
func corpus(t *testing.T) [][]byte {
	t.Helper()
	shared := os.Getenv("WSL_SHARED")
	if shared == "" {
		t.Skip("needs the corpus: WSL_SHARED names its folder")
	}
	f, err := os.Open(filepath.Join(shared, "alerts", "real-alerts.ndjson.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		out = append(out, bytes.Clone(lines.Bytes()))
	}
	if err := lines.Err(); err != nil || len(out) < 7000 {
		t.Fatalf("got %d alerts, %v", len(out), err)
	}
	return out
}

// copyOf makes an alert another one with an uid of its own.
func copyOf(line []byte, n int) []byte {
	return fmt.Appendf(line[:len(line)-1:len(line)-1], `,"copy":"%d"}`, n)
}

// tool runs a subcommand of the daemon's binary and returns exit code and output.
func (n *node) tool(env []string, args ...string) (int, string) {
	n.lab.t.Helper()
	cmd := exec.Command(built.daemon, append(args, "-c", n.config)...)
	cmd.Env = append(os.Environ(), append([]string{"AWS_ACCESS_KEY_ID=" + access, "AWS_SECRET_ACCESS_KEY=" + secret, "TZ=" + india}, env...)...)
	out, err := printed.combined(cmd)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		n.lab.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// want fails unless a subcommand ends with this code and says all of this.
func (n *node) want(code int, says []string, args ...string) string {
	n.lab.t.Helper()
	got, out := n.tool(nil, args...)
	missing := slices.DeleteFunc(slices.Clone(says), func(s string) bool { return strings.Contains(out, s) })
	if got != code || len(missing) > 0 {
		n.lab.t.Fatalf("%v: got exit %d, want %d saying %q:\n%s", args, got, code, missing, out)
	}
	return out
}

// uids counts the rows of all objects of the bucket by metadata.uid.
func (l *lab) uids() map[string]int {
	l.t.Helper()
	uids := make(map[string]int)
	for _, path := range l.objects() {
		data, err := os.ReadFile(path)
		l.must(err)
		l.must(lake.Rows(bytes.NewReader(data), int64(len(data)), func(row []byte) error {
			var ev struct {
				Metadata struct {
					UID string `json:"uid"`
				} `json:"metadata"`
			}
			err := json.Unmarshal(row, &ev)
			uids[ev.Metadata.UID]++
			return err
		}))
	}
	return uids
}

// wantUIDs fails unless the bucket holds so many alerts, each once.
func (l *lab) wantUIDs(want int) {
	l.t.Helper()
	twice := 0
	uids := l.uids()
	for _, n := range uids {
		if n > 1 {
			twice++
		}
	}
	l.t.Logf("judge: %d alerts written, %d in the lake, %d twice, %d objects", want, len(uids), twice, len(l.objects()))
	if len(uids) != want || twice > 0 {
		l.t.Errorf("got %d alerts in the lake, %d of them twice, want %d once", len(uids), twice, want)
	}
}

// History by backfill and the present by the daemon, at the same time, from a manager in another time zone: an audit of each
// day finds nothing, and then everything that is spoiled.
func TestHistoryAndAudit(t *testing.T) {
	l := newLab(t)
	alerts := corpus(t)
	zone, err := time.LoadLocation(india)
	l.must(err)
	first := time.Date(2026, 3, 14, 9, 0, 0, 0, zone)
	n := l.node("n1", "manager-1", first)
	n.configure("manager-1", first.AddDate(0, 0, 2), "detection_finding") // start_at is the third day
	written := 0
	write := func(count int) {
		for _, line := range alerts[written : written+count] {
			l.must(n.manager.Raw(append(line[:len(line):len(line)], '\n')))
		}
		written += count
		n.tick(time.Second)
	}
	nextDay := func() {
		n.manager.SetClock(n.manager.Now().AddDate(0, 0, 1))
		n.manager.Event()
		n.tick(time.Second)
	}
	write(2500)
	nextDay()
	l.must(n.manager.Archive(first).All())
	write(2000)
	l.must(n.manager.Rotate(0))
	write(1000)
	nextDay()
	write(1000)

	n.start("TZ=" + india)
	backfilled := make(chan string, 1)
	go func() {
		code, out := n.tool(nil, "backfill", "--from", "2026-03-01", "--to", "2026-03-31")
		backfilled <- fmt.Sprintf("exit %d\n%s", code, out)
	}()
	n.readAndShipped(1000)
	write(len(alerts) - written)
	out := <-backfilled
	if !strings.HasPrefix(out, "exit 0") {
		t.Fatalf("backfill beside the daemon's first start: %s", out)
	}
	n.want(0, []string{"all jobs: read 5500 = shipped 5500 + filtered 0 + rejected 0 + quarantined 0 + pending 0"},
		"backfill", "--to", "2026-03-31") // it may have been too early to see where the daemon begins; now it is sure
	n.readAndShipped(int64(len(alerts) - 5500))
	l.wantUIDs(len(alerts))
	for _, day := range []string{"2026-03-14", "2026-03-15", "2026-03-16"} {
		n.want(0, []string{day + ": 0 differences", "objects looked for in"}, "audit", "--day", day, "--s3")
	}
	if out := n.want(0, nil, "audit", "--day", "2026-03-14"); !strings.Contains(out, "gz    ok") {
		t.Errorf("the .sum was not verified:\n%s", out)
	}
	before := l.objects()
	for _, args := range [][]string{{"--from", "2026-03-14"}, {"--to", "2026-03-15", "--workers", "1"}, {"--gaps"}, {"--dir", n.manager.Dir()}} {
		n.want(0, []string{"read 0 = rows 0"}, append([]string{"backfill"}, args...)...)
	}
	if got := l.objects(); !slices.Equal(got, before) {
		t.Errorf("repeating uploaded something: %d objects before, %d after", len(before), len(got))
	}
	n.stop()

	// One object deleted.
	var record spool.Entry
	l.must(spool.Ledger(n.state, func(e spool.Entry) error {
		if len(e.Manifest.Objects) > 0 && len(record.State) == 0 {
			record = e
		}
		return nil
	}))
	key := record.Manifest.Objects[0].Key
	object := filepath.Join(l.dir, "s3", bucket, key)
	data, err := os.ReadFile(object)
	l.must(err)
	l.must(os.Remove(object))
	n.want(65, []string{"DIFFERS object gone: " + key, "2026-03-16: 1 differences"}, "audit", "--day", "2026-03-16", "--s3")
	n.want(0, nil, "audit", "--day", "2026-03-16")
	code, out := n.tool([]string{"AWS_SECRET_ACCESS_KEY=wrong"}, "audit", "--day", "2026-03-16", "--s3")
	if code != 77 || !strings.Contains(out, "s3:ListBucket") {
		t.Errorf("without the right to look: got exit %d\n%s", code, out)
	}
	l.must(os.WriteFile(object, data[:len(data)-1], 0o600))
	n.want(65, []string{"DIFFERS object size: " + key}, "audit", "--day", "2026-03-16", "--s3")
	l.must(os.WriteFile(object, data, 0o600))
	n.want(0, nil, "audit", "--day", "2026-03-16", "--s3")

	// One ledger line removed: its bytes are named, and its object belongs to nobody.
	months, err := filepath.Glob(filepath.Join(n.state, "ledger", "*"))
	l.must(err)
	text, err := os.ReadFile(months[0])
	l.must(err)
	lines := slices.DeleteFunc(strings.SplitAfter(string(text), "\n"), func(line string) bool { return strings.Contains(line, key) })
	l.must(os.WriteFile(months[0], []byte(strings.Join(lines, "")), 0o640))
	r := record.Manifest.Ranges[0]
	n.want(65, []string{fmt.Sprintf("DIFFERS missing: %s from byte %d to %d", r.File, r.From, r.To), "there is no ledger line", "DIFFERS object unknown: " + key},
		"audit", "--day", "2026-03-16", "--s3")
	l.must(os.WriteFile(months[0], text, 0o640))

	// One archive truncated.
	archive := filepath.Join(n.manager.Dir(), "2026/Mar/ossec-alerts-14.json.gz")
	packed, err := os.ReadFile(archive)
	l.must(err)
	l.must(os.Truncate(archive, int64(len(packed)/2)))
	n.want(65, []string{"DIFFERS damaged: 2026/Mar/ossec-alerts-14.json from byte ", "DIFFERS truncated: 2026/Mar/ossec-alerts-14.json from byte ", "DIFFERS sum: 2026/Mar/ossec-alerts-14.json"},
		"audit", "--day", "2026-03-14")
	l.must(os.WriteFile(archive, packed, 0o640))
	n.want(0, nil, "audit", "--day", "2026-03-14", "--s3")
}

// readAndShipped waits until the daemon has so many alerts in the lake.
func (n *node) readAndShipped(want int64) {
	n.lab.t.Helper()
	var st spool.State
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) { // a real process in real time
		var err error
		if st, err = spool.Read(n.state); err == nil && st.Account.Shipped >= want && st.Account.Pending == 0 {
			break
		}
		if time.Now().After(deadline) {
			n.lab.t.Fatalf("got %+v, want %d shipped:\n%s", st.Account, want, n.stderr)
		}
	}
	if st.Account.Shipped != want {
		n.lab.t.Errorf("the daemon shipped %d alerts, want %d", st.Account.Shipped, want)
	}
}

// days writes that many days of alerts, each a copy of the corpus, the odd ones as archives, and returns the number of alerts.
func (n *node) days(alerts [][]byte, count int) (total int, files []string) {
	n.lab.t.Helper()
	for d := range count {
		day := time.Date(2026, 1, 1+d, 0, 0, 0, 0, time.UTC)
		path := filepath.Join(n.manager.Dir(), replica.Name(day, 0))
		var text bytes.Buffer
		for _, line := range alerts {
			text.Write(copyOf(line, d))
			text.WriteByte('\n')
			total++
		}
		n.lab.must(os.MkdirAll(filepath.Dir(path), 0o750))
		if d%2 == 0 {
			n.lab.must(os.WriteFile(path, text.Bytes(), 0o640))
			files = append(files, path)
			continue
		}
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, err := z.Write(text.Bytes())
		n.lab.must(errors.Join(err, z.Close()))
		n.lab.must(os.WriteFile(path+".gz", packed.Bytes(), 0o640))
		files = append(files, path+".gz")
	}
	return total, files
}

// Killed ten times at any moment, and at each step of commit and release, and repeated until it is done: every alert is in
// the lake once.
func TestBackfillKilledAndRepeated(t *testing.T) {
	l := newLab(t)
	alerts := corpus(t)
	n := l.node("n1", "manager-1", noon)
	total, _ := n.days(alerts[:1500], 40)
	begun := time.Now()
	n.backfill(context.Background(), "--to", "2026-01-02")
	pair := time.Since(begun) // two days, on this machine at this moment
	r := rand.New(rand.NewPCG(uint64(begun.UnixNano()), 1))
	kills := 0
	for i := range 10 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(float64(pair)*(0.5+1.2*r.Float64())))
		code := n.backfill(ctx, "--from", "2026-01-01", "--to", "2026-01-28", "--workers", strconv.Itoa(1+i%3))
		cancel()
		if code == -1 {
			kills++
		}
	}
	committed, err := backfill.Account(n.state)
	l.must(err)
	steps := 0
	for _, point := range spool.CrashPoints() {
		code, out := n.tool([]string{"SPOOL_CRASH_AT=" + point}, "backfill", "--from", "2026-01-29", "--workers", "1")
		if code == -1 {
			steps++
		} else if code != 0 {
			t.Fatalf("crash at %s: exit %d\n%s", point, code, out)
		}
	}
	n.want(0, []string{fmt.Sprintf("all jobs: read %d = shipped %d + filtered 0 + rejected 0 + quarantined 0 + pending 0", total, total)},
		"backfill", "--from", "2026-01-01")
	t.Logf("%d of 10 killed at random, with %d of %d alerts committed; %d at a step", kills, committed.Read, total, steps)
	if kills < 3 || steps < 3 || committed.Read <= 3000 {
		t.Errorf("%d and %d kills, %d alerts committed by runs that were killed: nothing was tested", kills, steps, committed.Read-3000)
	}
	l.wantUIDs(total)
	before := l.objects()
	n.want(0, []string{"read 0 = rows 0"}, "backfill", "--from", "2026-01-01")
	if got := l.objects(); !slices.Equal(got, before) {
		t.Errorf("repeating uploaded something")
	}
	for _, day := range []string{"2026-01-01", "2026-01-12", "2026-02-09"} {
		n.want(0, []string{": 0 differences"}, "audit", "--day", day, "--s3")
	}
}

// backfill runs one; when ctx ends it is killed with SIGKILL. It returns the exit code, -1 after a kill.
func (n *node) backfill(ctx context.Context, args ...string) int {
	n.lab.t.Helper()
	cmd := exec.CommandContext(ctx, built.daemon, append([]string{"backfill", "-c", n.config}, args...)...)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+access, "AWS_SECRET_ACCESS_KEY="+secret, "TZ=UTC")
	out, err := printed.combined(cmd)
	code := cmd.ProcessState.ExitCode()
	if err != nil && code > 0 {
		n.lab.t.Fatalf("backfill %v: exit %d\n%s", args, code, out)
	}
	return code
}

// What it costs, beside convert on the same files and the same machine; memory does not grow with the files.
func TestBackfillBesideConvert(t *testing.T) {
	l := newLab(t)
	alerts := corpus(t)
	n := l.node("n1", "manager-1", noon)
	total, files := n.days(alerts, 8)
	destination := func(name string) string { return "lake.destination=file://" + filepath.Join(l.dir, name) }
	measure := func(name string, args ...string) (rate float64, peak int64) {
		begin := time.Now()
		peak = peakOf(t, args...)
		took := time.Since(begin)
		rate = float64(total) / took.Seconds()
		t.Logf("%-28s %6d alerts, %5.1f s, %7.0f alerts/s, peak memory %4d MiB", name, total, took.Seconds(), rate, peak>>20)
		return rate, peak
	}
	converted, _ := measure("convert", append([]string{"convert", "-o", filepath.Join(l.dir, "converted")}, files...)...)
	one, small := measure("backfill --workers 1", "backfill", "-c", n.config, "--to", "2026-01-31", "--workers", "1", "--set", destination("one"), "--set", "spool.dir="+filepath.Join(l.dir, "state-1"))
	_, both := measure("backfill --workers 2", "backfill", "-c", n.config, "--to", "2026-01-31", "--workers", "2", "--set", destination("two"), "--set", "spool.dir="+filepath.Join(l.dir, "state-2"))
	if one < converted/4 { // a machine that does other things at the same time
		t.Errorf("one worker reaches %.0f alerts/s, convert %.0f", one, converted)
	}
	for workers, peak := range map[int64]int64{1: small, 2: both} {
		if limit := 100<<20 + workers*200<<20; peak > limit {
			t.Errorf("%d workers: peak memory %d MiB, want at most %d", workers, peak>>20, limit>>20)
		}
	}
}

// peakOf runs a command and returns its resident memory at its highest. The kernel's figure for a child that has ended
// counts its parent's memory from before exec, so it is looked at while it runs.
func peakOf(t *testing.T, args ...string) int64 {
	t.Helper()
	cmd := exec.Command(built.daemon, args...)
	var out bytes.Buffer
	pipe := printed.also(&out)
	cmd.Stdout, cmd.Stderr = pipe, pipe // printed.also keeps it one pipe for both
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	peak := int64(0)
	tick := time.NewTicker(5 * time.Millisecond) // a real process in real time
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatalf("%v: %v\n%s", args, err, &out)
			}
			return peak
		case <-tick.C:
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			if err != nil {
				continue // it has just ended
			}
			_, text, _ := strings.Cut(string(status), "VmHWM:")
			if fields := strings.Fields(text); len(fields) > 0 {
				if kib, err := strconv.ParseInt(fields[0], 10, 64); err == nil {
					peak = max(peak, kib<<10)
				}
			}
		}
	}
}

// An archive that was removed while the daemon was down is a recorded gap. Shipped from a copy that lies elsewhere it is
// closed: status and audit do not name it any more, and nothing is in the lake twice.
func TestGapClosedFromACopy(t *testing.T) {
	l := newLab(t)
	n := l.node("n1", "manager-1", time.Date(2026, 3, 14, 23, 59, 0, 0, time.UTC))
	n.write(40)
	n.start()
	n.settled()
	n.stop()
	n.write(30) // nobody reads these in time
	day := n.manager.Now()
	n.manager.SetClock(day.Add(5 * time.Minute))
	n.manager.Event()
	n.tick(time.Second)
	l.must(n.manager.Archive(day).All())
	archive := filepath.Join(n.manager.Dir(), "2026/Mar/ossec-alerts-14.json.gz")
	elsewhere := filepath.Join(l.dir, "restored", "ossec-alerts-14.json.gz")
	l.must(os.MkdirAll(filepath.Dir(elsewhere), 0o750))
	l.must(os.Rename(archive, elsewhere))
	n.write(20)
	n.start()
	n.readAndShipped(60)
	if out := n.want(65, nil, "backfill", "--gaps"); !strings.Contains(out, "name the directory of a copy with --dir") {
		t.Errorf("the file is gone: %s", out)
	}
	if _, out := n.tool(nil, "status"); !strings.Contains(out, "2026/Mar/ossec-alerts-14.json") {
		t.Errorf("status does not show the gap:\n%s", out)
	}
	n.want(65, []string{"DIFFERS file gone: 2026/Mar/ossec-alerts-14.json"}, "audit", "--day", "2026-03-14")

	n.want(0, []string{"read 30 = rows 30"}, "backfill", "--gaps", "--dir", filepath.Dir(elsewhere))
	n.want(0, []string{"read 0 = rows 0"}, "backfill", "--gaps", "--dir", filepath.Dir(elsewhere))
	l.judge(n)
	if _, out := n.tool(nil, "status", "--json"); !strings.Contains(out, `"gaps": []`) && !strings.Contains(out, `"gaps": null`) {
		t.Errorf("status still shows a gap:\n%s", out)
	}
	n.stop()
	l.must(os.Rename(elsewhere, archive)) // only now: a running daemon would read it again
	n.want(0, []string{"2026-03-14: 0 differences"}, "audit", "--day", "2026-03-14", "--s3")
}

// A batch whose bytes went bad on the disk comes from the dated file, or back from quarantine, but not both.
func TestQuarantinedBatchComesFromTheDatedFile(t *testing.T) {
	l := newLab(t)
	n := l.node("n1", "manager-1", noon)
	reachable := n.endpoint
	n.endpoint = "http://127.0.0.1:9"
	n.configure("manager-1", noon, "detection_finding")
	n.write(50)
	n.start()
	var parquet []string
	for deadline := time.Now().Add(patience); len(parquet) == 0; time.Sleep(20 * time.Millisecond) { // a real process in real time
		parquet, _ = filepath.Glob(filepath.Join(n.state, "outbox", "*", "*.parquet"))
		if time.Now().After(deadline) {
			t.Fatalf("nothing sealed:\n%s", n.stderr)
		}
	}
	n.stop()
	data, err := os.ReadFile(parquet[0])
	l.must(err)
	spoiled := bytes.Clone(data)
	spoiled[len(spoiled)/2] ^= 1
	l.must(os.WriteFile(parquet[0], spoiled, 0o600))
	n.endpoint = reachable
	n.configure("manager-1", noon, "detection_finding")
	n.start()
	n.write(25)
	n.readAndShipped(25)
	n.want(65, []string{"DIFFERS gap: 2026/Mar/ossec-alerts-14.json from byte 0"}, "audit", "--day", "2026-03-14")
	n.want(0, []string{"read 50 = rows 50"}, "backfill", "--gaps")
	l.judge(n)
	n.want(0, []string{"2026-03-14: 0 differences"}, "audit", "--day", "2026-03-14", "--s3")
	n.stop()
	batch := filepath.Base(filepath.Dir(parquet[0]))
	quarantined := filepath.Join(n.state, "quarantine", batch, filepath.Base(parquet[0]))
	l.must(os.WriteFile(quarantined, data, 0o600)) // mended, too late
	n.want(65, []string{"requeued it would be shipped twice"}, "spool", "requeue", strings.TrimLeft(batch, "0"))
}
