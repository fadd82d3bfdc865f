package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"wazuh-security-lake/config"
)

// Wazuh5Home is where Wazuh 5 lives; it writes no alerts.json.
const Wazuh5Home = "/var/wazuh-manager"

// wazuhHome is the home of the manager whose alerts are followed.
func wazuhHome(in config.Input) string {
	if home, ok := strings.CutSuffix(filepath.Clean(in.Path), "/logs/alerts/alerts.json"); ok && home != "" {
		return home
	}
	return "/var/ossec"
}

// checkWazuh looks for the manager and its version.
func checkWazuh(in config.Input) func(context.Context) Result {
	return func(context.Context) Result {
		home := wazuhHome(in)
		_, err := os.Stat(home)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if _, err := os.Stat(filepath.Dir(in.Path)); err == nil && in.Mode != config.ModeIntegration {
				return skipped("no Wazuh in %s; the alerts come from %s", home, in.Path)
			}
			return missingPath(home)
		case err != nil:
			return skipped("%s cannot be looked at: %v", home, plainError(err))
		}
		version, from := wazuhVersion(home)
		major, _, _ := strings.Cut(version, ".")
		switch {
		case version == "":
			return passed("Wazuh in %s; its version could not be read", home)
		case major == "4":
			return passed("Wazuh %s in %s", version, home)
		case major == "5":
			return failure(Configuration, fmt.Sprintf("Wazuh %s (%s): Wazuh 5 writes no alerts.json", version, from), "this version reads Wazuh 4.x only")
		}
		return warning(fmt.Sprintf("Wazuh %s (%s) was not tested; 4.x is", version, from), "look at the first objects with wazuh-security-lake explain, and report what is missing")
	}
}

var controlVersion = regexp.MustCompile(`(?m)^VERSION="v?([0-9][0-9.]*)`)

// wazuhVersion reads the version without starting anything: from VERSION.json of later releases, else from the control
// script. Both may be out of reach for the user who asks.
func wazuhVersion(home string) (version, from string) {
	from = filepath.Join(home, "VERSION.json")
	if data, err := readSome(from); err == nil {
		var v struct {
			Version string `json:"version"`
		}
		if json.Unmarshal(data, &v) == nil && v.Version != "" {
			return strings.TrimPrefix(v.Version, "v"), from
		}
	}
	for _, name := range []string{"bin/wazuh-control", "bin/ossec-control"} {
		from = filepath.Join(home, name)
		if data, err := readSome(from); err == nil {
			if m := controlVersion.FindSubmatch(data); m != nil {
				return string(m[1]), from
			}
		}
	}
	return "", ""
}

// readSome reads a regular file of at most 4 MiB.
func readSome(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w: not a regular file", path, fs.ErrInvalid)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	return io.ReadAll(io.LimitReader(f, 4<<20))
}

// checkJSONOut looks whether analysisd writes alerts.json at all.
func checkJSONOut(in config.Input) func(context.Context) Result {
	return func(context.Context) Result {
		path := filepath.Join(wazuhHome(in), "etc", "ossec.conf")
		data, err := readSome(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return skipped("%s does not exist", path)
		case err != nil:
			return skipped("%s cannot be read by this user: %v", path, plainError(err))
		}
		switch value := strings.ToLower(JSONOutput(string(data))); {
		case value == "no":
			return failure(Configuration, path+": jsonout_output is no, so analysisd writes no alerts.json",
				"set <jsonout_output>yes</jsonout_output> in <global> and restart the manager: systemctl restart wazuh-manager")
		case value == "":
			return passed("jsonout_output is not set in %s; its default is yes", path)
		default:
			return passed("jsonout_output is %s", value)
		}
	}
}

var (
	confComment = regexp.MustCompile(`(?s)<!--.*?-->`)
	confGlobal  = regexp.MustCompile(`(?s)<global>(.*?)</global>`)
	confJSONOut = regexp.MustCompile(`<jsonout_output>\s*([A-Za-z]+)\s*</jsonout_output>`)
)

// JSONOutput returns the value of jsonout_output in ossec.conf; of one given twice the last counts, as in Wazuh. The file is
// often no XML that a parser takes: it has several roots and text like "a && b < c".
func JSONOutput(conf string) (value string) {
	for _, global := range confGlobal.FindAllStringSubmatch(confComment.ReplaceAllString(conf, ""), -1) {
		for _, m := range confJSONOut.FindAllStringSubmatch(global[1], -1) {
			value = m[1]
		}
	}
	return value
}

// dated is one file of the dated tree.
type dated struct {
	path string
	day  string // YYYY-MM-DD
}

var (
	datedName = regexp.MustCompile(`^ossec-alerts-([0-3][0-9])(-[0-9]{3})?\.json(\.gz)?$`)
	yearName  = regexp.MustCompile(`^[12][0-9]{3}$`)
	months    = []string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}
)

