package cluster

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/apiserver"
	"naru.dev/naru/internal/controlplane/component"
	"naru.dev/naru/internal/controlplane/controllermanager"
	"naru.dev/naru/internal/controlplane/etcd"
	"naru.dev/naru/internal/controlplane/scheduler"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/tier"
)

// tier decides which tier the control plane is rendered in: the one that was asked for if the hosting cluster has room for
// it, or else the one that it has. What was once decided for is gone through with: half of it has taken its room already.
//
//	asked for ─► room? ─► noted on etcd's StatefulSet ─► etcd rolls ─► the servers do ─► status.tier
//	               └─ no: TierReady says what is lacking, and it is asked again
func (c *Controller) tier(ctx context.Context, s *scope) (next, error) {
	wanted := wantedTier(s.cluster)
	s.render.Tier, s.tierDecided = wanted, wanted
	if s.cluster.Status.Tier == wanted {
		return next{}, nil
	}
	// The cache may not have seen what an earlier pass decided.
	set := &appsv1.StatefulSet{}
	err := c.live.Get(ctx, client.ObjectKey{Namespace: s.render.Namespace, Name: etcd.Name}, set)
	if client.IgnoreNotFound(err) != nil {
		return fail(s, v1alpha1.ClusterTierReady, fmt.Errorf("reading etcd: %w", err))
	}
	decided, _ := tier.Of(set.Annotations[v1alpha1.AnnotationTier])
	if decided.Name == wanted {
		return next{}, nil
	}
	exists := !apierrors.IsNotFound(err)
	if s.tierReason, s.tierLacking, err = c.tierLacking(ctx, s, decided, exists); err != nil {
		return fail(s, v1alpha1.ClusterTierReady, err)
	}
	if s.tierLacking == "" {
		return next{}, nil
	}
	s.render.Tier, s.tierDecided = decided.Name, decided.Name
	return next{after: askLater}, nil
}

// afterEtcd leaves the servers what they are until every member of etcd has the tier that was decided for: a machine that starts
// both at once has little left for requests. The servers of a new control plane wait for nothing, and those that have begun go on.
func (c *Controller) afterEtcd(ctx context.Context, s *scope, rolled bool) error {
	has := s.cluster.Status.Tier
	if rolled || has == "" || has == s.tierDecided {
		return nil
	}
	servers := &appsv1.Deployment{}
	if err := c.live.Get(ctx, client.ObjectKey{Namespace: s.render.Namespace, Name: apiserver.Name}, servers); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading the API servers: %w", err)
	}
	if begun, _ := tier.Of(servers.Annotations[v1alpha1.AnnotationTier]); begun.Name != s.tierDecided {
		s.render.Tier = has
	}
	return nil
}

func wantedTier(cluster *v1alpha1.Cluster) string {
	wanted, _ := tier.Of(cluster.Spec.ControlPlane.Tier)
	return wanted.Name
}

// tierLacking says why the control plane can't leave the tier that it has for the one that is rendered; empty: it can.
func (c *Controller) tierLacking(ctx context.Context, s *scope, has tier.Tier, exists bool) (reason, lacking string, err error) {
	wanted := s.render.Size()
	if exists && wanted.Quota() < has.Quota() {
		members, err := c.openMembers(ctx, s)
		if err != nil {
			return "", "", err
		}
		defer members.close()
		size, err := members.database(ctx)
		if err != nil {
			return "", "", err
		}
		if size >= wanted.Quota() {
			return v1alpha1.ReasonDatabaseTooLarge, fmt.Sprintf("%s has room for %d GB in its database, which has %.1f GB: delete objects, and compact and defragment etcd; until then the control plane stays %s",
				wanted.Name, wanted.DatabaseGB, float64(size)/(1<<30), has.Name), nil
		}
	}
	lacking, err = c.roomFor(ctx, s)
	if lacking != "" {
		reason = v1alpha1.ReasonNoCapacity
		lacking = fmt.Sprintf("the hosting cluster has no room for %s: %s. Make room, or choose another tier; until then the control plane stays %s", wanted.Name, lacking, has.Name)
	}
	return reason, lacking, err
}

