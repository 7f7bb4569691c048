// Package instancetypes says in Karpenter's words what machine classes and zones offer, and
// picks among the offers. It is pure: values in, values out.
package instancetypes

import (
	"cmp"
	"runtime"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	karpenter "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"naru.dev/naru/api/v1alpha1"
)

const (
	// NoZone is what the zone label of machines says in a hosting cluster whose nodes have none.
	NoZone = "none"

	// evictionMemory is the memory.available of evictionHard in the kubelet configuration that
	// internal/node renders. Nothing else is reserved there, so it is the whole overhead.
	evictionMemory = "100Mi"
	// ephemeralStorage is what a machine is taken to have until its kubelet reports the disk that
	// it really has: machines share their host's.
	ephemeralStorage = "20Gi"

	// Prices of classes that name none, in any one unit: larger is dearer, and a core is worth
	// about as much as 8 GiB, as in EC2's general-purpose families.
	pricePerCore, pricePerGiB = 0.032, 0.004
)

// Zone is a zone of the hosting cluster.
type Zone struct {
	Name   string
	Region string
	// Available tells whether any host in it can take machines now.
	Available bool
}

// Build returns one instance type per class, with one offering per zone, in the order of the classes.
func Build(classes []v1alpha1.MachineClass, zones []Zone) []*cloudprovider.InstanceType {
	if len(zones) == 0 {
		zones = []Zone{{Name: NoZone, Region: NoZone}}
	}
	types := make([]*cloudprovider.InstanceType, 0, len(classes))
	for _, class := range classes {
		types = append(types, build(class, zones))
	}
	return types
}

func build(class v1alpha1.MachineClass, zones []Zone) *cloudprovider.InstanceType {
	price := Price(class.Spec)
	var zoneNames, regions []string
	var offerings cloudprovider.Offerings
	for _, zone := range zones {
		zoneNames = append(zoneNames, zone.Name)
		if !slices.Contains(regions, zone.Region) {
			regions = append(regions, zone.Region)
		}
		offerings = append(offerings, &cloudprovider.Offering{
			Requirements: scheduling.NewRequirements(
				in(karpenter.CapacityTypeLabelKey, karpenter.CapacityTypeOnDemand),
				in(corev1.LabelTopologyZone, zone.Name),
				in(corev1.LabelTopologyRegion, zone.Region),
			),
			Price:     price,
			Available: zone.Available,
		})
	}
	return &cloudprovider.InstanceType{
		Name: class.Name,
		Requirements: scheduling.NewRequirements(
			in(corev1.LabelInstanceTypeStable, class.Name),
			in(v1alpha1.LabelMachineClass, class.Name),
			in(corev1.LabelArchStable, runtime.GOARCH),
			in(corev1.LabelOSStable, string(corev1.Linux)),
			in(karpenter.CapacityTypeLabelKey, karpenter.CapacityTypeOnDemand),
			in(corev1.LabelTopologyZone, zoneNames...),
			in(corev1.LabelTopologyRegion, regions...),
		),
		Offerings: offerings,
		Capacity:  Capacity(class.Spec),
		Overhead: &cloudprovider.InstanceTypeOverhead{
			EvictionThreshold: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(evictionMemory)},
		},
	}
}

func in(key string, values ...string) *scheduling.Requirement {
	return scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, values...)
}

// Capacity is what the kubelet of a machine of this class reports: whole cores, rounded up, as
// internal/node makes them.
func Capacity(class v1alpha1.MachineClassSpec) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewQuantity(class.CPU.Value(), resource.DecimalSI),
		corev1.ResourceMemory:           class.Memory.DeepCopy(),
		corev1.ResourcePods:             *resource.NewQuantity(int64(class.Pods), resource.DecimalSI),
		corev1.ResourceEphemeralStorage: resource.MustParse(ephemeralStorage),
	}
}

// Price is the class's own, or one derived from its size.
func Price(class v1alpha1.MachineClassSpec) float64 {
	if class.PricePerHour != nil {
		return class.PricePerHour.AsApproximateFloat64()
	}
	const gib = 1 << 30
	return pricePerCore*class.CPU.AsApproximateFloat64() + pricePerGiB*class.Memory.AsApproximateFloat64()/gib
}

// Choice is one offering of one instance type.
type Choice struct {
	Type *cloudprovider.InstanceType
	Zone string
	// Labels are those of the choice: instance type, machine class, zone, region, architecture …
	Labels map[string]string
}

// Choose picks the cheapest available offering that meets the requirements and holds the requests; among
// equals the zone with the fewest machines, then the first by name. It returns false where none does.
func Choose(types []*cloudprovider.InstanceType, requirements scheduling.Requirements, requests corev1.ResourceList, machines map[string]int) (Choice, bool) {
	type candidate struct {
		of       *cloudprovider.InstanceType
		offering *cloudprovider.Offering
	}
	var candidates []candidate
	for _, of := range types {
		if requirements.Intersects(of.Requirements) != nil || !fits(requests, of.Allocatable()) {
			continue
		}
		for _, offering := range of.Offerings.Available().Compatible(requirements) {
			candidates = append(candidates, candidate{of, offering})
		}
	}
	if len(candidates) == 0 {
		return Choice{}, false
	}
	best := slices.MinFunc(candidates, func(a, b candidate) int {
		return cmp.Or(
			cmp.Compare(a.offering.Price, b.offering.Price),
			cmp.Compare(machines[a.offering.Zone()], machines[b.offering.Zone()]),
			cmp.Compare(a.of.Name, b.of.Name),
			cmp.Compare(a.offering.Zone(), b.offering.Zone()),
		)
	})
	return Choice{Type: best.of, Zone: best.offering.Zone(), Labels: labels(best.of.Requirements, best.offering.Requirements)}, true
}

// labels are the requirements that have exactly one value; later ones win.
func labels(of ...scheduling.Requirements) map[string]string {
	found := map[string]string{}
	for _, requirements := range of {
		for key, requirement := range requirements {
			if requirement.Operator() == corev1.NodeSelectorOpIn && requirement.Len() == 1 {
				found[key] = requirement.Any()
			}
		}
	}
	return found
}

func fits(requests, allocatable corev1.ResourceList) bool {
	for name, request := range requests {
		available := allocatable[name]
		if request.Cmp(available) > 0 {
			return false
		}
	}
	return true
}

// Zones reads the zones of the hosting cluster off its nodes, sorted by name.
func Zones(hosts []corev1.Node) []Zone {
	byName := map[string]Zone{}
	for _, host := range hosts {
		name := cmp.Or(host.Labels[corev1.LabelTopologyZone], NoZone)
		zone := byName[name]
		zone.Name = name
		zone.Region = cmp.Or(zone.Region, host.Labels[corev1.LabelTopologyRegion])
		zone.Available = zone.Available || takesMachines(host)
		byName[name] = zone
	}
	zones := make([]Zone, 0, len(byName))
	for _, zone := range byName {
		zone.Region = cmp.Or(zone.Region, NoZone)
		zones = append(zones, zone)
	}
	slices.SortFunc(zones, func(a, b Zone) int { return cmp.Compare(a.Name, b.Name) })
	return zones
}

func takesMachines(host corev1.Node) bool {
	if host.Spec.Unschedulable {
		return false
	}
	return slices.ContainsFunc(host.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}
