package convert

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/tier"
)

// anywhere is the range that a cluster's endpoint is reached from where none is named.
const anywhere = "0.0.0.0/0"

// ClusterStatus is where a cluster stands in EKS's life cycle. The order matters: waiters and Terraform take an early
// UPDATING, or anything but DELETING after a deletion was asked for, for a failure.
//
//	CREATING ──▶ ACTIVE ◀──▶ UPDATING
//	    └───────────┴──────────┴──▶ DELETING ──▶ gone
func ClusterStatus(cluster *v1alpha1.Cluster) types.ClusterStatus {
	switch {
	case cluster.DeletionTimestamp != nil:
		return types.ClusterStatusDeleting
	case cluster.Status.ObservedGeneration == 0:
		return types.ClusterStatusCreating
	case Running(cluster, cluster.Status.ObservedGeneration) != nil:
		return types.ClusterStatusUpdating
	}
	return types.ClusterStatusActive
}

// Cluster is a cluster as EKS describes it.
func (s Site) Cluster(cluster *v1alpha1.Cluster) *types.Cluster {
	asked := Note[ClusterAsked](cluster, v1alpha1.AnnotationAsked)
	shape := &types.Cluster{
		Name:                      aws.String(cluster.Name),
		Arn:                       aws.String(s.ClusterARN(cluster.Name)),
		CreatedAt:                 created(cluster),
		Version:                   aws.String(cluster.Spec.Version),
		PlatformVersion:           PlatformVersion(cluster.Status.Version),
		Status:                    ClusterStatus(cluster),
		RoleArn:                   optional(asked.RoleARN),
		DeletionProtection:        aws.Bool(cluster.Spec.DeletionProtection),
		Tags:                      Tags(cluster),
		ClientRequestToken:        optional(TokenOf(cluster).Token),
		Logging:                   logging(LogTypes(cluster)),
		Health:                    clusterHealth(cluster),
		ControlPlaneScalingConfig: &types.ControlPlaneScalingConfig{Tier: types.ProvisionedControlPlaneTier(first(cluster.Status.Tier, tier.Standard))},
		KubernetesNetworkConfig: &types.KubernetesNetworkConfigResponse{
			IpFamily: types.IpFamilyIpv4, ServiceIpv4Cidr: optional(cluster.Spec.Networking.ServiceCIDR),
		},
		ResourcesVpcConfig: s.network(cluster, asked),
		AccessConfig: &types.AccessConfigResponse{
			AuthenticationMode:                      types.AuthenticationMode(first(asked.AuthenticationMode, string(types.AuthenticationModeApi))),
			BootstrapClusterCreatorAdminPermissions: aws.Bool(asked.BootstrapCreatorAdmin),
		},
	}
	if ca := cluster.Status.Endpoint.CertificateAuthority; len(ca) > 0 && cluster.Status.Endpoint.Port != 0 {
		shape.Endpoint = aws.String(Endpoint(cluster))
		shape.CertificateAuthority = &types.Certificate{Data: aws.String(base64.StdEncoding.EncodeToString(ca)), Active: activeAuthority(cluster)}
	}
	if issuer := cluster.Status.Issuer.URL; issuer != "" {
		shape.Identity = &types.Identity{Oidc: &types.OIDC{Issuer: &issuer}}
	}
	settings(shape, cluster.Spec.ControlPlane)
	echo(shape, asked)
	return shape
}

// settings are those of components that were changed.
func settings(shape *types.Cluster, spec v1alpha1.ControlPlaneSpec) {
	shape.KubeSchedulerConfig = schedulerConfig(spec.Scheduler)
	if api := spec.APIServer; api.EventTTL != "" || api.NodePortRange != "" {
		shape.KubeApiServerConfig = &types.KubeApiServerConfigResponse{EventTtl: optional(api.EventTTL)}
		if low, high, ok := strings.Cut(api.NodePortRange, "-"); ok {
			shape.KubeApiServerConfig.ServiceNodePortRange = &types.ServiceNodePortRange{MinPort: port(low), MaxPort: port(high)}
		}
	}
	if manager := spec.ControllerManager; manager != (v1alpha1.ControllerManagerSpec{}) {
		shape.KubeControllerManagerConfig = &types.KubeControllerManagerConfigResponse{}
		if manager.HPASyncPeriod != "" {
			shape.KubeControllerManagerConfig.HorizontalPodAutoscalerControllerConfig = &types.HorizontalPodAutoscalerControllerConfigResponse{
				HorizontalPodAutoscalerSyncPeriod: &manager.HPASyncPeriod}
		}
		if manager.TerminatedPodGCThreshold > 0 {
			shape.KubeControllerManagerConfig.PodGcControllerConfig = &types.PodGcControllerConfigResponse{TerminatedPodGcThreshold: &manager.TerminatedPodGCThreshold}
		}
	}
}

