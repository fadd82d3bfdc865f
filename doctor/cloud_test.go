package doctor

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wazuh-security-lake/config"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/uploader"
)

// store is S3 and STS on one address, as far as doctor asks them.
type store struct {
	answer func(r *http.Request) (status int, code string) // to a PutObject; 200 stores
	roles  map[string]string                               // role -> external ID it demands, "" demands none
	shift  time.Duration                                   // of its clock
	region string
	head   int

	mu      sync.Mutex
	objects []string
	deleted []string
	puts    int
	// verified: the last body was the announced one.
	verified bool
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Date", time.Now().Add(s.shift).UTC().Format(http.TimeFormat))
	w.Header().Set("x-amz-bucket-region", s.region)
	switch {
	case r.Method == http.MethodHead:
		w.WriteHeader(s.head)
	case r.Method == http.MethodPost:
		s.sts(w, r)
	case r.Method == http.MethodPut:
		s.puts++
		body, _ := io.ReadAll(r.Body)
		sum := sha256.Sum256(body)
		s.verified = r.Header.Get("X-Amz-Checksum-Sha256") == base64.StdEncoding.EncodeToString(sum[:])
		status, code := s.answer(r)
		if s.verified { // then no store has a reason to refuse it
			status = http.StatusOK
		}
		if status == http.StatusOK {
			s.objects = append(s.objects, r.URL.Path)
			return
		}
		refuse(w, status, code)
	case r.Method == http.MethodDelete:
		s.deleted = append(s.deleted, r.URL.Path)
		s.objects = slices.DeleteFunc(s.objects, func(o string) bool { return o == r.URL.Path })
		w.WriteHeader(http.StatusNoContent)
	}
}

