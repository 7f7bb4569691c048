package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"k8s.io/apimachinery/pkg/api/equality"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/eks/convert"
)

// kindOfUpdate is one of the changes that UpdateClusterConfig can make, of which a request makes one.
type kindOfUpdate struct {
	wanted bool
	kind   types.UpdateType
	change func(cluster *v1alpha1.Cluster, asked *convert.ClusterAsked) ([][2]string, error)
}

func (h *Handlers) updateClusterConfig(ctx context.Context, in *eks.UpdateClusterConfigInput) (*eks.UpdateClusterConfigOutput, error) {
	about := subject{cluster: *in.Name}
	if err := about.refuse(notInUpdate(in)); err != nil {
		return nil, err
	}
	var wanted []kindOfUpdate
	for _, kind := range about.clusterUpdates(in) {
		if kind.wanted {
			wanted = append(wanted, kind)
		}
	}
	switch len(wanted) {
	case 0:
		return nil, about.invalid("No changes were asked for: name one thing to change")
	case 1:
	default:
		return nil, about.invalid("Only one type of update can be allowed.")
	}
	token := h.token("UpdateClusterConfig", in.ClientRequestToken, in)
	update := convert.Update{ID: h.NewID(), Type: string(wanted[0].kind), Created: h.Now().UTC(), Token: token}
	cluster, err := h.Backend.ChangeCluster(ctx, *in.Name, func(cluster *v1alpha1.Cluster) error {
		return about.changeCluster(cluster, wanted[0], &update)
	})
	if err != nil {
		return nil, about.exception(err)
	}
	return &eks.UpdateClusterConfigOutput{Update: update.Shape(convert.ObservedCluster(cluster))}, nil
}

// changeCluster makes one change of a cluster, and remembers it. A change that was made already by a request with
// the same token is not made again: update becomes the first one.
func (s subject) changeCluster(cluster *v1alpha1.Cluster, kind kindOfUpdate, update *convert.Update) error {
	if done, err := s.remembered(cluster, update); done || err != nil {
		return err
	}
	if err := s.updatable(cluster, kind.kind); err != nil {
		return err
	}
	before := cluster.DeepCopy()
	asked := convert.Note[convert.ClusterAsked](cluster, v1alpha1.AnnotationAsked)
	params, err := kind.change(cluster, &asked)
	if err != nil {
		return err
	}
	if err := convert.SetNote(cluster, v1alpha1.AnnotationAsked, asked); err != nil {
		return err
	}
	changed := !equality.Semantic.DeepEqual(before.Spec, cluster.Spec)
	if !changed && equality.Semantic.DeepEqual(asked, convert.Note[convert.ClusterAsked](before, v1alpha1.AnnotationAsked)) {
		return s.invalid("Cluster is already at the desired configuration: nothing of the %s would change", kind.kind)
	}
	update.Params, update.Generation = params, cluster.Generation
	if changed {
		update.Generation++
	}
	return convert.AddUpdate(cluster, *update)
}

func (s subject) updatable(cluster *v1alpha1.Cluster, kind types.UpdateType) error {
	if update := convert.Running(cluster, cluster.Status.ObservedGeneration); update != nil {
		return s.inUse("Cannot %s because cluster %s currently has update %s in progress", kind, cluster.Name, update.ID)
	}
	if status := convert.ClusterStatus(cluster); status != types.ClusterStatusActive {
		return s.inUse("Cannot %s because cluster %s is %s: its creation is in progress", kind, cluster.Name, status)
	}
	return nil
}

// notInUpdate are the members of an update that this Naru can't do.
func notInUpdate(in *eks.UpdateClusterConfigInput) []forbidden {
	network := in.KubernetesNetworkConfig
	return []forbidden{
		{in.ComputeConfig != nil && aws.ToBool(in.ComputeConfig.Enabled), "computeConfig.enabled", noAuto},
		{in.StorageConfig != nil && in.StorageConfig.BlockStorage != nil && aws.ToBool(in.StorageConfig.BlockStorage.Enabled), "storageConfig.blockStorage.enabled", noAuto},
		{network != nil && network.ElasticLoadBalancing != nil && aws.ToBool(network.ElasticLoadBalancing.Enabled), "kubernetesNetworkConfig.elasticLoadBalancing.enabled", noAuto},
		{network != nil && network.IpFamily != "" && network.IpFamily != types.IpFamilyIpv4, "kubernetesNetworkConfig.ipFamily", "clusters have IPv4 only"},
		{in.RemoteNetworkConfig != nil, "remoteNetworkConfig", "there are no hybrid nodes yet: leave it out"},
		{in.ZonalShiftConfig != nil && aws.ToBool(in.ZonalShiftConfig.Enabled), "zonalShiftConfig.enabled", "there is no zonal shift yet"},
	}
}

