package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/addon"
	"naru.dev/naru/internal/controlplane/addons"
	"naru.dev/naru/internal/controlplane/component"
	"naru.dev/naru/internal/kube/apply"
)

// unsettled is how soon an add-on that is not as it should be is looked at again, beside when its Deployment changes.
const unsettled = 10 * time.Second

// addons applies the add-ons that the spec has, and observes them. One that can't be applied, or whose pods don't run, is told of in
// its own conditions: the cluster works on.
func (c *Controller) addons(ctx context.Context, s *scope) (next, error) {
	var all []v1alpha1.AddonStatus
	wait := next{}
	for _, spec := range s.cluster.Spec.Addons {
		pass := addonPass{spec: spec, generation: s.cluster.Generation, status: v1alpha1.AddonStatus{Name: spec.Name}}
		if known := s.cluster.FindAddonStatus(spec.Name); known != nil {
			pass.status = *known.DeepCopy()
		}
		if err := c.addon(ctx, s, &pass); err != nil {
			pass.set(v1alpha1.AddonApplied, metav1.ConditionFalse, v1alpha1.ReasonFailed, err.Error())
			c.forget(pass.key(s))
		}
		if pass.status.ObservedGeneration != s.cluster.Generation {
			wait.after = unsettled
		}
		all = append(all, pass.status)
	}
	s.cluster.Status.Addons = all
	return wait, nil
}

// addonPass is what one pass learns of one add-on.
type addonPass struct {
	spec       v1alpha1.AddonSpec
	generation int64
	status     v1alpha1.AddonStatus
}

func (p *addonPass) set(condition string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&p.status.Conditions, metav1.Condition{Type: condition, Status: status, Reason: reason, Message: message, ObservedGeneration: p.generation})
}

// repeat says again what an earlier pass has found out: the cluster that this pass has read may be older than what that one wrote.
func (p *addonPass) repeat(outcome metav1.Condition) {
	meta.SetStatusCondition(&p.status.Conditions, outcome)
}

func (p *addonPass) key(s *scope) string { return s.cluster.Name + "/" + p.spec.Name }

func (p *addonPass) applied() bool {
	return meta.IsStatusConditionTrue(p.status.Conditions, v1alpha1.AddonApplied)
}

func (c *Controller) addon(ctx context.Context, s *scope, p *addonPass) error {
	a, ok := addon.Find(p.spec.Name)
	if !ok {
		return fmt.Errorf("there is no add-on %s", p.spec.Name) // the kind's own rules let none in
	}
	if a.Deployment == "" {
		p.set(v1alpha1.AddonApplied, metav1.ConditionTrue, v1alpha1.ReasonReady, "it is a process of every node")
		p.set(v1alpha1.AddonAvailable, metav1.ConditionTrue, v1alpha1.ReasonReady, "every node runs it, or is not ready")
		p.status.ObservedGeneration = p.generation
		return nil
	}
	tenant, err := c.tenants.Client(ctx, s.cluster.Name)
	if err != nil {
		return err
	}
	switch p.spec.Management {
	case v1alpha1.AddonReleased:
		p.set(v1alpha1.AddonApplied, metav1.ConditionTrue, v1alpha1.ReasonReleased, "its objects are left as they are")
	case v1alpha1.AddonRemoved:
		return c.removeAddon(ctx, s, p, a)
	default:
		if err := c.applyAddon(ctx, s, p, a); err != nil {
			return err
		}
	}
	deployment := &appsv1.Deployment{}
	err = tenant.Get(ctx, client.ObjectKey{Namespace: metav1.NamespaceSystem, Name: a.Deployment}, deployment)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("observing %s: %w", a.Name, err)
	}
	p.observe(deployment)
	return nil
}

// applyAddon applies what is configured, again where that was long ago.
func (c *Controller) applyAddon(ctx context.Context, s *scope, p *addonPass, a addon.Addon) error {
	configuration, err := a.Parse(p.spec.Configuration)
	if err != nil {
		p.set(v1alpha1.AddonApplied, metav1.ConditionFalse, v1alpha1.ReasonRejected, "configuration: "+err.Error())
		return nil //nolint:nilerr // it is told of in the condition, and trying again changes nothing
	}
	wanted, unwanted, err := addons.Configured(insideData(s), a, configuration)
	if err != nil {
		return err
	}
	content, err := json.Marshal([]any{p.spec, wanted, unwanted})
	if err != nil {
		return fmt.Errorf("hashing %s: %w", a.Name, err)
	}
	hash := component.ContentHash(content)
	if c.fresh(p.key(s), hash) {
		p.repeat(c.recall(p.key(s)))
		return nil
	}
	tenant, err := c.tenants.Client(ctx, s.cluster.Name)
	if err != nil {
		return err
	}
	message, err := write(ctx, tenant, p.spec.Conflicts, wanted)
	if err == nil {
		err = deleteOwned(ctx, tenant, unwanted)
	}
	conflict := new(apply.ConflictError)
	switch {
	case errors.As(err, &conflict):
		p.set(v1alpha1.AddonApplied, metav1.ConditionFalse, v1alpha1.ReasonConflict, err.Error())
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err), apierrors.IsBadRequest(err):
		p.set(v1alpha1.AddonApplied, metav1.ConditionFalse, v1alpha1.ReasonRejected, err.Error())
	case err != nil:
		return err
	default:
		p.set(v1alpha1.AddonApplied, metav1.ConditionTrue, v1alpha1.ReasonReady, message)
	}
	c.conclude(p.key(s), hash, *meta.FindStatusCondition(p.status.Conditions, v1alpha1.AddonApplied))
	return nil
}