func refuse(w http.ResponseWriter, status int, code string) {
	if code == "" { // the answer breaks off in its document
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(status)
		fmt.Fprint(w, "<Error>")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
}

func (s *store) sts(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	if form.Get("Action") == "GetCallerIdentity" {
		fmt.Fprint(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/manager</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`)
		return
	}
	external, known := s.roles[form.Get("RoleArn")]
	if !known || (external != "" && form.Get("ExternalId") != external) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>User is not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>`)
		return
	}
	fmt.Fprint(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role-token</SessionToken><Expiration>`+
		time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`)
}

const testRole = "arn:aws:iam::123456789012:role/AmazonSecurityLake-Provider-wazuh-us-east-1"

// diagnose runs the checks of the cloud against a store and returns them by name.
func diagnose(t *testing.T, s *store, change func(*Options)) map[string]Outcome {
	t.Helper()
	if s.region == "" {
		s.region = "us-east-1"
	}
	if s.head == 0 {
		s.head = http.StatusForbidden
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIATESTTESTTEST7Q2X")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "the-secret-key")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	c := config.Default()
	c.Lake.Destination, c.Lake.Region, c.Lake.AccountID = "s3://lake", "us-east-1", "123456789012"
	c.Lake.S3Endpoint, c.Lake.STSEndpoint, c.Lake.PathStyle = server.URL, server.URL, true
	c.Spool.Dir = t.TempDir()
	opt := Options{Config: c, File: "/dev/null", Users: []Identity{Self()},
		S3: uploader.S3Options{Region: "us-east-1", S3Endpoint: server.URL, STSEndpoint: server.URL, PathStyle: true}}
	if change != nil {
		change(&opt)
	}
	checks, release := Checks(opt)
	defer release()
	found := make(map[string]Outcome)
	for _, o := range Run(t.Context(), checks, 5*time.Second, func(Outcome) {}) {
		found[o.Name] = o
		for _, text := range append([]string{o.Detail}, o.Remedy...) {
			for _, secret := range []string{"the-secret-key", "role-secret", "role-token", "AKIATESTTESTTEST", "right-id", "wrong-id"} {
				if strings.Contains(text, secret) {
					t.Errorf("%s shows a secret: %q", o.Name, text)
				}
			}
		}
	}
	return found
}

// verifying answers as S3 does: who may not is told so, who may is told that the body is not the announced one.
func verifying(*http.Request) (int, string) { return http.StatusBadRequest, "BadDigest" }

func always(status int, code string) func(*http.Request) (int, string) {
	return func(*http.Request) (int, string) { return status, code }
}

func want(t *testing.T, o Outcome, status Status, fault Fault, texts ...string) {
	t.Helper()
	all := o.Detail + "\n" + strings.Join(o.Remedy, "\n")
	if o.Status != status || o.Fault != fault {
		t.Errorf("%s: got %s %s (%s), want %s %s", o.Name, o.Status, o.Fault, all, status, fault)
	}
	for _, text := range texts {
		if !strings.Contains(all, text) {
			t.Errorf("%s: got %q, want %q in it", o.Name, all, text)
		}
	}
}

func TestWriteProbe(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(*http.Request) (int, string)
		status Status
		fault  Fault
		text   string
		left   int
	}{
		"allowed":             {verifying, OK, "", "may write below s3://lake/ext/wazuh/region=us-east-1/accountId=123456789012/eventDay=", 0},
		"allowed, as MinIO":   {always(400, "XAmzContentChecksumMismatch"), OK, "", "nothing was stored", 0},
		"denied":              {always(403, "AccessDenied"), Fail, Permission, "allow s3:PutObject on arn:aws:s3:::lake/ext/wazuh/", 0},
		"wrong secret":        {always(403, "SignatureDoesNotMatch"), Fail, Permission, "correct the access key", 0},
		"no bucket":           {always(404, "NoSuchBucket"), Fail, Configuration, "bucket lake does not exist", 0},
		"wrong region":        {always(400, "AuthorizationHeaderMalformed"), Fail, Configuration, "another region", 0},
		"KMS key disabled":    {always(400, "KMS.DisabledException"), Fail, Configuration, "kms:GenerateDataKey", 0},
		"clock":               {always(403, "RequestTimeTooSkewed"), Fail, Configuration, "set the clock", 0},
		"busy":                {always(503, "SlowDown"), Fail, Unavailable, "try again", 0},
		"checksums not known": {always(200, ""), Warn, "", "it was deleted again", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := &store{answer: c.answer}
			found := diagnose(t, s, nil)
			want(t, found["write wazuh"], c.status, c.fault, c.text)
			if len(s.objects) != c.left {
				t.Errorf("left in the bucket: %v", s.objects)
			}
			if c.status != OK && found["conditional write wazuh"].Status != Skip {
				t.Errorf("the second probe was sent: %+v", found["conditional write wazuh"])
			}
			if name == "checksums not known" && s.puts != 1 {
				t.Errorf("%d probes to a store that keeps them", s.puts)
			}
		})
	}
}

// A store without conditional writes refuses the header before it looks at anything else.
func TestWriteProbeWithoutConditions(t *testing.T) {
	s := &store{answer: func(r *http.Request) (int, string) {
		if r.Header.Get("If-None-Match") != "" {
			return http.StatusNotImplemented, "NotImplemented"
		}
		return verifying(r)
	}}
	want(t, diagnose(t, s, nil)["write wazuh"], OK, "", "may write")
}

// An answer whose document is lost on the way is asked for again: 403 alone does not tell a wrong key from a missing right.
func TestWriteProbeWithHalfAnAnswer(t *testing.T) {
	first := true
	s := &store{answer: func(*http.Request) (int, string) {
		if first {
			first = false
			return http.StatusForbidden, ""
		}
		return http.StatusForbidden, "SignatureDoesNotMatch"
	}}
	want(t, diagnose(t, s, nil)["write wazuh"], Fail, Permission, "correct the access key")
}

