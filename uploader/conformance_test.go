package uploader

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"wazuh-security-lake/spool"
)

// backend is a Putter together with a way to look at what it stored.
type backend struct {
	destination string
	putter      Putter
	read        func(t *testing.T, key string) ([]byte, bool)
}

// conform is what every Putter must do.
func conform(t *testing.T, b backend) {
	run := rand.Text()[:8] // a server that stays up between runs must not remember the last one
	object := func(seq int, body []byte) spool.Object {
		return objectOf(b.destination, "c"+run, "20261123", seq, body)
	}
	put := func(o spool.Object, body []byte) error {
		return b.putter.Put(t.Context(), o, bytes.NewReader(body))
	}
	expect := func(t *testing.T, o spool.Object, want []byte) {
		t.Helper()
		if got, ok := b.read(t, o.Key); !ok || !bytes.Equal(got, want) {
			t.Errorf("read back %d bytes (there: %v), want the %d sent", len(got), ok, len(want))
		}
	}
	// 3 MiB crosses the size from which the SDK asks with Expect: 100-continue.
	for i, size := range []int{1, 1000, 3 << 20} {
		body := bytes.Repeat([]byte{byte(i), 'x'}, size)[:size]
		o := object(i, body)
		if err := put(o, body); err != nil {
			t.Fatalf("put %d bytes: %v", size, err)
		}
		expect(t, o, body)
		if err := put(o, body); !errors.Is(err, ErrExists) {
			t.Errorf("put again: %v, want ErrExists", err)
		}
	}

	body := []byte("racing")
	o := object(10, body)
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = put(o, body) })
	}
	wg.Wait()
	first := 0
	for _, err := range errs {
		switch {
		case err == nil:
			first++
		case !errors.Is(err, ErrExists) && Classify(err) != Conflict:
			t.Errorf("racer: %v", err)
		}
	}
	if first != 1 {
		t.Errorf("%d racers stored the object, want 1", first)
	}
	expect(t, o, body)

	o = object(11, []byte("sealed bytes"))
	if err := put(o, []byte("other! bytes")); Classify(err) != Corrupt {
		t.Errorf("bytes that differ from the manifest: %v, want class corrupt", err)
	}
	if _, there := b.read(t, o.Key); there {
		t.Error("bytes that differ from the manifest became visible")
	}

	o = object(12, []byte("breaks off"))
	if err := b.putter.Put(t.Context(), o, &brokenBody{Reader: *bytes.NewReader([]byte("breaks off"))}); err == nil || Classify(err) == Exists {
		t.Errorf("a body that cannot be read: %v, want an error", err)
	}
	if _, there := b.read(t, o.Key); there {
		t.Error("half an object became visible")
	}

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.putter.Put(ended, object(13, body), bytes.NewReader(body)); err == nil {
		t.Error("put with an ended context succeeded")
	}

	for _, key := range []string{"", ".", "/abs", "../up", "a/../../up", "a//b", "a/./b", "a/", "a\x00b", "a\nb", `a\b`, strings.Repeat("k", 2000)} {
		o := object(14, body)
		o.Key = key
		if err := put(o, body); Classify(err) != Configuration || err == nil {
			t.Errorf("key %.40q: %v, want a configuration fault", key, err)
		}
	}
	for _, destination := range []string{"", "lake", "s3://", "s3://b/prefix", "file://host/x", "file:relative", "http://b", "s3://user:pw@b"} {
		o := object(15, body)
		o.Destination = destination
		err := put(o, body)
		if Classify(err) != Configuration || err == nil {
			t.Errorf("destination %q: %v, want a configuration fault", destination, err)
		}
	}
}

// brokenBody fails in the middle, after hashing passes have had no chance to see it whole.
type brokenBody struct{ bytes.Reader }

func (b *brokenBody) Read(p []byte) (int, error) {
	if b.Len() <= 5 {
		return 0, io.ErrUnexpectedEOF
	}
	return b.Reader.Read(p[:min(len(p), 5)])
}

func TestConformanceDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "lake")
	conform(t, backend{
		destination: "file://" + dir, putter: NewDir(),
		read: func(t *testing.T, key string) ([]byte, bool) {
			b, err := os.ReadFile(filepath.Join(dir, key))
			return b, err == nil
		},
	})
	left, err := os.ReadDir(filepath.Join(dir, partialDir))
	if err != nil || len(left) != 0 {
		t.Errorf("%d partial files left (%v), want none", len(left), err)
	}
}

func TestConformanceFakeS3(t *testing.T) {
	bubble(t, func(t *testing.T, store *fakeS3, opt S3Options) {
		p := openS3(t, opt)
		defer p.Close()
		conform(t, backend{destination: "s3://lake", putter: p, read: func(t *testing.T, key string) ([]byte, bool) {
			store.mu.Lock()
			defer store.mu.Unlock()
			b, ok := store.objects["lake/"+key]
			return b, ok
		}})
	})
}

// TestConformanceServer runs against a real server, see test/s3server: WSL_S3=endpoint,access,secret,bucket.
func TestConformanceServer(t *testing.T) {
	at := strings.Split(os.Getenv("WSL_S3"), ",")
	if len(at) != 4 {
		t.Skip("WSL_S3=endpoint,access,secret,bucket names no server")
	}
	p, bucket := openServer(t, at)
	conform(t, backend{destination: "s3://" + bucket, putter: p, read: func(t *testing.T, key string) ([]byte, bool) {
		out, err := p.clients[Role{Region: "us-east-1"}].s3.GetObject(t.Context(), &s3.GetObjectInput{
			Bucket: aws.String(bucket), Key: aws.String(key), ChecksumMode: "ENABLED"})
		if err != nil {
			return nil, false
		}
		defer out.Body.Close()
		if aws.ToString(out.ChecksumSHA256) == "" {
			t.Errorf("%s was stored without its SHA-256", key)
		}
		b, err := io.ReadAll(out.Body)
		return b, err == nil
	}})
	for name, tc := range map[string]struct {
		change func(o *spool.Object)
		secret string
		want   string
	}{
		"bucket":       {change: func(o *spool.Object) { o.Destination = "s3://no-such-bucket-here" }, want: "NoSuchBucket"},
		"wrong secret": {secret: "wrong", want: "SignatureDoesNotMatch"},
	} {
		t.Run(name, func(t *testing.T) {
			p := p
			if tc.secret != "" {
				p, _ = openServer(t, []string{at[0], at[1], tc.secret, at[3]})
			}
			body := []byte(name)
			o := objectOf("s3://"+bucket, "c", "20261123", 1, body)
			if tc.change != nil {
				tc.change(&o)
			}
			var e *Error
			if err := p.Put(t.Context(), o, bytes.NewReader(body)); !errors.As(err, &e) || e.Code != tc.want || e.Class != Configuration {
				t.Errorf("got %v, want code %s, class configuration", err, tc.want)
			}
		})
	}
	t.Run("drain through the real store", func(t *testing.T) {
		q := newMemQueue()
		for seq := 1; seq <= 40; seq++ {
			q.add("s3://"+bucket, "drain"+rand.Text()[:6], "20261123", seq, 50_000)
		}
		u := New(q, p, Options{Log: slog.New(slog.DiscardHandler)})
		if err := u.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(q.acks) != 40 {
			t.Errorf("%d acknowledged, want 40", len(q.acks))
		}
	})
}

