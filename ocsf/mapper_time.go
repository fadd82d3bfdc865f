package ocsf

import "time"

// earliest is the oldest timestamp taken for real: Wazuh's first release is younger.
var earliest = time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)

// maxAhead is how far a manager's clock may run ahead of ours.
const maxAhead = 48 * time.Hour

// parseTime reads `2026-11-23T18:35:07.691+0000` and its relatives: RFC 3339, a blank for the T, any number of decimals
// (cut to milliseconds), the offset with or without its colon. With zone false the offset may be missing (UTC).
// It returns epoch milliseconds and the offset in minutes.
func parseTime(b []byte, zone bool) (ms int64, offset int64, ok bool) {
	if len(b) < len("2006-01-02T15:04:05") || b[4] != '-' || b[7] != '-' || b[10] != 'T' && b[10] != ' ' && b[10] != 't' || b[13] != ':' || b[16] != ':' {
		return 0, 0, false
	}
	year, ok1 := digits(b[0:4])
	month, ok2 := digits(b[5:7])
	day, ok3 := digits(b[8:10])
	hour, ok4 := digits(b[11:13])
	minute, ok5 := digits(b[14:16])
	second, ok6 := digits(b[17:19])
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 60 {
		return 0, 0, false
	}
	date := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	if second < 60 && date.Day() != day {
		return 0, 0, false // 31 February
	}
	ms = date.UnixMilli()
	b = b[19:]
	if len(b) > 1 && (b[0] == '.' || b[0] == ',') {
		scale := int64(100)
		i := 1
		for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
			ms += int64(b[i]-'0') * scale
			scale /= 10
		}
		if i == 1 {
			return 0, 0, false
		}
		b = b[i:]
	}
	switch {
	case len(b) == 0:
		return ms, 0, !zone
	case len(b) == 1 && (b[0] == 'Z' || b[0] == 'z'):
		return ms, 0, true
	case b[0] != '+' && b[0] != '-':
		return 0, 0, false
	}
	sign := int64(1)
	if b[0] == '-' {
		sign = -1
	}
	b = b[1:]
	if len(b) == 5 && b[2] == ':' {
		b = []byte{b[0], b[1], b[3], b[4]}
	}
	if len(b) == 2 {
		b = []byte{b[0], b[1], '0', '0'}
	}
	if len(b) != 4 {
		return 0, 0, false
	}
	hours, ok1 := digits(b[:2])
	minutes, ok2 := digits(b[2:])
	offset = sign * int64(hours*60+minutes)
	if !ok1 || !ok2 || minutes > 59 || hours > 18 || offset < -1080 || offset > 1080 {
		return 0, 0, false
	}
	return ms - offset*60_000, offset, true
}

func digits(b []byte) (int, bool) {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}
