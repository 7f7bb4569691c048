package query

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"naru.dev/naru/internal/eks/sigv4"
	"naru.dev/naru/internal/iam"
)

func credentials(c *types.Credentials) aws.Credentials {
	return aws.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken}
}

func TestGetCallerIdentity(t *testing.T) {
	w := newWorld(t)
	me := must[*sts.GetCallerIdentityOutput](t)(w.sts(w.admin).GetCallerIdentity(t.Context(), nil))
	if *me.Account != account || *me.Arn != "arn:aws:iam::111122223333:user/admin" || !strings.HasPrefix(*me.UserId, "AIDA") {
		t.Errorf("%+v", me)
	}
	t.Run("when JSON is accepted, it is JSON", func(t *testing.T) {
		r := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/?Action=GetCallerIdentity&Version=2011-06-15", nil))
		r.Header.Set("Accept", "application/json")
		if err := sigv4.Sign(r, nil, sigv4.Key{AccessKeyID: w.admin.AccessKeyID, Secret: w.admin.SecretAccessKey}, sigv4.Scope{Region: "r", Service: "sts"}, time.Now()); err != nil {
			t.Fatal(err)
		}
		answer := must[*http.Response](t)(http.DefaultClient.Do(r))
		defer answer.Body.Close()
		if body := must[[]byte](t)(io.ReadAll(answer.Body)); !strings.HasPrefix(string(body), `{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":"111122223333"`) {
			t.Errorf("%s", body)
		}
	})
}

func TestAssumeRole(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	bob := w.newUser("bob", allow("sts:*", "*"))
	carol := w.newUser("carol", "")
	arn := w.newRole("dev", trust(`{"AWS":["arn:aws:iam::111122223333:root","arn:aws:iam::111122223333:role/chain"]}`))
	must[*sdk.PutRolePolicyOutput](t)(w.iam(w.admin).PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: aws.String("dev"), PolicyName: aws.String("p"), PolicyDocument: aws.String(allow("iam:*", "*"))}))
	assume := func(by aws.Credentials, change func(*sts.AssumeRoleInput)) (*sts.AssumeRoleOutput, error) {
		in := &sts.AssumeRoleInput{RoleArn: &arn, RoleSessionName: aws.String("work")}
		change(in)
		return w.sts(by).AssumeRole(ctx, in)
	}
	plain := func(*sts.AssumeRoleInput) {}
	made := must[*sts.AssumeRoleOutput](t)(assume(bob, plain))
	if *made.AssumedRoleUser.Arn != "arn:aws:sts::111122223333:assumed-role/dev/work" || time.Until(*made.Credentials.Expiration) > time.Hour {
		t.Errorf("%+v", made)
	}
	me := must[*sts.GetCallerIdentityOutput](t)(w.sts(credentials(made.Credentials)).GetCallerIdentity(ctx, nil))
	if *me.Arn != *made.AssumedRoleUser.Arn || *me.UserId != *made.AssumedRoleUser.AssumedRoleId {
		t.Errorf("%+v", me)
	}
	t.Run("when the account is trusted, who has no right to assume it does not", func(t *testing.T) {
		_, err := assume(carol, plain)
		requireCode(t, err, "AccessDenied", "User: arn:aws:iam::111122223333:user/carol is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/dev because no identity-based policy allows")
	})
	t.Run("when the role does not exist, it is as if it did not trust", func(t *testing.T) {
		_, err := assume(bob, func(in *sts.AssumeRoleInput) { in.RoleArn = aws.String("arn:aws:iam::111122223333:role/none") })
		requireCode(t, err, "AccessDenied", "because no role trust policy allows the sts:AssumeRole action")
	})
	t.Run("when the session has a policy, it bounds the session", func(t *testing.T) {
		bounded := must[*sts.AssumeRoleOutput](t)(assume(bob, func(in *sts.AssumeRoleInput) { in.Policy = aws.String(allow("iam:Get*", "*")) }))
		c := w.iam(credentials(bounded.Credentials))
		must[*sdk.GetUserOutput](t)(c.GetUser(ctx, &sdk.GetUserInput{UserName: aws.String("bob")}))
		_, err := c.ListUsers(ctx, &sdk.ListUsersInput{})
		requireCode(t, err, "AccessDenied", "because no session policy allows the iam:ListUsers action")
	})
	t.Run("when it would last too long, it is refused", func(t *testing.T) {
		_, err := assume(bob, func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(7200) })
		requireCode(t, err, "ValidationError", "MaxSessionDuration")
	})
	t.Run("when the session's name can't be, it is refused", func(t *testing.T) {
		_, err := assume(bob, func(in *sts.AssumeRoleInput) { in.RoleSessionName = aws.String("a/b") })
		requireCode(t, err, "ValidationError", "roleSessionName")
	})
	t.Run("when something is asked for that there is not, it is refused", func(t *testing.T) {
		_, err := assume(bob, func(in *sts.AssumeRoleInput) { in.SourceIdentity = aws.String("bob") })
		requireCode(t, err, "ValidationError", "not supported")
	})
	t.Run("when a role assumes it, transitive tags go on, and it ends within the hour", func(t *testing.T) {
		chain := w.newRole("chain", trust(`{"AWS":"arn:aws:iam::111122223333:user/bob"}`))
		first := must[*sts.AssumeRoleOutput](t)(assume(bob, func(in *sts.AssumeRoleInput) {
			in.RoleArn, in.Tags, in.TransitiveTagKeys = &chain, []types.Tag{{Key: aws.String("team"), Value: aws.String("red")}}, []string{"team"}
		}))
		second := must[*sts.AssumeRoleOutput](t)(assume(credentials(first.Credentials), plain))
		identity := must[iam.Identity](t)(w.access.Lookup(ctx, *second.Credentials.AccessKeyId, *second.Credentials.SessionToken))
		if identity.Caller.PrincipalTags["team"] != "red" || !identity.Caller.Session.Chained {
			t.Errorf("%+v", identity.Caller)
		}
		_, err := assume(credentials(first.Credentials), func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(3601) })
		requireCode(t, err, "ValidationError", "role chaining")
	})
}

