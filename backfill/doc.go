// Package backfill ships what lies before the daemon's first position, and what the daemon recorded as a gap.
//
// Three rules make it safe beside the daemon and safe to repeat:
//
//  1. What was read is known from the ledgers alone: the byte ranges of every batch of the daemon and of every job. A byte
//     that one of them names is never read again, whatever the job is called and however often it is run.
//
//  2. Only one backfill works at a time on a state directory (its lock), and it never takes what the daemon may still read:
//     the files from the daemon's first position on belong to the daemon, except recorded gaps.
//
//  3. A batch is committed in a spool of the job, by the same rename as the daemon's: its ranges and its objects become
//     true together. Killed at any moment, the next run goes on behind the last commit.
//
//     <spool.dir>/backfill/lock
//     <spool.dir>/backfill/<job>/<worker>/   one spool each: a spool has one open batch at a time
//
// Which bytes two records mean is decided by the name of the file and the fingerprint of its first line. A copy of a dated
// file in another directory is the same file when its base name and its first line are.
package backfill
