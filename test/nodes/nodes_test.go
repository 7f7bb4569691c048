package nodes

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpenter "sigs.k8s.io/karpenter/pkg/apis/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
)

// TestNodes is one story, since everything takes seconds to start.
func TestNodes(t *testing.T) {
	w := newWorld(t)
	for _, chapter := range []struct {
		name string
		test func(*testing.T, *world)
	}{
		{"when a cluster is new, its machines start ahead of it and are given to the claims", ahead},
		{"when a group has a fixed size, as many nodes join", fixed},
		{"when a machine class does not exist, the group says so and nothing is applied", unknownClass},
		{"when kubeconfigs are renewed, machines are given them and go on", renewed},
		{"when a node pod is deleted, another machine takes its place", replaced},
		{"when a NodeClaim vanishes, its machine does not outlive it", leak},
		// Karpenter looks for what a group lacks once a minute.
		{"when pods are pending, a dynamic group brings a machine for them", pending},
		{"when a machine went with its claim, another takes its place", func(t *testing.T, w *world) { w.ready(t, "workers", 2) }},
		{"when a group grows and shrinks, machines come and go", scaled},
		{"when a Fargate profile chooses pods, each gets a machine of its own", fargateProfile},
		{"when a group is deleted, nothing of it is left", deleted},
	} {
		if !t.Run(chapter.name, func(t *testing.T) { chapter.test(t, w) }) {
			w.dump(t)
			return
		}
	}
}

func (w *world) dump(t *testing.T) {
	var machines v1alpha1.MachineList
	var claims karpenter.NodeClaimList
	_ = w.List(context.Background(), &machines)
	_ = w.List(context.Background(), &claims)
	for _, m := range machines.Items {
		t.Logf("machine %s claim %s deleted %v: %+v", m.Name, m.Spec.Claim.Name, m.DeletionTimestamp, m.Status)
	}
	for _, c := range claims.Items {
		t.Logf("claim %s deleted %v: %+v", c.Name, c.DeletionTimestamp, c.Status)
	}
}

func newGroup(name string, scaling v1alpha1.ScalingSpec, classes ...string) *v1alpha1.NodeGroup {
	return &v1alpha1.NodeGroup{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1alpha1.NodeGroupSpec{Scaling: scaling, MachineClasses: classes, Labels: map[string]string{"team": name}},
	}
}

func (w *world) group(ctx context.Context, name string) *v1alpha1.NodeGroup {
	var group v1alpha1.NodeGroup
	if err := w.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &group); err != nil {
		return &v1alpha1.NodeGroup{}
	}
	return &group
}

func (w *world) machines(ctx context.Context, group string) []v1alpha1.Machine {
	var list v1alpha1.MachineList
	_ = w.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelNodeGroup: group})
	return list.Items
}

// ready awaits a group that has exactly this many nodes.
func (w *world) ready(t *testing.T, name string, nodes int32) {
	t.Helper()
	until(t, "group "+name+" is ready", func(ctx context.Context) string {
		g := w.group(ctx, name)
		ready := conditions.Get(g, v1alpha1.NodeGroupReady)
		if ready == nil || ready.Status != metav1.ConditionTrue || g.Status.ReadyNodes != nodes || g.Status.Machines != nodes {
			return problem("%+v", g.Status)
		}
		return ""
	})
}

