package e2e

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"wazuh-security-lake/test/faultproxy"
)

const (
	writer, writerSecret = "writerkey", "writersecret"
	providerRole         = "arn:aws:iam::123456789012:role/AmazonSecurityLake-Provider-wazuh-us-east-1"
	held                 = "eventDay=20260314" // the partition that faults of single requests hit
)

// outage is one row of the matrix: one way in which the destination fails while the daemon has work, and how that ends.
type outage struct {
	name   string
	begin  func(w *world)
	heal   func(w *world)
	health string // of the source while it lasts
	// spared are the keys that the fault does not concern: they must arrive while it lasts.
	spared  func(key string) bool
	config  string // further lines of the lake section
	named   bool   // the endpoint is a name, in a /etc/hosts of the daemon's own
	sources string // one source when empty
	role    bool   // the writer assumes a role, at the proxy
	tls     bool
	writer  bool // the daemon has no credentials of root's, a bucket policy decides
	batches int  // that pile up meanwhile; three when zero
}

// verdict is what came of a row.
type verdict struct {
	alerts, objects, lost, twice, resent, lines int
	health                                      string
	recovery                                    time.Duration
}

// broken makes a row of a fault of single requests: it hits one of two partitions, its sibling must get through.
func broken(name string, f faultproxy.Fault, health string) outage {
	return outage{
		name: name, health: health,
		begin:  func(w *world) { w.must(w.proxy.Break(f, faultproxy.Under(held))) },
		heal:   func(w *world) { w.proxy.Heal() },
		spared: func(key string) bool { return !strings.Contains(key, held) },
	}
}

// refused makes a row of an answer of AWS.
func refused(name string, status int, code, message, health string, headers ...string) outage {
	return broken(name, faultproxy.Answer(status, code, message, headers...), health)
}

const (
	passing = "ok"       // nobody needs to know
	waiting = "retrying" // it passes by itself
	acting  = "failing"  // somebody has to act
)

// longest is how long anything in a row may take on a busy machine: two pauses of what somebody has to mend, and some.
const longest = 6 * time.Minute

