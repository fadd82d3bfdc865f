package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	"wazuh-security-lake/config"
	"wazuh-security-lake/doctor"
)

// serviceUser is who the packages run the daemon as.
const serviceUser = "wazuh-security-lake"

// faultCodes are the exit codes of doctor's failures.
var faultCodes = map[doctor.Fault]int{
	doctor.Permission:    exitNoPerm,
	doctor.Configuration: exitConfig,
	doctor.Unavailable:   exitUnavailable,
	doctor.NoInput:       exitNoInput,
	doctor.IO:            exitIO,
	doctor.State:         exitData,
	doctor.CannotCreate:  exitCantCreate,
}

// doctorFlags are the options of `doctor`.
type doctorFlags struct {
	user       string
	json, lake bool
	timeout    time.Duration
}

func newDoctor(g *global) *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Try everything the daemon needs, on this host and in AWS, and say what mends what does not work",
		Long: `Try everything the daemon needs: configuration, Wazuh, the way to the alerts, the spool, the clock, credentials,
roles, the right to write to each source. Each line is ok, warn, fail or skip, with the remedy below it. Nothing is
changed on this host, and no object stays behind in the bucket. Without network the checks of the host still run.

Run it as root: it then also looks with the eyes of the service's user. Credentials and proxies are those of this
shell; to try the service's own:
  systemd-run --pipe --wait -q --uid=wazuh-security-lake -p EnvironmentFile=-/etc/default/wazuh-security-lake wazuh-security-lake doctor

--lake, with an administrator's credentials, adds what Security Lake and Glue have registered: source, class, crawler,
table, partition of today.

Exit code: 0 when nothing failed, else that of the first failure: 65 state of the spool, 66 no Wazuh, 69 no answer, 73
cannot create, 74 disk, 77 permission, 78 configuration.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.timeout <= 0 {
				return fail(exitUsage, "for example --timeout 30s", errors.New("--timeout must be above zero"))
			}
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return runDoctor(ctx, g, f)
		},
	}
	cmd.Flags().StringVar(&f.user, "user", "", "as root: also look with the eyes of this user (default "+serviceUser+", if it exists)")
	cmd.Flags().BoolVar(&f.lake, "lake", false, "also what an administrator sees: registered source, class, crawler, table, partition")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 10*time.Second, "time limit of each check")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

func runDoctor(ctx context.Context, g *global, f doctorFlags) error {
	opt, err := doctorOptions(g, f)
	if err != nil {
		return err
	}
	checks, release := doctor.Checks(opt)
	defer release()
	tell, colour := func(doctor.Outcome) {}, isTerminal(g.std.out)
	if !f.json {
		tell = func(o doctor.Outcome) { doctor.Print(g.std.out, o, colour) }
	}
	outcomes := doctor.Run(ctx, checks, f.timeout, tell)
	code := faultCodes[doctor.FirstFault(outcomes)] // nothing failed: 0
	if f.json {
		if err := doctor.PrintJSON(g.std.out, outcomes, code); err != nil {
			return err
		}
	} else if _, err := io.WriteString(g.std.out, "\n"+doctor.Summary(outcomes)+"\n"); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return fail(exitRuntime, "", errors.New("interrupted"))
	case code != exitOK:
		return fail(code, "", errors.New("not everything works; the remedies are above"))
	}
	return nil
}

// doctorOptions reads the configuration; one that is not valid is doctor's first finding, not its end.
func doctorOptions(g *global, f doctorFlags) (doctor.Options, error) {
	opt := doctor.Options{Config: config.Default(), Lake: f.lake, Environ: os.Environ()}
	if loaded, err := g.read(); err == nil {
		opt.Config, opt.File = loaded.Config, loaded.File
	}
	_, err := g.load() // names all that read does, and more
	if exitCode(err) == exitUsage && err != nil {
		return opt, err
	}
	opt.Invalid = err
	if opt.Users, err = doctorUsers(f.user); err != nil {
		return opt, err
	}
	silent := slog.New(slog.DiscardHandler)
	opt.S3 = s3Options(opt.Config, silent)
	return opt, nil
}

// doctorUsers are this process and, for root, the service's user. An empty name is the package's user, if it is there.
func doctorUsers(name string) ([]doctor.Identity, error) {
	users := []doctor.Identity{doctor.Self()}
	explicit := name != ""
	if name == "" {
		name = serviceUser
	}
	id, err := doctor.Lookup(name)
	_, unknown := errors.AsType[user.UnknownUserError](err)
	switch {
	case err != nil && explicit:
		return nil, fail(exitUsage, "name a user of this host", err)
	case unknown:
		return users, nil
	case err != nil:
		return nil, err
	case id.UID == users[0].UID:
		return users, nil
	case users[0].UID != 0 && explicit:
		return nil, fail(exitNoPerm, "run it as root, or as "+name, fmt.Errorf("only root may look with the eyes of %s", name))
	case users[0].UID != 0:
		return users, nil
	}
	return append(users, id), nil
}
