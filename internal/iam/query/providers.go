package query

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/iam"
)

const (
	maxClientIDs   = 100
	maxThumbprints = 5
)

func (h *handler) providers() map[string]action {
	return map[string]action{
		"CreateOpenIDConnectProvider":             act(h.createProvider, "Url"),
		"GetOpenIDConnectProvider":                act(h.getProvider, "OpenIDConnectProviderArn"),
		"ListOpenIDConnectProviders":              act(h.listProviders),
		"DeleteOpenIDConnectProvider":             act(h.deleteProvider, "OpenIDConnectProviderArn"),
		"UpdateOpenIDConnectProviderThumbprint":   act(h.updateThumbprint, "OpenIDConnectProviderArn", "ThumbprintList"),
		"AddClientIDToOpenIDConnectProvider":      act(h.addClientID, "OpenIDConnectProviderArn", "ClientID"),
		"RemoveClientIDFromOpenIDConnectProvider": act(h.removeClientID, "OpenIDConnectProviderArn", "ClientID"),
		"TagOpenIDConnectProvider":                act(h.tagProvider, "OpenIDConnectProviderArn", "Tags"),
		"UntagOpenIDConnectProvider":              act(h.untagProvider, "OpenIDConnectProviderArn", "TagKeys"),
		"ListOpenIDConnectProviderTags":           act(h.listProviderTags, "OpenIDConnectProviderArn"),
	}
}

// providerName is the issuer that an ARN names, without its scheme; the store keeps providers by it.
func (h *handler) providerName(arn string) (string, error) {
	name, ok := strings.CutPrefix(arn, iam.OIDCProviderARN(h.account(), ""))
	if !ok || name == "" {
		return "", noSuchEntity("OpenIDConnect Provider not found for arn %s", arn)
	}
	return name, nil
}

func (h *handler) provider(ctx context.Context, arn string) (*v1alpha1.IAMOIDCProvider, error) {
	name, err := h.providerName(arn)
	if err != nil {
		return nil, err
	}
	return h.Store.Providers.Get(ctx, name)
}

func (h *handler) changeProvider(ctx context.Context, arn string, change func(*v1alpha1.IAMOIDCProvider) error) error {
	name, err := h.providerName(arn)
	if err != nil {
		return err
	}
	_, err = h.Store.Providers.Update(ctx, name, change)
	return err
}

func checkThumbprints(list []string) error {
	for _, print := range list {
		if len(print) != 40 || strings.Trim(strings.ToLower(print), "0123456789abcdef") != "" {
			return fault(400, "InvalidInput", "A thumbprint has 40 hexadecimal digits")
		}
	}
	if len(list) > maxThumbprints {
		return limitExceeded("Cannot exceed quota for ThumbprintsPerOpenIdConnectProvider: %d", maxThumbprints)
	}
	return nil
}

func (h *handler) createProvider(ctx context.Context, _ iam.Caller, in *sdk.CreateOpenIDConnectProviderInput) (*sdk.CreateOpenIDConnectProviderOutput, error) {
	address, err := url.Parse(*in.Url)
	if err != nil || address.Scheme != "https" || address.Host == "" || address.RawQuery != "" || address.Fragment != "" || address.User != nil || len(*in.Url) > 255 {
		return nil, fault(400, "InvalidInput", "The Url must begin with https:// and have no query: it is what tokens have as their iss")
	}
	if len(in.ClientIDList) > maxClientIDs {
		return nil, limitExceeded("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", maxClientIDs)
	}
	if err := checkThumbprints(in.ThumbprintList); err != nil {
		return nil, err
	}
	provider := &v1alpha1.IAMOIDCProvider{}
	provider.Spec = v1alpha1.IAMOIDCProviderSpec{URL: strings.TrimSuffix(*in.Url, "/"), ClientIDs: distinct(in.ClientIDList), Thumbprints: distinct(in.ThumbprintList)}
	if provider.Spec.Tags, err = addTags(nil, in.Tags); err != nil {
		return nil, err
	}
	if err := h.Store.Providers.Create(ctx, provider); err != nil {
		return nil, err
	}
	return &sdk.CreateOpenIDConnectProviderOutput{OpenIDConnectProviderArn: aws.String(iam.OIDCProviderARN(h.account(), provider.Spec.URL)), Tags: toTags(provider.Spec.Tags)}, nil
}

// distinct leaves out what is named again, and keeps the order: clients that declare a list compare it as one.
func distinct(list []string) []string {
	var all []string
	for _, item := range list {
		if !slices.Contains(all, item) {
			all = append(all, item)
		}
	}
	return all
}

func (h *handler) getProvider(ctx context.Context, _ iam.Caller, in *sdk.GetOpenIDConnectProviderInput) (*sdk.GetOpenIDConnectProviderOutput, error) {
	provider, err := h.provider(ctx, *in.OpenIDConnectProviderArn)
	if err != nil {
		return nil, err
	}
	return &sdk.GetOpenIDConnectProviderOutput{
		Url: aws.String(toldURL(provider.Spec.URL)), ClientIDList: provider.Spec.ClientIDs, ThumbprintList: provider.Spec.Thumbprints,
		CreateDate: created(provider), Tags: toTags(provider.Spec.Tags),
	}, nil
}