// write applies objects as the add-on's conflicts are to be resolved, and says what it did.
func write(ctx context.Context, tenant client.Client, conflicts v1alpha1.AddonConflicts, objects []*unstructured.Unstructured) (string, error) {
	const done = "its objects were applied"
	switch conflicts {
	case v1alpha1.ConflictsFail:
		return done, apply.Unforced(ctx, tenant, objects...)
	case v1alpha1.ConflictsPreserve:
		left, err := apply.Preserving(ctx, tenant, objects...)
		if len(left) > 0 {
			return done + ", but for what others have set: " + (&apply.ConflictError{Conflicts: left}).Error(), err
		}
		return done, err
	case v1alpha1.ConflictsOverwrite:
	}
	return done, apply.Objects(ctx, tenant, objects...)
}

// removeAddon deletes what the add-on has.
func (c *Controller) removeAddon(ctx context.Context, s *scope, p *addonPass, a addon.Addon) error {
	if c.fresh(p.key(s), string(v1alpha1.AddonRemoved)) {
		p.removed()
		return nil
	}
	tenant, err := c.tenants.Client(ctx, s.cluster.Name)
	if err != nil {
		return err
	}
	wanted, unwanted, err := addons.Configured(insideData(s), a, addon.Configuration{})
	if err != nil {
		return err
	}
	slices.Reverse(wanted) // the pods first, and what they are allowed last
	if err := deleteOwned(ctx, tenant, append(wanted, unwanted...)); err != nil {
		return err
	}
	c.remember(p.key(s), string(v1alpha1.AddonRemoved))
	p.removed()
	return nil
}

func (p *addonPass) removed() {
	p.set(v1alpha1.AddonApplied, metav1.ConditionTrue, v1alpha1.ReasonRemoved, "its objects were deleted")
	p.set(v1alpha1.AddonAvailable, metav1.ConditionFalse, v1alpha1.ReasonRemoved, "its objects were deleted")
	p.status.ObservedGeneration = p.generation
}

// deleteOwned deletes those of the objects that Naru has applied.
func deleteOwned(ctx context.Context, tenant client.Client, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		live := &unstructured.Unstructured{}
		live.SetGroupVersionKind(object.GroupVersionKind())
		err := tenant.Get(ctx, client.ObjectKeyFromObject(object), live)
		if err == nil && apply.Owned(live) {
			err = tenant.Delete(ctx, live, client.PropagationPolicy(metav1.DeletePropagationBackground))
		}
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting %s %s: %w", object.GetKind(), client.ObjectKeyFromObject(object), err)
		}
	}
	return nil
}

// observe says what the add-on's Deployment says. One that does not exist has no pods.
func (p *addonPass) observe(d *appsv1.Deployment) {
	replicas := int32(1)
	if d.Spec.Replicas != nil {
		replicas = *d.Spec.Replicas
	}
	seen := d.Generation > 0 && d.Status.ObservedGeneration >= d.Generation
	serves := slices.ContainsFunc(d.Status.Conditions, func(c appsv1.DeploymentCondition) bool {
		return c.Type == appsv1.DeploymentAvailable && c.Status == corev1.ConditionTrue
	})
	message := fmt.Sprintf("%d of %d pods are available, %d are new", d.Status.AvailableReplicas, replicas, d.Status.UpdatedReplicas)
	switch {
	case serves:
		p.set(v1alpha1.AddonAvailable, metav1.ConditionTrue, v1alpha1.ReasonReady, message)
	case d.UID == "":
		p.set(v1alpha1.AddonAvailable, metav1.ConditionFalse, v1alpha1.ReasonNotFound, "the cluster has no Deployment of it")
	default:
		p.set(v1alpha1.AddonAvailable, metav1.ConditionFalse, v1alpha1.ReasonProgressing, message)
	}
	complete := d.Status.UpdatedReplicas == replicas && d.Status.AvailableReplicas == replicas && d.Status.Replicas == replicas
	if p.spec.Management == v1alpha1.AddonReleased || p.applied() && seen && serves && complete {
		p.status.ObservedGeneration = p.generation
	}
}

// addonNames are the add-ons that the spec has: they are applied by themselves.
func addonNames(cluster *v1alpha1.Cluster) []string {
	var names []string
	for _, spec := range cluster.Spec.Addons {
		names = append(names, spec.Name)
	}
	return names
}
