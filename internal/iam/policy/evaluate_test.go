package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	account = "111122223333"
	alice   = "arn:aws:iam::111122223333:user/alice"
	dev     = "arn:aws:iam::111122223333:role/dev"
	devs    = "arn:aws:sts::111122223333:assumed-role/dev/alice"
	prod    = "arn:aws:eks:ap-northeast-2:111122223333:cluster/prod"
)

// parse reads statements, whose double quotes are written as single ones.
func parse(t testing.TB, kind Kind, statements ...string) Policy {
	t.Helper()
	text := fmt.Sprintf(`{'Version':'2012-10-17','Statement':[%s]}`, strings.Join(statements, ","))
	document, err := Parse(kind, strings.ReplaceAll(text, "'", `"`))
	if err != nil {
		t.Fatal(err)
	}
	return Policy{Kind: kind, Name: "test", Document: document}
}

const (
	allowAll = `{'Effect':'Allow','Action':'*','Resource':'*'}`
	allowEKS = `{'Sid':'eks','Effect':'Allow','Action':'eks:*','Resource':'*'}`
	denyEKS  = `{'Sid':'no','Effect':'Deny','Action':'eks:D*','Resource':'*'}`
)

func describe(who Principal) Request {
	return Request{Principal: who, Action: "eks:DescribeCluster", Resource: prod}
}

func session() Principal { return Principal{ARN: devs, Source: dev, Account: account} }

func user() Principal { return Principal{ARN: alice, Source: alice, Account: account} }

