package handlers

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/eks/convert"
)

// mostAuthorities is how many a cluster has at a time, at most.
const mostAuthorities = 2

func authorities() map[string]operation {
	const byItself = "Naru makes and activates none by itself when the end of one comes near"
	return map[string]operation{
		"CreateCertificateAuthority":   full((*Handlers).createAuthority),
		"ActivateCertificateAuthority": full((*Handlers).activateAuthority),
		"DeleteCertificateAuthority":   full((*Handlers).deleteAuthority),
		"ListCertificateAuthorities":   full((*Handlers).listAuthorities),
		"DescribeCertificateAuthority": reduced("without scheduledEvents: "+byItself, (*Handlers).describeAuthority),
	}
}

// authorityChange is one change of a cluster's certificate authorities.
type authorityChange struct {
	cluster string
	token   convert.Token
	// change alters what is wanted, and says which generation it is about.
	change func(cluster *v1alpha1.Cluster, wanted *v1alpha1.AuthoritiesSpec) (generation int32, err error)
}

// authorityChanged is what was changed.
type authorityChanged struct {
	authority *types.CertificateAuthoritySummary
	update    *types.Update
}

// changeAuthorities makes a change and remembers it. What a request with the same token has done is told again.
func (h *Handlers) changeAuthorities(ctx context.Context, c authorityChange) (*authorityChanged, error) {
	about := subject{cluster: c.cluster}
	update := convert.Update{ID: h.NewID(), Type: string(types.UpdateTypeCertificateAuthorityUpdate), Created: h.Now().UTC(), Token: c.token}
	cluster, err := h.Backend.ChangeCluster(ctx, c.cluster, func(cluster *v1alpha1.Cluster) error {
		if done, err := about.remembered(cluster, &update); done || err != nil {
			return err
		}
		wanted := cluster.WantedAuthorities()
		generation, err := c.change(cluster, &wanted)
		if err != nil {
			return err
		}
		if err := about.updatable(cluster, types.UpdateTypeCertificateAuthorityUpdate); err != nil {
			return err
		}
		cluster.Spec.Authorities = &wanted
		update.Params, update.Generation = authorityParams(cluster, wanted, generation), cluster.Generation+1
		return convert.AddUpdate(cluster, update)
	})
	if err != nil {
		return nil, about.exception(err)
	}
	id := update.Params[0][1]
	summary := types.CertificateAuthoritySummary{Id: &id, DistributionStatus: types.CertificateAuthorityDistributionStatusDeleting,
		SigningStatus: types.CertificateAuthoritySigningStatusNotUsed}
	if ca := find(h.Site.Authorities(cluster), id); ca != nil {
		summary = convert.Summary(*ca)
	}
	return &authorityChanged{&summary, update.Shape(convert.ObservedCluster(cluster))}, nil
}

// authorityParams are those of the update; the first one is the authority's id.
func authorityParams(cluster *v1alpha1.Cluster, wanted v1alpha1.AuthoritiesSpec, generation int32) [][2]string {
	var trusted []string
	for _, each := range wanted.Trusted {
		trusted = append(trusted, convert.AuthorityID(cluster, each))
	}
	return [][2]string{
		{string(types.UpdateParamTypeCertificateAuthorityId), convert.AuthorityID(cluster, generation)},
		{string(types.UpdateParamTypeTrustedCertificateAuthorities), strings.Join(trusted, ",")},
		{string(types.UpdateParamTypeActiveCertificateAuthority), convert.AuthorityID(cluster, wanted.Signing)},
	}
}

func find(all []types.CertificateAuthority, id string) *types.CertificateAuthority {
	i := slices.IndexFunc(all, func(ca types.CertificateAuthority) bool { return *ca.Id == id })
	if i < 0 {
		return nil
	}
	return &all[i]
}

func (h *Handlers) createAuthority(ctx context.Context, in *eks.CreateCertificateAuthorityInput) (*eks.CreateCertificateAuthorityOutput, error) {
	about := subject{cluster: *in.ClusterName}
	token := h.token("CreateCertificateAuthority", in.ClientRequestToken, in)
	changed, err := h.changeAuthorities(ctx, authorityChange{*in.ClusterName, token,
		func(cluster *v1alpha1.Cluster, wanted *v1alpha1.AuthoritiesSpec) (int32, error) {
			if len(h.Site.Authorities(cluster)) >= mostAuthorities {
				return 0, about.request("Cluster %s has %d certificate authorities, which is the most it can have: delete the one that is NOT_USED first", cluster.Name, mostAuthorities)
			}
			next := max(cluster.Status.LastAuthority, slices.Max(wanted.Trusted)) + 1
			wanted.Trusted = append(wanted.Trusted, next)
			return next, nil
		}})
	if err != nil {
		return nil, err
	}
	return &eks.CreateCertificateAuthorityOutput{CertificateAuthority: changed.authority, Update: changed.update}, nil
}

