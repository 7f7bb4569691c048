package handlers

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/backend"
	"naru.dev/naru/internal/eks/convert"
	"naru.dev/naru/internal/iam"
)

// replicasTag is the tag that sizes a control plane, for which EKS has no member.
const replicasTag = "naru.dev/control-plane-replicas"

// maxCIDRs is how many ranges EKS takes: https://docs.aws.amazon.com/eks/latest/userguide/service-quotas.html
const maxCIDRs = 40

const noAuto = "Naru has no Auto Mode: leave it out, or set it to false"

var (
	subnetID = regexp.MustCompile(`^subnet-[0-9a-f]{8}([0-9a-f]{9})?$`)
	groupID  = regexp.MustCompile(`^sg-[0-9a-f]{8}([0-9a-f]{9})?$`)
)

// newCluster is the cluster that a request asks for. It is pure.
func newCluster(in *eks.CreateClusterInput, site convert.Site) (*v1alpha1.Cluster, error) {
	about := subject{cluster: aws.ToString(in.Name)}
	if err := about.missing(given("name", in.Name), given("roleArn", in.RoleArn), member{"resourcesVpcConfig", in.ResourcesVpcConfig != nil}); err != nil {
		return nil, err
	}
	if err := about.refuse(notInCluster(in)); err != nil {
		return nil, err
	}
	if err := about.role("roleArn", *in.RoleArn, site); err != nil {
		return nil, err
	}
	asked := convert.ClusterAsked{
		RoleARN: *in.RoleArn, SupportType: "", ZonalShiftOff: in.ZonalShiftConfig != nil,
		AutoModeOff:           in.ComputeConfig != nil || in.StorageConfig != nil,
		BootstrapCreatorAdmin: true,
	}
	if in.UpgradePolicy != nil {
		asked.SupportType = string(in.UpgradePolicy.SupportType)
	}
	if in.AccessConfig != nil {
		asked.AuthenticationMode = string(in.AccessConfig.AuthenticationMode)
		asked.BootstrapCreatorAdmin = in.AccessConfig.BootstrapClusterCreatorAdminPermissions == nil || *in.AccessConfig.BootstrapClusterCreatorAdminPermissions
	}
	if len(in.ResourcesVpcConfig.SubnetIds) == 0 {
		return nil, about.invalid("resourcesVpcConfig.subnetIds: at least one is needed; DescribeSubnets of EC2 lists those of this Naru")
	}
	cluster := backend.NewCluster(*in.Name, aws.ToString(in.Version), 0, v1alpha1.NetworkingSpec{})
	if err := about.network(in.ResourcesVpcConfig, cluster, &asked); err != nil {
		return nil, err
	}
	setLogs(in.Logging, cluster, &asked)
	if err := about.scheduler(in.KubeSchedulerConfig, &cluster.Spec.ControlPlane.Scheduler); err != nil {
		return nil, err
	}
	if in.KubernetesNetworkConfig != nil {
		cluster.Spec.Networking.ServiceCIDR = aws.ToString(in.KubernetesNetworkConfig.ServiceIpv4Cidr)
	}
	cluster.Spec.DeletionProtection = aws.ToBool(in.DeletionProtection)
	convert.ChangeAPIServer(&cluster.Spec.ControlPlane.APIServer, in.KubeApiServerConfig)
	convert.ChangeControllerManager(&cluster.Spec.ControlPlane.ControllerManager, in.KubeControllerManagerConfig)
	if err := about.tag(cluster, in.Tags); err != nil {
		return nil, err
	}
	if err := about.tier(in.ControlPlaneScalingConfig, &cluster.Spec.ControlPlane); err != nil {
		return nil, err
	}
	return cluster, convert.SetNote(cluster, v1alpha1.AnnotationAsked, asked)
}

// notInCluster are the members of a creation that this Naru can't do.
func notInCluster(in *eks.CreateClusterInput) []forbidden {
	network := in.KubernetesNetworkConfig
	return []forbidden{
		{in.OutpostConfig != nil, "outpostConfig", "there are no Outposts here"},
		{len(in.EncryptionConfig) > 0, "encryptionConfig", "there is no KMS here: Secrets of every cluster are encrypted with a key of its own anyway, so leave it out"},
		{in.ComputeConfig != nil && aws.ToBool(in.ComputeConfig.Enabled), "computeConfig.enabled", noAuto},
		{in.StorageConfig != nil && in.StorageConfig.BlockStorage != nil && aws.ToBool(in.StorageConfig.BlockStorage.Enabled), "storageConfig.blockStorage.enabled", noAuto},
		{network != nil && network.ElasticLoadBalancing != nil && aws.ToBool(network.ElasticLoadBalancing.Enabled), "kubernetesNetworkConfig.elasticLoadBalancing.enabled", noAuto},
		{network != nil && network.IpFamily == types.IpFamilyIpv6, "kubernetesNetworkConfig.ipFamily", "clusters have IPv4 only: leave it out, or use ipv4"},
		{in.RemoteNetworkConfig != nil, "remoteNetworkConfig", "there are no hybrid nodes yet: leave it out"},
		{in.ZonalShiftConfig != nil && aws.ToBool(in.ZonalShiftConfig.Enabled), "zonalShiftConfig.enabled", "there is no zonal shift yet: leave it out, or set it to false"},
		{in.AccessConfig != nil && in.AccessConfig.AuthenticationMode == types.AuthenticationModeConfigMap, "accessConfig.authenticationMode", "Naru does not read the ConfigMap aws-auth: use API"},
	}
}

