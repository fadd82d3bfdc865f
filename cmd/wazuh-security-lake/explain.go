package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"wazuh-security-lake/config"
	"wazuh-security-lake/ocsf"
)

// shown is the longest value explain prints on a line; the event itself is never cut.
const shown = 100

func newExplain(g *global) *cobra.Command {
	var class, version, rawData, coverage string
	var eventOnly bool
	cmd := &cobra.Command{
		Use:   "explain [FILE[:LINE]]",
		Short: "Explain how one alert becomes an OCSF event",
		Long: `Map one alert (standard input, or a line of a file) and show each attribute with the alert field it came from,
what went to unmapped and why, and whether the event is valid. With --coverage FILE: per family of alerts, how much of
their content is in attributes, and which keys are not.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg := config.Default()
			cfg.Sources = []config.Source{{Name: "wazuh", Class: class, OCSFVersion: version}}
			cfg.OCSF.RawData = rawData
			if err := explainable(cfg); err != nil {
				return fail(exitUsage, "see explain --help", err)
			}
			if coverage != "" {
				return printCoverage(cmd.Context(), g, cfg, coverage)
			}
			line, err := oneLine(cmd.Context(), g.std.in, args)
			if err != nil {
				return err
			}
			if eventOnly {
				ev, _, err := mapLine(line, cfg)
				if err != nil {
					return fail(exitData, "", err)
				}
				_, err = g.std.out.Write(append(ev.AppendJSON(nil), '\n'))
				return err
			}
			return explainLine(g.std.out, line, cfg, shown)
		},
	}
	cmd.Flags().StringVar(&class, "class", config.DetectionFinding, "OCSF class")
	cmd.Flags().StringVar(&version, "ocsf-version", ocsf.Version110, "OCSF version")
	cmd.Flags().StringVar(&rawData, "raw-data", config.RawFullLog, "raw_data: full_log, alert or none")
	cmd.Flags().StringVar(&coverage, "coverage", "", "count over a whole file instead")
	cmd.Flags().BoolVar(&eventOnly, "json", false, "print only the event, as JSON")
	return cmd
}

// explainable checks what the flags say.
func explainable(cfg config.Config) error {
	if _, err := ocsf.ClassByName(cfg.Sources[0].Class, cfg.Sources[0].OCSFVersion); err != nil {
		return err
	}
	if raw := []string{config.RawFullLog, config.RawAlert, config.RawNone}; !slices.Contains(raw, cfg.OCSF.RawData) {
		return fmt.Errorf("--raw-data %q: want %s", cfg.OCSF.RawData, strings.Join(raw, ", "))
	}
	return nil
}

// mapLine maps one line with the first source of cfg.
func mapLine(line []byte, cfg config.Config) (*ocsf.Event, *ocsf.Alert, error) {
	class, err := ocsf.ClassByName(cfg.Sources[0].Class, cfg.Sources[0].OCSFVersion)
	if err != nil {
		return nil, nil, err
	}
	alert, ev := new(ocsf.Alert), ocsf.NewEvent(class)
	if err := alert.Parse(line); err != nil {
		return nil, nil, err
	}
	return ev, alert, ocsf.NewMapper(class, mapping(cfg.OCSF)).Map(alert, time.Now(), ev)
}

// explainLine prints how one alert was mapped; values longer than width are cut (0: the default).
func explainLine(w io.Writer, line []byte, cfg config.Config, width int) error {
	if width == 0 {
		width = shown
	}
	ev, alert, err := mapLine(line, cfg)
	if err != nil {
		return fail(exitData, "the daemon would write this line to rejects/ with this reason; an alert is one line (jq -c . makes one of many)", err)
	}
	x := ocsf.Explain(alert, ev)
	fmt.Fprintf(w, "family %s, class %s\n\n", x.Family, ev.Class)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "attribute\tvalue\tfrom")
	for _, o := range x.Origins {
		from := strings.Join(o.From, ", ")
		if from == "" {
			from = "(constant or derived)"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", o.Attribute, printable(o.Value, width), from)
	}
	for _, l := range x.Unmapped {
		fmt.Fprintf(t, "unmapped[%s]\t%s\t%s\n", printable(l.Key, width), printable(l.Value, width), l.Reason)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := ocsf.Check(ev); err != nil {
		return fail(exitData, "the daemon would write this line to rejects/", err)
	}
	faults := ocsf.ValidateJSON(ev.Class, ev.AppendJSON(nil), ocsf.ValidateOptions{})
	for _, f := range faults {
		fmt.Fprintf(w, "INVALID %s: %s: %s\n", f.Attribute, f.Rule, f.Message)
	}
	if len(faults) > 0 {
		return fail(exitData, "", errors.New("the event is not valid"))
	}
	_, err = fmt.Fprintln(w, "\nvalid "+ev.Class.Caption+", OCSF "+ev.Class.Version)
	return err
}

// printable cuts a value and keeps control characters of an alert away from the terminal.
func printable(s string, width int) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return s
}

// oneLine reads the alert to explain: the first line of standard input or of a file, plain or .gz, or line N of FILE:N.
func oneLine(ctx context.Context, stdin io.Reader, args []string) ([]byte, error) {
	name, from, want := "-", "standard input", 1
	if len(args) == 1 && args[0] != "-" {
		name = args[0]
		if file, n, ok := cutLineNumber(name); ok {
			name, want = file, n
		}
		from = name
	}
	lines := newFileLines([]string{name}, stdin)
	for n := 1; ; n++ {
		l, err := lines.Next(ctx)
		switch {
		case errors.Is(err, io.EOF) || err == nil && n == want && l.Reject == "blank":
			return nil, fail(exitNoInput, "give one alert on standard input or FILE:LINE; lines count from 1", fmt.Errorf("%s has no alert in line %d", from, want))
		case err != nil:
			return nil, err
		case n == want && l.Reject != "":
			return nil, fail(exitData, "the daemon would keep its place in rejects/", fmt.Errorf("line %d of %s: %s, %d bytes", want, from, l.Reject, l.Size))
		case n == want:
			return bytes.Clone(l.Data), nil
		}
	}
}

// cutLineNumber splits FILE:LINE; a file whose own name ends that way is taken as it is.
func cutLineNumber(name string) (file string, line int, ok bool) {
	i := strings.LastIndexByte(name, ':')
	if i < 0 {
		return "", 0, false
	}
	n, err := strconv.Atoi(name[i+1:])
	if err != nil {
		return "", 0, false
	}
	if _, err := os.Stat(name); err == nil {
		return "", 0, false
	}
	return name[:i], n, true
}

// printCoverage maps every alert of a file and prints how much of them attributes hold.
func printCoverage(ctx context.Context, g *global, cfg config.Config, file string) error {
	class, err := ocsf.ClassByName(cfg.Sources[0].Class, cfg.Sources[0].OCSFVersion)
	if err != nil {
		return fail(exitUsage, "see explain --help", err)
	}
	m, ev, alert := ocsf.NewMapper(class, mapping(cfg.OCSF)), ocsf.NewEvent(class), new(ocsf.Alert)
	lines := newFileLines([]string{file}, g.std.in)
	var c ocsf.Coverage
	refused := 0
	for {
		l, err := lines.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if l.Reject != "" || alert.Parse(l.Data) != nil || m.Map(alert, time.Now(), ev) != nil {
			refused++
			continue
		}
		c.Add(alert, ev)
	}
	t := tabwriter.NewWriter(g.std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "family\talerts\tleaves\tin attributes\tmost frequent in unmapped")
	for _, f := range c.Families() {
		var top []string
		for _, k := range f.Top(4) {
			top = append(top, fmt.Sprintf("%s %d", printable(k.Key, 60), k.N))
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%.1f %%\t%s\n", f.Family, f.Alerts, f.Leaves, 100*f.Share(), strings.Join(top, ", "))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if refused > 0 {
		fmt.Fprintf(g.std.out, "%d lines are not of this class or would be rejected\n", refused)
	}
	return nil
}
