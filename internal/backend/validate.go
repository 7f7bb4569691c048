package backend

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/addon"
	"naru.dev/naru/internal/tier"
)

// The words of the rules on the kinds; a test compares them with the generated definitions, so
// that kubectl and naru give the same answer.
const (
	wordsClusterName   = "a cluster's name must have 1 to 40 lower-case letters, digits or dashes, begin with a letter and end with a letter or digit"
	wordsSystemName    = "the name system is Naru's own: choose another"
	wordsNodeGroupName = "a node group's name must have 1 to 40 lower-case letters, digits or dashes, begin with a letter and end with a letter or digit"
	wordsPodCIDR       = "podCIDR must be an IPv4 range between /8 and /20, as 10.244.0.0/16"
	wordsPodHosting    = "podCIDR overlaps 100.64.0.0/10, which the hosting cluster uses: choose another range, for example 10.244.0.0/16"
	wordsServiceCIDR   = "serviceCIDR must be an IPv4 range between /12 and /24, as 10.96.0.0/16"
	wordsServHosting   = "serviceCIDR overlaps 100.64.0.0/10, which the hosting cluster uses: choose another range, for example 10.96.0.0/16"
	wordsOverlap       = "networking.serviceCIDR overlaps networking.podCIDR: choose ranges that have no address in common, for example 10.244.0.0/16 and 10.96.0.0/16"
	wordsTier          = "controlPlane.tier needs 3 replicas: what it promises has to be there when one is lost; set controlPlane.replicas to 3, or tier to standard"
	wordsMinMax        = "scaling.min is above scaling.max: lower min or raise max"
	wordsDesired       = "scaling.desired must lie between scaling.min and scaling.max"
)

// maxNodes is the most that a node group's max may be.
const maxNodes = 1000

