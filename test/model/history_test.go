package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"wazuh-security-lake/test/replica"
)

// history is everything that ever stood in the manager's files. It is kept by the judge, not asked of the program.
type history struct {
	dir   string
	files []*written          // in the order in which they were begun
	last  map[string]*written // by name: the one that has the name now
}

// written is one file from its making to its truncation or removal.
type written struct {
	name    string
	content []byte
	// cut: somebody truncated it. What no batch had taken by then is gone.
	cut bool
	// kept is what a truncation left; it stands in the next file of this name too.
	kept int
	// orphan is where the bytes begin that only the inode without a name holds; -1: nowhere.
	orphan     int
	orphanStep int
}

// textLine is one line of a file, [From, To) with its newline.
type textLine struct {
	from, to int
	text     []byte // without newline
	whole    bool
}

func (w *written) lines() []textLine {
	var out []textLine
	for at := 0; at < len(w.content); {
		end := bytes.IndexByte(w.content[at:], '\n')
		if end < 0 {
			return append(out, textLine{at, len(w.content), w.content[at:], false})
		}
		out = append(out, textLine{at, at + end + 1, w.content[at : at+end], true})
		at += end + 1
	}
	return out
}

// head is the fingerprint by which the ledger tells two files of one name apart.
func (w *written) head() string {
	first := w.content[:min(len(w.content), 1<<10)]
	if i := bytes.IndexByte(first, '\n'); i >= 0 {
		first = first[:i+1]
	}
	if len(first) == 0 {
		return ""
	}
	sum := sha256.Sum256(first)
	return hex.EncodeToString(sum[:16])
}

func newHistory(dir string) *history { return &history{dir: dir, last: map[string]*written{}} }

// opened notes that analysisd has opened a dated file.
func (h *history) opened(name string) {
	info, err := os.Stat(filepath.Join(h.dir, name))
	if w := h.last[name]; w != nil && err == nil && info.Size() >= int64(len(w.content)) && (info.Size() > 0 || len(w.content) == 0) {
		return // opened again, to append
	}
	h.begin(name)
}

func (h *history) begin(name string) *written {
	w := &written{name: name, orphan: -1}
	h.files = append(h.files, w)
	h.last[name] = w
	return w
}

// look takes the content of the file being written, by the name it can still be reached by.
func (h *history) look(m *replica.Manager) error {
	w := h.last[m.File()]
	if w == nil {
		return nil
	}
	content, err := os.ReadFile(m.Path())
	if err != nil {
		return fmt.Errorf("look at %s: %w", m.File(), err)
	}
	if len(content) < len(w.content) || !bytes.Equal(content[:len(w.content)], w.content) {
		return fmt.Errorf("%s is not what it was", m.File())
	}
	w.content = content
	return nil
}

// truncate cuts the file being written to its first n bytes.
func (h *history) truncate(m *replica.Manager, n int64) error {
	if err := h.look(m); err != nil {
		return err
	}
	w := h.last[m.File()]
	if w == nil || n >= int64(len(w.content)) {
		return nil
	}
	w.cut, w.kept = true, int(n)
	if err := os.Truncate(m.Path(), n); err != nil {
		return err
	}
	h.begin(m.File())
	return h.look(m)
}

var idPattern = regexp.MustCompile(`"id":"([0-9]+\.[0-9]+)","full_log"`)

// alertID is the id of the last alert in a line, "" when there is none.
func alertID(text []byte) string {
	all := idPattern.FindAllSubmatch(text, -1)
	if len(all) == 0 {
		return ""
	}
	return string(all[len(all)-1][1])
}

// plain reports whether a line is one whole alert of the manager and nothing else.
func plain(text []byte) bool {
	return alertID(text) != "" && bytes.HasPrefix(text, []byte(`{"timestamp":"`)) && bytes.HasSuffix(text, []byte(`"}`)) &&
		bytes.Count(text, []byte(`{"timestamp":"`)) == 1
}
