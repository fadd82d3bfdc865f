//go:build crashpoints

package main

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// crashPoint kills the process, as kill -9 does, when the point named by SPOOL_CRASH_AT=point[:n] is reached for the
// n-th time. It exists only in binaries built with the tag crashpoints.
var crashPoint = func() func(string) {
	want, count, _ := strings.Cut(os.Getenv("SPOOL_CRASH_AT"), ":")
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		n = 1
	}
	var met atomic.Int64
	return func(point string) {
		if point == want && met.Add(1) == n {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // until the signal arrives
		}
	}
}()
