package tailer

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// FS is the part of the file system a Tailer reads. Paths are those of the operating system.
type FS interface {
	Open(path string) (File, error)
	Stat(path string) (fs.FileInfo, error)
	ReadDir(path string) ([]fs.DirEntry, error)
}

// File is an open regular file.
type File interface {
	io.ReaderAt
	io.Closer
	Stat() (fs.FileInfo, error)
}

type osFS struct{}

// Open does not block on a FIFO somebody left under the log's name, and refuses everything but a regular file.
func (osFS) Open(path string) (File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("open %s: not a regular file", path)
	}
	if err != nil {
		_ = f.Close() // already failed
		return nil, err
	}
	return f, nil
}

func (osFS) Stat(path string) (fs.FileInfo, error)      { return os.Stat(path) }
func (osFS) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }

// fileID is what the operating system calls a file. It identifies only as long as the file is held open.
type fileID struct{ dev, ino uint64 }

func identify(info fs.FileInfo) fileID {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fileID{uint64(st.Dev), st.Ino}
	}
	return fileID{}
}

// links is the number of names the file has, 1 when the file system does not say.
func links(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 1
}

// readFS tells of each read.
type readFS struct {
	FS
	read func()
}

func (f readFS) Open(path string) (File, error) {
	file, err := f.FS.Open(path)
	if err != nil {
		return nil, err
	}
	return readFile{file, f.read}, nil
}

type readFile struct {
	File
	read func()
}

func (f readFile) ReadAt(p []byte, offset int64) (int, error) {
	f.read()
	return f.File.ReadAt(p, offset)
}
