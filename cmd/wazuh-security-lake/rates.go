package main

import "time"

// trackedFor is how far the daemon looks back for rates and for the growth of the spool.
const trackedFor = time.Hour

// sample is what was counted at one moment.
type sample struct {
	at           time.Time
	lines, bytes int64 // taken from the input since the start
	used         int64 // bytes of the spool
}

// track keeps the samples of the last hour, one each statusInterval.
type track struct{ samples []sample }

func (t *track) add(s sample) {
	old := 0
	for old < len(t.samples) && s.at.Sub(t.samples[old].at) > trackedFor {
		old++
	}
	t.samples = append(t.samples[old:], s)
}

// rates are what comes in, per second, over the last minute and the last five.
type rates struct {
	Alerts1m float64 `json:"alerts_1m"`
	Alerts5m float64 `json:"alerts_5m"`
	Bytes1m  float64 `json:"bytes_1m"`
	Bytes5m  float64 `json:"bytes_5m"`
}

func (t *track) rates() rates {
	var r rates
	r.Alerts1m, r.Bytes1m = t.over(time.Minute)
	r.Alerts5m, r.Bytes5m = t.over(5 * time.Minute)
	return r
}

// over is the mean of a span; of the time since the start while that is shorter.
func (t *track) over(span time.Duration) (lines, bytes float64) {
	if len(t.samples) < 2 {
		return 0, 0
	}
	last := t.samples[len(t.samples)-1]
	first := t.samples[0]
	for _, s := range t.samples {
		if last.at.Sub(s.at) <= span {
			first = s
			break
		}
	}
	seconds := last.at.Sub(first.at).Seconds()
	if seconds <= 0 {
		return 0, 0
	}
	return float64(last.lines-first.lines) / seconds, float64(last.bytes-first.bytes) / seconds
}

// growthSpan is the least time over which the growth of the spool tells something.
const growthSpan = 10 * time.Minute

// growth is how fast the spool grows, in bytes per second; 0 when it does not, or when too little is known. Building and
// shipping make its size a saw: the lowest points of the first and the last third are compared, which a spool that
// empties after each interval leaves where they are.
func (t *track) growth() float64 {
	if len(t.samples) < 6 {
		return 0
	}
	first, last := t.samples[0].at, t.samples[len(t.samples)-1].at
	span := last.Sub(first)
	if span < growthSpan {
		return 0
	}
	early, late := int64(-1), int64(-1)
	for _, s := range t.samples {
		if s.at.Sub(first) <= span/3 && (early < 0 || s.used < early) {
			early = s.used
		}
		if last.Sub(s.at) <= span/3 && (late < 0 || s.used < late) {
			late = s.used
		}
	}
	return max(0, float64(late-early)/(span.Seconds()*2/3))
}

// untilFull is how long the spool lasts at that growth; 0 when it does not grow.
func untilFull(used, limit int64, growth float64) time.Duration {
	if growth <= 0 || limit <= 0 {
		return 0
	}
	const longest = 365 * 24 * time.Hour // more is no forecast
	seconds := float64(max(0, limit-used)) / growth
	return time.Duration(min(seconds, longest.Seconds()) * float64(time.Second))
}
