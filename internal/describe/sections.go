package describe

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/api/v1alpha1"
)

func (d *Describer) conditions(p *page, conditions []metav1.Condition) {
	rows := make([][]string, 0, len(conditions))
	for _, c := range conditions {
		rows = append(rows, []string{c.Type, string(c.Status), d.age(c.LastTransitionTime), c.Reason, oneLine(c.Message)})
	}
	p.section("Conditions", []string{"TYPE", "STATUS", "SINCE", "REASON", "MESSAGE"}, rows)
}

func (d *Describer) components(p *page, pods []corev1.Pod) {
	slices.SortFunc(pods, func(x, y corev1.Pod) int {
		return cmp.Or(cmp.Compare(component(x), component(y)), cmp.Compare(x.Name, y.Name))
	})
	var rows [][]string
	for _, pod := range pods {
		if _, isMachine := pod.Labels[v1alpha1.LabelMachine]; isMachine {
			continue // listed among the machines
		}
		ready, restarts := 0, int32(0)
		for _, status := range pod.Status.ContainerStatuses {
			restarts += status.RestartCount
			if status.Ready {
				ready++
			}
		}
		rows = append(rows, []string{
			component(pod), pod.Name, fmt.Sprintf("%d/%d", ready, len(pod.Spec.Containers)), podState(pod), fmt.Sprint(restarts), orNone(pod.Spec.NodeName), d.age(pod.CreationTimestamp),
		})
	}
	p.section("Control plane", []string{"COMPONENT", "POD", "READY", "STATUS", "RESTARTS", "HOST", "AGE"}, rows)
}

func component(pod corev1.Pod) string { return pod.Labels[v1alpha1.LabelComponent] }

// podState is the phase, or what keeps a container from running.
func podState(pod corev1.Pod) string {
	if pod.DeletionTimestamp != nil {
		return "Terminating"
	}
	for _, status := range pod.Status.ContainerStatuses {
		if waiting := status.State.Waiting; waiting != nil && waiting.Reason != "" {
			return waiting.Reason
		}
	}
	return string(pod.Status.Phase)
}

func (d *Describer) groups(p *page, groups []v1alpha1.NodeGroup) {
	rows := make([][]string, 0, len(groups))
	for _, g := range groups {
		rows = append(rows, []string{
			g.Name, ready(g.Status.Conditions, v1alpha1.NodeGroupReady), size(g.Spec.Scaling), fmt.Sprint(g.Status.Machines),
			fmt.Sprint(g.Status.ReadyNodes), strings.Join(g.Spec.MachineClasses, ","), d.age(g.CreationTimestamp),
		})
	}
	p.section("Node groups", []string{"NAME", "READY", "SIZE", "MACHINES", "NODES", "CLASSES", "AGE"}, rows)
}

func (d *Describer) machines(p *page, machines []v1alpha1.Machine) {
	rows := make([][]string, 0, len(machines))
	for _, m := range machines {
		rows = append(rows, []string{
			m.Name, ready(m.Status.Conditions, v1alpha1.MachineReady), orNone(m.Spec.NodeGroup), m.Spec.MachineClass,
			orNone(m.Status.Zone), orNone(m.Status.Host), orNone(m.Status.Address), d.age(m.CreationTimestamp),
		})
	}
	p.section("Machines", []string{"NAME", "READY", "GROUP", "CLASS", "ZONE", "HOST", "ADDRESS", "AGE"}, rows)
}

// recent writes the latest events, oldest first.
func (d *Describer) recent(p *page, events []corev1.Event) {
	slices.SortStableFunc(events, func(x, y corev1.Event) int { return last(x).Compare(last(y)) })
	if len(events) > maxEvents {
		events = events[len(events)-maxEvents:]
	}
	rows := make([][]string, 0, len(events))
	for _, e := range events {
		message := oneLine(e.Message)
		if e.Count > 1 {
			message += fmt.Sprintf(" (%d times)", e.Count)
		}
		object := strings.ToLower(e.InvolvedObject.Kind) + "/" + e.InvolvedObject.Name
		rows = append(rows, []string{d.age(metav1.NewTime(last(e))), e.Type, e.Reason, object, message})
	}
	p.section("Recent events", []string{"LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"}, rows)
}

// last is when an event was seen last; writers fill different fields.
func last(e corev1.Event) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	}
	return e.CreationTimestamp.Time
}

func ready(conditions []metav1.Condition, kind string) string {
	for _, c := range conditions {
		if c.Type == kind {
			return string(c.Status)
		}
	}
	return string(metav1.ConditionUnknown)
}

func size(s v1alpha1.ScalingSpec) string {
	if n, fixed := s.FixedSize(); fixed {
		return fmt.Sprintf("%d (of %d to %d)", n, s.Min, s.Max)
	}
	return fmt.Sprintf("%d to %d, as pods need", s.Min, s.Max)
}

func observed(wanted, seen string) string {
	if seen == "" {
		return wanted + " (not running yet)"
	}
	return fmt.Sprintf("%s (running %s)", wanted, seen)
}

func pairs(m map[string]string) string {
	list := make([]string, 0, len(m))
	for key, value := range m {
		list = append(list, key+"="+value)
	}
	slices.Sort(list)
	return orNone(strings.Join(list, ", "))
}

func taints(list []corev1.Taint) string {
	texts := make([]string, 0, len(list))
	for _, taint := range list {
		texts = append(texts, taint.ToString())
	}
	return orNone(strings.Join(texts, ", "))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
