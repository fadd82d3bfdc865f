// Package setup creates the custom sources of Security Lake that the configuration names, and the role of their crawler.
//
// Prepare looks at the account and compares; Apply does what is missing, in this order. After a failure or a kill between
// any two steps the next run finds what is there and goes on, so that nothing is made twice:
//
//	found                                  | Prepare plans
//	---------------------------------------+---------------------------------------------------
//	nothing                                | crawler role, its policies, source
//	role without a policy                  | that policy, source
//	role with its policies                 | source
//	source, same                           | nothing; its location, role and external ID are read
//	source, other class, place or identity | nothing: a Refused error with the remedy
//
// What Security Lake chooses (location, provider role, crawler, table) is only ever read from its answers. The external ID
// of a source that is there is read from the trust policy of its provider role, so that one that was made up by a run that
// died before it could be written down is not lost.
//
// Print writes the same as a document for people who do it in another way: it needs no credentials and sends nothing.
package setup

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Request is what shall be there.
type Request struct {
	Sources []Source
	Crawler Crawler
	// Principal is the account of the managers' identity, 12 digits; empty is the account of the lake.
	Principal string
}

// Source is a custom source as the configuration knows it. Location, RoleARN and ExternalID are empty until somebody has
// filled them in; when they are not, they must be what AWS says.
type Source struct {
	Path  string // sources[0], for messages
	Name  string
	Class string // as in the configuration: detection_finding
	// Region is the region of the lake, not empty.
	Region     string
	Location   string
	RoleARN    string
	ExternalID string
}

// EventClass is the class in the words of the API.
func (s Source) EventClass() string { return strings.ToUpper(s.Class) }

// Crawler is the role that Glue runs the crawlers of new sources with: an existing one by its ARN, or one to be made.
type Crawler struct {
	ARN    string
	Create bool
	Name   string // of the role to be made; CrawlerRoleName when empty
}

// CrawlerRoleName is the name of the role that setup makes. One serves all sources of the account.
const CrawlerRoleName = "WazuhSecurityLakeCrawler"

func (c Crawler) name() string {
	switch {
	case c.ARN != "":
		return c.ARN[strings.LastIndexByte(c.ARN, '/')+1:]
	case c.Name != "":
		return c.Name
	}
	return CrawlerRoleName
}

// Identity is who calls.
type Identity struct{ Account, ARN string }

// Lake is Security Lake in one region.
type Lake struct {
	Region, Bucket string
	Status         string // COMPLETED when it is ready
	KMSKey         string // ARN of the customer's key; empty when S3 manages it
}

// Registered is a custom source as AWS answers it; nothing in it is derived. Classes is empty when the API does not tell.
type Registered struct {
	Name, Version                     string
	Classes                           []string
	Location, RoleARN                 string
	CrawlerARN, DatabaseARN, TableARN string
}

// NewSource is what a source is made of.
type NewSource struct{ Name, EventClass, ExternalID, Principal, CrawlerRole string }

// Role is an IAM role. Inline are its own policies by name, as JSON; only the one that was asked for is filled in.
type Role struct {
	ARN, Trust string
	Inline     map[string]string
	Attached   []string
}

// Caller tells who calls.
type Caller interface {
	Caller(ctx context.Context) (Identity, error)
}

// Registry reads what is registered in a region. Lake returns a zero Lake when Security Lake is not enabled there.
type Registry interface {
	Lake(ctx context.Context, region string) (Lake, error)
	Sources(ctx context.Context, region string) ([]Registered, error)
}

// Registrar makes a custom source.
type Registrar interface {
	Register(ctx context.Context, region string, s NewSource) (Registered, error)
}

// RoleReader reads roles. Both return nil for a role that is not there; Grants also reads one inline policy and what is attached.
type RoleReader interface {
	Role(ctx context.Context, name string) (*Role, error)
	Grants(ctx context.Context, name, inline string) (*Role, error)
}

