package backend

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/await"
)

// NewNodeGroup returns the manifest of a node group.
func NewNodeGroup(cluster, name string, spec v1alpha1.NodeGroupSpec) *v1alpha1.NodeGroup {
	return &v1alpha1.NodeGroup{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "NodeGroup"},
		ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.Namespace(cluster), Name: name},
		Spec:       spec,
	}
}

// NodeGroup reads a node group. Errors: *NotFoundError for it or its cluster.
func (b *Backend) NodeGroup(ctx context.Context, cluster, name string) (*v1alpha1.NodeGroup, error) {
	group := &v1alpha1.NodeGroup{}
	err := b.client.Get(ctx, client.ObjectKey{Namespace: v1alpha1.Namespace(cluster), Name: name}, group)
	if err == nil {
		return group, nil
	}
	if !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading node group %q: %w", name, err)
	}
	if _, err := b.Cluster(ctx, cluster); err != nil {
		return nil, err
	}
	list := &v1alpha1.NodeGroupList{}
	if err := b.client.List(ctx, list, client.InNamespace(v1alpha1.Namespace(cluster))); err != nil {
		return nil, fmt.Errorf("listing node groups: %w", err)
	}
	names := make([]string, 0, len(list.Items))
	for _, g := range list.Items {
		names = append(names, g.Name)
	}
	return nil, &NotFoundError{Kind: "node group", Name: name,
		Next: fmt.Sprintf("in cluster %q %s (see \"naru get nodegroups --cluster %s\")", cluster, Enumerate(names), cluster)}
}

// CreateNodeGroup writes a node group of an existing cluster.
// Errors: *InvalidError, *NotFoundError, *RefusedError, *WaitError.
func (b *Backend) CreateNodeGroup(ctx context.Context, group *v1alpha1.NodeGroup) error {
	catalogue, err := b.Catalogue(ctx)
	if err != nil {
		return err
	}
	if err := ValidateNodeGroup(group, catalogue); err != nil {
		return err
	}
	clusterName := v1alpha1.ClusterOf(group.Namespace)
	cluster, err := b.Cluster(ctx, clusterName)
	if err != nil {
		return err
	}
	if cluster.DeletionTimestamp != nil {
		return beingDeleted(cluster)
	}
	err = b.createInNamespace(ctx, clusterName, group)
	if apierrors.IsAlreadyExists(err) {
		return &RefusedError{Exists, fmt.Sprintf("node group %q exists already in cluster %q: choose another name, or change its size with \"naru scale nodegroup %s --cluster %s --nodes N\"",
			group.Name, clusterName, group.Name, clusterName)}
	}
	return err
}

// Scaling is a change of a node group's size; nil keeps what is there.
type Scaling struct {
	Min, Max, Desired *int32
	// Dynamic lets pending pods decide between min and max: desired is taken away.
	Dynamic bool
}

// Apply returns the changed size. It is not validated.
func (s Scaling) Apply(to v1alpha1.ScalingSpec) v1alpha1.ScalingSpec {
	if s.Min != nil {
		to.Min = *s.Min
	}
	if s.Max != nil {
		to.Max = *s.Max
	}
	if s.Desired != nil {
		to.Desired = s.Desired
	}
	if s.Dynamic {
		to.Desired = nil
	}
	return to
}

// ScaleNodeGroup changes the size of a node group.
// Errors: *InvalidError, *NotFoundError, *RefusedError.
func (b *Backend) ScaleNodeGroup(ctx context.Context, cluster, name string, scaling Scaling) (*v1alpha1.NodeGroup, error) {
	group, err := b.NodeGroup(ctx, cluster, name)
	if err != nil {
		return nil, err
	}
	if group.DeletionTimestamp != nil {
		return nil, groupBeingDeleted(group)
	}
	before := group.DeepCopy()
	group.Spec.Scaling = scaling.Apply(group.Spec.Scaling)
	if err := validateScaling(group.Spec.Scaling); err != nil {
		return nil, err
	}
	if err := b.client.Patch(ctx, group, client.MergeFrom(before), client.FieldOwner(fieldManager)); err != nil {
		return nil, fmt.Errorf("scaling node group %q: %w", name, err)
	}
	return group, nil
}

