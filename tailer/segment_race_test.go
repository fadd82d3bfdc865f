package tailer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// lookFS calls before with the number of each look at the directory.
type lookFS struct {
	osFS
	looks  int
	before func(look int)
}

func (f *lookFS) ReadDir(path string) ([]fs.DirEntry, error) {
	f.looks++
	f.before(f.looks)
	return f.osFS.ReadDir(path)
}

// Two segments that appear between any two looks of the reader, as when a rescued alert becomes a segment and a new one
// is put on top of it: both are read, in order.
func TestSegmentsThatAppearBetweenTwoLooks(t *testing.T) {
	for second := 1; second <= 6; second++ {
		for third := second; third <= 7; third++ {
			t.Run(fmt.Sprintf("second at look %d, third at look %d", second, third), func(t *testing.T) {
				dir := t.TempDir()
				put := func(n int) {
					name := filepath.Join(dir, fmt.Sprintf("%012d.ndjson", n))
					if err := os.WriteFile(name, fmt.Appendf(nil, "{\"n\":%d}\n", n), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				put(1)
				fsys := &lookFS{before: func(int) {}}
				tl, err := Open(Options{Log: SegmentLog{Dir: dir}, FS: fsys})
				if err != nil {
					t.Fatal(err)
				}
				defer tl.Close()
				var got []string
				read := func() {
					for {
						l, err := tl.Next(context.Background())
						if errors.Is(err, io.EOF) {
							return
						}
						if err != nil {
							t.Fatal(err)
						}
						got = append(got, string(l.Data))
					}
				}
				read()
				fsys.looks = 0
				fsys.before = func(look int) {
					if look == second {
						put(2)
					}
					if look == third {
						put(3)
					}
				}
				for range 8 {
					read()
				}
				if want := `[{"n":1} {"n":2} {"n":3}]`; fmt.Sprint(got) != want {
					t.Errorf("read %v, want %s", got, want)
				}
			})
		}
	}
}