// ship leaves a spool whose ledger says that one object of the source is at its key.
func ship(t *testing.T, dir, key string) {
	t.Helper()
	s, err := spool.Open(dir, spool.Options{MaxSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	file, err := b.Create("0.parquet")
	if err != nil {
		t.Fatal(err)
	}
	_, werr := file.Write([]byte("rows"))
	if err := firstOf(werr, file.Close()); err != nil {
		t.Fatal(err)
	}
	o := spool.Object{File: "0.parquet", Destination: "s3://lake", Source: "wazuh", Class: "security_finding", Key: key, EventDay: "20261123",
		Rows: 1, Bytes: file.Size(), SHA256: file.Sum()}
	if err := b.Commit(spool.Manifest{Position: json.RawMessage(`{}`), Counts: spool.Counts{Read: 1, Shipped: 1}, Objects: []spool.Object{o}}); err != nil {
		t.Fatal(err)
	}
	for _, ref := range s.Pending() {
		if err := s.Ack(ref); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestConditionalWrite(t *testing.T) {
	const key = "ext/wazuh/region=us-east-1/accountId=123456789012/eventDay=20261123/n-i-1-0-0123456789abcdef.parquet"
	for name, c := range map[string]struct {
		taken  func(*http.Request) (int, string) // the answer for a key that has an object
		status Status
		text   string
	}{
		"honoured":            {always(412, "PreconditionFailed"), OK, "412"},
		"the body goes first": {verifying, Skip, "looks at the body before the condition"},
		"not known":           {always(501, "NotImplemented"), Warn, "no conditional write"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &store{answer: func(r *http.Request) (int, string) {
				if strings.HasSuffix(r.URL.Path, key) {
					return c.taken(r)
				}
				return verifying(r)
			}}
			found := diagnose(t, s, func(o *Options) { ship(t, o.Config.Spool.Dir, key) })
			want(t, found["conditional write wazuh"], c.status, "", c.text)
			want(t, found["encryption wazuh"], OK, "", key)
		})
	}
	// Where a wrong checksum is taken, the probe would overwrite the object: it is not sent.
	s := &store{answer: always(200, "")}
	found := diagnose(t, s, func(o *Options) { ship(t, o.Config.Spool.Dir, key) })
	want(t, found["conditional write wazuh"], Skip, "", "harmless only where checksums are verified")
	if s.puts != 1 || len(s.objects) != 0 {
		t.Errorf("%d puts, left: %v", s.puts, s.objects)
	}
}

func TestClock(t *testing.T) {
	for name, c := range map[string]struct {
		shift  time.Duration
		status Status
		fault  Fault
		text   string
	}{
		"right":   {0, OK, "", "within"},
		"behind":  {2 * time.Minute, Warn, "", "behind"},
		"ahead":   {-2 * time.Minute, Warn, "", "ahead"},
		"an hour": {time.Hour, Fail, Configuration, "timedatectl"},
	} {
		t.Run(name, func(t *testing.T) {
			want(t, diagnose(t, &store{answer: verifying, shift: c.shift}, nil)["clock us-east-1"], c.status, c.fault, c.text)
		})
	}
}

func TestBucket(t *testing.T) {
	want(t, diagnose(t, &store{answer: verifying}, nil)["bucket us-east-1"], OK, "", "us-east-1")
	want(t, diagnose(t, &store{answer: verifying, region: "eu-west-1", head: 301}, nil)["bucket us-east-1"], Fail, Configuration, "set lake.region", "eu-west-1")
	want(t, diagnose(t, &store{answer: verifying, head: 404}, nil)["bucket us-east-1"], Fail, Configuration, "does not exist")
}

func TestRoles(t *testing.T) {
	for name, c := range map[string]struct {
		roles      map[string]string
		externalID string
		status     Status
		fault      Fault
		texts      []string
		write      Status
	}{
		"right":             {map[string]string{testRole: "right-id"}, "right-id", OK, "", []string{"without the external ID it is refused"}, OK},
		"wrong external ID": {map[string]string{testRole: "right-id"}, "wrong-id", Fail, Permission, []string{"external ID that is configured for source wazuh"}, Skip},
		"no external ID":    {map[string]string{testRole: "right-id"}, "", Fail, Permission, []string{"no external_id is configured"}, Skip},
		"none demanded":     {map[string]string{testRole: ""}, "right-id", Warn, "", []string{"without the external ID as well", "sts:ExternalId"}, OK},
		"none used":         {map[string]string{testRole: ""}, "", Warn, "", []string{"should demand one"}, OK},
		"no such role":      {nil, "right-id", Fail, Permission, []string{testRole}, Skip},
	} {
		t.Run(name, func(t *testing.T) {
			found := diagnose(t, &store{answer: verifying, roles: c.roles}, func(o *Options) {
				o.Config.Lake.RoleARN, o.Config.Lake.ExternalID = testRole, c.externalID
			})
			want(t, found["role of wazuh"], c.status, c.fault, c.texts...)
			want(t, found["identity"], OK, "", "user/manager")
			if got := found["write wazuh"].Status; got != c.write {
				t.Errorf("write: got %s, want %s", got, c.write)
			}
		})
	}
}

func TestNoWayThere(t *testing.T) {
	found := diagnose(t, &store{answer: verifying}, func(o *Options) { o.S3.S3Endpoint = "http://127.0.0.1:1" })
	want(t, found["endpoint us-east-1"], Fail, Unavailable, "connection refused")
	want(t, found["credentials"], OK, "", "EnvConfigCredentials", "...7Q2X")
	for _, name := range []string{"clock us-east-1", "bucket us-east-1", "write wazuh"} {
		want(t, found[name], Skip, "")
	}
	if o := found["spool space"]; o.Status == Skip {
		t.Errorf("the host was not looked at: %+v", o)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	found = diagnose(t, &store{answer: verifying}, func(o *Options) {
		o.S3.S3Endpoint, o.S3.AnswerTimeout = "http://"+silent.Addr().String(), 100*time.Millisecond
	})
	want(t, found["endpoint us-east-1"], Fail, Unavailable, "does not answer")
	found = diagnose(t, &store{answer: verifying}, func(o *Options) { o.S3.Proxy = "nonsense" })
	want(t, found["aws configuration"], Fail, Configuration, "proxy")
	found = diagnose(t, &store{answer: verifying}, func(o *Options) {
		o.S3.S3Endpoint, o.S3.Proxy = "https://lake.example", "http://user:the-secret-key@127.0.0.1:1"
	})
	want(t, found["aws configuration"], OK, "", "proxy http://127.0.0.1:1 (lake.proxy)")
	want(t, found["endpoint us-east-1"], Fail, Unavailable, "127.0.0.1:1")
}

func TestUntrustedCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // a handshake that fails is what is tested
	server.StartTLS()
	defer server.Close()
	found := diagnose(t, &store{answer: verifying}, func(o *Options) { o.S3.S3Endpoint = server.URL })
	want(t, found["endpoint us-east-1"], Fail, Configuration, "lake.ca_file")
}

func TestInvalidConfiguration(t *testing.T) {
	found := diagnose(t, &store{answer: verifying}, func(o *Options) {
		o.Invalid = fmt.Errorf("configuration is not valid:\nlake.region: must be set\nnode: %w", &xml.SyntaxError{Msg: "odd"})
	})
	want(t, found["configuration"], Fail, Configuration, "lake.region: must be set")
	want(t, found["aws configuration"], Skip, "")
	if o := found["spool space"]; o.Status == Skip {
		t.Errorf("the host was not looked at: %+v", o)
	}
}

func TestSecondCopy(t *testing.T) {
	s := &store{answer: func(r *http.Request) (int, string) {
		if strings.HasPrefix(r.URL.Path, "/archive/") {
			return http.StatusForbidden, "AccessDenied"
		}
		return verifying(r)
	}}
	found := diagnose(t, s, func(o *Options) { o.Config.Copy.OCSFJSON = "s3://archive/wazuh" })
	want(t, found["write wazuh"], OK, "")
	want(t, found["write copy.ocsf_json"], Fail, Permission, "arn:aws:s3:::archive/wazuh/")
}
