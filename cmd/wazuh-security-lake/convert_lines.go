package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"

	"wazuh-security-lake/tailer"
)

// maxLine is the longest alert taken; a longer line is a reject.
const maxLine = 16 << 20

// readBytes is how much is read at a time: so little that it is still in the processor's cache when its lines are parsed, so
// much that the system calls do not count.
const readBytes = 128 << 10

// headBytes is how much of a file's first line identifies it (tailer.Position).
const headBytes = 1 << 10

// fileLines reads whole files one after another as relay.Lines. A last line without newline counts: the file is finished.
type fileLines struct {
	files []string
	stdin io.Reader
	next  int

	name   string
	close  func() error
	raw    *bufio.Reader // the open file as it is on disk
	inside *bufio.Reader // what its gzip holds; nil until a file is one
	r      *bufio.Reader // the one of them that holds the lines: a plain file is copied no second time
	long   []byte        // a line longer than the reader's buffer
	offset int64
	head   tailer.Fingerprint
	read   atomic.Int64 // bytes taken from disk, for the progress bar
}

func newFileLines(files []string, stdin io.Reader) *fileLines {
	return &fileLines{files: files, stdin: stdin, raw: bufio.NewReaderSize(nil, readBytes)}
}

// Next returns the next line; io.EOF after the last file.
func (f *fileLines) Next(context.Context) (tailer.Line, error) {
	for {
		if f.close == nil {
			if f.next == len(f.files) {
				return tailer.Line{}, io.EOF
			}
			if err := f.open(f.files[f.next]); err != nil {
				return tailer.Line{}, err
			}
			f.next++
		}
		line, err := f.line()
		if err == nil {
			return line, nil
		}
		if cerr := f.close(); cerr != nil && errors.Is(err, io.EOF) {
			err = cerr
		}
		f.close = nil
		if !errors.Is(err, io.EOF) {
			return tailer.Line{}, damagedInput(f.name, fmt.Errorf("read %s at byte %d: %w", f.name, f.offset, err))
		}
	}
}

func (f *fileLines) open(name string) error {
	f.name, f.offset, f.head = filepath.Base(name), 0, tailer.Fingerprint{}
	if name == "-" {
		f.close = func() error { return nil }
		return f.decompressed(f.stdin)
	}
	file, err := openInput(name)
	if err != nil {
		return err
	}
	f.close = file.Close
	if err := f.decompressed(file); err != nil {
		return damagedInput(name, fmt.Errorf("read %s: %w", name, err))
	}
	return nil
}

// damagedInput tells an archive that is cut off or damaged from a disk that fails.
func damagedInput(name string, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return fail(exitData, "gzip -t "+name+"; restore it, or take what can be read: zcat "+name+" | wazuh-security-lake ... -", err)
	}
	return err
}

// openInput opens a file that a command is to read; a directory is no such file.
func openInput(name string) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.IsDir() {
		_ = f.Close() // nothing was read
		if err == nil {
			err = fail(exitNoInput, "name the files in it", fmt.Errorf("%s is a directory", name))
		}
		return nil, err
	}
	return f, nil
}

// decompressed looks at the first bytes rather than the name: stdin has none.
func (f *fileLines) decompressed(r io.Reader) error {
	f.raw.Reset(&countingReader{r, &f.read})
	f.r = f.raw
	magic, err := f.raw.Peek(2)
	if err != nil || magic[0] != 0x1f || magic[1] != 0x8b {
		return nil // an error comes again with the first line
	}
	z, err := gzip.NewReader(f.raw)
	if err != nil {
		return err
	}
	if f.inside == nil {
		f.inside = bufio.NewReaderSize(nil, readBytes)
	}
	f.inside.Reset(z)
	f.r = f.inside
	return nil
}

// line returns the next line of the open file. Blank lines are part of the range of the line before them.
func (f *fileLines) line() (tailer.Line, error) {
	from := f.offset
	data, size, sum, err := f.rawLine()
	if size == 0 {
		return tailer.Line{}, err
	}
	f.offset += size
	text := bytes.TrimRight(data, "\r\n")
	if f.head.Len == 0 {
		first := text[:min(len(text), headBytes)]
		h := sha256.Sum256(first)
		f.head = tailer.Fingerprint{Len: len(first), Hash: hex.EncodeToString(h[:16])}
	}
	l := tailer.Line{Data: text, File: f.name, Head: f.head, From: from, To: f.offset, Size: int64(len(text))}
	switch {
	case sum != "":
		l.Reject, l.Size, l.SHA256 = "oversize", size, sum
	case len(bytes.TrimSpace(text)) == 0:
		l.Reject = "blank"
	}
	return l, nil
}

// rawLine returns the bytes up to and including the newline. Of a line above maxLine it keeps the beginning and returns
// the hash of the whole.
func (f *fileLines) rawLine() (data []byte, size int64, sum string, err error) {
	data, err = f.r.ReadSlice('\n')
	if err == nil || errors.Is(err, io.EOF) && len(data) > 0 {
		return data, int64(len(data)), "", nil
	}
	if !errors.Is(err, bufio.ErrBufferFull) {
		return nil, 0, "", err
	}
	f.long = append(f.long[:0], data...)
	hash := sha256.New()
	hash.Write(data)
	size = int64(len(data))
	for errors.Is(err, bufio.ErrBufferFull) {
		data, err = f.r.ReadSlice('\n')
		size += int64(len(data))
		hash.Write(data)
		if room := maxLine + 1 - len(f.long); room > 0 {
			f.long = append(f.long, data[:min(room, len(data))]...)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, "", err
	}
	if size > maxLine {
		sum = hex.EncodeToString(hash.Sum(nil))
	}
	return f.long, size, sum, nil
}

// Position is not stored by a conversion.
func (f *fileLines) Position() tailer.Position { return tailer.Position{} }

// Start is the beginning of the first file; it is not stored.
func (f *fileLines) Start(context.Context) (tailer.Position, error) { return tailer.Position{}, nil }

// Exposed is never the case: nobody writes or removes the files of a conversion.
func (f *fileLines) Exposed() bool { return false }

// Rewind is refused: a conversion starts again as a whole.
func (f *fileLines) Rewind(tailer.Position) error {
	return errors.New("a conversion cannot go back")
}

type countingReader struct {
	r io.Reader
	n *atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
