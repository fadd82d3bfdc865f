package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"wazuh-security-lake/config"
	"wazuh-security-lake/ocsf"
	"wazuh-security-lake/spool"
)

// serviceDir is what StateDirectory= of the unit makes.
const serviceDir = "/var/lib/wazuh-security-lake"

// checkSpool looks whether id can work in the spool directory, and whether others can look into it.
func checkSpool(dir string, id Identity) func(context.Context) Result {
	return func(context.Context) Result {
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return missingSpool(dir, id)
		case err != nil && !errors.Is(err, fs.ErrPermission):
			return failure(IO, fmt.Sprintf("%s: %v", dir, plainError(err)), "check the disk and dmesg")
		case err == nil && !info.IsDir():
			return failure(Configuration, dir+" is not a directory", "set spool.dir to a directory of its own")
		}
		found, terr := try(id, append(passing(filepath.Dir(dir)), need{dir, mayRead | mayWrite | maySearch}))
		switch {
		case terr != nil:
			return skipped("%v", terr)
		case found != nil:
			return spoolRefused(dir, id, *found)
		case err != nil:
			return skipped("%v", plainError(err))
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		mode := info.Mode().Perm()
		if mode&0o007 != 0 {
			return warning(fmt.Sprintf("%s has mode %04o: everybody on this host may look at what was shipped", dir, mode), "chmod o-rwx "+quote(dir))
		}
		if ok && int(st.Uid) != id.UID && id.UID != 0 {
			return warning(fmt.Sprintf("%s belongs to %s, not to %s", dir, ownerName(int(st.Uid)), id.Name), "chown -R "+id.Name+": "+quote(dir))
		}
		return passed("%s can be written by %s (mode %04o)", dir, id.Name, mode)
	}
}

// spoolRefused prefers the remedy of a directory that is the service's own: it should belong to it.
func spoolRefused(dir string, id Identity, r refusal) Result {
	result := refused(id, r)
	if r.path == dir && result.Fault == Permission {
		result.Remedy = []string{"chown -R " + id.Name + ": " + quote(dir) + " && chmod u+rwx " + quote(dir)}
	}
	return result
}

// missingSpool: the first start makes the directory, if it may.
func missingSpool(dir string, id Identity) Result {
	if dir == serviceDir {
		return warning(dir+" does not exist yet", "the service makes it at its first start; install the package, or: install -d -o "+id.Name+" -m 0750 "+dir)
	}
	parent := existing(dir)
	found, err := try(id, append(passing(filepath.Dir(parent)), need{parent, mayWrite | maySearch}))
	switch {
	case err != nil:
		return skipped("%v", err)
	case found != nil:
		r := refused(id, *found)
		r.Detail = dir + " does not exist and cannot be made: " + r.Detail
		r.Remedy = []string{"install -d -o " + id.Name + " -m 0750 " + quote(dir)}
		return r
	}
	return passed("%s does not exist yet; %s may make it", dir, id.Name)
}

// existing is the nearest directory above path that is there, or path itself.
func existing(path string) string {
	for path != "/" {
		if _, err := os.Stat(path); err == nil {
			break
		}
		path = filepath.Dir(path)
	}
	return path
}

// maxLook bounds a walk: a spool holds a few files for each batch that waits.
const maxLook = 200_000

// checkOwners looks for files in the state directory that its owner cannot replace, as tools run by root leave them.
func checkOwners(dir string, service Identity) func(context.Context) Result {
	return func(ctx context.Context) Result {
		info, err := os.Stat(dir)
		if err != nil {
			return skipped("%s: %v", dir, plainError(err))
		}
		owner := service.UID
		if st, ok := info.Sys().(*syscall.Stat_t); ok && service.UID == 0 {
			owner = int(st.Uid) // no user is known that the service runs as: everything should be of one
		}
		var strays []string
		seen, count := 0, 0
		err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if seen++; seen > maxLook || ctx.Err() != nil {
				return fs.SkipAll
			}
			if err != nil {
				if errors.Is(err, fs.ErrNotExist) { // released meanwhile
					return nil
				}
				return err
			}
			if info, err := d.Info(); err == nil {
				if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != owner {
					if count++; count <= 3 {
						strays = append(strays, fmt.Sprintf("%s (%s)", path, ownerName(int(st.Uid))))
					}
				}
			}
			return nil
		})
		switch {
		case err != nil:
			return skipped("%s cannot be read by this user: %v", dir, plainError(err))
		case count > 0:
			return failure(Permission, fmt.Sprintf("%d files below %s do not belong to %s: %s", count, dir, ownerName(owner), strings.Join(strays, ", ")),
				"chown -R "+ownerName(owner)+": "+quote(dir))
		}
		return passed("everything below %s belongs to %s", dir, ownerName(owner))
	}
}