// RoleWriter makes a role, returning its ARN, and gives it policies.
type RoleWriter interface {
	CreateRole(ctx context.Context, name, trust string) (string, error)
	Grant(ctx context.Context, name string, g Grant) error
}

// Grant is one policy of a role: a managed one by its ARN, or an inline one.
type Grant struct {
	ManagedARN   string
	Name, Inline string
}

// Services are the calls that setup makes. NewAWS has them all.
type Services interface {
	Caller
	Registry
	Registrar
	RoleReader
	RoleWriter
}

var (
	nameForm     = regexp.MustCompile(`^[A-Za-z0-9_.:-]+$`)
	accountForm  = regexp.MustCompile(`^[0-9]{12}$`)
	regionForm   = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]{2,16}){1,3}-[0-9]{1,2}$`)
	externalForm = regexp.MustCompile(`^[\w+=,.@:/-]+$`)
	roleNameForm = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
	roleARNForm  = regexp.MustCompile(`^arn:aws(-[a-z]{1,16}){0,3}:iam::[0-9]{12}:role/([\w+=,.@/-]{0,512}/)?[\w+=,.@-]{1,64}$`)
)

// longestName is what keeps AmazonSecurityLake-Provider-NAME-REGION, the role that Security Lake makes, below 64 characters.
const longestName = 20

// Check finds what AWS would refuse, before anything is asked of it: forms of names, classes, external IDs.
func (r Request) Check() error {
	for _, s := range r.Sources {
		switch {
		case len(s.Name) > longestName:
			return refused(fmt.Errorf("%s.name %q has %d characters, Security Lake takes %d", s.Path, s.Name, len(s.Name), longestName),
				"choose a shorter name: the role AmazonSecurityLake-Provider-NAME-REGION must stay below 64 characters")
		case !nameForm.MatchString(s.Name):
			return refused(fmt.Errorf("%s.name %q is not made of A-Z a-z 0-9 _ . : -", s.Path, s.Name), "rename the source in the configuration")
		case !regionForm.MatchString(s.Region):
			return refused(fmt.Errorf("%s: %q is not the name of an AWS region", s.Path, s.Region), "set lake.region")
		case eventClassUID[s.Class] == 0:
			return refused(fmt.Errorf("%s.class %q is none that is shipped", s.Path, s.Class),
				"security_finding, detection_finding, vulnerability_finding or compliance_finding")
		case s.ExternalID != "" && (len(s.ExternalID) < 2 || len(s.ExternalID) > 1224 || !externalForm.MatchString(s.ExternalID)):
			return refused(fmt.Errorf("%s.external_id is not 2 to 1224 of A-Z a-z 0-9 _ + = , . @ : / -", s.Path), "choose another one, or leave it empty for a random one")
		}
	}
	switch {
	case len(r.Sources) == 0:
		return refused(fmt.Errorf("no source to set up"), "name one below sources: in the configuration")
	case r.Principal != "" && !accountForm.MatchString(r.Principal):
		return refused(fmt.Errorf("principal %q is not an account of 12 digits", r.Principal), "name the AWS account of the managers' credentials")
	case r.Crawler.ARN != "" && !roleARNForm.MatchString(r.Crawler.ARN):
		return refused(fmt.Errorf("crawler role %q is not the ARN of a role", r.Crawler.ARN), "arn:aws:iam::123456789012:role/NAME")
	case !roleNameForm.MatchString(r.Crawler.name()):
		return refused(fmt.Errorf("crawler role name %q is not 1 to 64 of A-Z a-z 0-9 _ + = , . @ -", r.Crawler.name()), "choose another one")
	}
	return nil
}

// eventClassUID are the classes that are shipped, by their OCSF number.
var eventClassUID = map[string]int{"security_finding": 2001, "vulnerability_finding": 2002, "compliance_finding": 2003, "detection_finding": 2004}

// Waiter waits for d, or less when ctx ends.
type Waiter func(ctx context.Context, d time.Duration) error
