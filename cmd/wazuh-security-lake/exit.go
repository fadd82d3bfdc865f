package main

import (
	"errors"
	"io/fs"
	"syscall"

	"wazuh-security-lake/spool"
)

// Exit codes, after sysexits.h. They are a contract: the unit file, scripts and monitoring rely on them.
const (
	exitOK          = 0
	exitRuntime     = 1
	exitUsage       = 64
	exitData        = 65 // bad data, or a state that has to be decided by a person
	exitNoInput     = 66
	exitUnavailable = 69
	exitCantCreate  = 73
	exitIO          = 74
	exitTempFail    = 75 // try again: locked by another process, state rolled back
	exitNoPerm      = 77
	exitConfig      = 78
)

// failure is an error with the exit code it deserves and the remedy to print below it.
type failure struct {
	code   int
	err    error
	remedy string
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func fail(code int, remedy string, err error) error {
	return &failure{code: code, err: err, remedy: remedy}
}

func exitCode(err error) int {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.code
	}
	if _, ok := errors.AsType[*spool.FatalError](err); ok {
		return exitIO
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return exitNoPerm
	case errors.Is(err, fs.ErrNotExist):
		return exitNoInput
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EIO), errors.Is(err, syscall.EROFS):
		return exitIO
	}
	return exitRuntime
}

func hintFor(err error) string {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.remedy
	}
	return ""
}
