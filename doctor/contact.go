package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"wazuh-security-lake/spool"
	"wazuh-security-lake/uploader"
)

// Clock differences S3 lets pass, and those nobody needs to hear of.
const (
	skewNoticed = 5 * time.Second
	skewRefused = 15 * time.Minute
)

// contact is what one unsigned request to a bucket told: how the way there is, what time it is there, and whether the
// bucket is where it should be. It needs no credentials and no right.
type contact struct {
	status int
	header http.Header
	times  timings
	skew   time.Duration // the store's clock minus ours
	dated  bool          // the answer had a date
	err    error         // there was no answer
}

// timings are the phases of the first request on a new connection.
type timings struct {
	mu                           sync.Mutex // the trace may be told from another goroutine
	began, dnsBegan, dialBegan   time.Time
	tlsBegan                     time.Time
	dns, dial, handshake, answer time.Duration
}

func (t *timings) trace() *httptrace.ClientTrace {
	do := func(set func()) {
		t.mu.Lock()
		defer t.mu.Unlock()
		set()
	}
	return &httptrace.ClientTrace{
		DNSStart:          func(httptrace.DNSStartInfo) { do(func() { t.dnsBegan = time.Now() }) },
		DNSDone:           func(httptrace.DNSDoneInfo) { do(func() { t.dns = time.Since(t.dnsBegan) }) },
		ConnectStart:      func(string, string) { do(func() { t.dialBegan = time.Now() }) },
		ConnectDone:       func(string, string, error) { do(func() { t.dial = time.Since(t.dialBegan) }) },
		TLSHandshakeStart: func() { do(func() { t.tlsBegan = time.Now() }) },
		TLSHandshakeDone:  func(tls.ConnectionState, error) { do(func() { t.handshake = time.Since(t.tlsBegan) }) },
		GotFirstResponseByte: func() {
			do(func() { t.answer = time.Since(t.began) })
		},
	}
}

func (t *timings) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var parts []string
	for _, p := range []struct {
		name string
		took time.Duration
	}{{"DNS", t.dns}, {"TCP", t.dial}, {"TLS", t.handshake}, {"first byte after", t.answer}} {
		if p.took > 0 {
			parts = append(parts, p.name+" "+p.took.Round(100*time.Microsecond).String())
		}
	}
	return strings.Join(parts, ", ")
}

// reach sends an unsigned HeadBucket.
func reach(ctx context.Context, client *s3.Client, bucket string, now func() time.Time) *contact {
	c := &contact{}
	c.times.began = time.Now()
	stranger := client.Options()
	stranger.Credentials = aws.AnonymousCredentials{}
	out, err := s3.New(stranger).HeadBucket(httptrace.WithClientTrace(ctx, c.times.trace()), &s3.HeadBucketInput{Bucket: aws.String(bucket)})
	answered := now()
	var raw *http.Response
	if err == nil {
		if r, ok := awsmiddleware.GetRawResponse(out.ResultMetadata).(*smithyhttp.Response); ok && r.Response != nil {
			raw = r.Response
		}
	} else if res, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && res.Response != nil && res.Response.Response != nil && res.HTTPStatusCode() != 0 {
		raw = res.Response.Response // status 0: the SDK's stand-in for no answer
	} else {
		c.err = err
		return c
	}
	c.status = http.StatusOK
	if raw != nil {
		c.status, c.header = raw.StatusCode, raw.Header
		if at, err := http.ParseTime(raw.Header.Get("Date")); err == nil {
			// A Date has no fraction: on average half a second of it is gone.
			c.skew, c.dated = at.Add(500*time.Millisecond).Sub(answered), true
		}
	}
	return c
}

// checkWay judges whether the endpoint answers, and how fast.
func (c *contact) checkWay(endpoint, bucket, region string) Result {
	if c.err != nil {
		return networkFault(endpoint, c.err, bucket)
	}
	if c.status >= 500 && c.status != http.StatusNotImplemented {
		return failure(Unavailable, fmt.Sprintf("%s answers %d", endpoint, c.status), "the store is in trouble; the daemon keeps everything and tries again by itself")
	}
	return passed("%s in %s answers: %s", endpoint, region, c.times.String())
}

// checkClock compares the clocks.
func (c *contact) checkClock() Result {
	if !c.dated {
		return skipped("the answer had no Date")
	}
	off := c.skew.Abs().Round(time.Second)
	direction := "behind"
	if c.skew < 0 {
		direction = "ahead of"
	}
	detail := fmt.Sprintf("this host's clock is %s %s the store's", off, direction)
	const mend = "switch time synchronisation on: timedatectl set-ntp true; chronyc tracking"
	switch {
	case c.skew.Abs() > skewRefused:
		return failure(Configuration, detail+": S3 refuses requests that are more than 15 minutes off", mend)
	case c.skew.Abs() >= skewNoticed:
		return warning(detail+"; above 15 minutes S3 refuses every request", mend)
	}
	return passed("within %s of the store's", (off + time.Second).Round(time.Second))
}

// checkBucket judges what the answer says about the bucket. Who may not look is told of its region all the same.
func (c *contact) checkBucket(bucket, region string) Result {
	there := c.header.Get("X-Amz-Bucket-Region")
	switch {
	case c.status == http.StatusNotFound:
		return failure(Configuration, fmt.Sprintf("bucket %s does not exist", bucket), "correct lake.destination or s3_location; Security Lake prints the bucket with: aws securitylake list-data-lakes")
	case there != "" && there != region:
		return failure(Configuration, fmt.Sprintf("bucket %s is in %s, not in %s", bucket, there, region), "set lake.region (or the source's region) to "+printable(there))
	case c.status == http.StatusMovedPermanently || c.status == http.StatusTemporaryRedirect:
		return failure(Configuration, fmt.Sprintf("bucket %s is not in %s: the answer is a redirect", bucket, region), "set lake.region to the bucket's: aws s3api head-bucket --bucket "+bucket)
	case there == "":
		return skipped("the store does not tell a stranger about bucket %s; the write check below does", bucket)
	}
	return passed("%s is in %s", bucket, there)
}

// networkFault explains a request that had no answer.
func networkFault(endpoint string, err error, bucket string) Result {
	e := uploader.Explain(spool.Object{Destination: "s3://" + bucket}, "", err, time.Now())
	detail := endpoint + " does not answer: " + causeOf(err)
	var dns *net.DNSError
	var proxied *net.OpError
	switch {
	case e.Class == uploader.Configuration && e.Remedy != "":
		return failure(Configuration, detail, e.Remedy)
	case errors.As(err, &dns):
		return failure(Unavailable, detail, "the name does not resolve: /etc/resolv.conf, the private DNS of a VPC endpoint, or lake.s3_endpoint")
	case errors.As(err, &proxied) && proxied.Op == "proxyconnect":
		return failure(Unavailable, detail, "the proxy does not let it through: lake.proxy, HTTPS_PROXY and NO_PROXY")
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		return failure(Unavailable, detail, "packets are dropped on the way: firewall, security group, route to the VPC endpoint; behind a proxy set lake.proxy")
	}
	return failure(Unavailable, detail, "check the way to the endpoint: address and port, firewall, proxy (lake.proxy)")
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// causeOf is the innermost useful error: the SDK's own chain repeats operation, host and request, and a URL may hold a
// password.
func causeOf(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return printable(op.Error())
	}
	e := &uploader.Error{Err: err}
	_, text, _ := strings.Cut(e.Error(), "): ")
	return text
}
