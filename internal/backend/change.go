package backend

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
)

// Clusters lists all clusters, by name.
func (b *Backend) Clusters(ctx context.Context) ([]v1alpha1.Cluster, error) {
	list := &v1alpha1.ClusterList{}
	if err := b.client.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing clusters: %w", err)
	}
	slices.SortFunc(list.Items, func(x, y v1alpha1.Cluster) int { return cmp.Compare(x.Name, y.Name) })
	return list.Items, nil
}

// NodeGroups lists the node groups of an existing cluster, by name. Errors: *NotFoundError.
func (b *Backend) NodeGroups(ctx context.Context, cluster string) ([]v1alpha1.NodeGroup, error) {
	if _, err := b.Cluster(ctx, cluster); err != nil {
		return nil, err
	}
	list := &v1alpha1.NodeGroupList{}
	if err := b.client.List(ctx, list, client.InNamespace(v1alpha1.Namespace(cluster))); err != nil {
		return nil, fmt.Errorf("listing node groups: %w", err)
	}
	slices.SortFunc(list.Items, func(x, y v1alpha1.NodeGroup) int { return cmp.Compare(x.Name, y.Name) })
	return list.Items, nil
}

// ChangeCluster reads a cluster, lets change alter it, and writes it; again where somebody else wrote it meanwhile.
// Errors: *NotFoundError, *RefusedError when it is being deleted, *InvalidError, and those of change.
func (b *Backend) ChangeCluster(ctx context.Context, name string, change func(*v1alpha1.Cluster) error) (*v1alpha1.Cluster, error) {
	catalogue, err := b.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	return write(ctx, b, func() (*v1alpha1.Cluster, error) {
		cluster, err := b.Cluster(ctx, name)
		if err != nil {
			return nil, err
		}
		if cluster.DeletionTimestamp != nil {
			return nil, beingDeleted(cluster)
		}
		if err := change(cluster); err != nil {
			return nil, err
		}
		return cluster, ValidateCluster(cluster, catalogue)
	})
}

// ChangeNodeGroup does the same to a node group.
func (b *Backend) ChangeNodeGroup(ctx context.Context, cluster, name string, change func(*v1alpha1.NodeGroup) error) (*v1alpha1.NodeGroup, error) {
	catalogue, err := b.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	return write(ctx, b, func() (*v1alpha1.NodeGroup, error) {
		group, err := b.NodeGroup(ctx, cluster, name)
		if err != nil {
			return nil, err
		}
		if group.DeletionTimestamp != nil {
			return nil, groupBeingDeleted(group)
		}
		if err := change(group); err != nil {
			return nil, err
		}
		return group, ValidateNodeGroup(group, catalogue)
	})
}

// write makes an object and updates it in the place of the one it was read as.
func write[T client.Object](ctx context.Context, b *Backend, read func() (T, error)) (T, error) {
	var object T
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() (err error) {
		if object, err = read(); err != nil {
			return err
		}
		return b.client.Update(ctx, object, client.FieldOwner(fieldManager))
	})
	switch {
	case apierrors.IsInvalid(err):
		return object, invalidf(object.GetName(), "%s", err)
	case apierrors.IsConflict(err):
		return object, fmt.Errorf("writing %s: others change it all the time: %w", object.GetName(), err)
	}
	return object, err
}
