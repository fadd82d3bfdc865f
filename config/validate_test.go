package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// at is the value at path as text.
func at(t testing.TB, l *Loaded, path string) string {
	t.Helper()
	text, found := "", false
	walkLeaves(reflect.ValueOf(&l.Config).Elem(), "", func(p string, leaf reflect.Value) {
		if p == path {
			text, found = leafText(leaf), true
		}
	})
	if !found {
		t.Fatalf("no value at %s", path)
	}
	return text
}

func TestValidate(t *testing.T) {
	const absolute = "must be an absolute path without . .. or a slash at the end"
	const role = "must be the ARN of an IAM role (arn:aws:iam::123456789012:role/NAME)"
	tests := map[string]struct {
		flags map[string]string // over the minimal file
		want  []string
	}{
		"nothing set": {
			map[string]string{"lake.destination": "", "lake.region": "", "lake.account_id": ""},
			[]string{
				"lake.destination: must be set; s3://BUCKET of the Security Lake, or file:///DIRECTORY to try it out",
				"lake.region: must be set; the region of the Security Lake, such as us-east-1",
				"lake.account_id: must be set; the account of the custom source: 12 digits, external or external_ID",
			},
		},
		"enums": {
			map[string]string{"input.mode": "push", "sources.0.class": "finding", "sources.0.ocsf_version": "1.2.0", "ocsf.raw_data": "all",
				"log.level": "trace", "log.format": "xml", "lake.storage_class": "GLACIER"},
			[]string{
				`input.mode: must be tail or integration, got "push"`,
				`lake.storage_class: must be STANDARD, STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING or GLACIER_IR, got "GLACIER"`,
				`sources[0].class: must be security_finding, detection_finding, vulnerability_finding or compliance_finding, got "finding"`,
				`sources[0].ocsf_version: must be 1.1.0 or 1.3.0, got "1.2.0"`,
				`ocsf.raw_data: must be full_log, alert or none, got "all"`,
				`log.level: must be debug, info, warn or error, got "trace"`,
				`log.format: must be auto, text or json, got "xml"`,
			},
		},
		"paths": {
			map[string]string{"input.path": "alerts.json", "input.dated_dir": "/var/../etc", "input.inbox": "/var/lib/wazuh-security-lake/inbox", "spool.dir": "/",
				"lake.ca_file": "ca.pem", "log.file": "/x/\n"},
			[]string{
				`input.path: ` + absolute + `, got "alerts.json"`,
				`input.dated_dir: ` + absolute + `, got "/var/../etc"`,
				`input.inbox: must lie outside spool.dir, got "/var/lib/wazuh-security-lake/inbox"; integratord's user writes to the inbox and must not reach the spool`,
				`lake.ca_file: ` + absolute + `, got "ca.pem"`,
				`spool.dir: ` + absolute + `, got "/"`,
				`log.file: ` + absolute + `, got "/x/\n"`,
			},
		},
		"spool inside the inbox": {
			map[string]string{"spool.dir": "/var/spool/wazuh-security-lake/state"},
			[]string{`input.inbox: must lie outside spool.dir, got "/var/spool/wazuh-security-lake"; integratord's user writes to the inbox and must not reach the spool`},
		},
		"beside is not inside": {map[string]string{"spool.dir": "/var/spool/wazuh-security-lake2"}, nil},
		"inside the spool's own directories": {
			map[string]string{"lake.destination": "file:///var/lib/wazuh-security-lake/outbox/x", "copy.ocsf_json": "file:///var/lib/wazuh-security-lake/ledger", "log.file": "/var/lib/wazuh-security-lake/lock"},
			[]string{
				`lake.destination: must not lie inside the spool's own directories, got "file:///var/lib/wazuh-security-lake/outbox/x"`,
				`copy.ocsf_json: must not lie inside the spool's own directories, got "file:///var/lib/wazuh-security-lake/ledger"`,
				`log.file: must not lie inside the spool's own directories, got "/var/lib/wazuh-security-lake/lock"`,
			},
		},
		"file destination beside them": {map[string]string{"lake.destination": "file:///var/lib/wazuh-security-lake/lake"}, nil},
		"moments": {
			map[string]string{"input.start_at": "yesterday", "input.stop_at": "end", "input.inbox_max_size": "1"},
			[]string{
				`input.inbox_max_size: must be at least 1MiB, got "1"`,
				`input.start_at: must be today, end, YYYY-MM-DD or an RFC 3339 time, got "yesterday"`,
				`input.stop_at: must be empty, YYYY-MM-DD or an RFC 3339 time, got "end"`,
			},
		},
		"stop before start": {
			map[string]string{"input.start_at": "2026-03-02", "input.stop_at": "2026-03-01T00:00:00Z"},
			[]string{`input.stop_at: must be later than input.start_at, got "2026-03-01T00:00:00Z"`},
		},
		"stop after start": {map[string]string{"input.start_at": "2026-03-02T00:00:00+02:00", "input.stop_at": "2026-03-05"}, nil},
		"filters": {
			map[string]string{"filter.level": "17", "filter.exclude.level": "-1", "filter.rule_id": "5710,57a", "filter.group": "sshd|web", "filter.agent": "000,", "filter.exclude.event_location": "a\x00"},
			[]string{
				`filter.level: must be 0 to 16, got "17"`,
				`filter.rule_id: must be rule IDs of digits only, got "57a"`,
				`filter.group: must be group names without spaces, got "sshd|web"; separate groups by commas or as a list; a bar does not separate them`,
				`filter.agent: must be agent IDs or names`,
				`filter.exclude.level: must be 0 to 16, got "-1"`,
				`filter.exclude.event_location: must be at most 4096 printable characters, got "a\x00"`,
			},
		},
		"destinations": {
			map[string]string{"lake.destination": "s3://bucket/prefix", "copy.ocsf_json": "s3://Bucket"},
			[]string{
				`lake.destination: must be s3://BUCKET with a valid bucket name and nothing behind it, got "s3://bucket/prefix"; a prefix belongs to sources[].s3_location`,
				`copy.ocsf_json: must be s3://BUCKET[/PREFIX], got "s3://Bucket"`,
			},
		},
		"placeholder": {
			map[string]string{"lake.destination": "s3://aws-security-data-lake-us-east-1-EXAMPLE"},
			[]string{`lake.destination: must be s3://BUCKET with a valid bucket name and nothing behind it, got "s3://aws-security-data-lake-us-east-1-EXAMPLE"; bucket names are 3 to 63 of a-z 0-9 . and -`},
		},
		"destination of another kind": {
			map[string]string{"lake.destination": "https://user:hunter2@bucket", "copy.ocsf_json": "ftp://x"},
			[]string{
				`lake.destination: must be s3://BUCKET or file:///DIRECTORY, got "https://***@bucket"`,
				`copy.ocsf_json: must be empty, s3://BUCKET[/PREFIX] or file:///DIRECTORY, got "ftp://x"`,
			},
		},
		"relative file destination": {
			map[string]string{"lake.destination": "file://lake", "copy.ocsf_json": "s3://bucket/a/../b"},
			[]string{
				`lake.destination: must be s3://BUCKET or file:///DIRECTORY, got "file://lake"; an absolute directory has three slashes before it: file:///lake`,
				`copy.ocsf_json: must be s3://BUCKET[/PREFIX], got "s3://bucket/a/../b"`,
			},
		},
		"file destinations that a URL reads otherwise": {
			map[string]string{"lake.destination": "file:///srv/a%20b", "copy.ocsf_json": "file:///srv/copy#1"},
			[]string{
				`lake.destination: must not hold % ? or #: they mean something else in a URL, got "file:///srv/a%20b"`,
				`copy.ocsf_json: must not hold % ? or #: they mean something else in a URL, got "file:///srv/copy#1"`,
			},
		},
		"into the spool by an escape": {
			map[string]string{"lake.destination": "file:///var/lib/wazuh-security-lake/out%62ox"},
			[]string{`lake.destination: must not hold % ? or #: they mean something else in a URL, got "file:///var/lib/wazuh-security-lake/out%62ox"`},
		},
		"file destination with a space": {map[string]string{"lake.destination": "file:///srv/a b@c:d+e"}, nil},
		"log into the daemon's note": {
			map[string]string{"log.file": "/var/lib/wazuh-security-lake/status.json"},
			[]string{`log.file: must not lie inside the spool's own directories, got "/var/lib/wazuh-security-lake/status.json"`},
		},
		"copy into the lake": {
			map[string]string{"copy.ocsf_json": "s3://aws-security-data-lake-us-east-1-example"},
			[]string{`copy.ocsf_json: must not be the bucket of the Security Lake, got "s3://aws-security-data-lake-us-east-1-example"; the crawler would meet objects that are no Parquet`},
		},
		"copy below a prefix of the lake's bucket": {
			map[string]string{"copy.ocsf_json": "s3://aws-security-data-lake-us-east-1-example/copy"},
			[]string{`copy.ocsf_json: must not be the bucket of the Security Lake, got "s3://aws-security-data-lake-us-east-1-example/copy"; the crawler would meet objects that are no Parquet`},
		},
		"copy with prefix": {map[string]string{"copy.ocsf_json": "s3://bucket/wazuh/ocsf/", "copy.region": "eu-west-1", "copy.role_arn": "arn:aws:iam::123456789012:role/x"}, nil},
		"lake values": {
			map[string]string{"lake.region": "us-east", "lake.account_id": "12345", "lake.role_arn": "arn:aws:iam::1:role/x", "lake.external_id": "hunter2 hunter2", "lake.kms_key_id": "a b",
				"copy.region": "US", "copy.role_arn": "x"},
			[]string{
				`lake.region: must be an AWS region such as us-east-1, got "us-east"`,
				`lake.account_id: must be 12 digits, external or external_ID, got "12345"`,
				`lake.role_arn: ` + role + `, got "arn:aws:iam::1:role/x"`,
				`lake.external_id: must be 2 to 1224 of A-Z a-z 0-9 _ + = , . @ : / -, got "***"`,
				`lake.kms_key_id: must be a KMS key ID, alias or ARN, got "a b"`,
				`copy.region: must be an AWS region such as us-east-1, got "US"`,
				`copy.role_arn: ` + role + `, got "x"`,
			},
		},
		"external ID alone": {
			map[string]string{"lake.external_id": "hunter2"},
			[]string{`lake.external_id: must stand with a role_arn, got "***"; an external ID is used to assume a role`},
		},
		"endpoints": {
			map[string]string{"lake.s3_endpoint": "http://u:hunter2@minio:9000", "lake.sts_endpoint": "http://minio:9000", "lake.proxy": "socks5://u:hunter2@p:1"},
			[]string{
				`lake.s3_endpoint: must be https://HOST[:PORT], got "http://***@minio:9000"`,
				`lake.sts_endpoint: must be https unless it is on this host, got "http://minio:9000"; or set lake.allow_http: true`,
				`lake.proxy: must be http://[USER:PASSWORD@]HOST:PORT, got "socks5://***@p:1"`,
			},
		},
		"endpoints with more than a host": {
			map[string]string{"lake.s3_endpoint": "https://minio/path", "lake.sts_endpoint": "https://minio?x=y"},
			[]string{
				`lake.s3_endpoint: must be https://HOST[:PORT], got "https://minio/path"`,
				`lake.sts_endpoint: must be https://HOST[:PORT], got "https://minio?***"`,
			},
		},
		"endpoints on this host":     {map[string]string{"lake.s3_endpoint": "http://127.0.0.1:9000", "lake.sts_endpoint": "http://[::1]:9000", "lake.proxy": "http://u:p@h:3128"}, nil},
		"plain HTTP allowed":         {map[string]string{"lake.s3_endpoint": "http://minio:9000", "lake.allow_http": "true"}, nil},
		"loopback is not by letters": {map[string]string{"lake.s3_endpoint": "http://127.0.0.1.example.com"}, []string{`lake.s3_endpoint: must be https unless it is on this host, got "http://127.0.0.1.example.com"; or set lake.allow_http: true`}},
		"FIPS with endpoint": {
			map[string]string{"lake.fips": "true", "lake.s3_endpoint": "https://minio"},
			[]string{`lake.s3_endpoint: must be empty, as lake.sts_endpoint, with lake.fips or lake.dual_stack; the SDK derives the FIPS and dual-stack hosts itself and refuses others`},
		},
		"source names": {
			map[string]string{"sources.0.name": "../wazuh", "sources.0.match.level": "1", "sources.1.name": "..", "sources.1.match.level": "1", "sources.2.name": "a-name-of-21-characters"[:21],
				"sources.2.match.level": "1", "sources.3.name": "", "sources.3.match.level": "1", "sources.4.name": "Wazuh", "sources.4.match.level": "1", "sources.5.name": "wazuh"},
			[]string{
				`sources[0].name: must be 1 to 20 of A-Z a-z 0-9 _ . : -, got "../wazuh"`,
				`sources[1].name: must be 1 to 20 of A-Z a-z 0-9 _ . : -, got ".."`,
				`sources[2].name: must be 1 to 20 of A-Z a-z 0-9 _ . : -, got "a-name-of-21-characte"`,
				`sources[3].name: must be set; the name of the custom source exactly as created`,
				`sources[5].name: must differ from sources[4].name in more than case, got "wazuh"`,
			},
		},
		"source values": {
			map[string]string{"sources.0.s3_location": "s3://bucket/ext/../x/", "sources.0.region": "x", "sources.0.account_id": "external_", "sources.0.role_arn": "x", "sources.0.external_id": "x", "sources.0.match.level": "99"},
			[]string{
				`sources[0].s3_location: must be s3://BUCKET/ext/NAME/ as CreateCustomLogSource returned it, got "s3://bucket/ext/../x/"`,
				`sources[0].match.level: must be 0 to 16, got "99"`,
				`sources[0].region: must be an AWS region such as us-east-1, got "x"`,
				`sources[0].account_id: must be 12 digits, external or external_ID, got "external_"`,
				`sources[0].role_arn: ` + role + `, got "x"`,
				`sources[0].external_id: must be 2 to 1224 of A-Z a-z 0-9 _ + = , . @ : / -, got "***"`,
				`sources[0].match: must be empty: the last source takes every alert the others leave; add a source without match at the end, or use filter to leave alerts out`,
			},
		},
		"order of sources": {
			map[string]string{"sources.1.name": "vuln", "sources.1.class": VulnerabilityFinding},
			[]string{
				`sources[0].match: must not be empty: no alert would reach the sources below`,
				`sources[1].class: must be security_finding or detection_finding: only these take every alert, got "vulnerability_finding"`,
			},
		},
		"location instead of destination": {map[string]string{"lake.destination": "", "sources.0.s3_location": "s3://bucket/ext/wazuh/1.0/"}, nil},
		"severity":                        {map[string]string{"ocsf.severity": "4,8,8,15"}, []string{`ocsf.severity: must be four ascending rule levels from 1 to 16: the lowest of Low, Medium, High and Critical, got "4 8 8 15"`}},
		"batch": {
			map[string]string{"batch.interval": "0s", "batch.max_object_size": "1", "batch.min_size": "1", "batch.max_wait": "25h", "ocsf.product_version": "\x1b"},
			[]string{
				`ocsf.product_version: must be at most 64 printable characters, got "\x1b"`,
				`batch.interval: must be more than 0s and at most 24h, got "0s"`,
				`batch.max_object_size: must be 4KiB to 1GiB, got "1"`,
				`batch.min_size: must be smaller than batch.max_object_size, got "1"`,
				`batch.max_wait: must be at most 24h, got "25h"; Security Lake takes an object for at most one event day`,
			},
		},
		"wait shorter than interval":             {map[string]string{"batch.interval": "10m", "batch.max_wait": "9m"}, []string{`batch.max_wait: must not be shorter than batch.interval, got "9m"`}},
		"default wait does not forbid intervals": {map[string]string{"batch.interval": "6h"}, nil},
		"unless min_size makes it count":         {map[string]string{"batch.interval": "6h", "batch.min_size": "16MiB"}, []string{`batch.max_wait: must not be shorter than batch.interval, got "1h"`}},
		"rest": {
			map[string]string{"spool.max_size": "256MiB", "upload.concurrency": "0", "upload.max_rate": "1", "node": "a/b", "metrics.listen": "9465"},
			[]string{
				`spool.max_size: must be larger than batch.max_object_size, got "256MiB"; allow at least twice as much`,
				`upload.concurrency: must be 1 to 64, got "0"`,
				`upload.max_rate: must be 0 (no limit) or at least 16KiB per second, got "1"`,
				`node: must be 1 to 64 of A-Z a-z 0-9 . _ -, got "a/b"`,
				`metrics.listen: must be host:port, got "9465"; such as 127.0.0.1:9465`,
			},
		},
		"listen": {map[string]string{"metrics.listen": "[::1]:9465"}, nil},
		"port":   {map[string]string{"metrics.listen": "h:99999"}, []string{`metrics.listen: must be host:port, got "h:99999"; such as 127.0.0.1:9465`}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l, err := Load(writeFile(t, minimal), nil, test.flags)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(messages(Validate(l.Config), ""), test.want); diff != "" {
				t.Errorf("got- want+:\n%s", diff)
			}
			Warnings(l.Config)
		})
	}
}

