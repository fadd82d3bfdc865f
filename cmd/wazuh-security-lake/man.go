package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan(g *global) *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages of all commands into a directory",
		Args:   cobra.ExactArgs(1),
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			root.DisableAutoGenTag = true // the same pages from the same source, whatever the day
			keepTables(root)
			return doc.GenManTree(root, &doc.GenManHeader{Section: "8", Source: "wazuh-security-lake"}, args[0])
		},
	}
}

// keepTables makes literal blocks of what help sets in columns or indents: filled like prose a table is no table any more,
// and a command is broken at its hyphens.
func keepTables(c *cobra.Command) {
	var out []string
	inside := false
	for line := range strings.SplitSeq(c.Long, "\n") {
		table := strings.HasPrefix(line, "  ") || strings.Contains(line, "  ")
		if table != inside && line != "" {
			out = append(out, "")
			inside = table
		}
		if inside && line != "" {
			line = "    " + line
		}
		out = append(out, line)
	}
	c.Long = strings.Join(out, "\n")
	for _, sub := range c.Commands() {
		keepTables(sub)
	}
}
