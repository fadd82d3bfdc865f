package main

import (
	"errors"
	"strings"

	"wazuh-security-lake/config"
	"wazuh-security-lake/doctor"
)

// checkInput looks at the way to alerts.json before the daemon starts, so that what only a person can mend is said in one
// line at once. In integration mode alerts.json is not read, and createInbox makes what is missing or says why it cannot.
func checkInput(in config.Input) error {
	r := doctor.Alerts(in)
	if r.Status != doctor.Fail {
		return nil
	}
	return fail(faultCodes[r.Fault], strings.Join(r.Remedy, "; "), errors.New(r.Detail))
}
