package config

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// roundTrip prints l and reads the output again: nothing but secrets may differ.
func roundTrip(t testing.TB, l *Loaded) {
	t.Helper()
	var out bytes.Buffer
	if err := Print(&out, l); err != nil {
		t.Fatal(err)
	}
	var found faults
	got := Default()
	d := &decoder{file: "printed", faults: &found, origins: make(map[string]Origin)}
	d.decode(out.Bytes(), &got)
	if err := found.err(); err != nil && len(out.Bytes()) <= maxFile && nesting(out.Bytes()) <= maxNesting {
		t.Fatalf("the output cannot be read: %v\n%s", err, out.Bytes())
	} else if err != nil {
		return
	}
	want := masking(l.Config)
	if diff := cmp.Diff(got, want, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("got- want+:\n%s\n%s", diff, out.Bytes())
	}
}

func masking(cfg Config) Config {
	for _, s := range []*string{&cfg.Lake.Proxy, &cfg.Lake.S3Endpoint, &cfg.Lake.STSEndpoint, &cfg.Lake.Destination, &cfg.Lake.ExternalID,
		&cfg.Lake.Region, &cfg.Lake.AccountID, &cfg.Lake.RoleARN, &cfg.Lake.CAFile, &cfg.Lake.KMSKeyID, &cfg.Lake.StorageClass,
		&cfg.Input.Mode, &cfg.Input.Path, &cfg.Input.DatedDir, &cfg.Input.StartAt, &cfg.Input.StopAt, &cfg.Input.Inbox,
		&cfg.Filter.EventLocation, &cfg.Filter.Exclude.EventLocation, &cfg.OCSF.RawData, &cfg.OCSF.ProductVersion, &cfg.Spool.Dir,
		&cfg.Copy.OCSFJSON, &cfg.Copy.Region, &cfg.Copy.RoleARN, &cfg.Node, &cfg.Log.Level, &cfg.Log.Format, &cfg.Log.File, &cfg.Metrics.Listen} {
		*s = maskUserinfo(*s)
	}
	if cfg.Lake.ExternalID != "" {
		cfg.Lake.ExternalID = masked
	}
	sources := cfg.Sources
	cfg.Sources = nil
	for _, s := range sources {
		for _, p := range []*string{&s.Name, &s.Class, &s.OCSFVersion, &s.S3Location, &s.Region, &s.AccountID, &s.RoleARN, &s.Match.EventLocation} {
			*p = maskUserinfo(*p)
		}
		if s.ExternalID != "" {
			s.ExternalID = masked
		}
		cfg.Sources = append(cfg.Sources, s)
	}
	return cfg
}

func TestPrint(t *testing.T) {
	file := writeFile(t, minimal+`  external_id: hunter2
  role_arn: arn:aws:iam::123456789012:role/AmazonSecurityLake-Provider-wazuh-us-east-1
  proxy: http://user:hunter2@proxy:3128
filter: {group: [sshd, "on", "5"], exclude: {event_location: "/var/log/x|\"y\"\té"}}
sources:
  - {name: vuln, class: vulnerability_finding, match: {level: 7}, external_id: hunter2}
  - {name: "1e3"}
node: "yes"
`)
	l, err := Load(file, []string{"WAZUH_LAKE_BATCH_INTERVAL=10m", "SOURCE_LOCATION=ignored", "S3_BUCKET_OCSF=second"}, map[string]string{"log.level": "debug"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Print(&out, l); err != nil {
		t.Fatal(err)
	}
	got := strings.ReplaceAll(out.String(), file, "config.yaml")
	for _, want := range []string{
		"  region: us-east-1                          # config.yaml:3:11\n",
		"  external_id: \"***\"                         # config.yaml:5:16\n",
		"  proxy: \"http://***@proxy:3128\"             # config.yaml:7:10\n",
		"  group: [sshd, \"on\", \"5\"]                   # config.yaml:8:17\n",
		"  - name: vuln                               # config.yaml:10:12\n",
		"  - name: \"1e3\"                              # config.yaml:11:12\n",
		"  interval: 10m                              # environment WAZUH_LAKE_BATCH_INTERVAL\n",
		"  max_object_size: 256MiB                    # default\n",
		"  ocsf_json: s3://second                     # lambda variable S3_BUCKET_OCSF\n",
		"  level: debug                               # flag log.level\n",
		"node: \"yes\"                                  # config.yaml:12:7\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("missing %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "hunter2") {
		t.Errorf("the output shows a secret:\n%s", got)
	}
	roundTrip(t, l)
	// A printed configuration used as a file must not reach AWS with a mask for a secret.
	again, err := Load(writeFile(t, out.String()), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Validate(); err == nil || !strings.Contains(err.Error(), "this is what a printed configuration shows") {
		t.Errorf("got %v, want a fault about the masked external_id", err)
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestPrintReportsWriteError(t *testing.T) {
	l, err := Load(writeFile(t, minimal), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := Print(brokenWriter{}, l); !errors.Is(got, errBroken) {
		t.Errorf("got %v, want %v", got, errBroken)
	}
}

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "",
		"http://proxy:3128":         "http://proxy:3128",
		"http://user:pw@proxy:3128": "http://***@proxy:3128",
		"http://user:p@w/x@proxy":   "http://***@proxy",
		"http://token@proxy":        "http://***@proxy",
		"user:pw@proxy":             "***@proxy",
		"user:pw@proxy://x":         "***@proxy://x",
		"arn:aws:iam::1:role/a@b":   "arn:aws:iam::1:role/a@b",
		"name@host":                 "name@host",
		"https://b/k?sig=x":         "https://b/k?***",
		"https://u:p?w@b/k?sig=x":   "https://***@b/k?***",
		"s3://bucket":               "s3://bucket",
	} {
		if got := maskValue("lake.proxy", in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if got := maskValue("sources[3].external_id", "x"); got != masked {
		t.Errorf("got %q, want %q", got, masked)
	}
}

func TestUnits(t *testing.T) {
	for in, want := range map[string]string{"5m": "5m", "300s": "5m", "1h": "1h", "90m": "1h30m", "0s": "0s", "1h0m1s": "1h0m1s", "250ms": "250ms", "10s": "10s"} {
		var d Duration
		if err := d.UnmarshalText([]byte(in)); err != nil || d.String() != want {
			t.Errorf("duration %q: got %q, %v, want %q", in, d, err, want)
		}
	}
	for in, want := range map[string]string{"0": "0", "64MiB": "64MiB", "1024": "1KiB", "2048MiB": "2GiB", "1000": "1000", "0GiB": "0", "8589934591GiB": "8589934591GiB"} {
		var s Size
		if err := s.UnmarshalText([]byte(in)); err != nil || s.String() != want {
			t.Errorf("size %q: got %q, %v, want %q", in, s, err, want)
		}
	}
	for _, in := range []string{"", "MiB", "1.5GiB", "64MB", "64mib", "64 MiB", "-1", "+1", "1e3", "8589934592GiB", "9223372036854775808"} {
		var s Size
		if err := s.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("size %q: got %d, want an error", in, s)
		}
	}
}
