package provider

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpenter "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/utils/resources"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/autoscale/instancetypes"
)

// newMachine is the Machine that serves a claim. It is pure, and the same for the same claim and choice.
func newMachine(cluster string, claim *karpenter.NodeClaim, class v1alpha1.NaruNodeClassSpec, choice instancetypes.Choice) *v1alpha1.Machine {
	labels := maps.Clone(claim.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, choice.Labels)
	zone := choice.Zone
	if zone == instancetypes.NoZone {
		zone = ""
	}
	// The taint keeps pods away until Karpenter has given the node all of its labels and taints.
	taints := slices.Concat(claim.Spec.Taints, claim.Spec.StartupTaints, []corev1.Taint{karpenter.UnregisteredNoExecuteTaint})
	return &v1alpha1.Machine{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:  v1alpha1.Namespace(cluster),
			Name:       machineName(class, claim.UID),
			Labels:     ownLabels(cluster, class, choice.Type.Name),
			Finalizers: []string{v1alpha1.Finalizer},
		},
		Spec: v1alpha1.MachineSpec{
			Claim:          v1alpha1.MachineClaim{Name: claim.Name, UID: claim.UID},
			NodeGroup:      class.NodeGroup,
			FargateProfile: class.FargateProfile,
			MachineClass:   choice.Type.Name,
			Zone:           zone,
			Image:          class.Image,
			Labels:         labels,
			Taints:         taints,
		},
	}
}

// ownLabels are those of the Machine, as opposed to its node's.
func ownLabels(cluster string, class v1alpha1.NaruNodeClassSpec, machineClass string) map[string]string {
	labels := map[string]string{v1alpha1.LabelCluster: cluster, v1alpha1.LabelNodeGroup: class.NodeGroup, v1alpha1.LabelMachineClass: machineClass}
	if class.FargateProfile != "" {
		labels[v1alpha1.LabelFargateProfile] = class.FargateProfile
	}
	return labels
}

// machineName is derived from the claim's UID, so that creating twice finds the first. At most 48 + 1 + 8 characters.
func machineName(class v1alpha1.NaruNodeClassSpec, uid types.UID) string {
	sum := sha256.Sum256([]byte(uid))
	of := cmp.Or(class.NodeGroup, "machine")
	if class.FargateProfile != "" {
		of = v1alpha1.FargateComputeType + "-" + class.FargateProfile
	}
	return of + "-" + hex.EncodeToString(sum[:4])
}

// drift compares what a machine is with what its node class asks for.
func drift(machine v1alpha1.MachineSpec, class v1alpha1.NaruNodeClassSpec) cloudprovider.DriftReason {
	switch {
	case machine.Image != class.Image:
		return ImageDrift
	case !slices.Contains(class.MachineClasses, machine.MachineClass):
		return MachineClassDrift
	}
	return ""
}

// find returns the Machine of a provider ID, or a NodeClaimNotFoundError.
func (p *Provider) find(ctx context.Context, providerID string) (*v1alpha1.Machine, error) {
	cluster, name, ok := v1alpha1.ParseProviderID(providerID)
	if !ok || cluster != p.cluster {
		return nil, cloudprovider.NewNodeClaimNotFoundError(fmt.Errorf("provider ID %q is not one of cluster %s's", providerID, p.cluster))
	}
	var machine v1alpha1.Machine
	if err := p.machines.Get(ctx, client.ObjectKey{Namespace: v1alpha1.Namespace(p.cluster), Name: name}, &machine); apierrors.IsNotFound(err) {
		return nil, cloudprovider.NewNodeClaimNotFoundError(fmt.Errorf("finding machine: %w", err))
	} else if err != nil {
		return nil, fmt.Errorf("finding machine: %w", err)
	}
	if !machine.Claimed() {
		return nil, cloudprovider.NewNodeClaimNotFoundError(fmt.Errorf("machine %s serves no NodeClaim yet", name))
	}
	return &machine, nil
}

func (p *Provider) list(ctx context.Context) ([]v1alpha1.Machine, error) {
	var machines v1alpha1.MachineList
	if err := p.machines.List(ctx, &machines, client.InNamespace(v1alpha1.Namespace(p.cluster))); err != nil {
		return nil, fmt.Errorf("listing machines: %w", err)
	}
	return machines.Items, nil
}

func (p *Provider) instanceTypes(ctx context.Context, names []string) ([]*cloudprovider.InstanceType, error) {
	var classes v1alpha1.MachineClassList
	if err := p.catalogue.List(ctx, &classes); err != nil {
		return nil, fmt.Errorf("listing machine classes: %w", err)
	}
	var hosts corev1.NodeList
	if err := p.catalogue.List(ctx, &hosts); err != nil {
		return nil, fmt.Errorf("listing hosts: %w", err)
	}
	named := slices.DeleteFunc(classes.Items, func(c v1alpha1.MachineClass) bool { return !slices.Contains(names, c.Name) })
	slices.SortFunc(named, func(a, b v1alpha1.MachineClass) int { return strings.Compare(a.Name, b.Name) })
	return instancetypes.Build(named, instancetypes.Zones(hosts.Items)), nil
}

// toClaim says of a Machine what Karpenter wants to know. A class that was deleted since leaves the
// capacity unknown; Karpenter reads it off the node then.
func (p *Provider) toClaim(ctx context.Context, machine *v1alpha1.Machine) (*karpenter.NodeClaim, error) {
	claim := &karpenter.NodeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Name:              machine.Spec.Claim.Name,
			Labels:            machine.Spec.Labels,
			CreationTimestamp: machine.CreationTimestamp,
			DeletionTimestamp: machine.DeletionTimestamp,
		},
		Status: karpenter.NodeClaimStatus{
			ProviderID: v1alpha1.ProviderID(p.cluster, machine.Name),
			ImageID:    machine.Spec.Image,
		},
	}
	types, err := p.instanceTypes(ctx, []string{machine.Spec.MachineClass})
	if err != nil {
		return nil, err
	}
	for _, instanceType := range types {
		claim.Status.Capacity = nonZero(instanceType.Capacity)
		claim.Status.Allocatable = nonZero(instanceType.Allocatable())
	}
	return claim, nil
}

func nonZero(list corev1.ResourceList) corev1.ResourceList {
	kept := corev1.ResourceList{}
	for name, quantity := range list {
		if !resources.IsZero(quantity) {
			kept[name] = quantity
		}
	}
	return kept
}
