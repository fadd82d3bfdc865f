package crash

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestJudgeNotices takes an object away and puts one in twice: a judge that does not see it proves nothing.
func TestJudgeNotices(t *testing.T) {
	need(t)
	dir := t.TempDir()
	h := newHost(t, dir, filepath.Join(dir, "state"))
	h.write(t, 20)
	h.start(t)
	if !h.settled(t) {
		t.Fatalf("the daemon ends with %d:\n%s", h.code, h.log())
	}
	ok(t, h.manager.Rotate(0))
	h.write(t, 20)
	ok(t, h.manager.Rotate(0))
	h.settled(t)
	h.stop(t)
	if r := h.judge(t); !r.sound() || r.objects < 2 {
		t.Fatalf("before: %+v", r)
	}
	var objects []string
	ok(t, filepath.WalkDir(filepath.Join(dir, "lake", "ext"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			objects = append(objects, path)
		}
		return err
	}))
	twin := strings.Replace(objects[0], "n1-", "n2-", 1)
	ok(t, os.Link(objects[0], twin))
	if r := h.compare(t); r.twice == 0 || r.lost > 0 {
		t.Errorf("an object under two names: %+v", r)
	}
	ok(t, os.Remove(twin))
	ok(t, os.Remove(objects[0]))
	if r := h.compare(t); r.lost == 0 || r.twice > 0 {
		t.Errorf("an object removed: %+v", r)
	}
}
