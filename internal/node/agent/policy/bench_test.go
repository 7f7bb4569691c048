package policy_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"naru.dev/naru/internal/node/agent/policy"
)

// BenchmarkCompile is one node of a cluster with 5000 pods in 100 namespaces,
// each with three policies; 100 pods are local.
func BenchmarkCompile(b *testing.B) {
	in := bigCluster()
	for b.Loop() {
		policy.Compile(in)
	}
}

func bigCluster() policy.Input {
	in := policy.Input{Node: "node-0", OwnNode: policy.OwnNodeAllow}
	for n := range 100 {
		ns := fmt.Sprintf("ns-%d", n)
		in.Namespaces = append(in.Namespaces, &corev1.Namespace{
			ObjectMeta: metav1.ObjectMeta{Name: ns, Labels: map[string]string{"team": fmt.Sprint(n % 10)}},
		})
		deny := networkingv1.NetworkPolicySpec{}
		near := networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{
			From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}},
		}}}
		team := networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{
			From: []networkingv1.NetworkPolicyPeer{{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": fmt.Sprint(n % 10)}},
				PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"app": "0"}},
			}},
		}}}
		for i, spec := range []networkingv1.NetworkPolicySpec{deny, near, team} {
			in.Policies = append(in.Policies, &networkingv1.NetworkPolicy{
				ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: fmt.Sprint(i)}, Spec: spec,
			})
		}
		for p := range 50 {
			in.Pods = append(in.Pods, &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: ns, Name: fmt.Sprint(p), Labels: map[string]string{"app": fmt.Sprint(p % 5)},
				},
				Spec:   corev1.PodSpec{NodeName: fmt.Sprintf("node-%d", p)},
				Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: fmt.Sprintf("10.244.%d.%d", p, n+1)},
			})
		}
	}
	return in
}
