//go:build !crashpoints

package main

// crashPoint is where the crash tests kill the process; in the shipped binary there is no such place.
var crashPoint func(point string)
