package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"wazuh-security-lake/ossec-integration/inbox"
)

// manage runs what an administrator asks for.
func (p *program) manage() *failure {
	action, home, edit := p.args[0], "/var/ossec", false
	var filter block
	rest := p.args[1:]
	for len(rest) > 0 {
		option, value, joined := strings.Cut(rest[0], "=")
		rest = rest[1:]
		if option == "--edit" && !joined && action == "--install" {
			edit = true
			continue
		}
		target := map[string]*string{"--home": &home, "--level": &filter.level, "--rule-id": &filter.ruleID,
			"--group": &filter.group, "--event-location": &filter.eventLocation}[option]
		if target == nil || action == "--test" || (action == "--remove" && option != "--home") {
			return &failure{exitUsage, fmt.Errorf("%s does not know %s", action, option), "see --help"}
		}
		if !joined {
			if len(rest) == 0 {
				return &failure{exitUsage, fmt.Errorf("%s needs a value", option), "see --help"}
			}
			value, rest = rest[0], rest[1:]
		}
		*target = value
	}
	if err := filter.check(); err != nil {
		return &failure{exitUsage, err, ""}
	}
	switch action {
	case "--install":
		return p.install(home, filter, edit)
	case "--remove":
		return p.remove(home)
	}
	return p.test()
}

func (p *program) install(home string, filter block, edit bool) *failure {
	target := filepath.Join(home, "integrations", name)
	if err := installProgram(target); err != nil {
		return &failure{codeOf(err), fmt.Errorf("install %s: %w", target, err), "run it as root, with --home if Wazuh is not in /var/ossec"}
	}
	fmt.Fprintf(p.stdout, "Installed %s.\n", target)
	conf := confPath(home)
	if edit {
		changed, backup, err := p.editConf(conf, func(text string) (string, error) { return insertBlock(text, filter) })
		if err != nil {
			return &failure{codeOf(err), fmt.Errorf("edit %s: %w", conf, err), "put the block there yourself: --install without --edit prints it"}
		}
		if changed {
			fmt.Fprintf(p.stdout, "Added the block to %s; the file before is %s.\n", conf, backup)
		} else {
			fmt.Fprintf(p.stdout, "The block is already in %s.\n", conf)
		}
	} else {
		fmt.Fprintf(p.stdout, "\nPut this into %s, before every other <integration> block that has no\n"+
			"<alert_format>json</alert_format>: integratord cuts the alert for those, and later blocks get what is left.\n\n%s", conf, filter.text("  "))
	}
	fmt.Fprint(p.stdout, "\nThen set input.mode: integration in the configuration of wazuh-security-lake, restart it, and run\n\n"+
		"  systemctl restart wazuh-manager\n\nossec.conf belongs to this node alone: repeat this on every node of a Wazuh cluster.\n")
	return nil
}

// installProgram copies the running program. integratord refuses one that its own user may write: so root:wazuh 0750,
// where the group is the one of the directory (older versions call it ossec).
func installProgram(target string) error {
	dir, err := os.Stat(filepath.Dir(target))
	if err != nil {
		return err
	}
	owner, ok := dir.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("the directory has no owner")
	}
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer self.Close() //nolint:errcheck // only read
	return replaceFile(target, 0o750, 0, int(owner.Gid), func(w io.Writer) error {
		_, err := io.Copy(w, self)
		return err
	})
}

// replaceFile writes a file of the given owner and puts it in place by one rename, durably.
func replaceFile(path string, mode fs.FileMode, uid, gid int, fill func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	err = errors.Join(fill(f), f.Chown(uid, gid), f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (p *program) remove(home string) *failure {
	conf := confPath(home)
	changed, backup, err := p.editConf(conf, removeBlock)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &failure{codeOf(err), fmt.Errorf("edit %s: %w", conf, err), "take the block out yourself, then run --remove again"}
	}
	if changed {
		fmt.Fprintf(p.stdout, "Took the block out of %s; the file before is %s.\n", conf, backup)
	}
	target := filepath.Join(home, "integrations", name)
	switch err := os.Remove(target); {
	case errors.Is(err, fs.ErrNotExist):
		fmt.Fprintf(p.stdout, "There is no %s.\n", target)
	case err != nil:
		return &failure{codeOf(err), err, ""}
	default:
		fmt.Fprintf(p.stdout, "Removed %s.\n", target)
	}
	fmt.Fprint(p.stdout, "\nNow run\n\n  systemctl restart wazuh-manager\n\nAlerts that are in the inbox are still shipped.\n")
	return nil
}

// editConf rewrites ossec.conf with mode and owner kept, after a backup beside it.
func (p *program) editConf(path string, edit func(string) (string, error)) (changed bool, backup string, err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return false, "", err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return false, "", fmt.Errorf("it is not a regular file: %w", errRefused)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		return false, "", err
	}
	after, err := edit(string(before))
	if err != nil || after == string(before) {
		return false, "", err
	}
	write := func(to, text string) error {
		return replaceFile(to, info.Mode().Perm(), int(stat.Uid), int(stat.Gid), func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return err
		})
	}
	backup = path + ".before-" + name + "-" + p.now().UTC().Format("20060102T150405Z")
	if _, err := os.Lstat(backup); err == nil {
		return false, "", fmt.Errorf("backup %s is already there: %w", backup, errRefused)
	}
	if err := write(backup, string(before)); err != nil {
		return false, "", fmt.Errorf("write backup: %w", err)
	}
	return true, backup, write(path, after)
}

func confPath(home string) string { return filepath.Join(home, "etc", "ossec.conf") }

func codeOf(err error) int {
	switch {
	case errors.Is(err, errRefused):
		return exitData
	case errors.Is(err, fs.ErrPermission):
		return exitPermission
	case errors.Is(err, fs.ErrNotExist):
		return exitNoInput
	}
	return exitCannot
}

// test sends an alert that a query finds and nobody takes for a real one.
func (p *program) test() *failure {
	if on, _, err := inbox.TailMode(p.inbox, p.now()); err != nil {
		return p.inboxFailure(err)
	} else if on {
		return &failure{exitUnavailable, errors.New("the daemon reads alerts.json itself (input.mode: tail) and nothing from the inbox"), "set input.mode: integration, or use wazuh-security-lake send-test"}
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	now := p.now()
	id := strconv.FormatInt(now.UnixNano()/int64(time.Millisecond), 10)
	alert, err := json.Marshal(map[string]any{
		"timestamp": now.Format("2006-01-02T15:04:05.000-0700"),
		"rule":      map[string]any{"level": 3, "description": "Test alert of " + name, "id": "999999", "firedtimes": 1, "mail": false, "groups": []string{"wazuh-security-lake", "test"}},
		"agent":     map[string]any{"id": "000", "name": host},
		"manager":   map[string]any{"name": host},
		"id":        id[:10] + "." + id[10:],
		"full_log":  "This is a test. Nothing has happened.",
		"decoder":   map[string]any{"name": name},
		"location":  name,
	})
	if err != nil {
		return &failure{exitRuntime, err, ""}
	}
	if fault := p.append(alert); fault != nil {
		return fault
	}
	fmt.Fprintf(p.stdout, "Sent test alert %s to %s: rule 999999, level 3, groups wazuh-security-lake and test.\n", id[:10]+"."+id[10:], p.inbox)
	return nil
}
