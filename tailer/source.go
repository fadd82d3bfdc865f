package tailer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"time"

	"github.com/klauspost/compress/gzip"
)

// source is one open file of the log.
type source struct {
	file File
	id   fileID
	name string
	path string // where the plain file of this name lies; "" for a name without a date
	head Fingerprint
	// final: the successor is linked, so the end that is found from now on is the end.
	final bool

	gz      *gzip.Reader // not nil for an archive: read once, in order
	gzHead  []byte       // its first bytes, as far as needed for head
	gzFirst []byte       // the part of gzHead not handed out by read yet
	size    int64        // compressed size when opened

	verified bool      // the guard was compared with the file since the last pause
	lost     bool      // the plain name does not lead to this file any more
	covered  int64     // bytes that a complete archive holds, while lost
	warned   time.Time // when Unlinked was last reported
	taken    int64     // offset of the last Position
}

func openPlain(fsys FS, path, name string) (*source, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close() // already failed
		return nil, err
	}
	return &source{file: f, id: identify(info), name: name, verified: true}, nil
}

func openArchive(fsys FS, path, name string) (*source, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close() // already failed
		return nil, err
	}
	s := &source{file: f, name: name, final: true, verified: true, size: info.Size()}
	if s.gz, err = gzip.NewReader(bufio.NewReaderSize(io.NewSectionReader(f, 0, math.MaxInt64), 64<<10)); err == nil {
		s.gzHead = make([]byte, headLen)
		var n int
		n, err = io.ReadFull(s.gz, s.gzHead)
		s.gzHead = s.gzHead[:n]
		s.gzFirst = s.gzHead
		if n > 0 && !isEOF(err) {
			err = nil // the error comes again when read gets there
		}
	}
	if err != nil && !(s.gz != nil && isEOF(err)) {
		_ = f.Close() // already failed
		return nil, archiveError(path, err)
	}
	s.head = headOf(s.gzHead)
	if s.head.Len == 0 {
		s.head = fingerprint(s.gzHead) // no newline in all of it, and no more will come
	}
	return s, nil
}

// isEOF reports the two ways io.ReadFull says that everything was read.
func isEOF(err error) bool { return err == io.EOF || err == io.ErrUnexpectedEOF }

// archiveError tells a read error of the disk from a stream that does not decompress.
func archiveError(path string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return err
	}
	return fmt.Errorf("read %s: %w: %w", path, errArchive, err)
}

func (s *source) close() { _ = s.file.Close() } // opened for reading: nothing can be lost by it

// read reads at offset; an archive only ever goes on where it was. No bytes and no error is the end of what is there.
func (s *source) read(p []byte, offset int64) (int, error) {
	if s.gz == nil {
		n, err := s.file.ReadAt(p, offset)
		if err == io.EOF || n > 0 {
			err = nil // an error behind bytes comes again when they are consumed
		}
		return n, err
	}
	if len(s.gzFirst) > 0 {
		n := copy(p, s.gzFirst)
		s.gzFirst = s.gzFirst[n:]
		return n, nil
	}
	for {
		n, err := s.gz.Read(p)
		if n > 0 {
			return n, nil
		}
		if err == io.EOF {
			return 0, nil
		}
		if err != nil {
			return 0, archiveError(s.name+gzSuffix, err)
		}
	}
}

// begins reports whether the content starts with what f was made of.
func (s *source) begins(f Fingerprint) (bool, error) {
	if s.gz != nil {
		return f.begins(s.gzHead), nil
	}
	b := make([]byte, min(max(f.Len, 0), headLen))
	n, err := s.read(b, 0)
	return f.begins(b[:n]), err
}

// seek result: what stands before the wanted offset.
type seekResult int

const (
	seekSame   seekResult = iota // the bytes before the offset are those that tail was made of
	seekShort                    // the file ends before the offset
	seekDiffer                   // other bytes stand there
)

// seek puts the window at offset and compares what stands before it with tail. It stays where it is for seekShort.
func (s *source) seek(w *window, offset int64, tail Fingerprint) (seekResult, error) {
	keep := min(offset, tailLen)
	guard := make([]byte, keep)
	for at := int64(0); s.gz != nil && at < offset-keep; {
		n, err := s.read(w.buf[:min(int64(len(w.buf)), offset-keep-at)], at)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			return seekShort, nil
		}
		at += int64(n)
	}
	for have := int64(0); have < keep; {
		n, err := s.read(guard[have:], offset-keep+have)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			return seekShort, nil
		}
		have += int64(n)
	}
	w.reset(offset, guard)
	if offset > 0 && !tail.ends(guard) {
		return seekDiffer, nil
	}
	return seekSame, nil
}
