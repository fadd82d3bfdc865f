package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"wazuh-security-lake/lake"
	"wazuh-security-lake/ocsf"
)

func newValidate(g *global) *cobra.Command {
	var max int
	cmd := &cobra.Command{
		Use:   "validate FILE...",
		Short: "Check Parquet or NDJSON against OCSF and the contract of Security Lake",
		Long: `Check files: events against the OCSF class they name (required attributes, types, enums, captions, formats, lengths,
profiles), and Parquet also against what Security Lake asks of a custom source (path, one class, event day, sorting, page
and row group sizes, codec, encodings, no foreign column). One line per fault: file, row, attribute, rule. Exit 65 on any.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			v := &validation{out: g.std.out, max: max}
			for _, name := range files {
				if err := v.file(cmd.Context(), g, name); err != nil {
					return err
				}
			}
			fmt.Fprintf(g.std.out, "%d files, %d events, %d faults\n", len(files), v.events, v.faults)
			if v.faults > 0 {
				return fail(exitData, "", errors.New("not valid"))
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&max, "max", 100, "print at most this many faults")
	return cmd
}

type validation struct {
	out            io.Writer
	max            int
	events, faults int
}

func (v *validation) fault(text string) {
	v.faults++
	switch {
	case v.faults <= v.max:
		fmt.Fprintln(v.out, text)
	case v.faults == v.max+1:
		fmt.Fprintln(v.out, "... more faults are counted, not printed")
	}
}

func (v *validation) file(ctx context.Context, g *global, name string) error {
	if name == "-" {
		return v.ndjson(ctx, g, name)
	}
	f, err := openInput(name)
	if err != nil {
		return err
	}
	magic := make([]byte, 4)
	_, err = io.ReadFull(f, magic)
	_ = f.Close() // only read
	if err == nil && bytes.Equal(magic, []byte("PAR1")) || filepath.Ext(name) == ".parquet" {
		return v.parquet(name)
	}
	return v.ndjson(ctx, g, name)
}

func (v *validation) event(name string, row int, line []byte, opt ocsf.ValidateOptions) {
	v.events++
	for _, f := range ocsf.ValidateJSON(nil, line, opt) {
		v.fault(fmt.Sprintf("%s: row %d: %s: %s: %s", name, row, f.Attribute, f.Rule, printable(f.Message, 200)))
	}
}

func (v *validation) ndjson(ctx context.Context, g *global, name string) error {
	lines := newFileLines([]string{name}, g.std.in)
	for row := 0; ; row++ {
		l, err := lines.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if l.Reject == "oversize" {
			v.fault(fmt.Sprintf("%s: row %d: line of %d bytes", name, row, l.Size))
			continue
		}
		if l.Reject == "" {
			v.event(name, row, l.Data, ocsf.ValidateOptions{})
		}
	}
}

func (v *validation) parquet(name string) error {
	abs, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	unreadable := false
	for _, fault := range lake.Verify(f, info.Size(), filepath.ToSlash(abs)) {
		fault.File = name
		unreadable = unreadable || fault.Rule == lake.RuleReadable
		v.fault(fault.String())
	}
	if unreadable {
		return nil
	}
	row := 0
	err = lake.Rows(f, info.Size(), func(line []byte) error {
		v.event(name, row, line, ocsf.ValidateOptions{AllowNull: true})
		row++
		return nil
	})
	if err != nil {
		v.fault(fmt.Sprintf("%s: row %d: %v", name, row, err))
	}
	return nil
}
