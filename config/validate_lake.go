package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	regionForm     = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]{2,16}){1,3}-[0-9]{1,2}$`)
	accountForm    = regexp.MustCompile(`^([0-9]{12}|external|external_[A-Za-z0-9_-]{1,64})$`)
	roleForm       = regexp.MustCompile(`^arn:aws(-[a-z]{1,16}){0,3}:iam::[0-9]{12}:role/([\w+=,.@/-]{0,512}/)?[\w+=,.@-]{1,64}$`)
	externalIDForm = regexp.MustCompile(`^[\w+=,.@:/-]+$`)
	sourceForm     = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,20}$`)
	bucketForm     = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	segmentForm    = regexp.MustCompile(`^[\w.:=@+-]{1,255}$`)
	kmsForm        = regexp.MustCompile(`^[A-Za-z0-9:/_-]+$`)
)

func (c *checker) lake() {
	l := c.cfg.Lake
	c.destination()
	c.region("lake.region", l.Region, true)
	c.account("lake.account_id", l.AccountID, true)
	c.role("lake.role_arn", l.RoleARN)
	c.externalID("lake.external_id", l.ExternalID)
	c.endpoint("lake.s3_endpoint", l.S3Endpoint)
	c.endpoint("lake.sts_endpoint", l.STSEndpoint)
	if (l.FIPS || l.DualStack) && (l.S3Endpoint != "" || l.STSEndpoint != "") {
		c.fault("lake.s3_endpoint", "must be empty, as lake.sts_endpoint, with lake.fips or lake.dual_stack", "", "the SDK derives the FIPS and dual-stack hosts itself and refuses others")
	}
	if l.CAFile != "" {
		c.absolute("lake.ca_file", l.CAFile)
	}
	c.proxy()
	if l.KMSKeyID != "" && (len(l.KMSKeyID) > 2048 || !kmsForm.MatchString(l.KMSKeyID)) {
		c.fault("lake.kms_key_id", "must be a KMS key ID, alias or ARN", l.KMSKeyID, "")
	}
	if l.StorageClass != "" {
		// The archive classes are left out: the crawler and Athena could not read the objects.
		c.oneOf("lake.storage_class", l.StorageClass, "STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR")
	}
}

func (c *checker) destination() {
	const at = "lake.destination"
	got := c.cfg.Lake.Destination
	scheme, rest, _ := strings.Cut(got, "://")
	switch {
	case got == "":
		// Not needed when every source says itself where it goes.
		if len(c.cfg.Sources) == 0 || slices.ContainsFunc(c.cfg.Sources, func(s Source) bool { return s.S3Location == "" }) {
			c.fault(at, "must be set", "", "s3://BUCKET of the Security Lake, or file:///DIRECTORY to try it out")
		}
	case scheme == "s3":
		if !bucketName(rest) {
			remedy := "bucket names are 3 to 63 of a-z 0-9 . and -"
			if strings.Contains(rest, "/") {
				remedy = "a prefix belongs to sources[].s3_location"
			}
			c.fault(at, "must be s3://BUCKET with a valid bucket name and nothing behind it", got, remedy)
		}
	case scheme == "file" && !strings.HasPrefix(rest, "/"):
		c.fault(at, "must be s3://BUCKET or file:///DIRECTORY", got, "an absolute directory has three slashes before it: file:///"+rest)
	case scheme == "file":
		c.directory(at, got, rest)
	default:
		c.fault(at, "must be s3://BUCKET or file:///DIRECTORY", got, "")
	}
}

// directory checks the path of a file:// URL. What a URL reads otherwise than it is written would be another directory for the
// uploader than for everybody who looks at the configuration.
func (c *checker) directory(at, got, path string) {
	if !c.absolute(at, path) {
		return
	}
	if u, err := url.Parse(got); err != nil || u.Path != path {
		c.fault(at, "must not hold % ? or #: they mean something else in a URL", got, "")
	} else if c.internal(path) {
		c.fault(at, "must not lie inside the spool's own directories", got, "")
	}
}

