package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"wazuh-security-lake/spool"
	"wazuh-security-lake/test/faultproxy"
)

// world is what one row plays in.
type world struct {
	*lab
	node    *node
	proxy   *faultproxy.Proxy
	service *faultproxy.Service
	ca      authority
	hosts   string // the daemon's own /etc/hosts
}

// work lets the manager write alerts of two days, of both sources when there are two.
func (w *world) work(row outage) {
	rules := []string{""}
	if row.sources != "" {
		rules = []string{"5710", "1002"}
	}
	for _, w.node.manager.Rule = range rules {
		twoDays(w.node, 20)
	}
}

// pile makes batches while the fault lasts and waits until they are sealed.
func (w *world) pile(row outage) {
	w.t.Helper()
	first, err := spool.Read(w.node.state)
	w.must(err)
	want := first.Last.Seq + uint64(max(row.batches, 3))
	for deadline := time.Now().Add(8 * time.Minute); w.sealed() < want; {
		if time.Now().After(deadline) {
			w.t.Fatalf("batch %d is not sealed, only %d:\n%s", want, w.sealed(), w.node.stderr)
		}
		pause := 500 * time.Millisecond
		if row.batches == 0 {
			w.work(row)
		} else {
			w.node.write(2)
			// The daemon looks at the log once a second, and when something changes in its directory.
			note := filepath.Join(w.node.manager.Dir(), "note")
			write(w.t, note, "")
			w.must(os.Remove(note))
			pause = 30 * time.Millisecond
		}
		time.Sleep(pause) // a real process in real time
	}
}

// sealed is the number of the newest batch. It only looks at names: a full outbox takes long to read.
func (w *world) sealed() (newest uint64) {
	w.t.Helper()
	for _, place := range []spool.Place{spool.Outbox, spool.Shipped} {
		entries, err := os.ReadDir(filepath.Join(w.node.state, string(place)))
		w.must(err)
		for _, e := range entries {
			if seq, err := strconv.ParseUint(e.Name(), 10, 64); err == nil {
				newest = max(newest, seq)
			}
		}
	}
	return newest
}

// health is what status.json says of the source that suffers, once that is what is expected; the last thing it said
// otherwise. A row that expects nothing is given the time in which something would have come.
func (w *world) health(row outage) string {
	w.t.Helper()
	got := ""
	for deadline := time.Now().Add(20 * time.Second); ; {
		var live struct {
			Sources []struct {
				Source, Health string
			} `json:"sources"`
		}
		b, err := os.ReadFile(filepath.Join(w.node.state, "status.json"))
		w.must(err)
		w.must(json.Unmarshal(b, &live))
		got = ""
		for _, s := range live.Sources {
			if got == "" || s.Health != passing {
				got = s.Health
			}
		}
		if got == row.health && got != passing || time.Now().After(deadline) {
			return got
		}
		if row.health == passing && time.Until(deadline) < 12*time.Second {
			return got
		}
		time.Sleep(100 * time.Millisecond) // a real process in real time
	}
}

// spared fails when an object that the fault does not concern is still waiting.
func (w *world) spared(row outage) {
	w.t.Helper()
	var left []string
	for deadline := time.Now().Add(10 * time.Second); ; {
		left = left[:0]
		st, err := spool.Read(w.node.state)
		w.must(err)
		for _, b := range st.Batches {
			if b.Place != spool.Outbox || b.Manifest == nil {
				continue
			}
			acked := strings.Join(b.Acked, " ")
			for _, o := range b.Manifest.Objects {
				if row.spared(o.Key) && !strings.Contains(acked, o.File) {
					left = append(left, o.Key)
				}
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Errorf("%d objects are held back by a fault of others: %v", len(left), left)
			return
		}
		time.Sleep(100 * time.Millisecond) // a real process in real time
	}
}

func (row outage) world(t *testing.T) *world {
	var flags []string
	if row.writer {
		flags = []string{"-writer", writer + ":" + writerSecret}
	}
	w := &world{lab: newLab(t, flags...)}
	opt := faultproxy.Options{Upstream: "http://" + w.addr}
	if row.role {
		w.service = &faultproxy.Service{Access: access, Secret: secret, Region: "us-east-1", Roles: map[string]string{providerRole: "ext-1"}}
		opt.Service = w.service
	}
	opt.TLS = row.tls
	var err error
	w.proxy, err = faultproxy.Listen(opt)
	w.must(err)
	if row.tls {
		w.ca = newAuthority(t)
		w.must(w.proxy.SetCertificate(w.ca.certificate(t, ip(w.proxy))))
	}
	t.Cleanup(func() { _ = w.proxy.Close() })
	if w.service != nil {
		printed.sessions(t, w.service)
	}
	w.node = w.lab.node("n1", "manager-1", localMorning)
	endpoint := w.proxy.URL()
	if row.named {
		_, port := w.proxy.Addr()
		endpoint = "http://s3.lake.test:" + port
		w.hosts = filepath.Join(w.dir, "hosts")
		w.resolve(true)
	}
	if row.writer {
		w.allow("ext/wazuh/*", "ext/ssh/*")
	}
	w.configure(row, endpoint)
	return w
}

func (w *world) configure(row outage, endpoint string) {
	lake := "  " + row.config + "\n"
	if row.role {
		lake += fmt.Sprintf("  sts_endpoint: %s\n  role_arn: %s\n  external_id: ext-1\n", endpoint, providerRole)
	}
	if row.tls {
		lake += "  ca_file: " + w.ca.file + "\n"
	}
	sources := row.sources
	if sources == "" {
		sources = "[{name: wazuh, class: detection_finding}]"
	}
	interval := "1s"
	if row.batches > 0 {
		interval = "20ms"
	}
	write(w.t, w.node.config, fmt.Sprintf(`
input: {path: %q, dated_dir: %q, start_at: %s}
lake:
  destination: s3://%s
  region: us-east-1
  account_id: "123456789012"
  s3_endpoint: %s
  path_style: true
%s
sources: %s
batch: {interval: %s}
spool: {dir: %q, min_free: 1MiB}
node: manager-1
`, w.node.manager.Path(), w.node.manager.Dir(), localMorning.Format(time.DateOnly), bucket, endpoint, lake, sources, interval, w.node.state))
}

func (w *world) environment(row outage) []string {
	if row.writer {
		return []string{"AWS_ACCESS_KEY_ID=" + writer, "AWS_SECRET_ACCESS_KEY=" + writerSecret}
	}
	return nil
}

func ip(p *faultproxy.Proxy) net.IP {
	addr, _ := p.Addr()
	return net.ParseIP(addr)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// moveBucket renames a bucket behind the gateway's back.
func (w *world) moveBucket(from, to string) {
	w.t.Helper()
	w.must(os.Rename(filepath.Join(w.dir, "s3", from), filepath.Join(w.dir, "s3", to)))
}

// resolve puts the name of the endpoint into the daemon's own /etc/hosts or leaves it out.
func (w *world) resolve(known bool) {
	w.t.Helper()
	hosts := ""
	if known {
		ip, _ := w.proxy.Addr()
		hosts = ip + " s3.lake.test\n"
	}
	write(w.t, w.hosts, hosts)
}

// inItsOwnHosts wraps a command so that it sees its own /etc/hosts and no name server.
func (w *world) inItsOwnHosts(cmd *exec.Cmd) *exec.Cmd {
	w.t.Helper()
	resolv := filepath.Join(w.dir, "resolv.conf")
	write(w.t, resolv, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
	script := `mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"`
	return exec.Command("unshare", append([]string{"-m", "sh", "-c", script, "sh", w.hosts, resolv}, cmd.Args...)...)
}
