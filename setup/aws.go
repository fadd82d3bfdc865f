package setup

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/securitylake"
	"github.com/aws/aws-sdk-go-v2/service/securitylake/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// AWS makes the calls of Services with the SDK. Each is one call or one list read to its end, with the SDK's own few
// attempts against throttling; all of them return an *Error.
type AWS struct {
	sts  *sts.Client
	iam  *iam.Client
	lake *securitylake.Client
}

// attempts of one call: setup has somebody waiting in front of it, and no queue that would try again later.
const attempts = 3

// NewAWS prepares the clients; it sends nothing.
func NewAWS(cfg aws.Config, session *sts.Client) *AWS {
	cfg.RetryMaxAttempts = attempts
	return &AWS{sts: session, iam: iam.NewFromConfig(cfg), lake: securitylake.NewFromConfig(cfg)}
}

func (a *AWS) in(region string) func(*securitylake.Options) {
	return func(o *securitylake.Options) { o.Region = region }
}

// Caller asks STS.
func (a *AWS) Caller(ctx context.Context) (Identity, error) {
	out, err := a.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return Identity{}, explain("ask who the caller is", "GetCallerIdentity", err)
	}
	return Identity{Account: aws.ToString(out.Account), ARN: aws.ToString(out.Arn)}, nil
}

// Lake asks for the data lake of a region.
func (a *AWS) Lake(ctx context.Context, region string) (Lake, error) {
	out, err := a.lake.ListDataLakes(ctx, &securitylake.ListDataLakesInput{Regions: []string{region}}, a.in(region))
	if missing, ok := errors.AsType[*types.ResourceNotFoundException](err); ok && missing != nil {
		return Lake{}, nil
	}
	if err != nil {
		return Lake{}, explain("ask for Security Lake in "+region, "ListDataLakes", err)
	}
	for _, l := range out.DataLakes {
		if aws.ToString(l.Region) != region {
			continue
		}
		arn := aws.ToString(l.S3BucketArn)
		lake := Lake{Region: region, Status: string(l.CreateStatus), Bucket: arn[strings.LastIndexByte(arn, ':')+1:]}
		if e := l.EncryptionConfiguration; e != nil && strings.HasPrefix(aws.ToString(e.KmsKeyId), "arn:") {
			lake.KMSKey = aws.ToString(e.KmsKeyId) // else S3_MANAGED_KEY
		}
		return lake, nil
	}
	return Lake{}, nil
}

// Sources lists the custom sources of a region. Their classes come from another call; when that is denied they stay empty.
func (a *AWS) Sources(ctx context.Context, region string) ([]Registered, error) {
	doing := "list the custom sources in " + region
	var found []Registered
	pages := securitylake.NewListLogSourcesPaginator(a.lake, &securitylake.ListLogSourcesInput{Regions: []string{region}})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx, a.in(region))
		if err != nil {
			return nil, explain(doing, "ListLogSources", err)
		}
		for _, account := range out.Sources {
			for _, s := range account.Sources {
				if custom, ok := s.(*types.LogSourceResourceMemberCustomLogSource); ok && aws.ToString(account.Region) == region {
					found = append(found, registered(&custom.Value))
				}
			}
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	classes, err := a.classes(ctx, region)
	if denied, ok := errors.AsType[*types.AccessDeniedException](err); ok && denied != nil {
		return found, nil
	}
	if err != nil {
		return nil, explain(doing, "GetDataLakeSources", err)
	}
	for i := range found {
		found[i].Classes = classes[found[i].Name]
	}
	return found, nil
}

func (a *AWS) classes(ctx context.Context, region string) (map[string][]string, error) {
	classes := make(map[string][]string)
	pages := securitylake.NewGetDataLakeSourcesPaginator(a.lake, &securitylake.GetDataLakeSourcesInput{})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx, a.in(region))
		if err != nil {
			return nil, err
		}
		for _, s := range out.DataLakeSources {
			name := aws.ToString(s.SourceName)
			for _, class := range s.EventClasses {
				if !slices.Contains(classes[name], class) {
					classes[name] = append(classes[name], class)
				}
			}
		}
	}
	return classes, nil
}

func registered(s *types.CustomLogSourceResource) Registered {
	r := Registered{Name: aws.ToString(s.SourceName), Version: aws.ToString(s.SourceVersion)}
	if p := s.Provider; p != nil {
		r.Location, r.RoleARN = aws.ToString(p.Location), aws.ToString(p.RoleArn)
	}
	if t := s.Attributes; t != nil {
		r.CrawlerARN, r.DatabaseARN, r.TableARN = aws.ToString(t.CrawlerArn), aws.ToString(t.DatabaseArn), aws.ToString(t.TableArn)
	}
	return r
}

