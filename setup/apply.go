package setup

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Options are what Apply needs besides the services.
type Options struct {
	Random io.Reader         // for an external ID that nobody chose
	Wait   Waiter            // between attempts, while a new role becomes known to Glue
	Report func(text string) // one line for each thing that was done
}

// Result is a source as it is now.
type Result struct {
	Source
	Registered Registered
	ExternalID string
	Made       bool // by this Apply
}

// Apply does what the plan misses: crawler role, its policies, sources in their order. Each step waits for AWS; what was done is
// durable there when it returns. With an error it returns the sources that are there already: what was made is never
// lost to a later failure. Cancelled, it ends between two steps or in a call whose outcome the next Prepare finds.
func (p *Plan) Apply(ctx context.Context, aws Services, opt Options) ([]Result, error) {
	var results []Result
	for _, s := range p.Sources {
		if s.There {
			results = append(results, Result{Source: s.Source, Registered: s.Registered, ExternalID: s.ExternalID})
		}
	}
	if p.Steps() == 0 {
		return results, nil
	}
	role, fresh, err := p.applyRole(ctx, aws, opt)
	if err != nil {
		return results, err
	}
	madeUp := ""
	for _, s := range p.Sources {
		if s.There {
			continue
		}
		if s.ExternalID == "" {
			if madeUp == "" {
				if madeUp, err = randomID(opt.Random); err != nil {
					return results, err
				}
				opt.Report("made up the external ID " + madeUp + " (configuration, not a secret)")
			}
			s.ExternalID = madeUp
		}
		made, err := p.register(ctx, aws, s, role, fresh, opt)
		if err != nil {
			return results, err
		}
		results = append(results, made)
	}
	return inOrder(p.Sources, results), nil
}

// inOrder sorts results as the plan has the sources.
func inOrder(order []PlannedSource, results []Result) []Result {
	sorted := make([]Result, 0, len(results))
	for _, s := range order {
		for _, r := range results {
			if r.Path == s.Path {
				sorted = append(sorted, r)
			}
		}
	}
	return sorted
}

// randomID makes an external ID of 128 bits.
func randomID(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("make an external ID: %w", err)
	}
	return "wazuh-" + hex.EncodeToString(b[:]), nil
}

// applyRole makes the crawler's role; fresh reports that it did not exist before.
func (p *Plan) applyRole(ctx context.Context, roles Services, opt Options) (arn string, fresh bool, err error) {
	r := p.Crawler
	arn = r.ARN
	if r.Create {
		arn, err = roles.CreateRole(ctx, r.Name, CrawlerTrust().compact())
		switch {
		case errors.Is(err, errExists): // made since the plan was, by another run
			role, err := roles.Role(ctx, r.Name)
			if err == nil {
				err = crawlable(role, r.Name)
			}
			if err != nil {
				return "", false, err
			}
			arn = role.ARN
		case err != nil:
			return "", false, err
		default:
			fresh = true
			opt.Report("created role " + arn)
		}
	}
	for _, g := range r.Grants {
		if err := roles.Grant(ctx, r.Name, g); err != nil {
			return "", false, err
		}
		opt.Report("gave role " + r.Name + " the policy " + g.title())
	}
	return arn, fresh, nil
}

func (g Grant) title() string {
	if g.ManagedARN != "" {
		return g.ManagedARN[strings.LastIndexByte(g.ManagedARN, '/')+1:]
	}
	return g.Name
}

// patience are the waits for what AWS takes seconds to spread: a new role, a source that is just being made.
func patience() []time.Duration {
	return []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second}
}

func (p *Plan) register(ctx context.Context, aws Services, s PlannedSource, role string, fresh bool, opt Options) (Result, error) {
	want := NewSource{Name: s.Name, EventClass: s.EventClass(), ExternalID: s.ExternalID, Principal: p.Principal, CrawlerRole: role}
	waits := patience()
	for {
		made, err := aws.Register(ctx, s.Region, want)
		if err == nil {
			opt.Report("created custom source " + s.Name + " in " + s.Region)
			return Result{Source: s.Source, Registered: made, ExternalID: s.ExternalID, Made: true}, nil
		}
		if errors.Is(err, errExists) {
			there, found, err := p.conflict(ctx, aws, s)
			if err != nil || found {
				return there, err
			}
			err = &Error{Later, fmt.Errorf("create custom source %s: AWS answers a conflict, and there is no such source", s.Name), "try again in a minute"}
			if len(waits) == 0 {
				return Result{}, err
			}
		} else if !(fresh && unknownRole(err)) || len(waits) == 0 {
			return Result{}, classHint(err, s)
		}
		if err := opt.Wait(ctx, waits[0]); err != nil {
			return Result{}, explain("create custom source "+s.Name, "CreateCustomLogSource", err)
		}
		waits = waits[1:]
	}
}

// conflict looks whether the source that is said to be there is the one that was to be made.
func (p *Plan) conflict(ctx context.Context, aws Services, s PlannedSource) (there Result, found bool, err error) {
	known, err := aws.Sources(ctx, s.Region)
	if err != nil {
		return there, false, err
	}
	want := s.Source
	now, err := p.source(ctx, aws, want, known)
	if err != nil || !now.There {
		return there, false, err
	}
	return Result{Source: s.Source, Registered: now.Registered, ExternalID: now.ExternalID}, true, nil
}

// unknownRole reports an answer that a role gives which Glue does not know yet.
func unknownRole(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == Refused && strings.Contains(strings.ToLower(e.Error()), "role")
}

// classHint adds what a refused class means: which classes an API takes differs by region and changes with time, and it
// has no call that lists them.
func classHint(err error, s PlannedSource) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != Refused || !strings.Contains(strings.ToLower(e.Error()), "class") {
		return err
	}
	hint := "Security Lake in " + s.Region + " does not offer " + s.EventClass() + ": "
	if s.Class == "security_finding" {
		hint += "set class: detection_finding"
	} else {
		hint += "set class: security_finding, which every region takes"
	}
	return &Error{e.Kind, e.Err, hint + ", before the first object is shipped: a source never changes its class"}
}