func TestGetSessionToken(t *testing.T) {
	w := newWorld(t)
	made := credentials(must[*sts.GetSessionTokenOutput](t)(w.sts(w.admin).GetSessionToken(t.Context(), nil)).Credentials)
	if me := must[*sts.GetCallerIdentityOutput](t)(w.sts(made).GetCallerIdentity(t.Context(), nil)); *me.Arn != "arn:aws:iam::111122223333:user/admin" {
		t.Errorf("%+v", me)
	}
	_, err := w.sts(made).GetSessionToken(t.Context(), nil)
	requireCode(t, err, "AccessDenied", "session credentials")
	_, err = w.iam(made).ListUsers(t.Context(), &sdk.ListUsersInput{})
	requireCode(t, err, "InvalidClientTokenId", "GetSessionToken")
}

func TestAssumeRoleWithWebIdentity(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	provider := must[*sdk.CreateOpenIDConnectProviderOutput](t)(w.iam(w.admin).CreateOpenIDConnectProvider(ctx, &sdk.CreateOpenIDConnectProviderInput{Url: aws.String("https://naru.example/id/A"), ClientIDList: []string{"sts.amazonaws.com"}}))
	arn := w.newRole("pod", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity","Principal":{"Federated":"`+*provider.OpenIDConnectProviderArn+`"},
		"Condition":{"StringEquals":{"naru.example/id/A:sub":"system:serviceaccount:web:app","naru.example/id/A:aud":"sts.amazonaws.com"}}}}`)
	c := sts.New(sts.Options{Region: "r", BaseEndpoint: &w.url, Retryer: aws.NopRetryer{}})
	for _, test := range []struct{ name, token, code string }{
		{"when the role trusts the service account, it gets credentials", "https://naru.example/id/A|system:serviceaccount:web:app|sts.amazonaws.com", ""},
		{"when it is another, it is refused", "https://naru.example/id/A|system:serviceaccount:web:other|sts.amazonaws.com", "AccessDenied"},
		{"when the issuer is not known, it is refused", "https://evil.example|system:serviceaccount:web:app|sts.amazonaws.com", "InvalidIdentityToken"},
		{"when it is no token, it is refused", "x234", "InvalidIdentityToken"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, err := c.AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{RoleArn: &arn, RoleSessionName: aws.String("app"), WebIdentityToken: &test.token})
			if test.code != "" {
				requireCode(t, err, test.code, "")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if me := must[*sts.GetCallerIdentityOutput](t)(w.sts(credentials(out.Credentials)).GetCallerIdentity(ctx, nil)); *me.Arn != "arn:aws:sts::111122223333:assumed-role/pod/app" {
				t.Errorf("%+v", me)
			}
		})
	}
}