// errExists marks something that is there already when it was to be made.
var errExists = errors.New("is there already")

// Register makes a custom source. A source of that name is errExists.
func (a *AWS) Register(ctx context.Context, region string, s NewSource) (Registered, error) {
	out, err := a.lake.CreateCustomLogSource(ctx, &securitylake.CreateCustomLogSourceInput{
		SourceName: aws.String(s.Name), EventClasses: []string{s.EventClass},
		Configuration: &types.CustomLogSourceConfiguration{
			CrawlerConfiguration: &types.CustomLogSourceCrawlerConfiguration{RoleArn: aws.String(s.CrawlerRole)},
			ProviderIdentity:     &types.AwsIdentity{ExternalId: aws.String(s.ExternalID), Principal: aws.String(s.Principal)},
		},
	}, a.in(region))
	if conflict, ok := errors.AsType[*types.ConflictException](err); ok && conflict != nil {
		return Registered{}, errExists
	}
	if err != nil {
		return Registered{}, explain("create custom source "+s.Name, "CreateCustomLogSource", err)
	}
	if out.Source == nil {
		return Registered{}, explain("create custom source "+s.Name, "CreateCustomLogSource", errors.New("the answer holds no source"))
	}
	r := registered(out.Source)
	r.Classes = []string{s.EventClass}
	return r, nil
}

// Role reads ARN and trust policy.
func (a *AWS) Role(ctx context.Context, name string) (*Role, error) {
	out, err := a.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(name)})
	if none, ok := errors.AsType[*iamtypes.NoSuchEntityException](err); ok && none != nil {
		return nil, nil //nolint:nilnil // no such role
	}
	if err != nil {
		return nil, explain("read role "+name, "GetRole", err)
	}
	return &Role{ARN: aws.ToString(out.Role.Arn), Trust: decoded(out.Role.AssumeRolePolicyDocument)}, nil
}

// Grants reads the role with what is attached to it and its inline policy of one name.
func (a *AWS) Grants(ctx context.Context, name, inline string) (*Role, error) {
	role, err := a.Role(ctx, name)
	if role == nil || err != nil {
		return nil, err
	}
	pages := iam.NewListAttachedRolePoliciesPaginator(a.iam, &iam.ListAttachedRolePoliciesInput{RoleName: aws.String(name)})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, explain("read the policies of role "+name, "ListAttachedRolePolicies", err)
		}
		for _, p := range out.AttachedPolicies {
			role.Attached = append(role.Attached, aws.ToString(p.PolicyArn))
		}
	}
	out, err := a.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: aws.String(name), PolicyName: aws.String(inline)})
	if none, ok := errors.AsType[*iamtypes.NoSuchEntityException](err); ok && none != nil {
		return role, nil
	}
	if err != nil {
		return nil, explain("read the policies of role "+name, "GetRolePolicy", err)
	}
	role.Inline = map[string]string{inline: decoded(out.PolicyDocument)}
	return role, nil
}

// decoded is a policy document as text: IAM answers it URL-encoded.
func decoded(document *string) string {
	text, err := url.QueryUnescape(aws.ToString(document))
	if err != nil {
		return aws.ToString(document)
	}
	return text
}

// CreateRole makes a role. One of that name is errExists.
func (a *AWS) CreateRole(ctx context.Context, name, trust string) (string, error) {
	out, err := a.iam.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: aws.String(name), AssumeRolePolicyDocument: aws.String(trust),
		Description: aws.String("Glue crawler of the custom sources of wazuh-security-lake"),
	})
	if exists, ok := errors.AsType[*iamtypes.EntityAlreadyExistsException](err); ok && exists != nil {
		return "", errExists
	}
	if err != nil {
		return "", explain("create role "+name, "CreateRole", err)
	}
	return aws.ToString(out.Role.Arn), nil
}

// Grant gives a role a policy. Done twice it leaves what done once did.
func (a *AWS) Grant(ctx context.Context, name string, g Grant) error {
	if g.ManagedARN != "" {
		_, err := a.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String(name), PolicyArn: aws.String(g.ManagedARN)})
		return explain("attach "+g.ManagedARN+" to role "+name, "AttachRolePolicy", err)
	}
	_, err := a.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String(name), PolicyName: aws.String(g.Name), PolicyDocument: aws.String(g.Inline)})
	return explain("put policy "+g.Name+" on role "+name, "PutRolePolicy", err)
}

var _ Services = (*AWS)(nil)
