package spool

import (
	"errors"

	"golang.org/x/sys/unix"
)

// errDamagedFS is how ext4 and xfs report metadata that fails its checksum.
const errDamagedFS = unix.EUCLEAN

func renameNew(oldname, newname string) error {
	err := unix.Renameat2(unix.AT_FDCWD, oldname, unix.AT_FDCWD, newname, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) {
		return renameChecked(oldname, newname) // NFS, some FUSE file systems
	}
	return err
}