func fixed(t *testing.T, w *world) {
	w.create(t, newGroup("workers", v1alpha1.ScalingSpec{Max: 5, Desired: ptr.To[int32](2)}, "t3.medium"))
	w.ready(t, "workers", 2)
	zones := map[string]bool{}
	for _, m := range w.machines(t.Context(), "workers") {
		zones[m.Spec.Zone] = true
		until(t, "node "+m.Name+" is initialized", func(ctx context.Context) string {
			var node corev1.Node
			if err := w.Get(ctx, client.ObjectKey{Name: m.Name}, &node); err != nil {
				return err.Error()
			}
			if node.Labels["karpenter.sh/initialized"] != "true" || node.Labels["team"] != "workers" || node.Labels[corev1.LabelInstanceTypeStable] != "t3.medium" || len(node.Spec.Taints) > 0 {
				return problem("labels %v, taints %v", node.Labels, node.Spec.Taints)
			}
			return ""
		})
		until(t, "the join token of "+m.Name+" is deleted", func(ctx context.Context) string {
			var secrets corev1.SecretList
			if err := w.List(ctx, &secrets, client.InNamespace("kube-system"), client.MatchingLabels{v1alpha1.LabelMachine: m.Name}); err != nil || len(secrets.Items) > 0 {
				return problem("%d tokens, %v", len(secrets.Items), err)
			}
			return ""
		})
	}
	if len(zones) != 2 {
		t.Errorf("two machines are in two zones: got %v", zones)
	}
}

func unknownClass(t *testing.T, w *world) {
	g := newGroup("odd", v1alpha1.ScalingSpec{Max: 1}, "x9.huge")
	w.create(t, g)
	until(t, "the group says so", func(ctx context.Context) string {
		ready := conditions.Get(w.group(ctx, "odd"), v1alpha1.NodeGroupReady)
		if ready == nil || ready.Reason != v1alpha1.ReasonNotFound || !strings.Contains(ready.Message, "t3.large, t3.medium") {
			return problem("%+v", ready)
		}
		return ""
	})
	var pools karpenter.NodePoolList
	must(t, w.List(t.Context(), &pools, client.MatchingLabels{v1alpha1.LabelNodeGroup: "odd"}))
	if len(pools.Items) > 0 {
		t.Errorf("got %d pools", len(pools.Items))
	}
	w.remove(t, g)
}

func (w *world) remove(t *testing.T, g *v1alpha1.NodeGroup) {
	t.Helper()
	must(t, w.Delete(t.Context(), g))
	until(t, "group "+g.Name+" is gone", func(ctx context.Context) string {
		if left := w.group(ctx, g.Name); left.Name != "" {
			return problem("%+v", left.Status)
		}
		return ""
	})
}

func renewed(t *testing.T, w *world) {
	before := w.machines(t.Context(), "workers")
	for _, copied := range []struct{ secret, key, file string }{
		{"kubeconfig-kube-proxy", "kubeconfig", "kube-proxy.kubeconfig"}, {"kubeconfig-agent", "kubeconfig", "agent.kubeconfig"},
		{"konnectivity-agent", "tls.crt", "konnectivity.crt"}, {"konnectivity-agent", "tls.key", "konnectivity.key"},
	} {
		secret := &corev1.Secret{}
		must(t, w.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: copied.secret}, secret))
		secret.Data[copied.key] = []byte("renewed")
		must(t, w.Update(t.Context(), secret))
		for _, machine := range before {
			until(t, machine.Name+" is given "+copied.file, func(ctx context.Context) string {
				given := &corev1.Secret{}
				if err := w.Get(ctx, client.ObjectKey{Namespace: namespace, Name: machine.Name + "-bootstrap"}, given); err != nil {
					return err.Error()
				}
				if got := string(given.Data[copied.file]); got != "renewed" {
					return problem("it has %q", got)
				}
				return ""
			})
		}
	}
	after := w.machines(t.Context(), "workers")
	for i := range before {
		if len(after) != len(before) || after[i].UID != before[i].UID {
			t.Fatalf("machines were replaced: there were %d, there are %d", len(before), len(after))
		}
	}
}

func replaced(t *testing.T, w *world) {
	first := w.machines(t.Context(), "workers")[0]
	must(t, w.Delete(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: first.Name}}))
	until(t, "machine "+first.Name+" and its node are gone", func(ctx context.Context) string {
		for _, m := range w.machines(ctx, "workers") {
			if m.Name == first.Name {
				return "the machine is still there"
			}
		}
		if err := w.Get(ctx, client.ObjectKey{Name: first.Name}, &corev1.Node{}); err == nil {
			return "the node is still there"
		}
		return ""
	})
	w.ready(t, "workers", 2)
}