// bucketName checks S3's rules for general purpose buckets.
func bucketName(name string) bool {
	_, err := netip.ParseAddr(name)
	return bucketForm.MatchString(name) && err != nil && !strings.Contains(name, "..") &&
		!strings.HasPrefix(name, "xn--") && !strings.HasSuffix(name, "--ol-s3")
}

func (c *checker) region(at, got string, required bool) {
	switch {
	case got == "" && required:
		c.fault(at, "must be set", "", "the region of the Security Lake, such as us-east-1")
	case got != "" && !regionForm.MatchString(got):
		c.fault(at, "must be an AWS region such as us-east-1", got, "")
	}
}

func (c *checker) account(at, got string, required bool) {
	switch {
	case got == "" && required:
		c.fault(at, "must be set", "", "the account of the custom source: 12 digits, external or external_ID")
	case got != "" && !accountForm.MatchString(got):
		c.fault(at, "must be 12 digits, external or external_ID", got, "")
	}
}

func (c *checker) role(at, got string) {
	if got != "" && !roleForm.MatchString(got) {
		c.fault(at, "must be the ARN of an IAM role (arn:aws:iam::123456789012:role/NAME)", got, "")
	}
}

func (c *checker) externalID(at, got string) {
	if got != "" && !validExternalID(got) {
		remedy := ""
		if got == masked {
			remedy = "this is what a printed configuration shows instead of the secret"
		}
		c.fault(at, `must be 2 to 1224 of A-Z a-z 0-9 _ + = , . @ : / -`, got, remedy)
	}
}

// validExternalID checks the length apart: regexp has no repeat counts that large.
func validExternalID(id string) bool {
	return len(id) >= 2 && len(id) <= 1224 && externalIDForm.MatchString(id)
}

// endpoint takes a bare origin: the SDK would append a path or query to every request.
func (c *checker) endpoint(at, got string) {
	if got == "" {
		return
	}
	u, err := url.Parse(got)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || !validPort(u) {
		c.fault(at, "must be https://HOST[:PORT]", got, "")
		return
	}
	if u.Scheme == "http" && !c.cfg.Lake.AllowHTTP && !loopback(u.Hostname()) {
		c.fault(at, "must be https unless it is on this host", got, "or set lake.allow_http: true")
	}
}

func validPort(u *url.URL) bool {
	_, port, err := net.SplitHostPort(u.Host)
	return err != nil || port != "" // url.Parse has checked that it is digits
}

func (c *checker) proxy() {
	got := c.cfg.Lake.Proxy
	if got == "" {
		return
	}
	u, err := url.Parse(got)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		c.fault("lake.proxy", "must be http://[USER:PASSWORD@]HOST:PORT", got, "")
	}
}

// loopback takes names by their letters: asking DNS would make validation depend on the network.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || (err == nil && addr.IsLoopback())
}

func (c *checker) sources() {
	sources := c.cfg.Sources
	if len(sources) == 0 {
		c.fault("sources", "must hold at least one source", "", "")
		return
	}
	resolved := c.cfg.ResolvedSources()
	names := make(map[string]int)
	for i, s := range sources {
		at := fmt.Sprintf("sources[%d]", i)
		c.sourceName(joinPath(at, "name"), s.Name)
		// Glue's names are in lower case: two sources that differ in case only share a table.
		if first, ok := names[strings.ToLower(s.Name)]; ok && s.Name != "" {
			c.fault(joinPath(at, "name"), fmt.Sprintf("must differ from sources[%d].name in more than case", first), s.Name, "")
		} else {
			names[strings.ToLower(s.Name)] = i
		}
		c.oneOf(joinPath(at, "class"), s.Class, SecurityFinding, DetectionFinding, VulnerabilityFinding, ComplianceFinding)
		c.oneOf(joinPath(at, "ocsf_version"), s.OCSFVersion, "1.1.0", "1.3.0")
		c.location(joinPath(at, "s3_location"), s.S3Location)
		c.match(joinPath(at, "match"), s.Match)
		c.region(joinPath(at, "region"), s.Region, false)
		c.account(joinPath(at, "account_id"), s.AccountID, false)
		c.role(joinPath(at, "role_arn"), s.RoleARN)
		c.externalID(joinPath(at, "external_id"), s.ExternalID)
		if s.ExternalID != "" && resolved[i].RoleARN == "" {
			c.fault(joinPath(at, "external_id"), "must stand with a role_arn", s.ExternalID, "an external ID is used to assume a role")
		}
		if i < len(sources)-1 && s.Match.IsZero() {
			c.fault(joinPath(at, "match"), "must not be empty: no alert would reach the sources below", "", "")
		}
	}
	last := len(sources) - 1
	at := fmt.Sprintf("sources[%d]", last)
	if !sources[last].Match.IsZero() {
		c.fault(joinPath(at, "match"), "must be empty: the last source takes every alert the others leave", "", "add a source without match at the end, or use filter to leave alerts out")
	}
	if class := sources[last].Class; class == VulnerabilityFinding || class == ComplianceFinding {
		c.fault(joinPath(at, "class"), "must be security_finding or detection_finding: only these take every alert", class, "")
	}
	if c.cfg.Lake.ExternalID != "" && !slices.ContainsFunc(resolved, func(s Source) bool { return s.RoleARN != "" }) {
		c.fault("lake.external_id", "must stand with a role_arn", c.cfg.Lake.ExternalID, "an external ID is used to assume a role")
	}
}

