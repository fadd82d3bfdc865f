// Command s3server is a real S3 server for tests on loopback: versitygw embedded, objects as plain files below -root.
//
// It is a module of its own so that the gateway's dependencies stay out of the daemon's. Build it once and keep the binary:
//
//	cd test/s3server && CGO_ENABLED=0 go build -o "$TMPDIR/s3server" .
//	"$TMPDIR/s3server" -root "$TMPDIR/s3" -addr 127.0.0.1:7070 -access testkey -secret testsecret -bucket lake
//	WSL_S3=http://127.0.0.1:7070,testkey,testsecret,lake go test ./uploader/
//
// It creates the bucket, prints "ready <addr>" on standard output once requests are answered, and ends on SIGTERM or
// SIGINT. With -addr 127.0.0.1:0 it picks a free port and prints it. With -tls-cert and -tls-key it speaks https
// (then add the certificate's issuer with AWS_CA_BUNDLE or ca_file). -max-requests 1 gives real 503 SlowDown answers.
// -writer key:secret adds a user who may do nothing until a bucket policy allows it; accounts lie in <root>.iam then.
// Metadata lies in extended attributes, or, on a file system without them, in <root>.meta beside the root.
// The gateway keeps ".vgwlocks" in the root for conditional writes: ignore it when listing. It has no STS AssumeRole.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

type options struct {
	root, addr, access, secret, bucket, region string
	cert, key, writer                          string
	maxRequests                                int
}

func main() {
	var o options
	flag.StringVar(&o.root, "root", "", "directory that holds the buckets (made when missing)")
	flag.StringVar(&o.addr, "addr", "127.0.0.1:0", "address to listen on; only loopback is accepted")
	flag.StringVar(&o.access, "access", "testkey", "access key id")
	flag.StringVar(&o.secret, "secret", "testsecret", "secret access key")
	flag.StringVar(&o.bucket, "bucket", "lake", "bucket to create")
	flag.StringVar(&o.region, "region", "us-east-1", "region requests must be signed for")
	flag.StringVar(&o.cert, "tls-cert", "", "certificate file, with -tls-key")
	flag.StringVar(&o.key, "tls-key", "", "key file, with -tls-cert")
	flag.StringVar(&o.writer, "writer", "", "key:secret of a second user, without any permission of its own")
	flag.IntVar(&o.maxRequests, "max-requests", 1000, "requests at a time before 503 SlowDown")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "s3server:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. It returns nil after an orderly end.
func run(ctx context.Context, o options) error {
	if o.root == "" || flag.NArg() > 0 {
		return errors.New("usage: s3server -root DIR [-addr 127.0.0.1:PORT] [-access K] [-secret S] [-bucket B]")
	}
	addr, err := loopback(o.addr)
	if err != nil {
		return err
	}
	// The gateway changes into its root, so every path must be absolute before it starts.
	for _, p := range []*string{&o.root, &o.cert, &o.key} {
		if *p == "" {
			continue
		}
		if *p, err = filepath.Abs(*p); err != nil {
			return fmt.Errorf("make path absolute: %w", err)
		}
	}
	if err := os.MkdirAll(o.root, 0o755); err != nil {
		return fmt.Errorf("make root: %w", err)
	}
	be, err := openBackend(o.root)
	if err != nil {
		return err
	}
	accounts, err := openAccounts(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		served <- embedgw.RunVersityGW(ctx, be, &embedgw.Config{
			RootUserAccess: o.access, RootUserSecret: o.secret, Region: o.region,
			Ports: []string{addr}, CertFile: o.cert, KeyFile: o.key,
			MaxConnections: max(1000, o.maxRequests), MaxRequests: o.maxRequests,
			MultipartMaxParts: 10000, Quiet: true, KeepAlive: true, IAMService: accounts,
		})
	}()
	ready := make(chan error, 1)
	go func() { ready <- createBucket(ctx, o, addr) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", addr, err)
	case err := <-ready:
		if err != nil {
			cancel()
			<-served
			return err
		}
	}
	fmt.Println("ready", addr)
	if err := <-served; err != nil && ctx.Err() == nil {
		return fmt.Errorf("serve %s: %w", addr, err)
	}
	return nil
}

// loopback checks the address and replaces port 0. The port is free when it is chosen, not reserved: the gateway
// opens its own listener, so a race with another program ends in an error, never in a wrong server.
func loopback(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("parse address: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return "", fmt.Errorf("address %q is not a loopback address", addr)
	}
	if port != "0" {
		return addr, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// openBackend stores metadata in extended attributes where the file system has them, else in files beside the root.
func openBackend(root string) (*posix.Posix, error) {
	opts := posix.PosixOpts{NewDirPerm: 0o755, NewFilePerm: 0o644}
	var store meta.MetadataStorer = meta.XattrMeta{}
	if err := (meta.XattrMeta{}).Test(root); err != nil {
		dir := root + ".meta"
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("make metadata directory: %w", err)
		}
		sidecar, err := meta.NewSideCar(dir)
		if err != nil {
			return nil, fmt.Errorf("open metadata directory %s: %w", dir, err)
		}
		store = sidecar
	}
	be, err := posix.New(root, store, opts)
	if err != nil {
		return nil, fmt.Errorf("open root %s: %w", root, err)
	}
	return be, nil
}

// openAccounts makes the writer's account; nil without one: the root account is the only one then.
func openAccounts(o options) (auth.IAMService, error) {
	if o.writer == "" {
		return nil, nil //nolint:nilnil // the gateway takes nil for "root only"
	}
	access, secret, ok := strings.Cut(o.writer, ":")
	if !ok || access == "" || secret == "" {
		return nil, errors.New("-writer: want key:secret")
	}
	dir := o.root + ".iam"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of accounts: %w", err)
	}
	accounts, err := auth.NewInternal(auth.Account{Access: o.access, Secret: o.secret, Role: auth.RoleAdmin}, dir)
	if err != nil {
		return nil, fmt.Errorf("open accounts in %s: %w", dir, err)
	}
	err = accounts.CreateAccount(auth.Account{Access: access, Secret: secret, Role: auth.RoleUser})
	if err != nil && !errors.Is(err, auth.ErrUserExists) {
		return nil, fmt.Errorf("create account of the writer: %w", err)
	}
	return accounts, nil
}

// createBucket makes the bucket through the S3 interface, trying until the server answers: the first success is
// also the proof that it is ready.
func createBucket(ctx context.Context, o options, addr string) error {
	scheme, client := "http", &http.Client{Timeout: 5 * time.Second}
	if o.cert != "" {
		scheme = "https"
		// Its own loopback listener a moment after the start; the certificate is whatever the test brought.
		client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec
	}
	api := s3.New(s3.Options{
		Region: o.region, BaseEndpoint: aws.String(scheme + "://" + addr), UsePathStyle: true, HTTPClient: client,
		Credentials: credentials.NewStaticCredentialsProvider(o.access, o.secret, ""), RetryMaxAttempts: 1,
	})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(15 * time.Second); ; {
		_, err := api.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(o.bucket)})
		var owned *types.BucketAlreadyOwnedByYou
		var exists *types.BucketAlreadyExists
		if err == nil || errors.As(err, &owned) || errors.As(err, &exists) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("create bucket %s: %w", o.bucket, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
