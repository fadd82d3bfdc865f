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
	for _, c := range root.Commands() {
		wrapArgs(c)
	}
	return root
}

// wrapArgs gives every error about arguments the exit code of a usage error.
func wrapArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return fail(exitUsage, "see "+cmd.CommandPath()+" --help", err)
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
}

// load reads the configuration and validates it; every fault becomes part of one error with exit code 78.
func (g *global) load() (*config.Loaded, error) {
	loaded, err := g.read()
	if err != nil {
		return nil, err
	}
	if err := loaded.Validate(); err != nil {
		return nil, fail(exitConfig, "mend the values named above; `wazuh-security-lake check-config` shows the effective configuration",
			fmt.Errorf("configuration is not valid:\n%w", err))
	}
	return loaded, nil
}

// read reads the configuration without checking its rules: for commands that only need a path or two of it.
func (g *global) read() (*config.Loaded, error) {
	flags := make(map[string]string)
	for _, kv := range g.set {
		key, value, ok := strings.Cut(kv, "=")
		if !ok {
			return nil, fail(exitUsage, "write --set path=value", fmt.Errorf("--set %q has no =", kv))
		}
		flags[key] = value
	}
	loaded, err := config.Load(g.configFile, os.Environ(), flags)
	switch {
	case err == nil:
		return loaded, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fail(exitNoInput, "name the file with --config, or start from the sample configuration of the package", err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fail(exitNoPerm, "the file must be readable for this user: chown root:wazuh-security-lake, chmod 0640", err)
	}
	return nil, fail(exitConfig, "mend the lines named above", fmt.Errorf("configuration is not valid:\n%w", err))
}
