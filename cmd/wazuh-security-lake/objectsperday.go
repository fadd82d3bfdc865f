package main

import (
	"fmt"
	"time"

	"wazuh-security-lake/config"
)

// perDay is how many objects a day a configuration makes, per source that gets alerts all day. An object holds one day of
// events, so that a batch around midnight UTC makes two; that is not counted.
type perDay struct {
	Least int64 `json:"least"` // only ever sealed at batch.max_wait
	Most  int64 `json:"most"`  // sealed at each batch.interval
}

const day = 24 * time.Hour

func configuredObjects(b config.Batch) perDay {
	most := max(1, int64(day/max(b.Interval.Std(), time.Second)))
	if b.MinSize == 0 {
		return perDay{most, most}
	}
	return perDay{max(1, int64(day/max(b.MaxWait.Std(), b.Interval.Std(), time.Second))), most}
}

// String says it for people.
func (p perDay) String() string {
	if p.Least == p.Most {
		return fmt.Sprintf("at most %d a day for each source", p.Most)
	}
	return fmt.Sprintf("%d to %d a day for each source", p.Least, p.Most)
}