func (s subject) clusterUpdates(in *eks.UpdateClusterConfigInput) []kindOfUpdate {
	vpc := in.ResourcesVpcConfig
	moves := vpc != nil && (len(vpc.SubnetIds) > 0 || vpc.SecurityGroupIds != nil)
	access := vpc != nil && (vpc.EndpointPrivateAccess != nil || vpc.EndpointPublicAccess != nil || len(vpc.PublicAccessCidrs) > 0 || vpc.ControlPlaneEgressMode != "")
	changeVPC := func(cluster *v1alpha1.Cluster, asked *convert.ClusterAsked) ([][2]string, error) {
		return vpcParams(vpc), s.network(vpc, cluster, asked)
	}
	return []kindOfUpdate{
		{moves, types.UpdateTypeVpcConfigUpdate, changeVPC},
		{access, types.UpdateTypeEndpointAccessUpdate, changeVPC},
		{in.Logging != nil, types.UpdateTypeLoggingUpdate, func(cluster *v1alpha1.Cluster, asked *convert.ClusterAsked) ([][2]string, error) {
			setLogs(in.Logging, cluster, asked)
			return params(types.UpdateParamTypeClusterLogging, clusterLogging(in.Logging)), nil
		}},
		{in.AccessConfig != nil, types.UpdateTypeAccessConfigUpdate, func(_ *v1alpha1.Cluster, asked *convert.ClusterAsked) ([][2]string, error) {
			return params(types.UpdateParamTypeAuthenticationMode, string(in.AccessConfig.AuthenticationMode)), s.accessMode(in.AccessConfig.AuthenticationMode, asked)
		}},
		{in.UpgradePolicy != nil, types.UpdateTypeUpgradePolicyUpdate, func(_ *v1alpha1.Cluster, asked *convert.ClusterAsked) ([][2]string, error) {
			asked.SupportType = string(in.UpgradePolicy.SupportType)
			return params(types.UpdateParamTypeUpgradePolicy, asked.SupportType), nil
		}},
		{in.DeletionProtection != nil, types.UpdateTypeDeletionProtectionUpdate, func(cluster *v1alpha1.Cluster, _ *convert.ClusterAsked) ([][2]string, error) {
			cluster.Spec.DeletionProtection = *in.DeletionProtection
			return params(types.UpdateParamTypeDeletionProtection, strconv.FormatBool(*in.DeletionProtection)), nil
		}},
		{in.ZonalShiftConfig != nil, types.UpdateTypeZonalShiftConfigUpdate, func(_ *v1alpha1.Cluster, asked *convert.ClusterAsked) ([][2]string, error) {
			asked.ZonalShiftOff = true
			return params(types.UpdateParamTypeZonalShiftConfig, "false"), nil
		}},
		{in.ComputeConfig != nil || in.StorageConfig != nil || in.KubernetesNetworkConfig != nil, types.UpdateTypeAutoModeUpdate, func(cluster *v1alpha1.Cluster, asked *convert.ClusterAsked) ([][2]string, error) {
			asked.AutoModeOff = true
			return params(types.UpdateParamTypeComputeConfig, "false"), s.sameRange(in.KubernetesNetworkConfig, cluster)
		}},
		{in.KubeApiServerConfig != nil || in.KubeControllerManagerConfig != nil || in.KubeSchedulerConfig != nil, types.UpdateTypeControlPlaneComponentConfigUpdate, func(cluster *v1alpha1.Cluster, _ *convert.ClusterAsked) ([][2]string, error) {
			convert.ChangeAPIServer(&cluster.Spec.ControlPlane.APIServer, in.KubeApiServerConfig)
			convert.ChangeControllerManager(&cluster.Spec.ControlPlane.ControllerManager, in.KubeControllerManagerConfig)
			return componentParams(in), s.scheduler(in.KubeSchedulerConfig, &cluster.Spec.ControlPlane.Scheduler)
		}},
		{in.ControlPlaneScalingConfig != nil, types.UpdateTypeControlPlaneScalingConfigUpdate, func(cluster *v1alpha1.Cluster, _ *convert.ClusterAsked) ([][2]string, error) {
			return s.changeTier(cluster, in.ControlPlaneScalingConfig)
		}},
	}
}

// sameRange refuses another range for Services. Terraform names the one that there is whenever it changes Auto Mode.
func (s subject) sameRange(network *types.KubernetesNetworkConfigRequest, cluster *v1alpha1.Cluster) error {
	if network == nil || network.ServiceIpv4Cidr == nil {
		return nil
	}
	own := cluster.Spec.Networking.ServiceCIDR
	return s.refuse([]forbidden{{*network.ServiceIpv4Cidr != own, "kubernetesNetworkConfig.serviceIpv4Cidr", "it can't be changed: every Service has an address from " + own}})
}

