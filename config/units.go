package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that reads and prints itself as in the file: 30s, 5m, 1h30m.
type Duration time.Duration

// Units of Duration.
const (
	Second = Duration(time.Second)
	Minute = Duration(time.Minute)
	Hour   = Duration(time.Hour)
)

// Std returns d for the standard library.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String prints d without zero units: 5m, not 5m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. A number without unit is an error: nobody knows whether 5 is
// seconds or minutes.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return errors.New("must be a duration with its unit, such as 30s, 5m or 1h")
	}
	*d = Duration(parsed)
	return nil
}

// Size is a number of bytes that reads and prints itself as in the file: 64MiB, 4GiB, 1000.
type Size int64

// Units of Size.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
)

// Bytes returns s for the standard library.
func (s Size) Bytes() int64 { return int64(s) }

// String prints s in the largest unit that leaves no rest.
func (s Size) String() string {
	switch {
	case s == 0:
		return "0"
	case s%GiB == 0:
		return fmt.Sprintf("%dGiB", int64(s/GiB))
	case s%MiB == 0:
		return fmt.Sprintf("%dMiB", int64(s/MiB))
	case s%KiB == 0:
		return fmt.Sprintf("%dKiB", int64(s/KiB))
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalText implements encoding.TextMarshaler.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. MB and GB are refused rather than guessed.
func (s *Size) UnmarshalText(text []byte) error {
	digits, unit := string(text), Size(1)
	for suffix, u := range map[string]Size{"KiB": KiB, "MiB": MiB, "GiB": GiB} {
		if rest, ok := strings.CutSuffix(digits, suffix); ok {
			digits, unit = rest, u
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil {
		return errors.New("must be a size in bytes or with KiB, MiB or GiB, such as 64MiB")
	}
	if n > math.MaxInt64/uint64(unit) {
		return errors.New("must be a size below 8 EiB")
	}
	*s = Size(n) * unit
	return nil
}

// StringList is a list of strings; in a scalar (and in the environment) the elements are separated by commas, as in
// ossec.conf.
type StringList []string

// IntList is a list of whole numbers; in a scalar the elements are separated by commas.
type IntList []int

func splitList(text string) []string {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	parts := strings.Split(text, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// ParseMoment reads input.start_at and input.stop_at where they name a moment: a day (its beginning in local, because
// Wazuh names its files by local days) or an RFC 3339 time. The words today and end are the caller's.
func ParseMoment(text string, local *time.Location) (time.Time, error) {
	if t, err := time.ParseInLocation(time.DateOnly, text, local); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("parse %q: must be YYYY-MM-DD or an RFC 3339 time", text)
	}
	return t, nil
}