// checkState looks at what the spool says of itself: its format, its position, and that no source has changed.
func checkState(c config.Config) func(context.Context) Result {
	return func(context.Context) Result {
		st, err := spool.Read(c.Spool.Dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return skipped("no state in %s: the daemon has not been started yet", c.Spool.Dir)
		case err != nil:
			return skipped("the state cannot be read by this user: %v", err)
		case errors.Is(st.Problem, spool.ErrFormat):
			return failure(State, st.Problem.Error(), "the package was downgraded: install that version again")
		case st.Problem != nil:
			return failure(State, st.Problem.Error(), "decide where to go on: wazuh-security-lake position set --help")
		}
		for i, s := range c.Sources {
			class, err := ocsf.ClassByName(s.Class, s.OCSFVersion)
			if err != nil {
				return failure(Configuration, fmt.Sprintf("sources[%d]: %v", i, err), "wazuh-security-lake check-config")
			}
			for _, pin := range st.Sources {
				if pin.Name == s.Name && (pin.Class != class.Name || pin.OCSFVersion != class.Version) {
					return failure(Configuration, fmt.Sprintf("source %s has shipped %s %s; the configuration says %s %s", s.Name, pin.Class, pin.OCSFVersion, class.Name, class.Version),
						"a source never changes its class or version: create a new custom source and name it in sources, or set class and ocsf_version back")
				}
				if pin.Name == s.Name && pin.SchemaHash != class.Fingerprint() {
					return failure(Configuration, fmt.Sprintf("source %s has shipped %s %s with other columns than this version writes", s.Name, pin.Class, pin.OCSFVersion),
						"a source never changes its columns: create a new custom source and name it in sources, or go back to the version that has shipped")
				}
			}
		}
		quarantined := 0
		for _, b := range st.Batches {
			if b.Place == spool.Quarantine {
				quarantined++
			}
		}
		if quarantined > 0 {
			return warning(fmt.Sprintf("%d batches are in quarantine", quarantined), "wazuh-security-lake spool verify, then spool requeue")
		}
		return passed("instance %s, %d alerts shipped, %d pending", st.Instance, st.Account.Shipped, st.Account.Pending)
	}
}

// checkInbox looks at the hand-over directory of the integration mode.
func checkInbox(in config.Input, id Identity) func(context.Context) Result {
	return func(context.Context) Result {
		info, err := os.Stat(in.Inbox)
		if in.Mode != config.ModeIntegration {
			return skipped("input.mode is tail: the inbox is not used")
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return failure(CannotCreate, in.Inbox+" does not exist", "systemd-tmpfiles --create wazuh-security-lake.conf",
				"or: install -d -o "+id.Name+" -g wazuh -m 2750 "+quote(in.Inbox))
		case err != nil:
			return skipped("%v", plainError(err))
		}
		found, err := try(id, append(passing(filepath.Dir(in.Inbox)), need{in.Inbox, mayRead | mayWrite | maySearch}))
		switch {
		case err != nil:
			return skipped("%v", err)
		case found != nil:
			return refused(id, *found)
		}
		mend := "chgrp wazuh " + quote(in.Inbox) + " && chmod 2750 " + quote(in.Inbox)
		switch mode := info.Mode(); {
		case mode&fs.ModeSetgid == 0 || mode.Perm()&0o050 != 0o050:
			return failure(Permission, fmt.Sprintf("%s has mode %s: integratord's programs cannot hand alerts over", in.Inbox, mode), mend)
		case mode.Perm()&0o027 != 0:
			return warning(fmt.Sprintf("%s has mode %s: others than the service may write or look", in.Inbox, mode), mend)
		}
		program := filepath.Join(wazuhHome(in), "integrations", "custom-security-lake")
		if _, err := os.Stat(program); errors.Is(err, fs.ErrNotExist) {
			return warning(program+" is not there: no alert reaches the inbox", "/usr/lib/wazuh-security-lake/custom-security-lake --install, then restart the manager")
		}
		return passed("%s is ready for %s", in.Inbox, id.Name)
	}
}
