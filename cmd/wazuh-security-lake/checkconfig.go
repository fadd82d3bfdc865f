package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"wazuh-security-lake/config"
)

func newCheckConfig(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "check-config",
		Short: "Check the configuration and print the effective one with the origin of each value",
		Long: `Check the configuration and print the effective one: every value with where it came from, secrets masked.
All faults are named at once. Nothing but the file and the environment is looked at: for the host and AWS use doctor.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			loaded, err := g.load()
			if err != nil {
				return err
			}
			if err := config.Print(g.std.out, loaded); err != nil {
				return err
			}
			fmt.Fprintf(g.std.out, "# objects: %s (batch.interval %s); convert --estimate FILE works out the rest\n", configuredObjects(loaded.Config.Batch), loaded.Config.Batch.Interval)
			for _, n := range loaded.Notices {
				fmt.Fprintln(g.std.err, "notice: "+n)
			}
			for _, w := range config.Warnings(loaded.Config) {
				fmt.Fprintln(g.std.err, "warning: "+w)
			}
			return nil
		},
	}
}
