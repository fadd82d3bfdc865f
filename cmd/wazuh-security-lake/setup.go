package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wazuh-security-lake/config"
	"wazuh-security-lake/ocsf"
	"wazuh-security-lake/setup"
	"wazuh-security-lake/uploader"
)

// setupFlags are the options of `setup`.
type setupFlags struct {
	apply, write      bool
	print             string
	class             string
	sources           []string
	createCrawlerRole bool
	crawlerRoleName   string
	crawlerRole       string
	principal         string
}

func newSetup(g *global) *cobra.Command {
	var f setupFlags
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Create the custom sources in Security Lake, and print the configuration they come to",
		Long: `Create the custom sources that the configuration names, and the role of their Glue crawler, in Amazon Security Lake.

It looks first and shows what is missing; nothing is changed without --apply. Run again it goes on where it was, and makes
nothing twice. It ends with the configuration as AWS answered it (--write puts it into the file), the policy for the managers
and what comes next.

Use the credentials of an administrator of the lake's account (in an organization: the delegated administrator of Security
Lake), not those of the manager: AWS_PROFILE=admin wazuh-security-lake setup ... Who may not call these APIs prints the same
as a document for somebody who may: --print cli, terraform, cloudformation, or policy for the IAM policies alone.

  wazuh-security-lake setup --set lake.region=us-east-1 --class detection_finding --create-crawler-role
  wazuh-security-lake setup --set lake.region=us-east-1 --class detection_finding --create-crawler-role --apply --write`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return runSetup(ctx, g, f)
		},
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.apply, "apply", false, "do what the plan shows")
	fl.BoolVar(&f.write, "write", false, "with --apply: put the answers into the configuration file, comments kept, a backup beside it")
	fl.StringVar(&f.print, "print", "", "print a document instead: "+strings.Join(setup.Formats(), ", "))
	fl.StringVar(&f.class, "class", "", "class of the sources for which the configuration names none")
	fl.StringArrayVar(&f.sources, "source", nil, "only this source of the configuration; may be given again")
	fl.BoolVar(&f.createCrawlerRole, "create-crawler-role", false, "make the role of the Glue crawler if it is not there")
	fl.StringVar(&f.crawlerRoleName, "crawler-role-name", setup.CrawlerRoleName, "name of the role that --create-crawler-role makes")
	fl.StringVar(&f.crawlerRole, "crawler-role", "", "ARN of a role for the Glue crawler that is there")
	fl.StringVar(&f.principal, "principal", "", "AWS account of the managers' credentials (default: the one of the lake)")
	return cmd
}

// setupJob is one run of setup.
type setupJob struct {
	g       *global
	flags   setupFlags
	loaded  *config.Loaded
	request setup.Request
}

func runSetup(ctx context.Context, g *global, f setupFlags) error {
	if f.write && !f.apply {
		return fail(exitUsage, "--apply --write; or paste what setup prints", errors.New("--write without --apply has nothing to write"))
	}
	if f.print != "" && f.apply {
		return fail(exitUsage, "one of them", errors.New("--print only prints, --apply does it"))
	}
	if f.createCrawlerRole && f.crawlerRole != "" {
		return fail(exitUsage, "one of them", errors.New("--create-crawler-role makes a role, --crawler-role takes one that is there"))
	}
	if f.print != "" && !slices.Contains(setup.Formats(), f.print) {
		return fail(exitUsage, "choose from "+strings.Join(setup.Formats(), ", "), fmt.Errorf("--print %q is not known", f.print))
	}
	if known := ocsf.Classes(); f.class != "" && !slices.Contains(known, f.class) {
		return fail(exitUsage, "choose from "+strings.Join(known, ", "), fmt.Errorf("--class %q is not known", f.class))
	}
	loaded, err := g.read()
	if err != nil {
		return err
	}
	if err := validateForSetup(*loaded); err != nil {
		return err
	}
	j := &setupJob{g: g, flags: f, loaded: loaded}
	if err := j.build(); err != nil {
		return err
	}
	if f.print != "" {
		return j.print()
	}
	return j.run(ctx)
}

// validateForSetup checks the rules of the configuration with stand-ins for what setup is there to find out.
func validateForSetup(probe config.Loaded) error {
	c := &probe.Config
	c.Sources = slices.Clone(c.Sources)
	if c.Lake.Destination == "" {
		c.Lake.Destination = "s3://aws-security-data-lake"
	}
	if c.Lake.AccountID == "" {
		c.Lake.AccountID = "external"
	}
	if c.Lake.RoleARN == "" {
		c.Lake.RoleARN = "arn:aws:iam::123456789012:role/stand-in"
	}
	if err := probe.Validate(); err != nil {
		return fail(exitConfig, "mend the values named above, or give them with --set (--set lake.region=us-east-1)",
			fmt.Errorf("configuration is not valid:\n%w", err))
	}
	return nil
}

