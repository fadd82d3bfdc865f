package uploader

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// session assumes a role when it is first needed, and again before it expires.
func (a *AWS) session(role Role, region string) *aws.CredentialsCache {
	assume := stscreds.NewAssumeRoleProvider(&roleService{aws: a, sts: a.STS(region)}, role.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = sessionName(a.opt.Node)
		o.Duration = time.Hour // the most a chained role allows
		if role.ExternalID != "" {
			o.ExternalID = aws.String(role.ExternalID)
		}
	})
	return aws.NewCredentialsCache(assume, func(o *aws.CredentialsCacheOptions) {
		o.ExpiryWindow, o.ExpiryWindowJitterFrac = 5*time.Minute, 0.5
	})
}

// roleService is STS for a host whose clock may be wrong.
type roleService struct {
	aws *AWS
	sts stscreds.AssumeRoleAPIClient
}

// AssumeRole repeats a call that was refused because of the clock, and tells the end of the session in this host's time: by
// a clock that is an hour fast, every session would have ended before it began, and each object would cost a new one.
func (r *roleService) AssumeRole(ctx context.Context, in *sts.AssumeRoleInput, opt ...func(*sts.Options)) (*sts.AssumeRoleOutput, error) {
	out, err := r.sts.AssumeRole(ctx, in, opt...)
	if ctx.Err() == nil && r.aws.clockIsOff(err) {
		out, err = r.sts.AssumeRole(ctx, in, opt...)
	}
	if err != nil {
		return nil, err
	}
	skew, known := awsmiddleware.GetAttemptSkew(out.ResultMetadata)
	if known && skew.Abs() > time.Minute && out.Credentials != nil && out.Credentials.Expiration != nil {
		out.Credentials.Expiration = aws.Time(out.Credentials.Expiration.Add(-skew))
	}
	return out, nil
}

// clockIsOff reports that a request was refused because of this host's clock, and that the SDK has learnt the service's
// time from the answer: the same request will pass now. It says so once, because requests then go on as if nothing were.
func (a *AWS) clockIsOff(err error) bool {
	if err == nil {
		return false
	}
	skew := skewOf(err, a.opt.Now())
	if code, _ := answer(err); !clockFault(code, skew) || skew == 0 {
		return false
	}
	if skew.Abs() < time.Minute {
		return true // the clock has been set meanwhile, it was the SDK's correction that was off
	}
	a.clock.Do(func() {
		a.opt.Log.Warn("the clock of this host is wrong, requests are signed with the service's time", "off", describeSkew(skew))
	})
	return true
}

// errNoCredentials marks a default credential chain that found nothing usable.
var errNoCredentials = errors.New("no AWS credentials")

// defaultChain asks the default chain, and tells its failure from a failure of the service the credentials are for.
type defaultChain struct {
	load func(context.Context) (aws.CredentialsProvider, error)

	mu     sync.Mutex
	loaded aws.CredentialsProvider // guarded by mu: what was loaded at the start, nil once it has been asked
}

// Retrieve loads the chain anew for every call but the first. There is a cache around this one; it only asks again when the
// credentials are about to expire or were refused. The SDK reads a credentials file once, so without this a key that was
// rotated in the file would be noticed at the next restart.
func (d *defaultChain) Retrieve(ctx context.Context) (aws.Credentials, error) {
	d.mu.Lock()
	chain := d.loaded
	d.loaded = nil
	d.mu.Unlock()
	var err error
	if chain == nil {
		chain, err = d.load(ctx)
	}
	var creds aws.Credentials
	if err == nil {
		creds, err = chain.Retrieve(ctx)
	}
	if err != nil && ctx.Err() == nil {
		return creds, fmt.Errorf("%w: %w", errNoCredentials, err)
	}
	return creds, err
}

// sessionName makes a role session name, 2 to 64 of [\w+=,.@-], of the node's name.
func sessionName(node string) string {
	name := strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '_' || strings.ContainsRune("+=,.@-", r) || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') {
			return r
		}
		return '-'
	}, "wazuh-security-lake-"+node)
	name = strings.TrimRight(name, "-")
	return name[:min(len(name), 64)]
}
