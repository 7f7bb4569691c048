package apply

import (
	"context"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Concurrently is Objects for many objects that don't need each other's order, but that namespaces come first.
// At most limit requests are under way at a time.
func Concurrently(ctx context.Context, c client.Client, limit int, objects ...*unstructured.Unstructured) error {
	var rest []*unstructured.Unstructured
	for _, object := range objects {
		if object.GetKind() != "Namespace" {
			rest = append(rest, object)
			continue
		}
		if err := Objects(ctx, c, object); err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(limit)
	for _, object := range rest {
		group.Go(func() error { return Objects(ctx, c, object) })
	}
	return group.Wait()
}
