package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"wazuh-security-lake/config"
	"wazuh-security-lake/lake"
)

func newInspect(g *global) *cobra.Command {
	var asJSON, rows, columns, schema bool
	var limit int64
	cmd := &cobra.Command{
		Use:   "inspect FILE.parquet...",
		Short: "Look into Parquet files: row groups, encodings, metadata, rows",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error {
			for _, name := range files {
				if err := withParquet(name, func(f *os.File, size int64) error {
					switch {
					case rows:
						return printRows(g.std.out, f, size, limit)
					case asJSON:
						info, err := lake.Inspect(f, size)
						if err != nil {
							return err
						}
						enc := json.NewEncoder(g.std.out)
						enc.SetIndent("", "  ")
						return enc.Encode(info)
					}
					return printInfo(g.std.out, name, f, size, columns, schema)
				}); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "everything the footer and the page headers say, as JSON")
	cmd.Flags().BoolVar(&rows, "rows", false, "print the rows as JSON lines, nulls left out")
	cmd.Flags().Int64Var(&limit, "limit", 0, "with --rows: at most this many; 0 is all")
	cmd.Flags().BoolVar(&columns, "columns", false, "list every column that has values")
	cmd.Flags().BoolVar(&schema, "schema", false, "print the schema")
	return cmd
}

// withParquet opens a file and gives a reading error its exit code.
func withParquet(name string, do func(f *os.File, size int64) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := do(f, info.Size()); err != nil {
		if errors.Is(err, lake.ErrNotParquet) {
			return fail(exitData, "", fmt.Errorf("%s: %w", name, err))
		}
		return err
	}
	return nil
}

// errEnough ends the reading of rows.
var errEnough = errors.New("enough")

func printRows(w io.Writer, f *os.File, size, limit int64) error {
	n := int64(0)
	err := lake.Rows(f, size, func(row []byte) error {
		if limit > 0 && n == limit {
			return errEnough
		}
		n++
		_, err := w.Write(append(row, '\n'))
		return err
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

func printInfo(w io.Writer, name string, f *os.File, size int64, columns, schema bool) error {
	info, err := lake.Inspect(f, size)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s\n  %d rows, %s, %d row groups, written by %s\n", name, info.Rows, config.Size(info.Bytes), len(info.RowGroups), info.CreatedBy)
	for _, kv := range info.Metadata {
		fmt.Fprintf(w, "  %s = %s\n", kv.Key, kv.Value)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  row group\trows\tcompressed\tuncompressed\tsorted by")
	for i, rg := range info.RowGroups {
		fmt.Fprintf(t, "  %d\t%d\t%d\t%d\t%s\n", i, rg.Rows, rg.Compressed, rg.Uncompressed, strings.Join(rg.Sorting, ", "))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if columns {
		if err := printColumns(w, info); err != nil {
			return err
		}
	}
	if schema {
		fmt.Fprint(w, info.Schema)
	}
	return nil
}

// printColumns lists the columns that are not all null, over all row groups.
func printColumns(w io.Writer, info *lake.Info) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  column\ttype\tcodec\tencodings\tvalues\tnulls\tcompressed")
	if len(info.RowGroups) == 0 {
		return t.Flush()
	}
	for i, c := range info.RowGroups[0].Columns {
		var sum lake.Column
		for _, rg := range info.RowGroups {
			sum.Values += rg.Columns[i].Values
			sum.Nulls += rg.Columns[i].Nulls
			sum.Compressed += rg.Columns[i].Compressed
		}
		if sum.Values == sum.Nulls {
			continue
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%d\t%d\t%d\n", c.Path, c.Type, c.Codec, strings.Join(c.Encodings, ","), sum.Values-sum.Nulls, sum.Nulls, sum.Compressed)
	}
	return t.Flush()
}
