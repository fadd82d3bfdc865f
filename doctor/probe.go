package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"wazuh-security-lake/lake"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/uploader"
)

// probe is one PutObject whose body does not have the checksum it announces. A store judges the right to write first,
// then the body: 403 is "may not", 400 is "may", and neither leaves an object.
func (c *cloud) probe(ctx context.Context, s source, key string, conditional bool) error {
	body := []byte("wazuh-security-lake doctor: a store must refuse this, its checksum is wrong on purpose\n")
	other := sha256.Sum256([]byte("something else"))
	in := &s3.PutObjectInput{
		Bucket: aws.String(s.bucket()), Key: aws.String(key), Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body))),
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(other[:])),
	}
	if !s.copied {
		in.StorageClass = types.StorageClass(c.options.StorageClass)
	}
	if conditional {
		in.IfNoneMatch = aws.String("*")
	}
	if c.options.KMSKeyID != "" && !s.copied {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, aws.String(c.options.KMSKeyID)
	}
	_, err := c.aws.S3(s.role()).PutObject(ctx, in)
	return err
}

// refusedBody reports the answers that mean: allowed, but the bytes are not the announced ones.
func refusedBody(e *uploader.Error) bool {
	return e.Class == uploader.Corrupt || (e.Status == http.StatusBadRequest && e.Code == "InvalidRequest")
}

// probeKey is a key of today's partition that no object has. Readers of the lake take a name with an underscore for
// hidden, should a store keep what it was told to refuse.
func (c *cloud) probeKey(s source) (string, error) {
	random := make([]byte, 8)
	if _, err := rand.Read(random); err != nil {
		return "", err
	}
	name := fmt.Sprintf("_doctor-%x.parquet", random)
	if s.copied {
		return path.Join(s.prefix, name), nil
	}
	return s.contract.Key(lake.Partition{Source: s.Name, Region: s.Region, AccountID: s.AccountID, Day: lake.DateOf(c.now().UnixMilli())}, name)
}

// checkWrite proves the right to write below the source's prefix.
func (c *cloud) checkWrite(s source) func(context.Context) Result {
	return func(ctx context.Context) Result {
		key, err := c.probeKey(s)
		if err != nil {
			return failure(Configuration, err.Error(), "wazuh-security-lake check-config")
		}
		object := spool.Object{Source: s.Name, Destination: s.destination, Key: key}
		prefix := key[:strings.LastIndexByte(key, '/')+1]
		err = c.probe(ctx, s, key, true)
		if err == nil {
			return c.kept(ctx, s, key)
		}
		e := uploader.Explain(object, s.RoleARN, err, c.now())
		if e.Status != 0 && e.Code == "" { // the connection went before the answer was read: its status alone says too little
			if err = c.probe(ctx, s, key, true); err == nil {
				return c.kept(ctx, s, key)
			}
			e = uploader.Explain(object, s.RoleARN, err, c.now())
		}
		if e.Status == http.StatusNotImplemented { // no conditional write there: the next check says so
			if err = c.probe(ctx, s, key, false); err == nil {
				return c.kept(ctx, s, key)
			}
			e = uploader.Explain(object, s.RoleARN, err, c.now())
		}
		switch {
		case refusedBody(e):
			c.verifies[s.Name] = true
			return passed("may write below %s/%s (a body with a wrong checksum was refused as such, nothing was stored)", s.destination, prefix)
		case e.Status == 0 && e.Code == "" && e.Class != uploader.Configuration:
			return networkFault(c.endpoint(), err, s.bucket())
		case e.Class == uploader.Retryable || e.Class == uploader.Throttled || e.Class == uploader.Conflict:
			return failure(Unavailable, "cannot be proven now: "+said(e), "try again; the daemon itself tries for ever")
		}
		return failure(faultOf(e), fmt.Sprintf("may not write below %s/%s: %s", s.destination, prefix, said(e)), e.Remedy)
	}
}

// kept is the answer of a store that took the probe: it does not look at checksums. The probe must not stay.
func (c *cloud) kept(ctx context.Context, s source, key string) Result {
	_, err := c.aws.S3(s.role()).DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(s.bucket()), Key: aws.String(key)})
	left := "; it was deleted again"
	var remedies []string
	if err != nil {
		left = "; it could not be deleted"
		remedies = append(remedies, fmt.Sprintf("delete it: aws s3 rm %s/%s", s.destination, key))
	}
	return warning("may write, but this store took an object with a wrong checksum"+left, append(remedies, "use a store that verifies checksums: damage on the way would go unnoticed")...)
}

// checkConditional sends the probe to a key that has an object: a store that knows If-None-Match answers 412. The object
// is safe: the write check has shown that this store refuses such a body.
func (c *cloud) checkConditional(s source) func(context.Context) Result {
	return func(ctx context.Context) Result {
		if !c.verifies[s.Name] {
			return skipped("not tried: the probe is harmless only where checksums are verified")
		}
		key, err := c.shippedKey(s)
		if err != nil || key == "" {
			return skipped("cannot be proven before the first object is shipped from here")
		}
		err = c.probe(ctx, s, key, true)
		if err == nil {
			return failure(Unavailable, "the store overwrote "+key+" with the probe", "restore that object from its versions; this store verifies checksums only at times")
		}
		e := uploader.Explain(spool.Object{Source: s.Name, Destination: s.destination, Key: key}, s.RoleARN, err, c.now())
		switch {
		case e.Class == uploader.Exists:
			return passed("If-None-Match is honoured: a key that is taken is answered with 412")
		case e.Status == http.StatusNotImplemented:
			return warning("the store knows no conditional write: objects are put without", "nothing is lost by it: the same key always has the same bytes")
		case refusedBody(e):
			return skipped("cannot be proven without an object: the store looks at the body before the condition")
		}
		return skipped("cannot be proven: %s", said(e))
	}
}

// shippedKey is the newest key this daemon has stored for a source; empty when there is none or the ledger is out of reach.
func (c *cloud) shippedKey(s source) (string, error) {
	key := ""
	err := spool.Ledger(c.cfg.Spool.Dir, func(e spool.Entry) error {
		if e.Manifest == nil {
			return nil
		}
		for _, o := range e.Manifest.Objects {
			if o.Source == s.Name && o.Destination == s.destination {
				key = o.Key
			}
		}
		return nil
	})
	return key, err
}

// checkEncryption says what is known about KMS. Whether a key may be used shows when an object is stored, and only then.
func (c *cloud) checkEncryption(s source) func(context.Context) Result {
	return func(ctx context.Context) Result {
		if key, err := c.shippedKey(s); err == nil && key != "" {
			return passed("objects are stored (the last one: %s), so the bucket's key may be used", key)
		}
		if c.options.KMSKeyID == "" || s.copied {
			return skipped("as the bucket encrypts; the right to use its key shows with the first object: wazuh-security-lake send-test")
		}
		return skipped("with key %s; the right to use it shows with the first object: wazuh-security-lake send-test", c.options.KMSKeyID)
	}
}