func openServer(t *testing.T, at []string) (*S3, string) {
	plainAWS(t)
	t.Setenv("AWS_ACCESS_KEY_ID", at[1])
	t.Setenv("AWS_SECRET_ACCESS_KEY", at[2])
	p, err := NewS3(t.Context(), S3Options{Region: "us-east-1", S3Endpoint: at[0], PathStyle: true, Log: slog.New(slog.DiscardHandler),
		CAFile: os.Getenv("WSL_S3_CA")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p, at[3]
}

func TestDirRefusesWhatIsNotItsOwn(t *testing.T) {
	body := []byte("body")
	outside := t.TempDir()
	dir := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "ext")); err != nil {
		t.Fatal(err)
	}
	o := objectOf("file://"+dir, "a", "20261123", 1, body)
	if err := NewDir().Put(t.Context(), o, bytes.NewReader(body)); err == nil || errors.Is(err, ErrExists) {
		t.Errorf("a link out of the directory was followed: %v", err)
	}
	if left, _ := os.ReadDir(outside); len(left) != 0 {
		t.Errorf("%d files outside the directory", len(left))
	}

	dir = t.TempDir()
	o.Destination = "file://" + dir
	if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(o.Key)), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]string{"other size": "other bytes", "same size": "BODY"} {
		if err := os.WriteFile(filepath.Join(dir, o.Key), []byte(other), 0o644); err != nil {
			t.Fatal(err)
		}
		err := NewDir().Put(t.Context(), o, bytes.NewReader(body))
		if !errors.Is(err, ErrDiffers) || Classify(err) != Configuration {
			t.Errorf("%s: %v, want ErrDiffers", name, err)
		}
		if got, _ := os.ReadFile(filepath.Join(dir, o.Key)); string(got) != other {
			t.Errorf("%s: the other object was changed to %q", name, got)
		}
	}

	o.Key = ".tmp/x"
	if err := NewDir().Put(t.Context(), o, bytes.NewReader(body)); err == nil {
		t.Error("a key in the partial directory was accepted")
	}
}

// A file where a directory should be does not go away by waiting.
func TestDirThatIsAFile(t *testing.T) {
	body := []byte("body")
	for _, name := range []string{"", "ext", ".tmp"} {
		dir := filepath.Join(t.TempDir(), "lake")
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		err := NewDir().Put(t.Context(), objectOf("file://"+dir, "a", "20261123", 1, body), bytes.NewReader(body))
		var e *Error
		if !errors.As(err, &e) || e.Class != Configuration || e.Remedy == "" {
			t.Errorf("%q: %v, want a configuration fault with its remedy", name, err)
		}
	}
}

func TestDirSweepsPartialFilesOfTheDead(t *testing.T) {
	dir := t.TempDir()
	partial := filepath.Join(dir, partialDir)
	if err := os.Mkdir(partial, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"old", "young"} {
		if err := os.WriteFile(filepath.Join(partial, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old := realClock{}.Now().Add(-2 * partialAge)
	if err := os.Chtimes(filepath.Join(partial, "old"), old, old); err != nil {
		t.Fatal(err)
	}
	body := []byte("body")
	if err := NewDir().Put(t.Context(), objectOf("file://"+dir, "a", "20261123", 1, body), bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	left, _ := os.ReadDir(partial)
	if len(left) != 1 || left[0].Name() != "young" {
		t.Errorf("left %v, want only young", left)
	}
}

func TestOpenChoosesByPinnedDestination(t *testing.T) {
	bubble(t, func(t *testing.T, store *fakeS3, opt S3Options) {
		for _, bad := range []string{"", "lake", "s3://b/x", "ftp://x"} {
			if _, err := Open(t.Context(), bad, opt); err == nil {
				t.Errorf("destination %q accepted", bad)
			}
		}
		dir := t.TempDir()
		d, err := Open(t.Context(), "file://"+dir, opt)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		body := []byte("body")
		for _, destination := range []string{"file://" + dir, "s3://lake"} {
			o := objectOf(destination, "a", "20261123", 1, body)
			if err := d.Put(t.Context(), o, bytes.NewReader(body)); err != nil {
				t.Errorf("%s: %v", destination, err)
			}
			if err := d.Put(t.Context(), o, bytes.NewReader(body)); !errors.Is(err, ErrExists) {
				t.Errorf("%s again: %v", destination, err)
			}
		}
		if len(store.objects) != 1 {
			t.Errorf("%d objects in the bucket, want 1", len(store.objects))
		}
		opt.Region = ""
		if _, err := Open(t.Context(), "s3://lake", opt); err == nil {
			t.Error("no region: want an error at the start")
		}
	})
}
