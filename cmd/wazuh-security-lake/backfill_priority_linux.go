package main

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// lowPriority puts this process behind everything else on the host, processor and disk: the daemon and the manager go
// first. Linux keeps both per thread, and a new thread takes them over from the one that makes it. A host that refuses
// only loses the courtesy.
func lowPriority() {
	const (
		lowest    = 19
		ofProcess = 1       // IOPRIO_WHO_PROCESS
		idle      = 3 << 13 // IOPRIO_CLASS_IDLE
	)
	for range 2 { // a thread may be made while the list is read
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return
		}
		for _, task := range tasks {
			if tid, err := strconv.Atoi(task.Name()); err == nil {
				_ = unix.Setpriority(unix.PRIO_PROCESS, tid, lowest)
				_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, ofProcess, uintptr(tid), idle)
			}
		}
	}
}
