package doctor

import "golang.org/x/sys/unix"

// Magic numbers of file systems a spool should not lie on.
var poorHomes = map[int64]string{
	unix.TMPFS_MAGIC:           "tmpfs: it is empty after a reboot, and with it the position",
	unix.RAMFS_MAGIC:           "ramfs: it is empty after a reboot, and with it the position",
	unix.OVERLAYFS_SUPER_MAGIC: "overlayfs: it goes with the container, and with it the position",
	unix.NFS_SUPER_MAGIC:       "NFS: its locks and its fsync depend on the server",
	unix.SMB_SUPER_MAGIC:       "SMB: its locks and its fsync depend on the server",
	unix.SMB2_SUPER_MAGIC:      "SMB: its locks and its fsync depend on the server",
}

// volume is the file system a path lies on.
type volume struct {
	free, size        int64 // bytes an ordinary user may take
	inodes, freeNodes uint64
	poor              string // why it should not hold a spool; empty: it may
}

func volumeOf(path string) (volume, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return volume{}, err
	}
	block := int64(st.Bsize)
	return volume{free: int64(st.Bavail) * block, size: int64(st.Blocks) * block, inodes: st.Files, freeNodes: st.Ffree, poor: poorHomes[int64(st.Type)]}, nil
}
