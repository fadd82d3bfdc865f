package tailer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// DatedFile is one file of the dated tree as it lies there now.
type DatedFile struct {
	Name string    // the plain name: 2026/Nov/ossec-alerts-23.json, also of an archive
	Day  time.Time // the day in its name, as a date in UTC
	Path string    // where its content is: the plain file, else the archive
	Live bool      // alerts.json leads to it: it may grow
}

// DatedFiles lists the dated tree in reading order. Plain file and archive of one name are one file, the plain one; when
// they begin differently they are two, the archive first. It opens what exists twice, and blocks as long as the file
// system does. A tree that is not there is empty.
func (l WazuhLog) DatedFiles() ([]DatedFile, error) {
	t := &Tailer{opt: Options{Log: l, FS: osFS{}}}
	segs, err := t.list()
	if err != nil {
		return nil, err
	}
	var live fileID
	if info, err := os.Stat(l.Path); err == nil {
		live = identify(info)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, &RetryError{Path: l.Path, Err: err}
	}
	files := make([]DatedFile, 0, len(segs))
	for _, seg := range segs {
		f := DatedFile{Name: seg.name, Day: seg.day, Path: seg.path}
		if !seg.plain {
			f.Path += gzSuffix
		} else if info, err := os.Stat(seg.path); err == nil && live != (fileID{}) {
			f.Live = identify(info) == live
		}
		files = append(files, f)
	}
	return files, nil
}

// DatedName returns the dated name that path ends in, plain or archive: 2026/Nov/ossec-alerts-23.json.
func DatedName(path string) (string, bool) {
	parts := strings.Split(filepath.ToSlash(filepath.Clean(path)), "/")
	if len(parts) < 3 {
		return "", false
	}
	name := strings.TrimSuffix(strings.Join(parts[len(parts)-3:], "/"), gzSuffix)
	_, ok := parseDated(name)
	return name, ok
}

// DayOf is the day in a dated name, as a date in UTC; false for any other name.
func DayOf(name string) (time.Time, bool) {
	seg, ok := parseDated(name)
	return seg.day, ok
}

// FirstName is the dated name of a day's first part.
func FirstName(day time.Time) string {
	return fmt.Sprintf("%04d/%s/%s%02d%s", day.Year(), months[day.Month()-1], datedPrefix, day.Day(), datedSuffix)
}

// Compare orders the names of one log as they are read: negative when a comes before b. A name without a date comes last.
func Compare(a, b string) int { return strings.Compare(order(a), order(b)) }

// LineTime reads the timestamp a line of analysisd begins with; false when it does not begin with one.
func LineTime(line []byte) (time.Time, bool) { return lineTime(line) }

// Reads reports whether a Tailer at this position reads the dated file of that name from its beginning when it finds it:
// it lies above the floor, was not left behind, and is not the one being read.
func (p Position) Reads(name string) bool {
	if !aboveFloor(name, p.Floor) || name == p.File && p.Head.Len > 0 {
		return false
	}
	for _, m := range p.Done {
		if m.File == name {
			return false
		}
	}
	return true
}
