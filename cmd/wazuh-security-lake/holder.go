package main

import (
	"bufio"
	"bytes"
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
)

// poll is how often a command looks whether the daemon has done what it was asked for.
const poll = 300 * time.Millisecond

// errNoDaemon means that no process holds the state directory.
var errNoDaemon = errors.New("no daemon holds it")

// holder is the running daemon as a command sees it.
type holder struct {
	dir     string
	pid     int
	process *os.Process // a handle of the kernel: a number used again does not reach another process through it
}

// findHolder returns the process that holds the lock of a state directory. The number in the lock file alone is not
// enough to send signals to: after a crash it may belong to any process, which they would kill.
func findHolder(dir string) (*holder, error) {
	pid, err := lockHolder(dir)
	if err != nil {
		return nil, err
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, errNoDaemon)
	}
	if again, err := lockHolder(dir); err != nil || again != pid { // the handle was opened after the first look
		_ = process.Release() // nothing was done with it
		return nil, fmt.Errorf("%s: %w", dir, errNoDaemon)
	}
	return &holder{dir: dir, pid: pid, process: process}, nil
}

// lockHolder is the process number in the lock file, if that process holds a lock on that very file.
func lockHolder(dir string) (int, error) {
	lock := filepath.Join(dir, "lock")
	info, err := os.Stat(lock)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s: %w", dir, errNoDaemon)
	}
	if err != nil {
		return 0, err
	}
	data, err := os.ReadFile(lock)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(data)))
	st, ok := info.Sys().(*syscall.Stat_t)
	if err != nil || pid <= 0 || !ok {
		return 0, fmt.Errorf("%s: %w", dir, errNoDaemon)
	}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return 0, fmt.Errorf("find the daemon: %w", err)
	}
	defer locks.Close() //nolint:errcheck // only read
	held, err := holdsLock(locks, pid, st.Ino)
	if err == nil && !held {
		err = fmt.Errorf("%s: %w", dir, errNoDaemon)
	}
	return pid, err
}

// holdsLock looks for a flock of pid on a file with that inode number in the text of /proc/locks. The device is not
// compared: overlayfs and btrfs show another one there than stat does.
func holdsLock(locks io.Reader, pid int, inode uint64) (bool, error) {
	lines := bufio.NewScanner(locks)
	for lines.Scan() {
		// 1: FLOCK  ADVISORY  WRITE 1234 08:01:131090 0 EOF
		f := strings.Fields(lines.Text())
		if len(f) < 6 || f[1] != "FLOCK" || f[3] != "WRITE" || f[4] != strconv.Itoa(pid) {
			continue
		}
		if _, file, ok := lastCut(f[5], ":"); ok && file == strconv.FormatUint(inode, 10) {
			return true, nil
		}
	}
	return false, lines.Err()
}

func lastCut(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// send sends a signal. Ended daemons are errNoDaemon.
func (h *holder) send(sig syscall.Signal) error {
	err := h.process.Signal(sig)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fail(exitNoPerm, "run it as root or as the daemon's user", fmt.Errorf("ask the daemon (pid %d): %w", h.pid, err))
	case errors.Is(err, os.ErrProcessDone):
		return fmt.Errorf("%s: %w", h.dir, errNoDaemon)
	case err != nil:
		return fmt.Errorf("ask the daemon (pid %d): %w", h.pid, err)
	}
	return nil
}

// alive reports whether the daemon still holds the directory.
func (h *holder) alive() bool {
	pid, err := lockHolder(h.dir)
	return err == nil && pid == h.pid
}

// live is what this daemon last said of itself; nil when it has said nothing yet.
func (h *holder) live() *liveStatus {
	if live := readLive(h.dir); live != nil && live.PID == h.pid {
		return live
	}
	return nil
}

// readLive reads status.json; nil when there is none that can be read.
func readLive(dir string) *liveStatus {
	data, err := os.ReadFile(filepath.Join(dir, statusName))
	var live liveStatus
	if err != nil || json.Unmarshal(data, &live) != nil {
		return nil
	}
	return &live
}
