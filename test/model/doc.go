// Package model holds the proof by trial of "nothing lost, nothing twice": a manager, a daemon and a bucket live through
// random sequences of what happens to them, and a judge reads at the end what is where.
//
// One world is one sequence. The manager writes real files (test/replica); tailer, relay, spool and uploader are the
// daemon's own, the spool on test/faultfs, the bucket in memory. All of it runs inside a testing/synctest bubble: time is
// virtual, no test sleeps, and after each step every goroutine has come to rest. A sequence is a list of steps that do not
// depend on each other, so that a failing one can be made shorter by leaving steps out.
//
//	WSL_MODEL=2000            number of sequences (a plain go test runs a small sample)
//	WSL_MODEL_SEED=17         the first seed; every failure names its own
//
// The judge's oracle is independent of the program: it knows each line that ever stood in a file of the manager, by file,
// beginning and offset, and asks the ledger which batch covers it, and the bucket and the rejects what became of it.
package model
