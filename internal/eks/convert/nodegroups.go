package convert

import (
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
)

// NodegroupStatus is where a node group stands in EKS's life cycle. A deletion comes before all else: Terraform
// takes DEGRADED or UPDATING after it for a failure.
func NodegroupStatus(group *v1alpha1.NodeGroup, cluster *v1alpha1.Cluster) types.NodegroupStatus {
	synced := conditions.Get(group, v1alpha1.NodeGroupSynced)
	stuck := synced != nil && synced.Status != metav1.ConditionTrue &&
		slices.Contains([]string{v1alpha1.ReasonFailed, v1alpha1.ReasonNotFound}, synced.Reason)
	made := group.Status.ObservedGeneration > 0
	switch {
	case group.DeletionTimestamp != nil, cluster.DeletionTimestamp != nil:
		return types.NodegroupStatusDeleting
	case stuck && !made:
		return types.NodegroupStatusCreateFailed
	case !made:
		return types.NodegroupStatusCreating
	case stuck:
		return types.NodegroupStatusDegraded
	case Running(group, group.Status.ObservedGeneration) != nil:
		return types.NodegroupStatusUpdating
	}
	return types.NodegroupStatusActive
}

// Nodegroup is a node group as EKS describes it. release is the full Kubernetes version of its nodes; empty: not known.
func (s Site) Nodegroup(group *v1alpha1.NodeGroup, cluster *v1alpha1.Cluster, release string) *types.Nodegroup {
	asked := Note[NodegroupAsked](group, v1alpha1.AnnotationAsked)
	scaling := group.Spec.Scaling
	desired := group.Status.Machines
	if size, fixed := scaling.FixedSize(); fixed {
		desired = size
	}
	shape := &types.Nodegroup{
		NodegroupName:  aws.String(group.Name),
		NodegroupArn:   aws.String(s.NodegroupARN(cluster.Name, group.Name, group.UID)),
		ClusterName:    aws.String(cluster.Name),
		Version:        aws.String(cluster.Spec.Version),
		ReleaseVersion: optional(release),
		CreatedAt:      created(group),
		ModifiedAt:     modified(group),
		Status:         NodegroupStatus(group, cluster),
		CapacityType:   types.CapacityTypesOnDemand,
		AmiType:        types.AMITypes(first(asked.AMIType, string(types.AMITypesCustom))),
		InstanceTypes:  list(group.Spec.MachineClasses),
		ScalingConfig:  &types.NodegroupScalingConfig{MinSize: &scaling.Min, MaxSize: &scaling.Max, DesiredSize: &desired},
		NodeRole:       optional(asked.NodeRole),
		Subnets:        list(asked.Subnets),
		Labels:         group.Spec.Labels,
		Taints:         taints(group.Spec.Taints),
		Tags:           Tags(group),
		UpdateConfig:   updateConfig(group.Spec),
		Health:         nodegroupHealth(group, cluster),
		// The pool in the cluster that makes the group's machines.
		Resources: &types.NodegroupResources{AutoScalingGroups: []types.AutoScalingGroup{{Name: aws.String(group.Name)}}},
	}
	if asked.RepairOn {
		shape.NodeRepairConfig = &types.NodeRepairConfig{Enabled: aws.Bool(true)}
	}
	return shape
}

// updateConfig is how many nodes are replaced at a time: one in ten where the group does not say.
func updateConfig(spec v1alpha1.NodeGroupSpec) *types.NodegroupUpdateConfig {
	text, isShare := strings.CutSuffix(first(spec.MaxUnavailable, "10%"), "%")
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return nil // the kind's own rule lets nothing else in
	}
	if isShare {
		return &types.NodegroupUpdateConfig{MaxUnavailablePercentage: aws.Int32(int32(n))}
	}
	return &types.NodegroupUpdateConfig{MaxUnavailable: aws.Int32(int32(n))}
}

func nodegroupHealth(group *v1alpha1.NodeGroup, cluster *v1alpha1.Cluster) *types.NodegroupHealth {
	health := &types.NodegroupHealth{Issues: []types.Issue{}}
	condition, code := conditions.Get(group, v1alpha1.NodeGroupReady), types.NodegroupIssueCodeNodeCreationFailure
	switch NodegroupStatus(group, cluster) {
	case types.NodegroupStatusCreateFailed, types.NodegroupStatusDegraded:
		condition, code = conditions.Get(group, v1alpha1.NodeGroupSynced), types.NodegroupIssueCodeInternalFailure
		if condition.Reason == v1alpha1.ReasonNotFound {
			code = types.NodegroupIssueCodeEc2InstanceTypeDoesNotExist
		}
	case types.NodegroupStatusActive:
	default:
		return health
	}
	if condition != nil && condition.Status != metav1.ConditionTrue {
		health.Issues = append(health.Issues, types.Issue{Code: code, Message: aws.String(condition.Message), ResourceIds: []string{group.Name}})
	}
	return health
}

// effects of taints have other names in EKS.
func effects() map[corev1.TaintEffect]types.TaintEffect {
	return map[corev1.TaintEffect]types.TaintEffect{
		corev1.TaintEffectNoSchedule:       types.TaintEffectNoSchedule,
		corev1.TaintEffectNoExecute:        types.TaintEffectNoExecute,
		corev1.TaintEffectPreferNoSchedule: types.TaintEffectPreferNoSchedule,
	}
}

func taints(all []corev1.Taint) []types.Taint {
	var shapes []types.Taint
	for _, taint := range all {
		shapes = append(shapes, types.Taint{Key: aws.String(taint.Key), Value: optional(taint.Value), Effect: effects()[taint.Effect]})
	}
	return shapes
}

// Taints is the inverse: Kubernetes' taints of EKS's.
func Taints(shapes []types.Taint) []corev1.Taint {
	var all []corev1.Taint
	for _, shape := range shapes {
		taint := corev1.Taint{Key: aws.ToString(shape.Key), Value: aws.ToString(shape.Value)}
		for effect, name := range effects() {
			if name == shape.Effect {
				taint.Effect = effect
			}
		}
		all = append(all, taint)
	}
	return all
}

// ChangeTaints adds taints, each in the place of one with its key and effect, and takes others away.
func ChangeTaints(have []corev1.Taint, change *types.UpdateTaintsPayload) []corev1.Taint {
	if change == nil {
		return have
	}
	gone := append(Taints(change.AddOrUpdateTaints), Taints(change.RemoveTaints)...)
	kept := slices.DeleteFunc(slices.Clone(have), func(t corev1.Taint) bool {
		return slices.ContainsFunc(gone, func(g corev1.Taint) bool { return g.Key == t.Key && g.Effect == t.Effect })
	})
	return append(kept, Taints(change.AddOrUpdateTaints)...)
}

// ChangeLabels adds and replaces labels, and takes others away.
func ChangeLabels(have map[string]string, change *types.UpdateLabelsPayload) map[string]string {
	if change == nil {
		return have
	}
	labels := map[string]string{}
	for key, value := range have {
		if !slices.Contains(change.RemoveLabels, key) {
			labels[key] = value
		}
	}
	for key, value := range change.AddOrUpdateLabels {
		labels[key] = value
	}
	return labels
}