func TestEvaluate(t *testing.T) {
	trust := func(principal string) string {
		return fmt.Sprintf(`{'Effect':'Allow','Action':'sts:AssumeRole','Principal':%s}`, principal)
	}
	assume := Request{Principal: user(), Action: "sts:AssumeRole", Resource: dev}
	match := func(kind Kind, sid string) []Match { return []Match{{Kind: kind, Policy: "test", Sid: sid}} }
	for _, test := range []struct {
		name     string
		policies []Policy
		request  Request
		want     Decision
	}{
		{"when there is no policy, it is refused for want of one", nil, describe(user()), Decision{Missing: []Kind{Identity}}},
		{"when a statement allows it, it says which", []Policy{parse(t, Identity, allowEKS)}, describe(user()),
			Decision{Allowed: true, By: match(Identity, "eks")}},
		{"when another denies it, that has the last word", []Policy{parse(t, Identity, allowEKS), parse(t, Identity, denyEKS)}, describe(user()),
			Decision{Denied: true, By: match(Identity, "no")}},
		{"when the boundary does not allow it, it is refused", []Policy{parse(t, Identity, allowAll), parse(t, Boundary, denyS3("Allow"))}, describe(user()),
			Decision{Missing: []Kind{Boundary}}},
		{"when only the boundary allows it, it is refused", []Policy{parse(t, Boundary, allowAll)}, describe(user()), Decision{Missing: []Kind{Identity}}},
		{"when one of two session policies allows it, it is allowed", []Policy{parse(t, Identity, allowEKS), parse(t, Session, denyS3("Allow")), parse(t, Session, allowEKS)},
			describe(session()), Decision{Allowed: true, By: append(match(Identity, "eks"), match(Session, "eks")...)}},
		{"when no session policy allows it, it is refused", []Policy{parse(t, Identity, allowEKS), parse(t, Session, denyS3("Allow"))},
			describe(session()), Decision{Missing: []Kind{Session}}},
		{"when the trust policy names the user, that is enough", []Policy{parse(t, Trust, trust(`{'AWS':'`+alice+`'}`))}, assume,
			Decision{Allowed: true, By: match(Trust, "")}},
		{"when the trust policy names the account, identity policies decide", []Policy{parse(t, Trust, trust(`{'AWS':'`+account+`'}`))}, assume,
			Decision{Missing: []Kind{Identity}}},
		{"when the trust policy does not name the caller, no identity policy helps", []Policy{parse(t, Trust, trust(`{'AWS':'`+dev+`'}`)), parse(t, Identity, allowAll)}, assume,
			Decision{Missing: []Kind{Trust}}},
		{"when a boundary forbids by silence, a user named by the trust policy is not bound", []Policy{parse(t, Trust, trust(`{'AWS':'`+alice+`'}`)), parse(t, Boundary, denyS3("Allow"))}, assume,
			Decision{Allowed: true, By: match(Trust, "")}},
		{"when the role is named, its session is bound by the boundary", []Policy{parse(t, Trust, trust(`{'AWS':'`+dev+`'}`)), parse(t, Boundary, denyS3("Allow"))},
			Request{Principal: session(), Action: "sts:AssumeRole", Resource: dev}, Decision{Missing: []Kind{Boundary}}},
		{"when a service is trusted, it is allowed", []Policy{parse(t, Trust, trust(`{'Service':['ec2.amazonaws.com','pods.eks.amazonaws.com']}`))},
			Request{Principal: Principal{Service: "pods.eks.amazonaws.com"}, Action: "sts:AssumeRole", Resource: dev}, Decision{Allowed: true, By: match(Trust, "")}},
		{"when NotPrincipal spares the caller, the denial does not apply", []Policy{
			parse(t, Resource, `{'Effect':'Deny','Action':'*','Resource':'*','NotPrincipal':{'AWS':'`+alice+`'}}`), parse(t, Identity, allowEKS)},
			describe(user()), Decision{Allowed: true, By: match(Identity, "eks")}},
		{"when NotPrincipal does not spare the caller, it is denied", []Policy{
			parse(t, Resource, `{'Effect':'Deny','Action':'*','Resource':'*','NotPrincipal':{'AWS':'`+dev+`'}}`), parse(t, Identity, allowEKS)},
			describe(user()), Decision{Denied: true, By: match(Resource, "")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Evaluate(test.policies, test.request)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func denyS3(effect string) string {
	return `{'Effect':'` + effect + `','Action':'s3:*','Resource':'*'}`
}

func TestStatements(t *testing.T) {
	for _, test := range []struct {
		name, statement, action, resource string
		want                              bool
	}{
		{"when the action differs in case only, it matches", `'Action':'EKS:describecluster','Resource':'*'`, "eks:DescribeCluster", prod, true},
		{"when the service differs, it does not match", `'Action':'ec2:*','Resource':'*'`, "eks:DescribeCluster", prod, false},
		{"when NotAction lists another, it matches", `'NotAction':['ec2:*','s3:*'],'Resource':'*'`, "eks:DescribeCluster", prod, true},
		{"when NotAction lists it, it does not match", `'NotAction':['ec2:*','eks:Describe*'],'Resource':'*'`, "eks:DescribeCluster", prod, false},
		{"when ? stands for one character, it matches", `'Action':'eks:DescribeCluste?','Resource':'*'`, "eks:DescribeCluster", prod, true},
		{"when the resource's name begins alike, it matches", `'Action':'*','Resource':'arn:aws:eks:*:*:cluster/pr*'`, "eks:DescribeCluster", prod, true},
		{"when the resource differs in case, it does not match", `'Action':'*','Resource':'arn:aws:eks:*:*:cluster/PROD'`, "eks:DescribeCluster", prod, false},
		{"when a wildcard would have to reach over a colon, it does not match", `'Action':'*','Resource':'arn:aws:eks:*:cluster/prod'`, "eks:DescribeCluster", prod, false},
		{"when the ARN is not complete, the rest is a wildcard", `'Action':'*','Resource':'arn:aws:eks'`, "eks:DescribeCluster", prod, true},
		{"when the resource has slashes, a wildcard reaches over them", `'Action':'*','Resource':'arn:aws:iam::*:role/*dev'`, "iam:GetRole", "arn:aws:iam::111122223333:role/team/a/dev", true},
		{"when the last part has colons, a wildcard reaches over them", `'Action':'*','Resource':'arn:aws:logs:*:*:log-group*end'`, "logs:Get", "arn:aws:logs:r:1:log-group:a:end", true},
		{"when NotResource lists another, it matches", `'Action':'*','NotResource':'arn:aws:eks:*:*:cluster/test'`, "eks:DescribeCluster", prod, true},
		{"when NotResource lists it, it does not match", `'Action':'*','NotResource':['arn:aws:eks:*:*:cluster/test','arn:aws:eks:*:*:cluster/prod']`, "eks:DescribeCluster", prod, false},
		{"when the action is about no resource, * matches", `'Action':'eks:ListClusters','Resource':'*'`, "eks:ListClusters", "*", true},
		{"when the action is about no resource, an ARN does not match", `'Action':'eks:ListClusters','Resource':'arn:aws:eks:*:*:cluster/*'`, "eks:ListClusters", "*", false},
		{"when a variable has a value, it is put in", `'Action':'*','Resource':'arn:aws:iam::*:user/${aws:username}'`, "iam:GetUser", alice, true},
		{"when a variable has none, nothing matches", `'Action':'*','Resource':'arn:aws:iam::*:user/${aws:nobody}'`, "iam:GetUser", alice, false},
		{"when a variable has none, NotResource leaves nothing out", `'Action':'*','NotResource':'arn:aws:iam::*:user/${aws:nobody}'`, "iam:GetUser", alice, true},
		{"when a variable has none but a default, that is put in", `'Action':'*','Resource':'arn:aws:iam::*:user/${aws:nobody, 'alice'}'`, "iam:GetUser", alice, true},
		{"when a variable's value has a wildcard, it is none", `'Action':'*','Resource':'arn:aws:iam::*:user/${star}'`, "iam:GetUser", alice, false},
		{"when ${*} is asked for, it is the character", `'Action':'*','Resource':'arn:aws:s3:::b/${*}'`, "s3:GetObject", "arn:aws:s3:::b/x", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			statement := strings.ReplaceAll(test.statement, "'alice'", "\x00alice\x00")
			text := strings.ReplaceAll(`{'Version':'2012-10-17','Statement':{'Effect':'Allow',`+statement+`}}`, "'", `"`)
			document, err := Parse(Identity, strings.ReplaceAll(text, "\x00", "'"))
			if err != nil {
				t.Fatal(err)
			}
			got := Evaluate([]Policy{{Kind: Identity, Document: document}}, Request{Principal: user(), Action: test.action, Resource: test.resource,
				Context: map[string][]string{"AWS:UserName": {"alice"}, "star": {"*"}}})
			if got.Allowed != test.want {
				t.Errorf("allowed: %v", got.Allowed)
			}
		})
	}
}

func TestOldVersion(t *testing.T) {
	document, err := Parse(Identity, `{"Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:iam::*:user/${aws:username}"}}`)
	if err != nil {
		t.Fatal(err)
	}
	policies := []Policy{{Kind: Identity, Document: document}}
	context := map[string][]string{"aws:username": {"alice"}}
	if Evaluate(policies, Request{Principal: user(), Action: "iam:GetUser", Resource: alice, Context: context}).Allowed {
		t.Error("when the version is the old one, a variable is plain text: it had its value")
	}
	if !Evaluate(policies, Request{Principal: user(), Action: "iam:GetUser", Resource: "arn:aws:iam::1:user/${aws:username}", Context: context}).Allowed {
		t.Error("when the version is the old one, a variable is plain text: it did not match itself")
	}
}

func TestBecause(t *testing.T) {
	for _, test := range []struct {
		name     string
		decision Decision
		want     string
	}{
		{"when it is allowed, there is nothing to say", Decision{Allowed: true}, ""},
		{"when it is denied, it says where", Decision{Denied: true, By: []Match{{Kind: Identity}}}, "with an explicit deny in an identity-based policy"},
		{"when a boundary is silent, it names the boundary", Decision{Missing: []Kind{Identity, Boundary}}, "because no permissions boundary allows the eks:X action"},
		{"when nothing allows it, it names identity policies", Decision{Missing: []Kind{Identity}}, "because no identity-based policy allows the eks:X action"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.decision.Because("eks:X"); got != test.want {
				t.Errorf("got %q", got)
			}
		})
	}
}
