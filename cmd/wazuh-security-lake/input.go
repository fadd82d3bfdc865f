package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"wazuh-security-lake/config"
	"wazuh-security-lake/ocsf"
	"wazuh-security-lake/tailer"
	"wazuh-security-lake/uploader"
)

// openTailer reads what the configuration names, from position on, for commands that only look.
func openTailer(in config.Input, position tailer.Position, log *slog.Logger) (*tailer.Tailer, error) {
	opt, err := tailerOptions(in, position, log)
	if err != nil {
		return nil, err
	}
	return tailer.Open(opt)
}

func tailerOptions(in config.Input, position tailer.Position, log *slog.Logger) (tailer.Options, error) {
	opt := tailer.Options{Position: position, OnEvent: logTailerEvent(log)}
	if in.Mode == config.ModeIntegration {
		opt.Log = tailer.SegmentLog{Dir: in.Inbox}
		return opt, nil
	}
	opt.Log = tailer.WazuhLog{Path: in.Path, DatedDir: in.DatedDir}
	var err error
	if opt.StartAt, err = tailer.ParseStartAt(in.StartAt); err != nil {
		return opt, fail(exitConfig, "", fmt.Errorf("input.start_at: %w", err))
	}
	if in.StopAt != "" {
		if opt.StopAt, err = config.ParseMoment(in.StopAt, time.Local); err != nil {
			return opt, fail(exitConfig, "", fmt.Errorf("input.stop_at: %w", err))
		}
	}
	return opt, nil
}

// watchedDir is the directory in which a rotation shows.
func watchedDir(in config.Input) string {
	if in.Mode == config.ModeIntegration {
		return in.Inbox
	}
	return filepath.Dir(in.Path)
}

// eventRemedies say what to do about the tailer's warnings.
var eventRemedies = map[tailer.EventKind]string{
	tailer.Restarted:       "the file was truncated or rewritten and is read again; alerts may come twice (same metadata.uid)",
	tailer.ClockBack:       "the manager's clock was set back; reading goes on in the older file where it was left",
	tailer.Unlinked:        "do not restart this service before it has caught up: the file has no name any more",
	tailer.ArchiveNotReady: "monitord may still be compressing; if this stays, test it with gzip -t",
}

func logTailerEvent(log *slog.Logger) func(tailer.Event) {
	return func(e tailer.Event) {
		if e.Kind.Warning() {
			log.Warn("input: "+e.Kind.String(), "file", e.File, "offset", e.Offset, "bytes", e.Bytes, "remedy", eventRemedies[e.Kind])
			return
		}
		log.Info("input: "+e.Kind.String(), "file", e.File, "offset", e.Offset)
	}
}

// openPutter opens the configured destination.
func openPutter(ctx context.Context, c config.Config, log *slog.Logger) (*uploader.Destinations, error) {
	opt := s3Options(c, log)
	destination := c.Lake.Destination
	if destination == "" { // every source has its own s3_location
		destination = "s3://" + bucketOf(c.Sources[0].S3Location)
	}
	d, err := uploader.Open(ctx, strings.TrimSuffix(destination, "/"), opt)
	if err != nil {
		return nil, fail(exitConfig, "mend the lake section of the configuration", err)
	}
	return d, nil
}

// s3Options are how to reach S3 and STS, with a role for each source.
func s3Options(c config.Config, log *slog.Logger) uploader.S3Options {
	opt := uploader.S3Options{
		Region: c.Lake.Region, S3Endpoint: c.Lake.S3Endpoint, STSEndpoint: c.Lake.STSEndpoint, PathStyle: c.Lake.PathStyle,
		FIPS: c.Lake.FIPS, DualStack: c.Lake.DualStack, AllowHTTP: c.Lake.AllowHTTP, CAFile: c.Lake.CAFile, Proxy: c.Lake.Proxy,
		KMSKeyID: c.Lake.KMSKeyID, StorageClass: c.Lake.StorageClass, Node: c.Node, Log: log, Sources: make(map[string]uploader.Role),
	}
	for _, s := range c.ResolvedSources() {
		opt.Sources[s.Name] = uploader.Role{RoleARN: s.RoleARN, ExternalID: s.ExternalID, Region: s.Region}
	}
	return opt
}

// bucketOf returns the bucket of an s3://bucket/... location.
func bucketOf(location string) string {
	bucket, _, _ := strings.Cut(strings.TrimPrefix(location, "s3://"), "/")
	return bucket
}

var nodeForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// nodeName is the configured node, else the cluster node or the manager that the newest alerts name, else the host name.
// It stands in object names, so one that does not fit there is passed over, never bent. Two nodes of one name do no harm:
// the random id of the state directory stands beside it.
func nodeName(c config.Config, log *slog.Logger) string {
	if c.Node != "" {
		return c.Node
	}
	manager, cluster := namesInAlerts(c.Input.Path)
	host, _ := os.Hostname() // empty when unknown
	for _, name := range []string{cluster, manager, host} {
		if nodeForm.MatchString(name) && strings.Trim(name, ".") != "" {
			return name
		}
	}
	log.Warn("no usable node name in alerts or host name; set node in the configuration", "node", "node")
	return "node"
}

// namesInAlerts reads manager.name and cluster.node from the first alert of the live file; empty when there is none.
func namesInAlerts(path string) (manager, cluster string) {
	f, err := os.Open(path)
	if err != nil {
		return "", ""
	}
	defer f.Close()
	line, err := bufio.NewReaderSize(f, 1<<20).ReadSlice('\n')
	if err != nil {
		return "", ""
	}
	var a ocsf.Alert
	if a.Parse(bytes.TrimSpace(line)) != nil {
		return "", ""
	}
	return text(a.Leaf("manager.name")), text(a.Leaf("cluster.node"))
}

func text(l *ocsf.Leaf) string {
	if l == nil || l.Kind != ocsf.LeafText {
		return ""
	}
	return string(l.Value)
}
