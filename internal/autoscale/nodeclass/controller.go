package nodeclass

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/awslabs/operatorpkg/status"
	"k8s.io/apimachinery/pkg/api/equality"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"naru.dev/naru/api/v1alpha1"
)

// ReasonClassNotFound: a machine class that the node class names does not exist.
const ReasonClassNotFound = "MachineClassNotFound"

// recheck is how soon a missing machine class is looked for again: classes live in the hosting
// cluster, whose changes don't wake this controller.
const recheck = 15 * time.Second

// Controller keeps the Ready condition of node classes: every machine class that one names exists.
type Controller struct {
	tenant  client.Client
	hosting client.Reader
}

// NewController returns a controller of node classes in tenant that reads machine classes in hosting.
func NewController(tenant client.Client, hosting client.Reader) *Controller {
	return &Controller{tenant: tenant, hosting: hosting}
}

// Register adds the controller to a manager of the tenant.
func (c *Controller) Register(_ context.Context, manager ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(manager).
		Named("nodeclass.status").
		For(&NodeClass{}).
		Complete(reconcile.AsReconciler(manager.GetClient(), c))
}

// Reconcile observes one node class.
func (c *Controller) Reconcile(ctx context.Context, class *NodeClass) (reconcile.Result, error) {
	var classes v1alpha1.MachineClassList
	if err := c.hosting.List(ctx, &classes); err != nil {
		return reconcile.Result{}, fmt.Errorf("listing machine classes: %w", err)
	}
	stored := &NodeClass{NaruNodeClass: *class.NaruNodeClass.DeepCopy()}
	missing := observe(class, classes.Items)
	if !equality.Semantic.DeepEqual(stored.Status, class.Status) {
		if err := c.tenant.Status().Patch(ctx, class, client.MergeFrom(stored)); err != nil {
			return reconcile.Result{}, client.IgnoreNotFound(fmt.Errorf("writing status of node class %s: %w", class.Name, err))
		}
	}
	if missing {
		return reconcile.Result{RequeueAfter: recheck}, nil
	}
	return reconcile.Result{}, nil
}

// observe sets the class's condition and tells whether any machine class is missing.
func observe(class *NodeClass, existing []v1alpha1.MachineClass) bool {
	var names, missing []string
	for _, machineClass := range existing {
		names = append(names, machineClass.Name)
	}
	for _, name := range class.Spec.MachineClasses {
		if !slices.Contains(names, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		class.StatusConditions().SetTrue(status.ConditionReady)
		return false
	}
	slices.Sort(names)
	class.StatusConditions().SetFalse(status.ConditionReady, ReasonClassNotFound, fmt.Sprintf(
		"no machine class is named %s; there are %s", strings.Join(missing, ", "), strings.Join(names, ", ")))
	return true
}
