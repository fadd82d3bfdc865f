package doctor

import (
	"fmt"
	"syscall"
	"unsafe"
)

// take changes the ids of the calling thread only: the raw system calls, not the ones of package syscall, which change
// the whole process.
func (id Identity) take() error {
	groups := make([]uint32, 0, len(id.Groups))
	for _, g := range id.Groups {
		groups = append(groups, uint32(g))
	}
	var first unsafe.Pointer
	if len(groups) > 0 {
		first = unsafe.Pointer(&groups[0])
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETGROUPS, uintptr(len(groups)), uintptr(first), 0); errno != 0 {
		return fmt.Errorf("take the groups of %s: %w", id.Name, errno)
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESGID, uintptr(id.GID), uintptr(id.GID), uintptr(id.GID)); errno != 0 {
		return fmt.Errorf("take the group of %s: %w", id.Name, errno)
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, uintptr(id.UID), uintptr(id.UID), uintptr(id.UID)); errno != 0 {
		return fmt.Errorf("become %s: %w", id.Name, errno)
	}
	return nil
}
