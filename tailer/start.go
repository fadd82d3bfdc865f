package tailer

import (
	"bytes"
	"fmt"
	"time"
)

// StartAt says where the very first start begins. The zero value is today.
type StartAt struct {
	kind startKind
	time time.Time
}

type startKind int

const (
	startToday startKind = iota
	startEnd
	startDay
	startTime
)

// Today starts with every part of the local day's file.
func Today() StartAt { return StartAt{} }

// End starts behind the last whole line there is now.
func End() StartAt { return StartAt{kind: startEnd} }

// Day starts with every part of that calendar day's file, or the next one there is.
func Day(year int, month time.Month, day int) StartAt {
	return StartAt{kind: startDay, time: time.Date(year, month, day, 0, 0, 0, 0, time.UTC)}
}

// At starts with the first line whose timestamp is not before t.
func At(t time.Time) StartAt { return StartAt{kind: startTime, time: t} }

// ParseStartAt reads "today" (also ""), "end", a day as YYYY-MM-DD, or an RFC 3339 time.
func ParseStartAt(s string) (StartAt, error) {
	switch s {
	case "", "today":
		return Today(), nil
	case "end":
		return End(), nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return Day(t.Date()), nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return At(t), nil
	}
	return StartAt{}, fmt.Errorf("start at %q: want today, end, YYYY-MM-DD or an RFC 3339 time", s)
}

func (s StartAt) String() string {
	switch s.kind {
	case startEnd:
		return "end"
	case startDay:
		return s.time.Format(time.DateOnly)
	case startTime:
		return s.time.Format(time.RFC3339Nano)
	}
	return "today"
}

// firstDay is the day of the oldest file to read, as a date in UTC like segment.day.
func (s StartAt) firstDay(now time.Time) time.Time {
	t := now
	switch s.kind {
	case startDay:
		return s.time
	case startTime:
		t = s.time.In(now.Location())
	}
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// FirstDay is the day of the oldest file that a very first start at this time reads, as a date in UTC; for the end it is
// today's.
func (s StartAt) FirstDay(now time.Time) time.Time { return s.firstDay(now) }

// firstTime is the time before which lines are skipped in a file that has no date in its name.
func (s StartAt) firstTime(now time.Time) time.Time {
	if s.kind == startTime {
		return s.time
	}
	y, m, d := s.firstDay(now).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, now.Location())
}

// leader is what every line analysisd writes begins with.
var leader = []byte(`{"timestamp":"`)

// lineTime reads the leading timestamp of a line as analysisd writes it, with or without milliseconds, the offset with
// or without colon. A line that does not begin with one has no time.
func lineTime(line []byte) (time.Time, bool) {
	rest, ok := bytes.CutPrefix(line, leader)
	if !ok {
		return time.Time{}, false
	}
	end := bytes.IndexByte(rest[:min(len(rest), 40)], '"')
	if end < 0 {
		return time.Time{}, false
	}
	text := string(rest[:end])
	for _, layout := range []string{"2006-01-02T15:04:05-0700", time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true // a fraction of a second is accepted by Parse whatever the layout says
		}
	}
	return time.Time{}, false
}
