package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"wazuh-security-lake/config"
	"wazuh-security-lake/lake"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/uploader"
)

// source is one configured source with everything of lake.* filled in.
type source struct {
	config.Source
	destination string // s3://bucket or file:///dir
	contract    lake.Contract
	copied      bool   // not a source, but the second copy of all of them
	prefix      string // of the second copy
}

func (s source) bucket() string { return strings.TrimPrefix(s.destination, "s3://") }

func (s source) role() uploader.Role {
	return uploader.Role{RoleARN: s.RoleARN, ExternalID: s.ExternalID, Region: s.Region}
}

// sourcesOf resolves the sources as the daemon does.
func sourcesOf(c config.Config) []source {
	var out []source
	for _, s := range c.ResolvedSources() {
		r := source{Source: s, destination: strings.TrimSuffix(c.Lake.Destination, "/")}
		if u, err := url.Parse(s.S3Location); s.S3Location != "" && err == nil {
			r.destination, r.contract.Prefix = "s3://"+u.Host, strings.Trim(u.Path, "/")+"/"
		}
		out = append(out, r)
	}
	return out
}

// copyOf is the second copy, as one more thing to write to. It has neither an external ID nor the lake's encryption key.
func copyOf(c config.Config) (s source, ok bool) {
	s = source{Source: config.Source{Name: "copy.ocsf_json", RoleARN: c.Copy.RoleARN, Region: cmpOr(c.Copy.Region, c.Lake.Region)}, copied: true}
	if rest, remote := strings.CutPrefix(c.Copy.OCSFJSON, "s3://"); remote {
		bucket, prefix, _ := strings.Cut(rest, "/")
		s.destination, s.prefix = "s3://"+bucket, prefix
	} else {
		s.destination = c.Copy.OCSFJSON
	}
	return s, c.Copy.OCSFJSON != ""
}

// cloud is what the checks of AWS share: they run one after the other, later ones use what earlier ones have found.
type cloud struct {
	cfg     config.Config
	options uploader.S3Options
	now     func() time.Time

	aws      *uploader.AWS
	contacts map[string]*contact // by bucket and region
	verifies map[string]bool     // sources whose store has refused a wrong checksum
}

// checkOpen loads the AWS configuration: endpoints, proxy, certificates, credential files.
func (c *cloud) checkOpen(users []Identity) func(context.Context) Result {
	return func(ctx context.Context) Result { return c.open(ctx, users) }
}

func (c *cloud) open(ctx context.Context, users []Identity) Result {
	a, err := uploader.OpenAWS(ctx, c.options)
	if err != nil {
		return failure(Configuration, err.Error(), "mend the lake section of the configuration, or the AWS_ variables and files of the environment")
	}
	c.aws = a
	detail := "no proxy"
	endpoint, err := url.Parse(c.endpoint())
	if err != nil {
		return failure(Configuration, "lake.s3_endpoint is no address", "write https://host[:port]")
	}
	switch proxy, err := a.Proxy(endpoint); {
	case err != nil:
		return failure(Configuration, "the proxy of the environment is no address", "HTTPS_PROXY=http://host:port")
	case proxy != nil:
		from := "HTTPS_PROXY"
		if c.options.Proxy != "" {
			from = "lake.proxy"
		}
		detail = fmt.Sprintf("proxy %s://%s (%s)", proxy.Scheme, proxy.Host, from) // without user and password
	}
	detail += ", the system's certificates"
	if file := cmpOr(c.options.CAFile, os.Getenv("AWS_CA_BUNDLE")); file != "" {
		detail += " and those of " + file
		for _, id := range users {
			if found, err := try(id, append(passing(filepath.Dir(file)), need{file, mayRead})); err == nil && found != nil {
				return refused(id, *found)
			}
		}
	}
	if c.options.AllowHTTP {
		return warning(detail+"; lake.allow_http lets alerts cross the network unencrypted", "use https and lake.ca_file")
	}
	return passed("%s", detail)
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// endpoint is the host objects are sent to, for people.
func (c *cloud) endpoint() string {
	if c.options.S3Endpoint != "" {
		return c.options.S3Endpoint
	}
	return "https://s3." + c.options.Region + ".amazonaws.com"
}

// contact asks a bucket once.
func (c *cloud) contact(ctx context.Context, bucket, region string) *contact {
	key := bucket + " " + region
	if c.contacts[key] == nil {
		c.contacts[key] = reach(ctx, c.aws.S3(uploader.Role{Region: region}), bucket, c.now)
	}
	return c.contacts[key]
}

// checkCredentials asks the default chain, and STS who these credentials are.
func (c *cloud) checkCredentials(users []Identity) func(context.Context) Result {
	return func(ctx context.Context) Result {
		creds, err := c.aws.Config().Credentials.Retrieve(ctx)
		if err != nil {
			return failure(Permission, "none found in environment, files, container or instance metadata: "+shorten(causeOf(err)),
				"give the daemon an instance profile, IAM Roles Anywhere or a profile: docs/OPERATIONS.md, Credentials",
				"if the service has its own environment: "+ownEnvironment)
		}
		detail := fmt.Sprintf("found by %s, access key ...%s", creds.Source, lastFour(creds.AccessKeyID))
		if creds.CanExpire {
			detail += ", good for " + creds.Expires.Sub(c.now()).Round(time.Minute).String()
		}
		if creds.CanExpire && creds.Expires.Before(c.now()) {
			return failure(Permission, detail+": expired", "renew them")
		}
		// The chain names the file. One that the service may not read, such as root's own, helps doctor only.
		if _, file, ok := strings.Cut(creds.Source, ": "); ok && strings.HasPrefix(file, "/") {
			for _, id := range users {
				if found, err := try(id, []need{{file, mayRead}}); err == nil && found != nil {
					return warning(detail+"; "+id.Name+" may not read that file", "put them where the service finds them: docs/OPERATIONS.md, Credentials", "then test with "+ownEnvironment)
				}
			}
		}
		if strings.HasPrefix(creds.Source, "Env") && len(users) > 1 {
			return warning(detail+": from this shell's environment, which need not be the service's", "to test with the service's own environment and rights: "+ownEnvironment)
		}
		return passed("%s", detail)
	}
}

func lastFour(id string) string { return id[max(0, len(id)-4):] }

func shorten(s string) string {
	if r := []rune(s); len(r) > 200 {
		return string(r[:200]) + "..."
	}
	return s
}

// checkIdentity asks STS who the daemon's own credentials are. That needs no right, but an endpoint's policy may refuse it,
// and the daemon does not ask: only assuming the role, the next check, has to work.
func (c *cloud) checkIdentity(region string, needed bool) func(context.Context) Result {
	return func(ctx context.Context) Result {
		if !needed {
			return skipped("no source has a role_arn: STS is not used")
		}
		out, err := c.aws.STS(region).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			r := c.stsFault(err, "", "to tell who these credentials are")
			if r.Fault != Unavailable {
				r.Status, r.Fault = Warn, ""
			}
			return r
		}
		return passed("%s", aws.ToString(out.Arn))
	}
}

