package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"wazuh-security-lake/config"
)

// The rights a process needs on one element of a path, as the bits of a mode.
const (
	mayRead   fs.FileMode = 0o4
	mayWrite  fs.FileMode = 0o2
	maySearch fs.FileMode = 0o1
)

// need is one element of a path and what has to be allowed on it.
type need struct {
	path string
	want fs.FileMode
}

// refusal is the first need the kernel did not grant.
type refusal struct {
	need
	err error
}

// try asks the kernel, with the rights of id, for each need in turn.
func try(id Identity, needs []need) (*refusal, error) {
	var found *refusal
	err := id.As(func() {
		for _, n := range needs {
			if err := unix.Access(n.path, uint32(n.want)); err != nil {
				found = &refusal{n, err}
				return
			}
		}
	})
	return found, err
}

// alertsNeeds are the rights the daemon needs to follow the alerts: to pass every directory, to list the last one, to read
// the file; with tree also those to catch up after a rotation: to list the dated tree and to read what it ends with.
func alertsNeeds(in config.Input, tree bool) []need {
	live := filepath.Dir(in.Path)
	needs := append(passing(filepath.Dir(live)), need{live, mayRead | maySearch})
	if !tree {
		return append(needs, need{in.Path, mayRead})
	}
	if in.DatedDir != "" && filepath.Clean(in.DatedDir) != filepath.Clean(live) {
		needs = append(needs, passing(filepath.Dir(in.DatedDir))...)
		needs = append(needs, need{in.DatedDir, mayRead | maySearch})
	}
	if newest, ok := newestDated(in.DatedDir); ok {
		month := filepath.Dir(newest.path)
		needs = append(needs, need{filepath.Dir(month), mayRead | maySearch}, need{month, mayRead | maySearch}, need{newest.path, mayRead})
	}
	return append(needs, need{in.Path, mayRead})
}

// passing needs the right to search every directory from the root to dir.
func passing(dir string) []need {
	steps := []need{{"/", maySearch}}
	dir = filepath.Clean(dir)
	for i, c := range dir {
		if c == '/' && i > 0 {
			steps = append(steps, need{dir[:i], maySearch})
		}
	}
	if dir != "/" {
		steps = append(steps, need{dir, maySearch})
	}
	return steps
}

// checkAlertsAccess reports which element of the path keeps id from the alerts, which bit it lacks and what mends it.
func checkAlertsAccess(in config.Input, id Identity) func(context.Context) Result {
	return func(context.Context) Result { return access(in, id, true) }
}

// Alerts tries whether this process may follow the alerts. It is what the daemon looks at before it starts: a file that is
// merely not there yet is not a fault, the manager may not have started.
func Alerts(in config.Input) Result { return access(in, Self(), false) }

func access(in config.Input, id Identity, tree bool) Result {
	if in.Mode == config.ModeIntegration {
		return skipped("input.mode is integration: alerts.json is not read")
	}
	found, err := try(id, alertsNeeds(in, tree))
	switch {
	case err != nil:
		return skipped("%v", err)
	case found == nil:
		return passed("%s can be read by %s", in.Path, id)
	case errors.Is(found.err, fs.ErrNotExist) && found.path == in.Path:
		return passed("%s can be searched by %s; alerts.json itself is not there yet", filepath.Dir(in.Path), id)
	case errors.Is(found.err, fs.ErrNotExist):
		return missingPath(found.path)
	case errors.Is(found.err, syscall.ENOTDIR):
		return failure(Configuration, filepath.Dir(found.path)+" is not a directory", "mend input.path and input.dated_dir")
	}
	return refused(id, *found)
}

// missingPath is a directory on the way that is not there.
func missingPath(path string) Result {
	if _, err := os.Stat(Wazuh5Home); err == nil {
		return failure(Configuration, fmt.Sprintf("%s does not exist, but %s does: Wazuh 5 writes no alerts.json", path, Wazuh5Home),
			"this version reads Wazuh 4.x only")
	}
	return failure(NoInput, path+" does not exist", "install this on a Wazuh manager, or set input.path and input.dated_dir")
}

