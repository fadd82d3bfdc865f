package setup

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wazuh-security-lake/test/awsfake"
)

func TestFresh(t *testing.T) {
	a := newAccount(t)
	plan, err := Prepare(t.Context(), a.services, wanted())
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	plan.WriteText(&text)
	want := `account 123456789012, as arn:aws:iam::123456789012:user/admin
Security Lake in us-east-1: s3://aws-security-data-lake-us-east-1-q7x2example

+ role    WazuhSecurityLakeCrawler, trusted by glue.amazonaws.com
+ policy  AWSGlueServiceRole on role WazuhSecurityLakeCrawler
+ policy  wazuh-security-lake on role WazuhSecurityLakeCrawler
+ source  wazuh-vuln for VULNERABILITY_FINDING in us-east-1, written by account 123456789012 with a made-up external ID
+ source  wazuh for DETECTION_FINDING in us-east-1, written by account 123456789012 with a made-up external ID
`
	if diff := cmp.Diff(text.String(), want); diff != "" {
		t.Errorf("plan, got- want+:\n%s", diff)
	}
	if got := a.made(); len(got) != 0 {
		t.Errorf("the plan alone made %v", got)
	}

	results, err := plan.Apply(t.Context(), a.services, a.options())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := a.made(), (map[string]int{"CreateRole": 1, "PutRolePolicy": 1, "AttachRolePolicy": 1, "CreateCustomLogSource": 2}); !cmp.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	// Verbatim: the fake gives names that nobody can derive.
	wantSettings := []Setting{
		{"sources[0].class", "vulnerability_finding"},
		{"sources[0].s3_location", "s3://aws-security-data-lake-us-east-1-q7x2example/ext/wazuh-vuln/"},
		{"sources[0].role_arn", "arn:aws:iam::123456789012:role/service-role/AmazonSecurityLake-Provider-wazuhvuln-us-east-1"},
		{"sources[0].external_id", madeUp},
		{"sources[1].class", "detection_finding"},
		{"sources[1].s3_location", "s3://aws-security-data-lake-us-east-1-q7x2example/ext/wazuh/"},
		{"sources[1].role_arn", "arn:aws:iam::123456789012:role/service-role/AmazonSecurityLake-Provider-wazuh-us-east-1"},
		{"sources[1].external_id", madeUp},
	}
	if diff := cmp.Diff(Settings(results), wantSettings); diff != "" {
		t.Errorf("settings, got- want+:\n%s", diff)
	}
	a.Edit(func(w *awsfake.World) {
		role := w.Roles["WazuhSecurityLakeCrawler"]
		if got, want := role.Inline["wazuh-security-lake"], CrawlerPolicy(plan.Lakes["us-east-1"]).compact(); got != want {
			t.Errorf("crawler policy %s, want %s", got, want)
		}
		s := w.Sources["us-east-1/wazuh"]
		if s.Principal != "123456789012" || s.ExternalID != madeUp || s.CrawlerRole != role.ARN || !slices.Equal(s.Classes, []string{"DETECTION_FINDING"}) {
			t.Errorf("made: %+v", s)
		}
	})
	if got, want := a.reports[len(a.reports)-1], "created custom source wazuh in us-east-1"; got != want {
		t.Errorf("got report %q, want %q", got, want)
	}
}

