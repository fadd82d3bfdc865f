package backfill

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"wazuh-security-lake/spool"
)

const (
	dirName  = "backfill"
	lockName = "lock"
)

// Dir is where the jobs of a state directory lie.
func Dir(state string) string { return filepath.Join(state, dirName) }

// SpoolDirs lists the spools of all jobs, in order of job and worker. No job at all is no error.
func SpoolDirs(state string) ([]string, error) {
	jobs, err := os.ReadDir(Dir(state))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list backfill jobs: %w", err)
	}
	var out []string
	for _, job := range jobs {
		if !job.IsDir() {
			continue
		}
		workers, err := os.ReadDir(filepath.Join(Dir(state), job.Name()))
		if err != nil {
			return nil, fmt.Errorf("list backfill jobs: %w", err)
		}
		for _, w := range workers {
			dir := filepath.Join(Dir(state), job.Name(), w.Name())
			if _, err := os.Stat(filepath.Join(dir, lockName)); err == nil {
				out = append(out, dir)
			} else if !errors.Is(err, fs.ErrNotExist) { // killed before its first step
				return nil, fmt.Errorf("list backfill jobs: %w", err)
			}
		}
	}
	return out, nil
}

// Lock makes sure that one backfill works at a time on a state directory; closing releases it. *spool.LockedError names the
// process that holds it. The directory is made if it is not there.
func Lock(state string) (io.Closer, error) {
	dir := Dir(state)
	if err := os.MkdirAll(filepath.Dir(state), 0o750); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	for _, d := range []string{state, dir} { // made like the spool's own: with this mode, and for the owner of the directory above
		if err := (spool.OS{}).Mkdir(d, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("make backfill directory: %w", err)
		}
	}
	lock, err := spool.OS{}.Lock(filepath.Join(dir, lockName), strconv.Itoa(os.Getpid()))
	if errors.Is(err, spool.ErrLocked) {
		return nil, &spool.LockedError{Dir: dir, Holder: holder(dir)}
	}
	if err != nil {
		return nil, fmt.Errorf("lock backfill: %w", err)
	}
	return lock, nil
}

func holder(dir string) int {
	data, err := os.ReadFile(filepath.Join(dir, lockName))
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(data))) // 0 when it does not tell
	return pid
}

// Spools are the open spools of a run.
type Spools struct {
	Workers []*spool.Spool // one per worker
	all     []*spool.Spool // those of other jobs too, when objects wait in them
}

// OpenSpools opens one spool per worker of a job, and every other one that still has something to ship. It must be called
// under Lock. The errors are those of spool.Open.
func OpenSpools(state, job string, workers int, opt spool.Options) (*Spools, error) {
	s := &Spools{}
	opened := make(map[string]bool)
	open := func(dir string) (*spool.Spool, error) {
		sp, err := spool.Open(dir, opt)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		opened[dir] = true
		s.all = append(s.all, sp)
		return sp, nil
	}
	for i := range workers {
		dir := filepath.Join(Dir(state), job, fmt.Sprintf("%02d", i+1))
		sp, err := open(dir)
		if err != nil {
			return nil, err
		}
		s.Workers = append(s.Workers, sp)
	}
	dirs, err := SpoolDirs(state)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	for _, dir := range dirs {
		if opened[dir] || !waits(dir) {
			continue
		}
		if _, err := open(dir); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// waits reports whether a spool has batches to ship. One that cannot be read is opened, which names what is wrong with it.
func waits(dir string) bool {
	entries, err := os.ReadDir(filepath.Join(dir, string(spool.Outbox)))
	return err != nil || len(entries) > 0
}

// Close closes all spools. What was committed stays for the next run.
func (s *Spools) Close() error {
	var errs []error
	for _, sp := range s.all {
		errs = append(errs, sp.Close())
	}
	return errors.Join(errs...)
}

// Account adds up what became of the lines of every job of a state directory.
func Account(state string) (spool.Account, error) {
	var sum spool.Account
	dirs, err := SpoolDirs(state)
	if err != nil {
		return sum, err
	}
	for _, dir := range dirs {
		st, err := spool.Read(dir)
		if err != nil {
			return sum, fmt.Errorf("read %s: %w", dir, err)
		}
		a := st.Account
		sum.Read += a.Read
		sum.Shipped += a.Shipped
		sum.Filtered += a.Filtered
		sum.Rejected += a.Rejected
		sum.Quarantined += a.Quarantined
		sum.Pending += a.Pending
		sum.Replayed += a.Replayed
	}
	return sum, nil
}
