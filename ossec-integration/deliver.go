package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"wazuh-security-lake/ossec-integration/inbox"
)

// maxAlert is the daemon's cap for a line. integratord itself gives up at 64 KiB.
const maxAlert = 16 << 20

// deliver hands over the alert that integratord names. Every argument but the first that ends in .alert is ignored: a
// space in hook_url or api_key shifts them.
func (p *program) deliver() *failure {
	on, warn, err := inbox.TailMode(p.inbox, p.now())
	if err != nil {
		return p.inboxFailure(err)
	}
	if warn {
		p.journal.send(priorityWarning, "the daemon reads alerts.json itself (input.mode: tail), so alerts from integratord are dropped here; "+
			"remove the <integration> block of "+name+" from ossec.conf, or set input.mode: integration")
	}
	if on {
		return nil
	}
	for _, arg := range p.args {
		if strings.HasSuffix(arg, ".alert") {
			line, fault := readAlert(arg)
			if fault != nil {
				return fault
			}
			return p.append(line)
		}
	}
	return &failure{exitUsage, errors.New("no argument ends in .alert"), "this program is run by integratord, see --help"}
}

func (p *program) append(line []byte) *failure {
	placed, err := inbox.Append(p.inbox, line, p.options)
	if err != nil {
		return p.inboxFailure(err)
	}
	if placed == inbox.InRescue {
		p.journal.send(priorityWarning, "the lock of "+p.inbox+" was held for too long, the alert went to its rescue directory; look for a process that hangs: fuser "+p.inbox+"/lock")
	}
	return nil
}

// readAlert returns the alert as one line, byte for byte as integratord wrote it.
func readAlert(path string) ([]byte, *failure) {
	// Neither a symlink nor a FIFO: /tmp belongs to everybody.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &failure{exitNoInput, err, ""}
	case errors.Is(err, fs.ErrPermission):
		return nil, &failure{exitPermission, err, "it must be readable by the user that integratord runs as"}
	case err != nil:
		return nil, &failure{exitNoInput, err, ""}
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return nil, &failure{exitIO, err, ""}
	}
	if !info.Mode().IsRegular() {
		return nil, &failure{exitNoInput, fmt.Errorf("%s is not a regular file", path), ""}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxAlert+1))
	if err != nil {
		return nil, &failure{exitIO, err, ""}
	}
	return oneObject(path, data)
}

// oneObject checks that data is one JSON object and returns it as one line. It is not decoded: invalid UTF-8 and long
// numbers pass through untouched.
func oneObject(path string, data []byte) ([]byte, *failure) {
	line := bytes.TrimSpace(data)
	switch {
	case len(line) == 0:
		return nil, &failure{exitData, fmt.Errorf("%s is empty", path), "look for a full /tmp"}
	case len(data) > maxAlert:
		return nil, &failure{exitData, fmt.Errorf("%s is larger than 16 MiB", path), ""}
	case bytes.HasPrefix(line, []byte("alertdate='")):
		return nil, &failure{exitData, fmt.Errorf("%s is not in JSON", path),
			"add <alert_format>json</alert_format> to the <integration> block of " + name + " in ossec.conf and restart wazuh-manager"}
	case line[0] != '{' || !json.Valid(line):
		return nil, &failure{exitData, fmt.Errorf("%s does not hold one JSON object", path),
			"check that the <integration> block of " + name + " has <alert_format>json</alert_format>"}
	case bytes.ContainsAny(line, "\r\n"):
		var compact bytes.Buffer
		if err := json.Compact(&compact, line); err != nil {
			return nil, &failure{exitData, err, ""}
		}
		line = compact.Bytes()
	}
	return line, nil
}

// inboxFailure finds the remedy.
func (p *program) inboxFailure(err error) *failure {
	lost := fmt.Errorf("alert not handed over: %w", err)
	switch {
	case errors.Is(err, inbox.ErrFull):
		return &failure{exitFull, lost, "it was refused and counted; see wazuh-security-lake status why the daemon does not ship"}
	case errors.Is(err, inbox.ErrMissing):
		return &failure{exitUnavailable, lost, "start wazuh-security-lake with input.mode: integration, or name its input.inbox in WAZUH_LAKE_INBOX"}
	case errors.Is(err, inbox.ErrStrange):
		return &failure{exitPermission, lost, "symlinks and special files are refused; remove it and restart wazuh-security-lake"}
	case errors.Is(err, fs.ErrPermission):
		return &failure{exitPermission, lost, "the inbox must belong to group wazuh with mode 2750, its files with mode 0660; restart wazuh-security-lake"}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &failure{exitIO, lost, "make room on the disk of " + p.inbox}
	case errors.Is(err, syscall.EROFS):
		return &failure{exitIO, lost, "the file system of " + p.inbox + " is read-only; see the kernel log"}
	}
	return &failure{exitIO, lost, ""}
}
