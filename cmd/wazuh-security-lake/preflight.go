package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"wazuh-security-lake/config"
)

// wazuh5Home is where Wazuh 5 lives; it writes no alerts.json.
const wazuh5Home = "/var/wazuh-manager"

// checkInput looks at the way to alerts.json before the daemon starts, so that what only a person can mend is said in one
// line at once. A file that is merely not there yet is not a fault: the manager may not have started.
func checkInput(in config.Input) error {
	if in.Mode == config.ModeIntegration {
		return nil // alerts.json is not read, and createInbox makes what is missing or says why it cannot
	}
	for _, step := range pathSteps(filepath.Dir(in.Path)) {
		if err := checkDirectory(step); err != nil {
			return err
		}
	}
	f, err := os.Open(in.Path)
	switch {
	case err == nil:
		return f.Close()
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, fs.ErrPermission):
		return permissionFault(in.Path, "read", 0o4)
	}
	return fail(exitIO, "check the disk and dmesg", fmt.Errorf("open alerts: %w", err))
}

// checkDirectory reports what keeps this process from passing through one directory on the way to the alerts.
func checkDirectory(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err5 := os.Stat(wazuh5Home); err5 == nil {
			return fail(exitConfig, "this version reads Wazuh 4.x only",
				fmt.Errorf("%s does not exist, but %s does: Wazuh 5 writes no alerts.json", dir, wazuh5Home))
		}
		return fail(exitNoInput, "install this on a Wazuh manager, or set input.path and input.dated_dir",
			fmt.Errorf("%s does not exist", dir))
	case errors.Is(err, fs.ErrPermission):
		return permissionFault(dir, "search", 0o1)
	case err != nil:
		return fail(exitIO, "check the disk and dmesg", fmt.Errorf("look at %s: %w", dir, err))
	case !info.IsDir():
		return fail(exitConfig, "mend input.path", fmt.Errorf("%s is not a directory", dir))
	}
	// The execute bit of dir shows when something below it is looked up.
	if _, err := os.Lstat(dir + "/."); errors.Is(err, fs.ErrPermission) {
		return permissionFault(dir, "search", 0o1)
	}
	return nil
}

// permissionFault names the bit that is missing on path and the command that mends it.
func permissionFault(path, right string, bit fs.FileMode) error {
	blocked, info := firstBlocked(path)
	text := fmt.Sprintf("may not %s %s", right, path)
	if info == nil {
		return fail(exitNoPerm, "run as a user of group wazuh", errors.New(text))
	}
	group, remedy := groupOf(info), ""
	switch {
	case group.missing:
		remedy = "group wazuh does not exist: install this on a Wazuh manager, or run as a user that may read the alerts"
	case !memberOf(group.id):
		remedy = "add this user to the group: usermod -a -G " + group.name + " " + userName() + "  (systemd: SupplementaryGroups=" + group.name + ")"
	case info.Mode().Perm()&(bit<<3) == 0:
		remedy = fmt.Sprintf("give the group the right: chmod g+%s %s", bitLetter(info, bit), blocked)
	default:
		remedy = "run as a user of group " + group.name
	}
	return fail(exitNoPerm, remedy, fmt.Errorf("%s: %s has mode %04o, group %s", text, blocked, info.Mode().Perm(), group.name))
}

func bitLetter(info fs.FileInfo, bit fs.FileMode) string {
	if info.IsDir() {
		return "rx"
	}
	if bit == 0o4 {
		return "r"
	}
	return "x"
}

// firstBlocked is the first element of path that can be looked at but not passed or read.
func firstBlocked(path string) (string, fs.FileInfo) {
	var last fs.FileInfo
	lastPath := ""
	for _, step := range append(pathSteps(filepath.Dir(path)), path) {
		info, err := os.Stat(step)
		if err != nil {
			break
		}
		last, lastPath = info, step
	}
	return lastPath, last
}

type groupInfo struct {
	name    string
	id      int
	missing bool
}

func groupOf(info fs.FileInfo) groupInfo {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return groupInfo{name: "wazuh", missing: true}
	}
	g := groupInfo{id: int(st.Gid), name: strconv.Itoa(int(st.Gid))}
	if found, err := user.LookupGroupId(g.name); err == nil {
		g.name = found.Name
	}
	if _, err := user.LookupGroup("wazuh"); err != nil && g.id == 0 {
		g.missing = true
	}
	return g
}

func memberOf(gid int) bool {
	groups, err := os.Getgroups()
	return err == nil && slices.Contains(append(groups, os.Getegid()), gid)
}

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "wazuh-security-lake"
}

// pathSteps lists every directory from the root to dir.
func pathSteps(dir string) []string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return []string{dir}
	}
	steps := []string{"/"}
	for i, c := range abs {
		if c == '/' && i > 0 {
			steps = append(steps, abs[:i])
		}
	}
	if abs != "/" {
		steps = append(steps, strings.TrimSuffix(abs, "/"))
	}
	return steps
}
