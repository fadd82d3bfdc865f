package main

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"wazuh-security-lake/ossec-integration/inbox"
	"wazuh-security-lake/tailer"
)

// settledFS shows the tailer of the newest segment only what is settled: whole lines that are on the disk. A program takes
// its line back when its fsync fails, and a crash of the host takes back what was not fsynced: had such a line been
// read, the segment would end before the position, and it would be read again from its beginning.
//
//	segment below the newest name seen in the directory    never changes: shown in full
//	newest segment                                          shown up to where settle last said
//
// settle takes the lock and fsyncs, so it is asked only when the last read found nothing: once for each wake-up, not once
// for each line. Like the tailer it is used by one goroutine at a time.
type settledFS struct {
	settle func() (inbox.Segment, error)

	newest  uint64 // highest number seen
	end     int64  // settled size of the newest
	between bool   // the last read was served; settle is not asked again before one finds nothing
}

func (f *settledFS) Open(path string) (tailer.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: syscall.EINVAL}
	}
	if err != nil {
		_ = file.Close() // already failed
		return nil, err
	}
	number, _ := segmentNumber(filepath.Base(path))
	return &settledFile{File: file, fs: f, number: number}, nil
}

func (f *settledFS) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }

func (f *settledFS) ReadDir(path string) ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(path)
	for _, e := range entries {
		if n, ok := segmentNumber(e.Name()); ok {
			f.see(n)
		}
	}
	return entries, err
}

// see notes that a segment is there.
func (f *settledFS) see(n uint64) {
	if n > f.newest {
		f.newest, f.end, f.between = n, 0, false
	}
}

func segmentNumber(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, ".ndjson")
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, ok && err == nil
}

type settledFile struct {
	*os.File
	fs     *settledFS
	number uint64
}

// ReadAt is os.File's, with the end of the file where it is settled.
func (s *settledFile) ReadAt(p []byte, offset int64) (int, error) {
	f := s.fs
	f.see(s.number)
	var failed error
	if s.number == f.newest && offset+int64(len(p)) > f.end && !f.between {
		failed = f.refresh(s)
	}
	if s.number < f.newest {
		return s.File.ReadAt(p, offset)
	}
	room := f.end - offset
	if room >= int64(len(p)) {
		return s.File.ReadAt(p, offset)
	}
	f.between = room > 0
	if room <= 0 {
		if failed != nil {
			return 0, failed
		}
		return 0, io.EOF
	}
	n, err := s.File.ReadAt(p[:room], offset)
	if err == nil {
		err = io.EOF
	}
	return n, err
}

// refresh moves the end on, if the file has grown. The newest may be another one by now.
func (f *settledFS) refresh(s *settledFile) error {
	info, err := s.File.Stat()
	if err != nil || info.Size() == f.end {
		return err
	}
	newest, err := f.settle()
	if err != nil {
		return err
	}
	f.see(newest.Number)
	f.end = newest.Size
	return nil
}
