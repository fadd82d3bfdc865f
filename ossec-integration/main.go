// Command custom-security-lake hands alerts from Wazuh's integratord to wazuh-security-lake.
//
// integratord runs it once per alert, waits for it, and never tries again. So it does one thing: it appends the alert to
// the inbox of the daemon, fsyncs, and exits 0. It uses the standard library only and starts nothing.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"wazuh-security-lake/ossec-integration/inbox"
)

const name = "custom-security-lake"

// Exit codes are those of wazuh-security-lake. 127 must not occur: integratord takes it for "not found".
const (
	exitOK          = 0
	exitRuntime     = 1
	exitUsage       = 64
	exitData        = 65
	exitNoInput     = 66
	exitUnavailable = 69
	exitCannot      = 73
	exitIO          = 74
	exitFull        = 75
	exitPermission  = 77
)

const usage = `usage: custom-security-lake FILE.alert ...        run by Wazuh's integratord, once per alert
       custom-security-lake --install [--edit] [FILTER...] [--home DIR]
       custom-security-lake --remove [--home DIR]
       custom-security-lake --test

  --install   copy this program to DIR/integrations (DIR: /var/ossec) and print the block for ossec.conf
  --edit      also put the block into DIR/etc/ossec.conf, after a backup
  --remove    take the block out of ossec.conf, after a backup, and remove the program
  --test      send one sample alert

  FILTER      --level N  --rule-id N,N  --group G,G  --event-location L: as in ossec.conf, all of them must match

  WAZUH_LAKE_INBOX names another inbox than /var/spool/wazuh-security-lake.
`

func main() {
	p := program{
		args:    os.Args[1:],
		inbox:   os.Getenv("WAZUH_LAKE_INBOX"),
		stdout:  os.Stdout,
		stderr:  os.Stderr,
		now:     time.Now,
		journal: journal{"/run/systemd/journal/socket"},
	}
	os.Exit(p.run())
}

// program is one call; tests fill it in themselves.
type program struct {
	args           []string
	inbox          string
	stdout, stderr io.Writer
	now            func() time.Time
	journal        journal
	options        inbox.Options
}

func (p *program) run() int {
	if p.inbox == "" {
		p.inbox = inbox.DefaultDir
	}
	var fault *failure
	switch {
	case len(p.args) == 0:
		fmt.Fprint(p.stderr, usage)
		return exitUsage
	case p.args[0] == "--help" || p.args[0] == "-h":
		fmt.Fprint(p.stdout, usage)
		return exitOK
	case p.args[0] == "--install" || p.args[0] == "--remove" || p.args[0] == "--test":
		fault = p.manage()
	case strings.HasPrefix(p.args[0], "-"): // a person's, integratord begins with the file
		fault = &failure{exitUsage, fmt.Errorf("%s is not known", p.args[0]), "see --help"}
	default:
		// What integratord says is not for a terminal: failures go to the journal, too.
		if fault = p.deliver(); fault != nil {
			p.journal.send(priorityError, fault.Error())
		}
	}
	if fault != nil {
		fmt.Fprintf(p.stderr, "%s: %s\n", name, fault.Error())
		return fault.code
	}
	return exitOK
}

// failure is what went wrong, how to mend it, and the exit code.
type failure struct {
	code   int
	err    error
	remedy string
}

func (f *failure) Error() string {
	text := f.err.Error()
	if f.remedy != "" {
		text += "; " + f.remedy
	}
	return oneLine(text)
}

// oneLine keeps control characters, which a file name may hold, out of logs.
func oneLine(text string) string {
	clean := []rune(text)
	for i, r := range clean {
		if r == '\n' {
			clean[i] = ' '
		} else if r < ' ' || r == 0x7f {
			clean[i] = '?'
		}
	}
	return string(clean)
}
