package model

import (
	"bytes"
	"context"
	"io"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/tailer"
	"wazuh-security-lake/test/faultfs"
	"wazuh-security-lake/uploader"
)

// TestJudgeNotices plants faults in the order of things. A judge that does not see them proves nothing. The steps are
// few and fixed, their arguments (when the power goes, what is left then) random.
func TestJudgeNotices(t *testing.T) {
	const (
		enough = 100 // sequences after which the judge must have noticed
		power  = "alerts tick bucket poll interval power start alerts tick"
	)
	tests := map[string]struct {
		steps  string
		broken breakage
		says   []string // one of these must be in what the judge finds
	}{
		"position ahead of the data": {
			"alerts tick poll interval kill start",
			breakage{lines: func(t *tailer.Tailer) relay.Lines { return &hasty{Tailer: t} }},
			[]string{"LOST"},
		},
		"not rewound after a failed batch": {
			"alerts tick eio poll interval heal",
			breakage{lines: func(t *tailer.Tailer) relay.Lines { return forward{t} }},
			[]string{"LOST"},
		},
		"acknowledged although the store failed": {
			"alerts tick bucket poll interval",
			breakage{put: func(p uploader.Putter) uploader.Putter { return credulous{p} }},
			[]string{"is not in the bucket"},
		},
		"fsync of the data left out": {
			power,
			breakage{deaf: func(kind faultfs.Op, p string) bool { return kind == faultfs.Sync && strings.HasSuffix(p, ".parquet") }},
			[]string{"quarantine", "LOST"},
		},
		"fsync of the manifest left out": {
			power,
			breakage{deaf: func(kind faultfs.Op, p string) bool {
				return kind == faultfs.Sync && strings.HasSuffix(p, "manifest.json")
			}},
			[]string{"quarantine", "LOST", "in no batch", "without a manifest", "is in no batch"},
		},
		"fsync of the commit left out": {
			power,
			breakage{deaf: func(kind faultfs.Op, p string) bool {
				return kind == faultfs.SyncDir && (strings.HasSuffix(p, "/outbox") || strings.HasSuffix(p, "/building"))
			}},
			[]string{"is in no batch", "LOST", "read 2 times"},
		},
		"412 believed for a name without hash": {
			power,
			// The commit may be undone by a power loss, so that the same number is given to other lines.
			breakage{
				store: func(s relay.Store) relay.Store { return nameless{s} },
				deaf: func(kind faultfs.Op, p string) bool {
					return kind == faultfs.SyncDir && (strings.HasSuffix(p, "/outbox") || strings.HasSuffix(p, "/building"))
				},
			},
			[]string{"is not the one its batch names"},
		},
		"one line in ten left out": {
			"alerts alerts alerts alerts tick poll interval",
			breakage{lines: func(t *tailer.Tailer) relay.Lines { return &deaf{Tailer: t} }},
			[]string{"LOST"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "w")
			for seed := range enough {
				k, _ := generate(uint64(seed))
				w := live(t, dir, k, tt.broken, script(t, tt.steps, uint64(seed)))
				for _, f := range w.faults {
					for _, says := range tt.says {
						if strings.Contains(f, says) {
							t.Logf("noticed after %d sequences: %s", seed+1, f)
							return
						}
					}
				}
			}
			t.Errorf("not noticed in %d sequences", enough)
		})
	}
}

// hasty keeps each line until it has read the next one: its position is behind a line it has not handed out.
type hasty struct {
	*tailer.Tailer
	held *tailer.Line
}

func (h *hasty) Next(ctx context.Context) (tailer.Line, error) {
	for {
		l, err := h.Tailer.Next(ctx)
		if err != nil {
			return tailer.Line{}, err
		}
		l.Data = bytes.Clone(l.Data)
		out := h.held
		h.held = &l
		if out != nil {
			return *out, nil
		}
	}
}

func (h *hasty) Rewind(p tailer.Position) error {
	h.held = nil
	return h.Tailer.Rewind(p)
}

// forward never goes back.
type forward struct{ *tailer.Tailer }

func (forward) Rewind(tailer.Position) error { return nil }

// deaf loses a line in ten.
type deaf struct {
	*tailer.Tailer
	n int
}

func (d *deaf) Next(ctx context.Context) (tailer.Line, error) {
	if d.n++; d.n%10 == 0 {
		if _, err := d.Tailer.Next(ctx); err != nil {
			return tailer.Line{}, err
		}
	}
	return d.Tailer.Next(ctx)
}

// credulous takes every failed upload for a success.
type credulous struct{ uploader.Putter }

func (c credulous) Put(ctx context.Context, o spool.Object, body io.ReadSeeker) error {
	_ = c.Putter.Put(ctx, o, body)
	return nil
}

// nameless leaves instance and hash out of the object names.
type nameless struct{ relay.Store }

func (s nameless) Begin(volatile bool) (relay.Batch, error) {
	b, err := s.Store.Begin(volatile)
	if err != nil {
		return nil, err
	}
	return namelessBatch{b}, nil
}

type namelessBatch struct{ relay.Batch }

func (b namelessBatch) Commit(m spool.Manifest) error {
	for i := range m.Objects {
		key := m.Objects[i].Key
		parts := strings.Split(path.Base(key), "-")
		short := strings.Join(parts[:len(parts)-1], "-")
		m.Objects[i].Key = path.Join(path.Dir(key), short+".parquet")
	}
	return b.Batch.Commit(m)
}
