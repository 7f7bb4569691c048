// Package gate tells each pod of a Fargate profile which machine is its own, and lets it be scheduled. The machine does not
// exist yet: the pod then asks for a node with its own UID as a label, no node has it, and Karpenter makes one that does. No
// other pod asks for that label, so none comes to the node, neither beside the pod nor after it.
package gate

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"naru.dev/naru/api/v1alpha1"
)

const (
	// recheck is how soon a pod that no machine class can hold is looked at again: classes live in the hosting cluster,
	// whose changes don't wake this controller.
	recheck = time.Minute
	// ReasonTooLarge is the reason of the event on a pod that no machine class can hold.
	ReasonTooLarge = "FailedScheduling"
)

// Controller reconciles pods that wait behind v1alpha1.FargateGate.
type Controller struct {
	tenant client.Client
	// hosting reads machine classes.
	hosting  client.Reader
	recorder record.EventRecorder
}

// NewController returns a controller of pods in tenant.
func NewController(tenant client.Client, hosting client.Reader, recorder record.EventRecorder) *Controller {
	return &Controller{tenant: tenant, hosting: hosting, recorder: recorder}
}

// Register adds the controller to a manager of the tenant.
func (c *Controller) Register(_ context.Context, m manager.Manager) error {
	return ctrl.NewControllerManagedBy(m).
		Named("fargate.gate").
		For(&corev1.Pod{}).
		WithEventFilter(predicate.NewPredicateFuncs(func(o client.Object) bool {
			pod, ok := o.(*corev1.Pod)
			return ok && waits(pod)
		})).
		Complete(reconcile.AsReconciler(m.GetClient(), c))
}

// Reconcile lets one pod go on.
func (c *Controller) Reconcile(ctx context.Context, pod *corev1.Pod) (reconcile.Result, error) {
	if !waits(pod) {
		return reconcile.Result{}, nil
	}
	var classes v1alpha1.MachineClassList
	if err := c.hosting.List(ctx, &classes); err != nil {
		return reconcile.Result{}, fmt.Errorf("listing machine classes: %w", err)
	}
	told, err := tell(pod, classes.Items)
	if err != nil {
		c.recorder.Event(pod, corev1.EventTypeWarning, ReasonTooLarge, err.Error())
		return reconcile.Result{RequeueAfter: recheck}, nil
	}
	err = c.tenant.Patch(ctx, told, client.MergeFromWithOptions(pod, client.MergeFromWithOptimisticLock{}))
	if client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("telling pod %s which machine is its own: %w", client.ObjectKeyFromObject(pod), err)
	}
	return reconcile.Result{}, nil
}
