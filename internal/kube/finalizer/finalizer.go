// Package finalizer has an object stay until what it stands for is gone.
package finalizer

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// Add gives an object the finalizer. It returns true where it had none: the write wakes another pass, which sees it. An object
// that was changed meanwhile is a conflict: a list of finalizers is written as a whole.
func Add(ctx context.Context, c client.Client, object client.Object, name string) (added bool, err error) {
	if controllerutil.ContainsFinalizer(object, name) {
		return false, nil
	}
	stored := copied(object)
	controllerutil.AddFinalizer(object, name)
	return true, c.Patch(ctx, object, locked(stored))
}

// Remove takes the finalizer away; an object that is gone already is none of its business.
func Remove(ctx context.Context, c client.Client, object client.Object, name string) error {
	stored := copied(object)
	controllerutil.RemoveFinalizer(object, name)
	return client.IgnoreNotFound(c.Patch(ctx, object, locked(stored)))
}

func copied(object client.Object) client.Object {
	return object.DeepCopyObject().(client.Object)
}

func locked(stored client.Object) client.Patch {
	return client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})
}
