package spool

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The tools of an operator are often run by root. Whatever they write, the service, a user of its own, must be able to open.
func TestRootLeavesTheOwner(t *testing.T) {
	const uid, gid = 54321, 54322
	dir := ownedDir(t, uid, gid)
	open := func() *Spool {
		t.Helper()
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	seq := func(s *Spool) uint64 {
		t.Helper()
		b, err := s.Begin()
		if err != nil {
			t.Fatal(err)
		}
		f, err := b.Create("0.parquet")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte("rows")); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte("rows"))
		m := Manifest{Position: json.RawMessage(`{"offset":1}`), Counts: Counts{Read: 1, Shipped: 1},
			Objects: []Object{{File: "0.parquet", Destination: "s3://a", Source: "wazuh", Key: "k", Rows: 1, Bytes: 4, SHA256: hex.EncodeToString(sum[:])}}}
		if err := b.Commit(m); err != nil {
			t.Fatal(err)
		}
		return b.Seq()
	}
	s := open()
	n := seq(s)
	if err := s.Quarantine(n, "test"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	if err := s.Requeue(n); err != nil {
		t.Fatal(err)
	}
	if changed, err := s.Retarget("s3://a", "s3://b"); err != nil || changed != 1 {
		t.Fatalf("retarget: got %d, %v", changed, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := SetPosition(dir, json.RawMessage(`{"offset":7}`), Options{}); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files++
		if st := info.Sys().(*syscall.Stat_t); st.Uid != uid || st.Gid != gid {
			t.Errorf("%s: got owner %d:%d, want %d:%d", path, st.Uid, st.Gid, uid, gid)
		}
		return nil
	})
	if err != nil || files < 12 {
		t.Errorf("looked at %d files, %v", files, err)
	}
}

// The owner of the directory must not get at other files by means of a root that works in it.
func TestRootFollowsNoLink(t *testing.T) {
	for _, name := range []string{lockName, instanceName + newSuffix} {
		t.Run(name, func(t *testing.T) {
			dir := ownedDir(t, 54321, 54322)
			outside := filepath.Join(t.TempDir(), "outside")
			if err := os.WriteFile(outside, []byte("root's"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(outside, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			s, err := Open(dir, Options{})
			if err == nil {
				_ = s.Close() // the link was replaced, not followed
			}
			unchanged(t, outside)
		})
	}
	t.Run("second name", func(t *testing.T) {
		dir := ownedDir(t, 54321, 54322)
		outside := filepath.Join(t.TempDir(), "outside")
		if err := os.WriteFile(outside, []byte("root's"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Link(outside, filepath.Join(dir, "file")); err != nil {
			t.Fatal(err)
		}
		f, err := OS{}.OpenFile(filepath.Join(dir, "file"), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		unchanged(t, outside)
	})
}

func unchanged(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(data), "root's"; got != want {
		t.Errorf("content: got %q, want %q", got, want)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Sys().(*syscall.Stat_t).Uid; got != 0 {
		t.Errorf("owner: got %d, want 0", got)
	}
}

// ownedDir is a state directory of another user.
func ownedDir(t *testing.T, uid, gid int) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make files for others")
	}
	dir := filepath.Join(t.TempDir(), strings.ReplaceAll(t.Name(), "/", "-"))
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return dir
}
