// Package doctor tries everything the daemon needs, on this host and in AWS, and says of each thing whether it works and
// what mends it. It changes nothing: no file is made, moved or touched, and no object stays behind in a bucket.
//
// A Check is a name and a function. Host and Lake return the checks of a configuration in a fixed order; Run runs them
// one after the other, each with its own time limit. A check that fails hides no other: those that cannot be tried
// without it say so and are skipped.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Status is the outcome of one check.
type Status string

// The outcomes. A warning does not keep the daemon from working; a skipped check has not proven anything.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
	Skip Status = "skip"
)

// Fault is the class of a failure; a command line turns it into its exit code.
type Fault string

// The classes of failures.
const (
	Permission    Fault = "permission"
	Configuration Fault = "configuration"
	Unavailable   Fault = "unavailable"
	NoInput       Fault = "no_input"
	IO            Fault = "io"
	State         Fault = "state" // the daemon's own records; a person has to decide
	CannotCreate  Fault = "cannot_create"
)

// Result is what one check found. Its texts hold no secret and no content of alerts, and fit one line each.
type Result struct {
	Status Status   `json:"status"`
	Fault  Fault    `json:"fault,omitempty"`  // of a failure only
	Detail string   `json:"detail"`           // what was found
	Remedy []string `json:"remedy,omitempty"` // what to do, commands ready to run
}

// Check is one thing to try.
type Check struct {
	// Name is stable: monitoring may look for it.
	Name string
	// After names checks that must not have failed before this one is worth trying.
	After []string
	// Check tries it and returns when it is done or ctx ends. It changes nothing.
	Check func(ctx context.Context) Result
}

// Outcome is the Result of a named check.
type Outcome struct {
	Name string `json:"check"`
	Result
	Took time.Duration `json:"took_ns"`
}

// Run runs the checks in their order and tells each outcome when it is there. limit is the time limit of one check.
//
// A check that does not return when its time is over is left behind: a file system that hangs lets nobody interrupt a
// system call, and the other checks must not wait for it. Its goroutine ends with that call or with the process. Run
// blocks at most limit for each check, and stops early only when ctx ends.
func Run(ctx context.Context, checks []Check, limit time.Duration, tell func(Outcome)) []Outcome {
	failed := make(map[string]Status)
	var all []Outcome
	for _, c := range checks {
		if ctx.Err() != nil {
			return all
		}
		began := time.Now()
		o := Outcome{Name: c.Name, Result: prerequisite(c, failed)}
		if o.Status == "" {
			o.Result = runOne(ctx, c, limit)
			o.Took = time.Since(began)
		}
		if o.Status == Fail || o.Status == Skip {
			failed[c.Name] = o.Status
		}
		o.clean()
		all = append(all, o)
		tell(o)
	}
	return all
}

// prerequisite is the result of a check that cannot be tried; zero when it can.
func prerequisite(c Check, failed map[string]Status) Result {
	for _, name := range c.After {
		switch failed[name] {
		case Fail:
			return skipped("not tried, because %q failed", name)
		case Skip:
			return skipped("not tried, because %q was not", name)
		}
	}
	return Result{}
}

func runOne(ctx context.Context, c Check, limit time.Duration) Result {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan Result, 1)
	go func() { done <- c.Check(ctx) }()
	select {
	case r := <-done:
		return r
	case <-ctx.Done():
	}
	// What watches the context itself is about to say more than that the time is over.
	grace := time.NewTimer(min(limit, 500*time.Millisecond))
	defer grace.Stop()
	select {
	case r := <-done:
		return r
	case <-grace.C:
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return skipped("interrupted")
	}
	return failure(Unavailable, fmt.Sprintf("no answer within %s", limit), "a disk, a file system or a network hangs: dmesg, mount, then --timeout for a longer wait")
}

// FirstFault is the class of the first failure; empty when nothing failed.
func FirstFault(outcomes []Outcome) Fault {
	for _, o := range outcomes {
		if o.Status == Fail {
			return o.Fault
		}
	}
	return ""
}

// clean makes text from outside fit for one line of a terminal.
func (o *Outcome) clean() {
	o.Detail = printable(o.Detail)
	for i := range o.Remedy {
		o.Remedy[i] = printable(o.Remedy[i])
	}
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

func passed(format string, args ...any) Result {
	return Result{Status: OK, Detail: fmt.Sprintf(format, args...)}
}

func skipped(format string, args ...any) Result {
	return Result{Status: Skip, Detail: fmt.Sprintf(format, args...)}
}

func warning(detail string, remedy ...string) Result {
	return Result{Status: Warn, Detail: detail, Remedy: remedy}
}

func failure(fault Fault, detail string, remedy ...string) Result {
	return Result{Status: Fail, Fault: fault, Detail: detail, Remedy: remedy}
}
