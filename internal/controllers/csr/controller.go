// Package csr approves the serving certificates of kubelets: exactly those whose names are the requesting machine's.
package csr

import (
	"context"
	"errors"
	"fmt"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/tenant"
	"naru.dev/naru/internal/kube/tenantwatch"
)

const (
	// reason of the conditions that are set.
	reason = "NaruMachine"
	// again is how soon a request that waits is judged again.
	again = time.Second
)

// Controller decides signing requests in managed clusters. In its requests the namespace is the cluster's name.
type Controller struct {
	hosting client.Reader
	tenants *tenant.Clients
	clock   clock.PassiveClock
}

// NewController returns a controller that reads machines in the hosting cluster.
func NewController(hosting client.Reader, tenants *tenant.Clients, clock clock.PassiveClock) *Controller {
	return &Controller{hosting: hosting, tenants: tenants, clock: clock}
}

// SetupWithManager adds the controller to a manager.
func (c *Controller) SetupWithManager(manager ctrl.Manager, watches *tenantwatch.Watches) error {
	return ctrl.NewControllerManagedBy(manager).
		Named("csr").
		WatchesRawSource(watches.Source(tenantwatch.SigningRequests(), func(cluster string, _, object client.Object) []reconcile.Request {
			return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: cluster, Name: object.GetName()}}}
		})).
		Complete(c)
}

// Reconcile judges one signing request.
func (c *Controller) Reconcile(ctx context.Context, request ctrl.Request) (reconcile.Result, error) {
	cluster := request.Namespace
	inside, err := c.tenants.Client(ctx, cluster)
	if errors.Is(err, tenant.ErrNotReady) {
		return reconcile.Result{}, nil // the cluster is gone, and its requests with it
	} else if err != nil {
		return reconcile.Result{}, err
	}
	var signing certificatesv1.CertificateSigningRequest
	if err := inside.Get(ctx, client.ObjectKey{Name: request.Name}, &signing); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	machine, err := c.machine(ctx, cluster, NodeOf(&signing))
	if err != nil {
		return reconcile.Result{}, err
	}
	decision := Decide(&signing, machine, c.clock.Now())
	switch decision.Verdict {
	case Wait:
		return reconcile.Result{RequeueAfter: again}, nil
	case Ignore:
		return reconcile.Result{}, nil
	case Approve, Deny:
	}
	log.FromContext(ctx).Info("deciding a kubelet's serving certificate", "requester", signing.Spec.Username,
		"verdict", decision.Verdict, "because", decision.Message)
	record(&signing, decision)
	if err := inside.SubResource("approval").Update(ctx, &signing); client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("writing the decision on %s: %w", signing.Name, err)
	}
	return reconcile.Result{}, nil
}

func (c *Controller) machine(ctx context.Context, cluster, name string) (*v1alpha1.Machine, error) {
	if name == "" {
		return nil, nil
	}
	var machine v1alpha1.Machine
	err := c.hosting.Get(ctx, client.ObjectKey{Namespace: v1alpha1.Namespace(cluster), Name: name}, &machine)
	if apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("reading machine %s: %w", name, err)
	}
	return &machine, nil
}

func record(request *certificatesv1.CertificateSigningRequest, decision Decision) {
	condition := certificatesv1.CertificateSigningRequestCondition{
		Type: certificatesv1.CertificateDenied, Status: corev1.ConditionTrue, Reason: reason, Message: decision.Message,
	}
	if decision.Verdict == Approve {
		condition.Type = certificatesv1.CertificateApproved
	}
	request.Status.Conditions = append(request.Status.Conditions, condition)
}
