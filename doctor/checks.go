package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wazuh-security-lake/config"
	"wazuh-security-lake/lake"
	"wazuh-security-lake/uploader"
)

// Options say what to look at.
type Options struct {
	Config config.Config
	// File is where it was read from; empty when there was none.
	File string
	// Invalid is why the configuration cannot be used; nil when it can. The host is looked at all the same.
	Invalid error
	// Users are who the local checks are made as: the process itself, and, for root, the service's user.
	Users []Identity
	// S3 is how the daemon reaches S3 and STS.
	S3 uploader.S3Options
	// Lake adds what an administrator of the Security Lake can see: registered sources, crawlers, tables, partitions.
	Lake    bool
	Environ []string
	Root    string // of the file system with systemd's files; "/" when empty
	Now     func() time.Time
}

// Checks returns all checks of a configuration in their order, and a function that releases what they have opened.
func Checks(opt Options) (checks []Check, release func()) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Root == "" {
		opt.Root = "/"
	}
	b := &builder{opt: opt, cloud: &cloud{cfg: opt.Config, options: opt.S3, now: opt.Now, contacts: map[string]*contact{}, verifies: map[string]bool{}}}
	b.host()
	b.destinations()
	return b.checks, func() {
		if b.cloud.aws != nil {
			b.cloud.aws.Close()
		}
	}
}

type builder struct {
	opt    Options
	cloud  *cloud
	checks []Check
}

func (b *builder) add(name string, after []string, check func(context.Context) Result) {
	b.checks = append(b.checks, Check{Name: name, After: after, Check: check})
}

// service is who the daemon runs as, as far as it is known.
func (b *builder) service() Identity { return b.opt.Users[len(b.opt.Users)-1] }

const nameConfig = "configuration"

// host adds what needs no network.
func (b *builder) host() {
	c, opt := b.opt.Config, b.opt
	b.add(nameConfig, nil, func(context.Context) Result { return checkConfig(opt) })
	b.add("environment", nil, checkEnvironment(opt.Root, opt.Environ))
	b.add("wazuh", nil, checkWazuh(c.Input))
	b.add("jsonout_output", nil, checkJSONOut(c.Input))
	for _, id := range opt.Users {
		b.add("alerts as "+id.Name, nil, checkAlertsAccess(c.Input, id))
	}
	b.add("alerts.json", nil, checkLink(c.Input, opt.Now))
	for _, id := range opt.Users {
		b.add("spool as "+id.Name, nil, checkSpool(c.Spool.Dir, id))
	}
	b.add("spool owners", nil, checkOwners(c.Spool.Dir, b.service()))
	b.add("spool space", nil, checkSpace(c.Spool))
	b.add("spool state", []string{nameConfig}, checkState(c))
	b.add("inbox", nil, checkInbox(c.Input, b.service()))
	b.add("daemon", nil, checkDaemon(c))
	b.add("unit", nil, checkUnit(opt.Root))
}

// checkConfig repeats what check-config says, and whether the service may read the file.
func checkConfig(opt Options) Result {
	if opt.Invalid != nil {
		var remedies []string
		text := opt.Invalid.Error()
		if first, rest, ok := strings.Cut(text, "\n"); ok { // each fault is a line
			text = first
			for line := range strings.SplitSeq(rest, "\n") {
				remedies = append(remedies, strings.TrimSpace(line))
			}
		}
		return failure(Configuration, text, remedies...)
	}
	if opt.File == "" {
		return warning("no file at "+config.DefaultPath+": everything comes from variables and flags", "wazuh-security-lake check-config shows the effective values")
	}
	for _, id := range opt.Users {
		if found, err := try(id, append(passing(filepath.Dir(opt.File)), need{opt.File, mayRead})); err == nil && found != nil {
			r := refused(id, *found)
			r.Remedy = []string{"chown root:" + id.Name + " " + quote(opt.File) + " && chmod 0640 " + quote(opt.File)}
			return r
		}
	}
	if warnings := config.Warnings(opt.Config); len(warnings) > 0 {
		return warning(opt.File+" is valid", warnings...)
	}
	return passed("%s is valid", opt.File)
}

