package uploader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"wazuh-security-lake/spool"
)

// ErrMayNotLook means that neither the role of a source nor the daemon's own credentials may list the bucket, or read the
// objects: a provider role of Security Lake may only write.
var ErrMayNotLook = errors.New("neither the source's role nor the own credentials have s3:ListBucket or s3:GetObject")

// lookTries is how often one request is sent when the network or the store fails.
const lookTries = 4

// Sizes looks at what is under the keys of objects of one source and one directory, and returns the sizes of those that
// are there. whole: the directory was listed, and everything in it is in the answer. Without the right to list, each object
// is asked for by itself. It changes nothing. ErrMayNotLook: neither is allowed.
func (d *Destinations) Sizes(ctx context.Context, objects []spool.Object) (sizes map[string]int64, whole bool, err error) {
	if len(objects) == 0 {
		return nil, true, nil
	}
	t, err := parseDestination(objects[0].Destination)
	if err != nil {
		return nil, false, err
	}
	if t.dir != "" {
		sizes, err = d.dir.sizes(t.dir, path.Dir(objects[0].Key))
		return sizes, true, err
	}
	s, err := d.openS3(ctx)
	if err != nil {
		return nil, false, err
	}
	return s.sizes(ctx, t.bucket, objects)
}

// sizes lists one directory below the directory of a destination.
func (d *Dir) sizes(dir, sub string) (map[string]int64, error) {
	if err := checkKey(sub); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]int64{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	defer root.Close()
	sizes := make(map[string]int64)
	entries, err := fs.ReadDir(root.FS(), sub)
	if errors.Is(err, fs.ErrNotExist) {
		return sizes, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		if info.Mode().IsRegular() {
			sizes[sub+"/"+e.Name()] = info.Size()
		}
	}
	return sizes, nil
}

// sizes asks with the credentials of the source first, then with the daemon's own.
func (s *S3) sizes(ctx context.Context, bucket string, objects []spool.Object) (map[string]int64, bool, error) {
	role := s.aws.opt.Sources[objects[0].Source]
	if role.Region == "" {
		role.Region = s.aws.opt.Region
	}
	clients := []*s3.Client{s.aws.S3(role)}
	if role.RoleARN != "" {
		clients = append(clients, s.aws.S3(Role{Region: role.Region}))
	}
	for _, c := range clients {
		sizes, err := list(ctx, c, bucket, path.Dir(objects[0].Key)+"/")
		if err == nil || !forbidden(err) {
			return sizes, true, s.lookFault(objects[0], role, err)
		}
	}
	for _, c := range clients {
		sizes, err := heads(ctx, c, bucket, objects)
		if err == nil || !forbidden(err) {
			return sizes, false, s.lookFault(objects[0], role, err)
		}
	}
	return nil, false, ErrMayNotLook
}

func (s *S3) lookFault(o spool.Object, role Role, err error) error {
	if err == nil {
		return nil
	}
	return describe(o, role.RoleARN, err, s.aws.opt.Now())
}

// forbidden reports an answer that says no.
func forbidden(err error) bool {
	_, status := answer(err)
	return status == 403
}

func list(ctx context.Context, c *s3.Client, bucket, prefix string) (map[string]int64, error) {
	sizes := make(map[string]int64)
	var from *string
	for {
		var page *s3.ListObjectsV2Output
		err := again(ctx, func() (err error) {
			page, err = c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: aws.String(prefix), ContinuationToken: from})
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			sizes[aws.ToString(o.Key)] = aws.ToInt64(o.Size)
		}
		if from = page.NextContinuationToken; from == nil {
			return sizes, nil
		}
	}
}

// heads asks for each object by itself. An object that is refused beside one that is not is gone: in one directory who may read
// one may read all, and S3 says no instead of not found to whoever may not list. When all are refused, nobody can tell.
func heads(ctx context.Context, c *s3.Client, bucket string, objects []spool.Object) (map[string]int64, error) {
	sizes := make(map[string]int64)
	var no error
	for _, o := range objects {
		size, err := head(ctx, c, bucket, o.Key)
		_, status := answer(err)
		switch {
		case err == nil:
			sizes[o.Key] = size
		case forbidden(err) && innermostService(err) != "STS": // a role that is not to be had is refused once, not for each object
			no = err
		case status != 404:
			return nil, err
		}
	}
	if len(sizes) > 0 {
		no = nil
	}
	return sizes, no
}

func head(ctx context.Context, c *s3.Client, bucket, key string) (int64, error) {
	var size int64
	err := again(ctx, func() error {
		out, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)})
		if err == nil {
			size = aws.ToInt64(out.ContentLength)
		}
		return err
	})
	return size, err
}

// again repeats a request that failed for a reason that may pass: there is no queue behind a look that would do it.
func again(ctx context.Context, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		c := Classify(err)
		if err == nil || try == lookTries || c != Retryable && c != Throttled {
			return err
		}
		timer := time.NewTimer(time.Duration(try*try) * 250 * time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}
