package cluster

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/api/v1alpha1"
	"naru.dev/naru/internal/controlplane/etcd"
	"naru.dev/naru/internal/kube/conditions"
	"naru.dev/naru/internal/tier"
)

// testWaitsForRoom asks for more than there is, and then adds a host.
func testWaitsForRoom(t *testing.T, c client.Client) {
	small := newCluster("small-and-large", "1.37")
	small.Spec.ControlPlane.Replicas, small.Spec.ControlPlane.Tier = 1, tier.XL
	if err := c.Create(t.Context(), small); err == nil || !strings.Contains(err.Error(), "controlPlane.tier needs 3 replicas") {
		t.Errorf("a tier for the small form: %v", err)
	}
	cluster := newCluster("large", "1.37")
	cluster.Spec.ControlPlane.Tier = tier.XL
	if err := c.Create(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	eventually(t, c, cluster, func() string {
		why := cluster.TierRefused()
		if why == nil || why.Reason != v1alpha1.ReasonNoCapacity || !strings.Contains(why.Message, "no host that takes pods") || !strings.Contains(why.Message, "stays standard") {
			return "TierReady does not say what is lacking"
		}
		return ""
	})
	members := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "naru-large", Name: etcd.Name}}
	eventually(t, c, members, func() string { return isSized(members, tier.Standard) })
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "roomy"}}
	if err := c.Create(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	node.Spec.Taints = nil // admission adds one, which a host that is ready loses
	if err := c.Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	node.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("16Gi"), corev1.ResourcePods: resource.MustParse("100")}
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	if err := c.Status().Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	eventually(t, c, members, func() string { return isSized(members, tier.XL) })
	eventually(t, c, cluster, func() string {
		if is := conditions.Get(cluster, v1alpha1.ClusterTierReady); is.Reason != v1alpha1.ReasonProgressing || is.Message != "the control plane is becoming tier-xl" {
			return "TierReady is " + is.Reason + ": " + is.Message
		}
		return ""
	})
	if err := c.Delete(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
}

func isSized(members *appsv1.StatefulSet, name string) string {
	want, _ := tier.Of(name)
	if got := members.Spec.Template.Spec.Containers[0].Resources.Requests.Cpu().String(); got != want.Etcd.CPU() || (members.Annotations[v1alpha1.AnnotationTier] == name) != tier.Provisioned(name) {
		return "etcd asks for " + got + ", and is noted as " + members.Annotations[v1alpha1.AnnotationTier]
	}
	return ""
}