var (
	namePattern    = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$`)
	versionPattern = regexp.MustCompile(`^1\.[1-9][0-9]$`)
	hostingRange   = netip.MustParsePrefix("100.64.0.0/10")
)

// Catalogue is what a cluster or a node group can name.
type Catalogue struct {
	// Releases are the Kubernetes versions that clusters can run, newest first.
	Releases []v1alpha1.Release
	// MachineClasses and Zones by name.
	MachineClasses []string
	Zones          []string
}

// ValidateClusterName checks a name as the kind's own rules do.
func ValidateClusterName(name string) error {
	switch {
	case name == "system":
		return invalidf("metadata.name", "%s", wordsSystemName)
	case !namePattern.MatchString(name):
		return invalidf("metadata.name", "%q can't be: %s", name, wordsClusterName)
	}
	return nil
}

// ValidateNodeGroupName checks a name as the kind's own rules do.
func ValidateNodeGroupName(name string) error {
	if !namePattern.MatchString(name) {
		return invalidf("metadata.name", "%q can't be: %s", name, wordsNodeGroupName)
	}
	return nil
}

// ValidateCluster checks a cluster against its kind's rules and against what this Naru has.
// Empty fields that have a default are left to it.
func ValidateCluster(cluster *v1alpha1.Cluster, catalogue Catalogue) error {
	if err := ValidateClusterName(cluster.Name); err != nil {
		return err
	}
	if err := validateVersion(cluster.Spec.Version, catalogue); err != nil {
		return err
	}
	if r := cluster.Spec.ControlPlane.Replicas; r != 0 && r != 1 && r != 3 {
		return invalidf("spec.controlPlane.replicas", "%d can't be: 3 survives the loss of one, 1 is the small form", r)
	}
	if err := ValidateTier(cluster.Spec.ControlPlane); err != nil {
		return err
	}
	if err := validateAddons(cluster.Spec.Addons); err != nil {
		return err
	}
	return validateNetworking(cluster.Spec.Networking)
}

// ValidateTier checks the tier of a control plane. Replicas that are left to their default are 3.
func ValidateTier(spec v1alpha1.ControlPlaneSpec) error {
	if _, ok := tier.Of(spec.Tier); !ok {
		return invalidf(tierField, "%q can't be: there are %s", spec.Tier, strings.Join(TierNames(), ", "))
	}
	if tier.Provisioned(spec.Tier) && spec.Replicas == 1 {
		return invalidf(tierField, "%s", wordsTier)
	}
	return nil
}

const tierField = "spec.controlPlane.tier"

// TierNames are the tiers that a control plane may have, the smallest first.
func TierNames() []string {
	var names []string
	for _, t := range tier.All() {
		names = append(names, t.Name)
	}
	return names
}

func validateAddons(specs []v1alpha1.AddonSpec) error {
	for _, spec := range specs {
		known, ok := addon.Find(spec.Name)
		if !ok {
			return invalidf("spec.addons", "there is no add-on %q; there are coredns, eks-pod-identity-agent, kube-proxy, metrics-server and vpc-cni", spec.Name)
		}
		if _, err := known.Parse(spec.Configuration); err != nil {
			return invalidf("spec.addons["+spec.Name+"].configuration", "%s", err)
		}
	}
	return nil
}

func validateVersion(version string, catalogue Catalogue) error {
	known := catalogue.releaseNames()
	switch {
	case !versionPattern.MatchString(version):
		return invalidf("spec.version", "%q can't be: write a minor version, as %s", version, example(known, "1.37"))
	case !slices.Contains(known, version):
		return invalidf("spec.version", "Kubernetes %s is not here; %s. Build it with \"naru release build %s\"", version, Enumerate(known), version)
	}
	return nil
}

// ResolveVersion turns what a user typed ("1.37", "v1.37", "1.37.1") into the name of a release.
// What is no version of this Naru is returned as it is, for ValidateCluster to refuse.
func ResolveVersion(asked string, catalogue Catalogue) string {
	version := strings.TrimPrefix(asked, "v")
	for _, release := range catalogue.Releases {
		if version == release.Spec.Version {
			return release.Name
		}
	}
	return version
}

func validateNetworking(n v1alpha1.NetworkingSpec) error {
	pods, err := validateRange("spec.networking.podCIDR", n.PodCIDR, rangeRule{8, 20, wordsPodCIDR, wordsPodHosting})
	if err != nil {
		return err
	}
	services, err := validateRange("spec.networking.serviceCIDR", n.ServiceCIDR, rangeRule{12, 24, wordsServiceCIDR, wordsServHosting})
	if err != nil {
		return err
	}
	if pods.IsValid() && services.IsValid() && pods.Overlaps(services) {
		return invalidf("spec.networking", "%s", wordsOverlap)
	}
	return nil
}

type rangeRule struct {
	shortest, longest int
	words, hosting    string
}

// validateRange parses a range; the empty one is left to its default and returned as invalid prefix.
func validateRange(field, value string, rule rangeRule) (netip.Prefix, error) {
	if value == "" {
		return netip.Prefix{}, nil
	}
	prefix, err := netip.ParsePrefix(value)
	if err != nil || !prefix.Addr().Is4() || prefix.Bits() < rule.shortest || prefix.Bits() > rule.longest {
		return netip.Prefix{}, invalidf(field, "%q can't be: %s", value, rule.words)
	}
	if prefix.Overlaps(hostingRange) {
		return netip.Prefix{}, invalidf(field, "%s", rule.hosting)
	}
	return prefix, nil
}

// ValidateNodeGroup checks a node group against its kind's rules and against what this Naru has.
func ValidateNodeGroup(group *v1alpha1.NodeGroup, catalogue Catalogue) error {
	if err := ValidateNodeGroupName(group.Name); err != nil {
		return err
	}
	if v1alpha1.ClusterOf(group.Namespace) == "" {
		return invalidf("metadata.namespace", "%q is no cluster's: a node group is in naru-<cluster>, as naru-prod", group.Namespace)
	}
	if err := validateScaling(group.Spec.Scaling); err != nil {
		return err
	}
	if len(group.Spec.MachineClasses) == 0 {
		return invalidf("spec.machineClasses", "at least one is needed; %s", Enumerate(catalogue.MachineClasses))
	}
	for _, class := range group.Spec.MachineClasses {
		if !slices.Contains(catalogue.MachineClasses, class) {
			return invalidf("spec.machineClasses", "there is no machine class %q; %s (see \"naru get machineclasses\")", class, Enumerate(catalogue.MachineClasses))
		}
	}
	for _, zone := range group.Spec.Zones {
		if !slices.Contains(catalogue.Zones, zone) {
			return invalidf("spec.zones", "there is no zone %q; %s", zone, Enumerate(catalogue.Zones))
		}
	}
	return nil
}

func validateScaling(s v1alpha1.ScalingSpec) error {
	switch {
	case s.Min < 0:
		return invalidf("spec.scaling.min", "%d is below 0", s.Min)
	case s.Max < 1 || s.Max > maxNodes:
		return invalidf("spec.scaling.max", "%d can't be: it must lie between 1 and %d", s.Max, maxNodes)
	case s.Min > s.Max:
		return invalidf("spec.scaling", "%s (min is %d, max %d)", wordsMinMax, s.Min, s.Max)
	case s.Desired != nil && (*s.Desired < s.Min || *s.Desired > s.Max):
		return invalidf("spec.scaling", "%s (desired is %d, min %d, max %d)", wordsDesired, *s.Desired, s.Min, s.Max)
	}
	return nil
}

func (c Catalogue) releaseNames() []string {
	names := make([]string, 0, len(c.Releases))
	for _, release := range c.Releases {
		names = append(names, release.Name)
	}
	return names
}

func example(names []string, otherwise string) string {
	if len(names) > 0 {
		return names[0]
	}
	return otherwise
}

// Enumerate is "there is a, b and c".
func Enumerate(names []string) string {
	switch n := len(names); n {
	case 0:
		return "there is none yet"
	case 1:
		return "there is " + names[0]
	default:
		return "there are " + strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
}
