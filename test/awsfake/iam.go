package awsfake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Role is an IAM role. Trust is its trust policy, Inline its policies by name, both JSON; Attached are ARNs.
type Role struct {
	Name, Path, ARN, Trust string
	Inline                 map[string]string
	Attached               []string
}

var iamOperations = map[string]operation{
	"GetRole":                  getRole,
	"CreateRole":               createRole,
	"GetRolePolicy":            getRolePolicy,
	"PutRolePolicy":            putRolePolicy,
	"AttachRolePolicy":         attachRolePolicy,
	"ListAttachedRolePolicies": listAttachedRolePolicies,
}

var stsOperations = map[string]operation{
	"GetCallerIdentity": getCallerIdentity,
	"AssumeRole":        assumeRole,
}

func (w *World) roleByARN(arn string) *Role {
	for _, role := range w.Roles {
		if role.ARN == arn {
			return role
		}
	}
	return nil
}

func (w *World) role(r request) (*Role, error) {
	name := r.form.Get("RoleName")
	if role := w.Roles[name]; role != nil {
		return role, nil
	}
	return nil, refuse(http.StatusNotFound, "NoSuchEntity", "The role with name %s cannot be found.", name)
}

func (role *Role) xml() string {
	return fmt.Sprintf("<Role><Path>%s</Path><RoleName>%s</RoleName><RoleId>AROAFAKE</RoleId><Arn>%s</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>"+
		"<AssumeRolePolicyDocument>%s</AssumeRolePolicyDocument></Role>", role.Path, role.Name, role.ARN, url.QueryEscape(role.Trust))
}

func getRole(w *World, r request) (any, error) {
	role, err := w.role(r)
	if err != nil {
		return nil, err
	}
	return role.xml(), nil
}

var roleName = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)

func createRole(w *World, r request) (any, error) {
	name, trust, path := r.form.Get("RoleName"), r.form.Get("AssumeRolePolicyDocument"), r.form.Get("Path")
	if !roleName.MatchString(name) {
		return nil, refuse(http.StatusBadRequest, "ValidationError", "1 validation error detected: Value '%s' at 'roleName' failed to satisfy constraint", name)
	}
	if err := checkPolicy(trust); err != nil {
		return nil, err
	}
	if w.Roles[name] != nil {
		return nil, refuse(http.StatusConflict, "EntityAlreadyExists", "Role with name %s already exists.", name)
	}
	if path == "" {
		path = "/"
	}
	role := &Role{Name: name, Path: path, Trust: trust, ARN: "arn:aws:iam::" + w.Account + ":role" + path + name}
	w.Roles[name] = role
	return role.xml(), nil
}

func checkPolicy(text string) error {
	var policy struct {
		Version   string
		Statement []struct{ Effect string }
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil || len(policy.Statement) == 0 {
		return refuse(http.StatusBadRequest, "MalformedPolicyDocument", "The policy is not in the valid JSON format.")
	}
	if policy.Version != "2012-10-17" {
		return refuse(http.StatusBadRequest, "MalformedPolicyDocument", "The policy must contain a valid version string.")
	}
	return nil
}

func getRolePolicy(w *World, r request) (any, error) {
	role, err := w.role(r)
	if err != nil {
		return nil, err
	}
	name := r.form.Get("PolicyName")
	text, ok := role.Inline[name]
	if !ok {
		return nil, refuse(http.StatusNotFound, "NoSuchEntity", "The role policy with name %s cannot be found.", name)
	}
	return fmt.Sprintf("<RoleName>%s</RoleName><PolicyName>%s</PolicyName><PolicyDocument>%s</PolicyDocument>", role.Name, name, url.QueryEscape(text)), nil
}

func putRolePolicy(w *World, r request) (any, error) {
	role, err := w.role(r)
	if err != nil {
		return nil, err
	}
	text := r.form.Get("PolicyDocument")
	if err := checkPolicy(text); err != nil {
		return nil, err
	}
	if role.Inline == nil {
		role.Inline = map[string]string{}
	}
	role.Inline[r.form.Get("PolicyName")] = text
	return "", nil
}

func attachRolePolicy(w *World, r request) (any, error) {
	role, err := w.role(r)
	if err != nil {
		return nil, err
	}
	if arn := r.form.Get("PolicyArn"); !slices.Contains(role.Attached, arn) {
		role.Attached = append(role.Attached, arn)
	}
	return "", nil
}

func listAttachedRolePolicies(w *World, r request) (any, error) {
	role, err := w.role(r)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for _, arn := range role.Attached {
		fmt.Fprintf(&b, "<member><PolicyName>%s</PolicyName><PolicyArn>%s</PolicyArn></member>", arn[strings.LastIndexByte(arn, '/')+1:], arn)
	}
	return "<AttachedPolicies>" + b.String() + "</AttachedPolicies><IsTruncated>false</IsTruncated>", nil
}

func getCallerIdentity(w *World, _ request) (any, error) {
	return fmt.Sprintf("<Arn>%s</Arn><UserId>AIDAFAKE</UserId><Account>%s</Account>", w.Caller, w.Account), nil
}

func providerTrust(principal, externalID string) string {
	who := map[string]string{"AWS": "arn:aws:iam::" + principal + ":root"}
	if strings.HasSuffix(principal, ".amazonaws.com") {
		who = map[string]string{"Service": principal}
	}
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Principal": who, "Action": "sts:AssumeRole",
		"Condition": map[string]any{"StringEquals": map[string]any{"sts:ExternalId": []string{externalID}}},
	}}})
	if err != nil {
		panic(err) // strings only
	}
	return string(text)
}

// assumeRole checks what the trust policy of a provider role asks for: the caller's account and the external ID.
func assumeRole(w *World, r request) (any, error) {
	arn := r.form.Get("RoleArn")
	for _, s := range w.Sources {
		if s.RoleARN == arn && s.Principal == w.Account && s.ExternalID == r.form.Get("ExternalId") {
			return "<Credentials><AccessKeyId>ASIAFAKEFAKEFAKEFAKE</AccessKeyId><SecretAccessKey>fake-session-secret</SecretAccessKey>" +
				"<SessionToken>fake-session-token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>" +
				"<AssumedRoleUser><Arn>" + arn + "</Arn><AssumedRoleId>AROAFAKE:session</AssumedRoleId></AssumedRoleUser>", nil
		}
	}
	return nil, refuse(http.StatusForbidden, "AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", w.Caller, arn)
}