// newestDated is the dated file Wazuh writes now, or wrote last.
func newestDated(dir string) (dated, bool) { return pickDated(dir, true) }

// oldestDated is the oldest file history can be shipped from.
func oldestDated(dir string) (dated, bool) { return pickDated(dir, false) }

// pickDated looks from one end of the tree: a manager may keep years of it.
func pickDated(dir string, newest bool) (dated, bool) {
	order := func(names []string) []string {
		if newest {
			slices.Reverse(names)
		}
		return names
	}
	for _, year := range order(names(dir, yearName.MatchString)) {
		for _, m := range order([]string{"01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12"}) {
			month := filepath.Join(dir, year, months[int(m[0]-'0')*10+int(m[1]-'0')-1])
			files := names(month, datedName.MatchString)
			// The counters are part of the order: DD.json, DD-001.json, DD-002.json.
			slices.SortFunc(files, func(a, b string) int { return strings.Compare(datedKey(a), datedKey(b)) })
			if files = order(files); len(files) > 0 {
				return dated{filepath.Join(month, files[0]), year + "-" + m + "-" + datedName.FindStringSubmatch(files[0])[1]}, true
			}
		}
	}
	return dated{}, false
}

func datedKey(name string) string {
	m := datedName.FindStringSubmatch(name)
	return m[1] + m[2]
}

// names lists what matches in a directory, sorted; nothing when it cannot be read.
func names(dir string, match func(string) bool) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if match(e.Name()) {
			out = append(out, e.Name())
		}
	}
	return out
}

// quietAfter is how long a manager may write nothing before that is worth a line: it reports about itself every day.
const quietAfter = 24 * time.Hour

// checkLink looks whether alerts.json is the hard link that Wazuh makes of the newest dated file.
func checkLink(in config.Input, now func() time.Time) func(context.Context) Result {
	return func(context.Context) Result {
		if in.Mode == config.ModeIntegration {
			return skipped("input.mode is integration: alerts.json is not read")
		}
		live, err := os.Stat(in.Path)
		newest, found := newestDated(in.DatedDir)
		switch {
		case errors.Is(err, fs.ErrNotExist) && found:
			return warning(fmt.Sprintf("%s is not there, but %s is", in.Path, newest.path), "is the manager running? it links the name when it starts: systemctl restart wazuh-manager")
		case errors.Is(err, fs.ErrNotExist):
			return warning(in.Path+" is not there: this manager has not written an alert yet", "the daemon waits for it; start the manager, and check jsonout_output and log_alert_level in ossec.conf")
		case err != nil:
			return skipped("%v", plainError(err))
		case !live.Mode().IsRegular():
			return failure(Configuration, in.Path+" is not a regular file", "set input.path to the manager's alerts.json")
		case !found:
			return warning(fmt.Sprintf("no dated file (YYYY/Mon/ossec-alerts-DD.json) below %s: what is rotated while the daemon is down is lost", in.DatedDir),
				"set input.dated_dir to the directory in which Wazuh keeps them; in a container mount all of logs/alerts")
		}
		target, err := os.Stat(newest.path)
		if err != nil {
			return skipped("%v", plainError(err))
		}
		if !os.SameFile(live, target) {
			return unlinked(in, live, newest)
		}
		if quiet := now().Sub(live.ModTime()); quiet > quietAfter {
			return warning(fmt.Sprintf("%s is %s, and nothing was written for %s", in.Path, newest.path, quiet.Round(time.Hour)), "is the manager running? systemctl status wazuh-manager")
		}
		oldest, _ := oldestDated(in.DatedDir)
		return passed("%s is a hard link of %s; the tree reaches back to %s", in.Path, newest.path, oldest.day)
	}
}

// unlinked tells why alerts.json may be another file than the newest dated one.
func unlinked(in config.Input, live fs.FileInfo, newest dated) Result {
	detail := fmt.Sprintf("%s is not a hard link of the newest dated file %s", in.Path, newest.path)
	if strings.HasSuffix(newest.path, ".gz") {
		return warning(detail+", which is compressed already", "the manager has not written since: systemctl status wazuh-manager")
	}
	link, lerr := os.Lstat(in.Path)
	st, ok := live.Sys().(*syscall.Stat_t)
	switch {
	case lerr == nil && link.Mode()&fs.ModeSymlink != 0:
		return warning(detail+": it is a symbolic link", "set input.path to what Wazuh writes itself")
	case ok && st.Nlink < 2:
		return warning(detail+": it has no second name, so somebody copied or moved it",
			"no logrotate, sed -i or cp may touch Wazuh's alerts; a restart of the manager links it again: systemctl restart wazuh-manager")
	}
	return warning(detail, "set input.dated_dir to the tree Wazuh writes to (find / -xdev -samefile "+quote(in.Path)+")")
}

// plainError leaves out what an *fs.PathError repeats of the path.
func plainError(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
