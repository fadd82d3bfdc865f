package lake

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"
)

// Date is one UTC day, counted from 1970-01-01. It is comparable and ordered.
type Date int32

const msPerDay = 24 * 60 * 60 * 1000

// DateOf returns the UTC day of an instant in epoch milliseconds.
func DateOf(ms int64) Date {
	d := ms / msPerDay
	if ms%msPerDay < 0 {
		d-- // division truncates towards zero: 1969-12-31T23:59 is day -1, not day 0
	}
	return Date(d)
}

// ParseDate reads the form of the partition: "20240422".
func ParseDate(s string) (Date, error) {
	t, err := time.Parse("20060102", s)
	if err != nil || len(s) != 8 {
		return 0, fmt.Errorf("event day %q is not YYYYMMDD", s)
	}
	return DateOf(t.UnixMilli()), nil
}

// String returns the form of the partition: "20240422".
func (d Date) String() string { return time.UnixMilli(d.Start()).UTC().Format("20060102") }

// Start returns the first millisecond of the day.
func (d Date) Start() int64 { return int64(d) * msPerDay }

// End returns the first millisecond of the following day.
func (d Date) End() int64 { return (int64(d) + 1) * msPerDay }

// Partition names the place of an object in the lake. Day is the UTC day of the events, never of the upload.
type Partition struct {
	Source    string
	Region    string
	AccountID string
	Day       Date
}

// Contract knows how the keys of one custom source are formed.
//
// Prefix is the part of the key before "region=": empty for "ext/<source>/", else what CreateCustomLogSource returned
// as its location, without the bucket ("ext/wazuh/1.0/").
type Contract struct{ Prefix string }

