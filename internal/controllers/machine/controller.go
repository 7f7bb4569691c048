// Package machine brings Machines to life through a driver, and sees them off.
//
// A machine is provisioned with a certificate of its node, which its cluster does not have to be asked for: machines that are made
// ahead join as soon as it answers.
//
//	Machine ──► Provisioned (the driver made it, it runs) ──► Joined (its node is Ready) ──► Ready
//	   │                    │
//	   │                    └─ it ended by itself ──► its NodeClaim and the Machine are deleted; Karpenter replaces them
//	   └─ deleted ──► the driver ends it ──► its pods and node in the cluster are deleted ──► gone
package machine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/kube/finalizer"
	"naru.dev/naru/internal/kube/tenant"
	"naru.dev/naru/internal/kube/tenantwatch"
	"naru.dev/naru/internal/machines"
)

const (
	// soon is for what has no event: a Secret or an address that another controller is about to write.
	soon = time.Second
	// slow is a safety net under the events of pods and nodes.
	slow = 5 * time.Minute
	// workers is how many machines are brought up at the same time.
	workers = 10
)

// Controller reconciles Machines.
type Controller struct {
	// hosting is the manager's client.
	hosting client.Client
	tenants *tenant.Clients
	driver  machines.Driver
	clock   clock.PassiveClock
}

// NewController returns a controller that makes machines with driver.
func NewController(hosting client.Client, tenants *tenant.Clients, driver machines.Driver, clock clock.PassiveClock) *Controller {
	return &Controller{hosting: hosting, tenants: tenants, driver: driver, clock: clock}
}

// SetupWithManager adds the controller to a manager.
func (c *Controller) SetupWithManager(manager ctrl.Manager, watches *tenantwatch.Watches) error {
	return ctrl.NewControllerManagedBy(manager).
		Named("machine").
		For(&v1alpha1.Machine{}).
		Owns(&corev1.Pod{}).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(c.holders)).
		Watches(&v1alpha1.Cluster{}, handler.EnqueueRequestsFromMapFunc(c.aheadOf)).
		WatchesRawSource(watches.Source(tenantwatch.Nodes(), nodeRequests)).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(c)
}

// nodeRequests wakes a machine when its node's readiness changes.
func nodeRequests(cluster string, old, object client.Object) []reconcile.Request {
	node, ok := object.(*corev1.Node)
	if !ok {
		return nil
	}
	if previous, ok := old.(*corev1.Node); ok && nodeReady(previous) == nodeReady(node) {
		return nil
	}
	_, name, ok := v1alpha1.ParseProviderID(node.Spec.ProviderID)
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: v1alpha1.Namespace(cluster), Name: name}}}
}

// holders wakes the machines that hold a copy of a Secret: what was renewed has to come to them.
func (c *Controller) holders(ctx context.Context, secret client.Object) []reconcile.Request {
	if !slices.Contains([]string{caSecret, kubeProxySecret, agentSecret, konnectivitySecret}, secret.GetName()) || v1alpha1.ClusterOf(secret.GetNamespace()) == "" {
		return nil
	}
	var machines v1alpha1.MachineList
	if err := c.hosting.List(ctx, &machines, client.InNamespace(secret.GetNamespace())); err != nil {
		return nil // the cache, which does not fail once it is filled
	}
	var requests []reconcile.Request
	for i := range machines.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&machines.Items[i])})
	}
	return requests
}

// scope is what one pass knows.
type scope struct {
	machine *v1alpha1.Machine
	// cluster is nil when it does not exist any more.
	cluster *v1alpha1.Cluster
	// inside is a client of the cluster, nil while there is none.
	inside client.Client
	// node of the machine in the cluster, nil while there is none.
	node *corev1.Node
	// seen is nil while the driver knows no such machine.
	seen *machines.Observation
}

func (s *scope) joined() bool { return s.node != nil && nodeReady(s.node) }

// clusterGone tells whether there is nothing in the cluster that would still have to be tidied up.
func (s *scope) clusterGone() bool { return s.cluster == nil || !s.cluster.DeletionTimestamp.IsZero() }

// Reconcile takes one machine a step further.
func (c *Controller) Reconcile(ctx context.Context, request ctrl.Request) (result reconcile.Result, err error) {
	var machine v1alpha1.Machine
	if err := c.hosting.Get(ctx, request.NamespacedName, &machine); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	s, err := c.observe(ctx, &machine)
	if err != nil {
		return reconcile.Result{}, err
	}
	if !machine.DeletionTimestamp.IsZero() {
		return c.finalize(ctx, s)
	}
	if s.clusterGone() {
		return reconcile.Result{}, nil // package machinegc deletes the Machine
	}
	if added, err := finalizer.Add(ctx, c.hosting, &machine, v1alpha1.Finalizer); added || err != nil {
		return reconcile.Result{}, err
	}
	stored := machine.DeepCopy()
	defer func() {
		if equality.Semantic.DeepEqual(stored.Status, machine.Status) {
			return
		}
		if e := c.hosting.Status().Patch(ctx, &machine, client.MergeFrom(stored)); client.IgnoreNotFound(e) != nil {
			err = errors.Join(err, fmt.Errorf("writing status of machine %s: %w", machine.Name, e))
		}
	}()
	if lost(&machine, s.seen) {
		return reconcile.Result{}, c.giveUp(ctx, s)
	}
	return c.provision(ctx, s)
}

