package consistent

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// behind returns a client whose reads are a few reads behind its writes, as a cache is.
func behind(reads int) client.WithWatch {
	var stale *corev1.ConfigMap
	left := 0
	remember := func(ctx context.Context, c client.WithWatch, object client.Object) {
		stale, left = nil, reads
		before := &corev1.ConfigMap{}
		if err := c.Get(ctx, client.ObjectKeyFromObject(object), before); err == nil {
			stale = before
		}
	}
	return interceptor.NewClient(fake.NewFakeClient(), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			remember(ctx, c, o)
			o.SetGeneration(1)
			return c.Create(ctx, o, options...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.UpdateOption) error {
			remember(ctx, c, o)
			return c.Update(ctx, o, options...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.DeleteOption) error {
			remember(ctx, c, o)
			return c.Delete(ctx, o, options...)
		},
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
			if left == 0 {
				return c.Get(ctx, key, o, options...)
			}
			left--
			if stale == nil {
				return apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, key.Name)
			}
			stale.DeepCopyInto(o.(*corev1.ConfigMap))
			return nil
		},
	})
}

func TestReadsOwnWrites(t *testing.T) {
	c := Wrap(behind(5))
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "a"}, Data: map[string]string{"n": "1"}}
	read := func() (*corev1.ConfigMap, error) {
		seen := &corev1.ConfigMap{}
		return seen, c.Get(t.Context(), client.ObjectKeyFromObject(object), seen)
	}
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if _, err := read(); err != nil {
		t.Fatalf("when it was created, it is there: %v", err)
	}
	object.Data["n"] = "2"
	if err := c.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if seen, err := read(); err != nil || seen.Data["n"] != "2" {
		t.Errorf("when it was changed, the change is there: %v, %v", seen.Data, err)
	}
	if err := c.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if _, err := read(); !apierrors.IsNotFound(err) {
		t.Errorf("when it was deleted, it is gone: %v", err)
	}
}

func TestFill(t *testing.T) {
	memory := behind(5)
	c := Fill(memory, memory)
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "a"}}
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if err := memory.Get(t.Context(), client.ObjectKeyFromObject(object), &corev1.ConfigMap{}); err != nil {
		t.Errorf("when it was written past the memory, the memory has it: %v", err)
	}
}

func TestEndsWithItsCaller(t *testing.T) {
	c := Wrap(behind(1 << 30))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "a"}}
	if err := c.Create(ctx, object); err != nil {
		t.Errorf("when reads stay behind, the write stands all the same: %v", err)
	}
}
