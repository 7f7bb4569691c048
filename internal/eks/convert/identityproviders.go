package convert

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	apitypes "k8s.io/apimachinery/pkg/types"

	"naru.dev/naru/api/v1alpha1"
)

// OIDC is the one type of identity provider configs.
const OIDC = "oidc"

// IdentityProviderNote is what is remembered of an identity provider config that is no setting of API servers.
type IdentityProviderNote struct {
	// ID is a part of its ARN: one that is made anew under the same name has another.
	ID   string            `json:"id,omitempty"`
	Tags map[string]string `json:"tags,omitempty"`
}

// IdentityProviderARN names an identity provider config of a cluster.
func (s Site) IdentityProviderARN(cluster, name string, uid apitypes.UID) string {
	return s.arn("identityproviderconfig/" + cluster + "/" + OIDC + "/" + name + "/" + string(uid))
}

// IdentityProvider is a cluster's identity provider config; nil where it has none. One that was taken away is there until no API
// server lets anybody in for it any more.
//
//	CREATING ──▶ ACTIVE ──▶ DELETING ──▶ gone
func (s Site) IdentityProvider(cluster *v1alpha1.Cluster) *types.OidcIdentityProviderConfig {
	provider, seen := cluster.Spec.IdentityProvider, cluster.Status.IdentityProvider
	status := types.ConfigStatusCreating
	switch {
	case provider == nil && seen.Provider == nil:
		return nil
	case provider == nil:
		provider, status = seen.Provider, types.ConfigStatusDeleting
	case cluster.DeletionTimestamp != nil:
		status = types.ConfigStatusDeleting
	case ObservedCluster(cluster).Lacking == "" && loaded(provider, seen):
		status = types.ConfigStatusActive
	}
	note := Note[IdentityProviderNote](cluster, v1alpha1.AnnotationIdentityProvider)
	return &types.OidcIdentityProviderConfig{
		ClusterName: aws.String(cluster.Name), IdentityProviderConfigName: aws.String(provider.Name),
		IdentityProviderConfigArn: aws.String(s.IdentityProviderARN(cluster.Name, provider.Name, IdentityProviderID(cluster))),
		IssuerUrl:                 aws.String(provider.IssuerURL), ClientId: aws.String(provider.ClientID),
		UsernameClaim: optional(provider.UsernameClaim), UsernamePrefix: optional(provider.UsernamePrefix),
		GroupsClaim: optional(provider.GroupsClaim), GroupsPrefix: optional(provider.GroupsPrefix),
		RequiredClaims: provider.RequiredClaims, Status: status, Tags: note.Tags,
	}
}

// loaded tells whether API servers were seen to have this provider since it became what it is.
func loaded(provider *v1alpha1.IdentityProvider, seen v1alpha1.ClusterIdentityProvider) bool {
	return seen.ObservedGeneration > 0 && seen.Provider != nil && seen.Provider.Equal(provider)
}

// IdentityProviderID is the last part of the ARN of a cluster's identity provider config. One that was not made by the EKS API has
// the cluster's.
func IdentityProviderID(cluster *v1alpha1.Cluster) apitypes.UID {
	if note := Note[IdentityProviderNote](cluster, v1alpha1.AnnotationIdentityProvider); note.ID != "" {
		return apitypes.UID(note.ID)
	}
	return cluster.UID
}
