// Package apply writes objects by server-side apply, with naru as their field manager.
package apply

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// FieldManager is the name under which Naru owns fields.
const FieldManager = "naru"

// Objects applies each object in order, taking over fields that another manager owns. It stops at
// the first error. Applying what is there already changes nothing.
func Objects(ctx context.Context, c client.Client, objects ...*unstructured.Unstructured) error {
	for _, object := range objects {
		if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(FieldManager), client.ForceOwnership); err != nil {
			return fmt.Errorf("applying %s %s: %w", object.GetKind(), client.ObjectKeyFromObject(object), err)
		}
	}
	return nil
}

// Typed is Objects for typed objects; their kind is looked up in the client's scheme and an
// empty status is left out.
func Typed(ctx context.Context, c client.Client, objects ...client.Object) error {
	for _, object := range objects {
		u, err := toUnstructured(c, object)
		if err != nil {
			return err
		}
		if err := Objects(ctx, c, u); err != nil {
			return err
		}
	}
	return nil
}

func toUnstructured(c client.Client, object client.Object) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("converting %T: %w", object, err)
	}
	kind, err := c.GroupVersionKindFor(object)
	if err != nil {
		return nil, fmt.Errorf("looking up the kind of %T: %w", object, err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(kind)
	unstructured.RemoveNestedField(u.Object, "status")
	unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	return u, nil
}