// roomFor says what the hosting cluster lacks for the control plane as it is rendered; empty: nothing.
func (c *Controller) roomFor(ctx context.Context, s *scope) (string, error) {
	var nodes corev1.NodeList
	if err := c.client.List(ctx, &nodes); err != nil {
		return "", fmt.Errorf("listing hosts: %w", err)
	}
	var pods corev1.PodList
	if err := c.client.List(ctx, &pods); err != nil {
		return "", fmt.Errorf("listing the pods of hosts: %w", err)
	}
	parts, err := s.parts()
	if err != nil {
		return "", err
	}
	on, own := map[string][]corev1.PodSpec{}, []tier.Pod(nil)
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed || pod.Spec.NodeName == "" {
			continue
		}
		on[pod.Spec.NodeName] = append(on[pod.Spec.NodeName], pod.Spec)
		if pod.Namespace == s.render.Namespace && pod.DeletionTimestamp.IsZero() {
			own = append(own, tier.Pod{Part: pod.Labels[v1alpha1.LabelComponent], Host: pod.Spec.NodeName, Has: tier.Requests(pod.Spec)})
		}
	}
	free := map[string]tier.Amount{}
	for i := range nodes.Items {
		if node := &nodes.Items[i]; takesPods(node) {
			free[node.Name] = tier.Left(node.Status.Allocatable, on[node.Name])
		}
	}
	return tier.Lacking(free, own, parts), nil
}

// parts are what of the control plane has a size, as it is rendered.
func (s *scope) parts() ([]tier.Part, error) {
	var parts []tier.Part
	for _, each := range []component.Component{etcd.New(), apiserver.New(), controllermanager.New(), scheduler.New()} {
		objects, err := each.Render(s.render)
		if err != nil {
			return nil, err
		}
		for _, object := range objects {
			if object.GetKind() != each.Workload.Kind {
				continue
			}
			requests, err := requestsOf(object)
			if err != nil {
				return nil, fmt.Errorf("reading what %s asks for: %w", each.Name, err)
			}
			part := tier.Part{Name: each.Name, Replicas: int(s.render.Pair()), Each: requests, InPlace: each.Name == etcd.Name}
			if each.Name == etcd.Name || each.Name == apiserver.Name {
				part.Replicas = int(s.render.Replicas)
			}
			parts = append(parts, part)
		}
	}
	return parts, nil
}

func requestsOf(workload *unstructured.Unstructured) (tier.Amount, error) {
	content, _, err := unstructured.NestedMap(workload.Object, "spec", "template", "spec")
	if err != nil {
		return tier.Amount{}, err
	}
	var pod corev1.PodSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &pod); err != nil {
		return tier.Amount{}, err
	}
	return tier.Requests(pod), nil
}

// noteTier sets the tier that every pod was seen to have, and whether it is the one that was asked for.
func (s *scope) noteTier() {
	rolled := conditions.IsTrue(s.cluster, v1alpha1.ClusterEtcdReady) && conditions.IsTrue(s.cluster, v1alpha1.ClusterControlPlaneReady)
	if rolled && s.answering && s.render.Tier == s.tierDecided {
		s.cluster.Status.Tier = s.tierDecided
	}
	switch {
	case s.tierLacking != "":
		conditions.False(s.cluster, v1alpha1.ClusterTierReady, s.tierReason, s.tierLacking)
	case s.cluster.Status.Tier == wantedTier(s.cluster):
		conditions.True(s.cluster, v1alpha1.ClusterTierReady, v1alpha1.ReasonReady, "the control plane is "+s.cluster.Status.Tier)
	case s.tierDecided != "":
		conditions.False(s.cluster, v1alpha1.ClusterTierReady, v1alpha1.ReasonProgressing, "the control plane is becoming "+s.tierDecided)
	}
}
