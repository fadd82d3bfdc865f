package config

import (
	"errors"
	"fmt"
	"strings"
)

// Fault is one thing wrong with the configuration: where, which rule, what was found, how to mend it. Got never holds
// a secret.
type Fault struct {
	Path   string // YAML path: lake.region, sources[0].name; empty when the fault is not about one value
	Rule   string // must be ...
	Got    string // the value found, masked; empty when there is nothing to show
	Remedy string // what to do; may be empty
	Where  Origin // where the value came from; the zero Origin when it is not known
}

// Error gives one line: place, path, rule, value, remedy.
func (f *Fault) Error() string {
	var b strings.Builder
	if place := f.Where.place(); place != "" {
		b.WriteString(place + ": ")
	}
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	b.WriteString(f.Rule)
	if f.Got != "" {
		fmt.Fprintf(&b, ", got %q", f.Got)
	}
	if f.Remedy != "" {
		b.WriteString("; " + f.Remedy)
	}
	return b.String()
}

// faults collects; the zero value is ready.
type faults []*Fault

func (f *faults) add(fault *Fault) { *f = append(*f, fault) }

func (f faults) err() error {
	errs := make([]error, len(f))
	for i := range f {
		errs[i] = f[i]
	}
	return errors.Join(errs...) // nil when empty
}

// OriginKind tells which layer gave a value.
type OriginKind string

// The layers, lowest first.
const (
	FromDefault     OriginKind = "default"
	FromLambda      OriginKind = "lambda variable"
	FromFile        OriginKind = "file"
	FromEnvironment OriginKind = "environment"
	FromFlag        OriginKind = "flag"
)

// Origin is where a value came from.
type Origin struct {
	Kind         OriginKind
	Name         string // file path, variable or flag
	Line, Column int    // in the file, from 1
}

// String is what Print writes behind the value.
func (o Origin) String() string {
	switch o.Kind {
	case FromFile:
		return o.place()
	case FromEnvironment, FromLambda, FromFlag:
		return string(o.Kind) + " " + o.Name
	}
	return string(FromDefault)
}

// place is what stands before a fault: file:line:column, or the variable or flag; nothing for a default.
func (o Origin) place() string {
	switch {
	case o.Kind == FromFile && o.Line > 0:
		return fmt.Sprintf("%s:%d:%d", o.Name, o.Line, o.Column)
	case o.Kind == FromFile:
		return o.Name
	case o.Kind == FromEnvironment || o.Kind == FromLambda || o.Kind == FromFlag:
		return string(o.Kind) + " " + o.Name
	}
	return ""
}