// destinations adds what the destinations need.
func (b *builder) destinations() {
	sources := sourcesOf(b.opt.Config)
	for _, s := range sources {
		b.add("source "+s.Name, []string{nameConfig}, checkPlace(s, b.opt.Now))
	}
	all := slices.Clone(sources)
	if second, ok := copyOf(b.opt.Config); ok {
		all = append(all, second)
	}
	remote := slices.DeleteFunc(slices.Clone(all), func(s source) bool { return !strings.HasPrefix(s.destination, "s3://") })
	var local []string
	for _, s := range all {
		if dir, ok := strings.CutPrefix(s.destination, "file://"); ok && !slices.Contains(local, dir) {
			local = append(local, dir)
			b.add("directory "+dir, []string{nameConfig}, checkDirectory(dir, b.service()))
		}
	}
	if len(remote) > 0 {
		b.remote(remote)
	}
	if b.opt.Lake {
		b.lake(sources, len(remote) > 0)
	}
}

const (
	nameOpen        = "aws configuration"
	nameCredentials = "credentials"
)

// remote adds the checks of S3 and STS.
func (b *builder) remote(sources []source) {
	c := b.cloud
	b.add(nameOpen, []string{nameConfig}, c.checkOpen(b.opt.Users))
	ways := make(map[string]string)
	for _, s := range sources {
		bucket, region := s.bucket(), s.Region
		key := bucket + " " + region
		if ways[key] != "" {
			continue
		}
		name := "endpoint " + region
		if len(ways) > 0 {
			name = "endpoint " + region + " " + bucket
		}
		ways[key] = name
		b.add(name, []string{nameOpen}, func(ctx context.Context) Result {
			return c.contact(ctx, bucket, region).checkWay(c.endpoint(), bucket, region)
		})
		b.add(strings.Replace(name, "endpoint", "clock", 1), []string{name}, func(ctx context.Context) Result { return c.contact(ctx, bucket, region).checkClock() })
		b.add(strings.Replace(name, "endpoint", "bucket", 1), []string{name}, func(ctx context.Context) Result { return c.contact(ctx, bucket, region).checkBucket(bucket, region) })
	}
	b.add(nameCredentials, []string{nameOpen}, c.checkCredentials(b.opt.Users))
	roles := slices.ContainsFunc(sources, func(s source) bool { return s.RoleARN != "" })
	b.add("identity", []string{nameCredentials}, c.checkIdentity(sources[0].Region, roles))
	for _, s := range sources {
		way := ways[s.bucket()+" "+s.Region]
		role, write := "role of "+s.Name, "write "+s.Name
		b.add(role, []string{nameCredentials}, c.checkRole(s))
		after := []string{nameCredentials, way}
		if s.RoleARN != "" {
			after = append(after, role)
		}
		b.add(write, after, c.checkWrite(s))
		b.add("conditional write "+s.Name, []string{write}, c.checkConditional(s))
		b.add("encryption "+s.Name, []string{write}, c.checkEncryption(s))
	}
}

// checkPlace looks at the place a source's objects go to, without asking anyone.
func checkPlace(s source, now func() time.Time) func(context.Context) Result {
	return func(context.Context) Result {
		key, err := s.contract.Key(lake.Partition{Source: s.Name, Region: s.Region, AccountID: s.AccountID, Day: lake.DateOf(now().UnixMilli())}, "name.parquet")
		if err != nil {
			return failure(Configuration, err.Error(), "mend lake.account_id, lake.region or s3_location: wazuh-security-lake check-config")
		}
		place := s.destination + "/" + strings.TrimSuffix(key, "name.parquet")
		if s.contract.Prefix != "" && !strings.EqualFold(strings.SplitN(s.contract.Prefix, "/", 3)[1], s.Name) {
			return warning(fmt.Sprintf("%s goes to %s, the place of another source", s.Class, place), "name and s3_location come from the same CreateCustomLogSource: correct one of them")
		}
		return passed("%s %s goes to %s", s.Class, s.OCSFVersion, place)
	}
}

// checkDirectory looks at a file:// destination.
func checkDirectory(dir string, id Identity) func(context.Context) Result {
	return func(context.Context) Result {
		at := existing(dir)
		found, err := try(id, append(passing(filepath.Dir(at)), need{at, mayRead | mayWrite | maySearch}))
		switch {
		case err != nil:
			return skipped("%v", err)
		case found != nil:
			r := refused(id, *found)
			if r.Fault == Permission { // not for group wazuh: that may read the alerts, not change the lake
				r.Remedy = []string{"install -d -o " + id.Name + " " + quote(dir)}
				if found.path != at {
					r.Remedy = []string{"choose a directory in lake.destination that " + id.Name + " can reach"}
				}
			}
			return r
		}
		if info, err := os.Stat(at); err == nil && !info.IsDir() {
			return failure(Configuration, at+" is not a directory", "set lake.destination to file:// and a directory")
		}
		return passed("%s can be written by %s", at, id.Name)
	}
}
