package setup

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/smithy-go"
)

// Kind says what sort of failure it is, and with it the exit code.
type Kind int

const (
	// Refused: what is asked for cannot be, or differs from what is there. Nothing was changed.
	Refused Kind = iota + 1
	// Denied: the caller may not do it.
	Denied
	// Later: the same command may do in a while.
	Later
	// Unreachable: no answer, or none that says anything.
	Unreachable
	// Unclear: a choice is missing on the command line.
	Unclear
)

// Error is a failure with its remedy. Its text holds no secret; the messages of AWS in it are cut and printable.
type Error struct {
	Kind   Kind
	Err    error
	Remedy string
}

// Error returns the failure without the remedy.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func refused(err error, remedy string) error { return &Error{Refused, err, remedy} }

// otherWay is the way out for everybody who may not.
const otherWay = "or hand what `setup --print cli` (or terraform, cloudformation) writes to somebody who may"

// needed are the actions behind a call, for refusals that do not name one.
var needed = map[string]string{
	"GetCallerIdentity":        "sts:GetCallerIdentity",
	"ListDataLakes":            "securitylake:ListDataLakes",
	"ListLogSources":           "securitylake:ListLogSources",
	"GetDataLakeSources":       "securitylake:GetDataLakeSources",
	"CreateCustomLogSource":    "securitylake:CreateCustomLogSource",
	"GetRole":                  "iam:GetRole",
	"GetRolePolicy":            "iam:GetRolePolicy",
	"ListAttachedRolePolicies": "iam:ListAttachedRolePolicies",
	"CreateRole":               "iam:CreateRole",
	"PutRolePolicy":            "iam:PutRolePolicy",
	"AttachRolePolicy":         "iam:AttachRolePolicy",
}

var actionForm = regexp.MustCompile(`not authorized to perform:? ([a-z0-9-]+:[A-Za-z]+)`)

// explain turns the error of a call into an *Error. doing says what was to be done; call is the operation.
func explain(doing, call string, err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	api, answered := errors.AsType[smithy.APIError](err)
	if !answered {
		return explainSilence(doing, err)
	}
	code, message := api.ErrorCode(), printable(api.ErrorMessage())
	e := &Error{Kind: Unreachable, Err: fmt.Errorf("%s: %s: %s", doing, printable(code), message), Remedy: "try again; if it stays, look into the AWS health dashboard"}
	switch {
	case strings.Contains(message, "Lake Formation") || strings.Contains(message, "lakeformation:"):
		e.Kind, e.Remedy = Denied, "make the caller an administrator of the data lake (console of Lake Formation, Administrative roles and tasks): "+
			"Security Lake makes the table with the caller's permissions; "+otherWay
	case strings.HasPrefix(code, "AccessDenied") || strings.HasPrefix(code, "UnauthorizedOperation"):
		action := needed[call]
		if m := actionForm.FindStringSubmatch(message); m != nil {
			action = m[1]
		}
		e.Kind, e.Remedy = Denied, "allow "+action+" for the caller; "
		if strings.HasPrefix(action, "securitylake:") {
			e.Remedy += "in an organization only the delegated administrator of Security Lake may: use the credentials of that account; "
		}
		e.Remedy += otherWay
	case code == "InvalidClientTokenId" || code == "UnrecognizedClientException" || code == "SignatureDoesNotMatch" || strings.HasPrefix(code, "ExpiredToken") || code == "InvalidSignatureException":
		e.Kind, e.Remedy = Denied, "the credentials are not accepted: renew them, and set the clock of this host"
	case code == "ConflictException" || strings.HasPrefix(code, "Throttling") || code == "ConcurrentModification" || code == "LimitExceeded" && call == "CreateRole":
		e.Kind, e.Remedy = Later, "try again in a minute: what is there is kept"
	case code == "ResourceNotFoundException":
		e.Kind, e.Remedy = Refused, enable
	case code == "BadRequestException" || strings.HasPrefix(code, "Validation") || code == "MalformedPolicyDocument":
		e.Kind, e.Remedy = Refused, "correct what the message names"
	}
	return e
}

const enable = "enable Security Lake in this region first (console, or `aws securitylake create-data-lake`), in an organization from the account of its delegated administrator; or set lake.region"

func explainSilence(doing string, err error) error {
	if errors.Is(err, context.Canceled) {
		return &Error{Later, fmt.Errorf("%s: interrupted", doing), "run the same command again: it goes on where it was"}
	}
	cause := err
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		cause = op.Err
	}
	return &Error{Unreachable, fmt.Errorf("%s: %s", doing, printable(cause.Error())),
		"check the network, lake.proxy, lake.ca_file and the region: there is no endpoint of Security Lake in some"}
}

// printable makes the words of somebody else fit for one line.
func printable(s string) string {
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)), " ")
	if r := []rune(s); len(r) > 400 {
		s = string(r[:400]) + "..."
	}
	return s
}
