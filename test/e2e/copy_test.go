package e2e

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wazuh-security-lake/spool"
)

// The bucket of the second copy is missing, the daemon is killed, the bucket is made: the lake never waits, and in the end both
// have every alert once.
func TestSecondCopyHoldsNothingBack(t *testing.T) {
	l := newLab(t)
	n := l.node("n1", "manager-1", noon)
	appendConfig(t, n, "copy: {ocsf_json: s3://second-bucket/wazuh/}\n")
	n.write(120)
	n.start()
	n.settled()
	n.write(80)
	n.settled()
	logged(t, n, "copy.ocsf_json")
	if err := n.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	n.wait()
	l.judge(n)
	if st, err := spool.Read(n.state); err != nil || st.Copies.Objects < 2 {
		t.Fatalf("queue %+v, %v: the second copies should wait", st.Copies, err)
	}
	second := filepath.Join(l.dir, "s3", "second-bucket")
	if err := os.Mkdir(second, 0o755); err != nil {
		t.Fatal(err)
	}
	n.start()
	n.write(50)
	n.settled()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		st, err := spool.Read(n.state)
		if err == nil && st.Copies.Objects == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("second copies do not arrive: %+v, %v\n%s", st.Copies, err, n.stderr)
		}
	}
	n.stop()
	l.judge(n)
	got := copies(t, second)
	for id := range n.manager.Visible() {
		if got[id] != 1 {
			t.Errorf("alert %s is %d times in the second copy, want once", id, got[id])
		}
	}
	if len(got) != 250 {
		t.Errorf("%d alerts in the second copy, want 250", len(got))
	}
}

// copies counts the events in the objects of a second copy by Wazuh's alert id.
func copies(t *testing.T, root string) map[string]int {
	t.Helper()
	ids := make(map[string]int)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if !strings.Contains(path, "/wazuh/ext/wazuh/region=us-east-1/accountId=123456789012/eventDay=20260314/manager-1-") || !strings.HasSuffix(path, ".json.gz") {
			t.Errorf("object at %s", path)
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		gz, err := gzip.NewReader(f)
		if err != nil {
			return err
		}
		lines := bufio.NewScanner(gz)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var ev struct {
				FindingInfo struct {
					UID string `json:"uid"`
				} `json:"finding_info"`
			}
			if err := json.Unmarshal(lines.Bytes(), &ev); err != nil {
				return err
			}
			ids[ev.FindingInfo.UID]++
		}
		return lines.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}
