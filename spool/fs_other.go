//go:build !linux

package spool

import "syscall"

const errDamagedFS = syscall.EIO

func renameNew(oldname, newname string) error { return renameChecked(oldname, newname) }

func fileID(string) string { return "" }