func outages() []outage {
	down := func(w *world) { w.must(w.proxy.Down()) }
	up := func(w *world) { w.must(w.proxy.Up()) }
	kms := "User: arn:aws:sts::123456789012:assumed-role/AmazonSecurityLake-Provider-wazuh-us-east-1/s is not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:us-east-1:123456789012:key/k because no identity-based policy allows the kms:GenerateDataKey action"
	return []outage{
		{name: "DNS failure", health: waiting, config: "allow_http: true",
			named: true,
			begin: func(w *world) {
				w.resolve(false)
				time.Sleep(6 * time.Second) // a resolver may remember /etc/hosts for five
				down(w)                     // and connections made before must not help
				up(w)
			},
			heal: func(w *world) { w.resolve(true) }},
		{name: "refused", health: waiting, begin: down, heal: up},
		broken("reset", faultproxy.Reset(), waiting),
		// An answer is waited for two minutes, and until then nothing has failed.
		{name: "black hole", health: passing, begin: func(w *world) { w.must(w.proxy.Break(faultproxy.BlackHole(), nil)) }, heal: func(w *world) { w.proxy.Heal() }},
		{name: "TLS: certificate of another CA", health: acting, tls: true,
			begin: func(w *world) { w.must(w.proxy.SetCertificate(newAuthority(w.t).certificate(w.t, ip(w.proxy)))) },
			heal:  func(w *world) { w.must(w.proxy.SetCertificate(w.ca.certificate(w.t, ip(w.proxy)))) }},
		broken("400 bad digest (bit flipped on the way)", faultproxy.FlippedBit(), waiting),
		{name: "403 (bucket policy without the partition)", health: acting, writer: true,
			begin:  func(w *world) { w.allow("ext/wazuh/region=us-east-1/accountId=123456789012/eventDay=20260315/*") },
			heal:   func(w *world) { w.allow("ext/wazuh/*") },
			spared: func(key string) bool { return !strings.Contains(key, held) }},
		{name: "403, mended and flushed (SIGUSR1)", health: acting, writer: true,
			begin: func(w *world) { w.allow("ext/other/*") },
			heal: func(w *world) {
				w.allow("ext/wazuh/*")
				flush(w.t, w.node)
			}},
		{name: "404 bucket removed", health: acting, begin: func(w *world) { w.moveBucket(bucket, "moved") }, heal: func(w *world) { w.moveBucket("moved", bucket) }},
		refused("409 conflict", 409, "ConditionalRequestConflict", "The conditional request cannot succeed due to a conflicting operation against this resource.", waiting),
		broken("412 (stored twice on the way)", faultproxy.Twice(), passing),
		refused("429", 429, "TooManyRequests", "Please reduce your request rate.", waiting, "Retry-After", "2"),
		refused("500", 500, "InternalError", "We encountered an internal error. Please try again.", waiting),
		refused("503 SlowDown", 503, "SlowDown", "Please reduce your request rate.", waiting, "Retry-After", "2"),
		broken("501 store without conditional writes", faultproxy.NoConditions(), passing),
		broken("200 lost after store", faultproxy.LostAnswer(), waiting),
		broken("truncated answer", faultproxy.TruncatedAnswer(), waiting),
		broken("truncated error document", faultproxy.TruncatedError(), waiting),
		broken("half of the body arrives", faultproxy.HalfBody(), waiting),
		broken("upload stalls half-way", faultproxy.Stall(), passing),
		broken("slow line (8 KB/s)", faultproxy.Slow(8<<10), passing),
		{name: "expired token", health: passing, role: true, begin: func(w *world) { w.service.Expire() }, heal: func(*world) {}},
		{name: "revoked role", health: acting, role: true, begin: func(w *world) { w.service.Revoke() }, heal: func(w *world) { w.service.Restore() }},
		{name: "wrong region", health: acting,
			begin: func(w *world) {
				w.must(w.proxy.SetUpstream("http://" + w.serve("-region", "eu-west-1")))
			},
			heal: func(w *world) { w.must(w.proxy.SetUpstream("http://" + w.addr)) }},
		refused("301 bucket elsewhere", 301, "PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint.", acting, "X-Amz-Bucket-Region", "eu-west-1"),
		refused("KMS denied", 403, "AccessDenied", kms, acting),
		refused("KMS key disabled", 400, "KMS.DisabledException", "arn:aws:kms:us-east-1:123456789012:key/k is disabled.", acting),
		{name: "clock an hour slow", health: passing, role: true, begin: func(w *world) { w.service.SetSkew(time.Hour) }, heal: func(*world) {}},
		{name: "clock an hour fast", health: passing, role: true, begin: func(w *world) { w.service.SetSkew(-time.Hour) }, heal: func(*world) {}},
		{name: "one of two sources denied", health: acting, writer: true,
			sources: "[{name: ssh, class: detection_finding, match: {rule_id: ['5710']}}, {name: wazuh, class: detection_finding}]",
			begin:   func(w *world) { w.allow("ext/wazuh/*") }, heal: func(w *world) { w.allow("ext/wazuh/*", "ext/ssh/*") },
			spared: func(key string) bool { return !strings.Contains(key, "/ssh/") }},
		{name: "down for 1,000 batches", health: waiting, begin: down, heal: up, batches: 1000},
	}
}

// TestFaultMatrix plays every row with the daemon as a process, a real gateway and the fault proxy between them, in real
// time, all rows at once: what takes long is waiting. Each fault lasts until the daemon has shown in its status what it
// thinks of it, and hits it while batches are being made.
func TestFaultMatrix(t *testing.T) {
	needE2E(t)
	rows := outages()
	verdicts := make([]*verdict, len(rows))
	var all sync.WaitGroup
	for i, row := range rows {
		all.Go(func() {
			t.Run(row.name, func(t *testing.T) { verdicts[i] = row.play(t) })
		})
	}
	all.Wait()
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "matrix: fault\talerts\tobjects\tlost\ttwice\tsiblings resent\tlog lines\thealth meanwhile\tback after")
	for i, v := range verdicts {
		if v != nil {
			fmt.Fprintf(w, "matrix: %s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n", rows[i].name, v.alerts, v.objects, v.lost, v.twice, v.resent, v.lines,
				v.health, v.recovery.Round(100*time.Millisecond))
		}
	}
	_ = w.Flush() // a strings.Builder does not fail
	for line := range strings.Lines(out.String()) {
		t.Log(strings.TrimSuffix(line, "\n"))
	}
}

