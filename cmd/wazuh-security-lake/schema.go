package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"wazuh-security-lake/config"
	"wazuh-security-lake/lake"
	"wazuh-security-lake/ocsf"
)

func newSchema(g *global) *cobra.Command {
	var class, version, format, table, location string
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the Parquet schema of a class, or its Athena DDL",
		Long: `Print the schema that every object of a class has, from the first one on. It never changes for a source,
except that new columns may be appended at the end.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := ocsf.ClassByName(class, version)
			if err != nil {
				return fail(exitUsage, "classes: "+strings.Join(ocsf.Classes(), ", ")+"; versions: "+strings.Join(ocsf.Versions(), ", "), err)
			}
			switch format {
			case "parquet":
				_, err = fmt.Fprint(g.std.out, lake.SchemaText(c))
			case "athena":
				_, err = fmt.Fprint(g.std.out, lake.AthenaDDL(c, table, location))
			case "hash":
				_, err = fmt.Fprintln(g.std.out, lake.SchemaHash(c))
			default:
				err = fail(exitUsage, "parquet, athena or hash", errors.New("unknown format "+format))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&class, "class", config.SecurityFinding, "OCSF class")
	cmd.Flags().StringVar(&version, "ocsf-version", ocsf.Version110, "OCSF version")
	cmd.Flags().StringVar(&format, "format", "parquet", "parquet, athena or hash")
	cmd.Flags().StringVar(&table, "table", "amazon_security_lake_table_us_east_1_ext_wazuh", "table name for --format athena")
	cmd.Flags().StringVar(&location, "location", "s3://aws-security-data-lake-us-east-1-EXAMPLE/ext/wazuh/", "location for --format athena")
	return cmd
}
