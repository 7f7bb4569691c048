package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/eks/convert"
)

func identityProviders() map[string]operation {
	return map[string]operation{
		"AssociateIdentityProviderConfig": reduced("API servers ask the issuer from the cluster's own nodes: it must be reachable from there, and may run in the cluster, under the name of its Service; "+
			"the config is ACTIVE once each API server was seen to have loaded it, mostly within seconds, and CREATING until then, with the reason in the update's errors; "+
			"users and groups that would begin with system: or naru: are not let in; EKS has no member for an issuer's private CA: spec.identityProvider.certificateAuthority of the Cluster, or ConfigMap issuer-authorities in naru-system, for all clusters, takes it", (*Handlers).associateIdentityProvider),
		"DisassociateIdentityProviderConfig": full((*Handlers).disassociateIdentityProvider),
		"DescribeIdentityProviderConfig":     full((*Handlers).describeIdentityProvider),
		"ListIdentityProviderConfigs":        full((*Handlers).listIdentityProviders),
	}
}

func (h *Handlers) associateIdentityProvider(ctx context.Context, in *eks.AssociateIdentityProviderConfigInput) (*eks.AssociateIdentityProviderConfigOutput, error) {
	about := subject{cluster: *in.ClusterName}
	if err := about.missing(member{"oidc", in.Oidc != nil}); err != nil {
		return nil, err
	}
	if err := about.missing(given("oidc.identityProviderConfigName", in.Oidc.IdentityProviderConfigName), given("oidc.issuerUrl", in.Oidc.IssuerUrl),
		given("oidc.clientId", in.Oidc.ClientId)); err != nil {
		return nil, err
	}
	if err := about.validTags(in.Tags); err != nil {
		return nil, err
	}
	provider := newIdentityProvider(in.Oidc)
	if err := about.validProvider(provider); err != nil {
		return nil, err
	}
	update := convert.Update{ID: h.NewID(), Type: string(types.UpdateTypeAssociateIdentityProviderConfig), Created: h.Now().UTC(), Identity: true,
		Params: providerParams(provider.Name), Token: h.token("AssociateIdentityProviderConfig", in.ClientRequestToken, in)}
	note := convert.IdentityProviderNote{ID: h.NewID(), Tags: in.Tags}
	cluster, err := h.Backend.ChangeCluster(ctx, about.cluster, func(cluster *v1alpha1.Cluster) error {
		if done, err := about.remembered(cluster, &update); done || err != nil {
			return err
		}
		if err := about.associable(cluster, provider); err != nil {
			return err
		}
		cluster.Spec.IdentityProvider = provider
		if err := convert.SetNote(cluster, v1alpha1.AnnotationIdentityProvider, note); err != nil {
			return err
		}
		update.Generation = cluster.Generation + 1
		return convert.AddUpdate(cluster, update)
	})
	if err != nil {
		return nil, about.exception(err)
	}
	return &eks.AssociateIdentityProviderConfigOutput{Update: update.Shape(convert.ObservedCluster(cluster)), Tags: in.Tags}, nil
}

// newIdentityProvider is the identity provider that a request asks for.
func newIdentityProvider(in *types.OidcIdentityProviderConfigRequest) *v1alpha1.IdentityProvider {
	return &v1alpha1.IdentityProvider{
		Name: *in.IdentityProviderConfigName, IssuerURL: *in.IssuerUrl, ClientID: *in.ClientId,
		UsernameClaim: aws.ToString(in.UsernameClaim), UsernamePrefix: aws.ToString(in.UsernamePrefix),
		GroupsClaim: aws.ToString(in.GroupsClaim), GroupsPrefix: aws.ToString(in.GroupsPrefix), RequiredClaims: in.RequiredClaims,
	}
}

// validProvider checks what EKS asks of a config.
func (s subject) validProvider(provider *v1alpha1.IdentityProvider) error {
	issuer, err := url.Parse(provider.IssuerURL)
	if err != nil || issuer.Scheme != "https" || issuer.Host == "" || issuer.User != nil || issuer.RawQuery != "" || issuer.Fragment != "" {
		return s.invalid("oidc.issuerUrl: %q must begin with https:// and have neither a user nor a query nor a fragment", provider.IssuerURL)
	}
	for name, prefix := range map[string]string{"usernamePrefix": provider.UsernamePrefix, "groupsPrefix": provider.GroupsPrefix} {
		if strings.Contains(prefix, "system:") || strings.Contains(prefix, "naru:") {
			return s.invalid("oidc.%s: The prefix can't contain system: or naru:", name)
		}
	}
	return nil
}

func providerParams(name string) [][2]string {
	text, err := json.Marshal([]map[string]string{{"type": convert.OIDC, "name": name}})
	if err != nil {
		return nil // strings can always be encoded
	}
	return params(types.UpdateParamTypeIdentityProviderConfig, string(text))
}

