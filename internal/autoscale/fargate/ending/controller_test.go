package ending

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/karpenter/pkg/apis"
	karpenter "sigs.k8s.io/karpenter/pkg/apis/v1"

	"naru.dev/naru/api/v1alpha1"
)

func TestReconcile(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	scheme.AddKnownTypes(schema.GroupVersion{Group: apis.Group, Version: "v1"}, &karpenter.NodeClaim{}, &karpenter.NodeClaimList{})
	pod := func(name string, phase corev1.PodPhase) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: name, UID: types.UID("uid-of-" + name)}, Status: corev1.PodStatus{Phase: phase}}
	}
	for reason, test := range map[string]struct {
		label string
		stays bool
	}{
		"when its pod is there, it stays":                     {"uid-of-here", true},
		"when its pod is done, Karpenter decides":             {"uid-of-done", true},
		"when its pod is gone, it goes":                       {"uid-of-gone", false},
		"when another pod has that name, it goes":             {"uid-of-here-before", false},
		"when it is for no pod of its own, it is not our own": {"", true},
	} {
		t.Run(reason, func(t *testing.T) {
			claim := &karpenter.NodeClaim{ObjectMeta: metav1.ObjectMeta{Name: "c", UID: "uid-of-c", Labels: map[string]string{v1alpha1.LabelFargatePod: test.label}}}
			c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(claim, pod("here", corev1.PodRunning), pod("done", corev1.PodSucceeded)).Build()
			if _, err := NewController(c).Reconcile(t.Context(), claim); err != nil {
				t.Fatal(err)
			}
			err := c.Get(t.Context(), client.ObjectKeyFromObject(claim), &karpenter.NodeClaim{})
			if client.IgnoreNotFound(err) != nil || (err == nil) != test.stays {
				t.Errorf("got %v", err)
			}
		})
	}
}