// stsFault explains what STS said.
func (c *cloud) stsFault(err error, role, who string) Result {
	e := uploader.Explain(spool.Object{Destination: "s3://"}, role, err, c.now())
	if e.Status == 0 && e.Code == "" {
		endpoint := cmpOr(c.options.STSEndpoint, "https://sts."+c.options.Region+".amazonaws.com")
		r := networkFault(endpoint, err, "")
		r.Remedy = append(r.Remedy, "with a VPC endpoint for STS: lake.sts_endpoint")
		return r
	}
	return failure(faultOf(e), fmt.Sprintf("STS refuses %s: %s", who, said(e)), e.Remedy)
}

// faultOf is the class of a failure at a service.
func faultOf(e *uploader.Error) Fault {
	switch e.Class {
	case uploader.Retryable, uploader.Throttled, uploader.Conflict:
		return Unavailable
	}
	switch {
	case e.Code == "RequestTimeTooSkewed", e.Code == "RequestExpired": // answered with 403, but no right is missing
		return Configuration
	case e.Status == http.StatusForbidden, e.Status == http.StatusUnauthorized, e.Code == "AccessDenied", e.Code == "InvalidAccessKeyId",
		e.Code == "SignatureDoesNotMatch", e.Code == "InvalidClientTokenId", e.Code == "ExpiredToken":
		return Permission
	}
	return Configuration
}

// said is the answer without what Error repeats about the object.
func said(e *uploader.Error) string {
	_, text, _ := strings.Cut(e.Error(), "): ")
	return text
}

// checkRole assumes a source's role as the daemon does, and once more without the external ID, which must not work.
func (c *cloud) checkRole(s source) func(context.Context) Result {
	return func(ctx context.Context) Result {
		if s.RoleARN == "" {
			return skipped("no role_arn: the daemon's own credentials write")
		}
		in := &sts.AssumeRoleInput{RoleArn: aws.String(s.RoleARN), RoleSessionName: aws.String("wazuh-security-lake-doctor"), DurationSeconds: aws.Int32(900)}
		bare := *in
		if s.ExternalID != "" {
			in.ExternalId = aws.String(s.ExternalID)
		}
		client := c.aws.STS(s.Region)
		if _, err := client.AssumeRole(ctx, in); err != nil {
			r := c.stsFault(err, s.RoleARN, "role "+s.RoleARN)
			r.Remedy = slices.DeleteFunc(r.Remedy, func(s string) bool { return s == "" })
			if r.Fault == Permission {
				r.Remedy = []string{fmt.Sprintf("the trust policy of %s must allow sts:AssumeRole to this principal with the external ID that is configured for source %s", s.RoleARN, s.Name),
					"and this principal's own policy must allow sts:AssumeRole on that role: docs/AWS.md"}
				if s.ExternalID == "" {
					r.Detail += "; no external_id is configured"
				}
			}
			return r
		}
		if s.copied {
			return passed("assumed %s", s.RoleARN)
		}
		if s.ExternalID == "" {
			return warning("assumed "+s.RoleARN+" without an external ID", "a provider role should demand one: condition sts:ExternalId in its trust policy, and external_id in the configuration")
		}
		_, err := client.AssumeRole(ctx, &bare)
		if err == nil {
			return warning("assumed "+s.RoleARN+", but without the external ID as well", "add the condition sts:ExternalId to the trust policy of the role")
		}
		if e := uploader.Explain(spool.Object{}, s.RoleARN, err, c.now()); faultOf(e) != Permission {
			return passed("assumed %s with the external ID; whether it is demanded could not be told (%s)", s.RoleARN, said(e))
		}
		return passed("assumed %s; without the external ID it is refused", s.RoleARN)
	}
}
