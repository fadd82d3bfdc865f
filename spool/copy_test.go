package spool

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A state directory that was copied and put back must be refused until somebody names the place to go on from:
// inside it everything fits together, so nothing else can tell.
func TestCopiedDirectoryIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(Manifest{Position: json.RawMessage(`{"offset":1}`)}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	moved := dir + ".moved"
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	s, err = Open(moved, Options{})
	if err != nil {
		t.Fatalf("a renamed directory is the same one: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	if err := os.CopyFS(dir, os.DirFS(moved)); err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, Options{})
	if state, ok := errors.AsType[*StateError](err); !ok || state.Kind != Copied {
		t.Fatalf("open of a copy: %v, want a StateError of kind Copied", err)
	}
	if st, err := Read(dir); err != nil || st.Problem == nil {
		t.Errorf("status of a copy: problem %v, error %v", st.Problem, err)
	}
	if err := SetPosition(dir, json.RawMessage(`{"offset":7}`), Options{}); err != nil {
		t.Fatal(err)
	}
	s, err = Open(dir, Options{})
	if err != nil {
		t.Fatalf("open after position set: %v", err)
	}
	defer s.Close()
	if m, _ := s.LastManifest(); string(m.Position) != `{"offset":7}` {
		t.Errorf("position %s, want the one that was set", m.Position)
	}
}