// toldURL is an issuer as IAM tells it, without its scheme. Issuers on AWS have no port. With one, the scheme stays: clients, as
// Terraform, parse what they are told, and host:port/path is no URL.
func toldURL(issuer string) string {
	if address, err := url.Parse(issuer); err == nil && address.Port() != "" {
		return issuer
	}
	return strings.TrimPrefix(issuer, "https://")
}

func (h *handler) listProviders(ctx context.Context, _ iam.Caller, _ *sdk.ListOpenIDConnectProvidersInput) (*sdk.ListOpenIDConnectProvidersOutput, error) {
	all, err := h.Store.Providers.List(ctx)
	if err != nil {
		return nil, err
	}
	list := []types.OpenIDConnectProviderListEntry{}
	for _, provider := range all {
		list = append(list, types.OpenIDConnectProviderListEntry{Arn: aws.String(iam.OIDCProviderARN(h.account(), provider.Spec.URL))})
	}
	return &sdk.ListOpenIDConnectProvidersOutput{OpenIDConnectProviderList: list}, nil
}

func (h *handler) deleteProvider(ctx context.Context, _ iam.Caller, in *sdk.DeleteOpenIDConnectProviderInput) (*sdk.DeleteOpenIDConnectProviderOutput, error) {
	name, err := h.providerName(*in.OpenIDConnectProviderArn)
	if err != nil {
		return nil, err
	}
	return &sdk.DeleteOpenIDConnectProviderOutput{}, h.Store.Providers.Delete(ctx, name)
}

func (h *handler) updateThumbprint(ctx context.Context, _ iam.Caller, in *sdk.UpdateOpenIDConnectProviderThumbprintInput) (*sdk.UpdateOpenIDConnectProviderThumbprintOutput, error) {
	if err := checkThumbprints(in.ThumbprintList); err != nil {
		return nil, err
	}
	return &sdk.UpdateOpenIDConnectProviderThumbprintOutput{}, h.changeProvider(ctx, *in.OpenIDConnectProviderArn, func(p *v1alpha1.IAMOIDCProvider) error {
		p.Spec.Thumbprints = distinct(in.ThumbprintList)
		return nil
	})
}

func (h *handler) addClientID(ctx context.Context, _ iam.Caller, in *sdk.AddClientIDToOpenIDConnectProviderInput) (*sdk.AddClientIDToOpenIDConnectProviderOutput, error) {
	return &sdk.AddClientIDToOpenIDConnectProviderOutput{}, h.changeProvider(ctx, *in.OpenIDConnectProviderArn, func(p *v1alpha1.IAMOIDCProvider) error {
		p.Spec.ClientIDs = distinct(append(p.Spec.ClientIDs, *in.ClientID))
		if len(p.Spec.ClientIDs) > maxClientIDs {
			return limitExceeded("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", maxClientIDs)
		}
		return nil
	})
}

func (h *handler) removeClientID(ctx context.Context, _ iam.Caller, in *sdk.RemoveClientIDFromOpenIDConnectProviderInput) (*sdk.RemoveClientIDFromOpenIDConnectProviderOutput, error) {
	return &sdk.RemoveClientIDFromOpenIDConnectProviderOutput{}, h.changeProvider(ctx, *in.OpenIDConnectProviderArn, func(p *v1alpha1.IAMOIDCProvider) error {
		p.Spec.ClientIDs = slices.DeleteFunc(p.Spec.ClientIDs, func(id string) bool { return id == *in.ClientID })
		return nil
	})
}

func (h *handler) tagProvider(ctx context.Context, _ iam.Caller, in *sdk.TagOpenIDConnectProviderInput) (*sdk.TagOpenIDConnectProviderOutput, error) {
	return &sdk.TagOpenIDConnectProviderOutput{}, h.changeProvider(ctx, *in.OpenIDConnectProviderArn, func(p *v1alpha1.IAMOIDCProvider) (err error) {
		p.Spec.Tags, err = addTags(p.Spec.Tags, in.Tags)
		return err
	})
}

func (h *handler) untagProvider(ctx context.Context, _ iam.Caller, in *sdk.UntagOpenIDConnectProviderInput) (*sdk.UntagOpenIDConnectProviderOutput, error) {
	return &sdk.UntagOpenIDConnectProviderOutput{}, h.changeProvider(ctx, *in.OpenIDConnectProviderArn, func(p *v1alpha1.IAMOIDCProvider) error {
		removeTags(p.Spec.Tags, in.TagKeys)
		return nil
	})
}

func (h *handler) listProviderTags(ctx context.Context, _ iam.Caller, in *sdk.ListOpenIDConnectProviderTagsInput) (*sdk.ListOpenIDConnectProviderTagsOutput, error) {
	provider, err := h.provider(ctx, *in.OpenIDConnectProviderArn)
	if err != nil {
		return nil, err
	}
	return &sdk.ListOpenIDConnectProviderTagsOutput{Tags: toTags(provider.Spec.Tags)}, nil
}
