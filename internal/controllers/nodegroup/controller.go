// Package nodegroup writes each NodeGroup into its cluster as Karpenter's NodePools and a NaruNodeClass, and reports
// what became of it.
package nodegroup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/apply"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/kube/finalizer"
	"naru.dev/naru/internal/kube/tenant"
)

const (
	// soon is how soon an ending group is looked at again: NodeClaims have no event here.
	soon = 2 * time.Second
	// retry is for what somebody has to mend first: a class, an image, a label that the cluster refuses.
	retry = 15 * time.Second
)

// Controller reconciles NodeGroups.
type Controller struct {
	hosting client.Client
	tenants *tenant.Clients
}

// NewController returns a controller of the hosting cluster's NodeGroups.
func NewController(hosting client.Client, tenants *tenant.Clients) *Controller {
	return &Controller{hosting: hosting, tenants: tenants}
}

// SetupWithManager adds the controller to a manager.
func (c *Controller) SetupWithManager(manager ctrl.Manager) error {
	all := handler.EnqueueRequestsFromMapFunc(c.allGroups)
	return ctrl.NewControllerManagedBy(manager).
		Named("nodegroup").
		For(&v1alpha1.NodeGroup{}).
		Watches(&v1alpha1.Machine{}, handler.EnqueueRequestsFromMapFunc(groupOfMachine)).
		Watches(&v1alpha1.Cluster{}, handler.EnqueueRequestsFromMapFunc(c.groupsOfCluster)).
		Watches(&v1alpha1.MachineClass{}, all).
		Watches(&v1alpha1.NodeImage{}, all).
		Complete(c)
}

func groupOfMachine(_ context.Context, object client.Object) []reconcile.Request {
	machine, ok := object.(*v1alpha1.Machine)
	if !ok || machine.Spec.NodeGroup == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: machine.Namespace, Name: machine.Spec.NodeGroup}}}
}

func (c *Controller) groupsOfCluster(ctx context.Context, cluster client.Object) []reconcile.Request {
	return c.groups(ctx, client.InNamespace(v1alpha1.Namespace(cluster.GetName())))
}

func (c *Controller) allGroups(ctx context.Context, _ client.Object) []reconcile.Request {
	return c.groups(ctx)
}

// groups reads the cache only, which does not fail once it is filled.
func (c *Controller) groups(ctx context.Context, options ...client.ListOption) []reconcile.Request {
	var groups v1alpha1.NodeGroupList
	if err := c.hosting.List(ctx, &groups, options...); err != nil {
		return nil
	}
	var requests []reconcile.Request
	for i := range groups.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&groups.Items[i])})
	}
	return requests
}

// scope is what one pass knows.
type scope struct {
	group *v1alpha1.NodeGroup
	// cluster is nil when it does not exist.
	cluster  *v1alpha1.Cluster
	machines []v1alpha1.Machine
	// last says that no other group of the cluster could take the pods of this one.
	last bool
}

func (s *scope) clusterGone() bool { return s.cluster == nil || !s.cluster.DeletionTimestamp.IsZero() }

// Reconcile takes one group a step further.
func (c *Controller) Reconcile(ctx context.Context, request ctrl.Request) (result reconcile.Result, err error) {
	var group v1alpha1.NodeGroup
	if err := c.hosting.Get(ctx, request.NamespacedName, &group); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	s, err := c.observe(ctx, &group)
	if err != nil {
		return reconcile.Result{}, err
	}
	if group.DeletionTimestamp.IsZero() && !s.clusterGone() {
		if added, err := finalizer.Add(ctx, c.hosting, &group, v1alpha1.Finalizer); added || err != nil {
			return reconcile.Result{}, err
		}
	}
	stored := group.DeepCopy()
	defer func() {
		if equality.Semantic.DeepEqual(stored.Status, group.Status) {
			return
		}
		if e := c.hosting.Status().Patch(ctx, &group, client.MergeFrom(stored)); client.IgnoreNotFound(e) != nil {
			err = errors.Join(err, fmt.Errorf("writing status of node group %s: %w", group.Name, e))
		}
	}()
	count(s)
	if !group.DeletionTimestamp.IsZero() {
		return c.finalize(ctx, s)
	}
	result, err = c.sync(ctx, s)
	summarize(s)
	return result, err
}

