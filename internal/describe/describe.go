// Package describe tells everything that is observed of one object, as kubectl describe does.
package describe

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
)

// maxEvents is how many of the latest events are shown.
const maxEvents = 20

// Describer reads and writes; Now is the clock.
type Describer struct {
	Client client.Reader
	Now    func() time.Time
}

// Cluster writes what there is to know of a cluster.
func (d *Describer) Cluster(ctx context.Context, w io.Writer, cluster *v1alpha1.Cluster) error {
	namespace := client.InNamespace(v1alpha1.Namespace(cluster.Name))
	groups, machines, pods := &v1alpha1.NodeGroupList{}, &v1alpha1.MachineList{}, &corev1.PodList{}
	for _, list := range []client.ObjectList{groups, machines} {
		if err := d.Client.List(ctx, list, namespace); err != nil {
			return fmt.Errorf("listing what belongs to cluster %q: %w", cluster.Name, err)
		}
	}
	if err := d.Client.List(ctx, pods, namespace, client.HasLabels{v1alpha1.LabelComponent}); err != nil {
		return fmt.Errorf("listing the pods of cluster %q: %w", cluster.Name, err)
	}
	events, err := d.events(ctx, v1alpha1.Namespace(cluster.Name), func(corev1.ObjectReference) bool { return true })
	if err != nil {
		return err
	}
	own, err := d.events(ctx, metav1.NamespaceDefault, about("Cluster", cluster.Name))
	if err != nil {
		return err
	}
	p := newPage(w)
	p.field("Name", cluster.Name)
	p.field("Created", d.age(cluster.CreationTimestamp)+" ago")
	d.deleting(p, cluster)
	p.field("Version", observed(cluster.Spec.Version, cluster.Status.Version))
	p.field("Revision", orNone(cluster.Status.Revision))
	p.field("Replicas", fmt.Sprint(cluster.Spec.ControlPlane.Replicas))
	p.field("Pods", cluster.Spec.Networking.PodCIDR)
	p.field("Services", cluster.Spec.Networking.ServiceCIDR)
	p.field("Protected", fmt.Sprint(cluster.Spec.DeletionProtection))
	endpoint := "none yet"
	if port := cluster.Status.Endpoint.Port; port != 0 {
		endpoint = fmt.Sprintf("https://127.0.0.1:%d", port)
	}
	p.field("Endpoint", endpoint)
	d.conditions(p, cluster.Status.Conditions)
	d.components(p, pods.Items)
	d.groups(p, groups.Items)
	d.machines(p, machines.Items)
	d.recent(p, append(events, own...))
	return p.flush()
}

// NodeGroup writes what there is to know of a node group.
func (d *Describer) NodeGroup(ctx context.Context, w io.Writer, group *v1alpha1.NodeGroup) error {
	machines := &v1alpha1.MachineList{}
	if err := d.Client.List(ctx, machines, client.InNamespace(group.Namespace)); err != nil {
		return fmt.Errorf("listing machines: %w", err)
	}
	machines.Items = slices.DeleteFunc(machines.Items, func(m v1alpha1.Machine) bool { return m.Spec.NodeGroup != group.Name })
	events, err := d.events(ctx, group.Namespace, about("NodeGroup", group.Name))
	if err != nil {
		return err
	}
	p := newPage(w)
	p.field("Name", group.Name)
	p.field("Cluster", v1alpha1.ClusterOf(group.Namespace))
	p.field("Created", d.age(group.CreationTimestamp)+" ago")
	d.deleting(p, group)
	p.field("Size", size(group.Spec.Scaling))
	p.field("Machine classes", strings.Join(group.Spec.MachineClasses, ", "))
	zones := "all"
	if len(group.Spec.Zones) > 0 {
		zones = strings.Join(group.Spec.Zones, ", ")
	}
	p.field("Zones", zones)
	p.field("Labels", pairs(group.Spec.Labels))
	p.field("Taints", taints(group.Spec.Taints))
	p.field("Nodes", fmt.Sprintf("%d ready, %d machines", group.Status.ReadyNodes, group.Status.Machines))
	d.conditions(p, group.Status.Conditions)
	d.machines(p, machines.Items)
	d.recent(p, events)
	return p.flush()
}

// Machine writes what there is to know of a machine.
func (d *Describer) Machine(ctx context.Context, w io.Writer, machine *v1alpha1.Machine) error {
	events, err := d.events(ctx, machine.Namespace, func(o corev1.ObjectReference) bool {
		return o.Name == machine.Name && (o.Kind == "Machine" || o.Kind == "Pod")
	})
	if err != nil {
		return err
	}
	p := newPage(w)
	p.field("Name", machine.Name)
	p.field("Cluster", v1alpha1.ClusterOf(machine.Namespace))
	p.field("Created", d.age(machine.CreationTimestamp)+" ago")
	d.deleting(p, machine)
	p.field("Node group", orNone(machine.Spec.NodeGroup))
	p.field("Node claim", orNone(machine.Spec.Claim.Name))
	p.field("Machine class", machine.Spec.MachineClass)
	p.field("Image", machine.Spec.Image)
	p.field("Provider ID", orNone(machine.Status.ProviderID))
	p.field("Address", orNone(machine.Status.Address))
	p.field("Host", orNone(machine.Status.Host))
	p.field("Zone", orNone(machine.Status.Zone))
	p.field("Labels", pairs(machine.Spec.Labels))
	p.field("Taints", taints(machine.Spec.Taints))
	d.conditions(p, machine.Status.Conditions)
	d.recent(p, events)
	return p.flush()
}

func about(kind, name string) func(corev1.ObjectReference) bool {
	return func(o corev1.ObjectReference) bool { return o.Kind == kind && o.Name == name }
}

func (d *Describer) events(ctx context.Context, namespace string, of func(corev1.ObjectReference) bool) ([]corev1.Event, error) {
	list := &corev1.EventList{}
	if err := d.Client.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("listing events: %w", err)
	}
	return slices.DeleteFunc(list.Items, func(e corev1.Event) bool { return !of(e.InvolvedObject) }), nil
}

func (d *Describer) age(t metav1.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return duration.HumanDuration(d.Now().Sub(t.Time))
}

func (d *Describer) deleting(p *page, o client.Object) {
	if t := o.GetDeletionTimestamp(); t != nil {
		p.field("Deleting", "since "+d.age(*t))
	}
}

// page is aligned text; each section is aligned by itself.
type page struct {
	w   *tabwriter.Writer
	err error
}

func newPage(w io.Writer) *page { return &page{w: tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)} }

func (p *page) field(name, value string) { p.printf("%s:\t%s\n", name, value) }

func (p *page) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// section writes a table below a title; without rows it says so.
func (p *page) section(title string, header []string, rows [][]string) {
	if p.err == nil {
		p.err = p.w.Flush()
	}
	if len(rows) == 0 {
		p.printf("\n%s: none\n", title)
		return
	}
	p.printf("\n%s:\n", title)
	for _, row := range append([][]string{header}, rows...) {
		p.printf("  %s\n", strings.Join(row, "\t"))
	}
}

func (p *page) flush() error {
	if p.err != nil {
		return fmt.Errorf("writing: %w", p.err)
	}
	return p.w.Flush()
}
