package backend

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"naru.dev/naru/api/v1alpha1"
)

// The kind that eksctl reads: https://eksctl.io/usage/schema/.
const (
	eksctlVersion = "eksctl.io/v1alpha5"
	eksctlKind    = "ClusterConfig"
	// eksctlNodes and eksctlClass are what eksctl makes of a node group that says neither how many machines nor which.
	eksctlNodes = 2
	eksctlClass = "m5.large"
)

// clusterConfig is what Naru takes of eksctl's ClusterConfig. Whatever else it has is refused by name, not dropped.
type clusterConfig struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
		// Region says nothing here: eksctl wants it, so that files have it.
		Region  string            `json:"region"`
		Version string            `json:"version"`
		Tags    map[string]string `json:"tags"`
	} `json:"metadata"`
	KubernetesNetworkConfig struct {
		IPFamily        string `json:"ipFamily"`
		ServiceIPv4CIDR string `json:"serviceIPv4CIDR"`
	} `json:"kubernetesNetworkConfig"`
	ControlPlaneScalingConfig struct {
		Tier string `json:"tier"`
	} `json:"controlPlaneScalingConfig"`
	// IAM.WithOIDC is so in any case: every cluster's issuer is served.
	IAM struct {
		WithOIDC bool `json:"withOIDC"`
	} `json:"iam"`
	AvailabilityZones []string        `json:"availabilityZones"`
	ManagedNodeGroups []nodeGroupPart `json:"managedNodeGroups"`
	NodeGroups        []nodeGroupPart `json:"nodeGroups"`
	FargateProfiles   []profilePart   `json:"fargateProfiles"`
}

// profilePart has no subnets: what eksctl's mean, the network chooses here.
type profilePart struct {
	Name                string            `json:"name"`
	PodExecutionRoleARN string            `json:"podExecutionRoleARN"`
	Tags                map[string]string `json:"tags"`
	Selectors           []struct {
		Namespace string            `json:"namespace"`
		Labels    map[string]string `json:"labels"`
	} `json:"selectors"`
}

type nodeGroupPart struct {
	Name              string            `json:"name"`
	InstanceType      string            `json:"instanceType"`
	InstanceTypes     []string          `json:"instanceTypes"`
	MinSize           *int32            `json:"minSize"`
	MaxSize           *int32            `json:"maxSize"`
	DesiredCapacity   *int32            `json:"desiredCapacity"`
	Labels            map[string]string `json:"labels"`
	Taints            []corev1.Taint    `json:"taints"`
	AvailabilityZones []string          `json:"availabilityZones"`
	// PrivateNetworking is so in any case.
	PrivateNetworking bool `json:"privateNetworking"`
	UpdateConfig      struct {
		MaxUnavailable           int32 `json:"maxUnavailable"`
		MaxUnavailablePercentage int32 `json:"maxUnavailablePercentage"`
	} `json:"updateConfig"`
}

// fromEksctl turns a ClusterConfig into the documents that say the same in Naru's kinds: a Cluster, a NodeGroup for each
// of its groups, managed or not, and its Fargate profiles. Errors: *InvalidError, whose field begins with source.
func fromEksctl(source string, text []byte) ([][]byte, error) {
	var config clusterConfig
	if err := yaml.UnmarshalStrict(text, &config); err != nil {
		return nil, invalidf(source, "%s. Of eksctl's %s, Naru takes the metadata (name, version, tags), kubernetesNetworkConfig, controlPlaneScalingConfig, iam.withOIDC, availabilityZones, "+
			"managedNodeGroups, nodeGroups and fargateProfiles: take out what else there is", eksctlProblem(err), eksctlKind)
	}
	switch {
	case config.Metadata.Name == "":
		return nil, invalidf(source, "metadata.name is missing")
	case config.Metadata.Version == "":
		return nil, invalidf(source, `metadata.version is missing: name one, as "1.37"`)
	case config.KubernetesNetworkConfig.IPFamily != "" && !strings.EqualFold(config.KubernetesNetworkConfig.IPFamily, "ipv4"):
		return nil, invalidf(source, "kubernetesNetworkConfig.ipFamily is %q: Naru's clusters are IPv4", config.KubernetesNetworkConfig.IPFamily)
	}
	cluster, err := config.cluster()
	if err != nil {
		return nil, err
	}
	objects := []object{cluster}
	for _, part := range append(config.ManagedNodeGroups, config.NodeGroups...) {
		if part.Name == "" {
			return nil, invalidf(source, "a node group has no name")
		}
		objects = append(objects, part.nodeGroup(config.Metadata.Name, config.AvailabilityZones))
	}
	for _, part := range config.FargateProfiles {
		if part.Name == "" {
			return nil, invalidf(source, "a Fargate profile has no name")
		}
		profile, err := part.profile(config.Metadata.Name)
		if err != nil {
			return nil, err
		}
		objects = append(objects, profile)
	}
	return marshal(source, objects)
}