func (c *Controller) observe(ctx context.Context, group *v1alpha1.NodeGroup) (*scope, error) {
	s := &scope{group: group}
	name := v1alpha1.ClusterOf(group.Namespace)
	var cluster v1alpha1.Cluster
	if err := c.hosting.Get(ctx, client.ObjectKey{Name: name}, &cluster); err == nil {
		s.cluster = &cluster
	} else if !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading cluster %s: %w", name, err)
	}
	var machines v1alpha1.MachineList
	if err := c.hosting.List(ctx, &machines, client.InNamespace(group.Namespace), client.MatchingLabels{v1alpha1.LabelNodeGroup: group.Name}); err != nil {
		return nil, fmt.Errorf("listing machines of node group %s: %w", group.Name, err)
	}
	s.machines = machines.Items
	var groups v1alpha1.NodeGroupList
	if err := c.hosting.List(ctx, &groups, client.InNamespace(group.Namespace)); err != nil {
		return nil, fmt.Errorf("listing the node groups of cluster %s: %w", name, err)
	}
	s.last = last(groups.Items, group.Name)
	return s, nil
}

// count reports what was observed. A machine that joined has a node that is Ready: package machine watches it.
func count(s *scope) {
	s.group.Status.Machines, s.group.Status.ReadyNodes = 0, 0
	for i := range s.machines {
		s.group.Status.Machines++
		if s.machines[i].DeletionTimestamp.IsZero() && conditions.IsTrue(&s.machines[i], v1alpha1.MachineJoined) {
			s.group.Status.ReadyNodes++
		}
	}
}

// sync writes the group into its cluster and sets the condition Synced.
func (c *Controller) sync(ctx context.Context, s *scope) (reconcile.Result, error) {
	switch {
	case s.clusterGone():
		conditions.False(s.group, v1alpha1.NodeGroupSynced, v1alpha1.ReasonNotFound, "cluster "+v1alpha1.ClusterOf(s.group.Namespace)+" does not exist")
		return reconcile.Result{}, nil // a change of the cluster wakes the group
	case !conditions.IsTrue(s.cluster, v1alpha1.ClusterBootstrapped):
		if !conditions.IsTrue(s.group, v1alpha1.NodeGroupSynced) {
			conditions.False(s.group, v1alpha1.NodeGroupSynced, v1alpha1.ReasonWaiting, "cluster "+s.cluster.Name+" is not ready to have nodes yet")
			return reconcile.Result{}, c.ahead(ctx, s)
		}
		return reconcile.Result{}, nil
	}
	image, catalogue, err := Offers(ctx, c.hosting, s.cluster)
	var objects []*unstructured.Unstructured
	if err == nil {
		objects, err = Render(s.group, image, catalogue)
	}
	var missing *NotFoundError
	if errors.As(err, &missing) {
		conditions.False(s.group, v1alpha1.NodeGroupSynced, v1alpha1.ReasonNotFound, err.Error())
		return reconcile.Result{RequeueAfter: retry}, nil
	} else if err != nil {
		return reconcile.Result{}, err
	}
	inside, err := c.tenants.Client(ctx, s.cluster.Name)
	if errors.Is(err, tenant.ErrNotReady) {
		conditions.False(s.group, v1alpha1.NodeGroupSynced, v1alpha1.ReasonWaiting, err.Error())
		return reconcile.Result{RequeueAfter: soon}, nil
	} else if err != nil {
		return reconcile.Result{}, err
	}
	if err := apply.Objects(ctx, inside, objects...); apierrors.IsInvalid(err) {
		conditions.False(s.group, v1alpha1.NodeGroupSynced, v1alpha1.ReasonFailed, err.Error())
		return reconcile.Result{RequeueAfter: retry}, nil
	} else if err != nil {
		return reconcile.Result{}, err
	}
	if err := deletePools(ctx, inside, s.group.Name, objects); err != nil {
		return reconcile.Result{}, err
	}
	conditions.True(s.group, v1alpha1.NodeGroupSynced, v1alpha1.ReasonReady, "the cluster has the group's node pools")
	if !s.last || !empties(s.group) || len(s.machines) == 0 {
		return reconcile.Result{}, nil
	}
	claims, err := listOf(ctx, inside, nodeClaimKind, s.group.Name)
	if err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: soon}, hurry(ctx, inside, claims)
}

