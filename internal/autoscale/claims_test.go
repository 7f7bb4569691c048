package autoscale

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpenter "sigs.k8s.io/karpenter/pkg/apis/v1"

	"naru.dev/naru/internal/autoscale/nodeclass"
	"naru.dev/naru/test/env"
)

// TestClaims creates claims in a real API server.
func TestClaims(t *testing.T) {
	nodeclass.AddToScheme(clientgoscheme.Scheme)
	c, err := newClaims(env.Start(t), client.Options{Scheme: clientgoscheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	wanted := karpenter.NodeClaimSpec{
		NodeClassRef: &karpenter.NodeClassReference{Group: "naru.dev", Kind: "NaruNodeClass", Name: "default"},
		Taints:       []corev1.Taint{{Key: "a", Effect: corev1.TaintEffectNoSchedule}},
		Requirements: []karpenter.NodeSelectorRequirementWithMinValues{{Key: "b", Operator: corev1.NodeSelectorOpExists}},
		ExpireAfter:  karpenter.MustParseNillableDuration("Never"),
	}
	made := &karpenter.NodeClaim{ObjectMeta: metav1.ObjectMeta{GenerateName: "workers-", Labels: map[string]string{"c": "d"}}, Spec: wanted}
	if err := c.Create(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	var found karpenter.NodeClaim
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(made), &found); err != nil {
		t.Fatal(err)
	}
	if made.UID == "" || found.UID != made.UID || !strings.HasPrefix(found.Name, "workers-") || found.Labels["c"] != "d" {
		t.Errorf("when a claim is created, it comes back as it is in the cluster: %+v, %+v", made, found)
	}
	if diff := cmp.Diff(wanted, found.Spec); diff != "" {
		t.Errorf("when a claim is created, all that was wanted is kept (-want +got):\n%s", diff)
	}
	if found.ManagedFields[0].Operation != metav1.ManagedFieldsOperationApply {
		t.Errorf("when a claim is created, it is applied, and held by no API server: %+v", found.ManagedFields)
	}
	other := &karpenter.NodeClaim{ObjectMeta: metav1.ObjectMeta{GenerateName: "workers-"}, Spec: wanted}
	if err := c.Create(t.Context(), other); err != nil || other.Name == made.Name {
		t.Errorf("when another claim is created, it is another one: %s, %v", other.Name, err)
	}
}
