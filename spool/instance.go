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

func (l layout) instanceFile() (id string, unused bool, err error) {
	data, err := l.readFile(l.top(instanceName), false)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	id, rest, _ := strings.Cut(string(data), "\n")
	if b, err := hex.DecodeString(id); err != nil || len(b) == 0 {
		return "", false, nil // damaged: the manifests have it too
	}
	return id, strings.TrimSpace(rest) == unusedMark, nil
}

func (s *Spool) readInstance(f *findings) error {
	var err error
	if s.instance, s.unused, err = s.instanceFile(); err != nil {
		return fmt.Errorf("read instance: %w", err)
	}
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
	if err := s.writeAtomic(s.top(instanceName), []byte(s.instance+"\n"+unusedMark+"\n"), modeRecord); err != nil {
		return fmt.Errorf("write instance: %w", full(err))
	}
	return nil
}

// markUsed takes the mark off. A failure costs only the guard against a wiped directory until the next
// attempt.
func (s *Spool) markUsed() {
	if err := s.writeAtomic(s.top(instanceName), []byte(s.instance+"\n"), modeRecord); err != nil {
		s.unused = true
		s.log.Warn("instance file cannot be rewritten; tried again with the next batch", "err", err)
		return
	}
	s.unused = false
}
