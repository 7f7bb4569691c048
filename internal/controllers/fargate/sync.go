package fargate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controllers/nodegroup"
	"naru.dev/naru/internal/controlplane/component"
	"naru.dev/naru/internal/controlplane/fargate"
	"naru.dev/naru/internal/kube/apply"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/kube/tenant"
)

// sync writes the profile into its cluster and looks whether it is in force there.
func (c *Controller) sync(ctx context.Context, s *scope) (reconcile.Result, error) {
	p := s.profile
	switch {
	case s.clusterGone():
		conditions.False(p, v1alpha1.FargateProfileSynced, v1alpha1.ReasonNotFound, "cluster "+v1alpha1.ClusterOf(p.Namespace)+" does not exist")
		return reconcile.Result{}, nil // a change of the cluster wakes the profile
	case !conditions.IsTrue(s.cluster, v1alpha1.ClusterBootstrapped):
		if !conditions.IsTrue(p, v1alpha1.FargateProfileSynced) {
			conditions.False(p, v1alpha1.FargateProfileSynced, v1alpha1.ReasonWaiting, "cluster "+s.cluster.Name+" is not ready to have nodes yet")
		}
		return reconcile.Result{}, nil
	}
	objects, err := c.objects(ctx, s)
	var missing *nodegroup.NotFoundError
	if errors.As(err, &missing) {
		conditions.False(p, v1alpha1.FargateProfileSynced, v1alpha1.ReasonNotFound, err.Error())
		return reconcile.Result{RequeueAfter: retry}, nil
	} else if err != nil {
		return reconcile.Result{}, err
	}
	inside, err := c.tenants.Client(ctx, s.cluster.Name)
	if errors.Is(err, tenant.ErrNotReady) {
		conditions.False(p, v1alpha1.FargateProfileSynced, v1alpha1.ReasonWaiting, err.Error())
		return reconcile.Result{RequeueAfter: soon}, nil
	} else if err != nil {
		return reconcile.Result{}, err
	}
	left, err := c.apply(ctx, inside, p.UID, objects)
	if apierrors.IsInvalid(err) {
		conditions.False(p, v1alpha1.FargateProfileSynced, v1alpha1.ReasonFailed, err.Error())
		return reconcile.Result{RequeueAfter: retry}, nil
	} else if err != nil {
		return reconcile.Result{}, err
	}
	conditions.True(p, v1alpha1.FargateProfileSynced, v1alpha1.ReasonReady, "the cluster has the profile's node pool and policies")
	if conditions.IsTrue(p, v1alpha1.FargateProfileInForce) {
		return reconcile.Result{RequeueAfter: left}, nil
	}
	return reconcile.Result{RequeueAfter: soon}, c.look(ctx, inside, p)
}

// objects are the profile's own and what all profiles of the cluster have in common.
func (c *Controller) objects(ctx context.Context, s *scope) ([]*unstructured.Unstructured, error) {
	image, catalogue, err := nodegroup.Offers(ctx, c.hosting, s.cluster)
	if err != nil {
		return nil, err
	}
	own, err := Render(s.profile, image, catalogue)
	if err != nil {
		return nil, err
	}
	// Machines can be made before pods ask for them.
	policies, err := fargate.Policies(s.staying)
	return append(own, policies...), err
}

// apply writes objects that are not what was applied for the profile last, or were so long ago. left is until when they may stay.
func (c *Controller) apply(ctx context.Context, inside client.Client, profile types.UID, objects []*unstructured.Unstructured) (left time.Duration, err error) {
	content, err := json.Marshal(objects)
	if err != nil {
		return 0, fmt.Errorf("hashing the objects of a Fargate profile: %w", err)
	}
	hash := component.ContentHash(content)
	c.mu.Lock()
	last := c.done[profile]
	c.mu.Unlock()
	if left := again - c.clock.Since(last.at); last.hash == hash && left > 0 {
		return left, nil
	}
	if err := apply.Objects(ctx, inside, objects...); err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done[profile] = applied{hash, c.clock.Now()}
	return again, nil
}

// look observes whether the profile is in force: the cluster's policies know it, and Karpenter takes the pool.
func (c *Controller) look(ctx context.Context, inside client.Client, p *v1alpha1.FargateProfile) error {
	synced := conditions.Get(p, v1alpha1.FargateProfileSynced)
	seen, err := shown(ctx, inside, p)
	if err != nil {
		return err
	}
	if !seen || c.clock.Since(synced.LastTransitionTime.Time) < settled {
		conditions.False(p, v1alpha1.FargateProfileInForce, v1alpha1.ReasonProgressing, "the cluster's API servers do not choose the profile's pods yet")
		return nil
	}
	problem, err := poolProblem(ctx, inside, p.Name)
	if err != nil {
		return err
	}
	if problem != "" {
		conditions.False(p, v1alpha1.FargateProfileInForce, v1alpha1.ReasonProgressing, problem)
		return nil
	}
	conditions.True(p, v1alpha1.FargateProfileInForce, v1alpha1.ReasonReady, "the cluster's policies choose the profile's pods, and Karpenter can make machines")
	return nil
}

// shown shows the cluster pods, as a dry run, and tells whether its policies know the profile.
func shown(ctx context.Context, inside client.Client, p *v1alpha1.FargateProfile) (bool, error) {
	for _, probe := range fargate.Probes(p) {
		answer := probe.Pod.DeepCopy()
		err := inside.Create(ctx, answer, client.DryRunAll)
		// A cluster that is being made has no service accounts yet: not found.
		if err != nil && !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) && !apierrors.IsNotFound(err) {
			return false, fmt.Errorf("showing the cluster a pod: %w", err)
		}
		if !probe.Passed(answer, err) {
			return false, nil
		}
	}
	return true, nil
}

// poolProblem says why Karpenter makes no machines for the profile, or "".
func poolProblem(ctx context.Context, inside client.Client, profile string) (string, error) {
	pool := &unstructured.Unstructured{}
	pool.SetGroupVersionKind(nodePoolKind)
	if err := inside.Get(ctx, client.ObjectKey{Name: poolName(profile)}, pool); apierrors.IsNotFound(err) {
		return "the cluster does not have the profile's node pool", nil
	} else if err != nil {
		return "", fmt.Errorf("reading the NodePool of Fargate profile %s: %w", profile, err)
	}
	all, _, err := unstructured.NestedSlice(pool.Object, "status", "conditions")
	if err != nil {
		return "", fmt.Errorf("reading the conditions of NodePool %s: %w", pool.GetName(), err)
	}
	for _, one := range all {
		condition, ok := one.(map[string]any)
		if ok && condition["type"] == "Ready" {
			if condition["status"] == "True" {
				return "", nil
			}
			return fmt.Sprintf("Karpenter does not take the profile's node pool yet: %v %v", condition["reason"], condition["message"]), nil
		}
	}
	return "Karpenter has not seen the profile's node pool yet", nil
}
