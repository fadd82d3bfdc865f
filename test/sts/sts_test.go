package sts

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// A role with the right external ID, whose policy allows PutObject under its prefix and nothing else, is enough.
func TestRightExternalID(t *testing.T) {
	n := newLab(t).node()
	n.write(100)
	n.start()
	n.settled()
	n.write(100)
	n.settled()
	n.stop()
	n.judge()
	if assumed, refused, _ := n.front.Seen(); assumed != 1 || refused != 0 {
		t.Errorf("%d sessions, %d refused; want one session for everything", assumed, refused)
	}
	if lines := n.log.outage(); len(lines) > 0 {
		t.Errorf("log: %s", lines)
	}

	// The check can fail: the same role may do nothing else.
	own := credentials.NewStaticCredentialsProvider(user, userSecret, "")
	api := sts.New(sts.Options{Region: "us-east-1", BaseEndpoint: aws.String(n.url), Credentials: own, RetryMaxAttempts: 1})
	session := n.api(n.url, aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(api, role, func(o *stscreds.AssumeRoleOptions) { o.ExternalID = aws.String(externalID) })))
	_, list := session.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucket)})
	_, head := session.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String(bucket)})
	_, other := session.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("ext/other/x"), Body: strings.NewReader("x")})
	for what, err := range map[string]error{"list": list, "put elsewhere": other, "head bucket": head} {
		var answer smithy.APIError
		if !errors.As(err, &answer) || answer.ErrorCode() != "AccessDenied" && answer.ErrorCode() != "Forbidden" {
			t.Errorf("the role may %s: %v, want AccessDenied", what, err)
		}
	}
}

// A wrong external ID is one error line with the remedy; corrected and reloaded, everything that waited is shipped.
func TestWrongExternalID(t *testing.T) {
	n := newLab(t).node()
	n.configure("guessed", "")
	n.write(50)
	n.start()
	line := n.logged(`"level":"ERROR"`, "upload failed")
	for _, want := range []string{"AccessDenied", "sts:AssumeRole on " + role, "external ID"} {
		if !strings.Contains(line, want) {
			t.Errorf("the error line does not name %q: %s", want, line)
		}
	}
	n.write(50)
	time.Sleep(3 * time.Second) // a second batch, and no second line
	if lines := n.log.outage(); len(lines) != 1 {
		t.Errorf("%d lines, want 1: %s", len(lines), lines)
	}
	n.configure(externalID, "")
	n.signal(syscall.SIGHUP)
	n.settled()
	n.stop()
	n.judge()
	t.Logf("log: %s", strings.TrimSpace(line))
}

// A session is renewed before the end it was told, without anybody noticing.
func TestSessionIsRefreshedBeforeItsEnd(t *testing.T) {
	l := newLab(t)
	l.front.SetLife(5*time.Minute + 5*time.Second) // renewed two and a half to five minutes before its end
	n := l.node()
	n.start()
	begin := time.Now()
	n.eventuallyWithin(3*time.Minute, "a second session", func() error {
		n.write(5)
		time.Sleep(time.Second) // the interval of batches
		if assumed, _, _ := l.front.Seen(); assumed < 2 {
			return errors.New("not yet")
		}
		return nil
	})
	took := time.Since(begin).Round(time.Second)
	n.settled()
	n.stop()
	n.judge()
	assumed, _, puts := l.front.Seen()
	t.Logf("told 5m5s, renewed after %v", took)
	if assumed < 2 || puts["ended session"] > 0 {
		t.Errorf("%d sessions, %d puts with a session past its end; want 2 or more, 0", assumed, puts["ended session"])
	}
	if lines := n.log.outage(); len(lines) > 0 {
		t.Errorf("log: %s", lines)
	}
}

// A session that ended without the daemon's knowing (it slept, the clock jumped) costs one request, no line.
func TestSessionThatEndedIsReplacedAtOnce(t *testing.T) {
	l := newLab(t)
	n := l.node()
	n.write(10)
	n.start()
	n.settled()
	l.front.End()
	n.write(10)
	n.settled()
	n.stop()
	n.judge()
	assumed, _, puts := l.front.Seen()
	if assumed != 2 || puts["ended session"] != 1 {
		t.Errorf("%d sessions, %d puts with the ended one; want 2, 1", assumed, puts["ended session"])
	}
	if lines := n.log.outage(); len(lines) > 0 {
		t.Errorf("log: %s", lines)
	}
}

// A role that is taken away, policy and trust, and given back: one error line, one recovery, nothing lost.
func TestRoleRevokedThenRestored(t *testing.T) {
	l := newLab(t)
	n := l.node()
	n.write(30)
	n.start()
	n.settled()
	l.detach()
	l.front.SetRoles(nil)
	n.write(30)
	line := n.logged(`"level":"ERROR"`, "upload failed", "AccessDenied")
	if !strings.Contains(line, "s3:PutObject on arn:aws:s3:::"+bucket+"/ext/wazuh/* for role "+role) {
		t.Errorf("the error line does not name what is to be allowed: %s", line)
	}
	n.write(30)
	time.Sleep(3 * time.Second) // another batch meets the same refusal
	l.attach()
	l.front.SetRoles(map[string]string{role: externalID})
	restored := time.Now()
	n.settled()
	t.Logf("back %v after the role was", time.Since(restored).Round(time.Second))
	n.stop()
	n.judge()
	if lines := n.log.outage(); len(lines) != 2 || !strings.Contains(lines[1], "upload works again") {
		t.Errorf("%d lines, want the error and the recovery: %s", len(lines), lines)
	}
}

// A key that may not be used is one error line that names KMS; with the right key objects are encrypted with it.
func TestKMSKey(t *testing.T) {
	l := newLab(t)
	n := l.node()
	n.configure(externalID, "kms_key_id: no-such-key")
	n.write(20)
	n.start()
	line := n.logged(`"level":"ERROR"`, "upload failed")
	if !strings.Contains(line, "kms:GenerateDataKey") {
		t.Errorf("the error line does not name KMS: %s", line)
	}
	n.configure(externalID, "kms_key_id: "+kmsKey)
	n.signal(syscall.SIGHUP)
	n.settled()
	n.stop()
	n.judge()
	list, err := l.s3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucket)})
	l.must(err)
	for _, o := range list.Contents {
		head, err := l.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: o.Key})
		l.must(err)
		if head.ServerSideEncryption != "aws:kms" || !strings.HasSuffix(aws.ToString(head.SSEKMSKeyId), kmsKey) {
			t.Errorf("%s: encrypted by %q with %q, want aws:kms with %s", aws.ToString(o.Key), head.ServerSideEncryption, aws.ToString(head.SSEKMSKeyId), kmsKey)
		}
	}
	t.Logf("log: %s", strings.TrimSpace(line))
}
