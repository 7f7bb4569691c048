// Package provider is Karpenter's cloud provider on Naru: a NodeClaim in a managed cluster is
// served by a Machine in that cluster's namespace of the hosting cluster.
package provider

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/awslabs/operatorpkg/status"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpenter "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/autoscale/nodeclass"
)

// unhealthyFor is how long a node may be NotReady or unknown before it is replaced. The controller
// manager has waited for its grace period by then, and PID 1 of a node restarts a kubelet within seconds.
const unhealthyFor = 30 * time.Second

// Reasons of drift.
const (
	// ImageDrift: the machine runs another image than its node class names.
	ImageDrift cloudprovider.DriftReason = "ImageDrift"
	// MachineClassDrift: the machine's class is no longer among its node class's.
	MachineClassDrift cloudprovider.DriftReason = "MachineClassDrift"
)

// Provider implements cloudprovider.CloudProvider for one managed cluster.
type Provider struct {
	cluster string
	// tenant reads node classes.
	tenant client.Reader
	// catalogue reads machine classes and hosts; it may be cached.
	catalogue client.Reader
	// machines reads and writes Machines, never cached: a Machine that was just created must be found.
	machines client.Client

	// choosing makes counting the machines of each zone and adding one to the count one step: Karpenter creates
	// several claims at once, and all of them would see the same zone as the emptiest.
	choosing sync.Mutex
}

var _ cloudprovider.CloudProvider = (*Provider)(nil)

// New returns the provider of the named cluster.
func New(cluster string, tenant, catalogue client.Reader, machines client.Client) *Provider {
	return &Provider{cluster: cluster, tenant: tenant, catalogue: catalogue, machines: machines}
}

// Name returns the provider's name.
func (p *Provider) Name() string { return "naru" }

// GetSupportedNodeClasses returns the one kind of node class.
func (p *Provider) GetSupportedNodeClasses() []status.Object {
	return []status.Object{&nodeclass.NodeClass{}}
}

// RepairPolicies returns what makes a node be replaced.
func (p *Provider) RepairPolicies() []cloudprovider.RepairPolicy {
	return []cloudprovider.RepairPolicy{
		{ConditionType: corev1.NodeReady, ConditionStatus: corev1.ConditionFalse, TolerationDuration: unhealthyFor},
		{ConditionType: corev1.NodeReady, ConditionStatus: corev1.ConditionUnknown, TolerationDuration: unhealthyFor},
	}
}

// Create gives the claim a Machine that was made ahead of it, or makes one, or finds the one of an earlier call: that
// has the claim's UID, and one that is made a name derived from it. A full quota and a claim that no class and zone can hold are InsufficientCapacityErrors.
func (p *Provider) Create(ctx context.Context, claim *karpenter.NodeClaim) (*karpenter.NodeClaim, error) {
	class, err := p.nodeClass(ctx, claim)
	if err != nil {
		return nil, err
	}
	types, err := p.instanceTypes(ctx, class.Spec.MachineClasses)
	if err != nil {
		return nil, err
	}
	machine, err := p.chooseAndClaim(ctx, wish{claim: claim, class: class.Spec, types: types})
	if err != nil {
		return nil, err
	}
	return p.toClaim(ctx, machine)
}

func (p *Provider) chooseAndClaim(ctx context.Context, wish wish) (*v1alpha1.Machine, error) {
	p.choosing.Lock()
	defer p.choosing.Unlock()
	machines, err := p.list(ctx)
	if err != nil {
		return nil, err
	}
	if given := serving(machines, wish.claim); given != nil {
		return alive(given)
	}
	if adopted, err := p.adopt(ctx, machines, wish); adopted != nil || err != nil {
		return adopted, err
	}
	choice, ok := wish.choose(wish.types, nil, byZone(machines))
	if !ok {
		return nil, cloudprovider.NewInsufficientCapacityError(fmt.Errorf(
			"none of the machine classes %v in an available zone meets what NodeClaim %s requires", wish.class.MachineClasses, wish.claim.Name))
	}
	return p.claimMachine(ctx, newMachine(p.cluster, wish.claim, wish.class, choice))
}

func alive(machine *v1alpha1.Machine) (*v1alpha1.Machine, error) {
	if !machine.DeletionTimestamp.IsZero() {
		return nil, cloudprovider.NewInsufficientCapacityError(fmt.Errorf("machine %s was lost before it was launched", machine.Name))
	}
	return machine, nil
}

