//go:build !linux

package main

// lowPriority is for Linux, where Wazuh managers run.
func lowPriority() {}
