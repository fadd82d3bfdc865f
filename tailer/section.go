package tailer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// Section reads whole lines of one finished file, plain or gzip, between two offsets of its uncompressed content. It is for
// files that nobody writes any more; a file that is being written is read by a Tailer. Not safe for concurrent use.
type Section struct {
	t    *Tailer // for its window and its rules about lines; it follows nothing
	src  *source
	to   int64 // -1: the end
	size int64 // of the content; -1 until the end was seen
}

// ErrNoLine means that no line begins, or ends, where a Section was asked to: the file is not the one that was read before.
var ErrNoLine = errors.New("no line begins or ends there")

// OpenSection opens the file at path and goes to from, which must be the beginning of a line. Lines carry name as their
// file. Whether it is an archive is told by its first bytes. to is the end of the last line wanted; -1: all. An archive
// is read up to from. An error that matches ErrDamaged: the archive does not decompress that far.
func OpenSection(path, name string, from, to int64) (*Section, error) {
	src, err := openContent(path, name)
	if err != nil {
		return nil, err
	}
	s := &Section{t: &Tailer{opt: Options{MaxLine: defaultMaxLine}, win: newWindow(baseBuffer, defaultMaxLine), cur: src}, src: src, to: to, size: -1}
	result, err := src.seek(&s.t.win, from, Fingerprint{})
	if guard := s.t.win.guard(); err == nil && from > 0 && (result == seekShort || len(guard) == 0 || guard[len(guard)-1] != '\n') {
		err = fmt.Errorf("%s at byte %d: %w", name, from, ErrNoLine)
	}
	if err != nil {
		src.close()
		return nil, err
	}
	return s, nil
}

// ErrDamaged matches the errors of an archive that does not decompress to its end.
var ErrDamaged = errArchive

// openContent opens a plain file or an archive, with its head.
func openContent(path, name string) (*source, error) {
	src, err := openPlain(osFS{}, path, name)
	if err != nil {
		return nil, err
	}
	content := make([]byte, headLen)
	n := 0
	for n < len(content) {
		more, err := src.read(content[n:], int64(n))
		if err != nil {
			src.close()
			return nil, err
		}
		if more == 0 {
			break
		}
		n += more
	}
	if bytes.HasPrefix(content[:n], []byte{0x1f, 0x8b}) {
		src.close()
		return openArchive(osFS{}, path, name)
	}
	if src.head = headOf(content[:n]); src.head.Len == 0 {
		src.head = fingerprint(content[:n]) // no newline in all of it, and no more will come
	}
	src.final = true
	return src, nil
}

// Look opens a finished file, plain or gzip, for the fingerprint of its first line, whether that line is one of
// analysisd's, which no other file begins with, and the size of its content: of an archive the one its trailer has, modulo
// 4 GiB, raised above the compressed size. An empty file has an empty head. ErrDamaged: not even its beginning decompresses.
func Look(path string) (head Fingerprint, alert bool, size int64, err error) {
	src, err := openContent(path, "")
	if err != nil {
		return Fingerprint{}, false, 0, err
	}
	defer src.close()
	if src.gz == nil {
		info, err := src.file.Stat()
		if err != nil {
			return Fingerprint{}, false, 0, err
		}
		size = info.Size()
	} else {
		if size, err = contentSize(src); err != nil {
			return Fingerprint{}, false, 0, err
		}
		for size < src.size && len(src.gzHead) == headLen { // a small archive may be larger than its content
			size += 1 << 32
		}
	}
	first := make([]byte, 64)
	n, err := src.read(first, 0)
	if err != nil && !errors.Is(err, errArchive) {
		return Fingerprint{}, false, 0, err
	}
	_, alert = lineTime(first[:n])
	return src.head, alert, size, nil
}

// Head is the fingerprint of the file's first line.
func (s *Section) Head() Fingerprint { return s.src.head }

// Next returns the next line, io.EOF behind the last one. Half a line at the end of the file is a Reject. Line.Data is
// valid until the next call. ErrDamaged: the archive ends too early; what was returned before is good. ErrNoLine: no line
// ends at to.
func (s *Section) Next(ctx context.Context) (Line, error) {
	for {
		if s.to >= 0 && s.t.win.offset() >= s.to {
			return Line{}, io.EOF
		}
		if c, ok := s.t.win.next(); ok {
			return s.line(c, "")
		}
		if err := ctx.Err(); err != nil {
			return Line{}, err
		}
		n, err := s.src.read(s.t.win.room(), s.t.win.readAt())
		if err != nil {
			return Line{}, err
		}
		if n > 0 {
			s.t.win.filled(n)
			continue
		}
		s.size = s.t.win.readAt()
		if c, ok := s.t.win.rest(); ok {
			return s.line(c, RejectTruncated)
		}
		if s.to >= 0 && s.t.win.offset() < s.to {
			return Line{}, fmt.Errorf("%s ends at byte %d, before %d: %w", s.src.name, s.size, s.to, ErrNoLine)
		}
		return Line{}, io.EOF
	}
}

func (s *Section) line(c chunk, reject string) (Line, error) {
	if s.to >= 0 && c.to > s.to {
		return Line{}, fmt.Errorf("%s at byte %d: %w", s.src.name, s.to, ErrNoLine)
	}
	l, _ := s.t.line(c, reject)
	return l, nil
}

// Close closes the file. It never fails to; the error is for io.Closer.
func (s *Section) Close() error {
	s.src.close()
	return nil
}

// OpenContent opens a finished file, plain or gzip, for its bytes alone. Read fails with ErrDamaged where an archive does
// not decompress on.
func OpenContent(path string) (io.ReadCloser, error) {
	src, err := openContent(path, "")
	if err != nil {
		return nil, err
	}
	return &contentReader{src: src}, nil
}

type contentReader struct {
	src *source
	at  int64
}

func (r *contentReader) Read(p []byte) (int, error) {
	n, err := r.src.read(p, r.at)
	r.at += int64(n)
	if n == 0 && err == nil && len(p) > 0 {
		err = io.EOF
	}
	return n, err
}

func (r *contentReader) Close() error {
	r.src.close()
	return nil
}