func TestRepeated(t *testing.T) {
	a := newAccount(t)
	_, first, err := a.run(t.Context(), wanted())
	if err != nil {
		t.Fatal(err)
	}
	made := a.made()
	// Without flags for a crawler role: nobody needs one any more. Without the external ID: it is read from the role.
	again := wanted()
	again.Crawler = Crawler{}
	plan, second, err := a.run(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Steps() != 0 || !cmp.Equal(a.made(), made) {
		t.Errorf("%d steps, made %v after %v", plan.Steps(), a.made(), made)
	}
	if diff := cmp.Diff(Settings(second), Settings(first)); diff != "" {
		t.Errorf("settings, second- first+:\n%s", diff)
	}
	// As it stands in the configuration afterwards.
	for i, r := range second {
		again.Sources[i].Location, again.Sources[i].RoleARN, again.Sources[i].ExternalID = r.Registered.Location, r.Registered.RoleARN, r.ExternalID
	}
	if plan, _, err := a.run(t.Context(), again); err != nil || plan.Steps() != 0 {
		t.Errorf("with the settings in the configuration: %v", err)
	}
}

func TestVersionedLocationIsTakenAsItIs(t *testing.T) {
	a := newAccount(t)
	a.Edit(func(w *awsfake.World) { w.Versioned = true })
	_, results, err := a.run(t.Context(), one())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := results[0].Registered.Location, "s3://aws-security-data-lake-us-east-1-q7x2example/ext/wazuh/1.0/"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWrongFormsAskNobody(t *testing.T) {
	a := newAccount(t)
	for name, test := range map[string]struct {
		change func(*Request)
		texts  []string
	}{
		"name too long":    {func(r *Request) { r.Sources[0].Name = "wazuh-of-the-main-site" }, []string{"22 characters", "shorter name"}},
		"name":             {func(r *Request) { r.Sources[0].Name = "wazuh/x" }, []string{`"wazuh/x"`}},
		"class":            {func(r *Request) { r.Sources[0].Class = "dns_activity" }, []string{"dns_activity"}},
		"external ID":      {func(r *Request) { r.Sources[0].ExternalID = "a b" }, []string{"external_id"}},
		"principal":        {func(r *Request) { r.Principal = "me" }, []string{"12 digits"}},
		"crawler role":     {func(r *Request) { r.Crawler = Crawler{ARN: "role"} }, []string{"ARN"}},
		"crawler name":     {func(r *Request) { r.Crawler.Name = "a b" }, []string{"a b"}},
		"region":           {func(r *Request) { r.Sources[0].Region = "" }, []string{"lake.region"}},
		"no source at all": {func(r *Request) { r.Sources = nil }, []string{"no source"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := one()
			test.change(&r)
			_, err := Prepare(t.Context(), a.services, r)
			problem(t, err, Refused, test.texts...)
		})
	}
	if got := a.Log(); len(got) != 0 {
		t.Errorf("asked AWS for %v", got)
	}
}

func TestNotEnabled(t *testing.T) {
	a := newAccount(t)
	r := one()
	r.Sources[0].Region = "eu-west-1"
	_, _, err := a.run(t.Context(), r)
	problem(t, err, Refused, "eu-west-1: Security Lake is not enabled", "delegated administrator", "create-data-lake")
	a.Edit(func(w *awsfake.World) { w.Lakes["us-east-1"].Status = "PENDING" })
	_, _, err = a.run(t.Context(), one())
	problem(t, err, Later, "PENDING")
	a.Edit(func(w *awsfake.World) { w.Lakes["us-east-1"].Status = "FAILED" })
	_, _, err = a.run(t.Context(), one())
	problem(t, err, Refused, "FAILED")
}

func TestClassNotOffered(t *testing.T) {
	a := newAccount(t)
	a.Edit(func(w *awsfake.World) { w.Offered = []string{"SECURITY_FINDING"} })
	_, _, err := a.run(t.Context(), one())
	problem(t, err, Refused, "DETECTION_FINDING", "us-east-1 does not offer", "class: security_finding")
	if got := a.Calls("CreateCustomLogSource"); got != 1 {
		t.Errorf("asked %d times for a class that is not offered", got)
	}
	r := one()
	r.Sources[0].Class = "security_finding"
	if _, _, err := a.run(t.Context(), r); err != nil {
		t.Error(err)
	}
	if got := a.made()["CreateRole"]; got != 1 {
		t.Errorf("%d roles made", got)
	}
}

// Refused at each call: the action and the way out are named, and once it is allowed the next run ends what was begun.
func TestDenied(t *testing.T) {
	for operation, test := range map[string]struct {
		action string
		texts  []string
	}{
		"GetCallerIdentity":        {"sts:GetCallerIdentity", nil},
		"ListDataLakes":            {"securitylake:ListDataLakes", []string{"delegated administrator"}},
		"ListLogSources":           {"securitylake:ListLogSources", []string{"delegated administrator"}},
		"GetRole":                  {"iam:GetRole", nil},
		"CreateRole":               {"iam:CreateRole", nil},
		"PutRolePolicy":            {"iam:PutRolePolicy", nil},
		"AttachRolePolicy":         {"iam:AttachRolePolicy", nil},
		"ListAttachedRolePolicies": {"iam:ListAttachedRolePolicies", nil},
		"GetRolePolicy":            {"iam:GetRolePolicy", nil},
		"CreateCustomLogSource":    {"securitylake:CreateCustomLogSource", []string{"delegated administrator"}},
	} {
		t.Run(operation, func(t *testing.T) {
			a := newAccount(t)
			if operation == "ListAttachedRolePolicies" || operation == "GetRolePolicy" { // asked about a role that is there only
				a.Edit(func(w *awsfake.World) {
					w.Roles["WazuhSecurityLakeCrawler"] = &awsfake.Role{Name: "WazuhSecurityLakeCrawler", ARN: "arn:aws:iam::123456789012:role/WazuhSecurityLakeCrawler", Trust: CrawlerTrust().compact()}
				})
			}
			a.Deny(operation, test.action)
			_, results, err := a.run(t.Context(), wanted())
			problem(t, err, Denied, append(test.texts, "allow "+test.action, "setup --print cli")...)
			if len(results) != 0 {
				t.Errorf("results %v", results)
			}
			a.Refuse(operation, 0, "", "", 0)
			before := a.made()
			if _, results, err = a.run(t.Context(), wanted()); err != nil || len(results) != 2 {
				t.Fatalf("once it is allowed: %v, %d sources", err, len(results))
			}
			a.Edit(func(w *awsfake.World) {
				if role := w.Roles["WazuhSecurityLakeCrawler"]; len(role.Attached) != 1 || len(role.Inline) != 1 {
					t.Errorf("role: %+v", role)
				}
			})
			if twice := a.made()["CreateRole"] - before["CreateRole"]; operation != "CreateRole" && before["CreateRole"]+twice > 1 {
				t.Errorf("the role was made twice")
			}
		})
	}
}

// The action behind a denied call of Security Lake's own is the one that the answer names.
func TestDeniedInside(t *testing.T) {
	a := newAccount(t)
	a.Deny("CreateCustomLogSource", "glue:CreateCrawler")
	_, _, err := a.run(t.Context(), one())
	problem(t, err, Denied, "allow glue:CreateCrawler for the caller")
	a.Refuse("CreateCustomLogSource", http.StatusForbidden, "AccessDeniedException", "Insufficient Lake Formation permission(s): Required Create Table on x", -1)
	_, _, err = a.run(t.Context(), one())
	problem(t, err, Denied, "administrator of the data lake")
	a.Refuse("ListDataLakes", http.StatusForbidden, "UnrecognizedClientException", "The security token included in the request is invalid.", -1)
	_, _, err = a.run(t.Context(), one())
	problem(t, err, Denied, "renew")
}

// Without permission for classes or the provider role a source that is there is taken, and what was not compared is said.
func TestDeniedComparison(t *testing.T) {
	a := newAccount(t)
	a.Edit(func(w *awsfake.World) { w.AddSource("us-east-1", "wazuh", "DETECTION_FINDING", "123456789012", "ext") })
	a.Deny("GetDataLakeSources", "securitylake:GetDataLakeSources")
	plan, results, err := a.run(t.Context(), one())
	if err != nil || !strings.Contains(plan.Sources[0].Notes[0], "not compared with DETECTION_FINDING") || results[0].ExternalID != "ext" {
		t.Errorf("%v, %+v", err, plan)
	}
	a.Deny("GetRole", "iam:GetRole")
	_, _, err = a.run(t.Context(), one())
	problem(t, err, Denied, "iam:GetRole", "external ID")
	r := one()
	r.Sources[0].ExternalID = "ext"
	if plan, _, err = a.run(t.Context(), r); err != nil || len(plan.Sources[0].Notes) != 2 {
		t.Errorf("%v, %+v", err, plan)
	}
}

func TestHalfDone(t *testing.T) {
	role := func() *awsfake.Role {
		return &awsfake.Role{Name: "WazuhSecurityLakeCrawler", ARN: "arn:aws:iam::123456789012:role/WazuhSecurityLakeCrawler", Trust: CrawlerTrust().compact()}
	}
	lake := Lake{Region: "us-east-1", Bucket: "aws-security-data-lake-us-east-1-q7x2example"}
	for name, test := range map[string]struct {
		world func(*awsfake.World)
		want  map[string]int
	}{
		"role without policies": {func(w *awsfake.World) { w.Roles["WazuhSecurityLakeCrawler"] = role() },
			map[string]int{"PutRolePolicy": 1, "AttachRolePolicy": 1, "CreateCustomLogSource": 2}},
		"role with one policy": {func(w *awsfake.World) {
			r := role()
			r.Attached = []string{glueServiceRole("aws")}
			w.Roles["WazuhSecurityLakeCrawler"] = r
		}, map[string]int{"PutRolePolicy": 1, "CreateCustomLogSource": 2}},
		"role for another lake": {func(w *awsfake.World) {
			r := role()
			r.Attached, r.Inline = []string{glueServiceRole("aws")}, map[string]string{crawlerPolicyName: CrawlerPolicy(Lake{Region: "eu-west-1", Bucket: "other"}).compact()}
			w.Roles["WazuhSecurityLakeCrawler"] = r
		}, map[string]int{"PutRolePolicy": 1, "CreateCustomLogSource": 2}},
		"role complete": {func(w *awsfake.World) {
			r := role()
			r.Attached, r.Inline = []string{glueServiceRole("aws")}, map[string]string{crawlerPolicyName: CrawlerPolicy(lake).compact()}
			w.Roles["WazuhSecurityLakeCrawler"] = r
		}, map[string]int{"CreateCustomLogSource": 2}},
		"one of two sources": {func(w *awsfake.World) {
			r := role()
			r.Attached, r.Inline = []string{glueServiceRole("aws")}, map[string]string{crawlerPolicyName: CrawlerPolicy(lake).compact()}
			w.Roles["WazuhSecurityLakeCrawler"] = r
			w.AddSource("us-east-1", "wazuh-vuln", "VULNERABILITY_FINDING", "123456789012", "first")
		}, map[string]int{"CreateCustomLogSource": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAccount(t)
			a.Edit(test.world)
			_, results, err := a.run(t.Context(), wanted())
			if err != nil || len(results) != 2 {
				t.Fatalf("%v, %d results", err, len(results))
			}
			if got := a.made(); !cmp.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			a.Edit(func(w *awsfake.World) {
				policy := w.Roles["WazuhSecurityLakeCrawler"].Inline[crawlerPolicyName]
				if !covers(policy, CrawlerPolicy(lake)) {
					t.Errorf("policy %s", policy)
				}
				if name == "role for another lake" && !strings.Contains(policy, "arn:aws:s3:::other/ext/*") {
					t.Errorf("the other lake is not in %s any more", policy)
				}
			})
		})
	}
}

// Killed between the role and the source: the next run finds the role and goes on.
func TestKilledBetweenRoleAndSource(t *testing.T) {
	for _, at := range []string{"CreateRole", "AttachRolePolicy", "PutRolePolicy", "CreateCustomLogSource"} {
		t.Run("before "+at, func(t *testing.T) {
			a := newAccount(t)
			ctx, cancel := context.WithCancel(t.Context())
			a.Abandon(at, cancel)
			_, results, err := a.run(ctx, wanted())
			problem(t, err, Later, "run the same command again")
			if len(results) != 0 {
				t.Errorf("results %v", results)
			}
			if _, results, err = a.run(t.Context(), wanted()); err != nil || len(results) != 2 {
				t.Fatalf("%v, %d results", err, len(results))
			}
			a.Edit(func(w *awsfake.World) {
				if len(w.Sources) != 3 || len(w.Roles) != 4 { // with somebody else's
					t.Errorf("%d sources, %d roles", len(w.Sources), len(w.Roles))
				}
			})
			if got := operations(a.Log(), "CreateCustomLogSource", "CreateRole"); at == "PutRolePolicy" && !slices.Equal(got, []string{"CreateRole", "CreateCustomLogSource", "CreateCustomLogSource"}) {
				t.Errorf("%v", got)
			}
		})
	}
}

// Killed after AWS made the source and before anybody wrote its external ID down: it is not lost.
func TestKilledAfterTheSource(t *testing.T) {
	a := newAccount(t)
	if _, _, err := a.run(t.Context(), one()); err != nil { // its output is lost
		t.Fatal(err)
	}
	_, results, err := a.run(t.Context(), one())
	if err != nil || results[0].ExternalID != madeUp || results[0].Made {
		t.Errorf("%v, %+v", err, results)
	}
}

// A second run makes the source while this one is between looking and doing.
func TestConflict(t *testing.T) {
	for name, test := range map[string]struct {
		class, external string
		want            string
	}{
		"same":      {"DETECTION_FINDING", "configured", ""},
		"class":     {"DNS_ACTIVITY", "configured", "another class: DNS_ACTIVITY, wanted DETECTION_FINDING"},
		"different": {"DETECTION_FINDING", "theirs", "another external ID"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAccount(t)
			a.Before("CreateCustomLogSource", func() {
				a.Edit(func(w *awsfake.World) {
					if w.Sources["us-east-1/wazuh"] == nil {
						w.AddSource("us-east-1", "wazuh", test.class, "123456789012", test.external)
					}
				})
			})
			r := one()
			r.Sources[0].ExternalID = "configured"
			_, results, err := a.run(t.Context(), r)
			if test.want != "" {
				problem(t, err, Refused, test.want)
				return
			}
			if err != nil || len(results) != 1 || results[0].Made {
				t.Errorf("%v, %+v", err, results)
			}
		})
	}
}

// AWS documents ConflictException also for a write that has not spread yet: then waiting helps.
func TestConflictWithNothingThere(t *testing.T) {
	a := newAccount(t)
	a.Refuse("CreateCustomLogSource", http.StatusConflict, "ConflictException", "The request conflicts with another", 2)
	if _, results, err := a.run(t.Context(), one()); err != nil || len(results) != 1 || len(a.waits) != 2 {
		t.Errorf("%v, %d results, %d waits", err, len(results), len(a.waits))
	}
	b := newAccount(t)
	b.Refuse("CreateCustomLogSource", http.StatusConflict, "ConflictException", "The request conflicts with another", -1)
	_, _, err := b.run(t.Context(), one())
	problem(t, err, Later, "conflict", "try again")
	if got := b.Calls("CreateCustomLogSource"); got != 5 {
		t.Errorf("asked %d times", got)
	}
}

// A second run makes the role while this one is between looking and doing.
func TestRoleAppears(t *testing.T) {
	for name, trust := range map[string]string{"ours": CrawlerTrust().compact(), "another": InstanceTrust().compact()} {
		t.Run(name, func(t *testing.T) {
			a := newAccount(t)
			a.Before("CreateRole", func() {
				a.Edit(func(w *awsfake.World) {
					w.Roles["WazuhSecurityLakeCrawler"] = &awsfake.Role{Name: "WazuhSecurityLakeCrawler", ARN: "arn:aws:iam::123456789012:role/WazuhSecurityLakeCrawler", Trust: trust}
				})
			})
			_, results, err := a.run(t.Context(), one())
			if name == "another" {
				problem(t, err, Refused, "cannot be assumed by Glue")
			} else if err != nil || len(results) != 1 {
				t.Errorf("%v, %+v", err, results)
			}
		})
	}
}

// A source of that name in another region is another source.
func TestRegionsAreApart(t *testing.T) {
	a := newAccount(t)
	a.Edit(func(w *awsfake.World) {
		w.Lakes["eu-west-1"] = &awsfake.Lake{Bucket: "aws-security-data-lake-eu-west-1-q7x2example", Status: "COMPLETED"}
		w.AddSource("eu-west-1", "wazuh", "DNS_ACTIVITY", "210987654321", "theirs")
	})
	r := wanted()
	r.Sources[0].Region = "eu-west-1"
	_, results, err := a.run(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for i, bucket := range []string{"aws-security-data-lake-eu-west-1-q7x2example", "aws-security-data-lake-us-east-1-q7x2example"} {
		if !results[i].Made || !strings.HasPrefix(results[i].Registered.Location, "s3://"+bucket+"/") {
			t.Errorf("%+v", results[i])
		}
	}
	a.Edit(func(w *awsfake.World) {
		if p := w.Roles["WazuhSecurityLakeCrawler"].Inline[crawlerPolicyName]; !strings.Contains(p, "eu-west-1-q7x2example") || !strings.Contains(p, "us-east-1-q7x2example") {
			t.Errorf("crawler policy %s", p)
		}
	})
}

// A role that was just made is not known to Glue for some seconds.
func TestRoleSpreads(t *testing.T) {
	a := newAccount(t)
	a.Refuse("CreateCustomLogSource", http.StatusBadRequest, "BadRequestException", "Service is unable to assume provided role. Please verify role's TrustPolicy", 3)
	if _, results, err := a.run(t.Context(), one()); err != nil || len(results) != 1 || len(a.waits) != 3 {
		t.Errorf("%v, %d results, waits %v", err, len(results), a.waits)
	}
	// A role that is there since long will not become known.
	b := newAccount(t)
	if _, _, err := b.run(t.Context(), one()); err != nil {
		t.Fatal(err)
	}
	b.Refuse("CreateCustomLogSource", http.StatusBadRequest, "BadRequestException", "Service is unable to assume provided role. Please verify role's TrustPolicy", 1)
	_, _, err := b.run(t.Context(), wanted())
	problem(t, err, Refused, "assume provided role")
	if len(b.waits) != 0 {
		t.Errorf("waited %v", b.waits)
	}
}

// A later failure does not lose what was made before it.
func TestResultsSurviveAFailure(t *testing.T) {
	a := newAccount(t)
	a.Edit(func(w *awsfake.World) { w.Offered = []string{"VULNERABILITY_FINDING"} })
	_, results, err := a.run(t.Context(), wanted())
	problem(t, err, Refused, "does not offer DETECTION_FINDING")
	if len(results) != 1 || results[0].Name != "wazuh-vuln" || results[0].ExternalID != madeUp {
		t.Errorf("results %+v", results)
	}
	a.Edit(func(w *awsfake.World) { w.Offered = nil })
	_, results, err = a.run(t.Context(), wanted())
	if err != nil || len(results) != 2 || results[0].ExternalID != madeUp {
		t.Errorf("%v, %+v", err, results)
	}
}

func TestDifferent(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Request)
		world  func(*awsfake.World)
		texts  []string
	}{
		"class": {func(r *Request) { r.Sources[0].Class = "security_finding" }, nil, []string{"another class", "DETECTION_FINDING, wanted SECURITY_FINDING", "cannot be changed"}},
		"several": {nil, func(w *awsfake.World) {
			s := w.Sources["us-east-1/wazuh"]
			s.Classes = append(s.Classes, "DNS_ACTIVITY")
		}, []string{"DETECTION_FINDING, DNS_ACTIVITY", "one class"}},
		"location":       {func(r *Request) { r.Sources[0].Location = "s3://other/ext/wazuh/" }, nil, []string{"another location", "s3_location"}},
		"provider role":  {func(r *Request) { r.Sources[0].RoleARN = "arn:aws:iam::123456789012:role/other" }, nil, []string{"another provider role", "role_arn"}},
		"external ID":    {func(r *Request) { r.Sources[0].ExternalID = "guess" }, nil, []string{"another external ID"}},
		"principal":      {func(r *Request) { r.Principal = "999999999999" }, nil, []string{"another principal", "--principal"}},
		"case":           {func(r *Request) { r.Sources[0].Name = "Wazuh" }, nil, []string{"in case only"}},
		"role gone":      {nil, func(w *awsfake.World) { delete(w.Roles, "AmazonSecurityLake-Provider-wazuh-us-east-1") }, []string{"is gone"}},
		"not there":      {func(r *Request) { r.Sources[0].Name, r.Sources[0].Location = "new", "s3://b/ext/new/" }, nil, []string{"there is none in us-east-1"}},
		"no role chosen": {func(r *Request) { r.Sources[0].Name, r.Crawler = "new", Crawler{} }, nil, []string{"--create-crawler-role"}},
		"role unknown": {func(r *Request) {
			r.Sources[0].Name, r.Crawler = "new", Crawler{ARN: "arn:aws:iam::123456789012:role/nobody"}
		}, nil, []string{"there is no role nobody"}},
		"role not Glue's": {func(r *Request) {
			r.Sources[0].Name, r.Crawler = "new", Crawler{Create: true, Name: "AmazonSecurityLake-Provider-wazuh-us-east-1"}
		}, nil, []string{"cannot be assumed by Glue"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAccount(t)
			a.Edit(func(w *awsfake.World) {
				w.AddSource("us-east-1", "wazuh", "DETECTION_FINDING", "123456789012", "ext")
				if test.world != nil {
					test.world(w)
				}
			})
			r := one()
			if test.change != nil {
				test.change(&r)
			}
			_, _, err := a.run(t.Context(), r)
			kind := Refused
			if name == "no role chosen" {
				kind = Unclear
			}
			problem(t, err, kind, test.texts...)
			if got := a.made(); len(got) != 0 {
				t.Errorf("made %v", got)
			}
		})
	}
}

func TestKeyAndOtherAccount(t *testing.T) {
	a := newAccount(t)
	const key = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
	a.Edit(func(w *awsfake.World) { w.Lakes["us-east-1"].KMSKey = key })
	r := one()
	r.Principal = "999999999999"
	if _, _, err := a.run(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	a.Edit(func(w *awsfake.World) {
		if got := w.Sources["us-east-1/wazuh"].Principal; got != "999999999999" {
			t.Errorf("got principal %s", got)
		}
		if got := w.Roles["WazuhSecurityLakeCrawler"].Inline[crawlerPolicyName]; !strings.Contains(got, key) || !strings.Contains(got, "kms:GenerateDataKey") {
			t.Errorf("crawler policy without the key: %s", got)
		}
	})
}

func TestUnreachable(t *testing.T) {
	a := newAccount(t)
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	_, _, err := a.run(ctx, one())
	problem(t, err, Unreachable, "lake.proxy")
}
