package handlers

import (
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/eks/convert"
)

// What EKS takes where nothing is asked for.
const (
	defaultInstanceType          = "t3.medium"
	defaultMin, defaultMax int32 = 1, 2
	defaultDesired         int32 = 2
	repairAlways                 = "nodes that are not well are always replaced: leave it out, or set enabled to true"
	otherImage                   = "nodes run Naru's own image, on x86: use AL2023_x86_64_STANDARD, AL2_x86_64 or CUSTOM, or leave it out"
)

// newNodegroup is the node group that a request asks for.
func (s subject) newNodegroup(in *eks.CreateNodegroupInput, cluster *v1alpha1.Cluster, site convert.Site, catalogue backend.Catalogue) (*v1alpha1.NodeGroup, error) {
	if err := s.missing(given("nodegroupName", in.NodegroupName), given("nodeRole", in.NodeRole), member{"subnets", len(in.Subnets) > 0}); err != nil {
		return nil, err
	}
	if err := s.refuse(notInNodegroup(in, cluster, releaseVersion(catalogue, cluster))); err != nil {
		return nil, err
	}
	if err := s.role("nodeRole", *in.NodeRole, site); err != nil {
		return nil, err
	}
	for _, id := range in.Subnets {
		if !subnetID.MatchString(id) {
			return nil, s.invalid("The subnet ID '%s' does not exist", id)
		}
	}
	scaling, err := s.scaling(v1alpha1.ScalingSpec{Min: defaultMin, Max: defaultMax, Desired: aws.Int32(defaultDesired)}, in.ScalingConfig)
	if err != nil {
		return nil, err
	}
	asked := convert.NodegroupAsked{NodeRole: *in.NodeRole, Subnets: in.Subnets, AMIType: string(in.AmiType), RepairOn: in.NodeRepairConfig != nil}
	classes := in.InstanceTypes
	if len(classes) == 0 {
		classes = []string{defaultInstanceType}
	}
	group := backend.NewNodeGroup(cluster.Name, *in.NodegroupName, v1alpha1.NodeGroupSpec{
		Scaling: scaling, MachineClasses: classes, Zones: zones(in.Subnets, site, catalogue.Zones), Labels: in.Labels, Taints: convert.Taints(in.Taints),
		MaxUnavailable: "1",
	})
	if err := s.unavailable(&group.Spec, in.UpdateConfig); err != nil {
		return nil, err
	}
	if err := s.validTags(in.Tags); err != nil {
		return nil, err
	}
	if err := convert.SetTags(group, in.Tags); err != nil {
		return nil, err
	}
	return group, convert.SetNote(group, v1alpha1.AnnotationAsked, asked)
}

func notInNodegroup(in *eks.CreateNodegroupInput, cluster *v1alpha1.Cluster, release string) []forbidden {
	ours := []types.AMITypes{"", types.AMITypesCustom, types.AMITypesAl2023X8664Standard, types.AMITypesAl2X8664}
	return []forbidden{
		{in.LaunchTemplate != nil, "launchTemplate", "there are no launch templates: leave it out"},
		{in.RemoteAccess != nil, "remoteAccess", "nodes have no SSH: leave it out"},
		{in.CapacityType != "" && in.CapacityType != types.CapacityTypesOnDemand, "capacityType", "there is only ON_DEMAND"},
		{in.DiskSize != nil, "diskSize", "nodes share their host's disk: leave it out"},
		{in.WarmPoolConfig != nil, "warmPoolConfig", "there are no warm pools: leave it out"},
		{in.ReleaseVersion != nil && *in.ReleaseVersion != release, "releaseVersion", "nodes run the image of their cluster's release, " + release + ": leave it out"},
		{in.Version != nil && *in.Version != cluster.Spec.Version, "version", "nodes run their cluster's version, " + cluster.Spec.Version},
		{!slices.Contains(ours, in.AmiType), "amiType", otherImage},
		{in.NodeRepairConfig != nil && (!aws.ToBool(in.NodeRepairConfig.Enabled) || tuned(in.NodeRepairConfig)), "nodeRepairConfig", repairAlways},
	}
}

func tuned(config *types.NodeRepairConfig) bool {
	return config.MaxParallelNodesRepairedCount != nil || config.MaxParallelNodesRepairedPercentage != nil ||
		config.MaxUnhealthyNodeThresholdCount != nil || config.MaxUnhealthyNodeThresholdPercentage != nil || len(config.NodeRepairConfigOverrides) > 0
}

// zones are those of the subnets; none, which means all, where one of the subnets is not Naru's.
func zones(subnets []string, site convert.Site, all []string) []string {
	var chosen []string
	for _, id := range subnets {
		i := slices.IndexFunc(all, func(zone string) bool { return site.Subnet(zone) == id })
		if i < 0 {
			return nil
		}
		if !slices.Contains(chosen, all[i]) {
			chosen = append(chosen, all[i])
		}
	}
	return chosen
}

