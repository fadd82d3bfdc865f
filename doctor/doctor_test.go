package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func fixed(r Result) func(context.Context) Result { return func(context.Context) Result { return r } }

func TestRunKeepsOrderAndHidesNothing(t *testing.T) {
	checks := []Check{
		{Name: "a", Check: fixed(passed("fine"))},
		{Name: "b", Check: fixed(failure(Permission, "no\nway", "mend it"))},
		{Name: "c", After: []string{"b"}, Check: func(context.Context) Result { t.Error("tried although b failed"); return Result{} }},
		{Name: "d", After: []string{"a", "c"}, Check: func(context.Context) Result { t.Error("tried although c was not"); return Result{} }},
		{Name: "e", After: []string{"a"}, Check: fixed(failure(Configuration, "wrong"))},
		{Name: "f", Check: fixed(warning("hm", "look"))},
		{Name: "g", After: []string{"f"}, Check: fixed(passed("a warning holds nothing back"))},
	}
	var told []string
	outcomes := Run(t.Context(), checks, time.Minute, func(o Outcome) { told = append(told, o.Name+" "+string(o.Status)) })
	if got, want := strings.Join(told, ", "), "a ok, b fail, c skip, d skip, e fail, f warn, g ok"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := FirstFault(outcomes); got != Permission {
		t.Errorf("first fault: got %q, want %q", got, Permission)
	}
	if got := outcomes[1].Detail; got != "no way" {
		t.Errorf("detail with a newline: got %q", got)
	}
	if got, want := Summary(outcomes), "2 ok, 1 warn, 2 fail, 2 skip"; got != want {
		t.Errorf("summary: got %q, want %q", got, want)
	}
	if FirstFault(outcomes[:1]) != "" {
		t.Error("a fault although nothing failed")
	}
}

func TestRunGivesUpOnAHangingCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		checks := []Check{
			{Name: "hangs", Check: func(context.Context) Result { <-free; return passed("late") }}, // as a dead NFS server does it
			{Name: "says so", Check: func(ctx context.Context) Result { <-ctx.Done(); return failure(Unavailable, "no route") }},
			{Name: "next", Check: fixed(passed("fine"))},
		}
		began := time.Now()
		outcomes := Run(t.Context(), checks, 10*time.Second, func(Outcome) {})
		if took := time.Since(began); took > 21*time.Second {
			t.Errorf("took %s", took)
		}
		if o := outcomes[0]; o.Status != Fail || o.Fault != Unavailable || !strings.Contains(o.Detail, "10s") {
			t.Errorf("hanging: got %+v", o)
		}
		if o := outcomes[1]; o.Detail != "no route" {
			t.Errorf("a check that watches its context: got %+v", o)
		}
		if o := outcomes[2]; o.Status != OK {
			t.Errorf("the one after them: got %+v", o)
		}
		close(free)
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	checks := []Check{
		{Name: "first", Check: func(ctx context.Context) Result { cancel(); return passed("fine") }},
		{Name: "second", Check: func(context.Context) Result { t.Error("tried after the end"); return Result{} }},
	}
	if got := len(Run(ctx, checks, time.Minute, func(Outcome) {})); got != 1 {
		t.Errorf("got %d outcomes, want 1", got)
	}
}

func TestPrint(t *testing.T) {
	o := Outcome{Name: "alerts", Result: failure(Permission, "may not read", "chmod g+r x", "then restart")}
	var plain, colour bytes.Buffer
	Print(&plain, o, false)
	if got, want := plain.String(), "fail  alerts: may not read\n        -> chmod g+r x\n        -> then restart\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	Print(&colour, o, true)
	if !strings.Contains(colour.String(), "\x1b[31mfail\x1b[0m") {
		t.Errorf("no colour: %q", colour.String())
	}
	var js bytes.Buffer
	if err := PrintJSON(&js, []Outcome{o}, 77); err != nil {
		t.Fatal(err)
	}
	var back struct {
		ExitCode int `json:"exit_code"`
		Checks   []struct {
			Check, Status, Fault, Detail string
			Remedy                       []string
		}
	}
	if err := json.Unmarshal(js.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if back.ExitCode != 77 || len(back.Checks) != 1 || back.Checks[0].Status != "fail" || back.Checks[0].Fault != "permission" || len(back.Checks[0].Remedy) != 2 {
		t.Errorf("got %+v", back)
	}
}
