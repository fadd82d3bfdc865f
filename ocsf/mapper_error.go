package ocsf

import "errors"

// Reason says in one word why an alert was not mapped; it is a label of metrics and of the rejects file.
type Reason string

const (
	ReasonNotJSON      Reason = "not_json"      // the line is no JSON object and holds none to resynchronise on
	ReasonBadTimestamp Reason = "bad_timestamp" // no timestamp, an unreadable one, or one out of range
	ReasonInvalidEvent Reason = "invalid_event" // the event would not be valid OCSF, or the line has too many fields
)

// MapError is the error of Alert.Parse and Mapper.Map for an alert that no source can take.
type MapError struct {
	Reason    Reason
	Attribute string // the OCSF attribute or the field of the alert at fault, if any
	Detail    string // never holds content of the alert
}

func (e *MapError) Error() string {
	s := string(e.Reason)
	if e.Attribute != "" {
		s += " (" + e.Attribute + ")"
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// ErrOtherClass says that the alert cannot fill the mapper's class (a vulnerability finding without a CVE, a compliance
// finding without a check): the next source may take it.
var ErrOtherClass = errors.New("alert belongs to another class")
