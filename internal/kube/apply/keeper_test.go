package apply

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

func TestKeeper(t *testing.T) {
	c := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).Build()
	keeper := NewKeeper(c)
	keep := func(t *testing.T, value string, want bool) {
		t.Helper()
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"namespace": "default", "name": "kept"}, "data": map[string]any{"key": value},
		}}
		got, err := keeper.Objects(t.Context(), object)
		if err != nil || got != want {
			t.Fatalf("as wanted: %v, %v; want %v", got, err, want)
		}
		live := &corev1.ConfigMap{}
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "kept"}, live); err != nil || live.Data["key"] != value {
			t.Fatalf("it is %v, %v", live.Data, err)
		}
	}
	t.Run("when an object is made, it was not as wanted", func(t *testing.T) { keep(t, "one", false) })
	t.Run("when nothing has changed, it is as wanted", func(t *testing.T) { keep(t, "one", true) })
	t.Run("when something else is wanted, it was not as wanted", func(t *testing.T) { keep(t, "two", false) })
	t.Run("when somebody has changed it, it is put right and was not as wanted", func(t *testing.T) {
		live := &corev1.ConfigMap{}
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "kept"}, live); err != nil {
			t.Fatal(err)
		}
		live.Data["key"] = "three"
		if err := c.Update(t.Context(), live); err != nil {
			t.Fatal(err)
		}
		keep(t, "two", false)
		keep(t, "two", true)
	})
}
