package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"wazuh-security-lake/config"
	"wazuh-security-lake/setup"
)

// setupFile is the configuration file that setup writes into.
type setupFile struct {
	job  *setupJob
	path string // no symbolic link
	now  func() time.Time
}

const pasteInstead = "leave --write out and paste what setup prints"

// openSetupFile finds out, before anything is made in AWS, whether the file can take the answers: stand-ins are merged, and
// the directory must be writable.
func openSetupFile(j *setupJob) (*setupFile, error) {
	if j.loaded.File == "" {
		return nil, fail(exitNoInput, "start from the sample configuration of the package, or name a file with --config", errors.New("--write: there is no configuration file"))
	}
	path, err := filepath.EvalSymlinks(j.loaded.File)
	if err != nil {
		return nil, fmt.Errorf("--write: %w", err)
	}
	f := &setupFile{job: j, path: path, now: time.Now}
	if err := unix.Access(filepath.Dir(path), unix.W_OK|unix.X_OK); err != nil {
		return nil, fail(exitNoPerm, "run it as the owner of the directory; or "+pasteInstead, fmt.Errorf("--write: %s: %w", filepath.Dir(path), err))
	}
	var stand []setup.Result
	for _, s := range j.request.Sources {
		stand = append(stand, setup.Result{Source: s, ExternalID: or(s.ExternalID, "stand-in"), Registered: setup.Registered{
			Location: "s3://aws-security-data-lake/ext/" + s.Name + "/", RoleARN: "arn:aws:iam::123456789012:role/stand-in"}})
	}
	next, err := f.next("123456789012", stand)
	if next != "" {
		_ = os.Remove(next) // made to see whether it can be
	}
	return f, err
}

// next writes the file that is to take the place of the old one, checked and synced, and returns its name; none when the
// old one holds the results already.
func (f *setupFile) next(account string, results []setup.Result) (name string, err error) {
	old, err := os.ReadFile(f.path)
	if err != nil {
		return "", fmt.Errorf("--write: %w", err)
	}
	data, err := f.merged(old, account, results)
	if err != nil || bytes.Equal(data, old) {
		return "", err
	}
	info, err := os.Stat(f.path)
	if err != nil {
		return "", fmt.Errorf("--write: %w", err)
	}
	if name, err = f.temporary(data, info); err != nil {
		return "", err
	}
	if err := f.valid(name); err != nil {
		_ = os.Remove(name) // nobody will read it
		return "", err
	}
	return name, nil
}

// merged is the file with the results in it; an error when it would not be valid then.
func (f *setupFile) merged(data []byte, account string, results []setup.Result) ([]byte, error) {
	var set []config.Assignment
	inFile := func(path string) bool { return f.job.loaded.Origins[path].Kind == config.FromFile }
	lake := f.job.loaded.Config.Lake
	if !inFile("lake.region") {
		set = append(set, config.Assignment{Path: "lake.region", Value: or(lake.Region, results[0].Region)})
	}
	if !inFile("lake.account_id") {
		set = append(set, config.Assignment{Path: "lake.account_id", Value: or(lake.AccountID, account)})
	}
	for _, r := range results {
		if !inFile(r.Path + ".name") {
			set = append(set, config.Assignment{Path: r.Path + ".name", Value: r.Name})
		}
	}
	for _, s := range setup.Settings(results) {
		set = append(set, config.Assignment(s))
	}
	out, err := config.Merge(data, set)
	if errors.Is(err, config.ErrLayout) {
		return nil, fail(exitConfig, pasteInstead, fmt.Errorf("--write: %s: %w", f.path, err))
	}
	if err != nil {
		return nil, fail(exitConfig, pasteInstead, fmt.Errorf("--write: %w", err))
	}
	return out, nil
}

// merge replaces the file with one that holds the results, and returns what to say about it. The new one is complete and
// synced before it takes the name, with mode and owner of the old one, which stays beside it under another name.
func (f *setupFile) merge(account string, results []setup.Result) (string, error) {
	next, err := f.next(account, results)
	if err != nil {
		return "", err
	}
	if next == "" {
		return f.path + " holds it already.", nil
	}
	defer func() { _ = os.Remove(next) }() // has another name when all went well
	backup := f.path + "." + f.now().UTC().Format("20060102T150405.000000Z") + ".bak"
	if err := os.Link(f.path, backup); err != nil {
		return "", fail(exitCantCreate, pasteInstead, fmt.Errorf("--write: keep the old file: %w", err))
	}
	if err := os.Rename(next, f.path); err != nil {
		return "", fail(exitCantCreate, pasteInstead, fmt.Errorf("--write: %w", err))
	}
	return "Written to " + f.path + "; as it was: " + backup, syncDir(filepath.Dir(f.path))
}

// temporary writes the new file beside the old one, synced.
func (f *setupFile) temporary(data []byte, like fs.FileInfo) (string, error) {
	t, err := os.CreateTemp(filepath.Dir(f.path), "."+filepath.Base(f.path)+".*")
	if err != nil {
		return "", fail(exitCantCreate, pasteInstead, fmt.Errorf("--write: %w", err))
	}
	_, err = t.Write(data)
	if owner, ok := like.Sys().(*syscall.Stat_t); ok && err == nil {
		// Before the mode: a change of the owner may take bits away. Only root may give files away; whoever writes his own
		// file need not.
		if err = t.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
			err = fmt.Errorf("keep owner %d:%d: %w", owner.Uid, owner.Gid, err)
		}
	}
	if err == nil {
		err = t.Chmod(like.Mode().Perm())
	}
	if err == nil {
		err = t.Sync()
	}
	if err = errors.Join(err, t.Close()); err != nil {
		_ = os.Remove(t.Name()) // nobody will read it
		return "", fail(exitCantCreate, pasteInstead, fmt.Errorf("--write: %w", err))
	}
	return t.Name(), nil
}

// valid loads the new file as the service will, with the variables of this environment.
func (f *setupFile) valid(path string) error {
	loaded, err := config.Load(path, os.Environ(), nil)
	if err == nil {
		err = loaded.Validate()
	}
	if err != nil {
		return fail(exitConfig, pasteInstead+", and mend the rest", fmt.Errorf("--write: the file would not be valid:\n%s", strings.ReplaceAll(err.Error(), path, f.path)))
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("--write: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
