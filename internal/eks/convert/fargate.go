package convert

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
)

// FargateAsked is what was asked for a profile that has no meaning here and is only told again.
type FargateAsked struct {
	Subnets []string `json:"subnets,omitempty"`
}

// FargateProfileStatus is where a profile stands in EKS's life cycle. One that was in force once stays ACTIVE, as its
// waiters expect; what ails it later is in its health.
func FargateProfileStatus(profile *v1alpha1.FargateProfile) types.FargateProfileStatus {
	switch {
	case profile.DeletionTimestamp != nil:
		return types.FargateProfileStatusDeleting
	case profile.Status.ObservedGeneration > 0:
		return types.FargateProfileStatusActive
	case profile.Failed():
		return types.FargateProfileStatusCreateFailed
	}
	return types.FargateProfileStatusCreating
}

// FargateProfile is a profile as EKS describes it.
func (s Site) FargateProfile(profile *v1alpha1.FargateProfile) *types.FargateProfile {
	cluster := v1alpha1.ClusterOf(profile.Namespace)
	shape := &types.FargateProfile{
		FargateProfileName: aws.String(profile.Name), FargateProfileArn: aws.String(s.FargateProfileARN(cluster, profile.Name, profile.UID)),
		ClusterName: aws.String(cluster), CreatedAt: created(profile), PodExecutionRoleArn: optional(profile.Spec.PodExecutionRoleARN),
		Subnets: list(Note[FargateAsked](profile, v1alpha1.AnnotationAsked).Subnets), Status: FargateProfileStatus(profile), Tags: Tags(profile),
		Health: fargateHealth(profile),
	}
	for _, selector := range profile.Spec.Selectors {
		labels := map[string]string{}
		for key, value := range selector.Labels {
			labels[key] = string(value)
		}
		shape.Selectors = append(shape.Selectors, types.FargateProfileSelector{Namespace: aws.String(selector.Namespace), Labels: labels})
	}
	return shape
}

func fargateHealth(profile *v1alpha1.FargateProfile) *types.FargateProfileHealth {
	health := &types.FargateProfileHealth{Issues: []types.FargateProfileIssue{}}
	ready := conditions.Get(profile, v1alpha1.FargateProfileReady)
	status := FargateProfileStatus(profile)
	if status == types.FargateProfileStatusActive || status == types.FargateProfileStatusCreateFailed {
		if ready != nil && ready.Status != metav1.ConditionTrue {
			health.Issues = append(health.Issues, types.FargateProfileIssue{Code: types.FargateProfileIssueCodeInternalFailure, Message: aws.String(ready.Message), ResourceIds: []string{profile.Name}})
		}
	}
	return health
}

// FargateSelectors is the inverse: Naru's selectors of EKS's.
func FargateSelectors(shapes []types.FargateProfileSelector) []v1alpha1.FargateProfileSelector {
	var all []v1alpha1.FargateProfileSelector
	for _, shape := range shapes {
		selector := v1alpha1.FargateProfileSelector{Namespace: aws.ToString(shape.Namespace)}
		for key, value := range shape.Labels {
			if selector.Labels == nil {
				selector.Labels = map[string]v1alpha1.LabelPattern{}
			}
			selector.Labels[key] = v1alpha1.LabelPattern(value)
		}
		all = append(all, selector)
	}
	return all
}
