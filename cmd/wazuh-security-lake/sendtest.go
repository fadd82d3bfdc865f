package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wazuh-security-lake/config"
	"wazuh-security-lake/lake"
	"wazuh-security-lake/relay"
	"wazuh-security-lake/spool"
	"wazuh-security-lake/uploader"
)

// sampleAlerts are the three documented sample alerts of the Wazuh integration, marked as a test in description, group
// and location. Time and id are filled in when they are sent.
//
//go:embed sendtest/alerts.ndjson
var sampleAlerts []byte

// sendTestFlags are the options of `send-test`.
type sendTestFlags struct {
	source  string
	yes     bool
	json    bool
	timeout time.Duration
}

func newSendTest(g *global) *cobra.Command {
	var f sendTestFlags
	cmd := &cobra.Command{
		Use:   "send-test",
		Short: "Ship three sample alerts to the configured destination and print the query that finds them",
		Long: `Ship the three documented sample alerts, stamped now and marked as a test (group wazuh_security_lake_test), through
the same mapping and upload as the daemon's, from a spool of their own. It prints the key, the eventDay and the Athena
query that finds them. What is in the lake cannot be taken back: it asks first. The daemon's own state is not touched.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := g.load()
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return runSendTest(ctx, g, f, loaded)
		},
	}
	cmd.Flags().StringVar(&f.source, "source", "", "send to this source, whatever its match says (default: where the daemon would send them)")
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	cmd.Flags().DurationVar(&f.timeout, "timeout", time.Minute, "how long to try")
	return cmd
}

// sentObject is what send-test tells about one object.
type sentObject struct {
	Source      string   `json:"source"`
	Destination string   `json:"destination"`
	Key         string   `json:"key"`
	EventDay    string   `json:"event_day"`
	Rows        int64    `json:"rows"`
	UIDs        []string `json:"uids"`
	Query       string   `json:"query"`
}

func runSendTest(ctx context.Context, g *global, f sendTestFlags, loaded *config.Loaded) error {
	c, err := testConfig(loaded, f.source)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "wazuh-security-lake-send-test-")
	if err != nil {
		return fail(exitCantCreate, "a temporary directory is needed: set TMPDIR", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // only a copy of what is embedded
	s, err := spool.Open(dir, spool.Options{MaxSize: config.GiB.Bytes(), MinFree: config.MiB.Bytes(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fail(exitCantCreate, "the temporary directory needs some free space: set TMPDIR", err)
	}
	defer s.Close() //nolint:errcheck // removed with its directory
	sent, err := buildTest(ctx, c, s, dir)
	if err != nil {
		return err
	}
	if !f.yes {
		if err := askFirst(g, sent); err != nil {
			return err
		}
	}
	if err := deliverTest(ctx, c, s, f.timeout); err != nil {
		return err
	}
	if f.json {
		enc := json.NewEncoder(g.std.out)
		enc.SetIndent("", "  ")
		return enc.Encode(struct {
			Objects []sentObject `json:"objects"`
		}{sent})
	}
	return printSent(g.std.out, sent)
}

// testConfig is the configuration to send with: that of the daemon, or with one source only. It refuses a source whose
// name nobody has chosen, and one that the daemon has shipped another class to: the lake would keep that mistake.
func testConfig(loaded *config.Loaded, source string) (config.Config, error) {
	c := loaded.Config
	if source != "" {
		var chosen []config.Source
		var names []string
		for _, s := range c.Sources {
			names = append(names, s.Name)
			if s.Name == source {
				s.Match = config.Match{}
				chosen = []config.Source{s}
			}
		}
		if chosen == nil {
			return c, fail(exitUsage, "the sources are "+strings.Join(names, ", "), fmt.Errorf("no source %q is configured", source))
		}
		c.Sources = chosen
	}
	if strings.HasPrefix(c.Lake.Destination, "s3:") && loaded.Origins["sources[0].name"].Kind == config.FromDefault {
		return c, fail(exitConfig, "name the custom source as it was created, with its class, under sources; wazuh-security-lake setup creates one",
			errors.New("the configuration names no source"))
	}
	sources, err := relaySources(c)
	if err != nil {
		return c, err
	}
	st, err := spool.Read(c.Spool.Dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return c, nil // nothing was shipped from here, or nothing can be known about it
	}
	if err != nil {
		return c, err
	}
	for _, pin := range st.Sources {
		for _, ours := range pins(sources) {
			if pin.Name == ours.Name && (pin.Class != ours.Class || pin.OCSFVersion != ours.OCSFVersion || pin.SchemaHash != ours.SchemaHash) {
				return c, fail(exitConfig, "a source never changes its class, OCSF version or schema: create a new custom source and name it in sources",
					fmt.Errorf("source %s has shipped %s %s, the configuration says %s %s", pin.Name, pin.Class, pin.OCSFVersion, ours.Class, ours.OCSFVersion))
			}
		}
	}
	return c, nil
}

// testLines stamps the sample alerts with the time and an id of their own, so that each test is found by its uid.
func testLines(now time.Time) ([]byte, error) {
	random := make([]byte, 6)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	var out []byte
	n := 0
	for line := range bytes.Lines(sampleAlerts) {
		n++
		line = bytes.Replace(line, []byte(`"timestamp":"0"`), []byte(now.Format(`"timestamp":"2006-01-02T15:04:05.000-0700"`)), 1)
		line = bytes.Replace(line, []byte(`"id":"0"`), fmt.Appendf(nil, `"id":"%d.%x%d"`, now.Unix(), random, n), 1)
		out = append(out, line...)
	}
	return out, nil
}

// buildTest maps the samples into the spool and tells what will be sent.
func buildTest(ctx context.Context, c config.Config, s *spool.Spool, dir string) ([]sentObject, error) {
	sources, err := relaySources(c)
	if err != nil {
		return nil, err
	}
	lines, err := testLines(time.Now())
	if err != nil {
		return nil, err
	}
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	in := &endingLines{Lines: newFileLines([]string{"-"}, bytes.NewReader(lines)), end: cancel}
	r := relay.New(relay.Options{
		Lines: in, Store: relay.FromSpool(s), Sources: sources, Encoder: encoderOptions(),
		Node: nodeName(c, slog.New(slog.DiscardHandler)), Instance: "sendtest-" + s.Instance(),
		Interval: time.Hour, MaxObjectSize: c.Batch.MaxObjectSize.Bytes(), Clock: realClock{},
	})
	if err := errors.Join(r.Run(reading), in.err); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, fail(exitRuntime, "", errors.New("interrupted before anything was sent"))
	}
	st, err := spool.Read(dir)
	if err != nil {
		return nil, err
	}
	if want := int64(bytes.Count(sampleAlerts, []byte("\n"))); st.Account.Pending != want {
		return nil, fail(exitConfig, "choose a source of class security_finding or detection_finding: the other classes take only the alerts that fill them",
			fmt.Errorf("%d of %d sample alerts do not fit the class of the source", want-st.Account.Pending, want))
	}
	return testObjects(st, c, sources)
}

// testObjects reads back what is in the spool.
func testObjects(st spool.State, c config.Config, sources []*relay.Source) ([]sentObject, error) {
	var sent []sentObject
	for _, b := range st.Batches {
		if b.Place != spool.Outbox || b.Manifest == nil {
			continue
		}
		for _, o := range b.Manifest.Objects {
			path := filepath.Join(st.Dir, string(spool.Outbox), fmt.Sprintf("%012d", b.Seq), o.File)
			uids, err := uidsIn(path)
			if err != nil {
				return nil, err
			}
			t := sentObject{Source: o.Source, Destination: o.Destination, Key: o.Key, EventDay: o.EventDay, Rows: o.Rows, UIDs: uids}
			for i, s := range sources {
				if s.Name == o.Source {
					t.Query = athenaQuery(s, c.ResolvedSources()[i], o.EventDay, uids)
				}
			}
			sent = append(sent, t)
		}
	}
	return sent, nil
}

// uidsIn reads metadata.uid of every row.
func uidsIn(path string) ([]string, error) {
	var uids []string
	err := withParquet(path, func(f *os.File, size int64) error {
		return lake.Rows(f, size, func(row []byte) error {
			var ev struct {
				Metadata struct {
					UID string `json:"uid"`
				} `json:"metadata"`
			}
			if err := json.Unmarshal(row, &ev); err != nil {
				return err
			}
			uids = append(uids, ev.Metadata.UID)
			return nil
		})
	})
	return uids, err
}

// athenaQuery finds rows of one partition by their uids.
func athenaQuery(s *relay.Source, c config.Source, day string, uids []string) string {
	title := "finding_info.title"
	if c.Class == config.SecurityFinding {
		title = "finding.title"
	}
	database, table := s.Contract.GlueNames(s.Name, s.Region)
	return fmt.Sprintf(`SELECT time_dt, severity, %s AS title, metadata.uid AS uid
FROM "%s"."%s"
WHERE region = '%s' AND accountid = '%s' AND eventday = '%s'
  AND metadata.uid IN ('%s')`, title, database, table, s.Region, s.AccountID, day, strings.Join(uids, "', '"))
}

// askFirst shows what is about to happen. Only a yes lets it happen.
func askFirst(g *global, sent []sentObject) error {
	for _, o := range sent {
		fmt.Fprintf(g.std.err, "%d sample alerts go to %s/%s\n", o.Rows, o.Destination, o.Key)
	}
	fmt.Fprint(g.std.err, "They are marked as a test, but cannot be taken back by this program. Send them? [y/N] ")
	answer, err := bufio.NewReader(g.std.in).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	if errors.Is(err, io.EOF) && answer == "" {
		fmt.Fprintln(g.std.err)
		return fail(exitUsage, "answer y, or use --yes where nobody can", errors.New("nobody answered; nothing was sent"))
	}
	return fail(exitUsage, "", errors.New("not confirmed; nothing was sent"))
}

// deliverTest uploads what is in the spool, with the uploader's own retries, and gives a failure its exit code.
func deliverTest(ctx context.Context, c config.Config, s *spool.Spool, timeout time.Duration) error {
	silent := slog.New(slog.DiscardHandler)
	putter, err := openPutter(ctx, c, silent)
	if err != nil {
		return err
	}
	defer putter.Close() //nolint:errcheck // idle connections
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return notSent(uploader.New(s, putter, uploader.Options{Concurrency: c.Upload.Concurrency, MaxRate: c.Upload.MaxRate.Bytes(), Log: silent}).Drain(ctx))
}

// notSent gives what Drain left behind its exit code and remedy.
func notSent(err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*uploader.Error](err)
	switch {
	case !ok:
		return fail(exitUnavailable, "wazuh-security-lake doctor tells what is in the way", err)
	case e.Class != uploader.Configuration:
		return fail(exitUnavailable, "wazuh-security-lake doctor tells what is in the way", err)
	case e.Status == 403, errors.Is(err, fs.ErrPermission):
		return fail(exitNoPerm, e.Remedy, err)
	}
	return fail(exitConfig, e.Remedy, err)
}

func printSent(w io.Writer, sent []sentObject) error {
	for _, o := range sent {
		if _, err := fmt.Fprintf(w, "sent %d sample alerts to source %s\nkey       %s/%s\neventDay  %s\n\n%s;\n", o.Rows, o.Source, o.Destination, o.Key, o.EventDay, o.Query); err != nil {
			return err
		}
		if strings.HasPrefix(o.Destination, "file:") {
			continue
		}
		fmt.Fprint(w, "\nAthena sees them when the crawler has run once and today's partition is registered: wazuh-security-lake doctor --lake\n")
	}
	return nil
}
