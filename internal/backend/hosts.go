package backend

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"naru.dev/naru/api/v1alpha1"
)

// Zone is a part of the hosting cluster that fails on its own.
type Zone struct {
	Name string
	// CIDR that machines of the zone's first host get their addresses from; empty where that is not known.
	CIDR string
}

// Zones are those of the hosts, by name.
func (b *Backend) Zones(ctx context.Context) ([]Zone, error) {
	hosts := &corev1.NodeList{}
	if err := b.client.List(ctx, hosts); err != nil {
		return nil, fmt.Errorf("listing hosts: %w", err)
	}
	slices.SortFunc(hosts.Items, func(x, y corev1.Node) int { return cmp.Compare(x.Name, y.Name) })
	zones := []Zone{}
	for _, host := range hosts.Items {
		name := host.Labels[corev1.LabelTopologyZone]
		if name != "" && !slices.ContainsFunc(zones, func(z Zone) bool { return z.Name == name }) {
			zones = append(zones, Zone{Name: name, CIDR: host.Spec.PodCIDR})
		}
	}
	slices.SortFunc(zones, func(x, y Zone) int { return cmp.Compare(x.Name, y.Name) })
	return zones, nil
}

// MachineClasses lists the sizes that machines can have, by name.
func (b *Backend) MachineClasses(ctx context.Context) ([]v1alpha1.MachineClass, error) {
	list := &v1alpha1.MachineClassList{}
	if err := b.client.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing machine classes: %w", err)
	}
	slices.SortFunc(list.Items, func(x, y v1alpha1.MachineClass) int { return cmp.Compare(x.Name, y.Name) })
	return list.Items, nil
}
