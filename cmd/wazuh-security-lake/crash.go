//go:build !crashpoints

package main

// crashPoint is where the crash tests kill the process (crash_on.go); in the shipped binary nothing happens there.
func crashPoint(string) {}
