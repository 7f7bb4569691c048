package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpenter "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/autoscale/instancetypes"
)

// adoptTries is how often a machine whose status is being written meanwhile is read again.
const adoptTries = 5

// serving returns the machine that was given to a claim before, or nil.
func serving(machines []v1alpha1.Machine, claim *karpenter.NodeClaim) *v1alpha1.Machine {
	for i := range machines {
		if machines[i].Spec.Claim.UID == claim.UID {
			return &machines[i]
		}
	}
	return nil
}

// adopt gives the claim a machine that was made ahead of it, if there is one that meets what it requires; else it
// returns nil. A machine is given away once: the API server refuses a second claim.
func (p *Provider) adopt(ctx context.Context, machines []v1alpha1.Machine, wish wish) (*v1alpha1.Machine, error) {
	slices.SortFunc(machines, func(a, b v1alpha1.Machine) int { return strings.Compare(a.Name, b.Name) })
	for i := range machines {
		adopted, err := p.adoptOne(ctx, client.ObjectKeyFromObject(&machines[i]), &machines[i], wish)
		if adopted != nil || err != nil {
			return adopted, err
		}
	}
	return nil, nil
}

func (p *Provider) adoptOne(ctx context.Context, key client.ObjectKey, machine *v1alpha1.Machine, wish wish) (*v1alpha1.Machine, error) {
	for range adoptTries {
		choice, ok := wish.metBy(machine)
		if !ok {
			return nil, nil
		}
		stored := machine.DeepCopy()
		wanted := newMachine(p.cluster, wish.claim, wish.class, choice)
		machine.Spec.Claim, machine.Spec.Labels, machine.Spec.Taints = wanted.Spec.Claim, wanted.Spec.Labels, wanted.Spec.Taints
		err := p.machines.Patch(ctx, machine, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{}))
		if err == nil {
			return machine, nil
		}
		if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("giving machine %s to NodeClaim %s: %w", key.Name, wish.claim.Name, err)
		}
		machine = &v1alpha1.Machine{}
		if err := p.machines.Get(ctx, key, machine); apierrors.IsNotFound(err) {
			return nil, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading machine %s: %w", key.Name, err)
		}
	}
	return nil, nil
}

// wish is what a claim asks for.
type wish struct {
	claim *karpenter.NodeClaim
	class v1alpha1.NaruNodeClassSpec
	types []*cloudprovider.InstanceType
}

// choose picks among the offers; inZone counts the machines of each zone.
func (w wish) choose(types []*cloudprovider.InstanceType, extra []corev1.NodeSelectorRequirement, inZone map[string]int) (instancetypes.Choice, bool) {
	requirements := scheduling.NewNodeSelectorRequirementsWithMinValues(w.claim.Spec.Requirements...)
	requirements.Add(scheduling.NewNodeSelectorRequirements(extra...).Values()...)
	return instancetypes.Choose(types, requirements, w.claim.Spec.Resources.Requests, inZone)
}

// metBy tells whether a machine without a claim is what the wish asks for, and which offer it is.
func (w wish) metBy(machine *v1alpha1.Machine) (instancetypes.Choice, bool) {
	if machine.Claimed() || !machine.DeletionTimestamp.IsZero() || machine.Spec.NodeGroup != w.class.NodeGroup || w.class.FargateProfile != "" || machine.Spec.Image != w.class.Image {
		return instancetypes.Choice{}, false
	}
	var own []*cloudprovider.InstanceType
	for _, of := range w.types {
		if of.Name == machine.Spec.MachineClass {
			own = append(own, of)
		}
	}
	zone := machine.Spec.Zone
	if zone == "" {
		zone = instancetypes.NoZone
	}
	return w.choose(own, []corev1.NodeSelectorRequirement{{
		Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{zone},
	}}, nil)
}

// byZone counts the machines that stay, by zone.
func byZone(machines []v1alpha1.Machine) map[string]int {
	count := map[string]int{}
	for _, machine := range machines {
		if machine.DeletionTimestamp.IsZero() {
			count[machine.Spec.Zone]++
		}
	}
	return count
}