func TestLoadedValidateNamesThePlace(t *testing.T) {
	file := writeFile(t, minimal+"batch: {interval: 48h}\nfilter: {level: 99}\n")
	l, err := Load(file, []string{"WAZUH_LAKE_NODE=a/b", "REGION=x", "ROLE_ARN=y"}, map[string]string{"log.level": "all"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`config.yaml:6:17: filter.level: must be 0 to 16, got "99"`,
		`lambda variable ROLE_ARN: lake.role_arn: must be the ARN of an IAM role (arn:aws:iam::123456789012:role/NAME), got "y"`,
		`config.yaml:5:19: batch.interval: must be more than 0s and at most 24h, got "48h"`,
		`environment WAZUH_LAKE_NODE: node: must be 1 to 64 of A-Z a-z 0-9 . _ -, got "a/b"`,
		`flag log.level: log.level: must be debug, info, warn or error, got "all"`,
	}
	if diff := cmp.Diff(messages(l.Validate(), file), want); diff != "" {
		t.Errorf("got- want+:\n%s", diff)
	}
}

func TestForms(t *testing.T) {
	tests := map[string]struct {
		accept func(string) bool
		yes    []string
		no     []string
	}{
		"region": {regionForm.MatchString,
			[]string{"us-east-1", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1", "eusc-de-east-1", "ap-southeast-7", "il-central-1", "cn-northwest-1"},
			[]string{"us-east", "us_east_1", "US-EAST-1", "us-east-1/x", "..", "us-east-1\n"}},
		"account": {accountForm.MatchString, []string{"123456789012", "external", "external_042"}, []string{"12345678901", "1234567890123", "external_", "external_../x", "externa"}},
		"role": {roleForm.MatchString,
			[]string{"arn:aws:iam::123456789012:role/AmazonSecurityLake-Provider-wazuh-us-east-1", "arn:aws-us-gov:iam::123456789012:role/service-role/x", "arn:aws-cn:iam::123456789012:role/a+b@c"},
			[]string{"arn:aws:iam::123456789012:user/x", "arn:aws:iam::12:role/x", "arn:aws:iam::123456789012:role/", "arn:aws:sts::123456789012:assumed-role/x/y"}},
		"external ID": {validExternalID, []string{"ab", strings.Repeat("x", 1224), "a+=,.@:/-_9"}, []string{"a", strings.Repeat("x", 1225), "a b", "a\n", masked}},
		"bucket": {bucketName, []string{"abc", "my.bucket-1", strings.Repeat("a", 63)},
			[]string{"ab", strings.Repeat("a", 64), "-abc", "abc-", "a..b", "192.168.0.1", "xn--abc", "Abc", "a_b", "abc/def", ""}},
		"node": {nodeForm.MatchString, []string{"node01", "a.b_c-d"}, []string{"", "a/b", strings.Repeat("a", 65), "a b"}},
	}
	for name, test := range tests {
		for _, s := range test.yes {
			if !test.accept(s) {
				t.Errorf("%s: %q refused", name, s)
			}
		}
		for _, s := range test.no {
			if test.accept(s) {
				t.Errorf("%s: %q accepted", name, s)
			}
		}
	}
}

func TestWarnings(t *testing.T) {
	tests := map[string]struct {
		flags map[string]string
		want  []string // how each begins
	}{
		"none":                   {nil, nil},
		"integration":            {map[string]string{"input.mode": "integration"}, []string{"input.mode: integratord gives an alert once"}},
		"text log":               {map[string]string{"input.path": "/var/ossec/logs/alerts/alerts.log"}, []string{"input.path: alerts.log is text"}},
		"interval":               {map[string]string{"batch.interval": "1m"}, []string{"batch.interval: Security Lake asks for at least 5 minutes"}},
		"interval into a file":   {map[string]string{"batch.interval": "1m", "lake.destination": "file:///lake"}, nil},
		"large objects":          {map[string]string{"batch.max_object_size": "512MiB", "batch.interval": "1m"}, []string{"batch.max_object_size: Security Lake recommends"}},
		"small spool":            {map[string]string{"spool.max_size": "512MiB"}, []string{"spool.max_size: should be more than twice"}},
		"raw data":               {map[string]string{"ocsf.raw_data": "none"}, []string{"ocsf.raw_data: with none"}},
		"role without ID":        {map[string]string{"lake.role_arn": "arn:aws:iam::123456789012:role/x"}, []string{"sources[0]: role_arn without external_id"}},
		"location of another":    {map[string]string{"sources.0.s3_location": "s3://bucket/ext/other/"}, []string{`sources[0].s3_location: is not the one of a source named "wazuh"`}},
		"location with version":  {map[string]string{"sources.0.s3_location": "s3://bucket/ext/wazuh/1.0/"}, nil},
		"location beside a file": {map[string]string{"sources.0.s3_location": "s3://bucket/ext/wazuh/", "lake.destination": "file:///lake"}, []string{"sources[0].s3_location: wins over"}},
		"metrics everywhere":     {map[string]string{"metrics.listen": ":9465"}, []string{"metrics.listen: reachable"}},
		"metrics here":           {map[string]string{"metrics.listen": "localhost:9465"}, nil},
		"plain HTTP":             {map[string]string{"lake.allow_http": "true"}, []string{"lake.allow_http: alerts may cross"}},
		"password":               {map[string]string{"lake.proxy": "http://u:hunter2@p:1"}, []string{"lake.proxy: holds a password"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l, err := Load(writeFile(t, minimal), nil, test.flags)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Validate(); err != nil {
				t.Fatal(err)
			}
			got := Warnings(l.Config)
			if len(got) != len(test.want) {
				t.Fatalf("got %q, want %q", got, test.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], test.want[i]) || strings.Contains(got[i], "hunter2") {
					t.Errorf("got %q, want %q", got[i], test.want[i])
				}
			}
		})
	}
}

func TestResolvedSources(t *testing.T) {
	cfg := Default()
	cfg.Lake = Lake{Region: "r", AccountID: "a", RoleARN: "role", ExternalID: "id"}
	cfg.Sources = []Source{{Name: "x", Region: "own", RoleARN: "own"}, {Name: "y"}}
	want := []Source{{Name: "x", Region: "own", AccountID: "a", RoleARN: "own", ExternalID: "id"}, {Name: "y", Region: "r", AccountID: "a", RoleARN: "role", ExternalID: "id"}}
	if diff := cmp.Diff(cfg.ResolvedSources(), want); diff != "" {
		t.Errorf("got- want+:\n%s", diff)
	}
	if cfg.Sources[1].Region != "" {
		t.Error("the configuration itself was changed")
	}
}
