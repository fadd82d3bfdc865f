// Package tailer follows one append-only NDJSON log across rotation, restart and compression: Position in, Line out.
//
// # Files
//
// Wazuh keeps a segmented log. alerts.json is a hard link to the newest dated file, and a rotation is: close the old
// file, open the next, unlink alerts.json, link it anew. monitord compresses a day's file ten seconds after midnight and
// unlinks it. Only the content of a file tells which one it is: inode numbers are used again within seconds. A file is
// therefore known by its Head (the first line) and its bytes up to an offset by their Tail.
//
// # States
//
//	no file      -> the position's file, by inode, dated name, archive; else GapError
//	             -> else the oldest unread file: above Position.Floor without a mark, or longer than its mark
//	             -> else the live file, at its mark or at 0
//	reading      at the end of the file: is alerts.json still this inode?
//	             yes: io.EOF. Before the next read the Tail is compared, and half a line is read anew.
//	             no:  read to the end once more (analysisd flushes at close), hand out what is left of the last line,
//	                  mark the file, -> no file
//	archive      its end must be a valid trailer; else wait for it to change, an hour at most, then GapError
//
// A file that is unread is found by its missing mark, not by being newer than the last one: so days on which the clock
// was wrong are found too.
//
// # Known losses
//
// Each is a GapError or a Volatile line, with these exceptions. What is written to a file and cut off again between two
// polls was never seen. A file that came and went while no Tailer ran, without ever being in a position, leaves no
// trace. A file older than Position.Floor that was written while the clock was wrong is read only if it is live when
// looked at. An archive that monitord overwrites with another day of the same name is gone.
//
// # Known repetitions
//
// After GapTruncated and GapRewritten a file is read again from 0, and so is a file that is opened again after more
// than 64 others.
package tailer