// DeleteNodeGroup asks for a node group's deletion: its nodes are drained and its machines go.
// Errors: *NotFoundError, *RefusedError when it is being deleted already.
func (b *Backend) DeleteNodeGroup(ctx context.Context, cluster, name string) error {
	group, err := b.NodeGroup(ctx, cluster, name)
	if err != nil {
		return err
	}
	if group.DeletionTimestamp != nil {
		return groupBeingDeleted(group)
	}
	uid := group.UID
	if err := b.client.Delete(ctx, group, client.Preconditions{UID: &uid}); err != nil {
		return fmt.Errorf("deleting node group %q: %w", name, err)
	}
	return nil
}

func groupBeingDeleted(group *v1alpha1.NodeGroup) error {
	cluster := v1alpha1.ClusterOf(group.Namespace)
	return &RefusedError{BeingDeleted, fmt.Sprintf("node group %q of cluster %q is being deleted since %s: wait until it is gone with \"naru get nodegroups --cluster %s -w\"",
		group.Name, cluster, group.DeletionTimestamp.Local().Format(time.TimeOnly), cluster)}
}

// AwaitNodeGroup waits until the group is Ready for its present spec; observe sees each change.
// Errors: *WaitError, *NotFoundError when it is deleted meanwhile.
func (b *Backend) AwaitNodeGroup(ctx context.Context, cluster, name string, observe func(*v1alpha1.NodeGroup)) error {
	began := time.Now()
	group := NewNodeGroup(cluster, name, v1alpha1.NodeGroupSpec{})
	err := await.Object(ctx, b.client, group, &v1alpha1.NodeGroupList{}, func(found bool) (bool, error) {
		if !found {
			return false, &NotFoundError{Kind: "node group", Name: name, Next: "it was deleted while it was waited for"}
		}
		observe(group)
		return ReadyFor(group, v1alpha1.NodeGroupReady) && Settled(group), nil
	})
	return ended(ctx, err, WaitError{
		What: fmt.Sprintf("node group %q to be ready", name), After: time.Since(began),
		Missing: []string{NodesMissing(group)},
		Watch:   "naru get machines --cluster " + cluster + " -w", Look: "naru describe nodegroup " + name + " --cluster " + cluster,
	})
}

// Settled tells whether a group of a fixed size has exactly that many machines, all of them ready
// nodes; a dynamic one is settled at any size.
func Settled(group *v1alpha1.NodeGroup) bool {
	size, fixed := group.Spec.Scaling.FixedSize()
	return !fixed || group.Status.Machines == size && group.Status.ReadyNodes == size
}

// NodesMissing says how far a group is from its size.
func NodesMissing(group *v1alpha1.NodeGroup) string {
	size, fixed := group.Spec.Scaling.FixedSize()
	if !fixed {
		size = group.Spec.Scaling.Min
	}
	return fmt.Sprintf("%d of %d nodes are ready, of %d machines", group.Status.ReadyNodes, size, group.Status.Machines)
}

// AwaitNodeGroupGone waits until a deleted group is gone; observe sees each change until then.
// Errors: *WaitError.
func (b *Backend) AwaitNodeGroupGone(ctx context.Context, cluster, name string, observe func(*v1alpha1.NodeGroup)) error {
	began := time.Now()
	group := NewNodeGroup(cluster, name, v1alpha1.NodeGroupSpec{})
	err := await.Object(ctx, b.client, group, &v1alpha1.NodeGroupList{}, func(found bool) (bool, error) {
		if found {
			observe(group)
		}
		return !found, nil
	})
	return ended(ctx, err, WaitError{
		What: fmt.Sprintf("node group %q to be gone", name), After: time.Since(began),
		Missing: []string{fmt.Sprintf("%d machines are left", group.Status.Machines)},
		Watch:   "naru get machines --cluster " + cluster + " -w", Look: "naru describe nodegroup " + name + " --cluster " + cluster,
	})
}
