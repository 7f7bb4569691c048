package backend

import (
	"cmp"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/await"
	"naru.dev/naru/internal/kube/conditions"
)

// DefaultNodeGroup is the name of the node group that comes with a new cluster.
const DefaultNodeGroup = "default"

// NewCluster returns the manifest of a cluster. Empty ranges are left to their defaults.
func NewCluster(name, version string, replicas int32, networking v1alpha1.NetworkingSpec) *v1alpha1.Cluster {
	return &v1alpha1.Cluster{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "Cluster"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.ClusterSpec{
			Version:      version,
			ControlPlane: v1alpha1.ControlPlaneSpec{Replicas: replicas},
			Networking:   networking,
		},
	}
}

// Cluster reads a cluster. Errors: *NotFoundError, *RefusedError where a connected cluster has the name.
func (b *Backend) Cluster(ctx context.Context, name string) (*v1alpha1.Cluster, error) {
	cluster := &v1alpha1.Cluster{}
	err := b.client.Get(ctx, client.ObjectKey{Name: name}, cluster)
	if apierrors.IsNotFound(err) {
		return nil, b.noCluster(ctx, name)
	}
	if err != nil {
		return nil, fmt.Errorf("reading cluster %q: %w", name, err)
	}
	return cluster, nil
}

// noCluster says that there is none, or that it is a connected one.
func (b *Backend) noCluster(ctx context.Context, name string) error {
	if connected, err := b.findConnected(ctx, name); err != nil {
		return err
	} else if connected != nil {
		return notOurs(connected)
	}
	list := &v1alpha1.ClusterList{}
	if err := b.client.List(ctx, list); err != nil {
		return fmt.Errorf("listing clusters: %w", err)
	}
	names := make([]string, 0, len(list.Items))
	for _, cluster := range list.Items {
		names = append(names, cluster.Name)
	}
	return &NotFoundError{Kind: "cluster", Name: name, Next: Enumerate(names) + ` (see "naru get clusters")`}
}

// CreateCluster writes a cluster and, as soon as its namespace is there, its node groups. All of
// them are validated before anything is written.
// Errors: *InvalidError, *RefusedError when the cluster exists, *WaitError.
func (b *Backend) CreateCluster(ctx context.Context, cluster *v1alpha1.Cluster, groups ...*v1alpha1.NodeGroup) error {
	catalogue, err := b.Catalogue(ctx)
	if err != nil {
		return err
	}
	cluster.Spec.Version = ResolveVersion(cluster.Spec.Version, catalogue)
	if err := ValidateCluster(cluster, catalogue); err != nil {
		return err
	}
	for _, group := range groups {
		if err := ValidateNodeGroup(group, catalogue); err != nil {
			return err
		}
	}
	if err := b.refuseExisting(ctx, cluster.Name); err != nil {
		return err
	}
	if err := b.client.Create(ctx, cluster, client.FieldOwner(fieldManager)); apierrors.IsAlreadyExists(err) {
		return clusterExists(cluster.Name)
	} else if apierrors.IsInvalid(err) {
		return invalidf(cluster.Name, "%s", err)
	} else if err != nil {
		return fmt.Errorf("creating cluster %q: %w", cluster.Name, err)
	}
	for _, group := range groups {
		if err := b.createInNamespace(ctx, cluster.Name, group); err != nil {
			return err
		}
	}
	return nil
}

func (b *Backend) refuseExisting(ctx context.Context, name string) error {
	existing := &v1alpha1.Cluster{}
	err := b.client.Get(ctx, client.ObjectKey{Name: name}, existing)
	switch {
	case apierrors.IsNotFound(err):
		return b.refuseConnected(ctx, name)
	case err != nil:
		return fmt.Errorf("looking for cluster %q: %w", name, err)
	case existing.DeletionTimestamp != nil:
		return beingDeleted(existing)
	}
	return clusterExists(name)
}

func (b *Backend) refuseConnected(ctx context.Context, name string) error {
	connected, err := b.findConnected(ctx, name)
	if err != nil || connected == nil {
		return err
	}
	return &RefusedError{Exists, fmt.Sprintf("cluster %q exists already, as a connected one: choose another name, or see it with \"naru get connectedclusters %s\"", name, name)}
}

func clusterExists(name string) error {
	return &RefusedError{Exists, fmt.Sprintf("cluster %q exists already: choose another name, or see it with \"naru describe cluster %s\"", name, name)}
}

func beingDeleted(cluster *v1alpha1.Cluster) error {
	return &RefusedError{BeingDeleted, fmt.Sprintf("cluster %q is being deleted since %s: wait until it is gone with \"naru get cluster %s -w\"",
		cluster.Name, cluster.DeletionTimestamp.Local().Format(time.TimeOnly), cluster.Name)}
}

// createInNamespace waits for the cluster's namespace, which its controller makes, and writes the group.
func (b *Backend) createInNamespace(ctx context.Context, cluster string, group *v1alpha1.NodeGroup) error {
	if err := b.awaitNamespace(ctx, cluster); err != nil {
		return err
	}
	if err := b.client.Create(ctx, group, client.FieldOwner(fieldManager)); err != nil {
		return fmt.Errorf("creating node group %q: %w", group.Name, err)
	}
	return nil
}

func (b *Backend) awaitNamespace(ctx context.Context, cluster string) error {
	began := time.Now()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.Namespace(cluster)}}
	missing := "its namespace is not there yet"
	err := await.Object(ctx, b.client, namespace, &corev1.NamespaceList{}, func(found bool) (bool, error) {
		if found && namespace.DeletionTimestamp != nil {
			missing = "an earlier cluster of this name is still being cleared away"
		}
		return found && namespace.DeletionTimestamp == nil, nil
	})
	return ended(ctx, err, WaitError{
		What: fmt.Sprintf("the namespace of cluster %q", cluster), Missing: []string{missing}, After: time.Since(began),
		Watch: "naru get cluster " + cluster + " -w", Look: "naru logs controller",
	})
}

