package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/component"
	"naru.dev/naru/internal/kube/conditions"
)

// revision activates what the Release of the cluster's version consists of, and forgets revisions of long ago. Where that
// Release is gone, what is active stays.
func (c *Controller) revision(ctx context.Context, s *scope) (next, error) {
	release := &v1alpha1.Release{}
	err := c.client.Get(ctx, client.ObjectKey{Name: s.cluster.Spec.Version}, release)
	if apierrors.IsNotFound(err) {
		return c.withoutRelease(ctx, s)
	} else if err != nil {
		return fail(s, v1alpha1.ClusterRevisionReady, fmt.Errorf("reading release %s: %w", s.cluster.Spec.Version, err))
	}
	wanted, err := revisionOf(release, s.render.Namespace, s.cluster.Name)
	if err != nil {
		return fail(s, v1alpha1.ClusterRevisionReady, err)
	}
	if err := c.client.Get(ctx, client.ObjectKeyFromObject(wanted), &v1alpha1.ClusterRevision{}); apierrors.IsNotFound(err) {
		err = c.client.Create(ctx, wanted.DeepCopy())
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fail(s, v1alpha1.ClusterRevisionReady, fmt.Errorf("writing revision %s: %w", wanted.Name, err))
		}
	} else if err != nil {
		return fail(s, v1alpha1.ClusterRevisionReady, fmt.Errorf("reading revision %s: %w", wanted.Name, err))
	}
	s.use(wanted)
	if err := c.prune(ctx, s); err != nil {
		return fail(s, v1alpha1.ClusterRevisionReady, err)
	}
	conditions.True(s.cluster, v1alpha1.ClusterRevisionReady, v1alpha1.ReasonReady, "revision "+wanted.Name+" is active")
	return next{}, nil
}

func (c *Controller) withoutRelease(ctx context.Context, s *scope) (next, error) {
	active := &v1alpha1.ClusterRevision{}
	if name := s.cluster.Status.Revision; name != "" {
		err := c.client.Get(ctx, client.ObjectKey{Namespace: s.render.Namespace, Name: name}, active)
		if err == nil {
			s.use(active)
			conditions.True(s.cluster, v1alpha1.ClusterRevisionReady, v1alpha1.ReasonReady, "revision "+name+" is active")
			return next{}, nil
		}
		if !apierrors.IsNotFound(err) {
			return fail(s, v1alpha1.ClusterRevisionReady, fmt.Errorf("reading revision %s: %w", name, err))
		}
	}
	releases := &v1alpha1.ReleaseList{}
	if err := c.client.List(ctx, releases); err != nil {
		return fail(s, v1alpha1.ClusterRevisionReady, fmt.Errorf("listing releases: %w", err))
	}
	var names []string
	for i := range releases.Items {
		names = append(names, releases.Items[i].Name)
	}
	slices.Sort(names)
	conditions.False(s.cluster, v1alpha1.ClusterRevisionReady, v1alpha1.ReasonNotFound, fmt.Sprintf(
		"Kubernetes %s is not among the releases of this Naru (%s): delete the cluster and create one of these, or build it with 'naru release build %s'",
		s.cluster.Spec.Version, strings.Join(names, ", "), s.cluster.Spec.Version))
	return next{stop: true}, nil
}

// revisionOf is named after its content, so that the same content is the same revision.
func revisionOf(release *v1alpha1.Release, namespace, cluster string) (*v1alpha1.ClusterRevision, error) {
	spec := v1alpha1.ClusterRevisionSpec{Version: release.Spec.Version, Images: release.Spec.Images}
	content, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("naming the revision: %w", err)
	}
	name := "v" + strings.ReplaceAll(spec.Version, ".", "-") + "-" + component.ContentHash(content)[:8]
	return &v1alpha1.ClusterRevision{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, Labels: map[string]string{v1alpha1.LabelCluster: cluster},
		},
		Spec: spec,
	}, nil
}