func (h *Handlers) activateAuthority(ctx context.Context, in *eks.ActivateCertificateAuthorityInput) (*eks.ActivateCertificateAuthorityOutput, error) {
	about := subject{cluster: *in.ClusterName}
	token := h.token("ActivateCertificateAuthority", in.ClientRequestToken, in)
	changed, err := h.changeAuthorities(ctx, authorityChange{*in.ClusterName, token,
		func(cluster *v1alpha1.Cluster, wanted *v1alpha1.AuthoritiesSpec) (int32, error) {
			generation, ca, err := h.authority(cluster, *in.CertificateAuthorityId)
			switch {
			case err != nil:
				return 0, err
			case generation == wanted.Signing:
				return 0, about.request("Certificate authority %s is %s already", *ca.Id, ca.SigningStatus)
			case ca.DistributionStatus != types.CertificateAuthorityDistributionStatusComplete:
				return 0, about.request("Certificate authority %s can't be activated while its distributionStatus is %s: wait until it is COMPLETE", *ca.Id, ca.DistributionStatus)
			}
			wanted.Signing = generation
			return generation, nil
		}})
	if err != nil {
		return nil, err
	}
	return &eks.ActivateCertificateAuthorityOutput{CertificateAuthority: changed.authority, Update: changed.update}, nil
}

func (h *Handlers) deleteAuthority(ctx context.Context, in *eks.DeleteCertificateAuthorityInput) (*eks.DeleteCertificateAuthorityOutput, error) {
	about := subject{cluster: *in.ClusterName}
	token := h.token("DeleteCertificateAuthority", in.ClientRequestToken, in)
	changed, err := h.changeAuthorities(ctx, authorityChange{*in.ClusterName, token,
		func(cluster *v1alpha1.Cluster, wanted *v1alpha1.AuthoritiesSpec) (int32, error) {
			generation, ca, err := h.authority(cluster, *in.CertificateAuthorityId)
			switch {
			case err != nil:
				return 0, err
			case generation == wanted.Signing || ca.SigningStatus != types.CertificateAuthoritySigningStatusNotUsed:
				return 0, about.inUse("Certificate authority %s can't be deleted because it is %s: activate another one first, and wait until that is IN_USE", *ca.Id, ca.SigningStatus)
			}
			wanted.Trusted = slices.DeleteFunc(wanted.Trusted, func(each int32) bool { return each == generation })
			return generation, nil
		}})
	if err != nil {
		return nil, err
	}
	return &eks.DeleteCertificateAuthorityOutput{CertificateAuthority: changed.authority, Update: changed.update}, nil
}

// authority is one that a cluster has, by its id.
func (h *Handlers) authority(cluster *v1alpha1.Cluster, id string) (int32, *types.CertificateAuthority, error) {
	generation, ok := convert.Generation(cluster, id)
	ca := find(h.Site.Authorities(cluster), id)
	if !ok || ca == nil {
		return 0, nil, &types.ResourceNotFoundException{Message: aws.String("No certificate authority found for id: " + id + "."), ClusterName: &cluster.Name}
	}
	return generation, ca, nil
}

func (h *Handlers) listAuthorities(ctx context.Context, in *eks.ListCertificateAuthoritiesInput) (*eks.ListCertificateAuthoritiesOutput, error) {
	about := subject{cluster: *in.ClusterName}
	cluster, err := h.Backend.Cluster(ctx, *in.ClusterName)
	if err != nil {
		return nil, about.exception(err)
	}
	all := []types.CertificateAuthoritySummary{}
	for _, ca := range h.Site.Authorities(cluster) {
		all = append(all, convert.Summary(ca))
	}
	which := []string{"ListCertificateAuthorities", *in.ClusterName}
	part, next, err := page(about, pages{which, in.MaxResults, in.NextToken}, all, func(ca types.CertificateAuthoritySummary) string { return *ca.Id })
	return &eks.ListCertificateAuthoritiesOutput{CertificateAuthorities: part, NextToken: next}, err
}

func (h *Handlers) describeAuthority(ctx context.Context, in *eks.DescribeCertificateAuthorityInput) (*eks.DescribeCertificateAuthorityOutput, error) {
	cluster, err := h.Backend.Cluster(ctx, *in.ClusterName)
	if err != nil {
		return nil, subject{cluster: *in.ClusterName}.exception(err)
	}
	_, ca, err := h.authority(cluster, *in.CertificateAuthorityId)
	if err != nil {
		return nil, err
	}
	return &eks.DescribeCertificateAuthorityOutput{CertificateAuthority: ca}, nil
}
