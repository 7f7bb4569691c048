package nodes

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
)

func (w *world) condition(t *testing.T, kind string, status metav1.ConditionStatus, reason string) {
	t.Helper()
	managed := &v1alpha1.Cluster{}
	must(t, w.Get(t.Context(), client.ObjectKey{Name: cluster}, managed))
	meta.SetStatusCondition(&managed.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: reason})
	must(t, w.Status().Update(t.Context(), managed))
}

func ahead(t *testing.T, w *world) {
	w.condition(t, v1alpha1.ClusterBootstrapped, metav1.ConditionFalse, v1alpha1.ReasonWaiting)
	w.condition(t, v1alpha1.ClusterControlPlaneReady, metav1.ConditionFalse, v1alpha1.ReasonProgressing)
	g := newGroup("early", v1alpha1.ScalingSpec{Min: 2, Max: 2}, "t3.medium")
	w.create(t, g)
	made := map[types.UID]bool{}
	until(t, "two machines run without a claim", func(ctx context.Context) string {
		machines := w.machines(ctx, "early")
		for _, m := range machines {
			if m.Claimed() || m.Status.Address == "" {
				return problem("%+v", m)
			}
			made[m.UID] = true
		}
		if len(machines) != 2 {
			return problem("%d machines", len(machines))
		}
		return ""
	})
	var nodes corev1.NodeList
	must(t, w.List(t.Context(), &nodes, client.MatchingLabels{"team": "early"}))
	if len(nodes.Items) > 0 {
		t.Errorf("while the cluster does not answer, no node joins it: got %d", len(nodes.Items))
	}
	w.condition(t, v1alpha1.ClusterBootstrapped, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.ready(t, "early", 2)
	for _, m := range w.machines(t.Context(), "early") {
		until(t, m.Name+" is its claim's and initialized", func(ctx context.Context) string {
			var node corev1.Node
			if err := w.Get(ctx, client.ObjectKey{Name: m.Name}, &node); err != nil {
				return err.Error()
			}
			if node.Labels["karpenter.sh/initialized"] != "true" || node.Labels["karpenter.sh/nodepool"] != "early" || len(node.Spec.Taints) > 0 {
				return problem("labels %v, taints %v", node.Labels, node.Spec.Taints)
			}
			return ""
		})
		var kept corev1.Secret
		if err := w.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: m.Name + "-token"}, &kept); client.IgnoreNotFound(err) != nil || err == nil {
			t.Errorf("when the cluster knows the token of %s, it is kept nowhere else: %v", m.Name, err)
		}
	}
	for _, m := range w.machines(t.Context(), "early") {
		if !made[m.UID] || !m.Claimed() {
			t.Errorf("machine %s of claim %q was not made ahead", m.Name, m.Spec.Claim.Name)
		}
	}
	w.remove(t, g)
}
