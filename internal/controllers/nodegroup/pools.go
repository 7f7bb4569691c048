package nodegroup

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/kube/finalizer"
	"naru.dev/naru/internal/kube/tenant"
)

// minor is the minor version that the cluster's nodes run: what the active revision runs, or emulates while an
// upgrade can still be taken back. A cluster without revision yet has the one of its spec.
func minor(ctx context.Context, hosting client.Reader, cluster *v1alpha1.Cluster) (string, error) {
	if cluster.Status.Revision == "" {
		return cluster.Spec.Version, nil
	}
	var revision v1alpha1.ClusterRevision
	key := client.ObjectKey{Namespace: v1alpha1.Namespace(cluster.Name), Name: cluster.Status.Revision}
	if err := hosting.Get(ctx, key, &revision); apierrors.IsNotFound(err) {
		return cluster.Spec.Version, nil
	} else if err != nil {
		return "", fmt.Errorf("reading revision %s: %w", cluster.Status.Revision, err)
	}
	return nodeMinor(revision.Spec), nil
}

func nodeMinor(revision v1alpha1.ClusterRevisionSpec) string {
	if revision.EmulatedVersion != "" {
		return revision.EmulatedVersion
	}
	parts := strings.SplitN(revision.Version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// deletePools deletes the group's pools that are not among kept. Karpenter drains their nodes.
func deletePools(ctx context.Context, inside client.Client, group string, kept []*unstructured.Unstructured) error {
	pools, err := listOf(ctx, inside, nodePoolKind, group)
	if err != nil {
		return err
	}
	for i := range pools {
		if !pools[i].DeletionTimestamp.IsZero() || contains(kept, pools[i].Name) {
			continue
		}
		if err := inside.Delete(ctx, &pools[i]); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting NodePool %s: %w", pools[i].Name, err)
		}
	}
	return nil
}

func contains(objects []*unstructured.Unstructured, pool string) bool {
	for _, object := range objects {
		if object.GetKind() == nodePoolKind.Kind && object.GetName() == pool {
			return true
		}
	}
	return false
}

// listOf lists the metadata of a group's objects of one kind. A cluster that does not have the kind has none.
func listOf(ctx context.Context, inside client.Client, kind schema.GroupVersionKind, group string) ([]metav1.PartialObjectMetadata, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	err := inside.List(ctx, list, client.MatchingLabels{v1alpha1.LabelNodeGroup: group})
	if meta.IsNoMatchError(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("listing %ss of node group %s: %w", kind.Kind, group, err)
	}
	for i := range list.Items {
		list.Items[i].SetGroupVersionKind(kind)
	}
	return list.Items, nil
}

// finalize drains the group: first its pools go, then Karpenter's claims and the machines, then the node class. Where
// the cluster itself goes, nothing is drained, and the machines alone are waited for.
func (c *Controller) finalize(ctx context.Context, s *scope) (reconcile.Result, error) {
	if !controllerutil.ContainsFinalizer(s.group, v1alpha1.Finalizer) {
		return reconcile.Result{}, nil
	}
	left, err := c.drain(ctx, s)
	if err != nil {
		return reconcile.Result{}, err
	}
	if left != "" {
		conditions.False(s.group, v1alpha1.NodeGroupReady, v1alpha1.ReasonDeleting, left)
		return reconcile.Result{RequeueAfter: soon}, nil
	}
	if err := finalizer.Remove(ctx, c.hosting, s.group, v1alpha1.Finalizer); err != nil {
		return reconcile.Result{}, fmt.Errorf("letting go of node group %s: %w", s.group.Name, err)
	}
	return reconcile.Result{}, nil
}

// drain says what is still there, or "".
func (c *Controller) drain(ctx context.Context, s *scope) (string, error) {
	machines := ""
	if len(s.machines) > 0 {
		machines = fmt.Sprintf("%d machines are still there", len(s.machines))
	}
	if s.clusterGone() {
		return machines, nil
	}
	inside, err := c.tenants.Client(ctx, s.cluster.Name)
	if errors.Is(err, tenant.ErrNotReady) {
		return machines, nil
	} else if err != nil {
		return "", err
	}
	if err := deletePools(ctx, inside, s.group.Name, nil); err != nil {
		return "", err
	}
	for _, kind := range []schema.GroupVersionKind{nodePoolKind, nodeClaimKind} {
		left, err := listOf(ctx, inside, kind, s.group.Name)
		if err == nil && s.last && kind == nodeClaimKind {
			err = hurry(ctx, inside, left)
		}
		if err != nil {
			return "", err
		}
		if len(left) > 0 {
			return fmt.Sprintf("%d %ss of the group are still there: their nodes are being drained", len(left), kind.Kind), nil
		}
	}
	if machines != "" {
		return machines, nil
	}
	class := &metav1.PartialObjectMetadata{}
	class.SetGroupVersionKind(nodeClassKind)
	class.Name = s.group.Name
	if err := inside.Delete(ctx, class); client.IgnoreNotFound(err) != nil && !meta.IsNoMatchError(err) {
		return "", fmt.Errorf("deleting node class %s: %w", class.Name, err)
	}
	return "", nil
}
