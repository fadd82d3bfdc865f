package spool

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// unusedMark is the second line of the instance file until the first commit. With it an empty spool is a
// young one; without it an empty spool has lost its position.
const unusedMark = "no batch committed yet"

// homeMark is followed by the identity of the lock file, which is made once and never replaced. In a copy of the
// directory, a backup put back for example, the lock file is another one: what was shipped after the copy was made would
// be shipped again, and nothing else inside the directory could tell.
const homeMark = "made with lock "

// identity is the content of the instance file.
type identity struct {
	id     string
	unused bool
	home   string // FileID of the lock file; empty: not known
}

func (l layout) instanceFile() (identity, error) {
	data, err := l.readFile(l.top(instanceName), false)
	if errors.Is(err, fs.ErrNotExist) {
		return identity{}, nil
	}
	if err != nil {
		return identity{}, err
	}
	first, rest, _ := strings.Cut(string(data), "\n")
	if b, err := hex.DecodeString(first); err != nil || len(b) == 0 {
		return identity{}, nil // damaged: the manifests have it too
	}
	found := identity{id: first}
	for line := range strings.Lines(rest) {
		line = strings.TrimSpace(line)
		if home, ok := strings.CutPrefix(line, homeMark); ok {
			found.home = home
		}
		found.unused = found.unused || line == unusedMark
	}
	return found, nil
}

// copied reports whether the directory is a copy of the one this identity was written in.
func (l layout) copied(i identity) bool {
	now := l.fs.FileID(l.top(lockName))
	return i.home != "" && now != "" && i.home != now && !i.unused
}

func (s *Spool) writeInstance(unused bool) error {
	text := s.instance + "\n"
	if unused {
		text += unusedMark + "\n"
	}
	if id := s.fs.FileID(s.top(lockName)); id != "" {
		text += homeMark + id + "\n"
	}
	return s.writeAtomic(s.top(instanceName), []byte(text), modeRecord)
}

func (s *Spool) readInstance(f *findings) error {
	found, err := s.instanceFile()
	if err != nil {
		return fmt.Errorf("read instance: %w", err)
	}
	s.instance, s.unused, s.copy = found.id, found.unused, s.copied(found)
	if m := f.newest(); s.instance == "" && m != nil {
		s.instance, s.unused = m.Instance, true // written again below
	}
	return nil
}

// makeInstance writes the instance file of a new directory, or takes the mark off that a crash left behind.
func (s *Spool) makeInstance() error {
	if s.instance == "" {
		var id [6]byte
		_, _ = rand.Read(id[:]) // never fails
		s.instance = hex.EncodeToString(id[:])
	}
	if s.last != nil {
		s.markUsed()
		return nil
	}
	s.unused = true
	if err := s.writeInstance(true); err != nil {
		return fmt.Errorf("write instance: %w", full(err))
	}
	return nil
}

// markUsed takes the mark off. A failure costs only the guard against a wiped directory until the next
// attempt.
func (s *Spool) markUsed() {
	if err := s.writeInstance(false); err != nil {
		s.unused = true
		s.log.Warn("instance file cannot be rewritten; tried again with the next batch", "err", err)
		return
	}
	s.unused, s.copy = false, false
}
