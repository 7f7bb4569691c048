package nodes

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpenter "sigs.k8s.io/karpenter/pkg/apis/v1"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/kube/conditions"
)

// alone is the profile, and the namespace of the pods that it chooses.
const alone = "alone"

func (w *world) profile(ctx context.Context) *v1alpha1.FargateProfile {
	var profile v1alpha1.FargateProfile
	if err := w.Get(ctx, client.ObjectKey{Namespace: namespace, Name: alone}, &profile); err != nil {
		return &v1alpha1.FargateProfile{}
	}
	return &profile
}

// pendingPod makes a pod that the profile chooses, and is the scheduler once Naru lets it go on.
func (w *world) pendingPod(t *testing.T, name, memory string) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: alone, Name: name}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "x",
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory)}}}}}}
	w.create(t, pod)
	until(t, "pod "+name+" is told which machine is its own", func(ctx context.Context) string {
		if err := w.Get(ctx, client.ObjectKeyFromObject(pod), pod); err != nil {
			return err.Error()
		}
		if len(pod.Spec.SchedulingGates) > 0 || pod.Spec.NodeSelector[v1alpha1.LabelFargatePod] != string(pod.UID) {
			return problem("%+v", pod.Spec)
		}
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
		if err := w.Status().Update(ctx, pod); err != nil {
			return err.Error()
		}
		return ""
	})
	return pod
}

// nodeOf awaits the node that is the pod's own, and binds the pod to it.
func (w *world) nodeOf(t *testing.T, pod *corev1.Pod, class string) *corev1.Node {
	t.Helper()
	var nodes corev1.NodeList
	until(t, "pod "+pod.Name+" has a node", func(ctx context.Context) string {
		if err := w.List(ctx, &nodes, client.MatchingLabels(pod.Spec.NodeSelector)); err != nil || len(nodes.Items) != 1 {
			return problem("%d nodes, %v", len(nodes.Items), err)
		}
		if nodes.Items[0].Labels["karpenter.sh/initialized"] != "true" {
			return problem("%+v", nodes.Items[0].Labels)
		}
		return ""
	})
	node := &nodes.Items[0]
	taint := corev1.Taint{Key: v1alpha1.LabelComputeType, Value: v1alpha1.FargateComputeType, Effect: corev1.TaintEffectNoSchedule}
	if len(node.Spec.Taints) != 1 || !node.Spec.Taints[0].MatchTaint(&taint) || node.Spec.Taints[0].Value != taint.Value {
		t.Errorf("its taint keeps others away: %+v", node.Spec.Taints)
	}
	if node.Labels[v1alpha1.LabelComputeType] != v1alpha1.FargateComputeType || node.Labels[corev1.LabelInstanceTypeStable] != class {
		t.Errorf("it is of Fargate, and a %s: %v", class, node.Labels)
	}
	must(t, w.SubResource("binding").Create(t.Context(), pod, &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: node.Name}}))
	return node
}

func (w *world) fargateMachines(ctx context.Context) int {
	var machines v1alpha1.MachineList
	_ = w.List(ctx, &machines, client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelFargateProfile: alone})
	return len(machines.Items)
}

func fargateProfile(t *testing.T, w *world) {
	w.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: alone}})
	profile := &v1alpha1.FargateProfile{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: alone},
		Spec: v1alpha1.FargateProfileSpec{Selectors: []v1alpha1.FargateProfileSelector{{Namespace: "alo*"}}, Zones: []string{"naru-1b"}}}
	w.create(t, profile)
	until(t, "the profile is in force", func(ctx context.Context) string {
		p := w.profile(ctx)
		if !conditions.IsTrue(p, v1alpha1.FargateProfileReady) || p.Status.ObservedGeneration != p.Generation {
			return problem("%+v", p.Status)
		}
		return ""
	})
	changed := w.profile(t.Context())
	changed.Spec.Selectors[0].Namespace = "other"
	if err := w.Update(t.Context(), changed); err == nil {
		t.Error("a profile can't be changed")
	}
	small, large := w.pendingPod(t, "small", "64Mi"), w.pendingPod(t, "large", "3900Mi")
	first, second := w.nodeOf(t, small, "t3.medium"), w.nodeOf(t, large, "t3.large")
	if first.Name == second.Name || w.fargateMachines(t.Context()) != 2 || first.Labels[corev1.LabelTopologyZone] != "naru-1b" {
		t.Errorf("each pod has a machine of its own, where the profile says: %s, %s of %d", first.Name, second.Name, w.fargateMachines(t.Context()))
	}
	must(t, w.Delete(t.Context(), small, client.GracePeriodSeconds(0)))
	until(t, "the machine of the pod that is gone is gone", func(ctx context.Context) string {
		if err := w.Get(ctx, client.ObjectKey{Name: first.Name}, &corev1.Node{}); err == nil || w.fargateMachines(ctx) != 1 {
			return problem("the node: %v, %d machines", err, w.fargateMachines(ctx))
		}
		return ""
	})
	must(t, w.Delete(t.Context(), w.profile(t.Context())))
	until(t, "the profile waits for its pod, which is being deleted", func(ctx context.Context) string {
		if err := w.Get(ctx, client.ObjectKeyFromObject(large), large); err != nil || large.DeletionTimestamp.IsZero() {
			return problem("%v, %v", large.DeletionTimestamp, err)
		}
		return ""
	})
	if p := w.profile(t.Context()); p.Name == "" {
		t.Error("the profile is gone before its pod")
	}
	must(t, client.IgnoreNotFound(w.Delete(t.Context(), large, client.GracePeriodSeconds(0)))) // the kubelet's part
	w.nothingOfFargate(t)
}

func (w *world) nothingOfFargate(t *testing.T) {
	t.Helper()
	until(t, "the profile is gone", func(ctx context.Context) string {
		if p := w.profile(ctx); p.Name != "" {
			return problem("%+v", p.Status)
		}
		return ""
	})
	for _, list := range []client.ObjectList{&v1alpha1.NaruNodeClassList{}, &karpenter.NodePoolList{}, &karpenter.NodeClaimList{}, &v1alpha1.MachineList{}, &corev1.NodeList{}} {
		must(t, w.List(t.Context(), list, client.MatchingLabels{v1alpha1.LabelFargateProfile: alone}))
		if left := meta.LenList(list); left > 0 {
			t.Errorf("%d objects are left in a %T", left, list)
		}
	}
	after := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: alone, Name: "after"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "x"}}}}
	w.create(t, after)
	if len(after.Spec.SchedulingGates) > 0 || len(after.Spec.NodeSelector) > 0 {
		t.Errorf("when there is no profile any more, none chooses a pod: %+v", after.Spec)
	}
	must(t, w.Delete(t.Context(), after, client.GracePeriodSeconds(0)))
}
