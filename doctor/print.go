package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// colours of a terminal, by outcome.
var colours = map[Status]string{OK: "32", Warn: "33", Fail: "31", Skip: "2"}

// Print writes one outcome for people: a line, and its remedies below it.
func Print(w io.Writer, o Outcome, colour bool) {
	mark := fmt.Sprintf("%-4s", o.Status)
	if colour {
		mark = "\x1b[" + colours[o.Status] + "m" + mark + "\x1b[0m"
	}
	fmt.Fprintf(w, "%s  %s: %s\n", mark, o.Name, o.Detail)
	for _, r := range o.Remedy {
		fmt.Fprintf(w, "        -> %s\n", r)
	}
}

// Summary is the last line for people.
func Summary(outcomes []Outcome) string {
	count := make(map[Status]int)
	for _, o := range outcomes {
		count[o.Status]++
	}
	var parts []string
	for _, s := range []Status{OK, Warn, Fail, Skip} {
		if count[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[s], s))
		}
	}
	return strings.Join(parts, ", ")
}

// PrintJSON writes all outcomes for programs, with the exit code they lead to.
func PrintJSON(w io.Writer, outcomes []Outcome, exitCode int) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		ExitCode int       `json:"exit_code"`
		Checks   []Outcome `json:"checks"`
	}{exitCode, outcomes})
}
