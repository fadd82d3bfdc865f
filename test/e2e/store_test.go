package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// A writer whose bucket policy allows PutObject under the prefix of its source, and nothing else, is enough for the daemon.
func TestPrefixOnlyWriter(t *testing.T) {
	l := newLab(t, "-writer", writer+":"+writerSecret)
	l.allow("ext/wazuh/*")
	n := l.node("n1", "manager-1", noon)
	n.write(100)
	n.start("AWS_ACCESS_KEY_ID="+writer, "AWS_SECRET_ACCESS_KEY="+writerSecret)
	n.settled()
	n.write(100)
	if err := n.manager.Rotate(0); err != nil {
		t.Fatal(err)
	}
	n.write(100)
	n.settled()
	n.stop()
	l.judge(n)
	for line := range strings.Lines(n.stderr.String()) {
		if strings.Contains(line, "upload failed") {
			t.Errorf("log: %s", line)
		}
	}

	// The policy is as narrow as it says: otherwise the run above would show nothing.
	api, name := l.api(writer, writerSecret), aws.String(bucket)
	key := strings.TrimPrefix(l.objects()[0], l.dir+"/s3/"+bucket+"/")
	calls := map[string]func() error{
		"put elsewhere": func() error {
			_, err := api.PutObject(t.Context(), &s3.PutObjectInput{Bucket: name, Key: aws.String("ext/other/x"), Body: strings.NewReader("x")})
			return err
		},
		"get": func() error {
			_, err := api.GetObject(t.Context(), &s3.GetObjectInput{Bucket: name, Key: aws.String(key)})
			return err
		},
		"list": func() error {
			_, err := api.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: name})
			return err
		},
		"head bucket": func() error {
			_, err := api.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: name})
			return err
		},
		"delete": func() error {
			_, err := api.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: name, Key: aws.String(key)})
			return err
		},
	}
	for what, call := range calls {
		var answer smithy.APIError
		if err := call(); !errors.As(err, &answer) || answer.ErrorCode() != "AccessDenied" && answer.ErrorCode() != "Forbidden" {
			t.Errorf("the writer may %s: %v, want AccessDenied", what, err)
		}
	}
}

// A store with a certificate of the site's own CA, named by lake.ca_file.
func TestOwnCA(t *testing.T) {
	needE2E(t)
	ca := newAuthority(t)
	cert, key := ca.files(t, net.IPv4(127, 0, 0, 1), "")
	l := newLab(t, "-tls-cert", cert, "-tls-key", key)
	n := l.node("n1", "manager-1", noon)
	n.endpoint = "https://" + l.addr + "\n  ca_file: " + ca.file
	n.configure("manager-1", noon, "detection_finding")
	n.write(100)
	n.start()
	n.settled()
	n.stop()
	l.judge(n)
}

// A site whose only way out is a proxy with a password. A wrong password is one error line with the remedy and without the
// password; the host is a name that only the proxy can resolve.
func TestThroughAProxy(t *testing.T) {
	needE2E(t)
	const host = "s3.lake.test"
	ca := newAuthority(t)
	cert, key := ca.files(t, net.IPv4(127, 0, 0, 1), host)
	l := newLab(t, "-tls-cert", cert, "-tls-key", key)
	proxy := &connectProxy{credentials: "wazuh:proxy-password", server: l.addr}
	server := httptest.NewServer(proxy)
	defer server.Close()
	n := l.node("n1", "manager-1", noon)
	through := func(credentials string) {
		n.endpoint = "https://" + host + "\n  ca_file: " + ca.file + "\n  proxy: " + strings.Replace(server.URL, "://", "://"+credentials+"@", 1)
		n.configure("manager-1", noon, "detection_finding")
	}
	through("wazuh:wrong-password")
	n.write(100)
	n.start()
	logged(t, n, "upload failed")
	through("wazuh:proxy-password")
	hangup(t, n)
	n.settled()
	n.stop()
	l.judge(n)
	if let, refused := proxy.seen(); let == 0 || refused != 1 {
		t.Errorf("the proxy let %d connections through and refused %d; want some, 1", let, refused)
	}
	for _, want := range []string{`"level":"ERROR"`, "407", "lake.proxy"} {
		if !strings.Contains(n.stderr.String(), want) {
			t.Errorf("the log does not hold %q:\n%s", want, n.stderr)
		}
	}
	if strings.Contains(n.stderr.String(), "-password") {
		t.Errorf("a password is in the log:\n%s", n.stderr)
	}
}

// The suite that every Putter must pass, against the gateway in the clear and over TLS.
func TestConformance(t *testing.T) {
	needE2E(t)
	ca := newAuthority(t)
	cert, key := ca.files(t, net.IPv4(127, 0, 0, 1), "")
	for name, flags := range map[string][]string{"http": nil, "https": {"-tls-cert", cert, "-tls-key", key}} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, flags...)
			cmd := exec.Command("go", "test", "-count=1", "-v", "-run", "TestConformanceServer", "../../uploader")
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0", fmt.Sprintf("WSL_S3=%s://%s,%s,%s,%s", name, l.addr, access, secret, bucket), "WSL_S3_CA="+ca.file)
			out, err := printed.combined(cmd)
			if err != nil || !strings.Contains(string(out), "--- PASS: TestConformanceServer") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
