//go:build !linux

package spool

func renameNew(oldname, newname string) error { return renameChecked(oldname, newname) }