func leak(t *testing.T, w *world) {
	first := w.machines(t.Context(), "workers")[0]
	var claim karpenter.NodeClaim
	until(t, "the claim vanishes", func(ctx context.Context) string {
		if err := w.Get(ctx, client.ObjectKey{Name: first.Spec.Claim.Name}, &claim); err != nil {
			return ""
		}
		claim.Finalizers = nil
		_ = w.Update(ctx, &claim)
		_ = w.Delete(ctx, &claim)
		return "it is still there"
	})
	until(t, "its machine is gone", func(ctx context.Context) string {
		for _, m := range w.machines(ctx, "workers") {
			if m.Name == first.Name {
				return "it is still there"
			}
		}
		return ""
	})
}

func (w *world) scale(t *testing.T, name string, change func(*v1alpha1.ScalingSpec)) {
	t.Helper()
	g := w.group(t.Context(), name)
	stored := g.DeepCopy()
	change(&g.Spec.Scaling)
	must(t, w.Patch(t.Context(), g, client.MergeFrom(stored)))
}

func scaled(t *testing.T, w *world) {
	w.scale(t, "workers", func(s *v1alpha1.ScalingSpec) { s.Desired = ptr.To[int32](3) })
	w.ready(t, "workers", 3)
	w.scale(t, "workers", func(s *v1alpha1.ScalingSpec) { s.Desired = ptr.To[int32](1) })
	w.ready(t, "workers", 1)
}

func pending(t *testing.T, w *world) {
	g := newGroup("elastic", v1alpha1.ScalingSpec{Max: 3}, "t3.medium", "t3.large")
	w.create(t, g)
	w.ready(t, "elastic", 0)
	w.create(t, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "big"},
		Spec: corev1.PodSpec{
			NodeSelector: map[string]string{"team": "elastic"},
			Containers: []corev1.Container{{Name: "c", Image: "x", Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("5Gi")}}}},
		},
		Status: corev1.PodStatus{},
	})
	// There is no scheduler here: the test says what it would say.
	until(t, "the pod is known to be unschedulable", func(ctx context.Context) string {
		var p corev1.Pod
		if err := w.Get(ctx, client.ObjectKey{Namespace: "default", Name: "big"}, &p); err != nil {
			return err.Error()
		}
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
		if err := w.Status().Update(ctx, &p); err != nil {
			return err.Error()
		}
		return ""
	})
	w.ready(t, "elastic", 1)
	if m := w.machines(t.Context(), "elastic")[0]; m.Spec.MachineClass != "t3.large" {
		t.Errorf("the machine is of the class that holds the pod: got %s", m.Spec.MachineClass)
	}
	must(t, w.Delete(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "big"}}))
	w.ready(t, "elastic", 0)
	w.remove(t, g)
}

func deleted(t *testing.T, w *world) {
	w.remove(t, w.group(t.Context(), "workers"))
	for _, list := range []client.ObjectList{
		&v1alpha1.MachineList{}, &v1alpha1.NaruNodeClassList{}, &karpenter.NodePoolList{}, &karpenter.NodeClaimList{},
	} {
		must(t, w.List(t.Context(), list))
		if left := meta.LenList(list); left > 0 {
			t.Errorf("%d objects are left in a %T", left, list)
		}
	}
	var nodes corev1.NodeList
	must(t, w.List(t.Context(), &nodes, client.HasLabels{v1alpha1.LabelNodeGroup}))
	var pods corev1.PodList
	must(t, w.List(t.Context(), &pods, client.InNamespace(namespace)))
	if len(nodes.Items)+len(pods.Items) > 0 {
		t.Errorf("%d nodes and %d node pods are left", len(nodes.Items), len(pods.Items))
	}
}
