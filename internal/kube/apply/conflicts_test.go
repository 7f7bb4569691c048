package apply

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"naru.dev/naru/test/env"
)

// What conflicts are is the API server's word: it takes a real one.
func TestConflicts(t *testing.T) {
	c, err := client.New(env.Start(t), client.Options{Scheme: clientgoscheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := Objects(ctx, c, configMap("one", "1", "1")); err != nil {
		t.Fatal(err)
	}
	byHand(ctx, t, c, `{"data":{"a.conf":"mine"}}`)

	t.Run("when somebody has set a field, unforced writes nothing and names it", func(t *testing.T) {
		err := Unforced(ctx, c, configMap("two", "1", "1"), configMap("one", "2", "2"))
		conflict := new(ConflictError)
		if !errors.As(err, &conflict) || len(conflict.Conflicts) != 1 || conflict.Conflicts[0].Field != ".data.a.conf" || conflict.Conflicts[0].Object != "ConfigMap default/one" {
			t.Fatalf("got %+v", err)
		}
		wantData(t, c, "one", map[string]string{"a.conf": "mine", "b": "1"})
		if err := c.Get(ctx, client.ObjectKey{Namespace: "default", Name: "two"}, &corev1.ConfigMap{}); client.IgnoreNotFound(err) != nil || err == nil {
			t.Errorf("the other object was written: %v", err)
		}
	})
	t.Run("when it is preserved, the other fields are written", func(t *testing.T) {
		for range 2 {
			left, err := Preserving(ctx, c, configMap("one", "2", "2"))
			if err != nil || len(left) != 1 || left[0].Field != ".data.a.conf" {
				t.Fatalf("left %+v, %v", left, err)
			}
			wantData(t, c, "one", map[string]string{"a.conf": "mine", "b": "2"})
		}
	})
	t.Run("when what is wanted is what somebody has set, there is no conflict", func(t *testing.T) {
		if err := Unforced(ctx, c, configMap("one", "mine", "3")); err != nil {
			t.Fatal(err)
		}
		wantData(t, c, "one", map[string]string{"a.conf": "mine", "b": "3"})
	})
	t.Run("when it is forced, it is Naru's", func(t *testing.T) {
		if err := Objects(ctx, c, configMap("one", "4", "4")); err != nil {
			t.Fatal(err)
		}
		wantData(t, c, "one", map[string]string{"a.conf": "4", "b": "4"})
	})
	t.Run("when an object is Naru's or not, it can be told", func(t *testing.T) {
		other := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "other"}}
		if err := c.Create(ctx, other); err != nil {
			t.Fatal(err)
		}
		own := &corev1.ConfigMap{}
		if err := c.Get(ctx, client.ObjectKey{Namespace: "default", Name: "one"}, own); err != nil {
			t.Fatal(err)
		}
		if !Owned(own) || Owned(other) {
			t.Errorf("owned: %v and %v", Owned(own), Owned(other))
		}
	})
}

func configMap(name, a, b string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"namespace": "default", "name": name}, "data": map[string]any{"a.conf": a, "b": b}}}
}

func wantData(t *testing.T, c client.Client, name string, data map[string]string) {
	t.Helper()
	live := &corev1.ConfigMap{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: name}, live); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(data, live.Data); diff != "" {
		t.Error(diff)
	}
}

func byHand(ctx context.Context, t *testing.T, c client.Client, patch string) {
	t.Helper()
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "one"}}
	if err := c.Patch(ctx, object, client.RawPatch("application/merge-patch+json", []byte(patch)), client.FieldOwner("somebody")); err != nil {
		t.Fatal(err)
	}
}
