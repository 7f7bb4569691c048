package machinegc

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/internal/kube/tenantwatch"
	"naru.dev/naru/test/env"
)

// TestMissing asks a real API server for what is not there.
func TestMissing(t *testing.T) {
	known := tenantwatch.NodeClaims().GetObjectKind().GroupVersionKind()
	unknown := known.GroupKind().WithVersion("v9")
	// As a client that has met an API server which knew both.
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, kind := range []schema.GroupVersionKind{known, unknown} {
		mapper.Add(kind, meta.RESTScopeRoot)
	}
	c, err := client.New(env.Start(t), client.Options{Mapper: mapper})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(kind schema.GroupVersionKind) error {
		claim := &metav1.PartialObjectMetadata{}
		claim.SetGroupVersionKind(kind)
		return c.Get(t.Context(), client.ObjectKey{Name: "workers-abcde"}, claim)
	}
	if err := ask(known); !missing(err) {
		t.Errorf("when there is no such claim, it is missing: %v", err)
	}
	if err := ask(unknown); err == nil || missing(err) {
		t.Errorf("when the API server does not know the kind, no claim is missing: %v", err)
	}
}