func (row outage) play(t *testing.T) *verdict {
	w := row.world(t)
	n := w.node
	w.work(row)
	run := exec.Command(built.daemon, "run", "-c", n.config)
	if w.hosts != "" {
		run = w.inItsOwnHosts(run)
	}
	n.launch(run, w.environment(row)...)
	n.settledWithin(longest)

	before := n.stderr.Len()
	row.begin(w)
	w.pile(row)
	v := &verdict{health: w.health(row)}
	if row.spared != nil {
		w.spared(row)
	}
	row.heal(w)
	healed := time.Now()
	n.settledWithin(longest)
	v.recovery = time.Since(healed)

	w.work(row)
	n.settledWithin(longest)
	said := n.stderr.String()[before:]
	n.stop()
	var foreign int
	v.alerts, v.lost, v.twice, foreign = w.compare(n)
	v.objects = len(w.objects())
	puts := w.proxy.Puts()
	if !slices.ContainsFunc(puts, func(p faultproxy.Put) bool { return p.Answered != 200 }) && v.health == passing && v.recovery < 3*time.Second {
		t.Error("the fault was not felt: the row shows nothing")
	}
	var stored int
	stored, v.resent = twicePut(puts)
	v.twice += stored
	for line := range strings.Lines(said) {
		if strings.Contains(line, `"level":"WARN"`) || strings.Contains(line, `"level":"ERROR"`) || strings.Contains(line, "upload works again") {
			v.lines++
		}
		for _, s := range []string{secret, writerSecret} {
			if strings.Contains(line, s) {
				t.Errorf("a secret in the log: %s", line)
			}
		}
	}
	if v.lost+v.twice+foreign+v.resent > 0 || v.lines > 2 || v.health != row.health || v.alerts == 0 {
		t.Errorf("%+v, foreign %d; want nothing lost, twice, foreign or resent, at most 2 lines, health %s. Log since the fault:\n%s", *v, foreign, row.health, said)
	}
	if v.health == acting && !strings.Contains(said, `"remedy":"`) {
		t.Errorf("no remedy in the log:\n%s", said)
	}
	return v
}

// twicePut counts the keys that the server stored more than once, and what was sent again after the client had been told
// that it is there.
func twicePut(puts []faultproxy.Put) (stored, resent int) {
	done, told := map[string]int{}, map[string]bool{}
	for _, p := range puts {
		if told[p.Key] {
			resent++
		}
		if p.Upstream == 200 {
			if done[p.Key]++; done[p.Key] == 2 {
				stored++
			}
		}
		if p.Answered == 200 || p.Answered == 412 {
			told[p.Key] = true
		}
	}
	return stored, resent
}

// TestTwicePut: the judge of the matrix notices what it is there for.
func TestTwicePut(t *testing.T) {
	for name, tc := range map[string]struct {
		puts           []faultproxy.Put
		stored, resent int
	}{
		"once":                          {[]faultproxy.Put{{Key: "a", Upstream: 200, Answered: 200}, {Key: "b", Upstream: 200, Answered: 200}}, 0, 0},
		"answer lost, then 412":         {[]faultproxy.Put{{Key: "a", Upstream: 200}, {Key: "a", Upstream: 412, Answered: 412}}, 0, 0},
		"refused, then stored":          {[]faultproxy.Put{{Key: "a", Answered: 503}, {Key: "a", Upstream: 200, Answered: 200}}, 0, 0},
		"stored twice":                  {[]faultproxy.Put{{Key: "a", Upstream: 200}, {Key: "a", Upstream: 200, Answered: 200}}, 1, 0},
		"sent again after a success":    {[]faultproxy.Put{{Key: "a", Upstream: 200, Answered: 200}, {Key: "a", Upstream: 412, Answered: 412}}, 0, 1},
		"sent again after 412":          {[]faultproxy.Put{{Key: "a", Upstream: 412, Answered: 412}, {Key: "a", Upstream: 412, Answered: 412}}, 0, 1},
		"a sibling of a refused object": {[]faultproxy.Put{{Key: "b", Answered: 403}, {Key: "a", Upstream: 200, Answered: 200}, {Key: "a", Upstream: 200, Answered: 200}}, 1, 1},
	} {
		if stored, resent := twicePut(tc.puts); stored != tc.stored || resent != tc.resent {
			t.Errorf("%s: %d stored twice, %d resent; want %d, %d", name, stored, resent, tc.stored, tc.resent)
		}
	}
}
