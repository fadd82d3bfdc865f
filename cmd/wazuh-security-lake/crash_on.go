//go:build crashpoints

package main

import (
	"os"
	"syscall"
)

// crashPoint kills the process, as kill -9 does, when the point named by SPOOL_CRASH_AT (see spool.CrashPoints) is
// reached. It exists only in binaries built with the tag crashpoints.
func crashPoint(point string) {
	if point == os.Getenv("SPOOL_CRASH_AT") {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until the signal arrives
	}
}
