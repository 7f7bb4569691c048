package pod

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// deletions notes whether anything was deleted without a grace period, which the fake client does not keep.
type deletions struct {
	client.Client
	forced bool
}

func (d *deletions) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	applied := (&client.DeleteOptions{}).ApplyOptions(options)
	d.forced = d.forced || applied.GracePeriodSeconds != nil && *applied.GracePeriodSeconds == 0
	return d.Client.Delete(ctx, object, options...)
}