// ChangeScheduler does so for kube-scheduler. A scoring strategy is replaced as a whole.
func ChangeScheduler(spec *v1alpha1.SchedulerSpec, in *types.KubeSchedulerConfigRequest) {
	if in == nil || in.NodeResourcesFit == nil || in.NodeResourcesFit.ScoringStrategy == nil {
		return
	}
	asked := in.NodeResourcesFit.ScoringStrategy
	spec.Scoring = &v1alpha1.SchedulerScoring{Strategy: first(string(asked.Type), string(types.ScoringStrategyTypeLeastAllocated))}
	for _, resource := range asked.Resources {
		spec.Scoring.Resources = append(spec.Scoring.Resources, v1alpha1.ResourceWeight{Name: aws.ToString(resource.Name), Weight: aws.ToInt32(resource.Weight)})
	}
}

// schedulerConfig is what was asked of kube-scheduler; nil: nothing was.
func schedulerConfig(spec v1alpha1.SchedulerSpec) *types.KubeSchedulerConfigResponse {
	if spec.Scoring == nil {
		return nil
	}
	strategy := &types.ScoringStrategy{Type: types.ScoringStrategyType(spec.Scoring.Strategy)}
	for _, resource := range spec.Scoring.Resources {
		strategy.Resources = append(strategy.Resources, types.ResourceWeight{Name: aws.String(resource.Name), Weight: aws.Int32(resource.Weight)})
	}
	return &types.KubeSchedulerConfigResponse{NodeResourcesFit: &types.NodeResourcesFitConfig{ScoringStrategy: strategy}}
}

func port(text string) int32 {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0 // the kind's own rule lets no such range in
	}
	return int32(n)
}

// ChangeAPIServer sets what a request asks of kube-apiserver, and leaves the rest.
func ChangeAPIServer(spec *v1alpha1.APIServerSpec, in *types.KubeApiServerConfigRequest) {
	if in == nil {
		return
	}
	spec.EventTTL = first(aws.ToString(in.EventTtl), spec.EventTTL)
	if r := in.ServiceNodePortRange; r != nil {
		spec.NodePortRange = fmt.Sprintf("%d-%d", r.MinPort, r.MaxPort)
	}
}

// ChangeControllerManager does so for kube-controller-manager.
func ChangeControllerManager(spec *v1alpha1.ControllerManagerSpec, in *types.KubeControllerManagerConfigRequest) {
	if in == nil {
		return
	}
	if hpa := in.HorizontalPodAutoscalerControllerConfig; hpa != nil {
		spec.HPASyncPeriod = first(aws.ToString(hpa.HorizontalPodAutoscalerSyncPeriod), spec.HPASyncPeriod)
	}
	if gc := in.PodGcControllerConfig; gc != nil && gc.TerminatedPodGcThreshold != nil {
		spec.TerminatedPodGCThreshold = *gc.TerminatedPodGcThreshold
	}
}

// Endpoint is the URL of a cluster's API, as users of this machine reach it.
func Endpoint(cluster *v1alpha1.Cluster) string {
	return fmt.Sprintf("https://127.0.0.1:%d", cluster.Status.Endpoint.Port)
}

// echo adds what is only there if somebody asked for it: Terraform takes an answer that it did not
// ask for to be a difference.
func echo(shape *types.Cluster, asked ClusterAsked) {
	if asked.SupportType != "" {
		shape.UpgradePolicy = &types.UpgradePolicyResponse{SupportType: types.SupportType(asked.SupportType)}
	}
	if asked.ZonalShiftOff {
		shape.ZonalShiftConfig = &types.ZonalShiftConfigResponse{Enabled: aws.Bool(false)}
	}
	if asked.AutoModeOff {
		shape.ComputeConfig = &types.ComputeConfigResponse{Enabled: aws.Bool(false)}
		shape.StorageConfig = &types.StorageConfigResponse{BlockStorage: &types.BlockStorage{Enabled: aws.Bool(false)}}
		shape.KubernetesNetworkConfig.ElasticLoadBalancing = &types.ElasticLoadBalancing{Enabled: aws.Bool(false)}
	}
}

func (s Site) network(cluster *v1alpha1.Cluster, asked ClusterAsked) *types.VpcConfigResponse {
	return &types.VpcConfigResponse{
		SubnetIds: list(asked.SubnetIDs), SecurityGroupIds: list(asked.SecurityGroupIDs),
		ClusterSecurityGroupId: aws.String(SecurityGroup(cluster.UID)), VpcId: aws.String(s.VPC()),
		EndpointPublicAccess: cluster.Spec.EndpointAccess.Public != v1alpha1.EndpointClosed, EndpointPrivateAccess: asked.PrivateAccess,
		PublicAccessCidrs: publicCIDRs(cluster.Spec.EndpointAccess),
	}
}