// refused explains what the kernel did not allow.
func refused(id Identity, r refusal) Result {
	if errors.Is(r.err, syscall.EROFS) {
		return failure(IO, r.path+" is on a file system that is mounted read-only", "dmesg tells why; mount -o remount,rw, or another directory")
	}
	if !errors.Is(r.err, fs.ErrPermission) {
		return failure(IO, fmt.Sprintf("%s: %v", r.path, r.err), "check the disk and dmesg")
	}
	info, err := os.Stat(r.path)
	if err != nil { // the refusal lies above it, and this process cannot see more either
		return failure(Permission, fmt.Sprintf("%s may not %s %s", id.Name, verb(r.want, false), r.path), "run doctor as root: it then tells which element of the path refuses")
	}
	return explain(id, r.need, info)
}

// explain compares the owner and mode of the element that refused with who asked.
func explain(id Identity, n need, info fs.FileInfo) Result {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return failure(Permission, fmt.Sprintf("%s may not %s %s", id.Name, verb(n.want, info.IsDir()), n.path))
	}
	mode, group := info.Mode().Perm(), groupName(int(st.Gid))
	detail := fmt.Sprintf("%s may not %s %s (mode %04o, %s:%s)", id.Name, verb(n.want, info.IsDir()), n.path, mode, ownerName(int(st.Uid)), group)
	letters := bits(n.want)
	lacks := func(shift int) bool { return mode>>shift&n.want != n.want }
	switch {
	case int(st.Uid) == id.UID && lacks(6):
		return failure(Permission, detail+": the owner's "+letters+" is missing", fmt.Sprintf("chmod u+%s %s", letters, quote(n.path)))
	case int(st.Uid) == id.UID:
	case id.Member(int(st.Gid)) && lacks(3):
		return failure(Permission, detail+": the group's "+letters+" is missing", fmt.Sprintf("chmod g+%s %s", letters, quote(n.path)))
	case id.Member(int(st.Gid)):
	case st.Gid == 0:
		remedy := "chgrp wazuh " + quote(n.path) + " && chmod g+" + letters + " " + quote(n.path)
		if _, err := user.LookupGroup("wazuh"); err != nil {
			remedy = "group wazuh does not exist: install this on a Wazuh manager, or run as a user that may read the alerts"
		}
		return failure(Permission, detail+": only root and its group may", remedy)
	default:
		var remedies []string
		if lacks(3) {
			detail += ": the group's " + letters + " is missing, and"
			remedies = append(remedies, fmt.Sprintf("chmod g+%s %s", letters, quote(n.path)))
		} else {
			detail += ":"
		}
		detail += fmt.Sprintf(" %s is not a member of group %s", id.Name, group)
		return failure(Permission, detail, append(remedies, fmt.Sprintf("usermod -a -G %s %s && systemctl restart wazuh-security-lake", group, id.Name))...)
	}
	return failure(Permission, detail+", though its mode would allow it", "an access list or a security module refuses: getfacl "+quote(n.path)+"; ausearch -m avc; dmesg")
}

// verb names the right in words.
func verb(want fs.FileMode, dir bool) string {
	switch {
	case want&mayWrite != 0:
		return "write to"
	case dir && want == maySearch:
		return "search"
	case dir:
		return "list"
	}
	return "read"
}

// bits names the right as chmod does.
func bits(want fs.FileMode) string {
	letters := ""
	for _, b := range []struct {
		bit    fs.FileMode
		letter string
	}{{mayRead, "r"}, {mayWrite, "w"}, {maySearch, "x"}} {
		if want&b.bit != 0 {
			letters += b.letter
		}
	}
	return letters
}

// quote makes a path safe to paste into a shell.
func quote(path string) string {
	for _, r := range path {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+=:,@", r)) {
			return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
		}
	}
	return path
}