var (
	sourcePattern  = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`)
	regionPattern  = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]{2,10}){1,3}-[0-9]{1,2}$`)
	accountPattern = regexp.MustCompile(`^([0-9]{12}|external|external_[A-Za-z0-9_.-]{1,64})$`)
	nodePattern    = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	segmentPattern = regexp.MustCompile(`^[A-Za-z0-9_.:=-]{1,128}$`)
	objectPattern  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,240}\.parquet$`)
)

// Key returns the object key ext/<source>/region=<r>/accountId=<a>/eventDay=<YYYYMMDD>/<name>.
// Every part is checked and none is ever escaped: a part that does not fit is an error, so that two different
// partitions cannot come out under the same key.
func (c Contract) Key(p Partition, name string) (string, error) {
	if err := p.Validate(); err != nil {
		return "", err
	}
	if !objectPattern.MatchString(name) || dotted(name) {
		return "", fmt.Errorf("object name %q is not <letters, digits, . _ ->.parquet", name)
	}
	prefix, err := c.prefix(p.Source)
	if err != nil {
		return "", err
	}
	return prefix + p.path() + name, nil
}

// path is the part of a key that names the partition, with its final slash.
func (p Partition) path() string {
	return "region=" + p.Region + "/accountId=" + p.AccountID + "/eventDay=" + p.Day.String() + "/"
}

// prefix returns the checked prefix with its final slash.
func (c Contract) prefix(source string) (string, error) {
	if c.Prefix == "" {
		return "ext/" + source + "/", nil
	}
	prefix := strings.TrimSuffix(c.Prefix, "/")
	parts := strings.Split(prefix, "/")
	if len(parts) < 2 || parts[0] != "ext" {
		return "", fmt.Errorf("prefix %q is not below ext/", c.Prefix)
	}
	for _, part := range parts {
		if !segmentPattern.MatchString(part) || dotted(part) {
			return "", fmt.Errorf("prefix %q holds the segment %q, which a key must not have", c.Prefix, part)
		}
	}
	return prefix + "/", nil
}

// Validate reports every part of the partition that a key must not hold, all at once.
func (p Partition) Validate() error {
	var errs []error
	if !sourcePattern.MatchString(p.Source) || dotted(p.Source) {
		errs = append(errs, fmt.Errorf("source %q is not 1 to 64 letters, digits or _ . : -", p.Source))
	}
	if !regionPattern.MatchString(p.Region) {
		errs = append(errs, fmt.Errorf("region %q is not the name of an AWS region", p.Region))
	}
	if !accountPattern.MatchString(p.AccountID) || dotted(p.AccountID) {
		errs = append(errs, fmt.Errorf("account %q is not 12 digits, external or external_<id>", p.AccountID))
	}
	// Years 1970 to 9999: outside of them the day would not be eight digits.
	if p.Day < 0 || p.Day.Start() > 253402214400000 {
		errs = append(errs, fmt.Errorf("event day %d lies outside of 1970 to 9999", int32(p.Day)))
	}
	return errors.Join(errs...)
}

// dotted reports names that mean something to a file system: "." and "..", and anything that starts with a dot,
// which crawlers and Athena take for hidden and skip.
func dotted(s string) bool { return strings.HasPrefix(s, ".") }

// ParseKey takes a key apart again. It accepts leading path elements before "ext/", so that the path of a file below
// a local copy of the lake will do; the contract returned holds the prefix found, from "ext/" on.
func ParseKey(key string) (Contract, Partition, string, error) {
	var c Contract
	var p Partition
	key = strings.ReplaceAll(key, "\\", "/")
	if path.Clean(key) != strings.TrimPrefix(key, "./") {
		return c, p, "", fmt.Errorf("key %q is not in its shortest form", key)
	}
	parts := strings.Split(key, "/")
	n := len(parts)
	if n < 6 {
		return c, p, "", fmt.Errorf("key %q is not ext/<source>/region=/accountId=/eventDay=/<name>", key)
	}
	ext := -1
	for i := n - 6; i >= 0; i-- {
		if parts[i] == "ext" {
			ext = i
			break
		}
	}
	if ext < 0 {
		return c, p, "", fmt.Errorf("key %q is not below ext/", key)
	}
	var day string
	for i, part := range []struct {
		label string
		value *string
	}{{"region=", &p.Region}, {"accountId=", &p.AccountID}, {"eventDay=", &day}} {
		value, found := strings.CutPrefix(parts[n-4+i], part.label)
		if !found {
			return c, p, "", fmt.Errorf("key %q has %q where %s<value> must stand", key, parts[n-4+i], part.label)
		}
		*part.value = value
	}
	var err error
	if p.Day, err = ParseDate(day); err != nil {
		return c, p, "", err
	}
	p.Source = parts[ext+1]
	c.Prefix = strings.Join(parts[ext:n-4], "/") + "/"
	if _, err := c.Key(p, parts[n-1]); err != nil {
		return c, p, "", err
	}
	return c, p, parts[n-1], nil
}

// ObjectName returns <node>-<instance>-<seq>-<n>-<first 16 hex digits of the object's SHA-256>.parquet.
// The digest makes it true that the same key means the same bytes, so that a store that already has the key may be
// taken for success. Node and instance are checked, never escaped.
func ObjectName(node, instance string, seq uint64, n int, sha256 [32]byte) (string, error) {
	return objectName(node, instance, seq, n, sha256, ".parquet")
}

func objectName(node, instance string, seq uint64, n int, sha256 [32]byte, suffix string) (string, error) {
	if !nodePattern.MatchString(node) || dotted(node) {
		return "", fmt.Errorf("node %q is not 1 to 64 letters, digits or . _ -", node)
	}
	if !nodePattern.MatchString(instance) || dotted(instance) {
		return "", fmt.Errorf("instance %q is not 1 to 64 letters, digits or . _ -", instance)
	}
	if n < 0 {
		return "", fmt.Errorf("object number %d is negative", n)
	}
	return fmt.Sprintf("%s-%s-%d-%d-%x%s", node, instance, seq, n, sha256[:8], suffix), nil
}