// nodeClass returns the claim's node class. Karpenter drops a claim that meets one of these errors and makes another.
func (p *Provider) nodeClass(ctx context.Context, claim *karpenter.NodeClaim) (*nodeclass.NodeClass, error) {
	var class nodeclass.NodeClass
	if err := p.tenant.Get(ctx, client.ObjectKey{Name: claim.Spec.NodeClassRef.Name}, &class); apierrors.IsNotFound(err) {
		return nil, cloudprovider.NewNodeClassNotReadyError(fmt.Errorf("resolving node class: %w", err))
	} else if err != nil {
		return nil, fmt.Errorf("resolving node class: %w", err)
	}
	if ready := class.StatusConditions().Get(status.ConditionReady); ready.IsFalse() {
		return nil, cloudprovider.NewNodeClassNotReadyError(errors.New(ready.Message))
	}
	return &class, nil
}

func (p *Provider) claimMachine(ctx context.Context, wanted *v1alpha1.Machine) (*v1alpha1.Machine, error) {
	err := p.machines.Create(ctx, wanted)
	switch {
	case err == nil:
		return wanted, nil
	case apierrors.IsForbidden(err):
		// Admission refuses for one reason here: the namespace's ResourceQuota.
		return nil, cloudprovider.NewInsufficientCapacityError(fmt.Errorf("creating machine: %w", err))
	case !apierrors.IsAlreadyExists(err):
		return nil, fmt.Errorf("creating machine: %w", err)
	}
	var existing v1alpha1.Machine
	if err := p.machines.Get(ctx, client.ObjectKeyFromObject(wanted), &existing); err != nil {
		return nil, fmt.Errorf("reading machine that exists: %w", err)
	}
	if existing.Spec.Claim.UID != wanted.Spec.Claim.UID {
		return nil, cloudprovider.NewCreateError(fmt.Errorf("machine %s serves another NodeClaim, %s", existing.Name, existing.Spec.Claim.Name),
			"MachineNameTaken", "another NodeClaim's machine has the name that this one's would have")
	}
	return alive(&existing)
}

// Delete asks for the end of the claim's Machine. It returns a NodeClaimNotFoundError when the Machine is gone,
// and everything that it stood for with it.
func (p *Provider) Delete(ctx context.Context, claim *karpenter.NodeClaim) error {
	machine, err := p.find(ctx, claim.Status.ProviderID)
	if err != nil {
		return err
	}
	if !machine.DeletionTimestamp.IsZero() {
		return nil
	}
	if err := p.machines.Delete(ctx, machine, client.Preconditions{UID: &machine.UID}); apierrors.IsNotFound(err) {
		return cloudprovider.NewNodeClaimNotFoundError(fmt.Errorf("deleting machine: %w", err))
	} else if err != nil {
		return fmt.Errorf("deleting machine: %w", err)
	}
	return nil
}

// Get returns the claim that a provider ID's Machine serves, or a NodeClaimNotFoundError.
func (p *Provider) Get(ctx context.Context, providerID string) (*karpenter.NodeClaim, error) {
	machine, err := p.find(ctx, providerID)
	if err != nil {
		return nil, err
	}
	return p.toClaim(ctx, machine)
}

// List returns a claim for each Machine of the cluster that has one; those that are on their way out have a deletion timestamp.
func (p *Provider) List(ctx context.Context) ([]*karpenter.NodeClaim, error) {
	machines, err := p.list(ctx)
	if err != nil {
		return nil, err
	}
	claims := make([]*karpenter.NodeClaim, 0, len(machines))
	for i := range machines {
		if !machines[i].Claimed() {
			continue
		}
		claim, err := p.toClaim(ctx, &machines[i])
		if err != nil {
			return nil, err
		}
		claims = append(claims, claim)
	}
	return claims, nil
}

// GetInstanceTypes returns the machine classes that the pool's node class names, in every zone.
func (p *Provider) GetInstanceTypes(ctx context.Context, pool *karpenter.NodePool) ([]*cloudprovider.InstanceType, error) {
	var class nodeclass.NodeClass
	if err := p.tenant.Get(ctx, client.ObjectKey{Name: pool.Spec.Template.Spec.NodeClassRef.Name}, &class); err != nil {
		return nil, fmt.Errorf("resolving node class: %w", err)
	}
	return p.instanceTypes(ctx, class.Spec.MachineClasses)
}

// IsDrifted tells whether the claim's Machine is other than its node class asks for.
func (p *Provider) IsDrifted(ctx context.Context, claim *karpenter.NodeClaim) (cloudprovider.DriftReason, error) {
	var class nodeclass.NodeClass
	if err := p.tenant.Get(ctx, client.ObjectKey{Name: claim.Spec.NodeClassRef.Name}, &class); apierrors.IsNotFound(err) {
		return "", nil // the pool is on its way out, and its claims with it
	} else if err != nil {
		return "", fmt.Errorf("resolving node class: %w", err)
	}
	machine, err := p.find(ctx, claim.Status.ProviderID)
	if err != nil {
		return "", err
	}
	return drift(machine.Spec, class.Spec), nil
}