func publicCIDRs(access v1alpha1.EndpointAccess) []string {
	if len(access.PublicCIDRs) == 0 {
		return []string{anywhere}
	}
	return list(access.PublicCIDRs)
}

// ChangeEndpointAccess sets what a request asks of the way to the API, and leaves the rest.
func ChangeEndpointAccess(access *v1alpha1.EndpointAccess, in *types.VpcConfigRequest) {
	if in.EndpointPublicAccess != nil {
		access.Public = v1alpha1.EndpointClosed
		if *in.EndpointPublicAccess {
			access.Public = ""
		}
	}
	switch {
	case slices.Equal(in.PublicAccessCidrs, []string{anywhere}):
		access.PublicCIDRs = nil
	case len(in.PublicAccessCidrs) > 0:
		access.PublicCIDRs = in.PublicAccessCidrs
	}
}

// LogTypes are the logs of a cluster that are to be kept.
func LogTypes(cluster *v1alpha1.Cluster) []string {
	kept := slices.Clone(Note[ClusterAsked](cluster, v1alpha1.AnnotationAsked).LogTypes)
	if cluster.Spec.ControlPlane.APIServer.AuditLog == v1alpha1.AuditLogEnabled {
		kept = append(kept, string(types.LogTypeAudit))
	}
	if cluster.Spec.ControlPlane.AuthenticatorLog == v1alpha1.AuthenticatorLogEnabled {
		kept = append(kept, string(types.LogTypeAuthenticator))
	}
	slices.Sort(kept)
	return kept
}

// logging tells both groups, those that are kept and the others.
func logging(kept []string) *types.Logging {
	var on, off []types.LogType
	for _, kind := range types.LogType("").Values() {
		if slices.Contains(kept, string(kind)) {
			on = append(on, kind)
		} else {
			off = append(off, kind)
		}
	}
	shape := &types.Logging{}
	if len(on) > 0 {
		shape.ClusterLogging = append(shape.ClusterLogging, types.LogSetup{Enabled: aws.Bool(true), Types: on})
	}
	if len(off) > 0 {
		shape.ClusterLogging = append(shape.ClusterLogging, types.LogSetup{Enabled: aws.Bool(false), Types: off})
	}
	return shape
}

// clusterHealth lists what a cluster lacks that was ready before. One that is being made or deleted is not ill.
func clusterHealth(cluster *v1alpha1.Cluster) *types.ClusterHealth {
	health := &types.ClusterHealth{Issues: []types.ClusterIssue{}}
	ready := conditions.Get(cluster, v1alpha1.ClusterReady)
	if status := ClusterStatus(cluster); ready == nil || status == types.ClusterStatusCreating || status == types.ClusterStatusDeleting {
		return health
	}
	if ready.Status != metav1.ConditionTrue {
		issue := types.ClusterIssue{Code: types.ClusterIssueCodeInternalFailure, Message: aws.String(ready.Message), ResourceIds: []string{cluster.Name}}
		if servers := conditions.Get(cluster, v1alpha1.ClusterControlPlaneReady); servers != nil && servers.Status != metav1.ConditionTrue {
			issue.Code = types.ClusterIssueCodeClusterUnreachable
		}
		health.Issues = append(health.Issues, issue)
	}
	if why := cluster.TierRefused(); why != nil {
		health.Issues = append(health.Issues, types.ClusterIssue{Code: types.ClusterIssueCodeResourceLimitExceeded, Message: aws.String(why.Message), ResourceIds: []string{cluster.Name}})
	}
	return health
}

// Tiers are what there is of control planes' sizes, without standard, as EKS tells them.
func Tiers() []types.ControlPlaneScalingTierInfo {
	var all []types.ControlPlaneScalingTierInfo
	for _, t := range tier.All() {
		if tier.Provisioned(t.Name) {
			all = append(all, types.ControlPlaneScalingTierInfo{TierName: &t.Name, ApiRequestConcurrency: &t.Seats,
				PodSchedulingRatePerSecond: &t.PodsPerSecond, ClusterDatabaseSizeGb: &t.DatabaseGB})
		}
	}
	return all
}

// PlatformVersion is eks.N, which rises with the patch version, as v1.37.1; nil for what is no version.
func PlatformVersion(kubernetes string) *string {
	i := strings.LastIndex(kubernetes, ".")
	patch, err := strconv.Atoi(kubernetes[i+1:])
	if err != nil {
		return nil
	}
	return aws.String("eks." + strconv.Itoa(patch+1))
}

func first(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}

func optional(value string) *string {
	if value == "" {
		return nil
	}
	return &value
}

// list is never nil, so that it is told even if it is empty.
func list(values []string) []string { return append([]string{}, values...) }