// Offers are what a cluster's machines can be made of: the node image of its version, classes and zones. They serve Fargate
// profiles as well as groups. An image that does not exist is a NotFoundError.
func Offers(ctx context.Context, hosting client.Reader, cluster *v1alpha1.Cluster) (image string, catalogue Catalogue, err error) {
	if catalogue, err = readCatalogue(ctx, hosting); err != nil {
		return "", catalogue, err
	}
	minor, err := minor(ctx, hosting, cluster)
	if err != nil {
		return "", catalogue, err
	}
	var images v1alpha1.NodeImageList
	if err := hosting.List(ctx, &images); err != nil {
		return "", catalogue, fmt.Errorf("listing node images: %w", err)
	}
	var existing []string
	for _, image := range images.Items {
		if image.Name == minor {
			return image.Spec.Image, catalogue, nil
		}
		existing = append(existing, image.Name)
	}
	return "", catalogue, &NotFoundError{Field: "the cluster's version", Missing: []string{"the node image " + minor}, Existing: sorted(existing)}
}

func readCatalogue(ctx context.Context, hosting client.Reader) (Catalogue, error) {
	var classes v1alpha1.MachineClassList
	if err := hosting.List(ctx, &classes); err != nil {
		return Catalogue{}, fmt.Errorf("listing machine classes: %w", err)
	}
	var hosts corev1.NodeList
	if err := hosting.List(ctx, &hosts); err != nil {
		return Catalogue{}, fmt.Errorf("listing hosts: %w", err)
	}
	var catalogue Catalogue
	for _, class := range classes.Items {
		catalogue.Classes = append(catalogue.Classes, class.Name)
	}
	zones := map[string]bool{}
	for _, host := range hosts.Items {
		if zone := host.Labels[corev1.LabelTopologyZone]; zone != "" && !zones[zone] {
			zones[zone] = true
			catalogue.Zones = append(catalogue.Zones, zone)
		}
	}
	return catalogue, nil
}

// summarize sets the condition Ready.
func summarize(s *scope) {
	g := s.group
	if !conditions.IsTrue(g, v1alpha1.NodeGroupSynced) {
		conditions.Summarize(g, v1alpha1.NodeGroupReady, v1alpha1.ReasonReady, "", v1alpha1.NodeGroupSynced)
		return
	}
	wanted, fixed := g.Spec.Scaling.FixedSize()
	if !fixed {
		wanted = g.Spec.Scaling.Min
	}
	switch {
	case g.Status.ReadyNodes < wanted:
		conditions.False(g, v1alpha1.NodeGroupReady, v1alpha1.ReasonProgressing,
			fmt.Sprintf("%d of %d nodes are ready%s", g.Status.ReadyNodes, wanted, why(s.machines)))
	case fixed && g.Status.Machines > wanted:
		conditions.False(g, v1alpha1.NodeGroupReady, v1alpha1.ReasonProgressing,
			fmt.Sprintf("%d machines are leaving", g.Status.Machines-wanted))
	default:
		conditions.True(g, v1alpha1.NodeGroupReady, v1alpha1.ReasonReady, fmt.Sprintf("%d nodes are ready", g.Status.ReadyNodes))
		g.Status.ObservedGeneration = g.Generation
	}
}

// why gives the first reason that a machine has for not being ready.
func why(machines []v1alpha1.Machine) string {
	for i := range machines {
		if ready := conditions.Get(&machines[i], v1alpha1.MachineReady); ready != nil && ready.Message != "" && !conditions.IsTrue(&machines[i], v1alpha1.MachineReady) {
			return "; machine " + machines[i].Name + ": " + strings.TrimSpace(ready.Message)
		}
	}
	return ""
}
