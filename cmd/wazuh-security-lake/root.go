package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"wazuh-security-lake/config"
)

// global holds what every command may use: the streams and the flags of the root command.
type global struct {
	std        stdio
	configFile string
	set        []string // --set lake.region=eu-west-1
}

func newRoot(std stdio) *cobra.Command {
	g := &global{std: std}
	root := &cobra.Command{
		Use:   "wazuh-security-lake",
		Short: "Ship the alerts of a Wazuh manager to Amazon Security Lake",
		Long: `Ship the alerts of a Wazuh manager to Amazon Security Lake: follow alerts.json, map each alert to OCSF,
build Parquet on local disk, upload it under the right partition. Nothing lost, nothing twice.

Try it:   wazuh-security-lake demo
Run it:   wazuh-security-lake run --config /etc/wazuh-security-lake/config.yaml`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help() // to our own stdout
			return fail(exitUsage, "", errors.New("no command given"))
		},
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fail(exitUsage, "see "+cmd.CommandPath()+" --help", err)
	})
	root.PersistentFlags().StringVarP(&g.configFile, "config", "c", "", "configuration file (default "+config.DefaultPath+")")
	root.PersistentFlags().StringArrayVar(&g.set, "set", nil, "override one configuration value, for example --set lake.region=eu-west-1")
	root.AddCommand(
		newDemo(g), newRun(g), newConvert(g), newBackfill(g), newAudit(g),
		newCheckConfig(g), newStatus(g), newFlush(g), newDrain(g), newPosition(g), newSpool(g), newRejects(g),
		newExplain(g), newInspect(g), newValidate(g), newSchema(g),
		newSetup(g), newDoctor(g), newSendTest(g),
		newVersion(g), newMan(g),
	)
	wrapArgs(root)
	return root
}

// wrapArgs gives every error about arguments the exit code of a usage error.
func wrapArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			switch none := cobra.NoArgs(cmd, args); {
			case err == nil:
				return nil
			case none != nil && err.Error() == none.Error() && cmd.HasAvailableSubCommands():
				return unknownCommand(cmd, args[0])
			case none != nil && err.Error() == none.Error():
				return fail(exitUsage, "see "+cmd.CommandPath()+" --help", fmt.Errorf("%s takes no arguments, got %q", cmd.Name(), args[0]))
			}
			return fail(exitUsage, cmd.UseLine()+"; see "+cmd.CommandPath()+" --help", fmt.Errorf("%s %w", cmd.Name(), err))
		}
	}
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
}

// unknownCommand names the commands that were perhaps meant.
func unknownCommand(parent *cobra.Command, got string) error {
	parent.SuggestionsMinimumDistance = 2
	remedy := "see " + parent.CommandPath() + " --help"
	if near := parent.SuggestionsFor(got); len(near) > 0 {
		remedy = "did you mean " + strings.Join(near, " or ") + "? " + remedy
	}
	return fail(exitUsage, remedy, fmt.Errorf("unknown command %q for %q", got, parent.CommandPath()))
}

// load reads the configuration and validates it; every fault becomes part of one error with exit code 78.
func (g *global) load() (*config.Loaded, error) { return g.configuration(config.Check) }

// read reads the configuration without checking its rules: for commands that only need a path or two of it.
func (g *global) read() (*config.Loaded, error) { return g.configuration(config.Load) }

func (g *global) configuration(load func(path string, environ []string, flags map[string]string) (*config.Loaded, error)) (*config.Loaded, error) {
	flags := make(map[string]string)
	for _, kv := range g.set {
		key, value, ok := strings.Cut(kv, "=")
		if !ok {
			return nil, fail(exitUsage, "write --set path=value", fmt.Errorf("--set %q has no =", kv))
		}
		flags[key] = value
	}
	loaded, err := load(g.configFile, os.Environ(), flags)
	switch {
	case err == nil:
		return loaded, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fail(exitNoInput, "name the file with --config, or start from the sample configuration of the package", err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fail(exitNoPerm, "the file must be readable for this user: chown root:wazuh-security-lake, chmod 0640", err)
	}
	return nil, fail(exitConfig, "mend what is named above, then `wazuh-security-lake check-config`", fmt.Errorf("configuration is not valid:\n%w", err))
}