// build makes the request out of configuration, flags and, on a terminal, answers.
func (j *setupJob) build() error {
	j.request.Principal = j.flags.principal
	j.request.Crawler = setup.Crawler{ARN: j.flags.crawlerRole, Create: j.flags.createCrawlerRole, Name: j.flags.crawlerRoleName}
	wanted := j.flags.sources
	for i, s := range j.loaded.Config.ResolvedSources() {
		if len(wanted) > 0 && !slices.Contains(wanted, s.Name) {
			continue
		}
		path := fmt.Sprintf("sources[%d]", i)
		class, err := j.class(path, s, i == len(j.loaded.Config.Sources)-1)
		if err != nil {
			return err
		}
		// One role for all sources in lake.role_arn cannot be the provider role of each of them.
		role := j.loaded.Config.Sources[i].RoleARN
		if role == "" && len(j.loaded.Config.Sources) == 1 {
			role = s.RoleARN
		}
		j.request.Sources = append(j.request.Sources, setup.Source{Path: path, Name: s.Name, Class: class, Region: s.Region,
			Location: s.S3Location, RoleARN: role, ExternalID: s.ExternalID})
	}
	if len(j.request.Sources) == 0 {
		return fail(exitUsage, "--source names a source of the configuration", fmt.Errorf("no source named %s", strings.Join(wanted, ", ")))
	}
	if err := j.request.Check(); err != nil {
		return setupFailure(err)
	}
	return nil
}

func (j *setupJob) print() error {
	region := j.request.Sources[0].Region
	paper := setup.Paper{Request: j.request, Bucket: j.bucket(region), Copy: j.loaded.Config.Copy.OCSFJSON}
	missing := slices.ContainsFunc(paper.Sources, func(s setup.Source) bool { return s.ExternalID == "" })
	if missing && j.flags.print != "policy" {
		var b [16]byte
		if _, err := rand.Read(b[:]); err != nil {
			return fmt.Errorf("make an external ID: %w", err)
		}
		paper.ExternalID = "wazuh-" + hex.EncodeToString(b[:])
		fmt.Fprintln(j.g.std.err, "note: the document holds a made-up external ID; it belongs into the configuration as well (external_id), and is no secret")
	}
	return setupFailure(setup.Print(j.g.std.out, j.flags.print, paper))
}

// bucket is the lake's bucket, if the configuration knows it.
func (j *setupJob) bucket(region string) string {
	for _, s := range j.request.Sources {
		if s.Location != "" && s.Region == region {
			return bucketOf(s.Location)
		}
	}
	if d := j.loaded.Config.Lake.Destination; strings.HasPrefix(d, "s3://") {
		return bucketOf(d)
	}
	return ""
}

func (j *setupJob) run(ctx context.Context) error {
	out := j.g.std.out
	c := j.loaded.Config
	c.Lake.Region = or(c.Lake.Region, j.request.Sources[0].Region)
	var file *setupFile
	if j.flags.write {
		var err error
		if file, err = openSetupFile(j); err != nil {
			return err
		}
	}
	aws, err := uploader.OpenAWS(ctx, s3Options(c, slog.New(slog.DiscardHandler)))
	if err != nil {
		return fail(exitConfig, "mend the lake section of the configuration", err)
	}
	defer aws.Close()
	cfg := aws.Config()
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return fail(exitNoPerm, "use an administrator's credentials, for example AWS_PROFILE=admin; or --print cli for somebody who has them", fmt.Errorf("no AWS credentials: %w", err))
	}
	services := setup.NewAWS(cfg, aws.STS(""))
	plan, err := setup.Prepare(ctx, services, j.request)
	if err != nil {
		return setupFailure(err)
	}
	plan.WriteText(out)
	if !j.flags.apply && plan.Steps() > 0 {
		fmt.Fprintf(out, "\nNothing was changed. The same command with --apply does the %d steps marked +.\n", plan.Steps())
		return nil
	}
	results, err := plan.Apply(ctx, services, setup.Options{Random: rand.Reader, Wait: wait, Report: func(text string) { fmt.Fprintln(out, "  "+text) }})
	if len(results) > 0 {
		err = errors.Join(setupFailure(err), j.finish(plan, results, file))
	}
	return setupFailure(err)
}

// finish prints, and writes, what the sources that are there mean for the configuration.
func (j *setupJob) finish(plan *setup.Plan, results []setup.Result, file *setupFile) error {
	out := j.g.std.out
	account := or(j.loaded.Config.Lake.AccountID, plan.Caller.Account)
	fmt.Fprint(out, "\nConfiguration, as AWS answered it (the external ID is configuration, not a secret):\n\n")
	setup.WriteConfiguration(out, or(j.loaded.Config.Lake.Region, results[0].Region), account, results)
	fmt.Fprintln(out)
	if file != nil {
		said, err := file.merge(account, results)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, said+"\n")
	}
	setup.WriteNext(out, plan.Principal, results)
	return nil
}

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

// wait lets d pass.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// setupFailure gives an error of package setup its exit code.
func setupFailure(err error) error {
	e, ok := errors.AsType[*setup.Error](err)
	if !ok {
		return err
	}
	code := map[setup.Kind]int{setup.Refused: exitConfig, setup.Denied: exitNoPerm, setup.Later: exitTempFail,
		setup.Unreachable: exitUnavailable, setup.Unclear: exitUsage}[e.Kind]
	return fail(code, e.Remedy, e.Err)
}
