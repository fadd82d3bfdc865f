package spool

import (
	"errors"
	"fmt"

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

// fileID is inode number and birth time: the number alone is given to another file within seconds. Without a birth time
// (NFS, old kernels) nothing is known.
func fileID(name string) string {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, name, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return ""
	}
	if st.Mask&unix.STATX_BTIME == 0 || st.Mask&unix.STATX_INO == 0 {
		return ""
	}
	return fmt.Sprintf("%d-%d.%09d", st.Ino, st.Btime.Sec, st.Btime.Nsec)
}