func (c *Controller) observe(ctx context.Context, machine *v1alpha1.Machine) (*scope, error) {
	s := &scope{machine: machine}
	name := v1alpha1.ClusterOf(machine.Namespace)
	var cluster v1alpha1.Cluster
	if err := c.hosting.Get(ctx, client.ObjectKey{Name: name}, &cluster); err == nil {
		s.cluster = &cluster
	} else if !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading cluster %s: %w", name, err)
	}
	seen, err := c.driver.Get(ctx, machines.KeyOf(machine))
	if err == nil {
		s.seen = &seen
	} else if !machines.IsNotFound(err) {
		return nil, fmt.Errorf("observing machine %s: %w", machine.Name, err)
	}
	if s.clusterGone() || s.ahead() {
		return s, nil
	}
	if s.inside, err = c.tenants.Client(ctx, name); errors.Is(err, tenant.ErrNotReady) {
		s.inside = nil
		return s, nil
	} else if err != nil {
		return nil, err
	}
	return s, c.observeNode(ctx, s)
}

func (c *Controller) observeNode(ctx context.Context, s *scope) error {
	var node corev1.Node
	if err := s.inside.Get(ctx, client.ObjectKey{Name: s.machine.Name}, &node); apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("reading node %s: %w", s.machine.Name, err)
	}
	s.node = &node
	return nil
}

// lost tells whether a machine that once ran has ended by itself.
func lost(machine *v1alpha1.Machine, seen *machines.Observation) bool {
	if seen != nil {
		return seen.Phase == machines.Lost
	}
	return machine.Status.Address != ""
}

// provision makes sure that the machine exists and notes how far it is.
func (c *Controller) provision(ctx context.Context, s *scope) (reconcile.Result, error) {
	result, missing, err := c.create(ctx, s)
	if err != nil {
		return reconcile.Result{}, err
	}
	record(s, missing)
	if conditions.IsTrue(s.machine, v1alpha1.MachineReady) {
		s.machine.Status.ProviderID = v1alpha1.ProviderID(s.cluster.Name, s.machine.Name)
	}
	return result, nil
}

// create hands the driver what it needs. missing says what is not there yet, and then the result is to try again soon.
func (c *Controller) create(ctx context.Context, s *scope) (result reconcile.Result, missing string, err error) {
	in, err := c.gather(ctx, s)
	var waits *waitError
	if errors.As(err, &waits) {
		return reconcile.Result{RequeueAfter: soon}, waits.Error(), nil
	} else if err != nil {
		return reconcile.Result{}, "", err
	}
	identity, err := c.identity(ctx, s, in.authority)
	if err != nil {
		return reconcile.Result{}, "", err
	}
	blueprint, err := in.blueprint(s.machine, identity)
	if err != nil {
		return reconcile.Result{}, "", err
	}
	if err := c.driver.Create(ctx, blueprint); err != nil {
		return reconcile.Result{}, "", fmt.Errorf("creating machine %s: %w", s.machine.Name, err)
	}
	return reconcile.Result{RequeueAfter: slow}, "", nil
}

// record writes what was seen into the Machine's status. missing is what keeps the machine from being made, or "".
func record(s *scope, missing string) {
	m := s.machine
	switch {
	case missing != "":
		conditions.False(m, v1alpha1.MachineProvisioned, v1alpha1.ReasonWaiting, missing)
	case s.seen == nil:
		conditions.False(m, v1alpha1.MachineProvisioned, v1alpha1.ReasonProgressing, "the machine was just asked for")
	case s.seen.Phase != machines.Running:
		conditions.False(m, v1alpha1.MachineProvisioned, v1alpha1.ReasonProgressing, s.seen.Message)
	default:
		conditions.True(m, v1alpha1.MachineProvisioned, v1alpha1.ReasonReady, "the machine runs")
	}
	if s.seen != nil && s.seen.Address != "" {
		m.Status.Address, m.Status.Host, m.Status.Zone = s.seen.Address, s.seen.Host, s.seen.Zone
	}
	switch {
	case s.node == nil:
		conditions.False(m, v1alpha1.MachineJoined, v1alpha1.ReasonProgressing, "its node has not registered yet")
	case !nodeReady(s.node):
		conditions.False(m, v1alpha1.MachineJoined, v1alpha1.ReasonProgressing, "its node is not ready: "+nodeMessage(s.node))
	default:
		conditions.True(m, v1alpha1.MachineJoined, v1alpha1.ReasonReady, "its node is ready")
	}
	conditions.Summarize(m, v1alpha1.MachineReady, v1alpha1.ReasonReady, "the machine runs and its node is ready",
		v1alpha1.MachineProvisioned, v1alpha1.MachineJoined)
}

func nodeReady(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func nodeMessage(node *corev1.Node) string {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Message
		}
	}
	return "it has not reported yet"
}
