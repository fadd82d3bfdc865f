package uploader

import (
	"slices"
	"time"

	"wazuh-security-lake/spool"
)

// Outcome is how one attempt ended. The names are label values of metrics.
type Outcome string

// Outcomes of an attempt.
const (
	OutcomeStored        Outcome = "stored"
	OutcomeAlreadyThere  Outcome = "already_there"
	OutcomeRetryable     Outcome = "retryable"
	OutcomeThrottled     Outcome = "throttled"
	OutcomeConflict      Outcome = "conflict"
	OutcomeConfiguration Outcome = "configuration"
	OutcomeQuarantined   Outcome = "quarantined"
	OutcomeGone          Outcome = "gone"     // its batch left the outbox meanwhile
	OutcomeCanceled      Outcome = "canceled" // the uploader was stopped; not a failure
)

// Outcomes lists them, for counters that are there before the first attempt.
func Outcomes() []Outcome {
	return []Outcome{OutcomeStored, OutcomeAlreadyThere, OutcomeRetryable, OutcomeThrottled, OutcomeConflict, OutcomeConfiguration,
		OutcomeQuarantined, OutcomeGone, OutcomeCanceled}
}

// Attempt is what Options.OnAttempt is told about one finished attempt.
type Attempt struct {
	Object  spool.Object
	Outcome Outcome
	Took    time.Duration
	Err     error // nil for stored and already_there
}

// Health is a traffic light for one source.
type Health string

// States of Health.
const (
	HealthOK       Health = "ok"
	HealthRetrying Health = "retrying" // waiting will most likely mend it
	HealthFailing  Health = "failing"  // somebody has to act
)

// redAfter is how long a fault that should pass by itself may last before it is shown as one that needs a person.
const redAfter = 15 * time.Minute

// Shipped is the last object of a source that reached its destination.
type Shipped struct {
	Key      string    `json:"key"`
	EventDay string    `json:"eventDay"`
	Rows     int64     `json:"rows"`
	Bytes    int64     `json:"bytes"`
	At       time.Time `json:"at"`
}

// Failure is the last failed attempt of a source.
type Failure struct {
	At      time.Time `json:"at"`
	Class   Class     `json:"class"`
	Code    string    `json:"code,omitempty"` // the service's error code
	Message string    `json:"message"`
	Remedy  string    `json:"remedy,omitempty"`
}

// SourceStats describes one source at one moment. Counters start at zero with the process.
type SourceStats struct {
	Source       string            `json:"source"`
	Health       Health            `json:"health"`
	Waiting      int               `json:"waiting"` // objects, those under way included
	WaitingBytes int64             `json:"waitingBytes"`
	InFlight     int               `json:"inFlight"`
	OldestEvent  int64             `json:"oldestEvent,omitempty"` // epoch milliseconds, of the waiting objects
	Objects      int64             `json:"objects"`               // acknowledged
	Rows         int64             `json:"rows"`
	Bytes        int64             `json:"bytes"`
	Attempts     map[Outcome]int64 `json:"attempts"`
	LastObject   *Shipped          `json:"lastObject,omitempty"`
	LastFailure  *Failure          `json:"lastFailure,omitempty"` // stays after recovery; Health tells
	FailingSince *time.Time        `json:"failingSince,omitempty"`
	Failures     int64             `json:"failures,omitempty"`  // attempts of the outage that is going on
	NextRetry    *time.Time        `json:"nextRetry,omitempty"` // the earliest one
}

// Stats returns a copy of what is known about every source seen so far, ordered by name. It does not block on uploads.
func (u *Uploader) Stats() []SourceStats {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.opt.Clock.Now()
	out := make([]SourceStats, 0, len(u.sources))
	for _, s := range u.sources {
		out = append(out, s.snapshot(now))
	}
	slices.SortFunc(out, func(a, b SourceStats) int {
		if a.Source < b.Source {
			return -1
		}
		return 1
	})
	return out
}

func (s *source) snapshot(now time.Time) SourceStats {
	st := s.stats
	st.Source, st.Health, st.InFlight, st.Waiting = s.name, HealthOK, s.inFlight, len(s.items)
	st.Attempts = make(map[Outcome]int64, len(s.stats.Attempts))
	for k, v := range s.stats.Attempts {
		st.Attempts[k] = v
	}
	for _, it := range s.items {
		st.WaitingBytes += it.object.Bytes
		if st.OldestEvent == 0 || it.object.FirstTime < st.OldestEvent {
			st.OldestEvent = it.object.FirstTime
		}
	}
	if o := s.outage; o != nil {
		since := o.since
		st.FailingSince, st.Failures, st.Health = &since, o.failures, HealthRetrying
		if o.worst == Configuration || now.Sub(since) >= redAfter {
			st.Health = HealthFailing
		}
		if at, ok := s.nextRetry(); ok {
			st.NextRetry = &at
		}
	}
	return st
}
