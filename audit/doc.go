// Package audit proves a day: every byte of Wazuh's files of that day is held against the byte ranges that the ledgers name,
// the daemon's and those of the backfill jobs.
//
// Each byte ends in exactly one state:
//
//	delivered   one batch has it, and every object of that batch was acknowledged
//	waiting     one batch has it, and an object of it is still to be shipped
//	gap         recorded as lost, and not read again since
//	not ours    before the daemon's first position, and no backfill has read it
//	unread      behind the place where the daemon is now
//	missing     before that place, and nothing names it
//	twice       more than one batch has it
//
// gap, missing and twice are differences, and so are a file that is gone, ends before a range, begins with another line,
// does not decompress or does not match its .sum; a batch whose ranges hold another number of lines than it counted; and,
// when asked for, an object that is not at its destination, has another size there, or that no ledger line names.
package audit
