package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// FS is the file system under a spool: the seam at which tests inject faults, kills and power loss.
// Errors keep the errno, so that errors.Is works with fs.ErrNotExist, fs.ErrExist and syscall.ENOSPC.
type FS interface {
	// OpenFile is os.OpenFile; a created file gets perm whatever the umask is.
	OpenFile(name string, flag int, perm fs.FileMode) (Handle, error)
	// Mkdir creates one directory with perm whatever the umask is.
	Mkdir(name string, perm fs.FileMode) error
	// Rename replaces newname if it is there.
	Rename(oldname, newname string) error
	// RenameNew fails with fs.ErrExist if newname is there.
	RenameNew(oldname, newname string) error
	// Remove removes one file or one empty directory.
	Remove(name string) error
	// ReadDir lists a directory by name.
	ReadDir(name string) ([]fs.DirEntry, error)
	// Stat does not follow a symbolic link.
	Stat(name string) (fs.FileInfo, error)
	// SyncDir makes the names of a directory durable.
	SyncDir(name string) error
	// Lock takes the exclusive lock on a file, creating it, and writes owner into it. It does not wait:
	// ErrLocked. Closing releases it.
	Lock(name, owner string) (io.Closer, error)
	// Free is the space an unprivileged process may still use, in bytes.
	Free(name string) (int64, error)
	// FileID tells a file from every other one that ever had its name: a copy has another. Empty: not known here.
	FileID(name string) string
}

// Handle is one open file.
type Handle interface {
	io.Reader
	io.Writer
	io.Seeker
	io.Closer
	// Sync makes the content durable, not the name.
	Sync() error
	Truncate(size int64) error
}

// OS is the real file system. What root makes in it belongs to the owner and group of the directory it is made in, so that
// a tool run by root leaves nothing that the service, a user of its own, cannot open.
type OS struct{}

var _ FS = OS{}

// OpenFile implements FS.
func (OS) OpenFile(name string, flag int, perm fs.FileMode) (Handle, error) {
	if flag&os.O_CREATE == 0 {
		return os.OpenFile(name, flag, perm)
	}
	f, err := create(name, flag, perm)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(perm); err != nil {
		_ = f.Close() // already failed
		return nil, err
	}
	return f, nil
}

// Mkdir implements FS.
func (OS) Mkdir(name string, perm fs.FileMode) error {
	if err := os.Mkdir(name, perm); err != nil {
		return err
	}
	if err := os.Chmod(name, perm); err != nil {
		return err
	}
	return handOver(name, func(uid, gid int) error { return os.Lchown(name, uid, gid) })
}

// Rename implements FS.
func (OS) Rename(oldname, newname string) error { return os.Rename(oldname, newname) }

// RenameNew implements FS.
func (OS) RenameNew(oldname, newname string) error {
	if err := renameNew(oldname, newname); err != nil {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
	}
	return nil
}

// Remove implements FS.
func (OS) Remove(name string) error { return os.Remove(name) }

// ReadDir implements FS.
func (OS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

// Stat implements FS.
func (OS) Stat(name string) (fs.FileInfo, error) { return os.Lstat(name) }

// SyncDir implements FS.
func (OS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

// Lock implements FS with flock: it ends with the process, however that ends.
func (OS) Lock(name, owner string) (io.Closer, error) {
	f, err := create(name, os.O_RDWR|os.O_CREATE, modeRecord)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close() // already failed
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	// The owner is a hint for people: a full disk must not keep the lock from being taken.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(owner), 0)
	}
	return heldLock{f}, nil
}

// heldLock is a lock that Close gives back at once. Closing alone would not: a child that another goroutine is starting at
// this moment holds the descriptor until its exec.
type heldLock struct{ f *os.File }

func (l heldLock) Close() error {
	err := unix.Flock(int(l.f.Fd()), unix.LOCK_UN)
	return errors.Join(err, l.f.Close())
}

// Free implements FS.
func (OS) Free(name string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(name, &st); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", name, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// FileID implements FS.
func (OS) FileID(name string) string { return fileID(name) }

// renameChecked is RenameNew for file systems without an atomic one. Only the holder of the lock renames, so
// nothing can come between the check and the rename.
func renameChecked(oldname, newname string) error {
	if _, err := os.Lstat(newname); err == nil {
		return unix.EEXIST
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(oldname, newname)
}

// create opens a file of the spool and makes it if need be. It follows no symbolic link: the owner of the directory is not
// root, and must not be able to have root write, or give away, a file elsewhere.
func create(name string, flag int, perm fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(name, flag|unix.O_NOFOLLOW, perm)
	if err != nil {
		return nil, err
	}
	if err := handOver(name, func(uid, gid int) error { return giveFile(f, uid, gid) }); err != nil {
		_ = f.Close() // already failed
		return nil, err
	}
	return f, nil
}

// giveFile changes the owner of what this process, root, made. A file with a second name is left as it is: that other name
// may lie outside the spool.
func giveFile(f *os.File, uid, gid int) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("look at %s: %w", f.Name(), err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 || int(st.Uid) == uid && int(st.Gid) == gid {
		return nil
	}
	return f.Chown(uid, gid)
}

// handOver calls give with the owner and group of the directory of name if this process is root and they are others.
// A root that may not give files away (a container without CAP_CHOWN, a root-squashed NFS) keeps what it makes: there it
// is root for the service as well.
func handOver(name string, give func(uid, gid int) error) error {
	if os.Geteuid() != 0 {
		return nil // nobody else can
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Dir(name), &st); err != nil {
		return fmt.Errorf("owner of %s: %w", filepath.Dir(name), err)
	}
	if st.Uid == 0 && st.Gid == 0 {
		return nil
	}
	if err := give(int(st.Uid), int(st.Gid)); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}
