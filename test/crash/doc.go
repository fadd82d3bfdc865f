// Package crash holds the tests that end the real daemon where it hurts: killed at its n-th system call, with EIO or
// ENOSPC from its n-th system call (both by strace), and by a real loss of power on ext4 and xfs in a loop device. The
// destination is a directory, so that nothing but the daemon is in the way. After each blow the daemon starts again as it
// is, ships what is left, and a judge reads the lake: every alert exactly once.
//
//	WSL_CRASH=sample   a seeded sample of points, for CI (WSL_CRASH_SEED chooses it)
//	WSL_CRASH=all      every point
//	WSL_SOAK=2m        load and random blows for that long
//
// Go moves its work between threads and strace counts calls per thread, so "the n-th call" is the n-th of some thread.
// All points therefore means: n rises until a run comes through unharmed.
package crash