// accessMode follows EKS's rule: the mode only moves away from the ConfigMap.
func (s subject) accessMode(mode types.AuthenticationMode, asked *convert.ClusterAsked) error {
	now := types.AuthenticationMode(asked.AuthenticationMode)
	if now == "" {
		now = types.AuthenticationModeApi
	}
	if mode != now && mode != types.AuthenticationModeApi {
		return s.invalid("Unsupported authentication mode update from %s to %s", now, mode)
	}
	asked.AuthenticationMode = string(mode)
	return nil
}

func params(kind types.UpdateParamType, value string) [][2]string {
	return [][2]string{{string(kind), value}}
}

// componentParams are what is asked of components.
func componentParams(in *eks.UpdateClusterConfigInput) [][2]string {
	var all [][2]string
	add := func(kind types.UpdateParamType, format string, values ...any) {
		all = append(all, [2]string{string(kind), fmt.Sprintf(format, values...)})
	}
	if api := in.KubeApiServerConfig; api != nil && api.EventTtl != nil {
		add(types.UpdateParamTypeKubeApiServerConfig, `{"eventTtl":%q}`, *api.EventTtl)
	}
	if api := in.KubeApiServerConfig; api != nil && api.ServiceNodePortRange != nil {
		add(types.UpdateParamTypeKubeApiServerConfig, `{"serviceNodePortRange":{"minPort":%d,"maxPort":%d}}`, api.ServiceNodePortRange.MinPort, api.ServiceNodePortRange.MaxPort)
	}
	if manager := in.KubeControllerManagerConfig; manager != nil {
		if hpa := manager.HorizontalPodAutoscalerControllerConfig; hpa != nil && hpa.HorizontalPodAutoscalerSyncPeriod != nil {
			add(types.UpdateParamTypeKubeControllerManagerConfig, `{"horizontalPodAutoscalerSyncPeriod":%q}`, *hpa.HorizontalPodAutoscalerSyncPeriod)
		}
		if gc := manager.PodGcControllerConfig; gc != nil && gc.TerminatedPodGcThreshold != nil {
			add(types.UpdateParamTypeKubeControllerManagerConfig, `{"terminatedPodGcThreshold":%d}`, *gc.TerminatedPodGcThreshold)
		}
	}
	if scheduler := in.KubeSchedulerConfig; scheduler != nil && scheduler.NodeResourcesFit != nil && scheduler.NodeResourcesFit.ScoringStrategy != nil {
		add(types.UpdateParamTypeKubeSchedulerConfig, `{"nodeResourcesFit":{"scoringStrategy":{"type":%q}}}`, scheduler.NodeResourcesFit.ScoringStrategy.Type)
	}
	return all
}

// clusterLogging is what is asked of logs, as EKS tells it.
func clusterLogging(in *types.Logging) string {
	type setup struct {
		Types   []types.LogType `json:"types"`
		Enabled bool            `json:"enabled"`
	}
	all := struct {
		ClusterLogging []setup `json:"clusterLogging"`
	}{}
	for _, each := range in.ClusterLogging {
		all.ClusterLogging = append(all.ClusterLogging, setup{each.Types, aws.ToBool(each.Enabled)})
	}
	text, err := json.Marshal(all)
	if err != nil {
		return "" // strings and booleans can always be encoded
	}
	return string(text)
}

func vpcParams(vpc *types.VpcConfigRequest) [][2]string {
	var all [][2]string
	add := func(kind types.UpdateParamType, value any) {
		text, err := json.Marshal(value)
		if err != nil {
			return // strings and booleans can always be encoded
		}
		all = append(all, [2]string{string(kind), strings.Trim(string(text), `"`)})
	}
	if len(vpc.SubnetIds) > 0 {
		add(types.UpdateParamTypeSubnets, vpc.SubnetIds)
	}
	if vpc.SecurityGroupIds != nil {
		add(types.UpdateParamTypeSecurityGroups, vpc.SecurityGroupIds)
	}
	if vpc.EndpointPublicAccess != nil {
		add(types.UpdateParamTypeEndpointPublicAccess, *vpc.EndpointPublicAccess)
	}
	if vpc.EndpointPrivateAccess != nil {
		add(types.UpdateParamTypeEndpointPrivateAccess, *vpc.EndpointPrivateAccess)
	}
	if len(vpc.PublicAccessCidrs) > 0 {
		add(types.UpdateParamTypePublicAccessCidrs, vpc.PublicAccessCidrs)
	}
	return all
}
