package main

import (
	"testing"
	"time"
)

func TestRates(t *testing.T) {
	var tr track
	at := time.Unix(1_700_000_000, 0)
	for i := range 100 {
		lines := int64(i) * 50 // 10 a second
		if i > 88 {
			lines = 88*50 + int64(i-88)*500 // the last 55 s ten times as fast
		}
		tr.add(sample{at: at.Add(time.Duration(i) * 5 * time.Second), lines: lines, bytes: lines * 100})
	}
	r := tr.rates()
	if r.Alerts1m < 90 || r.Alerts1m > 100 || r.Alerts5m < 20 || r.Alerts5m > 30 || r.Bytes1m != r.Alerts1m*100 {
		t.Errorf("%+v", r)
	}
	for i := range 1000 {
		tr.add(sample{at: at.Add(time.Duration(i) * time.Minute)})
	}
	if len(tr.samples) > 62 {
		t.Errorf("%d samples are kept", len(tr.samples))
	}
}

func TestGrowth(t *testing.T) {
	const mib = 1 << 20
	for name, tt := range map[string]struct {
		used  func(i int) int64 // each 5 s
		n     int
		grows bool
	}{
		"a saw that empties":   {func(i int) int64 { return int64(i%60) * mib }, 720, false},
		"a saw that climbs":    {func(i int) int64 { return int64(i%60)*mib + int64(i)*mib/10 }, 720, true},
		"nothing ships":        {func(i int) int64 { return int64(i) * mib }, 720, true},
		"it shrinks":           {func(i int) int64 { return int64(720-i) * mib }, 720, false},
		"a minute is too few":  {func(i int) int64 { return int64(i) * mib }, 12, false},
		"nothing happens":      {func(int) int64 { return 3 * mib }, 720, false},
		"a single early spike": {func(i int) int64 { return map[bool]int64{true: 900 * mib}[i == 10] }, 720, false},
	} {
		t.Run(name, func(t *testing.T) {
			var tr track
			at := time.Unix(1_700_000_000, 0)
			for i := range tt.n {
				tr.add(sample{at: at.Add(time.Duration(i) * 5 * time.Second), used: tt.used(i)})
			}
			if got := tr.growth(); (got > 0) != tt.grows {
				t.Errorf("growth %v", got)
			}
		})
	}
	if got := untilFull(1000, 4600, 1); got != time.Hour {
		t.Errorf("until full %v, want an hour", got)
	}
	if got := untilFull(0, 1<<40, 0.0001); got > 366*24*time.Hour {
		t.Errorf("until full %v", got)
	}
}
