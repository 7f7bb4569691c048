package nodegroup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	karpenter "sigs.k8s.io/karpenter/pkg/apis/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
)

// aheadAtMost bounds how many machines a group has before its cluster can ask for any.
const aheadAtMost = 10

// ahead makes the machines that a new cluster will ask for as soon as it can ask, so that they start while its control
// plane does. It never makes any for a cluster that has been ready once. What does not exist is the group's own affair:
// it is reported when the group is written into the cluster.
func (c *Controller) ahead(ctx context.Context, s *scope) error {
	if !starting(s.cluster) {
		return nil // a change of the cluster wakes the group
	}
	image, catalogue, err := Offers(ctx, c.hosting, s.cluster)
	var missing *NotFoundError
	if errors.As(err, &missing) {
		return nil
	} else if err != nil {
		return err
	}
	for _, machine := range Ahead(s.group, image, catalogue) {
		if slices.ContainsFunc(s.machines, func(m v1alpha1.Machine) bool { return m.Name == machine.Name }) {
			continue
		}
		if err := c.hosting.Create(ctx, machine); err != nil && !apierrors.IsAlreadyExists(err) && !apierrors.IsForbidden(err) {
			return fmt.Errorf("making machine %s ahead: %w", machine.Name, err)
		}
	}
	return nil
}

// starting tells whether a cluster's servers, and what keeps them and its machines apart from others, were written for the
// first time. It is pure.
func starting(cluster *v1alpha1.Cluster) bool {
	servers := conditions.Get(cluster, v1alpha1.ClusterControlPlaneReady)
	return cluster.Status.ObservedGeneration == 0 && servers != nil &&
		(servers.Reason == v1alpha1.ReasonProgressing || servers.Reason == v1alpha1.ReasonReady)
}

// Ahead returns the Machines, without a NodeClaim yet, that a new group's static pool will ask for; their names
// are the same every time. Which of several classes is to be taken is Karpenter's to decide: then there are none. It is pure.
func Ahead(group *v1alpha1.NodeGroup, image string, catalogue Catalogue) []*v1alpha1.Machine {
	if len(group.Spec.MachineClasses) != 1 || !slices.Contains(catalogue.Classes, group.Spec.MachineClasses[0]) {
		return nil
	}
	zones := group.Spec.Zones
	if len(zones) == 0 {
		zones = catalogue.Zones
	}
	zones = sorted(zones)
	if len(without(zones, catalogue.Zones)) > 0 {
		return nil
	}
	static, _ := sizes(group.Spec.Scaling)
	var machines []*v1alpha1.Machine
	for i := range min(int(static), aheadAtMost) {
		zone := ""
		if len(zones) > 0 {
			zone = zones[i%len(zones)]
		}
		machines = append(machines, aheadMachine(group, image, zone, i))
	}
	return machines
}

func aheadMachine(group *v1alpha1.NodeGroup, image, zone string, number int) *v1alpha1.Machine {
	class := group.Spec.MachineClasses[0]
	labels := map[string]string{corev1.LabelInstanceTypeStable: class, v1alpha1.LabelMachineClass: class, v1alpha1.LabelNodeGroup: group.Name}
	if zone != "" {
		labels[corev1.LabelTopologyZone] = zone
	}
	maps.Copy(labels, group.Spec.Labels)
	return &v1alpha1.Machine{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: group.Namespace,
			Name:      aheadName(group.Name, group.UID, number),
			Labels: map[string]string{
				v1alpha1.LabelCluster:      v1alpha1.ClusterOf(group.Namespace),
				v1alpha1.LabelNodeGroup:    group.Name,
				v1alpha1.LabelMachineClass: class,
			},
			Finalizers: []string{v1alpha1.Finalizer},
		},
		Spec: v1alpha1.MachineSpec{
			NodeGroup:    group.Name,
			MachineClass: class,
			Zone:         zone,
			Image:        image,
			Labels:       labels,
			// Karpenter registers nodes with this taint only, and then gives them the labels and taints of their claim.
			Taints: slices.Concat(group.Spec.Taints, []corev1.Taint{karpenter.UnregisteredNoExecuteTaint}),
		},
	}
}

func aheadName(group string, uid types.UID, number int) string {
	sum := sha256.Sum256([]byte(string(uid) + "/" + strconv.Itoa(number)))
	return group + "-" + hex.EncodeToString(sum[:4])
}
