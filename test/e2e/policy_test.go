//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// testPolicy tries the application's own ingress policy, then an egress policy on a client. Each
// refusal is paired with a connection that the same pods can make.
func testPolicy(t *testing.T, w *world, c *cluster, stranger string) {
	friend := pod("friend", w.image(t, "busybox"), forever()...)
	friend.Labels["hello-store"] = "client"
	create(t, c, friend)
	awaitPods(t, c, friend.Name)
	reaches := func(from, to string) func(context.Context) error {
		return func(ctx context.Context) error {
			// 404 is an answer, too: nothing may have been written yet.
			_, err := w.shell(ctx, c, from, "timeout 3 wget -S -qO- http://"+to+"/healthz")
			return err
		}
	}
	blocked := func(from, to string) func(context.Context) error {
		return func(ctx context.Context) error {
			if err := reaches(from, to)(ctx); err == nil {
				return fmt.Errorf("%s reached %s", from, to)
			}
			return nil
		}
	}
	t.Run("when a policy lets a pod in, it gets in", func(t *testing.T) {
		eventually(t, "way in", 30*time.Second, reaches(friend.Name, "hello-store"))
	})
	t.Run("when a policy does not let a pod in, it stays out", func(t *testing.T) {
		eventually(t, "way to another Service", 30*time.Second, reaches(stranger, "hello"))
		eventually(t, "closed way in", 30*time.Second, blocked(stranger, "hello-store"))
	})
	t.Run("when a policy limits where a pod goes, it goes nowhere else", func(t *testing.T) {
		eventually(t, "way out", 30*time.Second, reaches(friend.Name, "hello"))
		policies := c.kube.NetworkingV1().NetworkPolicies("default")
		policy := storeOnly(friend.Labels)
		if _, err := policies.Create(t.Context(), policy, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "closed way out", 30*time.Second, blocked(friend.Name, "hello"))
		eventually(t, "way that the policy allows", 30*time.Second, reaches(friend.Name, "hello-store"))
		if err := policies.Delete(t.Context(), policy.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "way out, after the policy is gone", 30*time.Second, reaches(friend.Name, "hello"))
	})
	t.Run("when a policy guards a pod, the pod itself reaches DNS only", func(t *testing.T) {
		// hello has no shell: a pod with the store's labels stands for it.
		guarded := pod("guarded", w.image(t, "busybox"), forever()...)
		guarded.Labels["app"] = "hello-store"
		// Not ready, so that the Service never sends it a request of another test.
		guarded.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "e2e.naru.dev/never"}}
		create(t, c, guarded)
		eventually(t, "name", time.Minute, func(ctx context.Context) error {
			_, err := w.shell(ctx, c, guarded.Name, "nslookup hello.default.svc.cluster.local")
			return err
		})
		eventually(t, "closed way out", 30*time.Second, blocked(guarded.Name, "hello"))
		w.kubectl(t, c, "delete", "pod", guarded.Name)
	})
}

// storeOnly lets pods with these labels reach the store and DNS.
func storeOnly(labels map[string]string) *networkingv1.NetworkPolicy {
	udp, tcp := corev1.ProtocolUDP, corev1.ProtocolTCP
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "store-only"},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: labels},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
			Egress: []networkingv1.NetworkPolicyEgressRule{{
				To: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "hello-store"}}}},
			}, {
				Ports: []networkingv1.NetworkPolicyPort{
					{Protocol: &udp, Port: ptr.To(intstr.FromInt32(53))}, {Protocol: &tcp, Port: ptr.To(intstr.FromInt32(53))},
				},
			}},
		},
	}
}

// errNothing is a check that has not seen yet what it looks for.
var errNothing = errors.New("nothing was seen yet")