// ScaleCluster sets the size of the control plane; replicas of 0 and an empty tier leave what it has. Errors: *InvalidError,
// *NotFoundError, *RefusedError.
func (b *Backend) ScaleCluster(ctx context.Context, name string, replicas int32, tier string) (*v1alpha1.Cluster, error) {
	if replicas != 0 && replicas != 1 && replicas != 3 {
		return nil, invalidf("spec.controlPlane.replicas", "%d can't be: 3 survives the loss of one, 1 is the small form", replicas)
	}
	cluster, err := b.Cluster(ctx, name)
	if err != nil {
		return nil, err
	}
	if cluster.DeletionTimestamp != nil {
		return nil, beingDeleted(cluster)
	}
	before := cluster.DeepCopy()
	spec := &cluster.Spec.ControlPlane
	spec.Replicas, spec.Tier = cmp.Or(replicas, spec.Replicas), cmp.Or(tier, spec.Tier)
	if err := ValidateTier(*spec); err != nil {
		return nil, err
	}
	if err := b.client.Patch(ctx, cluster, client.MergeFrom(before), client.FieldOwner(fieldManager)); err != nil {
		return nil, fmt.Errorf("scaling cluster %q: %w", name, err)
	}
	return cluster, nil
}

// DeleteCluster asks for a cluster's deletion; its controller takes everything away that belongs to it.
// Errors: *NotFoundError, *RefusedError when it is protected or being deleted already.
func (b *Backend) DeleteCluster(ctx context.Context, name string) error {
	cluster, err := b.Cluster(ctx, name)
	if err != nil {
		return err
	}
	if err := Deletable(cluster); err != nil {
		return err
	}
	uid := cluster.UID
	if err := b.client.Delete(ctx, cluster, client.Preconditions{UID: &uid}); err != nil {
		return fmt.Errorf("deleting cluster %q: %w", name, err)
	}
	return nil
}

// Deletable tells why a cluster can't be deleted, if so. Errors: *RefusedError.
func Deletable(cluster *v1alpha1.Cluster) error {
	switch {
	case cluster.DeletionTimestamp != nil:
		return beingDeleted(cluster)
	case cluster.Spec.DeletionProtection:
		return &RefusedError{Protected, fmt.Sprintf("cluster %q is protected from deletion: set spec.deletionProtection to false first, with \"naru apply\"", cluster.Name)}
	}
	return nil
}

// AwaitCluster waits until the cluster is Ready for its present spec; observe sees each change.
// Errors: *WaitError, *NotFoundError when it is deleted meanwhile, *RefusedError when it is ready with another tier than was asked for.
func (b *Backend) AwaitCluster(ctx context.Context, name string, observe func(*v1alpha1.Cluster)) error {
	began := time.Now()
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}}
	err := await.Object(ctx, b.client, cluster, &v1alpha1.ClusterList{}, func(found bool) (bool, error) {
		if !found {
			return false, &NotFoundError{Kind: "cluster", Name: name, Next: "it was deleted while it was waited for"}
		}
		observe(cluster)
		return ReadyFor(cluster, v1alpha1.ClusterReady), tierRefused(cluster)
	})
	return ended(ctx, err, WaitError{
		What: fmt.Sprintf("cluster %q to be ready", name), Missing: missing(cluster), After: time.Since(began),
		Watch: "naru get cluster " + name + " -w", Look: "naru describe cluster " + name,
	})
}

// tierRefused tells why a cluster that is ready can't have the tier that its present spec asks for.
func tierRefused(cluster *v1alpha1.Cluster) error {
	if why := cluster.TierRefused(); why != nil && ReadyFor(cluster, v1alpha1.ClusterReady) && why.ObservedGeneration >= cluster.Generation {
		return &RefusedError{NoRoom, why.Message}
	}
	return nil
}

// AwaitClusterGone waits until a deleted cluster is gone; observe sees each change until then.
// Errors: *WaitError.
func (b *Backend) AwaitClusterGone(ctx context.Context, name string, observe func(*v1alpha1.Cluster)) error {
	began := time.Now()
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}}
	err := await.Object(ctx, b.client, cluster, &v1alpha1.ClusterList{}, func(found bool) (bool, error) {
		if found {
			observe(cluster)
		}
		return !found, nil
	})
	return ended(ctx, err, WaitError{
		What: fmt.Sprintf("cluster %q to be gone", name), Missing: missing(cluster), After: time.Since(began),
		Watch: "naru get cluster " + name + " -w", Look: "naru describe cluster " + name,
	})
}

// ReadyFor tells whether a condition is true of the object's present generation.
func ReadyFor(o conditions.Owner, condition string) bool {
	c := conditions.Get(o, condition)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration >= o.GetGeneration()
}

// missing lists what the conditions say is not so, the summary left out.
func missing(o conditions.Owner) []string {
	if len(*o.GetConditions()) == 0 {
		return []string{`nothing is known of it yet: look whether the controller runs, with "naru status"`}
	}
	var list []string
	for _, c := range *o.GetConditions() {
		if c.Status != metav1.ConditionTrue && c.Type != v1alpha1.ClusterReady {
			list = append(list, c.Type+": "+c.Message)
		}
	}
	return list
}

// ended turns the end of a context into the WaitError that describes it.
func ended(ctx context.Context, err error, wait WaitError) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	wait.Interrupted = ctx.Err() == context.Canceled
	return &wait
}
