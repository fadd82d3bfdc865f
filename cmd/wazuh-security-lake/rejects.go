package main

import (
	"errors"
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"wazuh-security-lake/spool"
)

func newRejects(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rejects",
		Short: "List and show the lines that could not become an event, and ship those that can by now",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	list := &cobra.Command{
		Use:   "list",
		Short: "List the rejected lines: number, batch, reason, place",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			dir, err := g.stateDir()
			if err != nil {
				return err
			}
			t := tabwriter.NewWriter(g.std.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "number\tbatch\treason\tattribute\tfile\tfrom\tto")
			n := 0
			err = spool.Rejects(dir, func(seq uint64, r spool.Reject) error {
				n++
				_, err := fmt.Fprintf(t, "%d\t%d\t%s\t%s\t%s\t%d\t%d\n", n, seq, r.Reason, r.Attribute, r.File, r.From, r.To)
				return err
			})
			return errors.Join(err, t.Flush())
		},
	}
	show := &cobra.Command{
		Use:   "show NUMBER",
		Short: "Print the original bytes of one rejected line",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			want, err := strconv.Atoi(args[0])
			if err != nil {
				return fail(exitUsage, "rejects list shows the numbers", fmt.Errorf("reject %q is not a number", args[0]))
			}
			dir, err := g.stateDir()
			if err != nil {
				return err
			}
			n, found := 0, false
			err = spool.Rejects(dir, func(_ uint64, r spool.Reject) error {
				if n++; n != want {
					return nil
				}
				found = true
				if r.Line == nil {
					return fail(exitNoInput, "read it from Wazuh's own file", fmt.Errorf("only its place was kept: %s bytes %d to %d, sha256 %s", r.File, r.From, r.To, r.SHA256))
				}
				_, err := g.std.out.Write(append(r.Line, '\n'))
				return err
			})
			if err == nil && !found {
				return fail(exitNoInput, "rejects list shows the numbers", fmt.Errorf("there is no reject %d", want))
			}
			return err
		},
	}
	cmd.AddCommand(list, show, newRejectsReplay(g))
	return cmd
}
