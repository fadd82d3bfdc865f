package replica

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"time"
)

// Archiver is monitord at work on one day's file. It is done in steps so that a reader can look in between:
// Sign, Begin, More until it reports true, Unlink. All does everything.
type Archiver struct {
	path    string
	packed  []byte
	written int
	out     *os.File
}

// Archive prepares the compression of a day's first part. The parts -001 and higher stay plain for ever (a fault of
// Wazuh 4.x).
func (m *Manager) Archive(day time.Time) *Archiver { return m.ArchivePart(day, 0) }

// ArchivePart prepares the compression of any part, as an administrator's own job may do it.
func (m *Manager) ArchivePart(day time.Time, part int) *Archiver {
	return &Archiver{path: m.at(Name(day, part))}
}

// Sign writes the .sum file beside it.
func (a *Archiver) Sign() error {
	content, err := os.ReadFile(a.path)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("Current checksum:\nMD5 = %x\nSHA1 = %x\nSHA256 = %x\n\nChained checksum:\nnone\n",
		md5.Sum(content), sha1.Sum(content), sha256.Sum256(content))
	return os.WriteFile(a.path+".sum", []byte(text), 0o640)
}

// Begin compresses what the file holds now and creates the .gz, still empty.
func (a *Archiver) Begin() error {
	content, err := os.ReadFile(a.path)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(content); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	a.packed = b.Bytes()
	a.out, err = os.OpenFile(a.path+".gz", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	return err
}

// More writes the next third of the compressed bytes and reports whether that was the last.
func (a *Archiver) More() (last bool, err error) {
	n := min(len(a.packed)-a.written, len(a.packed)/3+1)
	if _, err := a.out.Write(a.packed[a.written : a.written+n]); err != nil {
		return false, err
	}
	if a.written += n; a.written < len(a.packed) {
		return false, nil
	}
	return true, a.out.Close()
}

// Unlink removes the plain file.
func (a *Archiver) Unlink() error { return os.Remove(a.path) }

// All signs, compresses and unlinks.
func (a *Archiver) All() error {
	if err := errors.Join(a.Sign(), a.Begin()); err != nil {
		return err
	}
	for {
		last, err := a.More()
		if err != nil {
			return err
		}
		if last {
			return a.Unlink()
		}
	}
}
