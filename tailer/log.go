package tailer

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Log describes the set of files that together are one log, and their order: WazuhLog or SegmentLog.
type Log interface {
	// live is the path that leads to the file being written.
	live(fsys FS) (string, error)
	// list returns the files whose name is above floor or at least in the same month, in reading order.
	list(fsys FS, floor string) ([]segment, error)
	// path is where the plain file of that name lies, "" when the name is not one of this log's.
	path(name string) string
	// undated is the name of a live file that list does not have.
	undated() string
	// revisits reports whether a file left behind may be written again, so that Done marks are needed.
	revisits() bool
	validate() error
}

// segment is one file of a log. It exists as plain file, as archive, or for a while as both.
type segment struct {
	name       string
	day        time.Time // zero without a date
	plain, gz  bool
	path       string // of the plain file; the archive is path + ".gz"
	sortString string
}

// WazuhLog is alerts.json and the dated files it is a hard link of: DatedDir/YYYY/Mon/ossec-alerts-DD[-NNN].json, or
// .json.gz once monitord has been there. With an empty DatedDir, or where no dated file has alerts.json's inode (a plain
// file or a symbolic link in a container), alerts.json alone is followed under its own name.
type WazuhLog struct {
	Path     string
	DatedDir string
}

func (l WazuhLog) validate() error {
	if l.Path == "" {
		return errors.New("log has no path")
	}
	return nil
}

func (l WazuhLog) live(FS) (string, error) { return l.Path, nil }
func (l WazuhLog) undated() string         { return filepath.Base(l.Path) }
func (l WazuhLog) revisits() bool          { return true }

func (l WazuhLog) path(name string) string {
	if _, ok := parseDated(name); !ok || l.DatedDir == "" {
		return ""
	}
	return filepath.Join(l.DatedDir, filepath.FromSlash(name))
}

// months are the names analysisd gives the directories, whatever the locale.
var months = [...]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}

const (
	datedPrefix = "ossec-alerts-"
	datedSuffix = ".json"
	gzSuffix    = ".gz"
)

// parseDated takes YYYY/Mon/ossec-alerts-DD[-NNN].json apart. Names that no analysisd writes are not dated names.
func parseDated(name string) (segment, bool) {
	parts := strings.Split(name, "/")
	if len(parts) != 3 {
		return segment{}, false
	}
	year, ok := digits(parts[0], 4, 4)
	month := slices.Index(months[:], parts[1]) + 1
	base, isJSON := strings.CutSuffix(parts[2], datedSuffix)
	base, isAlerts := strings.CutPrefix(base, datedPrefix)
	if !ok || month == 0 || !isJSON || !isAlerts {
		return segment{}, false
	}
	dayText, counterText, hasCounter := strings.Cut(base, "-")
	day, ok := digits(dayText, 2, 2)
	if !ok || day < 1 || day > 31 {
		return segment{}, false
	}
	counter := 0
	if hasCounter {
		// "%.3d": three digits, more only above 999, and part 0 has no counter.
		counter, ok = digits(counterText, 3, 9)
		if !ok || counter == 0 || len(counterText) > 3 && counterText[0] == '0' {
			return segment{}, false
		}
	}
	return segment{
		name:       name,
		day:        time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC),
		sortString: fmt.Sprintf("%04d%02d%02d%09d", year, month, day, counter),
	}, true
}

// digits reads a number of lo to hi decimal digits and nothing else.
func digits(s string, lo, hi int) (int, bool) {
	if len(s) < lo || len(s) > hi {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

func (l WazuhLog) list(fsys FS, floor string) ([]segment, error) {
	if l.DatedDir == "" {
		return nil, nil
	}
	low := ""
	if seg, ok := parseDated(floor); ok {
		low = seg.sortString[:6] // year and month
	}
	years, err := readDir(fsys, l.DatedDir)
	if err != nil {
		return nil, err
	}
	found := map[string]segment{}
	for _, y := range years {
		year, ok := digits(y.Name(), 4, 4)
		if !ok || low != "" && y.Name() < low[:4] {
			continue
		}
		for m, month := range months {
			if fmt.Sprintf("%04d%02d", year, m+1) < low {
				continue
			}
			entries, err := readDir(fsys, filepath.Join(l.DatedDir, y.Name(), month))
			if err != nil {
				return nil, err
			}
			for _, e := range entries {
				base, gz := strings.CutSuffix(e.Name(), gzSuffix)
				seg, ok := parseDated(y.Name() + "/" + month + "/" + base)
				if !ok {
					continue
				}
				if have, ok := found[seg.name]; ok {
					seg = have
				}
				seg.path = l.path(seg.name)
				seg.gz = seg.gz || gz
				seg.plain = seg.plain || !gz
				found[seg.name] = seg
			}
		}
	}
	return sorted(found), nil
}

// SegmentLog is a directory of numbered files, 000000000012.ndjson: the number is the order, the highest one is being
// written. Who deletes segments must keep the one the committed Position names, else its loss is reported as a gap.
type SegmentLog struct {
	Dir string
}

const segmentSuffix = ".ndjson"

func (l SegmentLog) validate() error {
	if l.Dir == "" {
		return errors.New("log has no directory")
	}
	return nil
}

func (l SegmentLog) live(fsys FS) (string, error) {
	segs, err := l.list(fsys, "")
	if err != nil {
		return "", err
	}
	if len(segs) == 0 {
		return "", fmt.Errorf("no segment in %s: %w", l.Dir, fs.ErrNotExist)
	}
	return segs[len(segs)-1].path, nil
}

func (l SegmentLog) undated() string { return "" }
func (l SegmentLog) revisits() bool  { return false }

func (l SegmentLog) path(name string) string {
	base, ok := strings.CutSuffix(name, segmentSuffix)
	if _, isNumber := digits(base, 12, 12); !ok || !isNumber {
		return ""
	}
	return filepath.Join(l.Dir, name)
}

func (l SegmentLog) list(fsys FS, floor string) ([]segment, error) {
	entries, err := readDir(fsys, l.Dir)
	if err != nil {
		return nil, err
	}
	found := map[string]segment{}
	for _, e := range entries {
		if path := l.path(e.Name()); path != "" && e.Name() >= floor {
			found[e.Name()] = segment{name: e.Name(), sortString: e.Name(), plain: true, path: path}
		}
	}
	return sorted(found), nil
}

// readDir lists a directory; one that is not there is empty.
func readDir(fsys FS, path string) ([]fs.DirEntry, error) {
	entries, err := fsys.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &RetryError{Path: path, Err: err}
	}
	return entries, nil
}

func sorted(found map[string]segment) []segment {
	segs := make([]segment, 0, len(found))
	for _, s := range found {
		segs = append(segs, s)
	}
	slices.SortFunc(segs, func(a, b segment) int { return strings.Compare(a.sortString, b.sortString) })
	return segs
}

// order makes the names of a log comparable as strings. A name that is none of the log's own (alerts.json without a
// date) sorts last: it is the live file.
func order(name string) string {
	if seg, ok := parseDated(name); ok {
		return seg.sortString
	}
	if strings.HasSuffix(name, segmentSuffix) {
		return name
	}
	return "~" + name
}