// network checks what is said of a cluster's network, and keeps it.
func (s subject) network(in *types.VpcConfigRequest, cluster *v1alpha1.Cluster, asked *convert.ClusterAsked) error {
	err := s.refuse([]forbidden{
		{in.ControlPlaneEgressMode != "" && in.ControlPlaneEgressMode != types.ControlPlaneEgressModeTypeAwsManaged, "resourcesVpcConfig.controlPlaneEgressMode", "there is only AWS_MANAGED"},
	})
	if err != nil {
		return err
	}
	for _, id := range in.SubnetIds {
		if !subnetID.MatchString(id) {
			return s.invalid("The subnet ID '%s' does not exist", id)
		}
	}
	for _, id := range in.SecurityGroupIds {
		if !groupID.MatchString(id) {
			return s.invalid("The security group ID '%s' does not exist", id)
		}
	}
	if len(in.SubnetIds) > 0 {
		asked.SubnetIDs = in.SubnetIds
	}
	if in.SecurityGroupIds != nil {
		asked.SecurityGroupIDs = in.SecurityGroupIds
	}
	if in.EndpointPrivateAccess != nil {
		asked.PrivateAccess = *in.EndpointPrivateAccess
	}
	if err := s.ranges(in.PublicAccessCidrs); err != nil {
		return err
	}
	convert.ChangeEndpointAccess(&cluster.Spec.EndpointAccess, in)
	if cluster.Spec.EndpointAccess.Public == v1alpha1.EndpointClosed && !asked.PrivateAccess {
		return s.invalid("Private and public endpoint access cannot both be false")
	}
	return nil
}

// ranges checks from where users are to reach the API.
func (s subject) ranges(cidrs []string) error {
	if len(cidrs) > maxCIDRs {
		return s.invalid("resourcesVpcConfig.publicAccessCidrs: there are %d, at most %d can be", len(cidrs), maxCIDRs)
	}
	for _, cidr := range cidrs {
		if prefix, err := netip.ParsePrefix(cidr); err != nil || !prefix.Addr().Is4() {
			return s.invalid("resourcesVpcConfig.publicAccessCidrs: %q is not a valid IPv4 range, as 10.0.0.0/8", cidr)
		}
	}
	return nil
}

// scheduler checks and sets what is asked of kube-scheduler.
func (s subject) scheduler(in *types.KubeSchedulerConfigRequest, spec *v1alpha1.SchedulerSpec) error {
	convert.ChangeScheduler(spec, in)
	if in == nil || spec.Scoring == nil {
		return nil
	}
	const where = "kubeSchedulerConfig.nodeResourcesFit.scoringStrategy"
	if !slices.Contains(types.ScoringStrategyType("").Values(), types.ScoringStrategyType(spec.Scoring.Strategy)) {
		return s.invalid("%s.type: %q can't be, LeastAllocated and MostAllocated can", where, spec.Scoring.Strategy)
	}
	seen := map[string]bool{}
	for _, resource := range spec.Scoring.Resources {
		if resource.Name == "" || seen[resource.Name] || resource.Weight < 1 || resource.Weight > 100 {
			return s.invalid("%s.resources: %q with weight %d: each resource has a name of its own, and a weight between 1 and 100", where, resource.Name, resource.Weight)
		}
		seen[resource.Name] = true
	}
	return nil
}

// setLogs sets which logs are to be kept. The hosting cluster keeps those of every control-plane pod; the audit log and the
// authenticator's are only written where they are asked for.
func setLogs(in *types.Logging, cluster *v1alpha1.Cluster, asked *convert.ClusterAsked) {
	if in == nil {
		return
	}
	kept := map[string]bool{}
	for _, kind := range asked.LogTypes {
		kept[kind] = true
	}
	for _, setup := range in.ClusterLogging {
		for _, kind := range setup.Types {
			on := aws.ToBool(setup.Enabled)
			switch {
			case kind == types.LogTypeAuthenticator && on:
				cluster.Spec.ControlPlane.AuthenticatorLog = v1alpha1.AuthenticatorLogEnabled
			case kind == types.LogTypeAuthenticator:
				cluster.Spec.ControlPlane.AuthenticatorLog = ""
			case kind == types.LogTypeAudit && on:
				cluster.Spec.ControlPlane.APIServer.AuditLog = v1alpha1.AuditLogEnabled
			case kind == types.LogTypeAudit:
				cluster.Spec.ControlPlane.APIServer.AuditLog = ""
			default:
				kept[string(kind)] = on
			}
		}
	}
	asked.LogTypes = nil
	for kind, on := range kept {
		if on {
			asked.LogTypes = append(asked.LogTypes, kind)
		}
	}
	slices.Sort(asked.LogTypes)
}

// role checks that an ARN is that of a role of this account.
func (s subject) role(member, text string, site convert.Site) error {
	arn, err := iam.ParseARN(text)
	switch {
	case err != nil:
		return s.invalid("%s: %s", member, err)
	case arn.Service != "iam" || !strings.HasPrefix(arn.Resource, "role/"):
		return s.invalid("%s: %s is not the ARN of a role", member, text)
	case arn.Account != site.Account:
		return s.invalid("%s: Cross-account pass role is not allowed.", member)
	}
	return nil
}

// tag sets an object's tags. Some have a meaning on a cluster.
func (s subject) tag(cluster *v1alpha1.Cluster, tags map[string]string) error {
	if err := s.validTags(tags); err != nil {
		return err
	}
	if value, ok := tags[replicasTag]; ok {
		replicas, err := strconv.Atoi(value)
		if err != nil || replicas != 1 && replicas != 3 {
			return s.invalid("tags.%s: %q can't be: 3 survives the loss of one, 1 is the small form", replicasTag, value)
		}
		cluster.Spec.ControlPlane.Replicas = int32(replicas)
		if err := s.tier(nil, &cluster.Spec.ControlPlane); err != nil {
			return err
		}
	}
	return convert.SetTags(cluster, tags)
}
