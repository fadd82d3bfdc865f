// Package replica is a small replica of how Wazuh 4.x writes and rotates alerts.json, for tests.
//
// Manager behaves like analysisd: alerts pass a 4096 byte stdio buffer that is written whenever it is full (so a reader
// sees half lines) and flushed once a second; at a new local day, and only once an event has arrived in it, the dated
// file is closed, the next one opened for appending, alerts.json unlinked and linked anew. Archiver behaves like
// monitord: .sum, then .gz under its final name in several writes, then the plain file is unlinked.
//
// Nothing runs by itself: the test calls Tick, Rotate, Step. No call sleeps and the time is the one that was set.
//
// Everything that was written is remembered, so that a judge can ask which alerts there were (Alerts) and which of them
// ever stood whole in a file (Alert.Visible): those must arrive exactly once.
package replica
