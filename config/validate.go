package config

import (
	"fmt"
	"net"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Validate checks every rule and names all faults at once: nil, or an error that holds *Fault values in
// the order of the sections. It looks at nothing but cfg; whether files, buckets and roles are there is doctor's.
func Validate(cfg Config) error {
	return validate(cfg, nil)
}

// Validate checks the configuration as the function does; its faults also name where each value came from.
func (l *Loaded) Validate() error {
	return validate(l.Config, l.Origins)
}

func validate(cfg Config, origins map[string]Origin) error { return broken(cfg, origins).err() }

// broken are the rules that cfg breaks.
func broken(cfg Config, origins map[string]Origin) faults {
	c := &checker{cfg: cfg, origins: origins}
	c.input()
	c.match("filter", cfg.Filter.Match)
	c.match("filter.exclude", cfg.Filter.Exclude)
	c.lake()
	c.sources()
	c.ocsf()
	c.batch()
	c.spool()
	c.upload()
	c.copy()
	if cfg.Node != "" && (!nodeForm.MatchString(cfg.Node) || strings.Trim(cfg.Node, ".") == "") {
		c.fault("node", "must be 1 to 64 of A-Z a-z 0-9 . _ -", cfg.Node, "")
	}
	c.log()
	c.metrics()
	return c.faults
}

var (
	nodeForm   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	ruleIDForm = regexp.MustCompile(`^[0-9]{1,10}$`)
)

type checker struct {
	cfg     Config
	origins map[string]Origin
	faults  faults
}

func (c *checker) fault(at, rule, got, remedy string) {
	where := c.origins[at]
	if where.Kind == FromDefault {
		where = Origin{}
	}
	c.faults.add(&Fault{Path: at, Rule: rule, Got: shorten(maskValue(at, got)), Remedy: remedy, Where: where})
}

func (c *checker) oneOf(at, got string, allowed ...string) {
	if !slices.Contains(allowed, got) {
		last := len(allowed) - 1
		c.fault(at, "must be "+strings.Join(allowed[:last], ", ")+" or "+allowed[last], got, "")
	}
}

// absolute takes only clean paths: two spellings of one directory would pass for two directories.
func (c *checker) absolute(at, got string) bool {
	ok := path.IsAbs(got) && path.Clean(got) == got && got != "/" && printable(got)
	if !ok {
		c.fault(at, "must be an absolute path without . .. or a slash at the end", got, "")
	}
	return ok
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// within reports whether inner is outer or lies below it; both are clean.
func within(inner, outer string) bool {
	return inner == outer || strings.HasPrefix(inner, strings.TrimSuffix(outer, "/")+"/")
}

func (c *checker) input() {
	in := c.cfg.Input
	c.oneOf("input.mode", in.Mode, ModeTail, ModeIntegration)
	c.absolute("input.path", in.Path)
	c.absolute("input.dated_dir", in.DatedDir)
	if c.absolute("input.inbox", in.Inbox) && (within(in.Inbox, c.cfg.Spool.Dir) || within(c.cfg.Spool.Dir, in.Inbox)) {
		c.fault("input.inbox", "must lie outside spool.dir", in.Inbox, "integratord's user writes to the inbox and must not reach the spool")
	}
	if in.InboxMaxSize < 1*MiB {
		c.fault("input.inbox_max_size", "must be at least 1MiB", in.InboxMaxSize.String(), "")
	}
	var start, stop time.Time
	var err error
	if in.StartAt != "today" && in.StartAt != "end" {
		if start, err = ParseMoment(in.StartAt, time.Local); err != nil {
			c.fault("input.start_at", "must be today, end, YYYY-MM-DD or an RFC 3339 time", in.StartAt, "")
		}
	}
	if in.StopAt != "" {
		if stop, err = ParseMoment(in.StopAt, time.Local); err != nil {
			c.fault("input.stop_at", "must be empty, YYYY-MM-DD or an RFC 3339 time", in.StopAt, "")
		}
	}
	if !start.IsZero() && !stop.IsZero() && !stop.After(start) {
		c.fault("input.stop_at", "must be later than input.start_at", in.StopAt, "")
	}
}

func (c *checker) match(at string, m Match) {
	if m.Level < 0 || m.Level > 16 {
		c.fault(joinPath(at, "level"), "must be 0 to 16", strconv.Itoa(m.Level), "")
	}
	for _, id := range m.RuleID {
		if !ruleIDForm.MatchString(id) {
			c.fault(joinPath(at, "rule_id"), "must be rule IDs of digits only", id, "")
		}
	}
	for _, group := range m.Group {
		if group == "" || strings.ContainsAny(group, ", \t|") || !printable(group) {
			c.fault(joinPath(at, "group"), "must be group names without spaces", group, "separate groups by commas or as a list; a bar does not separate them")
		}
	}
	for _, agent := range m.Agent {
		if agent == "" || len(agent) > 128 || !printable(agent) {
			c.fault(joinPath(at, "agent"), "must be agent IDs or names", agent, "")
		}
	}
	if len(m.EventLocation) > 4096 || !printable(m.EventLocation) {
		c.fault(joinPath(at, "event_location"), "must be at most 4096 printable characters", m.EventLocation, "")
	}
}

func (c *checker) ocsf() {
	o := c.cfg.OCSF
	ascending := len(o.Severity) == 4
	for i, level := range o.Severity {
		ascending = ascending && level >= 1 && level <= 16 && (i == 0 || level > o.Severity[i-1])
	}
	if !ascending {
		c.fault("ocsf.severity", "must be four ascending rule levels from 1 to 16: the lowest of Low, Medium, High and Critical",
			strings.Trim(fmt.Sprint([]int(o.Severity)), "[]"), "")
	}
	c.oneOf("ocsf.raw_data", o.RawData, RawFullLog, RawAlert, RawNone)
	if len(o.ProductVersion) > 64 || !printable(o.ProductVersion) {
		c.fault("ocsf.product_version", "must be at most 64 printable characters", o.ProductVersion, "")
	}
}

const (
	minObject = 4 * KiB
	maxObject = 1 * GiB
	oneDay    = 24 * Hour
)

func (c *checker) batch() {
	b := c.cfg.Batch
	if b.Interval <= 0 || b.Interval > oneDay {
		c.fault("batch.interval", "must be more than 0s and at most 24h", b.Interval.String(), "")
	}
	if b.MaxObjectSize < minObject || b.MaxObjectSize > maxObject {
		c.fault("batch.max_object_size", fmt.Sprintf("must be %s to %s", minObject, maxObject), b.MaxObjectSize.String(), "")
	}
	if b.MinSize >= b.MaxObjectSize {
		c.fault("batch.min_size", "must be smaller than batch.max_object_size", b.MinSize.String(), "")
	}
	if b.MaxWait > oneDay {
		c.fault("batch.max_wait", "must be at most 24h", b.MaxWait.String(), "Security Lake takes an object for at most one event day")
	}
	// Without min_size max_wait does nothing: a long interval alone must not make its default a fault.
	if b.MaxWait <= 0 || (b.MaxWait < b.Interval && (b.MinSize > 0 || c.isSet("batch.max_wait"))) {
		c.fault("batch.max_wait", "must not be shorter than batch.interval", b.MaxWait.String(), "")
	}
}

// isSet reports whether somebody gave the value; without origins (a Config made by hand) it counts as given when it is
// not the default.
func (c *checker) isSet(at string) bool {
	if c.origins == nil {
		return c.cfg.Batch.MaxWait != Default().Batch.MaxWait
	}
	return c.origins[at].Kind != FromDefault
}

func (c *checker) spool() {
	s := c.cfg.Spool
	c.absolute("spool.dir", s.Dir)
	if s.MaxSize <= c.cfg.Batch.MaxObjectSize {
		c.fault("spool.max_size", "must be larger than batch.max_object_size", s.MaxSize.String(), "allow at least twice as much")
	}
}

func (c *checker) upload() {
	u := c.cfg.Upload
	if u.Concurrency < 1 || u.Concurrency > 64 {
		c.fault("upload.concurrency", "must be 1 to 64", strconv.Itoa(u.Concurrency), "")
	}
	if u.MaxRate != 0 && u.MaxRate < 16*KiB {
		c.fault("upload.max_rate", "must be 0 (no limit) or at least 16KiB per second", u.MaxRate.String(), "")
	}
}

func (c *checker) log() {
	c.oneOf("log.level", c.cfg.Log.Level, "debug", "info", "warn", "error")
	c.oneOf("log.format", c.cfg.Log.Format, "auto", "text", "json")
	if file := c.cfg.Log.File; file != "" && c.absolute("log.file", file) && c.internal(file) {
		c.fault("log.file", "must not lie inside the spool's own directories", file, "")
	}
}

// internal reports whether file is one of the names that the daemon keeps in its state directory, or lies below one.
func (c *checker) internal(file string) bool {
	for _, name := range []string{"lock", "instance", "sources.json", "status.json", "building", "outbox", "shipped", "ledger", "rejects", "quarantine", "copies", "backfill"} {
		if within(file, path.Join(c.cfg.Spool.Dir, name)) {
			return true
		}
	}
	return false
}

func (c *checker) metrics() {
	listen := c.cfg.Metrics.Listen
	if listen == "" {
		return
	}
	host, port, err := net.SplitHostPort(listen)
	n, convErr := strconv.ParseUint(port, 10, 16)
	if err != nil || convErr != nil || strconv.FormatUint(n, 10) != port || strings.ContainsAny(host, " /@") {
		c.fault("metrics.listen", "must be host:port", listen, "such as 127.0.0.1:9465")
	}
}
