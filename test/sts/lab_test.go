package sts

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/minio/madmin-go/v3"
	miniocredentials "github.com/minio/minio-go/v7/pkg/credentials"

	"wazuh-security-lake/lake"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/test/replica"
)

const (
	root, rootSecret = "rootkey", "rootsecret-of-the-test"
	user, userSecret = "wazuhkey", "wazuhsecret-of-the-test"
	bucket           = "aws-security-data-lake-test"
	policyName       = "prefix-only"
	role             = "arn:aws:iam::123456789012:role/AmazonSecurityLake-Provider-wazuh-us-east-1"
	externalID       = "ext-of-the-test"
	kmsKey           = "lake-key"
	patience         = 2 * time.Minute
)

// putOnly is all a provider role needs.
var putOnly = []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:PutObject"],"Resource":["arn:aws:s3:::` + bucket + `/ext/wazuh/*"]}]}`)

var daemon string // the binary, built by TestMain

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if os.Getenv("WSL_STS") == "" {
			return m.Run() // every test skips
		}
		dir, err := os.MkdirTemp("", "wsl-sts-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		daemon = filepath.Join(dir, "wazuh-security-lake")
		build := exec.Command("go", "-C", "../..", "build", "-o", daemon, "./cmd/wazuh-security-lake")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// lab is a MinIO with one bucket, one user and the front.
type lab struct {
	t     *testing.T
	dir   string
	minio string // its address
	front *Front
	url   string // of the front
	admin *madmin.AdminClient
	s3    *s3.Client // root's
}

func newLab(t *testing.T) *lab {
	t.Helper()
	binary := os.Getenv("WSL_STS")
	if binary == "" {
		t.Skip("needs a MinIO binary, WSL_STS names it: run `make e2e-sts`")
	}
	l := &lab{t: t, dir: t.TempDir(), minio: freeAddress(t)}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "server", "--quiet", "--address", l.minio, filepath.Join(l.dir, "data"))
	cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+root, "MINIO_ROOT_PASSWORD="+rootSecret, "MINIO_BROWSER=off", "MINIO_SITE_REGION=us-east-1",
		"MINIO_KMS_SECRET_KEY="+kmsKey+":"+base64.StdEncoding.EncodeToString(key), "HOME="+l.dir)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("MinIO:\n%s", &log)
		}
	})
	l.s3 = l.api("http://"+l.minio, credentials.NewStaticCredentialsProvider(root, rootSecret, ""))
	var err error
	if l.admin, err = madmin.NewWithOptions(l.minio, &madmin.Options{Creds: miniocredentials.NewStaticV4(root, rootSecret, "")}); err != nil {
		t.Fatal(err)
	}
	l.eventually("MinIO is ready", func() error {
		_, err := l.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)})
		return err
	})
	l.must(l.admin.AddCannedPolicy(t.Context(), policyName, putOnly))
	l.eventually("the user is made", func() error { return l.admin.AddUser(t.Context(), user, userSecret) })
	l.attach()
	l.front = NewFront(l.minio, map[string]string{role: externalID})
	server := httptest.NewServer(l.front)
	t.Cleanup(server.Close)
	l.url = server.URL
	return l
}

// attach gives the user, and with it every session, the policy; detach takes it away.
func (l *lab) attach() {
	l.t.Helper()
	_, err := l.admin.AttachPolicy(l.t.Context(), madmin.PolicyAssociationReq{Policies: []string{policyName}, User: user})
	l.must(err)
}

func (l *lab) detach() {
	l.t.Helper()
	_, err := l.admin.DetachPolicy(l.t.Context(), madmin.PolicyAssociationReq{Policies: []string{policyName}, User: user})
	l.must(err)
}

func (l *lab) api(endpoint string, creds aws.CredentialsProvider) *s3.Client {
	return s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: aws.String(endpoint), UsePathStyle: true, RetryMaxAttempts: 1, Credentials: creds})
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) eventually(what string, try func() error) {
	l.t.Helper()
	l.eventuallyWithin(patience, what, try)
}

func (l *lab) eventuallyWithin(patience time.Duration, what string, try func() error) {
	l.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("never: %s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond) // real processes in real time
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// node is a manager with its daemon.
type node struct {
	*lab
	manager *replica.Manager
	state   string
	config  string
	cmd     *exec.Cmd
	log     *book
	exited  chan error
}

// book is what the daemon has logged.
type book struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// outage returns the lines that an operator would see about uploads: warnings, errors, recoveries.
func (b *book) outage() []string {
	var out []string
	for line := range strings.Lines(b.String()) {
		if strings.Contains(line, `"msg":"upload `) && !strings.Contains(line, `"level":"DEBUG"`) {
			out = append(out, line)
		}
	}
	return out
}

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func (l *lab) node() *node {
	l.t.Helper()
	n := &node{lab: l, state: filepath.Join(l.dir, "state"), config: filepath.Join(l.dir, "config.yaml"), log: &book{}}
	n.manager = replica.New(filepath.Join(l.dir, "alerts"), noon)
	l.must(n.manager.Start())
	n.configure(externalID, "")
	return n
}

func (n *node) configure(externalID, more string) {
	n.t.Helper()
	n.must(os.WriteFile(n.config, fmt.Appendf(nil, `
input: {path: %q, dated_dir: %q, start_at: 2026-03-14}
lake:
  destination: s3://%s
  region: us-east-1
  account_id: "123456789012"
  s3_endpoint: %s
  sts_endpoint: %s
  path_style: true
  role_arn: %s
  external_id: %s
  %s
sources: [{name: wazuh, class: detection_finding}]
batch: {interval: 1s}
spool: {dir: %q, min_free: 1MiB}
node: manager-1
`, n.manager.Path(), n.manager.Dir(), bucket, n.url, n.url, role, externalID, more, n.state), 0o600))
}

func (n *node) start() {
	n.t.Helper()
	cmd := exec.Command(daemon, "run", "-c", n.config)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+user, "AWS_SECRET_ACCESS_KEY="+userSecret, "AWS_EC2_METADATA_DISABLED=true", "TZ=UTC")
	cmd.Stderr = n.log
	n.must(cmd.Start())
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	n.cmd, n.exited = cmd, exited
	n.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		if n.t.Failed() {
			n.t.Logf("daemon:\n%s", n.log)
		}
		for _, s := range []string{userSecret, rootSecret} {
			if strings.Contains(n.log.String(), s) {
				n.t.Error("a secret is in the log")
			}
		}
	})
}

func (n *node) signal(s os.Signal) {
	n.t.Helper()
	n.must(n.cmd.Process.Signal(s))
}

func (n *node) stop() {
	n.t.Helper()
	n.signal(syscall.SIGTERM)
	if err := <-n.exited; err != nil {
		n.t.Fatalf("daemon ended: %v", err)
	}
}

func (n *node) write(count int) {
	n.t.Helper()
	for range count {
		_, err := n.manager.Alert(500)
		n.must(err)
	}
	n.must(n.manager.Tick(time.Second))
}

// settled waits until everything written is in the bucket, as far as the daemon knows.
func (n *node) settled() {
	n.t.Helper()
	n.eventually("settled", func() error {
		st, err := spool.Read(n.state)
		if err == nil && (st.Account.Read < int64(len(n.manager.Alerts())) || st.Account.Pending > 0) {
			err = fmt.Errorf("%+v of %d alerts", st.Account, len(n.manager.Alerts()))
		}
		return err
	})
}

// logged waits for a line of the log.
func (n *node) logged(parts ...string) string {
	n.t.Helper()
	found := ""
	n.eventually(fmt.Sprintf("log %q", parts), func() error {
	lines:
		for line := range strings.Lines(n.log.String()) {
			for _, p := range parts {
				if !strings.Contains(line, p) {
					continue lines
				}
			}
			found = line
			return nil
		}
		return errors.New("not yet")
	})
	return found
}

// judge reads every object back as root and compares: every alert once.
func (n *node) judge() {
	n.t.Helper()
	ids := map[string]int{}
	objects := 0
	pages := s3.NewListObjectsV2Paginator(n.s3, &s3.ListObjectsV2Input{Bucket: aws.String(bucket)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(n.t.Context())
		n.must(err)
		for _, o := range page.Contents {
			objects++
			b := n.read(aws.ToString(o.Key))
			n.must(lake.Rows(bytes.NewReader(b), int64(len(b)), func(row []byte) error {
				var ev struct {
					FindingInfo struct {
						UID string `json:"uid"`
					} `json:"finding_info"`
				}
				err := json.Unmarshal(row, &ev)
				ids[ev.FindingInfo.UID]++
				return err
			}))
		}
	}
	want := n.manager.Visible()
	lost, twice := 0, 0
	for id := range want {
		switch {
		case ids[id] == 0:
			lost++
		case ids[id] > 1:
			twice++
		}
	}
	assumed, refused, puts := n.front.Seen()
	n.t.Logf("judge: %d alerts, %d objects, %d lost, %d twice; %d sessions, %d AssumeRole refused, puts %v", len(want), objects, lost, twice, assumed, refused, puts)
	if lost+twice > 0 || len(ids) != len(want) || len(want) == 0 {
		n.t.Errorf("%d alerts, %d in the lake: %d lost, %d twice", len(want), len(ids), lost, twice)
	}
	if puts["own"] > 0 {
		n.t.Errorf("%d objects were put with the daemon's own credentials instead of the role's", puts["own"])
	}
}

func (l *lab) read(key string) []byte {
	l.t.Helper()
	out, err := l.s3.GetObject(context.WithoutCancel(l.t.Context()), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)})
	l.must(err)
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	l.must(err)
	return b
}