// scaling changes a size. EKS's desired size is what there is; here it fixes what there will be.
func (s subject) scaling(scaling v1alpha1.ScalingSpec, in *types.NodegroupScalingConfig) (v1alpha1.ScalingSpec, error) {
	if in == nil {
		return scaling, nil
	}
	changed := backend.Scaling{Min: in.MinSize, Max: in.MaxSize, Desired: in.DesiredSize}.Apply(scaling)
	if changed.Desired != nil && in.DesiredSize == nil {
		changed.Desired = aws.Int32(min(max(*changed.Desired, changed.Min), changed.Max))
	}
	switch {
	case changed.Min < 0:
		return scaling, s.invalid("minSize can't be below 0")
	case changed.Max < 1:
		return scaling, s.invalid("maxSize can't be below 1")
	case changed.Min > changed.Max:
		return scaling, s.invalid("Minimum capacity %d can't be greater than maximum capacity %d", changed.Min, changed.Max)
	case changed.Desired != nil && *changed.Desired < changed.Min:
		return scaling, s.invalid("Minimum capacity %d can't be greater than desired size %d", changed.Min, *changed.Desired)
	case changed.Desired != nil && *changed.Desired > changed.Max:
		return scaling, s.invalid("desired capacity %d can't be greater than max size %d", *changed.Desired, changed.Max)
	}
	return changed, nil
}

// unavailable changes how many nodes are replaced at a time.
func (s subject) unavailable(spec *v1alpha1.NodeGroupSpec, in *types.NodegroupUpdateConfig) error {
	if in == nil {
		return nil
	}
	n, percent := in.MaxUnavailable, in.MaxUnavailablePercentage
	inRange := func(value *int32) bool { return value == nil || *value >= 1 && *value <= 100 }
	switch {
	case n != nil && percent != nil:
		return s.invalid("updateConfig: maxUnavailable and maxUnavailablePercentage exclude each other")
	case !inRange(n) || !inRange(percent):
		return s.invalid("updateConfig: the value must lie between 1 and 100")
	case in.UpdateStrategy == types.NodegroupUpdateStrategiesMinimal:
		return s.invalid("updateConfig.updateStrategy: there is only DEFAULT: a new node is there before an old one goes")
	case n != nil:
		spec.MaxUnavailable = strconv.Itoa(int(*n))
	case percent != nil:
		spec.MaxUnavailable = strconv.Itoa(int(*percent)) + "%"
	}
	return nil
}

// remembered tells whether a change was made already by a request with the same token; update becomes the first one then.
func (s subject) remembered(o metav1.Object, update *convert.Update) (done bool, err error) {
	for _, earlier := range convert.Updates(o) {
		if same, request := update.Token.Same(earlier.Token); same {
			if !request {
				return true, s.invalid("clientRequestToken was used before with other parameters")
			}
			*update = earlier
			return true, nil
		}
	}
	return false, nil
}

// changeNodegroup makes the changes of one request, and remembers them as one update.
func (s subject) changeNodegroup(group *v1alpha1.NodeGroup, in *eks.UpdateNodegroupConfigInput, update *convert.Update) error {
	if done, err := s.remembered(group, update); done || err != nil {
		return err
	}
	if update := convert.Running(group, group.Status.ObservedGeneration); update != nil {
		return s.inUse("Nodegroup %s currently has update %s in progress", group.Name, update.ID)
	}
	before := group.DeepCopy()
	asked := convert.Note[convert.NodegroupAsked](group, v1alpha1.AnnotationAsked)
	if err := s.unavailable(&group.Spec, in.UpdateConfig); err != nil {
		return err
	}
	if in.NodeRepairConfig != nil {
		asked.RepairOn = true
	}
	var err error
	if group.Spec.Scaling, err = s.scaling(group.Spec.Scaling, in.ScalingConfig); err != nil {
		return err
	}
	group.Spec.Labels = convert.ChangeLabels(group.Spec.Labels, in.Labels)
	group.Spec.Taints = convert.ChangeTaints(group.Spec.Taints, in.Taints)
	if err := convert.SetNote(group, v1alpha1.AnnotationAsked, asked); err != nil {
		return err
	}
	update.Generation, update.Params = group.Generation, nodegroupParams(in)
	if !equality.Semantic.DeepEqual(before.Spec, group.Spec) {
		update.Generation++
	}
	return convert.AddUpdate(group, *update)
}

func nodegroupParams(in *eks.UpdateNodegroupConfigInput) [][2]string {
	var all [][2]string
	if size := in.ScalingConfig; size != nil {
		for _, value := range []struct {
			kind types.UpdateParamType
			size *int32
		}{{types.UpdateParamTypeMinSize, size.MinSize}, {types.UpdateParamTypeMaxSize, size.MaxSize}, {types.UpdateParamTypeDesiredSize, size.DesiredSize}} {
			if value.size != nil {
				all = append(all, [2]string{string(value.kind), strconv.Itoa(int(*value.size))})
			}
		}
	}
	if labels := in.Labels; labels != nil {
		for key, value := range labels.AddOrUpdateLabels {
			all = append(all, [2]string{string(types.UpdateParamTypeLabelsToAdd), key + "=" + value})
		}
		slices.SortFunc(all, func(a, b [2]string) int { return strings.Compare(a[0]+a[1], b[0]+b[1]) })
		if len(labels.RemoveLabels) > 0 {
			all = append(all, [2]string{string(types.UpdateParamTypeLabelsToRemove), strings.Join(labels.RemoveLabels, ",")})
		}
	}
	return all
}
