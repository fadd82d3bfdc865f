package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"wazuh-security-lake/config"
	"wazuh-security-lake/spool"
)

// demoAlerts are one alert of each of a dozen families, written for this purpose.
//
//go:embed demo/alerts.ndjson
var demoAlerts []byte

const (
	demoRounds = 6 // times the alerts are written, half of them before the rotation
	demoLimit  = 45 * time.Second
)

func newDemo(g *global) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See the whole path on bundled alerts: no AWS, no root, no configuration",
		Long: `Play a Wazuh manager that writes alerts.json and rotates it once, run the daemon on it with a file:// lake,
print what went where and explain one alert. Everything happens below ./demo-lake, which is made anew.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			ctx, cancel := context.WithTimeout(ctx, demoLimit)
			defer cancel()
			return runDemo(ctx, g, dir)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "demo-lake", "directory to fill")
	return cmd
}

func runDemo(ctx context.Context, g *global, dir string) error {
	dir, err := freshDemoDir(dir)
	if err != nil {
		return err
	}
	manager, err := newDemoManager(filepath.Join(dir, "manager", "alerts"))
	if err != nil {
		return err
	}
	defer manager.close()
	fmt.Fprintf(g.std.out, "1. a manager writes %s\n", manager.live)
	if err := manager.write(demoRounds / 2); err != nil {
		return err
	}
	cfg := demoConfig(dir, manager)
	if err := config.Validate(cfg); err != nil {
		return err
	}
	signals := make(chan os.Signal, 2)
	d := &daemon{log: slog.New(slog.NewTextHandler(g.std.err, &slog.HandlerOptions{Level: slog.LevelWarn})), level: new(slog.LevelVar),
		notify: &notifier{}, signals: signals, clock: realClock{}}
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx, &config.Loaded{Config: cfg}) }()
	err = playDemo(ctx, g.std.out, manager, cfg)
	signals <- syscall.SIGTERM
	if derr := <-ended; err == nil {
		err = derr
	}
	if err != nil {
		return err
	}
	return reportDemo(g.std.out, cfg, manager.written)
}

// freshDemoDir removes what an earlier demo left; a directory that is not a demo's is refused.
func freshDemoDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	mark := filepath.Join(dir, ".demo")
	if _, err := os.Stat(dir); err == nil {
		if _, err := os.Stat(mark); err != nil {
			return "", fail(exitCantCreate, "name another directory with --dir", fmt.Errorf("%s exists and is not the directory of a demo", dir))
		}
		if err := os.RemoveAll(dir); err != nil {
			return "", err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fail(exitCantCreate, "name another directory with --dir", err)
	}
	return dir, os.WriteFile(mark, nil, 0o644)
}

func demoConfig(dir string, m *demoManager) config.Config {
	c := config.Default()
	c.Input.Path, c.Input.DatedDir = m.live, m.dir
	c.Lake.Destination, c.Lake.Region, c.Lake.AccountID = "file://"+filepath.Join(dir, "lake"), "us-east-1", "external"
	c.Sources = []config.Source{{Name: "wazuh", Class: config.DetectionFinding, OCSFVersion: "1.1.0"}}
	c.Batch.Interval = config.Duration(time.Second)
	c.Spool.Dir, c.Spool.MinFree = filepath.Join(dir, "state"), config.MiB
	return c
}

// playDemo waits until the daemon follows, rotates under it, and waits until everything is in the lake.
func playDemo(ctx context.Context, w io.Writer, m *demoManager, cfg config.Config) error {
	if err := shippedBy(ctx, cfg.Spool.Dir, m.written); err != nil {
		return err
	}
	if err := m.rotate(); err != nil {
		return err
	}
	fmt.Fprintf(w, "2. it rotates, as Wazuh does: close, open the next dated file, unlink, link: %s\n", m.name)
	if err := m.write(demoRounds - demoRounds/2); err != nil {
		return err
	}
	fmt.Fprintf(w, "3. the daemon follows, maps and ships %d alerts\n\n", m.written)
	return shippedBy(ctx, cfg.Spool.Dir, m.written)
}

// shippedBy waits until the spool has accounted for n alerts and nothing waits.
func shippedBy(ctx context.Context, dir string, n int64) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if st, err := spool.Read(dir); err == nil && st.Account.Read >= n && st.Account.Pending == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("demo: not everything arrived: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

func reportDemo(w io.Writer, cfg config.Config, written int64) error {
	st, err := spool.Read(cfg.Spool.Dir)
	if err != nil {
		return err
	}
	var objects []spool.Object
	if err := spool.Ledger(cfg.Spool.Dir, func(e spool.Entry) error {
		if e.Manifest != nil {
			objects = append(objects, e.Manifest.Objects...)
		}
		return nil
	}); err != nil {
		return err
	}
	a := st.Account
	s := summarize(objects, spool.Counts{Read: a.Read, Shipped: a.Shipped, Filtered: a.Filtered, Rejected: a.Rejected})
	if err := s.table(w); err != nil {
		return err
	}
	if s.Read != written || s.Read != s.Rows+s.Filtered+s.Rejected || s.Rows != written {
		return fail(exitData, "", fmt.Errorf("demo: %d alerts written, but the counts above do not add up to that", written))
	}
	fmt.Fprintf(w, "\nOne alert, explained:\n\n")
	line, _, _ := bytes.Cut(demoAlerts, []byte("\n"))
	if err := explainLine(w, line, cfg, 0); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nThe lake is in %s. Look into it:\n  wazuh-security-lake inspect --rows %s/ext/*/*/*/*/*.parquet\n",
		cfg.Lake.Destination[len("file://"):], cfg.Lake.Destination[len("file://"):])
	return nil
}

// demoManager writes alerts as analysisd does: to a dated file that is hard-linked to alerts.json.
type demoManager struct {
	dir, live, name string
	day             time.Time
	part            int
	file            *os.File
	written         int64
}

func newDemoManager(dir string) (*demoManager, error) {
	m := &demoManager{dir: dir, live: filepath.Join(dir, "alerts.json"), day: time.Now()}
	return m, m.open()
}

// open makes the dated file of the day's current part and links alerts.json to it.
func (m *demoManager) open() error {
	name := m.day.Format("ossec-alerts-02")
	if m.part > 0 {
		name += fmt.Sprintf("-%03d", m.part)
	}
	m.name = filepath.Join(m.dir, m.day.Format("2006"), m.day.Format("Jan"), name+".json")
	if err := os.MkdirAll(filepath.Dir(m.name), 0o750); err != nil {
		return err
	}
	f, err := os.OpenFile(m.name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	m.file = f
	if err := os.Remove(m.live); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Link(m.name, m.live)
}

func (m *demoManager) rotate() error {
	if err := m.file.Close(); err != nil {
		return err
	}
	m.part++
	return m.open()
}

// write appends every bundled alert rounds times, stamped now.
func (m *demoManager) write(rounds int) error {
	for range rounds {
		for line := range bytes.Lines(demoAlerts) {
			_, rest, ok := bytes.Cut(line, []byte(`","`)) // what follows the timestamp
			if !ok {
				return errors.New("demo: bundled alert without a timestamp")
			}
			id := fmt.Sprintf(`"id":"%d.%d"`, time.Now().Unix(), m.written)
			rest = bytes.Replace(rest, []byte(`"id":"0.0"`), []byte(id), 1)
			stamp := time.Now().Format(`{"timestamp":"2006-01-02T15:04:05.000-0700","`)
			if _, err := m.file.Write(append([]byte(stamp), rest...)); err != nil {
				return err
			}
			m.written++
		}
	}
	return nil
}

func (m *demoManager) close() { _ = m.file.Close() } // the demo is over
