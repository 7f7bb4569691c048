package convert

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"naru.dev/naru/api/v1alpha1"
)

// AccessEntry is an access entry as EKS describes it.
func (s Site) AccessEntry(entry *v1alpha1.AccessEntry) *types.AccessEntry {
	cluster := v1alpha1.ClusterOf(entry.Namespace)
	return &types.AccessEntry{
		AccessEntryArn: aws.String(s.AccessEntryARN(cluster, entry.Spec.PrincipalARN, entry.UID)),
		ClusterName:    aws.String(cluster), PrincipalArn: aws.String(entry.Spec.PrincipalARN),
		Type: aws.String(entry.Spec.Type), Username: aws.String(entry.Spec.Username), KubernetesGroups: list(entry.Spec.KubernetesGroups),
		CreatedAt: created(entry), ModifiedAt: modified(entry), Tags: Tags(entry),
	}
}

// AssociatedPolicy is a policy of an access entry as EKS describes it.
func AssociatedPolicy(association v1alpha1.AccessPolicyAssociation) types.AssociatedAccessPolicy {
	return types.AssociatedAccessPolicy{
		PolicyArn:    aws.String(AccessPolicyARN(association.Policy)),
		AccessScope:  &types.AccessScope{Type: types.AccessScopeType(association.Scope.Type), Namespaces: list(association.Scope.Namespaces)},
		AssociatedAt: seconds(association.AssociatedAt.Time), ModifiedAt: seconds(association.ModifiedAt.Time),
	}
}

func seconds(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// PodIdentityAssociation is an association as EKS describes it.
func (s Site) PodIdentityAssociation(a *v1alpha1.PodIdentityAssociation) *types.PodIdentityAssociation {
	cluster := v1alpha1.ClusterOf(a.Namespace)
	return &types.PodIdentityAssociation{
		AssociationArn: aws.String(s.AssociationARN(cluster, a.Name)), AssociationId: aws.String(a.Name), ClusterName: aws.String(cluster),
		Namespace: aws.String(a.Spec.Namespace), ServiceAccount: aws.String(a.Spec.ServiceAccount), RoleArn: aws.String(a.Spec.RoleARN),
		TargetRoleArn: optional(a.Spec.TargetRoleARN), ExternalId: optional(a.Spec.ExternalID), Policy: optional(a.Spec.Policy),
		DisableSessionTags: aws.Bool(a.Spec.DisableSessionTags), CreatedAt: created(a), ModifiedAt: modified(a), Tags: Tags(a),
	}
}