// associable errs where a cluster can't have another identity provider: it may have one.
func (s subject) associable(cluster *v1alpha1.Cluster, provider *v1alpha1.IdentityProvider) error {
	if err := s.updatable(cluster, types.UpdateTypeAssociateIdentityProviderConfig); err != nil {
		return err
	}
	switch has := (convert.Site{}).IdentityProvider(cluster); {
	case has == nil:
	case has.Status == types.ConfigStatusDeleting:
		return s.inUse("Identity provider config %s of cluster %s is DELETING: its deletion is in progress", *has.IdentityProviderConfigName, cluster.Name)
	case *has.IdentityProviderConfigName == provider.Name:
		return s.inUse("Identity provider config already exists with name %s and cluster name %s", provider.Name, cluster.Name)
	default:
		return s.request("Cluster %s has an identity provider config already, %s, and can have one: disassociate it first", cluster.Name, *has.IdentityProviderConfigName)
	}
	if issuer := strings.TrimSuffix(provider.IssuerURL, "/"); issuer == strings.TrimSuffix(cluster.Status.Issuer.URL, "/") {
		return s.invalid("oidc.issuerUrl: it is the cluster's own issuer, of its service accounts, whose tokens it takes anyway")
	}
	return nil
}

func (h *Handlers) disassociateIdentityProvider(ctx context.Context, in *eks.DisassociateIdentityProviderConfigInput) (*eks.DisassociateIdentityProviderConfigOutput, error) {
	about := subject{cluster: *in.ClusterName}
	update := convert.Update{ID: h.NewID(), Type: string(types.UpdateTypeDisassociateIdentityProviderConfig), Created: h.Now().UTC(), Identity: true,
		Token: h.token("DisassociateIdentityProviderConfig", in.ClientRequestToken, in)}
	cluster, err := h.Backend.ChangeCluster(ctx, about.cluster, func(cluster *v1alpha1.Cluster) error {
		if done, err := about.remembered(cluster, &update); done || err != nil {
			return err
		}
		has, err := h.identityProvider(cluster, in.IdentityProviderConfig)
		if err != nil {
			return err
		}
		if cluster.Spec.IdentityProvider == nil {
			return about.inUse("Identity provider config %s of cluster %s is DELETING: its deletion is in progress", *has.IdentityProviderConfigName, cluster.Name)
		}
		if err := about.updatable(cluster, types.UpdateTypeDisassociateIdentityProviderConfig); err != nil {
			return err
		}
		if err := convert.EndIdentity(cluster, "the config was disassociated before every API server had loaded it"); err != nil {
			return err
		}
		cluster.Spec.IdentityProvider = nil
		update.Params, update.Generation = providerParams(*has.IdentityProviderConfigName), cluster.Generation+1
		return convert.AddUpdate(cluster, update)
	})
	if err != nil {
		return nil, about.exception(err)
	}
	return &eks.DisassociateIdentityProviderConfigOutput{Update: update.Shape(convert.ObservedCluster(cluster))}, nil
}

// identityProvider is the identity provider config of a cluster that a request names.
func (h *Handlers) identityProvider(cluster *v1alpha1.Cluster, named *types.IdentityProviderConfig) (*types.OidcIdentityProviderConfig, error) {
	about := subject{cluster: cluster.Name}
	if err := about.missing(member{"identityProviderConfig", named != nil}); err != nil {
		return nil, err
	}
	if err := about.missing(given("identityProviderConfig.name", named.Name), given("identityProviderConfig.type", named.Type)); err != nil {
		return nil, err
	}
	if *named.Type != convert.OIDC {
		return nil, about.invalid("identityProviderConfig.type: %q can't be, there is only %s", *named.Type, convert.OIDC)
	}
	has := h.Site.IdentityProvider(cluster)
	if has == nil || *has.IdentityProviderConfigName != *named.Name {
		return nil, &types.ResourceNotFoundException{ClusterName: &cluster.Name,
			Message: aws.String(fmt.Sprintf("No identity provider config found for name: %s and cluster: %s.", *named.Name, cluster.Name))}
	}
	return has, nil
}

func (h *Handlers) describeIdentityProvider(ctx context.Context, in *eks.DescribeIdentityProviderConfigInput) (*eks.DescribeIdentityProviderConfigOutput, error) {
	cluster, err := h.Backend.Cluster(ctx, *in.ClusterName)
	if err != nil {
		return nil, subject{cluster: *in.ClusterName}.exception(err)
	}
	has, err := h.identityProvider(cluster, in.IdentityProviderConfig)
	if err != nil {
		return nil, err
	}
	return &eks.DescribeIdentityProviderConfigOutput{IdentityProviderConfig: &types.IdentityProviderConfigResponse{Oidc: has}}, nil
}

func (h *Handlers) listIdentityProviders(ctx context.Context, in *eks.ListIdentityProviderConfigsInput) (*eks.ListIdentityProviderConfigsOutput, error) {
	about := subject{cluster: *in.ClusterName}
	cluster, err := h.Backend.Cluster(ctx, about.cluster)
	if err != nil {
		return nil, about.exception(err)
	}
	configs := []types.IdentityProviderConfig{}
	if has := h.Site.IdentityProvider(cluster); has != nil {
		configs = append(configs, types.IdentityProviderConfig{Name: has.IdentityProviderConfigName, Type: aws.String(convert.OIDC)})
	}
	part, next, err := page(about, pages{[]string{"ListIdentityProviderConfigs", about.cluster}, in.MaxResults, in.NextToken}, configs,
		func(c types.IdentityProviderConfig) string { return *c.Name })
	return &eks.ListIdentityProviderConfigsOutput{IdentityProviderConfigs: part, NextToken: next}, err
}
