package server

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

// oidc is an identity provider config with all its members.
func oidc(name string) *types.OidcIdentityProviderConfigRequest {
	return &types.OidcIdentityProviderConfigRequest{IdentityProviderConfigName: &name, IssuerUrl: aws.String("https://login.example.org"), ClientId: aws.String("kubernetes"),
		UsernameClaim: aws.String("name"), UsernamePrefix: aws.String("oidc:"), GroupsClaim: aws.String("groups"), GroupsPrefix: aws.String("oidc:"),
		RequiredClaims: map[string]string{"team": "a"}}
}

// TestIdentityProvider goes through the states of a config, as the simulated world lets one see each of them.
func TestIdentityProvider(t *testing.T) {
	s := newSite(t)
	client, cluster := s.client(), aws.String("prod")
	active(t, client, *cluster)
	out, err := client.AssociateIdentityProviderConfig(t.Context(), &eks.AssociateIdentityProviderConfigInput{ClusterName: cluster, Oidc: oidc("login"), Tags: map[string]string{"team": "a"}})
	if err != nil {
		t.Fatal(err)
	}
	if out.Update.Type != types.UpdateTypeAssociateIdentityProviderConfig || out.Update.Status != types.UpdateStatusInProgress || out.Tags["team"] != "a" ||
		*out.Update.Params[0].Value != `[{"name":"login","type":"oidc"}]` {
		t.Errorf("got %+v, %v", out.Update, out.Tags)
	}
	which := &types.IdentityProviderConfig{Name: aws.String("login"), Type: aws.String("oidc")}
	got := statuses(t, client, which, types.ConfigStatusCreating, types.ConfigStatusActive)
	arn := *got.IdentityProviderConfigArn
	if *got.IssuerUrl != "https://login.example.org" || *got.ClientId != "kubernetes" || *got.UsernameClaim != "name" || *got.UsernamePrefix != "oidc:" ||
		*got.GroupsClaim != "groups" || *got.GroupsPrefix != "oidc:" || got.RequiredClaims["team"] != "a" || got.Tags["team"] != "a" ||
		!strings.HasPrefix(arn, "arn:aws:eks:naru-kr-1:111122223333:identityproviderconfig/prod/oidc/login/") {
		t.Errorf("got %+v", got)
	}
	update, err := client.DescribeUpdate(t.Context(), &eks.DescribeUpdateInput{Name: cluster, UpdateId: out.Update.Id})
	if err != nil || update.Update.Status != types.UpdateStatusSuccessful {
		t.Errorf("when the config is ACTIVE, the update is done: %+v, %v", update, err)
	}
	if _, err := client.TagResource(t.Context(), &eks.TagResourceInput{ResourceArn: &arn, Tags: map[string]string{"env": "prod"}}); err != nil {
		t.Error(err)
	}
	if tags, err := client.ListTagsForResource(t.Context(), &eks.ListTagsForResourceInput{ResourceArn: &arn}); err != nil || len(tags.Tags) != 2 {
		t.Errorf("the tags are %v, %v", tags, err)
	}
	s.wantKeys(t)
	_, err = client.AssociateIdentityProviderConfig(t.Context(), &eks.AssociateIdentityProviderConfigInput{ClusterName: cluster, Oidc: oidc("other")})
	if full := new(types.InvalidRequestException); !errors.As(err, &full) {
		t.Errorf("a second config: %v", err)
	}
	if _, err := client.DisassociateIdentityProviderConfig(t.Context(), &eks.DisassociateIdentityProviderConfigInput{ClusterName: cluster, IdentityProviderConfig: which}); err != nil {
		t.Fatal(err)
	}
	statuses(t, client, which, types.ConfigStatusDeleting, "")
	if list, err := client.ListIdentityProviderConfigs(t.Context(), &eks.ListIdentityProviderConfigsInput{ClusterName: cluster}); err != nil || len(list.IdentityProviderConfigs) != 0 {
		t.Errorf("when it is gone, none is listed: %+v, %v", list, err)
	}
}

// statuses describes a config until it has the second status, empty for none, and until then it must have the first one. It returns
// what was described last.
func statuses(t *testing.T, client *eks.Client, which *types.IdentityProviderConfig, first, second types.ConfigStatus) *types.OidcIdentityProviderConfig {
	t.Helper()
	for n := 0; ; n++ {
		out, err := client.DescribeIdentityProviderConfig(t.Context(), &eks.DescribeIdentityProviderConfigInput{ClusterName: aws.String("prod"), IdentityProviderConfig: which})
		missing := new(types.ResourceNotFoundException)
		switch {
		case errors.As(err, &missing) && second == "" && n > 0:
			return nil
		case err != nil || n > 100:
			t.Fatalf("after %s, and not %s: %v", first, second, err)
		}
		got := out.IdentityProviderConfig.Oidc
		switch {
		case got.Status == second && n > 0:
			return got
		case got.Status != first:
			t.Fatalf("got %s, want %s and then %s", got.Status, first, second)
		}
	}
}

// wantKeys checks what IAM was asked about the association and about a description.
func (s *site) wantKeys(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	associated, described := false, false
	for _, request := range s.asked {
		switch request.Action {
		case "eks:AssociateIdentityProviderConfig":
			associated = request.Resource == "arn:aws:eks:naru-kr-1:111122223333:cluster/prod" && len(request.Context["eks:clientId"]) == 1 &&
				request.Context["eks:clientId"][0] == "kubernetes" && request.Context["eks:issuerUrl"][0] == "https://login.example.org"
		case "eks:DescribeIdentityProviderConfig":
			described = strings.HasPrefix(request.Resource, "arn:aws:eks:naru-kr-1:111122223333:identityproviderconfig/prod/oidc/login/") && request.Context["aws:ResourceTag/team"][0] == "a"
		}
	}
	if !associated || !described {
		t.Errorf("IAM was not asked with what policies name: %v, %v", associated, described)
	}
}

func TestIdentityProviderRefusals(t *testing.T) {
	s := newSite(t)
	client := s.client()
	active(t, client, "prod")
	for reason, change := range map[string]func(*types.OidcIdentityProviderConfigRequest){
		"when the issuer is not https, it is refused": func(in *types.OidcIdentityProviderConfigRequest) {
			in.IssuerUrl = aws.String("http://login.example.org")
		},
		"when the issuer has a query, it is refused": func(in *types.OidcIdentityProviderConfigRequest) {
			in.IssuerUrl = aws.String("https://login.example.org?a=b")
		},
		"when users would be the system's, it is refused":     func(in *types.OidcIdentityProviderConfigRequest) { in.UsernamePrefix = aws.String("system:") },
		"when groups would be the system's, it is refused":    func(in *types.OidcIdentityProviderConfigRequest) { in.GroupsPrefix = aws.String("system:node") },
		"when no client is named, that is what is asked for":  func(in *types.OidcIdentityProviderConfigRequest) { in.ClientId = aws.String("") },
		"when the config has no name, that is what is needed": func(in *types.OidcIdentityProviderConfigRequest) { in.IdentityProviderConfigName = aws.String("") },
	} {
		t.Run(reason, func(t *testing.T) {
			in := oidc("login")
			change(in)
			_, err := client.AssociateIdentityProviderConfig(t.Context(), &eks.AssociateIdentityProviderConfigInput{ClusterName: aws.String("prod"), Oidc: in})
			if invalid := new(types.InvalidParameterException); !errors.As(err, &invalid) {
				t.Errorf("got %v", err)
			}
		})
	}
}
