package wire

import (
	"reflect"

	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/schemas"
	"github.com/aws/smithy-go"
)

// definition is what the SDK says of an operation.
type definition struct {
	operation, input, output *smithy.Schema
	in, out                  reflect.Type
}

func define[In, Out any](operation, input, output *smithy.Schema) definition {
	return definition{operation, input, output, reflect.TypeFor[In](), reflect.TypeFor[Out]()}
}

// definitions are all operations of the SDK; a test compares them with its fixtures.
var definitions = []definition{
	define[eks.ActivateCertificateAuthorityInput, eks.ActivateCertificateAuthorityOutput](schemas.ActivateCertificateAuthority, schemas.ActivateCertificateAuthorityRequest, schemas.ActivateCertificateAuthorityResponse),
	define[eks.AssociateAccessPolicyInput, eks.AssociateAccessPolicyOutput](schemas.AssociateAccessPolicy, schemas.AssociateAccessPolicyRequest, schemas.AssociateAccessPolicyResponse),
	define[eks.AssociateEncryptionConfigInput, eks.AssociateEncryptionConfigOutput](schemas.AssociateEncryptionConfig, schemas.AssociateEncryptionConfigRequest, schemas.AssociateEncryptionConfigResponse),
	define[eks.AssociateIdentityProviderConfigInput, eks.AssociateIdentityProviderConfigOutput](schemas.AssociateIdentityProviderConfig, schemas.AssociateIdentityProviderConfigRequest, schemas.AssociateIdentityProviderConfigResponse),
	define[eks.CancelUpdateInput, eks.CancelUpdateOutput](schemas.CancelUpdate, schemas.CancelUpdateRequest, schemas.CancelUpdateResponse),
	define[eks.CreateAccessEntryInput, eks.CreateAccessEntryOutput](schemas.CreateAccessEntry, schemas.CreateAccessEntryRequest, schemas.CreateAccessEntryResponse),
	define[eks.CreateAddonInput, eks.CreateAddonOutput](schemas.CreateAddon, schemas.CreateAddonRequest, schemas.CreateAddonResponse),
	define[eks.CreateCapabilityInput, eks.CreateCapabilityOutput](schemas.CreateCapability, schemas.CreateCapabilityRequest, schemas.CreateCapabilityResponse),
	define[eks.CreateCertificateAuthorityInput, eks.CreateCertificateAuthorityOutput](schemas.CreateCertificateAuthority, schemas.CreateCertificateAuthorityRequest, schemas.CreateCertificateAuthorityResponse),
	define[eks.CreateClusterInput, eks.CreateClusterOutput](schemas.CreateCluster, schemas.CreateClusterRequest, schemas.CreateClusterResponse),
	define[eks.CreateEksAnywhereSubscriptionInput, eks.CreateEksAnywhereSubscriptionOutput](schemas.CreateEksAnywhereSubscription, schemas.CreateEksAnywhereSubscriptionRequest, schemas.CreateEksAnywhereSubscriptionResponse),
	define[eks.CreateFargateProfileInput, eks.CreateFargateProfileOutput](schemas.CreateFargateProfile, schemas.CreateFargateProfileRequest, schemas.CreateFargateProfileResponse),
	define[eks.CreateNodegroupInput, eks.CreateNodegroupOutput](schemas.CreateNodegroup, schemas.CreateNodegroupRequest, schemas.CreateNodegroupResponse),
	define[eks.CreatePodIdentityAssociationInput, eks.CreatePodIdentityAssociationOutput](schemas.CreatePodIdentityAssociation, schemas.CreatePodIdentityAssociationRequest, schemas.CreatePodIdentityAssociationResponse),
	define[eks.DeleteAccessEntryInput, eks.DeleteAccessEntryOutput](schemas.DeleteAccessEntry, schemas.DeleteAccessEntryRequest, schemas.DeleteAccessEntryResponse),
	define[eks.DeleteAddonInput, eks.DeleteAddonOutput](schemas.DeleteAddon, schemas.DeleteAddonRequest, schemas.DeleteAddonResponse),
	define[eks.DeleteCapabilityInput, eks.DeleteCapabilityOutput](schemas.DeleteCapability, schemas.DeleteCapabilityRequest, schemas.DeleteCapabilityResponse),
	define[eks.DeleteCertificateAuthorityInput, eks.DeleteCertificateAuthorityOutput](schemas.DeleteCertificateAuthority, schemas.DeleteCertificateAuthorityRequest, schemas.DeleteCertificateAuthorityResponse),
	define[eks.DeleteClusterInput, eks.DeleteClusterOutput](schemas.DeleteCluster, schemas.DeleteClusterRequest, schemas.DeleteClusterResponse),
	define[eks.DeleteEksAnywhereSubscriptionInput, eks.DeleteEksAnywhereSubscriptionOutput](schemas.DeleteEksAnywhereSubscription, schemas.DeleteEksAnywhereSubscriptionRequest, schemas.DeleteEksAnywhereSubscriptionResponse),
	define[eks.DeleteFargateProfileInput, eks.DeleteFargateProfileOutput](schemas.DeleteFargateProfile, schemas.DeleteFargateProfileRequest, schemas.DeleteFargateProfileResponse),
	define[eks.DeleteNodegroupInput, eks.DeleteNodegroupOutput](schemas.DeleteNodegroup, schemas.DeleteNodegroupRequest, schemas.DeleteNodegroupResponse),
	define[eks.DeletePodIdentityAssociationInput, eks.DeletePodIdentityAssociationOutput](schemas.DeletePodIdentityAssociation, schemas.DeletePodIdentityAssociationRequest, schemas.DeletePodIdentityAssociationResponse),
	define[eks.DeregisterClusterInput, eks.DeregisterClusterOutput](schemas.DeregisterCluster, schemas.DeregisterClusterRequest, schemas.DeregisterClusterResponse),
	define[eks.DescribeAccessEntryInput, eks.DescribeAccessEntryOutput](schemas.DescribeAccessEntry, schemas.DescribeAccessEntryRequest, schemas.DescribeAccessEntryResponse),
	define[eks.DescribeAddonInput, eks.DescribeAddonOutput](schemas.DescribeAddon, schemas.DescribeAddonRequest, schemas.DescribeAddonResponse),
	define[eks.DescribeAddonConfigurationInput, eks.DescribeAddonConfigurationOutput](schemas.DescribeAddonConfiguration, schemas.DescribeAddonConfigurationRequest, schemas.DescribeAddonConfigurationResponse),
	define[eks.DescribeAddonVersionsInput, eks.DescribeAddonVersionsOutput](schemas.DescribeAddonVersions, schemas.DescribeAddonVersionsRequest, schemas.DescribeAddonVersionsResponse),
	define[eks.DescribeCapabilityInput, eks.DescribeCapabilityOutput](schemas.DescribeCapability, schemas.DescribeCapabilityRequest, schemas.DescribeCapabilityResponse),
	define[eks.DescribeCertificateAuthorityInput, eks.DescribeCertificateAuthorityOutput](schemas.DescribeCertificateAuthority, schemas.DescribeCertificateAuthorityRequest, schemas.DescribeCertificateAuthorityResponse),
	define[eks.DescribeClusterInput, eks.DescribeClusterOutput](schemas.DescribeCluster, schemas.DescribeClusterRequest, schemas.DescribeClusterResponse),
	define[eks.DescribeClusterVersionsInput, eks.DescribeClusterVersionsOutput](schemas.DescribeClusterVersions, schemas.DescribeClusterVersionsRequest, schemas.DescribeClusterVersionsResponse),
	define[eks.DescribeEksAnywhereSubscriptionInput, eks.DescribeEksAnywhereSubscriptionOutput](schemas.DescribeEksAnywhereSubscription, schemas.DescribeEksAnywhereSubscriptionRequest, schemas.DescribeEksAnywhereSubscriptionResponse),
	define[eks.DescribeFargateProfileInput, eks.DescribeFargateProfileOutput](schemas.DescribeFargateProfile, schemas.DescribeFargateProfileRequest, schemas.DescribeFargateProfileResponse),
	define[eks.DescribeIdentityProviderConfigInput, eks.DescribeIdentityProviderConfigOutput](schemas.DescribeIdentityProviderConfig, schemas.DescribeIdentityProviderConfigRequest, schemas.DescribeIdentityProviderConfigResponse),
	define[eks.DescribeInsightInput, eks.DescribeInsightOutput](schemas.DescribeInsight, schemas.DescribeInsightRequest, schemas.DescribeInsightResponse),
	define[eks.DescribeInsightsRefreshInput, eks.DescribeInsightsRefreshOutput](schemas.DescribeInsightsRefresh, schemas.DescribeInsightsRefreshRequest, schemas.DescribeInsightsRefreshResponse),
	define[eks.DescribeNodegroupInput, eks.DescribeNodegroupOutput](schemas.DescribeNodegroup, schemas.DescribeNodegroupRequest, schemas.DescribeNodegroupResponse),
	define[eks.DescribePodIdentityAssociationInput, eks.DescribePodIdentityAssociationOutput](schemas.DescribePodIdentityAssociation, schemas.DescribePodIdentityAssociationRequest, schemas.DescribePodIdentityAssociationResponse),
	define[eks.DescribeUpdateInput, eks.DescribeUpdateOutput](schemas.DescribeUpdate, schemas.DescribeUpdateRequest, schemas.DescribeUpdateResponse),
	define[eks.DisassociateAccessPolicyInput, eks.DisassociateAccessPolicyOutput](schemas.DisassociateAccessPolicy, schemas.DisassociateAccessPolicyRequest, schemas.DisassociateAccessPolicyResponse),
	define[eks.DisassociateIdentityProviderConfigInput, eks.DisassociateIdentityProviderConfigOutput](schemas.DisassociateIdentityProviderConfig, schemas.DisassociateIdentityProviderConfigRequest, schemas.DisassociateIdentityProviderConfigResponse),
	define[eks.ListAccessEntriesInput, eks.ListAccessEntriesOutput](schemas.ListAccessEntries, schemas.ListAccessEntriesRequest, schemas.ListAccessEntriesResponse),
	define[eks.ListAccessPoliciesInput, eks.ListAccessPoliciesOutput](schemas.ListAccessPolicies, schemas.ListAccessPoliciesRequest, schemas.ListAccessPoliciesResponse),
	define[eks.ListAddonsInput, eks.ListAddonsOutput](schemas.ListAddons, schemas.ListAddonsRequest, schemas.ListAddonsResponse),
	define[eks.ListAssociatedAccessPoliciesInput, eks.ListAssociatedAccessPoliciesOutput](schemas.ListAssociatedAccessPolicies, schemas.ListAssociatedAccessPoliciesRequest, schemas.ListAssociatedAccessPoliciesResponse),
	define[eks.ListCapabilitiesInput, eks.ListCapabilitiesOutput](schemas.ListCapabilities, schemas.ListCapabilitiesRequest, schemas.ListCapabilitiesResponse),
	define[eks.ListCertificateAuthoritiesInput, eks.ListCertificateAuthoritiesOutput](schemas.ListCertificateAuthorities, schemas.ListCertificateAuthoritiesRequest, schemas.ListCertificateAuthoritiesResponse),
	define[eks.ListClustersInput, eks.ListClustersOutput](schemas.ListClusters, schemas.ListClustersRequest, schemas.ListClustersResponse),
	define[eks.ListEksAnywhereSubscriptionsInput, eks.ListEksAnywhereSubscriptionsOutput](schemas.ListEksAnywhereSubscriptions, schemas.ListEksAnywhereSubscriptionsRequest, schemas.ListEksAnywhereSubscriptionsResponse),
	define[eks.ListFargateProfilesInput, eks.ListFargateProfilesOutput](schemas.ListFargateProfiles, schemas.ListFargateProfilesRequest, schemas.ListFargateProfilesResponse),
	define[eks.ListIdentityProviderConfigsInput, eks.ListIdentityProviderConfigsOutput](schemas.ListIdentityProviderConfigs, schemas.ListIdentityProviderConfigsRequest, schemas.ListIdentityProviderConfigsResponse),
	define[eks.ListInsightsInput, eks.ListInsightsOutput](schemas.ListInsights, schemas.ListInsightsRequest, schemas.ListInsightsResponse),
	define[eks.ListNodegroupsInput, eks.ListNodegroupsOutput](schemas.ListNodegroups, schemas.ListNodegroupsRequest, schemas.ListNodegroupsResponse),
	define[eks.ListPodIdentityAssociationsInput, eks.ListPodIdentityAssociationsOutput](schemas.ListPodIdentityAssociations, schemas.ListPodIdentityAssociationsRequest, schemas.ListPodIdentityAssociationsResponse),
	define[eks.ListTagsForResourceInput, eks.ListTagsForResourceOutput](schemas.ListTagsForResource, schemas.ListTagsForResourceRequest, schemas.ListTagsForResourceResponse),
	define[eks.ListUpdatesInput, eks.ListUpdatesOutput](schemas.ListUpdates, schemas.ListUpdatesRequest, schemas.ListUpdatesResponse),
	define[eks.RegisterClusterInput, eks.RegisterClusterOutput](schemas.RegisterCluster, schemas.RegisterClusterRequest, schemas.RegisterClusterResponse),
	define[eks.StartInsightsRefreshInput, eks.StartInsightsRefreshOutput](schemas.StartInsightsRefresh, schemas.StartInsightsRefreshRequest, schemas.StartInsightsRefreshResponse),
	define[eks.TagResourceInput, eks.TagResourceOutput](schemas.TagResource, schemas.TagResourceRequest, schemas.TagResourceResponse),
	define[eks.UntagResourceInput, eks.UntagResourceOutput](schemas.UntagResource, schemas.UntagResourceRequest, schemas.UntagResourceResponse),
	define[eks.UpdateAccessEntryInput, eks.UpdateAccessEntryOutput](schemas.UpdateAccessEntry, schemas.UpdateAccessEntryRequest, schemas.UpdateAccessEntryResponse),
	define[eks.UpdateAddonInput, eks.UpdateAddonOutput](schemas.UpdateAddon, schemas.UpdateAddonRequest, schemas.UpdateAddonResponse),
	define[eks.UpdateCapabilityInput, eks.UpdateCapabilityOutput](schemas.UpdateCapability, schemas.UpdateCapabilityRequest, schemas.UpdateCapabilityResponse),
	define[eks.UpdateClusterConfigInput, eks.UpdateClusterConfigOutput](schemas.UpdateClusterConfig, schemas.UpdateClusterConfigRequest, schemas.UpdateClusterConfigResponse),
	define[eks.UpdateClusterVersionInput, eks.UpdateClusterVersionOutput](schemas.UpdateClusterVersion, schemas.UpdateClusterVersionRequest, schemas.UpdateClusterVersionResponse),
	define[eks.UpdateEksAnywhereSubscriptionInput, eks.UpdateEksAnywhereSubscriptionOutput](schemas.UpdateEksAnywhereSubscription, schemas.UpdateEksAnywhereSubscriptionRequest, schemas.UpdateEksAnywhereSubscriptionResponse),
	define[eks.UpdateNodegroupConfigInput, eks.UpdateNodegroupConfigOutput](schemas.UpdateNodegroupConfig, schemas.UpdateNodegroupConfigRequest, schemas.UpdateNodegroupConfigResponse),
	define[eks.UpdateNodegroupVersionInput, eks.UpdateNodegroupVersionOutput](schemas.UpdateNodegroupVersion, schemas.UpdateNodegroupVersionRequest, schemas.UpdateNodegroupVersionResponse),
	define[eks.UpdatePodIdentityAssociationInput, eks.UpdatePodIdentityAssociationOutput](schemas.UpdatePodIdentityAssociation, schemas.UpdatePodIdentityAssociationRequest, schemas.UpdatePodIdentityAssociationResponse),
}
