package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"wazuh-security-lake/config"
	"wazuh-security-lake/lake"
)

func newInspect(g *global) *cobra.Command {
	var asJSON, columns, schema bool
	var limit int64
	var rows string
	var top []string
	cmd := &cobra.Command{
		Use:   "inspect FILE.parquet...",
		Short: "Look into Parquet files: row groups, encodings, metadata, rows, most frequent values",
		Long: `Look into Parquet files, without any query engine.

  inspect --rows 20 FILE...                  the first 20 rows of each file as JSON lines
  inspect --top rule,agent,technique,source-ip DIR
                                             what is most frequent in the objects of a lake directory (below ext/), or in files
Counts of --top are exact up to 20,000 different values; beyond that the rarest share their counters, and the memory stays
the same.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error {
			if limit < 0 {
				return fail(exitUsage, "write --limit 20, or leave it out", fmt.Errorf("--limit %d is below zero", limit))
			}
			if len(top) > 0 {
				if limit == 0 {
					limit = 10
				}
				return inspectTop(g.std.out, files, top, int(limit), asJSON)
			}
			if rows == allRows && len(files) > 1 {
				files = takeNumber(files, &rows)
			}
			if rows != "" && rows != allRows {
				n, err := strconv.ParseInt(rows, 10, 64)
				if err != nil || n <= 0 {
					return fail(exitUsage, "write --rows, or --rows=20", fmt.Errorf("--rows %q is not a number", rows))
				}
				limit = n
			}
			for _, name := range files {
				if err := withParquet(name, func(f *os.File, size int64) error {
					switch {
					case rows != "":
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
	cmd.Flags().StringVar(&rows, "rows", "", "print that many rows of each file, or all, as JSON lines, nulls left out")
	cmd.Flags().Lookup("rows").NoOptDefVal = allRows
	cmd.Flags().StringSliceVar(&top, "top", nil, "count the most frequent of these: "+strings.Join(topDimensions(), ", "))
	cmd.Flags().Int64Var(&limit, "limit", 0, "with --rows: at most this many, 0 is all; with --top: that many of each, 10 by default")
	cmd.Flags().BoolVar(&columns, "columns", false, "list every column that has values")
	cmd.Flags().BoolVar(&schema, "schema", false, "print the schema")
	return cmd
}

// allRows is the value of --rows without a number.
const allRows = "all"

// takeNumber lets people write --rows 20 FILE: a flag that may stand alone takes its value only after a =.
func takeNumber(files []string, rows *string) []string {
	if _, err := strconv.ParseInt(files[0], 10, 64); err != nil {
		return files
	}
	if _, err := os.Stat(files[0]); err == nil {
		return files // a file of that name
	}
	*rows = files[0]
	return files[1:]
}

// withParquet opens a file and gives a reading error its exit code.
func withParquet(name string, do func(f *os.File, size int64) error) error {
	f, err := openInput(name)
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
