package finalizer

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

const name = "naru.dev/test"

func TestFinalizer(t *testing.T) {
	object := &corev1.ConfigMap{}
	object.Namespace, object.Name = "default", "kept"
	c := fake.NewClientBuilder().WithObjects(object).Build()
	read := func() *corev1.ConfigMap {
		t.Helper()
		var stored corev1.ConfigMap
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(object), &stored); err != nil {
			t.Fatal(err)
		}
		return &stored
	}
	old := read()
	if added, err := Add(t.Context(), c, read(), name); !added || err != nil || !slices.Contains(read().Finalizers, name) {
		t.Errorf("when it has none, it is added: %v, %v, %v", added, err, read().Finalizers)
	}
	if added, err := Add(t.Context(), c, read(), name); added || err != nil {
		t.Errorf("when it is there, nothing is written: %v, %v", added, err)
	}
	if _, err := Add(t.Context(), c, old, name+"-2"); !apierrors.IsConflict(err) {
		t.Errorf("when the object was changed meanwhile, it is a conflict: %v", err)
	}
	if err := Remove(t.Context(), c, read(), name); err != nil || len(read().Finalizers) != 0 {
		t.Errorf("when it is removed, it is gone: %v, %v", err, read().Finalizers)
	}
	last := read()
	if err := c.Delete(t.Context(), read()); err != nil {
		t.Fatal(err)
	}
	if err := Remove(t.Context(), c, last, name); err != nil {
		t.Errorf("when the object is gone, there is nothing to remove: %v", err)
	}
}