// sourceName is a directory of the lake and part of every key.
func (c *checker) sourceName(at, got string) {
	switch {
	case got == "":
		c.fault(at, "must be set", "", "the name of the custom source exactly as created")
	case !sourceForm.MatchString(got) || strings.Trim(got, ".") == "":
		c.fault(at, "must be 1 to 20 of A-Z a-z 0-9 _ . : -", got, "")
	}
}

func (c *checker) location(at, got string) {
	if got == "" {
		return
	}
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(got, "s3://"), "/")
	ok := strings.HasPrefix(got, "s3://") && bucketName(bucket)
	segments := strings.Split(strings.TrimSuffix(prefix, "/"), "/")
	ok = ok && len(segments) >= 2 && segments[0] == "ext" && len(got) <= 900
	for _, segment := range segments {
		ok = ok && segmentForm.MatchString(segment) && strings.Trim(segment, ".") != ""
	}
	if !ok {
		c.fault(at, "must be s3://BUCKET/ext/NAME/ as CreateCustomLogSource returned it", got, "")
	}
}

// lakeBucket reports that a bucket is one the lake's objects go to.
func (c *checker) lakeBucket(bucket string) bool {
	is := func(location string) bool {
		b, _, _ := strings.Cut(strings.TrimPrefix(location, "s3://"), "/")
		return strings.HasPrefix(location, "s3://") && b == bucket
	}
	return is(c.cfg.Lake.Destination) || slices.ContainsFunc(c.cfg.Sources, func(s Source) bool { return is(s.S3Location) })
}

func (c *checker) copy() {
	to := c.cfg.Copy
	c.region("copy.region", to.Region, false)
	c.role("copy.role_arn", to.RoleARN)
	if to.OCSFJSON == "" {
		return
	}
	const at = "copy.ocsf_json"
	scheme, rest, _ := strings.Cut(to.OCSFJSON, "://")
	switch scheme {
	case "s3":
		bucket, prefix, _ := strings.Cut(rest, "/")
		ok := bucketName(bucket) && path.Clean("/"+prefix) == "/"+strings.TrimSuffix(prefix, "/")
		for segment := range strings.SplitSeq(strings.Trim(prefix, "/"), "/") {
			ok = ok && (prefix == "" || segmentForm.MatchString(segment))
		}
		if !ok {
			c.fault(at, "must be s3://BUCKET[/PREFIX]", to.OCSFJSON, "")
		} else if c.lakeBucket(bucket) {
			c.fault(at, "must not be the bucket of the Security Lake", to.OCSFJSON, "the crawler would meet objects that are no Parquet")
		}
	case "file":
		c.directory(at, to.OCSFJSON, rest)
	default:
		c.fault(at, "must be empty, s3://BUCKET[/PREFIX] or file:///DIRECTORY", to.OCSFJSON, "")
	}
}
