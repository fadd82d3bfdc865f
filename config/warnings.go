package config

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Warnings tells what is allowed but seldom meant, one sentence each. cfg should be valid.
func Warnings(cfg Config) []string {
	var list []string
	warn := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }

	if cfg.Input.Mode == ModeIntegration {
		warn("input.mode: integratord gives an alert once, without retry, and none above 64 KiB or written while it was down; tail loses nothing")
	}
	if strings.HasSuffix(cfg.Input.Path, ".log") {
		warn("input.path: alerts.log is text, every line of it would be rejected; Wazuh writes the same alerts as JSON into alerts.json, got %s", cfg.Input.Path)
	}
	b := cfg.Batch
	if b.Interval < 5*Minute && b.MaxObjectSize <= 256*MiB && !strings.HasPrefix(cfg.Lake.Destination, "file:") {
		warn("batch.interval: Security Lake asks for at least 5 minutes between objects of up to 256 MB, got %s", b.Interval)
	}
	if b.MaxObjectSize > 256*MiB {
		warn("batch.max_object_size: Security Lake recommends row groups and objects of up to 256 MB, got %s", b.MaxObjectSize)
	}
	if cfg.Spool.MaxSize <= 2*b.MaxObjectSize {
		warn("spool.max_size: should be more than twice batch.max_object_size (%s), or nothing is read while one object is shipped, got %s", b.MaxObjectSize, cfg.Spool.MaxSize)
	}
	if cfg.OCSF.RawData == RawNone {
		warn("ocsf.raw_data: with none the original log is not in the lake; what the mapping does not know remains in unmapped only")
	}
	for i, s := range cfg.ResolvedSources() {
		if s.RoleARN != "" && s.ExternalID == "" {
			warn("sources[%d]: role_arn without external_id; the role that Security Lake makes for a custom source demands one", i)
		}
		if s.S3Location != "" && strings.HasPrefix(cfg.Lake.Destination, "file:") {
			warn("sources[%d].s3_location: wins over lake.destination, this source goes to S3", i)
		}
		if _, prefix, _ := strings.Cut(strings.TrimPrefix(s.S3Location, "s3://"), "/ext/"); s.S3Location != "" &&
			!strings.EqualFold(strings.SplitN(prefix, "/", 2)[0], s.Name) {
			warn("sources[%d].s3_location: is not the one of a source named %q", i, s.Name)
		}
	}
	if host, _, err := net.SplitHostPort(cfg.Metrics.Listen); err == nil && !loopback(host) {
		warn("metrics.listen: reachable from other hosts without authentication, got %s", cfg.Metrics.Listen)
	}
	if cfg.Lake.AllowHTTP {
		warn("lake.allow_http: alerts may cross the network unencrypted")
	}
	if u, err := url.Parse(cfg.Lake.Proxy); err == nil && u.User != nil {
		warn("lake.proxy: holds a password; the file should be readable by root and the service only")
	}
	return list
}