func marshal(source string, objects []object) ([][]byte, error) {
	documents := make([][]byte, 0, len(objects))
	for _, o := range objects {
		document, err := json.Marshal(o)
		if err != nil {
			return nil, fmt.Errorf("writing %s as Naru's kinds: %w", source, err)
		}
		documents = append(documents, document)
	}
	return documents, nil
}

// object is one without what its Go type would add: what is not said is the API server's to say.
type object map[string]any

func (c clusterConfig) cluster() (object, error) {
	metadata := object{"name": c.Metadata.Name}
	if err := tag(metadata, c.Metadata.Tags); err != nil {
		return nil, err
	}
	spec := object{"version": c.Metadata.Version}
	if c.KubernetesNetworkConfig.ServiceIPv4CIDR != "" {
		spec["networking"] = object{"serviceCIDR": c.KubernetesNetworkConfig.ServiceIPv4CIDR}
	}
	if c.ControlPlaneScalingConfig.Tier != "" {
		spec["controlPlane"] = object{"tier": c.ControlPlaneScalingConfig.Tier}
	}
	return object{"apiVersion": v1alpha1.GroupVersion.String(), "kind": "Cluster", "metadata": metadata, "spec": spec}, nil
}

func tag(metadata object, tags map[string]string) error {
	if len(tags) == 0 {
		return nil
	}
	text, err := json.Marshal(tags)
	if err != nil {
		return fmt.Errorf("writing tags: %w", err)
	}
	metadata["annotations"] = object{v1alpha1.AnnotationTags: string(text)}
	return nil
}

func (p profilePart) profile(cluster string) (object, error) {
	metadata := object{"name": p.Name, "namespace": v1alpha1.Namespace(cluster)}
	if err := tag(metadata, p.Tags); err != nil {
		return nil, err
	}
	selectors := make([]object, 0, len(p.Selectors))
	for _, s := range p.Selectors {
		selector := object{"namespace": s.Namespace}
		if len(s.Labels) > 0 {
			selector["labels"] = s.Labels
		}
		selectors = append(selectors, selector)
	}
	spec := object{"selectors": selectors}
	if p.PodExecutionRoleARN != "" {
		spec["podExecutionRoleARN"] = p.PodExecutionRoleARN
	}
	return object{"apiVersion": v1alpha1.GroupVersion.String(), "kind": "FargateProfile", "metadata": metadata, "spec": spec}, nil
}

func (p nodeGroupPart) nodeGroup(cluster string, zones []string) object {
	spec := object{"machineClasses": p.classes(), "scaling": p.scaling()}
	if len(p.AvailabilityZones) > 0 {
		zones = p.AvailabilityZones
	}
	if len(zones) > 0 {
		spec["zones"] = zones
	}
	if len(p.Labels) > 0 {
		spec["labels"] = p.Labels
	}
	if len(p.Taints) > 0 {
		spec["taints"] = p.Taints
	}
	switch {
	case p.UpdateConfig.MaxUnavailable > 0:
		spec["maxUnavailable"] = fmt.Sprint(p.UpdateConfig.MaxUnavailable)
	case p.UpdateConfig.MaxUnavailablePercentage > 0:
		spec["maxUnavailable"] = fmt.Sprintf("%d%%", p.UpdateConfig.MaxUnavailablePercentage)
	}
	metadata := object{"name": p.Name, "namespace": v1alpha1.Namespace(cluster)}
	return object{"apiVersion": v1alpha1.GroupVersion.String(), "kind": "NodeGroup", "metadata": metadata, "spec": spec}
}

func (p nodeGroupPart) classes() []string {
	switch {
	case len(p.InstanceTypes) > 0:
		return p.InstanceTypes
	case p.InstanceType != "":
		return []string{p.InstanceType}
	default:
		return []string{eksctlClass}
	}
}

// scaling is as eksctl completes it, but for the number that nobody asked for: a group that only has bounds grows and shrinks
// between them by itself, where eksctl would start at the lower one and wait for an autoscaler.
func (p nodeGroupPart) scaling() object {
	least, most, desired := p.MinSize, p.MaxSize, p.DesiredCapacity
	if least == nil && most == nil && desired == nil {
		n := int32(eksctlNodes)
		desired = &n
	}
	scaling := object{}
	if desired != nil {
		scaling["desired"] = *desired
	}
	scaling["min"], scaling["max"] = first(0, least, desired, most), first(0, most, desired, least)
	return scaling
}

func first(otherwise int32, numbers ...*int32) int32 {
	for _, n := range numbers {
		if n != nil {
			return *n
		}
	}
	return otherwise
}

// eksctlProblem is what a decoder says, without its own name for things.
func eksctlProblem(err error) string {
	text := strings.TrimPrefix(err.Error(), "error unmarshaling JSON: ")
	return strings.TrimPrefix(strings.TrimPrefix(text, "while decoding JSON: "), "json: ")
}
