// Package backend holds the use-cases on clusters and node groups: validated, and the only write
// path of the command line and of every other front end.
//
// What it writes are objects of the hosting cluster; controllers do the rest. Each call checks
// everything that can be checked before it writes anything.
package backend

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
)

// fieldManager is the name under which users own fields of Naru's kinds.
const fieldManager = "naru-cli"

// Backend does what users ask of a hosting cluster.
type Backend struct{ client client.WithWatch }

// New returns a backend that writes with c, whose scheme knows Naru's and Kubernetes' kinds.
func New(c client.WithWatch) *Backend { return &Backend{client: c} }

// Catalogue reads what clusters and node groups can name.
func (b *Backend) Catalogue(ctx context.Context) (Catalogue, error) {
	var catalogue Catalogue
	releases := &v1alpha1.ReleaseList{}
	if err := b.client.List(ctx, releases); err != nil {
		return catalogue, fmt.Errorf("listing releases: %w", err)
	}
	catalogue.Releases = releases.Items
	slices.SortFunc(catalogue.Releases, func(x, y v1alpha1.Release) int {
		return cmp.Compare(minorNumber(y.Name), minorNumber(x.Name))
	})
	classes := &v1alpha1.MachineClassList{}
	if err := b.client.List(ctx, classes); err != nil {
		return catalogue, fmt.Errorf("listing machine classes: %w", err)
	}
	for _, class := range classes.Items {
		catalogue.MachineClasses = append(catalogue.MachineClasses, class.Name)
	}
	hosts := &corev1.NodeList{}
	if err := b.client.List(ctx, hosts); err != nil {
		return catalogue, fmt.Errorf("listing hosts: %w", err)
	}
	for _, host := range hosts.Items {
		if zone := host.Labels[corev1.LabelTopologyZone]; zone != "" {
			catalogue.Zones = append(catalogue.Zones, zone)
		}
	}
	slices.Sort(catalogue.MachineClasses)
	slices.Sort(catalogue.Zones)
	catalogue.Zones = slices.Compact(catalogue.Zones)
	return catalogue, nil
}

func minorNumber(release string) int {
	_, minor, _ := strings.Cut(release, ".")
	n, err := strconv.Atoi(minor)
	if err != nil {
		return -1 // not a version: last
	}
	return n
}
